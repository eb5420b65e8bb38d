//! A data set through a network, batch after batch: photos are read and resized in threads, and the
//! layers that somebody wants come out of one pass.

use std::fmt;
use std::ops::Range;

use image::RgbImage;
use serde::{Deserialize, Serialize};
use tch::Tensor;

use super::ahead::{in_order, threads};
use super::folder::{ImageFolder, Item};
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model, NodeId, Pass};
use crate::panic::caught;
use crate::photo::Preprocess;
use crate::show::Progress;
use crate::tensor::{IntoResult, to_floats};

/// Of batches of more photos it is asked whether there is memory for them.
const LARGE: i64 = 64;

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
    pub(crate) fn new(photos: &ImageFolder, index: usize, error: Error) -> Unreadable {
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

    /// Runs these photos through the network, in order and from the index `first` on, and hands the
    /// `wanted` layers over batch by batch. `what` is what lines of progress call the work.
    ///
    /// Batches begin at the multiples of their size, whatever can be read, and photos of one batch have one
    /// size. So each photo has the same ones beside it when the work goes on, and in every shard.
    pub(super) fn run(
        &self,
        model: &Model,
        wanted: &[NodeId],
        what: &str,
        (of, first): (Range<usize>, usize),
        mut each: impl FnMut(Batch) -> Result<()>,
    ) -> Result<()> {
        model.check_takes_photos()?;
        let batch = self.batch_size();
        self.check_batch(model)?;
        let preprocess = self.preprocess_for(model);
        let done = first.saturating_sub(of.start);
        let mut progress = Progress::new(what, of.len() as u64).from(done as u64);
        let left = of.end.saturating_sub(first);
        let pass = Pass::of_work(self.len(), batch);
        let (photos, failed) = (Vec::new(), Vec::new());
        let mut open = Open { model, preprocess, wanted, pass, photos, failed };
        let channels = model.input_shape()[0];
        let read = |i: usize| self.seen(first + i, preprocess, channels);
        // While the network runs it wants every core: decoding beside it took longer than decoding
        // between two batches.
        in_order(left, threads(), batch - first % batch, read, |i, seen| {
            let index = first + i;
            let seen = seen.and_then(|seen| open.suits(&seen).map(|()| seen));
            match seen {
                Ok(seen) => {
                    let same = |known: &Seen| known.goes_with(&seen);
                    if !open.photos.first().is_none_or(same) {
                        each(open.close()?)?;
                        progress.advance((index - of.start) as u64)?;
                    }
                    open.photos.push(seen);
                }
                Err(error) => open.failed.push(Unreadable::new(self, index, error)),
            }
            if (index + 1).is_multiple_of(batch) || index + 1 == of.end {
                each(open.close()?)?;
                progress.advance((index + 1 - of.start) as u64)?;
            }
            Ok(batch)
        })?;
        progress.advance(of.len() as u64)?;
        progress.finish();
        Ok(())
    }

    /// That there is memory for what is asked for at once.
    fn check_batch(&self, model: &Model) -> Result<()> {
        let photos = self.batch_size().min(self.len()) as i64;
        let input: Vec<i64> = std::iter::once(photos).chain(model.input_shape().to_vec()).collect();
        match photos > LARGE {
            true => model.check_memory(&input).map_err(|e| e.while_doing("photos at once")),
            false => Ok(()),
        }
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
        decoded(read)
    }
}

/// Reads a photo; a decoder that panics has not read it.
pub(crate) fn decoded<T>(read: impl FnOnce() -> Result<T>) -> Result<T> {
    caught(read).unwrap_or_else(|_| Err(Error::Image("its decoder failed on it".into())))
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
