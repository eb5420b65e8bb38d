//! See what a convolutional network sees, inside a Rust notebook.
//!
//! Point a trained network at a photo, and look: at its layers' feature maps, at what it
//! predicts, and at the places that made it decide. In a notebook every value below shows itself
//! as a picture or a table when it is the last expression of a cell.
//!
//! ```
//! use convlens::prelude::*;
//!
//! let cat = Photo::open("assets/photos/cat.png")?;
//! let model = zoo::squeezenet1_1()?; // ImageNet weights, embedded: no download
//!
//! let look = model.look(&cat)?; // one photo as one network sees it
//! let bars = look.predictions(5)?;
//! let sheet = look.layer("features.0")?; // its 64 feature maps
//! let heat = look.explain(&GradCam::default())?; // where it looks
//! heat.picture()?.save(std::env::temp_dir().join("cat-grad-cam.png"))?;
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! - [`show`](mod@show) is the door to the notebook, [`picture`] and [`tensor`] make pixels,
//!   [`chart`] draws numbers.
//! - [`model`] is a network as a graph of named layers; [`zoo`] has trained ones, and [`weights`]
//!   reads and writes their files. [`Model::open`](model::Model::open) opens networks of PyTorch's.
//! - [`train`] teaches a network of your own.
//! - [`drawing`] shows a network's architecture, [`kernels`] what a layer's weights look like.
//! - [`look`] brings a network and a [`photo`] together; [`attribution`] explains.
//! - [`metric`] says whether an explanation is worth believing.
//! - [`concept`] finds what a layer's activations consist of.
//! - [`feature_vis`] makes pictures that excite a channel, a layer or a class.
//! - [`compare`] puts networks, methods, layers and classes beside each other.
//! - [`dataset`] finds the maps of a layer that belong to the classes of labelled photos.
//! - [`report`] writes an evidence folder: predicted against expected, with pictures, a table and a page.
//! - [`mask`] says which class each pixel is of, and scores what a network predicts.
//!
//! Worlds made to order, with the truth about every pixel, are a crate of their own,
//! `convlens-scenes`: seismic sections, what a small robot sees, cats and dogs.
//!
//! Everything that can fail returns a [`Result`] whose error says what was wrong and what to do.

pub mod attribution;
pub mod chart;
pub mod compare;
pub mod concept;
pub mod dataset;
pub mod drawing;
pub mod error;
pub mod explorer;
pub mod feature_maps;
pub mod feature_vis;
mod import;
pub mod kernels;
pub mod look;
pub mod mask;
mod memory;
pub mod metric;
pub mod model;
mod number;
mod panic;
pub mod photo;
pub mod picture;
pub mod prelude;
mod quadrature;
pub mod report;
pub mod show;
mod statistics;
pub mod tensor;
pub mod train;
pub mod weights;
pub mod zoo;

pub use error::{Error, Result};
