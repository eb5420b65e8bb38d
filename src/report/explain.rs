//! One photo: what the network says of it, and where it looked.

use std::rc::Rc;

use super::Method;
use super::expected::Expected;
use super::names::{Files, PhotoFiles};
use super::row::{Map, Row, Scored};
use crate::attribution::{Heatmap, Target};
use crate::dataset::{ImageFolder, Item, Unreadable};
use crate::error::{Error, Result};
use crate::look::{Look, Prediction};
use crate::model::Model;
use crate::panic::caught;
use crate::picture::Picture;

/// Predicted classes that are kept of each photo.
const BEST: usize = 3;
/// A method that fails on so many photos, and has worked on none, works on none.
const HOPELESS: usize = 8;

/// Makes the rows of a report, and the pictures and maps that they speak of.
pub(super) struct Explainer<'a> {
    model: &'a Model,
    methods: &'a [Rc<dyn Method>],
    expected: &'a Expected,
    files: Files,
    /// By method: on how many photos it failed so far, unless it ever worked.
    failures: Vec<Option<usize>>,
}

/// What one method found, with the tile and the remarks below it.
struct Explained {
    method: usize,
    for_expected: bool,
    map: Result<(Heatmap, Picture, Vec<String>)>,
}

impl<'a> Explainer<'a> {
    pub(super) fn new(
        model: &'a Model,
        methods: &'a [Rc<dyn Method>],
        expected: &'a Expected,
        files: Files,
    ) -> Explainer<'a> {
        Explainer { model, methods, expected, files, failures: vec![Some(0); methods.len()] }
    }

    /// Learns of a photo that was explained earlier.
    pub(super) fn remember(&mut self, row: &Row) {
        for map in &row.maps {
            if let Some(failures) = self.failures.get_mut(map.method) {
                *failures = failures.filter(|_| map.failed.is_some()).map(|count| count + 1);
            }
        }
    }

    /// What is known of a photo, whose pictures and maps are written. What fails for this photo alone stands in the
    /// row.
    pub(super) fn row(
        &mut self,
        photos: &ImageFolder,
        index: usize,
        item: Result<Item>,
    ) -> Result<Row> {
        let entry = photos.entry(index);
        let (place, name, in_memory) = entry.map_or((0, String::new(), true), |entry| {
            (entry.class, entry.name, entry.path.is_none())
        });
        let (class, right) = self.expected.of(place);
        // A photo that lies beside no folder is of no class.
        let known = in_memory || name.contains('/');
        let mut row = Row {
            index,
            photo: name,
            class: known.then(|| class.to_owned()),
            unreadable: None,
            right: None,
            predicted: Vec::new(),
            expected: None,
            picture: None,
            maps: Vec::new(),
        };
        let looked = item.and_then(|item| {
            caught(|| {
                let look = match item {
                    Item::Photo(photo) => self.model.look(&photo)?,
                    Item::Array(array) => self.model.look_array(&array)?,
                };
                let predictions = look.predictions(usize::MAX)?;
                Ok((look, predictions))
            })
            .flatten()
        });
        let (look, predictions) = match looked {
            Ok(looked) => looked,
            Err(error) => {
                let reason = Unreadable::new(photos, index, error).reason;
                row.unreadable = Some(reason.trim().to_owned());
                return Ok(row);
            }
        };
        let all = predictions.rows();
        row.predicted = all.iter().take(BEST).map(scored).collect();
        let right = if known { right } else { &[] };
        row.expected = all.iter().find(|row| right.contains(&row.class)).map(scored);
        row.right = (!right.is_empty())
            .then(|| all.first().is_some_and(|best| right.contains(&best.class)));

        // Nothing is written for a method that works on no photo.
        let mut explained = Vec::new();
        for (place, method) in self.methods.iter().enumerate() {
            let own = self.explained(&look, place, None)?;
            let worked = own.map.is_ok();
            explained.push(own);
            let expected = row.expected.as_ref().filter(|_| row.right == Some(false) && worked);
            if let Some(expected) = expected
                && method.is_for_target()
                && method.target() == Target::Predicted
            {
                explained.push(self.explained(&look, place, Some(expected.class))?);
            }
        }
        let files = self.files.of(index, class, &row.photo)?;
        let picture = files.photo();
        look.view().shown().save(self.files.path(&picture))?;
        row.picture = Some(picture);
        let maps = explained.into_iter().map(|explained| self.written(explained, &files));
        row.maps = maps.collect::<Result<_>>()?;
        self.remember(&row);
        Ok(row)
    }

    /// A method's map for its own target, or for a class that was expected.
    fn explained(&self, look: &Look, place: usize, expected: Option<usize>) -> Result<Explained> {
        let method = &*self.methods[place];
        let map = caught(|| {
            let heat = match expected {
                None => look.explain(method),
                Some(class) => look.explain_for(method, class),
            }?;
            let (picture, remarks) = heat.tile()?;
            Ok((heat, picture, remarks))
        })
        .flatten();
        if let Err(error) = &map {
            self.check_hope(place, error)?;
        }
        Ok(Explained { method: place, for_expected: expected.is_some(), map })
    }

    /// What stands in the row of it; its picture and its values are written.
    fn written(&self, explained: Explained, files: &PhotoFiles) -> Result<Map> {
        let Explained { method, for_expected, map: found } = explained;
        let mut map = Map {
            method,
            for_expected,
            failed: None,
            about: None,
            layer: None,
            legend: String::new(),
            remarks: Vec::new(),
            picture: None,
            values: None,
        };
        let (heat, drawn, remarks) = match found {
            Ok(found) => found,
            Err(error) => {
                map.failed = Some(error.to_string());
                return Ok(map);
            }
        };
        let [picture, values] = self.files.of_method(files, method, for_expected);
        drawn.save(self.files.path(&picture))?;
        heat.save_npy(self.files.path(&values))?;
        map.about = heat.about();
        map.layer = heat.layer().map(str::to_owned);
        map.legend = heat.legend().to_owned();
        map.remarks = heat.remarks().iter().cloned().chain(remarks).collect();
        (map.picture, map.values) = (Some(picture), Some(values));
        Ok(map)
    }

    /// An error that is not of one photo ends the report.
    fn check_hope(&self, place: usize, error: &Error) -> Result<()> {
        let failures = self.failures.get(place).copied().flatten();
        match (error, failures) {
            (Error::NotFound { .. }, _) => Err(error.clone()),
            (_, Some(count)) if count + 1 >= HOPELESS => Err(error.clone().while_doing(format!(
                "a method that fails on each of the first {HOPELESS} photos"
            ))),
            _ => Ok(()),
        }
    }
}

fn scored(prediction: &Prediction) -> Scored {
    Scored {
        class: prediction.class,
        name: prediction.name.clone(),
        probability: Some(prediction.probability).filter(|p| p.is_finite()),
    }
}
