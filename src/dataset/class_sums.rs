//! How active each class's maps are on every photo.

use std::fmt;

use super::batches::{Unreadable, channels_of, spatial};
use super::channels::Channels;
use super::folder::ImageFolder;
use super::over_photos::none_readable;
use super::reduce::reduce;
use super::top_maps::{TopMaps, no_photos, unreadable_notes};
use crate::chart::{Chart, SmallMultiples};
use crate::error::{Error, Result};
use crate::model::{LayerRef, Model};
use crate::number::{counted, number};
use crate::show::{MimeBundle, Row, Show, Table, debug_line, thousands, together};

/// For every photo and each class, the sum of the mean activations of that class's top maps:
/// FeatureMapVisualizer's `sum_top_feature_maps_by_class`. A notebook shows a chart for the maps of each class, with a
/// line for the photos of each, and a table of the means. See [`ImageFolder::class_sums`].
#[derive(Clone)]
pub struct ClassSums {
    network: String,
    layer: String,
    /// The classes whose maps are summed, with how many maps they have.
    groups: Vec<(String, usize)>,
    /// Those that have no maps of their own.
    without: Vec<String>,
    /// The classes of the photos.
    classes: Vec<String>,
    photos: Vec<PhotoSums>,
    unreadable: Vec<Unreadable>,
}

/// One photo of [`ClassSums`].
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct PhotoSums {
    /// The place of the photo's class among the data set's.
    pub class: usize,
    /// Its path from the data set's folder.
    pub name: String,
    /// The sum for each class's maps, in the order of [`ClassSums::groups`].
    pub sums: Vec<f64>,
}

impl ImageFolder {
    /// For every photo, the sum of the means of each class's top maps, at their layer. A class that
    /// shares all of its maps with others has no sum; a note under the table names it.
    ///
    /// ```no_run
    /// use convlens::prelude::*;
    /// let model = zoo::resnet50()?;
    /// let tops = TopMaps::open("top_maps.json")?;
    /// ImageFolder::open("pets/test")?.class_sums(&model, &tops)?; // shows itself
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the network has no such layer with so many maps, no class has maps of its own, or none of a
    /// class's photos can be read.
    pub fn class_sums(&self, model: &Model, tops: &TopMaps) -> Result<ClassSums> {
        let (id, layer) = spatial(model, tops.layer())?;
        let found = channels_of(model, id)?;
        if found != tops.channels() {
            return Err(Error::Argument(format!(
                "these are the top maps of {}, whose {layer} has {} maps, but {}'s has {found}",
                tops.network(),
                tops.channels(),
                model.name()
            )));
        }
        let groups = tops.classes().iter().map(|class| (class.class.clone(), class.indices()));
        let (groups, without): (Vec<_>, Vec<_>) = groups.partition(|(_, maps)| !maps.is_empty());
        if groups.is_empty() {
            return Err(Error::Argument(format!(
                "no class has maps of {layer} of its own, since each shares all of them with others: \
                 search again with another number per_photo or per_class, or at a later layer"
            )));
        }
        let without = without.into_iter().map(|(class, _)| class).collect();
        Ok(ClassSums { without, ..self.sums(model, layer, groups)? })
    }

    /// The same for maps that are named class by class: what Python calls a dictionary of top maps.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let (cat, dog) = (Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?);
    /// let pets = ImageFolder::of_photos([("cat", vec![cat]), ("dog", vec![dog])])?;
    /// let model = zoo::squeezenet1_1()?;
    /// let sums = pets.class_sums_of(&model, "features.12", [("cat", [1, 3, 9]), ("dog", [2, 7, 8])])?;
    /// assert_eq!(sums.photos()[1].sums.len(), 2);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// A layer that is not there or not spatial, a map that it does not have, no class at all, and
    /// when none of a class's photos can be read.
    pub fn class_sums_of<S: Into<String>, C: Into<Channels>>(
        &self,
        model: &Model,
        layer: impl Into<LayerRef>,
        maps: impl IntoIterator<Item = (S, C)>,
    ) -> Result<ClassSums> {
        let (id, layer) = spatial(model, layer)?;
        let channels = channels_of(model, id)?;
        let groups = maps.into_iter().map(|(class, maps)| {
            let class = class.into();
            let maps = maps.into().checked(&layer, channels);
            Ok((class.clone(), maps.map_err(|e| e.while_doing(class))?))
        });
        self.sums(model, layer.clone(), groups.collect::<Result<_>>()?)
    }

    fn sums(
        &self,
        model: &Model,
        layer: String,
        groups: Vec<(String, Vec<usize>)>,
    ) -> Result<ClassSums> {
        if groups.is_empty() {
            return Err(Error::Argument("no class whose maps could be summed: name one".into()));
        }
        let (id, _) = spatial(model, &layer)?;
        let (mut photos, mut unreadable) = (Vec::new(), Vec::new());
        self.run(model, &[id], &format!("maps of {layer}, photos"), (0..self.len(), 0), |batch| {
            unreadable.extend(batch.unreadable);
            let [activation] = batch.outputs.as_slice() else { return Ok(()) };
            let reduced = reduce(activation)?;
            for (i, photo) in batch.photos.iter().enumerate() {
                let means = reduced.means_of(i);
                let sum = |maps: &[usize]| maps.iter().map(|&map| f64::from(means[map])).sum();
                photos.push(PhotoSums {
                    class: photo.class,
                    name: self.entry(photo.index).map_or_else(String::new, |entry| entry.name),
                    sums: groups.iter().map(|(_, maps)| sum(maps)).collect(),
                });
            }
            Ok(())
        })?;
        if photos.is_empty() {
            return Err(none_readable(self, &unreadable));
        }
        let classes = self.class_names();
        let read = |class: usize| photos.iter().any(|photo| photo.class == class);
        if let Some(class) = (0..classes.len()).find(|&class| !read(class)) {
            return Err(no_photos(&classes[class], self.counts()[class], &unreadable));
        }
        Ok(ClassSums {
            network: model.name().to_owned(),
            layer,
            groups: groups.into_iter().map(|(class, maps)| (class, maps.len())).collect(),
            without: Vec::new(),
            classes,
            photos,
            unreadable,
        })
    }
}

impl ClassSums {
    /// The classes whose maps are summed: all that have some.
    pub fn groups(&self) -> Vec<&str> {
        self.groups.iter().map(|(class, _)| class.as_str()).collect()
    }

    /// The photos with their sums, class by class.
    pub fn photos(&self) -> &[PhotoSums] {
        &self.photos
    }

    /// The files that could not be read.
    pub fn unreadable(&self) -> &[Unreadable] {
        &self.unreadable
    }

    /// A chart for each class's maps: their sum on every photo, a line of one colour for the photos
    /// of each class, counted from 0 in each.
    pub fn charts(&self) -> SmallMultiples {
        let charts = self.groups.iter().enumerate().map(|(group, (class, maps))| {
            let lines = self.classes.iter().enumerate().map(|(class, name)| {
                let of_class = self.photos.iter().filter(move |photo| photo.class == class);
                (name.clone(), of_class.map(|photo| photo.sums[group]).collect::<Vec<f64>>())
            });
            Chart::lines(lines.filter(|(_, sums)| !sums.is_empty()))
                .title(format!("the {} of {class}", counted(*maps, "map")))
                .axes("photo", "sum of mean activations")
        });
        let columns = self.groups.len().clamp(1, 2);
        SmallMultiples::new(charts.collect::<Vec<_>>()).columns(columns).own_axes()
    }

    /// The mean sum of each class's photos (rows) for each class's maps.
    fn table(&self) -> Table {
        let mut notes = Vec::new();
        if !self.without.is_empty() {
            let classes = self.without.join(", ");
            notes.push(format!("without maps of their own, and so without a sum: {classes}"));
        }
        notes.extend(unreadable_notes(&self.unreadable));
        let mut rows = Vec::new();
        for (class, name) in self.classes.iter().enumerate() {
            let of_class: Vec<_> = self.photos.iter().filter(|p| p.class == class).collect();
            for (group, (maps_of, _)) in self.groups.iter().enumerate() {
                let sum: f64 = of_class.iter().map(|photo| photo.sums[group]).sum();
                let mean = sum / of_class.len() as f64;
                rows.push(Row::flat(vec![
                    if group == 0 { name.clone() } else { String::new() },
                    if group == 0 { thousands(of_class.len() as u64) } else { String::new() },
                    maps_of.clone(),
                    number(mean, 4),
                ]));
            }
        }
        Table {
            caption: format!("{}, {}: the mean over each class's photos", self.network, self.layer),
            columns: vec![
                ("Photos of", false),
                ("Photos", true),
                ("Maps of", false),
                ("Mean sum", true),
            ],
            rows,
            notes,
        }
    }
}

impl fmt::Display for ClassSums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl fmt::Debug for ClassSums {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!(
                "ClassSums of {} in {}, {} photos",
                self.layer,
                self.network,
                self.photos.len()
            ),
        )
    }
}

impl Show for ClassSums {
    fn bundle(&self) -> MimeBundle {
        together([self.charts().bundle(), self.table().bundle()])
    }
}
