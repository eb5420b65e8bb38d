//! Networks with their published weights, one file an architecture.

mod squeezenet;

pub use squeezenet::{squeezenet1_1, squeezenet1_1_with};

/// ImageNet's thousand classes, each with its synonyms separated by commas.
pub(crate) fn imagenet_classes() -> impl Iterator<Item = &'static str> {
    tch::vision::imagenet::CLASSES.iter().copied()
}
