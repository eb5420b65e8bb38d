//! A small training loop: batches, a seed, the loss by line, early stop, the curve.

use std::fmt;
use std::rc::Rc;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};
use tch::nn::{self, OptimizerConfig};
use tch::{Kind, Reduction, Tensor};

use crate::chart::Chart;
use crate::error::{Error, Result};
use crate::memory;
use crate::model::{Model, Pass, Weights, with_grad};
use crate::number::counted;
use crate::panic::caught;
use crate::show::{
    self, MimeBundle, Pace, Preview, Progress, Show, Watch, debug_line, error_bundle,
    is_interrupted,
};
use crate::tensor::{IntoResult, all_finite, float_copy, plain_numbers};

/// What training makes small.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Loss {
    /// `−log softmax(output)[class]`: outputs `[N, K]` with classes `[N]`, or, for every pixel,
    /// `[N, K, h, w]` with `[N, h, w]`. A class of −100 does not count.
    ///
    /// One score alone, `[N, 1]` or a map `[N, 1, h, w]`, says yes, class 1, or no, class 0, here as everywhere: with
    /// `p = sigmoid(output)`, or the output itself behind the network's own sigmoid,
    /// `−log p` for class 1 and `−log(1 − p)` for class 0.
    CrossEntropy,
    /// The same for yes or no, on logits: targets 0 to 1, of the output's shape.
    BinaryCrossEntropy,
    /// The mean squared difference, targets of the output's shape.
    MeanSquared,
}

/// Which of tch's optimisers takes the steps.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Optimizer {
    /// Kingma and Ba 2014, with PyTorch's defaults.
    Adam,
    /// Stochastic gradient descent with this momentum.
    Sgd {
        /// 0 for none; 0.9 is usual.
        momentum: f64,
    },
}

/// Larger rates and decays mean nothing, and overflow in single precision.
const LARGEST_RATE: f64 = 1e30;

impl Optimizer {
    /// Whether steps of this size, with this penalty, can be taken.
    pub(crate) fn check(self, learning_rate: f64, weight_decay: f64) -> Result<()> {
        if !(learning_rate > 0.0 && learning_rate <= LARGEST_RATE) {
            return Err(Error::Argument(format!(
                "a learning rate is a number above 0, at most {LARGEST_RATE:e}; got {learning_rate}: \
                 1e-3 is usual"
            )));
        }
        let momentum = match self {
            Optimizer::Sgd { momentum } => momentum,
            Optimizer::Adam => 0.0,
        };
        for (what, number) in [("weight decay", weight_decay), ("momentum", momentum)] {
            if !(0.0..=LARGEST_RATE).contains(&number) {
                return Err(Error::Argument(format!(
                    "a {what} is 0 or more, at most {LARGEST_RATE:e}; got {number}"
                )));
            }
        }
        Ok(())
    }
}

/// How a network is trained: options with sensible defaults.
///
/// Twenty epochs of Adam at 1e-3 on batches of 32, cross entropy. Training seeds libtorch's
/// generator, from which dropout draws, so that the same seed gives the same network on the same
/// machine.
///
/// ```
/// use convlens::prelude::*;
///
/// // Is the left or the right half brighter?
/// let photos = Tensor::rand([64, 1, 8, 8], tch::kind::FLOAT_CPU);
/// let half = |from| photos.narrow(3, from, 4).mean_dim([1, 2, 3].as_slice(), false, None);
/// let classes = half(4).gt_tensor(&half(0)).to_kind(tch::Kind::Int64);
///
/// let mut net = Model::builder("halves", [1, 8, 8]);
/// let x = net.input();
/// net.chain("fc", ops![Op::Flatten, Linear::new(64, 2)], x);
/// let model = net.build()?;
/// let fitted = Fit::default().epochs(30).learning_rate(0.02).run(&model, &photos, &classes)?;
/// assert!(fitted.losses().last() < fitted.losses().first());
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Fit {
    epochs: usize,
    batch: usize,
    learning_rate: f64,
    cosine: bool,
    weight_decay: f64,
    optimizer: Optimizer,
    loss: Loss,
    seed: u64,
    patience: Option<usize>,
    budget: Option<Duration>,
    validation: Option<(Rc<Tensor>, Rc<Tensor>)>,
    augment: Option<Rc<Augment>>,
    /// In the place of the notebook.
    listener: Option<Rc<Listener>>,
}

type Listener = dyn Fn(&str);
type Augment = dyn Fn(&Tensor, &Tensor, &mut StdRng) -> (Tensor, Tensor);

impl Default for Fit {
    fn default() -> Self {
        Fit {
            epochs: 20,
            batch: 32,
            learning_rate: 1e-3,
            cosine: false,
            weight_decay: 0.0,
            optimizer: Optimizer::Adam,
            loss: Loss::CrossEntropy,
            seed: 0,
            patience: None,
            budget: None,
            validation: None,
            augment: None,
            listener: None,
        }
    }
}

impl Fit {
    /// How often every photo is seen.
    pub fn epochs(&self, epochs: usize) -> Self {
        Self { epochs, ..self.clone() }
    }

    /// How many photos make a step.
    pub fn batch(&self, photos: usize) -> Self {
        Self { batch: photos, ..self.clone() }
    }

    /// The optimiser's step size.
    pub fn learning_rate(&self, rate: f64) -> Self {
        Self { learning_rate: rate, ..self.clone() }
    }

    /// Lets the learning rate fall to zero along half a cosine, Loshchilov and Hutter 2017.
    pub fn cosine(&self) -> Self {
        Self { cosine: true, ..self.clone() }
    }

    /// The L2 penalty on all parameters.
    pub fn weight_decay(&self, decay: f64) -> Self {
        Self { weight_decay: decay, ..self.clone() }
    }

    /// Which optimiser.
    pub fn optimizer(&self, optimizer: Optimizer) -> Self {
        Self { optimizer, ..self.clone() }
    }

    /// What is made small.
    pub fn loss(&self, loss: Loss) -> Self {
        Self { loss, ..self.clone() }
    }

    /// Decides the order of the photos, and dropout.
    pub fn seed(&self, seed: u64) -> Self {
        Self { seed, ..self.clone() }
    }

    /// Stops when the validation loss (without validation photos, the training loss) has not
    /// improved for this many epochs. The network of the best epoch is kept.
    pub fn patience(&self, epochs: usize) -> Self {
        Self { patience: Some(epochs), ..self.clone() }
    }

    /// Stops after the epoch in which this time has passed.
    pub fn time_budget(&self, time: Duration) -> Self {
        Self { budget: Some(time), ..self.clone() }
    }

    /// Photos and targets that are not trained on, to see what was learnt beyond them.
    pub fn validation(&self, photos: &Tensor, targets: &Tensor) -> Self {
        Self {
            validation: Some((Rc::new(photos.shallow_clone()), Rc::new(targets.shallow_clone()))),
            ..self.clone()
        }
    }

    /// Changes each batch before it is learnt from: flips, shifts, lighting.
    pub fn augment(
        &self,
        change: impl Fn(&Tensor, &Tensor, &mut StdRng) -> (Tensor, Tensor) + 'static,
    ) -> Self {
        Self { augment: Some(Rc::new(change)), ..self.clone() }
    }

    /// Each batch as it is or in a mirror, by chance: for photos in which left and right mean nothing,
    /// with one class each.
    pub fn mirrored(&self) -> Self {
        self.augment(|photos, classes, random| {
            let photos = if random.gen_range(0..2u32) == 0 {
                photos.flip([-1])
            } else {
                photos.shallow_clone()
            };
            (photos, classes.shallow_clone())
        })
    }

    /// Where the lines go that tell how it is going; to standard output by default, at most
    /// eight of them. In a kernel that can replace what it has shown, they are a bar that moves, and the curve as it
    /// grows, unless a listener is given.
    pub fn listener(&self, listener: impl Fn(&str) + 'static) -> Self {
        Self { listener: Some(Rc::new(listener)), ..self.clone() }
    }

    /// Trains the network on photos `[N, C, H, W]` and as many targets. Frozen parameters (without
    /// `requires_grad`) stay as they are.
    ///
    /// # Errors
    /// Options or shapes that do not fit. A loss that is not finite stops training with the epoch
    /// and the value; the network is then the best that was reached before.
    ///
    /// Whoever stops the cell, in a kernel that lets it end by itself, gets what was reached in whole epochs so far, and the
    /// network as it has been trained until then; [`Error::Interrupted`] in the first epoch.
    pub fn run(&self, model: &Model, photos: &Tensor, targets: &Tensor) -> Result<Fitted> {
        let plain = |tensor: &Tensor, what: &str| {
            plain_numbers(tensor).map_err(|error| error.while_doing(what))
        };
        let (photos, targets) = (&plain(photos, "the photos")?, &plain(targets, "the targets")?);
        self.check(model, photos, targets)?;
        let validation = match &self.validation {
            None => None,
            Some((photos, targets)) => {
                let photos = plain(photos, "the photos of the validation")?;
                let targets = plain(targets, "the targets of the validation")?;
                self.check(model, &photos, &targets)
                    .map_err(|e| e.while_doing("the validation"))?;
                Some((photos, targets))
            }
        };
        memory::give_back();
        tch::manual_seed(self.seed as i64);
        let mut random = StdRng::seed_from_u64(self.seed);
        let mut optimizer = self.build_optimizer(model)?;
        let mut best = BestEpoch { loss: f64::INFINITY, epoch: 0, weights: snapshot(model)? };
        let mut fitted = Fitted {
            network: model.name().to_owned(),
            losses: Vec::new(),
            validation: Vec::new(),
            best_epoch: 0,
            stopped: None,
        };
        let mut course = Course::begin(self, model, photos.size()[0]);
        for epoch in 0..self.epochs {
            let trained =
                self.epoch(&mut course, photos, targets, epoch, &mut optimizer, &mut random);
            let watched = trained.and_then(|trained| {
                let watched = match &validation {
                    None => trained,
                    Some((photos, targets)) => {
                        let loss = self.evaluate(&course, photos, targets)?;
                        if !loss.is_finite() {
                            let what = format!("the validation loss is {loss}");
                            return Err(self.diverged(epoch, &what));
                        }
                        fitted.validation.push(loss);
                        loss
                    }
                };
                fitted.losses.push(trained);
                Ok(watched)
            });
            let watched = match watched {
                Ok(loss) => loss,
                Err(Error::Interrupted(_)) if epoch > 0 => {
                    fitted.stopped = Some(format!("interrupted in epoch {}", epoch + 1));
                    break;
                }
                Err(error @ Error::Interrupted(_)) => return Err(error),
                Err(error) => {
                    model.load(&best.weights)?;
                    return Err(error);
                }
            };
            if watched < best.loss {
                best = BestEpoch { loss: watched, epoch, weights: snapshot(model)? };
            }
            fitted.best_epoch = best.epoch;
            if self.patience.is_some_and(|patience| epoch - best.epoch >= patience) {
                let told = self.patience.unwrap_or_default();
                fitted.stopped = Some(format!("no better for {told} epochs"));
            } else if self.budget.is_some_and(|budget| course.elapsed() >= budget) {
                fitted.stopped = Some("the time is up".into());
            }
            course.tell(&fitted);
            if fitted.stopped_early() {
                break;
            }
        }
        course.end();
        if self.patience.is_some() {
            model.load(&best.weights)?;
        }
        memory::give_back();
        Ok(fitted)
    }

    fn build_optimizer(&self, model: &Model) -> Result<nn::Optimizer> {
        let (variables, rate) = (model.variables(), self.learning_rate);
        match self.optimizer {
            Optimizer::Adam => nn::Adam::default().wd(self.weight_decay).build(variables, rate),
            Optimizer::Sgd { momentum } => {
                nn::Sgd { momentum, wd: self.weight_decay, ..nn::Sgd::default() }
                    .build(variables, rate)
            }
        }
        .into_result()
    }

    /// The mean loss over all batches of an epoch.
    fn epoch(
        &self,
        course: &mut Course<'_>,
        photos: &Tensor,
        targets: &Tensor,
        epoch: usize,
        optimizer: &mut nn::Optimizer,
        random: &mut StdRng,
    ) -> Result<f64> {
        let model = course.model;
        let mut order: Vec<i64> = (0..photos.size()[0]).collect();
        order.shuffle(random);
        let batches = order.chunks(self.batch);
        let (count, mut total) = (batches.len(), 0.0);
        let mut seen = 0;
        for (i, indices) in batches.enumerate() {
            course.step()?;
            if self.cosine {
                let progress = (epoch as f64 + i as f64 / count as f64) / self.epochs as f64;
                let fall = 0.5 * (1.0 + (std::f64::consts::PI * progress).cos());
                optimizer.set_lr(self.learning_rate * fall);
            }
            let indices_tensor = Tensor::f_from_slice(indices).into_result()?;
            let pick = |t: &Tensor| t.f_index_select(0, &indices_tensor).into_result();
            let (mut x, mut y) = (pick(photos)?, pick(targets)?);
            if let Some(augment) = &self.augment {
                (x, y) = caught(|| augment(&x, &y, random))
                    .map_err(|error| error.while_doing("the augmentation"))?;
                let returned = |t: &Tensor, what: &str| {
                    plain_numbers(t).map_err(|e| e.while_doing(format!("augment returned {what}")))
                };
                (x, y) = (returned(&x, "photos")?, returned(&y, "targets")?);
            }
            let loss = self.loss_of(model, Pass::Training, &x, &y)?;
            let value = loss.f_double_value(&[]).into_result()?;
            if !value.is_finite() && !self.counts(&y)? {
                continue;
            }
            if !value.is_finite() {
                let place = format!("the loss is {value} in batch {}", i + 1);
                return Err(self.diverged(epoch, &place));
            }
            optimizer.zero_grad();
            loss.f_backward().into_result()?;
            optimizer.step();
            total += value * indices.len() as f64;
            seen += indices.len();
        }
        optimizer.zero_grad();
        // The last step's loss is nobody's yet.
        for (name, tensor) in model.weights() {
            if !all_finite(&tensor)? {
                return Err(self.diverged(epoch, &format!("{name} is not finite")));
            }
        }
        match seen {
            0 => Err(Error::Argument("no target counts: all of them are -100".into())),
            _ => Ok(total / seen as f64),
        }
    }

    /// Whether any of these targets counts; a loss over none is not a number.
    fn counts(&self, targets: &Tensor) -> Result<bool> {
        if self.loss != Loss::CrossEntropy {
            return Ok(true);
        }
        let any = targets.f_ne(-100).and_then(|counted| counted.f_any());
        Ok(any.and_then(|any| any.f_int64_value(&[])).into_result()? != 0)
    }

    fn diverged(&self, epoch: usize, what: &str) -> Error {
        Error::Argument(format!(
            "training diverged in epoch {}: {what}; the network is the best that was reached \
             before. Lower the learning rate ({})",
            epoch + 1,
            self.learning_rate
        ))
    }

    /// The mean loss in inference mode.
    fn evaluate(&self, course: &Course<'_>, photos: &Tensor, targets: &Tensor) -> Result<f64> {
        let _no_grad = tch::no_grad_guard();
        let count = photos.size()[0];
        let mut total = 0.0;
        for start in (0..count).step_by(self.batch) {
            course.go_on()?;
            let length = (count - start).min(self.batch_size());
            let part = |t: &Tensor| t.f_narrow(0, start, length).into_result();
            let loss =
                self.loss_of(course.model, Pass::Inference, &part(photos)?, &part(targets)?)?;
            total += loss.f_double_value(&[]).into_result()? * length as f64;
        }
        Ok(total / count as f64)
    }

    fn loss_of(&self, model: &Model, pass: Pass, x: &Tensor, y: &Tensor) -> Result<Tensor> {
        let output = model.forward_as(pass, x)?;
        let y = y.f_to_device(output.device()).into_result()?;
        let none = None::<Tensor>;
        let compute = || match self.loss {
            Loss::CrossEntropy if model.yes_or_no().is_some() => {
                let y = y.f_reshape(output.size())?;
                let counts = y.f_ne(-100)?;
                let scores = output.f_masked_select(&counts)?;
                let y = y.f_masked_select(&counts)?.f_to_kind(output.kind())?;
                match model.ends_in_probabilities() {
                    true => scores.f_binary_cross_entropy(&y, none, Reduction::Mean),
                    false => {
                        scores.f_binary_cross_entropy_with_logits(&y, none, None, Reduction::Mean)
                    }
                }
            }
            Loss::CrossEntropy => {
                output.f_cross_entropy_loss::<Tensor>(&y, None, Reduction::Mean, -100, 0.0)
            }
            Loss::BinaryCrossEntropy => {
                output.f_binary_cross_entropy_with_logits(&y, none, None, Reduction::Mean)
            }
            Loss::MeanSquared => output.f_mse_loss(&y, Reduction::Mean),
        };
        if pass == Pass::Training { with_grad(compute) } else { compute() }.into_result()
    }

    /// The size of a batch as libtorch counts.
    fn batch_size(&self) -> i64 {
        i64::try_from(self.batch).unwrap_or(i64::MAX)
    }

    fn check(&self, model: &Model, photos: &Tensor, targets: &Tensor) -> Result<()> {
        if self.epochs == 0 || self.batch == 0 || self.patience == Some(0) {
            return Err(Error::Argument(
                "training needs epochs, a batch and a patience of at least 1".into(),
            ));
        }
        self.optimizer.check(self.learning_rate, self.weight_decay)?;
        let (x, y) = (photos.size(), targets.size());
        if x.len() != model.input_size(1).len() || x[0] == 0 || y.first() != Some(&x[0]) {
            let expected = match model.takes_numbers() {
                true => "rows of numbers [N, F]",
                false => "photos [N, C, H, W]",
            };
            return Err(Error::Shape(format!(
                "expected {expected} and a target for each of them, at least one; got {x:?} and {y:?}"
            )));
        }
        // A batch tells the shapes: modules find theirs out by running.
        let mut batch = x.clone();
        batch[0] = x[0].min(self.batch_size());
        let mut output = model.output_shapes(&batch)?.swap_remove(model.output().0);
        if let Some(photos) = output.first_mut().filter(|count| **count == batch[0]) {
            *photos = x[0];
        }
        if self.loss != Loss::CrossEntropy {
            return match y == output {
                true => Ok(()),
                false => Err(Error::Shape(format!(
                    "{:?} compares values of one shape: {} puts out {output:?}, the targets are {y:?}",
                    self.loss,
                    model.name()
                ))),
            };
        }
        let classes = match model.yes_or_no() {
            Some(_) => 2,
            None => output.get(1).copied().unwrap_or_default(),
        };
        let expected: Vec<i64> =
            output.iter().enumerate().filter(|(d, _)| *d != 1).map(|(_, &s)| s).collect();
        if y != expected || targets.kind() != Kind::Int64 {
            return Err(Error::Shape(format!(
                "cross entropy for the output {output:?} of {} needs class indices {expected:?} of \
                 kind Int64; got {y:?} of kind {:?}",
                model.name(),
                targets.kind()
            )));
        }
        let in_range = targets.f_ge(0).and_then(|low| low.f_logical_and(&targets.f_lt(classes)?));
        let fits = in_range.and_then(|ok| ok.f_logical_or(&targets.f_eq(-100)?)).into_result()?;
        if fits.f_all().and_then(|all| all.f_int64_value(&[])).into_result()? == 0 {
            return Err(Error::Argument(format!(
                "the classes of {} are 0 to {}; the targets hold others (only -100 may mark what \
                 does not count)",
                model.name(),
                classes - 1
            )));
        }
        Ok(())
    }
}

impl fmt::Debug for Fit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Fit({:?}, {:?}, {} epochs, batches of {}, learning rate {})",
            self.loss, self.optimizer, self.epochs, self.batch, self.learning_rate
        )
    }
}

struct BestEpoch {
    loss: f64,
    epoch: usize,
    weights: Weights,
}

fn snapshot(model: &Model) -> Result<Weights> {
    model.weights().into_iter().map(|(name, tensor)| Ok((name, float_copy(&tensor)?))).collect()
}

/// How a training went. A notebook shows the curve of the losses.
#[derive(Clone, PartialEq)]
pub struct Fitted {
    network: String,
    losses: Vec<f64>,
    validation: Vec<f64>,
    best_epoch: usize,
    stopped: Option<String>,
}

impl Fitted {
    /// The training loss of each epoch, the mean over its batches while they were learnt.
    pub fn losses(&self) -> &[f64] {
        &self.losses
    }

    /// The validation loss after each epoch; empty without validation photos.
    pub fn validation(&self) -> &[f64] {
        &self.validation
    }

    /// The epoch with the least validation (or training) loss, from 0.
    pub fn best_epoch(&self) -> usize {
        self.best_epoch
    }

    /// Whether it stopped before the last epoch.
    pub fn stopped_early(&self) -> bool {
        self.stopped.is_some()
    }

    /// "1 epoch", "20 epochs"
    fn epochs(&self) -> String {
        counted(self.losses.len(), "epoch")
    }

    /// The line after the latest of so many epochs, if it is time for one.
    fn due(&self, epochs: usize, pace: &mut Pace, now: Instant) -> Option<String> {
        let done = self.losses.len();
        let last = done == epochs || self.stopped_early();
        let left = pace.elapsed(now).as_secs_f64() * (epochs as f64 / done as f64 - 1.0);
        // The last line is the last epoch's.
        let due = match last {
            true => pace.spoken() || pace.due(now, None),
            false => pace.due(now, Duration::try_from_secs_f64(left).ok()),
        };
        due.then(|| self.line(epochs, (!last).then_some(left)))
    }

    fn line(&self, epochs: usize, left: Option<f64>) -> String {
        let mut line = format!("{}: epoch {} of {epochs}", self.network, self.losses.len());
        if let Some(loss) = self.losses.last() {
            line += &format!(", loss {loss:.4}");
        }
        if let Some(loss) = self.validation.last() {
            line += &format!(", validation {loss:.4}");
        }
        if let Some(left) = left {
            line += &format!(", {left:.0} s left");
        }
        line
    }
}

/// A training under way, as its reader sees it: a bar and the curves where the kernel has them, else lines.
struct Course<'a> {
    fit: &'a Fit,
    model: &'a Model,
    pace: Pace,
    bar: Option<Progress>,
    curves: Preview,
    batches: u64,
    _watch: Option<Watch>,
}

impl<'a> Course<'a> {
    fn begin(fit: &'a Fit, model: &'a Model, photos: i64) -> Course<'a> {
        let batches =
            (photos as u64).div_ceil(fit.batch.max(1) as u64).saturating_mul(fit.epochs as u64);
        let has_bar = fit.listener.is_none() && show::is_alive();
        let what = || format!("training {}, batches", model.name());
        Course {
            fit,
            model,
            pace: Pace::start(),
            bar: has_bar.then(|| Progress::new(what(), batches)),
            curves: Preview::default(),
            batches: 0,
            _watch: Watch::begin(),
        }
    }

    fn elapsed(&self) -> Duration {
        self.pace.elapsed(Instant::now())
    }

    /// One more batch begins.
    fn step(&mut self) -> Result<()> {
        self.go_on()?;
        if let Some(bar) = &mut self.bar {
            bar.advance(self.batches)?;
        }
        self.batches += 1;
        Ok(())
    }

    fn go_on(&self) -> Result<()> {
        match is_interrupted() {
            true => Err(Error::Interrupted(format!("training {}, first epoch", self.model.name()))),
            false => Ok(()),
        }
    }

    /// One more epoch is over.
    fn tell(&mut self, fitted: &Fitted) {
        if self.bar.is_some() {
            if fitted.losses.len() > 1 {
                self.curves.show(|| fitted.bundle());
            }
        } else if let Some(line) = fitted.due(self.fit.epochs, &mut self.pace, Instant::now()) {
            match &self.fit.listener {
                Some(listener) => listener(&line),
                None => show::tell(&line),
            }
        }
    }

    fn end(mut self) {
        if let Some(bar) = self.bar.take() {
            bar.finish();
        }
    }
}

impl fmt::Display for Fitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} after {}", self.network, self.epochs())?;
        if let Some(reason) = &self.stopped {
            write!(f, " (stopped: {reason})")?;
        }
        let at_best = |losses: &[f64]| losses.get(self.best_epoch).copied();
        if let Some(loss) = at_best(&self.losses) {
            write!(f, "; best in epoch {}: loss {loss:.4}", self.best_epoch + 1)?;
        }
        if let Some(loss) = at_best(&self.validation) {
            write!(f, ", validation {loss:.4}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fitted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Fitted {}, {}", self.network, self.epochs()))
    }
}

impl Show for Fitted {
    fn bundle(&self) -> MimeBundle {
        let curves = [("training", &self.losses), ("validation", &self.validation)];
        let curves = curves.into_iter().filter(|(_, losses)| !losses.is_empty());
        let chart = Chart::lines(curves.map(|(name, losses)| (name, losses.clone())));
        match chart.axes("epoch", "loss").from(1.0, 1.0).reaching(0.0).picture() {
            Ok(picture) => {
                MimeBundle::picture(picture.captioned(&self.to_string()), self.to_string())
            }
            Err(error) => error_bundle(&error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_trainings_tell_how_they_go_and_end_with_the_last_epochs_line() {
        let mut fitted = Fitted {
            network: "bars".into(),
            losses: Vec::new(),
            validation: Vec::new(),
            best_epoch: 0,
            stopped: None,
        };
        let (mut pace, mut lines) = (Pace::start(), Vec::new());
        let began = Instant::now();
        for epoch in 1..=20 {
            fitted.losses.push(1.0 / f64::from(epoch));
            // A little more than a second each.
            let now = began + Duration::from_millis(1_001) * epoch;
            lines.extend(fitted.due(20, &mut pace, now));
        }
        let expected = [
            "bars: epoch 2 of 20, loss 0.5000, 18 s left",
            "bars: epoch 7 of 20, loss 0.1429, 13 s left",
            "bars: epoch 20 of 20, loss 0.0500",
        ];
        assert_eq!(lines, expected);
        // One that ends at once says nothing; one that is stopped ends with its last epoch.
        fitted.losses.truncate(3);
        assert_eq!(fitted.due(3, &mut Pace::start(), Instant::now()), None);
        fitted.stopped = Some("the time is up".into());
        let line = fitted.due(1_000, &mut pace, began + Duration::from_secs(30));
        assert_eq!(line.as_deref(), Some("bars: epoch 3 of 1000, loss 0.3333"));
    }
}
