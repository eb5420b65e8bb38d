//! Top maps as JSON, and back.

use serde_json::{Value, json};

use super::batches::Unreadable;
use super::json::{check_kind, count, list, text};
use super::top_maps::{ClassMaps, TopMap, TopMaps};

const KIND: &str = "top maps";

impl TopMaps {
    pub(super) fn to_json(&self) -> Value {
        let classes = self.classes.iter().map(|class| {
            let maps = class.maps.iter().zip(class.frequencies()).map(|(map, frequency)| {
                json!({"map": map.map, "photos": map.photos, "frequency": frequency})
            });
            json!({
                "class": class.class,
                "photos": class.photos,
                "maps": maps.collect::<Vec<_>>(),
            })
        });
        json!({
            "kind": KIND,
            "network": self.network,
            "layer": self.layer,
            "channels": self.channels,
            "per_photo": self.per_photo,
            "per_class": self.per_class,
            "classes": classes.collect::<Vec<_>>(),
            "shared": self.shared,
            "unreadable": unreadable_json(&self.unreadable),
        })
    }

    pub(super) fn from_json(value: &Value) -> Result<TopMaps, String> {
        check_kind(value, KIND)?;
        let channels = count(value, "channels")?;
        let known = |map: usize| match map < channels {
            true => Ok(map),
            false => Err(format!("has a map {map}, but the layer's maps are 0 to {channels} - 1")),
        };
        let classes = list(value, "classes")?.iter().map(|class| {
            let photos = count(class, "photos")?;
            let maps = list(class, "maps")?.iter().map(|map| {
                Ok(TopMap { map: known(count(map, "map")?)?, photos: count(map, "photos")? })
            });
            Ok(ClassMaps {
                class: text(class, "class")?,
                photos,
                maps: maps.collect::<Result<_, String>>()?,
            })
        });
        let shared = list(value, "shared")?.iter().map(|map| {
            let map = map.as_u64().and_then(|map| usize::try_from(map).ok());
            known(map.ok_or("is not of the expected shape: \"shared\" lists maps")?)
        });
        Ok(TopMaps {
            network: text(value, "network")?,
            layer: text(value, "layer")?,
            channels,
            per_photo: count(value, "per_photo")?,
            per_class: count(value, "per_class")?,
            classes: classes.collect::<Result<_, String>>()?,
            shared: shared.collect::<Result<_, String>>()?,
            unreadable: unreadable_from_json(value)?,
        })
    }
}

pub(super) fn unreadable_json(unreadable: &[Unreadable]) -> Vec<Value> {
    let each = unreadable.iter();
    each.map(|u| json!({"index": u.index, "photo": u.name, "reason": u.reason})).collect()
}

pub(super) fn unreadable_from_json(value: &Value) -> Result<Vec<Unreadable>, String> {
    let each = list(value, "unreadable")?.iter().map(|photo| {
        Ok(Unreadable {
            index: count(photo, "index")?,
            name: text(photo, "photo")?,
            reason: text(photo, "reason")?,
        })
    });
    each.collect()
}
