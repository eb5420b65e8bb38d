//! Worlds made to order for [`convlens`]: what a network is to see, with the truth about it, from a
//! seed; and small networks that were trained on them.
//!
//! ```
//! use convlens::prelude::*;
//! use convlens_scenes::prelude::*;
//!
//! let section = Seismic::default().seed(2024).section()?; // amplitudes, and the facies of each
//! let look = networks::seismic_fcn()?.look(&section.photo()?)?;
//! let predicted = look.segmentation()?;
//! section.compared(&predicted)?; // section, prediction and truth beside each other
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! - [`seismic`] makes sections of the ground and tiles with salt; [`section`] holds them, and opens
//!   those of others: SEG-Y, numpy's arrays, pictures.
//!   [`Section::tensors`](section::Section::tensors) makes them what a network learns from.
//! - [`robot`] is what a small robot sees, and what its sensors will find ahead;
//!   [`Scene::tensors`](robot::Scene::tensors) for learning.
//! - [`pets`] draws cats and dogs, and writes labelled folders of them, which
//!   [`ImageFolder::tensors`](convlens::dataset::ImageFolder::tensors) reads.
//! - [`tanks`] paints woods with and without a tank, under sun or cloud, in which a network learns the
//!   weather: the legend that every talk about explanations begins with, to be measured.
//! - [`networks`] has a trained network for each of the first two, and one to train on tanks.

mod colour;
mod noise;
mod vector;
mod workers;

pub mod networks;
pub mod pets;
pub mod prelude;
pub mod robot;
pub mod section;
pub mod seismic;
pub mod tanks;
