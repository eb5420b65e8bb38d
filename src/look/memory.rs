//! What a network has computed of a batch of inputs, so that nothing is computed twice.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;

use tch::Tensor;

use crate::error::{Error, Result};
use crate::model::{LayerRef, Model, NodeId, Pass};
use crate::tensor::{IntoResult, plain_numbers};

/// Of inputs with more values than this it is asked whether there is memory for what follows.
const LARGE: usize = 1 << 24;

/// A batch of inputs under one network, with the activations that were asked for.
pub(crate) struct Memory {
    model: Model,
    /// What every later step starts from; grows with the layers that were asked for.
    known: Rc<RefCell<HashMap<NodeId, Tensor>>>,
    /// The model's training passes when all that became known.
    trainings: Rc<Cell<u64>>,
}

impl Memory {
    /// `input` is a batch, `[N, C, H, W]`.
    pub(crate) fn new(model: &Model, input: Tensor) -> Result<Memory> {
        let input = plain_numbers(&input).map_err(|e| e.while_doing("the input"))?;
        model.check_input(&input)?;
        if input.numel() > LARGE {
            model.check_memory(&input.size())?;
        }
        let input = input.f_to_device(model.device()).into_result()?;
        let mut known: HashMap<NodeId, Tensor> =
            model.fixed_beside(&[(model.input(), &input)])?.into_iter().collect();
        known.insert(model.input(), input);
        Ok(Memory {
            model: model.clone(),
            known: Rc::new(RefCell::new(known)),
            trainings: Rc::new(Cell::new(model.trainings())),
        })
    }

    /// The same inputs and what is known of them, where another output of the network counts.
    pub(crate) fn with_output(&self, output: &LayerRef) -> Result<Memory> {
        Ok(self.seen_by(self.model.with_output(output)?))
    }

    /// The same where a layer is the network's end.
    pub(crate) fn up_to(&self, layer: &LayerRef) -> Result<Memory> {
        Ok(self.seen_by(self.model.ending_at(layer.clone())?))
    }

    /// The same where another input is looked at, and all others are held at what they were fed.
    pub(crate) fn with_input(&self, input: LayerRef) -> Result<Memory> {
        Ok(self.seen_by(self.model.with_input(input, |id| self.activation(id))?))
    }

    fn seen_by(&self, model: Model) -> Memory {
        let (known, trainings) = (Rc::clone(&self.known), Rc::clone(&self.trainings));
        Memory { model, known, trainings }
    }

    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// The batch, `[N, C, H, W]`.
    pub(crate) fn input(&self) -> Result<Tensor> {
        self.activation(self.model.input())
    }

    /// One of the batch, with what is known of it.
    pub(crate) fn one(&self, index: i64) -> Result<Memory> {
        let input = self.input()?.size();
        let photos = input.first().copied().unwrap_or(1).max(1);
        let (known, by_photo) = (self.known.borrow(), self.model.by_photo());
        let part = |(id, value): (&NodeId, &Tensor)| {
            if !by_photo[id.0] || photos == 1 {
                return Ok((*id, value.shallow_clone()));
            }
            if self.model.shape_of(*id).is_empty() {
                return Ok((*id, value.f_select(0, index).into_result()?));
            }
            let size = value.size();
            let dim = self.model.photo_dim(*id, &size, &input)?;
            let rows = size[dim] / photos;
            let part = value.f_narrow(dim as i64, index * rows, rows);
            Ok((*id, part.into_result()?))
        };
        let known: Result<HashMap<NodeId, Tensor>> = known.iter().map(part).collect();
        Ok(Memory {
            model: self.model.clone(),
            known: Rc::new(RefCell::new(known?)),
            trainings: Rc::new(Cell::new(self.trainings.get())),
        })
    }

    pub(crate) fn activation(&self, id: NodeId) -> Result<Tensor> {
        let mut values = self.activations(&[id])?;
        values.pop().ok_or_else(|| Error::Shape("no activation".into()))
    }

    /// The outputs of these layers, computed from the nearest that are known, and remembered.
    pub(crate) fn activations(&self, wanted: &[NodeId]) -> Result<Vec<Tensor>> {
        self.forget_after_training();
        let mut known = self.known.borrow_mut();
        let missing: Vec<NodeId> =
            wanted.iter().copied().filter(|id| !known.contains_key(id)).collect();
        if !missing.is_empty() {
            let feeds: Vec<(NodeId, &Tensor)> = known.iter().map(|(id, t)| (*id, t)).collect();
            let values = self.model.run_nodes(Pass::Inference, &feeds, &missing)?;
            known.extend(missing.into_iter().zip(values));
        }
        Ok(wanted.iter().map(|id| known[id].shallow_clone()).collect())
    }

    fn knows(&self, id: NodeId) -> bool {
        self.forget_after_training();
        self.known.borrow().contains_key(&id)
    }

    /// The network's output. The layer that explanations start from by default comes out of the
    /// same pass.
    pub(crate) fn output(&self) -> Result<Tensor> {
        if self.knows(self.model.output()) {
            return self.activation(self.model.output());
        }
        let mut wanted = vec![self.model.output()];
        if let Ok(layer) = self.model.last_maps() {
            wanted.push(self.model.find(&layer)?);
        }
        Ok(self.activations(&wanted)?.swap_remove(0))
    }

    /// The values that lead around a layer to the output, for so many values of the layer: as many as
    /// in the batch, or, of one alone, any number. They are computed once, and remembered.
    pub(crate) fn around(&self, layer: NodeId, count: i64) -> Result<Vec<(NodeId, Tensor)>> {
        let around = self.model.around(layer);
        let (values, by_photo) = (self.activations(&around)?, self.model.by_photo());
        let input = self.input()?.size();
        let alone = input.first() == Some(&1);
        let values = around.iter().zip(values).map(|(id, t)| match t.size().first() {
            Some(1) if count > 1 && by_photo[id.0] => {
                let mut size = t.size();
                size[0] = count;
                t.f_expand(size, false).into_result()
            }
            Some(_) if count > 1 && alone && by_photo[id.0] => self.repeated(*id, &t, count),
            _ => Ok(t),
        });
        let values = values.collect::<Result<Vec<_>>>()?;
        Ok(around.into_iter().zip(values).collect())
    }

    /// A layer's value for one photo, so many times: where the first dimension counts something else than photos.
    fn repeated(&self, id: NodeId, value: &Tensor, count: i64) -> Result<Tensor> {
        let mut input = self.input()?.size();
        input[0] = count;
        let mut size = self.model.output_shapes(&input)?.swap_remove(id.0);
        let own = value.size();
        // What is the same for all stays as it is.
        if size == own {
            return Ok(value.shallow_clone());
        }
        let dim = self.model.photo_dim(id, &size, &input)?;
        size.fill(1);
        size[dim] = count;
        value.f_repeat(size).into_result()
    }

    /// The network's output when `layer` has this value instead of its own, for as many inputs as
    /// `value` has. Who asks for it asks many times.
    pub(crate) fn output_from(&self, layer: NodeId, value: &Tensor) -> Result<Tensor> {
        let around = self.around(layer, value.size().first().copied().unwrap_or(0))?;
        let mut feeds: Vec<(NodeId, &Tensor)> = around.iter().map(|(id, t)| (*id, t)).collect();
        feeds.push((layer, value));
        let output = self.model.output();
        let mut outputs = self.model.run_nodes(Pass::Repeated, &feeds, &[output])?;
        outputs.pop().ok_or_else(|| Error::Shape("no output".into()))
    }

    /// Remembers an output that came out of another pass.
    pub(crate) fn remember_output(&self, output: &Tensor) {
        let id = self.model.output();
        self.known.borrow_mut().entry(id).or_insert_with(|| output.detach());
    }

    /// All but the inputs is worth nothing once the parameters have changed.
    fn forget_after_training(&self) {
        let trainings = self.model.trainings();
        if self.trainings.replace(trainings) != trainings {
            self.known.borrow_mut().retain(|id, _| self.model.is_input(*id));
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::model::{Model, Op};

    #[test]
    fn an_input_that_no_memory_holds_the_answers_to_is_refused() {
        let mut net = Model::builder("large", [1, 8, 8]);
        let x = net.input();
        net.add("relu", Op::Relu, &[x]);
        let model = net.build().expect("a network");
        assert!(model.check_memory(&[1, 1, 1 << 10, 1 << 10]).is_ok());
        if cfg!(target_os = "linux") {
            let text =
                model.check_memory(&[1, 1, 1 << 20, 1 << 20]).expect_err("8.8 TB").to_string();
            for part in ["8796.1 GB", "Preprocess::shorter", "fewer at once"] {
                assert!(text.contains(part), "{text}");
            }
        }
    }
}
