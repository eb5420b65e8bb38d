//! How many of the pixels a map marks: sparseness and complexity.

use super::trial::Trial;
use super::{Better, Metric};
use crate::error::Result;

/// Sparseness: the Gini index of the map's magnitudes, 0 when all pixels matter alike and nearly 1 when one alone does:
/// `Σ (2i − n − 1) |v|ᵢ / (n Σ |v|)`, with the magnitudes divided by their greatest and plus 1e-7, in rising order. Of the
/// paper's map at the photo's size. Quantus's `Sparseness`.
///
/// Chalasani et al. 2020, <https://arxiv.org/abs/1810.06583>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let [cam, saliency] = [&GradCam::default() as &dyn Attribution, &Saliency::default()]
///     .map(|method| look.measure(&Sparseness::default(), method));
/// assert_ne!(cam?, saliency?);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Sparseness {}

impl Metric for Sparseness {
    fn name(&self) -> String {
        "sparseness".into()
    }

    fn better(&self) -> Better {
        Better::Neither
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        let Some(mut sizes) = magnitudes(&trial.map()?) else { return Ok(None) };
        sizes.iter_mut().for_each(|size| *size += 1e-7);
        sizes.sort_by(f64::total_cmp);
        let count = sizes.len() as f64;
        let weighted =
            sizes.iter().enumerate().map(|(i, v)| (2.0 * (i + 1) as f64 - count - 1.0) * v);
        Ok(Some(weighted.sum::<f64>() / (count * sizes.iter().sum::<f64>())))
    }
}

/// Complexity: the entropy of the shares that pixels have of the map, `−Σ pᵢ ln(pᵢ + 1e-12)` with `pᵢ = |v|ᵢ / Σ |v|`, 0
/// when one pixel alone matters and `ln n` when all `n` do alike. Of the paper's map at the photo's size. Quantus's
/// `Complexity`.
///
/// Bhatt et al. 2020, <https://arxiv.org/abs/2005.00631>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let entropy = look.measure(&Complexity::default(), &GradCam::default())?.expect("a map");
/// assert!(entropy < f64::from(224 * 224).ln());
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Complexity {}

impl Metric for Complexity {
    fn name(&self) -> String {
        "complexity".into()
    }

    fn better(&self) -> Better {
        Better::Neither
    }

    fn measure(&self, trial: &Trial) -> Result<Option<f64>> {
        let Some(sizes) = magnitudes(&trial.map()?) else { return Ok(None) };
        let total: f64 = sizes.iter().sum();
        Ok(Some(-sizes.iter().map(|v| v / total).map(|p| p * (p + 1e-12).ln()).sum::<f64>()))
    }
}

/// Sizes of a map's values by the greatest of them; `None` where all are 0.
pub(super) fn magnitudes(map: &[f32]) -> Option<Vec<f64>> {
    let greatest = map.iter().fold(0f32, |most, v| most.max(v.abs()));
    let share = |v: &f32| f64::from(v.abs()) / f64::from(greatest);
    (greatest > 0.0).then(|| map.iter().map(share).collect())
}
