//! The two ends of an architecture that go with the task: how many channels come in, and how many classes
//! go out.

use super::head;
use crate::error::Result;
use crate::model::{Builder, Model, Weights};
use crate::tensor::plain_numbers;

/// What the two ends of a network are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Ends {
    /// Of the photos.
    pub(super) channels: i64,
    /// Of the output.
    pub(super) classes: i64,
    /// Whether weights bring names for the classes, in place of those that usually go with the number.
    pub(super) named: bool,
}

impl Ends {
    /// Colour photos and a thousand classes.
    pub(super) const IMAGENET: Ends = Ends::new(3, 1000);

    pub(super) const fn new(channels: i64, classes: i64) -> Self {
        Ends { channels, classes, named: false }
    }

    /// The network with these weights, which tell both: the channels stand in the shape of the first
    /// weight of the graph, the classes in that of the last. `usual` are the ends where they do not.
    pub(super) fn build_with(
        usual: Ends,
        weights: Weights,
        graph: impl Fn(Ends) -> Result<Builder>,
    ) -> Result<Model> {
        let plan = graph(usual)?;
        let kernels: Vec<_> = plan.parameters().filter(|(_, shape)| shape.len() > 1).collect();
        let weights = head::named(&plan, plan.fitted(weights)?, kernels.last())?;
        let found = usual.told_by(&weights, &kernels);
        let plan = if found == usual { plan } else { graph(found)? };
        plan.build_with(weights)
    }

    fn told_by(self, weights: &Weights, kernels: &[(String, Vec<i64>)]) -> Ends {
        let (Some(first), Some(last)) = (kernels.first(), kernels.last()) else { return self };
        let channels = along(1, first, weights).unwrap_or(self.channels);
        let classes = along(0, last, weights).unwrap_or(self.classes);
        let named = i64::try_from(weights.class_names().len()) == Ok(classes);
        Ends { channels, classes, named }
    }
}

/// The size of a weight along this dimension, if it is as expected along all others: what fits nowhere
/// tells nothing.
fn along(
    dimension: usize,
    (name, expected): &(String, Vec<i64>),
    weights: &Weights,
) -> Option<i64> {
    let mut size = plain_numbers(weights.get(name)?).ok()?.size();
    let found = *size.get(dimension)?;
    *size.get_mut(dimension)? = *expected.get(dimension)?;
    (size == *expected && found > 0).then_some(found)
}
