//! Maps of another size, by every rule that ONNX has for where the new pixels lie.
//!
//! What PyTorch's resizing does, is our operator for that. Everything else is linear along each axis: a
//! product with a matrix that is known now.

use tch::{Kind, Tensor};

use super::super::super::draft::{Draft, Side, Value};
use super::super::Known;
use super::super::arguments::Arguments;
use super::parts::{self, dimensions, fixed_side};
use super::{Entry, not_of_photos, one, permuted, whole_numbers};
use crate::error::{Error, Result};
use crate::model::{Index, Interpolate, Interpolation, Op};
use crate::tensor::IntoResult;

pub(super) fn find(name: &str) -> Option<Entry> {
    Some(match name {
        "Upsample" => (upsample, &["mode", "scales"]),
        "Resize" => (
            resize,
            &[
                "antialias",
                "axes",
                "coordinate_transformation_mode",
                "cubic_coeff_a",
                "exclude_outside",
                "extrapolation_value",
                "keep_aspect_ratio_policy",
                "mode",
                "nearest_mode",
            ],
        ),
        _ => return None,
    })
}

/// The new size of an axis.
#[derive(Clone, Copy, Debug)]
struct Axis {
    dim: usize,
    from: i64,
    to: i64,
    scale: f64,
    /// Whether the file says the scale, so that `to` is rounded.
    scaled: bool,
    /// The part of the input that is taken, from 0 to 1.
    part: [f64; 2],
}

/// How new pixels come about.
struct Rule<'a> {
    coordinates: &'a str,
    mode: &'a str,
    nearest: &'a str,
    cubic: f64,
    antialias: bool,
    exclude: bool,
}

impl Rule<'_> {
    /// Where in the input a pixel of the output lies.
    fn place(&self, axis: &Axis, x: i64) -> Result<f64> {
        let (at, from, to) = (x as f64, axis.from as f64, axis.to as f64);
        Ok(match self.coordinates {
            "half_pixel" => (at + 0.5) / axis.scale - 0.5,
            "half_pixel_symmetric" => {
                let adjustment = to / (axis.scale * from);
                from / 2.0 * (1.0 - adjustment) + (at + 0.5) / axis.scale - 0.5
            }
            "pytorch_half_pixel" => {
                if axis.to > 1 {
                    (at + 0.5) / axis.scale - 0.5
                } else {
                    0.0
                }
            }
            "align_corners" => {
                if axis.to > 1 {
                    at * (from - 1.0) / (to - 1.0)
                } else {
                    0.0
                }
            }
            "asymmetric" => at / axis.scale,
            "tf_half_pixel_for_nn" => (at + 0.5) / axis.scale,
            "tf_crop_and_resize" => {
                let [start, end] = axis.part;
                match axis.to > 1 {
                    true => start * (from - 1.0) + at * (end - start) * (from - 1.0) / (to - 1.0),
                    false => 0.5 * (start + end) * (from - 1.0),
                }
            }
            other => return Err(Error::Argument(format!("places by {other:?} are not known"))),
        })
    }

    /// The pixel of the input nearest to this place.
    fn nearest(&self, place: f64, axis: &Axis) -> Result<i64> {
        let at = match self.nearest {
            "round_prefer_floor" => (place - 0.5).ceil(),
            "round_prefer_ceil" => (place + 0.5).floor(),
            "floor" => place.floor(),
            // Up to version 10: what is made smaller begins with the first pixel and goes on behind.
            "old" => {
                if axis.scale < 1.0 {
                    place.ceil()
                } else {
                    place.floor()
                }
            }
            "ceil" => place.ceil(),
            other => {
                return Err(Error::Argument(format!(
                    "the nearest pixel by {other:?} is not known"
                )));
            }
        };
        Ok((at as i64).clamp(0, axis.from - 1))
    }

    /// Which pixels of the input go into one at this place, and with which weights.
    fn taps(&self, place: f64, axis: &Axis) -> Vec<(i64, f64)> {
        // The left one of those around, also where it lies upon one.
        let base = place.ceil() - 1.0;
        let ratio = place - base;
        let scale = if self.antialias { axis.scale.min(1.0) } else { 1.0 };
        let reach = if self.mode == "cubic" { 2.0 } else { 1.0 };
        let first = ((-reach / scale).floor() + 1.0) as i64;
        let taps = (first..2 - first).map(|i| {
            let distance = ((i as f64 - ratio) * scale).abs();
            let weight = match self.mode {
                "cubic" => cubic(distance, self.cubic),
                _ => (1.0 - distance).max(0.0),
            };
            (base as i64 + i, weight)
        });
        let within = |at: i64| (0..axis.from).contains(&at);
        let taps: Vec<(i64, f64)> = taps.filter(|(at, _)| !self.exclude || within(*at)).collect();
        let sum: f64 = taps.iter().map(|(_, weight)| weight).sum();
        let even = if self.antialias || self.exclude { sum } else { 1.0 };
        taps.into_iter().map(|(at, weight)| (at.clamp(0, axis.from - 1), weight / even)).collect()
    }
}

/// Keys 1981.
fn cubic(x: f64, a: f64) -> f64 {
    match x {
        x if x <= 1.0 => ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0,
        x if x < 2.0 => ((a * x - 5.0 * a) * x + 8.0 * a) * x - 4.0 * a,
        _ => 0.0,
    }
}

/// What was before `Resize`: the scales are an option up to version 8, then an input.
fn upsample(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let scales = match a.floats_if_any("scales")? {
        Some(scales) => scales,
        None => a.numbers(draft, 1)?,
    };
    one(old(draft, a, input, &scales)?)
}

fn old(draft: &mut Draft, a: &Arguments, input: Value, scales: &[f64]) -> Result<Value> {
    let mode = match a.text_or("mode", "nearest")? {
        "bilinear" => "linear",
        mode => mode,
    };
    let rule = Rule {
        coordinates: "asymmetric",
        mode,
        nearest: "old",
        cubic: -0.75,
        antialias: false,
        exclude: false,
    };
    let dims: Vec<usize> = (0..draft.shape(&input).len()).collect();
    let axes = by_scales(draft, &input, &dims, scales)?;
    resized(draft, input, &axes, &rule, None)
}

fn by_scales(draft: &Draft, input: &Value, dims: &[usize], scales: &[f64]) -> Result<Vec<Axis>> {
    if scales.len() != dims.len() {
        return Err(Error::Argument(format!(
            "{} scales for {} dimensions",
            scales.len(),
            dims.len()
        )));
    }
    let changed = dims.iter().zip(scales).filter(|(_, scale)| **scale != 1.0);
    changed
        .map(|(&dim, &scale)| {
            not_of_photos(draft, input, dim)?;
            let from = fixed_side(draft, input, dim)?;
            let to = (from as f64 * scale).floor();
            axis(dim, from, to, scale, true)
        })
        .collect()
}

fn axis(dim: usize, from: i64, to: f64, scale: f64, scaled: bool) -> Result<Axis> {
    let most = f64::from(1 << 20);
    if !(1.0..=most).contains(&to)
        || !(1..=1 << 20).contains(&from)
        || !scale.is_finite()
        || scale <= 0.0
    {
        return Err(Error::Shape(format!("{from} pixels cannot become {to}")));
    }
    Ok(Axis { dim, from, to: to as i64, scale, scaled, part: [0.0, 1.0] })
}

/// By sizes; with a policy, the sides keep their ratio.
fn by_sizes(
    draft: &Draft,
    a: &Arguments,
    input: &Value,
    dims: &[usize],
    sizes: &[Side],
) -> Result<Vec<Axis>> {
    if sizes.len() != dims.len() {
        return Err(Error::Argument(format!(
            "{} sizes for {} dimensions",
            sizes.len(),
            dims.len()
        )));
    }
    let sides = draft.shape(input);
    let ratios =
        || dims.iter().zip(sizes).map(|(&dim, size)| size.one as f64 / sides[dim].one as f64);
    let ratio = match a.text_or("keep_aspect_ratio_policy", "stretch")? {
        "stretch" => None,
        "not_larger" => Some(ratios().fold(f64::INFINITY, f64::min)),
        "not_smaller" => Some(ratios().fold(0.0, f64::max)),
        other => return Err(Error::Argument(format!("the policy {other:?} is not known"))),
    };
    // The photos of the file's example are as many as there are.
    let stays = |side: Side, size: Side| {
        side == size || (!side.is_fixed() && size.one == side.at(a.photos))
    };
    let changed = dims.iter().zip(sizes).filter(|(dim, size)| {
        let growing = !sides[**dim].is_fixed();
        !stays(sides[**dim], **size) || (ratio.is_some() && !growing)
    });
    changed
        .map(|(&dim, size)| {
            not_of_photos(draft, input, dim)?;
            let from = fixed_side(draft, input, dim)?;
            match ratio {
                Some(ratio) => axis(dim, from, (ratio * from as f64 + 0.5).floor(), ratio, true),
                None if size.is_fixed() => {
                    axis(dim, from, size.one as f64, size.one as f64 / from as f64, false)
                }
                None => Err(Error::Argument("its size follows the number of photos".into())),
            }
        })
        .collect()
}

fn resize(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    if a.opset < 11 {
        let scales = a.numbers(draft, 1)?;
        return one(old(draft, a, input, &scales)?);
    }
    let rank = draft.shape(&input).len();
    let dims = match a.ints_if_any("axes")? {
        Some(axes) => dimensions(&axes, rank)?,
        None => (0..rank).collect(),
    };
    let scales = if a.has(2) { a.numbers(draft, 2)? } else { Vec::new() };
    let mut axes = match scales.is_empty() {
        false => by_scales(draft, &input, &dims, &scales)?,
        true => by_sizes(draft, a, &input, &dims, &a.sides(draft, 3)?)?,
    };
    let rule = Rule {
        coordinates: a.text_or("coordinate_transformation_mode", "half_pixel")?,
        mode: a.text_or("mode", "nearest")?,
        nearest: a.text_or("nearest_mode", "round_prefer_floor")?,
        cubic: a.float_or("cubic_coeff_a", -0.75)?,
        antialias: a.flag_or("antialias", false)?,
        exclude: a.flag_or("exclude_outside", false)?,
    };
    let mut beyond = None;
    if rule.coordinates == "tf_crop_and_resize" {
        let roi = a.numbers(draft, 1)?;
        if roi.len() != 2 * dims.len() {
            return Err(Error::Argument(format!("a part of {} numbers", roi.len())));
        }
        // Dimensions of one size may be cut as well.
        axes.clear();
        for (i, &dim) in dims.iter().enumerate() {
            let part = [roi[i], roi[i + dims.len()]];
            let from = draft.shape(&input)[dim];
            if part == [0.0, 1.0] && !from.is_fixed() {
                continue;
            }
            let to = match scales.get(i) {
                Some(scale) => (from.one as f64 * scale).floor(),
                None => a.sides(draft, 3)?.get(i).map_or(0.0, |side| side.one as f64),
            };
            not_of_photos(draft, &input, dim)?;
            let axis = axis(dim, from.one, to, to / from.one as f64, false)?;
            axes.push(Axis { part, ..axis });
        }
        beyond = Some(a.float_or("extrapolation_value", 0.0)?);
    }
    one(resized(draft, input, &axes, &rule, beyond)?)
}

/// Whether the new size is no whole multiple by the file's scale.
fn rounded(axis: &Axis) -> bool {
    axis.scaled && axis.scale * axis.from as f64 != axis.to as f64
}

fn resized(
    draft: &mut Draft,
    input: Value,
    axes: &[Axis],
    rule: &Rule,
    beyond: Option<f64>,
) -> Result<Value> {
    if rule.coordinates == "align_corners" && rule.mode != "nearest" && axes.iter().any(rounded) {
        return Err(Error::Argument(
            "corners are aligned at a scale that does not give whole pixels, which every program reads in a way \
             of its own; export it with sizes in place of scales"
                .into(),
        ));
    }
    if !["nearest", "linear", "cubic"].contains(&rule.mode) {
        return Err(Error::Argument(format!("resizing by {:?} is not known", rule.mode)));
    }
    let maps =
        draft.shape(&input).len() == 4 && !axes.is_empty() && axes.iter().all(|axis| axis.dim > 1);
    if maps && let Some(resize) = as_pytorch(draft, &input, axes, rule)? {
        return draft.op(resize, &[input]);
    }
    let mut value = input;
    for axis in axes {
        let places = (0..axis.to).map(|x| rule.place(axis, x)).collect::<Result<Vec<f64>>>()?;
        value = match rule.mode {
            "nearest" => {
                let nearest = places.iter().map(|&place| rule.nearest(place, axis));
                let nearest = whole_numbers(&nearest.collect::<Result<Vec<i64>>>()?)?;
                draft.op(Index::new([axis.dim]), &[value, nearest])?
            }
            _ => mixed(draft, value, axis, rule, &places)?,
        };
    }
    match beyond {
        None => Ok(value),
        Some(number) => outside(draft, value, axes, rule, number),
    }
}

/// Our operator for it, where PyTorch has the same rule.
fn as_pytorch(
    draft: &Draft,
    input: &Value,
    axes: &[Axis],
    rule: &Rule,
) -> Result<Option<Interpolate>> {
    let of = |dim: usize| axes.iter().find(|axis| axis.dim == dim).copied();
    let sides = [fixed_side(draft, input, 2)?, fixed_side(draft, input, 3)?];
    let [h, w] = [2, 3].map(|dim| of(dim).map_or(sides[dim - 2], |axis| axis.to));
    let plain = !rule.antialias && !rule.exclude && rule.coordinates != "tf_crop_and_resize";
    let by = match rule.mode {
        "nearest" => {
            for axis in axes {
                let ratio = axis.from as f32 / axis.to as f32;
                for x in 0..axis.to {
                    let theirs = ((x as f32 * ratio).floor() as i64).min(axis.from - 1);
                    if rule.nearest(rule.place(axis, x)?, axis)? != theirs {
                        return Ok(None);
                    }
                }
            }
            return Ok(plain.then(|| Interpolate::to(h, w, Interpolation::Nearest)));
        }
        "linear" if plain => Interpolation::Bilinear,
        "cubic" if plain && rule.cubic == -0.75 => Interpolation::Bicubic,
        _ => return Ok(None),
    };
    let centred = match rule.coordinates {
        "half_pixel" => true,
        "pytorch_half_pixel" => axes.iter().all(|axis| axis.to > 1),
        "half_pixel_symmetric" => {
            axes.iter().all(|axis| axis.scale * axis.from as f64 == axis.to as f64)
        }
        _ => false,
    };
    // Where a scale is rounded, the file's own counts.
    let rounded = axes.iter().any(rounded);
    Ok(match (centred, rule.coordinates) {
        (true, _) if rounded => {
            let [down, across] = [2, 3].map(|dim| of(dim).map_or(1.0, |axis| axis.scale));
            Some(Interpolate::by(down, across, by))
        }
        (true, _) => Some(Interpolate::to(h, w, by)),
        (false, "align_corners") => Some(Interpolate::to(h, w, by).align_corners()),
        _ => None,
    })
}

/// Along one axis: a product with a matrix of weights.
fn mixed(
    draft: &mut Draft,
    value: Value,
    axis: &Axis,
    rule: &Rule,
    places: &[f64],
) -> Result<Value> {
    parts::countable(&[axis.from, axis.to])?;
    let (from, to) = (axis.from as usize, axis.to as usize);
    // [from, to]
    let mut weights = vec![0f32; from * to];
    for (x, &place) in places.iter().enumerate() {
        for (at, weight) in rule.taps(place, axis) {
            if let Some(own) = weights.get_mut(at as usize * to + x) {
                *own += weight as f32;
            }
        }
    }
    let matrix =
        Tensor::f_from_slice(&weights).and_then(|flat| flat.f_reshape([axis.from, axis.to]));
    let matrix = Value::constant(matrix.into_result()?);
    let rank = draft.shape(&value).len();
    let mut order: Vec<usize> = (0..rank).collect();
    order.swap(axis.dim, rank - 1);
    let last = permuted(draft, value, order.clone())?;
    let made = draft.op(Op::MatMul, &[last, matrix])?;
    permuted(draft, made, order)
}

/// One number at the places that lie outside the input.
fn outside(
    draft: &mut Draft,
    value: Value,
    axes: &[Axis],
    rule: &Rule,
    number: f64,
) -> Result<Value> {
    let rank = draft.shape(&value).len();
    let mut all: Option<Tensor> = None;
    for axis in axes {
        let line = (0..axis.to).map(|x| {
            rule.place(axis, x).map(|place| place < 0.0 || place > (axis.from - 1) as f64)
        });
        let line = line.collect::<Result<Vec<bool>>>()?;
        let mut shape = vec![1; rank];
        shape[axis.dim] = axis.to;
        let line =
            Tensor::f_from_slice(&line).and_then(|line| line.f_reshape(&shape)).into_result()?;
        all = Some(match all {
            None => line,
            Some(before) => before.f_logical_or(&line).into_result()?,
        });
    }
    let Some(all) = all else { return Ok(value) };
    let number = Tensor::from(number as f32).f_to_kind(Kind::Float).into_result()?;
    draft.op(Op::Where, &[Value::constant(all), Value::constant(number), value])
}
