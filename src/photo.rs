//! A photo or an array, and how it becomes a network's input.

mod bands;
mod frame;
mod jpeg;
mod numbers;

use std::cell::OnceCell;
use std::fmt;
use std::io::Cursor;
use std::path::Path;
use std::sync::Arc;

use image::{DynamicImage, ImageDecoder, ImageReader, RgbImage};
use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::picture::{Composite, Picture, Region, Tiff};
use crate::show::{MimeBundle, Show, debug_line};
use crate::tensor::{IntoResult, to_floats, to_maps};

pub use bands::Bands;
pub(crate) use numbers::Numbers;

/// Photos of more pixels than this are refused before they are decoded.
const MOST_PIXELS: u64 = 100_000_000;

/// A photo is shown no wider or higher than this; it keeps all its pixels.
const SHOWN_SIDE: u32 = 800;

/// A photo in 8-bit RGB. Cheap to clone.
///
/// ```no_run
/// use convlens::prelude::*;
/// let cat = Photo::open("assets/photos/cat.png")?;
/// println!("{} x {}", cat.width(), cat.height());
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Photo {
    picture: Picture,
    title: Arc<str>,
}

impl Photo {
    /// Opens a PNG, JPEG, BMP, GIF (its first frame), WebP, TIFF (its first picture) or PNM file (PPM,
    /// PGM, PBM, PAM); what is in the file decides, not its name. The EXIF orientation of a JPEG or
    /// TIFF is respected, grey becomes RGB, 16 bits become 8, and what is transparent lies on white.
    ///
    /// A TIFF may hold numbers: floats, or integers of other than 8 and 16 bits. From 0 to 1, they go
    /// from black to white; where they are not all in that range, they do so from the least to the
    /// greatest in the file. [`Maps::open`](crate::picture::Maps::open) reads the numbers themselves.
    ///
    /// A JPEG without its end marker is opened when no row is missing, as most viewers do.
    ///
    /// # Errors
    /// Paths that cannot be read, folders, files of another kind, damaged files (with what the
    /// decoder says), and photos without pixels or with more than 100 megapixels.
    pub fn open(path: impl AsRef<Path>) -> Result<Photo> {
        let path = path.as_ref();
        if path.is_dir() {
            return Err(Error::file(path, "this is a folder; name a photo in it"));
        }
        let bytes = std::fs::read(path).map_err(|error| Error::unreadable(path, &error))?;
        let title = path.file_stem().map_or_else(String::new, |s| s.to_string_lossy().into_owned());
        Self::decode(&bytes, &title).map_err(|e| Error::file(path, e))
    }

    /// Decodes a photo that is in memory, as [`open`](Photo::open) does.
    ///
    /// # Errors
    /// As [`open`](Photo::open).
    pub fn from_bytes(bytes: &[u8]) -> Result<Photo> {
        Self::decode(bytes, "photo")
    }

    fn decode(bytes: &[u8], title: &str) -> Result<Photo> {
        if bytes.is_empty() {
            return Err(Error::Image("the file is empty".into()));
        }
        if Tiff::is(bytes) {
            let picture =
                Tiff::read(bytes, |width, height, _| check_size(width, height))?.picture()?;
            return Ok(Photo { picture, title: title.into() });
        }
        let guessed = ImageReader::new(Cursor::new(bytes)).with_guessed_format();
        let guessed = guessed.map_err(|e| Error::Image(e.to_string()))?;
        let Some(format) = guessed.format() else {
            return Err(Error::Image(format!(
                "not a PNG, JPEG, BMP, GIF, WebP, TIFF or PNM photo: the file begins with {}",
                beginning(bytes)
            )));
        };
        let damaged = |e: image::ImageError| {
            Error::Image(format!(
                "a damaged or unsupported {format:?} photo of {} bytes: {}",
                bytes.len(),
                said_once(&e)
            ))
        };
        let mut decoder = guessed.into_decoder().map_err(damaged)?;
        let (width, height) = decoder.dimensions();
        check_size(u64::from(width), u64::from(height))?;
        let orientation =
            decoder.orientation().unwrap_or(image::metadata::Orientation::NoTransforms);
        let markers = (format == image::ImageFormat::Jpeg).then(|| jpeg::Markers::of(bytes));
        let mut image = match markers.filter(|markers| !markers.ended) {
            None => DynamicImage::from_decoder(decoder).map_err(damaged)?,
            Some(markers) => {
                let whole = jpeg::without_end(bytes, &markers).map_err(damaged)?;
                whole.ok_or_else(|| {
                    Error::Image(format!(
                        "a truncated Jpeg photo: its {} bytes end in the middle of the picture",
                        bytes.len()
                    ))
                })?
            }
        };
        image.apply_orientation(orientation);
        Ok(Photo { picture: Picture::from(image), title: title.into() })
    }

    /// A photo from pixels that are already there.
    ///
    /// # Errors
    /// When there are no pixels.
    pub fn from_image(image: &DynamicImage) -> Result<Photo> {
        if image.width() == 0 || image.height() == 0 {
            return Err(Error::Image(format!(
                "the image is {} × {}: it has no pixels",
                image.width(),
                image.height()
            )));
        }
        Ok(Photo { picture: Picture::from(image), title: "photo".into() })
    }

    /// A photo of a picture, which share their pixels where the picture has no palette.
    ///
    /// ```
    /// use convlens::picture::Picture;
    /// use convlens::prelude::*;
    /// let photo = Photo::from_picture(&Picture::rgb(1, 1, vec![255, 0, 0])?);
    /// assert_eq!((photo.width(), photo.height()), (1, 1));
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn from_picture(picture: &Picture) -> Photo {
        Photo { picture: picture.plain(), title: "photo".into() }
    }

    /// The same photo under another title.
    pub fn titled(&self, title: &str) -> Photo {
        Photo { title: title.into(), ..self.clone() }
    }

    /// The title: the file's name without its ending, unless another was given.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Pixels from left to right.
    pub fn width(&self) -> u32 {
        self.picture.width()
    }

    /// Pixels from top to bottom.
    pub fn height(&self) -> u32 {
        self.picture.height()
    }

    /// Writes it to a file; its ending says in which format.
    ///
    /// # Errors
    /// As [`Picture::save`].
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.picture().save(path)
    }

    /// The pixels.
    pub fn picture(&self) -> Picture {
        self.picture.clone()
    }

    /// The pixels as bytes, `[3, height, width]`.
    ///
    /// # Errors
    /// When libtorch has no memory for them.
    pub fn tensor(&self) -> Result<Tensor> {
        let (h, w) = (i64::from(self.height()), i64::from(self.width()));
        Tensor::f_from_data_size(self.picture.data(), &[h, w, 3], Kind::Uint8)
            .and_then(|t| t.f_permute([2, 0, 1]))
            .into_result()
    }
}

impl fmt::Debug for Photo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Photo {}, {} × {}", self.title, self.width(), self.height()))
    }
}

impl Show for Photo {
    fn bundle(&self) -> MimeBundle {
        let text = format!("{}, {} × {}", self.title, self.width(), self.height());
        self.shown(&text).of(&self.title)
    }
}

impl Photo {
    /// At most so large as suits a page, under this text.
    fn shown(&self, text: &str) -> MimeBundle {
        let picture = self.picture();
        let side = self.width().max(self.height());
        if side <= SHOWN_SIDE {
            return MimeBundle::picture(picture, text);
        }
        let shrunk =
            |v: u32| (u64::from(v) * u64::from(SHOWN_SIDE) / u64::from(side)).max(1) as u32;
        let (w, h) = (shrunk(self.width()), shrunk(self.height()));
        match picture.resized(w, h) {
            Ok(small) => MimeBundle::picture(small, format!("{text}, shown at {w} × {h}")),
            Err(error) => crate::show::error_bundle(&error),
        }
    }
}

/// A photo as a network sees it, for showing: the same part of the photo, but with the photo's own
/// detail, since a network's 224 pixels are few on a screen.
#[derive(Debug)]
pub(crate) struct View {
    photo: Photo,
    preprocess: Preprocess,
    seen: Picture,
    shown: OnceCell<Picture>,
    /// Which of an input's channels are shown, where that is no matter of course.
    note: Option<String>,
    /// Where the input is no photo but a row of numbers.
    numbers: Option<Numbers>,
}

impl View {
    /// Pictures are shown at least this large.
    const SIDE: u32 = 400;

    /// `seen` is what `preprocess` makes of the photo.
    pub(crate) fn new(photo: Photo, preprocess: Preprocess, seen: Picture) -> View {
        View { photo, preprocess, seen, shown: OnceCell::new(), note: None, numbers: None }
    }

    /// With what captions say of the channels that are shown.
    pub(crate) fn noted(self, note: String) -> View {
        View { note: Some(note), ..self }
    }

    /// Of a row of numbers.
    pub(crate) fn of_numbers(self, numbers: Numbers) -> View {
        View { numbers: Some(numbers), ..self }
    }

    pub(crate) fn numbers(&self) -> Option<&Numbers> {
        self.numbers.as_ref()
    }

    /// Which of an input's channels are shown, where that is no matter of course.
    pub(crate) fn note(&self) -> Option<&str> {
        self.note.as_deref()
    }

    /// A caption, with what it has to say of the channels that are shown.
    pub(crate) fn captioned(&self, caption: String) -> String {
        match &self.note {
            Some(note) => format!("{caption}, {note}"),
            None => caption,
        }
    }

    pub(crate) fn photo(&self) -> &Photo {
        &self.photo
    }

    /// At the size at which the network sees it.
    pub(crate) fn seen(&self) -> &Picture {
        &self.seen
    }

    /// A region of the photo as `seen` shows it: what is inside by half or more.
    pub(crate) fn seen_region(&self, region: &Region) -> Result<Region> {
        let (width, height) = (self.photo.width(), self.photo.height());
        if (region.width(), region.height()) != (width as usize, height as usize) {
            return Err(Error::Shape(format!(
                "the region has {} × {} pixels (height × width), but the photo has {height} × {width}",
                region.height(),
                region.width()
            )));
        }
        let drawn = region.inside().iter().flat_map(|&inside| [255 * u8::from(inside); 3]);
        let picture = Picture::rgb(width, height, drawn.collect())?;
        let seen = self.preprocess.seen(&Photo::from_picture(&picture))?;
        let inside = seen.pixels().map(|pixel| pixel.0[0] >= 128).collect();
        Region::new(seen.height() as usize, seen.width() as usize, inside)
    }

    /// At a size for eyes, made when it is first needed.
    pub(crate) fn shown(&self) -> Picture {
        self.shown.get_or_init(|| self.enlarged().unwrap_or_else(|_| self.seen.clone())).clone()
    }

    fn enlarged(&self) -> Result<Picture> {
        let side = self.seen.width().max(self.seen.height());
        let factor = Self::SIDE.div_ceil(side.max(1));
        match self.preprocess.resize {
            _ if factor <= 1 => Ok(self.seen.clone()),
            ResizeTo::Keep => self.seen.enlarged(factor),
            _ => Ok(self.preprocess.enlarged(i64::from(factor)).seen(&self.photo)?.into()),
        }
    }
}

/// Whether a photo of so many pixels is opened.
pub(crate) fn check_size(width: u64, height: u64) -> Result<()> {
    let pixels = width.saturating_mul(height);
    if pixels == 0 {
        return Err(Error::Image(format!("the photo is {width} × {height}: it has no pixels")));
    }
    if pixels > MOST_PIXELS {
        return Err(Error::Image(format!(
            "the photo is {width} × {height}, {} megapixels; at most {} are opened: make it \
             smaller first",
            pixels / 1_000_000,
            MOST_PIXELS / 1_000_000
        )));
    }
    Ok(())
}

/// The first bytes of a file, for an error message.
fn beginning(bytes: &[u8]) -> String {
    let first = &bytes[..bytes.len().min(12)];
    match std::str::from_utf8(first) {
        Ok(text) => format!("the text {text:?}"),
        Err(_) => format!("the bytes {first:02x?}"),
    }
}

/// An error with its causes, each once.
fn said_once(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let said = inner.to_string();
        if !text.contains(&said) {
            text += ": ";
            text += &said;
        }
        cause = inner.source();
    }
    text
}

/// How the photo's size becomes the network's.
#[derive(Clone, Copy, Debug, PartialEq)]
enum ResizeTo {
    Keep,
    /// The shorter side gets this many pixels, the longer one as many as keep the proportions.
    Shorter(i64),
    /// `[height, width]`, whatever the proportions.
    Exact(i64, i64),
}

/// How a photo becomes a network's input: torchvision's `Resize(antialias=True)`, `CenterCrop`,
/// scaling to `[0, 1]` and `Normalize`, in this order. Arrays, [`Bands`], are not scaled.
///
/// ```
/// use convlens::photo::Preprocess;
/// let as_imagenet = Preprocess::imagenet();
/// let by_hand = Preprocess::shorter(256).crop(224).normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
/// assert_eq!(as_imagenet, by_hand);
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Preprocess {
    resize: ResizeTo,
    bicubic: bool,
    crop: Option<i64>,
    /// One a channel, or none where nothing is normalised.
    mean: Vec<f64>,
    deviation: Vec<f64>,
    /// Whether the network takes a photo's blue first.
    bgr: bool,
    shown: Composite,
}

crate::show::shown_by_debug!(Preprocess);

impl Preprocess {
    fn new(resize: ResizeTo) -> Self {
        let (mean, deviation) = (Vec::new(), Vec::new());
        Preprocess {
            resize,
            bicubic: false,
            crop: None,
            mean,
            deviation,
            bgr: false,
            shown: Composite::default(),
        }
    }

    /// No resizing and no normalising: of a photo, values in `[0, 1]`; of an array, its own.
    pub fn keep() -> Self {
        Self::new(ResizeTo::Keep)
    }

    /// Resizes so that the shorter side has this many pixels.
    pub fn shorter(pixels: i64) -> Self {
        Self::new(ResizeTo::Shorter(pixels))
    }

    /// Resizes to this height and width, whatever the photo's proportions.
    pub fn exact(height: i64, width: i64) -> Self {
        Self::new(ResizeTo::Exact(height, width))
    }

    /// What ImageNet's networks are trained on: shorter side 256, the middle 224 × 224, normalised
    /// by ImageNet's means and deviations of red, green and blue. For a network that takes one channel, only
    /// red's are used, which is right only if it was trained so; say its own by
    /// [`normalize`](Preprocess::normalize).
    pub fn imagenet() -> Self {
        Self::shorter(256).crop(224).normalize([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])
    }

    /// What FeatureMapVisualizer feeds its networks: 224 × 224 whatever the photo's
    /// proportions, values in `[0, 1]`, not normalised.
    pub fn feature_map_visualizer() -> Self {
        Self::exact(224, 224)
    }

    /// Resizes with cubic instead of linear weights, as some networks were trained.
    pub fn bicubic(&self) -> Self {
        Self { bicubic: true, ..self.clone() }
    }

    /// Cuts this square out of the middle.
    pub fn crop(&self, side: i64) -> Self {
        Self { crop: Some(side), ..self.clone() }
    }

    /// `(value − mean) / deviation`, with a mean and a deviation for each channel of the network's input: of a
    /// photo in the order RGB, of an array in its own order and units. Without any, values stay as they are. Of three,
    /// a network that takes one channel uses the first, red's, and
    /// [`with_preprocess`](crate::model::Model::with_preprocess) says so in a line: give it one mean, its own. That
    /// there are as many as the network has channels is checked when they are used.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let reflectance = Preprocess::exact(64, 64).normalize([0.11, 0.10, 0.09, 0.28], [0.05, 0.04, 0.05, 0.1]);
    /// let scene = Bands::from_tensor(&Tensor::rand([4, 80, 80], tch::kind::FLOAT_CPU))?;
    /// assert_eq!(reflectance.apply_array(&scene)?.size(), [1, 4, 64, 64]);
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn normalize(&self, mean: impl AsRef<[f64]>, deviation: impl AsRef<[f64]>) -> Self {
        let (mean, deviation) = (mean.as_ref().to_vec(), deviation.as_ref().to_vec());
        Self { mean, deviation, ..self.clone() }
    }

    /// The network takes a photo's channels as blue, green and red, as those from Caffe do, and Keras's VGG and
    /// ResNet. Means and deviations stay in the order RGB, and pictures are shown in their colours.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// // keras.applications.vgg16.preprocess_input: values from 0 to 255, less their means.
    /// let keras = Preprocess::exact(224, 224)
    ///     .normalize([123.68, 116.779, 103.939].map(|mean| mean / 255.0), [1.0 / 255.0; 3])
    ///     .bgr();
    /// let input = keras.apply(&Photo::open("assets/photos/cat.png")?)?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn bgr(&self) -> Self {
        Self { bgr: true, ..self.clone() }
    }

    /// Colours, `[N, C, h, w]`, in the order of the network's channels; and back.
    fn in_order(&self, colours: &Tensor) -> Result<Tensor> {
        match self.bgr && colours.size().get(1) == Some(&3) {
            true => colours.f_flip([1]).into_result(),
            false => Ok(colours.shallow_clone()),
        }
    }

    /// What to say where a network of one channel is given the means of three.
    pub(crate) fn grey_note(&self, channels: i64) -> Option<String> {
        (channels == 1 && self.mean.len() == 3).then(|| {
            let first = |values: &[f64]| values.first().copied().unwrap_or_default();
            let (mean, deviation) = (first(&self.mean), first(&self.deviation));
            format!(
                "it takes one channel, and of the three means and deviations only the first are used, {mean} and \
                 {deviation}: say those that it was trained with, .normalize([mean], [deviation])"
            )
        })
    }

    /// Whether the first of an input's channels is blue.
    pub(crate) fn is_bgr(&self) -> bool {
        self.bgr
    }

    /// Which channels of the network's inputs are shown, counted from 0: three as red, green and blue, or one
    /// in grey. It holds for inputs that are prepared already, for arrays without a
    /// [`view_as`](Bands::view_as) of their own, and for pictures that are made for a channel or class.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("small", [5, 8, 8]).preprocess(Preprocess::keep().view_as([2, 1, 0]));
    /// let x = net.input();
    /// net.add("conv", Conv2d::new(5, 4, 3), &[x]);
    /// let look = net.build()?.look_input(&Tensor::rand([1, 5, 8, 8], tch::kind::FLOAT_CPU))?;
    /// assert!(look.bundle().as_text().contains("bands 2, 1, 0 as red, green, blue"));
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn view_as(&self, channels: impl AsRef<[usize]>) -> Self {
        Self { shown: Composite::new(channels.as_ref()), ..self.clone() }
    }

    /// The same part of the photo, `factor` times as large.
    fn enlarged(&self, factor: i64) -> Preprocess {
        let resize = match self.resize {
            ResizeTo::Keep => ResizeTo::Keep,
            ResizeTo::Shorter(side) => ResizeTo::Shorter(side.saturating_mul(factor)),
            ResizeTo::Exact(height, width) => {
                ResizeTo::Exact(height.saturating_mul(factor), width.saturating_mul(factor))
            }
        };
        let crop = self.crop.map(|side| side.saturating_mul(factor));
        Preprocess { resize, crop, ..self.clone() }
    }

    /// The part of the photo that the network sees, at the size at which it sees it.
    ///
    /// # Errors
    /// Sizes below 1, and a crop larger than what it is cut from.
    pub fn seen(&self, photo: &Photo) -> Result<RgbImage> {
        let (h, w) = (i64::from(photo.height()), i64::from(photo.width()));
        let frame = self.frame(h, w).map_err(|e| e.while_doing(photo.title()))?;
        let [new_h, new_w] = frame.resized;
        let bytes = match frame.resized == [h, w] {
            true => photo.picture.data().to_vec(),
            false => self.resized(photo, [new_h, new_w])?,
        };
        let [seen_h, seen_w] = frame.seen.map(|side| side as usize);
        let row = 3 * new_w as usize;
        // In plain bytes: libtorch would wake all its threads for a copy, in whichever thread this is.
        let bytes = match frame.seen == frame.resized {
            true => bytes,
            false => {
                let rows = bytes.chunks_exact(row).skip(frame.top as usize).take(seen_h);
                let left = 3 * frame.left as usize;
                let rows: Vec<&[u8]> = rows.map(|row| &row[left..left + 3 * seen_w]).collect();
                rows.concat()
            }
        };
        RgbImage::from_raw(seen_w as u32, seen_h as u32, bytes)
            .ok_or_else(|| Error::Image("the resized photo has the wrong size".into()))
    }

    /// RGB bytes at this height and width.
    fn resized(&self, photo: &Photo, size: [i64; 2]) -> Result<Vec<u8>> {
        let (h, w) = (i64::from(photo.height()), i64::from(photo.width()));
        let pixels = Tensor::f_from_data_size(photo.picture.data(), &[1, h, w, 3], Kind::Uint8)
            .and_then(|t| t.f_permute([0, 3, 1, 2]))
            .into_result()?;
        let resized = self.resampled(&pixels, size)?;
        let rows = resized.f_permute([0, 2, 3, 1]).and_then(|t| t.f_contiguous()).into_result()?;
        let mut bytes = vec![0u8; rows.numel()];
        let count = bytes.len();
        rows.f_copy_data(&mut bytes, count).into_result()?;
        Ok(bytes)
    }

    /// `[1, C, h, w]` at this height and width, with antialiasing.
    fn resampled(&self, pixels: &Tensor, size: [i64; 2]) -> Result<Tensor> {
        let resized = match self.bicubic {
            true => pixels.f_internal_upsample_bicubic2d_aa(size, false, None, None),
            false => pixels.f_internal_upsample_bilinear2d_aa(size, false, None, None),
        };
        resized.into_result().map_err(|e| e.while_doing("resizing"))
    }

    /// The photo as `[1, 3, height, width]`.
    ///
    /// # Errors
    /// As [`seen`](Preprocess::seen); means or deviations for another number of channels than three, and
    /// deviations that are not positive.
    pub fn apply(&self, photo: &Photo) -> Result<Tensor> {
        self.normalized(&self.seen(photo)?, 3)
    }

    /// The mean and the deviation of each of so many channels, if there are any.
    fn statistics(&self, channels: usize) -> Result<Option<(Tensor, Tensor)>> {
        let count = self.mean.len();
        if count == 0 && self.deviation.is_empty() {
            return Ok(None);
        }
        // Grey is normalised as red is.
        let suits = count == channels || (count, channels) == (3, 1);
        if count != self.deviation.len() || !suits {
            return Err(Error::Argument(format!(
                "{count} means and {} deviations to normalise {channels} channels by: \
                 Preprocess::normalize takes one of each a channel",
                self.deviation.len()
            )));
        }
        if self.deviation.iter().any(|&d| d.is_nan() || d <= 0.0) {
            return Err(Error::Argument(format!(
                "the deviations to divide by must be positive, got {:?}",
                self.deviation
            )));
        }
        let vector = |values: &[f64]| {
            let values: Vec<f32> = values[..channels].iter().map(|&v| v as f32).collect();
            Tensor::f_from_slice(&values).into_result()
        };
        Ok(Some((vector(&self.mean)?, vector(&self.deviation)?)))
    }

    /// Mean and deviation, `[C, 1, 1]`, of the channels of `[N, C, h, w]`, if there are any.
    fn plane_statistics(&self, planes: &Tensor) -> Result<Option<(Tensor, Tensor)>> {
        let channels = planes.size().get(1).map_or(0, |&channels| channels.max(0) as usize);
        let Some((mean, deviation)) = self.statistics(channels)? else { return Ok(None) };
        let plane = |t: Tensor| t.f_reshape([-1, 1, 1])?.f_to_device(planes.device());
        let both = plane(mean).and_then(|mean| Ok((mean, plane(deviation)?)));
        both.map(Some).into_result()
    }

    /// `[N, C, h, w]`, each channel by its mean and deviation.
    pub(crate) fn normalized_planes(&self, planes: &Tensor) -> Result<Tensor> {
        match self.plane_statistics(planes)? {
            Some((mean, deviation)) => {
                planes.f_sub(&mean).and_then(|t| t.f_div(&deviation)).into_result()
            }
            None => Ok(planes.shallow_clone()),
        }
    }

    /// Colours from 0 to 1, `[N, C, h, w]`, as an input: one or three channels as a photo's. Of others, nobody
    /// knows in which units they are: 0 to 1 goes from two deviations below their mean to two above it, and
    /// where there is no mean, they stay.
    pub(crate) fn normalized_colours(&self, colours: &Tensor) -> Result<Tensor> {
        match colours.size().get(1) {
            Some(1 | 3) => self.in_order(&self.normalized_planes(colours)?),
            _ if self.plane_statistics(colours)?.is_none() => Ok(colours.shallow_clone()),
            _ => colours.f_sub_scalar(0.5).and_then(|t| t.f_mul_scalar(4.0)).into_result(),
        }
    }

    /// The way back.
    pub(crate) fn colours_of(&self, input: &Tensor) -> Result<Tensor> {
        let input = self.in_order(input)?;
        match (self.plane_statistics(&input)?, input.size().get(1)) {
            (None, _) => Ok(input),
            (Some((mean, deviation)), Some(1 | 3)) => {
                input.f_mul(&deviation).and_then(|t| t.f_add(&mean)).into_result()
            }
            _ => input.f_div_scalar(4.0).and_then(|t| t.f_add_scalar(0.5)).into_result(),
        }
    }

    /// Of colours, `[N, C, h, w]`, those channels that are shown, if they were chosen.
    pub(crate) fn shown_of(&self, colours: &Tensor) -> Result<Tensor> {
        if !self.shown.is_chosen() {
            return Ok(colours.shallow_clone());
        }
        let count = colours.size().get(1).map_or(0, |&count| count.max(0) as usize);
        let bands: Vec<i64> = self.shown.bands(count)?.iter().map(|&band| band as i64).collect();
        let bands = Tensor::f_from_slice(&bands).and_then(|t| t.f_to_device(colours.device()));
        bands.and_then(|bands| colours.f_index_select(1, &bands)).into_result()
    }

    /// What is shown of a prepared input, `[1, C, height, width]`, and what captions say of that: the channels
    /// that were chosen; else the normalisation undone for three, one from its least to its greatest value, and of
    /// any other number the mean as [`Bands`] shows it.
    pub(crate) fn pictured(&self, input: &Tensor) -> Result<(Picture, Option<String>)> {
        let input = input.f_to_device(Device::Cpu).into_result()?;
        let size = input.size();
        let &[1, channels, height, width] = size.as_slice() else {
            return Err(Error::Shape(format!("expected one input, [1, C, H, W], got {size:?}")));
        };
        if self.shown.is_chosen() || ![1, 3].contains(&channels) {
            let maps = to_maps(&input.f_squeeze_dim(0).into_result()?)?;
            return Ok((self.shown.picture(&maps)?, Some(self.shown.note(maps.count())?)));
        }
        let unit = if channels == 3 {
            self.colours_of(&input)?.f_permute([0, 2, 3, 1]).into_result()?
        } else {
            let grey = input
                .f_permute([0, 2, 3, 1])
                .and_then(|t| t.f_expand([1, height, width, 3], false))
                .into_result()?;
            let (low, high) = (grey.f_min().into_result()?, grey.f_max().into_result()?);
            let span = high.f_sub(&low).and_then(|t| t.f_clamp_min(1e-12)).into_result()?;
            grey.f_sub(&low).and_then(|t| t.f_div(&span)).into_result()?
        };
        let values = to_floats(&unit)?;
        let bytes = values.iter().map(|v| (v * 255.0).round().clamp(0.0, 255.0) as u8).collect();
        Ok((Picture::rgb(width as u32, height as u32, bytes)?, None))
    }

    /// What a colour becomes in an input, `[1, 3, 1, 1]`, or for a network with one input channel
    /// `[1, 1, 1, 1]`.
    pub(crate) fn normalized_colour(&self, colour: [u8; 3], channels: i64) -> Result<Tensor> {
        self.normalized(&RgbImage::from_pixel(1, 1, image::Rgb(colour)), channels)
    }

    /// `[1, 3, h, w]`, or for a network with one input channel `[1, 1, h, w]`: the luma of the
    /// photo, `0.299 R + 0.587 G + 0.114 B`, normalised by the first mean and deviation.
    pub(crate) fn normalized(&self, seen: &RgbImage, channels: i64) -> Result<Tensor> {
        let size = [1, i64::from(seen.height()), i64::from(seen.width())];
        self.normalized_bytes(seen.as_raw(), size, channels)
    }

    /// The same for a batch of photos of one size, from their RGB bytes: `[photos, height, width]`
    /// in, `[photos, channels, height, width]` out.
    pub(crate) fn normalized_bytes(
        &self,
        bytes: &[u8],
        [n, h, w]: [i64; 3],
        channels: i64,
    ) -> Result<Tensor> {
        if ![1, 3].contains(&channels) {
            return Err(Error::Shape(format!(
                "a photo has three channels, or one in grey, but the network takes {channels}: open an array \
                 of that many by Bands::open and look at it by look_array"
            )));
        }
        let rgb = Tensor::f_from_data_size(bytes, &[n, h, w, 3], Kind::Uint8)
            .and_then(|t| t.f_to_kind(Kind::Float))
            .and_then(|t| t.f_div_scalar(255.0))
            .into_result()?;
        let values = if channels == 1 {
            let luma = Tensor::f_from_slice(&[0.299f32, 0.587, 0.114]).into_result()?;
            rgb.f_matmul(&luma).and_then(|t| t.f_unsqueeze(-1)).into_result()?
        } else {
            rgb
        };
        let values = match self.statistics(channels as usize)? {
            Some((mean, deviation)) => {
                values.f_sub(&mean).and_then(|t| t.f_div(&deviation)).into_result()?
            }
            None => values,
        };
        self.in_order(&values.f_permute([0, 3, 1, 2]).into_result()?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_means_for_one_channel_are_worth_a_note() {
        let note = Preprocess::imagenet().grey_note(1).expect("a note");
        assert!(note.contains("only the first are used, 0.485 and 0.229"), "{note}");
        assert_eq!(Preprocess::imagenet().grey_note(3), None);
        assert_eq!(Preprocess::keep().normalize([0.5], [0.2]).grey_note(1), None);
    }
}
