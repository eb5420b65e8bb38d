//! What a method works on: a batch of inputs, and of each the score that is to be explained.

use std::cell::OnceCell;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::Target;
use super::resolved_target::{ResolvedTarget, total};
use crate::error::{Error, Result};
use crate::look::Memory;
use crate::model::{Back, LayerRef, Model, NodeId, Pass, Route, Rule, Values, Watch};
use crate::tensor::{IntoResult, all_finite, plain_numbers, to_floats};

/// A batch of inputs under one network, and for each the score `y` that is to be explained: what
/// every method has in common, remembered from one method to the next.
///
/// Gradients are taken with respect to named activations only. Parameters are constants in them:
/// frozen ones make no difference, their `.grad` stays as it was, and so does the gradient mode.
pub struct Case {
    memory: Rc<Memory>,
    targets: Vec<Target>,
    goals: OnceCell<Rc<[ResolvedTarget]>>,
}

impl Case {
    /// One target for each of the batch.
    pub(super) fn new(memory: &Rc<Memory>, targets: Vec<Target>) -> Case {
        Case { memory: Rc::clone(memory), targets, goals: OnceCell::new() }
    }

    /// Inputs of a network, `[N, C, H, W]`, with what is to be explained of each.
    pub(crate) fn of_inputs(model: &Model, inputs: Tensor, target: &Target) -> Result<Case> {
        let count = inputs.size().first().map_or(0, |&count| count as usize);
        let memory = Rc::new(Memory::new(model, inputs)?);
        let (memory, targets) = super::at_end(&memory, vec![target.clone(); count])?;
        Ok(Case::new(&memory, targets))
    }

    /// What captions call what is explained of an input.
    pub(crate) fn label(&self, index: usize) -> Result<String> {
        Ok(self.goal(index)?.label.clone())
    }

    /// The network.
    pub fn model(&self) -> &Model {
        self.memory.model()
    }

    /// How many inputs there are.
    pub fn count(&self) -> usize {
        self.targets.len()
    }

    /// The inputs, `[N, C, H, W]`.
    ///
    /// # Errors
    /// What libtorch refuses.
    pub fn input(&self) -> Result<Tensor> {
        self.memory.input()
    }

    /// Rows and columns of a map of the input; a row of numbers is one of a single row.
    pub(crate) fn map_size(&self) -> Result<[i64; 2]> {
        let size = self.input()?.size();
        match *size.as_slice() {
            [_, _, height, width] => Ok([height, width]),
            [_, numbers] => Ok([1, numbers]),
            _ => Err(Error::Shape(format!("expected inputs [N, C, H, W], got {size:?}"))),
        }
    }

    /// Refuses an input that is a row of numbers, which this cannot be done with.
    pub(crate) fn check_photo(&self, what: &str) -> Result<()> {
        match self.model().takes_numbers() {
            false => Ok(()),
            true => Err(Error::Argument(format!(
                "{what} explains photos, and the input {:?} is a row of numbers: take a method that looks at the \
                 input's own values, such as IntegratedGradients, InputXGradient or Occlusion",
                self.model().end(self.model().input()).0
            ))),
        }
    }

    /// Other inputs with the scores of these: a predicted class stays the one that is predicted here.
    /// There may be several times as many, such as noisy copies: `[a, b, a', b', a'', b'']` for
    /// `[a, b]`.
    ///
    /// # Errors
    /// When their number is no multiple of that of these, or the network cannot take them.
    pub fn with_input(&self, input: Tensor) -> Result<Case> {
        let input = plain_numbers(&input).map_err(|e| e.while_doing("the other inputs"))?;
        let goals = self.goals()?;
        let count = input.size().first().map_or(0, |&count| count as usize);
        if count == 0 || !count.is_multiple_of(self.count()) {
            return Err(Error::Shape(format!(
                "{} inputs can be replaced by as many, or several times as many, not by {:?}",
                self.count(),
                input.size()
            )));
        }
        let memory = Rc::new(Memory::new(self.model(), input)?);
        let targets = self.targets.iter().cycle().take(count).cloned().collect();
        let goals = match count / self.count() {
            1 => Rc::clone(goals),
            _ => goals.iter().cycle().take(count).cloned().collect(),
        };
        Ok(Case { memory, targets, goals: OnceCell::from(goals) })
    }

    /// The same inputs and scores under another network of the same inputs and outputs: a predicted class stays the one
    /// that is predicted here.
    pub(crate) fn under(&self, model: &Model) -> Result<Case> {
        let goals = Rc::clone(self.goals()?);
        let memory = Rc::new(Memory::new(model, self.input()?)?);
        Ok(Case { memory, targets: self.targets.clone(), goals: OnceCell::from(goals) })
    }

    /// One of the inputs, with what is known of it.
    ///
    /// # Errors
    /// When there are not so many.
    pub fn one(&self, index: usize) -> Result<Case> {
        let goals = self.goals()?;
        let (Some(target), Some(goal)) = (self.targets.get(index), goals.get(index)) else {
            return Err(Error::Argument(format!(
                "there is no input {index} among {}",
                self.count()
            )));
        };
        Ok(Case {
            memory: Rc::new(self.memory.one(index as i64)?),
            targets: vec![target.clone()],
            goals: OnceCell::from(Rc::from([goal.clone()])),
        })
    }

    /// What a layer answers, `[N, ...]`, without gradients.
    ///
    /// # Errors
    /// An unknown layer.
    pub fn activation(&self, layer: impl Into<LayerRef>) -> Result<Tensor> {
        self.memory.activation(self.find(layer.into())?)
    }

    /// `"input"` is here what is looked at, whatever it is called among several.
    fn find(&self, layer: LayerRef) -> Result<NodeId> {
        match layer {
            LayerRef::Name(name) if name == "input" => Ok(self.model().input()),
            layer => self.model().find(layer),
        }
    }

    pub(super) fn activation_of(&self, layer: NodeId) -> Result<Tensor> {
        self.memory.activation(layer)
    }

    /// What several layers answer, in a single pass.
    pub(super) fn activations(&self, layers: &[NodeId]) -> Result<Vec<Tensor>> {
        self.memory.activations(layers)
    }

    /// `∂y/∂A`, of the shape of the layer's activation `A`. The input that is looked at is a layer, too, `"input"`.
    ///
    /// # Errors
    /// An unknown layer; one that the score does not depend on.
    pub fn gradient(&self, layer: impl Into<LayerRef>) -> Result<Tensor> {
        self.gradient_of(self.find(layer.into())?)
    }

    pub(super) fn gradient_of(&self, layer: NodeId) -> Result<Tensor> {
        self.gradient_by_rule(layer, Rule::Natural)
    }

    /// `∂y/∂x` with this rule at every rectifier, `[N, C, H, W]`.
    pub(super) fn input_gradient(&self, rule: Rule) -> Result<Tensor> {
        self.gradient_by_rule(self.model().input(), rule)
    }

    /// `∂y/∂x`, `[N, C, H, W]`, on the way to which `see` is shown the gradients at the outputs of some layers;
    /// it is called with the place of the first photo, and the gradients of as many as there are.
    pub(super) fn gradient_past(
        &self,
        layers: &[NodeId],
        see: &mut dyn FnMut(usize, NodeId, &Tensor) -> Result<()>,
    ) -> Result<Tensor> {
        self.gradient_watched(self.model().input(), Rule::Natural, Watch { layers, see })
    }

    fn gradient_by_rule(&self, layer: NodeId, rule: Rule) -> Result<Tensor> {
        let nobody = Watch { layers: &[], see: &mut |_, _, _| Ok(()) };
        self.gradient_watched(layer, rule, nobody)
    }

    fn gradient_watched(&self, layer: NodeId, rule: Rule, watch: Watch) -> Result<Tensor> {
        let value = self.memory.activation(layer)?;
        let score = |output: &Tensor| {
            let score = total(self.goals_by(output)?, output)?;
            self.memory.remember_output(output);
            Ok(score)
        };
        self.gradient_between(layer, &value, self.model().output(), score, rule, watch)
    }

    /// `∂y/∂A` where a layer has this value in place of its own.
    pub(super) fn gradient_with(&self, layer: NodeId, value: &Tensor) -> Result<Tensor> {
        let goals = self.goals()?;
        let score = |output: &Tensor| total(goals, output);
        let nobody = Watch { layers: &[], see: &mut |_, _, _| Ok(()) };
        self.gradient_between(layer, value, self.model().output(), score, Rule::Natural, nobody)
    }

    /// From the gradient at a layer's output to that at another's before it.
    pub(super) fn led_back(
        &self,
        gradient: &Tensor,
        from: NodeId,
        layer: NodeId,
    ) -> Result<Tensor> {
        let value = self.memory.activation(layer)?;
        let score =
            |at: &Tensor| at.f_mul(gradient).and_then(|t| t.f_sum(None::<Kind>)).into_result();
        let nobody = Watch { layers: &[], see: &mut |_, _, _| Ok(()) };
        self.gradient_between(layer, &value, from, score, Rule::Natural, nobody)
    }

    /// The gradient of a score of what a layer `to` answers, at a layer before it that has this value.
    fn gradient_between(
        &self,
        layer: NodeId,
        value: &Tensor,
        to: NodeId,
        score: impl Fn(&Tensor) -> Result<Tensor>,
        rule: Rule,
        watch: Watch,
    ) -> Result<Tensor> {
        let around = self.memory.around(layer, self.count() as i64)?;
        let mut feeds = vec![(layer, value)];
        feeds.extend(around.iter().map(|(id, value)| (*id, value)));
        let score = |outputs: &[Tensor]| match outputs {
            [output] => score(output),
            _ => Err(Error::Shape("no output".into())),
        };
        let back = Back { rule, again: false };
        let (_, gradient) = self.model().gradient_watched(back, &feeds, &[to], score, watch)?;
        gradient.ok_or_else(|| self.independent_of(layer))
    }

    /// What `work` finds for all, or, where the network takes one photo at a time, for one after the other.
    pub(super) fn one_by_one(
        &self,
        mut work: impl FnMut(&Case) -> Result<Tensor>,
    ) -> Result<Tensor> {
        if self.count() == 1 || !self.model().takes_one_photo() {
            return work(self);
        }
        let each = (0..self.count()).map(|index| work(&self.one(index)?));
        Tensor::f_cat(&each.collect::<Result<Vec<_>>>()?, 0).into_result()
    }

    /// What the layers on a way back from the output to the input answer.
    pub(super) fn run(&self, route: &Route) -> Result<Values> {
        let known = self.run_for(route, &self.input()?)?;
        self.memory.remember_output(&known.output);
        Ok(known)
    }

    /// The same for other inputs in place of these.
    pub(super) fn run_for(&self, route: &Route, input: &Tensor) -> Result<Values> {
        let layer = self.model().input();
        let around = self.memory.around(layer, self.count() as i64)?;
        let around = around.iter().map(|(id, value)| (*id, value));
        let feeds: Vec<(NodeId, &Tensor)> = [(layer, input)].into_iter().chain(around).collect();
        route.run(&feeds)
    }

    /// `∂y/∂o`, at the network's output `o`.
    pub(super) fn slope(&self, output: &Tensor) -> Result<Tensor> {
        let goals = self.goals_by(output)?;
        let leaf = output.f_detach().and_then(|t| t.f_set_requires_grad(true)).into_result()?;
        let score = crate::model::with_grad(|| total(goals, &leaf))?;
        let slope = Tensor::f_run_backward(&[score], &[&leaf], false, false).into_result()?;
        let slope = slope.into_iter().next().filter(Tensor::defined);
        slope.ok_or_else(|| self.independent_of(self.model().output()))
    }

    /// `∂y/∂A` and `∂(∂y/∂A · A)/∂A` with the last `A` held, by autograd on all that follows the layer.
    pub(super) fn gradient_and_curvature(&self, layer: NodeId) -> Result<(Tensor, Tensor)> {
        let value = self.memory.activation(layer)?;
        let around = self.memory.around(layer, self.count() as i64)?;
        let goals = self.goals()?;
        crate::model::with_grad(|| {
            let leaf = value.f_detach().and_then(|t| t.f_set_requires_grad(true)).into_result()?;
            // Not the leaf itself, which nothing may write to.
            let copy = leaf.f_alias_copy().into_result()?;
            let mut feeds = vec![(layer, &copy)];
            feeds.extend(around.iter().map(|(id, value)| (*id, value)));
            let output =
                self.model().run_nodes(Pass::Gradient, &feeds, &[self.model().output()])?;
            let output = output.first().ok_or_else(|| Error::Shape("no output".into()))?;
            let score = total(goals, output)?;
            let by_leaf = |of: Tensor, again: bool| -> Result<Option<Tensor>> {
                if !of.requires_grad() {
                    return Ok(None);
                }
                let found = Tensor::f_run_backward(&[of], &[&leaf], again, again).into_result()?;
                Ok(found.into_iter().next().filter(Tensor::defined))
            };
            let gradient = by_leaf(score, true)?.ok_or_else(|| self.independent_of(layer))?;
            let along = gradient.f_mul(&value).and_then(|t| t.f_sum(None::<Kind>)).into_result()?;
            let curved = match by_leaf(along, false)? {
                Some(curved) => curved,
                None => gradient.f_zeros_like().into_result()?,
            };
            Ok((gradient.f_detach().into_result()?, curved.f_detach().into_result()?))
        })
    }

    /// What the network puts out for each input, `[1, ...]`.
    pub(super) fn outputs(&self) -> Result<Vec<Tensor>> {
        let output = self.memory.output()?;
        (0..self.count() as i64).map(|i| output.f_narrow(0, i, 1).into_result()).collect()
    }

    /// The same inputs, of which something else is explained.
    pub(super) fn with_targets(&self, targets: Vec<Target>) -> Case {
        Case::new(&self.memory, targets)
    }

    /// The scores `y`, one an input.
    ///
    /// # Errors
    /// When the targets do not suit the network's output; a score that is not finite.
    pub fn scores(&self) -> Result<Vec<f64>> {
        self.scores_of(&self.memory.output()?)
    }

    /// The scores of these in place of the network's own outputs, one an input.
    pub(super) fn scores_of(&self, output: &Tensor) -> Result<Vec<f64>> {
        let mut scores = Vec::with_capacity(self.count());
        for (i, goal) in self.goals()?.iter().enumerate() {
            let one = output.f_narrow(0, i as i64, 1).into_result()?;
            scores.extend(finite_scores(goal, &one)?);
        }
        Ok(scores)
    }

    /// One input's score for each of several values of a layer in place of its own, `[M, ...]`; the
    /// input itself is layer 0. Only what follows the layer runs.
    ///
    /// # Errors
    /// What the network cannot take; a score that is not finite.
    pub fn scores_with(
        &self,
        index: usize,
        layer: impl Into<LayerRef>,
        values: &Tensor,
    ) -> Result<Vec<f64>> {
        self.scores_from(index, self.find(layer.into())?, values)
    }

    pub(super) fn scores_from(
        &self,
        index: usize,
        layer: NodeId,
        values: &Tensor,
    ) -> Result<Vec<f64>> {
        let _no_grad = tch::no_grad_guard();
        let output = self.output_from(index, layer, values)?;
        finite_scores(self.goal(index)?, &output)
    }

    /// How sure the network is of what is explained of an input: the probability of a class, where the network ends in
    /// one score a class; of any other target, the score.
    pub(crate) fn confidence(&self, index: usize) -> Result<f64> {
        let output = self.memory.output()?.f_narrow(0, index as i64, 1).into_result()?;
        self.confidences_of(index, &output)?.pop().ok_or_else(|| Error::Shape("no output".into()))
    }

    /// The same for other values of the input in its place, `[M, ...]`.
    pub(crate) fn confidences_with(&self, index: usize, inputs: &Tensor) -> Result<Vec<f64>> {
        let _no_grad = tch::no_grad_guard();
        let output = self.output_from(index, self.model().input(), inputs)?;
        self.confidences_of(index, &output)
    }

    fn confidences_of(&self, index: usize, outputs: &Tensor) -> Result<Vec<f64>> {
        let goal = self.goal(index)?;
        finite(goal, goal.confidences(self.model(), outputs)?)
    }

    /// The output for one input where a layer has these values, `[M, ...]`.
    pub(super) fn output_from(
        &self,
        index: usize,
        layer: NodeId,
        values: &Tensor,
    ) -> Result<Tensor> {
        let values =
            &plain_numbers(values).map_err(|e| e.while_doing("the layer's other values"))?;
        self.goal(index)?;
        match self.count() {
            1 => self.memory.output_from(layer, values),
            count => {
                // What leads around the layer, of all inputs and once: what the memory of one finds
                // out is forgotten with it.
                self.memory.around(layer, count as i64)?;
                self.memory.one(index as i64)?.output_from(layer, values)
            }
        }
    }

    /// Whether a detector's boxes are among what is explained.
    pub(super) fn explains_boxes(&self) -> bool {
        self.targets.iter().any(|target| matches!(target, Target::Detection(_)))
    }

    /// How many values of a layer are best tried at once.
    pub(super) fn at_once(&self, layer: &str) -> Result<usize> {
        self.model().at_once(self.find(layer.into())?, &self.input()?.size())
    }

    /// What is explained of one input.
    fn goal(&self, index: usize) -> Result<&ResolvedTarget> {
        self.goals()?.get(index).ok_or_else(|| {
            Error::Argument(format!("there is no input {index} among {}", self.count()))
        })
    }

    /// What is explained of each input.
    pub(super) fn goals(&self) -> Result<&Rc<[ResolvedTarget]>> {
        match self.goals.get() {
            Some(goals) => Ok(goals),
            None => self.goals_by(&self.memory.output()?),
        }
    }

    /// The same, when the output is at hand.
    fn goals_by(&self, output: &Tensor) -> Result<&Rc<[ResolvedTarget]>> {
        if let Some(goals) = self.goals.get() {
            return Ok(goals);
        }
        let _no_grad = tch::no_grad_guard();
        self.check_finite(output)?;
        let (model, size) = (self.model(), output.size());
        if self.count() > 1 && model.photo_dim(model.output(), &size, &self.input()?.size())? > 0 {
            return Err(Error::Shape(format!(
                "{} ends in {size:?}, which does not count photos in its first dimension: explain one after the \
                 other, or at another output",
                model.name()
            )));
        }
        let input = self.input()?.size();
        let goals = self.targets.iter().enumerate().map(|(i, target)| {
            let one = output.f_detach().and_then(|t| t.f_narrow(0, i as i64, 1)).into_result()?;
            ResolvedTarget::new(target, self.model(), &one, &input)
        });
        let goals = goals.collect::<Result<Vec<_>>>()?;
        Ok(self.goals.get_or_init(|| goals.into()))
    }

    /// An error that names the first layer whose output is not finite, where `values` are not.
    pub(crate) fn check_finite(&self, values: &Tensor) -> Result<()> {
        if all_finite(values)? {
            return Ok(());
        }
        let origin = self.model().first_not_finite(&self.input()?)?;
        if origin.is_none() && self.goals.get().is_some() {
            // Which fails where it is the target that is not finite.
            self.scores()?;
        }
        Err(Error::Argument(match origin {
            Some(origin) => format!("there is nothing to explain: {origin}"),
            None => format!(
                "the explanation is not finite, though every activation of {} is: its gradients \
                 overflow; look at a layer nearer to the output",
                self.model().name()
            ),
        }))
    }

    pub(super) fn independent_of(&self, layer: NodeId) -> Error {
        Error::Argument(format!(
            "the output of {} does not depend on layer {:?}: choose a layer on the way to it",
            self.model().name(),
            self.model().layer_name(layer)
        ))
    }
}

/// The scores of a batch of outputs, `[M, ...]`.
fn finite_scores(goal: &ResolvedTarget, outputs: &Tensor) -> Result<Vec<f64>> {
    finite(goal, to_floats(&goal.scores(outputs)?)?.into_iter().map(f64::from).collect())
}

fn finite(goal: &ResolvedTarget, scores: Vec<f64>) -> Result<Vec<f64>> {
    match scores.iter().find(|score| !score.is_finite()) {
        None => Ok(scores),
        Some(odd) => Err(Error::Argument(format!(
            "the score of {:?} is {odd} where the method looks, and nothing follows from that: choose \
             a target that is a number for any output",
            goal.label
        ))),
    }
}
