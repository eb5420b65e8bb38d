//! What a notebook shows of a tensor.

use std::fmt;

use tch::{Device, Kind, Tensor};

use super::plain::Layout;
use super::statistics::{as_doubles, thin_out};
use super::{IntoResult, Statistics, plain, to_floats, to_maps};
use crate::chart;
use crate::error::{Error, Result};
use crate::picture::{Colormap, Maps, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY, Picture, Sheet};
use crate::show::{MimeBundle, Show, debug_line};

/// At most this many rows or columns of one map are drawn.
const SIDE: i64 = 1 << 11;

/// At most this many pixels of one map are drawn; larger ones are thinned out, and the text says
/// so.
const PIXELS: i64 = 1 << 20;

/// At most this many tiles are drawn.
const TILES: i64 = 64;

/// A tensor as a notebook shows it: a line with its shape, kind, device, range, mean, deviation,
/// and counts of NaN and infinite values; and where the shape suggests one, a picture.
///
/// | shape | picture |
/// |---|---|
/// | `[n]` | a curve |
/// | `[h, w]` | a map in viridis |
/// | `[3, h, w]` of bytes or of values in `[0, 1]`, `[h, w, 3]` of bytes | the picture in colour |
/// | `[3, h, w]` of other values | the picture in colour, scaled from minimum to maximum |
/// | `[C, h, w]`, `[1, C, h, w]` | a contact sheet of the channels |
/// | `[N, 3, h, w]` | a contact sheet of pictures |
/// | `[N, 1, h, w]` | a contact sheet of maps |
/// | `[N, C, h, w]` | a contact sheet of the first channels of the first photos |
#[derive(Clone)]
pub struct Glance {
    line: String,
    picture: Option<Picture>,
}

impl Glance {
    /// Looks at a tensor of any kind, layout, device and size, in bounded time.
    pub fn new(tensor: &Tensor) -> Glance {
        let layout = Layout::of(tensor);
        if layout == Layout::Undefined {
            return Glance { line: "an undefined tensor".into(), picture: None };
        }
        if layout == Layout::Nested {
            return Glance { line: nested_line(tensor), picture: None };
        }
        let sparse = layout == Layout::Sparse;
        let mut line = summary_line(tensor, sparse);
        let _no_grad = tch::no_grad_guard();
        let drawn = if sparse { Ok(None) } else { picture_of(tensor) };
        let picture = match drawn {
            Ok(Some((picture, note))) => {
                if !note.is_empty() {
                    line += "\n";
                    line += &note;
                }
                Some(picture.captioned(&line))
            }
            Ok(None) => None,
            Err(error) => {
                line += &format!("\nno picture: {error}");
                None
            }
        };
        Glance { line, picture }
    }

    /// The line of text.
    pub fn line(&self) -> &str {
        &self.line
    }

    /// The picture, where the shape suggests one.
    pub fn picture(&self) -> Option<&Picture> {
        self.picture.as_ref()
    }
}

impl fmt::Debug for Glance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Glance at a {}", self.line))
    }
}

impl Show for Glance {
    fn bundle(&self) -> MimeBundle {
        match &self.picture {
            Some(picture) => MimeBundle::picture(picture.clone(), &self.line),
            None => MimeBundle::text(&self.line),
        }
    }
}

/// Tensors of different sizes in one: their sizes.
fn nested_line(tensor: &Tensor) -> String {
    const SHOWN: usize = 8;
    let parts = match tensor.f_unbind(0).into_result() {
        Ok(parts) => parts,
        Err(error) => return format!("a nested tensor (its parts cannot be read: {error})"),
    };
    let sizes: Vec<String> =
        parts.iter().take(SHOWN).map(|part| format!("{:?}", part.size())).collect();
    let more = if parts.len() > SHOWN { ", ..." } else { "" };
    format!(
        "a nested tensor of {}: {}{more}; .unbind(0) takes them out",
        parts.len(),
        sizes.join(", ")
    )
}

fn summary_line(tensor: &Tensor, sparse: bool) -> String {
    let size = tensor.size();
    let kind = match tensor.f_kind() {
        Ok(kind) => format!("{kind:?}"),
        Err(_) => "of a kind unknown to tch".to_owned(),
    };
    let mut line = format!("tensor {size:?} {kind} {:?}", tensor.device());
    let elements: f64 = size.iter().map(|&v| v as f64).product();
    if elements > 9999.0 {
        line += &format!(" n={}", compact_count(elements));
    }
    if sparse {
        line += " sparse";
    }
    match Statistics::of(tensor) {
        Ok(statistics) => line += &describe(&statistics, tensor, sparse),
        Err(error) => line += &format!(" (values cannot be read: {error})"),
    }
    if tensor.requires_grad() {
        line += " requires_grad";
    }
    line
}

fn describe(statistics: &Statistics, tensor: &Tensor, sparse: bool) -> String {
    let mut text = String::new();
    let finite = statistics.read - statistics.nan - statistics.infinite;
    let kind = tensor.f_kind().ok();
    let magnitude =
        matches!(kind, Some(Kind::ComplexHalf | Kind::ComplexFloat | Kind::ComplexDouble));
    if statistics.total == 0 {
        return if sparse { " all zero, nothing stored".into() } else { " empty".into() };
    }
    if sparse {
        text += &format!(" with {} stored values:", statistics.total);
    }
    if kind == Some(Kind::Bool) {
        text += &format!(" {:.1} % true", 100.0 * statistics.mean);
    } else if statistics.total == 1 && finite == 1 && !magnitude {
        text += &format!(" value {}", number(statistics.min));
    } else if finite > 0 {
        let of = if magnitude { " |z|" } else { "" };
        if statistics.min == 0.0 && statistics.max == 0.0 {
            text += " all zero";
        } else {
            text += &format!("{of} in [{}, {}]", number(statistics.min), number(statistics.max));
        }
        text += &format!(" μ={}", number(statistics.mean));
        if finite > 1 {
            text += &format!(" σ={}", number(statistics.deviation));
        }
    }
    if statistics.nan > 0 {
        text += &format!(" NaN={}", statistics.nan);
    }
    if statistics.infinite > 0 {
        text += &format!(" Inf={}", statistics.infinite);
    }
    if statistics.sampled() {
        text += &format!(
            " (in a sample of {} of {} values)",
            compact_count(statistics.read as f64),
            compact_count(statistics.total as f64)
        );
    }
    text
}

/// The picture that suits the shape, with a remark where it shows less than everything.
fn picture_of(tensor: &Tensor) -> Result<Option<(Picture, String)>> {
    let size = tensor.size();
    if size.contains(&0) {
        return Ok(None);
    }
    let tensor = readable(tensor)?;
    let bytes = tensor.f_kind().into_result()? == Kind::Uint8;
    Ok(Some(match *size.as_slice() {
        [n] if n > 1 => {
            let values = to_floats(&floats(&thin_out(&tensor, 0, PIXELS, i64::MAX)?)?)?;
            let step = n as f64 / values.len() as f64;
            (chart::curve(&values, step)?, String::new())
        }
        [h, w] if h > 1 && w > 1 => {
            let (tensor, note) = thinned(&tensor.f_unsqueeze(0).into_result()?)?;
            let sheet = Sheet::new(to_maps(&floats(&tensor)?)?).colormap(Colormap::Viridis);
            (sheet.without_captions().render()?.picture, note)
        }
        [3, h, w] if h > 1 && w > 1 => colour(&tensor.f_unsqueeze(0).into_result()?)?,
        [h, w, 3] if h > 3 && w > 3 && bytes => {
            colour(&tensor.f_permute([2, 0, 1]).and_then(|t| t.f_unsqueeze(0)).into_result()?)?
        }
        [_, h, w] if h > 1 && w > 1 => channels(&tensor)?,
        [_, 3, h, w] if h > 1 && w > 1 => colour(&tensor)?,
        [1, _, h, w] if h > 1 && w > 1 => channels(&tensor.f_squeeze_dim(0).into_result()?)?,
        [_, 1, h, w] if h > 1 && w > 1 => channels(&tensor.f_squeeze_dim(1).into_result()?)?,
        [n, c, h, w] if h > 1 && w > 1 => {
            let few = tensor.f_narrow(0, 0, n.min((TILES + c - 1) / c)).into_result()?;
            let (picture, note) = channels(&few.f_flatten(0, 1).into_result()?)?;
            let note = format!("channels of the first of {n} in order. {note}");
            (picture, note.trim_end().to_owned())
        }
        _ => return Ok(None),
    }))
}

/// `[C, h, w]` as a contact sheet.
fn channels(tensor: &Tensor) -> Result<(Picture, String)> {
    let count = tensor.size()[0];
    let few = tensor.f_narrow(0, 0, count.min(TILES)).into_result()?;
    let (few, note) = thinned(&few)?;
    let rendered = Sheet::new(to_maps(&floats(&few)?)?).render()?;
    let cut = (count > TILES).then(|| format!("the first {TILES} of {count} shown"));
    let notes: Vec<String> = cut.into_iter().chain((!note.is_empty()).then_some(note)).collect();
    Ok((rendered.picture, notes.join("; ")))
}

/// `[N, 3, h, w]` as pictures in colour.
fn colour(tensor: &Tensor) -> Result<(Picture, String)> {
    let count = tensor.size()[0];
    let few = tensor.f_narrow(0, 0, count.min(TILES)).into_result()?;
    let (few, mut note) = thinned(&few)?;
    let bytes = few.f_kind().into_result()? == Kind::Uint8;
    let statistics = Statistics::of(&few)?;
    let unit = statistics.min >= 0.0 && statistics.max <= 1.0;
    let (low, span) = match (bytes, unit) {
        (true, _) => (0.0, 255.0),
        (false, true) => (0.0, 1.0),
        _ => (statistics.min, statistics.max - statistics.min),
    };
    if !bytes && !unit && statistics.min.is_finite() {
        let remark = format!("colours scaled from [{}, {}]", number(low), number(low + span));
        note = if note.is_empty() { remark } else { format!("{note}; {remark}") };
    }
    let size = few.size();
    let (height, width) = (size[2], size[3]);
    let pixels = to_floats(&floats(&few.f_permute([0, 2, 3, 1]).into_result()?)?)?;
    let scale = if span > 0.0 { 255.0 / span } else { 0.0 };
    let level = |v: f32| ((f64::from(v) - low) * scale).round().clamp(0.0, 255.0) as u8;
    let bytes: Vec<u8> = pixels
        .as_chunks::<3>()
        .0
        .iter()
        .flat_map(|pixel| odd_colour(pixel).unwrap_or_else(|| pixel.map(level)))
        .collect();
    let pictures: Vec<Picture> = bytes
        .chunks((height * width * 3) as usize)
        .map(|photo| Picture::rgb(width as u32, height as u32, photo.to_vec()))
        .collect::<Result<_>>()?;
    if count > TILES {
        note = format!("the first {TILES} of {count} shown; {note}");
    }
    let picture = match pictures.as_slice() {
        [one] => one.enlarged((128 / one.width().max(one.height())).max(1))?,
        _ => {
            let captions: Vec<String> = (0..pictures.len()).map(|i| i.to_string()).collect();
            Sheet::pictures(pictures).captions(captions).render()?.picture
        }
    };
    Ok((picture, note))
}

/// The colour of a pixel that has no colour of its own: a channel of it is not finite.
fn odd_colour(pixel: &[f32; 3]) -> Option<[u8; 3]> {
    let odd = pixel.iter().copied().find(|v| !v.is_finite())?;
    Some(match odd {
        v if v.is_nan() => NAN,
        v if v > 0.0 => POSITIVE_INFINITY,
        _ => NEGATIVE_INFINITY,
    })
}

/// The same with its last two dimensions thinned out to a bounded number of pixels.
fn thinned(tensor: &Tensor) -> Result<(Tensor, String)> {
    let size = tensor.size();
    let rows = size.len() - 2;
    let thin = thin_out(tensor, rows, 4 * PIXELS, SIDE)?;
    let drawn = thin.size();
    let note = if drawn == size {
        String::new()
    } else {
        format!("drawn thinned out to {} × {}", drawn[rows], drawn[rows + 1])
    };
    Ok((thin, note))
}

/// A dense, real tensor; cheap views only, except for kinds that no view can be taken of.
fn readable(tensor: &Tensor) -> Result<Tensor> {
    plain(tensor)?.f_detach().into_result()
}

fn floats(tensor: &Tensor) -> Result<Tensor> {
    if tensor.f_kind().into_result()? == Kind::Float && tensor.device() == Device::Cpu {
        return Ok(tensor.shallow_clone());
    }
    as_doubles(tensor)?.f_to_kind(Kind::Float).into_result()
}

fn number(value: f64) -> String {
    crate::number::number(value, 4)
}

fn compact_count(count: f64) -> String {
    match count {
        c if c >= 1e9 => format!("{:.1}e9", c / 1e9),
        c if c >= 1e6 => format!("{:.1}M", c / 1e6),
        c if c >= 1e4 => format!("{:.0}k", c / 1e3),
        c => format!("{c}"),
    }
}

impl TryFrom<&Tensor> for Maps {
    type Error = Error;

    /// `[h, w]`, `[C, h, w]` or `[1, C, h, w]` of any real kind, for sheets and overlays.
    fn try_from(tensor: &Tensor) -> Result<Maps> {
        let tensor = &plain(tensor)?;
        let size = tensor.size();
        let stack = match size.len() {
            2 => tensor.f_unsqueeze(0).into_result()?,
            4 if size[0] == 1 => tensor.f_squeeze_dim(0).into_result()?,
            _ => tensor.shallow_clone(),
        };
        to_maps(&floats(&readable(&stack)?)?)
    }
}
