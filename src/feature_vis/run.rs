//! The optimisation: step by step, all pictures in one batch.

use std::borrow::Borrow;
use std::rc::Rc;
use std::time::Instant;

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::nn::{self, OptimizerConfig, VarStore};
use tch::{Kind, Tensor};

use super::pattern::{Divergence, Pattern, Patterns};
use super::resolved::ResolvedObjective;
use super::settings::{FeatureVis, Start};
use super::transform::{self, grey};
use super::trunk::{Excitement, Trunk, recorded};
use super::{Objective, Parametrization};
use crate::error::{Error, Result};
use crate::memory;
use crate::model::{Init, Model};
use crate::photo::Preprocess;
use crate::picture::Picture;
use crate::show::{self, MimeBundle, Preview, Progress, error_bundle};
use crate::tensor::{IntoResult, plain_numbers, to_floats};
use crate::train::Optimizer;

/// The side of pictures unless another one is set.
const SIDE: i64 = 128;
/// Bytes that the frames of an animation may take, about.
const FRAMES: usize = 96 << 20;

impl FeatureVis {
    /// Makes a picture for each objective, all in one batch. Only the part of the network up to the
    /// layers in question runs.
    ///
    /// A picture that diverges, whose loss or values are no longer finite, stops there; the last good
    /// one is kept, and says so.
    ///
    /// Pictures that take more than a gigabyte of memory, with all that the steps need, say so before the
    /// first one: 8,192 pixels a side take 7 and more.
    ///
    /// # Errors
    /// Settings that make no sense; more memory than there is; layers, channels and classes that there are not; sizes that the
    /// network cannot take; a loss that is not finite before the first step.
    pub fn run(
        &self,
        model: &Model,
        objectives: impl IntoIterator<Item = impl Borrow<Objective>>,
    ) -> Result<Patterns> {
        let objectives = objectives.into_iter().map(|objective| objective.borrow().clone());
        let objectives: Vec<Objective> = objectives.collect();
        self.check()?;
        let goals = objectives.iter().map(|objective| ResolvedObjective::new(objective, model));
        let goals = goals.collect::<Result<Vec<_>>>()?;
        if goals.is_empty() {
            return Err(Error::Argument("no objective: there is nothing to excite".into()));
        }
        let group = self.diversity.map_or(1, |(count, _)| count);
        let goals: Vec<ResolvedObjective> =
            goals.into_iter().flat_map(|goal| std::iter::repeat_n(goal, group)).collect();
        let layers = layers(model, &objectives);
        let title = match layers.as_slice() {
            [layer] => format!("{}, {layer}", model.name()),
            _ => model.name().to_owned(),
        };
        let mut work = Optimisation::new(self, model, &title, goals.len());
        let mut made: Vec<Option<Pattern>> = vec![None; goals.len()];
        for attempt in 0..=self.retries {
            // Whole groups, where pictures are to differ.
            let chosen: Vec<usize> = (0..goals.len())
                .filter(|i| {
                    let start = i / group * group;
                    made[start..start + group]
                        .iter()
                        .any(|p| p.as_ref().is_none_or(Pattern::is_idle))
                })
                .collect();
            if chosen.is_empty() || (attempt > 0 && work.stopped.is_some()) {
                break;
            }
            let some: Vec<ResolvedObjective> = chosen.iter().map(|&i| goals[i].clone()).collect();
            let results = work.optimise(&some, group, attempt)?;
            for (i, pattern) in chosen.into_iter().zip(results) {
                let better = made[i].as_ref().is_none_or(|before| pattern.excites_more(before));
                if better {
                    made[i] = Some(pattern);
                } else if let Some(before) = &mut made[i] {
                    before.begun_again(attempt);
                }
            }
        }
        let Optimisation { progress, stopped, .. } = work;
        progress.finish();
        let made = made.into_iter().flatten().collect();
        Ok(Patterns::new(title, layers.len() > 1, made, stopped))
    }
}

/// What all objectives are about; one alone where it is the same for all.
fn layers(model: &Model, objectives: &[Objective]) -> Vec<String> {
    let mut layers: Vec<String> =
        objectives.iter().flat_map(|objective| objective.layers(model)).collect();
    layers.dedup();
    layers
}

/// Says how far an attempt is.
fn progress(
    vis: &FeatureVis,
    title: &str,
    pictures: usize,
    attempt: usize,
    started: Instant,
) -> Progress {
    let noun = if pictures == 1 { "picture" } else { "pictures" };
    let again = if attempt > 0 { " begun again" } else { "" };
    let total = (vis.steps * vis.octaves) as u64;
    let mut progress = Progress::new(format!("{title}: {pictures} {noun}{again}, steps"), total);
    if let Some(time) = vis.budget {
        progress = progress.at_most(time.saturating_sub(started.elapsed()));
    }
    match &vis.listener {
        Some(listener) => {
            let listener = Rc::clone(listener);
            progress.listen(move |line| listener(line))
        }
        None => progress,
    }
}

/// Pictures in a row, while they are made, and the pixels between them.
const BESIDE: usize = 6;
const GAP: u32 = 4;

struct Optimisation<'a> {
    vis: &'a FeatureVis,
    model: &'a Model,
    title: String,
    /// Of this attempt.
    progress: Progress,
    started: Instant,
    done: u64,
    /// Why it ended early.
    stopped: Option<String>,
}

/// A picture that diverged, as it was before.
struct Lost {
    picture: Tensor,
    divergence: Divergence,
}

impl<'a> Optimisation<'a> {
    fn new(
        vis: &'a FeatureVis,
        model: &'a Model,
        title: &str,
        pictures: usize,
    ) -> Optimisation<'a> {
        let (title, started) = (title.to_owned(), Instant::now());
        let progress = progress(vis, &title, pictures, 0, started);
        Optimisation { vis, model, title, progress, started, done: 0, stopped: None }
    }

    fn optimise(
        &mut self,
        goals: &[ResolvedObjective],
        group: usize,
        attempt: usize,
    ) -> Result<Vec<Pattern>> {
        let vis = self.vis;
        if attempt > 0 {
            let next = progress(vis, &self.title, goals.len(), attempt, self.started);
            std::mem::replace(&mut self.progress, next).finish();
            self.done = 0;
        }
        let diversity = vis.diversity.map(|(_, weight)| weight);
        let trunk = Trunk::new(self.model, goals, group, diversity)?;
        let sizes = self.sizes(&trunk)?;
        if attempt == 0 {
            self.announce(&trunk, &sizes, goals.len())?;
        }
        let seed = vis.seed ^ (attempt as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut noise = StdRng::seed_from_u64(seed);
        let mut chance = StdRng::seed_from_u64(seed.wrapping_add(1));
        let mut run = Run {
            labels: goals.iter().map(|goal| goal.label.as_str()).collect(),
            losses: vec![Vec::new(); goals.len()],
            lost: (0..goals.len()).map(|_| None).collect(),
            frames: vec![Vec::new(); goals.len()],
            good: None,
        };
        let mut so_far = Preview::default();
        let every = self.frame_steps(&sizes, goals.len());
        let mut leaf = self.first_leaf(goals.len(), group, sizes[0], &mut noise)?;
        let mut width = sizes[0][1];
        for (octave, &[h, w]) in sizes.iter().enumerate() {
            if octave > 0 {
                leaf = self.enlarged(&leaf, sizes[octave - 1], [h, w])?;
            }
            width = w;
            let (canvas, mut optimizer) = self.canvas(&leaf)?;
            for step in 0..vis.steps {
                let place = octave * vis.steps + step;
                self.step(&trunk, &canvas, w, &mut run, place, &mut chance)?;
                if every.binary_search(&place).is_ok() {
                    run.keep_frames(|picture| self.pictures(picture))?;
                }
                optimizer.step();
                run.clear_lost(&canvas)?;
                if run.all_are_lost() {
                    break;
                }
                self.done += 1;
                if let (None, Some(good)) = (&vis.listener, &run.good) {
                    so_far.show(|| self.shown_so_far(good));
                }
                let why = match self.progress.advance(self.done) {
                    Err(_) => Some("interrupted"),
                    Ok(()) => {
                        let is_up = |budget| self.started.elapsed() >= budget;
                        vis.budget.is_some_and(is_up).then_some("the time was up")
                    }
                };
                if let Some(why) = why {
                    let total = vis.steps * sizes.len();
                    self.stopped = Some(format!("{why} after step {} of {total}", place + 1));
                    break;
                }
            }
            leaf = canvas.f_detach().into_result()?;
            if self.stopped.is_some() || run.all_are_lost() {
                break;
            }
        }
        let _no_grad = tch::no_grad_guard();
        let last = vis.parametrization.picture(&leaf, width)?;
        self.finish(&trunk, &last, run, goals, attempt)
    }

    /// Height and width at each octave.
    fn sizes(&self, trunk: &Trunk) -> Result<Vec<[i64; 2]>> {
        let vis = self.vis;
        let [channels, h, w] = self.model.input_shape();
        let first = match (&vis.start, vis.size) {
            (Start::Values(values), _) => match start_values(values)?.size().as_slice() {
                &[n, c, h, w] if n > 0 && c == channels => [h, w],
                size => {
                    return Err(Error::Shape(format!(
                        "pictures of {} start from values [1, {channels}, height, width] or one for \
                         each picture; got {size:?}",
                        self.model.name()
                    )));
                }
            },
            (Start::Photo(photo), size) => {
                let [h, w] = size.unwrap_or([SIDE; 2]);
                let (height, width) = (i64::from(photo.height()), i64::from(photo.width()));
                match h == w {
                    true if height <= width => [h, width.saturating_mul(h) / height.max(1)],
                    true => [height.saturating_mul(w) / width.max(1), w],
                    false => [h, w],
                }
            }
            (_, Some(size)) => size,
            (_, None) => {
                let small = [SIDE.min(h), SIDE.min(w)];
                if trunk.check(small[0], small[1]).is_ok() { small } else { [h, w] }
            }
        };
        let mut sizes = vec![first];
        for _ in 1..vis.octaves {
            let [h, w] = *sizes.last().unwrap_or(&first);
            sizes.push([h, w].map(|side| (side as f64 * vis.octave_scale) as i64));
        }
        for &[h, w] in &sizes {
            if !((1..=8192).contains(&h) && (1..=8192).contains(&w)) {
                return Err(Error::Argument(format!(
                    "pictures have 1 to 8192 pixels on a side, not {w} × {h}"
                )));
            }
            trunk.check(h, w)?;
        }
        Ok(sizes)
    }

    /// Says what memory the largest pictures take, where that is much.
    fn announce(&self, trunk: &Trunk, sizes: &[[i64; 2]], pictures: usize) -> Result<()> {
        let area = |[h, w]: &[i64; 2]| h * w;
        let Some(largest) = sizes.iter().max_by_key(|size| area(size)) else { return Ok(()) };
        let [h, w] = *largest;
        let values = (pictures as i64 * self.model.input_shape()[0]).saturating_mul(h * w);
        // What is optimised with its gradient and the optimiser's two means, and what lies on the way from
        // there to the network and back: measured.
        let bytes = values.saturating_mul(4 * 8).saturating_add(trunk.bytes_at_once(h, w)?);
        let each = if pictures == 1 { "a picture" } else { &format!("{pictures} pictures") };
        let way_out = match (sizes.len(), pictures) {
            (1, 1) => "a smaller .size(..) takes less",
            (1, _) => "a smaller .size(..) or fewer pictures at once take less",
            _ => "fewer .octaves(..) take less",
        };
        let what = format!("{}: {each} of {w} × {h} pixels", self.title);
        memory::announce(&what, bytes.max(0) as u64, way_out, |text| match &self.vis.listener {
            Some(listener) => listener(text),
            None => show::line(text),
        })
    }

    /// At which steps frames are kept.
    fn frame_steps(&self, sizes: &[[i64; 2]], pictures: usize) -> Vec<usize> {
        let vis = self.vis;
        let largest = sizes.iter().map(|[h, w]| (h * w) as usize).max().unwrap_or(1);
        let total = vis.steps * sizes.len();
        let most = (FRAMES / (3 * largest * pictures).max(1)).min(vis.frames).min(total);
        match most {
            0 | 1 => Vec::new(),
            // The finished picture is one of them.
            most => {
                let step = |i: usize| (i as u128 * total as u128 / (most as u128 - 1)) as usize;
                (0..most - 1).map(step).collect()
            }
        }
    }

    /// What is optimised first.
    fn first_leaf(
        &self,
        count: usize,
        group: usize,
        [h, w]: [i64; 2],
        random: &mut StdRng,
    ) -> Result<Tensor> {
        let vis = self.vis;
        let (count, group, [c, ..]) = (count as i64, group as i64, self.model.input_shape());
        // The same noise for each objective.
        let same = |noise: Tensor| {
            let times: Vec<i64> =
                std::iter::once(count / group).chain(vec![1; noise.dim() - 1]).collect();
            noise.f_repeat(times).and_then(|t| t.f_to_device(self.model.device())).into_result()
        };
        let shape = [group, c, h, w];
        let values = match &vis.start {
            Start::Normal(deviation) => {
                let noise = Init::Normal(*deviation);
                return same(noise.tensor(&vis.parametrization.shape(shape), random)?);
            }
            Start::Uniform(low, high) => same(uniform(&shape, *low, *high, random)?)?,
            Start::Levels(low, high) => {
                let levels = uniform(&shape, *low, *high, random)?;
                same(levels.f_floor().and_then(|t| t.f_div_scalar(255.0)).into_result()?)?
            }
            Start::Photo(_) => {
                let values = self.photo_values([h, w])?;
                values.f_repeat([count, 1, 1, 1]).into_result()?
            }
            Start::Values(values) => {
                let values = start_values(values)?
                    .f_detach()
                    .and_then(|t| t.f_to_kind(Kind::Float))
                    .and_then(|t| t.f_to_device(self.model.device()))
                    .into_result()?;
                match values.size().first() {
                    Some(1) => values.f_repeat([count, 1, 1, 1]).into_result()?,
                    Some(&n) if n == count => values,
                    _ => {
                        return Err(Error::Shape(format!(
                            "{count} pictures start from one or {count} tensors of values; got {:?}",
                            values.size()
                        )));
                    }
                }
            }
        };
        vis.parametrization.encode(&values)
    }

    /// The photo at this size as values, `[1, C, h, w]`.
    fn photo_values(&self, [h, w]: [i64; 2]) -> Result<Tensor> {
        let Start::Photo(photo) = &self.vis.start else {
            return Err(Error::Argument("there is no photo to start from".into()));
        };
        let whole = Preprocess::exact(h, w);
        let colours = whole.normalized(&whole.seen(photo)?, self.model.input_shape()[0])?;
        let colours = colours.f_to_device(self.model.device()).into_result()?;
        match self.vis.parametrization {
            Parametrization::Pixels => self.model.preprocess().normalized_colours(&colours),
            other => other.values_of(&colours),
        }
    }

    /// What is optimised next: the values at a larger size, by cubic interpolation. Of a photo, only
    /// what was changed is enlarged, and the photo's own detail comes back.
    fn enlarged(&self, leaf: &Tensor, from: [i64; 2], to: [i64; 2]) -> Result<Tensor> {
        let _no_grad = tch::no_grad_guard();
        let parametrization = self.vis.parametrization;
        let values = parametrization.decode(leaf, from[1])?;
        let cubic = |t: &Tensor| t.f_upsample_bicubic2d(to, false, None, None);
        let larger = match self.vis.start {
            Start::Photo(_) => {
                let changed = values.f_sub(&self.photo_values(from)?).into_result()?;
                let changed = cubic(&changed).into_result()?;
                changed.f_add(&self.photo_values(to)?).into_result()?
            }
            _ => cubic(&values).into_result()?,
        };
        parametrization.encode(&larger)
    }

    /// What is optimised, where the optimiser finds it.
    fn canvas(&self, leaf: &Tensor) -> Result<(Tensor, nn::Optimizer)> {
        let variables = VarStore::new(leaf.device());
        let canvas = variables.root().f_var_copy("picture", leaf).into_result()?;
        let (rate, decay) = (self.vis.learning_rate, self.vis.weight_decay);
        let optimizer = match self.vis.optimizer {
            Optimizer::Adam => nn::Adam::default().wd(decay).build(&variables, rate),
            Optimizer::Sgd { momentum } => {
                nn::Sgd { momentum, wd: decay, ..nn::Sgd::default() }.build(&variables, rate)
            }
        };
        Ok((canvas, optimizer.into_result()?))
    }

    /// The gradient of one step, left where the optimiser finds it.
    fn step(
        &self,
        trunk: &Trunk,
        canvas: &Tensor,
        width: i64,
        run: &mut Run<'_>,
        place: usize,
        chance: &mut StdRng,
    ) -> Result<()> {
        let vis = self.vis;
        let bounded = vis.parametrization.is_bounded();
        let (picture, seen, penalty) = recorded(|| {
            let picture = vis.parametrization.picture(canvas, width)?;
            let changed = transform::apply_all(&vis.transforms, &picture, grey(bounded), chance)?;
            let seen = self.as_input(&changed)?;
            let mut penalty: Option<Tensor> = None;
            for (regularizer, weight) in &vis.regularizers {
                let term = regularizer.of(&picture, grey(bounded))?;
                let term = term.f_mul_scalar(*weight).into_result()?;
                penalty = Some(match penalty {
                    None => term,
                    Some(sum) => sum.f_add(&term).into_result()?,
                });
            }
            Ok((picture, seen, penalty))
        })?;
        let found = trunk.evaluate(&seen.f_detach().into_result()?)?;
        let mut losses = found.losses;
        if let Some(penalty) = &penalty {
            for (loss, more) in losses.iter_mut().zip(to_floats(penalty)?) {
                *loss += f64::from(more);
            }
        }
        run.note(&picture, &losses, place)?;
        let mut gradient = canvas.grad();
        if gradient.defined() {
            let _ = gradient.f_zero_().into_result()?;
        }
        recorded(|| {
            let mut total =
                seen.f_mul(&found.gradient).and_then(|t| t.f_sum(None::<Kind>)).into_result()?;
            if let Some(penalty) = &penalty {
                let sum = penalty.f_sum(None::<Kind>).into_result()?;
                total = total.f_add(&sum).into_result()?;
            }
            total.f_backward().into_result()
        })?;
        run.clear_lost(&canvas.grad())
    }

    /// Colours as the network's input.
    fn as_input(&self, picture: &Tensor) -> Result<Tensor> {
        match self.vis.parametrization.is_bounded() && self.vis.normalized {
            true => self.model.preprocess().normalized_colours(picture),
            false => Ok(picture.shallow_clone()),
        }
    }

    /// What is shown of pictures, `[N, C, h, w]`.
    fn pictures(&self, picture: &Tensor) -> Result<Vec<Picture>> {
        let _no_grad = tch::no_grad_guard();
        let colours = match self.vis.parametrization.is_bounded() {
            true => picture.f_detach().into_result()?,
            false => self.model.preprocess().colours_of(&picture.f_detach().into_result()?)?,
        };
        let colours = self.model.preprocess().shown_of(&colours)?;
        let size = colours.size();
        // Grey is as good as it comes; of other channels than three the mean is shown.
        let colours = match size.as_slice() {
            &[n, 1, h, w] => colours.f_expand([n, 3, h, w], false).into_result()?,
            _ => colours,
        };
        let count = size.first().copied().unwrap_or(0);
        let plain = Preprocess::keep();
        let each = (0..count).map(|i| {
            let one = colours.f_narrow(0, i, 1).into_result()?;
            Ok(plain.pictured(&one)?.0)
        });
        each.collect()
    }

    /// For a reader who waits: the pictures as they are now.
    fn shown_so_far(&self, good: &Tensor) -> MimeBundle {
        match self.pictures(good) {
            Ok(pictures) => {
                let rows = pictures.chunks(BESIDE).map(|row| Picture::beside(row, GAP));
                let text = format!("{}, after {} steps", self.title, self.done);
                MimeBundle::picture(Picture::above(rows, GAP), text)
            }
            Err(error) => error_bundle(&error),
        }
    }

    /// The finished pictures, with how they excite what they were made for.
    fn finish(
        &self,
        trunk: &Trunk,
        last: &Tensor,
        mut run: Run<'_>,
        goals: &[ResolvedObjective],
        attempt: usize,
    ) -> Result<Vec<Pattern>> {
        let steps = run.losses.iter().map(Vec::len).max().unwrap_or(0);
        let finite = finite_rows(last)?;
        for (i, finite) in finite.iter().enumerate() {
            if !finite && run.lost[i].is_none() {
                run.lose(i, steps, f64::NAN)?;
            }
        }
        let mut patterns = Vec::with_capacity(goals.len());
        let mut excitements = self.excitement_of(trunk, last, &run, goals)?;
        for (i, found) in excitements.iter().enumerate() {
            if !found.objective.is_finite() && run.lost[i].is_none() {
                run.lose(i, steps, -found.objective)?;
            }
        }
        if excitements.iter().any(|found| !found.objective.is_finite()) {
            excitements = self.excitement_of(trunk, last, &run, goals)?;
        }
        for (i, goal) in goals.iter().enumerate() {
            let picture = run.final_picture(last, i)?;
            let shown = self.pictures(&picture)?.pop();
            let shown = shown.ok_or_else(|| Error::Image("no picture".into()))?;
            let mut frames = std::mem::take(&mut run.frames[i]);
            if !frames.is_empty() {
                frames.push(shown.clone());
            }
            let Some(&excitement) = excitements.get(i) else { continue };
            patterns.push(Pattern::new(super::pattern::Made {
                label: goal.label.clone(),
                is_index: goal.is_index,
                layer: self.model.layer_name(goal.terms[0].1.node).to_owned(),
                picture: shown,
                input: self.as_input(&picture)?,
                excitement,
                losses: std::mem::take(&mut run.losses[i]),
                divergence: run.lost[i].take().map(|lost| lost.divergence),
                frames,
                starts: attempt + 1,
            }));
        }
        Ok(patterns)
    }

    fn excitement_of(
        &self,
        trunk: &Trunk,
        last: &Tensor,
        run: &Run<'_>,
        goals: &[ResolvedObjective],
    ) -> Result<Vec<Excitement>> {
        if run.lost.iter().all(Option::is_none) {
            return trunk.excitement(&self.as_input(last)?);
        }
        // Their sizes may differ.
        let mut excitements = Vec::with_capacity(goals.len());
        for (i, goal) in goals.iter().enumerate() {
            let alone = Trunk::new(self.model, std::slice::from_ref(goal), 1, None)?;
            let picture = self.as_input(&run.final_picture(last, i)?)?;
            excitements.extend(alone.excitement(&picture)?);
        }
        Ok(excitements)
    }
}

/// What is known of the pictures of a batch so far.
struct Run<'a> {
    labels: Vec<&'a str>,
    losses: Vec<Vec<f64>>,
    lost: Vec<Option<Lost>>,
    frames: Vec<Vec<Picture>>,
    /// The pictures of the last step at which all that is not lost was finite, `[N, C, h, w]`.
    good: Option<Tensor>,
}

impl Run<'_> {
    /// Notes the losses of a step; what is not finite is lost from here on.
    fn note(&mut self, picture: &Tensor, losses: &[f64], place: usize) -> Result<()> {
        let finite = finite_rows(picture)?;
        for (i, (&loss, finite)) in losses.iter().zip(finite).enumerate() {
            if self.lost[i].is_some() {
                continue;
            }
            if loss.is_finite() && finite {
                self.losses[i].push(loss);
            } else {
                self.lose(i, place, loss)?;
            }
        }
        // A copy, since the optimiser changes pixels in place.
        self.good = Some(picture.f_detach_copy().into_result()?);
        Ok(())
    }

    /// `place` steps were taken.
    fn lose(&mut self, index: usize, place: usize, loss: f64) -> Result<()> {
        let Some(good) = &self.good else {
            return Err(Error::Argument(format!(
                "the loss of {:?} is {loss} before the first step: the network's answer to the \
                 picture that it starts from is not finite",
                self.labels[index]
            )));
        };
        let picture = good.f_narrow(0, index as i64, 1).into_result()?;
        let divergence = Divergence { step: place, loss };
        self.lost[index] = Some(Lost { picture, divergence });
        Ok(())
    }

    /// Nothing is left to optimise.
    fn all_are_lost(&self) -> bool {
        self.lost.iter().all(Option::is_some)
    }

    /// Zeros in the place of pictures that are lost.
    fn clear_lost(&self, rows: &Tensor) -> Result<()> {
        let _no_grad = tch::no_grad_guard();
        for (i, _) in self.lost.iter().enumerate().filter(|(_, lost)| lost.is_some()) {
            let mut row = rows.f_narrow(0, i as i64, 1).into_result()?;
            let _ = row.f_zero_().into_result()?;
        }
        Ok(())
    }

    fn keep_frames(&mut self, shown: impl Fn(&Tensor) -> Result<Vec<Picture>>) -> Result<()> {
        let Some(good) = &self.good else { return Ok(()) };
        for ((frames, lost), frame) in self.frames.iter_mut().zip(&self.lost).zip(shown(good)?) {
            if lost.is_none() {
                frames.push(frame);
            }
        }
        Ok(())
    }

    /// `[1, C, h, w]`
    fn final_picture(&self, last: &Tensor, index: usize) -> Result<Tensor> {
        match &self.lost[index] {
            Some(lost) => Ok(lost.picture.shallow_clone()),
            None => last.f_narrow(0, index as i64, 1).into_result(),
        }
    }
}

/// What pictures start from, with a value for each place.
fn start_values(values: &Tensor) -> Result<Tensor> {
    plain_numbers(values).map_err(|e| e.while_doing("the values that pictures start from"))
}

/// Whether all values of each picture are finite.
fn finite_rows(pictures: &Tensor) -> Result<Vec<bool>> {
    let _no_grad = tch::no_grad_guard();
    let rows = pictures
        .f_detach()
        .and_then(|t| t.f_flatten(1, -1))
        .and_then(|t| t.f_isfinite())
        .and_then(|t| t.f_all_dim(1, false))
        .into_result()?;
    Ok(to_floats(&rows)?.into_iter().map(|finite| finite != 0.0).collect())
}

/// Independent values between two numbers.
fn uniform(shape: &[i64], low: f64, high: f64, random: &mut StdRng) -> Result<Tensor> {
    let (middle, half) = ((low + high) / 2.0, (high - low) / 2.0);
    Init::Uniform(1.0)
        .tensor(shape, random)?
        .f_mul_scalar(half)
        .and_then(|t| t.f_add_scalar(middle))
        .into_result()
}
