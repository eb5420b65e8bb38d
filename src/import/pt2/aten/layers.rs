//! Operators that are layers: convolutions, normalisation, pooling, attention, resizing.

use super::super::super::draft::{Draft, Value};
use super::super::Known;
use super::super::arguments::Arguments;
use super::parts::{self, fixed_side, fixed_sizes, kernel, or_filled, owned};
use super::{TRAINING, Translate, one};
use crate::error::{Error, Result};
use crate::model::{
    AdaptiveAvgPool2d, Arithmetic, Attention, BatchNorm2d, Conv2d, ConvTranspose2d, Einsum,
    Interpolate, Interpolation, Norm, Op, Pool2d, Reduce, ReduceBy,
};

pub(super) fn find(name: &str) -> Option<Translate> {
    Some(match name {
        "conv2d" => conv2d,
        "conv_transpose2d" => conv_transpose2d,
        "convolution" => convolution,
        "linear" => linear,
        "addmm" => addmm,
        "matmul" | "bmm" | "mm" => matmul,
        "einsum" => einsum,
        "batch_norm" | "_native_batch_norm_legit_no_training" => batch_norm,
        "layer_norm" | "native_layer_norm" => layer_norm,
        "group_norm" => group_norm,
        "instance_norm" => instance_norm,
        "max_pool2d" | "max_pool2d_with_indices" => max_pool2d,
        "avg_pool2d" => avg_pool2d,
        "adaptive_avg_pool2d" | "_adaptive_avg_pool2d" => adaptive_avg_pool2d,
        "adaptive_max_pool2d" => adaptive_max_pool2d,
        "scaled_dot_product_attention" => attention,
        "upsample_nearest2d" => |draft, a| resize(draft, a, Interpolation::Nearest),
        "upsample_bilinear2d" => |draft, a| resize(draft, a, Interpolation::Bilinear),
        "upsample_bicubic2d" => |draft, a| resize(draft, a, Interpolation::Bicubic),
        "dropout" | "feature_dropout" | "alpha_dropout" => dropout,
        _ => return None,
    })
}

fn conv2d(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (weight, bias) = (a.tensor("weight")?, a.tensor_if_any("bias")?);
    let [out, within, h, w] = kernel(draft, &weight)?;
    let groups = a.int_or("groups", 1)?;
    let ([down, across], [rows, columns]) =
        (a.pair_or("stride", [1; 2])?, a.pair_or("dilation", [1; 2])?);
    let conv =
        Conv2d::new(within.saturating_mul(groups), out, h).kernel(h, w).strides(down, across);
    let conv = conv.dilations(rows, columns).groups(groups);
    let conv = match a.text("padding") {
        Ok("same") => conv.same(),
        Ok(_) => conv,
        Err(_) => {
            let [rows, columns] = a.pair_or("padding", [0; 2])?;
            conv.paddings(rows, columns)
        }
    };
    let conv = if bias.is_some() { conv } else { conv.without_bias() };
    one(draft.layer(conv, &[a.tensor("input")?], owned(weight, bias))?)
}

fn conv_transpose2d(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (weight, bias) = (a.tensor("weight")?, a.tensor_if_any("bias")?);
    let [channels, within, h, w] = kernel(draft, &weight)?;
    let groups = a.int_or("groups", 1)?;
    let ([down, across], [rows, columns]) =
        (a.pair_or("stride", [1; 2])?, a.pair_or("padding", [0; 2])?);
    let [bottom, right] = a.pair_or("output_padding", [0; 2])?;
    let [far_down, far_across] = a.pair_or("dilation", [1; 2])?;
    let conv = ConvTranspose2d::new(channels, within.saturating_mul(groups), h).kernel(h, w);
    let conv = conv.strides(down, across).paddings(rows, columns).output_padding(bottom, right);
    let conv = conv.dilations(far_down, far_across).groups(groups);
    let conv = if bias.is_some() { conv } else { conv.without_bias() };
    one(draft.layer(conv, &[a.tensor("input")?], owned(weight, bias))?)
}

fn convolution(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    match a.flag_or("transposed", false)? {
        true => conv_transpose2d(draft, a),
        false => conv2d(draft, a),
    }
}

fn linear(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let (weight, bias) = (a.tensor("weight")?, a.tensor_if_any("bias")?);
    one(parts::connected(draft, a.tensor("input")?, weight, bias)?)
}

fn addmm(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let product = draft.op(Op::MatMul, &[a.tensor("mat1")?, a.tensor("mat2")?])?;
    if [a.float_or("alpha", 1.0)?, a.float_or("beta", 1.0)?] != [1.0; 2] {
        return Err(Error::Argument("with alpha or beta other than 1".into()));
    }
    one(draft.op(Arithmetic::Add, &[product, a.tensor("self")?])?)
}

fn matmul(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let second = if a.is_tensor("mat2") { "mat2" } else { "other" };
    one(draft.op(Op::MatMul, &[a.tensor("self")?, a.tensor(second)?])?)
}

fn einsum(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let tensors = a.tensors("tensors")?;
    one(draft.op(Einsum::new(a.text("equation")?), &tensors)?)
}

fn batch_norm(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    if a.flag_or("training", false)? {
        let own = [a.tensor_if_any("weight")?, a.tensor_if_any("bias")?];
        let eps = a.float_or("eps", 1e-5)?;
        return one(parts::standardized(draft, &a.tensor("input")?, own, eps, TRAINING)?);
    }
    let (mean, variance) = (a.tensor("running_mean")?, a.tensor("running_var")?);
    let sizes = fixed_sizes(draft, &mean)?;
    let channels = sizes.iter().product();
    let norm = BatchNorm2d::new(channels).eps(a.float_or("eps", 1e-5)?);
    let norm = norm.momentum(a.float_or("momentum", 0.1)?);
    let weight = or_filled(a.tensor_if_any("weight")?, &sizes, 1.0)?;
    let bias = or_filled(a.tensor_if_any("bias")?, &sizes, 0.0)?;
    one(draft.layer(norm, &[a.tensor("input")?], vec![weight, bias, mean, variance])?)
}

/// A normalisation with what it has of weight and bias.
fn normalized(draft: &mut Draft, a: &Arguments, norm: Norm, sizes: &[i64]) -> Result<Vec<Known>> {
    let input = a.tensor("input")?;
    let (weight, bias) = (a.tensor_if_any("weight")?, a.tensor_if_any("bias")?);
    one(parts::normalized(draft, norm, input, [weight, bias], sizes)?)
}

fn layer_norm(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let sizes = a.ints("normalized_shape")?;
    let norm = Norm::layer(sizes.clone()).eps(a.float_or("eps", 1e-5)?);
    normalized(draft, a, norm, &sizes)
}

fn group_norm(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let channels = fixed_side(draft, &a.tensor("input")?, 1)?;
    let norm = Norm::group(a.int("num_groups")?, channels).eps(a.float_or("eps", 1e-5)?);
    normalized(draft, a, norm, &[channels])
}

fn instance_norm(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    if !a.flag_or("use_input_stats", true)? {
        return batch_norm(draft, a);
    }
    let channels = fixed_side(draft, &a.tensor("input")?, 1)?;
    let norm = Norm::group(channels, channels).eps(a.float_or("eps", 1e-5)?);
    normalized(draft, a, norm, &[channels])
}

/// A pooling with the window, step and padding of the file.
fn windows(pool: fn(i64) -> Pool2d, a: &Arguments) -> Result<Pool2d> {
    let [h, w] = a.pair_or("kernel_size", [1; 2])?;
    let [down, across] = a.pair_or("stride", [h, w])?;
    let [rows, columns] = a.pair_or("padding", [0; 2])?;
    let pool = pool(h).kernel(h, w).strides(down, across).paddings(rows, columns);
    Ok(if a.flag_or("ceil_mode", false)? { pool.ceil() } else { pool })
}

fn max_pool2d(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let [down, across] = a.pair_or("dilation", [1; 2])?;
    let pool = windows(Pool2d::max, a)?.dilations(down, across);
    one(draft.op(pool, &[a.tensor("self")?])?)
}

fn avg_pool2d(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let pool = windows(Pool2d::average, a)?;
    let pool = if a.flag_or("count_include_pad", true)? { pool } else { pool.without_padding() };
    let divisor = a.int_or("divisor_override", 0)?;
    let pool = if divisor == 0 { pool } else { pool.divisor(divisor) };
    one(draft.op(pool, &[a.tensor("self")?])?)
}

fn adaptive_avg_pool2d(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let [h, w] = a.pair_or("output_size", [1; 2])?;
    one(draft.op(AdaptiveAvgPool2d::to(h, w), &[a.tensor("self")?])?)
}

fn adaptive_max_pool2d(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    match a.pair_or("output_size", [1; 2])? {
        [1, 1] => {
            let greatest = Reduce::new(ReduceBy::Max, [2, 3]).keeping();
            one(draft.op(greatest, &[a.tensor("self")?])?)
        }
        size => Err(Error::Argument(format!(
            "maxima of {size:?} parts are not known, of the whole are"
        ))),
    }
}

fn attention(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let attention = Attention::new();
    let attention = if a.flag_or("is_causal", false)? { attention.causal() } else { attention };
    let attention = match a.float_if_any("scale")? {
        Some(scale) => attention.scale(scale),
        None => attention,
    };
    let inputs = [a.tensor("query")?, a.tensor("key")?, a.tensor("value")?];
    let inputs: Vec<Value> = inputs.into_iter().chain(a.tensor_if_any("attn_mask")?).collect();
    one(draft.op(attention, &inputs)?)
}

fn resize(draft: &mut Draft, a: &Arguments, by: Interpolation) -> Result<Vec<Known>> {
    let input = if a.is_tensor("input") { a.tensor("input")? } else { a.tensor("self")? };
    let factors = match a.floats_if_any("scale_factors")?.as_deref() {
        Some(&[down, across]) => Some([down, across]),
        _ => a.float_if_any("scales_h")?.zip(a.float_if_any("scales_w")?).map(<[f64; 2]>::from),
    };
    let resize = match (a.ints_if_any("output_size")?.as_deref(), factors) {
        (Some(&[h, w]), None) => Interpolate::to(h, w, by),
        (_, Some([down, across])) => Interpolate::by(down, across, by),
        _ => return Err(Error::Argument("it has neither two sizes nor two factors".into())),
    };
    let resize = if a.flag_or("align_corners", false)? { resize.align_corners() } else { resize };
    one(draft.op(resize, &[input])?)
}

fn dropout(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    if a.flag_or("train", false)? {
        return Err(Error::Argument(TRAINING.into()));
    }
    let input = a.tensor(if a.is_tensor("input") { "input" } else { "self" })?;
    match draft.varies(&input) {
        true => one(draft.op(Op::Dropout(a.float_or("p", 0.5)?), &[input])?),
        false => one(input),
    }
}
