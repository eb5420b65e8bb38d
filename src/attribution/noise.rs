//! Noisy copies of the inputs, for the methods that take a mean over them.

use rand::SeedableRng;
use rand::rngs::StdRng;
use tch::{Kind, TchError, Tensor};

use super::Case;
use crate::error::{Error, Result};
use crate::model::Init;
use crate::show::Progress;
use crate::tensor::IntoResult;

/// How many noisy inputs run through the network at once. More take more memory and are no faster.
const BATCH: usize = 5;
/// More copies than this change nothing that could be seen.
const MOST: usize = 10_000;

/// How much noise, and on how many copies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Noise {
    /// The standard deviation, as a share of the range of values.
    pub(super) share: f64,
    pub(super) samples: usize,
    pub(super) seed: u64,
}

impl Default for Noise {
    /// PAIR's settings.
    fn default() -> Self {
        Noise { share: 0.15, samples: 25, seed: 0 }
    }
}

impl Noise {
    pub(super) fn check(&self) -> Result<()> {
        if !self.share.is_finite() || self.share < 0.0 {
            return Err(Error::Argument(format!(
                "the noise is a share of the photo's range, such as 0.15, not {}",
                self.share
            )));
        }
        match self.samples {
            0 => Err(Error::Argument("a mean of no samples: give 1 or more".into())),
            many if many > MOST => Err(Error::Argument(format!(
                "{many} noisy copies take for ever: the mean is of 1 to {MOST}"
            ))),
            _ => Ok(()),
        }
    }

    /// Calls `each` with noisy copies of all inputs, several times as many at once, and how many times.
    pub(super) fn each(
        &self,
        method: &str,
        case: &Case,
        mut each: impl FnMut(&Case, usize) -> Result<()>,
    ) -> Result<()> {
        self.check()?;
        let input = case.input()?;
        let mut random = self.random();
        let mut progress = Progress::new(format!("{method}, samples"), self.samples as u64);
        let at_once = (BATCH / case.count().max(1)).max(1);
        let mut done = 0;
        while done < self.samples {
            let count = at_once.min(self.samples - done);
            each(&case.with_input(self.copies(&input, count, &mut random)?)?, count)?;
            done += count;
            progress.advance(done as u64)?;
        }
        progress.finish();
        Ok(())
    }

    /// What the noise is drawn from.
    pub(super) fn random(&self) -> StdRng {
        StdRng::seed_from_u64(self.seed)
    }

    /// So many noisy copies of the whole batch, one after the other.
    fn copies(&self, input: &Tensor, count: usize, random: &mut StdRng) -> Result<Tensor> {
        let work = || {
            let over: Vec<i64> = (1..input.dim() as i64).collect();
            let most = input.f_amax(over.as_slice(), true)?;
            let range = most.f_sub(&input.f_amin(over.as_slice(), true)?)?; // [N, 1, ..]
            range.f_mul_scalar(self.share)
        };
        let deviation = work().into_result()?;
        // The same noise for each photo of a batch, so that it is that of the photo alone.
        let size: Vec<i64> = std::iter::once(1).chain(input.size().into_iter().skip(1)).collect();
        let copies = (0..count).map(|_| {
            let noise = Init::Normal(1.0).tensor(&size, random)?;
            let noise = noise.f_to_device(input.device()).and_then(|t| t.f_mul(&deviation));
            noise.and_then(|t| t.f_add(input)).into_result()
        });
        Tensor::f_cat(&copies.collect::<Result<Vec<_>>>()?, 0).into_result()
    }

    /// What `count` copies of each photo add to the mean over all, `[count · N, …] -> [N, …]`.
    pub(super) fn part_of_mean(&self, values: &Tensor, count: usize) -> Result<Tensor, TchError> {
        let mut size = values.size();
        size[0] /= count as i64;
        size.insert(0, count as i64);
        let sum =
            values.f_reshape(&size)?.f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>);
        sum?.f_div_scalar(self.samples as f64)
    }
}

/// `samples` and `seed` of a method, for a type with a field `noise`.
macro_rules! sample_setters {
    ([$($generics:tt)*] $method:ty, $samples:literal) => {
        impl<$($generics)*> $method {
            #[doc = concat!("How many noisy copies: ", $samples, " unless set.")]
            #[must_use]
            pub fn samples(&self, count: usize) -> Self {
                let mut changed = self.clone();
                changed.noise.samples = count;
                changed
            }

            /// Other noise of the same kind: 0 unless set.
            #[must_use]
            pub fn seed(&self, seed: u64) -> Self {
                let mut changed = self.clone();
                changed.noise.seed = seed;
                changed
            }
        }
    };
}
pub(super) use sample_setters;

/// `noise` of a method with noisy copies of the input, besides `samples` and `seed`.
macro_rules! noise_setters {
    ([$($generics:tt)*] $method:ty) => {
        impl<$($generics)*> $method {
            /// The noise's standard deviation, as a share of the range of the photo's values: 0.15 unless set.
            #[must_use]
            pub fn noise(&self, share: f64) -> Self {
                let mut changed = self.clone();
                changed.noise.share = share;
                changed
            }
        }
        $crate::attribution::noise::sample_setters!([$($generics)*] $method, "25");
    };
}
pub(super) use noise_setters;
