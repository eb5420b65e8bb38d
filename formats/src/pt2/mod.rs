//! PyTorch's `.pt2`: a whole network as `torch.export.save` writes it, its graph in JSON and its
//! weights beside it in one zip archive.
//!
//! Read are those of PyTorch 2.5 and later. Nothing in an archive is run: what is a pickle, example
//! inputs and objects of classes of their own, is not even looked at.
//!
//! ```no_run
//! use convlens_formats::pt2;
//!
//! let mut file = std::fs::File::open("net.pt2").map_err(|e| e.to_string())?;
//! let program = pt2::parse(&mut file)?;
//! for node in &program.nodes {
//!     println!("{} in {:?}", node.target, node.module.last());
//! }
//! # Ok::<(), String>(())
//! ```

mod archive;
mod graph;
mod inline;
mod modules;
mod old;
mod order;
mod program;
mod results;
mod roles;
mod schema;
#[cfg(test)]
mod tests;
mod weights;

use std::io::SeekFrom;

use super::zip::Archive;
use super::{Contents, Parsed, Source, recognise};
use archive::Layout;
use schema::{ExportedProgram, VersionsAlone};

pub use program::{
    Argument, Input, ModuleCall, Node, Output, Program, Role, Size, Symbol, TensorMeta,
};

/// The network in a file: its graph, and where its weights are. They are read afterwards, by
/// [`Storage::read`](super::Storage::read) of the same file.
///
/// # Errors
/// A file that is no archive of `torch.export`'s, is cut short or damaged, holds only compiled code or
/// several networks, or is of a version that is not known; a graph that uses what it does not make;
/// tensors of complex, quantised or sparse types, or pickled ones.
pub fn parse(source: &mut dyn Source) -> Parsed<Program> {
    let Some(archive) = open(source)? else {
        return Err(format!(
            "the file is no zip archive, which a .pt2 is; write one with {}",
            archive::EXPORT
        ));
    };
    let layout = archive::layout(source, &archive)?;
    let program = exported_program(source, &archive, &layout)?;
    let weights = tensors(source, &archive, &layout)?;
    let program = graph::program(program, weights)?;
    roles::check(&program)?;
    Ok(program)
}

/// Whether a file is a `.pt2`, be it one that can be read or not. Of other files this reads little
/// more than the beginning, or a zip archive's directory.
///
/// # Errors
/// A file that cannot be read, or a damaged zip archive.
pub fn is_program(source: &mut dyn Source) -> Parsed<bool> {
    Ok(open(source)?.is_some_and(|archive| is_one(&archive)))
}

/// Whether an archive is a `.pt2`.
pub(super) fn is_one(archive: &Archive) -> bool {
    archive::is_program(archive)
}

/// The weights of an archive alone; its graph is not read.
pub(super) fn weights(source: &mut dyn Source, archive: &Archive) -> Parsed<Contents> {
    let layout = archive::layout(source, archive)?;
    let none = || "the file holds a network without any tensors".to_owned();
    tensors(source, archive, &layout)?.ok_or_else(none)
}

/// The archive that a file is, if it is one.
fn open(source: &mut dyn Source) -> Parsed<Option<Archive>> {
    let length = source.seek(SeekFrom::End(0)).map_err(|e| e.to_string())?;
    source.seek(SeekFrom::Start(0)).map_err(|e| e.to_string())?;
    let head = super::exactly(source, length.min(recognise::HEAD), "its beginning")?;
    if !recognise::is_zip(&head) {
        return Ok(None);
    }
    Archive::open(source, length).map(Some)
}

/// The description of the network.
fn exported_program(
    source: &mut dyn Source,
    archive: &Archive,
    layout: &Layout,
) -> Parsed<ExportedProgram> {
    let (name, text) = match layout {
        Layout::Folder { root, model } => {
            let name = format!("{root}models/{model}.json");
            let text = archive::json(source, archive, &name)?;
            (name, text)
        }
        Layout::Flat => {
            let text = archive::json(source, archive, archive::FLAT_PROGRAM)?;
            (archive::FLAT_PROGRAM.to_owned(), old::standard_json(&text))
        }
    };
    match serde_json::from_slice::<ExportedProgram>(&text) {
        Ok(program) => {
            graph::check_version(&program.schema_version, program.torch_version.as_deref())?;
            Ok(program)
        }
        Err(error) => {
            // A version that is not known is a better reason than a field that is not.
            if let Ok(alone) = serde_json::from_slice::<VersionsAlone>(&text) {
                graph::check_version(&alone.schema_version, alone.torch_version.as_deref())?;
            }
            Err(format!("{name} cannot be read: {error}"))
        }
    }
}

/// Weights and constants.
fn tensors(
    source: &mut dyn Source,
    archive: &Archive,
    layout: &Layout,
) -> Parsed<Option<Contents>> {
    let tensors = match layout {
        Layout::Folder { root, model } => weights::read(source, archive, root, model)?,
        Layout::Flat => old::read(source, archive)?,
    };
    tensors.contents(archive.length)
}
