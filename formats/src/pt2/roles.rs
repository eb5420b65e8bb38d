//! Whether the inputs of a graph that are weights are there, as the graph says that they are.

use std::collections::HashMap;

use super::super::Parsed;
use super::program::{Program, Role, Size};

/// An error that names the first weight that is missing or of another type or shape.
pub(super) fn check(program: &Program) -> Parsed<()> {
    let mut tensors = HashMap::new();
    for (storage, entries) in program.weights.iter().flat_map(|weights| weights.by_storage()) {
        for entry in entries {
            tensors.insert(entry.name.as_str(), (storage.dtype(), &entry.shape));
        }
    }
    for input in &program.inputs {
        let (Role::Parameter(name) | Role::Buffer(name) | Role::Constant(name)) = &input.role
        else {
            continue;
        };
        let Some(&(dtype, shape)) = tensors.get(name.as_str()) else {
            return Err(format!("the graph uses {name}, but it is not among the weights"));
        };
        let Some(meta) = program.values.get(&input.value) else {
            return Err(format!("the graph uses {name}, but does not say of which type it is"));
        };
        let same = |(size, expected): (&usize, &Size)| match expected {
            Size::Number(number) => usize::try_from(*number) == Ok(*size),
            Size::Name(_) => false,
        };
        if meta.sizes.len() != shape.len() || !shape.iter().zip(&meta.sizes).all(same) {
            return Err(format!(
                "{name} has the shape {shape:?}, but the graph expects {:?}",
                meta.sizes
            ));
        }
        if meta.dtype != dtype {
            return Err(format!("{name} is of type {dtype}, but the graph expects {}", meta.dtype));
        }
    }
    Ok(())
}
