//! The classes that a network tells apart, by name and by index.

use std::rc::Rc;

use super::{LayerRef, Model, NodeId, Op};
use crate::error::{Error, Result};

/// What one score, or one map of scores, says: yes, class 1, or no, class 0. That it may be a number that was learnt
/// by regression, nothing in a network tells; `Target::function` explains those.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct YesOrNo {
    /// Scores above this say yes: 0, or 0.5 behind the network's own sigmoid.
    pub(crate) above: f64,
}

impl YesOrNo {
    /// The score for class 1 or class 0, from the network's own: `y` for yes, and for no `−y`, or `1 − y` of a
    /// probability.
    pub(crate) fn score(self, class: usize, y: f64) -> f64 {
        if class == 1 { y } else { 2.0 * self.above - y }
    }
}

impl Model {
    /// Where the output that counts is one score, `[1]` or `[1, 1]`, or one map of scores: how it says yes or no.
    pub(crate) fn yes_or_no(&self) -> Option<YesOrNo> {
        let one = matches!(self.shape_of(self.output()), [1] | [1, 1] | [1, 1, _, _]);
        one.then(|| YesOrNo { above: if self.ends_in_probabilities() { 0.5 } else { 0.0 } })
    }

    /// Whether the scores are behind a sigmoid or softmax of the network's own, and so probabilities.
    pub(crate) fn ends_in_probabilities(&self) -> bool {
        let mut at = self.output();
        while let (Op::Flatten | Op::Rearrange(_), &[before]) = (self.op_of(at), self.inputs_of(at))
        {
            at = before;
        }
        match self.op_of(at) {
            Op::Sigmoid => true,
            Op::Softmax(softmax) => softmax.is_over_classes(),
            _ => false,
        }
    }

    /// How many classes the output that counts tells apart, one score each; 0 where it is something else.
    pub(crate) fn count_classes(&self) -> usize {
        match *self.shape_of(self.output()) {
            [1] | [_, 1] | [_, 1, 1, 1] => 2,
            [_, classes] | [_, classes, 1, 1] => classes.max(0) as usize,
            _ => 0,
        }
    }

    /// That there is one score a class.
    pub(crate) fn check_classifies(&self) -> Result<()> {
        match self.count_classes() {
            0 => Err(Error::Shape(format!(
                "{} does not end in one score a class but in {:?}: there is nothing that could be right or wrong",
                self.name(),
                self.shape_of(self.output())
            ))),
            _ => Ok(()),
        }
    }

    /// The names of the classes of the output that counts, in the order of its scores; empty when nobody named them.
    pub fn class_names(&self) -> &[String] {
        self.names_at(self.output()).map_or(&[], |names| &names[..])
    }

    /// What the classes of an output are called, if they were named.
    pub(super) fn names_at(&self, output: NodeId) -> Option<&Rc<[String]>> {
        self.classes.iter().find(|(id, _)| *id == output).map(|(_, names)| names)
    }

    /// What the classes of all outputs are called when those of one have these names.
    pub(super) fn naming(&self, output: NodeId, names: Rc<[String]>) -> ClassNames {
        let others = self.classes.iter().filter(|(id, _)| *id != output).cloned();
        others.chain([(output, names)]).collect()
    }

    /// The same network, with these names for its classes in the order of their scores; synonyms
    /// separated by commas. The parameters are shared. Of a network with several outputs they are those of the one
    /// that counts; [`classes_of`](Model::classes_of) names those of another.
    ///
    /// One score alone says yes, class 1, or no, class 0: `["no tank", "tank"]`, or `["tank"]`, which makes class 0
    /// "not tank".
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let model = zoo::squeezenet1_1_for(3, 2, 0)?.classes(["cat", "dog"])?;
    /// assert_eq!(model.class_index("dog")?, 1);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// More or fewer names than there are classes.
    pub fn classes<S: Into<String>>(&self, names: impl IntoIterator<Item = S>) -> Result<Model> {
        let names: Vec<String> = names.into_iter().map(Into::into).collect();
        let outputs = match self.yes_or_no() {
            Some(_) => 1,
            None => self.shape_of(self.output()).get(1).copied().unwrap_or(0),
        };
        let count = names.len();
        let classes = for_outputs(outputs, names).ok_or_else(|| {
            Error::Argument(format!(
                "{}{} tells {outputs} classes apart, but got {count} names",
                self.output_named(),
                self.name()
            ))
        })?;
        Ok(Model { classes: self.naming(self.output(), classes.into()), ..self.clone() })
    }

    /// The same for one of several outputs, by its name or its index: what is explained or looked at there is then
    /// called so, and a target finds its class by name. Which output counts stays as it is.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let mut net = Model::builder("two heads", [1, 8, 8]).classes(["cat", "dog", "bird"]);
    /// let x = net.input();
    /// let x = net.add("flatten", Op::Flatten, &[x]);
    /// let kind = net.add("kind", Linear::new(64, 3), &[x]);
    /// let fur = net.add("fur", Linear::new(64, 2), &[x]);
    /// let model = net.outputs([("kind", kind), ("fur", fur)]).build()?.classes_of("fur", ["short", "long"])?;
    ///
    /// let look = model.look_input(&Tensor::rand([1, 1, 8, 8], tch::kind::FLOAT_CPU))?;
    /// let heat = look.explain(&Saliency::default().class("long").output("fur"))?;
    /// assert_eq!((heat.target(), model.class_name(1)), ("fur: long (1)", "dog".to_owned()));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When there is no such output; more or fewer names than it tells classes apart.
    pub fn classes_of<S: Into<String>>(
        &self,
        output: impl Into<LayerRef>,
        names: impl IntoIterator<Item = S>,
    ) -> Result<Model> {
        let named = self.with_output(output)?.classes(names)?;
        Ok(Model { output: self.output(), classes: named.classes, ..self.clone() })
    }

    /// The index of a class by its name: one of the comma-separated synonyms, whatever the case.
    ///
    /// # Errors
    /// When no class has that name (the error lists the closest), or more than one has.
    pub fn class_index(&self, name: &str) -> Result<usize> {
        if self.class_names().is_empty() {
            let naming = match self.output_beside() {
                Some(output) => format!(".classes_of({output:?}, […])"),
                None => ".classes([…])".to_owned(),
            };
            return Err(Error::Argument(format!(
                "{}the classes of {} have no names: give the index of the class instead of {name:?}, or name them \
                 by {naming}",
                self.output_named(),
                self.name()
            )));
        }
        let wanted = name.trim().to_lowercase();
        let found: Vec<usize> = (0..self.class_names().len())
            .filter(|&i| synonyms(&self.class_names()[i]).any(|s| s.to_lowercase() == wanted))
            .collect();
        match found.as_slice() {
            [one] => Ok(*one),
            [] => Err(Error::not_found(
                "class",
                name,
                format!("the {} classes of {}", self.class_names().len(), self.name()),
                self.class_names().iter().flat_map(|class| synonyms(class)),
            )),
            many => Err(Error::Argument(format!(
                "{name:?} is the name of several classes; choose by index: {}",
                many.iter()
                    .map(|&i| format!("{i} ({})", self.class_names()[i]))
                    .collect::<Vec<_>>()
                    .join(", ")
            ))),
        }
    }

    /// A class in captions: "tabby (281)", or "class 7" when nobody named it.
    pub(crate) fn class_label(&self, index: usize) -> String {
        match self.class_names().get(index) {
            Some(_) => format!("{} ({index})", self.class_name(index)),
            None => self.class_name(index),
        }
    }

    /// A class's short name: its first synonym, or `class 7` when nobody named it.
    pub fn class_name(&self, index: usize) -> String {
        match self.class_names().get(index) {
            Some(class) => synonyms(class).next().unwrap_or(class).to_owned(),
            None => format!("class {index}"),
        }
    }
}

/// The names of classes, by the output whose they are.
pub(super) type ClassNames = Rc<[(NodeId, Rc<[String]>)]>;

/// The names of the classes for so many outputs, if they are as many. One output says yes or no: with the name of
/// "yes" alone, "no" is called after it.
pub(super) fn for_outputs(outputs: i64, mut names: Vec<String>) -> Option<Vec<String>> {
    match (outputs, names.as_slice()) {
        (1, [yes]) => {
            let no = format!("not {}", synonyms(yes).next().unwrap_or(yes));
            names.insert(0, no);
            Some(names)
        }
        (1, [_, _]) => Some(names),
        (_, all) => (i64::try_from(all.len()) == Ok(outputs)).then_some(names),
    }
}

/// `"tabby, tabby cat"` has two.
fn synonyms(class: &str) -> impl Iterator<Item = &str> {
    class.split(',').map(str::trim).filter(|name| !name.is_empty())
}
