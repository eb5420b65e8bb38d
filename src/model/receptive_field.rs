//! Which part of the input a value of a layer depends on.

use std::cell::RefCell;
use std::fmt;
use std::ops::Range;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::grid::Grid;
use super::op::{self, Step};
use super::{LayerRef, Model, NodeId};
use crate::error::{Error, Result};
use crate::show::{MimeBundle, Show, debug_line};
use crate::tensor::{IntoResult, to_floats};

/// The receptive field of a layer: which pixels of the input each of its values depends on, for
/// inputs of one size. See [`Model::receptive_field`].
#[derive(Clone, PartialEq)]
pub struct ReceptiveField {
    pub(crate) layer: String,
    /// Height and width of the input.
    pub(crate) input: [i64; 2],
    pub(crate) size: [i64; 2],
    pub(crate) stride: [f64; 2],
    pub(crate) offset: [i64; 2],
    pub(crate) gated: bool,
    /// For each row and each column of the layer's maps: the rows and columns of the input.
    pub(crate) windows: [Vec<(i64, i64)>; 2],
}

impl ReceptiveField {
    /// The layer's name.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// Height and width of the window in input pixels, as large as it would be on an input without
    /// end. Where it is not the same everywhere, behind a transposed convolution for instance, the
    /// largest.
    pub fn size(&self) -> [i64; 2] {
        self.size
    }

    /// How far the window moves from one value to the next, in input pixels down and across. Below 1
    /// where a layer has more pixels than the input.
    pub fn stride(&self) -> [f64; 2] {
        self.stride
    }

    /// Where the first value's window begins; negative where it reaches into the padding.
    pub fn offset(&self) -> [i64; 2] {
        self.offset
    }

    /// Whether channels are scaled by what the whole input says, as squeeze and excitation does.
    /// Through that every value depends on every pixel a little; the window leaves it out.
    pub fn is_gated(&self) -> bool {
        self.gated
    }

    /// The rows and columns of the input that the value at row `y` and column `x` depends on.
    ///
    /// # Errors
    /// When the layer's maps are not so large.
    pub fn window(&self, y: usize, x: usize) -> Result<[Range<i64>; 2]> {
        match (self.windows[0].get(y), self.windows[1].get(x)) {
            (Some(&(top, bottom)), Some(&(left, right))) => Ok([top..bottom, left..right]),
            _ => Err(Error::Argument(format!(
                "no value at row {y} and column {x}: the maps of {} have {} × {} (rows × columns)",
                self.layer,
                self.windows[0].len(),
                self.windows[1].len()
            ))),
        }
    }
}

impl fmt::Display for ReceptiveField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let pair = |[down, across]: [String; 2]| match down == across {
            true => down,
            false => format!("{down} down and {across} across"),
        };
        let [size, offset] = [self.size, self.offset].map(|pair| pair.map(|v| v.to_string()));
        let stride = self.stride.map(|v| crate::number::number(v, 4));
        write!(
            f,
            "{}: each value sees {} pixels of {} × {}, {} further on from one to the next, the first \
             from {}",
            self.layer,
            size.join(" × "),
            self.input[0],
            self.input[1],
            pair(stride),
            pair(offset)
        )?;
        if self.gated {
            f.write_str("; its channels are scaled by what the whole input says")?;
        }
        Ok(())
    }
}

impl fmt::Debug for ReceptiveField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!(
                "ReceptiveField of {}, {} × {} pixels",
                self.layer, self.size[1], self.size[0]
            ),
        )
    }
}

impl Show for ReceptiveField {
    fn bundle(&self) -> MimeBundle {
        MimeBundle::text(self.to_string())
    }
}

impl Model {
    /// The receptive field of a layer, computed from the graph for inputs of the size that the
    /// network was made for: kernels, strides, padding and dilation of everything in front of it;
    /// where branches join, the smallest window that holds all of theirs. Closures and modules are
    /// run on inputs with a row or a column of NaN, which shows what depends on it.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let field = zoo::squeezenet1_1()?.receptive_field("features.3")?;
    /// assert_eq!((field.size(), field.stride(), field.offset()), ([15; 2], [4.0; 2], [-4; 2]));
    /// assert_eq!(field.window(0, 54)?, [0..11, 212..223]); // within the input; the last column is not read
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the layer is not there or not spatial, or what lies before it is not.
    pub fn receptive_field(&self, layer: impl Into<LayerRef>) -> Result<ReceptiveField> {
        let [_, h, w] = self.input_shape();
        self.receptive_field_for(layer, [h, w])
    }

    /// The same for inputs of this height and width.
    ///
    /// # Errors
    /// As [`receptive_field`](Model::receptive_field); a size that a layer cannot take.
    pub fn receptive_field_for(
        &self,
        layer: impl Into<LayerRef>,
        input: [i64; 2],
    ) -> Result<ReceptiveField> {
        let (id, name) = self.find_named(layer)?;
        let shapes = self.output_shapes(&[1, self.input_shape()[0], input[0], input[1]])?;
        Fields::new(self, input, &shapes).of(id, &name)
    }
}

/// The receptive fields of a network's layers, for inputs of one size.
pub(super) struct Fields<'a> {
    model: &'a Model,
    input: [i64; 2],
    shapes: &'a [Vec<i64>],
    /// Where each output has rows and columns.
    grids: Vec<Option<Grid>>,
    /// Which layers the input changes at all.
    varies: Vec<bool>,
    /// What was found out of each layer: its inputs that count, with the step to each.
    steps: RefCell<Vec<Option<Rc<Sources>>>>,
}

/// A layer's inputs with the step to each, for rows and columns, and whether it is gated.
struct Sources {
    steps: Vec<(NodeId, [Step; 2])>,
    gated: bool,
}

impl<'a> Fields<'a> {
    /// `shapes` are those of all layers' outputs.
    pub(super) fn new(model: &'a Model, input: [i64; 2], shapes: &'a [Vec<i64>]) -> Fields<'a> {
        let steps = RefCell::new(shapes.iter().map(|_| None).collect());
        let (grids, varies) = (model.grids(shapes), model.depending_on(model.input()));
        Fields { model, input, shapes, grids, varies, steps }
    }

    /// That of one layer, which goes by this name.
    pub(super) fn of(&self, id: NodeId, name: &str) -> Result<ReceptiveField> {
        let input = self.input;
        let Some([h, w]) = self.side_of(id) else {
            return Err(Error::Shape(format!(
                "layer {name:?} has no receptive field: its output is {:?}, without rows and columns",
                self.shapes[id.0]
            )));
        };
        if h.max(w) > MOST_PLACES {
            return Err(Error::Shape(format!(
                "layer {name:?} has {h} rows and {w} columns, too many to look at one by one: choose \
                 an input of at most {MOST_PLACES} pixels a side"
            )));
        }
        let graph = self.graph(id)?;
        let both = |axis| Walk { graph: &graph, axis, clipped: false };
        let (down, across) = (both(0), both(1));
        let mut windows = [Vec::new(), Vec::new()];
        let mut size = [1; 2];
        for (axis, count) in [h, w].into_iter().enumerate() {
            let within = Walk { graph: &graph, axis, clipped: true };
            for i in 0..count {
                // A value that sees padding alone sees nothing.
                let (from, to) = within.window(i).unwrap_or((0, -1));
                windows[axis].push((from, to + 1));
                let (from, to) = [&down, &across][axis].window(i).unwrap_or((0, 0));
                size[axis] = size[axis].max(to + 1 - from);
            }
        }
        // Over many values: behind transposed convolutions windows do not move evenly.
        const FAR: i64 = 5040;
        let start = |walk: &Walk<'_>, i| walk.window(i).unwrap_or((0, 0)).0;
        let stride = |walk| (start(walk, FAR) - start(walk, 0)) as f64 / FAR as f64;
        Ok(ReceptiveField {
            layer: name.to_owned(),
            input,
            size,
            stride: [stride(&down), stride(&across)],
            offset: [start(&down, 0), start(&across, 0)],
            gated: graph.gated,
            windows,
        })
    }

    fn graph(&self, last: NodeId) -> Result<Graph> {
        let mut needed = vec![false; last.0 + 1];
        needed[last.0] = true;
        let mut graph = Graph { last, reads: Vec::new(), sides: Vec::new(), gated: false };
        for index in (0..=last.0).rev().filter(|&index| index > 0) {
            if !needed[index] {
                continue;
            }
            let reads = self.reads(NodeId(index))?;
            reads.steps.iter().for_each(|(input, _)| needed[input.0] = true);
            graph.gated |= reads.gated;
            graph.reads.push((NodeId(index), reads));
        }
        let side = |index| self.side_of(NodeId(index)).unwrap_or([1, 1]);
        graph.sides = (0..=last.0).map(side).collect();
        Ok(graph)
    }

    /// The rows and columns of a layer's output, if it has any.
    fn side_of(&self, id: NodeId) -> Option<[i64; 2]> {
        self.grids[id.0]?.size(&self.shapes[id.0])
    }

    fn reads(&self, id: NodeId) -> Result<Rc<Sources>> {
        if let Some(known) = &self.steps.borrow()[id.0] {
            return Ok(Rc::clone(known));
        }
        let (op, inputs) = (self.model.op_of(id), self.model.inputs_of(id));
        let sides: Vec<_> = inputs.iter().map(|input| self.side_of(*input)).collect();
        let (mut steps, mut gated) = (Vec::new(), false);
        for (i, &input) in inputs.iter().enumerate().filter(|(_, input)| self.varies[input.0]) {
            match op.reads(i, &sides) {
                op::Reads::Values => steps.push((input, self.steps(id, input)?)),
                op::Reads::Gate => gated = true,
                op::Reads::Size => {}
            }
        }
        let reads = Rc::new(Sources { steps, gated });
        self.steps.borrow_mut()[id.0] = Some(Rc::clone(&reads));
        Ok(reads)
    }

    fn steps(&self, id: NodeId, input: NodeId) -> Result<[Step; 2]> {
        let (model, shapes) = (self.model, self.shapes);
        let lost = || {
            Error::Shape(format!(
                "what comes before layer {:?} ({}) loses its rows and columns: only spatial layers on \
                 the way to spatial ones have a receptive field",
                model.layer_name(id),
                model.kind_of(id)
            ))
        };
        let (from, to) = self.side_of(input).zip(self.side_of(id)).ok_or_else(lost)?;
        let usual = Some(Grid::USUAL);
        if (self.grids[input.0], self.grids[id.0]) != (usual, usual) {
            return match model.keeps_pixels(id) && from == to {
                true => Ok([Step::Same, Step::Same]),
                false => Err(lost()),
            };
        }
        match model.op_of(id).steps(from, to) {
            Some(steps) => Ok(steps),
            None => tried(model, id, input, shapes),
        }
    }
}

/// More rows or columns of a layer are not looked at.
const MOST_PLACES: i64 = 1 << 20;

/// What each layer up to the one in question reads, by axis.
struct Graph {
    last: NodeId,
    /// The layers that lead to it, from the last to the first, with what they read.
    reads: Vec<(NodeId, Rc<Sources>)>,
    /// The height and width of every layer's output.
    sides: Vec<[i64; 2]>,
    gated: bool,
}

/// What a closure or module makes of NaN in each row and each column of one of its inputs.
fn tried(model: &Model, id: NodeId, input: NodeId, shapes: &[Vec<i64>]) -> Result<[Step; 2]> {
    let _no_grad = tch::no_grad_guard();
    let (sides, to) = (&shapes[input.0], &shapes[id.0]);
    let options = (Kind::Float, model.device());
    let zeros = |id: &NodeId| Tensor::f_zeros(shapes[id.0].as_slice(), options).into_result();
    let all: Vec<Tensor> = model.inputs_of(id).iter().map(zeros).collect::<Result<_>>()?;
    let tried = |axis: usize| -> Result<Step> {
        let (from, to) = (sides[2 + axis], to[2 + axis]);
        let mut windows = vec![(i64::MAX, i64::MIN); to as usize];
        for place in 0..from {
            let mut inputs: Vec<Tensor> = all.iter().map(Tensor::shallow_clone).collect();
            for (slot, _) in
                inputs.iter_mut().zip(model.inputs_of(id)).filter(|(_, i)| **i == input)
            {
                *slot = slot.f_zeros_like().into_result()?;
                let mut line = slot.f_narrow(2 + axis as i64, place, 1).into_result()?;
                let _ = line.f_fill_(f64::NAN).into_result()?;
            }
            let node = model.node(id);
            let parameters = node.parameters_for(super::Pass::Inference);
            let output =
                node.op.forward(&mut inputs, &parameters, super::Pass::Inference, false)?;
            let others: [i64; 3] = if axis == 0 { [0, 1, 3] } else { [0, 1, 2] };
            let lines = output
                .f_isnan()
                .and_then(|t| t.f_to_kind(Kind::Float))
                .and_then(|t| t.f_sum_dim_intlist(others.as_slice(), false, Kind::Float))
                .into_result()?;
            for (window, count) in windows.iter_mut().zip(to_floats(&lines)?) {
                if count > 0.0 {
                    *window = (window.0.min(place), window.1.max(place));
                }
            }
        }
        Ok(Step::Tried(windows))
    };
    Ok([tried(0)?, tried(1)?])
}

/// From one value back to the input, along one axis.
struct Walk<'a> {
    graph: &'a Graph,
    axis: usize,
    /// What lies beyond an activation's ends is padding, on which nothing depends; otherwise the
    /// activations have no ends.
    clipped: bool,
}

impl Walk<'_> {
    /// First and last place of the input that the value at place `i` depends on.
    fn window(&self, i: i64) -> Option<(i64, i64)> {
        let mut windows: Vec<Option<(i64, i64)>> = vec![None; self.graph.last.0 + 1];
        windows[self.graph.last.0] = Some((i, i));
        for (id, reads) in &self.graph.reads {
            let Some(window) = windows[id.0] else { continue };
            for (input, steps) in &reads.steps {
                let step = &steps[self.axis];
                let read = match self.clipped {
                    true => step.back_within(window, self.graph.sides[input.0][self.axis]),
                    false => Some(step.back(window)),
                };
                let Some(read) = read else { continue };
                let known = &mut windows[input.0];
                *known = Some(match *known {
                    None => read,
                    Some(known) => (known.0.min(read.0), known.1.max(read.1)),
                });
            }
        }
        windows[0]
    }
}
