//! RISE.

use tch::{Kind, TchError, Tensor};

use super::long_work::{LongWork, long_work};
use super::settings::{Settings, shared_setters};
use super::variants::{Draws, Variants, check_count, covered_by, draw_setters};
use super::{Attribution, Baseline, Case, Evidence, Meaning, Target};
use crate::error::{Error, Result};
use crate::number::number;
use crate::tensor::{IntoResult, to_doubles};

/// RISE: where the photo has to be seen for a high score, `Σᵢ yᵢ Mᵢ / Σᵢ Mᵢ − ȳ` over random masks `Mᵢ`, with `yᵢ` the score
/// of the class before the softmax where the photo is seen through mask `i` and `ȳ` their mean. It is how much higher the
/// score is, on average, when this pixel is seen. Signed. No gradient is taken.
///
/// A mask is a grid of [`cells`](Rise::cells) × cells, each of which is open with a [`probability`](Rise::probability), as
/// large as the photo and a cell more, smoothed between the cells (bilinear, half-pixel centres) and cut out at a random
/// place. What is masked is the [`baseline`](Rise::baseline). There are 1,000 [`samples`](Rise::samples) unless set.
///
/// The paper's map is without `− ȳ`, the same number everywhere, which a remark says: scores before the softmax have no
/// zero of their own. Its sum of masks is the expected `N p`, and the actual one here, as in xplique, with which
/// every pixel was seen equally often in effect.
///
/// Petsiuk et al. 2018, <https://arxiv.org/abs/1806.07421>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Rise::default().class("tabby").samples(30))?;
/// assert_eq!((heat.height(), heat.width()), (224, 224));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Rise {
    settings: Settings,
    samples: Option<usize>,
    seed: u64,
    cells: usize,
    probability: f64,
    baseline: Baseline,
    work: LongWork,
}

impl Default for Rise {
    /// The paper's masks.
    fn default() -> Self {
        Rise {
            settings: Settings::default(),
            samples: None,
            seed: 0,
            cells: 7,
            probability: 0.5,
            baseline: Baseline::default(),
            work: LongWork::default(),
        }
    }
}

shared_setters!(Rise);
draw_setters!(
    Rise,
    samples,
    "How many masks: 1,000 unless set. The map is the less grainy the more there are."
);
long_work!(Rise);

impl Rise {
    /// How many cells of a mask lie across the photo, and down: 7 unless set.
    #[must_use]
    pub fn cells(&self, cells: usize) -> Self {
        Self { cells, ..self.clone() }
    }

    /// How probably a cell is open: 0.5 unless set.
    #[must_use]
    pub fn probability(&self, probability: f64) -> Self {
        Self { probability, ..self.clone() }
    }

    /// What stands in the place of what is masked: a value of the normalised input, a colour, or a number a band.
    #[must_use]
    pub fn baseline(&self, baseline: impl Into<Baseline>) -> Self {
        Self { baseline: baseline.into(), ..self.clone() }
    }

    fn check(&self, [height, width]: [i64; 2]) -> Result<()> {
        let most = height.min(width).max(1) as usize;
        if !(1..=most).contains(&self.cells) {
            return Err(Error::Argument(format!(
                "masks of {} × {} cells do not fit: the network sees the photo at {height} × {width} (height × \
                 width); choose from 1 to {most}",
                self.cells, self.cells
            )));
        }
        match self.probability > 0.0 && self.probability < 1.0 {
            true => Ok(()),
            false => Err(Error::Argument(format!(
                "a cell is open with a probability between 0 and 1, such as 0.5, not {}",
                self.probability
            ))),
        }
    }

    /// The next masks, `[M, H · W]`.
    fn masks(&self, draws: &mut Draws, count: usize, size: [i64; 2]) -> Result<Tensor> {
        let cells = self.cells as i64;
        let cell = size.map(|size| (size + cells - 1) / cells);
        let large = cell.map(|cell| (cells + 1) * cell);
        let mut masks = Vec::with_capacity(count);
        for _ in 0..count {
            let open: Vec<f32> = (0..self.cells * self.cells)
                .map(|_| f32::from(u8::from(draws.share() < self.probability)))
                .collect();
            let [top, left] = cell.map(|cell| draws.below(cell as usize) as i64);
            let mask = Tensor::f_from_slice(&open)
                .and_then(|t| t.f_reshape([1, 1, cells, cells]))
                .and_then(|t| t.f_upsample_bilinear2d(large, false, None, None))
                .and_then(|t| {
                    t.f_narrow(2, top, size[0])?.f_narrow(3, left, size[1])?.f_reshape([1, -1])
                });
            masks.push(mask.into_result()?);
        }
        Tensor::f_cat(&masks, 0).into_result()
    }
}

impl Attribution for Rise {
    fn name(&self) -> String {
        let mut name = "RISE".to_owned();
        if let Some(samples) = self.samples {
            name += &format!(", {samples} masks");
        }
        let usual = Rise::default();
        if self.cells != usual.cells {
            name += &format!(", {} × {} cells", self.cells, self.cells);
        }
        if self.probability != usual.probability {
            name += &format!(", open with {}", self.probability);
        }
        self.settings.named(&covered_by(name, &self.baseline))
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let samples = self.samples.unwrap_or(1000);
        check_count("masks", samples, samples)?;
        case.check_photo("RISE")?;
        let size = case.map_size()?;
        self.check(size)?;
        let variants = Variants::new(case, &self.baseline)?;
        let pixels = size[0] * size[1];
        let zeros = || Tensor::f_zeros([pixels], (Kind::Double, tch::Device::Cpu)).into_result();
        let mut photos = Vec::with_capacity(case.count());
        for _ in 0..case.count() {
            photos.push(Seen {
                draws: Draws::new(self.seed),
                weighed: zeros()?,
                masks: zeros()?,
                scores: Vec::new(),
            });
        }
        let work = self.work.suiting(case, "input")?;
        let stopped = work.run("RISE", "masks", photos.len(), samples, |photo, steps| {
            let seen = &mut photos[photo];
            let masks = self.masks(&mut seen.draws, steps.len(), size)?;
            let scores = variants.scores(photo, &masks)?;
            seen.add(&masks, &scores)
        })?;
        let maps = photos.iter().map(Seen::map).collect::<Result<Vec<_>>>()?;
        let contributions = Tensor::f_stack(&maps, 0)
            .and_then(|t| t.f_reshape([-1, 1, size[0], size[1]])?.f_to_kind(Kind::Float))
            .into_result()?;
        let mut remarks = Vec::new();
        if let [seen] = photos.as_slice() {
            remarks
                .push(format!("less {}, the mean score behind the masks", number(seen.mean(), 4)));
        }
        remarks.extend(stopped);
        let evidence = self.settings.at_input(case, contributions, Meaning::Signed)?;
        Ok(Evidence { remarks, ..evidence })
    }
}

/// What was found of one photo until now.
struct Seen {
    draws: Draws,
    /// `Σ y M` and `Σ M`, `[H · W]`.
    weighed: Tensor,
    masks: Tensor,
    scores: Vec<f64>,
}

impl Seen {
    fn add(&mut self, masks: &Tensor, scores: &[f64]) -> Result<()> {
        let work = || -> Result<(Tensor, Tensor), TchError> {
            let masks = masks.f_to_kind(Kind::Double)?; // [M, H W]
            let scores = Tensor::f_from_slice(scores)?;
            let weighed =
                self.weighed.f_add(&scores.f_unsqueeze(0)?.f_matmul(&masks)?.f_squeeze_dim(0)?)?;
            let sum = masks.f_sum_dim_intlist([0i64].as_slice(), false, None::<Kind>)?;
            Ok((weighed, self.masks.f_add(&sum)?))
        };
        (self.weighed, self.masks) = work().into_result()?;
        self.scores.extend(scores);
        Ok(())
    }

    fn mean(&self) -> f64 {
        self.scores.iter().sum::<f64>() / self.scores.len().max(1) as f64
    }

    /// `[H · W]`; where no mask was open, nothing is known, and it is 0.
    fn map(&self) -> Result<Tensor> {
        let mean = self.mean();
        let pairs = to_doubles(&self.weighed)?.into_iter().zip(to_doubles(&self.masks)?);
        let values: Vec<f64> = pairs
            .map(|(weighed, masks)| if masks > 0.0 { weighed / masks - mean } else { 0.0 })
            .collect();
        Tensor::f_from_slice(&values).into_result()
    }
}
