//! Operators that are layers: convolutions, products with weights, normalisation.

use tch::Kind;

use super::super::super::draft::{Draft, Value};
use super::super::Known;
use super::super::arguments::Arguments;
use super::parts::{self, dimension, fixed_side, fixed_sizes, kernel, owned};
use super::{Entry, TRAINING, as_maps, one};
use crate::error::{Error, Result};
use crate::model::{
    Arithmetic, BatchNorm2d, Conv2d, ConvTranspose2d, Einsum, Elementwise, Norm, Op, Pad, PadMode,
    Pool2d, Rearrange, ReduceBy,
};
use crate::tensor::IntoResult;

pub(super) fn find(name: &str) -> Option<Entry> {
    const WINDOW: [&str; 6] = ["auto_pad", "dilations", "group", "kernel_shape", "pads", "strides"];
    Some(match name {
        "Conv" => (conv, &WINDOW),
        "ConvTranspose" => (
            conv_transpose,
            &[
                "auto_pad",
                "dilations",
                "group",
                "kernel_shape",
                "output_padding",
                "output_shape",
                "pads",
                "strides",
            ],
        ),
        "Gemm" => (gemm, &["alpha", "beta", "transA", "transB"]),
        "MatMul" => (matmul, &[]),
        "Einsum" => (einsum, &["equation"]),
        "BatchNormalization" => (batch_norm, &["epsilon", "momentum", "spatial", "training_mode"]),
        "InstanceNormalization" => (instance_norm, &["epsilon"]),
        "GroupNormalization" => (group_norm, &["epsilon", "num_groups", "stash_type"]),
        "LayerNormalization" => (layer_norm, &["axis", "epsilon", "stash_type"]),
        "LRN" => (lrn, &["alpha", "beta", "bias", "size"]),
        _ => return None,
    })
}

/// What stands around the input of a window operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Around {
    /// So many before and behind, for each axis.
    Sides(Vec<[i64; 2]>),
    /// As many as make the output `⌈size / stride⌉`, the odd one behind, or else before.
    Same { odd_behind: bool },
}

/// The option that says what stands around, for so many axes.
pub(super) fn around(a: &Arguments, axes: usize) -> Result<Around> {
    match a.text_or("auto_pad", "NOTSET")? {
        "SAME_UPPER" => return Ok(Around::Same { odd_behind: true }),
        "SAME_LOWER" => return Ok(Around::Same { odd_behind: false }),
        "VALID" => return Ok(Around::Sides(vec![[0; 2]; axes])),
        "NOTSET" => {}
        other => return Err(Error::Argument(format!("padding by {other:?} is not known"))),
    }
    let pads = a.ints_if_any("pads")?.unwrap_or_else(|| vec![0; 2 * axes]);
    if pads.len() != 2 * axes || pads.iter().any(|pad| !(0..=1 << 20).contains(pad)) {
        return Err(Error::Argument(format!(
            "its pads are {pads:?}; expected {axes} before and as many behind"
        )));
    }
    Ok(Around::Sides((0..axes).map(|axis| [pads[axis], pads[axis + axes]]).collect()))
}

/// Before and behind, along an axis of this size.
pub(super) fn same_sides([size, stride, span]: [i64; 3], odd_behind: bool) -> [i64; 2] {
    let out = (size + stride - 1) / stride.max(1);
    let all = ((out - 1) * stride + span - size).max(0);
    let less = all / 2;
    if odd_behind { [less, all - less] } else { [all - less, less] }
}

/// An integer for each axis, by default one.
pub(super) fn each(a: &Arguments, name: &str, axes: usize, default: i64) -> Result<Vec<i64>> {
    let given = a.ints_if_any(name)?.unwrap_or_else(|| vec![default; axes]);
    match given.len() == axes && given.iter().all(|size| (0..=1 << 20).contains(size)) {
        true => Ok(given),
        false => {
            Err(Error::Argument(format!("its option {name:?} is {given:?}; expected {axes} sizes")))
        }
    }
}

/// The window of the kernel as the weight has it; the option says the same, if it says anything.
fn check_kernel(a: &Arguments, sides: &[i64]) -> Result<()> {
    match a.ints_if_any("kernel_shape")? {
        Some(said) if said != sides => {
            Err(Error::Argument(format!("its kernels are {sides:?}, its option says {said:?}")))
        }
        _ => Ok(()),
    }
}

/// Of signals, a kernel of one row.
fn flat(draft: &mut Draft, weight: Value) -> Result<Value> {
    Ok(match weight {
        Value::Weight(weight) => Value::constant(weight.tensor.f_unsqueeze(2).into_result()?),
        other => draft.op(Rearrange::Unsqueeze(2), &[other])?,
    })
}

fn conv(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    by_kernels(draft, a, convolved)
}

fn conv_transpose(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    by_kernels(draft, a, spread)
}

/// A layer of maps with its input, weight and bias, for so many axes of the file.
type ByKernels = fn(&mut Draft, &Arguments, [Value; 2], Option<Value>, usize) -> Result<Value>;

/// Of maps, or of signals, which are maps of one row.
fn by_kernels(draft: &mut Draft, a: &Arguments, layer: ByKernels) -> Result<Vec<Known>> {
    let (input, weight) = (a.value(0)?, a.parameter(1, "weight")?);
    let bias = a.parameter_if_any(2, "bias")?;
    let sizes = fixed_sizes(draft, &weight)?;
    if sizes.len() == 3 {
        check_kernel(a, &sizes[2..])?;
        let weight = flat(draft, weight)?;
        return one(as_maps(draft, input, |draft, maps| layer(draft, a, [maps, weight], bias, 1))?);
    }
    let [_, _, h, w] = kernel(draft, &weight)?;
    check_kernel(a, &[h, w])?;
    one(layer(draft, a, [input, weight], bias, 2)?)
}

/// Rows and columns; of signals, the one row has the first.
fn pair(sizes: &[i64], first: i64) -> [i64; 2] {
    match *sizes {
        [one] => [first, one],
        [one, two, ..] => [one, two],
        [] => [first; 2],
    }
}

/// Of maps; where the file has signals, `axes` is 1 and maps have one row.
fn convolved(
    draft: &mut Draft,
    a: &Arguments,
    [mut input, weight]: [Value; 2],
    bias: Option<Value>,
    axes: usize,
) -> Result<Value> {
    let [out, within, h, w] = kernel(draft, &weight)?;
    let strides = pair(&each(a, "strides", axes, 1)?, 1);
    let dilations = pair(&each(a, "dilations", axes, 1)?, 1);
    let groups = a.int_or("group", 1)?;
    let conv = Conv2d::new(within.saturating_mul(groups), out, h).kernel(h, w).groups(groups);
    let conv = conv.strides(strides[0], strides[1]).dilations(dilations[0], dilations[1]);
    let conv = if bias.is_some() { conv } else { conv.without_bias() };
    let sides = match around(a, axes)? {
        Around::Same { odd_behind: true } => None,
        Around::Same { odd_behind: false } => {
            let sides = (0..2).map(|axis| {
                let size = fixed_side(draft, &input, axis + 2)?;
                let span = dilations[axis].saturating_mul([h, w][axis] - 1).saturating_add(1);
                Ok(same_sides([size, strides[axis], span], false))
            });
            Some(sides.collect::<Result<Vec<_>>>()?)
        }
        Around::Sides(sides) => Some(sides),
    };
    let conv = match sides.as_deref() {
        None => conv.same(),
        Some(&[across]) if across[0] == across[1] => conv.paddings(0, across[0]),
        Some(&[down, across]) if down[0] == down[1] && across[0] == across[1] => {
            conv.paddings(down[0], across[0])
        }
        Some(sides) => {
            let pairs: Vec<[i64; 2]> = sides.iter().rev().copied().collect();
            let zeros = Pad::new(pairs, PadMode::Constant(0.0));
            input = draft.as_operation("pad", |draft| draft.op(zeros, &[input]))?;
            conv
        }
    };
    draft.layer(conv, &[input], owned(weight, bias))
}

/// Rows and columns to be cut off before and behind, and to be added behind.
fn cut(
    draft: &Draft,
    a: &Arguments,
    input: &Value,
    [kernel, strides, dilations]: [&[i64]; 3],
) -> Result<Vec<[i64; 3]>> {
    let axes = kernel.len();
    let more = each(a, "output_padding", axes, 0)?;
    let around = around(a, axes)?;
    let wanted = a.ints_if_any("output_shape")?;
    // It may have the photos and channels in front.
    let wanted = match &wanted {
        Some(sizes) => Some(
            sizes.get(sizes.len().saturating_sub(axes)..).filter(|s| s.len() == axes).ok_or_else(
                || Error::Argument(format!("its output_shape is {sizes:?}; expected {axes} sizes")),
            )?,
        ),
        None => None,
    };
    let first = draft.shape(input).len().saturating_sub(axes);
    (0..axes)
        .map(|axis| {
            let size = fixed_side(draft, input, first + axis)?;
            let span = dilations[axis].saturating_mul(kernel[axis] - 1).saturating_add(1);
            let whole = (size - 1).saturating_mul(strides[axis]).saturating_add(span + more[axis]);
            let halves = |wanted: i64, odd_behind: bool| {
                let all = whole.saturating_sub(wanted);
                let less = all.div_euclid(2);
                if odd_behind {
                    [less, all - less, more[axis]]
                } else {
                    [all - less, less, more[axis]]
                }
            };
            Ok(match (wanted, &around) {
                (Some(wanted), Around::Same { odd_behind }) => halves(wanted[axis], *odd_behind),
                (Some(wanted), Around::Sides(_)) => halves(wanted[axis], false),
                (None, Around::Same { odd_behind }) => {
                    halves(size.saturating_mul(strides[axis]), *odd_behind)
                }
                (None, Around::Sides(sides)) => [sides[axis][0], sides[axis][1], more[axis]],
            })
        })
        .collect()
}

fn spread(
    draft: &mut Draft,
    a: &Arguments,
    [input, weight]: [Value; 2],
    bias: Option<Value>,
    axes: usize,
) -> Result<Value> {
    let [channels, within, h, w] = kernel(draft, &weight)?;
    let kernel = if axes == 1 { vec![w] } else { vec![h, w] };
    let (strides, dilations) = (each(a, "strides", axes, 1)?, each(a, "dilations", axes, 1)?);
    let cut = cut(draft, a, &input, [&kernel, &strides, &dilations])?;
    let groups = a.int_or("group", 1)?;
    let ([down, across], [rows, columns]) = (pair(&strides, 1), pair(&dilations, 1));
    let conv = ConvTranspose2d::new(channels, within.saturating_mul(groups), h).kernel(h, w);
    let conv = conv.strides(down, across).dilations(rows, columns).groups(groups);
    let plain = cut
        .iter()
        .zip(&strides)
        .all(|([before, behind, more], stride)| before == behind && *before >= 0 && more < stride);
    if plain {
        let side = |i: usize| pair(&cut.iter().map(|cut| cut[i]).collect::<Vec<_>>(), 0);
        let (padding, more) = (side(0), side(2));
        let conv = conv.paddings(padding[0], padding[1]).output_padding(more[0], more[1]);
        let conv = if bias.is_some() { conv } else { conv.without_bias() };
        return draft.layer(conv, &[input], owned(weight, bias));
    }
    // All of it first; what is cut off differs before and behind, and what is added has the bias, too.
    let whole = draft.layer(conv.without_bias(), &[input], vec![weight])?;
    let pairs: Vec<[i64; 2]> =
        cut.iter().rev().map(|[before, behind, more]| [-before, more - behind]).collect();
    let crop = Pad::new(pairs, PadMode::Constant(0.0));
    let cropped = draft.as_operation("crop", |draft| draft.op(crop, &[whole]))?;
    match bias {
        None => Ok(cropped),
        Some(bias) => {
            let bias = draft.op(Rearrange::Reshape(vec![-1, 1, 1]), &[bias])?;
            parts::sum(draft, cropped, bias)
        }
    }
}

/// A matrix the other way round; of one that is known, now.
fn turned(draft: &mut Draft, matrix: Value) -> Result<Value> {
    match draft.known(&matrix)? {
        Some(known) => Ok(Value::constant(
            known.f_transpose(0, 1).and_then(|t| t.f_contiguous()).into_result()?,
        )),
        None => draft.op(Rearrange::Permute(vec![1, 0]), &[matrix]),
    }
}

/// Whether a product with it is a fully connected layer.
fn is_matrix_of_weights(draft: &Draft, value: &Value) -> bool {
    !draft.varies(value) && draft.shape(value).len() == 2
}

fn gemm(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (left, right) = (a.value(0)?, a.parameter(1, "weight")?);
    let (alpha, beta) = (a.float_or("alpha", 1.0)?, a.float_or("beta", 1.0)?);
    let bias = a.parameter_if_any(2, "bias")?.filter(|_| beta != 0.0);
    let left = if a.flag_or("transA", false)? { turned(draft, left)? } else { left };
    let across = a.flag_or("transB", false)?;
    let floats = a.kind(0) == Kind::Float;
    if alpha == 1.0 && floats && draft.varies(&left) && is_matrix_of_weights(draft, &right) {
        let weight = if across { right } else { turned(draft, right)? };
        let out = fixed_side(draft, &weight, 0)?;
        let fits = |bias: &Value| {
            !draft.varies(bias) && fixed_sizes(draft, bias).is_ok_and(|s| s == [out])
        };
        if let Some(bias) = bias.as_ref().filter(|bias| beta == 1.0 && fits(bias)) {
            return one(parts::connected(draft, left, weight, Some(bias.clone()))?);
        }
        let product = parts::connected(draft, left, weight, None)?;
        return one(shifted(draft, product, bias, beta)?);
    }
    let right = if across { turned(draft, right)? } else { right };
    let product = draft.op(Op::MatMul, &[left, right])?;
    let product = scaled(draft, product, alpha)?;
    one(shifted(draft, product, bias, beta)?)
}

fn scaled(draft: &mut Draft, value: Value, factor: f64) -> Result<Value> {
    match factor {
        1.0 => Ok(value),
        factor => draft.op(Elementwise::Scale { factor, plus: 0.0 }, &[value]),
    }
}

fn shifted(draft: &mut Draft, product: Value, bias: Option<Value>, beta: f64) -> Result<Value> {
    match bias {
        None => Ok(product),
        Some(bias) => {
            let bias = scaled(draft, bias, beta)?;
            parts::sum(draft, product, bias)
        }
    }
}

fn matmul(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (left, right) = (a.value(0)?, a.value(1)?);
    let features = draft.shape(&left).len() > 1;
    if draft.varies(&left)
        && features
        && is_matrix_of_weights(draft, &right)
        && a.kind(0) == Kind::Float
    {
        let weight = turned(draft, a.parameter(1, "weight")?)?;
        return one(parts::connected(draft, left, weight, None)?);
    }
    one(draft.op(Op::MatMul, &[left, right])?)
}

/// Three dots stand for the dimensions in front that have no letters; without an arrow, the letters that
/// stand once come out, in their order.
fn einsum(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let inputs = a.values()?;
    let equation: String = a.text_or("equation", "")?.split_whitespace().collect();
    let (terms, output) = match equation.split_once("->") {
        Some((terms, output)) => (terms, Some(output.to_owned())),
        None => (equation.as_str(), None),
    };
    let terms: Vec<&str> = terms.split(',').collect();
    if terms.len() != inputs.len() {
        return Err(Error::Argument(format!("{equation:?} is for {} inputs", terms.len())));
    }
    let free: Vec<char> = ('A'..='Z').filter(|c| !equation.contains(*c)).collect();
    let counts = terms.iter().zip(&inputs).map(|(term, input)| {
        let letters = term.chars().filter(|c| *c != '.').count();
        draft.shape(input).len().checked_sub(letters).filter(|_| term.contains("..."))
    });
    let counts: Vec<usize> = counts.map(Option::unwrap_or_default).collect();
    let most = counts.iter().copied().max().unwrap_or(0);
    let dots = free
        .get(..most)
        .ok_or_else(|| Error::Argument(format!("{equation:?} has no letters left")))?;
    let dots_of =
        |count: usize| dots[dots.len() - count.min(dots.len())..].iter().collect::<String>();
    let spelt: Vec<String> = terms
        .iter()
        .zip(&counts)
        .map(|(term, count)| term.replace("...", &dots_of(*count)))
        .collect();
    let output = output.unwrap_or_else(|| {
        let all: Vec<char> =
            terms.iter().flat_map(|term| term.chars()).filter(|c| *c != '.').collect();
        let mut once: Vec<char> =
            all.iter().filter(|c| all.iter().filter(|o| o == c).count() == 1).copied().collect();
        once.sort_unstable();
        format!("{}{}", if most > 0 { "..." } else { "" }, once.into_iter().collect::<String>())
    });
    let output = output.replace("...", &dots_of(most));
    one(draft.op(Einsum::new(format!("{}->{output}", spelt.join(","))), &inputs)?)
}

fn batch_norm(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let eps = a.float_or("epsilon", 1e-5)?;
    if a.flag_or("training_mode", false)? {
        let own = [Some(a.value(1)?), Some(a.value(2)?)];
        return one(parts::standardized(draft, &a.value(0)?, own, eps, TRAINING)?);
    }
    if !a.flag_or("spatial", true)? {
        return Err(Error::Argument(
            "it has statistics for each pixel, which are not known here".into(),
        ));
    }
    let own = [(1, "weight"), (2, "bias"), (3, "running_mean"), (4, "running_var")];
    let own: Vec<Value> =
        own.iter().map(|(i, name)| a.parameter(*i, name)).collect::<Result<_>>()?;
    let sizes = fixed_sizes(draft, &own[0])?;
    for value in &own {
        if sizes.len() != 1 || fixed_sizes(draft, value)? != sizes {
            return Err(Error::Shape("its parameters must be one number a channel each".into()));
        }
    }
    let norm = BatchNorm2d::new(sizes[0]).eps(eps);
    // ONNX weighs what was before, PyTorch what is new.
    let norm = norm.momentum(1.0 - a.float_or("momentum", 0.9)?);
    one(draft.layer(norm, &[a.value(0)?], own)?)
}

fn instance_norm(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let channels = fixed_side(draft, &input, 1)?;
    let norm = Norm::group(channels, channels).eps(a.float_or("epsilon", 1e-5)?);
    let own = [Some(a.parameter(1, "weight")?), Some(a.parameter(2, "bias")?)];
    one(parts::normalized(draft, norm, input, own, &[channels])?)
}

fn group_norm(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let (channels, groups) = (fixed_side(draft, &input, 1)?, a.int("num_groups")?);
    let norm = Norm::group(groups, channels).eps(a.float_or("epsilon", 1e-5)?);
    let own = [(1, "weight"), (2, "bias")].map(|(i, name)| -> Result<Value> {
        let own = a.parameter(i, name)?;
        // Up to version 20 there is one number a group.
        if fixed_sizes(draft, &own)? == [groups] && groups != channels && groups > 0 {
            let each = parts::known(draft, &own)?;
            let each = each.f_repeat_interleave_self_int(channels / groups, Some(0), None);
            return Ok(Value::constant(each.into_result()?));
        }
        Ok(own)
    });
    let [weight, bias] = own;
    one(parts::normalized(draft, norm, input, [Some(weight?), Some(bias?)], &[channels])?)
}

fn layer_norm(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let rank = draft.shape(&input).len();
    let first = dimension(a.int_or("axis", -1)?, rank)?;
    let sizes: Vec<i64> =
        (first..rank).map(|dim| fixed_side(draft, &input, dim)).collect::<Result<_>>()?;
    let eps = a.float_or("epsilon", 1e-5)?;
    let norm = Norm::layer(sizes.clone()).eps(eps);
    let (weight, bias) = (a.parameter(1, "weight")?, a.parameter_if_any(2, "bias")?);
    let fits = |value: &Value| fixed_sizes(draft, value).is_ok_and(|own| own == sizes);
    let own = fits(&weight) && bias.as_ref().is_none_or(fits);
    let made = match own {
        true => parts::normalized(draft, norm, input.clone(), [Some(weight), bias], &sizes)?,
        false => {
            let plain = draft.op(norm.plain(), std::slice::from_ref(&input))?;
            let scaled = parts::times(draft, plain, weight)?;
            shifted(draft, scaled, bias, 1.0)?
        }
    };
    if a.outputs() < 2 {
        return one(made);
    }
    // What training wants to know as well.
    let dims: Vec<usize> = (first..rank).collect();
    let mean = parts::reduced(draft, input.clone(), ReduceBy::Mean, dims.clone(), true)?;
    let variance = parts::reduced(draft, input, ReduceBy::Variance(0), dims, true)?;
    let more = draft.op(Elementwise::Scale { factor: 1.0, plus: eps }, &[variance])?;
    let inverse = draft.op(Elementwise::Rsqrt, &[more])?;
    Ok([made, mean, inverse].map(Known::Value).into())
}

/// `x / (bias + alpha · mean of the squares of neighbouring channels) ^ beta`. Krizhevsky et al. 2012.
fn lrn(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (input, size) = (a.value(0)?, a.int("size")?);
    let sides = draft.shape(&input);
    if sides.len() < 3 || !(1..=1 << 16).contains(&size) {
        return Err(Error::Argument("it needs channels of maps, and a positive size".into()));
    }
    let squares = draft.op(Elementwise::Power(2.0), std::slice::from_ref(&input))?;
    // Channels as rows of a single map: a pooling takes neighbours together.
    let merged = parts::product(&sides[2..])?.one;
    let channels = fixed_side(draft, &input, 1)?;
    let rows = draft.op(Rearrange::Reshape(vec![-1, 1, channels, merged]), &[squares])?;
    let before = (size - 1) / 2;
    let zeros = Pad::new([[0, 0], [before, size - 1 - before]], PadMode::Constant(0.0));
    let padded = draft.op(zeros, &[rows])?;
    let mean = draft.op(Pool2d::average(size).kernel(size, 1).strides(1, 1), &[padded])?;
    let back: Vec<i64> = std::iter::once(Ok(-1))
        .chain((1..sides.len()).map(|dim| fixed_side(draft, &input, dim)))
        .collect::<Result<_>>()?;
    let mean = draft.op(Rearrange::Reshape(back), &[mean])?;
    let (alpha, beta) = (a.float_or("alpha", 1e-4)?, a.float_or("beta", 0.75)?);
    let shares =
        draft.op(Elementwise::Scale { factor: alpha, plus: a.float_or("bias", 1.0)? }, &[mean])?;
    let divisor = draft.op(Elementwise::Power(beta), &[shares])?;
    one(draft.op(Arithmetic::Divide, &[input, divisor])?)
}
