//! Names of layers, from the modules that they come from.

use std::collections::{HashMap, HashSet};

use super::draft::Place;

/// Gives each layer the name that a reader of the original expects: a module that runs one operation a call
/// lends its own name, `layer1.0.conv1`; in others the operation's name follows, `layer1.0.add`. The second
/// of a name is `.._1`, as `torch.fx` has it.
pub(super) struct Namer {
    /// The modules that lend their own names.
    whole: HashSet<String>,
    /// How often each name was asked for.
    asked: HashMap<String, usize>,
    taken: HashSet<String>,
}

impl Namer {
    /// `places` are those of all layers that will be named.
    pub(super) fn new<'a>(places: impl Iterator<Item = &'a Place>) -> Namer {
        let mut counts: HashMap<(&str, usize), usize> = HashMap::new();
        for place in places {
            *counts.entry((&place.module, place.call)).or_default() += 1;
        }
        let mut whole: HashSet<String> = HashSet::new();
        let mut split: HashSet<&str> = HashSet::new();
        for (&(module, _), &count) in &counts {
            // Of a module around others the name means all of it.
            split.extend(module.match_indices('.').map(|(dot, _)| &module[..dot]));
            if count > 1 || module.is_empty() {
                split.insert(module);
            }
        }
        for (module, _) in counts.keys() {
            if !split.contains(module) {
                whole.insert((*module).to_owned());
            }
        }
        let taken = HashSet::from(["input".to_owned(), "output".to_owned()]);
        Namer { whole, asked: HashMap::new(), taken }
    }

    pub(super) fn name(&mut self, place: &Place) -> String {
        match self.whole.contains(&place.module) {
            true => self.unique(&place.module),
            false => self.beside(place),
        }
    }

    /// By the operation, whatever else the module runs.
    pub(super) fn beside(&mut self, place: &Place) -> String {
        match place.module.as_str() {
            "" => self.unique(&place.operation),
            module => self.unique(&format!("{module}.{}", place.operation)),
        }
    }

    /// This name, or the next of its kind that is free.
    pub(super) fn unique(&mut self, name: &str) -> String {
        // Names are parts joined by dots, and none of them is empty.
        let plain = |c: char| if c == '/' || c == '\\' || c.is_control() { '_' } else { c };
        let parts: Vec<String> = name
            .split('.')
            .filter(|part| !part.is_empty())
            .map(|part| part.chars().map(plain).collect())
            .collect();
        let name = parts.join(".");
        let count = self.asked.entry(name.clone()).or_default();
        loop {
            let candidate = match *count {
                0 if !name.is_empty() => name.clone(),
                nth => format!("{name}_{nth}"),
            };
            *count += 1;
            if self.taken.insert(candidate.clone()) {
                return candidate;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_named_as_their_modules() {
        let place = |module: &str, call, operation: &str| Place {
            module: module.into(),
            call,
            operation: operation.into(),
        };
        let places = [
            place("conv1", 0, "conv2d"),
            place("layer1.0.relu", 0, "relu"),
            place("layer1.0.relu", 1, "relu"),
            place("layer1.0", 0, "add"),
            place("attn", 0, "linear"),
            place("attn", 0, "softmax"),
            place("attn", 0, "linear"),
            place("", 0, "flatten"),
            place("", 0, "input"),
        ];
        let mut namer = Namer::new(places.iter());
        let names: Vec<String> = places.iter().map(|place| namer.name(place)).collect();
        assert_eq!(
            names,
            [
                "conv1",
                "layer1.0.relu",
                "layer1.0.relu_1",
                "layer1.0.add",
                "attn.linear",
                "attn.softmax",
                "attn.linear_1",
                "flatten",
                "input_1"
            ]
        );
    }
}
