//! Weights of networks whose batch norms were fused into the convolutions before them, as PyTorch does before it
//! quantises.

use tch::{Device, Kind, Tensor};

use super::weights::Weights;
use super::{NodeId, Op};
use crate::error::Result;
use crate::tensor::IntoResult;

/// A layer as it stands in a graph: what it is, what it reads, and the full names of its parameters.
pub(super) struct Placed<'a> {
    pub(super) op: &'a Op,
    pub(super) inputs: &'a [NodeId],
    pub(super) names: Vec<String>,
}

/// The weights with a batch norm for each that a convolution behind which it stands took in: one that adds the
/// convolution's bias and does nothing else.
pub(super) fn unfused(mut given: Weights, layers: &[Placed<'_>]) -> Result<Weights> {
    let mut count = 0;
    for norm in layers {
        let before = norm.inputs.first().and_then(|id| layers.get(id.0));
        let (Op::BatchNorm2d(options), Some(conv)) = (norm.op, before) else { continue };
        let ([weight, bias, mean, variance], Op::Conv2d(_)) = (norm.names.as_slice(), conv.op)
        else {
            continue;
        };
        let Some(kernels) = conv.names.first().filter(|name| given.contains_key(*name)) else {
            continue;
        };
        let conv_bias = format!("{}bias", kernels.trim_end_matches("weight"));
        if norm.names.iter().any(|name| given.contains_key(name)) || !given.contains_key(&conv_bias)
        {
            continue;
        }
        let filled = |value: f64| {
            Tensor::f_full([options.channels], value, (Kind::Float, Device::Cpu)).into_result()
        };
        let (ones, zeros, rest) = (filled(1.0)?, filled(0.0)?, filled(1.0 - options.eps)?);
        let added = match conv.names.contains(&conv_bias) {
            true => zeros.shallow_clone(),
            false => given.remove(&conv_bias).unwrap_or_else(|| zeros.shallow_clone()),
        };
        let values = [(weight, ones), (bias, added), (mean, zeros), (variance, rest)];
        given.extend(values.map(|(name, tensor)| (name.clone(), tensor)));
        count += 1;
    }
    if count > 0 {
        given.note(format!(
            "{count} batch norms stand in the weights of the convolutions before them: here each adds a bias"
        ));
    }
    Ok(given)
}
