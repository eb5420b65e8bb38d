//! How boxes are read from what a detector puts out.

use std::fmt;
use std::rc::Rc;

use tch::{Kind, Tensor};

use super::detection::{Detection, Source};
use super::rows::{Layout, Row};
use super::suppress::{Corners, overlap, suppressed};
use crate::error::{Error, Result};
use crate::look::{Look, best_first};
use crate::model::on_a_copy;
use crate::tensor::{IntoResult, all_finite, plain_numbers, to_doubles};

/// Of more boxes, those with the highest scores are looked at, as ultralytics does it.
const MOST_CANDIDATES: usize = 30_000;

/// How the boxes of a network that finds objects are read from its output: which scores count, and which boxes are the
/// same object found twice.
///
/// Without a closure, the output is that of YOLO, a row a box:
///
/// | output | of | a row |
/// |---|---|---|
/// | `[1, 4 + classes, rows]` | YOLOv8 and later | middle `x` and `y`, width, height, a score a class |
/// | `[1, rows, 5 + classes]` | YOLOv5, YOLOv7 | the same with objectness before the classes; scores are multiplied by it |
///
/// in pixels of what the network sees. Which of them it is, the shape says: there are fewer attributes than rows, and
/// objectness where attributes come last, unless [`classes`](Detector::classes),
/// [`with_objectness`](Detector::with_objectness) or [`without_objectness`](Detector::without_objectness) say otherwise.
/// Any other output is read by a closure, [`function`](Detector::function).
///
/// A row's class is the one with the highest score, and rows whose score is above
/// [`confidence`](Detector::confidence) are boxes. Of boxes of one class that overlap, the best is kept (non-maximum
/// suppression, as torchvision's `batched_nms`).
///
/// ```
/// use convlens::prelude::*;
/// // One convolution in place of a network: boxes of 8 pixels around each of 4 × 4 places.
/// let mut net = Model::builder("finder", [3, 32, 32]);
/// let x = net.input();
/// let maps = net.chain("features", ops![Conv2d::new(3, 8, 8).stride(8), Op::Relu, Conv2d::new(8, 2, 1), Op::Sigmoid], x);
/// net.function("rows", |x, _| {
///     let middle = Tensor::arange(4, tch::kind::FLOAT_CPU) * 8 + 4;
///     let (x_of, y_of) = (middle.repeat([4]), middle.unsqueeze(1).repeat([1, 4]).flatten(0, 1));
///     let side = Tensor::full([16], 8.0, tch::kind::FLOAT_CPU);
///     let boxes = Tensor::stack(&[&x_of, &y_of, &side, &side], 0).expand([x[0].size()[0], 4, 16], false);
///     Tensor::cat(&[boxes, x[0].flatten(2, 3)], 1) // [N, 4 + 2, 16]
/// }, &[maps]);
/// let look = net.build()?.look(&Photo::open("assets/photos/cat_and_dog.jpg")?)?;
///
/// let detector = Detector::default().confidence(0.3).classes(["cat", "dog"]);
/// let found = look.detections(&detector)?;
/// assert!(found.rows().iter().all(|one| one.score > 0.3));
/// look.explain_each(&GradCam::at("features.1"), &found)?; // a heat map a box
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Detector {
    confidence: f64,
    overlap: f64,
    most: usize,
    classes: Option<Rc<[String]>>,
    objectness: Option<bool>,
    function: Option<Function>,
}

/// From an output for one photo to boxes and scores.
#[derive(Clone)]
pub(super) struct Function(Rc<Read>);

type Read = dyn Fn(&Tensor) -> (Tensor, Tensor);

impl Default for Detector {
    fn default() -> Self {
        Detector {
            confidence: 0.25,
            overlap: 0.7,
            most: 300,
            classes: None,
            objectness: None,
            function: None,
        }
    }
}

crate::show::shown_by_debug!(Detector);

impl Detector {
    /// Boxes by a closure, for all networks that put out something else than YOLO: two-stage ones, those that are
    /// trained to name a set of boxes. It gets the output for one photo, without the dimension of the batch, and returns
    /// boxes `[n, 4]`, each its left, top, right and bottom in pixels of what the network sees, and scores
    /// `[n, classes]`. It has to be made of tensor operations, so that it can be differentiated.
    ///
    /// What is explained of such a box is pytorch-grad-cam's `FasterRCNNBoxScoreTarget`: of the boxes that the closure
    /// finds, the one that overlaps it most, if by more than 0.5 and of the same class, counts by its overlap plus its
    /// score; if there is none, 0 counts.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let corners = Detector::function(|y| (y.narrow(1, 0, 4), y.narrow(1, 4, 2))); // y: [n, 4 + 2]
    /// let kept = corners.confidence(0.5).overlap(0.3).classes(["cat", "dog"]);
    /// // Of a network that ends behind its own suppression, [1, 300, 6]: corners, score and the class's number.
    /// let ended = Detector::function(|y| {
    ///     let kinds = Tensor::arange(80, (tch::Kind::Float, y.device()));
    ///     (y.narrow(1, 0, 4), y.narrow(1, 4, 1) * y.narrow(1, 5, 1).eq_tensor(&kinds))
    /// });
    /// ```
    ///
    /// Where boxes and scores are two outputs, [`Model::with_function`](crate::model::Model::with_function) makes one of
    /// them.
    pub fn function(read: impl Fn(&Tensor) -> (Tensor, Tensor) + 'static) -> Detector {
        Detector { function: Some(Function(Rc::new(read))), ..Detector::default() }
    }

    /// The score above which a row is a box, 0 to 1: 0.25 unless set, as in ultralytics.
    #[must_use]
    pub fn confidence(&self, above: f64) -> Detector {
        Detector { confidence: above, ..self.clone() }
    }

    /// By how much two boxes of one class may overlap, as intersection over union, 0 to 1: 0.7 unless set, as in
    /// ultralytics. Of two that overlap more, the one with the higher score is kept. 1 keeps all.
    #[must_use]
    pub fn overlap(&self, most: f64) -> Detector {
        Detector { overlap: most, ..self.clone() }
    }

    /// How many boxes there are at most: the best 300 unless set, as in ultralytics.
    #[must_use]
    pub fn most(&self, boxes: usize) -> Detector {
        Detector { most: boxes, ..self.clone() }
    }

    /// What the classes are called, in the order of their scores.
    #[must_use]
    pub fn classes<S: Into<String>>(&self, names: impl IntoIterator<Item = S>) -> Detector {
        Detector { classes: Some(names.into_iter().map(Into::into).collect()), ..self.clone() }
    }

    /// Each row says how sure it is of any object before its scores, which are multiplied by it.
    #[must_use]
    pub fn with_objectness(&self) -> Detector {
        Detector { objectness: Some(true), ..self.clone() }
    }

    /// A row's scores follow its width and height.
    #[must_use]
    pub fn without_objectness(&self) -> Detector {
        Detector { objectness: Some(false), ..self.clone() }
    }

    pub(super) fn check(&self) -> Result<()> {
        for (what, value) in [("confidence", self.confidence), ("overlap", self.overlap)] {
            if !(0.0..=1.0).contains(&value) {
                return Err(Error::Argument(format!(
                    "the {what} of a detector lies between 0 and 1, not at {value}"
                )));
            }
        }
        match self.most {
            0 => Err(Error::Argument("a detector finds at most 0 boxes: allow 1 or more".into())),
            _ => Ok(()),
        }
    }

    pub(super) fn above(&self) -> f64 {
        self.confidence
    }

    pub(super) fn class_name(&self, class: usize) -> String {
        let name = self.classes.as_deref().and_then(|names| names.get(class));
        name.cloned().unwrap_or_else(|| format!("class {class}"))
    }

    /// What all rows say of this photo, and where their boxes come from.
    pub(super) fn read(&self, look: &Look) -> Result<(Vec<Row>, Source)> {
        let output = look.memory().output()?;
        let model = look.model();
        if !all_finite(&output)? {
            return Err(look.not_finite("boxes")?);
        }
        if let Some(function) = &self.function {
            return Ok((self.read_by(function, &output)?, Source::Function(function.clone())));
        }
        let names = self.classes.as_deref().map(<[String]>::len);
        let layout = Layout::of(&output.size(), names, self.objectness);
        let layout = layout.ok_or_else(|| self.other_output(model.name(), &output.size()))?;
        let one = output.f_select(0, 0).into_result()?;
        Ok((layout.read(&one)?, Source::Row(layout, 0)))
    }

    fn read_by(&self, function: &Function, output: &Tensor) -> Result<Vec<Row>> {
        let (boxes, scores) = function.call(&output.f_select(0, 0).into_result()?)?;
        if !all_finite(&boxes)? || !all_finite(&scores)? {
            return Err(Error::Argument(
                "the detector's function returns boxes or scores that are not finite".into(),
            ));
        }
        let classes = scores.size().get(1).map_or(0, |&classes| classes as usize);
        self.check_names(classes)?;
        let (boxes, scores) = (to_doubles(&boxes)?, to_doubles(&scores)?);
        let scores = scores.chunks_exact(classes.max(1)).map(<[f64]>::to_vec);
        let corners = boxes.as_chunks::<4>().0.iter();
        Ok(corners.zip(scores).map(|(&corners, scores)| Row { corners, scores }).collect())
    }

    fn check_names(&self, classes: usize) -> Result<()> {
        match self.classes.as_deref().map(<[String]>::len) {
            Some(names) if names != classes => Err(Error::Argument(format!(
                "there are {names} names for the detector's {classes} classes: give as many"
            ))),
            _ => Ok(()),
        }
    }

    fn other_output(&self, network: &str, size: &[i64]) -> Error {
        let classes =
            self.classes.as_ref().map_or("classes".into(), |names| names.len().to_string());
        Error::Shape(format!(
            "{network} ends in {size:?}, and boxes are read from [1, 4 + {classes}, rows] (YOLOv8 and later) or \
             [1, rows, 5 + {classes}] (YOLOv5): choose such an output, or read another one by Detector::function"
        ))
    }

    /// The places of the rows that are boxes, best first, each with its class.
    pub(super) fn found(&self, rows: &[Row]) -> Vec<(usize, usize)> {
        let best: Vec<Option<(usize, f64)>> = rows.iter().map(Row::best).collect();
        let score = |row: usize| best[row].map_or(f64::NEG_INFINITY, |(_, score)| score);
        let mut order: Vec<usize> =
            (0..rows.len()).filter(|&row| score(row) > self.confidence).collect();
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        order.truncate(MOST_CANDIDATES);
        let class = |row: usize| best[row].map_or(0, |(class, _)| class);
        let boxes: Vec<(Corners, usize)> =
            order.iter().map(|&row| (rows[row].corners, class(row))).collect();
        let kept = suppressed(&boxes, self.overlap, self.most);
        kept.into_iter().map(|place| (order[place], boxes[place].1)).collect()
    }
}

impl Row {
    /// The class with the highest score, and that; of equals, the first.
    pub(super) fn best(&self) -> Option<(usize, f64)> {
        let each = self.scores.iter().copied().enumerate();
        each.reduce(|best, next| if next.1 > best.1 { next } else { best })
    }
}

impl Function {
    /// One photo's output to boxes, `[n, 4]`, and scores, `[n, classes]`.
    fn call(&self, output: &Tensor) -> Result<(Tensor, Tensor)> {
        let what = "the detector's function";
        let found = on_a_copy(output, |output| (self.0)(output));
        let (boxes, scores) = found.map_err(|error| error.while_doing(what))?;
        let plain = |tensor: &Tensor, of: &str| {
            plain_numbers(tensor)
                .map_err(|error| error.while_doing(format!("{what} returns as {of}")))
        };
        let (boxes, scores) = (plain(&boxes, "boxes")?, plain(&scores, "scores")?);
        match (boxes.size().as_slice(), scores.size().as_slice()) {
            (&[n, 4], &[m, classes]) if n == m && (classes > 0 || n == 0) => Ok((boxes, scores)),
            (boxes, scores) => Err(Error::Shape(format!(
                "{what} returns boxes {boxes:?} and scores {scores:?}, but they are [n, 4], left, top, right and \
                 bottom, and [n, classes]"
            ))),
        }
    }

    /// What counts for this box in one photo's output, `[..] -> []`: pytorch-grad-cam's `FasterRCNNBoxScoreTarget`.
    pub(super) fn score(&self, output: &Tensor, own: Corners, class: usize) -> Result<Tensor> {
        let (boxes, scores) = self.call(output)?;
        let places = to_doubles(&boxes)?;
        let overlaps: Vec<f32> =
            places.as_chunks::<4>().0.iter().map(|&corners| overlap(own, corners) as f32).collect();
        let best = best_first(&overlaps).first().copied().filter(|&row| overlaps[row] > 0.5);
        let nothing = || output.f_sum(None::<Kind>).and_then(|t| t.f_mul_scalar(0.0)).into_result();
        let Some(row) = best else { return nothing() };
        let scores = scores.f_select(0, row as i64).into_result()?;
        if scores.f_argmax(0, false).into_result()?.int64_value(&[]) != class as i64 {
            return nothing();
        }
        let overlap = common(&boxes.f_select(0, row as i64).into_result()?, own)?;
        let score = scores.f_select(0, class as i64).and_then(|score| score.f_add(&overlap));
        let score = score.into_result()?;
        if output.requires_grad() && !score.requires_grad() {
            return Err(Error::Argument(
                "the detector's function does not depend on the network's output in a way that can be \
                 differentiated: make it of tensor operations on its argument, without detach or values taken out of \
                 tensors"
                    .into(),
            ));
        }
        Ok(score)
    }
}

/// Intersection over union with this box, of a box `[4]` that may have a gradient, `[]`.
fn common(found: &Tensor, own: Corners) -> Result<Tensor> {
    let work = || {
        let own =
            Tensor::f_from_slice(&own)?.f_to_device(found.device())?.f_to_kind(found.kind())?;
        let (from, to) = (|t: &Tensor| t.f_narrow(0, 0, 2), |t: &Tensor| t.f_narrow(0, 2, 2));
        let area = |size: Tensor| size.f_clamp_min(0.0)?.f_prod(None::<Kind>);
        // Of equal ones, as of a box with itself, each has half of the gradient: the overlap is greatest there.
        let first = from(found)?.f_maximum(&from(&own)?)?;
        let last = to(found)?.f_minimum(&to(&own)?)?;
        let inside = area(last.f_sub(&first)?)?;
        let each = |t: &Tensor| area(to(t)?.f_sub(&from(t)?)?);
        inside.f_div(&each(found)?.f_add(&each(&own)?)?.f_sub(&inside)?)
    };
    work().into_result()
}

impl PartialEq for Function {
    fn eq(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }
}

impl fmt::Debug for Detector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = if self.function.is_some() { "by a function" } else { "by rows" };
        write!(
            f,
            "Detector {kind}, scores above {}, overlap up to {}, at most {} boxes",
            self.confidence, self.overlap, self.most
        )
    }
}

impl Detection {
    /// Its score in one photo's output, without the dimension of the batch.
    pub(crate) fn score_in(&self, output: &Tensor) -> Result<Tensor> {
        match &self.source {
            Source::Row(layout, row) => layout.score(output, *row, self.class),
            Source::Function(function) => function.score(output, self.corners, self.class),
        }
    }
}
