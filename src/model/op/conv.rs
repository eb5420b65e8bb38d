//! Two-dimensional convolution.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::sides::sided_setters;
use super::step::Step;
use super::{ParameterSpec, Pass, WeightInit, four, pair_of};
use crate::error::{Error, Result};
use crate::tensor::{IntoResult, channels_last};

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
    pub(crate) padding: Padding,
    pub(crate) dilation: [i64; 2],
    pub(crate) groups: i64,
    pub(crate) bias: bool,
    init: WeightInit,
    zero_bias: bool,
}

/// What stands around the photo.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Padding {
    /// Rows and columns of zeros on each side.
    Zeros([i64; 2]),
    /// As many zeros as make `H' = ⌈H / stride⌉`, the odd one at the bottom or right, as
    /// TensorFlow's "SAME" has it.
    Same,
}

sided_setters!(Conv2d:
    /// The step between two windows, in pixels.
    stride, strides;
    /// Rows and columns of zeros on each side: above and below, left and right.
    padding, paddings;
    /// The distance between two taps of the kernel.
    dilation, dilations;
);

impl From<[i64; 2]> for Padding {
    fn from(zeros: [i64; 2]) -> Self {
        Padding::Zeros(zeros)
    }
}

impl Conv2d {
    /// A convolution with a square kernel, stride 1, no padding, one group and a bias.
    pub fn new(in_channels: i64, out_channels: i64, kernel: i64) -> Self {
        Conv2d {
            in_channels,
            out_channels,
            kernel: [kernel; 2],
            stride: [1; 2],
            padding: Padding::Zeros([0; 2]),
            dilation: [1; 2],
            groups: 1,
            bias: true,
            init: WeightInit::KaimingUniform,
            zero_bias: false,
        }
    }

    /// As many zeros as make the output `⌈size / stride⌉`, the odd one at the bottom or right:
    /// TensorFlow's "SAME".
    pub fn same(mut self) -> Self {
        self.padding = Padding::Same;
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

    /// How the weights start when none are given; [`WeightInit::KaimingUniform`] by default.
    pub fn init(mut self, init: WeightInit) -> Self {
        self.init = init;
        self
    }

    /// The bias starts at zero, not at random.
    pub fn zero_bias(mut self) -> Self {
        self.zero_bias = true;
        self
    }

    /// Whether it looks at one pixel alone, with every channel.
    pub(crate) fn is_pointwise(&self) -> bool {
        self.kernel == [1, 1] && self.stride == [1, 1] && self.groups == 1
    }

    /// The same convolution with or without a bias.
    pub(crate) fn biased(&self, bias: bool) -> Self {
        Conv2d { bias, ..self.clone() }
    }

    /// The rows and columns of zeros on each side, where they do not depend on the input.
    pub(crate) fn zeros(&self) -> Option<[i64; 2]> {
        match self.padding {
            Padding::Zeros(sides) => Some(sides),
            Padding::Same => None,
        }
    }

    /// The convolution that leads a gradient back through this one, where one does.
    pub(crate) fn turned(&self) -> Option<Conv2d> {
        let padding = self.zeros()?;
        let side = |i: usize| self.dilation[i] * (self.kernel[i] - 1) - padding[i];
        let sides = [side(0), side(1)];
        let applies = self.stride == [1, 1] && self.groups == 1 && sides.iter().all(|&s| s >= 0);
        applies.then(|| Conv2d {
            in_channels: self.out_channels,
            out_channels: self.in_channels,
            padding: Padding::Zeros(sides),
            bias: false,
            ..self.clone()
        })
    }

    /// Rows or columns that "SAME" adds in all.
    fn same_padding(&self, i: usize, size: i64) -> i64 {
        let (stride, span) = (self.stride[i], self.dilation[i] * (self.kernel[i] - 1) + 1);
        ((size + stride - 1) / stride * stride - stride + span - size).max(0)
    }

    /// Whether libtorch must not be left to skip the pixels between 1 × 1 windows itself: with
    /// channels that do not fill a vector register, the weights' gradient in oneDNN as of libtorch
    /// 2.13 then writes past its memory.
    fn skips_pixels(&self, padding: [i64; 2]) -> bool {
        self.kernel == [1, 1]
            && padding == [0, 0]
            && self.stride != [1, 1]
            && self.in_channels % 16 != 0
    }

    /// Every `stride`-th row and column.
    fn kept_pixels(&self, input: &Tensor) -> Result<Tensor> {
        let kept = input
            .f_slice(2, None::<i64>, None::<i64>, self.stride[0])
            .and_then(|t| t.f_slice(3, None::<i64>, None::<i64>, self.stride[1]))
            .into_result()?;
        channels_last(&kept)
    }

    /// From the gradient at the output to that at an input of this size: the transposed convolution with
    /// zeros at the sides.
    fn transposed(
        &self,
        weight: &Tensor,
        padding: [i64; 2],
        input: &[i64],
        gradient: &Tensor,
    ) -> Result<Tensor> {
        let ([n, _, height, width], [.., h, w]) = (four(input)?, four(&gradient.size())?);
        // Rows and columns that no window reached, at the far side.
        let rest = |i: usize, size: i64, out: i64| {
            let reached = (out - 1) * self.stride[i] + self.dilation[i] * (self.kernel[i] - 1) + 1;
            size + 2 * padding[i] - reached
        };
        let rest = [rest(0, height, h), rest(1, width, w)];
        let transposed = |stride: [i64; 2], rest: [i64; 2]| {
            let (bias, groups, dilation) = (None::<Tensor>, self.groups, self.dilation);
            gradient.f_conv_transpose2d(weight, bias, stride, padding, rest, groups, dilation)
        };
        // Windows of one pixel leave the pixels between them alone: see `skips_pixels`.
        if self.kernel == [1, 1] && padding == [0, 0] && self.stride != [1, 1] {
            let kept = transposed([1, 1], [0, 0]).into_result()?;
            let size = [n, height, width, kept.size()[1]];
            let work = || {
                // Channels last, as everything here.
                let whole =
                    Tensor::f_zeros(size, (kept.kind(), kept.device()))?.f_permute([0, 3, 1, 2])?;
                let mut place = whole
                    .f_slice(2, None::<i64>, None::<i64>, self.stride[0])?
                    .f_slice(3, None::<i64>, None::<i64>, self.stride[1])?;
                place.f_copy_(&kept)?;
                Ok(whole)
            };
            return work().into_result();
        }
        transposed(self.stride, rest).into_result()
    }
}

impl Operator for Conv2d {
    fn facts(&self) -> Facts {
        Facts {
            kind: "Conv2d",
            family: Family::Convolution,
            inputs: 1..=1,
            kernel: Some(self.kernel),
            makes_new_memory: true,
            rectifies: None,
            is_local: true,
            makes: Makes::Weighted,
        }
    }

    fn check(&self) -> Result<()> {
        let sizes = [&self.kernel, &self.stride, &self.dilation].into_iter().flatten();
        let channels = [self.in_channels, self.out_channels, self.groups];
        let sensible = sizes.chain(&channels).all(|size| (1..=super::LARGEST).contains(size))
            && match self.padding {
                Padding::Zeros(sides) => sides.iter().all(|p| (0..=super::LARGEST).contains(p)),
                Padding::Same => true,
            };
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

    fn parameters(&self) -> Vec<ParameterSpec> {
        let area = self.kernel[0].saturating_mul(self.kernel[1]);
        let fan_in = (self.in_channels / self.groups.max(1)).saturating_mul(area);
        // PyTorch leaves the groups out of this one; timm and TensorFlow do not.
        let fan_out = self.out_channels.saturating_mul(area);
        let shape = [
            self.out_channels,
            self.in_channels / self.groups.max(1),
            self.kernel[0],
            self.kernel[1],
        ];
        let (fans, bias) = ([fan_in, fan_out], self.bias.then_some(shape[0]));
        ParameterSpec::weight_and_bias(&shape, self.init, fans, bias, self.zero_bias)
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
            let size = [h, w][i];
            let span = self.dilation[i] * (self.kernel[i] - 1) + 1;
            let padded = match self.padding {
                Padding::Zeros(sides) => size + 2 * sides[i],
                Padding::Same => size + self.same_padding(i, size),
            };
            if padded < span {
                return Err(Error::Shape(format!(
                    "the kernel spans {span} pixels, but the padded input has only {padded}: the \
                     input is too small"
                )));
            }
            Ok((padded - span) / self.stride[i] + 1)
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
        let input = &inputs[0];
        let (weight, bias) = (&parameters[0], self.bias.then(|| &parameters[1]));
        let convolve = |input: &Tensor, padding: [i64; 2]| {
            let (input, stride) = match self.skips_pixels(padding) {
                true => (self.kept_pixels(input)?, [1, 1]),
                false => (input.shallow_clone(), self.stride),
            };
            input.f_conv2d(weight, bias, stride, padding, self.dilation, self.groups).into_result()
        };
        match self.padding {
            Padding::Zeros(padding) => convolve(input, padding),
            Padding::Same => {
                let [.., h, w] = four(&input.size())?;
                let (down, across) = (self.same_padding(0, h), self.same_padding(1, w));
                if down % 2 == 0 && across % 2 == 0 {
                    return convolve(input, [down / 2, across / 2]);
                }
                // left, right, top, bottom
                let sides = [across / 2, across - across / 2, down / 2, down - down / 2];
                let padded = input.f_constant_pad_nd(sides).into_result()?;
                convolve(&padded, [0, 0])
            }
        }
    }

    fn backward(
        &self,
        inputs: &[Tensor],
        parameters: &[Tensor],
        gradient: &Tensor,
    ) -> Result<Gradients> {
        Ok(match self.zeros() {
            Some(zeros) => {
                let input = inputs[0].size();
                Gradients::Own(vec![self.transposed(&parameters[0], zeros, &input, gradient)?])
            }
            None => Gradients::ByAutograd,
        })
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, from: [i64; 2], to: [i64; 2]) -> Option<[Step; 2]> {
        Some([0, 1].map(|axis| {
            let (taps, dilation) = (self.kernel[axis], self.dilation[axis]);
            let (span, stride) = (dilation * (taps - 1) + 1, self.stride[axis]);
            let padding = match self.padding {
                Padding::Zeros(sides) => sides[axis],
                // The odd one is at the bottom or right.
                Padding::Same => ((to[axis] - 1) * stride + span - from[axis]).max(0) / 2,
            };
            Step::Windows { taps, dilation, stride, padding }
        }))
    }
}
