//! Pictures that excite a part of a network, and how they are shown.

use std::fmt;
use std::rc::Rc;

use tch::Tensor;

use super::trunk::Excitement;
use crate::chart::{COLOURS, Chart};
use crate::error::{Error, Result};
use crate::number::number;
use crate::picture::{Animation, Picture, Sheet};
use crate::show::{MimeBundle, Show, debug_line, error_bundle};
use crate::tensor::IntoResult;

/// A picture that was made to excite a part of a network.
#[derive(Clone)]
pub struct Pattern {
    inner: Rc<Made>,
    starts: usize,
}

#[derive(Debug)]
pub(super) struct Made {
    pub(super) label: String,
    /// Whether the label is the index of a channel.
    pub(super) is_index: bool,
    pub(super) layer: String,
    pub(super) picture: Picture,
    /// `[1, C, h, w]`
    pub(super) input: Tensor,
    pub(super) excitement: Excitement,
    pub(super) losses: Vec<f64>,
    pub(super) divergence: Option<Divergence>,
    /// The way there, the finished picture last.
    pub(super) frames: Vec<Picture>,
    pub(super) starts: usize,
}

/// Where an optimisation stopped because a value was no longer finite.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct Divergence {
    /// How many steps were taken.
    pub step: usize,
    /// The loss then.
    pub loss: f64,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "diverged after {} steps: the loss was {}", self.step, self.loss)
    }
}

impl Pattern {
    pub(super) fn new(made: Made) -> Pattern {
        Pattern { starts: made.starts, inner: Rc::new(made) }
    }

    /// What it was made for: the index of the channel or the name of the class, where that is made
    /// large, or the objective.
    pub fn label(&self) -> &str {
        &self.inner.label
    }

    /// The layer in question, the first of several.
    pub fn layer(&self) -> &str {
        &self.inner.layer
    }

    /// The picture.
    pub fn picture(&self) -> Picture {
        self.inner.picture.clone()
    }

    /// The picture as the network's input, `[1, C, h, w]`, for [`Model::look_input`] for instance.
    ///
    /// [`Model::look_input`]: crate::model::Model::look_input
    pub fn tensor(&self) -> Tensor {
        self.inner.input.shallow_clone()
    }

    /// The objective's value for the finished picture, without transforms.
    pub fn objective(&self) -> f64 {
        self.inner.excitement.objective
    }

    /// The mean of the channel's map for the finished picture, where the objective is about one
    /// channel.
    pub fn activation(&self) -> Option<f64> {
        self.inner.excitement.map.map(|[mean, _]| mean)
    }

    /// The greatest value of that map.
    pub fn greatest_activation(&self) -> Option<f64> {
        self.inner.excitement.map.map(|[_, most]| most)
    }

    /// Whether the finished picture excites the channel, or the neuron, at all: whether any value is
    /// above 0. Of other objectives always true.
    pub fn is_active(&self) -> bool {
        self.inner.excitement.active
    }

    /// The loss at each step, before it: minus the objective, and regularisers.
    pub fn losses(&self) -> &[f64] {
        &self.inner.losses
    }

    /// How often it was begun: more than once where it did not become active, with
    /// [`retries`](super::FeatureVis::retries).
    pub fn starts(&self) -> usize {
        self.starts
    }

    /// Where the optimisation diverged, if it did; the picture is the last good one.
    pub fn diverged(&self) -> Option<Divergence> {
        self.inner.divergence
    }

    pub(super) fn frames(&self) -> &[Picture] {
        &self.inner.frames
    }

    pub(super) fn is_idle(&self) -> bool {
        !self.is_active()
    }

    pub(super) fn excites_more(&self, before: &Pattern) -> bool {
        self.is_active() && before.is_idle()
    }

    pub(super) fn begun_again(&mut self, attempt: usize) {
        self.starts = attempt + 1;
    }

    /// The label, and, among patterns of other layers, a channel's layer.
    fn name(&self, among_others: bool) -> String {
        match among_others && self.inner.is_index {
            true => format!("{} of {}", self.label(), self.layer()),
            false => self.label().to_owned(),
        }
    }

    /// The name, and what must be known of the picture.
    fn caption(&self, among_others: bool) -> String {
        let mut caption = self.name(among_others);
        if self.is_idle() {
            caption += ": never active";
        }
        if let Some(divergence) = self.diverged() {
            caption += &format!(": diverged at step {}", divergence.step);
        }
        caption
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.label(), self.layer())?;
        match self.inner.excitement.map {
            Some([mean, most]) => {
                write!(
                    f,
                    ": activation {} on average, {} at most",
                    number(mean, 3),
                    number(most, 3)
                )?;
            }
            None => write!(f, ": {}", number(self.objective(), 3))?,
        }
        if self.is_idle() {
            f.write_str(", never active")?;
        }
        if self.starts > 1 {
            write!(f, ", begun {} times", self.starts)?;
        }
        match self.diverged() {
            Some(divergence) => write!(f, "; {divergence}, and this is the picture before"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Pattern {self}"))
    }
}

impl Show for Pattern {
    fn bundle(&self) -> MimeBundle {
        let caption = self.to_string();
        MimeBundle::picture(self.picture().captioned(&caption), caption)
    }
}

/// Pictures that excite parts of a network: what [`FeatureVis::run`](super::FeatureVis::run) makes.
/// A notebook shows them as a sheet with the index of the channel below each, and its layer where
/// layers differ.
#[derive(Clone)]
pub struct Patterns {
    title: String,
    /// Whether their layers differ.
    several_layers: bool,
    patterns: Vec<Pattern>,
    stopped: Option<String>,
    dark: bool,
}

impl Patterns {
    pub(super) fn new(
        title: String,
        several_layers: bool,
        patterns: Vec<Pattern>,
        stopped: Option<String>,
    ) -> Patterns {
        Patterns { title, several_layers, patterns, stopped, dark: false }
    }

    /// What stands under each picture: its name, and what kept it from becoming one.
    pub fn captions(&self) -> Vec<String> {
        self.iter().map(|pattern| pattern.caption(self.several_layers)).collect()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Pattern> {
        self.patterns.iter()
    }

    /// One of them, by its place.
    ///
    /// # Errors
    /// When there are not so many.
    pub fn get(&self, index: usize) -> Result<&Pattern> {
        self.patterns.get(index).ok_or_else(|| {
            Error::Argument(format!("there is no pattern {index} among {}", self.len()))
        })
    }

    /// The network, and the layer where it is the same for all.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// Why the optimisation ended before its last step, if it did.
    pub fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    /// The pictures.
    pub fn pictures(&self) -> Vec<Picture> {
        self.iter().map(Pattern::picture).collect()
    }

    /// The pictures as the network's input, `[N, C, h, w]`.
    ///
    /// # Errors
    /// When their sizes differ, since some diverged before they had grown.
    pub fn tensor(&self) -> Result<Tensor> {
        let inputs: Vec<Tensor> = self.iter().map(Pattern::tensor).collect();
        Tensor::f_cat(&inputs, 0).into_result()
    }

    /// White labels on black.
    #[must_use]
    pub fn dark(&self) -> Patterns {
        Patterns { dark: true, ..self.clone() }
    }

    /// The pictures as a contact sheet, to be set up further.
    pub fn sheet(&self) -> Sheet {
        let title = match &self.stopped {
            Some(why) => format!("{} ({why})", self.title),
            None => self.title.clone(),
        };
        let sheet = Sheet::pictures(self.pictures()).title(title);
        let sheet = sheet.captions(self.captions());
        if self.dark { sheet.dark() } else { sheet }
    }

    /// The contact sheet as a picture.
    ///
    /// # Errors
    /// When there is nothing to show.
    pub fn picture(&self) -> Result<Picture> {
        Ok(self.sheet().render()?.picture)
    }
}

/// Curves of more pictures than these could not be told apart.
const CURVES: usize = COLOURS;

impl Patterns {
    /// The losses over the steps, a line for each picture, of more than ten the first ten. Where no
    /// loss is below 0 and some are above, the axis is logarithmic: losses fall by powers of ten. A
    /// picture whose losses are all 0, since it never excited its channel, has no line there; the
    /// title names it.
    pub fn loss_curve(&self) -> Chart {
        let all = || self.iter().flat_map(Pattern::losses);
        let logarithmic = all().all(|&loss| loss >= 0.0) && all().any(|&loss| loss > 0.0);
        let name = |pattern: &Pattern| pattern.name(self.several_layers);
        let (drawn, flat): (Vec<&Pattern>, Vec<&Pattern>) = self
            .iter()
            .partition(|pattern| !logarithmic || pattern.losses().iter().any(|&loss| loss > 0.0));
        let mut title = self.title.clone();
        if drawn.len() > CURVES {
            title += &format!(": the first {CURVES} of {}", drawn.len());
        }
        if !flat.is_empty() {
            let flat: Vec<String> = flat.into_iter().map(name).collect();
            title += &format!("; always 0: {}", flat.join(", "));
        }
        let curves = drawn.iter().take(CURVES).map(|p| (name(p), p.losses().to_vec()));
        let chart = Chart::lines(curves).title(title).axes("step", "loss");
        if logarithmic { chart.log_y() } else { chart }
    }

    /// How the pictures came about: an animated PNG of the contact sheet, of at most about
    /// 200 kB. [`FeatureVis::frames`](super::FeatureVis::frames) sets how many pictures it has.
    ///
    /// # Errors
    /// When no frames were kept.
    pub fn animation(&self) -> Result<Animation> {
        let most = self.iter().map(|pattern| pattern.frames().len()).max().unwrap_or(0);
        if most == 0 {
            return Err(Error::Argument(
                "no frames were kept of these pictures: run again with frames(16)".into(),
            ));
        }
        let frames = (0..most).map(|i| {
            let at = |pattern: &Pattern| {
                let own = pattern.frames();
                // What stopped early stays as it is.
                let frame = own.get(i).or(own.last()).cloned();
                let frame = frame.unwrap_or_else(|| pattern.picture());
                let last = pattern.picture();
                frame.resized(last.width(), last.height())
            };
            let pictures = self.iter().map(at).collect::<Result<Vec<_>>>()?;
            let sheet = Sheet::pictures(pictures).captions(self.captions());
            let sheet = if self.dark { sheet.dark() } else { sheet };
            Ok(sheet.render()?.picture)
        });
        Animation::new(frames.collect::<Result<Vec<_>>>()?)
    }
}

impl<'a> IntoIterator for &'a Patterns {
    type Item = &'a Pattern;
    type IntoIter = std::slice::Iter<'a, Pattern>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl IntoIterator for Patterns {
    type Item = Pattern;
    type IntoIter = std::vec::IntoIter<Pattern>;

    fn into_iter(self) -> Self::IntoIter {
        self.patterns.into_iter()
    }
}

impl fmt::Display for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let noun = if self.len() == 1 { "picture" } else { "pictures" };
        write!(f, "{}: {} {noun}", self.title, self.len())?;
        if let Some(why) = &self.stopped {
            write!(f, "; {why}")?;
        }
        for pattern in self {
            write!(f, "\n{pattern}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Patterns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Patterns of {}, {}", self.title, self.len()))
    }
}

impl Show for Patterns {
    fn bundle(&self) -> MimeBundle {
        match self.picture() {
            Ok(picture) => MimeBundle::picture(picture, self.to_string()),
            Err(error) => error_bundle(&error),
        }
    }
}
