//! Where tests of numbers run: on the CPU, or on the device that `CONVLENS_DEVICE` names, as `cuda:0`.
//! `cargo xtask test --gpu` sets it.

use convlens::prelude::*;
use tch::Device;

pub(crate) fn device() -> Device {
    let Ok(name) = std::env::var("CONVLENS_DEVICE") else { return Device::Cpu };
    match name.strip_prefix("cuda:").map(str::parse) {
        Some(Ok(number)) => Device::Cuda(number),
        _ => panic!("CONVLENS_DEVICE is {name:?}, expected cuda:0, cuda:1, ..."),
    }
}

/// The network where tests run.
pub(crate) fn placed(model: Model) -> Model {
    model.to(device()).unwrap_or_else(|error| panic!("{error}"))
}
