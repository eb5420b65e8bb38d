//! Whether a file is ONNX's. It has no first bytes of its own, only the fields that it begins with.

use super::wire::{Field, Message, Wire};

/// Versions of the file that there may ever be; those up to now have one or two digits.
const VERSIONS: std::ops::Range<u64> = 1..256;

/// Whether the file's fields are those of a model, up to its graph: the version first, since all that write
/// models write their fields by number.
pub(super) fn is_model(wire: &mut Wire<'_>, mut message: Message) -> bool {
    match wire.next(&mut message) {
        Ok(Some((1, Field::Number(version)))) if VERSIONS.contains(&version) => {}
        _ => return false,
    }
    loop {
        match wire.next_even_cut(&mut message) {
            // safetensors begin with a length that may look like the rest of this.
            Ok(Some((7, Field::Bytes(graph)))) => return !graph.is_empty(),
            Ok(Some((2 | 3 | 4 | 6 | 8 | 14 | 20 | 25 | 26, Field::Bytes(_)))) => {}
            Ok(Some((5, Field::Number(_)))) => {}
            _ => return false,
        }
    }
}
