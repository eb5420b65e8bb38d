//! A data set through a network, batch after batch: photos are read and resized in threads, and the
//! layers that somebody wants come out of one pass.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread;

use image::RgbImage;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::ahead::in_order;
use super::folder::{ImageFolder, Item};
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model, NodeId, Pass};
use crate::photo::Preprocess;
use crate::show::Progress;
use crate::tensor::{IntoResult, to_floats};

/// A photo that a run passed over, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Unreadable {
    /// Its place in the data set.
    pub index: usize,
    /// Its path from the data set's folder.
    #[serde(rename = "photo")]
    pub name: String,
    /// What is wrong with it.
    pub reason: String,
}

impl Unreadable {
    pub(super) fn new(photos: &ImageFolder, index: usize, error: Error) -> Unreadable {
        let name = photos.entry(index).map_or_else(String::new, |entry| entry.name);
        let reason = match error {
            // Its path stands before it already.
            Error::File { message, .. } => message,
            other => other.to_string(),
        };
        Unreadable { index, name, reason }
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.reason)
    }
}

/// A photo as the network sees it.
pub(super) struct Seen {
    pub(super) index: usize,
    pub(super) class: usize,
    /// What the network sees of it.
    pub(super) pixels: RgbImage,
    /// Of an array, the network's input, `[C, height, width]`.
    values: Option<Vec<f32>>,
    /// The photo's own `[height, width]`.
    pub(super) size: [i64; 2],
}

impl Seen {
    /// Whether both can be in one batch.
    fn goes_with(&self, other: &Seen) -> bool {
        self.pixels.dimensions() == other.pixels.dimensions()
            && self.values.is_some() == other.values.is_some()
    }
}

/// What one pass makes of some photos.
pub(super) struct Batch {
    pub(super) photos: Vec<Seen>,
    /// The maps of the wanted layers, `[photos, channels, height, width]` each.
    pub(super) outputs: Vec<Tensor>,
    /// Those before or among these photos that could not be read.
    pub(super) unreadable: Vec<Unreadable>,
}

/// A spatial layer by its name or index, and what captions call it.
pub(super) fn spatial(model: &Model, layer: impl Into<LayerRef>) -> Result<(NodeId, String)> {
    let (id, name) = model.find_named(layer)?;
    match model.map_channels(id)? {
        Some(_) => Ok((id, name)),
        None => Err(Error::Shape(format!(
            "layer {name:?} of {} has no feature maps: its output is {:?}, not [1, channels, \
             height, width]; choose a layer before the pooling or flattening",
            model.name(),
            model.shape_of(id)
        ))),
    }
}

/// How many channels a spatial layer has.
pub(super) fn channels_of(model: &Model, layer: NodeId) -> Result<usize> {
    Ok(model.map_channels(layer)?.map_or(0, |channels| channels.max(0) as usize))
}

impl ImageFolder {
    /// How photos become inputs of this network.
    pub(super) fn preprocess_for<'a>(&'a self, model: &'a Model) -> &'a Preprocess {
        self.prepared().unwrap_or(model.preprocess())
    }

    /// Runs the photos from the index `first` on through the network, in order, and hands the
    /// `wanted` layers over batch by batch. Photos of one batch have one size. `what` is what lines of
    /// progress call the work. Where `first` begins a batch of the whole run, that goes on as it would have.
    pub(super) fn run(
        &self,
        model: &Model,
        wanted: &[NodeId],
        what: &str,
        first: usize,
        mut each: impl FnMut(Batch) -> Result<()>,
    ) -> Result<()> {
        model.check_takes_photos()?;
        let total = self.len();
        let preprocess = self.preprocess_for(model);
        let mut progress = Progress::new(what, total as u64).from(first as u64);
        let left = total.saturating_sub(first);
        let pass = Pass::of_work(total, self.batch_size());
        let (photos, failed) = (Vec::new(), Vec::new());
        let mut open = Open { model, preprocess, wanted, pass, photos, failed };
        let threads = thread::available_parallelism().map_or(1, |threads| threads.get());
        let channels = model.input_shape()[0];
        let read = |i: usize| self.seen(first + i, preprocess, channels);
        // While the network runs it wants every core: decoding beside it took longer than decoding
        // between two batches. Only where sizes differ are some still to be read when a batch is closed.
        in_order(left, threads, self.batch_size(), read, |i, seen| {
            let index = first + i;
            let seen = seen.and_then(|seen| open.suits(&seen).map(|()| seen));
            match seen {
                Ok(seen) => {
                    let same = |known: &Seen| known.goes_with(&seen);
                    if !open.photos.first().is_none_or(same) {
                        each(open.close()?)?;
                        progress.advance(index as u64);
                    }
                    open.photos.push(seen);
                }
                Err(error) => open.failed.push(Unreadable::new(self, index, error)),
            }
            if open.photos.len() >= self.batch_size() {
                each(open.close()?)?;
                progress.advance(index as u64 + 1);
            }
            // What the batch lacks.
            Ok(self.batch_size() - open.photos.len())
        })?;
        if !open.photos.is_empty() || !open.failed.is_empty() {
            each(open.close()?)?;
        }
        progress.advance(total as u64);
        progress.finish();
        Ok(())
    }

    /// Reads and prepares a photo or an array; a decoder that panics has not read it.
    pub(super) fn seen(
        &self,
        index: usize,
        preprocess: &Preprocess,
        channels: i64,
    ) -> Result<Seen> {
        let read = || {
            let class = self.entry(index).map_or(0, |entry| entry.class);
            let (photo, pixels, values) = match self.item(index, channels)? {
                Item::Photo(photo) => {
                    let pixels = preprocess.seen(&photo)?;
                    (photo, pixels, None)
                }
                Item::Array(array) => {
                    let (view, input) = preprocess.viewed_array(&array, channels)?;
                    (view.photo().clone(), view.seen().to_rgb(), Some(to_floats(&input)?))
                }
            };
            let size = [i64::from(photo.height()), i64::from(photo.width())];
            Ok(Seen { index, class, pixels, values, size })
        };
        catch_unwind(AssertUnwindSafe(read))
            .unwrap_or_else(|_| Err(Error::Image("its decoder failed on it".into())))
    }
}

/// The batch that is being filled.
struct Open<'a> {
    model: &'a Model,
    preprocess: &'a Preprocess,
    wanted: &'a [NodeId],
    pass: Pass,
    photos: Vec<Seen>,
    failed: Vec<Unreadable>,
}

impl Open<'_> {
    /// Whether the network takes inputs of this size.
    fn suits(&self, seen: &Seen) -> Result<()> {
        let size = seen.pixels.dimensions();
        if self.photos.first().is_some_and(|known| known.pixels.dimensions() == size) {
            return Ok(());
        }
        let shape = [1, self.model.input_shape()[0], i64::from(size.1), i64::from(size.0)];
        self.model.output_shapes(&shape).map(drop)
    }

    fn close(&mut self) -> Result<Batch> {
        let photos = std::mem::take(&mut self.photos);
        let unreadable = std::mem::take(&mut self.failed);
        let outputs = match photos.first() {
            None => Vec::new(),
            Some(first) => {
                let (w, h) = first.pixels.dimensions();
                let size = [photos.len() as i64, i64::from(h), i64::from(w)];
                let channels = self.model.input_shape()[0];
                let values = photos.iter().map(|seen| seen.values.as_deref());
                let input = match values.collect::<Option<Vec<&[f32]>>>() {
                    Some(values) => Tensor::f_from_slice(&values.concat())
                        .and_then(|t| t.f_reshape([size[0], channels, size[1], size[2]]))
                        .into_result()?,
                    None => {
                        let bytes = photos.iter().map(|seen| seen.pixels.as_raw().as_slice());
                        let bytes = bytes.collect::<Vec<&[u8]>>().concat();
                        self.preprocess.normalized_bytes(&bytes, size, channels)?
                    }
                };
                let feeds = [(self.model.input(), &input)];
                let values = self.model.run_nodes(self.pass, &feeds, self.wanted)?;
                self.model.as_maps(self.wanted, &input.size(), values)?
            }
        };
        Ok(Batch { photos, outputs, unreadable })
    }
}
