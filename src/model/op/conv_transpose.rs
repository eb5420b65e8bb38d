//! Transposed two-dimensional convolution.

use tch::Tensor;

use super::operator::{Facts, Gradients, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass, WeightInit, four, pair_of};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// A transposed convolution over `[N, C, H, W]`, with PyTorch's meaning of every option:
/// `H' = (H − 1)·stride − 2·padding + kernel`. Its weight is `[in, out, kernel, kernel]`.
///
/// ```
/// use convlens::model::ConvTranspose2d;
/// let twice_the_size = ConvTranspose2d::new(64, 32, 2).stride(2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose2d {
    pub(crate) in_channels: i64,
    pub(crate) out_channels: i64,
    pub(crate) kernel: i64,
    pub(crate) stride: i64,
    pub(crate) padding: i64,
    pub(crate) bias: bool,
}

impl ConvTranspose2d {
    /// A square kernel, stride 1, no padding, with a bias.
    pub fn new(in_channels: i64, out_channels: i64, kernel: i64) -> Self {
        ConvTranspose2d { in_channels, out_channels, kernel, stride: 1, padding: 0, bias: true }
    }

    /// The distance between the places of two input pixels in the output.
    pub fn stride(mut self, stride: i64) -> Self {
        self.stride = stride;
        self
    }

    /// Rows and columns that are cut off on each side of the output.
    pub fn padding(mut self, padding: i64) -> Self {
        self.padding = padding;
        self
    }

    /// No bias: a normalisation follows.
    pub fn without_bias(mut self) -> Self {
        self.bias = false;
        self
    }
}

impl Operator for ConvTranspose2d {
    fn facts(&self) -> Facts {
        Facts {
            kind: "ConvTranspose2d",
            inputs: 1..=1,
            kernel: Some([self.kernel; 2]),
            makes_new_memory: true,
            rectifies: None,
            is_local: false,
        }
    }

    fn check(&self) -> Result<()> {
        let sizes = [self.in_channels, self.out_channels, self.kernel, self.stride];
        if sizes.iter().all(|size| (1..=super::LARGEST).contains(size))
            && (0..=super::LARGEST).contains(&self.padding)
        {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "a transposed convolution needs positive channels, kernel and stride, a padding of 0 \
             or more, and none above 2^20; got {self:?}"
        )))
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        // PyTorch counts the fans of the weight as it lies in memory.
        let area = self.kernel.saturating_mul(self.kernel);
        let fans = [self.out_channels, self.in_channels].map(|c| c.saturating_mul(area));
        let shape = [self.in_channels, self.out_channels, self.kernel, self.kernel];
        let bias = self.bias.then_some(self.out_channels);
        ParameterSpec::weight_and_bias(&shape, WeightInit::KaimingUniform, fans, bias, false)
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let input = inputs[0];
        let [n, c, h, w] = four(input)?;
        if c != self.in_channels {
            return Err(Error::Shape(format!(
                "expected {} input channels, got {c} in {input:?}",
                self.in_channels
            )));
        }
        let spatial = pair_of(|i| {
            let grown = ([h, w][i] - 1).saturating_mul(self.stride);
            let size = grown.saturating_sub(2 * self.padding).saturating_add(self.kernel);
            if (1..=super::LARGEST).contains(&size) {
                return Ok(size);
            }
            Err(Error::Shape(format!("an output of {size} pixels is not possible")))
        })?;
        Ok(vec![n, self.out_channels, spatial[0], spatial[1]])
    }

    fn forward(
        &self,
        inputs: &mut [Tensor],
        parameters: &[Tensor],
        _: Pass,
        _: bool,
    ) -> Result<Tensor> {
        let bias = self.bias.then(|| &parameters[1]);
        let (stride, padding) = ([self.stride; 2], [self.padding; 2]);
        inputs[0]
            .f_conv_transpose2d(&parameters[0], bias, stride, padding, [0, 0], 1, [1, 1])
            .into_result()
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], _: &Tensor) -> Result<Gradients> {
        Ok(Gradients::ByAutograd)
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        let ConvTranspose2d { kernel, stride, padding, .. } = *self;
        Some([0, 1].map(|_| Step::Spread { kernel, stride, padding }))
    }
}
