//! What an explanation is about: which output, or which function of the outputs.

use std::borrow::Borrow;
use std::fmt;
use std::rc::Rc;

use tch::Tensor;

use crate::error::{Error, Result};
use crate::look::Prediction;
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

    /// The output at which it is, if it says one, and what is explained of that. Sums are of one output.
    pub(crate) fn at_output(&self) -> Result<(Option<LayerRef>, Target)> {
        Ok(match self {
            Target::Output { output, target } => (Some(output.clone()), (**target).clone()),
            Target::Sum(parts) => {
                let mut outputs = Vec::new();
                let mut plain = Vec::with_capacity(parts.len());
                for (factor, part) in parts {
                    let (output, part) = part.at_output()?;
                    outputs.push(output);
                    plain.push((*factor, part));
                }
                outputs.dedup();
                if outputs.len() > 1 {
                    return Err(Error::Argument(
                        "the parts of a sum are at several outputs: give all of them the same"
                            .into(),
                    ));
                }
                (outputs.pop().flatten(), Target::Sum(plain))
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
