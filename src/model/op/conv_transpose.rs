//! Transposed two-dimensional convolution.

use tch::{TchError, Tensor};

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::sides::sided_setters;
use super::step::Step;
use super::{ParameterSpec, Pass, WeightInit, four, pair_of};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// A transposed convolution over `[N, C, H, W]`, with PyTorch's meaning of every option:
/// `H' = (H − 1)·stride − 2·padding + dilation·(kernel − 1) + 1 + output padding`. Its weight is
/// `[in, out / groups, kernel, kernel]`.
///
/// ```
/// use convlens::model::ConvTranspose2d;
/// let twice_the_size = ConvTranspose2d::new(64, 32, 2).stride(2);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct ConvTranspose2d {
    pub(crate) in_channels: i64,
    pub(crate) out_channels: i64,
    kernel: [i64; 2],
    stride: [i64; 2],
    padding: [i64; 2],
    rest: [i64; 2],
    dilation: [i64; 2],
    groups: i64,
    pub(crate) bias: bool,
}

sided_setters!(ConvTranspose2d:
    /// The distance between the places of two input pixels in the output.
    stride, strides;
    /// Rows and columns that are cut off on each side of the output: above and below, left and right.
    padding, paddings;
    /// The distance between two taps of the kernel.
    dilation, dilations;
);

impl ConvTranspose2d {
    /// A square kernel, stride 1, no padding, one group, with a bias.
    pub fn new(in_channels: i64, out_channels: i64, kernel: i64) -> Self {
        ConvTranspose2d {
            in_channels,
            out_channels,
            kernel: [kernel; 2],
            stride: [1; 2],
            padding: [0; 2],
            rest: [0; 2],
            dilation: [1; 2],
            groups: 1,
            bias: true,
        }
    }

    /// Rows at the bottom and columns at the right that are not cut off (PyTorch's `output_padding`).
    pub fn output_padding(mut self, rows: i64, columns: i64) -> Self {
        self.rest = [rows, columns];
        self
    }

    /// Groups of channels that see only each other.
    pub fn groups(mut self, groups: i64) -> Self {
        self.groups = groups;
        self
    }

    /// The same convolution with or without a bias.
    pub(crate) fn biased(&self, bias: bool) -> Self {
        ConvTranspose2d { bias, ..self.clone() }
    }

    /// Its weight, with what leads to each output channel times a number of its own.
    pub(crate) fn scaled(&self, weight: &Tensor, scale: &Tensor) -> Result<Tensor, TchError> {
        let (groups, sides) = (self.groups, weight.size());
        let apart =
            weight.f_reshape([groups, -1, self.out_channels / groups, sides[2], sides[3]])?;
        apart.f_mul(&scale.f_reshape([groups, 1, -1, 1, 1])?)?.f_reshape(sides)
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
            family: Family::TransposedConvolution,
            inputs: 1..=1,
            kernel: Some(self.kernel),
            makes_new_memory: true,
            rectifies: None,
            is_local: false,
            makes: Makes::Weighted,
        }
    }

    fn check(&self) -> Result<()> {
        let sizes = [self.in_channels, self.out_channels, self.groups];
        let sides = [&self.kernel, &self.stride, &self.dilation].into_iter().flatten();
        let sensible = sizes.iter().chain(sides).all(|size| (1..=super::LARGEST).contains(size))
            && self.padding.iter().all(|size| (0..=super::LARGEST).contains(size))
            // As PyTorch has it.
            && (0..2).all(|i| (0..self.stride[i].max(self.dilation[i])).contains(&self.rest[i]));
        let divides = |channels: i64| channels % self.groups.max(1) == 0;
        if sensible && divides(self.in_channels) && divides(self.out_channels) {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "a transposed convolution needs positive channels that divide into its groups, a positive kernel, \
             stride and dilation, a padding of 0 or more, an output padding below the stride, and none above \
             2^20; got {self:?}"
        )))
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        // PyTorch counts the fans of the weight as it lies in memory.
        let area = self.kernel[0].saturating_mul(self.kernel[1]);
        let out = self.out_channels / self.groups.max(1);
        let fans = [out, self.in_channels].map(|c| c.saturating_mul(area));
        let shape = [self.in_channels, out, self.kernel[0], self.kernel[1]];
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
            let grown = ([h, w][i] - 1).saturating_mul(self.stride[i]);
            let span = self.dilation[i] * (self.kernel[i] - 1) + 1 + self.rest[i];
            let size = grown.saturating_sub(2 * self.padding[i]).saturating_add(span);
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
        let ConvTranspose2d { stride, padding, rest, dilation, groups, .. } = *self;
        inputs[0]
            .f_conv_transpose2d(&parameters[0], bias, stride, padding, rest, groups, dilation)
            .into_result()
    }

    fn backward(&self, _: &[Tensor], _: &[Tensor], _: &Tensor) -> Result<Gradients> {
        Ok(Gradients::ByAutograd)
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        // Taps with gaps between them: trying shows which pixels they reach.
        (self.dilation == [1, 1]).then(|| {
            [0, 1].map(|axis| Step::Spread {
                kernel: self.kernel[axis],
                stride: self.stride[axis],
                padding: self.padding[axis],
            })
        })
    }
}
