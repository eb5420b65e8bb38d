//! The groups of layers that dotted names make.

use std::collections::HashMap;
use std::fmt;

use super::{LayerRef, Model, Node};
use crate::show::{MimeBundle, Row, Show, Table, count_or_dash, debug_line};

impl Model {
    /// The groups of layers, and which layer each name means.
    pub fn groups(&self) -> Groups {
        let nodes = &self.inner.nodes;
        let mut groups: Vec<Group> = Vec::new();
        let mut places: HashMap<&str, usize> = HashMap::new();
        for node in nodes {
            for (dot, _) in node.name.match_indices('.') {
                let name = &node.name[..dot];
                let place = *places.entry(name).or_insert_with(|| {
                    groups.push(Group { name: name.to_owned(), ..Group::default() });
                    groups.len() - 1
                });
                groups[place].count(node);
            }
        }
        // Where a layer has the name of a group, the name means the layer.
        groups.retain(|group| self.inner.names.layer(&group.name).is_none());
        Groups { network: self.name().to_owned(), groups }
    }
}

/// A group of layers: those whose names begin with its name and a dot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Group {
    /// Its name, `"features.3"`.
    pub name: String,
    /// How many layers are in it, at any depth.
    pub layers: usize,
    /// The layer that its name means: the last that runs.
    pub output: String,
    /// That layer's output's shape.
    pub shape: Vec<i64>,
    /// How many parameters all its layers have together.
    pub parameters: u64,
}

impl Group {
    fn count(&mut self, node: &Node) {
        self.layers += 1;
        self.output.clone_from(&node.name);
        self.shape.clone_from(&node.shape);
        self.parameters += node.trained()[0];
    }
}

impl From<Group> for LayerRef {
    fn from(group: Group) -> Self {
        LayerRef::Name(group.name)
    }
}

/// The groups of a network, each before the groups in it.
#[derive(Clone, PartialEq, Eq)]
pub struct Groups {
    network: String,
    groups: Vec<Group>,
}

impl Groups {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// One after the other.
    pub fn iter(&self) -> std::slice::Iter<'_, Group> {
        self.groups.iter()
    }

    /// Their names.
    pub fn names(&self) -> Vec<String> {
        self.groups.iter().map(|group| group.name.clone()).collect()
    }

    fn table(&self) -> Table {
        let row = |group: &Group| Row {
            depth: group.name.matches('.').count(),
            ..Row::flat(vec![
                group.name.clone(),
                group.layers.to_string(),
                group.output.clone(),
                format!("{:?}", group.shape),
                count_or_dash(group.parameters),
            ])
        };
        let groups = if self.len() == 1 { "group" } else { "groups" };
        Table {
            caption: format!("{}: {} {groups} of layers", self.network, self.len()),
            columns: vec![
                ("Group", false),
                ("Layers", true),
                ("Means the layer", false),
                ("Output shape", false),
                ("Parameters", true),
            ],
            rows: self.groups.iter().map(row).collect(),
            notes: Vec::new(),
        }
    }
}

impl IntoIterator for Groups {
    type Item = Group;
    type IntoIter = std::vec::IntoIter<Group>;

    fn into_iter(self) -> Self::IntoIter {
        self.groups.into_iter()
    }
}

impl fmt::Display for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl fmt::Debug for Groups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Groups of {}, {}", self.network, self.len()))
    }
}

impl Show for Groups {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}
