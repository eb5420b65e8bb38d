//! Shapes that are stretched to fit each other.

use super::few;
use crate::error::{Error, Result};

/// The shape to which all of these are stretched: sides of 1, and leading ones that are missing, go with
/// any.
pub(super) fn broadcast(shapes: &[&[i64]]) -> Result<Vec<i64>> {
    let rank = shapes.iter().map(|shape| shape.len()).max().unwrap_or(0);
    let mut whole = vec![1; rank];
    for shape in shapes {
        for (side, &own) in whole.iter_mut().rev().zip(shape.iter().rev()) {
            match (*side, own) {
                (a, b) if a == b => {}
                (1, _) => *side = own,
                (_, 1) => {}
                _ => {
                    return Err(Error::Shape(format!(
                        "the shapes {} do not go together: sides must be equal, or 1",
                        few(shapes)
                    )));
                }
            }
        }
    }
    Ok(whole)
}
