//! How selective maps are for the classes of a data set.

use std::fmt;

use crate::error::{Error, Result};
use crate::feature_maps::no_channel;
use crate::number::number;
use crate::show::{MimeBundle, Row, Show, Table, debug_line};

/// How selective each map of a layer is for the classes, by its mean over space on every photo.
///
/// The *class selectivity index* (Leavitt and Morcos 2020, <https://arxiv.org/abs/2003.01262>) is
/// `(most − rest) / (most + rest)`, where `most` is the greatest of the classes' mean activations and
/// `rest` the mean of the others'. Behind a rectifier it goes from 0, the same for all classes, to 1,
/// active for one class alone; for maps with negative values it says little. A map that is never
/// active has 0.
///
/// The *area under the ROC curve* of a map for a class is the probability that a photo of the class
/// excites it more than a photo of another class does: 1 tells them apart without a mistake, ½ not at
/// all, 0 is as good as 1 the other way round.
///
/// A notebook shows the maps with the greatest index.
#[derive(Clone, PartialEq)]
pub struct Selectivity {
    pub(super) layer: String,
    pub(super) classes: Vec<String>,
    /// `[classes][maps]`
    pub(super) means: Vec<Vec<f32>>,
    pub(super) areas: Vec<Vec<f32>>,
}

/// One map and the class that it is most active for.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct MapSelectivity {
    /// Its index among the layer's channels.
    pub map: usize,
    /// The class with the greatest mean activation.
    pub class: String,
    /// The class selectivity index.
    pub index: f64,
    /// The area under the ROC curve for that class.
    pub area: f64,
}

impl Selectivity {
    /// How many maps there are.
    pub fn count(&self) -> usize {
        self.means.first().map_or(0, Vec::len)
    }

    /// Whether no class's mean activation is negative.
    pub(super) fn is_positive(&self) -> bool {
        self.means.iter().flatten().all(|&mean| mean >= 0.0)
    }

    /// One map's class selectivity index.
    ///
    /// # Errors
    /// When there is no such map.
    pub fn index(&self, map: usize) -> Result<f64> {
        Ok(self.of(map)?.index)
    }

    /// The area under the ROC curve of a map for a class.
    ///
    /// # Errors
    /// When there is no such map or class.
    pub fn area(&self, map: usize, class: &str) -> Result<f64> {
        let place = self.class(class)?;
        let area = self.areas[place].get(map).copied();
        area.map(f64::from).ok_or_else(|| no_channel(&self.layer, self.count(), map))
    }

    /// One map, the class that it is most active for, and how selective it is.
    ///
    /// # Errors
    /// When there is no such map.
    pub fn of(&self, map: usize) -> Result<MapSelectivity> {
        if map >= self.count() {
            return Err(no_channel(&self.layer, self.count(), map));
        }
        let means: Vec<f64> = self.means.iter().map(|class| f64::from(class[map])).collect();
        let mut class = 0;
        for other in 1..means.len() {
            if means[other] > means[class] {
                class = other;
            }
        }
        let most = means[class];
        let rest = (means.iter().sum::<f64>() - most) / (means.len() - 1).max(1) as f64;
        let index = if most + rest == 0.0 { 0.0 } else { (most - rest) / (most + rest) };
        Ok(MapSelectivity {
            map,
            class: self.classes[class].clone(),
            index,
            area: f64::from(self.areas[class][map]),
        })
    }

    /// The `count` maps with the greatest index, the greatest first.
    pub fn most_selective(&self, count: usize) -> Vec<MapSelectivity> {
        let mut maps: Vec<_> = (0..self.count()).filter_map(|map| self.of(map).ok()).collect();
        maps.sort_by(|a, b| least(b.index).total_cmp(&least(a.index)).then(a.map.cmp(&b.map)));
        maps.truncate(count);
        maps
    }

    /// The `count` maps that tell a class best from the others: by the area under the ROC curve, the
    /// greatest first.
    ///
    /// # Errors
    /// When there is no such class: the error lists the closest.
    pub fn best_for(&self, class: &str, count: usize) -> Result<Vec<usize>> {
        let areas = &self.areas[self.class(class)?];
        let mut maps: Vec<usize> = (0..areas.len()).collect();
        let area = |map: usize| least(f64::from(areas[map]));
        maps.sort_by(|&a, &b| area(b).total_cmp(&area(a)).then(a.cmp(&b)));
        maps.truncate(count);
        Ok(maps)
    }

    fn class(&self, name: &str) -> Result<usize> {
        self.classes.iter().position(|class| class == name).ok_or_else(|| {
            let names = self.classes.iter().map(String::as_str);
            Error::not_found("class", name, "the searched classes", names)
        })
    }

    fn table(&self) -> Table {
        const SHOWN: usize = 20;
        let rows = self.most_selective(SHOWN);
        let count = rows.len();
        let row = |map: MapSelectivity| {
            let [index, area] = [map.index, map.area].map(|value| number(value, 3));
            Row::flat(vec![map.map.to_string(), map.class, index, area])
        };
        Table {
            caption: format!(
                "{}: the {count} of {} maps that select a class most",
                self.layer,
                self.count()
            ),
            columns: vec![
                ("Map", true),
                ("Class", false),
                ("Selectivity index", true),
                ("Area under ROC", true),
            ],
            rows: rows.into_iter().map(row).collect(),
            notes: Vec::new(),
        }
    }
}

impl fmt::Display for Selectivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl fmt::Debug for Selectivity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Selectivity of {}, {} maps", self.layer, self.count()))
    }
}

impl Show for Selectivity {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}

/// What is no number comes last.
fn least(value: f64) -> f64 {
    if value.is_nan() { f64::NEG_INFINITY } else { value }
}

/// The areas under the ROC curves of one map for every class, from its value on every photo: the
/// Mann-Whitney statistic, `(sum of the class's ranks − n (n + 1) / 2) / (n · others)`, where equals
/// share their mean rank. A class that has no photos, or all, has ½.
pub(super) fn areas(values: &[f32], classes: &[u32], count: usize) -> Vec<f32> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_unstable_by(|&a, &b| values[a].total_cmp(&values[b]));
    let (mut ranks, mut photos) = (vec![0f64; count], vec![0usize; count]);
    let mut start = 0;
    while start < order.len() {
        let equal = |&&i: &&usize| values[i] == values[order[start]];
        let length = order[start..].iter().take_while(equal).count().max(1);
        // Ranks count from 1.
        let rank = start as f64 + (length as f64 + 1.0) / 2.0;
        for &photo in &order[start..start + length] {
            ranks[classes[photo] as usize] += rank;
            photos[classes[photo] as usize] += 1;
        }
        start += length;
    }
    let area = |(sum, n): (f64, usize)| {
        let (n, others) = (n as f64, (values.len() - n) as f64);
        if n * others == 0.0 { 0.5 } else { ((sum - n * (n + 1.0) / 2.0) / (n * others)) as f32 }
    };
    ranks.into_iter().zip(photos).map(area).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn areas_are_the_share_of_pairs_in_order() {
        let (values, classes) = ([1.0, 2.0, 2.0, 3.0, 0.5, -0.0, 0.0], [0, 0, 1, 1, 2, 2, 2]);
        let found = areas(&values, &classes, 4);
        for (class, &area) in found[..3].iter().enumerate() {
            let (mut pairs, mut won) = (0.0, 0.0);
            for (a, _) in values.iter().zip(classes).filter(|(_, c)| *c as usize == class) {
                for (b, _) in values.iter().zip(classes).filter(|(_, c)| *c as usize != class) {
                    pairs += 1.0;
                    won += if a > b {
                        1.0
                    } else if a == b {
                        0.5
                    } else {
                        0.0
                    };
                }
            }
            assert!((area - won / pairs).abs() < 1e-6, "{class}: {area} and {}", won / pairs);
        }
        assert_eq!(found[3], 0.5);
    }
}
