//! How pictures are made: options with sensible defaults, and ready recipes.

use std::fmt;
use std::rc::Rc;
use std::time::Duration;

use tch::Tensor;

use super::{Parametrization, Regularizer, Transform};
use crate::error::{Error, Result};
use crate::photo::Photo;
use crate::train::Optimizer;

/// How pictures are made that excite a part of a network: activation maximisation.
///
/// The default is lucid's way, for a processor: 128 steps of Adam at 0.05 on pictures of 128 × 128
/// in frequencies and independent colours, moved, scaled and turned a little at each step.
/// [`plain_ascent`](FeatureVis::plain_ascent) and [`multiscale`](FeatureVis::multiscale) are simpler,
/// older ways, and [`dream`](FeatureVis::dream) starts from a photo.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let quick = FeatureVis::default().size(64).steps(8).seed(3);
/// let patterns = quick.run(&model, Objective::channels("features.6", [4, 7]))?;
/// assert_eq!(patterns.get(1)?.label(), "7");
/// assert!(patterns.get(1)?.losses().last() < patterns.get(1)?.losses().first());
/// patterns.picture()?.save(std::env::temp_dir().join("patterns.png"))?;
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct FeatureVis {
    pub(super) parametrization: Parametrization,
    pub(super) start: Start,
    /// Height and width; `None`: 128, or what the network was made for where it takes nothing else.
    pub(super) size: Option<[i64; 2]>,
    pub(super) steps: usize,
    pub(super) learning_rate: f64,
    pub(super) optimizer: Optimizer,
    pub(super) weight_decay: f64,
    pub(super) transforms: Vec<Transform>,
    pub(super) regularizers: Vec<(Regularizer, f64)>,
    pub(super) octaves: usize,
    pub(super) octave_scale: f64,
    pub(super) normalized: bool,
    pub(super) diversity: Option<(usize, f64)>,
    pub(super) seed: u64,
    pub(super) retries: usize,
    pub(super) budget: Option<Duration>,
    pub(super) frames: usize,
    /// Standard output, where there is none.
    pub(super) listener: Option<Rc<Listener>>,
}

/// What a picture is before the first step.
#[derive(Clone)]
pub(super) enum Start {
    /// Independent normal values of this deviation: of frequencies, or of pixels before the sigmoid.
    Normal(f64),
    /// Independent values between these two, of pixels before the sigmoid.
    Uniform(f64, f64),
    /// Whole numbers from the first up to the second, divided by 255.
    Levels(f64, f64),
    /// A photo.
    Photo(Photo),
    /// Values before the sigmoid, `[1, C, h, w]` or one a picture.
    Values(Rc<Tensor>),
}

/// Hears the lines that tell how it is going.
type Listener = dyn Fn(&str);

impl Default for FeatureVis {
    fn default() -> Self {
        FeatureVis {
            parametrization: Parametrization::Fourier,
            start: Start::Normal(0.01),
            size: None,
            steps: 128,
            learning_rate: 0.05,
            optimizer: Optimizer::Adam,
            weight_decay: 0.0,
            transforms: Transform::robust(),
            regularizers: Vec::new(),
            octaves: 1,
            octave_scale: 1.2,
            normalized: true,
            diversity: None,
            seed: 0,
            retries: 0,
            budget: None,
            frames: 16,
            listener: None,
        }
    }
}

impl FeatureVis {
    /// Plain pixels, as they are: no transforms, noise of deviation 0.01, otherwise the default.
    pub fn pixels() -> FeatureVis {
        FeatureVis {
            parametrization: Parametrization::Pixels,
            transforms: Vec::new(),
            ..FeatureVis::default()
        }
    }

    /// Plain gradient ascent, the recipe of *Visualizing Convolutional Layers in a Trained VGG Network*:
    /// the network's input itself, uniform noise from −1 to 1, 200 steps of Adam at 0.01, 100 × 100
    /// pixels. The article gives each layer a size and a range of noise of its own:
    /// [`size`](FeatureVis::size) and [`uniform`](FeatureVis::uniform). Its loss is
    /// [`Objective::unreachable`](super::Objective::unreachable).
    ///
    /// The article draws new noise for each channel, from NumPy's generator with a seed of its own
    /// (100); here all channels start from the same noise, that of [`seed`](FeatureVis::seed), 0 unless
    /// set. Its pictures therefore come out alike in kind, not pixel by pixel.
    pub fn plain_ascent() -> FeatureVis {
        FeatureVis::pixels().size(100).uniform(-1.0, 1.0).steps(200).learning_rate(0.01)
    }

    /// A picture that grows from size to size, the recipe of J. Shin's *FeatureMapVisualizer*: pixels
    /// through a sigmoid and not normalised, noise of the levels 150 to 179 of 255 *before* the
    /// sigmoid, 20 steps of Adam at 0.2 with a weight decay of 10⁻⁶ at each of 20 sizes, 33 × 33 to
    /// 986 × 986, each 1.2 times the one before, enlarged by cubic interpolation of the values before
    /// the sigmoid. Its loss is [`Objective::channel`](super::Objective::channel) of the rectified map.
    ///
    /// The last sizes take nearly all of the time: [`octaves(12)`](FeatureVis::octaves) ends at 230.
    pub fn multiscale() -> FeatureVis {
        FeatureVis {
            parametrization: Parametrization::Sigmoid,
            start: Start::Levels(150.0, 180.0),
            normalized: false,
            weight_decay: 1e-6,
            octaves: 20,
            ..FeatureVis::pixels()
        }
        .size(33)
        .steps(20)
        .learning_rate(0.2)
    }

    /// DeepDream on a photo, for [`Objective::layer`](super::Objective::layer): what a layer sees in
    /// it becomes more of it. The pixels are moved by up to 16 from step to step; 20 steps of Adam
    /// at 0.02 at each of 4 sizes, the first with 96 pixels on the shorter side, each 1.4 times the
    /// one before. The photo's detail comes back at each size, as in Mordvintsev et al. 2015.
    pub fn dream(photo: &Photo) -> FeatureVis {
        FeatureVis::pixels()
            .from_photo(photo)
            .size(96)
            .octaves(4)
            .octave_scale(1.4)
            .steps(20)
            .learning_rate(0.02)
            .transforms([Transform::Jitter(16)])
    }

    /// What is optimised.
    pub fn parametrization(&self, parametrization: Parametrization) -> Self {
        Self { parametrization, ..self.clone() }
    }

    /// Starts from normal noise of this deviation: of frequencies with [`Parametrization::Fourier`], of
    /// pixels before the sigmoid otherwise. 0.01 by default.
    pub fn noise(&self, deviation: f64) -> Self {
        Self { start: Start::Normal(deviation), ..self.clone() }
    }

    /// Starts from uniform noise between these two values. It is of pixels, before the sigmoid if there is
    /// one.
    pub fn uniform(&self, low: f64, high: f64) -> Self {
        Self { start: Start::Uniform(low, high), ..self.clone() }
    }

    /// Starts from a photo, whose proportions the pictures then have.
    pub fn from_photo(&self, photo: &Photo) -> Self {
        Self { start: Start::Photo(photo.clone()), ..self.clone() }
    }

    /// Starts from these values, `[1, C, h, w]` or one for each picture: pixels, before the sigmoid if
    /// there is one. Their size is that of the pictures.
    pub fn from_values(&self, values: &Tensor) -> Self {
        Self { start: Start::Values(Rc::new(values.shallow_clone())), ..self.clone() }
    }

    /// The side of the square pictures in pixels; of pictures that start from a photo, the shorter
    /// side. With several [`octaves`](FeatureVis::octaves), that of the first.
    pub fn size(&self, side: i64) -> Self {
        self.height_and_width(side, side)
    }

    /// The size in pixels.
    pub fn height_and_width(&self, height: i64, width: i64) -> Self {
        Self { size: Some([height, width]), ..self.clone() }
    }

    /// Steps at each size.
    pub fn steps(&self, steps: usize) -> Self {
        Self { steps, ..self.clone() }
    }

    /// The optimiser's step size.
    pub fn learning_rate(&self, rate: f64) -> Self {
        Self { learning_rate: rate, ..self.clone() }
    }

    /// Which optimiser.
    pub fn optimizer(&self, optimizer: Optimizer) -> Self {
        Self { optimizer, ..self.clone() }
    }

    /// The optimiser's L2 penalty on what is optimised.
    pub fn weight_decay(&self, decay: f64) -> Self {
        Self { weight_decay: decay, ..self.clone() }
    }

    /// What happens to all pictures at each step, one after the other; none for an empty list.
    pub fn transforms(&self, transforms: impl IntoIterator<Item = Transform>) -> Self {
        Self { transforms: transforms.into_iter().collect(), ..self.clone() }
    }

    /// Adds `weight` times a regulariser to the loss.
    pub fn regularizer(&self, regularizer: Regularizer, weight: f64) -> Self {
        let mut changed = self.clone();
        changed.regularizers.push((regularizer, weight));
        changed
    }

    /// At how many sizes there are steps, each starting from the picture of the one before,
    /// enlarged by cubic interpolation. The optimiser starts anew at each.
    pub fn octaves(&self, count: usize) -> Self {
        Self { octaves: count, ..self.clone() }
    }

    /// How much larger the pictures become from size to size; 1.2 by default. Sides are rounded down.
    pub fn octave_scale(&self, factor: f64) -> Self {
        Self { octave_scale: factor, ..self.clone() }
    }

    /// Colours from 0 to 1 go into the network as they are, not normalised as its photos are. Of
    /// [`Parametrization::Pixels`], which are the network's input, nothing changes.
    pub fn without_normalization(&self) -> Self {
        Self { normalized: false, ..self.clone() }
    }

    /// Makes `count` pictures of each objective that differ: `weight` times the sum over the others
    /// of the cosine between the Gram matrices of the layer's channels, divided by `count`, is added
    /// to the loss. Olah et al. 2017. The objectives have to be of one layer.
    pub fn diversity(&self, count: usize, weight: f64) -> Self {
        Self { diversity: Some((count, weight)), ..self.clone() }
    }

    /// Decides the noise and the transforms. The same seed gives the same picture, bit for bit, on
    /// the same machine. Each picture starts from the same noise, whatever else is made beside it.
    pub fn seed(&self, seed: u64) -> Self {
        Self { seed, ..self.clone() }
    }

    /// How often a picture that excites nothing, whose map has no value above 0, is begun again, each
    /// time from another seed.
    pub fn retries(&self, retries: usize) -> Self {
        Self { retries, ..self.clone() }
    }

    /// Stops after about this time, with the pictures as they are then.
    pub fn budget(&self, time: Duration) -> Self {
        Self { budget: Some(time), ..self.clone() }
    }

    /// How many pictures of the way are kept for
    /// [`Patterns::animation`](super::Patterns::animation); 16 by default, 0 for none.
    pub fn frames(&self, frames: usize) -> Self {
        Self { frames, ..self.clone() }
    }

    /// Where the lines go that tell how it is going; to standard output by default.
    pub fn listener(&self, listener: impl Fn(&str) + 'static) -> Self {
        Self { listener: Some(Rc::new(listener)), ..self.clone() }
    }

    pub(super) fn check(&self) -> Result<()> {
        let counts = [("steps", self.steps), ("octaves", self.octaves)];
        for (what, count) in counts {
            if !(1..=1_000_000).contains(&count) {
                return Err(Error::Argument(format!("{what} are 1 to 1,000,000, got {count}")));
            }
        }
        self.optimizer.check(self.learning_rate, self.weight_decay)?;
        if self.octaves > 1 && !(1.0..=8.0).contains(&self.octave_scale) {
            return Err(Error::Argument(format!(
                "from octave to octave pictures become 1 to 8 times as large, got {}",
                self.octave_scale
            )));
        }
        if let Some((count, weight)) = self.diversity
            && !((2..=64).contains(&count) && weight.is_finite())
        {
            return Err(Error::Argument(format!(
                "2 to 64 pictures can differ from each other, by a finite weight; got {count} by \
                 {weight}"
            )));
        }
        match &self.start {
            Start::Normal(deviation) if !(*deviation >= 0.0 && deviation.is_finite()) => {
                return Err(Error::Argument(format!(
                    "the deviation of noise is 0 or more, got {deviation}"
                )));
            }
            Start::Uniform(low, high) | Start::Levels(low, high)
                if !(low <= high && low.is_finite() && high.is_finite()) =>
            {
                return Err(Error::Argument(format!(
                    "uniform noise lies between a smaller and a larger number, got {low} and {high}"
                )));
            }
            _ => {}
        }
        if let Some((regularizer, weight)) =
            self.regularizers.iter().find(|(_, weight)| !weight.is_finite())
        {
            return Err(Error::Argument(format!("{regularizer:?} has a weight of {weight}")));
        }
        self.transforms.iter().try_for_each(Transform::check)
    }
}

impl fmt::Debug for FeatureVis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "FeatureVis({:?}, {:?} at {}, {} steps, {} octaves, {} transforms, seed {})",
            self.parametrization,
            self.optimizer,
            self.learning_rate,
            self.steps,
            self.octaves,
            self.transforms.len(),
            self.seed
        )
    }
}
