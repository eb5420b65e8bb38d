//! Layer-wise relevance propagation.

use std::fmt;

use tch::Tensor;

use super::integrated_gradients::{sums, widest};
use super::settings::{Settings, shared_setters};
use super::{Attribution, Baseline, Case, Evidence, Meaning, Target};
use crate::error::{Error, Result};
use crate::model::{Affine, At, Makes, Model, Needs, Op, Reads, Rules, Stop, Weighing};
use crate::tensor::IntoResult;

/// What keeps a divisor from 0 where a rule has no number of its own for that.
const STABILISER: f64 = 1e-6;

/// Layer-wise relevance propagation: the score is the relevance of the output, and each layer hands on what its
/// output has to its inputs, according to what each contributed, until it arrives at the input. Signed. How a
/// layer of weights shares it out is its [rule](LrpRule), and which layer has which rule is the
/// [composite](LrpComposite).
///
/// A batch norm behind a convolution or linear layer is merged into it. Sums and means give each input its share,
/// `xᵢ / Σ xⱼ`; what moves values, and maxima, give it to where each value came from; functions of each value, and
/// normalisations, pass it on; products give each factor half, and all of it to the maps that a factor for each channel
/// scales (Arras et al. 2017). The weights of attention are taken as they are, and all relevance goes to the values
/// (Ali et al. 2022, <https://arxiv.org/abs/2202.07304>).
///
/// Relevance begins as `y · ∂s/∂y` at the output `y`: of a class, its score `s`. Biases keep their share, so that the map
/// sums to less or more than that; a remark says what to. [`without_biases`](Lrp::without_biases) they keep none. A
/// layer whose rule is not defined, as a closure's, is an error before anything runs.
///
/// Bach et al. 2015, <https://doi.org/10.1371/journal.pone.0130140>; Montavon et al. 2019,
/// <https://doi.org/10.1007/978-3-030-28954-6_10>. It is zennit's.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Lrp::default().class("tabby"))?;
/// let other = look.explain(&Lrp::default().composite(LrpComposite::EpsilonPlus).class("tabby"))?;
/// println!("{}", heat.remarks()[0]); // what it sums to
/// assert_ne!(heat.raw(), other.raw());
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Lrp {
    settings: Settings,
    composite: LrpComposite,
    rule: Option<LrpRule>,
    first: Option<LrpRule>,
    biases: bool,
}

shared_setters!(Lrp);

impl Default for Lrp {
    fn default() -> Self {
        Lrp {
            settings: Settings::default(),
            composite: LrpComposite::default(),
            rule: None,
            first: None,
            biases: true,
        }
    }
}

/// How a layer of weights `w` shares the relevance `R` of its outputs `z = Σ x w + b` among its inputs `x`. Ratios have
/// a stabiliser in the divisor, `z + 1e-6 · sign(z)`. `v⁺` is the positive part of `v`, and `v⁻` the negative one.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub enum LrpRule {
    /// `x w / (z + ε · sign(z)) · R`, with this `ε`.
    Epsilon(f64),
    /// Epsilon's, with what speaks for an output (its own sign) increased by this factor `γ` of it.
    Gamma(f64),
    /// What speaks for an output alone: `(x w)⁺ / Σ (x w)⁺ · R`.
    ZPlus,
    /// `α (x w)⁺ / Σ (x w)⁺ · R − β (x w)⁻ / Σ (x w)⁻ · R`; `α − β = 1`.
    AlphaBeta {
        /// The weight of what speaks for an output.
        alpha: f64,
        /// The weight of what speaks against it.
        beta: f64,
    },
    /// The same for every input, whatever it is. For first layers.
    Flat,
    /// `w² / Σ w² · R`, whatever the inputs are, where `b²` is part of the sum. For first layers.
    WSquare,
    /// `(x w − l w⁺ − h w⁻) / Σ (x w − l w⁺ − h w⁻) · R` for inputs between `l` and `h`. For first layers.
    Box {
        /// The least possible input.
        low: Baseline,
        /// The greatest possible input.
        high: Baseline,
    },
}

/// Which layer has which [rule](LrpRule), by zennit's names. Linear layers have epsilon's, of 1e-6; the first layers
/// are the layers of weights with none before them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum LrpComposite {
    /// Convolutions have [`ZPlus`](LrpRule::ZPlus).
    EpsilonPlus,
    /// The same, and first layers [`Flat`](LrpRule::Flat).
    #[default]
    EpsilonPlusFlat,
    /// Convolutions have [`AlphaBeta`](LrpRule::AlphaBeta) of 2 and 1.
    EpsilonAlpha2Beta1,
    /// The same, and first layers [`Flat`](LrpRule::Flat).
    EpsilonAlpha2Beta1Flat,
    /// Convolutions have [`Gamma`](LrpRule::Gamma) of 0.25, and first ones [`Box`](LrpRule::Box) from black to white.
    EpsilonGammaBox,
}

impl LrpComposite {
    fn rule(self, linear: bool, first: bool) -> LrpRule {
        use LrpComposite::*;
        match self {
            EpsilonPlusFlat | EpsilonAlpha2Beta1Flat if first => LrpRule::Flat,
            _ if linear => LrpRule::Epsilon(STABILISER),
            EpsilonGammaBox if first => {
                LrpRule::Box { low: Baseline::Colour([0; 3]), high: Baseline::Colour([255; 3]) }
            }
            EpsilonPlus | EpsilonPlusFlat => LrpRule::ZPlus,
            EpsilonAlpha2Beta1 | EpsilonAlpha2Beta1Flat => {
                LrpRule::AlphaBeta { alpha: 2.0, beta: 1.0 }
            }
            EpsilonGammaBox => LrpRule::Gamma(0.25),
        }
    }
}

impl fmt::Display for LrpRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LrpRule::Epsilon(epsilon) => write!(f, "ε {epsilon}"),
            LrpRule::Gamma(gamma) => write!(f, "γ {gamma}"),
            LrpRule::ZPlus => write!(f, "z⁺"),
            LrpRule::AlphaBeta { alpha, beta } => write!(f, "α {alpha} β {beta}"),
            LrpRule::Flat => write!(f, "flat"),
            LrpRule::WSquare => write!(f, "w²"),
            LrpRule::Box { low, high } => write!(f, "box {low} to {high}"),
        }
    }
}

impl LrpRule {
    fn check(&self) -> Result<()> {
        let sensible = match *self {
            LrpRule::Epsilon(number) | LrpRule::Gamma(number) => {
                number.is_finite() && number >= 0.0
            }
            LrpRule::AlphaBeta { alpha, beta } => {
                alpha.is_finite() && beta >= 0.0 && (alpha - beta - 1.0).abs() < 1e-9
            }
            _ => true,
        };
        match sensible {
            true => Ok(()),
            false => Err(Error::Argument(format!(
                "the rule {self:?} makes no sense: ε and γ are finite and not negative, and α is β + 1"
            ))),
        }
    }
}

impl Lrp {
    /// Which layer has which rule: [`LrpComposite::EpsilonPlusFlat`] unless set.
    #[must_use]
    pub fn composite(&self, composite: LrpComposite) -> Self {
        Self { composite, rule: None, first: None, ..self.clone() }
    }

    /// This rule for all layers of weights, in place of a composite's.
    #[must_use]
    pub fn rule(&self, rule: LrpRule) -> Self {
        Self { rule: Some(rule), ..self.clone() }
    }

    /// This rule for the first layers of weights.
    #[must_use]
    pub fn first_rule(&self, rule: LrpRule) -> Self {
        Self { first: Some(rule), ..self.clone() }
    }

    /// Biases keep no relevance, as if they were 0 where it is shared out: the map sums to the score, but for what
    /// biases alone make, which has no input to go to. It is zennit's `zero_params="bias"`.
    #[must_use]
    pub fn without_biases(&self) -> Self {
        Self { biases: false, ..self.clone() }
    }

    fn rule_of(&self, at: &At) -> LrpRule {
        let own = self.first.as_ref().filter(|_| at.first).or(self.rule.as_ref());
        let linear = matches!(at.op(), Op::Linear(_));
        own.cloned().unwrap_or_else(|| self.composite.rule(linear, at.first))
    }
}

impl Attribution for Lrp {
    fn name(&self) -> String {
        let mut name = match &self.rule {
            Some(rule) => format!("LRP, {rule}"),
            None => format!("LRP, {:?}", self.composite),
        };
        if let Some(first) = &self.first {
            name += &format!(", first {first}");
        }
        if !self.biases {
            name += ", without biases";
        }
        self.settings.named(&name)
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        self.rule.iter().chain(&self.first).try_for_each(LrpRule::check)?;
        let model = case.model();
        let shares = Shares { lrp: self, model };
        let route = model.route("LRP", &shares, model.input())?;
        let mut starts = Vec::with_capacity(case.count());
        let relevance = case.one_by_one(|case| {
            let known = case.run(&route)?;
            let start = case.slope(&known.output)?.f_mul(&known.output).into_result()?;
            starts.extend(sums(&start)?);
            route.back(known, start, |layer, relevance| shares.back(layer, relevance))
        })?;
        let (which, sum, start) = widest(&relevance, &starts)?;
        let rest = match self.biases {
            true => format!("biases keep {:.4}", start - sum),
            false => format!("a gap of {:.4}", (start - sum).abs()),
        };
        let remark = format!("{which}sums to {sum:.4} of the output's {start:.4}: {rest}");
        let evidence = self.settings.at_input(case, relevance, Meaning::Signed)?;
        Ok(Evidence { remarks: vec![remark], ..evidence })
    }
}

/// What each kind of layer does with relevance.
struct Shares<'a> {
    lrp: &'a Lrp,
    model: &'a Model,
}

impl Rules for Shares<'_> {
    fn receivers(&self, at: &At, leads: &[bool]) -> Option<Vec<bool>> {
        let only = |input: usize| {
            let one = leads.iter().enumerate().map(|(i, leads)| *leads && i == input);
            one.collect::<Vec<_>>()
        };
        Some(match at.makes() {
            Makes::Quotient | Makes::Sampled => Some(only(0)).filter(|to| to.contains(&true))?,
            Makes::Attended => Some(only(2)).filter(|to| to.contains(&true))?,
            Makes::Product => {
                let sides = at.sides();
                let signal = |i: usize| leads[i] && at.op().reads(i, &sides) != Reads::Gate;
                let signals: Vec<bool> = (0..leads.len()).map(signal).collect();
                if signals.contains(&true) { signals } else { leads.to_vec() }
            }
            Makes::Shares | Makes::Steps | Makes::Nothing => vec![false; leads.len()],
            Makes::Mixed | Makes::Unknown => return None,
            Makes::Weighted
            | Makes::Summed
            | Makes::Moved
            | Makes::Chosen
            | Makes::Each
            | Makes::Scaled
            | Makes::Normalised
            | Makes::Probabilities => leads.to_vec(),
        })
    }

    fn needs(&self, at: &At) -> Needs {
        let known = |inputs: bool, output: bool| Needs { inputs, output };
        match at.makes() {
            Makes::Weighted => match self.lrp.rule_of(at) {
                LrpRule::Flat | LrpRule::WSquare => known(false, false),
                // What comes out is the divisor.
                LrpRule::Epsilon(_) => known(true, self.lrp.biases),
                // Where what comes out is read as well, it is computed once more rather than kept.
                LrpRule::Gamma(_)
                | LrpRule::Box { .. }
                | LrpRule::ZPlus
                | LrpRule::AlphaBeta { .. } => known(true, false),
            },
            Makes::Moved
            | Makes::Sampled
            | Makes::Each
            | Makes::Scaled
            | Makes::Normalised
            | Makes::Probabilities => known(false, false),
            _ => known(true, false),
        }
    }
}

impl Shares<'_> {
    /// What each input gets of a layer's relevance.
    fn back(&self, layer: &Stop, relevance: &Tensor) -> Result<Vec<Tensor>> {
        match layer.at.makes() {
            Makes::Weighted => {
                let mut sum: Option<Tensor> = None;
                for piece in layer.in_pieces()? {
                    let given = self.weighted(&piece, &piece.own(relevance)?)?;
                    sum = Some(added(sum, given)?);
                }
                Ok(sum.into_iter().collect())
            }
            Makes::Moved | Makes::Sampled | Makes::Chosen => {
                layer.gradients(&layer.inputs, relevance)
            }
            Makes::Each | Makes::Scaled | Makes::Normalised | Makes::Probabilities => {
                Ok(vec![relevance.shallow_clone()])
            }
            _ => shared(layer, relevance),
        }
    }
}

/// In proportion to what each input contributes; of products, each factor has contributed all.
fn shared(layer: &Stop, relevance: &Tensor) -> Result<Vec<Tensor>> {
    let factors = match layer.at.makes() {
        Makes::Product => layer.to.iter().filter(|to| **to).count().max(1),
        _ => 1,
    };
    let output = layer.forward(&layer.inputs)?;
    let share = ratio(relevance, &output, STABILISER)
        .and_then(|share| share.f_mul_scalar(1.0 / factors as f64))
        .into_result()?;
    let gradients = layer.gradients(&layer.inputs, &share)?;
    let given = layer.inputs.iter().zip(gradients).zip(layer.to);
    let given = given.map(|((input, gradient), to)| match *to && gradient.defined() {
        true => input.f_mul(&gradient).into_result(),
        false => Ok(Tensor::default()),
    });
    given.collect()
}

/// `R / (z + ε · sign(z))`
fn ratio(relevance: &Tensor, output: &Tensor, epsilon: f64) -> Result<Tensor, tch::TchError> {
    let epsilon = Tensor::f_full([1], epsilon, (output.kind(), output.device()))?;
    relevance.f_div(&epsilon.f_copysign(output)?.f_add_(output)?)
}

/// In the memory of the sum so far.
fn added(sum: Option<Tensor>, more: Tensor) -> Result<Tensor> {
    match sum {
        None => Ok(more),
        Some(mut sum) => sum.f_add_(&more).into_result(),
    }
}

fn positive(values: &Tensor) -> Result<Tensor> {
    values.f_clamp_min(0.0).into_result()
}

fn negative(values: &Tensor) -> Result<Tensor> {
    values.f_clamp_max(0.0).into_result()
}

/// A part of weights or of a bias.
type PartOf<'f> = &'f dyn Fn(&Tensor) -> Result<Tensor>;

/// Inputs, and by what they are multiplied.
struct Part {
    input: Tensor,
    weight: Tensor,
}

/// What some parts of the inputs give with some parts of the weights.
struct Parts {
    by: Weighing,
    parts: Vec<Part>,
    bias: Option<Tensor>,
}

impl Parts {
    /// Of the positive inputs with the first part of the weights, and of the negative ones, if there are any, with the
    /// second. The whole weights, which may be the most that a layer holds, are given up.
    fn sided(affine: Affine, sides: &[Tensor], parts: [PartOf; 2]) -> Result<Parts> {
        let bias = affine.bias.as_ref().map(parts[0]).transpose()?;
        let part = |(input, part): (&Tensor, PartOf)| {
            Ok(Part { input: input.shallow_clone(), weight: part(&affine.weight)? })
        };
        let parts = sides.iter().zip(parts).map(part).collect::<Result<_>>()?;
        Ok(Parts { by: affine.by, parts, bias })
    }

    fn output(&self) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for part in &self.parts {
            let bias = self.bias.as_ref().filter(|_| sum.is_none());
            let output = self.by.forward(&part.input, &part.weight, bias)?;
            sum = Some(added(sum, output)?);
        }
        sum.ok_or_else(|| Error::Shape("no part of the input".into()))
    }

    /// What the inputs get of these shares.
    fn given(&self, share: &Tensor) -> Result<Tensor> {
        let mut sum: Option<Tensor> = None;
        for part in &self.parts {
            let mut given = self.by.back(&part.input, &part.weight, share)?;
            let given = given.f_mul_(&part.input).into_result()?;
            sum = Some(added(sum, given)?);
        }
        sum.ok_or_else(|| Error::Shape("no part of the input".into()))
    }

    /// In proportion to what each contributes.
    fn shared(&self, relevance: &Tensor) -> Result<Tensor> {
        self.given(&ratio(relevance, &self.output()?, STABILISER).into_result()?)
    }
}

/// The positive part of the input, and the negative one, if there is any.
fn sides(input: &Tensor) -> Result<Vec<Tensor>> {
    let least = input.f_min().and_then(|least| least.f_double_value(&[])).into_result()?;
    match least < 0.0 {
        true => Ok(vec![positive(input)?, negative(input)?]),
        false => Ok(vec![input.shallow_clone()]),
    }
}

impl Shares<'_> {
    /// The layer, without a bias where these keep nothing.
    fn affine(&self, layer: &Stop) -> Result<Affine> {
        let affine = layer.affine()?;
        Ok(Affine { bias: affine.bias.filter(|_| self.lrp.biases), ..affine })
    }

    fn weighted(&self, layer: &Stop, relevance: &Tensor) -> Result<Tensor> {
        let input = layer.inputs.first().ok_or_else(|| Error::Shape("no input".into()))?;
        let shared = |parts: [PartOf; 2]| {
            Parts::sided(self.affine(layer)?, &sides(input)?, parts)?.shared(relevance)
        };
        match self.lrp.rule_of(&layer.at) {
            LrpRule::Epsilon(epsilon) => self.epsilon(layer, input, epsilon, relevance),
            LrpRule::ZPlus => shared([&positive, &negative]),
            LrpRule::AlphaBeta { alpha, beta } => {
                let mut given = shared([&positive, &negative])?;
                given = given.f_mul_scalar_(alpha).into_result()?;
                let mut against = shared([&negative, &positive])?;
                against.f_mul_scalar_(beta).and_then(|against| given.f_sub_(&against)).into_result()
            }
            LrpRule::Gamma(gamma) => self.gamma(layer, input, gamma, relevance),
            LrpRule::Flat => {
                self.whatever_comes(layer, input, relevance, Tensor::f_ones_like, false)
            }
            LrpRule::WSquare => {
                self.whatever_comes(layer, input, relevance, Tensor::f_square, true)
            }
            LrpRule::Box { low, high } => self.boxed(layer, input, [&low, &high], relevance),
        }
    }

    fn epsilon(
        &self,
        layer: &Stop,
        input: &Tensor,
        epsilon: f64,
        relevance: &Tensor,
    ) -> Result<Tensor> {
        let Affine { by, weight, bias } = self.affine(layer)?;
        let output = match layer.output.as_ref().filter(|_| self.lrp.biases) {
            Some(output) => output.shallow_clone(),
            None => by.forward(input, &weight, bias.as_ref())?,
        };
        let share = ratio(relevance, &output, epsilon).into_result()?;
        by.back(input, &weight, &share)?.f_mul_(input).into_result()
    }

    /// As if every input were 1, with these in place of weights, and of the bias if it counts.
    fn whatever_comes(
        &self,
        layer: &Stop,
        input: &Tensor,
        relevance: &Tensor,
        of: fn(&Tensor) -> Result<Tensor, tch::TchError>,
        biased: bool,
    ) -> Result<Tensor> {
        let Affine { by, weight, bias } = self.affine(layer)?;
        let bias = bias.filter(|_| biased).as_ref().map(of).transpose().into_result()?;
        let weight = of(&weight).into_result()?;
        let output = by.forward(&input.f_ones_like().into_result()?, &weight, bias.as_ref())?;
        by.back(input, &weight, &ratio(relevance, &output, STABILISER).into_result()?)
    }

    /// Beside what the weights give, what their positive parts give of the least inputs, and the negative ones of the
    /// greatest.
    fn boxed(
        &self,
        layer: &Stop,
        input: &Tensor,
        [low, high]: [&Baseline; 2],
        relevance: &Tensor,
    ) -> Result<Tensor> {
        let affine = self.affine(layer)?;
        let edge = |edge: &Baseline, part: fn(&Tensor) -> Result<Tensor>| -> Result<Parts> {
            let input = edge.of(self.model)?.f_expand(input.size(), false).into_result()?;
            let parts = vec![Part { input, weight: part(&affine.weight)? }];
            let bias = affine.bias.as_ref().map(part).transpose()?;
            Ok(Parts { by: affine.by.clone(), parts, bias })
        };
        let (low, high) = (edge(low, positive)?, edge(high, negative)?);
        let mut span = affine.by.forward(input, &affine.weight, affine.bias.as_ref())?;
        for edge in [&low, &high] {
            span = span.f_sub_(&edge.output()?).into_result()?;
        }
        let share = ratio(relevance, &span, STABILISER).into_result()?;
        let mut given = affine.by.back(input, &affine.weight, &share)?;
        given = given.f_mul_(input).into_result()?;
        for edge in [&low, &high] {
            given = given.f_sub_(&edge.given(&share)?).into_result()?;
        }
        Ok(given)
    }

    /// What speaks for an output is increased: where it is positive, what is positive, and where it is negative, what is
    /// negative.
    fn gamma(
        &self,
        layer: &Stop,
        input: &Tensor,
        gamma: f64,
        relevance: &Tensor,
    ) -> Result<Tensor> {
        let more = |values: &Tensor, part: fn(&Tensor) -> Result<Tensor>| {
            let mut more = part(values)?;
            more.f_mul_scalar_(gamma).and_then(|mut more| more.f_add_(values)).into_result()
        };
        let (above, below) = (|t: &Tensor| more(t, positive), |t: &Tensor| more(t, negative));
        let sides = sides(input)?;
        let shared = |parts: [PartOf; 2], relevance: &Tensor| {
            Parts::sided(self.affine(layer)?, &sides, parts)?.shared(relevance)
        };
        let (of_positive, of_negative) = {
            let Affine { by, weight, bias } = self.affine(layer)?;
            let output = by.forward(input, &weight, bias.as_ref())?;
            let of = |is: Tensor| relevance.f_mul(&is.f_to_kind(relevance.kind())?);
            let parts = || Ok((of(output.f_gt(0.0)?)?, of(output.f_lt(0.0)?)?));
            parts().into_result()?
        };
        let given = shared([&above, &below], &of_positive)?;
        // Behind a rectifier, negative outputs have none.
        match of_negative.f_any().and_then(|any| any.f_int64_value(&[])).into_result()? {
            0 => Ok(given),
            _ => given.f_add(&shared([&below, &above], &of_negative)?).into_result(),
        }
    }
}
