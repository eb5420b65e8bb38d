//! What a picture is to excite.

use std::borrow::Borrow;
use std::fmt;
use std::ops::{Add, Mul, Neg, Sub};

use crate::attribution::Target;
use crate::model::{LayerRef, Model};

/// What a picture is to excite: a number that is made as large as possible.
///
/// Objectives are added, subtracted and multiplied by numbers; several in a list become one picture
/// each, optimised in one batch.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let quick = FeatureVis::default().size(64).steps(4);
/// let both = Objective::channel("features.6", 3) + Objective::channel("features.6", 7) * 0.5;
/// let only = Objective::class("tabby") - Objective::class("Egyptian cat");
/// let patterns = quick.run(&model, [both, only])?;
/// assert_eq!(patterns.len(), 2);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Objective {
    pub(super) terms: Vec<(f64, Term)>,
}

#[derive(Clone, Debug)]
pub(super) enum Term {
    Channel { layer: LayerRef, channel: usize },
    Neuron { layer: LayerRef, channel: usize, place: Option<[usize; 2]> },
    Layer { layer: LayerRef },
    Direction { layer: LayerRef, direction: Vec<f32>, cosine: bool },
    Class(Target),
    Unreachable { layer: LayerRef, channel: usize },
}

impl Objective {
    fn of(term: Term) -> Objective {
        Objective { terms: vec![(1.0, term)] }
    }

    /// The mean of one channel's map. Made large: the loss is `−mean(a)`.
    pub fn channel(layer: impl Into<LayerRef>, channel: usize) -> Objective {
        Objective::of(Term::Channel { layer: layer.into(), channel })
    }

    /// Several channels of a layer, a picture each.
    pub fn channels(
        layer: impl Into<LayerRef>,
        channels: impl IntoIterator<Item = impl Borrow<usize>>,
    ) -> Vec<Objective> {
        let layer = layer.into();
        let channels = channels.into_iter().map(|channel| *channel.borrow());
        channels.map(|channel| Objective::channel(&layer, channel)).collect()
    }

    /// One channel at one place, the middle of its map: of an even number of rows or columns, the
    /// later one. Of a layer without maps, `[N, units]`, one unit.
    pub fn neuron(layer: impl Into<LayerRef>, channel: usize) -> Objective {
        Objective::of(Term::Neuron { layer: layer.into(), channel, place: None })
    }

    /// One channel at a row and a column of its map.
    pub fn neuron_at(
        layer: impl Into<LayerRef>,
        channel: usize,
        row: usize,
        column: usize,
    ) -> Objective {
        let place = Some([row, column]);
        Objective::of(Term::Neuron { layer: layer.into(), channel, place })
    }

    /// A whole layer: the mean of the squares of all its values, which DeepDream
    /// (Mordvintsev et al. 2015) makes large.
    pub fn layer(layer: impl Into<LayerRef>) -> Objective {
        Objective::of(Term::Layer { layer: layer.into() })
    }

    /// A direction in the space of a layer's channels: the mean over all places of the dot product
    /// with the channels there.
    pub fn direction(
        layer: impl Into<LayerRef>,
        direction: impl IntoIterator<Item = impl Borrow<f32>>,
    ) -> Objective {
        let direction = direction.into_iter().map(|value| *value.borrow()).collect();
        Objective::of(Term::Direction { layer: layer.into(), direction, cosine: false })
    }

    /// The same by angle alone: the mean over all places of the cosine, as torch-lucent has it.
    pub fn direction_cosine(
        layer: impl Into<LayerRef>,
        direction: impl IntoIterator<Item = impl Borrow<f32>>,
    ) -> Objective {
        let direction = direction.into_iter().map(|value| *value.borrow()).collect();
        Objective::of(Term::Direction { layer: layer.into(), direction, cosine: true })
    }

    /// The score of a class as the network puts it out: before the softmax, or behind the network's own
    /// softmax or sigmoid. A class goes by its index or name; several are their sum, or their
    /// [`difference`](Target::difference). One score alone says yes, class 1, or no, class 0, whose score is the
    /// negated one.
    pub fn class(class: impl Into<Target>) -> Objective {
        Objective::of(Term::Class(class.into()))
    }

    /// The classes of this objective at another output of a network that has several, by its name or its index.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let cat = Objective::class("cat").output("aux");
    /// ```
    #[must_use]
    pub fn output(&self, output: impl Into<LayerRef>) -> Objective {
        let output = output.into();
        let mut changed = self.clone();
        for (_, term) in &mut changed.terms {
            if let Term::Class(target) = term {
                *target = target.output(&output);
            }
        }
        changed
    }

    /// The loss of *Visualizing Convolutional Layers in a Trained VGG Network*, `mean((a − max(a)²)²)`,
    /// negated: the map is to reach a target that runs away from it. The target `max(a)²` is taken from the
    /// map as it is at each step and held fixed: far off as long as the map's greatest value is
    /// above 1, and nearer than the map itself where it is below. A map that is zero everywhere has no
    /// gradient and stays so.
    ///
    /// The article hooks VGG-16's convolutions, but torchvision's network rectifies their output in
    /// place: what the loss sees is the rectified map. Its `Conv1_1` to `Conv5_1` are therefore
    /// `features.1`, `.6`, `.11`, `.18` and `.25` here.
    pub fn unreachable(layer: impl Into<LayerRef>, channel: usize) -> Objective {
        Objective::of(Term::Unreachable { layer: layer.into(), channel })
    }

    /// The same for several channels of a layer, a picture each.
    pub fn unreachable_channels(
        layer: impl Into<LayerRef>,
        channels: impl IntoIterator<Item = impl Borrow<usize>>,
    ) -> Vec<Objective> {
        let layer = layer.into();
        let channels = channels.into_iter().map(|channel| *channel.borrow());
        channels.map(|channel| Objective::unreachable(&layer, channel)).collect()
    }
}

impl Objective {
    /// The names of the layers that it is about.
    pub(super) fn layers(&self, model: &Model) -> Vec<String> {
        let layer = |(_, term): &(f64, Term)| match term {
            Term::Channel { layer, .. }
            | Term::Neuron { layer, .. }
            | Term::Layer { layer }
            | Term::Direction { layer, .. }
            | Term::Unreachable { layer, .. } => {
                model.find_named(layer).map_or_else(|_| layer.to_string(), |(_, name)| name)
            }
            Term::Class(_) => "classes".to_owned(),
        };
        self.terms.iter().map(layer).collect()
    }
}

impl Add for Objective {
    type Output = Objective;

    fn add(mut self, other: Objective) -> Objective {
        self.terms.extend(other.terms);
        self
    }
}

impl Mul<f64> for Objective {
    type Output = Objective;

    fn mul(mut self, factor: f64) -> Objective {
        self.terms.iter_mut().for_each(|(weight, _)| *weight *= factor);
        self
    }
}

impl Mul<Objective> for f64 {
    type Output = Objective;

    fn mul(self, objective: Objective) -> Objective {
        objective * self
    }
}

impl Neg for Objective {
    type Output = Objective;

    fn neg(self) -> Objective {
        self * -1.0
    }
}

impl Sub for Objective {
    type Output = Objective;

    fn sub(self, other: Objective) -> Objective {
        self + -other
    }
}

impl std::iter::Sum for Objective {
    fn sum<I: Iterator<Item = Objective>>(objectives: I) -> Objective {
        Objective { terms: objectives.flat_map(|objective| objective.terms).collect() }
    }
}

/// One objective may stand where several are asked for.
impl IntoIterator for Objective {
    type Item = Objective;
    type IntoIter = std::iter::Once<Objective>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}

impl<'a> IntoIterator for &'a Objective {
    type Item = &'a Objective;
    type IntoIter = std::iter::Once<&'a Objective>;

    fn into_iter(self) -> Self::IntoIter {
        std::iter::once(self)
    }
}

impl fmt::Display for Objective {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&weighted(self.terms.iter().map(|(weight, term)| (*weight, term))))
    }
}

/// "a + 0.5 · b − c".
pub(super) fn weighted<T: fmt::Display>(terms: impl IntoIterator<Item = (f64, T)>) -> String {
    let mut text = String::new();
    for (i, (weight, term)) in terms.into_iter().enumerate() {
        text += match (i, weight < 0.0) {
            (0, true) => "−",
            (0, false) => "",
            (_, true) => " − ",
            (_, false) => " + ",
        };
        if weight.abs() != 1.0 {
            text += &format!("{} · ", weight.abs());
        }
        text += &term.to_string();
    }
    text
}

impl fmt::Display for Term {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Term::Channel { layer, channel } | Term::Unreachable { layer, channel } => {
                write!(f, "{layer}:{channel}")
            }
            Term::Neuron { layer, channel, place: None } => write!(f, "neuron {layer}:{channel}"),
            Term::Neuron { layer, channel, place: Some([row, column]) } => {
                write!(f, "neuron {layer}:{channel} at {row}, {column}")
            }
            Term::Layer { layer } => write!(f, "layer {layer}"),
            Term::Direction { layer, .. } => write!(f, "a direction of {layer}"),
            Term::Class(target) => f.write_str(&class_named(target)),
        }
    }
}

fn class_named(target: &Target) -> String {
    match target {
        Target::Name(name) => name.clone(),
        Target::Index(index) => format!("class {index}"),
        Target::Output { output, target } => format!("{output}: {}", class_named(target)),
        _ => "classes".into(),
    }
}
