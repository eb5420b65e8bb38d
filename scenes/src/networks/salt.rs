//! The U-Net that finds salt in a seismic tile.

use convlens::model::Model;
use convlens::photo::Preprocess;
use convlens::zoo::segmentation::UNet;
use convlens::{Result, weights};

const EMBEDDED: &[u8] = include_bytes!("../../assets/weights/salt_unet.safetensors");

/// A [bilinear](UNet::bilinear) U-Net of base width 8 and depth 3, trained to find the salt in
/// [tiles made to order](crate::seismic::Salt), one logit a pixel; the weights are part of this
/// crate.
///
/// It learnt from 2,400 tiles. Of the pixels of 400 others it gets 98.4 % right; the IoU of salt is
/// 92.0 %, and the measure of the TGS challenge, the mean precision over IoU thresholds from 0.5 to
/// 0.95, 0.838. Of the tiles without salt it leaves four in five empty; rock whose beds are
/// in disorder it sometimes takes for salt. `scenes/examples/train_salt.rs` trains and measures it. It knows no
/// real ground.
///
/// 128 × 128 pixels, 112,969 parameters; a [`Section`](crate::section::Section)'s
/// [`photo`](crate::section::Section::photo) or
/// [`to_tensor`](crate::section::Section::to_tensor) goes in. Photos of another size are resized.
///
/// ```
/// use convlens_scenes::prelude::*;
/// let tile = Salt::default().seed(100_004).section()?;
/// let look = networks::salt_unet()?.look(&tile.photo()?)?;
/// assert!(tile.score(&look.segmentation()?)?.pixel_accuracy() > 0.9);
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// When libtorch has no memory for it.
pub fn salt_unet() -> Result<Model> {
    let preprocess = Preprocess::exact(128, 128).normalize([0.5; 3], [0.5; 3]);
    let unet = UNet::default().base_width(8).depth(3).bilinear().preprocess(preprocess);
    unet.build_with(weights::from_bytes(EMBEDDED)?)
}
