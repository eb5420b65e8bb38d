//! The front of a network for inputs that differ from a known one within a window: what the window does
//! not reach is known already, and only a part of the input has to be computed.

use std::ops::Range;

use tch::Tensor;

use super::receptive_field::Fields;
use super::{Model, NodeId, Pass, ReceptiveField};
use crate::error::Result;

/// Where the part has more of the input than this, computing it saves nothing.
const MOST: f64 = 0.9;

/// The network up to a layer that everything runs through, and how large a part of the input it takes
/// to know that layer wherever a window reaches.
pub(crate) struct Front {
    network: Model,
    field: ReceptiveField,
    /// From one value of the layer to the next, in pixels of the input.
    stride: [i64; 2],
    /// Height and width of the part.
    part: [i64; 2],
}

/// What a window of the input reaches, along one axis.
#[derive(Debug, PartialEq)]
pub(crate) struct Reach {
    /// The rows, or columns, of the input that are computed.
    pub(crate) part: Range<i64>,
    /// Those of the layer that depend on the window.
    pub(crate) changed: Range<i64>,
    /// The first of these in what the part comes to.
    pub(crate) first: i64,
}

impl Model {
    /// The front that saves most for windows of this side in inputs of this height and width; `None` where
    /// none does.
    ///
    /// # Errors
    /// When the network cannot take such inputs.
    pub(crate) fn front_for(&self, input: [i64; 2], side: i64) -> Result<Option<Front>> {
        let nodes = &self.inner.nodes;
        let shapes = self.output_shapes(&[1, self.input_shape()[0], input[0], input[1]])?;
        let (leads, passes) = (self.led_to_output(), self.passes());
        let mut local = vec![false; nodes.len()];
        let mut cost = 0.0;
        // The layers that everything runs through, with what it costs to come there.
        let mut ends: Vec<(NodeId, f64)> = Vec::new();
        for (index, node) in nodes.iter().enumerate() {
            let id = NodeId(index);
            // The window is one of the photo alone.
            let beside = self.is_input(id) && id != self.input();
            local[index] =
                node.op.is_local() && !beside && node.inputs.iter().all(|input| local[input.0]);
            if !local[index] || !leads[index] {
                continue;
            }
            // Of multiplications, one for each weight and place.
            let weights: usize = node.parameters.iter().map(|p| p.tensor.numel()).sum();
            let places: i64 = shapes[index].iter().skip(2).product(); // of few enough values
            cost += weights as f64 * places as f64;
            // A group may have the layer's name.
            let named = self.find(node.name.as_str()).ok() == Some(id);
            if !node.inputs.is_empty() && named && passes[index] {
                ends.push((id, cost));
            }
        }
        let fields = Fields::new(self, input, &shapes);
        let share =
            |part: &Part| (part.size[0] * part.size[1]) as f64 / (input[0] * input[1]) as f64;
        let part_at = |id: NodeId| -> Result<Option<(ReceptiveField, Part)>> {
            let field = fields.of(id, self.layer_name(id))?;
            let part = Part::of(&field, side).filter(|part| share(part) <= MOST);
            Ok(part.map(|part| (field, part)))
        };
        // The later the layer, the more of the input its values see: the last that is of use by halving.
        let (mut low, mut high) = (0, ends.len());
        while low < high {
            let middle = low.midpoint(high);
            match part_at(ends[middle].0)? {
                Some(_) => low = middle + 1,
                None => high = middle,
            }
        }
        let least = (side.min(input[0]) * side.min(input[1])) as f64 / (input[0] * input[1]) as f64;
        let mut best: Option<(f64, ReceptiveField, Part)> = None;
        for &(id, cost) in ends[..low].iter().rev() {
            // No earlier one can save more, since it costs less.
            if best.as_ref().is_some_and(|(most, ..)| cost * (1.0 - least) <= *most) {
                break;
            }
            let Some((field, part)) = part_at(id)? else { continue };
            let saved = cost * (1.0 - share(&part));
            // Of equals the later one, behind the rectifier.
            if best.as_ref().is_none_or(|(most, ..)| saved > *most) {
                best = Some((saved, field, part));
            }
        }
        let Some((_, field, Part { stride, size })) = best else { return Ok(None) };
        let network = self.up_to(field.layer())?;
        Ok(Some(Front { network, field, stride, part: size }))
    }
}

/// How large a part has to be, and where it can begin.
struct Part {
    stride: [i64; 2],
    size: [i64; 2],
}

impl Part {
    fn of(field: &ReceptiveField, side: i64) -> Option<Part> {
        let mut part = Part { stride: [1; 2], size: [1; 2] };
        for axis in 0..2 {
            let stride = field.stride[axis];
            if stride < 1.0 || stride.fract() != 0.0 {
                return None;
            }
            let (stride, input) = (stride as i64, field.input[axis]);
            let long = |start: i64| {
                let (_, needed) = reached(field, axis, start..(start + side).min(input));
                let needed = aligned(needed, stride, input);
                needed.end - needed.start
            };
            part.stride[axis] = stride;
            part.size[axis] = (0..input).map(long).max()?.max(1);
        }
        Some(part)
    }
}

/// The rows, or columns, of the layer that depend on these of the input, and all of the input that they
/// depend on.
fn reached(field: &ReceptiveField, axis: usize, window: Range<i64>) -> (Range<i64>, Range<i64>) {
    let windows = &field.windows[axis];
    let depends = |&(from, to): &(i64, i64)| from < window.end && to > window.start && from < to;
    let (Some(first), Some(last)) =
        (windows.iter().position(depends), windows.iter().rposition(depends))
    else {
        return (0..0, 0..0);
    };
    let read = windows[first..=last].iter().filter(|(from, to)| from < to);
    let (from, to) = read.fold((i64::MAX, 0), |(a, b), &(from, to)| (a.min(from), b.max(to)));
    (first as i64..last as i64 + 1, from..to)
}

/// The same, so that every layer on the way has its values at the places that it has them for the whole
/// input, and the same padding.
fn aligned(needed: Range<i64>, stride: i64, input: i64) -> Range<i64> {
    let beyond = (input - needed.end).div_euclid(stride) * stride;
    needed.start.div_euclid(stride) * stride..input - beyond
}

impl Front {
    /// The layer's name.
    pub(crate) fn layer(&self) -> &str {
        self.field.layer()
    }

    /// What these rows (axis 0) or columns (axis 1) of the input reach.
    pub(crate) fn reach(&self, axis: usize, window: Range<i64>) -> Reach {
        let (stride, input, size) = (self.stride[axis], self.field.input[axis], self.part[axis]);
        let (changed, needed) = reached(&self.field, axis, window);
        let start = aligned(needed, stride, input).start.min(input - size);
        Reach { first: changed.start - start / stride, part: start..start + size, changed }
    }

    /// The layer's values for parts of inputs, `[M, C, h, w]`.
    ///
    /// # Errors
    /// Parts of another size.
    pub(crate) fn run(&self, parts: &Tensor) -> Result<Tensor> {
        self.network.forward_as(Pass::Repeated, parts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo;

    #[test]
    fn a_part_gives_the_values_of_the_whole() {
        let networks = [
            zoo::resnet18_untrained(1),
            zoo::vgg11_untrained(1),
            zoo::squeezenet1_1_untrained(1),
            zoo::efficientnet_lite0_untrained(1),
        ];
        let _no_grad = tch::no_grad_guard();
        for network in networks {
            let network = network.expect("a network");
            for ([h, w], side) in [([224, 224], 32), ([224, 224], 7), ([193, 250], 24)] {
                let Ok(front) = network.front_for([h, w], side) else { continue }; // a size it cannot take
                let front = front.unwrap_or_else(|| panic!("a front of {}", network.name()));
                let input = Tensor::rand([1, 3, h, w], tch::kind::FLOAT_CPU);
                let layer = front.layer();
                let whole = network.run(&[("input", &input)], &[layer]).expect("a pass").remove(0);
                for (top, left) in [(0, 0), (h / 3, w / 2), (h - side, w - side), (h - 3, 5)] {
                    let rows = front.reach(0, top..(top + side).min(h));
                    let columns = front.reach(1, left..(left + side).min(w));
                    let cut = |t: &Tensor, rows: &Range<i64>, columns: &Range<i64>| {
                        t.narrow(2, rows.start, rows.end - rows.start).narrow(
                            3,
                            columns.start,
                            columns.end - columns.start,
                        )
                    };
                    let part = front.run(&cut(&input, &rows.part, &columns.part)).expect("a pass");
                    let at = |reach: &Reach| {
                        reach.first..reach.first + reach.changed.end - reach.changed.start
                    };
                    let found = cut(&part, &at(&rows), &at(&columns));
                    let expected = cut(&whole, &rows.changed, &columns.changed);
                    let error = (&found - &expected).abs().max().double_value(&[]);
                    let scale = expected.abs().max().double_value(&[]);
                    assert!(
                        error <= 1e-5 * scale,
                        "{}, {layer}: {error} of {scale}",
                        network.name()
                    );
                    assert!(found.numel() > 0);
                    // And it is all that a change there reaches.
                    let changed = input.copy();
                    let _ =
                        cut(&changed, &(top..(top + side).min(h)), &(left..(left + side).min(w)))
                            .fill_(9.0);
                    let moved =
                        network.run(&[("input", &changed)], &[layer]).expect("a pass").remove(0);
                    // Beside it, up to rounding by the values of the same tile.
                    let scale = moved.abs().max().double_value(&[]);
                    let moved = (moved - &whole).abs();
                    let _ = cut(&moved, &rows.changed, &columns.changed).zero_();
                    let most = moved.max().double_value(&[]);
                    assert!(most <= 1e-5 * scale, "{}, {layer}: {most} elsewhere", network.name());
                }
            }
        }
    }

    #[test]
    fn windows_as_large_as_the_input_have_no_front() {
        let network = zoo::resnet18_untrained(1).expect("a network");
        assert!(network.front_for([64, 64], 64).expect("an answer").is_none());
    }
}
