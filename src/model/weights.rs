//! Trained parameters by name, fitted to a network and checked against it.

use std::collections::{BTreeMap, BTreeSet};

use tch::Tensor;

use crate::error::{Error, Result};
use crate::show::line;
use crate::tensor::{IntoResult, plain_numbers};

pub use crate::weights::Weights;
use crate::weights::first_and_more;

/// What wrappers put before all names: `DataParallel`, `torch.compile`, and what people call the
/// network inside another module.
const WRAPPERS: [&str; 6] = ["module", "_orig_mod", "model", "net", "backbone", "encoder"];
/// How a network comes with its graph.
pub(crate) const PT2: &str = "in Python, torch.export.save(torch.export.export(net.eval(), (x,)), \
     \"my_network.pt2\"), and here Model::open(\"my_network.pt2\")";
/// Those of them that PyTorch puts around a part of a network as well.
const INNER_WRAPPERS: [&str; 2] = ["module", "_orig_mod"];
/// So many wrappers around each other are looked for.
const MOST_WRAPPERS: usize = 16;

/// Parameters that a network expects, by name.
pub(crate) type Expected = BTreeMap<String, Vec<i64>>;

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
    // How many names fit without a wrapper, those with another around a part of the network among them; and how
    // many of them without that.
    let known_without = |wrapper: &str| {
        let inner = || named.iter().filter_map(|name| name.strip_prefix(wrapper));
        let exact = inner().filter(|name| expected.contains_key(*name)).count();
        (exact + inner().filter_map(|name| without_inner(wrapper, name, expected)).count(), exact)
    };
    let counted = wrappers(&named).into_iter().map(|wrapper| (known_without(wrapper), wrapper));
    // The first of the best: no more is taken off than must be.
    let best = counted.reduce(|best, other| if other.0 > best.0 { other } else { best });
    let wrapper = best.map_or("", |(_, wrapper)| wrapper).to_owned();

    let (mut left, mut wrapped) = (Vec::new(), Vec::new());
    let all = std::mem::take(&mut *given);
    for (name, tensor) in &all {
        let inner = name.strip_prefix(&wrapper);
        let Some(inner) = inner.filter(|i| expected.contains_key(*i) || !aside.contains(name))
        else {
            left.push(name.clone());
            continue;
        };
        let bare = without_inner(&wrapper, inner, expected)
            .filter(|bare| !all.contains_key(&format!("{wrapper}{bare}")));
        if bare.is_some() {
            wrapped.push(name.clone());
        }
        given.insert(bare.unwrap_or_else(|| inner.to_owned()), tensor.shallow_clone());
    }
    if !wrapper.is_empty() {
        given.note(format!("all names began with {wrapper:?}, which was taken off"));
    }
    if let Some(some) = first_and_more(&wrapped) {
        given.note(format!("what wrapped a part of the network was taken out of names: {some}"));
    }
    // PyTorch's batch norms all count their batches: nobody needs to hear that.
    left.retain(|name| !counts_batches(name));
    if let Some(some) = first_and_more(&left) {
        given.note(format!("left aside, since no layer reads that: {some}"));
    }
    given
}

/// `"backbone._orig_mod.conv1.weight"` as `"backbone.conv1.weight"`, where that fits and the whole does not.
/// What stands before all names is the wrapper's.
fn without_inner(wrapper: &str, name: &str, expected: &Expected) -> Option<String> {
    let parts = name.split('.').enumerate();
    let stays = |&(i, part): &(usize, &str)| {
        !INNER_WRAPPERS.contains(&part) || (i == 0 && wrapper.is_empty())
    };
    let bare: Vec<&str> = parts.filter(stays).map(|(_, part)| part).collect();
    let bare = bare.join(".");
    (!expected.contains_key(name) && expected.contains_key(&bare)).then_some(bare)
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
        Some("input_scale") => single(name),
        Some(last) if last == "scale" || last.contains("_scale_") => {
            single(name) && beside(name, &last.replace("scale", "zero_point"))
        }
        Some(last) if last == "zero_point" || last.contains("_zero_point_") => {
            single(name) && beside(name, &last.replace("zero_point", "scale"))
        }
        _ => false,
    };
    given.keys().filter(|name| is_bookkeeping(name)).cloned().collect()
}

fn counts_batches(name: &str) -> bool {
    name.rsplit('.').next() == Some("num_batches_tracked")
}

/// The first lines of a list, and how many more there are.
fn shorten(lines: &mut Vec<String>, what: &str) {
    const MOST: usize = 4;
    let more = lines.len().saturating_sub(MOST);
    // One line more says no less than that there is one.
    if more > 1 {
        lines.truncate(MOST);
        lines.push(format!("and {more} more {what}"));
    }
}

/// What does not fit between a network and its weights, in one error: a few of each kind.
pub(super) fn check(network: &str, given: &Weights, expected: &Expected) -> Result<()> {
    let (mut complaints, mut missing) = (Vec::new(), Vec::new());
    for (name, shape) in expected {
        match given.get(name) {
            None => missing.push(format!("{name} is missing (expected {shape:?})")),
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
    let surplus: Vec<String> = surplus.map(|name| format!("{name} belongs to no layer")).collect();
    let advice = match 2 * missing.len() > expected.len() && 2 * surplus.len() > given.len() {
        true => format!(
            ". Most names are of another network, or of another library's: timm's are not torchvision's. Take it \
             with its graph: {PT2}. What does not fit"
        ),
        false => String::new(),
    };
    // Of both kinds some. Where nothing is given, what is missing is all that the network asks for.
    if !given.is_empty() {
        shorten(&mut missing, "missing");
        shorten(&mut complaints, "of other shapes");
    }
    complaints.append(&mut missing);
    let mut surplus = surplus;
    shorten(&mut surplus, "of no layer");
    complaints.append(&mut surplus);
    if complaints.is_empty() {
        return Ok(());
    }
    complaints.extend(given.notes().iter().map(|note| format!("({note})")));
    Err(Error::Argument(format!(
        "the weights do not fit {network}, and nothing was loaded{advice}:\n  {}",
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
