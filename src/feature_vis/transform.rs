//! Small changes from step to step: what a picture excites only at one place, size and angle is no
//! answer.

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tch::{TchError, Tensor};

use crate::error::{Error, Result};
use crate::tensor::{IntoResult, plain_numbers};

/// A change of all pictures of a step, drawn anew for each step: a picture that excites a channel
/// whatever happens to it is free of the fine noise that networks also react to. Olah et al. 2017.
///
/// ```
/// use convlens::prelude::*;
/// let quick = FeatureVis::default().size(64).steps(4);
/// let shifted = quick.transforms([Transform::Jitter(16)]);
/// shifted.run(&zoo::squeezenet1_1()?, Objective::channel("features.3", 5))?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum Transform {
    /// So many pixels of middle grey on each side.
    Pad(i64),
    /// A shift: a window that is so many pixels lower and narrower, anywhere in the picture.
    Jitter(i64),
    /// One of these factors, bilinear with aligned corners, the new size rounded up.
    Scale(Vec<f64>),
    /// One of these angles, in degrees anticlockwise around the middle, bilinear; what comes from
    /// outside is 0.
    Rotate(Vec<f64>),
}

impl Transform {
    /// lucid's: pad 12, jitter 8, scale 0.9 to 1.1, rotate by −10 to 10 degrees, jitter 4.
    pub fn robust() -> Vec<Transform> {
        let scales = (0..11).map(|i| 1.0 + f64::from(i - 5) / 50.0).collect();
        // 0 stands there six times, as in lucid.
        let angles = (-10..=10).chain([0; 5]).map(f64::from).collect();
        vec![
            Transform::Pad(12),
            Transform::Jitter(8),
            Transform::Scale(scales),
            Transform::Rotate(angles),
            Transform::Jitter(4),
        ]
    }

    /// What it makes of pictures, `[N, C, h, w]` from 0 to 1, drawn by a seed.
    ///
    /// # Errors
    /// Options that make no sense; anything but pictures; a jitter that leaves nothing.
    pub fn once(&self, pictures: &Tensor, seed: u64) -> Result<Tensor> {
        self.check()?;
        let pictures = &plain_numbers(pictures).map_err(|e| e.while_doing("the pictures"))?;
        self.apply(pictures, 0.5, &mut StdRng::seed_from_u64(seed))
    }

    pub(super) fn check(&self) -> Result<()> {
        let fits = match self {
            Transform::Pad(side) | Transform::Jitter(side) => (0..=1 << 12).contains(side),
            Transform::Scale(factors) => {
                !factors.is_empty() && factors.iter().all(|f| (0.05..=20.0).contains(f))
            }
            Transform::Rotate(angles) => !angles.is_empty() && angles.iter().all(|a| a.is_finite()),
        };
        if fits {
            return Ok(());
        }
        Err(Error::Argument(format!(
            "{self:?} cannot be done: padding and jitter take 0 to 4096 pixels, scaling factors from \
             0.05 to 20, rotation finite angles, at least one"
        )))
    }

    /// Changes pictures `[N, C, h, w]`, all in the same way; `grey` is what padding adds.
    pub(super) fn apply(
        &self,
        pictures: &Tensor,
        grey: f64,
        random: &mut StdRng,
    ) -> Result<Tensor> {
        let size = pictures.size();
        let &[_, _, height, width] = size.as_slice() else {
            return Err(Error::Shape(format!("expected pictures [N, C, H, W], got {size:?}")));
        };
        match self {
            Transform::Pad(side) => padded(pictures, [*side; 4], grey).into_result(),
            Transform::Jitter(side) => {
                if *side >= height.min(width) {
                    return Err(Error::Argument(format!(
                        "a jitter of {side} pixels leaves nothing of {width} × {height}: choose a \
                         smaller one or larger pictures"
                    )));
                }
                let (down, across) = (random.gen_range(0..=*side), random.gen_range(0..=*side));
                pictures
                    .f_narrow(2, down, height - side)
                    .and_then(|t| t.f_narrow(3, across, width - side))
                    .into_result()
            }
            Transform::Scale(factors) => {
                let factor = factors.choose(random).copied().unwrap_or(1.0);
                let side = |n: i64| ((n as f64 * factor).ceil() as i64).max(1);
                let size = [side(height), side(width)];
                if size == [height, width] {
                    return Ok(pictures.shallow_clone());
                }
                pictures.f_upsample_bilinear2d(size, true, None, None).into_result()
            }
            Transform::Rotate(angles) => {
                let angle = angles.choose(random).copied().unwrap_or(0.0);
                if angle == 0.0 {
                    return Ok(pictures.shallow_clone());
                }
                rotated(pictures, angle).into_result()
            }
        }
    }
}

/// Columns and rows on the left, right, top and bottom.
fn padded(pictures: &Tensor, sides: [i64; 4], grey: f64) -> Result<Tensor, TchError> {
    pictures.f_pad(sides, "constant", grey)
}

fn rotated(pictures: &Tensor, degrees: f64) -> Result<Tensor, TchError> {
    let &[n, c, h, w] = pictures.size().as_slice() else {
        return Ok(pictures.shallow_clone());
    };
    let (sin, cos) = degrees.to_radians().sin_cos();
    // Where each pixel comes from, in units of half the picture: not square, not a plain rotation.
    let ratio = (h - 1).max(1) as f64 / (w - 1).max(1) as f64;
    let rows = [cos, -sin * ratio, 0.0, sin / ratio, cos, 0.0].map(|v| v as f32);
    let matrix =
        Tensor::f_from_slice(&rows)?.f_reshape([1, 2, 3])?.f_to_device(pictures.device())?;
    // All pictures turn alike: as channels of one, the grid is computed once.
    let together = pictures.f_reshape([1, n * c, h, w])?;
    let grid = Tensor::f_affine_grid_generator(&matrix, [1, n * c, h, w], true)?;
    let (bilinear, zeros) = (0, 0);
    together.f_grid_sampler_2d(&grid, bilinear, zeros, true)?.f_reshape([n, c, h, w])
}

/// The middle of pictures at this size; what is missing is grey.
pub(super) fn fitted(pictures: &Tensor, height: i64, width: i64, grey: f64) -> Result<Tensor> {
    let size = pictures.size();
    let &[.., h, w] = size.as_slice() else {
        return Err(Error::Shape(format!("expected pictures, got {size:?}")));
    };
    let work = || {
        let cut = pictures.f_narrow(2, (h - height).max(0) / 2, h.min(height))?.f_narrow(
            3,
            (w - width).max(0) / 2,
            w.min(width),
        )?;
        let (down, across) = ((height - h).max(0), (width - w).max(0));
        if down == 0 && across == 0 {
            return Ok(cut);
        }
        padded(&cut, [across / 2, across - across / 2, down / 2, down - down / 2], grey)
    };
    work().into_result()
}

/// All of them, one after the other, and back to the size of the pictures: what has grown is cut
/// around the middle.
pub(super) fn apply_all(
    transforms: &[Transform],
    pictures: &Tensor,
    grey: f64,
    random: &mut StdRng,
) -> Result<Tensor> {
    if transforms.is_empty() {
        return Ok(pictures.shallow_clone());
    }
    let mut changed = pictures.shallow_clone();
    for transform in transforms {
        changed = transform.apply(&changed, grey, random)?;
    }
    let size = pictures.size();
    let [.., height, width] = size.as_slice() else { return Ok(changed) };
    fitted(&changed, *height, *width, grey)
}

/// The middle of the range of pictures: grey in colours, the mean of photos otherwise.
pub(super) fn grey(bounded: bool) -> f64 {
    if bounded { 0.5 } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picture() -> Tensor {
        Tensor::arange(2 * 3 * 20 * 24, tch::kind::FLOAT_CPU).reshape([2, 3, 20, 24])
    }

    #[test]
    fn jitter_is_a_window_of_the_picture_and_moves() {
        let mut random = StdRng::seed_from_u64(1);
        let mut corners = Vec::new();
        for _ in 0..20 {
            let window =
                Transform::Jitter(3).apply(&picture(), 0.5, &mut random).expect("a window");
            assert_eq!(window.size(), [2, 3, 17, 21]);
            let corner = window.double_value(&[0, 0, 0, 0]) as i64;
            let (down, across) = (corner / 24, corner % 24);
            assert!(down <= 3 && across <= 3);
            assert_eq!(window, picture().narrow(2, down, 17).narrow(3, across, 21));
            corners.push(corner);
        }
        corners.sort_unstable();
        corners.dedup();
        assert!(corners.len() > 5, "{corners:?}");
    }

    #[test]
    fn what_has_grown_is_cut_around_the_middle_and_what_has_shrunk_lies_on_grey() {
        let large = fitted(&picture(), 10, 24, 0.5).expect("a cut");
        assert_eq!(large, picture().narrow(2, 5, 10));
        let small = fitted(&picture(), 20, 30, 0.5).expect("a border");
        assert_eq!(small.narrow(3, 3, 24), picture());
        assert_eq!(small.narrow(3, 0, 3), Tensor::full([2, 3, 20, 3], 0.5, tch::kind::FLOAT_CPU));
        let all = Transform::robust();
        let mut random = StdRng::seed_from_u64(2);
        let same = apply_all(&all, &picture(), 0.5, &mut random).expect("a picture");
        assert_eq!(same.size(), picture().size());
    }

    #[test]
    fn a_quarter_turn_goes_anticlockwise() {
        let square = Tensor::arange(16, tch::kind::FLOAT_CPU).reshape([1, 1, 4, 4]);
        let mut random = StdRng::seed_from_u64(0);
        let turned =
            Transform::Rotate(vec![90.0]).apply(&square, 0.0, &mut random).expect("a turn");
        assert!((turned - square.rot90(1, [2, 3])).abs().max().double_value(&[]) < 1e-4);
    }
}
