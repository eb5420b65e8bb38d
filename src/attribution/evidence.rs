//! What a method computes, before it becomes heat maps.

use tch::{Kind, TchError, Tensor};

use crate::error::{Error, Result};
use crate::picture::{Maps, Resize, Segments};
use crate::tensor::{IntoResult, plain_numbers, to_maps};

/// What a method computed for a batch: how much each channel at each place contributes, and how the
/// channels become one map.
pub struct Evidence {
    /// `[N, C, h, w]`; of rows of numbers `[N, 1, 1, F]`.
    pub contributions: Tensor,
    /// How the channels become one map.
    pub reduction: Reduction,
    /// What the values mean.
    pub meaning: Meaning,
    /// The layer that was looked at, as pictures name it; `None` for the input.
    pub layer: Option<String>,
    /// What has to be known to read the map, a line each, for all photos of the batch.
    pub remarks: Vec<String>,
    /// The segments that have a value each, one for each of the batch; empty where methods have none.
    pub segments: Vec<Segments>,
}

/// How channels become one map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Reduction {
    /// Their sum.
    Sum,
    /// The greatest magnitude among them.
    Greatest,
    /// The sum of their magnitudes.
    Magnitudes,
    /// Each place projected onto the direction in which places differ most; see
    /// [`principal_component`].
    PrincipalComponent,
}

/// What the values of a map mean, and so how it is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Meaning {
    /// What is positive counts, as in the class activation family: shown over the photo.
    Positive,
    /// For and against: shown in two colours.
    Signed,
    /// Sizes, never negative: shown from black to white, alone.
    Magnitude,
    /// A gradient for each colour: shown as a picture of its own around grey.
    Colour,
}

impl Evidence {
    /// The maps, `[N, h, w]`.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn maps(&self) -> Result<Tensor> {
        self.reduction.reduce(&self.contributions)
    }

    /// Of the input: one value for each of its own, `[N, C, H, W]` or `[N, F]`, which add up over the
    /// channels; of a gradient in colour, the greatest counts.
    pub(super) fn of_input(contributions: Tensor, meaning: Meaning) -> Result<Evidence> {
        // Numbers stand in a row, as a map of one channel.
        let contributions = match *contributions.size().as_slice() {
            [photos, numbers] => contributions.f_reshape([photos, 1, 1, numbers]).into_result()?,
            _ => contributions,
        };
        // Without red, green and blue there is nothing to show in colour.
        let meaning = match (meaning, contributions.size().get(1)) {
            (Meaning::Colour, channels) if channels != Some(&3) => Meaning::Signed,
            (meaning, _) => meaning,
        };
        let reduction = match meaning {
            Meaning::Colour => Reduction::Greatest,
            _ => Reduction::Sum,
        };
        let (layer, remarks, segments) = (None, Vec::new(), Vec::new());
        Ok(Evidence { contributions, reduction, meaning, layer, remarks, segments })
    }

    /// The maps in 0..=1 at this size, as pytorch-grad-cam finishes them: rectified (of magnitudes and
    /// gradients in colour, their size), scaled, resized with half-pixel centres.
    pub(super) fn finished(&self, height: usize, width: usize) -> Result<Maps> {
        let maps = self.maps()?;
        let maps = match self.meaning {
            Meaning::Magnitude | Meaning::Colour => maps.f_abs(),
            Meaning::Positive | Meaning::Signed => maps.f_relu(),
        };
        to_maps(&maps.into_result()?)?.scaled().resized(height, width, Resize::HalfPixel)
    }
}

impl Reduction {
    /// `[N, C, h, w] -> [N, h, w]`
    pub(super) fn reduce(self, values: &Tensor) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let values = &plain_numbers(values).map_err(|e| e.while_doing("the contributions"))?;
        if values.dim() != 4 {
            return Err(Error::Shape(format!(
                "contributions have the shape [photos, channels, height, width], not {:?}",
                values.size()
            )));
        }
        let channels = [1i64];
        let channels = channels.as_slice();
        match self {
            Reduction::Sum => values.f_sum_dim_intlist(channels, false, None::<Kind>),
            Reduction::Greatest => values.f_abs().and_then(|t| t.f_amax(channels, false)),
            Reduction::Magnitudes => {
                values.f_abs().and_then(|t| t.f_sum_dim_intlist(channels, false, None::<Kind>))
            }
            Reduction::PrincipalComponent => return principal_component(values),
        }
        .into_result()
    }
}

/// The first principal component of what the channels say at each place, `[N, C, h, w] -> [N, h, w]`:
/// with `X` the places by channels of one photo, less each channel's mean, and `v` the first right
/// singular vector of it, `X v`. Its sign, which is arbitrary, is that in which it agrees with the sum
/// over the channels. Computed in double precision.
///
/// # Errors
/// What libtorch refuses.
pub fn principal_component(values: &Tensor) -> Result<Tensor> {
    let _no_grad = tch::no_grad_guard();
    let values = &plain_numbers(values)?;
    let size = values.size();
    let &[n, c, h, w] = size.as_slice() else {
        return Err(Error::Shape(format!(
            "expected [photos, channels, height, width], got {size:?}"
        )));
    };
    let work = || {
        let places = values.f_to_kind(Kind::Double)?.f_reshape([n, c, h * w])?.f_transpose(1, 2)?;
        let mean = places.f_mean_dim([1i64].as_slice(), true, None::<Kind>)?;
        let centred = places.f_sub(&mean)?; // [N, hw, C]
        let turned = centred.f_transpose(1, 2)?;
        // The greatest eigenvector of the smaller of X'X and XX'; eigenvalues ascend.
        let by_channel = c <= h * w;
        let gram = if by_channel { turned.f_bmm(&centred)? } else { centred.f_bmm(&turned)? };
        let (eigenvalues, vectors) = gram.f_linalg_eigh("L")?;
        let first = vectors.f_narrow(2, -1, 1)?;
        let projected = if by_channel {
            centred.f_bmm(&first)? // [N, hw, 1]
        } else {
            let size = eigenvalues.f_narrow(1, -1, 1)?.f_clamp_min(0.0)?.f_sqrt()?;
            first.f_mul(&size.f_unsqueeze(1)?)?
        };
        let sums = centred.f_sum_dim_intlist([2i64].as_slice(), true, None::<Kind>)?;
        agreeing(&projected, &sums, 1)?.f_reshape([n, h, w])?.f_to_kind(Kind::Float)
    };
    work().into_result()
}

/// A component of arbitrary sign in that in which it agrees with these sums, along a dimension.
pub(super) fn agreeing(component: &Tensor, sums: &Tensor, along: i64) -> Result<Tensor, TchError> {
    let agrees =
        component.f_mul(sums)?.f_sum_dim_intlist([along].as_slice(), true, None::<Kind>)?;
    let sign = agrees.f_ge(0.0)?.f_to_kind(Kind::Double)?.f_mul_scalar(2.0)?.f_sub_scalar(1.0)?;
    component.f_mul(&sign)
}
