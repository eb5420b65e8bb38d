//! The network that tells the facies in a seismic section apart.

use convlens::model::Model;
use convlens::zoo::segmentation::{Fcn, Task};
use convlens::{Result, weights};

const EMBEDDED: &[u8] = include_bytes!("../../assets/weights/seismic_fcn.safetensors");

/// [`Fcn::narrow`], trained to segment [sections made to order](crate::seismic) into F3's
/// facies; the weights are part of this crate.
///
/// It learnt first, on 48 sections without labels, by which angle a section was turned, and then from
/// windows of five labelled ones of the same survey. Of twelve others it gets 92.8 % of the pixels
/// right, with a mean IoU of 79.1 %; `scenes/examples/train_seismic.rs` measures that, and that the pretext
/// task does not help here. It knows no real ground, and no other
/// [survey](crate::seismic::Seismic::survey).
///
/// 448 × 448 pixels, ten classes; a [`Section`](crate::section::Section)'s
/// [`photo`](crate::section::Section::photo) or
/// [`to_tensor`](crate::section::Section::to_tensor) goes in.
///
/// ```
/// use convlens_scenes::prelude::*;
/// let section = Seismic::default().seed(2024).section()?;
/// let look = networks::seismic_fcn()?.look(&section.photo()?)?;
/// assert!(section.score(&look.segmentation()?)?.pixel_accuracy() > 0.8);
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// When libtorch has no memory for it.
pub fn seismic_fcn() -> Result<Model> {
    Fcn::narrow().build_with(Task::Segmentation, weights::from_bytes(EMBEDDED)?)
}
