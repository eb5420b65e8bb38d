//! DeepLIFT, from one baseline and from many.

use tch::{Kind, Tensor};

use super::baseline::{Baselines, Start, changes, start_setters};
use super::integrated_gradients::widest_gap;
use super::settings::{Settings, shared_setters};
use super::{Attribution, Case, Evidence, Meaning, Target};
use crate::error::{Error, Result};
use crate::model::{At, Makes, Needs, Op, Route, Rules, Stop, Values};
use crate::show::Progress;
use crate::tensor::IntoResult;

/// Inputs that differ less than this have no slope between them, and the gradient stands for it, as captum has it.
const SAME: f64 = 1e-10;
/// Points on the way from baseline to photo.
const POINTS: usize = 16;

/// DeepLIFT by its rescale rule: `Σᶜ (xᶜ − x′ᶜ) · mᶜ`, how much of the difference between the score of the photo `x` and
/// that of a baseline `x′` each pixel makes. The multiplier `m` comes backwards through the network as a gradient does,
/// but for what bends: a function of each value `f` has the slope between both, `(f(z) − f(z′)) / (z − z′)`, where the
/// gradient has the slope at one. Signed.
///
/// A maximum hands the difference to the pixel where the photo has its greatest value, or, where the baseline's is
/// greater, to the baseline's. What makes one value of several otherwise (products, attention, shares) has
/// the mean of its gradient on the straight way from baseline to photo, by Gauss and Legendre: exact for products of two,
/// by 16 points for the others. A layer or group normalisation is taken as a product, of the values less their mean and of
/// 1 / deviation. So the map sums to the difference of the scores; a remark says how nearly. A layer whose rule is not
/// defined, as a closure's, is an error before anything runs.
///
/// The [`baseline`](DeepLift::baseline) is 0 of the normalised input unless set, which is the mean colour.
///
/// Shrikumar et al. 2017, <https://arxiv.org/abs/1704.02685>. It is captum's where captum has a rule that adds up: not for
/// ReLU6, SiLU, GELU and layer normalisation, which have their plain gradient there, nor for maxima of windows that
/// overlap or that stand right behind a rectifier.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&DeepLift::default().class("tabby"))?;
/// println!("{}", heat.remarks()[0]); // how complete it is
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DeepLift {
    settings: Settings,
    from: Start,
}

shared_setters!(DeepLift);
start_setters!(DeepLift);

/// DeepLIFT-SHAP: the mean of [`DeepLift`]'s maps from many baselines, as photos that the network was trained on. It
/// approximates each pixel's Shapley value. Signed.
///
/// The map sums to the score less the mean of the baselines' scores; a remark says how nearly.
///
/// Lundberg and Lee 2017, <https://arxiv.org/abs/1705.07874>.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let look = model.look(&Photo::open("assets/photos/cat.png")?)?;
/// let dog = model.preprocess().apply(&Photo::open("assets/photos/dog.jpg")?)?;
/// let baselines = Tensor::cat(&[dog.zeros_like(), dog], 0);
/// let heat = look.explain(&DeepLiftShap::over(&baselines).class("tabby"))?;
/// println!("{}", heat.remarks()[0]); // how complete it is
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DeepLiftShap {
    settings: Settings,
    baselines: Baselines,
}

shared_setters!(DeepLiftShap);

impl DeepLiftShap {
    /// Over these baselines, `[B, C, H, W]` or `[B, F]`, prepared as the network expects it
    /// (`model.preprocess().apply(&photo)?`).
    pub fn over(baselines: &Tensor) -> Self {
        DeepLiftShap { settings: Settings::default(), baselines: Baselines::new(baselines) }
    }
}

impl Attribution for DeepLift {
    fn name(&self) -> String {
        self.settings.named(&format!("DeepLIFT{}", self.from.said()))
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let model = case.model();
        let route = model.route("DeepLIFT", &Rescale, model.input())?;
        let mut changes = Vec::with_capacity(case.count());
        let map = case.one_by_one(|case| {
            let (photo, start) = (case.run(&route)?, self.from.of(model, &case.input()?)?);
            let (map, scores) = lifted(case, &route, photo, &start)?;
            let ends = case.scores()?.into_iter().zip(scores);
            changes.extend(ends.map(|(score, before)| score - before));
            Ok(map)
        })?;
        let remark = widest_gap(&map, &changes, "the baseline's")?;
        let evidence = self.settings.at_input(case, map, Meaning::Signed)?;
        Ok(Evidence { remarks: vec![remark], ..evidence })
    }
}

impl Attribution for DeepLiftShap {
    fn name(&self) -> String {
        self.settings.named("DeepLIFT-SHAP")
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let model = case.model();
        let route = model.route("DeepLIFT", &Rescale, model.input())?;
        let baselines = self.baselines.of(&case.input()?)?;
        let count = baselines.size().first().copied().unwrap_or(0);
        let mut progress =
            Progress::new("DeepLIFT-SHAP, maps", Some(count as u64 * case.count() as u64));
        let mut done = 0;
        let map = case.one_by_one(|case| {
            let (photo, input) = (case.run(&route)?, case.input()?);
            let mut mean = input.f_zeros_like().into_result()?;
            for i in 0..count {
                let start = baselines.f_narrow(0, i, 1);
                let start = start.and_then(|t| t.f_expand(input.size(), false)).into_result()?;
                let (map, _) = lifted(case, &route, photo.shared(), &start)?;
                let part = map.f_div_scalar(count as f64);
                mean = part.and_then(|part| mean.f_add_(&part)).into_result()?;
                done += case.count();
                progress.advance(done as u64)?;
            }
            Ok(mean)
        })?;
        progress.finish();
        let remark = widest_gap(&map, &changes(case, &baselines)?, "the baselines' mean")?;
        let evidence = self.settings.at_input(case, map, Meaning::Signed)?;
        Ok(Evidence { remarks: vec![remark], ..evidence })
    }
}

/// The map from this baseline, `[N, C, H, W]`, and the baselines' scores.
fn lifted(case: &Case, route: &Route, photo: Values, start: &Tensor) -> Result<(Tensor, Vec<f64>)> {
    let mut baseline = case.run_for(route, start)?;
    let scores = case.scores_of(&baseline.output)?;
    let slope = case.slope(&photo.output)?;
    let multiplier = route.back(photo, slope, |layer, multiplier| {
        let given = through(layer, &route.layer(layer.at.id, &baseline)?, multiplier);
        route.forget(layer.at.id, &mut baseline);
        given
    })?;
    let map = case.input()?.f_sub(start).and_then(|way| way.f_mul(&multiplier)).into_result()?;
    Ok((map, scores))
}

struct Rescale;

impl Rules for Rescale {
    fn receivers(&self, at: &At, leads: &[bool]) -> Option<Vec<bool>> {
        match at.makes() {
            Makes::Unknown => None,
            Makes::Steps => Some(vec![false; leads.len()]),
            _ => Some(leads.to_vec()),
        }
    }

    fn needs(&self, at: &At) -> Needs {
        Needs { inputs: !is_linear(at.makes()), output: false }
    }
}

/// Whether the gradient is the same everywhere, and so the multiplier.
fn is_linear(makes: Makes) -> bool {
    matches!(makes, Makes::Weighted | Makes::Summed | Makes::Moved | Makes::Scaled)
}

/// The multipliers of a layer's inputs from that of its output, with what it is told of the photo and of the baseline.
fn through(photo: &Stop, baseline: &Stop, multiplier: &Tensor) -> Result<Vec<Tensor>> {
    let makes = photo.at.makes();
    if is_linear(makes) {
        return photo.gradients(&photo.inputs, multiplier);
    }
    let (inputs, before) = (photo.inputs.as_slice(), baseline.inputs.as_slice());
    let one = match (makes, photo.at.op(), inputs, before) {
        (Makes::Each, op, [x], [y]) => {
            rescaled(photo, op.rectifies().is_some(), [x, y], multiplier)?
        }
        (Makes::Chosen, Op::Pool2d(_), [x], [y]) => greatest(photo, [x, y], multiplier)?,
        (Makes::Normalised, Op::Norm(_), [x], [y]) => {
            photo.normalised_between([x, y], multiplier)?
        }
        (Makes::Product, ..) if inputs.len() == 2 => {
            return photo.mean_gradients([inputs, before], 1, multiplier);
        }
        _ => return photo.mean_gradients([inputs, before], POINTS, multiplier),
    };
    Ok(vec![one])
}

/// The slope of a function of each value between photo and baseline.
fn rescaled(
    layer: &Stop,
    straight: bool,
    ends: [&Tensor; 2],
    multiplier: &Tensor,
) -> Result<Tensor> {
    // What bends smoothly has slopes between near values that single precision does not know. A rectifier's are
    // differences of the same numbers.
    let kind = if straight { ends[0].kind() } else { Kind::Double };
    let [x, y] = [ends[0].f_to_kind(kind).into_result()?, ends[1].f_to_kind(kind).into_result()?];
    let rise = layer.forward(&[x.shallow_clone()])?.f_sub(&layer.forward(&[y.shallow_clone()])?);
    let way = x.f_sub(&y).into_result()?;
    let slopes =
        rise.and_then(|rise| rise.f_div(&way)).and_then(|t| t.f_to_kind(multiplier.kind()));
    let scaled = slopes.and_then(|slopes| slopes.f_mul(multiplier)).into_result()?;
    or_gradient(layer, ends[0], &way, scaled, multiplier)
}

/// The multipliers, and, where photo and baseline are the same, the gradient.
fn or_gradient(
    layer: &Stop,
    input: &Tensor,
    way: &Tensor,
    found: Tensor,
    multiplier: &Tensor,
) -> Result<Tensor> {
    let same = way.f_abs().and_then(|way| way.f_lt(SAME)).into_result()?;
    let any = same.f_any().and_then(|any| any.f_int64_value(&[])).into_result()? != 0;
    match any {
        false => Ok(found),
        true => {
            let gradient = layer.gradients(&[input.shallow_clone()], multiplier)?;
            let gradient = gradient.first().ok_or_else(|| Error::Shape("no gradient".into()))?;
            gradient.f_where_self(&same, &found).into_result()
        }
    }
}

/// A maximum's rise goes to where the photo has its greatest value, and its fall to where the baseline has it.
fn greatest(layer: &Stop, [x, y]: [&Tensor; 2], multiplier: &Tensor) -> Result<Tensor> {
    let (high, low) = ([x.shallow_clone()], [y.shallow_clone()]);
    let change = layer.forward(&high)?.f_sub(&layer.forward(&low)?).into_result()?;
    let rise = change.f_clamp_min(0.0).and_then(|t| t.f_mul(multiplier)).into_result()?;
    let fall = change.f_clamp_max(0.0).and_then(|t| t.f_mul(multiplier)).into_result()?;
    let (rise, fall) = (layer.gradients(&high, &rise)?, layer.gradients(&low, &fall)?);
    let way = x.f_sub(y).into_result()?;
    let ([rise], [fall]) = (rise.as_slice(), fall.as_slice()) else {
        return Err(Error::Shape("a pooling has one input".into()));
    };
    let found = rise.f_add(fall).and_then(|t| t.f_div(&way)).into_result()?;
    or_gradient(layer, x, &way, found, multiplier)
}
