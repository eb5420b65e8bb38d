//! PyTorch's operators by their names in ATen, each as one or a few layers of ours.

mod layers;
mod making;
mod moving;
mod pointwise;
mod reducing;

use super::super::draft::{Draft, Value};
use super::super::parts;
use super::Known;
use super::arguments::Arguments;
use crate::error::{Error, Result};

/// From the arguments of an operator to what it makes.
type Translate = fn(&mut Draft, &Arguments) -> Result<Vec<Known>>;

const ATEN: &str = "torch.ops.aten.";

/// `torch.ops.aten.add_.Tensor` is `add_`; what is not ATen's keeps its whole name.
pub(super) fn name(target: &str) -> &str {
    match target.strip_prefix(ATEN) {
        Some(rest) => rest.split_once('.').map_or(rest, |(name, _)| name),
        None => target,
    }
}

/// Whether it writes its result over its first argument.
pub(super) fn overwrites(target: &str) -> bool {
    target.starts_with(ATEN) && name(target).ends_with('_') && !name(target).ends_with("__")
}

fn find(target: &str) -> Option<Translate> {
    let name = match overwrites(target) {
        true => name(target).trim_end_matches('_'),
        false => name(target),
    };
    layers::find(name)
        .or_else(|| pointwise::find(name))
        .or_else(|| reducing::find(name))
        .or_else(|| moving::find(name))
        .or_else(|| making::find(name))
}

pub(super) fn is_known(target: &str) -> bool {
    find(target).is_some()
}

/// Whether what it makes may share the memory of its first argument.
pub(super) fn is_view(target: &str) -> bool {
    moving::find(name(target)).is_some()
}

pub(super) fn translate(draft: &mut Draft, arguments: &Arguments) -> Result<Vec<Known>> {
    let translate = find(arguments.target())
        .ok_or_else(|| Error::Argument(format!("{} is not known here", arguments.target())))?;
    translate(draft, arguments)
}

/// Of what works otherwise while it learns.
const TRAINING: &str = "it works in training mode: export torch.export.export(net.eval(), (x,))";

/// One tensor.
fn one(value: Value) -> Result<Vec<Known>> {
    Ok(vec![Known::Tensor(value)])
}
