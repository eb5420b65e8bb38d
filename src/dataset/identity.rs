//! What a search belongs to, so that another one's file is not taken for it.

use sha2::{Digest, Sha256};

use serde_json::{Value, json};

use super::folder::ImageFolder;
use crate::error::{Error, Result};
use crate::model::{Model, NodeId};
use crate::tensor::to_floats;

/// The network with its weights up to the last layer in question, the layers, the photos and how they
/// are prepared, as JSON.
pub(super) fn identity(
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
const PARTS: [(&str, &str); 13] = [
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
];

/// An error that says in what a file is another search's.
pub(super) fn check(found: &Value, expected: &Value, path: &std::path::Path) -> Result<()> {
    let other = PARTS.iter().find(|(part, _)| found.get(part) != expected.get(part));
    let Some((part, name)) = other else { return Ok(()) };
    let text = |value: &Value| value.get(part).map_or("nothing".to_owned(), Value::to_string);
    let what = match *part {
        "weights" | "files" => format!("{name} have changed"),
        _ => format!("{name}: {} there, {} here", text(found), text(expected)),
    };
    Err(Error::file(
        path,
        format!("belongs to another search ({what}); name another file, or remove this one"),
    ))
}
