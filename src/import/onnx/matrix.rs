//! Matrices that something is multiplied by from the right: the file has them row by row, and a fully connected
//! layer of ours column by column.

use std::collections::HashSet;

use convlens_formats::onnx::{Attribute, Network, Node};
use tch::{Device, Kind, Tensor};

use crate::error::Result;
use crate::tensor::IntoResult;

/// Their names.
pub(super) fn turned(network: &Network) -> HashSet<&str> {
    let is_turned = |node: &&Node| match node.kind.as_str() {
        "MatMul" => true,
        "Gemm" => !node.attributes.contains(&("transB".to_owned(), Attribute::Int(1))),
        _ => false,
    };
    let nodes = network.nodes.iter().filter(is_turned);
    nodes.filter_map(|node| node.inputs.get(1).map(String::as_str)).collect()
}

/// A matrix that is read row by row and lies in memory column by column, so that it never lies there in both ways.
pub(super) struct ByColumns {
    /// `[columns, rows]`
    tensor: Tensor,
    /// Rows that are read, and not there yet.
    rows: Vec<f32>,
    /// How many are there.
    done: i64,
}

impl ByColumns {
    /// As many values at a time: 4 MB, or a row.
    const PART: usize = 1 << 20;

    pub(super) fn new([rows, columns]: [i64; 2]) -> Result<ByColumns> {
        let tensor = Tensor::f_empty([columns, rows], (Kind::Float, Device::Cpu)).into_result()?;
        Ok(ByColumns { tensor, rows: Vec::new(), done: 0 })
    }

    pub(super) fn push(&mut self, values: &[f32]) -> Result<()> {
        self.rows.extend_from_slice(values);
        match self.rows.len() < Self::PART {
            true => Ok(()),
            false => self.turn(),
        }
    }

    /// Puts the whole rows in their places.
    fn turn(&mut self) -> Result<()> {
        let &[columns, rows] = self.tensor.size().as_slice() else { return Ok(()) };
        let count = (self.rows.len() as i64 / columns.max(1)).min(rows - self.done);
        let values = (count * columns) as usize;
        let turn = || {
            let part = Tensor::f_from_slice(&self.rows[..values])?.f_view([count, columns])?;
            self.tensor.f_narrow(1, self.done, count)?.f_copy_(&part.f_tr()?)
        };
        turn().into_result()?;
        self.rows.drain(..values);
        self.done += count;
        Ok(())
    }

    /// `[rows, columns]`
    pub(super) fn finish(mut self) -> Result<Tensor> {
        self.turn()?;
        self.tensor.f_tr().into_result()
    }
}
