//! Average pooling to a given size.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass, four};
use crate::error::{Error, Result};
use crate::model::fast;
use crate::tensor::IntoResult;

/// Average pooling to a given size; size 1 is global average pooling.
///
/// ```
/// use convlens::model::AdaptiveAvgPool2d;
/// let global = AdaptiveAvgPool2d::new(1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptiveAvgPool2d {
    output: [i64; 2],
}

impl AdaptiveAvgPool2d {
    /// Averages down (or up) to `output × output` pixels.
    pub fn new(output: i64) -> Self {
        AdaptiveAvgPool2d { output: [output; 2] }
    }

    /// To a height and width of their own.
    pub fn to(height: i64, width: i64) -> Self {
        AdaptiveAvgPool2d { output: [height, width] }
    }
}

impl Operator for AdaptiveAvgPool2d {
    fn facts(&self) -> Facts {
        Facts {
            kind: "AdaptiveAvgPool2d",
            family: Family::Pooling,
            inputs: 1..=1,
            kernel: None,
            makes_new_memory: true,
            rectifies: None,
            is_local: false,
            makes: Makes::Summed,
        }
    }

    fn check(&self) -> Result<()> {
        if self.output.iter().all(|side| (1..=super::LARGEST).contains(side)) {
            return Ok(());
        }
        Err(Error::Argument(format!("average pooling to {:?} pixels is not possible", self.output)))
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let input = inputs[0];
        let [n, c, h, w] = four(input)?;
        if h == 0 || w == 0 {
            return Err(Error::Shape(format!("nothing to average in {input:?}")));
        }
        Ok(vec![n, c, self.output[0], self.output[1]])
    }

    fn forward(&self, inputs: &mut [Tensor], _: &[Tensor], pass: Pass, _: bool) -> Result<Tensor> {
        if self.output == [1, 1]
            && pass.infers()
            && let Some(means) = fast::mean(&inputs[0])?
        {
            return Ok(means);
        }
        inputs[0].f_adaptive_avg_pool2d(self.output).into_result()
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], _: &Tensor) -> Result<Gradients> {
        Ok(Gradients::ByAutograd)
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, from: [i64; 2], to: [i64; 2]) -> Option<[Step; 2]> {
        Some([0, 1].map(|axis| Step::Adaptive { from: from[axis], to: to[axis] }))
    }
}
