//! Data sets: folders of labelled photos, and what the maps of a layer have to do with the classes.
//!
//! <!-- not run here: it needs published weights and a folder of photos -->
//! ```no_run
//! use convlens::prelude::*;
//! let model = zoo::resnet50()?;
//! let train = ImageFolder::open("pets/train")?; // a folder a class
//! let tops = TopMaps::find(&model, &train, "layer4")?; // the maps of each class, unique to it
//! let dogs = train.classes(["dog"])?;
//! dogs.activation_maps(&model, "layer4", tops.maps("dog")?)?; // their sum over its photos
//! model.look(&train.photo(0)?)?.top_maps("layer4")?; // the most active ones on one photo
//! let (photos, classes) = train.tensors(&model)?; // what `Fit` learns from
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! Photos are read and resized in all threads, a batch at a time, and forgotten when the network has
//! seen them: memory does not grow with their number.

mod ahead;
mod batches;
mod channels;
mod class_sums;
mod counts;
mod folder;
pub(crate) mod head;
mod identity;
mod json;
mod on_photo;
mod over_photos;
mod overlay;
mod patches;
mod reduce;
mod shard;
mod tensors;
mod top_maps;
mod top_maps_file;

pub use batches::Unreadable;
pub use channels::Channels;
pub use class_sums::{ClassSums, PhotoSums};
pub use folder::{Entry, ImageFolder};
pub use on_photo::MapRanking;
pub use over_photos::{PhotoMap, PhotoMaps};
pub use patches::{MapPatches, MapSelectivity, Patch, PatchSearch, Selectivity, TopPatches};
pub use top_maps::{ClassMaps, TopMap, TopMapSearch, TopMaps};

// What a report is made by, as searches are.
pub(crate) use ahead::{in_order, threads};
pub(crate) use batches::decoded;
pub(crate) use folder::Item;
pub(crate) use identity::identity;
pub(crate) use over_photos::no_photo_of;
pub(crate) use shard::{Found, Shard, photos_of, whole};
pub(crate) use top_maps::unreadable_notes;
