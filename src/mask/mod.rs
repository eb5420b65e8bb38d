//! Masks: which class each pixel is of, as it is known or as a network that segments predicts it.
//!
//! ```
//! use convlens::prelude::*;
//! let classes = Classes::named(["background", "cat"])?;
//! let truth = Mask::new(1, 4, vec![0, 0, 1, 1], &classes)?;
//! let scores = Tensor::from_slice(&[0.9f32, 0.2, 0.1, 0.3, 0.1, 0.8, 0.9, 0.7]);
//! let predicted = Mask::from_tensor(&scores.view([1, 2, 1, 4]), Some(&classes))?;
//! assert_eq!(truth.score(&predicted)?.pixel_accuracy(), 0.75);
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! - [`Mask`] holds the class of every pixel, and paints itself with a legend of its [`Classes`].
//!   [`Look::segmentation`](crate::look::Look::segmentation) makes one of a network's output.
//! - [`SegmentationScore`] compares a predicted mask with the true one.

mod classes;
#[expect(clippy::module_inception, reason = "the room is named after its main type")]
mod mask;
mod paint;
mod score;

pub use classes::Classes;
pub(crate) use classes::colour_of;
pub use mask::Mask;
pub use score::SegmentationScore;
