//! TCAV: does a class depend on a concept that somebody has collected photos of?

use std::ops::Range;

use tch::{Device, Kind, Tensor};

use super::label_of;
use super::logistic::{held_out_accuracy, products, separate};
use super::tcav_test::{Scored, TcavTest};
use crate::attribution::{Case, Target};
use crate::dataset::ImageFolder;
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model};
use crate::show::Progress;
use crate::tensor::{IntoResult, to_doubles};

/// Photos that run at once.
const AT_ONCE: usize = 8;
/// Bytes that all activations may take.
const MOST: f64 = 4e9;

/// TCAV: whether the score of a class rises where a layer's activation moves toward a concept, which is given by photos that show
/// it: stripes, say, or a background.
///
/// A concept's direction `v` is the normal, of length 1, of the plane that parts the layer's activations on the concept's
/// photos from those on random ones: logistic regression, as scikit-learn's `LogisticRegression` with `C = 1`. A photo of the
/// class is sensitive to the concept by `∂y/∂A · v`; the TCAV score is the share of the photos of which this is positive, and the
/// magnitude its mean. There is a direction against each of several random sets, and so several scores. Any direction has a
/// score: therefore each random set is taken as a concept against the next, too, and Welch's t test, on both sides, says
/// whether the concept's scores differ from these. Of several concepts, the level of 0.05 is divided by their number
/// (Bonferroni).
///
/// Scores and magnitudes are those of captum's `TCAV` with that classifier; its default one depends on chance. The result says, too,
/// how well the layer tells a concept from random photos: the share of photos on the right side of a plane that was learnt without
/// them.
///
/// Kim et al. 2018, <https://arxiv.org/abs/1711.11279>
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// fn photo(value: impl Fn(u32) -> u32) -> Result<Photo, convlens::Error> {
///     let bytes = (0..32 * 32 * 3).map(|i| value(i) as u8).collect();
///     Ok(Photo::from_picture(&Picture::rgb(32, 32, bytes)?))
/// }
/// let striped = [photo(|i| i / 3 % 8 * 30)?, photo(|i| i / 3 % 5 * 50)?];
/// let noise = (1..7).map(|seed| photo(|i| (i * seed).wrapping_mul(2_654_435_761) >> 24));
/// let noise = noise.collect::<Result<Vec<_>, _>>()?;
/// let concepts = ImageFolder::of_photos([("striped", striped)])?;
/// let random = ImageFolder::of_photos([("noise", noise)])?.in_parts(3);
/// let cats = ImageFolder::of_photos([("cat", [Photo::open("assets/photos/cat.png")?])])?;
/// let test = Tcav::at("features.9").class("tabby").test(&model, &concepts, &random, &cats)?; // shows itself
/// assert_eq!(test.concepts()[0].scores().len(), 3);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Tcav {
    layer: LayerRef,
    target: Target,
}

impl Tcav {
    /// At this layer, by name or index. Any layer will do, but at one that the score depends on in a straight line, such as the
    /// last maps before a mean and one linear layer, all photos are equally sensitive to a concept.
    pub fn at(layer: impl Into<LayerRef>) -> Self {
        Self { layer: layer.into(), target: Target::Predicted }
    }

    /// The class: an index, a name, or any other [`Target`]; of each photo the predicted one unless set.
    #[must_use]
    pub fn class(&self, target: impl Into<Target>) -> Self {
        Self { target: target.into(), ..self.clone() }
    }

    /// Tests the concepts, a folder each, against random photos, of which each folder is one set, on photos of the class.
    /// [`ImageFolder::in_parts`] makes several sets of one folder.
    ///
    /// # Errors
    /// Less than two photos in a folder; less than three random sets; no photos of the class; activations of different sizes,
    /// that are not finite, or that take more than 4 GB; photos that cannot be read.
    pub fn test(
        &self,
        model: &Model,
        concepts: &ImageFolder,
        random: &ImageFolder,
        photos: &ImageFolder,
    ) -> Result<TcavTest> {
        let _no_grad = tch::no_grad_guard();
        let (_, layer) = model.find_named(self.layer.clone())?;
        check_sets(concepts, random, photos)?;
        let label = label_of(model, photos, &self.target)?;
        let total = concepts.len() + random.len();
        let sets = |folder: &ImageFolder, what: &str| {
            let progress = Progress::new(format!("TCAV, photos of {what}"), folder.len() as u64);
            self.activations(model, folder, total, progress)
        };
        let (of_concepts, of_random) = (sets(concepts, "concepts")?, sets(random, "random sets")?);
        let (count, directions) = (of_random.len(), directions(&of_concepts, &of_random)?);
        drop((of_concepts, of_random));
        let sensitivities = self.sensitivities(model, photos, &directions)?;
        let scored = directions.into_iter().zip(sensitivities).map(|(direction, s)| Scored {
            score: s.iter().filter(|value| **value > 0.0).count() as f64 / s.len() as f64,
            magnitude: s.iter().sum::<f64>() / s.len() as f64,
            accuracy: direction.accuracy,
            direction: direction.vector,
        });
        Ok(TcavTest::new(
            [model.name(), &layer, &label],
            concepts.class_names(),
            scored.collect(),
            count,
            photos.len(),
        ))
    }

    /// The layer's activations on each folder's photos, `[photos, values]`.
    fn activations(
        &self,
        model: &Model,
        folder: &ImageFolder,
        total: usize,
        mut progress: Progress,
    ) -> Result<Vec<Tensor>> {
        let (mut sets, mut start) = (Vec::new(), 0);
        for count in folder.counts() {
            let mut rows: Vec<Tensor> = Vec::new();
            in_batches(model, folder, start..start + count, &mut |inputs| {
                let case = Case::of_inputs(model, inputs, &self.target)?;
                let activation = case.activation(self.layer.clone())?;
                case.check_finite(&activation)?;
                let flat = flat(&activation)?;
                check_size(&flat, rows.first().or(sets.first()), total)?;
                rows.push(flat);
                Ok(())
            })?;
            start += count;
            progress.advance(start as u64)?;
            sets.push(Tensor::f_cat(&rows, 0).into_result()?);
        }
        progress.finish();
        Ok(sets)
    }

    /// `∂y/∂A · v` for each direction of each photo.
    fn sensitivities(
        &self,
        model: &Model,
        photos: &ImageFolder,
        directions: &[Direction],
    ) -> Result<Vec<Vec<f64>>> {
        let vectors = directions.iter().map(|direction| &direction.vector).collect::<Vec<_>>();
        let vectors = Tensor::f_stack(&vectors, 1).into_result()?; // [values, directions]
        let mut each = vec![Vec::new(); directions.len()];
        let mut progress = Progress::new("TCAV, photos of the class", photos.len() as u64);
        in_batches(model, photos, 0..photos.len(), &mut |inputs| {
            let case = Case::of_inputs(model, inputs, &self.target)?;
            let gradient = flat(&case.gradient(self.layer.clone())?)?;
            case.check_finite(&gradient)?;
            if gradient.size()[1] != vectors.size()[0] {
                return Err(sizes_differ(gradient.size()[1], vectors.size()[0]));
            }
            let products = gradient
                .f_to_kind(Kind::Double)
                .and_then(|t| t.f_matmul(&vectors))
                .into_result()?;
            for row in to_doubles(&products)?.chunks_exact(directions.len()) {
                each.iter_mut().zip(row).for_each(|(of, value)| of.push(*value));
            }
            progress.advance(each[0].len() as u64)?;
            Ok(())
        })?;
        progress.finish();
        Ok(each)
    }
}

/// The normal of the plane between two sets, and how well it tells them apart.
struct Direction {
    vector: Tensor,
    accuracy: f64,
}

/// Each concept's against each random set, then each random set's against the next.
fn directions(concepts: &[Tensor], random: &[Tensor]) -> Result<Vec<Direction>> {
    let of_concepts = concepts.iter().flat_map(|one| random.iter().map(move |other| (one, other)));
    let of_random = random.iter().zip(random.iter().cycle().skip(1));
    of_concepts.chain(of_random).map(|(one, other)| direction(one, other)).collect()
}

fn direction(concept: &Tensor, random: &Tensor) -> Result<Direction> {
    if concept.size()[1] != random.size()[1] {
        return Err(sizes_differ(concept.size()[1], random.size()[1]));
    }
    let rows = Tensor::f_cat(&[concept, random], 0).into_result()?;
    let label = |i: i64| if i < concept.size()[0] { 1.0 } else { -1.0 };
    let labels: Vec<f64> = (0..rows.size()[0]).map(label).collect();
    let gram = products(&rows)?;
    let (alpha, _) = separate(&gram, &labels)?;
    let normal = || {
        let normal = Tensor::f_from_slice(&alpha)?.f_matmul(&rows.f_to_kind(Kind::Double)?)?;
        normal.f_div(&normal.f_norm()?.f_clamp_min(f64::MIN_POSITIVE)?)
    };
    Ok(Direction { vector: normal().into_result()?, accuracy: held_out_accuracy(&gram, &labels)? })
}

/// `[N, ...] -> [N, values]` on the CPU.
fn flat(values: &Tensor) -> Result<Tensor> {
    let count = values.size().first().copied().unwrap_or(0);
    let flat = || values.f_to_device(Device::Cpu)?.f_to_kind(Kind::Float)?.f_reshape([count, -1]);
    flat().into_result()
}

/// Inputs of some photos, as many at once as have one size and a batch holds.
fn in_batches(
    model: &Model,
    photos: &ImageFolder,
    places: Range<usize>,
    each: &mut dyn FnMut(Tensor) -> Result<()>,
) -> Result<()> {
    let mut open: Vec<Tensor> = Vec::new();
    let mut close = |open: &mut Vec<Tensor>| match open.is_empty() {
        true => Ok(()),
        false => each(Tensor::f_cat(&std::mem::take(open), 0).into_result()?),
    };
    for place in places {
        let input = photos.input(model, place)?;
        let other = open.first().is_some_and(|first| first.size() != input.size());
        if other || open.len() >= AT_ONCE {
            close(&mut open)?;
        }
        open.push(input);
    }
    close(&mut open)
}

fn check_sets(concepts: &ImageFolder, random: &ImageFolder, photos: &ImageFolder) -> Result<()> {
    if photos.is_empty() {
        return Err(Error::Argument("no photos of the class: give at least one".into()));
    }
    if random.class_names().len() < 3 {
        return Err(Error::Argument(format!(
            "a test needs 3 random sets or more, a folder each, and there are {}: give more folders, or divide the photos \
             by random.in_parts(10)",
            random.class_names().len()
        )));
    }
    for (what, folder) in [("concept", concepts), ("random set", random)] {
        for (name, count) in folder.class_names().iter().zip(folder.counts()) {
            if count < 2 {
                return Err(Error::Argument(format!(
                    "the {what} {name:?} has {count} photos, and a direction takes 2 or more, of which some are held out to see how \
                     well it tells them apart: give some 30"
                )));
            }
        }
    }
    Ok(())
}

/// Refuses activations of another size, and more than fit into memory.
fn check_size(rows: &Tensor, others: Option<&Tensor>, total: usize) -> Result<()> {
    let values = rows.size()[1];
    if let Some(known) = others.map(|others| others.size()[1]).filter(|known| *known != values) {
        return Err(sizes_differ(values, known));
    }
    let bytes = 4.0 * values as f64 * total as f64;
    match bytes > MOST {
        false => Ok(()),
        true => Err(Error::Argument(format!(
            "{total} activations of {values} values would take {:.1} GB: take a later layer, or fewer photos by .first(…)",
            bytes / 1e9
        ))),
    }
}

fn sizes_differ(found: i64, known: i64) -> Error {
    Error::Shape(format!(
        "activations of one layer have one size here, but photos give {found} values and {known}: choose a .preprocess(…) that \
         makes them alike, such as Preprocess::exact"
    ))
}
