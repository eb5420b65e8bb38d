//! How many inputs go through a network best at once.

use super::{Model, Node, NodeId, Op};
use crate::error::Result;

/// What things cost in nanoseconds, as measured on two cores: a layer of a pass, however many inputs it has; a
/// weight that a pass reads; a multiplication with an addition; a value that a layer answers with, once it comes
/// from memory.
const LAYER: f64 = 20_000.0;
const WEIGHT: f64 = 0.8;
const PRODUCT: f64 = 0.0066;
const VALUE: f64 = 1.2;
/// Of a layer with as many values, half come from memory.
const CACHED: f64 = 8e6;
/// The most values of a layer, which are 128 MB.
const MOST: f64 = (1_u32 << 25) as f64;
/// What is looked at. Fewer inputs are taken where more gain less than this.
const COUNTS: [usize; 12] = [1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 64, 128];
const GAIN: f64 = 1.02;

/// Inputs in a pass of which nothing is known.
pub(crate) const USUAL_AT_ONCE: usize = 6;

impl Model {
    /// The least number of inputs in a pass from a layer on for which each takes about as little time as it can: more
    /// of them share what it takes to read the weights, and fewer leave the caches. It follows from shapes alone, so
    /// that it is the same in each run: other numbers may change the last digits of what is computed.
    ///
    /// `input` is the shape of the input that is looked at.
    ///
    /// # Errors
    /// As [`output_shapes`](Model::output_shapes).
    pub(crate) fn at_once(&self, from: NodeId, input: &[i64]) -> Result<usize> {
        let one = [&[1], input.get(1..).unwrap_or_default()].concat();
        let mut work = Work::default();
        let mut is_behind = vec![false; self.inner.nodes.len()];
        let layers = self.inner.nodes.iter().zip(self.output_shapes(&one)?);
        for (index, (node, output)) in layers.enumerate() {
            let reads = node.inputs.iter().any(|id| is_behind[id.0]);
            is_behind[index] = reads || NodeId(index) == from;
            if is_behind[index] {
                work.add(node, &output, reads);
            }
        }
        Ok(work.at_once())
    }
}

/// What a pass does for one input.
#[derive(Default)]
struct Work {
    layers: f64,
    weights: f64,
    products: f64,
    values: f64,
    /// The most values that a layer answers with.
    largest: f64,
    /// Whether something takes part whose costs are not known.
    is_foreign: bool,
}

impl Work {
    fn add(&mut self, node: &Node, output: &[i64], runs: bool) {
        let values = output.iter().product::<i64>() as f64;
        self.largest = self.largest.max(values);
        if runs {
            self.layers += 1.0;
            for parameter in &node.parameters {
                // Each weight of a channel is read for each of its values.
                let channels = parameter.tensor.size().first().map_or(1, |&n| n.max(1)) as f64;
                let count = parameter.tensor.numel() as f64;
                self.weights += count;
                self.products += count * values / channels;
            }
            self.values += values;
            self.is_foreign |= matches!(node.op, Op::Module(_));
        }
    }

    /// Nanoseconds for one of so many inputs.
    fn time(&self, count: usize) -> f64 {
        let shared = (self.layers * LAYER + self.weights * WEIGHT) / count as f64;
        let held = self.largest * count as f64;
        let from_memory = held / (held + CACHED);
        shared + self.products * PRODUCT + self.values * VALUE * from_memory
    }

    fn at_once(&self) -> usize {
        if self.is_foreign {
            return USUAL_AT_ONCE;
        }
        let fitting = || {
            COUNTS.into_iter().filter(|&count| count == 1 || self.largest * count as f64 <= MOST)
        };
        let least = fitting().map(|count| self.time(count)).fold(f64::INFINITY, f64::min);
        fitting().find(|&count| self.time(count) <= GAIN * least).unwrap_or(USUAL_AT_ONCE)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::LayerRef;
    use crate::zoo;

    #[test]
    fn what_reads_many_weights_takes_more_at_once() {
        let model = zoo::vgg16_untrained(0).expect("a network");
        let input = [1, 3, 224, 224];
        let whole = model.at_once(model.input(), &input).expect("a number");
        let last = model.find(LayerRef::from("features.28")).expect("a layer");
        let end = model.at_once(last, &input).expect("a number");
        assert!(whole < 12 && end > 32, "{whole}, {end}");
    }

    #[test]
    fn what_leaves_the_caches_takes_few() {
        let model = zoo::squeezenet1_1_untrained(0).expect("a network");
        let of = |side| model.at_once(model.input(), &[7, 3, side, side]).expect("a number");
        assert!(of(224) < 3 && of(64) > of(224), "{}, {}", of(224), of(64));
        // However large, one at a time.
        assert_eq!(of(8192), 1);
        assert!(model.at_once(model.input(), &[1, 3, 2, 2]).is_err());
    }
}
