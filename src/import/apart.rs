//! Whether a network that was exported for a single photo keeps the photos of a batch apart.

use tch::{Device, Kind, Tensor};

use crate::error::{Error, Result};
use crate::model::{Model, Module, Op, Pass};
use crate::tensor::IntoResult;

/// Refuses a network in which a photo does not get in a batch what it gets alone.
///
/// Convolutions and linear layers keep photos apart whatever their weights are. So the network runs with thin layers in their
/// places first, which cost next to nothing; only where these say nothing, with its own.
pub(super) fn check_photos_apart(model: &Model, advice: &str) -> Result<()> {
    let size = model.input_size(2);
    model.check_memory(&size)?;
    let photos = photos(&size).into_result()?;
    let thin = Answers::of(&model.with_ops(thin), &photos);
    if thin.is_ok_and(|answers| answers.tell() && answers.agree())
        || Answers::of(model, &photos)?.agree()
    {
        return Ok(());
    }
    Err(Error::Argument(format!(
        "it was exported for a single photo, and how it goes on for more cannot be told from the file: export \
         it with {advice} and a batch of two"
    )))
}

/// Two that differ, and are the same for everybody.
fn photos(size: &[i64]) -> std::result::Result<Tensor, tch::TchError> {
    let count = size.iter().product::<i64>();
    let values = Tensor::f_arange(count, (Kind::Float, Device::Cpu))?.f_sin()?;
    let photos = values.f_mul(&values.f_cos()?)?.f_reshape(size)?;
    // In their means, too, since a network may see nothing else.
    let _ = photos.f_narrow(0, 1, 1)?.f_mul_scalar_(-3.0)?.f_add_scalar_(1.0)?;
    Ok(photos)
}

/// Greatest differences, and the greatest value.
struct Answers {
    /// Of the second photo's answers in the batch and alone.
    alone: f64,
    /// Of the two photos' answers.
    between: f64,
    greatest: f64,
}

impl Answers {
    fn of(model: &Model, photos: &Tensor) -> Result<Answers> {
        // Not as in inference: what that packs for the next passes would lie beside the weights.
        let run = |photos: &Tensor| model.forward_as(Pass::Gradient, photos);
        let both = run(photos)?;
        let alone = run(&photos.f_narrow(0, 1, 1).into_result()?)?;
        let compare = || {
            let greatest = |t: &Tensor| t.f_abs()?.f_max()?.f_double_value(&[]);
            let [first, second] = [both.f_narrow(0, 0, 1)?, both.f_narrow(0, 1, 1)?];
            Ok(Answers {
                alone: greatest(&second.f_sub(&alone)?)?,
                between: greatest(&second.f_sub(&first)?)?,
                greatest: greatest(&alone)?,
            })
        };
        compare().into_result()
    }

    /// Whether photos differ by more than rounding, and far more than batch and alone do: a mixture would be seen.
    fn tell(&self) -> bool {
        self.between > 1e-3 * self.greatest && self.alone <= 1e-2 * self.between
    }

    /// Whether what differs between batch and alone is rounding.
    fn agree(&self) -> bool {
        self.alone <= 1e-3 * self.greatest
    }
}

/// What takes the place of an operator with many weights: each channel of the output reads some channels of the input, and
/// of a convolution's windows their means.
fn thin(op: &Op) -> Option<Op> {
    let (channels, dim) = match op {
        Op::Linear(linear) => ([linear.in_features, linear.out_features], -1),
        Op::Conv2d(conv) => ([conv.in_channels, conv.out_channels], 1),
        _ => return None,
    };
    let op = op.clone();
    let run = move |x: &Tensor| -> Result<Tensor> {
        let size = op.output_shape(&[&x.size()])?;
        match (dim, size.as_slice()) {
            (1, &[.., h, w]) => {
                folded(&x.f_adaptive_avg_pool2d([h, w]).into_result()?, channels, 1)
            }
            _ => folded(x, channels, -1),
        }
    };
    // What fails has no value, which the network refuses.
    Some(Module::function(move |inputs, _| run(&inputs[0]).unwrap_or_default()).into())
}

/// From `read` channels, which lie in this dimension, to `made`: copies of them, or sums, times a factor each.
fn folded(x: &Tensor, [read, made]: [i64; 2], dim: i64) -> Result<Tensor> {
    let behind = if dim == 1 { vec![1; 2] } else { Vec::new() };
    let chosen = || match (read + made - 1) / made {
        1 => {
            let copies = vec![x; ((made + read - 1) / read) as usize];
            Tensor::f_cat(&copies, dim)?.f_narrow(dim, 0, made)
        }
        parts => {
            // Zeros behind the last channel.
            let mut zeros = vec![0; 2 * behind.len()];
            zeros.extend([0, parts * made - read]);
            let parts = x.f_constant_pad_nd(zeros)?.f_unflatten(dim, [parts, made])?;
            let at = if dim < 0 { dim - 1 } else { dim };
            parts.f_sum_dim_intlist([at].as_slice(), false, None::<Kind>)
        }
    };
    let work = || {
        let factors = Tensor::f_arange(made, (Kind::Float, Device::Cpu))?.f_add_scalar(1.0)?;
        let factors = factors.f_sin()?.f_reshape([&[made], behind.as_slice()].concat())?;
        factors.f_cos()?.f_addcmul(&chosen()?, &factors)
    };
    work().into_result()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Conv2d, Linear};

    #[test]
    fn photos_that_a_network_mixes_are_found_by_thin_layers() {
        for mixes in [false, true] {
            let mut net = Model::builder("net", [3, 8, 8]);
            let x = net.input();
            let x = net.chain("features", [Conv2d::new(3, 4, 3).into(), Op::Relu], x);
            let centred = move |x: &[Tensor], _| match mixes {
                true => &x[0] - x[0].mean_dim([0i64].as_slice(), true, Kind::Float),
                false => x[0].shallow_clone(),
            };
            let x = net.function("centred", centred, &[x]);
            let x = net.add("flatten", Op::Flatten, &[x]);
            net.add("fc", Linear::new(144, 5), &[x]);
            let model = net.build().expect("a network");
            let photos = photos(&model.input_size(2)).expect("photos");
            let thin = Answers::of(&model.with_ops(thin), &photos).expect("answers");
            assert!(thin.between > 1e-3 * thin.greatest);
            assert_eq!((thin.tell(), thin.agree()), (!mixes, !mixes));
            let checked = check_photos_apart(&model, "a free batch").map_err(|e| e.to_string());
            assert_eq!(checked.is_ok(), !mixes);
            assert!(checked.err().is_none_or(|text| text.contains("with a free batch")));
        }
    }
}
