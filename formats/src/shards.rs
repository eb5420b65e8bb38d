//! The list of the files that large weights are spread over: `model.safetensors.index.json`, and
//! PyTorch's `pytorch_model.bin.index.json`.

use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path};

use super::{Parsed, Source, exactly};

/// No list of names and files is longer.
const LONGEST: u64 = 64 << 20;
/// The length of a safetensors header may begin with the byte of a brace; its eight bytes, unlike JSON,
/// hold zeros.
const HEAD: u64 = 8;

/// The files that such a list names, with the tensors that are in each; none if this is no such list.
/// Files lie beside the list or in folders there: a name that leads elsewhere is an error.
///
/// # Errors
/// A list that cannot be read, is damaged, or names nothing.
pub fn shards(source: &mut dyn Source) -> Parsed<Option<BTreeMap<String, Vec<String>>>> {
    let length = source.seek(std::io::SeekFrom::End(0)).map_err(|e| e.to_string())?;
    source.seek(std::io::SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let mut text = exactly(source, length.min(HEAD), "its beginning")?;
    if !text.starts_with(b"{") || text.contains(&0) || length > LONGEST {
        return Ok(None);
    }
    text.extend(exactly(source, length.saturating_sub(HEAD), "the list")?);
    let damaged = |e| format!("the file is JSON that cannot be read: {e}");
    let list: HashMap<String, serde_json::Value> =
        serde_json::from_slice(&text).map_err(damaged)?;
    let Some(serde_json::Value::Object(places)) = list.get("weight_map") else {
        return Err("the file is JSON, but lists no shards: there is no weight_map in it".into());
    };
    let mut shards: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (name, file) in places {
        let file = file.as_str().ok_or_else(|| format!("the file of {name:?} is no text"))?;
        let inside = Path::new(file).components().all(|part| matches!(part, Component::Normal(_)));
        if !inside || file.is_empty() || file.contains(['\\', ':', '\0']) {
            return Err(format!(
                "{name:?} is said to lie in {file:?}: shards lie in the folder of their list"
            ));
        }
        shards.entry(file.to_owned()).or_default().push(name.clone());
    }
    if shards.is_empty() {
        return Err("the file lists no tensors".into());
    }
    Ok(Some(shards))
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn read(text: &str) -> Parsed<Option<BTreeMap<String, Vec<String>>>> {
        shards(&mut Cursor::new(text))
    }

    #[test]
    fn tensors_are_listed_by_file() {
        let text = r#"{"metadata": {"total_size": 1}, "weight_map": {"a": "1.bin", "b": "in/2.bin", "c": "1.bin"}}"#;
        let shards = read(text).unwrap().unwrap();
        assert_eq!(shards["1.bin"], ["a", "c"]);
        assert_eq!(shards["in/2.bin"], ["b"]);
        assert_eq!(read("PK"), Ok(None));
        assert_eq!(read(""), Ok(None));
        assert_eq!(read("{\"\0\0\0\0\0\0{}"), Ok(None), "safetensors with a header of 8827 bytes");
    }

    #[test]
    fn no_shard_lies_outside_of_the_lists_folder() {
        for file in ["../w.bin", "/etc/w.bin", "a/../../w", "..", ".", "", "C:w", "..\\\\w"] {
            let text = format!(r#"{{"weight_map": {{"a": "{file}"}}}}"#);
            let error = read(&text).unwrap_err();
            assert!(error.contains("in the folder of their list"), "{file}: {error}");
        }
        assert!(read(r#"{"weight_map": {"a": 1}}"#).unwrap_err().contains("no text"));
        assert!(read(r#"{"weight_map": {}}"#).unwrap_err().contains("no tensors"));
        assert!(read(r#"{"weights": {}}"#).unwrap_err().contains("no weight_map"));
        assert!(read("{").unwrap_err().contains("cannot be read"));
    }
}
