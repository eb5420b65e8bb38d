//! Pooling: windows of pixels become one.

use tch::Tensor;

use super::operator::{Facts, Gradients, Operator, Reads};
use super::step::Step;
use super::{ParameterSpec, Pass, four, pair_of};
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

    pub(crate) fn is_max(&self) -> bool {
        self.reduce == Reduce::Max
    }

    /// From the gradient at the output of a maximum to that at its input: to where it came from.
    fn to_the_greatest(&self, input: &Tensor, gradient: &Tensor) -> Result<Tensor> {
        let [kernel, stride, padding] = [self.kernel, self.stride, self.padding].map(|n| [n, n]);
        let one = [1i64, 1];
        input
            .f_max_pool2d_with_indices(kernel, stride, padding, one, self.ceil)
            .and_then(|(_, places)| {
                input.f_max_pool2d_with_indices_backward(
                    gradient, kernel, stride, padding, one, self.ceil, &places,
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
            inputs: 1..=1,
            kernel: Some([self.kernel; 2]),
            makes_new_memory: true,
            rectifies: None,
            is_local: true,
        }
    }

    fn check(&self) -> Result<()> {
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

    fn parameters(&self) -> Vec<ParameterSpec> {
        Vec::new()
    }

    fn output_shape(&self, inputs: &[&[i64]]) -> Result<Vec<i64>> {
        let input = inputs[0];
        let [n, c, h, w] = four(input)?;
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

    fn forward(&self, inputs: &mut [Tensor], _: &[Tensor], _: Pass, _: bool) -> Result<Tensor> {
        let input = &inputs[0];
        let (kernel, stride, padding) = ([self.kernel; 2], [self.stride; 2], [self.padding; 2]);
        match self.reduce {
            Reduce::Max => input.f_max_pool2d(kernel, stride, padding, [1, 1], self.ceil),
            Reduce::Average => {
                input.f_avg_pool2d(kernel, stride, padding, self.ceil, true, None::<i64>)
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
        let Pool2d { kernel: taps, stride, padding, .. } = *self;
        Some([0, 1].map(|_| Step::Windows { taps, dilation: 1, stride, padding }))
    }
}
