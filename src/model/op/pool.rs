//! Pooling: windows of pixels become one.

use tch::Tensor;

use super::operator::{Facts, Family, Gradients, Makes, Operator, Reads};
use super::sides::sided_setters;
use super::step::Step;
use super::{ParameterSpec, Pass, four, pair_of};
use crate::error::{Error, Result};
use crate::model::fast;
use crate::tensor::IntoResult;

/// What a window becomes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Reduce {
    Max,
    Average,
}

/// Max or average pooling over windows, with PyTorch's meaning of every option.
///
/// ```
/// use convlens::model::Pool2d;
/// let pool = Pool2d::max(3).stride(2).ceil();
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Pool2d {
    reduce: Reduce,
    kernel: [i64; 2],
    stride: [i64; 2],
    padding: [i64; 2],
    dilation: [i64; 2],
    ceil: bool,
    /// Whether zeros at the sides count in a mean.
    counts_padding: bool,
    /// What a sum is divided by in place of the number of its pixels.
    divisor: Option<i64>,
}

sided_setters!(Pool2d:
    /// The step between two windows, in pixels.
    stride, strides;
    /// Rows and columns added on each side, at most half of the kernel: above and below, left and right.
    padding, paddings;
    /// The distance between two pixels of a window, for maxima.
    dilation, dilations;
);

impl Pool2d {
    fn new(reduce: Reduce, kernel: i64) -> Self {
        Pool2d {
            reduce,
            kernel: [kernel; 2],
            stride: [kernel; 2],
            padding: [0; 2],
            dilation: [1; 2],
            ceil: false,
            counts_padding: true,
            divisor: None,
        }
    }

    /// The greatest value of each `kernel × kernel` window; windows do not overlap.
    pub fn max(kernel: i64) -> Self {
        Self::new(Reduce::Max, kernel)
    }

    /// The mean of each `kernel × kernel` window; windows do not overlap.
    pub fn average(kernel: i64) -> Self {
        Self::new(Reduce::Average, kernel)
    }

    /// A last, incomplete window counts too (PyTorch's `ceil_mode`).
    pub fn ceil(mut self) -> Self {
        self.ceil = true;
        self
    }

    /// Zeros at the sides do not count in a mean (PyTorch's `count_include_pad=False`).
    pub fn without_padding(mut self) -> Self {
        self.counts_padding = false;
        self
    }

    /// What sums are divided by, in place of the number of their pixels.
    pub fn divisor(mut self, divisor: i64) -> Self {
        self.divisor = Some(divisor);
        self
    }

    pub(crate) fn is_max(&self) -> bool {
        self.reduce == Reduce::Max
    }

    /// From the gradient at the output of a maximum to that at its input: to where it came from.
    fn to_the_greatest(&self, input: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let Pool2d { kernel, stride, padding, dilation, ceil, .. } = *self;
        input
            .f_max_pool2d_with_indices(kernel, stride, padding, dilation, ceil)
            .and_then(|(_, places)| {
                input.f_max_pool2d_with_indices_backward(
                    gradient, kernel, stride, padding, dilation, ceil, &places,
                )
            })
            .into_result()
    }
}

impl Operator for Pool2d {
    fn facts(&self) -> Facts {
        Facts {
            kind: match self.reduce {
                Reduce::Max => "MaxPool2d",
                Reduce::Average => "AvgPool2d",
            },
            family: Family::Pooling,
            inputs: 1..=1,
            kernel: Some(self.kernel),
            makes_new_memory: true,
            rectifies: None,
            is_local: self.counts_padding,
            makes: match self.reduce {
                Reduce::Max => Makes::Chosen,
                Reduce::Average => Makes::Summed,
            },
        }
    }

    fn check(&self) -> Result<()> {
        let sizes = [&self.kernel, &self.stride, &self.dilation].into_iter().flatten();
        if sizes.into_iter().all(|size| (1..=super::LARGEST).contains(size))
            && (0..2).all(|axis| (0..=self.kernel[axis] / 2).contains(&self.padding[axis]))
            && (self.is_max() || self.dilation == [1, 1])
            && self.divisor != Some(0)
        {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "pooling needs a positive kernel and stride, a padding of at most half of the kernel, a divisor \
             other than 0, and for means no dilation; got {self:?}"
        )))
    }

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let input = inputs[0];
        let [n, c, h, w] = four(input)?;
        let spatial = pair_of(|i| {
            let (size, padding, stride) = ([h, w][i], self.padding[i], self.stride[i]);
            let span = self.dilation[i] * (self.kernel[i] - 1) + 1;
            let room = size + 2 * padding - span;
            let steps = if self.ceil {
                let steps = (room + stride - 1).div_euclid(stride);
                // The last window must begin inside the input or its left padding.
                if steps * stride >= size + padding { steps - 1 } else { steps }
            } else {
                room.div_euclid(stride)
            };
            if steps < 0 {
                return Err(Error::Shape(format!(
                    "the window has {span} pixels, but the padded input only {}: the input is too small",
                    size + 2 * padding
                )));
            }
            Ok(steps + 1)
        })?;
        Ok(vec![n, c, spatial[0], spatial[1]])
    }

    fn forward(&self, inputs: &mut [Tensor], _: &[Tensor], pass: Pass, _: bool) -> Result<Tensor> {
        let input = &inputs[0];
        let Pool2d { kernel, stride, padding, dilation, ceil, counts_padding, divisor, .. } = *self;
        if self.is_max() && pass.infers() {
            let shape = self.output_shape(&[&input.size()])?;
            let windows = [kernel, stride, padding, dilation];
            if let Some(output) = fast::max_pool(input, windows, &shape)? {
                return Ok(output);
            }
        }
        match self.reduce {
            Reduce::Max => input.f_max_pool2d(kernel, stride, padding, dilation, ceil),
            Reduce::Average => {
                input.f_avg_pool2d(kernel, stride, padding, ceil, counts_padding, divisor)
            }
        }
        .into_result()
    }

    fn backward(&self, inputs: &[Tensor], _: &[Tensor], gradient: &Tensor) -> Result<Gradients> {
        Ok(match self.reduce {
            Reduce::Max => Gradients::Own(vec![self.to_the_greatest(&inputs[0], gradient)?]),
            Reduce::Average => Gradients::ByAutograd,
        })
    }

    fn reads(&self, _: usize, _: &[Option<[i64; 2]>]) -> Reads {
        Reads::Values
    }

    fn steps(&self, _: [i64; 2], _: [i64; 2]) -> Option<[Step; 2]> {
        Some([0, 1].map(|axis| Step::Windows {
            taps: self.kernel[axis],
            dilation: self.dilation[axis],
            stride: self.stride[axis],
            padding: self.padding[axis],
        }))
    }
}
