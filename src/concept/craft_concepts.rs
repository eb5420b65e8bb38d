//! The concepts that CRAFT found.

use std::fmt;
use std::rc::Rc;

use image::imageops;

use super::bank::{Bank, Crop};
use super::maps::{ConceptMaps, colour};
use super::nmf::UNSETTLED;
use crate::chart::coloured_bars;
use crate::dataset::ImageFolder;
use crate::error::Result;
use crate::look::Look;
use crate::model::Model;
use crate::number::{counted, number};
use crate::picture::{Cell, Maps, Picture, PictureTable};
use crate::show::{MimeBundle, Show, debug_line, together};

/// Crops that are kept of each concept.
const KEPT: usize = 8;
/// The side of what is drawn of a crop.
const SIDE: u32 = 100;

/// The concepts that [`Craft`](super::Craft) found, the most important for the class first. A notebook shows their importance as bars,
/// and for each the crops that show it most. Cheap to clone.
#[derive(Clone)]
pub struct CraftConcepts {
    bank: Rc<Bank>,
    /// The concept of the bank that each one is.
    order: Vec<usize>,
    importances: Vec<f64>,
    greatest: Vec<f32>,
    crops: Rc<Vec<Vec<(Picture, String, f64)>>>,
    network: String,
    label: String,
    photos: usize,
}

impl CraftConcepts {
    pub(super) fn new(
        model: &Model,
        photos: &ImageFolder,
        bank: Bank,
        importances: Vec<f64>,
        greatest: Vec<f32>,
        label: String,
    ) -> Result<CraftConcepts> {
        let mut order: Vec<usize> = (0..bank.count()).collect();
        order.sort_by(|&a, &b| importances[b].total_cmp(&importances[a]));
        Ok(CraftConcepts {
            importances: order.iter().map(|&raw| importances[raw]).collect(),
            greatest: order.iter().map(|&raw| greatest[raw]).collect(),
            order,
            bank: Rc::new(bank),
            crops: Rc::default(),
            network: model.name().to_owned(),
            label,
            photos: photos.len(),
        })
    }

    /// With the crops that show each concept most, by how much of each a crop shows, `[crops, concepts]`.
    pub(super) fn with_crops(
        self,
        model: &Model,
        photos: &ImageFolder,
        crops: &[Crop],
        amounts: &[f64],
    ) -> Result<CraftConcepts> {
        let names = photos.entries();
        let of = |raw: usize| {
            let amount = |crop: usize| amounts[crop * self.order.len() + raw];
            let mut best: Vec<usize> =
                (0..crops.len()).filter(|&crop| amount(crop) > 0.0).collect();
            best.sort_by(|&a, &b| amount(b).total_cmp(&amount(a)));
            best.truncate(KEPT);
            let cut = best.into_iter().map(|i| {
                let Crop { photo, top, left, side } = crops[i];
                let seen = photos.picture_of(model, photo)?.to_rgb();
                let [x, y, side] = [left, top, side].map(|pixels| pixels as u32);
                let part = imageops::crop_imm(&seen, x, y, side, side).to_image();
                let name = names.get(photo).map_or_else(String::new, |entry| entry.name.clone());
                Ok((Picture::from(part), name, amount(i)))
            });
            cut.collect::<Result<Vec<_>>>()
        };
        let kept = self.order.iter().map(|&raw| of(raw)).collect::<Result<Vec<_>>>()?;
        Ok(CraftConcepts { crops: Rc::new(kept), ..self })
    }

    /// How many concepts there are.
    pub fn count(&self) -> usize {
        self.order.len()
    }

    /// How much the class depends on each concept, its total Sobol index, the greatest first: never negative, and above 1 in
    /// all where concepts matter together.
    pub fn importances(&self) -> &[f64] {
        &self.importances
    }

    /// A concept's vector, a value for each channel of the layer; empty where there is no such concept.
    pub fn vector(&self, concept: usize) -> Vec<f64> {
        let raw = self.order.get(concept).copied();
        raw.map_or_else(Vec::new, |raw| {
            self.bank.parts.iter().skip(raw).step_by(self.count()).copied().collect()
        })
    }

    /// The crops that show a concept most, at most eight, with the names of their photos and how much of the concept each shows;
    /// empty where there is no such concept.
    pub fn crops(&self, concept: usize) -> &[(Picture, String, f64)] {
        self.crops.get(concept).map_or(&[], Vec::as_slice)
    }

    /// Where each concept is on a photo; its colours are full where as much of the concept is as anywhere on the photos that it was
    /// found on.
    ///
    /// # Errors
    /// A look of another network.
    pub fn on(&self, look: &Look) -> Result<ConceptMaps> {
        let _no_grad = tch::no_grad_guard();
        let case = look.case(self.bank.target.clone())?;
        let at = self.bank.at(&case)?;
        let amounts = self.bank.amounts(&at)?;
        let (k, size) = (self.count(), at.activation.size());
        let of = |raw: usize| amounts.iter().skip(raw).step_by(k).map(|value| *value as f32);
        let maps = self.order.iter().flat_map(|&raw| of(raw)).collect();
        let title = format!(
            "{} · {} · {} concepts of {} on {}",
            self.network,
            self.bank.layer,
            k,
            self.label,
            look.view().captioned(look.photo().title().to_owned())
        );
        Ok(ConceptMaps {
            view: Rc::clone(look.view()),
            maps: Maps::new(k, size[2] as usize, size[3] as usize, maps)?,
            greatest: self.greatest.clone(),
            names: (0..k).map(|concept| self.named(concept)).collect(),
            title,
        })
    }

    /// How much the class's score for one photo depends on each concept, in the order of these.
    ///
    /// # Errors
    /// As [`on`](CraftConcepts::on).
    pub fn importances_on(&self, look: &Look) -> Result<Vec<f64>> {
        let _no_grad = tch::no_grad_guard();
        let case = look.case(self.bank.target.clone())?;
        let at = self.bank.at(&case)?;
        let indices = self.bank.indices(&at, &self.bank.amounts(&at)?)?;
        Ok(self.order.iter().map(|&raw| indices[raw]).collect())
    }

    /// The importance of each concept as a bar in its colour.
    ///
    /// # Errors
    /// What cannot be drawn.
    pub fn bars(&self) -> Result<Picture> {
        let rows = self.importances.iter().enumerate();
        let rows: Vec<_> = rows.map(|(i, value)| (format!("concept {}", i + 1), *value)).collect();
        let colours: Vec<[u8; 3]> = (0..self.count()).map(colour).collect();
        let bars = coloured_bars(&rows, &colours, ["total Sobol index", ""])?;
        Ok(bars.titled(&format!(
            "{} · {} · how much {} depends on each concept, {}",
            self.network,
            self.bank.layer,
            self.label,
            counted(self.photos, "photo")
        )))
    }

    /// For each concept the crops that show it most, with how much of it each shows.
    ///
    /// # Errors
    /// What cannot be drawn.
    pub fn sheet(&self) -> Result<PictureTable> {
        let table = PictureTable::new(vec![""; KEPT]).tile(SIDE).title(format!(
            "{} · {} · the crops that show each concept most, and how much of it{}",
            self.network,
            self.bank.layer,
            if self.bank.settled { "" } else { UNSETTLED }
        ));
        Ok(self.crops.iter().enumerate().fold(table, |table, (concept, crops)| {
            let cell = |(picture, _, amount): &(Picture, String, f64)| {
                Cell::new(picture, number(*amount, 3))
            };
            let cells: Vec<Cell> = match crops.is_empty() {
                true => vec![Cell::missing("no crop shows it")],
                false => crops.iter().map(cell).collect(),
            };
            table.row(self.named(concept), cells)
        }))
    }

    fn named(&self, concept: usize) -> String {
        format!("concept {}, importance {}", concept + 1, number(self.importances[concept], 2))
    }
}

impl fmt::Debug for CraftConcepts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (count, network) = (counted(self.count(), "concept"), &self.network);
        debug_line(f, format_args!("CraftConcepts of {} in {network}, {count}", self.bank.layer))
    }
}

impl Show for CraftConcepts {
    fn bundle(&self) -> MimeBundle {
        together([self.bars().bundle(), self.sheet().bundle()])
    }
}
