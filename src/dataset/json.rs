//! What the results of this room share in their JSON files: what kind of result a file holds, which
//! search it belongs to, and the result itself.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::identity::check;
use crate::error::{Error, Result};
use crate::picture::write_file;

/// Files larger than this are none of ours.
const LARGEST: u64 = 1 << 30;

/// A file as it is written.
#[derive(Serialize)]
struct Written<'a, T> {
    kind: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    search: Option<&'a Value>,
    #[serde(flatten)]
    result: &'a T,
}

/// What a file says of itself, looked at before anything else.
#[derive(Deserialize)]
struct Head {
    kind: Value,
    #[serde(default)]
    search: Value,
}

/// Writes a result, with the search that it belongs to if it comes from one.
pub(super) fn write<T: Serialize>(
    path: &Path,
    kind: &str,
    search: Option<&Value>,
    result: &T,
) -> Result<()> {
    write_as(serde_json::to_string_pretty, path, Written { kind, search, result })
}

/// The same without a line for every number.
pub(super) fn write_compact<T: Serialize>(
    path: &Path,
    kind: &str,
    search: Option<&Value>,
    result: &T,
) -> Result<()> {
    write_as(serde_json::to_string, path, Written { kind, search, result })
}

fn write_as<'a, T>(
    to_text: impl FnOnce(&Written<'a, T>) -> serde_json::Result<String>,
    path: &Path,
    written: Written<'a, T>,
) -> Result<()> {
    let text = to_text(&written)
        .map_err(|error| Error::file(path, format!("cannot be written: {error}")))?;
    write_file(path, format!("{text}\n").as_bytes(), &format!("the {}", written.kind))
}

/// Reads a result of this kind; where one search's is expected, no other's.
pub(super) fn read<T: DeserializeOwned>(
    path: &Path,
    kind: &str,
    search: Option<&Value>,
) -> Result<T> {
    let (text, found) = text_of(path, kind)?;
    if let Some(search) = search {
        check(&found, search, path)?;
    }
    parsed(path, &text)
}

/// Reads what a shard has found, and the search that it says it belongs to.
pub(super) fn read_part<T: DeserializeOwned>(path: &Path, kind: &str) -> Result<(T, Value)> {
    if !path.exists() && with_part(path).exists() {
        return Err(Error::file(
            path,
            "is not finished: run its shard once more, which goes on where it was",
        ));
    }
    let (text, search) = text_of(path, kind)?;
    Ok((parsed(path, &text)?, search))
}

fn parsed<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T> {
    serde_json::from_str(text)
        .map_err(|error| Error::file(path, format!("is not of the expected shape: {error}")))
}

/// A file that holds a result of this kind, and the search that it belongs to.
fn text_of(path: &Path, kind: &str) -> Result<(String, Value)> {
    let cannot = |error: std::io::Error| Error::file(path, format!("cannot be read: {error}"));
    let length = std::fs::metadata(path).map_err(cannot)?.len();
    if length > LARGEST {
        return Err(Error::file(path, format!("its {length} bytes are no {kind}")));
    }
    let text = std::fs::read_to_string(path).map_err(cannot)?;
    let fault = |why: String| Err(Error::file(path, why));
    match serde_json::from_str::<Head>(&text) {
        Ok(head) if head.kind == kind => Ok((text, head.search)),
        Ok(Head { kind: Value::String(found), .. }) => fault(format!("holds {found}, not {kind}")),
        Err(error) if !error.is_data() => fault(format!("is not JSON, so no {kind}: {error}")),
        Ok(_) | Err(_) => fault(format!(
            "is JSON, but not what convlens writes for {kind}: there is no \"kind\": {kind:?} in it"
        )),
    }
}

/// Where a search keeps what it has found so far: beside its file.
pub(super) fn with_part(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    name.into()
}
