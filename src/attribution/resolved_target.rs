//! A target as it applies to one photo under one network: a score that can be computed.

use std::rc::Rc;

use tch::{Kind, Tensor};

use super::Target;
use super::likeness::ResolvedLikeness;
use super::target::Function;
use crate::error::{Error, Result};
use crate::look::{Detection, best_first, class_scores, probabilities};
use crate::model::{LayerRef, Model, YesOrNo, on_a_copy};
use crate::number::{number, signed};
use crate::picture::Rectangle;
use crate::tensor::{IntoResult, plain_numbers, to_doubles, to_floats};

/// A target resolved for one photo.
#[derive(Clone, Debug)]
pub(crate) struct ResolvedTarget {
    pub(crate) label: String,
    /// The class, where it is one alone.
    pub(crate) class: Option<usize>,
    /// Its probability, where the network ends in one score a class.
    pub(crate) probability: Option<f64>,
    /// What pictures say in place of both, with the score: of a network with one score alone whether it is for or
    /// against, of a number whether more or less of it, of another photo how like it.
    pub(crate) direction: Option<String>,
    /// What has to be known of it besides.
    pub(crate) remark: Option<String>,
    /// The boxes that are explained.
    pub(crate) boxes: Vec<Rectangle>,
    score: ScoreOf,
}

#[derive(Clone, Debug)]
enum ScoreOf {
    Class(usize),
    /// Class 1 or 0 by the only score that there is.
    Answer(usize, YesOrNo),
    /// A class and the pixels that count, `[h, w]` of 0 and 1; `-1.0` as the factor turns the only
    /// map of a network that says yes or no into that of "no".
    Pixels(usize, Rc<Tensor>, f64),
    Sum(Vec<(f64, ScoreOf)>),
    Function(Function),
    /// Output `number`, or its mean over pixels, times 1 or −1.
    Number(i64, f64),
    Likeness(ResolvedLikeness),
    Detection(Detection),
}

impl ResolvedTarget {
    /// `output` is that for the photo, `[1, ...]`, and `input` the shape of the inputs.
    pub(super) fn new(
        target: &Target,
        model: &Model,
        output: &Tensor,
        input: &[i64],
    ) -> Result<ResolvedTarget> {
        let _no_grad = tch::no_grad_guard();
        let score = score_of(target, model, output, input)?;
        let resolved = ResolvedTarget {
            label: model.output_named() + &label(target, &score, model),
            class: score.class(),
            probability: None,
            direction: None,
            remark: None,
            boxes: boxes(target),
            score,
        };
        match target {
            Target::Number { .. } | Target::Likeness(_) => resolved.with_value_said(target, output),
            Target::Detection(_) => Ok(resolved),
            _ if ends_in_classes(output) => resolved.with_probability(model, output),
            _ => Ok(resolved),
        }
    }

    /// Of a network that ends in one score a class.
    fn with_probability(self, model: &Model, output: &Tensor) -> Result<ResolvedTarget> {
        let scores = to_floats(output)?;
        let own = class_scores(model, &scores);
        let probabilities = probabilities(model, &scores);
        let probability = self.class.and_then(|class| probabilities.get(class).copied());
        let answers = matches!(self.score, ScoreOf::Answer(..));
        let told = self.class.filter(|_| answers);
        let told = told.map(|class| direction(model, class, &own, &probabilities));
        let (direction, remark) = told.unwrap_or_default();
        Ok(ResolvedTarget { probability, direction, remark, ..self })
    }

    /// Of a number or a likeness, with its value: "more age (41.7)".
    fn with_value_said(self, target: &Target, output: &Tensor) -> Result<ResolvedTarget> {
        let score = to_doubles(&self.scores(output)?)?.first().copied();
        let value = match target {
            // The number itself, whichever way it is explained.
            Target::Number { less: true, .. } => score.map(|score| -score),
            _ => score,
        };
        let said = |value: f64| match value < 0.0 {
            true => format!("{} ({})", self.label, signed(value, 4)),
            false => format!("{} ({})", self.label, number(value + 0.0, 4)),
        };
        Ok(ResolvedTarget { direction: value.map(said), ..self })
    }

    /// The scores of a batch of outputs, `[M, ...] -> [M]`.
    pub(super) fn scores(&self, outputs: &Tensor) -> Result<Tensor> {
        self.score.of(outputs)
    }

    /// Of one class, its probability for each of a batch of outputs, where the network ends in one score a class; else the
    /// score.
    pub(super) fn confidences(&self, model: &Model, outputs: &Tensor) -> Result<Vec<f64>> {
        let class = self.class.filter(|_| self.probability.is_some());
        let Some(class) = class else { return to_doubles(&self.scores(outputs)?) };
        let count = outputs.size().first().copied().unwrap_or(0).max(1) as usize;
        let scores = to_floats(outputs)?;
        let each = scores.chunks_exact((scores.len() / count).max(1));
        Ok(each.map(|scores| probabilities(model, scores)[class]).collect())
    }
}

/// The sum over a batch of each photo's own score: its gradient is each photo's gradient.
pub(super) fn total(goals: &[ResolvedTarget], outputs: &Tensor) -> Result<Tensor> {
    let mut sum: Option<Tensor> = None;
    for (i, goal) in goals.iter().enumerate() {
        let one = match goals.len() {
            1 => outputs.shallow_clone(),
            _ => outputs.f_narrow(0, i as i64, 1).into_result()?,
        };
        let score = goal.scores(&one)?.f_sum(Kind::Float).into_result()?;
        sum = Some(match sum {
            None => score,
            Some(sum) => sum.f_add(&score).into_result()?,
        });
    }
    sum.ok_or_else(|| Error::Argument("a batch of no photos".into()))
}

impl ScoreOf {
    fn class(&self) -> Option<usize> {
        match self {
            ScoreOf::Class(class) | ScoreOf::Pixels(class, ..) | ScoreOf::Answer(class, _) => {
                Some(*class)
            }
            ScoreOf::Sum(parts) => match parts.as_slice() {
                [(1.0, only)] => only.class(),
                _ => None,
            },
            ScoreOf::Detection(one) => Some(one.class),
            ScoreOf::Function(_) | ScoreOf::Number(..) | ScoreOf::Likeness(_) => None,
        }
    }

    fn of(&self, outputs: &Tensor) -> Result<Tensor> {
        match self {
            ScoreOf::Class(class) => outputs
                .f_flatten(1, -1)
                .and_then(|scores| scores.f_select(1, *class as i64))
                .into_result(),
            ScoreOf::Answer(class, answer) => outputs
                .f_reshape([outputs.size().first().copied().unwrap_or(0)])
                .and_then(|y| match class {
                    1 => Ok(y),
                    _ => y.f_neg()?.f_add_scalar(2.0 * answer.above),
                })
                .into_result(),
            ScoreOf::Pixels(class, pixels, factor) => {
                let channel = if outputs.size().get(1) == Some(&1) { 0 } else { *class as i64 };
                outputs
                    .f_select(1, channel) // [M, K, h, w] -> [M, h, w]
                    .and_then(|scores| scores.f_mul(pixels))
                    .and_then(|scores| scores.f_mul_scalar(*factor))
                    .and_then(|t| t.f_sum_dim_intlist([1i64, 2].as_slice(), false, None::<Kind>))
                    .into_result()
            }
            ScoreOf::Sum(parts) => {
                let mut sum: Option<Tensor> = None;
                for (factor, part) in parts {
                    let score = part.of(outputs)?.f_mul_scalar(*factor).into_result()?;
                    sum = Some(match sum {
                        None => score,
                        Some(sum) => sum.f_add(&score).into_result()?,
                    });
                }
                sum.ok_or_else(|| Error::Argument("a sum of no targets: give at least one".into()))
            }
            ScoreOf::Function(function) => each_photo(outputs, |output| function.call(output)),
            ScoreOf::Number(number, sign) => outputs
                .f_reshape([outputs.size().first().copied().unwrap_or(0), numbers(outputs), -1])
                .and_then(|t| t.f_select(1, *number)) // [M, K, pixels] -> [M, pixels]
                .and_then(|t| t.f_mean_dim([1i64].as_slice(), false, None::<Kind>))
                .and_then(|t| t.f_mul_scalar(*sign))
                .into_result(),
            ScoreOf::Likeness(likeness) => likeness.of(outputs),
            ScoreOf::Detection(one) => each_photo(outputs, |output| one.score_in(output)),
        }
    }
}

/// What a function of one photo's output is for each of a batch, `[M, ...] -> [M]`.
fn each_photo(outputs: &Tensor, score: impl Fn(&Tensor) -> Result<Tensor>) -> Result<Tensor> {
    let count = outputs.size().first().copied().unwrap_or(0);
    let scores = (0..count).map(|i| score(&outputs.f_select(0, i).into_result()?));
    Tensor::f_stack(&scores.collect::<Result<Vec<_>>>()?, 0).into_result()
}

/// How many numbers, or maps of them, a network puts out for a photo.
fn numbers(output: &Tensor) -> i64 {
    output.size().get(1).copied().unwrap_or(1)
}

impl Function {
    /// One photo's outputs to a number, `[] `.
    fn call(&self, output: &Tensor) -> Result<Tensor> {
        let what = format!("the target function {:?}", self.name);
        let recording = output.requires_grad();
        let value = on_a_copy(output, |output| (self.compute)(output));
        let value = value.map_err(|error| error.while_doing(&what))?;
        let value = plain_numbers(&value).map_err(|e| e.while_doing(format!("{what} returns")))?;
        if value.numel() != 1 {
            return Err(Error::Argument(format!(
                "{what} returns {:?}, but a target is one number: select an element, or take the \
                 sum or the mean",
                value.size()
            )));
        }
        if recording && !value.requires_grad() {
            return Err(Error::Argument(format!(
                "{what} does not depend on the network's output in a way that can be \
                 differentiated: make it of tensor operations on its argument, without detach, \
                 argmax or values taken out of tensors"
            )));
        }
        value.f_reshape([0i64; 0]).and_then(|t| t.f_to_kind(Kind::Float)).into_result()
    }
}

/// Whether this output is a score a class.
fn ends_in_classes(output: &Tensor) -> bool {
    matches!(*output.size().as_slice(), [1] | [1, _] | [1, _, 1, 1]) && output.numel() > 0
}

/// The boxes among what is explained.
fn boxes(target: &Target) -> Vec<Rectangle> {
    match target {
        Target::Detection(one) => vec![one.rectangle()],
        Target::Sum(parts) => parts.iter().flat_map(|(_, part)| boxes(part)).collect(),
        _ => Vec::new(),
    }
}

/// A target's score in outputs like this, `[1, ...]`, for inputs of this shape.
fn score_of(target: &Target, model: &Model, output: &Tensor, input: &[i64]) -> Result<ScoreOf> {
    match (target, output.size().as_slice()) {
        (Target::Sum(parts), _) => sum_of(parts, |part| score_of(part, model, output, input)),
        (Target::Function(function), _) => Ok(ScoreOf::Function(function.clone())),
        (Target::Likeness(likeness), _) => {
            Ok(ScoreOf::Likeness(likeness.resolved(model, output, input)?))
        }
        (Target::Detection(one), _) => {
            // That it is there to be read.
            let _score = one.score_in(&output.f_select(0, 0).into_result()?)?;
            Ok(ScoreOf::Detection(one.clone()))
        }
        (Target::Number { number, less }, _) => {
            let sign = if *less { -1.0 } else { 1.0 };
            Ok(ScoreOf::Number(number_of(number, model, output)?, sign))
        }
        _ if ends_in_classes(output) => {
            of_classes(target, model, &class_scores(model, &to_floats(output)?))
        }
        (_, &[1, classes, h, w]) if classes > 0 && h * w > 0 => of_pixels(target, model, output),
        (_, other) => Err(Error::Shape(format!(
            "{} does not end in one score a class, nor in a map a class, but in {other:?}: choose what is \
             explained by Target::function, or explain a box that `look.detections` has found",
            model.name()
        ))),
    }
}

/// Which of the numbers that a network puts out is meant.
fn number_of(number: &LayerRef, model: &Model, output: &Tensor) -> Result<i64> {
    let size = output.size();
    if !matches!(size.len(), 1 | 2 | 4) || size.contains(&0) {
        return Err(Error::Shape(format!(
            "{} ends in {size:?}, and a number is one of [1, numbers], or the mean of one of the maps [1, numbers, \
             height, width]: choose what is explained by Target::function",
            model.name()
        )));
    }
    let count = numbers(output);
    match number {
        // What the only number is called, captions say.
        LayerRef::Name(_) if count == 1 => Ok(0),
        LayerRef::Name(name) => Ok(model.class_index(name)? as i64),
        LayerRef::Index(index) if (0..count).contains(index) => Ok(*index),
        LayerRef::Index(index) => Err(Error::Argument(format!(
            "{} puts out the numbers 0 to {}, not {index}",
            model.name(),
            count - 1
        ))),
    }
}

fn index_of(target: &Target, model: &Model, count: usize) -> Result<Option<usize>> {
    let index = match target {
        Target::Name(name) => model.class_index(name)? as i64,
        Target::Index(index) => *index,
        _ => return Ok(None),
    };
    match usize::try_from(index) {
        Ok(class) if class < count => Ok(Some(class)),
        _ => Err(Error::Argument(format!(
            "{} has the classes 0 to {}, not {index}",
            model.name(),
            count.saturating_sub(1)
        ))),
    }
}

fn of_classes(target: &Target, model: &Model, scores: &[f32]) -> Result<ScoreOf> {
    let class = |class: usize| match model.yes_or_no() {
        Some(answer) => ScoreOf::Answer(class, answer),
        None => ScoreOf::Class(class),
    };
    if let Some(index) = index_of(target, model, scores.len())? {
        return Ok(class(index));
    }
    match target {
        Target::Pixels { .. } => Err(Error::Argument(format!(
            "{} ends in one score a class, not in a map a class: name the class itself, without \
             Target::pixels",
            model.name()
        ))),
        _ => {
            let best = best_first(scores).first().copied();
            best.map(class).ok_or_else(|| Error::Shape(format!("{} has no classes", model.name())))
        }
    }
}

fn of_pixels(target: &Target, model: &Model, output: &Tensor) -> Result<ScoreOf> {
    let maps = output.size()[1];
    // One map of scores says yes, class 1, or no.
    let count = maps.max(2) as usize;
    let above = model.yes_or_no().map_or(0.0, |answer| answer.above);
    let winners = || -> Result<Tensor> {
        let winners = match maps {
            1 => output.f_select(1, 0).and_then(|t| t.f_gt(above)),
            _ => output.f_argmax(1, false),
        };
        winners.and_then(|t| t.f_select(0, 0)).and_then(|t| t.f_to_kind(Kind::Int64)).into_result()
    };
    let pixels = |class: usize, region: Option<&crate::picture::Region>| -> Result<ScoreOf> {
        let (h, w) = (output.size()[2], output.size()[3]);
        let inside = match region {
            None => winners()?.f_eq(class as i64).into_result()?,
            Some(region) if (region.height() as i64, region.width() as i64) == (h, w) => {
                let inside: Vec<i64> = region.inside().iter().map(|&i| i64::from(i)).collect();
                Tensor::f_from_slice(&inside).and_then(|t| t.f_reshape([h, w])).into_result()?
            }
            Some(region) => {
                return Err(Error::Shape(format!(
                    "the region has {} × {} pixels (height × width), but {} puts out maps of {h} × \
                     {w}: take its `.resized({h}, {w})`",
                    region.height(),
                    region.width(),
                    model.name()
                )));
            }
        };
        let inside = inside
            .f_to_kind(output.kind())
            .and_then(|t| t.f_to_device(output.device()))
            .into_result()?;
        let none = inside.f_sum(Kind::Double).into_result()?.double_value(&[]) == 0.0;
        if none {
            return Err(Error::Argument(match region {
                None => format!(
                    "{} predicts {} (class {class}) nowhere in this photo: choose another class, or \
                     say where by Target::pixels_in",
                    model.name(),
                    model.class_name(class)
                ),
                Some(_) => "the region has no pixel inside".into(),
            }));
        }
        let factor = if maps == 1 && class == 0 { -1.0 } else { 1.0 };
        Ok(ScoreOf::Pixels(class, Rc::new(inside), factor))
    };
    let class_in = |target: &Target| -> Result<usize> {
        if let Some(class) = index_of(target, model, count)? {
            return Ok(class);
        }
        match target {
            Target::Predicted => {
                let counts = winners()?.f_flatten(0, -1).into_result()?;
                let counts = counts.f_bincount::<Tensor>(None, count as i64).into_result()?;
                Ok(best_first(&to_floats(&counts)?).first().copied().unwrap_or(0))
            }
            _ => Err(Error::Argument(
                "the class of Target::pixels is an index, a name or the predicted one".into(),
            )),
        }
    };
    match target {
        Target::Pixels { class, region } => pixels(class_in(class)?, region.as_ref()),
        class => pixels(class_in(class)?, None),
    }
}

fn sum_of(parts: &[(f64, Target)], each: impl Fn(&Target) -> Result<ScoreOf>) -> Result<ScoreOf> {
    if parts.is_empty() {
        return Err(Error::Argument("a sum of no targets: give at least one".into()));
    }
    let parts = parts.iter().map(|(factor, target)| Ok((*factor, each(target)?)));
    Ok(ScoreOf::Sum(parts.collect::<Result<_>>()?))
}

/// What pictures call it: "tabby (281)", "tiger cat (282) − Egyptian cat (285)".
fn label(target: &Target, score: &ScoreOf, model: &Model) -> String {
    match (target, score) {
        (_, ScoreOf::Class(class) | ScoreOf::Answer(class, _)) => model.class_label(*class),
        (_, ScoreOf::Pixels(class, pixels, _)) => {
            let count = pixels.f_sum(Kind::Double).map(|t| t.double_value(&[])).unwrap_or(0.0);
            format!("{}, {count} pixels", model.class_label(*class))
        }
        (Target::Sum(targets), ScoreOf::Sum(parts)) => {
            let mut text = String::new();
            for (i, ((factor, part), (_, target))) in parts.iter().zip(targets).enumerate() {
                let sign = match (i, *factor < 0.0) {
                    (0, false) => "",
                    (0, true) => "−",
                    (_, false) => " + ",
                    (_, true) => " − ",
                };
                text += sign;
                if factor.abs() != 1.0 {
                    text += &format!("{} · ", factor.abs());
                }
                text += &label(target, part, model);
            }
            text
        }
        (_, ScoreOf::Function(function)) => function.name.clone(),
        (_, ScoreOf::Detection(one)) => one.label(),
        (Target::Likeness(likeness), _) => likeness.label(),
        (Target::Number { number, less }, ScoreOf::Number(index, _)) => {
            let name = match number {
                LayerRef::Name(name) => name.clone(),
                LayerRef::Index(_) if model.class_names().is_empty() => {
                    format!("of number {index}")
                }
                LayerRef::Index(_) => model.class_name(*index as usize),
            };
            format!("{} {name}", if *less { "less" } else { "more" })
        }
        (_, ScoreOf::Sum(_) | ScoreOf::Likeness(_) | ScoreOf::Number(..)) => "a sum".into(),
    }
}

/// Which way the only score of a network is explained, with the score and the probability: "for tank (score +2.10,
/// 89.1 %)", "against tank (score −1.70, 15.4 %)"; and what there is to say where the network decided otherwise.
fn direction(
    model: &Model,
    class: usize,
    scores: &[f32],
    probabilities: &[f64],
) -> (Option<String>, Option<String>) {
    let name = |class: usize| model.class_name(class);
    // Where "no" has no name of its own, it is against "yes".
    let against =
        class == 0 && (model.class_names().is_empty() || name(0) == format!("not {}", name(1)));
    let (word, of) = if against { ("against", 1) } else { ("for", class) };
    let (Some(&score), Some(&probability)) = (scores.get(of), probabilities.get(of)) else {
        return (None, None);
    };
    let sign = if score < 0.0 { '−' } else { '+' };
    let score = match model.ends_in_probabilities() {
        true => String::new(),
        false => format!("score {sign}{:.2}, ", score.abs()),
    };
    let output = model.output_named();
    let text = format!("{output}{word} {} ({score}{:.1} %)", name(of), 100.0 * probability);
    let otherwise = probabilities.get(class).is_some_and(|own| *own < 0.5);
    let remark = otherwise.then(|| {
        let decided = name(1 - class);
        format!(
            "the network decides for {decided}: what is shown speaks {word} {} all the same",
            name(of)
        )
    });
    (Some(text), remark)
}
