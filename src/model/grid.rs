//! Where the rows, columns and channels of maps stand in a layer's output.

use std::collections::BTreeSet;

use tch::Tensor;

use super::op::Rearrange;
use super::{Model, NodeId, Op};
use crate::error::{Error, Result};
use crate::tensor::IntoResult;

/// Where the rows and columns of maps stand among a layer's dimensions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Grid {
    /// Each in a dimension of its own, rows first.
    Axes([usize; 2]),
    /// As tokens, one a pixel, row by row.
    Tokens {
        /// Their dimension.
        dim: usize,
        /// Rows and columns.
        size: [i64; 2],
        /// Other tokens that stand before them, and behind: those of classes, registers.
        others: [i64; 2],
    },
}

impl Grid {
    /// `[photos, channels, height, width]`
    pub(super) const USUAL: Grid = Grid::Axes([2, 3]);

    /// The dimensions that pixels are counted in.
    fn dims(self) -> [usize; 2] {
        match self {
            Grid::Axes(axes) => axes,
            Grid::Tokens { dim, .. } => [dim, dim],
        }
    }

    /// The same in other dimensions; nothing if one of them is gone.
    fn moved(self, to: impl Fn(usize) -> Option<usize>) -> Option<Grid> {
        Some(match self {
            Grid::Axes([rows, columns]) => Grid::Axes([to(rows)?, to(columns)?]),
            Grid::Tokens { dim, size, others } => Grid::Tokens { dim: to(dim)?, size, others },
        })
    }

    /// Rows and columns of an output of this shape.
    pub(crate) fn size(self, shape: &[i64]) -> Option<[i64; 2]> {
        match self {
            Grid::Axes([rows, columns]) => Some([*shape.get(rows)?, *shape.get(columns)?]),
            Grid::Tokens { size, .. } => Some(size),
        }
    }

    /// How many tokens there are with all others.
    fn tokens(self) -> Option<i64> {
        match self {
            Grid::Axes(_) => None,
            Grid::Tokens { size: [rows, columns], others: [before, behind], .. } => {
                Some(before + rows * columns + behind)
            }
        }
    }

    /// The dimension of channels in an output of so many, if it has photos, channels and pixels alone.
    pub(super) fn channels(self, rank: usize) -> Option<usize> {
        let [first, last] = self.dims();
        let alone = match self {
            Grid::Axes(_) => rank == 4,
            Grid::Tokens { .. } => rank == 3,
        };
        let pixels_behind = alone && first > 0 && last > 0;
        (1..rank).find(|dim| pixels_behind && ![first, last].contains(dim))
    }

    /// `[photos, channels, height, width]` of an output, if it has these four dimensions in any order, or
    /// photos, channels and tokens.
    pub(crate) fn to_maps(self, output: &Tensor) -> Result<Option<Tensor>> {
        let rank = output.dim();
        Ok(match self {
            Grid::Axes([rows, columns]) => {
                let Some(channels) = self.channels(rank) else { return Ok(None) };
                let dims = [0, channels, rows, columns].map(|dim| dim as i64);
                Some(output.f_permute(dims).into_result()?)
            }
            Grid::Tokens { dim, size: [rows, columns], others: [before, _] } => {
                if self.channels(rank).is_none() {
                    return Ok(None);
                }
                let tokens = output.f_narrow(dim as i64, before, rows * columns);
                let channels_first =
                    tokens.and_then(|t| t.f_transpose(1, if dim == 1 { 2 } else { 1 }));
                Some(channels_first.and_then(|t| t.f_unflatten(2, [rows, columns])).into_result()?)
            }
        })
    }

    /// Values of this layer from maps, `[M, C, h, w]`; other tokens are those of `output`, `[1, ..]`.
    pub(crate) fn with_maps(self, maps: &Tensor, output: &Tensor) -> Result<Tensor> {
        match self {
            Grid::Axes([rows, columns]) => {
                let mut dims = [0, 0, 0, 0];
                let channels = self.channels(4).unwrap_or(1);
                for (from, to) in [(1, channels), (2, rows), (3, columns)] {
                    if let Some(dim) = dims.get_mut(to) {
                        *dim = from;
                    }
                }
                maps.f_permute(dims).into_result()
            }
            Grid::Tokens { dim, size: [rows, columns], others: [before, behind] } => {
                let work = || {
                    let tokens = maps.f_flatten(2, 3)?;
                    let tokens = if dim == 1 { tokens.f_transpose(1, 2)? } else { tokens };
                    let sides = maps.size();
                    let others = |start: i64, count: i64| {
                        let part = output.f_narrow(dim as i64, start, count)?;
                        let mut size = part.size();
                        size[0] = sides[0];
                        part.f_expand(size, false)
                    };
                    let all =
                        [others(0, before)?, tokens, others(before + rows * columns, behind)?];
                    Tensor::f_cat(&all, dim as i64)
                };
                work().into_result()
            }
        }
    }
}

impl Model {
    /// The same network, in which tokens stand for the pixels of a grid: outputs `[N, tokens, C]` with so many tokens
    /// are maps of `[rows, columns]`, one token a pixel and row by row, behind and before other tokens, those of
    /// classes and registers, `[before, behind]`. The parameters are shared.
    ///
    /// Where pixels become tokens by a convolution or by a reshape, this is known without. It is needed where patches
    /// are cut out otherwise, where a closure makes the tokens, and where tokens are pooled. Said again for another
    /// number of tokens, both hold; for the same number, the last word counts.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// use tch::Kind;
    ///
    /// let mut net = Model::builder("patches", [3, 24, 40]);
    /// let x = net.input();
    /// // 3 × 5 patches of 8 × 8 pixels, and their mean behind them.
    /// let x = net.function("patches", |x, _| {
    ///     let patches = x[0].unfold(2, 8, 8).unfold(3, 8, 8).permute([0, 2, 3, 1, 4, 5]).reshape([-1, 15, 192]);
    ///     Tensor::cat(&[&patches, &patches.mean_dim(1, true, Kind::Float)], 1)
    /// }, &[x]);
    /// let x = net.add("tokens", Linear::new(192, 8), &[x]);
    /// let x = net.function("mean", |x, _| x[0].mean_dim(1, false, Kind::Float), &[x]);
    /// net.add("fc", Linear::new(8, 2), &[x]);
    /// let model = net.build()?.tokens_as_maps([3, 5], [0, 1])?;
    ///
    /// let look = model.look_input(&Tensor::rand([1, 3, 24, 40], tch::kind::FLOAT_CPU))?;
    /// assert_eq!(look.layer("tokens")?.tensor().size(), [1, 8, 3, 5]);
    /// let heat = look.explain(&GradCam::at("tokens"))?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// No rows or columns; a number of tokens that no layer has: the error lists those that layers have.
    pub fn tokens_as_maps(
        &self,
        [rows, columns]: [i64; 2],
        [before, behind]: [i64; 2],
    ) -> Result<Model> {
        let count = rows
            .checked_mul(columns)
            .and_then(|pixels| pixels.checked_add(before)?.checked_add(behind));
        let Some(count) = count.filter(|_| rows.min(columns) > 0 && before.min(behind) >= 0) else {
            return Err(Error::Argument(format!(
                "a grid of {rows} rows and {columns} columns with {before} tokens before it and {behind} behind it \
                 cannot be: give at least one row and column, and no negative numbers"
            )));
        };
        let varies = self.depending_on(self.input());
        let nodes = self.inner.nodes.iter().zip(varies).filter(|(_, varies)| *varies);
        let counts: BTreeSet<i64> = nodes
            .filter_map(|(node, _)| match node.shape[..] {
                [1, count, _] if count > 1 => Some(count),
                _ => None,
            })
            .collect();
        if !counts.contains(&count) {
            let listed: Vec<String> = counts.iter().map(i64::to_string).collect();
            return Err(Error::Argument(format!(
                "{rows} × {columns} pixels with {before} tokens before them and {behind} behind them are {count} tokens, \
                 which no layer of {} has; outputs [photos, tokens, channels] have {}",
                self.name(),
                if listed.is_empty() {
                    "none".to_owned()
                } else {
                    format!("{} tokens", listed.join(", "))
                }
            )));
        }
        let told = Grid::Tokens { dim: 1, size: [rows, columns], others: [before, behind] };
        let token_grids = std::iter::once(told).chain(self.token_grids.iter().copied()).collect();
        Ok(Model { token_grids, ..self.clone() })
    }

    /// The grid that was said to be that of a layer's tokens.
    fn told_grid(&self, id: NodeId, shape: &[i64]) -> Option<Grid> {
        // Windows of a photo have more than one first place for a single photo.
        let (&[1, ..], &[_, count, _]) = (self.shape_of(id), shape) else { return None };
        if matches!(self.op_of(id), Op::Constant(_) | Op::Parameter(_)) {
            return None;
        }
        self.token_grids.iter().copied().find(|grid| grid.tokens() == Some(count))
    }

    /// Where each layer's output has rows and columns, as far as that can be told. `shapes` are those of the
    /// outputs.
    pub(super) fn grids(&self, shapes: &[Vec<i64>]) -> Vec<Option<Grid>> {
        let mut grids: Vec<Option<Grid>> = Vec::with_capacity(shapes.len());
        for (index, shape) in shapes.iter().enumerate() {
            let id = NodeId(index);
            let inputs: Vec<(Option<Grid>, &[i64])> =
                self.inputs_of(id).iter().map(|i| (grids[i.0], shapes[i.0].as_slice())).collect();
            let told = self.told_grid(id, shape);
            grids.push(told.or_else(|| grid(self.op_of(id), &inputs, shape)));
        }
        grids
    }

    /// Those of some layers for inputs of this shape; of four dimensions nothing is known of, the last two are
    /// rows and columns.
    pub(crate) fn grids_of(&self, layers: &[NodeId], input: &[i64]) -> Result<Vec<Option<Grid>>> {
        let shapes = self.output_shapes(input)?;
        let grids = self.grids(&shapes);
        let grid = |layer: &NodeId| {
            let usual = shapes[layer.0].len() == 4;
            grids[layer.0].or(usual.then_some(Grid::USUAL))
        };
        Ok(layers.iter().map(grid).collect())
    }

    /// How many channels the maps of a layer have, wherever they stand and tokens as maps among them; nothing where
    /// it has no maps.
    pub(crate) fn map_channels(&self, layer: NodeId) -> Result<Option<i64>> {
        let shape = self.shape_of(layer);
        let grid = self.grids_of(&[layer], &self.input_size(1))?.pop().flatten();
        let dim = grid.and_then(|grid| grid.channels(shape.len()));
        Ok(dim.and_then(|dim| shape.get(dim)).copied())
    }

    /// Which tokens of these layers are pixels, in words; nothing where pixels are no tokens.
    pub(crate) fn pixel_tokens(&self, layers: &[NodeId]) -> Result<Vec<Option<String>>> {
        let grids = self.grids_of(layers, &self.input_size(1))?.into_iter();
        let words = grids.map(|grid| match grid {
            Some(Grid::Tokens { size: [rows, columns], others: [before, behind], .. }) => {
                Some(format!("{rows} × {columns} with {before} before them and {behind} behind"))
            }
            _ => None,
        });
        Ok(words.collect())
    }

    /// Values of some layers as maps, `[photos, channels, height, width]`, where they have any, for inputs of this
    /// shape.
    pub(crate) fn as_maps(
        &self,
        layers: &[NodeId],
        input: &[i64],
        values: Vec<Tensor>,
    ) -> Result<Vec<Tensor>> {
        let one: Vec<i64> = std::iter::once(1).chain(input.iter().skip(1).copied()).collect();
        let grids = self.grids_of(layers, &one)?;
        let maps = grids.into_iter().zip(values).map(|(grid, value)| match grid {
            Some(grid) if grid != Grid::USUAL => Ok(grid.to_maps(&value)?.unwrap_or(value)),
            _ => Ok(value),
        });
        maps.collect()
    }

    /// Whether each pixel of a layer's output follows from the same pixel of its input alone, wherever rows and
    /// columns stand.
    pub(super) fn keeps_pixels(&self, id: NodeId) -> bool {
        match self.op_of(id) {
            Op::Rearrange(how) => matches!(how, Rearrange::Permute(_) | Rearrange::Reshape(_)),
            // Over groups of channels, with all of their pixels.
            Op::Norm(norm) if norm.last().is_none() => false,
            op => stays(op),
        }
    }
}

/// Layers that give each value, or each pixel with its channels, another one at the same place.
fn stays(op: &Op) -> bool {
    matches!(
        op,
        Op::Linear(_)
            | Op::Norm(_)
            | Op::Relu
            | Op::Relu6
            | Op::Sigmoid
            | Op::Silu
            | Op::Elementwise(_)
            | Op::Dropout(_)
            | Op::Dropout2d(_)
            | Op::StochasticDepth(_)
            | Op::Add
            | Op::Multiply
            | Op::Arithmetic(_)
            | Op::Cast(_)
    )
}

fn grid(op: &Op, inputs: &[(Option<Grid>, &[i64])], shape: &[i64]) -> Option<Grid> {
    let first = inputs.first().copied();
    let before = first.and_then(|(grid, _)| grid);
    match op {
        Op::Linear(_) => before.filter(|grid| beside_last(*grid, 1, shape)),
        Op::Norm(norm) => match norm.last() {
            Some(last) => before.filter(|grid| beside_last(*grid, last, shape)),
            None => before,
        },
        op if stays(op) => {
            // What is added or scales may be of any order: it is the other's that counts.
            let whole = inputs.iter().filter(|(_, other)| *other == shape);
            whole.filter_map(|(grid, _)| *grid).next()
        }
        Op::Rearrange(how) => rearranged(how, before?, first?.1, shape),
        Op::Join(dim) => joined(*dim, inputs),
        Op::Pad(_) | Op::Softmax(_) => before,
        Op::MatMul
        | Op::Einsum(_)
        | Op::Attention(_)
        | Op::Reduce(_)
        | Op::Index(_)
        | Op::Gather(_)
        | Op::TopK(_)
        | Op::Where => None,
        Op::Constant(_) | Op::Parameter(_) => None,
        // All others take maps in the usual order alone, and give them so.
        _ => (shape.len() == 4 && before.is_none_or(|grid| grid == Grid::USUAL))
            .then_some(Grid::USUAL),
    }
}

fn beside_last(grid: Grid, count: usize, shape: &[i64]) -> bool {
    grid.dims().iter().all(|dim| dim + count < shape.len())
}

fn rearranged(how: &Rearrange, grid: Grid, from: &[i64], to: &[i64]) -> Option<Grid> {
    match how {
        Rearrange::Permute(dims) => grid.moved(|dim| dims.iter().position(|&from| from == dim)),
        Rearrange::Reshape(_) => reshaped(grid, from, to),
        Rearrange::Slice { dim, start, step, .. } => match grid {
            Grid::Tokens { dim: tokens, size, others: [before, behind] } if tokens == *dim => {
                // Other tokens are cut off.
                let (all, left) = (*from.get(tokens)?, *to.get(tokens)?);
                let start = if *start < 0 { start.saturating_add(all) } else { *start };
                let (before, cut) = (before - start, all - start - left);
                let whole = *step == 1 && start >= 0 && before >= 0 && cut <= behind;
                let others = [before, behind - cut];
                whole.then_some(Grid::Tokens { dim: tokens, size, others })
            }
            grid => Some(grid),
        },
        Rearrange::Select { dim, .. } => match grid.dims().contains(dim) {
            true => None,
            false => grid.moved(|own| Some(if own > *dim { own - 1 } else { own })),
        },
        Rearrange::Unsqueeze(dim) => {
            grid.moved(|own| Some(if own >= *dim { own + 1 } else { own }))
        }
        Rearrange::Squeeze(dims) => {
            grid.moved(|own| Some(own - dims.iter().filter(|&&dim| dim < own).count()))
        }
        Rearrange::Roll(_) | Rearrange::Flip(_) => Some(grid),
        Rearrange::Expand(_) | Rearrange::Repeat(_) => None,
    }
}

/// Pixels that stay apart from what is put together or taken apart before or behind them, and pixels that
/// become tokens or are made of them.
fn reshaped(grid: Grid, from: &[i64], to: &[i64]) -> Option<Grid> {
    let [first, last] = grid.dims();
    let (least, most) = (first.min(last), first.max(last));
    let [rows, columns] = grid.size(from)?;
    let before =
        |dim: usize| from.get(..dim) == to.get(..dim) && from.len() > dim && to.len() > dim;
    match grid {
        Grid::Axes([down, across]) if across == down + 1 => {
            let tokens = before(down)
                && to.get(down) == Some(&(rows * columns))
                && from.get(across + 1..) == to.get(down + 1..);
            if tokens {
                return Some(Grid::Tokens { dim: down, size: [rows, columns], others: [0, 0] });
            }
        }
        Grid::Tokens { dim, others: [0, 0], .. } => {
            let pixels = before(dim)
                && to.get(dim..dim + 2) == Some(&[rows, columns])
                && from.get(dim + 1..) == to.get(dim + 2..);
            if pixels {
                return Some(Grid::Axes([dim, dim + 1]));
            }
        }
        _ => {}
    }
    // Everything up to them is as it was; or everything from them on.
    if from.get(..=most) == to.get(..=most) && to.len() > most {
        return Some(grid);
    }
    let behind = from.len().checked_sub(least)?;
    let start = to.len().checked_sub(behind)?;
    let same = to.get(start..) == from.get(least..);
    grid.moved(|dim| same.then(|| start + (dim - least)))
}

/// Tokens to which others are joined.
fn joined(dim: usize, inputs: &[(Option<Grid>, &[i64])]) -> Option<Grid> {
    let mut with = inputs.iter().enumerate().filter_map(|(i, (grid, _))| Some((i, (*grid)?)));
    let (place, grid) = with.next()?;
    match grid {
        Grid::Tokens { dim: tokens, size, others: [before, behind] } if tokens == dim => {
            if with.next().is_some() {
                return None;
            }
            let count = |inputs: &[(Option<Grid>, &[i64])]| -> Option<i64> {
                inputs.iter().map(|(_, shape)| shape.get(dim).copied()).sum()
            };
            let (before, behind) =
                (before + count(&inputs[..place])?, behind + count(&inputs[place + 1..])?);
            Some(Grid::Tokens { dim, size, others: [before, behind] })
        }
        grid if grid.dims().contains(&dim) => None,
        grid => Some(grid),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pixels_are_found_again_as_tokens_and_behind_other_dimensions() {
        let usual = Grid::USUAL;
        let tokens = Grid::Tokens { dim: 2, size: [7, 9], others: [0, 0] };
        assert_eq!(reshaped(usual, &[1, 8, 7, 9], &[1, 8, 63]), Some(tokens));
        assert_eq!(reshaped(tokens, &[1, 8, 63], &[1, 8, 7, 9]), Some(usual));
        assert_eq!(reshaped(usual, &[1, 8, 7, 9], &[1, 2, 4, 7, 9]), Some(Grid::Axes([3, 4])));
        assert_eq!(reshaped(Grid::Axes([3, 4]), &[1, 2, 4, 7, 9], &[1, 8, 7, 9]), Some(usual));
        let last = Grid::Axes([1, 2]);
        assert_eq!(reshaped(last, &[1, 7, 9, 8], &[1, 7, 9, 2, 4]), Some(last));
        assert_eq!(reshaped(last, &[1, 7, 9, 8], &[1, 1, 7, 9, 8]), Some(Grid::Axes([2, 3])));
        assert_eq!(reshaped(last, &[1, 8, 8, 6], &[1, 2, 4, 2, 4, 6]), None);
        let joined = joined(
            1,
            &[
                (None, &[1, 1, 5]),
                (Some(Grid::Tokens { dim: 1, size: [2, 2], others: [0, 0] }), &[1, 4, 5]),
            ],
        );
        assert_eq!(joined, Some(Grid::Tokens { dim: 1, size: [2, 2], others: [1, 0] }));
        let cut = Rearrange::Slice { dim: 1, start: 1, end: i64::MAX, step: 1 };
        let rest = rearranged(&cut, joined.expect("tokens"), &[1, 5, 5], &[1, 4, 5]);
        assert_eq!(rest, Some(Grid::Tokens { dim: 1, size: [2, 2], others: [0, 0] }));
    }

    #[test]
    fn maps_come_back_as_what_they_were() {
        let float = tch::kind::FLOAT_CPU;
        let tokens = Tensor::rand([1, 8, 5], float);
        let grid = Grid::Tokens { dim: 1, size: [2, 3], others: [1, 1] };
        let maps = grid.to_maps(&tokens).expect("tokens").expect("maps");
        assert_eq!(maps.size(), [1, 5, 2, 3]);
        assert_eq!(maps.double_value(&[0, 4, 1, 0]), tokens.double_value(&[0, 1 + 3, 4]));
        assert_eq!(grid.with_maps(&maps, &tokens).expect("tokens"), tokens);
        let last = Tensor::rand([2, 3, 4, 5], float);
        let grid = Grid::Axes([1, 2]);
        let maps = grid.to_maps(&last).expect("pixels").expect("maps");
        assert_eq!(
            (maps.size(), grid.with_maps(&maps, &last).expect("pixels")),
            (vec![2, 5, 3, 4], last)
        );
    }
}
