//! Trained parameters by name, fitted to a network and checked against it.

use std::collections::{BTreeMap, BTreeSet};

use tch::Tensor;

use crate::error::{Error, Result};
use crate::show::line;
use crate::tensor::{IntoResult, plain_numbers};

pub use crate::weights::Weights;

/// What wrappers put before all names: `DataParallel`, `torch.compile`, and what people call the
/// network inside another module.
const WRAPPERS: [&str; 6] = ["module", "_orig_mod", "model", "net", "backbone", "encoder"];
/// So many wrappers around each other are looked for.
const MOST_WRAPPERS: usize = 16;

/// Parameters that a network expects, by name.
pub(super) type Expected = BTreeMap<String, Vec<i64>>;

/// Writes trained values into the variables of the same names.
pub(super) fn copy(
    trained: &Weights,
    variables: impl IntoIterator<Item = (String, Tensor)>,
) -> Result<()> {
    let _no_grad = tch::no_grad_guard();
    for (name, mut variable) in variables {
        if let Some(value) = trained.get(&name) {
            variable.f_copy_(&plain_numbers(value)?).into_result()?;
        }
    }
    Ok(())
}

/// The weights under the names of a network: without what wrappers put before them, where all names
/// then fit, and without what training scripts count beside them. Both are noted.
///
/// Where not all fit, the names that fit most are those that the error will list.
pub(crate) fn fitted(mut given: Weights, expected: &Expected) -> Weights {
    let aside = bookkeeping(&given);
    let named: Vec<&str> =
        given.keys().map(String::as_str).filter(|name| !aside.contains(*name)).collect();
    let known_without = |wrapper: &str| {
        let inner = named.iter().filter_map(|name| name.strip_prefix(wrapper));
        inner.filter(|name| expected.contains_key(*name)).count()
    };
    let counted = wrappers(&named).into_iter().map(|wrapper| (known_without(wrapper), wrapper));
    // The first of the best: no more is taken off than must be.
    let best = counted.reduce(|best, other| if other.0 > best.0 { other } else { best });
    let wrapper = best.map_or("", |(_, wrapper)| wrapper).to_owned();

    let mut left = Vec::new();
    for (name, tensor) in std::mem::take(&mut *given) {
        let inner = name.strip_prefix(&wrapper);
        match inner.filter(|inner| expected.contains_key(*inner) || !aside.contains(&name)) {
            Some(inner) => drop(given.insert(inner.to_owned(), tensor)),
            None => left.push(name),
        }
    }
    if !wrapper.is_empty() {
        given.note(format!("all names began with {wrapper:?}, which was taken off"));
    }
    // PyTorch's batch norms all count their batches: nobody needs to hear that.
    left.retain(|name| !counts_batches(name));
    if let [first, rest @ ..] = left.as_slice() {
        let rest = match rest.len() {
            0 => String::new(),
            count => format!(" and {count} more"),
        };
        given.note(format!("left aside, since no layer reads that: {first}{rest}"));
    }
    given
}

/// A name without what wrappers may have put before it.
pub(crate) fn unwrapped(name: &str) -> &str {
    let mut inner = name;
    while let Some((first, rest)) = inner.split_once('.')
        && WRAPPERS.contains(&first)
    {
        inner = rest;
    }
    inner
}

/// What wrappers may have put before all of these names: nothing, the name of one wrapper, of two, ...
fn wrappers<'a>(names: &[&'a str]) -> Vec<&'a str> {
    let mut found = vec![""];
    let Some(example) = names.first() else { return found };
    let mut length = 0;
    for part in example.split('.').take(MOST_WRAPPERS) {
        length += part.len() + 1;
        match example.get(..length) {
            Some(wrapper)
                if WRAPPERS.contains(&part)
                    && names.iter().all(|name| name.starts_with(wrapper)) =>
            {
                found.push(wrapper);
            }
            _ => break,
        }
    }
    found
}

/// The names of single values that training scripts count or keep beside the weights, and of what
/// quantised layers know of their outputs.
fn bookkeeping(given: &Weights) -> BTreeSet<String> {
    let single = |name: &str| {
        let tensor = given.get(name).and_then(|tensor| plain_numbers(tensor).ok());
        tensor.is_some_and(|tensor| tensor.numel() == 1)
    };
    let beside = |name: &str, other: &str| match name.rsplit_once('.') {
        Some((layer, _)) => single(&format!("{layer}.{other}")),
        None => single(other),
    };
    let is_bookkeeping = |name: &str| match name.rsplit('.').next() {
        Some("num_batches_tracked") => true,
        // Of averaged weights; of a profiler that counts operations.
        Some("n_averaged" | "total_ops" | "total_params") => single(name),
        Some("scale") => single(name) && beside(name, "zero_point"),
        Some("zero_point") => single(name) && beside(name, "scale"),
        _ => false,
    };
    given.keys().filter(|name| is_bookkeeping(name)).cloned().collect()
}

fn counts_batches(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}

/// All that does not fit between a network and its weights, in one error.
pub(super) fn check(network: &str, given: &Weights, expected: &Expected) -> Result<()> {
    let mut complaints = Vec::new();
    for (name, shape) in expected {
        match given.get(name) {
            None => complaints.push(format!("{name} is missing (expected {shape:?})")),
            Some(tensor) => match plain_numbers(tensor) {
                Err(error) => complaints.push(format!("{name} cannot be taken: {error}")),
                Ok(tensor) if tensor.size() != *shape => {
                    complaints.push(format!("{name} is {:?}, expected {shape:?}", tensor.size()));
                }
                Ok(_) => {}
            },
        }
    }
    let surplus = given.keys().filter(|name| !expected.contains_key(*name));
    complaints.extend(surplus.map(|name| format!("{name} belongs to no layer")));
    if complaints.is_empty() {
        return Ok(());
    }
    complaints.extend(given.notes().iter().map(|note| format!("({note})")));
    Err(Error::Argument(format!(
        "the weights do not fit {network}, and nothing was loaded:\n  {}",
        complaints.join("\n  ")
    )))
}

/// The names of the classes that the weights bring for so many outputs; where the numbers differ, none,
/// which is noted.
pub(super) fn class_names(trained: &mut Weights, outputs: Option<i64>) -> Vec<String> {
    let names = trained.class_names().to_vec();
    let outputs = outputs.unwrap_or(0);
    if names.is_empty() || super::classes::for_outputs(outputs, names.clone()).is_some() {
        return names;
    }
    trained.note(format!(
        "the file names {} classes, but the network tells {outputs} apart: the names were not taken",
        names.len()
    ));
    Vec::new()
}

/// Says in a line each what was decided while weights were read and taken.
pub(super) fn say(network: &str, notes: &[String]) {
    notes.iter().for_each(|note| line(&format!("{network}: {note}")));
}
