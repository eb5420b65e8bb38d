//! What an explanation is about: which output, or which function of the outputs.

use std::borrow::Borrow;
use std::fmt;
use std::rc::Rc;

use tch::Tensor;

use super::likeness::Likeness;
use crate::error::{Error, Result};
use crate::look::{Detection, Look, Memory, Prediction};
use crate::model::LayerRef;
use crate::picture::Region;

/// What is to be explained of a network's output: the score `y` of the formulas.
///
/// Most things that a cell writes become one: an index, a name, a list of either, which is the sum
/// of their scores. Scores are as the network puts them out: before the softmax, or behind the
/// network's own sigmoid.
///
/// Of a network with one score alone, class 1 is yes and class 0 no, which is explained by the negated score
/// (pytorch-grad-cam's `BinaryClassifierOutputTarget`); the predicted class is what the network decided.
///
/// In a network that segments, a class stands for its pixels: the sum of its scores where it has
/// the highest. [`pixels`](Target::pixels) says where otherwise.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let cats = GradCam::default().class(["tabby", "tiger cat"]);
/// let stripes = GradCam::default().class(Target::difference("tiger cat", "Egyptian cat"));
/// let certainty = Target::function("certainty", |scores| scores.softmax(-1, scores.kind()).max());
/// for method in [cats, stripes, GradCam::default().class(certainty)] {
///     look.explain(&method)?;
/// }
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub enum Target {
    /// The class with the highest score; of a network that segments, the class with most pixels.
    #[default]
    Predicted,
    /// The class of this index.
    Index(i64),
    /// The class of this name.
    Name(String),
    /// A sum of scores, each with a factor.
    Sum(Vec<(f64, Target)>),
    /// The scores of a class, summed over pixels, in a network that segments.
    Pixels {
        /// Which class.
        class: Box<Target>,
        /// Where; without it, where the class has the highest score.
        region: Option<Region>,
    },
    /// Any function from the outputs for one photo to a single number.
    Function(Function),
    /// A number that was learnt by regression, or its negative.
    Number {
        /// Which of the network's outputs, or, of a network with one number alone, what it is called.
        number: LayerRef,
        /// Whether what makes it smaller is explained.
        less: bool,
    },
    /// How like another photo this one is at a layer.
    Likeness(Likeness),
    /// The score of a detector's box.
    Detection(Detection),
    /// A target at another output than the one that counts, in a network of several.
    Output {
        /// Which output.
        output: LayerRef,
        /// What is explained of it.
        target: Box<Target>,
    },
}

/// A function of a network's outputs, with the name that pictures give it.
#[derive(Clone)]
pub struct Function {
    pub(super) name: String,
    pub(super) compute: Rc<dyn Fn(&Tensor) -> Tensor>,
}

crate::show::shown_by_debug!(Target);

impl Target {
    /// The sum of several targets.
    pub fn sum<T: Into<Target>>(targets: impl IntoIterator<Item = T>) -> Target {
        Target::Sum(targets.into_iter().map(|target| (1.0, target.into())).collect())
    }

    /// One target's score minus another's: what speaks for the one and not for the other.
    pub fn difference(of: impl Into<Target>, and: impl Into<Target>) -> Target {
        Target::Sum(vec![(1.0, of.into()), (-1.0, and.into())])
    }

    /// A class of a network that segments, where it has the highest score.
    pub fn pixels(class: impl Into<Target>) -> Target {
        Target::Pixels { class: Box::new(class.into()), region: None }
    }

    /// A class of a network that segments, in this region of its output.
    pub fn pixels_in(class: impl Into<Target>, region: impl Borrow<Region>) -> Target {
        Target::Pixels { class: Box::new(class.into()), region: Some(region.borrow().clone()) }
    }

    /// What makes a number larger that was learnt by regression, an age or a distance: the number `y` itself. Of a
    /// network with one number alone, the name is what captions call it, "more age (41.7)"; of several, it is a class's
    /// name or an index. Of a map for each number, as of depths, it is the map's mean.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("age", [3, 32, 32]);
    /// let x = net.input();
    /// net.chain("net", ops![Conv2d::new(3, 4, 3), Op::Relu, AdaptiveAvgPool2d::new(1), Op::Flatten, Linear::new(4, 1)], x);
    /// let look = net.build()?.look(&Photo::open("assets/photos/cat.png")?)?;
    /// let older = look.explain(&GradCam::default().class(Target::more("age")))?;
    /// let younger = look.explain(&GradCam::default().class(Target::less("age")))?;
    /// assert_eq!([older.target(), younger.target()], ["more age", "less age"]);
    /// assert_eq!(older.score(), -younger.score());
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn more(number: impl Into<LayerRef>) -> Target {
        Target::Number { number: number.into(), less: false }
    }

    /// What makes the number smaller: `−y`; see [`more`](Target::more).
    pub fn less(number: impl Into<LayerRef>) -> Target {
        Target::Number { number: number.into(), less: true }
    }

    /// How like another photo this one is at a layer of the network: the cosine of the angle between what the layer
    /// answers to both, `a·b / (|a| |b|)`, from −1 to 1. Of maps, and of tokens that stand for pixels, `a` and `b` are
    /// the channels' means over all pixels, so that photos may be of any size; of other layers, all their values.
    /// pytorch-grad-cam's `SimilarityToConceptTarget`, on embeddings.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1()?;
    /// let dog = model.look(&Photo::open("assets/photos/dog.jpg")?)?;
    /// let both = model.look(&Photo::open("assets/photos/cat_and_dog.jpg")?)?;
    /// let like_the_dog = Target::likeness(&dog, "features.12")?;
    /// let heat = both.explain(&GradCam::at("features.12").class(&like_the_dog))?;
    /// assert!(heat.score() > 0.5);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// An unknown layer; one whose answer to the other photo is 0 everywhere, or not finite.
    pub fn likeness(other: &Look, layer: impl Into<LayerRef>) -> Result<Target> {
        Ok(Target::Likeness(Likeness::new(other, layer.into())?))
    }

    /// The same at another of the network's outputs, by its name or its index.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let cat = Target::from("cat").output("aux");
    /// let same = GradCam::default().class("cat").output("aux"); // methods have it as well
    /// assert_eq!(same.target(), cat);
    /// ```
    #[must_use]
    pub fn output(&self, output: impl Into<LayerRef>) -> Target {
        let target = match self {
            Target::Output { target, .. } => target.clone(),
            other => Box::new(other.clone()),
        };
        Target::Output { output: output.into(), target }
    }

    /// Another target, at the output at which this one is.
    pub(super) fn followed_by(&self, target: Target) -> Target {
        match (self, &target) {
            (Target::Output { output, .. }, other) if !matches!(other, Target::Output { .. }) => {
                target.output(output)
            }
            _ => target,
        }
    }

    /// Where it is computed, if it says that, and what is explained there. Sums are of one place.
    pub(crate) fn at_end(&self) -> Result<(Option<End>, Target)> {
        Ok(match self {
            Target::Output { target, .. } if matches!(**target, Target::Likeness(_)) => {
                return Err(Error::Argument(
                    "likeness is compared at a layer, and not at one of several outputs: leave out .output".into(),
                ));
            }
            Target::Output { output, target } => {
                (Some(End::Output(output.clone())), (**target).clone())
            }
            Target::Likeness(likeness) => {
                (Some(End::Layer(likeness.layer().clone())), self.clone())
            }
            Target::Sum(parts) => {
                let mut ends = Vec::new();
                let mut plain = Vec::with_capacity(parts.len());
                for (factor, part) in parts {
                    let (end, part) = part.at_end()?;
                    ends.push(end);
                    plain.push((*factor, part));
                }
                ends.dedup();
                if ends.len() > 1 {
                    return Err(Error::Argument(
                        "the parts of a sum are at several outputs or layers: give all of them the same"
                            .into(),
                    ));
                }
                (ends.pop().flatten(), Target::Sum(plain))
            }
            other => (None, other.clone()),
        })
    }

    /// Any function from the outputs for one photo, without the dimension of the batch (`[classes]`
    /// or `[classes, h, w]`), to a single number. It has to be made of tensor operations, so that it
    /// can be differentiated.
    pub fn function(
        name: impl Into<String>,
        compute: impl Fn(&Tensor) -> Tensor + 'static,
    ) -> Target {
        Target::Function(Function { name: name.into(), compute: Rc::new(compute) })
    }
}

/// Where a target is computed, if not at the output that counts.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum End {
    Output(LayerRef),
    /// A layer, behind which nothing runs.
    Layer(LayerRef),
}

impl End {
    /// What is known of the photos, seen from there.
    pub(super) fn of(&self, memory: &Memory) -> Result<Rc<Memory>> {
        let seen = match self {
            End::Output(output) => memory.with_output(output),
            End::Layer(layer) => memory.up_to(layer),
        };
        seen.map(Rc::new)
    }
}

/// A function is the same as itself and its clones.
impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.compute, &other.compute)
    }
}

impl fmt::Debug for Function {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Function({:?})", self.name)
    }
}

impl From<&str> for Target {
    fn from(name: &str) -> Self {
        Target::Name(name.to_owned())
    }
}

impl From<String> for Target {
    fn from(name: String) -> Self {
        Target::Name(name)
    }
}

impl<T: Clone + Into<Target>> From<&T> for Target {
    fn from(target: &T) -> Self {
        target.clone().into()
    }
}

impl<T: Into<Target>> From<Option<T>> for Target {
    /// Without a class, the predicted one.
    fn from(target: Option<T>) -> Self {
        target.map_or(Target::Predicted, Into::into)
    }
}

impl<T: Into<Target>, const N: usize> From<[T; N]> for Target {
    fn from(targets: [T; N]) -> Self {
        Target::sum(targets)
    }
}

impl<T: Into<Target> + Clone> From<&[T]> for Target {
    fn from(targets: &[T]) -> Self {
        Target::sum(targets.iter().cloned())
    }
}

impl From<Prediction> for Target {
    fn from(prediction: Prediction) -> Self {
        prediction.class.into()
    }
}

impl From<Detection> for Target {
    fn from(detection: Detection) -> Self {
        Target::Detection(detection)
    }
}

impl<T: Into<Target>> From<Vec<T>> for Target {
    fn from(targets: Vec<T>) -> Self {
        Target::sum(targets)
    }
}

macro_rules! target_from_integer {
    ($($kind:ty),*) => {
        $(impl From<$kind> for Target {
            fn from(index: $kind) -> Self {
                Target::Index(i64::try_from(index).unwrap_or(i64::MAX))
            }
        })*
    };
}
target_from_integer!(i32, i64, u32, u64, usize);
