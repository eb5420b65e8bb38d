//! What is optimised, and how it becomes a picture.

use tch::{Device, Tensor};

use super::fourier;
use crate::error::Result;
use crate::tensor::IntoResult;

/// What is optimised, and how it becomes a picture.
///
/// All three hold values `[N, C, h, w]`; they differ in which steps are short. Colours from 0 to 1 are normalised
/// as a photo's are; where a network of other than one or three channels normalises its input, 0 to 1 goes from two
/// deviations below each channel's mean to two above it. Which of such channels are shown,
/// [`Preprocess::view_as`](crate::photo::Preprocess::view_as) chooses; unless it does, their mean is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Parametrization {
    /// The network's input itself, in its own units and without bounds; what is beyond black and
    /// white is cut off where it is shown.
    Pixels,
    /// Colours from 0 to 1 through a sigmoid, `1 / (1 + exp(−v))`.
    Sigmoid,
    /// Frequencies instead of pixels, the high ones smaller in proportion, in colours that are
    /// independent of each other in photos, through a sigmoid: steps are as large for coarse shapes as
    /// for fine ones. Olah et al. 2017, <https://distill.pub/2017/feature-visualization>, with
    /// lucid's constants:
    /// `sigmoid(M · irfft2(s / max(f, 1/max(h, w))) / 4)`, `f` in cycles a pixel, the transform
    /// orthonormal, `M` the square root of the covariance of ImageNet's colours. Pictures of other
    /// than three channels go without `M`.
    #[default]
    Fourier,
}

impl Parametrization {
    /// Whether its pictures are colours from 0 to 1, and not the network's input.
    pub(super) fn is_bounded(self) -> bool {
        self != Parametrization::Pixels
    }

    /// The shape of what is optimised, for pictures of this shape.
    pub(super) fn shape(self, [n, c, h, w]: [i64; 4]) -> Vec<i64> {
        match self {
            Parametrization::Fourier => vec![n, c, h, w / 2 + 1, 2],
            _ => vec![n, c, h, w],
        }
    }

    /// What is optimised, from values `[N, C, h, w]`.
    pub(super) fn encode(self, values: &Tensor) -> Result<Tensor> {
        match self {
            Parametrization::Fourier => fourier::spectrum(values).into_result(),
            _ => values.f_detach_copy().into_result(),
        }
    }

    /// The values, `[N, C, h, w]`, of a picture that is `width` wide.
    pub(super) fn decode(self, leaf: &Tensor, width: i64) -> Result<Tensor> {
        match self {
            Parametrization::Fourier => fourier::image(leaf, width).into_result(),
            _ => Ok(leaf.shallow_clone()),
        }
    }

    /// The picture, `[N, C, h, w]`: colours, or the network's input.
    pub(super) fn picture(self, leaf: &Tensor, width: i64) -> Result<Tensor> {
        let values = self.decode(leaf, width)?;
        match self {
            Parametrization::Pixels => Ok(values),
            Parametrization::Sigmoid => values.f_sigmoid().into_result(),
            Parametrization::Fourier => {
                correlated(&values).and_then(|t| t.f_sigmoid()).into_result()
            }
        }
    }

    /// The values of these colours, from 0 to 1. `Pixels` take theirs normalised already.
    pub(super) fn values_of(self, colours: &Tensor) -> Result<Tensor> {
        let logits = || colours.f_clamp(0.01, 0.99)?.f_logit(None::<f64>);
        match self {
            Parametrization::Pixels => Ok(colours.shallow_clone()),
            Parametrization::Sigmoid => logits().into_result(),
            Parametrization::Fourier => logits().and_then(|t| decorrelated(&t)).into_result(),
        }
    }
}

/// lucid's: a square root of the covariance of the colours in ImageNet, row by row.
const COLOURS: [[f32; 3]; 3] = [[0.26, 0.09, 0.02], [0.27, 0.00, -0.05], [0.27, -0.09, 0.03]];

/// The matrix, divided by the length of its longest column.
fn colour_matrix(device: Device) -> Result<Tensor, tch::TchError> {
    let length = |column: usize| COLOURS.iter().map(|row| row[column].powi(2)).sum::<f32>().sqrt();
    let longest = (0..3).map(length).fold(0f32, f32::max);
    Tensor::f_from_slice(COLOURS.as_flattened())?
        .f_reshape([3, 3])?
        .f_div_scalar(f64::from(longest))?
        .f_to_device(device)
}

/// Each pixel times the matrix, where there are three colours.
fn correlated(values: &Tensor) -> Result<Tensor, tch::TchError> {
    mixed(values, &|matrix| Ok(matrix))
}

/// The way back.
fn decorrelated(values: &Tensor) -> Result<Tensor, tch::TchError> {
    mixed(values, &|matrix| matrix.f_inverse())
}

type Change<'a> = &'a dyn Fn(Tensor) -> Result<Tensor, tch::TchError>;

fn mixed(values: &Tensor, change: Change<'_>) -> Result<Tensor, tch::TchError> {
    if values.size().get(1) != Some(&3) {
        return Ok(values.shallow_clone());
    }
    let matrix = change(colour_matrix(values.device())?)?;
    // As a convolution of one pixel: [3, 3] · [N, 3, h·w].
    let size = values.size();
    matrix.f_unsqueeze(0)?.f_matmul(&values.f_flatten(2, -1)?)?.f_reshape(size.as_slice())
}
