//! Where the parts of a program lie in its archive.

use super::super::zip::Archive;
use super::super::{ByteOrder, Parsed, Source};

/// How to write what can be read.
pub(super) const EXPORT: &str =
    "torch.export.save(torch.export.export(net.eval(), (x,)), \"net.pt2\")";

/// The versions of PyTorch whose archives are known to be read.
pub(super) const VERSIONS: &str = "2.5 to 2.13";

/// PyTorch up to 2.7 writes the program so, beside its weights and with no folder around them.
pub(super) const FLAT_PROGRAM: &str = "serialized_exported_program.json";

/// The longest JSON that is read; a graph of a thousand operations has two million bytes.
const LONGEST_JSON: u64 = 64 << 20;
/// JSON may inflate to so many bytes for each byte of the archive.
const BYTES_A_BYTE: u64 = 100;

/// How an archive is laid out.
pub(super) enum Layout {
    /// Since PyTorch 2.8, everything is under one folder, and there may be several programs.
    Folder {
        /// The folder with its `/`.
        root: String,
        /// The program's name.
        model: String,
    },
    /// Up to 2.7, one program, its weights and constants are members side by side.
    Flat,
}

/// Whether an archive is PyTorch's `.pt2`, be it one that can be read or not.
pub(super) fn is_program(archive: &Archive) -> bool {
    archive.member(FLAT_PROGRAM).is_some() || root(archive).is_some()
}

/// The layout of an archive that holds a program.
pub(super) fn layout(source: &mut dyn Source, archive: &Archive) -> Parsed<Layout> {
    if archive.member(FLAT_PROGRAM).is_some() {
        return Ok(Layout::Flat);
    }
    let Some(root) = root(archive) else {
        return Err(format!(
            "the file is a zip archive, but not one of torch.export's; write one with {EXPORT}"
        ));
    };
    for (name, expected) in [("archive_format", "pt2"), ("archive_version", "0")] {
        let found = small(source, archive, &format!("{root}{name}"))?;
        if found.as_deref().is_some_and(|found| found != expected) {
            return Err(format!(
                "the archive's {name} is {:?}; only {expected:?} is read: export the network again \
                 with PyTorch {VERSIONS}",
                found.unwrap_or_default()
            ));
        }
    }
    let model = model(archive, root)?;
    Ok(Layout::Folder { root: root.to_owned(), model: model.to_owned() })
}

/// The folder, with its `/`, under which a program's members are. Up to PyTorch 2.7, compiled code had
/// none.
fn root(archive: &Archive) -> Option<&str> {
    archive.members().find_map(|(name, _)| {
        let folder = name.find('/').map_or(0, |slash| slash + 1);
        let places = [0, folder].map(|at| name.split_at(at));
        places.into_iter().find(|(_, member)| tells(member)).map(|(root, _)| root)
    })
}

/// Whether no other archive than a `.pt2` has a member of this name.
fn tells(member: &str) -> bool {
    member == "archive_format" || is_compiled(member) || model_name(member).is_some()
}

/// The name of the program that a member is, if it is one.
fn model_name(member: &str) -> Option<&str> {
    member.strip_prefix("models/")?.strip_suffix(".json")
}

/// Whether a member is machine code, or belongs to it.
fn is_compiled(member: &str) -> bool {
    member.starts_with("data/aotinductor/")
}

/// The name of the program that is meant.
fn model<'a>(archive: &'a Archive, root: &str) -> Parsed<&'a str> {
    let members = || archive.members().filter_map(|(name, _)| name.strip_prefix(root));
    let models: Vec<&str> = members().filter_map(model_name).collect();
    match models[..] {
        [only] => Ok(only),
        [] if members().any(is_compiled) => Err(format!(
            "the archive holds code that AOTInductor compiled for one kind of machine, and no graph \
             of the network: write that with {EXPORT}"
        )),
        [] => Err(format!(
            "the archive holds no program: there is no {root}models/model.json; write one with \
             {EXPORT}"
        )),
        _ if models.contains(&"model") => Ok("model"),
        _ => {
            let some: Vec<&str> = models.iter().copied().take(20).collect();
            Err(format!(
                "the archive holds {} programs, and none is called \"model\": {some:?}. Write the one \
                 that is meant by itself with torch.export.save",
                models.len()
            ))
        }
    }
}

/// How the values of raw weights are stored.
pub(super) fn byte_order(
    source: &mut dyn Source,
    archive: &Archive,
    root: &str,
) -> Parsed<ByteOrder> {
    match small(source, archive, &format!("{root}byteorder"))?.as_deref() {
        None | Some("little") => Ok(ByteOrder::Little),
        Some(other) => Err(format!(
            "the archive's byteorder is {other:?}; only \"little\" is read: export the network again \
             on an ordinary machine"
        )),
    }
}

/// The text of a member of a few bytes, if there is one.
fn small(source: &mut dyn Source, archive: &Archive, name: &str) -> Parsed<Option<String>> {
    let Some(member) = archive.member(name) else { return Ok(None) };
    let bytes = member.read(name, 64, archive, source)?;
    Ok(Some(String::from_utf8_lossy(&bytes).trim().to_owned()))
}

/// The bytes of a member that is JSON.
pub(super) fn json(source: &mut dyn Source, archive: &Archive, name: &str) -> Parsed<Vec<u8>> {
    let missing = || format!("the archive has no {name}: it is damaged or was made by hand");
    let most = LONGEST_JSON.min(archive.length.saturating_mul(BYTES_A_BYTE));
    archive.member(name).ok_or_else(missing)?.read(name, most, archive, source)
}
