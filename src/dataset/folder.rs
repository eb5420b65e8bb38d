//! Photos with classes: a folder a class, or photos in memory.

use std::borrow::Borrow;
use std::collections::HashSet;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::error::{Error, Result};
use crate::photo::{Bands, Photo, Preprocess};
use crate::picture::{Cell, PictureTable};
use crate::show::{MimeBundle, Row, Show, Table, debug_line, thousands};

/// Endings of files that are taken for photos. Those of formats that are not read are among them, so
/// that their files are named as unreadable and not passed over in silence.
const ENDINGS: [&str; 19] = [
    "jpg", "jpeg", "png", "bmp", "gif", "webp", "tif", "tiff", "ppm", "pgm", "pbm", "pnm", "pam",
    "jfif", "heic", "heif", "avif", "jxl", "npy",
];
/// How many of them are named to whoever has none.
const USUAL: usize = 10;

/// The width of the photos of a sheet.
const TILE: u32 = 200;

/// Photos that run at once. Measured on two cores with ResNet-50: 16 are a fourteenth slower each, since
/// their activations leave the caches, and 2 a twentieth.
const BATCH: usize = 8;

/// Folders in folders are followed this deep.
const DEEPEST: usize = 16;

/// A labelled data set on disk: a folder a class, its photos in it. Cheap to clone.
///
/// Classes come in alphabetical order and photos by path, which for folders of photos is the order of
/// torchvision's `ImageFolder`; what lies deeper in a class's folder belongs to it too. A folder that
/// holds photos and no folders is one class. Nothing is opened yet: photos are read when a network looks
/// at them, between two batches and in all threads, and only as many are in memory as a batch holds.
///
/// A file that cannot be read does not stop a run: results list it at the end, with the reason.
///
/// Arrays are read as well, as [`look_array`](crate::model::Model::look_array) takes them: every `.npy`, and for a
/// network of other than one or three channels every TIFF. Pictures show the bands that the network's
/// [`Preprocess::view_as`] has chosen. A file of another number of bands is one that cannot be read.
///
/// ```
/// use convlens::prelude::*;
/// let folder = tempfile::tempdir().expect("a folder");
/// for class in ["cat", "dog"] {
///     std::fs::create_dir(folder.path().join(class)).expect("a folder");
///     let photo = Photo::open(format!("assets/photos/{class}.{}", if class == "cat" { "png" } else { "jpg" }))?;
///     photo.picture().save(folder.path().join(class).join("1.png"))?;
/// }
/// let train = ImageFolder::open(folder.path())?;
/// assert_eq!(train.class_names(), ["cat", "dog"]);
/// assert_eq!(train.counts(), [1, 1]);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct ImageFolder {
    /// What errors and captions call it.
    name: Arc<str>,
    /// Unless its photos are in memory.
    root: Option<Arc<Path>>,
    classes: Arc<[Class]>,
    preprocess: Option<Preprocess>,
    batch: usize,
}

#[derive(Clone)]
struct Class {
    name: String,
    photos: Vec<Source>,
}

/// Where a photo comes from.
#[derive(Clone)]
enum Source {
    /// With its path from the data set's folder, joined by slashes.
    File(PathBuf, String),
    Memory(Photo),
    Array(Bands),
}

/// What a network looks at.
pub(crate) enum Item {
    Photo(Photo),
    Array(Bands),
}

/// One photo of a data set: its class, its name, and where it lies.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Entry {
    /// The place of its class among the data set's.
    pub class: usize,
    /// Its path from the data set's folder, or its title.
    pub name: String,
    /// Its file, unless it is in memory.
    pub path: Option<PathBuf>,
}

crate::show::shown_by_debug!(Entry);

impl ImageFolder {
    /// Finds the classes and their photos in a folder.
    ///
    /// # Errors
    /// When it is no folder or cannot be read, or there are no photos in it.
    pub fn open(path: impl AsRef<Path>) -> Result<ImageFolder> {
        let root = path.as_ref();
        if root.is_file() {
            return Err(Error::file(
                root,
                "this is a file; name the folder that has a folder for each class",
            ));
        }
        let mut classes = Vec::new();
        let (folders, loose) = listing(root)?;
        for folder in folders {
            let mut photos = Vec::new();
            collect(&folder, DEEPEST, &mut photos)?;
            classes.push(Class { name: file_name(&folder), photos: sources(root, photos) });
        }
        classes.sort_by(|a, b| a.name.cmp(&b.name));
        let name = fs::canonicalize(root).map_or_else(|_| file_name(root), |root| file_name(&root));
        if classes.iter().all(|class| class.photos.is_empty()) {
            // Folders without photos say nothing; photos beside them are a class.
            let photos = sources(root, loose.into_iter().filter(|path| is_photo(path)).collect());
            if photos.is_empty() {
                return Err(Error::file(
                    root,
                    format!(
                        "no photos in it: expected a folder for each class with {} files in it",
                        ENDINGS[..USUAL].join(", ")
                    ),
                ));
            }
            classes = vec![Class { name: name.clone(), photos }];
        }
        Ok(ImageFolder { root: Some(root.into()), ..ImageFolder::new(&name, classes) })
    }

    /// A data set of photos that are in memory, by class.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let (cat, dog) = (Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?);
    /// let pets = ImageFolder::of_photos([("cat", [&cat]), ("dog", [&dog])])?;
    /// assert_eq!(pets.len(), 2);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there are no photos, or a class is named twice.
    pub fn of_photos<S: Into<String>, P: IntoIterator<Item: Borrow<Photo>>>(
        classes: impl IntoIterator<Item = (S, P)>,
    ) -> Result<ImageFolder> {
        Self::in_memory("photos", classes, |photo| Source::Memory(photo.borrow().clone()))
    }

    /// The same of arrays, for networks of any number of channels.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let scene = |seed| {
    ///     tch::manual_seed(seed);
    ///     Bands::from_tensor(&Tensor::rand([5, 16, 16], tch::kind::FLOAT_CPU))
    /// };
    /// let scenes = ImageFolder::of_arrays([("forest", [scene(0)?, scene(1)?]), ("water", [scene(2)?, scene(3)?])])?;
    /// let mut net = Model::builder("scenes", [5, 16, 16]).classes(scenes.class_names());
    /// let x = net.input();
    /// net.chain("net", ops![Conv2d::new(5, 4, 3), Op::Flatten, Linear::new(4 * 14 * 14, 2)], x);
    /// let model = net.build()?;
    /// let (arrays, classes) = scenes.tensors(&model)?;
    /// Fit::default().epochs(5).run(&model, &arrays, &classes)?;
    /// scenes.activation_maps(&model, "net.0", 2)?; // shows itself
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`of_photos`](ImageFolder::of_photos).
    pub fn of_arrays<S: Into<String>, A: IntoIterator<Item: Borrow<Bands>>>(
        classes: impl IntoIterator<Item = (S, A)>,
    ) -> Result<ImageFolder> {
        Self::in_memory("arrays", classes, |array| Source::Array(array.borrow().clone()))
    }

    fn in_memory<S: Into<String>, P: IntoIterator>(
        title: &str,
        classes: impl IntoIterator<Item = (S, P)>,
        source: impl Fn(P::Item) -> Source,
    ) -> Result<ImageFolder> {
        let classes = classes.into_iter().map(|(name, photos)| Class {
            name: name.into(),
            photos: photos.into_iter().map(&source).collect(),
        });
        let classes: Vec<Class> = classes.collect();
        let mut known = HashSet::new();
        if let Some(twice) = classes.iter().find(|class| !known.insert(&class.name)) {
            return Err(Error::Argument(format!("the class {:?} is named twice", twice.name)));
        }
        if classes.iter().all(|class| class.photos.is_empty()) {
            return Err(Error::Argument("a data set of no photos: give at least one".into()));
        }
        Ok(ImageFolder::new(title, classes))
    }

    fn new(name: &str, classes: Vec<Class>) -> ImageFolder {
        ImageFolder {
            name: name.into(),
            root: None,
            classes: classes.into(),
            preprocess: None,
            batch: BATCH,
        }
    }

    /// Only these classes, in this order.
    ///
    /// # Errors
    /// A class that there is not (the error lists the closest), one named twice, or none.
    pub fn classes<S: AsRef<str>>(
        &self,
        names: impl IntoIterator<Item = S>,
    ) -> Result<ImageFolder> {
        let mut classes: Vec<Class> = Vec::new();
        for name in names {
            let name = name.as_ref();
            if classes.iter().any(|class| class.name == name) {
                return Err(Error::Argument(format!("the class {name:?} is named twice")));
            }
            classes.push(self.classes[self.class_index(name)?].clone());
        }
        if classes.is_empty() {
            return Err(Error::Argument("a choice of no classes: name at least one".into()));
        }
        Ok(ImageFolder { classes: classes.into(), ..self.clone() })
    }

    /// The place of a class.
    ///
    /// # Errors
    /// When there is none of this name: the error lists the closest.
    pub fn class_index(&self, name: &str) -> Result<usize> {
        self.classes.iter().position(|class| class.name == name).ok_or_else(|| {
            let names = self.classes.iter().map(|class| class.name.as_str());
            Error::not_found("class", name, &*self.name, names)
        })
    }

    /// At most the first `count` photos of every class.
    pub fn first(&self, count: usize) -> ImageFolder {
        self.part(0, count)
    }

    /// All but the first `count` photos of every class: `skip(100).first(100)` are the second hundred.
    pub fn skip(&self, count: usize) -> ImageFolder {
        self.part(count, usize::MAX)
    }

    /// At most `count` photos of every class, from number `start` on.
    fn part(&self, start: usize, count: usize) -> ImageFolder {
        let classes = self.classes.iter().map(|class| Class {
            name: class.name.clone(),
            photos: class.photos.iter().skip(start).take(count).cloned().collect(),
        });
        ImageFolder { classes: classes.collect(), ..self.clone() }
    }

    /// Every class in so many parts of its photos, each a class of its own, `name 1`, `name 2` and so on: the first photo goes to
    /// the first part, the second to the second. Parts without photos are left out.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let photos = vec![Photo::open("assets/photos/cat.png")?; 5];
    /// let parts = ImageFolder::of_photos([("random", photos)])?.in_parts(2);
    /// assert_eq!((parts.class_names(), parts.counts()), (vec!["random 1".into(), "random 2".into()], vec![3, 2]));
    /// Ok::<(), convlens::Error>(())
    /// ```
    pub fn in_parts(&self, parts: usize) -> ImageFolder {
        let of = |class: &Class| {
            let count = parts.clamp(1, class.photos.len().max(1));
            let part = |part: usize| Class {
                name: format!("{} {}", class.name, part + 1),
                photos: class.photos.iter().skip(part).step_by(count).cloned().collect(),
            };
            (0..count).map(part).collect::<Vec<_>>()
        };
        ImageFolder { classes: self.classes.iter().flat_map(of).collect(), ..self.clone() }
    }

    /// Prepares photos in this way instead of the network's own:
    /// [`Preprocess::feature_map_visualizer`] is that of J. Shin's tool.
    pub fn preprocess(&self, preprocess: Preprocess) -> ImageFolder {
        ImageFolder { preprocess: Some(preprocess), ..self.clone() }
    }

    /// How many photos run through the network at once, 8 unless set: more take more memory, and
    /// the result is the same up to rounding.
    pub fn batch(&self, photos: usize) -> ImageFolder {
        ImageFolder { batch: photos.max(1), ..self.clone() }
    }

    /// The names of the classes.
    pub fn class_names(&self) -> Vec<String> {
        self.classes.iter().map(|class| class.name.clone()).collect()
    }

    /// How many photos each class has.
    pub fn counts(&self) -> Vec<usize> {
        self.classes.iter().map(|class| class.photos.len()).collect()
    }

    /// How many photos there are.
    pub fn len(&self) -> usize {
        self.counts().into_iter().sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// One photo, counted through all classes; of an array, what is shown of it.
    ///
    /// # Errors
    /// When there are not so many, or it cannot be read.
    pub fn photo(&self, index: usize) -> Result<Photo> {
        match self.source_at(index)? {
            Source::File(path, _) => shown_photo(path, self.preprocess.as_ref()),
            Source::Memory(photo) => Ok(photo.clone()),
            Source::Array(array) => array.shown_by(self.preprocess.as_ref()),
        }
    }

    /// One array, counted through all classes: what [`look_array`](crate::model::Model::look_array) looks at.
    ///
    /// # Errors
    /// When there are not so many, it cannot be read, or a photo was given from memory.
    pub fn array(&self, index: usize) -> Result<Bands> {
        match self.source_at(index)? {
            Source::File(path, _) => Bands::open(path),
            Source::Array(array) => Ok(array.clone()),
            Source::Memory(photo) => Err(Error::Argument(format!(
                "{} is a photo and no array: take .photo({index})",
                photo.title()
            ))),
        }
    }

    /// The same as a network of so many channels takes it.
    pub(crate) fn item(&self, index: usize, channels: i64) -> Result<Item> {
        let as_array = match self.source_at(index)? {
            Source::File(path, _) => is_npy(path) || ![1, 3].contains(&channels),
            Source::Array(_) => true,
            Source::Memory(_) => false,
        };
        match as_array {
            true => self.array(index).map(Item::Array),
            false => self.photo(index).map(Item::Photo),
        }
    }

    fn source_at(&self, index: usize) -> Result<&Source> {
        let found = self.source(index).map(|(_, source)| source);
        found.ok_or_else(|| {
            Error::Argument(format!(
                "no photo {index} in {}: it has {}, counted from 0",
                self.name,
                self.len()
            ))
        })
    }

    /// An error of one of them, with its file where it has one.
    pub(super) fn named(&self, index: usize, error: Error) -> Error {
        match (self.source(index), error) {
            (_, error @ Error::File { .. }) => error,
            (Some((_, Source::File(path, _))), error) => Error::file(path, error),
            (_, error) => error,
        }
    }

    /// All photos' classes and names, in order.
    pub fn entries(&self) -> Vec<Entry> {
        (0..self.len()).filter_map(|index| self.entry(index)).collect()
    }

    /// `rows` photos of every class, evenly spread over it, as a table of pictures. In the place of one
    /// that cannot be read stands why.
    ///
    /// # Errors
    /// None: what cannot be read is shown as such.
    pub fn sheet(&self, rows: usize) -> Result<PictureTable> {
        let mut columns: Vec<Vec<Cell>> = Vec::new();
        for (class, start) in self.classes.iter().zip(self.starts()) {
            let count = rows.max(1).min(class.photos.len());
            let places = (0..count).map(|row| start + row * class.photos.len() / count.max(1));
            columns.push(
                places
                    .map(|place| match self.photo(place) {
                        Ok(photo) => Cell::new(photo.picture(), photo.title()),
                        Err(error) => Cell::missing(error.to_string()),
                    })
                    .collect(),
            );
        }
        let titles = self
            .classes
            .iter()
            .map(|class| format!("{} ({})", class.name, thousands(class.photos.len() as u64)));
        let height = columns.iter().map(Vec::len).max().unwrap_or(0);
        let table = PictureTable::new(titles).title(&*self.name).tile(TILE);
        Ok((0..height).fold(table, |table, row| {
            let cells = columns
                .iter()
                .map(|column| column.get(row).cloned().unwrap_or_else(|| Cell::missing("")));
            table.row("", cells)
        }))
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Its folder, unless its photos are in memory.
    pub(crate) fn root(&self) -> Option<&Path> {
        self.root.as_deref()
    }

    /// At most the first `count` photos in all, evenly from all classes.
    pub(super) fn limited(&self, count: usize) -> ImageFolder {
        let fits = |each: &usize| self.first(*each).len() <= count;
        match (1..=count).rev().find(fits) {
            Some(each) => self.first(each),
            None => {
                let photos = self.first(1);
                let classes = photos.classes.iter().filter(|class| !class.photos.is_empty());
                ImageFolder { classes: classes.take(count).cloned().collect(), ..photos }
            }
        }
    }

    pub(super) fn batch_size(&self) -> usize {
        self.batch
    }

    /// How photos are prepared, where it is not the network's own way.
    pub(crate) fn prepared(&self) -> Option<&Preprocess> {
        self.preprocess.as_ref()
    }

    pub(super) fn class_name(&self, class: usize) -> &str {
        self.classes.get(class).map_or("", |class| &class.name)
    }

    pub(crate) fn entry(&self, index: usize) -> Option<Entry> {
        let (class, source) = self.source(index)?;
        Some(match source {
            Source::File(path, name) => {
                Entry { class, name: name.clone(), path: Some(path.clone()) }
            }
            source => Entry { class, name: source.name().to_owned(), path: None },
        })
    }

    /// The index of each class's first photo.
    fn starts(&self) -> Vec<usize> {
        let next = |start: &mut usize, class: &Class| {
            *start += class.photos.len();
            Some(*start - class.photos.len())
        };
        self.classes.iter().scan(0, next).collect()
    }

    fn source(&self, index: usize) -> Option<(usize, &Source)> {
        let mut left = index;
        for (class, Class { photos, .. }) in self.classes.iter().enumerate() {
            match photos.get(left) {
                Some(source) => return Some((class, source)),
                None => left -= photos.len(),
            }
        }
        None
    }

    fn table(&self) -> Table {
        let row = |class: &Class| {
            Row::flat(vec![class.name.clone(), thousands(class.photos.len() as u64)])
        };
        let photos = if self.len() == 1 { "photo" } else { "photos" };
        let classes = if self.classes.len() == 1 { "class" } else { "classes" };
        Table {
            caption: format!(
                "{}: {} {photos} in {} {classes}",
                self.name,
                thousands(self.len() as u64),
                self.classes.len()
            ),
            columns: vec![("Class", false), ("Photos", true)],
            rows: self.classes.iter().map(row).collect(),
            notes: Vec::new(),
        }
    }
}

/// The folders and the files in a folder, hidden ones aside.
fn listing(folder: &Path) -> Result<(Vec<PathBuf>, Vec<PathBuf>)> {
    let cannot = |error: std::io::Error| Error::unreadable(folder, &error);
    let mut paths = Vec::new();
    for entry in fs::read_dir(folder).map_err(cannot)? {
        let path = entry.map_err(cannot)?.path();
        if !file_name(&path).starts_with('.') {
            paths.push(path);
        }
    }
    Ok(paths.into_iter().partition(|path| path.is_dir()))
}

/// All photos in a folder and the folders in it. Links to folders are not followed: they can lead
/// round in circles.
fn collect(folder: &Path, depth: usize, photos: &mut Vec<PathBuf>) -> Result<()> {
    let (folders, files) = listing(folder)?;
    photos.extend(files.into_iter().filter(|path| is_photo(path)));
    for inner in folders.iter().filter(|path| depth > 0 && !path.is_symlink()) {
        collect(inner, depth - 1, photos)?;
    }
    Ok(())
}

/// In the order of their names.
fn sources(root: &Path, photos: Vec<PathBuf>) -> Vec<Source> {
    let named = photos.into_iter().map(|path| {
        let inside = path.strip_prefix(root).unwrap_or(&path).components();
        let parts: Vec<_> = inside.map(|part| part.as_os_str().to_string_lossy()).collect();
        let name = parts.join("/");
        Source::File(path, name)
    });
    let mut sources: Vec<Source> = named.collect();
    sources.sort_by(|a, b| a.name().cmp(b.name()));
    sources
}

impl Source {
    fn name(&self) -> &str {
        match self {
            Source::File(_, name) => name,
            Source::Memory(photo) => photo.title(),
            Source::Array(array) => array.title(),
        }
    }
}

fn is_npy(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("npy"))
}

/// A file as a photo, which of an array is what is shown of it where it is prepared so.
pub(super) fn shown_photo(path: &Path, preprocess: Option<&Preprocess>) -> Result<Photo> {
    let as_array = || {
        let shown = Bands::open(path)?.shown_by(preprocess);
        shown.map_err(|error| Error::file(path, error))
    };
    match is_npy(path) {
        true => as_array(),
        // A TIFF of many bands is no photo.
        false => Photo::open(path).or_else(|error| as_array().map_err(|_| error)),
    }
}

fn is_photo(path: &Path) -> bool {
    let ending = path.extension().map(|ending| ending.to_string_lossy().to_lowercase());
    ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
}

impl fmt::Debug for ImageFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!(
                "ImageFolder {}, {:?}, {:?}",
                self.name,
                self.class_names(),
                self.counts()
            ),
        )
    }
}

impl fmt::Display for ImageFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl Show for ImageFolder {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}
