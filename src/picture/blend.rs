//! The ways of blending a heat map into a photo that others use.

use super::colormap::Colormap;
use super::contour;
use super::maps::Maps;
use crate::error::{Error, Result};

/// The edge of what is cut out, in pixels, and how much of the rest of the photo is left.
const EDGE: f32 = 1.5;
const REST: f32 = 0.15;

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
    /// Only what is strong: OpenCV's `addWeighted` behind a threshold, as in F. S. Zuppichini's *A
    /// journey into Convolutional Neural Network visualisation*. The map is cut to 8 bits, levels up
    /// to `below` become 0, and the result is `photo_weight photo + heat_weight heat`, cut at 1.
    Threshold {
        /// The highest of 256 levels that still counts as nothing; 100 in [`Blend::threshold`].
        below: u8,
        /// 0.5 in [`Blend::threshold`].
        photo_weight: f32,
        /// 0.3 in [`Blend::threshold`].
        heat_weight: f32,
        /// The colours with red and blue exchanged, as in the article's pictures: OpenCV's colours
        /// come in the order blue, green, red, and the article shows them as red, green, blue.
        bgr: bool,
    },
    /// The photo under the coloured map, as matplotlib draws two pictures on each other:
    /// `(1 - alpha) photo + alpha heat`.
    Alpha {
        /// How much the map covers, 0 to 1; 0.5 is usual.
        alpha: f32,
    },
    /// FeatureMapVisualizer's overlay: the photo, bright where the map is high and dark elsewhere,
    /// `gain · photo · map`, cut at 1. Without another [`Normalize`](super::Normalize), the map is
    /// divided by its maximum.
    Multiply {
        /// 1, or 2 as FeatureMapVisualizer takes for ResNet.
        gain: f32,
    },
    /// For signed maps: the photo in grey, covered by the colour of the value as far as the value
    /// is large: `(1 - opacity) grey + opacity heat` with `opacity = most · √|t|`, where `t` is the
    /// map from -1 to 1, 0 in the middle of its range. What counts for nothing stays grey, what
    /// speaks for and against stands out alike. Without another
    /// [`Normalize`](super::Normalize), 0 is the middle.
    Signed {
        /// How much the largest magnitude covers, 0 to 1.
        most: f32,
    },
    /// Only what matters: the photo where the map, scaled to 0..=1, is at least `threshold`, and
    /// nearly white elsewhere, so that it can still be made out where the part belongs.
    CutOut {
        /// 0 to 1; 0.5 in [`Blend::cut_out`].
        threshold: f32,
    },
    /// Lines of equal value on the photo, in the colours of their values: at 1/(n + 1), 2/(n + 1),
    /// ... of the map's range for `n` lines.
    Contour {
        /// How many values have a line; 4 in [`Blend::contour`].
        levels: u8,
    },
}

impl Blend {
    /// Only what is above level 100 of 256, at 0.3, over half of the photo: the numbers of F. S.
    /// Zuppichini's article, in the colours that were meant.
    pub fn threshold() -> Blend {
        Blend::Threshold { below: 100, photo_weight: 0.5, heat_weight: 0.3, bgr: false }
    }

    /// Signed maps over a grey photo: red for, blue against.
    pub fn signed() -> Blend {
        Blend::Signed { most: 0.85 }
    }

    /// What matters at least half as much as what matters most.
    pub fn cut_out() -> Blend {
        Blend::CutOut { threshold: 0.5 }
    }

    /// Lines at a fifth, two, three and four fifths of the map's range.
    pub fn contour() -> Blend {
        Blend::Contour { levels: 4 }
    }

    /// The colours that those who use this blend use with it.
    pub(super) fn usual_colormap(self) -> Colormap {
        match self {
            Blend::GradCam { .. } | Blend::Threshold { .. } => Colormap::JetOpenCv,
            Blend::Alpha { .. } | Blend::Multiply { .. } => Colormap::Jet,
            Blend::Signed { .. } => Colormap::Coolwarm,
            // The colours of jet that are dark would be lost on dark photos.
            Blend::CutOut { .. } | Blend::Contour { .. } => Colormap::Turbo,
        }
    }

    /// The shade of grey that a bar of colours has in the place of the photo.
    pub(super) fn ground(self) -> u8 {
        match self {
            Blend::Multiply { .. } => 255,
            _ => 128,
        }
    }

    /// An error where a number is none that the formula has a meaning for.
    pub(super) fn check(self) -> Result<()> {
        let (share, weight) = (0.0..=1.0, 0.0..=f32::MAX);
        let numbers = match self {
            Blend::GradCam { photo_weight } => vec![("photo_weight", photo_weight, share)],
            Blend::Threshold { photo_weight, heat_weight, .. } => vec![
                ("photo_weight", photo_weight, weight.clone()),
                ("heat_weight", heat_weight, weight),
            ],
            Blend::Alpha { alpha } => vec![("alpha", alpha, share)],
            Blend::Multiply { gain } => vec![("gain", gain, weight)],
            Blend::Signed { most } => vec![("most", most, share)],
            Blend::CutOut { threshold } => vec![("threshold", threshold, share)],
            Blend::Contour { levels: 0 } => {
                return Err(Error::Argument("a contour needs at least one level".into()));
            }
            Blend::Contour { .. } => vec![],
        };
        match numbers.into_iter().find(|(_, value, range)| !range.contains(value)) {
            None => Ok(()),
            Some((name, value, range)) => Err(Error::Argument(format!(
                "{name} must {}, but is {value}",
                if *range.end() == 1.0 {
                    "lie between 0 and 1"
                } else {
                    "be a number that is not negative"
                }
            ))),
        }
    }
}

impl Default for Blend {
    /// As pytorch-grad-cam does it: `GradCam { photo_weight: 0.5 }`.
    fn default() -> Blend {
        Blend::GradCam { photo_weight: 0.5 }
    }
}

/// The blend of RGB bytes and a map of the same size, in 0..=1.
pub(super) fn apply(blend: Blend, photo: &[u8], map: &Maps, colormap: Colormap) -> Vec<u8> {
    let mask = map.values();
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
        Blend::Signed { most } => pixels
            .flat_map(|(pixel, &value)| {
                let heat = colormap.color(value);
                let opacity = most * (2.0 * value - 1.0).abs().sqrt();
                let grey = luma(*pixel);
                heat.map(|c| ((1.0 - opacity) * grey + opacity * f32::from(c)).round() as u8)
            })
            .collect(),
        Blend::CutOut { threshold } => cut_out(photo, map, threshold),
        Blend::Contour { levels } => contour::draw(photo, map, levels, colormap),
    }
}

/// What is cut out of a photo, and how little is left of the rest.
fn cut_out(photo: &[u8], map: &Maps, threshold: f32) -> Vec<u8> {
    let width = map.width();
    // How far a pixel lies within the edge, in pixels: by how much it exceeds the threshold, over
    // the slope there.
    let values = map.values();
    let slope = |i: usize| {
        let (x, last) = (i % width, values.len() - 1);
        let across =
            values[if x + 1 < width { i + 1 } else { i }] - values[if x > 0 { i - 1 } else { i }];
        let down = values[(i + width).min(last)] - values[i.saturating_sub(width)];
        across.hypot(down) / 2.0
    };
    let pixels = photo.as_chunks::<3>().0.iter().zip(values).enumerate();
    pixels
        .flat_map(|(i, (pixel, &value))| {
            let within = (value - threshold) / slope(i).max(1e-6);
            let shown = (within / EDGE + 0.5).clamp(0.0, 1.0);
            let rest = 255.0 - REST * (255.0 - luma(*pixel));
            pixel.map(|c| (shown * f32::from(c) + (1.0 - shown) * rest).round() as u8)
        })
        .collect()
}

/// How bright a colour is, 0 to 255 (ITU-R BT.601).
pub(crate) fn luma([red, green, blue]: [u8; 3]) -> f32 {
    0.299 * f32::from(red) + 0.587 * f32::from(green) + 0.114 * f32::from(blue)
}
