//! Two-dimensional convolution.

use tch::Tensor;

use super::{Init, ParameterSpec, pair_of};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// A two-dimensional convolution over `[N, C, H, W]`, with PyTorch's meaning of every option:
/// `H' = (H + 2·padding − dilation·(kernel − 1) − 1) / stride + 1`, rounded down.
///
/// ```
/// use convlens::model::Conv2d;
/// let conv = Conv2d::new(3, 64, 7).stride(2).padding(3).without_bias();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Conv2d {
    pub(crate) in_channels: i64,
    pub(crate) out_channels: i64,
    pub(crate) kernel: [i64; 2],
    pub(crate) stride: [i64; 2],
    pub(crate) padding: [i64; 2],
    pub(crate) dilation: [i64; 2],
    pub(crate) groups: i64,
    pub(crate) bias: bool,
}

impl Conv2d {
    /// A convolution with a square kernel, stride 1, no padding, one group and a bias.
    pub fn new(in_channels: i64, out_channels: i64, kernel: i64) -> Self {
        Conv2d {
            in_channels,
            out_channels,
            kernel: [kernel; 2],
            stride: [1; 2],
            padding: [0; 2],
            dilation: [1; 2],
            groups: 1,
            bias: true,
        }
    }

    /// A kernel of its own height and width.
    pub fn kernel(mut self, height: i64, width: i64) -> Self {
        self.kernel = [height, width];
        self
    }

    /// The step between two windows, in pixels.
    pub fn stride(mut self, stride: i64) -> Self {
        self.stride = [stride; 2];
        self
    }

    /// Rows and columns of zeros on each side.
    pub fn padding(mut self, padding: i64) -> Self {
        self.padding = [padding; 2];
        self
    }

    /// The distance between two taps of the kernel.
    pub fn dilation(mut self, dilation: i64) -> Self {
        self.dilation = [dilation; 2];
        self
    }

    /// Groups of channels that see only each other; `in_channels` makes it depthwise.
    pub fn groups(mut self, groups: i64) -> Self {
        self.groups = groups;
        self
    }

    /// No bias: a normalisation follows.
    pub fn without_bias(mut self) -> Self {
        self.bias = false;
        self
    }

    pub(super) fn parameters(&self) -> Vec<ParameterSpec> {
        let fan_in = self.in_channels / self.groups.max(1) * self.kernel[0] * self.kernel[1];
        let shape = [
            self.out_channels,
            self.in_channels / self.groups.max(1),
            self.kernel[0],
            self.kernel[1],
        ];
        let mut specs = vec![ParameterSpec::new("weight", &shape, Init::KaimingUniform { fan_in })];
        if self.bias {
            specs.push(ParameterSpec::new("bias", &shape[..1], Init::FanInUniform { fan_in }));
        }
        specs
    }

    pub(super) fn check(&self) -> Result<()> {
        let sizes = [&self.kernel, &self.stride, &self.dilation].into_iter().flatten();
        let channels = [self.in_channels, self.out_channels, self.groups];
        let sensible = sizes.chain(&channels).all(|size| (1..=super::LARGEST).contains(size))
            && self.padding.iter().all(|padding| (0..=super::LARGEST).contains(padding));
        if !sensible {
            return Err(Error::Argument(format!(
                "a convolution needs positive channels, kernel, stride, dilation and groups, \
                 a padding of 0 or more, and none above 2^20; got {self:?}"
            )));
        }
        if self.in_channels % self.groups != 0 || self.out_channels % self.groups != 0 {
            return Err(Error::Argument(format!(
                "{} input and {} output channels do not divide into {} groups",
                self.in_channels, self.out_channels, self.groups
            )));
        }
        Ok(())
    }

    pub(super) fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let [n, c, h, w] = super::four(input)?;
        if c != self.in_channels {
            return Err(Error::Shape(format!(
                "expected {} input channels, got {c} in {input:?}",
                self.in_channels
            )));
        }
        let spatial = pair_of(|i| {
            let size = [h, w][i];
            let span = self.dilation[i] * (self.kernel[i] - 1) + 1;
            let room = size + 2 * self.padding[i] - span;
            if room < 0 {
                return Err(Error::Shape(format!(
                    "the kernel spans {span} pixels, but the padded input has only {}: the input \
                     is too small",
                    size + 2 * self.padding[i]
                )));
            }
            Ok(room / self.stride[i] + 1)
        })?;
        Ok(vec![n, self.out_channels, spatial[0], spatial[1]])
    }

    pub(super) fn forward(&self, input: &Tensor, parameters: &[Tensor]) -> Result<Tensor> {
        input
            .f_conv2d(
                &parameters[0],
                self.bias.then(|| &parameters[1]),
                self.stride,
                self.padding,
                self.dilation,
                self.groups,
            )
            .into_result()
    }
}
