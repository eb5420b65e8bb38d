//! Floats of 8 bits become what they stand for where a scale for them stands beside them.

use tch::Tensor;

use super::{Weights, first_and_more};
use crate::error::Result;
use crate::tensor::IntoResult;

/// Multiplies these tensors by their scales, of which there is one for the whole or one for each channel of the
/// output, and drops the scales. Scales of blocks, whose sizes no file tells, stay as tensors of their own.
pub(super) fn scale(weights: &mut Weights, names: &[String]) -> Result<()> {
    let (mut scaled, mut left) = (Vec::new(), Vec::new());
    for name in names {
        let Some(scale) = scales_of(name).into_iter().find(|s| weights.contains_key(s)) else {
            continue;
        };
        match product(&weights[name.as_str()], &weights[&scale])? {
            Some(product) => {
                weights.insert(name.clone(), product);
                weights.remove(&scale);
                scaled.push(name.as_str());
            }
            None => left.push(scale),
        }
    }
    if let Some(some) = first_and_more(&scaled) {
        weights.note(format!("8-bit floats were multiplied by their scales: {some}"));
    }
    if let Some(some) = first_and_more(&left) {
        weights.note(format!(
            "8-bit floats were not multiplied by their scales, which are neither one nor one for each \
             channel: {some}; do so in Python and save the floats"
        ));
    }
    Ok(())
}

/// What the scales of a tensor may be called: as in vLLM's files, in DeepSeek's, in ComfyUI's.
fn scales_of(name: &str) -> [String; 3] {
    let (layer, leaf) = name.rsplit_once('.').map_or(("", name), |(layer, leaf)| (layer, leaf));
    let dot = if layer.is_empty() { "" } else { "." };
    [format!("{name}_scale"), format!("{name}_scale_inv"), format!("{layer}{dot}scale_{leaf}")]
}

fn product(tensor: &Tensor, scale: &Tensor) -> Result<Option<Tensor>> {
    let channels = tensor.size().first().copied().unwrap_or(1);
    let mut sides = vec![1; tensor.dim()];
    match (scale.numel(), scale.size().first()) {
        (1, _) => {}
        (count, Some(&first)) if first == channels && count as i64 == channels => {
            sides[0] = channels;
        }
        _ => return Ok(None),
    }
    scale.f_view(sides.as_slice()).and_then(|scale| tensor.f_mul(&scale)).into_result().map(Some)
}
