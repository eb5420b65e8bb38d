//! Layers that exporters spell out in several operations, as GELU by an error function, a sum and products. Each
//! becomes the one layer that it is, where nothing else reads what lies between.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use super::super::draft::{Draft, Side, Value};
use super::arguments::{named, single};
use super::parts::fixed_sizes;
use crate::model::{Arithmetic, Elementwise, Norm, Op, Rearrange, ReduceBy, Softmax};

/// What is computed of a value `x`, however it is written.
enum Form {
    /// `x` itself, the same wherever it stands.
    X,
    /// A function of each value.
    Of(Op, &'static Form),
    /// A number times all of these, in any order; the number may be written at any of them, and in parts.
    Product(f64, &'static [Form]),
    /// `1 + number · this`
    OnePlus(f64, &'static Form),
    /// `1 / this`
    Inverse(&'static Form),
    Sum(&'static [Form; 2]),
    Minus(&'static [Form; 2]),
    /// Some dimensions, the same in all of a form, become one number each and stay.
    Reduced(ReduceBy, &'static Form),
    /// With a small number more, against a division by 0.
    PlusEps(&'static Form),
    /// The same values in another shape.
    Reshaped(&'static Form),
    /// Each channel normalised by itself, without a weight and a bias of its own.
    EachChannel(&'static Form),
    /// The first or the second of what the layer owns.
    Own(usize),
}

use Form::{
    EachChannel, Inverse, Minus, Of, OnePlus, Own, PlusEps, Product, Reduced, Reshaped, Sum, X,
};

/// A layer as ONNX calls it, how it is spelled out, and what makes it.
type Spelled = (&'static str, Form, Make);

/// From what was found to the layer and what it owns.
type Make = fn(&Draft, &Found) -> Option<(Op, Vec<Value>)>;

const LAYERS: &[Spelled] = &[
    ("gelu", Product(0.5, &[X, OnePlus(1.0, &Of(ERF, &Product(FRAC_1_SQRT_2, &[X])))]), gelu),
    ("gelu", Product(0.5, &[X, OnePlus(1.0, &Of(TANH, &BY_CUBE))]), gelu_tanh),
    ("gelu", Product(0.5, &[X, OnePlus(1.0, &Of(TANH, &BY_SQUARE))]), gelu_tanh),
    ("swish", Product(1.0, &[X, Of(Op::Sigmoid, &X)]), |_, _| plain(Op::Silu)),
    ("mish", Product(1.0, &[X, Of(TANH, &Of(SOFTPLUS, &X))]), |_, _| plain(Elementwise::Mish)),
    ("hard_swish", Product(1.0, &[X, Of(HARD_SIGMOID, &X)]), hard_swish),
    ("hard_swish", Product(1.0, &[X, Of(UP_TO_1, &SIXTHS)]), hard_swish),
    ("hard_swish", Product(1.0 / 6.0, &[X, Of(Op::Relu6, &PLUS_3)]), hard_swish),
    ("hard_sigmoid", Product(1.0, &[Of(UP_TO_1, &SIXTHS)]), hard_sigmoid),
    ("hard_sigmoid", Product(1.0 / 6.0, &[Of(Op::Relu6, &PLUS_3)]), hard_sigmoid),
    ("softsign", Product(1.0, &[X, Inverse(&OnePlus(1.0, &Of(ABS, &X)))]), softsign),
    ("layer_normalization", Sum(&[SCALED, Own(1)]), layer_norm),
    ("layer_normalization", SCALED, layer_norm),
    ("layer_normalization", Product(1.0, &[CENTRED, Inverse(&DEVIATION)]), layer_norm),
    ("group_normalization", Sum(&[Product(1.0, &[IN_GROUPS, Own(0)]), Own(1)]), group_norm),
    ("group_normalization", Product(1.0, &[IN_GROUPS]), group_norm),
    ("log_sigmoid", Of(LOG, &Of(Op::Sigmoid, &X)), |_, _| plain(Elementwise::LogSigmoid)),
    ("softmax", Product(1.0, &[EXP, Inverse(&Reduced(ReduceBy::Sum, &EXP))]), softmax),
];

const ABS: Op = Op::Elementwise(Elementwise::Abs);
const ERF: Op = Op::Elementwise(Elementwise::Erf);
const HARD_SIGMOID: Op = Op::Elementwise(Elementwise::HardSigmoid);
const LOG: Op = Op::Elementwise(Elementwise::Log);
const SOFTPLUS: Op = Op::Elementwise(Elementwise::Softplus { beta: 1.0, threshold: 20.0 });
const SQRT: Op = Op::Elementwise(Elementwise::Sqrt);
const TANH: Op = Op::Elementwise(Elementwise::Tanh);
const UP_TO_1: Op = Op::Elementwise(Elementwise::Clamp { min: 0.0, max: 1.0 });

/// `√(2/π) · (x + 0.044715 · x³)`
const BY_CUBE: Form = Product(SQRT_2_OVER_PI, &[Sum(&[X, Product(0.044715, &[X, X, X])])]);
/// The same with `x` in front.
const BY_SQUARE: Form = Product(SQRT_2_OVER_PI, &[X, OnePlus(0.044715, &Product(1.0, &[X, X]))]);
const SQRT_2_OVER_PI: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

/// `x + 3`
const PLUS_3: Form = Product(3.0, &[OnePlus(1.0 / 3.0, &X)]);
/// `x / 6 + 1 / 2`
const SIXTHS: Form = Product(0.5, &[OnePlus(1.0 / 3.0, &X)]);

const CENTRED: Form = Minus(&[X, Reduced(ReduceBy::Mean, &X)]);
const VARIANCE: Form = Reduced(ReduceBy::Mean, &Product(1.0, &[CENTRED, CENTRED]));
const DEVIATION: Form = Of(SQRT, &PlusEps(&VARIANCE));
const SCALED: Form = Product(1.0, &[CENTRED, Inverse(&DEVIATION), Own(0)]);

/// With the channels of each group in one line, as if they were one channel.
const IN_GROUPS: Form = Reshaped(&EachChannel(&Reshaped(&X)));

/// Of what is at most 0, so that it stays a number.
const EXP: Form = Of(Op::Elementwise(Elementwise::Exp), &Minus(&[X, Reduced(ReduceBy::Max, &X)]));

/// A layer without options.
fn plain(op: impl Into<Op>) -> Option<(Op, Vec<Value>)> {
    Some((op.into(), Vec::new()))
}

fn gelu(_: &Draft, _: &Found) -> Option<(Op, Vec<Value>)> {
    plain(Elementwise::Gelu)
}

fn gelu_tanh(_: &Draft, _: &Found) -> Option<(Op, Vec<Value>)> {
    plain(Elementwise::GeluTanh)
}

fn hard_swish(_: &Draft, _: &Found) -> Option<(Op, Vec<Value>)> {
    plain(Elementwise::HardSwish)
}

fn hard_sigmoid(_: &Draft, _: &Found) -> Option<(Op, Vec<Value>)> {
    plain(Elementwise::HardSigmoid)
}

fn softsign(_: &Draft, _: &Found) -> Option<(Op, Vec<Value>)> {
    plain(Elementwise::Softsign)
}

/// Over the last dimensions; others are no layer of ours.
fn layer_norm(draft: &Draft, found: &Found) -> Option<(Op, Vec<Value>)> {
    let (sides, dims) = (draft.shape(found.x.as_ref()?), found.dims.as_deref()?);
    let first = sides.len().checked_sub(dims.len())?;
    let fixed = sides[first..].iter().map(|side| side.is_fixed().then_some(side.one));
    let sizes: Vec<i64> = fixed.collect::<Option<_>>()?;
    if !dims.iter().copied().eq(first..sides.len()) {
        return None;
    }
    let norm = Norm::layer(sizes.clone()).eps(found.eps?);
    let norm = match found.own {
        [None, _] => norm.plain(),
        [_, None] => norm.without_bias(),
        _ => norm,
    };
    let own = found.own.iter().zip(["weight", "bias"]);
    let own: Vec<Value> = own.filter_map(|(own, name)| Some(named(own.clone()?, name))).collect();
    let fit = own.iter().all(|own| fixed_sizes(draft, own).is_ok_and(|own| own == sizes));
    fit.then(|| (norm.into(), own))
}

/// With a number for each channel, which meets the maps as `[channels, 1, 1]`.
fn group_norm(draft: &Draft, found: &Found) -> Option<(Op, Vec<Value>)> {
    let sides = draft.shape(found.x.as_ref()?);
    let channels = sides.get(1).filter(|side| side.is_fixed())?.one;
    let [photos, groups] = found.groups?;
    // Whole channels, of each photo by itself.
    if sides.first() != Some(&photos) || !groups.is_fixed() || channels % groups.one.max(1) != 0 {
        return None;
    }
    let norm = Norm::group(groups.one, channels).eps(found.eps?);
    let each: Vec<i64> = std::iter::once(channels).chain((2..sides.len()).map(|_| 1)).collect();
    let own = found.own.iter().flatten().map(|own| {
        let tensor = draft.known(own).ok()??;
        let size = tensor.size();
        let fits = size == each || size.strip_prefix(&[1]) == Some(each.as_slice());
        fits.then(|| tensor.f_reshape([channels]).ok()).flatten().map(Value::constant)
    });
    match own.collect::<Option<Vec<_>>>()? {
        own if own.is_empty() => Some((norm.plain().into(), own)),
        own => Some((norm.into(), own)),
    }
}

fn softmax(_: &Draft, found: &Found) -> Option<(Op, Vec<Value>)> {
    match found.dims.as_deref()? {
        &[dim] => plain(Softmax::new(dim)),
        _ => None,
    }
}

/// Makes one layer of each that is spelled out in the network with these outputs.
pub(super) fn join(draft: &mut Draft, outputs: &[(Option<String>, Value)]) {
    let reads = draft.reads(outputs.iter().map(|(_, output)| output));
    let mut gone = vec![false; draft.len()];
    // From behind: a form is found before another one that is a part of it.
    for end in (0..draft.len()).rev() {
        if gone[end] || reads[end] == 0 {
            continue;
        }
        let search = Search { draft, reads: &reads, end };
        let made = LAYERS.iter().find_map(|(name, form, make)| {
            let found = search.find(form, 1.0, &Value::Layer(end), &Found::default())?;
            let x = found.x.clone().filter(|x| search.is_all_of_it(x, &found.layers))?;
            Some((*name, make(draft, &found)?, x, found.layers))
        });
        let Some((name, (op, own), x, layers)) = made else { continue };
        draft.replace(end, (op, x, own), name);
        for layer in layers.into_iter().filter(|layer| *layer != end) {
            gone[layer] = true;
            draft.leave_out(layer);
        }
    }
}

/// What stands where a form is.
#[derive(Clone, Default)]
struct Found {
    x: Option<Value>,
    dims: Option<Vec<usize>>,
    eps: Option<f64>,
    /// The first two sides of what was normalised channel by channel.
    groups: Option<[Side; 2]>,
    own: [Option<Value>; 2],
    /// The layers that it is written in.
    layers: Vec<usize>,
}

impl Found {
    fn with(&self, layer: usize) -> Found {
        let mut found = self.clone();
        found.layers.push(layer);
        found
    }
}

/// One of the factors of a product.
enum Factor {
    Value(Value),
    OnePlus(f64, Value),
    Inverse(Value),
}

/// A product's number and factors, and what was found with the layers that it is written in.
type Factors = (f64, Vec<Factor>, Found);

/// Looks for forms that end in a layer.
struct Search<'a> {
    draft: &'a Draft,
    /// How often each layer is read.
    reads: &'a [usize],
    end: usize,
}

impl Search<'_> {
    /// What is found where `number · value` is of this form.
    fn find(&self, form: &Form, number: f64, value: &Value, found: &Found) -> Option<Found> {
        match form {
            Product(expected, parts) => {
                let (number, factors, found) = self.factors(number, value, found)?;
                let factors: Vec<&Factor> = factors.iter().collect();
                let fit = close(number, *expected) && factors.len() == parts.len();
                fit.then(|| self.in_any_order(parts, &factors, &found)).flatten()
            }
            OnePlus(..) | Inverse(_) => {
                let (number, factors, found) = self.factors(number, value, found)?;
                let [factor] = factors.as_slice() else { return None };
                close(number, 1.0).then(|| self.factor(form, factor, &found)).flatten()
            }
            _ if !close(number, 1.0) => match self.layer(value)? {
                (layer, Op::Elementwise(Elementwise::Scale { factor, plus: 0.0 }), [input])
                    if self.is_written_once(layer) =>
                {
                    self.find(form, number * factor, input, &found.with(layer))
                }
                _ => None,
            },
            X => {
                let fits = match &found.x {
                    None => self.draft.varies(value),
                    Some(x) => same(x, value),
                };
                fits.then(|| Found { x: Some(value.clone()), ..found.clone() })
            }
            Own(place) => {
                let mut found = found.clone();
                let free = !self.draft.varies(value) && found.own[*place].is_none();
                found.own[*place] = free.then(|| value.clone());
                free.then_some(found)
            }
            Of(function, inner) => match self.layer(value)? {
                (layer, op, [input]) if op == function => {
                    self.find(inner, 1.0, input, &found.with(layer))
                }
                _ => None,
            },
            Sum(parts) => match self.layer(value)? {
                (layer, Op::Add | Op::Arithmetic(Arithmetic::Add), [a, b]) => {
                    let found = found.with(layer);
                    let ordered = |a, b| self.both(parts, [a, b], &found);
                    ordered(a, b).or_else(|| ordered(b, a))
                }
                _ => None,
            },
            Minus(parts) => match self.layer(value)? {
                (layer, Op::Arithmetic(Arithmetic::Subtract), [a, b]) => {
                    self.both(parts, [a, b], &found.with(layer))
                }
                _ => None,
            },
            Reduced(how, inner) => match self.layer(value)? {
                (layer, Op::Reduce(reduce), [input]) if reduce.keeps() == Some(*how) => {
                    let mut found = found.with(layer);
                    let dims = found.dims.get_or_insert_with(|| reduce.dims().to_vec());
                    let alike = dims.as_slice() == reduce.dims();
                    alike.then(|| self.find(inner, 1.0, input, &found)).flatten()
                }
                _ => None,
            },
            Reshaped(inner) => match self.layer(value)? {
                (layer, Op::Rearrange(Rearrange::Reshape(_)), [input]) => {
                    self.find(inner, 1.0, input, &found.with(layer))
                }
                _ => None,
            },
            EachChannel(inner) => match self.layer(value)? {
                (layer, Op::Norm(norm), [input]) => {
                    let eps = norm.each_channel().filter(|_| self.is_plain(value))?;
                    let sides: [Side; 2] = self.draft.shape(input).get(..2)?.try_into().ok()?;
                    let found = Found { eps: Some(eps), groups: Some(sides), ..found.with(layer) };
                    self.find(inner, 1.0, input, &found)
                }
                _ => None,
            },
            PlusEps(inner) => match self.layer(value)? {
                (layer, Op::Elementwise(Elementwise::Scale { factor: 1.0, plus }), [input]) => {
                    let found = Found { eps: Some(*plus), ..found.with(layer) };
                    self.find(inner, 1.0, input, &found)
                }
                _ => None,
            },
        }
    }

    fn both(&self, [a, b]: &[Form; 2], values: [&Value; 2], found: &Found) -> Option<Found> {
        let found = self.find(a, 1.0, values[0], found)?;
        self.find(b, 1.0, values[1], &found)
    }

    fn in_any_order(&self, parts: &[Form], factors: &[&Factor], found: &Found) -> Option<Found> {
        let Some((first, others)) = parts.split_first() else { return Some(found.clone()) };
        (0..factors.len()).find_map(|place| {
            let found = self.factor(first, factors[place], found)?;
            let mut left = factors.to_vec();
            left.remove(place);
            self.in_any_order(others, &left, &found)
        })
    }

    fn factor(&self, form: &Form, factor: &Factor, found: &Found) -> Option<Found> {
        match (form, factor) {
            (OnePlus(expected, inner), Factor::OnePlus(number, value)) => {
                self.find(inner, number / expected, value, found)
            }
            (Inverse(inner), Factor::Inverse(value)) => self.find(inner, 1.0, value, found),
            (OnePlus(..) | Inverse(_), _) | (_, Factor::OnePlus(..) | Factor::Inverse(_)) => None,
            (form, Factor::Value(value)) => self.find(form, 1.0, value, found),
        }
    }

    /// Takes `number · value` apart, through products, numbers and divisions whose results are read once.
    fn factors(&self, mut number: f64, value: &Value, found: &Found) -> Option<Factors> {
        /// No form has so many.
        const MOST: usize = 16;
        let (mut factors, mut found) = (Vec::new(), found.clone());
        let mut open = vec![value.clone()];
        for _ in 0..MOST {
            let Some(value) = open.pop() else { return Some((number, factors, found)) };
            if let Value::Constant(tensor) = &value
                && let Some(constant) = single(tensor)
            {
                number *= constant;
                continue;
            }
            let Some((layer, op, inputs)) =
                self.layer(&value).filter(|(layer, ..)| self.is_written_once(*layer))
            else {
                factors.push(Factor::Value(value));
                continue;
            };
            match (op, inputs) {
                (Op::Elementwise(Elementwise::Scale { factor, plus: 0.0 }), [input]) => {
                    number *= factor;
                    open.push(input.clone());
                }
                (Op::Elementwise(Elementwise::Scale { factor, plus }), [input]) => {
                    number *= plus;
                    factors.push(Factor::OnePlus(factor / plus, input.clone()));
                }
                (Op::Multiply | Op::Arithmetic(Arithmetic::Multiply), [a, b]) => {
                    open.extend([a.clone(), b.clone()]);
                }
                (Op::Arithmetic(Arithmetic::Divide), [a, b]) => {
                    open.push(a.clone());
                    factors.push(Factor::Inverse(b.clone()));
                }
                (Op::Elementwise(Elementwise::Reciprocal), [input]) => {
                    factors.push(Factor::Inverse(input.clone()));
                }
                (Op::Elementwise(Elementwise::Power(power)), [input])
                    if [2.0, 3.0].contains(power) =>
                {
                    let times = *power as usize;
                    factors.extend((0..times).map(|_| Factor::Value(input.clone())));
                }
                _ => {
                    factors.push(Factor::Value(value));
                    continue;
                }
            }
            found.layers.push(layer);
        }
        None
    }

    /// The layer that makes it, what it computes, and of what.
    fn layer<'v>(&'v self, value: &Value) -> Option<(usize, &'v Op, &'v [Value])> {
        let Value::Layer(layer) = value else { return None };
        let (op, inputs) = self.draft.op_of(value)?;
        Some((*layer, op, inputs))
    }

    /// Whether the weight and the bias that a layer owns, if any, are ones and zeros.
    fn is_plain(&self, value: &Value) -> bool {
        let own = self.draft.owned_by(value).iter().zip([1.0, 0.0]);
        own.into_iter().all(|(own, number)| {
            let tensor = self.draft.known(own).ok().flatten();
            let alike = tensor.and_then(|t| t.f_eq(number).and_then(|t| t.f_all()).ok());
            alike.is_some_and(|all| all.f_int64_value(&[]).is_ok_and(|all| all == 1))
        })
    }

    fn is_written_once(&self, layer: usize) -> bool {
        layer == self.end || self.reads[layer] == 1
    }

    /// Whether these layers, and nobody else, read what each of them makes, but for the end; and whether it comes
    /// out as it went in.
    fn is_all_of_it(&self, x: &Value, layers: &[usize]) -> bool {
        let mut layers = layers.to_vec();
        layers.sort_unstable();
        layers.dedup();
        let inputs =
            |layer: &usize| self.draft.op_of(&Value::Layer(*layer)).map(|(_, inputs)| inputs);
        let read = |layer: usize| {
            let inputs = layers.iter().filter_map(inputs).flatten();
            inputs.filter(|input| matches!(input, Value::Layer(own) if *own == layer)).count()
        };
        let mut inner = layers.iter().filter(|layer| **layer != self.end);
        inner.all(|layer| read(*layer) == self.reads[*layer])
            && self.draft.shape(x) == self.draft.shape(&Value::Layer(self.end))
    }
}

/// The same but for the rounding of a number in the file, or of a few.
fn close(number: f64, expected: f64) -> bool {
    (number - expected).abs() <= 1e-6 * expected.abs()
}

fn same(a: &Value, b: &Value) -> bool {
    matches!((a, b), (Value::Layer(a), Value::Layer(b)) if a == b)
}
