//! What an explanation comes out as.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use tch::Tensor;

use super::resolved_target::ResolvedTarget;
use super::{Evidence, Meaning};
use crate::error::{Error, Result};
use crate::photo::{Numbers, View};
use crate::picture::{
    Blend, Colormap, Maps, Normalize, Overlay, Picture, Rectangle, Region, Resize, Segments,
};
use crate::show::{MimeBundle, Show, debug_line, error_bundle};
use crate::tensor::{IntoResult, to_maps};

/// What is said of a gradient in colour that would be plain grey.
const ZERO_GRADIENT: &str = "the gradient is 0 everywhere";

/// Where a network looks: raw values at the layer's own resolution, tied to the photo and to what is
/// explained. Normalising, resizing, colours and blending are decided when it is shown.
#[derive(Clone)]
pub struct Heatmap {
    raw: Maps,
    channels: Maps,
    meaning: Meaning,
    view: Rc<View>,
    method: String,
    layer: Option<String>,
    /// Of a network with several inputs, which was looked at.
    input: Option<String>,
    goal: ResolvedTarget,
    /// Whether the map follows from the target.
    for_target: bool,
    score: f64,
    remarks: Vec<String>,
    segments: Option<Segments>,
}

impl Heatmap {
    /// That of number `index` of a batch.
    pub(super) fn new(
        view: &Rc<View>,
        method: &str,
        evidence: &Evidence,
        maps: &Tensor,
        index: usize,
        goal: &ResolvedTarget,
        score: f64,
    ) -> Result<Heatmap> {
        let one = |t: &Tensor| t.f_narrow(0, index as i64, 1).into_result();
        let raw = to_maps(&one(maps)?)?;
        // A layer's channels are many and say little; the input's are colours.
        let colours = evidence.layer.is_none() || evidence.meaning == Meaning::Colour;
        let channels = match colours {
            true => to_maps(&one(&evidence.contributions)?.f_squeeze_dim(0).into_result()?)?,
            false => raw.clone(),
        };
        let mut remarks = evidence.remarks.clone();
        // Of other maps, what draws them says so.
        if evidence.meaning == Meaning::Colour && is_zero(&channels) {
            remarks.push(ZERO_GRADIENT.into());
        }
        remarks.extend(goal.remark.clone());
        Ok(Heatmap {
            raw,
            channels,
            meaning: evidence.meaning,
            view: Rc::clone(view),
            method: method.to_owned(),
            layer: evidence.layer.clone(),
            input: None,
            goal: goal.clone(),
            for_target: true,
            score,
            remarks,
            segments: evidence.segments.get(index).cloned(),
        })
    }

    /// The same by a method whose map is the same for all targets.
    pub(super) fn for_no_target(mut self) -> Heatmap {
        self.goal.boxes.clear();
        let remark = self.goal.remark.take();
        self.remarks.retain(|own| Some(own) != remark.as_ref());
        Heatmap { for_target: false, ..self }
    }

    /// The same, which says that this input was looked at, if no layer was.
    pub(super) fn at_input(self, input: Option<&str>) -> Heatmap {
        let input = input.filter(|_| self.layer.is_none()).map(str::to_owned);
        Heatmap { input, ..self }
    }

    /// Whether the map follows from the target.
    pub(crate) fn is_for_target(&self) -> bool {
        self.for_target
    }

    /// The values as the method computes them, row by row. Of the class activation family, what it sums
    /// up before its rectifier: signed. Of input x gradient, integrated gradients, occlusion and first
    /// components, signed as well. Of saliency and of gradients in colour, magnitudes, the greatest
    /// among the channels unless set; the signed values of each are [`channels`](Heatmap::channels).
    /// Of [`Fused`](super::Fused) and [`Augmented`](super::Augmented), 0 to 1.
    pub fn raw(&self) -> &[f32] {
        self.raw.values()
    }

    /// The values for each channel of the input, `[C, H, W]`, of a method that looks at the input;
    /// of others, the map alone. A row of numbers is a map of one row.
    pub fn channels(&self) -> &Maps {
        &self.channels
    }

    /// The values of the paper's map at the layer's resolution: of the class activation family,
    /// `ReLU(raw)`; of others, the values as they are.
    ///
    /// # Errors
    /// Never for a map that an explanation returned.
    pub fn map(&self) -> Result<Maps> {
        match self.meaning {
            Meaning::Positive => self.positive(),
            _ => Ok(self.raw.clone()),
        }
    }

    fn positive(&self) -> Result<Maps> {
        // `max` would turn NaN into 0, and a broken map into an empty one.
        let rectified = self.raw.values().iter().map(|&v| if v < 0.0 { 0.0 } else { v }).collect();
        Maps::new(1, self.raw.height(), self.raw.width(), rectified)
    }

    /// Rows of the map.
    pub fn height(&self) -> usize {
        self.raw.height()
    }

    /// Columns of the map.
    pub fn width(&self) -> usize {
        self.raw.width()
    }

    /// The index of the class that is explained, where it is one alone.
    pub fn class(&self) -> Option<usize> {
        self.goal.class
    }

    /// What is explained, in words: `"tabby (281)"`.
    pub fn target(&self) -> &str {
        &self.goal.label
    }

    /// How probable the network finds that class, 0 to 1 (softmax, or its own sigmoid), where it is one alone and the
    /// network ends in one score a class.
    pub fn probability(&self) -> Option<f64> {
        self.goal.probability
    }

    /// The score that is explained, as the network puts it out: before the softmax, or behind the
    /// network's own sigmoid. Of "no", where one output `y` says yes or no, `−y`, or `1 − y` behind a sigmoid.
    pub fn score(&self) -> f64 {
        self.score
    }

    /// The method's name.
    pub fn method(&self) -> &str {
        &self.method
    }

    /// The layer that was looked at; `None` for methods that look at the input.
    pub fn layer(&self) -> Option<&str> {
        self.layer.as_deref()
    }

    /// What has to be known to read the map, a line each; pictures have them under the caption.
    pub fn remarks(&self) -> &[String] {
        &self.remarks
    }

    /// The segments that have one value each, of the methods that change whole segments, such as
    /// [`Lime`](super::Lime).
    pub fn segments(&self) -> Option<&Segments> {
        self.segments.as_ref()
    }

    /// The value of each segment, in the order of [`segments`](Heatmap::segments).
    pub fn by_segment(&self) -> Option<Vec<f32>> {
        let segments = self.segments.as_ref()?;
        let mut values = vec![0.0; segments.count()];
        for (&label, &value) in segments.labels().iter().zip(self.raw.values()) {
            values[label as usize] = value;
        }
        Some(values)
    }

    /// One line on what is shown. Of a network with one score alone, that is whether it speaks for or against, with
    /// the score: "Grad-CAM: against tank (score −1.70, 15.4 %), at layer4"; of a number, what it is: "Grad-CAM: more age
    /// (41.7), at layer4". Of a network with several inputs, it says
    /// which was looked at: "Saliency: forest, 93.1 %, of the input depth". Over an array it says which of its bands
    /// lie under the map: "Grad-CAM: forest, 93.1 %, at layer4, over bands 3, 2, 1 as red, green, blue". What is the
    /// same for all classes, as attention rollout, names none.
    pub fn caption(&self) -> String {
        let mut text = match self.about() {
            None => self.method.clone(),
            Some(about) => format!("{}: {about}", self.method),
        };
        if let Some(layer) = &self.layer {
            text += &format!(", at {layer}");
        }
        if let Some(input) = &self.input {
            text += &format!(", of the input {input}");
        }
        match (self.meaning, self.view.note()) {
            (Meaning::Positive | Meaning::Signed, Some(note)) => text + ", over " + note,
            // Drawn without the photo.
            _ => text,
        }
    }

    /// What is explained, with its probability, or whether the map is for or against it; nothing where the map is
    /// the same for all targets.
    pub(crate) fn about(&self) -> Option<String> {
        let label = &self.goal.label;
        self.for_target.then(|| match (&self.goal.direction, self.goal.probability) {
            (Some(direction), _) => direction.clone(),
            (None, Some(probability)) => format!("{label}, {:.1} %", 100.0 * probability),
            (None, None) => label.clone(),
        })
    }

    /// What it is drawn on.
    pub(crate) fn view(&self) -> &Rc<View> {
        &self.view
    }

    /// What the values of its map mean.
    pub(crate) fn meaning(&self) -> Meaning {
        self.meaning
    }

    /// The boxes that are explained.
    pub(crate) fn boxes(&self) -> &[Rectangle] {
        &self.goal.boxes
    }

    /// What the colours of its picture mean.
    pub(crate) fn legend(&self) -> &'static str {
        match self.meaning {
            Meaning::Positive => "red where it looks most, blue where it does not",
            Meaning::Signed => "red for what is explained, blue against it",
            Meaning::Magnitude => "the brighter, the more a pixel matters",
            Meaning::Colour => "how each colour of a pixel matters, around grey",
        }
    }

    /// The paper's map, resized with half-pixel centres.
    ///
    /// # Errors
    /// When a side is 0, or memory does not suffice.
    pub fn resized(&self, height: usize, width: usize) -> Result<Maps> {
        self.map()?.resized(height, width, Resize::HalfPixel)
    }

    /// The map as pytorch-grad-cam returns it: the paper's map (of signed values, the positive ones),
    /// scaled to 0..=1 by `(x − min) / (1e-7 + max)`, resized with half-pixel centres to the size at
    /// which the network sees the photo, and scaled again.
    ///
    /// # Errors
    /// Never for a map that an explanation returned.
    pub fn normalized(&self) -> Result<Maps> {
        let (height, width) = self.seen_size();
        let map = self.positive()?.scaled().resized(height, width, Resize::HalfPixel)?;
        Ok(map.scaled())
    }

    /// The map over the photo, to be blended and coloured otherwise. Without other options, values for
    /// and against are red and blue over a grey photo, up to the 99th percentile of their magnitudes; all other maps
    /// are blended as pytorch-grad-cam does it. Segments have outlines.
    ///
    /// # Errors
    /// Never for a map that an explanation returned.
    pub fn overlay(&self) -> Result<Overlay> {
        self.check_photo()?;
        let overlay = self.outlined(Overlay::new(&self.view.shown(), &self.map()?)?);
        Ok(match self.meaning {
            Meaning::Positive => overlay,
            // Of both, a few values are far larger than all others.
            Meaning::Signed => {
                overlay.blend(Blend::signed()).normalize(Normalize::SymmetricPercentile(99.0))
            }
            Meaning::Magnitude | Meaning::Colour => {
                overlay.normalize(Normalize::Percentile(0.0, 99.0))
            }
        })
    }

    /// With the boxes that are explained, and the outlines of the segments, between which nothing is interpolated; and
    /// with what there is to say where nothing is to be seen.
    fn outlined(&self, overlay: Overlay) -> Overlay {
        let overlay = match &self.segments {
            Some(segments) => overlay.resize(Resize::Nearest).outlines(segments),
            None => overlay,
        };
        let overlay = overlay.marked(&self.goal.boxes);
        match self.nothing_for() {
            Some(words) => overlay.saying_when_flat(&words),
            None => overlay,
        }
    }

    /// Of a map of which what is positive counts, and nothing is: that all of it speaks against the target.
    fn nothing_for(&self) -> Option<String> {
        let values = self.raw.values();
        let against = self.meaning == Meaning::Positive
            && values.iter().all(|&value| value <= 0.0)
            && values.iter().any(|&value| value < 0.0);
        let everywhere =
            if values.contains(&0.0) { "nowhere positive" } else { "negative everywhere" };
        against.then(|| match self.for_target {
            true => format!("the map is {everywhere}: nothing here speaks for {}", self.target()),
            false => format!("the map is {everywhere}"),
        })
    }

    /// The map by itself, from black to white, up to its 99th percentile; values for and against in
    /// red and blue.
    ///
    /// # Errors
    /// Never for a map that an explanation returned.
    pub fn alone(&self) -> Result<Overlay> {
        self.check_photo()?;
        let shown = self.view.shown();
        let alone = self.outlined(Overlay::alone(&self.map()?, shown.width(), shown.height())?);
        Ok(match self.meaning {
            Meaning::Signed => {
                alone.colormap(Colormap::Coolwarm).normalize(Normalize::SymmetricPercentile(99.0))
            }
            _ => alone,
        })
    }

    /// The picture as a cell shows it, without a caption: over the photo; of magnitudes, alone; of
    /// gradients in colour, a picture of their own around grey. Of an input that is a row of numbers, a bar for each
    /// of the 20 that contribute most, with its name and its value: red for the target, blue against it.
    ///
    /// # Errors
    /// As [`overlay`](Heatmap::overlay).
    pub fn picture(&self) -> Result<Picture> {
        if let Some(numbers) = self.view.numbers() {
            let bars = self.bars(numbers)?;
            return Ok(match numbers.others(self.raw.values()) {
                Some(others) => bars.captioned(&others),
                None => bars,
            });
        }
        match self.meaning {
            Meaning::Positive | Meaning::Signed => self.overlay()?.picture(),
            Meaning::Magnitude => self.alone()?.picture(),
            Meaning::Colour => {
                let picture = self.in_colour()?;
                Ok(if is_zero(&self.channels) { picture.captioned(ZERO_GRADIENT) } else { picture })
            }
        }
    }

    /// What each number of a row contributes, the most important first.
    fn bars(&self, numbers: &Numbers) -> Result<Picture> {
        numbers.bars(
            self.raw.values(),
            match self.meaning {
                Meaning::Signed | Meaning::Colour => "contribution: red for, blue against",
                Meaning::Positive => "share of the greatest",
                Meaning::Magnitude => "magnitude",
            },
        )
    }

    /// That there is a photo to draw on.
    fn check_photo(&self) -> Result<()> {
        match self.view.numbers() {
            None => Ok(()),
            Some(_) => Err(Error::Shape(format!(
                "{} explains a row of numbers here, and there is no photo to draw it on: .picture() has its bars",
                self.method
            ))),
        }
    }

    /// A gradient in colour, without a word on it.
    fn in_colour(&self) -> Result<Picture> {
        let gradient = match self.channels.count() {
            3 => self.channels.clone(),
            // Of any other number of channels, what they have in common.
            _ => {
                let grey = self.raw.values();
                Maps::new(3, self.height(), self.width(), [grey, grey, grey].concat())?
            }
        };
        let shown = self.view.shown();
        let picture = Picture::from_gradient(&gradient)?.resized(shown.width(), shown.height())?;
        Ok(picture.marked(&self.goal.boxes))
    }

    /// The photo with what matters alone to be seen: where the [normalised](Heatmap::normalized) map is
    /// at least `threshold`, 0 to 1.
    ///
    /// # Errors
    /// When the threshold does not lie between 0 and 1.
    pub fn cut_out(&self, threshold: f32) -> Result<Picture> {
        self.plain()?.blend(Blend::CutOut { threshold }).picture()
    }

    /// The photo with lines of equal value on it, at so many levels evenly between the map's least and
    /// greatest value.
    ///
    /// # Errors
    /// When there are no levels.
    pub fn contour(&self, levels: u8) -> Result<Picture> {
        self.plain()?.blend(Blend::Contour { levels }).picture()
    }

    /// What speaks for the target, over the photo.
    fn plain(&self) -> Result<Overlay> {
        self.check_photo()?;
        Overlay::new(&self.view.shown(), &self.positive()?)
    }

    /// The picture without letters and colour bar, for a sheet that says elsewhere what has to be
    /// known to read it; and what that is.
    pub(crate) fn tile(&self) -> Result<(Picture, Vec<String>)> {
        if self.view.numbers().is_some() {
            return Ok((self.picture()?, Vec::new()));
        }
        let overlay = match self.meaning {
            Meaning::Positive | Meaning::Signed => self.overlay()?,
            Meaning::Magnitude => self.alone()?,
            // What there is to say of it is among its remarks.
            Meaning::Colour => return Ok((self.in_colour()?, Vec::new())),
        };
        Ok((overlay.bare()?, overlay.remarks()))
    }

    /// The part of the photo that the network saw, at a size for eyes.
    pub(crate) fn shown(&self) -> Picture {
        self.view.shown()
    }

    /// The photo, and beside it the picture.
    ///
    /// # Errors
    /// As [`picture`](Heatmap::picture).
    pub fn side_by_side(&self) -> Result<Picture> {
        self.check_photo()?;
        Ok(Picture::beside(&[self.view.shown(), self.picture()?], 8))
    }

    /// Writes the picture to a file; its ending says in which format.
    ///
    /// # Errors
    /// An ending that no format has; a file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.picture()?.save(path)
    }

    /// Writes the raw values, `[h, w]` in 32-bit floats, to a `.npy` file for numpy.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn save_npy(&self, path: impl AsRef<Path>) -> Result<()> {
        self.raw.save_npy(path)
    }

    /// The share of the map's positive values that lies inside a region of what the network sees, 0 to
    /// 1; a region of the photo becomes one by [`Look::seen_region`](crate::look::Look::seen_region). It is the energy-based pointing game of Wang et al. 2020, <https://arxiv.org/abs/1910.01279>. The
    /// map is resized with half-pixel centres to the region's size first. `None` when the map is
    /// nowhere positive.
    ///
    /// # Errors
    /// When the region is not of the size at which the network sees the photo.
    pub fn energy_inside(&self, region: &Region) -> Result<Option<f64>> {
        let values = self.seen_from(region)?;
        let positive = |v: f32| f64::from(v.max(0.0));
        let total: f64 = values.values().iter().map(|&v| positive(v)).sum();
        let pairs = values.values().iter().zip(region.inside());
        let inside: f64 = pairs.filter(|(_, inside)| **inside).map(|(&v, _)| positive(v)).sum();
        // A sum of nothing is -0.
        Ok((total > 0.0).then(|| (inside + 0.0) / total))
    }

    /// Whether the map's highest value lies inside a region of what the network sees: the pointing
    /// game of Zhang et al. 2016, <https://arxiv.org/abs/1608.00507>. The margin of theirs, 15 pixels
    /// of photos some 500 pixels wide, is `region.`[`widened`](Region::widened)`(15)`. The map is
    /// resized as in [`energy_inside`](Heatmap::energy_inside). `None` when it is nowhere positive.
    ///
    /// # Errors
    /// As [`energy_inside`](Heatmap::energy_inside).
    pub fn points_inside(&self, region: &Region) -> Result<Option<bool>> {
        let values = self.seen_from(region)?;
        let places = values.values().iter().zip(region.inside());
        // Of equal ones, the first.
        let best = places.reduce(|best, next| if next.0 > best.0 { next } else { best });
        Ok(best.filter(|(value, _)| **value > 0.0).map(|(_, inside)| *inside))
    }

    /// The map at the size of what the network sees, which must be the region's.
    fn seen_from(&self, region: &Region) -> Result<Maps> {
        let (height, width) = self.seen_size();
        if (region.height(), region.width()) != (height, width) {
            return Err(Error::Shape(format!(
                "the region has {} × {} pixels (height × width), but the network sees the photo at \
                 {height} × {width}: `look.seen_region(&region)` brings a region of the photo there",
                region.height(),
                region.width()
            )));
        }
        self.resized(height, width)
    }

    fn seen_size(&self) -> (usize, usize) {
        let seen = self.view.seen();
        (seen.height() as usize, seen.width() as usize)
    }
}

impl fmt::Debug for Heatmap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!(
                "Heatmap by {} for {}, {} × {}",
                self.method,
                self.target(),
                self.width(),
                self.height()
            ),
        )
    }
}

impl Show for Heatmap {
    fn bundle(&self) -> MimeBundle {
        let mut caption = self.caption();
        for remark in &self.remarks {
            caption += "\n";
            caption += remark;
        }
        let picture = match (self.view.numbers(), self.meaning) {
            (Some(numbers), _) => {
                let values = self.raw.values();
                let lines =
                    |lines: Vec<String>| [&[caption.clone()], &lines[..]].concat().join("\n");
                let drawn = self.bars(numbers).map(|bars| {
                    let under = lines(numbers.others(values).into_iter().collect());
                    MimeBundle::picture(bars.captioned(&under), lines(numbers.lines(values)))
                });
                return drawn.unwrap_or_else(|error| error_bundle(&error));
            }
            // The caption has the remarks.
            (None, Meaning::Colour) => self.in_colour(),
            (None, _) => self.picture(),
        };
        match picture {
            Ok(picture) => {
                let named = MimeBundle::picture(picture.captioned(&caption), caption);
                named.of(self.view.photo().title())
            }
            Err(error) => error_bundle(&error),
        }
    }
}

fn is_zero(maps: &Maps) -> bool {
    maps.values().iter().all(|&value| value == 0.0)
}
