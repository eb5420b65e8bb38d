//! Pooling: windows of pixels become one.

use tch::Tensor;

use super::pair_of;
use crate::error::{Error, Result};
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
    pub(crate) kernel: i64,
    pub(crate) stride: i64,
    pub(crate) padding: i64,
    pub(crate) ceil: bool,
}

impl Pool2d {
    fn new(reduce: Reduce, kernel: i64) -> Self {
        Pool2d { reduce, kernel, stride: kernel, padding: 0, ceil: false }
    }

    /// The greatest value of each `kernel × kernel` window; windows do not overlap.
    pub fn max(kernel: i64) -> Self {
        Self::new(Reduce::Max, kernel)
    }

    /// The mean of each `kernel × kernel` window; windows do not overlap.
    pub fn average(kernel: i64) -> Self {
        Self::new(Reduce::Average, kernel)
    }

    /// The step between two windows, in pixels.
    pub fn stride(mut self, stride: i64) -> Self {
        self.stride = stride;
        self
    }

    /// Rows and columns added on each side, at most half of the kernel.
    pub fn padding(mut self, padding: i64) -> Self {
        self.padding = padding;
        self
    }

    /// A last, incomplete window counts too (PyTorch's `ceil_mode`).
    pub fn ceil(mut self) -> Self {
        self.ceil = true;
        self
    }

    pub(super) fn kind(&self) -> &'static str {
        match self.reduce {
            Reduce::Max => "MaxPool2d",
            Reduce::Average => "AvgPool2d",
        }
    }

    pub(super) fn check(&self) -> Result<()> {
        let sizes = 1..=super::LARGEST;
        if sizes.contains(&self.kernel)
            && sizes.contains(&self.stride)
            && (0..=self.kernel / 2).contains(&self.padding)
        {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "pooling needs a positive kernel and stride, and a padding of at most half of the \
             kernel; got {self:?}"
        )))
    }

    pub(crate) fn is_max(&self) -> bool {
        self.reduce == Reduce::Max
    }

    pub(super) fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let [n, c, h, w] = super::four(input)?;
        let spatial = pair_of(|i| {
            let size = [h, w][i];
            let room = size + 2 * self.padding - self.kernel;
            let steps = if self.ceil {
                let steps = (room + self.stride - 1).div_euclid(self.stride);
                // The last window must begin inside the input or its left padding.
                if steps * self.stride >= size + self.padding { steps - 1 } else { steps }
            } else {
                room.div_euclid(self.stride)
            };
            if steps < 0 {
                return Err(Error::Shape(format!(
                    "the window has {} pixels, but the padded input only {}: the input is too \
                     small",
                    self.kernel,
                    size + 2 * self.padding
                )));
            }
            Ok(steps + 1)
        })?;
        Ok(vec![n, c, spatial[0], spatial[1]])
    }

    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        let (kernel, stride, padding) = ([self.kernel; 2], [self.stride; 2], [self.padding; 2]);
        match self.reduce {
            Reduce::Max => input.f_max_pool2d(kernel, stride, padding, [1, 1], self.ceil),
            Reduce::Average => {
                input.f_avg_pool2d(kernel, stride, padding, self.ceil, true, None::<i64>)
            }
        }
        .into_result()
    }
}

/// Average pooling to a given size; size 1 is global average pooling.
///
/// ```
/// use convlens::model::AdaptiveAvgPool2d;
/// let global = AdaptiveAvgPool2d::new(1);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct AdaptiveAvgPool2d {
    pub(crate) output: i64,
}

impl AdaptiveAvgPool2d {
    /// Averages down (or up) to `output × output` pixels.
    pub fn new(output: i64) -> Self {
        AdaptiveAvgPool2d { output }
    }

    pub(super) fn check(&self) -> Result<()> {
        if (1..=super::LARGEST).contains(&self.output) {
            return Ok(());
        }
        Err(Error::Argument(format!("average pooling to {} pixels is not possible", self.output)))
    }

    pub(super) fn output_shape(&self, input: &[i64]) -> Result<Vec<i64>> {
        let [n, c, h, w] = super::four(input)?;
        if h == 0 || w == 0 {
            return Err(Error::Shape(format!("nothing to average in {input:?}")));
        }
        Ok(vec![n, c, self.output, self.output])
    }

    pub(super) fn forward(&self, input: &Tensor) -> Result<Tensor> {
        input.f_adaptive_avg_pool2d([self.output; 2]).into_result()
    }
}
