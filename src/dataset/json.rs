//! What the results of this room share in their JSON files.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, Result};
use crate::picture::write_file;

/// Files larger than this are none of ours.
const LARGEST: u64 = 1 << 30;

pub(super) fn write(path: &Path, value: &Value, what: &str) -> Result<()> {
    write_file(path, format!("{value:#}\n").as_bytes(), what)
}

/// Without a line for every number.
pub(super) fn write_compact(path: &Path, value: &Value, what: &str) -> Result<()> {
    write_file(path, format!("{value}\n").as_bytes(), what)
}

pub(super) fn read(path: &Path, what: &str) -> Result<Value> {
    let cannot = |error: std::io::Error| Error::file(path, format!("cannot be read: {error}"));
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > LARGEST {
        return Err(Error::file(path, format!("its {length} bytes are no {what}")));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    serde_json::from_str(&text)
        .map_err(|error| Error::file(path, format!("is not JSON, so no {what}: {error}")))
}

/// Where a search keeps what it has found so far: beside its file.
pub(super) fn with_part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}

/// A field of an object, read by `take`; or what is wrong with it.
pub(super) fn field<'a, T>(
    object: &'a Value,
    name: &str,
    expected: &str,
    take: impl FnOnce(&'a Value) -> Option<T>,
) -> Result<T, String> {
    let found = object.get(name);
    found.and_then(take).ok_or_else(|| match found {
        None => format!("is not of the expected shape: there is no {name:?}, {expected}"),
        Some(other) => {
            let text: String = other.to_string().chars().take(60).collect();
            format!("is not of the expected shape: {name:?} should be {expected}, but is {text}")
        }
    })
}

pub(super) fn text(object: &Value, name: &str) -> Result<String, String> {
    field(object, name, "a text", |value| value.as_str().map(str::to_owned))
}

pub(super) fn count(object: &Value, name: &str) -> Result<usize, String> {
    field(object, name, "a whole number", |value| usize::try_from(value.as_u64()?).ok())
}

pub(super) fn list<'a>(object: &'a Value, name: &str) -> Result<&'a [Value], String> {
    field(object, name, "a list", |value| value.as_array().map(Vec::as_slice))
}

/// Whether the file says that it is of this kind.
pub(super) fn check_kind(object: &Value, kind: &str) -> Result<(), String> {
    match object.get("kind").and_then(Value::as_str) {
        Some(found) if found == kind => Ok(()),
        Some(found) => Err(format!("holds {found}, not {kind}")),
        None => Err(format!(
            "is JSON, but not what convlens writes for {kind}: there is no \"kind\": {kind:?} in it"
        )),
    }
}
