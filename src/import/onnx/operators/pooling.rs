//! Pooling: windows of pixels become one.

use tch::{Kind, Tensor};

use super::super::super::draft::{Draft, Value};
use super::super::Known;
use super::super::arguments::Arguments;
use super::layers::{Around, around, each, same_sides};
use super::parts::{self, fixed_side};
use super::{Entry, as_maps, one};
use crate::error::{Error, Result};
use crate::model::{Arithmetic, Elementwise, Pad, PadMode, Pool2d, Rearrange, ReduceBy};
use crate::tensor::IntoResult;

pub(super) fn find(name: &str) -> Option<Entry> {
    Some(match name {
        "MaxPool" => (
            max_pool,
            &[
                "auto_pad",
                "ceil_mode",
                "dilations",
                "kernel_shape",
                "pads",
                "storage_order",
                "strides",
            ],
        ),
        "AveragePool" => (
            average_pool,
            &[
                "auto_pad",
                "ceil_mode",
                "count_include_pad",
                "dilations",
                "kernel_shape",
                "pads",
                "strides",
            ],
        ),
        "LpPool" => (
            lp_pool,
            &["auto_pad", "ceil_mode", "dilations", "kernel_shape", "p", "pads", "strides"],
        ),
        "GlobalAveragePool" => (global_average, &[]),
        "GlobalMaxPool" => (|draft, a| global(draft, a, ReduceBy::Max), &[]),
        "GlobalLpPool" => (
            |draft, a| {
                let p = a.int_or("p", 2)? as f64;
                global(draft, a, ReduceBy::Norm(p))
            },
            &["p"],
        ),
        _ => return None,
    })
}

/// A window along one axis.
#[derive(Clone, Copy, Debug)]
struct Axis {
    /// How many pixels there are.
    size: i64,
    kernel: i64,
    stride: i64,
    dilation: i64,
    before: i64,
    behind: i64,
    /// How many windows there are.
    out: i64,
}

impl Axis {
    fn span(self) -> i64 {
        self.dilation.saturating_mul(self.kernel - 1).saturating_add(1)
    }

    /// Pixels to be added behind, or cut off, so that the windows end where the pixels do.
    fn rest(self) -> i64 {
        (self.out - 1) * self.stride + self.span() - self.size - self.before
    }
}

/// The windows along all axes of an input `[N, C, ..]`.
fn windows(draft: &Draft, a: &Arguments, input: &Value) -> Result<Vec<Axis>> {
    let axes = draft.shape(input).len().saturating_sub(2);
    let kernel = a.ints("kernel_shape")?;
    let strides = each(a, "strides", axes, 1)?;
    let dilations = each(a, "dilations", axes, 1)?;
    let around = around(a, axes)?;
    let ceil = a.flag_or("ceil_mode", false)?;
    let sensible = |size: &i64| (1..=1 << 20).contains(size);
    if axes == 0
        || kernel.len() != axes
        || ![&kernel, &strides, &dilations].into_iter().flatten().all(sensible)
    {
        return Err(Error::Argument(format!(
            "a window of {kernel:?}, steps {strides:?} and distances {dilations:?} does not fit {axes} dimensions \
             of pixels"
        )));
    }
    let axis = |i: usize| {
        let (size, kernel, stride, dilation) =
            (fixed_side(draft, input, i + 2)?, kernel[i], strides[i], dilations[i]);
        let mut axis = Axis { size, kernel, stride, dilation, before: 0, behind: 0, out: 1 };
        match &around {
            Around::Same { odd_behind } => {
                [axis.before, axis.behind] = same_sides([size, stride, axis.span()], *odd_behind);
                axis.out = (size + stride - 1) / stride;
            }
            Around::Sides(sides) => {
                [axis.before, axis.behind] = sides[i];
                let room = size + axis.before + axis.behind - axis.span();
                let steps = if ceil {
                    (room + stride - 1).div_euclid(stride)
                } else {
                    room.div_euclid(stride)
                };
                // A window that would begin behind the last pixel is none.
                let late = ceil && steps * stride >= size + axis.before;
                axis.out = if late { steps } else { steps + 1 };
            }
        }
        match axis.out > 0 {
            true => Ok(axis),
            false => Err(Error::Shape(format!(
                "the window spans {} pixels, but there are only {size}: the input is too small",
                axis.span()
            ))),
        }
    };
    (0..axes).map(axis).collect()
}

/// Whether PyTorch's pooling has the same windows.
fn is_plain(a: &Arguments, windows: &[Axis]) -> Result<bool> {
    Ok(windows.len() == 2
        && around(a, 2)? == Around::Sides(windows.iter().map(|w| [w.before; 2]).collect())
        && windows.iter().all(|w| 2 * w.before <= w.kernel))
}

fn plain(a: &Arguments, pool: fn(i64) -> Pool2d, windows: &[Axis]) -> Result<Pool2d> {
    let [down, across] = windows else {
        return Err(Error::Shape("only two-dimensional windows are known".into()));
    };
    let pool =
        pool(down.kernel).kernel(down.kernel, across.kernel).strides(down.stride, across.stride);
    let pool = pool.paddings(down.before, across.before);
    Ok(if a.flag_or("ceil_mode", false)? { pool.ceil() } else { pool })
}

/// With this number around, so that every window is whole.
fn padded(draft: &mut Draft, input: Value, windows: &[Axis], with: f64) -> Result<Value> {
    let pairs: Vec<[i64; 2]> = windows.iter().rev().map(|w| [w.before, w.rest()]).collect();
    if pairs.iter().flatten().all(|pad| *pad == 0) {
        return Ok(input);
    }
    let pad = Pad::new(pairs, PadMode::Constant(with));
    draft.as_operation("pad", |draft| draft.op(pad, &[input]))
}

/// Pixel by pixel of the window: for windows that libtorch's operators do not have.
fn one_by_one(
    draft: &mut Draft,
    input: &Value,
    windows: &[Axis],
    by: impl Fn(&mut Draft, Value, Value) -> Result<Value>,
) -> Result<Value> {
    const MOST: i64 = 512;
    let taps = windows.iter().try_fold(1i64, |taps, w| taps.checked_mul(w.kernel));
    let taps = taps.filter(|taps| *taps <= MOST).ok_or_else(|| {
        Error::Argument(
            "windows of so many pixels are known only in two dimensions, without gaps".into(),
        )
    })?;
    let mut made: Option<Value> = None;
    for tap in 0..taps {
        let (mut rest, mut part) = (tap, input.clone());
        for (i, w) in windows.iter().enumerate().rev() {
            let start = (rest % w.kernel) * w.dilation;
            rest /= w.kernel;
            let end = start + (w.out - 1) * w.stride + 1;
            part = parts::part(draft, part, i + 2, [start, end, w.stride])?;
        }
        made = Some(match made {
            None => part,
            Some(before) => by(draft, before, part)?,
        });
    }
    made.ok_or_else(|| Error::Argument("an empty window".into()))
}

fn max_pool(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    // Where the maxima stood, nothing here knows; whoever reads it says so.
    match draft.shape(&input).len() {
        3 => one(as_maps(draft, input, |draft, maps| greatest(draft, a, maps, true))?),
        _ => one(greatest(draft, a, input, false)?),
    }
}

fn greatest(draft: &mut Draft, a: &Arguments, input: Value, signals: bool) -> Result<Value> {
    let windows = windows_of(draft, a, &input, signals)?;
    let least = match a.kind(0) {
        Kind::Float => f64::NEG_INFINITY,
        _ => -(2f64.powi(53)),
    };
    let [down, across] = windows.as_slice() else {
        let padded = padded(draft, input, &windows, least)?;
        return one_by_one(draft, &padded, &windows, |draft, a, b| {
            draft.op(Arithmetic::Maximum, &[a, b])
        });
    };
    let (rows, columns) = (down.dilation, across.dilation);
    if !signals && is_plain(a, &windows)? {
        let pool = plain(a, Pool2d::max, &windows)?.dilations(rows, columns);
        return draft.op(pool, &[input]);
    }
    let pool = Pool2d::max(down.kernel).kernel(down.kernel, across.kernel);
    let pool = pool.strides(down.stride, across.stride).dilations(rows, columns);
    let padded = padded(draft, input, &windows, least)?;
    draft.op(pool, &[padded])
}

/// Those of the file; of signals, which are maps of one row here, a row each.
fn windows_of(draft: &mut Draft, a: &Arguments, input: &Value, signals: bool) -> Result<Vec<Axis>> {
    if !signals {
        return windows(draft, a, input);
    }
    let line = draft.op(Rearrange::Squeeze(vec![2]), std::slice::from_ref(input))?;
    let row = Axis { size: 1, kernel: 1, stride: 1, dilation: 1, before: 0, behind: 0, out: 1 };
    Ok(std::iter::once(row).chain(windows(draft, a, &line)?).collect())
}

fn average_pool(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    match draft.shape(&input).len() {
        3 => one(as_maps(draft, input, |draft, maps| average(draft, a, maps, true))?),
        _ => one(average(draft, a, input, false)?),
    }
}

fn average(draft: &mut Draft, a: &Arguments, input: Value, signals: bool) -> Result<Value> {
    let windows = windows_of(draft, a, &input, signals)?;
    let counts_padding = a.flag_or("count_include_pad", false)?;
    let gaps = windows.iter().any(|w| w.dilation != 1);
    if !signals && !gaps && is_plain(a, &windows)? {
        let pool = plain(a, Pool2d::average, &windows)?;
        let bare = windows.iter().all(|w| w.before == 0);
        return draft
            .op(if counts_padding || bare { pool } else { pool.without_padding() }, &[input]);
    }
    let sums = sums(draft, input, &windows)?;
    // How many pixels count in each window: those of the input, and perhaps the padding that the file asks
    // for, but never what is added behind for a last window.
    let mut counts = Tensor::from(1f32);
    for w in &windows {
        let (first, behind) = match counts_padding {
            true => (0, w.before + w.size + w.behind),
            false => (w.before, w.before + w.size),
        };
        let line = (0..w.out).map(|i| {
            let taps = (0..w.kernel).map(|tap| i * w.stride + tap * w.dilation);
            taps.filter(|at| (first..behind).contains(at)).count() as f32
        });
        let line = Tensor::f_from_slice(&line.collect::<Vec<f32>>()).into_result()?;
        counts = counts.f_unsqueeze(-1).and_then(|counts| counts.f_mul(&line)).into_result()?;
    }
    let counts = Value::constant(counts.f_clamp_min(1.0).into_result()?);
    draft.op(Arithmetic::Divide, &[sums, counts])
}

/// The sum of each window, with zeros around.
fn sums(draft: &mut Draft, input: Value, windows: &[Axis]) -> Result<Value> {
    let padded = padded(draft, input, windows, 0.0)?;
    match windows {
        [down, across] if down.dilation == 1 && across.dilation == 1 => {
            let pool = Pool2d::average(down.kernel).kernel(down.kernel, across.kernel);
            draft.op(pool.strides(down.stride, across.stride).divisor(1), &[padded])
        }
        _ => one_by_one(draft, &padded, windows, parts::sum),
    }
}

/// `(Σ |x|^p)^(1/p)`
fn lp_pool(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let p = a.int_or("p", 2)?;
    if p < 1 {
        return Err(Error::Argument(format!("its p is {p}; expected 1 or more")));
    }
    let sizes = draft.op(Elementwise::Abs, &[input])?;
    let powers = draft.op(Elementwise::Power(p as f64), &[sizes])?;
    let windows_and_sums = |draft: &mut Draft, input: Value, signals: bool| {
        let windows = windows_of(draft, a, &input, signals)?;
        sums(draft, input, &windows)
    };
    let sums = match draft.shape(&powers).len() {
        3 => as_maps(draft, powers, |draft, maps| windows_and_sums(draft, maps, true))?,
        _ => windows_and_sums(draft, powers, false)?,
    };
    one(draft.op(Elementwise::Power(1.0 / p as f64), &[sums])?)
}

fn pixels(draft: &Draft, input: &Value) -> Result<Vec<usize>> {
    match draft.shape(input).len() {
        rank if rank > 2 => Ok((2..rank).collect()),
        _ => Err(Error::Shape("it needs [photos, channels, ..]".into())),
    }
}

fn global_average(draft: &mut Draft, a: &Arguments) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let dims = pixels(draft, &input)?;
    one(parts::mean(draft, input, dims, true)?)
}

fn global(draft: &mut Draft, a: &Arguments, how: ReduceBy) -> Result<Vec<Known>> {
    let input = a.value(0)?;
    let dims = pixels(draft, &input)?;
    one(parts::reduced(draft, input, how, dims, true)?)
}
