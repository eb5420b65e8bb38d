//! Resizing one activation to the size of another.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass, four};
use crate::error::Result;
use crate::tensor::IntoResult;

/// `[N, C, h, w] -> [N, C, H, W]`, the height and width of the second input; half-pixel centres.
pub(super) struct ResizeLike;

impl Operator for ResizeLike {
    fn facts(&self) -> Facts {
        Facts {
            kind: "Resize",
            family: Family::Other,
            inputs: 2..=2,
            kernel: None,
            makes_new_memory: false,
            rectifies: None,
            is_local: false,
            makes: Makes::Moved,
        }
    }

    fn check(&self) -> Result<()> {
        Ok(())
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let [n, c, ..] = four(inputs[0])?;
        let [.., h, w] = four(inputs.get(1).copied().unwrap_or_default())?;
        Ok(vec![n, c, h, w])
    }

    fn forward(&self, inputs: &mut [Tensor], _: &[Tensor], _: Pass, _: bool) -> Result<Tensor> {
        let [.., h, w] = four(&inputs[1].size())?;
        if inputs[0].size().ends_with(&[h, w]) {
            return Ok(inputs[0].shallow_clone());
        }
        inputs[0].f_upsample_bilinear2d([h, w], false, None::<f64>, None::<f64>).into_result()
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], _: &Tensor) -> Result<Gradients> {
        Ok(Gradients::ByAutograd)
    }

    fn reads(&self, input: usize, _: &[Option<[i64; 2]>]) -> Reads {
        if input == 0 { Reads::Values } else { Reads::Size }
    }

    fn steps(&self, from: [i64; 2], to: [i64; 2]) -> Option<[Step; 2]> {
        Some([0, 1].map(|axis| Step::Resized { from: from[axis], to: to[axis] }))
    }
}
