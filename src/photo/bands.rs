//! An array of numbers with any number of bands, and how it becomes a network's input.

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use tch::Tensor;

use super::{Photo, Preprocess, View};
use crate::error::{Error, Result};
use crate::picture::{Composite, Maps};
use crate::show::{MimeBundle, Show, debug_line, error_bundle};
use crate::tensor::IntoResult;

/// Numbers with any number of bands, such as a satellite's: what a photo is to a network of three
/// channels, for one of any other, by [`Model::look_array`](crate::model::Model::look_array). Cheap to clone.
///
/// The numbers stay as they are stored, in units of their own: nothing is divided by 255. The mean and
/// deviation of each band that a network's [`Preprocess`] holds are in the same units.
///
/// A notebook shows three of the bands as red, green and blue, or one in grey, as
/// [`view_as`](Bands::view_as) chooses: each from black, its 2nd percentile, to full, its 98th, as is usual in
/// remote sensing. Unless chosen, the bands of an array of three are red, green and blue, and any
/// other is shown as the mean of its stretched bands in grey.
///
/// ```
/// use convlens::prelude::*;
/// let values = Tensor::arange(5 * 16 * 16, tch::kind::FLOAT_CPU).reshape([5, 16, 16]);
/// let scene = Bands::from_tensor(&values)?.titled("scene").view_as([3, 2, 1]);
/// let mut net = Model::builder("small", [5, 8, 8])
///     .preprocess(Preprocess::exact(8, 8).normalize([640.0; 5], [370.0; 5]));
/// let x = net.input();
/// let x = net.add("conv", Conv2d::new(5, 4, 3), &[x]);
/// let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
/// net.add("flatten", Op::Flatten, &[x]);
/// let look = net.build()?.look_array(&scene)?;
/// look.explain(&GradCam::at("conv"))?; // over bands 3, 2 and 1 as red, green and blue
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Bands {
    /// As it is stored: either the first or the last of its three sides counts the bands.
    array: Maps,
    /// Which of them, where that is known.
    side: Option<Side>,
    shown: Composite,
    title: Arc<str>,
}

/// Where an array has its bands.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Side {
    First,
    Last,
}

impl Bands {
    /// Opens a `.npy`, numpy's file of one array, or the first picture of a TIFF, whose pixels may have any
    /// number of bands, plane by plane or pixel by pixel, of integers or floats. What is in the file decides,
    /// not its name.
    ///
    /// An array has the shape `[bands, height, width]`, `[height, width, bands]` or `[height, width]`. Which of
    /// the two first it is, the network tells by its channels; where both would do, and where no network is
    /// asked, [`bands_first`](Bands::bands_first) or [`bands_last`](Bands::bands_last) does.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let path = std::env::temp_dir().join("convlens-bands-example.npy");
    /// Maps::new(2, 1, 3, vec![0.0, 1.0, 2.0, 3.0, 4.0, 5.0])?.save_npy(&path)?;
    /// let bands = Bands::open(&path)?.bands_first();
    /// assert_eq!((bands.title(), bands.maps()?.count()), ("convlens-bands-example", 2));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// Files that cannot be read, are damaged or hold something else; more than 100 million values.
    pub fn open(path: impl AsRef<Path>) -> Result<Bands> {
        let path = path.as_ref();
        let bytes = std::fs::read(path).map_err(|error| Error::unreadable(path, &error))?;
        let bands = Self::from_bytes(&bytes).map_err(|error| Error::file(path, error))?;
        let title = path.file_stem().unwrap_or_default();
        Ok(bands.titled(&title.to_string_lossy()))
    }

    /// The array of a file that is in memory, as [`open`](Bands::open) reads it.
    ///
    /// # Errors
    /// As [`open`](Bands::open).
    pub fn from_bytes(bytes: &[u8]) -> Result<Bands> {
        let bands = Self::from_maps(&Maps::from_bytes(bytes)?);
        Ok(match bytes.starts_with(convlens_formats::npy::MAGIC) {
            true => bands.of_any_order(),
            false => bands,
        })
    }

    /// A tensor's values, `[bands, height, width]`, `[height, width, bands]` or `[height, width]`, as
    /// [`open`](Bands::open) takes an array.
    ///
    /// # Errors
    /// Other shapes, and tensors whose values libtorch cannot read.
    pub fn from_tensor(tensor: &Tensor) -> Result<Bands> {
        Ok(Self::from_maps(&Maps::try_from(tensor)?).of_any_order())
    }

    /// A band a map.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let radar = Bands::from_maps(&Maps::new(2, 1, 3, vec![-12.0, -9.5, -11.0, -20.0, -17.0, -21.0])?);
    /// assert_eq!(radar.maps()?.count(), 2);
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn from_maps(maps: &Maps) -> Bands {
        let (shown, title) = (Composite::default(), "array".into());
        Bands { array: maps.clone(), side: Some(Side::First), shown, title }
    }

    /// Nobody has said where the bands are; of one map there is one.
    fn of_any_order(self) -> Bands {
        let side = (self.array.count() == 1).then_some(Side::First);
        Bands { side, ..self }
    }

    /// The array is `[bands, height, width]`.
    pub fn bands_first(&self) -> Bands {
        Bands { side: Some(Side::First), ..self.clone() }
    }

    /// The array is `[height, width, bands]`.
    pub fn bands_last(&self) -> Bands {
        Bands { side: Some(Side::Last), ..self.clone() }
    }

    /// Which bands are shown, counted from 0: three as red, green and blue, or one in grey. All pictures of a
    /// look at this array are drawn on them; what the network sees stays the same. That there are such
    /// bands is checked when they are shown.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let scene = Bands::from_tensor(&Tensor::rand([7, 32, 32], tch::kind::FLOAT_CPU))?;
    /// scene.view_as([3, 2, 1]); // in natural colours, where a satellite has blue, green, red at 1, 2, 3
    /// scene.view_as([4]); // the near infrared alone
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn view_as(&self, bands: impl AsRef<[usize]>) -> Bands {
        Bands { shown: Composite::new(bands.as_ref()), ..self.clone() }
    }

    /// The same array under another title.
    pub fn titled(&self, title: &str) -> Bands {
        Bands { title: title.into(), ..self.clone() }
    }

    /// The title: the file's name without its ending, unless another was given.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// The numbers, a map a band. Where nobody has said which side of the array counts the bands, it is
    /// the shorter one of the first and the last.
    ///
    /// # Errors
    /// When there is no memory for them.
    pub fn maps(&self) -> Result<Maps> {
        let last = self.array.width() < self.array.count();
        self.with_bands_at(self.side.unwrap_or(if last { Side::Last } else { Side::First }))
    }

    /// The same, of as many bands as a network takes channels.
    fn maps_for(&self, channels: usize) -> Result<Maps> {
        let array = &self.array;
        let suits = |side: &Side| channels == self.count_at(*side);
        let sides = match self.side {
            Some(side) => vec![side],
            None => vec![Side::First, Side::Last],
        };
        let shape = [array.count(), array.height(), array.width()];
        match sides.iter().copied().filter(suits).collect::<Vec<_>>()[..] {
            [side] => self.with_bands_at(side),
            [] => {
                let counts: Vec<String> =
                    sides.iter().map(|&side| self.count_at(side).to_string()).collect();
                Err(Error::Shape(format!(
                    "the network takes {channels} channels; the array, {shape:?}, has {} of them",
                    counts.join(" or ")
                )))
            }
            _ => Err(Error::Shape(format!(
                "the array, {shape:?}, has {channels} bands in its first or in its last side: say which by \
                 .bands_first() or .bands_last()"
            ))),
        }
    }

    /// Its height and width for a network of so many channels.
    pub(crate) fn size_for(&self, channels: i64) -> Result<[i64; 2]> {
        let maps = self.maps_for(channels.max(0) as usize)?;
        Ok([maps.height(), maps.width()].map(|side| side as i64))
    }

    fn count_at(&self, side: Side) -> usize {
        match side {
            Side::First => self.array.count(),
            Side::Last => self.array.width(),
        }
    }

    fn with_bands_at(&self, side: Side) -> Result<Maps> {
        let array = &self.array;
        if side == Side::First {
            return Ok(array.clone());
        }
        let (height, width, bands) = (array.count(), array.height(), array.width());
        let band = |band| array.values().iter().skip(band).step_by(bands).copied();
        Maps::new(bands, height, width, (0..bands).flat_map(band).collect())
    }

    /// What is shown of it to one who prepares it so.
    pub(crate) fn shown_by(&self, preprocess: Option<&Preprocess>) -> Result<Photo> {
        let maps = match preprocess.map_or(0, |preprocess| preprocess.mean.len()) {
            0 => self.maps(),
            count => self.maps_for(count).or_else(|_| self.maps()),
        };
        let nothing_chosen = Composite::default();
        let shown = preprocess.map_or(&nothing_chosen, |preprocess| &preprocess.shown);
        Ok(self.picture(&maps?, shown)?.0)
    }

    /// What is shown of it, and what captions say of that.
    fn picture(&self, maps: &Maps, otherwise: &Composite) -> Result<(Photo, String)> {
        let shown = self.shown.or(otherwise);
        let photo = Photo::from_picture(&shown.picture(maps)?).titled(&self.title);
        Ok((photo, shown.note(maps.count())?))
    }
}

impl Preprocess {
    /// An array as `[1, bands, height, width]`: resized and cropped as a photo is, but in floats, with bilinear
    /// (or bicubic) weights and antialiasing, and normalised. Where it is neither resized nor normalised, its
    /// numbers stay as they are. Which side of the array counts the bands, the number of means tells, if there
    /// are any.
    ///
    /// # Errors
    /// Values that are not finite, sizes below 1, a crop larger than what it is cut from, another number of
    /// means or deviations than bands, and deviations that are not positive.
    pub fn apply_array(&self, array: &Bands) -> Result<Tensor> {
        let maps = match self.mean.len() {
            0 => array.maps(),
            count => array.maps_for(count),
        };
        maps.and_then(|maps| self.prepared(&maps)).map_err(|e| e.while_doing(&array.title))
    }

    fn prepared(&self, maps: &Maps) -> Result<Tensor> {
        check_values(maps)?;
        let [c, h, w] = [maps.count(), maps.height(), maps.width()].map(|side| side as i64);
        let frame = self.frame(h, w)?;
        let whole = Tensor::f_from_slice(maps.values()).and_then(|t| t.f_reshape([1, c, h, w]));
        let whole = whole.into_result()?;
        let resized = match frame.resized == [h, w] {
            true => whole,
            false => self.resampled(&whole, frame.resized)?,
        };
        let seen = resized
            .f_narrow(2, frame.top, frame.seen[0])
            .and_then(|t| t.f_narrow(3, frame.left, frame.seen[1]))
            .into_result()?;
        self.normalized_planes(&seen)
    }

    /// The input, `[1, C, H, W]`, that a network of so many channels sees of an array.
    pub(crate) fn input_of(&self, array: &Bands, channels: i64) -> Result<Tensor> {
        self.prepared(&array.maps_for(channels.max(0) as usize)?)
    }

    /// What is shown of an array as a network of so many channels sees it, and the input, `[1, C, H, W]`.
    pub(crate) fn viewed_array(&self, array: &Bands, channels: i64) -> Result<(View, Tensor)> {
        let maps = array.maps_for(channels.max(0) as usize)?;
        let input = self.prepared(&maps)?;
        let (photo, note) = array.picture(&maps, &self.shown)?;
        let seen = self.seen(&photo)?;
        Ok((View::new(photo, self.clone(), seen.into()).noted(note), input))
    }
}

/// That there are values, and all of them numbers: satellites mark what they have not seen by others.
fn check_values(maps: &Maps) -> Result<()> {
    let values = maps.values();
    if values.is_empty() {
        return Err(Error::Shape(format!(
            "{} bands of {} × {} have no values",
            maps.count(),
            maps.height(),
            maps.width()
        )));
    }
    let Some(first) = values.iter().position(|value| !value.is_finite()) else { return Ok(()) };
    let count = values.iter().filter(|value| !value.is_finite()).count();
    let (width, size) = (maps.width(), maps.height() * maps.width());
    Err(Error::Argument(format!(
        "{count} of the {} values are NaN or infinite, the first in band {}, row {}, column {} (counted from 0): \
         take a part without them, or put a number there",
        values.len(),
        first / size,
        first % size / width,
        first % width
    )))
}

impl fmt::Debug for Bands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shape = [self.array.count(), self.array.height(), self.array.width()];
        debug_line(f, format_args!("Bands {}, {shape:?}", self.title))
    }
}

impl Show for Bands {
    fn bundle(&self) -> MimeBundle {
        let drawn = self.maps().and_then(|maps| {
            let (photo, note) = self.picture(&maps, &Composite::default())?;
            let (height, width) = (maps.height(), maps.width());
            Ok(photo.shown(&format!("{}, {width} × {height}, {note}", self.title)))
        });
        drawn.unwrap_or_else(|error| error_bundle(&error))
    }
}
