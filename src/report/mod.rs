//! An evidence folder: what a network predicts of each photo of a folder, what was expected, and where it
//! looked. [`Report`] writes it.

mod csv;
mod expected;
mod explain;
mod names;
mod page;
mod row;
mod rows;
mod summary;

use std::fmt;
use std::ops::Range;
use std::path::Path;
use std::rc::Rc;

use serde_json::{Value, json};

use crate::attribution::{Attribution, GradCam};
use crate::dataset::{ImageFolder, Shard, decoded, identity, in_order, photos_of, threads, whole};
use crate::error::{Error, Result};
use crate::model::Model;
use crate::number::counted;
use crate::show::{MimeBundle, Progress, Show, debug_line};

use expected::Expected;
use explain::Explainer;
use names::Files;
use rows::Rows;

pub use summary::{ClassReport, Reported};

/// Photos that are shown with pictures on the page unless set.
const PICTURED: usize = 300;
/// And at most: of more, a browser grows slow.
const MOST_PICTURED: usize = 2_000;
/// Photos that are read while the network works on others.
const AHEAD: usize = 4;

/// The page, the table and the rows in the folder.
const PAGE: &str = "index.html";
const TABLE: &str = "report.csv";

/// A folder of evidence about a network and a data set: options, and [`save_report`](Report::save_report).
///
/// Of every photo it has what the network predicts, what was expected, the picture that the network saw, and by
/// each method a map of where it looked, as a picture and as numbers. Of a photo that it gets wrong there is a
/// second map, for the class that was expected. In the folder are then
///
/// | file | holds |
/// |---|---|
/// | `index.html` | one page to look at and to send around, pictures included: how many photos of which class are right, then the photos, mistakes first |
/// | `report.csv` | a table, a line for each photo |
/// | `pictures/` | by class, each photo as the network saw it (`…_photo.jpg`) and under each map (`…_grad-cam.jpg`; for what was expected, `…_grad-cam_expected.jpg`) |
/// | `maps/` | the raw values of the maps, `.npy` |
/// | `report.jsonl` | what the page and the table are made from, a line for each photo; where an interrupted report goes on |
///
/// A photo's expected class is the folder that it lies in: by its name among the network's classes or, where these
/// have no names and there are as many, by its place, as torchvision counts them. [`expecting`](Report::expecting)
/// says it where names differ. Photos of other folders, or in none, are predicted and not judged.
///
/// The page shows 300 photos with pictures (see [`pictured`](Report::pictured)), which with one method makes
/// some 6 MB, names 5,000 more with links to their files, and counts all. First come the mistakes, the most
/// certain ones first, then what is right, the least certain first.
///
/// Memory does not grow with the number of photos. A file that cannot be read, or that the network cannot take,
/// is listed with the reason and passed over; so is an explanation that fails or panics.
///
/// ```
/// use convlens::prelude::*;
/// let (cat, dog) = (Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?);
/// let pets = ImageFolder::of_photos([("tabby", [cat]), ("Saluki", [dog])])?;
/// let out = tempfile::tempdir().expect("a folder");
/// let report = Report::new(&zoo::squeezenet1_1()?, &pets).by(GradCam::default()).by(Saliency::default());
/// let reported = report.save_report(out.path())?; // shows itself as a table
/// assert_eq!(reported.photos(), 2);
/// assert!(out.path().join("index.html").exists());
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Report {
    model: Model,
    photos: ImageFolder,
    methods: Vec<Rc<dyn Method>>,
    expected: Vec<(String, Vec<String>)>,
    pictured: usize,
    shard: Option<Shard>,
}

/// What a report is made by: `{:?}` has all settings, which tell one report from another.
pub(crate) trait Method: Attribution + fmt::Debug {}

impl<A: Attribution + fmt::Debug> Method for A {}

impl Report {
    /// On what this network says of these photos, explained by Grad-CAM unless [`by`](Report::by) says otherwise.
    pub fn new(model: &Model, photos: &ImageFolder) -> Report {
        Report {
            model: model.clone(),
            photos: photos.clone(),
            methods: Vec::new(),
            expected: Vec::new(),
            pictured: PICTURED,
            shard: None,
        }
    }

    /// Explains every photo by this method, too, for its own target: without one, the predicted class.
    pub fn by(&self, method: impl Attribution + fmt::Debug + 'static) -> Report {
        let mut changed = self.clone();
        changed.methods.push(Rc::new(method));
        changed
    }

    /// What counts as right for the photos of a folder's class: any of these classes of the network, by name.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let cat = Photo::open("assets/photos/cat.png")?;
    /// let pets = ImageFolder::of_photos([("cat", [cat])])?;
    /// let out = tempfile::tempdir().expect("a folder");
    /// let report = Report::new(&zoo::squeezenet1_1()?, &pets);
    /// let reported = report.expecting("cat", ["tabby", "tiger cat", "Egyptian cat"]).save_report(out.path())?;
    /// assert_eq!(reported.right(), 1);
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn expecting<S: Into<String>>(
        &self,
        class: impl Into<String>,
        right: impl IntoIterator<Item = S>,
    ) -> Report {
        let mut changed = self.clone();
        changed.expected.push((class.into(), right.into_iter().map(Into::into).collect()));
        changed
    }

    /// How many photos the page shows with pictures, at most 2,000; 300 unless set. Each takes some 20 KB of
    /// it with one method, and 10 KB more with each further one. A report that is done is not computed again for
    /// another number.
    pub fn pictured(&self, photos: usize) -> Report {
        Report { pictured: photos, ..self.clone() }
    }

    /// Works on part `number` of `of` alone, counted from 0, so that many processes or machines share a big set:
    /// each is started with another number, and [`join`](Report::join) makes of the parts what one report would
    /// have been. Parts may have folders of their own, or one folder that all can write to.
    ///
    /// ```no_run
    /// use convlens::prelude::*;
    /// // In an array of four Slurm jobs, or an indexed Kubernetes job with JOB_COMPLETION_INDEX:
    /// let number: usize = std::env::var("SLURM_ARRAY_TASK_ID").unwrap().parse().unwrap();
    /// let (model, photos) = (zoo::resnet50()?, ImageFolder::open("photos")?);
    /// Report::new(&model, &photos).shard(number, 4).save_report("out")?;
    /// // And when all are done:
    /// Report::join(["out"], "out")?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn shard(&self, number: usize, of: usize) -> Report {
        Report { shard: Some(Shard::new(number, of)), ..self.clone() }
    }

    /// Writes the report into a folder, which is made where it is missing. A report that was interrupted goes on
    /// with the photo where it was, and the result is the same to the last byte; one that is done is not computed
    /// again. A [`shard`](Report::shard) writes its part, without page and table.
    ///
    /// # Errors
    /// A network that does not end in one score a class; a layer or a class that it does not have; a method that
    /// fails on each of the first eight photos, or is there twice; when no photo can be read; a folder that holds another
    /// report, lies among the photos or cannot be written; a shard that there is not.
    pub fn save_report(&self, folder: impl AsRef<Path>) -> Result<Reported> {
        let folder = folder.as_ref();
        self.check(folder)?;
        let methods = self.methods();
        let model = match self.photos.prepared() {
            Some(preprocess) => self.model.with_preprocess(preprocess),
            None => self.model.clone(),
        };
        let expected = Expected::new(&model, &self.photos, &self.expected)?;
        let mut search = self.identity(&model, &expected, &methods)?;
        let range = photos_of(self.shard, &self.photos, 1, &mut search)?;
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::file(folder, format!("cannot be made: {error}")))?;
        let mut rows = Rows::open(folder, self.shard, &search, range.clone())?;
        let names: Vec<String> = methods.iter().map(|method| method.name()).collect();
        let mut explainer = Explainer::new(&model, &methods, &expected, Files::new(folder, &names));
        rows.each(|row, _| {
            explainer.remember(&row);
            Ok(())
        })?;
        let worked = self.work(&mut rows, &mut explainer, range.clone());
        if worked.is_err() && rows.next() == range.start {
            // What is asked in another way is another report, and starts anew.
            rows.forget();
        }
        worked?;
        if self.shard.is_some() {
            let summary = summary::of(&mut rows, &search)?;
            return Ok(Reported { folder: folder.to_path_buf(), page: None, ..summary });
        }
        finish(folder, &mut rows, &search, self.pictured)
    }

    /// Puts the parts that [`shard`](Report::shard)s have written into these folders together, in any order: what
    /// one report would have written lies in `folder` then, to the last byte. A folder may hold several parts, and
    /// `folder` may be one of them; files of other folders are copied. Neither network nor photos are needed. The
    /// page has pictures of 300 photos; `save_report` of the whole makes another one of what was joined.
    ///
    /// # Errors
    /// Parts that are missing, there twice, not finished or of different reports; when no photo of any part could
    /// be read; files that cannot be read or written.
    pub fn join<P: AsRef<Path>>(
        parts: impl IntoIterator<Item = P>,
        folder: impl AsRef<Path>,
    ) -> Result<Reported> {
        let folder = folder.as_ref();
        let mut found = Vec::new();
        for part in parts {
            found.extend(rows::parts_in(part.as_ref())?);
        }
        let (parts, search) = whole(found)?;
        std::fs::create_dir_all(folder)
            .map_err(|error| Error::file(folder, format!("cannot be made: {error}")))?;
        check_page(folder)?;
        let mut rows = rows::joined(folder, parts, &search)?;
        finish(folder, &mut rows, &search, PICTURED)
    }

    fn methods(&self) -> Vec<Rc<dyn Method>> {
        match self.methods.as_slice() {
            [] => vec![Rc::new(GradCam::default())],
            methods => methods.to_vec(),
        }
    }

    /// What can be known to be wrong before anything is done.
    fn check(&self, folder: &Path) -> Result<()> {
        self.model.check_takes_photos()?;
        self.model.check_classifies()?;
        if self.pictured > MOST_PICTURED {
            return Err(Error::Argument(format!(
                "{} photos with pictures make a page that no browser likes: at most {MOST_PICTURED}",
                self.pictured
            )));
        }
        let settings: Vec<String> = self.methods.iter().map(|m| format!("{m:?}")).collect();
        if let Some(twice) = (1..settings.len()).find(|&i| settings[..i].contains(&settings[i])) {
            return Err(Error::Argument(format!(
                "the report explains by {} twice, in the same way: take each method once",
                self.methods[twice].name()
            )));
        }
        if folder.is_file() {
            return Err(Error::file(folder, "this is a file; name a folder for the report"));
        }
        // Its parent, since it may not be there yet.
        let within = |root: &Path| {
            let absolute = std::path::absolute(folder).ok()?;
            let there = absolute.ancestors().find(|path| path.exists())?.canonicalize().ok()?;
            Some(there.starts_with(root.canonicalize().ok()?))
        };
        if self.photos.root().and_then(within) == Some(true) {
            return Err(Error::file(
                folder,
                "lies within the folder of the photos, where its pictures would be taken for some: name \
                 another folder",
            ));
        }
        check_page(folder)
    }

    fn identity(
        &self,
        model: &Model,
        expected: &Expected,
        methods: &[Rc<dyn Method>],
    ) -> Result<Value> {
        let (layer, _) = model.end(model.output());
        let mut search = identity(model, &[(model.output(), layer)], &self.photos)?;
        let labels = model.class_names().join("\n");
        search["labels"] = format!("{:08x}", crc32fast::hash(labels.as_bytes())).into();
        search["expected"] = expected.to_json();
        let methods = methods
            .iter()
            .map(|method| json!({ "name": method.name(), "settings": format!("{method:?}") }));
        search["methods"] = methods.collect::<Vec<Value>>().into();
        Ok(search)
    }

    /// Explains the photos that are left.
    fn work(&self, rows: &mut Rows, explainer: &mut Explainer, range: Range<usize>) -> Result<()> {
        let (first, count) = (rows.next(), range.len());
        let mut progress =
            Progress::new("report, photos", count as u64).from((first - range.start) as u64);
        let threads = threads();
        let ahead = threads.min(AHEAD);
        let (photos, channels) = (&self.photos, self.model.input_shape()[0]);
        let read = |i: usize| decoded(|| photos.item(first + i, channels));
        in_order(range.end - first, threads, ahead, read, |i, item| {
            let row = explainer.row(photos, first + i, item)?;
            rows.append(&row)?;
            progress.advance((first + i + 1 - range.start) as u64)?;
            Ok(ahead)
        })?;
        progress.finish();
        Ok(())
    }
}

/// That there is no page of somebody else's.
fn check_page(folder: &Path) -> Result<()> {
    let page = folder.join(PAGE);
    match page.exists() && !rows::any_in(folder) {
        true => Err(Error::file(page, "is there already, and no report's: name another folder")),
        false => Ok(()),
    }
}

/// Page and table, from the rows.
fn finish(folder: &Path, rows: &mut Rows, search: &Value, pictured: usize) -> Result<Reported> {
    let summary = summary::of(rows, search)?;
    if summary.photos() == 0 {
        rows.forget();
        return Err(summary.no_photos());
    }
    csv::write(&folder.join(TABLE), rows, &summary)?;
    let page = folder.join(PAGE);
    page::write(&page, folder, rows, &summary, pictured)?;
    Ok(Reported { folder: folder.to_path_buf(), page: Some(page), ..summary })
}

impl fmt::Debug for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Report of {}, {}", self.model.name(), self.text()))
    }
}

impl Report {
    fn text(&self) -> String {
        let names: Vec<String> = self.methods().iter().map(|method| method.name()).collect();
        format!(
            "{} by {}: .save_report(\"out/\") writes it",
            counted(self.photos.len(), "photo"),
            names.join(", ")
        )
    }
}

impl Show for Report {
    fn bundle(&self) -> MimeBundle {
        MimeBundle::text(format!("a report on {}, {}", self.model.name(), self.text()))
    }
}
