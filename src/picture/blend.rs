//! The ways of blending a heat map into a photo that others use.

use super::colormap::Colormap;

/// How a map, scaled to 0..=1, and a photo become one picture.
///
/// In the formulas `photo` and the colours of the map, `heat`, lie in 0..=1.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Blend {
    /// pytorch-grad-cam's `show_cam_on_image`: `w photo + (1 - w) heat`, divided by its own
    /// maximum. The map is cut to 8 bits before it is coloured, the result is rounded down.
    GradCam {
        /// `w`, 0 to 1. pytorch-grad-cam's default is 0.5.
        photo_weight: f32,
    },
    /// Article 1's blend, OpenCV's `addWeighted`: the map is cut to 8 bits, levels up to `below`
    /// become 0, and the result is `photo_weight photo + heat_weight heat`, cut at 1.
    Threshold {
        /// The highest of 256 levels that still counts as nothing; 100 in the article.
        below: u8,
        /// 0.5 in the article.
        photo_weight: f32,
        /// 0.3 in the article.
        heat_weight: f32,
        /// The colours with red and blue exchanged, as in the article's pictures: OpenCV's colours
        /// come in the order blue, green, red, and the article shows them as red, green, blue.
        bgr: bool,
    },
    /// The photo under the coloured map, as matplotlib draws two pictures on each other:
    /// `(1 - alpha) photo + alpha heat`.
    Alpha {
        /// How much the map covers, 0 to 1; 0.5 in article 4.
        alpha: f32,
    },
    /// FeatureMapVisualizer's overlay: the photo, bright where the map is high and dark elsewhere,
    /// `gain · photo · map`, cut at 1. Without another [`Normalize`](super::Normalize), the map is
    /// divided by its maximum.
    Multiply {
        /// 1, or 2 as article 2 takes for ResNet.
        gain: f32,
    },
}

impl Blend {
    /// Article 1's blend with its numbers, in the colours that were meant.
    pub fn threshold() -> Blend {
        Blend::Threshold { below: 100, photo_weight: 0.5, heat_weight: 0.3, bgr: false }
    }

    /// The colours that those who use this blend use with it.
    pub(super) fn usual_colormap(self) -> Colormap {
        match self {
            Blend::GradCam { .. } | Blend::Threshold { .. } => Colormap::JetOpenCv,
            Blend::Alpha { .. } | Blend::Multiply { .. } => Colormap::Jet,
        }
    }

    /// The numbers that must be finite and not negative, by name; whether they must not exceed 1.
    pub(super) fn parameters(self) -> Vec<(&'static str, f32, bool)> {
        match self {
            Blend::GradCam { photo_weight } => vec![("photo_weight", photo_weight, true)],
            Blend::Threshold { photo_weight, heat_weight, .. } => {
                vec![("photo_weight", photo_weight, false), ("heat_weight", heat_weight, false)]
            }
            Blend::Alpha { alpha } => vec![("alpha", alpha, true)],
            Blend::Multiply { gain } => vec![("gain", gain, false)],
        }
    }
}

impl Default for Blend {
    /// As pytorch-grad-cam does it: `GradCam { photo_weight: 0.5 }`.
    fn default() -> Blend {
        Blend::GradCam { photo_weight: 0.5 }
    }
}

/// The blend of RGB bytes and a map of the same number of pixels, in 0..=1.
pub(super) fn apply(blend: Blend, photo: &[u8], mask: &[f32], colormap: Colormap) -> Vec<u8> {
    let palette = colormap.palette();
    // numpy's uint8(255 * x): rounded down.
    let level = |value: f32| (255.0 * value) as u8;
    let pixels = photo.as_chunks::<3>().0.iter().zip(mask);
    match blend {
        Blend::GradCam { photo_weight } => {
            let heat_weight = 1.0 - photo_weight;
            let sums: Vec<f32> = pixels
                .flat_map(|(pixel, &value)| {
                    let heat = palette[usize::from(level(value))];
                    std::array::from_fn::<f32, 3, _>(|c| {
                        heat_weight * (f32::from(heat[c]) / 255.0)
                            + photo_weight * (f32::from(pixel[c]) / 255.0)
                    })
                })
                .collect();
            let most = sums.iter().copied().fold(0.0, f32::max);
            let most = if most > 0.0 { most } else { 1.0 };
            sums.into_iter().map(|sum| (255.0 * (sum / most)) as u8).collect()
        }
        Blend::Threshold { below, photo_weight, heat_weight, bgr } => pixels
            .flat_map(|(pixel, &value)| {
                let level = Some(level(value)).filter(|&level| level > below).unwrap_or(0);
                let mut heat = palette[usize::from(level)];
                if bgr {
                    heat.reverse();
                }
                std::array::from_fn::<u8, 3, _>(|c| {
                    let sum = f32::from(pixel[c]) * photo_weight + f32::from(heat[c]) * heat_weight;
                    sum.round_ties_even() as u8
                })
            })
            .collect(),
        Blend::Alpha { alpha } => pixels
            .flat_map(|(pixel, &value)| {
                let heat = colormap.color(value);
                std::array::from_fn::<u8, 3, _>(|c| {
                    let sum = (1.0 - alpha) * f32::from(pixel[c]) + alpha * f32::from(heat[c]);
                    sum.round_ties_even() as u8
                })
            })
            .collect(),
        Blend::Multiply { gain } => pixels
            .flat_map(|(pixel, &value)| pixel.map(|c| (f32::from(c) * value * gain).round() as u8))
            .collect(),
    }
}
