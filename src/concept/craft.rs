//! CRAFT: concepts that crops of photos have in common, and how much a class depends on each.

use tch::{Device, Kind, Tensor};

use super::bank::{Bank, Crop};
use super::craft_concepts::CraftConcepts;
use super::nmf::Nmf;
use super::{check_count, check_values, label_of};
use crate::attribution::{Case, LayerCase, Target};
use crate::dataset::ImageFolder;
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model};
use crate::show::Progress;
use crate::tensor::{IntoResult, to_doubles};

/// Unless another number is set.
const CONCEPTS: usize = 10;
/// Of the squares of the factors' values, xplique's `alpha_W`.
const PENALTY: f64 = 1e-2;
/// More crops are not run.
const MOST_CROPS: usize = 50_000;
/// Crops that run at once.
const AT_ONCE: usize = 8;

/// CRAFT: what photos of a class consist of, as a network sees them at a layer, and how much the class depends on each part.
///
/// Each photo is cut into overlapping crops, which are resized to the photo's size and seen by the network alone; the means of
/// the layer's maps are taken apart, `crops × channels ≈ U W` with nothing negative: the rows of `W`, the bank, are the
/// concepts, and `U` says how much of each a crop shows. A concept's importance is its total Sobol index for the score of the
/// class, where the concepts of whole photos, place by place, are weakened to random degrees: the share of the score's
/// variance that it takes part in, alone or with others.
///
/// It is xplique's `CraftTorch`, with the points of Halton's sequence and Jansen's estimate; the factors are those of
/// scikit-learn's `NMF(alpha_W=1e-2)`, whose start is here without chance.
///
/// Fel et al. 2023, <https://arxiv.org/abs/2211.10154>
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let cats = ImageFolder::of_photos([("cat", [Photo::open("assets/photos/cat.png")?])])?;
/// let craft = Craft::at("features.12").class("tabby").concepts(3).crop(100).designs(4);
/// let found = craft.find(&model, &cats)?; // shows itself: the crops of each concept, with its importance
/// assert_eq!(found.importances().len(), 3);
/// found.on(&model.look(&Photo::open("assets/photos/cat_and_dog.jpg")?)?)?; // where they are on another photo
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Craft {
    layer: Option<LayerRef>,
    target: Target,
    concepts: Option<usize>,
    crop: Option<usize>,
    designs: Option<usize>,
}

impl Craft {
    /// At this layer, by name or index, which nothing negative may come out of; without it, at the network's last maps.
    pub fn at(layer: impl Into<LayerRef>) -> Self {
        Self { layer: Some(layer.into()), ..Self::default() }
    }

    /// The class whose score the importance is for: an index, a name, or any other [`Target`]; of each photo the
    /// predicted one unless set.
    #[must_use]
    pub fn class(&self, target: impl Into<Target>) -> Self {
        Self { target: target.into(), ..self.clone() }
    }

    /// How many concepts, 10 unless set: at most as many as the layer has channels, or as there are crops.
    #[must_use]
    pub fn concepts(&self, count: usize) -> Self {
        Self { concepts: Some(count), ..self.clone() }
    }

    /// The side of the crops, in pixels as the network sees them: 2/7 of a photo's shorter side unless set, 64 of 224.
    /// Crops are four fifths of it apart.
    #[must_use]
    pub fn crop(&self, pixels: usize) -> Self {
        Self { crop: Some(pixels), ..self.clone() }
    }

    /// How many degrees of weakening the importance is estimated from, 32 unless set. The part of the network behind the layer
    /// runs so many times for each photo and, once more, for each concept.
    #[must_use]
    pub fn designs(&self, points: usize) -> Self {
        Self { designs: Some(points), ..self.clone() }
    }

    /// Finds the concepts of these photos, all of them, whatever their classes are called.
    ///
    /// # Errors
    /// A layer without feature maps, or with negative values; more concepts than channels or crops; crops larger than a photo;
    /// more than 50,000 crops; photos that cannot be read.
    pub fn find(&self, model: &Model, photos: &ImageFolder) -> Result<CraftConcepts> {
        let _no_grad = tch::no_grad_guard();
        let concepts = self.concepts.unwrap_or(CONCEPTS);
        let designs = self.designs.unwrap_or(32);
        if designs < 2 {
            return Err(Error::Argument(format!(
                "a variance needs 2 designs or more, not {designs}: take 32"
            )));
        }
        if photos.is_empty() {
            return Err(Error::Argument("a data set of no photos: give at least one".into()));
        }
        let label = label_of(model, photos, &self.target)?;
        let (crops, values, layer) = self.crops(model, photos)?;
        let channels = values.len() / crops.len().max(1);
        check_count(concepts, &layer, [(channels, "channels"), (crops.len(), "crops as means")])?;
        let values = Tensor::f_from_slice(&values)
            .and_then(|t| t.f_reshape([-1, channels as i64]))
            .into_result()?;
        if values.f_max().into_result()?.double_value(&[]) <= 0.0 {
            return Err(Error::Argument(format!(
                "layer {layer:?} is 0 on all crops, and there is nothing to take apart: choose another layer"
            )));
        }
        let nmf = Nmf { parts: concepts, penalty: PENALTY };
        let factors = nmf.fit(&values)?;
        let (parts, settled) = (factors.parts, factors.settled);
        let bank = Bank { nmf, parts, layer, target: self.target.clone(), designs, settled };
        let (importances, greatest) = bank.importances(model, photos)?;
        CraftConcepts::new(model, photos, bank, importances, greatest, label)?.with_crops(
            model,
            photos,
            &crops,
            &factors.amounts,
        )
    }

    /// All crops, the means of the layer's maps on each, and the layer's name.
    fn crops(&self, model: &Model, photos: &ImageFolder) -> Result<(Vec<Crop>, Vec<f64>, String)> {
        let (mut crops, mut values, mut layer) = (Vec::new(), Vec::new(), String::new());
        let mut progress = Progress::new("CRAFT, photos cut into crops", photos.len() as u64);
        for photo in 0..photos.len() {
            let input = photos.input(model, photo)?;
            let of_photo = self.windows(&input.size(), photo)?;
            check_crops(of_photo.len(), photos.len())?;
            for some in of_photo.chunks(AT_ONCE) {
                let (means, name) = self.means(model, &input, some)?;
                check_values(crops.len() + of_photo.len(), means.len() / some.len())?;
                values.extend(means);
                layer = name;
            }
            crops.extend(of_photo);
            progress.advance(photo as u64 + 1)?;
        }
        progress.finish();
        Ok((crops, values, layer))
    }

    /// Where a photo's crops lie, row by row.
    fn windows(&self, size: &[i64], photo: usize) -> Result<Vec<Crop>> {
        let &[_, _, h, w] = size else {
            return Err(Error::Shape(format!("expected a photo, [1, C, H, W], got {size:?}")));
        };
        let (h, w) = (h as usize, w as usize);
        let side = self.crop.unwrap_or(h.min(w) * 2 / 7).max(usize::from(self.crop.is_none()));
        if side == 0 || side > h.min(w) {
            return Err(Error::Argument(format!(
                "crops of {side} pixels cannot be cut from a photo that the network sees at {h} × {w}: ask for 1 to {}",
                h.min(w)
            )));
        }
        let step = (side * 4 / 5).max(1);
        let starts = |length: usize| (0..=length - side).step_by(step);
        let crops =
            starts(h).flat_map(|top| starts(w).map(move |left| Crop { photo, top, left, side }));
        Ok(crops.collect())
    }

    /// The mean of each of the layer's maps on each crop.
    fn means(&self, model: &Model, photo: &Tensor, crops: &[Crop]) -> Result<(Vec<f64>, String)> {
        let inputs = crops.iter().map(|crop| resized(photo, crop).into_result());
        let inputs = Tensor::f_cat(&inputs.collect::<Result<Vec<_>>>()?, 0).into_result()?;
        let case = Case::of_inputs(model, inputs, &Target::Predicted)?;
        let at = case.at_chosen(self.layer.as_ref())?;
        check_positive(&at)?;
        let means = at
            .activation
            .f_to_kind(Kind::Double)
            .and_then(|t| t.f_mean_dim([2i64, 3].as_slice(), false, Kind::Double))
            .into_result()?;
        Ok((to_doubles(&means)?, at.layer().to_owned()))
    }
}

/// A crop at the photo's size.
fn resized(photo: &Tensor, crop: &Crop) -> Result<Tensor, tch::TchError> {
    let size = photo.size();
    let [top, left, side] = [crop.top, crop.left, crop.side].map(|pixels| pixels as i64);
    photo.f_narrow(2, top, side)?.f_narrow(3, left, side)?.f_upsample_bilinear2d(
        [size[2], size[3]],
        false,
        None,
        None,
    )
}

fn check_crops(of_photo: usize, photos: usize) -> Result<()> {
    match of_photo.saturating_mul(photos) {
        crops if crops <= MOST_CROPS => Ok(()),
        crops => Err(Error::Argument(format!(
            "{photos} photos give {crops} crops, and each takes a pass through the network: at most {MOST_CROPS} are \
             made; take fewer photos by .first(…), or larger crops"
        ))),
    }
}

/// Refuses values that are not finite, or negative.
pub(super) fn check_positive(at: &LayerCase) -> Result<()> {
    at.case.check_finite(&at.activation)?;
    let least = at.activation.f_min().into_result()?.double_value(&[]);
    if least < 0.0 {
        return Err(Error::Argument(format!(
            "layer {:?} has negative values, down to {least:.3}, and only what is positive can be taken apart into parts: \
             choose a layer behind a rectifier, or DeepFeatureFactorization",
            at.layer()
        )));
    }
    Ok(())
}

/// `[1, C, h, w]` as `[h · w, C]` in double precision.
pub(super) fn as_rows(maps: &Tensor) -> Result<Tensor> {
    let rows = || {
        let maps = maps.f_to_device(Device::Cpu)?.f_to_kind(Kind::Double)?;
        maps.f_select(0, 0)?.f_flatten(1, -1)?.f_transpose(0, 1)
    };
    rows().into_result()
}
