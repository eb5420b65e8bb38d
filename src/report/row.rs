//! What a report knows of one photo: a line of its file.

use serde::{Deserialize, Serialize};

/// One photo.
#[derive(Serialize, Deserialize)]
pub(super) struct Row {
    /// Its place in the data set.
    pub(super) index: usize,
    /// Its path from the data set's folder.
    pub(super) photo: String,
    /// The folder that it lies in, unless it lies loose.
    pub(super) class: Option<String>,
    /// Why it has been passed over; nothing else is known of it then.
    pub(super) unreadable: Option<String>,
    /// Whether the best of the predicted classes is one that is expected, where that is known.
    pub(super) right: Option<bool>,
    /// The most probable classes, the best first.
    pub(super) predicted: Vec<Scored>,
    /// Of the classes that are expected, the most probable.
    pub(super) expected: Option<Scored>,
    /// The photo as the network saw it, from the report's folder.
    pub(super) picture: Option<String>,
    pub(super) maps: Vec<Map>,
}

/// A class of the network.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Scored {
    pub(super) class: usize,
    pub(super) name: String,
    /// 0 to 1; nothing where it is no number.
    pub(super) probability: Option<f64>,
}

/// Where a method sees the network look.
#[derive(Serialize, Deserialize)]
pub(super) struct Map {
    /// Its place among the methods.
    pub(super) method: usize,
    /// For the class that is expected, and not for the method's own target.
    pub(super) for_expected: bool,
    /// Why there is no map.
    pub(super) failed: Option<String>,
    /// What is explained, where the map follows from that.
    pub(super) about: Option<String>,
    pub(super) layer: Option<String>,
    /// What its colours mean.
    pub(super) legend: String,
    pub(super) remarks: Vec<String>,
    /// Its files, from the report's folder.
    pub(super) picture: Option<String>,
    pub(super) values: Option<String>,
}

/// What an error says, without the method's name before it.
pub(super) fn without_name<'a>(why: &'a str, method: &str) -> &'a str {
    why.strip_prefix(method).and_then(|rest| rest.strip_prefix(": ")).unwrap_or(why)
}

impl Row {
    /// All files of the photo.
    pub(super) fn files(&self) -> impl Iterator<Item = &str> {
        let of_maps = self.maps.iter().flat_map(|map| [&map.picture, &map.values]);
        std::iter::once(&self.picture).chain(of_maps).filter_map(|file| file.as_deref())
    }

    /// How sure the network is, 0 to 1.
    pub(super) fn certainty(&self) -> f64 {
        self.predicted.first().and_then(|best| best.probability).unwrap_or(0.0)
    }

    /// What has to be known to read its maps, and what there is not.
    pub(super) fn remarks<'a>(&'a self, methods: &'a [String]) -> Vec<String> {
        let of_map = |map: &'a Map| {
            let method = methods.get(map.method).map_or("", String::as_str);
            let failed = map.failed.iter().map(move |why| match why.starts_with(method) {
                true => why.clone(),
                false => format!("{method}: {why}"),
            });
            failed.chain(map.remarks.iter().map(move |remark| format!("{method}: {remark}")))
        };
        self.unreadable.iter().cloned().chain(self.maps.iter().flat_map(of_map)).collect()
    }
}
