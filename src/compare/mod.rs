//! Networks, methods, layers and classes beside each other: sheets of pictures with titles.
//!
//! Every function here returns a [`Comparison`], which shows itself as a sheet of rows and columns.
//! Under each heat map stands the class that is explained with its probability, and the predicted
//! one where that is another; of a network that segments, the class and how many pixels of it.
//! Pictures of your own have your captions.
//!
//! | function | rows | columns |
//! |---|---|---|
//! | [`networks`] | networks, loaded one at a time | photos |
//! | [`methods`], [`methods_from`] | methods | photos |
//! | [`layers`], [`layers_from`] | layers | methods |
//! | [`classes`] | classes | photos |
//! | [`networks_with`] | networks, loaded one at a time | any pictures |
//!
//! What fails leaves its place in the sheet to a short text, and a line below that says what to do.
//! Networks whose weights are missing have no row: one line below the sheet names them all. An error
//! comes only of empty lists, and where nothing at all could be shown.
//!
//! ```
//! use convlens::prelude::*;
//! let photos = [Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?];
//! let model = zoo::squeezenet1_1()?;
//! compare::classes(&model, [None, Some("Saluki")], &photos, &GradCam::default())?;
//! Ok::<(), convlens::Error>(())
//! ```

mod comparison;
mod draw;
mod network;
mod outcome;
mod photos;

pub use comparison::Comparison;
pub use network::Network;
pub use outcome::Outcome;
pub use photos::Photos;

use comparison::{Missing, Row, described};

use crate::attribution::{Attribution, Target};
use crate::error::{Error, Result};
use crate::look::Look;
use crate::model::{LayerRef, Model};
use crate::photo::Photo;
use crate::show::{Progress, Show};

/// Where several networks look in the same photos, by one method. Networks are named as in the
/// [zoo](crate::zoo), or given; see [`Network`]. They are loaded one at a time, and each is dropped
/// before the next, so that memory holds the largest and not the sum.
///
/// ```
/// use convlens::prelude::*;
/// let photo = Photo::open("assets/photos/cat.png")?;
/// let sheet = compare::networks(["squeezenet1_1"], &photo, &GradCam::default())?;
/// assert_eq!(sheet.get(0, 0).and_then(|cell| cell.prediction()).unwrap().name, "tiger cat");
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// No networks or no photos; when nothing at all could be explained.
pub fn networks<'n, N: Into<Network<'n>>>(
    networks: impl IntoIterator<Item = N>,
    photos: impl Photos,
    method: &dyn Attribution,
) -> Result<Comparison> {
    let photos = photos.photos();
    let photos = some(&photos, "photos")?;
    let networks = listed(networks, "networks")?;
    let mut steps = Steps::new("comparing networks", networks.len() * photos.len());
    let (mut rows, mut missing) = (Vec::with_capacity(networks.len()), Missing::default());
    for network in networks {
        let title = network.title().to_owned();
        let cells = match network.load_now() {
            Ok(model) => {
                let explained = |photo| steps.done(explained(&model, photo, method));
                photos.iter().map(explained).collect::<Result<_>>()?
            }
            Err(error) => {
                photos.iter().try_for_each(|_| steps.done(()))?;
                let Some(error) = missing.note(&title, error) else { continue };
                photos.iter().map(|_| Outcome::failed(&error)).collect()
            }
        };
        rows.push(Row { title, cells });
    }
    steps.finish();
    let sheet = Comparison::without(missing, method.name(), titles(photos), rows)?;
    Ok(sheet.by_photo().naming_layers())
}

/// What several networks show, loaded one at a time as by [`networks`]: any pictures, from a
/// closure that gives each a caption.
///
/// ```
/// use convlens::prelude::*;
/// let photo = Photo::open("assets/photos/cat.png")?;
/// compare::networks_with(["squeezenet1_1"], |model| {
///     let first = model.look(&photo)?.layer(1)?; // the first convolution
///     (0..4).map(|i| Ok((format!("map {i}"), first.picture(i)?))).collect()
/// })?;
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// No networks; when nothing at all could be shown.
pub fn networks_with<'n, N: Into<Network<'n>>, C: Into<String>, P: Show>(
    networks: impl IntoIterator<Item = N>,
    mut pictures: impl FnMut(&Model) -> Result<Vec<(C, P)>>,
) -> Result<Comparison> {
    let networks = listed(networks, "networks")?;
    let mut steps = Steps::new("comparing networks", networks.len());
    let (mut rows, mut missing) = (Vec::with_capacity(networks.len()), Missing::default());
    for network in networks {
        let title = network.title().to_owned();
        let shown = match network.load_now() {
            Ok(model) => pictures(&model),
            Err(error) => match missing.note(&title, error) {
                Some(error) => Err(error),
                None => {
                    steps.done(())?;
                    continue;
                }
            },
        };
        let cells = match shown {
            // A picture may hold on to its network: only its pixels are kept.
            Ok(shown) => shown.into_iter().map(|(caption, p)| Outcome::any(caption, &p)).collect(),
            Err(error) => vec![Outcome::failed(&error)],
        };
        rows.push(steps.done(Row { title, cells })?);
    }
    steps.finish();
    let columns = rows.iter().map(|row: &Row| row.cells.len()).max().unwrap_or(0);
    Comparison::without(missing, String::new(), vec![String::new(); columns], rows)
}

/// Where one network looks in several photos, by several methods, each of which is borrowed as by
/// [`Look::explain`].
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let photo = Photo::open("assets/photos/cat.png")?;
/// compare::methods(&model, [&GradCam::default(), &Saliency::default()], &photo)?;
/// let smooth = GradCam::default().principal_component(); // variables are borrowed in the same way
/// compare::methods(&model, [&GradCam::at("features.9"), &smooth], [&photo, &photo])?;
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// No methods or no photos; when nothing at all could be explained.
pub fn methods<const N: usize>(
    model: &Model,
    methods: [&dyn Attribution; N],
    photos: impl Photos,
) -> Result<Comparison> {
    methods_from(model, methods, photos)
}

/// [`methods`] from a list of any length: boxed ones in a vector, or several of one kind.
///
/// ```
/// use convlens::prelude::*;
/// let photo = Photo::open("assets/photos/cat.png")?;
/// let mut methods: Vec<Box<dyn Attribution>> = vec![Box::new(GradCam::default())];
/// methods.push(Box::new(Saliency::default()));
/// compare::methods_from(&zoo::squeezenet1_1()?, &methods, &photo)?;
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// As [`methods`].
pub fn methods_from<A: Attribution>(
    model: &Model,
    methods: impl IntoIterator<Item = A>,
    photos: impl Photos,
) -> Result<Comparison> {
    let methods: Vec<A> = methods.into_iter().collect();
    let photos = photos.photos();
    let photos = some(&photos, "photos")?;
    some(&methods, "methods")?;
    let mut rows: Vec<Row> = methods.iter().map(|method| Row::new(method.name())).collect();
    let mut steps = Steps::new("comparing methods", methods.len() * photos.len());
    for photo in photos {
        let look = model.look(photo);
        for (row, method) in rows.iter_mut().zip(&methods) {
            row.cells.push(steps.done(explained_in(&look, method, method.target()))?);
        }
    }
    steps.finish();
    Ok(Comparison::new(model.name(), titles(photos), rows)?.by_photo().naming_layers())
}

/// What several layers of one network see in a photo, by several methods. A method is given by the
/// function that makes it for a layer; see [`AtLayer`].
///
/// ```
/// use convlens::prelude::*;
/// let photo = Photo::open("assets/photos/cat.png")?;
/// let model = zoo::squeezenet1_1()?;
/// compare::layers(&model, ["features.7", "features.12"], [&GradCam::at], &photo)?;
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// No layers or no methods; a photo that the network cannot look at; when nothing at all could be
/// explained.
pub fn layers<const N: usize>(
    model: &Model,
    layers: impl IntoIterator<Item = impl Into<LayerRef>>,
    methods: [&dyn AtLayer; N],
    photo: &Photo,
) -> Result<Comparison> {
    layers_from(model, layers, &methods, photo)
}

/// [`layers`] by methods from a list of any length.
///
/// ```
/// use convlens::prelude::*;
/// let photo = Photo::open("assets/photos/cat.png")?;
/// let mut methods: Vec<&dyn compare::AtLayer> = vec![&GradCam::at];
/// methods.push(&LayerCam::at);
/// compare::layers_from(&zoo::squeezenet1_1()?, ["features.12"], &methods, &photo)?;
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// As [`layers`].
pub fn layers_from(
    model: &Model,
    layers: impl IntoIterator<Item = impl Into<LayerRef>>,
    methods: &[&dyn AtLayer],
    photo: &Photo,
) -> Result<Comparison> {
    some(methods, "methods")?;
    let layers: Vec<LayerRef> = layers.into_iter().map(Into::into).collect();
    let layers = some(&layers, "layers")?;
    let mut steps = Steps::new("comparing layers", methods.len() * layers.len());
    let look = Ok(model.look(photo)?);
    let rows = layers.iter().map(|layer| {
        let name = model.find_named(layer).map_or_else(|_| layer.to_string(), |(_, name)| name);
        let cells = methods.iter().map(|method| {
            let method = method.at_layer(layer.clone());
            steps.done(explained_in(&look, &method, method.target()))
        });
        let cells = cells.collect::<Result<Vec<Outcome>>>()?;
        let size = cells.iter().find_map(Outcome::heat);
        let size = size.map(|heat| format!("\n{} × {}", heat.height(), heat.width()));
        Ok(Row { title: name + &size.unwrap_or_default(), cells })
    });
    let rows = rows.collect::<Result<_>>()?;
    steps.finish();
    let named =
        |layer: &LayerRef| methods.iter().map(|m| m.at_layer(layer.clone()).name()).collect();
    let names = layers.first().map(named).unwrap_or_default();
    let heading = format!("{}, {}", model.name(), photo.title());
    let sheet = Comparison::new(heading, names, rows)?;
    // Of several columns, none is the photo's.
    Ok(if methods.len() == 1 { sheet.by_photo() } else { sheet })
}

/// Where one network looks in several photos for several classes, by one method. `None` and
/// [`Target::Predicted`] are what it predicts.
///
/// ```
/// use convlens::prelude::*;
/// let photo = Photo::open("assets/photos/cat_and_dog.jpg")?;
/// let classes = [None, Some("tiger cat"), Some("bookcase")];
/// compare::classes(&zoo::squeezenet1_1()?, classes, &photo, &GradCam::default())?;
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// No classes or no photos; when nothing at all could be explained.
pub fn classes(
    model: &Model,
    classes: impl IntoIterator<Item = impl Into<Target>>,
    photos: impl Photos,
    method: &dyn Attribution,
) -> Result<Comparison> {
    let photos = photos.photos();
    let photos = some(&photos, "photos")?;
    let classes: Vec<Target> = classes.into_iter().map(Into::into).collect();
    let classes = some(&classes, "classes")?;
    let mut rows: Vec<Row> =
        classes.iter().map(|class| Row::new(described(class, model))).collect();
    let mut steps = Steps::new("comparing classes", classes.len() * photos.len());
    for photo in photos {
        let look = model.look(photo);
        for (row, class) in rows.iter_mut().zip(classes) {
            row.cells.push(steps.done(explained_in(&look, method, class.clone()))?);
        }
    }
    steps.finish();
    for row in rows.iter_mut().filter(|row| row.title.is_empty()) {
        let explained = row.cells.iter().find_map(Outcome::heat);
        row.title = explained.map_or("a target", |heat| heat.target()).to_owned();
    }
    let heading = format!("{}: {}", model.name(), method.name());
    Ok(Comparison::new(heading, titles(photos), rows)?.by_photo().naming_layers())
}

/// A method for any layer: `GradCam::at`, or a closure from the layer to a method.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let photo = Photo::open("assets/photos/cat.png")?;
/// let layers = ["features.7", "features.12"];
/// compare::layers(&model, layers, [&GradCam::at, &|layer| GradCam::at(layer).class("tabby")], &photo)?;
/// Ok::<(), convlens::Error>(())
/// ```
pub trait AtLayer {
    /// The method at this layer.
    fn at_layer(&self, layer: LayerRef) -> Box<dyn Attribution>;
}

impl<F: Fn(LayerRef) -> A, A: Attribution + 'static> AtLayer for F {
    fn at_layer(&self, layer: LayerRef) -> Box<dyn Attribution> {
        Box::new(self(layer))
    }
}

fn explained(model: &Model, photo: &Photo, method: &dyn Attribution) -> Outcome {
    explained_in(&model.look(photo), method, method.target())
}

fn explained_in(look: &Result<Look>, method: &dyn Attribution, target: Target) -> Outcome {
    match look {
        Ok(look) => Outcome::of(look, method, target),
        Err(error) => Outcome::failed(error),
    }
}

fn titles(photos: &[Photo]) -> Vec<String> {
    photos.iter().map(|photo| photo.title().to_owned()).collect()
}

fn listed<'n, N: Into<Network<'n>>>(
    items: impl IntoIterator<Item = N>,
    noun: &str,
) -> Result<Vec<Network<'n>>> {
    let items: Vec<Network<'n>> = items.into_iter().map(Into::into).collect();
    some(&items, noun)?;
    Ok(items)
}

/// The list, unless it is empty.
fn some<'a, T>(items: &'a [T], noun: &str) -> Result<&'a [T]> {
    if items.is_empty() {
        return Err(Error::Argument(format!("a comparison of no {noun}: give at least one")));
    }
    Ok(items)
}

/// Steps that are counted, so that a long comparison tells how far it is.
struct Steps {
    progress: Progress,
    done: u64,
}

impl Steps {
    fn new(what: &str, count: usize) -> Steps {
        Steps { progress: Progress::new(what, count as u64), done: 0 }
    }

    /// Passes on what a step made, unless somebody has stopped the cell.
    fn done<T>(&mut self, made: T) -> Result<T> {
        self.done += 1;
        self.progress.advance(self.done)?;
        Ok(made)
    }

    fn finish(self) {
        self.progress.finish();
    }
}
