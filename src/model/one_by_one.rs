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
            for (feeds, photo) in each.iter_mut().zip(0..) {
                feeds.push((*id, self.part_of(&by_photo, *id, tensor, photo)?));
            }
        }
        Ok(Some(each))
    }

    /// Which layers have a value for each photo: those that follow from the photo or from an input of which each
    /// photo has its own.
    pub(crate) fn by_photo(&self) -> Vec<bool> {
        self.following(|id, op| {
            matches!(op, Op::Input) && (id == self.input() || self.goes_with_photos(id))
        })
    }

    /// What a layer has in its first dimension for one photo.
    fn rows_of(&self, id: NodeId) -> i64 {
        self.shape_of(id).first().map_or(1, |rows| (*rows).max(1))
    }

    /// A layer's value for one photo of a batch; what is the same for all, as it is. `by_photo` is that of all layers.
    pub(crate) fn part_of(
        &self,
        by_photo: &[bool],
        id: NodeId,
        value: &Tensor,
        photo: i64,
    ) -> Result<Tensor> {
        if !by_photo[id.0] {
            return Ok(value.shallow_clone());
        }
        let rows = self.rows_of(id);
        match self.shape_of(id).is_empty() {
            true => value.f_select(0, photo),
            false => value.f_narrow(0, photo * rows, rows),
        }
        .into_result()
    }

    /// The dimension in which a layer's value goes with the photos, of inputs of this shape, which are several: the
    /// first of nearly all layers, the second of tokens `[tokens, photos, channels]`.
    pub(crate) fn photo_dim(&self, id: NodeId, value: &[i64], input: &[i64]) -> Result<usize> {
        let photos = input.first().copied().unwrap_or(1);
        let first = self.shape_of(id).first();
        if first.is_none() || (first == Some(&1) && value.first() == Some(&photos)) {
            return Ok(0);
        }
        let one = self.output_shapes(&[&[1], input.get(1..).unwrap_or_default()].concat())?;
        let own = one[id.0].as_slice();
        let sides = || value.iter().zip(own).enumerate();
        let differ: Vec<usize> =
            sides().filter(|(_, (all, one))| all != one).map(|(dim, _)| dim).collect();
        match differ[..] {
            [dim] if own.len() == value.len() && value[dim] == own[dim].saturating_mul(photos) => {
                Ok(dim)
            }
            _ => Err(Error::Shape(format!(
                "layer {:?} of {} has {value:?} for {photos} photos and {own:?} for one: what belongs to each cannot \
                 be told; look at one after the other",
                self.layer_name(id),
                self.name()
            ))),
        }
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
        let by_photo = self.by_photo();
        if by_photo[id.0] {
            let part = |photo| self.part_of(&by_photo, id, &gradient, photo);
            return (0..photos as i64).map(part).collect();
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

#[cfg(test)]
mod tests {
    use tch::kind::FLOAT_CPU;

    use super::*;
    use crate::attribution::Saliency;
    use crate::model::backward::{Back, Rule};
    use crate::model::{Arithmetic, Builder, Linear, Pass};

    /// A photo, four numbers beside each, and three that are the same for all photos.
    fn three_inputs() -> Builder {
        let mut net = Model::builder("three inputs", [2, 3, 3]);
        let photo = net.input();
        let beside = net.add_input("beside", [4]);
        let shared = net.add_input_of("shared".into(), "shared".into(), vec![3]);
        let pixels = net.add("flatten", Op::Flatten, &[photo]);
        let both = net.add("both", Op::Concat, &[pixels, beside]);
        let three = net.add("three", Linear::new(22, 3), &[both]);
        let double = net.add("double", Arithmetic::Add, &[shared, shared]);
        net.add("scaled", Arithmetic::Multiply, &[three, double]);
        net.seed(1)
    }

    #[test]
    fn several_inputs_are_taken_apart_together() {
        let [all, each] =
            [three_inputs(), three_inputs().one_by_one()].map(|net| net.build().expect("builds"));
        let value = |size: &[i64]| Tensor::rand(size, FLOAT_CPU);
        let (photos, beside, shared) = (value(&[2, 2, 3, 3]), value(&[2, 4]), value(&[3]));
        let same =
            |a: &Tensor, b: &Tensor| a.size() == b.size() && a.allclose(b, 1e-5, 1e-6, false);
        let feeds = [("input", &photos), ("beside", &beside), ("shared", &shared)];
        let wanted = ["output", "double"];
        let (a, b) = (all.run(&feeds, &wanted).expect("runs"), each.run(&feeds, &wanted));
        let b = b.expect("runs one by one");
        assert!(same(&a[0], &b[0]) && same(&a[1], &b[1]), "{a:?} {b:?}");

        // Gradients of what has photos and of what has not, from layers of both kinds.
        for input in ["input", "beside", "shared"] {
            let gradient = |model: &Model| {
                let mut feeds = feeds.to_vec();
                feeds.sort_by_key(|(name, _)| *name != input);
                let fed = feeds.iter().map(|(name, t)| (model.find_fed(name).expect("there"), *t));
                let fed: Vec<(NodeId, &Tensor)> = fed.collect();
                let layers = wanted.map(|name| model.find(name).expect("there"));
                let score = |values: &[Tensor]| {
                    (values[0].square().sum(FLOAT_CPU.0) + values[1].square().sum(FLOAT_CPU.0))
                        .f_mul_scalar(0.5)
                        .into_result()
                };
                let back = Back { rule: Rule::Natural, again: false };
                model.gradient_back(back, &fed, &layers, score).expect("goes back").1.expect("one")
            };
            assert!(same(&gradient(&all), &gradient(&each)), "{input}");
        }

        // Held fixed, one value is for all photos.
        let fixed = |model: &Model| {
            let model = model.fix("beside", &beside.narrow(0, 0, 1)).expect("fits");
            model.fix("shared", &shared).expect("fits")
        };
        let (all, each) = (fixed(&all), fixed(&each));
        let made = |model: &Model| model.forward_as(Pass::Inference, &photos).expect("runs");
        assert!(same(&made(&all), &made(&each)));
        assert_eq!(each.output_shapes(&[2, 2, 3, 3]).expect("shapes")[2], [3]);
        let maps = |model: &Model| {
            let looks = model.look_inputs(&photos).expect("looks");
            let heats = looks.explain(&Saliency::default().class(1)).expect("heat maps");
            Tensor::from_slice(heats[1].raw())
        };
        assert!(same(&maps(&all), &maps(&each)));
        assert!(each.first_not_finite(&photos).expect("runs").is_none());
    }
}
