//! Gradient recording switched on for one piece of work, and back afterwards whatever happens.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use tch::Tensor;

use crate::error::Result;
use crate::panic::caught;
use crate::tensor::IntoResult;

/// Runs `work` with gradients recorded. tch's own `with_grad` forgets to restore the mode when
/// the closure panics, and the next cell would find it changed.
pub(crate) fn with_grad<T>(work: impl FnOnce() -> T) -> T {
    match tch::with_grad(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(result) => result,
        Err(panic) => resume_unwind(panic),
    }
}

/// Lets somebody else's closure work on a tensor: on a copy of its own, which it may write to, with gradients recorded
/// where the tensor has them. A panic becomes an error, and what the closure does to the gradient mode ends with it.
pub(crate) fn on_a_copy<T>(tensor: &Tensor, work: impl FnOnce(&Tensor) -> T) -> Result<T> {
    let copy = || tensor.f_alias_copy().into_result();
    if tensor.requires_grad() {
        let copy = with_grad(copy)?;
        return with_grad(|| caught(|| work(&copy)));
    }
    let copy = copy()?;
    let _no_grad = tch::no_grad_guard();
    caught(|| work(&copy))
}
