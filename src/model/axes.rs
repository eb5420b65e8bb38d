//! Where the rows and columns of maps stand among a layer's dimensions.

use super::op::{Norm, Rearrange};
use super::{Model, NodeId, Op};

/// Where they stand in `[photos, channels, height, width]`.
pub(super) const USUAL: [usize; 2] = [2, 3];

/// What becomes of the places of rows and columns.
enum Places {
    /// They stay.
    Stay,
    /// Dimension `i` of the output is this one of the input.
    Move(Vec<usize>),
    /// The layer takes and gives maps in the usual order alone.
    Usual,
}

impl Model {
    /// The dimensions of each layer's output that are rows and columns, where there are any; networks
    /// between whose layers channels come last, too, keep them. `shapes` are those of the outputs.
    pub(super) fn axes(&self, shapes: &[Vec<i64>]) -> Vec<Option<[usize; 2]>> {
        let mut axes: Vec<Option<[usize; 2]>> = Vec::with_capacity(shapes.len());
        for (index, shape) in shapes.iter().enumerate() {
            let id = NodeId(index);
            let usual = (shape.len() == 4).then_some(USUAL);
            // Of what is stretched, the dimensions are counted from the end.
            let whole =
                self.inputs_of(id).iter().find(|input| shapes[input.0].len() == shape.len());
            let before = whole.and_then(|input| axes[input.0]);
            axes.push(match (places(self.op_of(id), shape.len(), before), before) {
                (Places::Stay, before) => before,
                (Places::Move(dims), Some(before)) => {
                    let place = |dim: usize| dims.iter().position(|&from| from == dim);
                    place(before[0]).zip(place(before[1])).map(<[usize; 2]>::from)
                }
                (Places::Move(_), None) => None,
                (Places::Usual, _) => usual,
            });
        }
        axes
    }

    /// Whether a layer leaves each row and column what it was, wherever they stand.
    pub(super) fn keeps_places(&self, id: NodeId, rank: usize, before: [usize; 2]) -> bool {
        !matches!(places(self.op_of(id), rank, Some(before)), Places::Usual)
    }
}

/// `before` is where rows and columns stand in the input.
fn places(op: &Op, rank: usize, before: Option<[usize; 2]>) -> Places {
    let beside_last =
        |count: usize| before.is_some_and(|axes| axes.iter().all(|axis| axis + count < rank));
    match op {
        Op::Rearrange(Rearrange::Permute(dims)) => Places::Move(dims.clone()),
        Op::Linear(_) if beside_last(1) => Places::Stay,
        Op::Norm(norm) if Norm::last(norm).is_some_and(beside_last) => Places::Stay,
        Op::Relu | Op::Relu6 | Op::Sigmoid | Op::Silu | Op::Elementwise(_) => Places::Stay,
        Op::Dropout(_) | Op::Dropout2d(_) | Op::StochasticDepth(_) => Places::Stay,
        Op::Add | Op::Multiply | Op::Arithmetic(_) => Places::Stay,
        _ => Places::Usual,
    }
}
