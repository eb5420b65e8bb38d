//! One map, or the sum of several, over many photos.

use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::batches::{Unreadable, channels_of, spatial};
use super::channels::Channels;
use super::folder::ImageFolder;
use super::overlay::{Drawn, sheet};
use super::reduce::reduce;
use super::top_maps::unreadable_notes;
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model};
use crate::number::number;
use crate::picture::{Maps, Picture, Sheet};
use crate::show::{MimeBundle, Show, debug_line, error_bundle};
use crate::tensor::{IntoResult, to_floats};

/// How many photos are kept at most, as in FeatureMapVisualizer.
const MOST: usize = 100;

/// A map of one layer, or the sum of several, over many photos. A notebook shows each photo with
/// the overlay beside it: the photo, bright where the map is high. See
/// [`ImageFolder::activation_maps`].
#[derive(Clone)]
#[must_use]
pub struct PhotoMaps {
    network: String,
    layer: String,
    channels: Vec<usize>,
    photos: Rc<[PhotoMap]>,
    /// How many photos there were to look at.
    total: usize,
    unreadable: Vec<Unreadable>,
    drawn: Drawn,
    beside: bool,
    columns: Option<usize>,
}

/// One photo of [`PhotoMaps`].
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PhotoMap {
    /// The photo's class.
    pub class: String,
    /// Its path from the data set's folder.
    pub name: String,
    /// The map, or the sum of the maps, at the layer's own resolution.
    pub map: Maps,
    /// Its mean over space.
    pub mean: f32,
    /// What the network sees of the photo.
    pub seen: Picture,
}

impl ImageFolder {
    /// One map of a layer over the photos, or the sum of several: at most 100 photos, which stay in
    /// memory with their maps; [`first`](ImageFolder::first) and [`classes`](ImageFolder::classes)
    /// choose. [`each_activation_map`](ImageFolder::each_activation_map) keeps none, and takes any
    /// number.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?;
    /// let photos = vec![Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?];
    /// let pets = ImageFolder::of_photos([("pets", photos)])?;
    /// let one = pets.activation_maps(&model, "features.12", 7)?; // shows itself
    /// let sum = pets.activation_maps(&model, "features.12", [7, 12, 90])?.raw(2.0);
    /// assert_eq!((one.means().len(), sum.photos().len()), (2, 2));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// A layer that is not there or not spatial, a map that it does not have, and when no photo can
    /// be read.
    pub fn activation_maps(
        &self,
        model: &Model,
        layer: impl Into<LayerRef>,
        channels: impl Into<Channels>,
    ) -> Result<PhotoMaps> {
        let (id, layer) = spatial(model, layer)?;
        let channels = channels.into().checked(&layer, channels_of(model, id)?)?;
        let mut photos = Vec::new();
        let unreadable = self.limited(MOST).each_activation_map(
            model,
            layer.as_str(),
            channels.as_slice(),
            |photo| {
                photos.push(photo);
                Ok(())
            },
        )?;
        Ok(PhotoMaps {
            network: model.name().to_owned(),
            layer,
            channels,
            photos: photos.into(),
            total: self.len(),
            unreadable,
            drawn: Drawn::default(),
            beside: true,
            columns: None,
        })
    }

    /// Calls `each` with one map of a layer over every photo, or with the sum of several, as soon as it
    /// is there; nothing is kept. Returns the files that could not be read.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?;
    /// let photos = vec![Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?];
    /// let pets = ImageFolder::of_photos([("pets", photos)])?;
    /// let mut pictures = 0;
    /// pets.each_activation_map(&model, "features.12", 7, |photo| {
    ///     let picture = photo.picture(None)?; // to be saved, say
    ///     pictures += usize::from(picture.width() >= 224);
    ///     Ok(())
    /// })?;
    /// assert_eq!(pictures, 2);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`activation_maps`](ImageFolder::activation_maps), and the first error of `each`.
    pub fn each_activation_map(
        &self,
        model: &Model,
        layer: impl Into<LayerRef>,
        channels: impl Into<Channels>,
        mut each: impl FnMut(PhotoMap) -> Result<()>,
    ) -> Result<Vec<Unreadable>> {
        let (id, layer) = spatial(model, layer)?;
        let channels = channels.into().checked(&layer, channels_of(model, id)?)?;
        let indices: Vec<i64> = channels.iter().map(|&channel| channel as i64).collect();
        let indices = Tensor::f_from_slice(&indices).into_result()?;
        let indices = indices.f_to_device(model.device()).into_result()?;
        let mut read = 0;
        let mut unreadable = Vec::new();
        self.run(model, &[id], &format!("{layer}, photos"), (0..self.len(), 0), |batch| {
            unreadable.extend(batch.unreadable);
            let [activation] = batch.outputs.as_slice() else { return Ok(()) };
            let sums = activation
                .f_index_select(1, &indices)
                .and_then(|t| t.f_sum_dim_intlist([1i64].as_slice(), true, Kind::Float))
                .into_result()?; // [photos, 1, h, w]
            let means = reduce(&sums)?.means;
            let size = sums.size();
            let (h, w) = (size[2] as usize, size[3] as usize);
            let values = to_floats(&sums)?;
            let maps =
                values.chunks_exact((h * w).max(1)).map(|map| Maps::new(1, h, w, map.to_vec()));
            for ((photo, map), mean) in batch.photos.into_iter().zip(maps).zip(means) {
                read += 1;
                each(PhotoMap {
                    class: self.class_name(photo.class).to_owned(),
                    name: self.entry(photo.index).map_or_else(String::new, |entry| entry.name),
                    map: map?,
                    mean,
                    seen: photo.pixels.into(),
                })?;
            }
            Ok(())
        })?;
        if read == 0 {
            return Err(none_readable(self, &unreadable));
        }
        Ok(unreadable)
    }
}

impl PhotoMap {
    /// The photo, bright where the map is high: the map divided by its maximum, or times `gain` and cut
    /// at 1, as [`PhotoMaps::raw`] has it.
    ///
    /// # Errors
    /// When the gain is no positive number.
    pub fn picture(&self, gain: impl Into<Option<f32>>) -> Result<Picture> {
        self.drawn(Drawn { gain: gain.into(), alone: false })
    }

    fn drawn(&self, drawn: Drawn) -> Result<Picture> {
        if let Some(gain) = drawn.gain
            && !(gain > 0.0 && gain.is_finite())
        {
            return Err(Error::Argument(format!("a gain is a number above 0, got {gain}")));
        }
        drawn.picture(&self.seen, &self.map)
    }
}

/// Why there is nothing to show.
pub(super) fn none_readable(photos: &ImageFolder, unreadable: &[Unreadable]) -> Error {
    no_photo_of(photos.len(), photos.name(), unreadable)
}

/// That none of so many photos could be read.
pub(crate) fn no_photo_of(count: usize, of: &str, unreadable: &[Unreadable]) -> Error {
    let first = unreadable.first().map(|photo| format!(" ({photo})")).unwrap_or_default();
    Error::Argument(format!("none of the {count} photos of {of} could be used{first}"))
}

impl PhotoMaps {
    /// Maps are multiplied by `gain` and cut at 1, instead of being divided by their maximum each:
    /// pictures of several photos can then be compared. FeatureMapVisualizer takes 2 for ResNet, 1 for VGG.
    pub fn raw(&self, gain: f32) -> PhotoMaps {
        let mut changed = self.clone();
        changed.drawn.gain = Some(gain);
        changed
    }

    /// The maps alone in grey, without the photos under them.
    pub fn maps_alone(&self) -> PhotoMaps {
        let mut changed = self.clone();
        changed.drawn.alone = true;
        changed
    }

    /// Leaves out the photo that stands beside every map.
    pub fn without_photos(&self) -> PhotoMaps {
        PhotoMaps { beside: false, ..self.clone() }
    }

    /// How many tiles stand in a row; a photo and the map beside it are one.
    pub fn columns(&self, columns: usize) -> PhotoMaps {
        PhotoMaps { columns: Some(columns), ..self.clone() }
    }

    /// The layer's name.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The maps that are summed.
    pub fn channels(&self) -> &[usize] {
        &self.channels
    }

    /// The photos with their maps, class by class.
    pub fn photos(&self) -> &[PhotoMap] {
        &self.photos
    }

    /// The mean activation of every photo: of the map, or of the sum.
    pub fn means(&self) -> Vec<f32> {
        self.photos.iter().map(|photo| photo.mean).collect()
    }

    /// The files that could not be read.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// All pictures with the photos' names and the mean activations.
    ///
    /// # Errors
    /// When the gain is no positive number.
    pub fn sheet(&self) -> Result<Sheet> {
        let tiles = self.photos.iter().map(|photo| {
            let map = photo.drawn(self.drawn)?;
            let picture = match self.beside {
                true => {
                    let seen = photo.seen.resized(map.width(), map.height())?;
                    Picture::beside(&[seen, map], 2)
                }
                false => map,
            };
            Ok((picture, format!("{}: {}", photo.name, number(f64::from(photo.mean), 3))))
        });
        let tiles: Vec<(Picture, String)> = tiles.collect::<Result<_>>()?;
        Ok(sheet(tiles, self.columns).title(self.title()))
    }

    /// Writes the picture of each of these photos, at most 100 of the data set's, into a folder, which
    /// is made where it is missing, as `cat_0001_name.png`, and returns the files.
    /// [`each_activation_map`](ImageFolder::each_activation_map) goes through all of them.
    ///
    /// # Errors
    /// When a file cannot be written, or the gain is no positive number.
    pub fn save(&self, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let folder = folder.as_ref();
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::file(folder, format!("cannot be made: {error}")))?;
        let files = self.photos.iter().enumerate().map(|(i, photo)| {
            let title = photo.name.rsplit('/').next().unwrap_or_default();
            let title = title.rsplit_once('.').map_or(title, |(title, _)| title);
            let name: String = format!("{}_{:04}_{title}", photo.class, i + 1)
                .chars()
                .map(|c| if c.is_alphanumeric() || "_-.".contains(c) { c } else { '_' })
                .collect();
            let path = folder.join(name + ".png");
            photo.drawn(self.drawn)?.save(&path)?;
            Ok(path)
        });
        files.collect()
    }

    fn title(&self) -> String {
        let maps = match self.channels.as_slice() {
            [one] => format!("map {one}"),
            several => {
                let listed: Vec<String> = several.iter().take(12).map(usize::to_string).collect();
                let more = if several.len() > 12 { ", …" } else { "" };
                format!("the sum of {} maps ({}{more})", several.len(), listed.join(", "))
            }
        };
        let scale = match self.drawn.gain {
            None => "each from 0 to its maximum".to_owned(),
            Some(gain) => format!("times {gain}, cut at 1"),
        };
        let cut = match self.total > MOST {
            true => format!("; {} of {} photos", self.photos.len(), self.total),
            false => String::new(),
        };
        format!("{} · {} · {maps}, {scale}, with its mean{cut}", self.network, self.layer)
    }
}

impl fmt::Debug for PhotoMaps {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("PhotoMaps of {}, {} photos", self.title(), self.photos.len()))
    }
}

impl Show for PhotoMaps {
    fn bundle(&self) -> MimeBundle {
        let rendered = self.sheet().and_then(|sheet| sheet.render());
        match rendered {
            Ok(rendered) => {
                let notes = unreadable_notes(&self.unreadable).join("\n");
                let picture = match notes.as_str() {
                    "" => rendered.picture,
                    notes => rendered.picture.captioned(notes),
                };
                let text = [self.title(), rendered.note, notes].join("\n");
                MimeBundle::picture(picture, text.trim_end())
            }
            Err(error) => error_bundle(&error),
        }
    }
}
