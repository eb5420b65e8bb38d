//! Weights that are spread over several files, with a list of them.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::Path;

use convlens_formats::Parsed;

use super::{Weights, float8, load};

/// All shards that a list names: they lie in its folder.
pub(super) fn read(list: &Path, shards: BTreeMap<String, Vec<String>>) -> Parsed<Weights> {
    let folder = list.parent().unwrap_or(Path::new(""));
    let is_missing = |file: &&String| !folder.join(file).is_file();
    let missing: Vec<&String> = shards.keys().filter(is_missing).collect();
    if !missing.is_empty() {
        return Err(format!(
            "{} of the {} files that it lists are missing beside it: {}",
            missing.len(),
            shards.len(),
            some(&missing)
        ));
    }
    let mut weights = Weights::new();
    let mut float8_names = Vec::new();
    let mut places: BTreeMap<String, &str> = BTreeMap::new();
    for (file, listed) in &shards {
        let failed = |error: String| format!("{file}: {error}");
        let mut shard = File::open(folder.join(file)).map_err(|e| failed(e.to_string()))?;
        let contents = convlens_formats::parse(&mut shard).map_err(failed)?;
        float8_names.extend(contents.float8_names());
        let tensors = load::load(&mut shard, &contents).map_err(failed)?;
        let absent: Vec<&String> =
            listed.iter().filter(|name| !tensors.contains_key(*name)).collect();
        if !absent.is_empty() {
            return Err(failed(format!("lacks {}, which the list says is there", some(&absent))));
        }
        for (name, tensor) in tensors {
            if let Some(other) = places.insert(name.clone(), file) {
                return Err(format!("{name} is in two files, {other} and {file}"));
            }
            weights.insert(name, tensor);
        }
    }
    float8::scale(&mut weights, &float8_names).map_err(|e| e.to_string())?;
    Ok(weights)
}

/// The first of some names, and how many more there are.
fn some(names: &[&String]) -> String {
    const MOST: usize = 10;
    let first: Vec<&str> = names.iter().take(MOST).map(|name| name.as_str()).collect();
    match names.len().saturating_sub(MOST) {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}
