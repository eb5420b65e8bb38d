//! The last layer of a network that was fine-tuned, whatever it is called there.

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::model::{Builder, PT2, Weights};
use crate::tensor::{IntoResult, plain_numbers};

/// The weights with the last layer under its own name, where all else fits and one linear layer is left over:
/// `fc.1.weight` of `Sequential(Dropout(), Linear(512, 10))`, or `head.weight`. `head` is the weight of the
/// network's last layer with its shape.
///
/// # Errors
/// Several layers in its place.
pub(super) fn named(
    plan: &Builder,
    mut given: Weights,
    head: Option<&(String, Vec<i64>)>,
) -> Result<Weights> {
    let Some((layer, [_, inputs])) = head.and_then(|(weight, shape)| {
        Some((weight.strip_suffix(".weight")?, <[i64; 2]>::try_from(shape.as_slice()).ok()?))
    }) else {
        return Ok(given);
    };
    let own = ["weight", "bias"].map(|what| format!("{layer}.{what}"));
    let expected = plan.expected();
    let mut missing = expected.keys().filter(|name| !given.contains_key(*name));
    if given.contains_key(&own[0]) || missing.any(|name| !own.contains(name)) {
        return Ok(given);
    }
    let surplus = given.iter().filter(|(name, _)| !expected.contains_key(*name));
    let surplus: Vec<(String, Vec<i64>)> = surplus
        .map(|(name, tensor)| Ok((name.clone(), plain_numbers(tensor)?.size())))
        .collect::<Result<_>>()?;
    let mut kernels = surplus.iter().filter(|(_, shape)| shape.len() > 1);
    let (Some((found, shape)), others) = (kernels.next(), kernels.next()) else { return Ok(given) };
    let theirs = found.strip_suffix("weight").unwrap_or(found);
    let bias = format!("{theirs}bias");
    let alone = others.is_none() && surplus.iter().all(|(name, _)| name == found || *name == bias);
    match (alone, shape.as_slice()) {
        (true, &[outputs, same]) if same == inputs => {
            given.note(format!(
                "the last layer, {layer}, is {} in the file",
                theirs.trim_end_matches('.')
            ));
            let bias = match given.remove(&bias) {
                Some(bias) => bias,
                None => Tensor::f_zeros([outputs], (Kind::Float, Device::Cpu)).into_result()?,
            };
            let weight = given.remove(found);
            given.extend(own.into_iter().zip(weight.into_iter().chain([bias])));
            Ok(given)
        }
        (true, _) => Ok(given),
        (false, _) => {
            let listed: Vec<String> =
                surplus.iter().map(|(name, shape)| format!("{name} {shape:?}")).collect();
            Err(Error::Argument(format!(
                "in place of the last layer of {}, {layer}, the file has {}: which activations lie between \
                 them, no file of weights tells. Take the network with its graph: {PT2}",
                plan.name(),
                listed.join(", ")
            )))
        }
    }
}
