//! Deep feature factorisation: what the maps of a layer have in common.

use std::fmt;
use std::path::Path;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::maps::ConceptMaps;
use super::nmf::{Factors, Nmf, UNSETTLED};
use super::{check_count, check_values, predictions_of};
use crate::attribution::{Case, LayerCase, Target};
use crate::error::{Error, Result};
use crate::look::{Look, Looks, Prediction};
use crate::model::LayerRef;
use crate::number::counted;
use crate::photo::View;
use crate::picture::{Maps, Picture};
use crate::show::{MimeBundle, Show, debug_line, error_bundle};
use crate::tensor::{IntoResult, to_doubles, to_floats};

/// Unless another number is set.
const CONCEPTS: usize = 5;
/// Classes that the legend names for each concept, unless they are less probable than this.
const NAMED: usize = 2;
const LEAST: f64 = 0.01;

/// Deep feature factorisation: a layer's activation `A`, of `C` channels at all places of one photo or of several, as a sum of a
/// few concepts, `A ≈ m + W H` with nothing negative. The columns of `W`, `[C, K]`, say which channels a concept consists of;
/// the rows of `H`, `[K, N · h · w]`, where it is and how strong. `m` is the least value of each channel, so that layers without a
/// rectifier can be taken apart, too. Of several photos, a concept is the same on all of them.
///
/// What a concept stands for, the network says itself: what the layer has where the concept is strongest, `m` and its column of
/// `W` times the greatest value of its row of `H`, goes through the layers that follow, as maps that are the same at all
/// places. It is pytorch-grad-cam's `DeepFeatureFactorization`, where the concept goes through the classifier alone, with a
/// strength that is left open. The factors are those of scikit-learn's `NMF` with `init="nndsvda"`, which does not depend
/// on chance.
///
/// Collins, Achanta and Süsstrunk 2018, <https://arxiv.org/abs/1806.10206>
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat_and_dog.jpg")?)?;
/// let found = look.factorize(&DeepFeatureFactorization::default().concepts(4))?; // shows itself
/// assert_eq!(found.on(0)?.maps().count(), 4);
/// assert!(found.classes(0).len() > 1);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct DeepFeatureFactorization {
    layer: Option<LayerRef>,
    concepts: Option<usize>,
}

impl DeepFeatureFactorization {
    /// At this layer, by name or index; without it, at the network's last maps.
    pub fn at(layer: impl Into<LayerRef>) -> Self {
        Self { layer: Some(layer.into()), ..Self::default() }
    }

    /// How many concepts, 5 unless set: at most as many as the layer has channels, or places.
    #[must_use]
    pub fn concepts(&self, count: usize) -> Self {
        Self { concepts: Some(count), ..self.clone() }
    }

    fn find(&self, case: &Case, views: &[Rc<View>]) -> Result<Factorization> {
        let _no_grad = tch::no_grad_guard();
        let at = case.at_chosen(self.layer.as_ref())?;
        let activation = &at.activation;
        case.check_finite(activation)?;
        let &[photos, channels, h, w] = activation.size().as_slice() else {
            return Err(Error::Shape(format!("no maps but {:?}", activation.size())));
        };
        let places = (photos * h * w) as usize;
        let concepts = self.concepts.unwrap_or(CONCEPTS);
        check_count(concepts, at.layer(), [(channels as usize, "channels"), (places, "places")])?;
        check_values(channels as usize, places)?;
        let (values, least) = spread(activation).into_result()?;
        if values.f_max().into_result()?.double_value(&[]) <= 0.0 {
            return Err(Error::Argument(format!(
                "layer {:?} answers the same at all places, and there is nothing to take apart: choose another layer \
                 or photo",
                at.layer()
            )));
        }
        let factors = Nmf { parts: concepts, penalty: 0.0 }.fit(&values)?;
        let size = [photos, concepts as i64, h, w];
        Factorization::new(&at, views, factors, &least, size)
    }
}

/// `[N, C, h, w]` as `[C, N · h · w]` from 0 on, and the least value of each channel, `[C, 1]`.
fn spread(activation: &Tensor) -> Result<(Tensor, Tensor), tch::TchError> {
    let channels = activation.size()[1];
    let values = activation.f_to_device(tch::Device::Cpu)?.f_to_kind(Kind::Double)?;
    let values = values.f_transpose(0, 1)?.f_reshape([channels, -1])?;
    let least = values.f_amin([1i64].as_slice(), true)?;
    Ok((values.f_sub(&least)?, least))
}

/// `m + W` and, at each concept's greatest strength, `m + W max H`, each `[K, C]`.
fn vectors(
    amounts: &[f64],
    maps: &Tensor,
    least: &Tensor,
) -> Result<(Tensor, Tensor), tch::TchError> {
    let concepts = maps.size()[1];
    let w = Tensor::f_from_slice(amounts)?.f_reshape([-1, concepts])?; // [C, K]
    let greatest = maps.f_amax([0i64, 2, 3].as_slice(), false)?;
    let strongest = w.f_mul(&greatest)?.f_add(least)?.f_transpose(0, 1)?;
    Ok((w.f_add(least)?.f_transpose(0, 1)?, strongest))
}

impl Look {
    /// What the maps of a layer have in common, as a few concepts.
    ///
    /// # Errors
    /// A layer without feature maps; more concepts than the layer has channels or places; an activation that is not finite.
    pub fn factorize(&self, method: &DeepFeatureFactorization) -> Result<Factorization> {
        method.find(&self.case(Target::Predicted)?, &[Rc::clone(self.view())])
    }
}

impl Looks {
    /// What the maps of a layer have in common on all photos.
    ///
    /// # Errors
    /// As [`Look::factorize`].
    pub fn factorize(&self, method: &DeepFeatureFactorization) -> Result<Factorization> {
        method.find(&self.case(Target::Predicted)?, self.views())
    }
}

/// The concepts that [`DeepFeatureFactorization`] found, where they are, and which classes each speaks for. A notebook shows
/// each photo beside itself under the concepts' colours, with a legend.
#[derive(Clone)]
pub struct Factorization {
    layer: String,
    vectors: Vec<Vec<f64>>,
    classes: Vec<Vec<Prediction>>,
    photos: Vec<ConceptMaps>,
    settled: bool,
}

impl Factorization {
    /// `size` is `[photos, concepts, h, w]`.
    fn new(
        at: &LayerCase,
        views: &[Rc<View>],
        factors: Factors,
        least: &Tensor,
        size: [i64; 4],
    ) -> Result<Factorization> {
        let [photos, concepts, h, w] = size;
        let maps = Tensor::f_from_slice(&factors.parts)
            .and_then(|t| t.f_reshape([photos, h, w, concepts])?.f_permute([0, 3, 1, 2]))
            .into_result()?;
        let (vectors, strongest) = vectors(&factors.amounts, &maps, least).into_result()?;
        let classes = predictions_of(at, &strongest, [h, w])?;
        let (k, pixels) = (concepts as usize, (h * w) as usize);
        let greatest = to_floats(&maps.f_amax([0i64, 2, 3].as_slice(), false).into_result()?)?;
        let maps = to_floats(&maps)?;
        let names: Vec<String> = (0..k).map(|i| named(i, classes.get(i))).collect();
        let photos = maps.chunks(k * pixels).zip(views).map(|(maps, view)| {
            Ok(ConceptMaps {
                view: Rc::clone(view),
                maps: Maps::new(k, h as usize, w as usize, maps.to_vec())?,
                greatest: greatest.clone(),
                names: names.clone(),
                title: titled(at, k, view),
            })
        });
        Ok(Factorization {
            layer: at.layer().to_owned(),
            vectors: to_doubles(&vectors)?
                .chunks(vectors.size()[1] as usize)
                .map(<[f64]>::to_vec)
                .collect(),
            photos: photos.collect::<Result<_>>()?,
            classes,
            settled: factors.settled,
        })
    }

    /// How many concepts there are.
    pub fn count(&self) -> usize {
        self.vectors.len()
    }

    /// Each concept's vector, `m + W`: a value for each channel of the layer.
    pub fn vectors(&self) -> &[Vec<f64>] {
        &self.vectors
    }

    /// The classes that the network predicts where a concept is everywhere as it is where it is strongest, the most probable
    /// first; none where the network does not end in one score a class, or where there is no such concept.
    pub fn classes(&self, concept: usize) -> &[Prediction] {
        self.classes.get(concept).map_or(&[], Vec::as_slice)
    }

    /// Where each concept is on a photo, by its place among those that were looked at.
    ///
    /// # Errors
    /// When there are not so many photos.
    pub fn on(&self, photo: usize) -> Result<&ConceptMaps> {
        self.photos.get(photo).ok_or_else(|| {
            Error::Argument(format!(
                "there is no photo {photo}: they are numbered 0 to {}",
                self.photos.len().saturating_sub(1)
            ))
        })
    }

    /// Each photo beside itself under the concepts' colours, with one legend for all.
    ///
    /// # Errors
    /// What cannot be resized.
    pub fn picture(&self) -> Result<Picture> {
        if let [only] = self.photos.as_slice() {
            return only.picture();
        }
        let overlays = self.photos.iter().map(ConceptMaps::overlay).collect::<Result<Vec<_>>>()?;
        let all = Picture::flowed(&overlays, 8);
        let legend = self.photos.first().map(|first| first.legend(all.width()));
        Ok(Picture::above(std::iter::once(all).chain(legend), 6))
    }

    /// Writes the picture to a file; its ending says in which format.
    ///
    /// # Errors
    /// An ending that no format has; a file that cannot be written.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        self.picture()?.save(path)
    }
}

fn titled(at: &LayerCase, concepts: usize, view: &View) -> String {
    format!(
        "{} · {} · {} on {}",
        at.case.model().name(),
        at.layer(),
        counted(concepts, "concept"),
        view.captioned(view.photo().title().to_owned())
    )
}

/// "concept 1 alone: tabby 62 %, tiger cat 21 %"
fn named(concept: usize, classes: Option<&Vec<Prediction>>) -> String {
    let all = classes.map_or(&[][..], Vec::as_slice).iter().take(NAMED).enumerate();
    let classes = all.filter(|(i, class)| *i == 0 || class.probability >= LEAST);
    let classes: Vec<String> = classes
        .map(|(_, class)| format!("{} {:.0} %", class.name, 100.0 * class.probability))
        .collect();
    match classes.is_empty() {
        true => format!("concept {}", concept + 1),
        false => format!("concept {} alone: {}", concept + 1, classes.join(", ")),
    }
}

impl fmt::Debug for Factorization {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (concepts, photos) =
            (counted(self.count(), "concept"), counted(self.photos.len(), "photo"));
        debug_line(f, format_args!("Factorization of {} into {concepts}, {photos}", self.layer))
    }
}

impl Show for Factorization {
    fn bundle(&self) -> MimeBundle {
        let Some(first) = self.photos.first() else { return MimeBundle::text("no photos") };
        let mut title = match self.photos.len() {
            1 => first.title.clone(),
            count => format!("{} and {}", first.title, counted(count - 1, "more photo")),
        };
        if !self.settled {
            title += UNSETTLED;
        }
        match self.picture() {
            Ok(picture) => MimeBundle::picture(
                picture.titled(&title),
                format!("{title}\n{}", first.names.join("\n")),
            ),
            Err(error) => error_bundle(&error),
        }
    }
}
