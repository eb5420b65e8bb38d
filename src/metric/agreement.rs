//! Whether methods agree with each other.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::fmt;
use std::rc::Rc;

use super::similarity::Compared;
use super::trial::Trial;
use crate::attribution::Attribution;
use crate::error::{Error, Result};
use crate::model::Model;
use crate::number::counted;
use crate::photo::Photo;
use crate::show::{DASH, MimeBundle, Progress, Row, Show, Table, debug_line};

/// How much methods agree: for each pair, the mean over photos of the rank correlation and of the structural similarity of
/// their maps. A cell shows both as a table.
#[derive(Clone)]
pub struct Agreement {
    heading: String,
    methods: Vec<String>,
    pairs: Rc<Pairs>,
}

/// How much methods agree about photos: the rank correlation ([`rank_correlation`](super::rank_correlation)) and the structural
/// similarity ([`ssim`](super::ssim)) of the magnitudes of their maps at the photo's size, means over the photos.
///
/// That methods agree does not make them right: several may show the photo's edges.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let photos = [Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?];
/// let pairs = metric::agreement(&model, &photos, &[&GradCam::default(), &HiResCam::default()])?;
/// assert!(pairs.rank(0, 1).unwrap() > 0.9);
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// No photos, or less than two methods; a method that cannot explain one of the photos.
pub fn agreement(
    model: &Model,
    photos: impl IntoIterator<Item = impl Borrow<Photo>>,
    methods: &[&dyn Attribution],
) -> Result<Agreement> {
    let photos: Vec<Photo> = photos.into_iter().map(|photo| photo.borrow().clone()).collect();
    if photos.is_empty() || methods.len() < 2 {
        return Err(Error::Argument(format!(
            "agreement is of two methods or more about one photo or more, not of {} about {}",
            methods.len(),
            photos.len()
        )));
    }
    let count = methods.len();
    let mut pairs = Pairs::new(count);
    let mut progress = Progress::new("agreement, maps", (count * photos.len()) as u64);
    for (i, photo) in photos.iter().enumerate() {
        let look = model.look(photo)?;
        let mut maps = Vec::with_capacity(count);
        for method in methods {
            let trial = Trial::of_photo(&look, *method, i)?;
            maps.push(Some(Compared::of(&trial, trial.heat())?));
            progress.advance((i * count + maps.len()) as u64)?;
        }
        pairs.add(&maps, true);
    }
    progress.finish();
    let heading = format!("{}, {}", model.name(), counted(photos.len(), "photo"));
    let methods = methods.iter().map(|method| method.name()).collect();
    Ok(Agreement { heading, methods, pairs: Rc::new(pairs) })
}

/// Sums over photos for every pair of methods, of which the first comes first.
pub(super) struct Pairs {
    methods: usize,
    sums: BTreeMap<(usize, usize), Sums>,
}

/// Rank correlation and structural similarity, each with the number of photos.
#[derive(Clone, Copy, Default)]
struct Sums([(f64, usize); 2]);

impl Pairs {
    pub(super) fn new(methods: usize) -> Pairs {
        Pairs { methods, sums: BTreeMap::new() }
    }

    /// What one photo says; a method that could not explain it has no map.
    pub(super) fn add(&mut self, maps: &[Option<Compared>], with_similarity: bool) {
        let there = |i: usize| maps.get(i).and_then(Option::as_ref);
        for (i, j) in (0..self.methods).flat_map(|i| (i + 1..self.methods).map(move |j| (i, j))) {
            let (Some(one), Some(other)) = (there(i), there(j)) else { continue };
            let similar = with_similarity.then(|| one.ssim(other)).flatten();
            let sums = self.sums.entry((i, j)).or_default();
            for (sum, value) in sums.0.iter_mut().zip([Some(one.rank_correlation(other)), similar])
            {
                *sum = (sum.0 + value.unwrap_or(0.0), sum.1 + usize::from(value.is_some()));
            }
        }
    }

    /// The mean rank correlation (0) or structural similarity (1) of two methods; 1 of one with itself.
    pub(super) fn mean(&self, which: usize, one: usize, other: usize) -> Option<f64> {
        if one == other {
            return (one < self.methods).then_some(1.0);
        }
        let (sum, count) = *self.sums.get(&(one.min(other), one.max(other)))?.0.get(which)?;
        (count > 0).then(|| sum / count as f64)
    }
}

impl Agreement {
    /// The methods.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// The mean rank correlation of two methods, by their places; `None` where there are none.
    pub fn rank(&self, one: usize, other: usize) -> Option<f64> {
        self.pairs.mean(0, one, other)
    }

    /// The mean structural similarity of two methods; `None` where there are none, and of maps smaller than 7 × 7 pixels.
    pub fn ssim(&self, one: usize, other: usize) -> Option<f64> {
        self.pairs.mean(1, one, other)
    }

    fn table(&self) -> Table<String> {
        let cell =
            |value: Option<f64>| value.map_or(DASH.to_owned(), |value| format!("{value:.2}"));
        let number = |i: usize| format!("{}", i + 1);
        let row = |(i, method): (usize, &String)| {
            let pair = |j: usize| match j.cmp(&i) {
                std::cmp::Ordering::Less => cell(self.rank(i, j)),
                std::cmp::Ordering::Equal => String::new(),
                std::cmp::Ordering::Greater => cell(self.ssim(i, j)),
            };
            let named = format!("{} {method}", number(i));
            Row::flat(std::iter::once(named).chain((0..self.methods.len()).map(pair)).collect())
        };
        let columns = (0..self.methods.len()).map(|i| (number(i), true));
        Table {
            caption: format!(
                "Agreement, {}: rank correlation below the diagonal, SSIM above it, means",
                self.heading
            ),
            columns: std::iter::once(("method".to_owned(), false)).chain(columns).collect(),
            rows: self.methods.iter().enumerate().map(row).collect(),
            notes: self.notes(),
        }
    }

    /// Which methods say the same.
    fn notes(&self) -> Vec<String> {
        same(&self.methods, &self.pairs)
    }
}

/// Above this rank correlation, two methods mark the same.
const SAME: f64 = 0.99;

/// A sentence for every pair of methods that mark the same.
pub(super) fn same(methods: &[String], pairs: &Pairs) -> Vec<String> {
    let mut notes = Vec::new();
    for (i, one) in methods.iter().enumerate() {
        for (j, other) in methods.iter().enumerate().skip(i + 1) {
            if let Some(rank) = pairs.mean(0, i, j).filter(|rank| *rank > SAME) {
                notes.push(format!(
                    "{one} and {other} mark the same here (rank correlation {rank:.3}): they are no two witnesses"
                ));
            }
        }
    }
    notes
}

impl fmt::Display for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl fmt::Debug for Agreement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Agreement of {} methods, {}", self.methods.len(), self.heading))
    }
}

impl Show for Agreement {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}
