//! Top maps as they stand in a file.

use serde::{Deserialize, Serialize};

use super::batches::Unreadable;
use super::top_maps::{ClassMaps, TopMap, TopMaps};

pub(super) const KIND: &str = "top maps";

#[derive(Serialize, Deserialize)]
pub(super) struct TopMapsFile {
    network: String,
    layer: String,
    channels: usize,
    per_photo: usize,
    per_class: usize,
    classes: Vec<ClassInFile>,
    shared: Vec<usize>,
    unreadable: Vec<Unreadable>,
}

#[derive(Serialize, Deserialize)]
struct ClassInFile {
    class: String,
    photos: usize,
    maps: Vec<MapInFile>,
}

#[derive(Serialize, Deserialize)]
struct MapInFile {
    map: usize,
    photos: usize,
    /// For other readers of the file: ours divides.
    #[serde(skip_deserializing)]
    frequency: f64,
}

impl From<&TopMaps> for TopMapsFile {
    fn from(found: &TopMaps) -> TopMapsFile {
        let classes = found.classes.iter().map(|class| {
            let maps = class.maps.iter().zip(class.frequencies());
            let maps = maps.map(|(&TopMap { map, photos }, frequency)| MapInFile {
                map,
                photos,
                frequency,
            });
            ClassInFile { class: class.class.clone(), photos: class.photos, maps: maps.collect() }
        });
        TopMapsFile {
            network: found.network.clone(),
            layer: found.layer.clone(),
            channels: found.channels,
            per_photo: found.per_photo,
            per_class: found.per_class,
            classes: classes.collect(),
            shared: found.shared.clone(),
            unreadable: found.unreadable.clone(),
        }
    }
}

impl TopMapsFile {
    /// The top maps; or what cannot be true of the file.
    pub(super) fn checked(self) -> Result<TopMaps, String> {
        let maps = self.classes.iter().flat_map(|class| &class.maps).map(|map| map.map);
        let mut maps = maps.chain(self.shared.iter().copied());
        if let Some(map) = maps.find(|&map| map >= self.channels) {
            return Err(format!("has a map {map}, but the layer has {} maps", self.channels));
        }
        let classes = self.classes.into_iter().map(|class| ClassMaps {
            class: class.class,
            photos: class.photos,
            maps: class.maps.iter().map(|m| TopMap { map: m.map, photos: m.photos }).collect(),
        });
        Ok(TopMaps {
            network: self.network,
            layer: self.layer,
            channels: self.channels,
            per_photo: self.per_photo,
            per_class: self.per_class,
            classes: classes.collect(),
            shared: self.shared,
            unreadable: self.unreadable,
        })
    }
}
