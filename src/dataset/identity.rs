//! What a search belongs to, so that another one's file is not taken for it.

use sha2::{Digest, Sha256};

use serde_json::{Value, json};

use super::folder::ImageFolder;
use crate::error::{Error, Result};
use crate::model::{Model, NodeId};
use crate::tensor::to_floats;

/// The network with its weights up to the last layer in question, the layers, the photos and how they
/// are prepared, as JSON.
pub(crate) fn identity(
    model: &Model,
    layers: &[(NodeId, String)],
    photos: &ImageFolder,
) -> Result<Value> {
    let last = layers.iter().map(|(id, _)| *id).max().unwrap_or(model.input());
    let mut weights = crc32fast::Hasher::new();
    for id in model.nodes_to(last) {
        for tensor in model.tensors_of(id) {
            weights.update(bytemuck::cast_slice(&to_floats(tensor)?));
        }
    }
    let mut names = Sha256::new();
    for entry in photos.entries() {
        let length = entry.path.and_then(|path| std::fs::metadata(path).ok()).map(|m| m.len());
        names.update(format!("{}\n{}\n{length:?}\n", entry.class, entry.name));
    }
    let digest: String =
        names.finalize().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let names: Vec<&str> = layers.iter().map(|(_, name)| name.as_str()).collect();
    let sizes = layers.iter().map(|(id, _)| model.map_channels(*id));
    let sizes: Vec<Option<i64>> = sizes.collect::<Result<_>>()?;
    let mut identity = json!({
        "network": model.name(),
        "weights": format!("{:08x}", weights.finalize()),
        "layers": names,
        "channels": sizes,
        "classes": photos.class_names(),
        "photos": photos.len(),
        "files": digest,
        "preprocess": format!("{:?}", photos.preprocess_for(model)),
    });
    let tokens = model.pixel_tokens(&layers.iter().map(|(id, _)| *id).collect::<Vec<_>>())?;
    if tokens.iter().any(Option::is_some) {
        identity["tokens"] = tokens.into();
    }
    Ok(identity)
}

/// What each part of an identity is called in an error.
const PARTS: [(&str, &str); 17] = [
    ("network", "the network"),
    ("weights", "the network's weights"),
    ("layers", "the layers"),
    ("channels", "the layers' sizes"),
    ("tokens", "which tokens are pixels"),
    ("classes", "the classes"),
    ("photos", "the number of photos"),
    ("files", "the photos"),
    ("preprocess", "how photos are prepared"),
    ("seen", "the size of the input"),
    ("per_map", "how many photos are kept for each map"),
    ("per_photo", "how many maps count of every photo"),
    ("per_class", "how many maps are in the list of every class"),
    ("labels", "the names of the network's classes"),
    ("expected", "the classes that are expected"),
    ("methods", "the methods or their settings"),
    ("shard", "the shard"),
];

/// In what one search is another than a second; nothing where they are the same.
pub(super) fn difference(found: &Value, expected: &Value) -> Option<String> {
    let other = PARTS.iter().find(|(part, _)| found.get(part) != expected.get(part));
    let (part, name) = other?;
    let text = |value: &Value| match (*part, value.get(part)) {
        (_, None) => "nothing".to_owned(),
        ("shard", Some(shard)) => format!("{} of {}", shard["number"], shard["of"]),
        (_, Some(value)) => value.to_string(),
    };
    Some(match *part {
        "weights" | "files" | "labels" | "expected" | "methods" => format!("{name} have changed"),
        _ => format!("{name}: {} there, {} here", text(found), text(expected)),
    })
}

/// A report knows its methods.
fn is_report(of: &Value) -> bool {
    of.get("methods").is_some()
}

/// What a file belongs to.
pub(super) fn kind(of: &Value) -> &'static str {
    if is_report(of) { "report" } else { "search" }
}

/// An error that says in what a file is another search's, or report's.
pub(super) fn check(found: &Value, expected: &Value, path: &std::path::Path) -> Result<()> {
    let Some(what) = difference(found, expected) else { return Ok(()) };
    let way_out = match is_report(expected) {
        true => "save to another folder, or remove this one with all that is in it",
        false => "name another file, or remove this one",
    };
    let another = kind(expected);
    Err(Error::file(path, format!("belongs to another {another} ({what}); {way_out}")))
}
