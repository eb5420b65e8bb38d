//! Networks that take one photo at a time: a batch is taken apart, and what the photos give is joined.

use tch::Tensor;

use super::{Model, NodeId, Op};
use crate::error::{Error, Result};
use crate::show::line;
use crate::tensor::IntoResult;

/// The values that some layers have for one photo.
pub(super) type Feeds = Vec<(NodeId, Tensor)>;

pub(super) fn borrowed(feeds: &Feeds) -> Vec<(NodeId, &Tensor)> {
    feeds.iter().map(|(id, tensor)| (*id, tensor)).collect()
}

impl Model {
    /// Whether the network takes one photo at a time, as a file may say that it was read from. The photos of a
    /// batch then run one by one, and what they give is joined along the first dimension: all works that does
    /// otherwise, but no faster than photo by photo.
    pub fn takes_one_photo(&self) -> bool {
        self.inner.one_by_one.is_some()
    }

    /// The feeds of each photo, if there are several and the network takes one at a time.
    pub(super) fn apart(&self, feeds: &[(NodeId, &Tensor)]) -> Result<Option<Vec<Feeds>>> {
        let Some(said) = &self.inner.one_by_one else { return Ok(None) };
        let by_photo = self.by_photo();
        let mut photos: Option<i64> = None;
        for (id, tensor) in feeds.iter().filter(|(id, _)| by_photo[id.0]) {
            let (rows, size) = (self.rows_of(*id), tensor.size().first().copied().unwrap_or(1));
            if size % rows != 0 || photos.is_some_and(|photos| photos * rows != size) {
                return Err(Error::Shape(format!(
                    "{} takes one photo at a time, for which layer {:?} has {rows} in the first dimension; got {:?}",
                    self.name(),
                    self.layer_name(*id),
                    tensor.size()
                )));
            }
            photos = Some(size / rows);
        }
        let Some(photos) = photos.filter(|photos| *photos > 1) else { return Ok(None) };
        if !said.replace(true) {
            line(&format!("{}: {}", self.name(), self.one_by_one_note()));
        }
        let mut each: Vec<Feeds> = (0..photos).map(|_| Vec::with_capacity(feeds.len())).collect();
        for (id, tensor) in feeds {
            let parts = match by_photo[id.0] {
                true => self.parts_of(*id, tensor, photos)?,
                false => (0..photos).map(|_| tensor.shallow_clone()).collect(),
            };
            for (feeds, part) in each.iter_mut().zip(parts) {
                feeds.push((*id, part));
            }
        }
        Ok(Some(each))
    }

    /// Which layers have a value for each photo: those that follow from the photo or from an input of which each
    /// photo has its own.
    fn by_photo(&self) -> Vec<bool> {
        let mut by_photo = vec![false; self.inner.nodes.len()];
        for (index, node) in self.inner.nodes.iter().enumerate() {
            let id = NodeId(index);
            by_photo[index] = match node.op {
                Op::Input => id == self.input() || self.goes_with_photos(id),
                _ => node.inputs.iter().any(|id| by_photo[id.0]),
            };
        }
        by_photo
    }

    /// What a layer has in its first dimension for one photo.
    fn rows_of(&self, id: NodeId) -> i64 {
        self.shape_of(id).first().map_or(1, |rows| (*rows).max(1))
    }

    /// A layer's value for so many photos, photo by photo.
    fn parts_of(&self, id: NodeId, value: &Tensor, photos: i64) -> Result<Vec<Tensor>> {
        let rows = self.rows_of(id);
        let part = |photo| match self.shape_of(id).is_empty() {
            true => value.f_select(0, photo),
            false => value.f_narrow(0, photo * rows, rows),
        };
        (0..photos).map(|photo| part(photo).into_result()).collect()
    }

    /// A gradient at a layer's value for so many photos, photo by photo; where the value is the same for all, in
    /// equal parts.
    pub(super) fn gradient_parts(
        &self,
        id: NodeId,
        gradient: Tensor,
        photos: usize,
    ) -> Result<Vec<Tensor>> {
        if photos == 1 {
            return Ok(vec![gradient]);
        }
        if self.by_photo()[id.0] {
            return self.parts_of(id, &gradient, photos as i64);
        }
        let part = gradient.f_div_scalar(photos as f64).into_result()?;
        Ok((0..photos).map(|_| part.shallow_clone()).collect())
    }

    /// The gradient at a layer's value for all photos, from those for each.
    pub(super) fn joined_gradient(&self, id: NodeId, gradients: Vec<Tensor>) -> Result<Tensor> {
        if self.by_photo()[id.0] || gradients.len() == 1 {
            return self.joined(id, gradients);
        }
        Tensor::f_stack(&gradients, 0)
            .and_then(|each| each.f_sum_dim_intlist(0, false, gradients[0].kind()))
            .into_result()
    }

    /// A layer's value for all photos, from those for each; what no photo changes is the same for all.
    pub(super) fn joined(&self, id: NodeId, mut values: Vec<Tensor>) -> Result<Tensor> {
        match values.len() {
            1 => Ok(values.remove(0)),
            _ if !self.by_photo()[id.0] => Ok(values.remove(0)),
            _ if self.shape_of(id).is_empty() => Tensor::f_stack(&values, 0).into_result(),
            _ => Tensor::f_cat(&values, 0).into_result(),
        }
    }

    /// In words.
    pub(super) fn one_by_one_note(&self) -> &'static str {
        "it takes one photo at a time, as its file has it: the photos of a batch run one by one"
    }

    /// The shapes of all layers for so many photos, from those for one.
    pub(super) fn repeated_shapes(&self, mut shapes: Vec<Vec<i64>>, photos: i64) -> Vec<Vec<i64>> {
        let by_photo = self.by_photo();
        for (shape, _) in shapes.iter_mut().zip(by_photo).filter(|(_, by_photo)| *by_photo) {
            match shape.first_mut() {
                Some(first) => *first = first.saturating_mul(photos),
                None => shape.push(photos),
            }
        }
        shapes
    }
}
