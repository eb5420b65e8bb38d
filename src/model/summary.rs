//! The network as a table: layers, output shapes, kernels, parameters, multiply-adds.

use std::fmt;

use super::{Model, Op, gathered, last_depth, name_to_depth};
use crate::error::Result;
use crate::show::{DASH, MimeBundle, Row, Show, Table, count_or_dash, debug_line, thousands};

/// The table is at most this long, unless another depth is chosen.
const MOST_ROWS: usize = 100;

/// A network's layers with their sizes and costs, with torchinfo's columns and totals.
///
/// Groups of layers are rows of their own, with what they hold indented below. In networks of
/// more than 100 rows the deepest groups are folded: a folded row has the sums of all that is in
/// it, and a line below the table says so. [`depth`](Summary::depth) folds otherwise.
///
/// Multiply-adds are torchinfo's: a convolution costs its parameters times its output pixels,
/// any other layer its parameters, each times the batch. The forward and backward pass size is
/// eight bytes for each output value of the layers that have parameters.
///
/// ```
/// use convlens::prelude::*;
/// let summary = zoo::squeezenet1_1()?.summary()?;
/// assert_eq!(summary.parameters(), 1_235_496);
/// println!("{}", summary.depth(2)); // a row for each fire module
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
pub struct Summary {
    network: String,
    input: Vec<i64>,
    layers: Vec<LayerSummary>,
    depth: Option<usize>,
    /// What else is to be said of the network.
    note: Option<&'static str>,
}

/// One layer of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct LayerSummary {
    /// The layer's name.
    pub name: String,
    /// Its kind, as PyTorch has it.
    pub kind: &'static str,
    /// Its output's shape.
    pub output: Vec<i64>,
    /// The kernel's height and width, where there is one.
    pub kernel: Option<[i64; 2]>,
    /// How many parameters it has; running statistics do not count.
    pub parameters: u64,
    /// How many of them are not frozen.
    pub trainable: u64,
    /// Multiplications with an addition, for the whole batch.
    pub multiply_adds: u64,
}

impl Model {
    /// The table of layers for one photo of the size that the network was made for.
    ///
    /// # Errors
    /// As [`summary_for`](Model::summary_for).
    pub fn summary(&self) -> Result<Summary> {
        self.summary_for(&self.input_size(1))
    }

    /// The table of layers for an input of this shape, `[N, C, H, W]`.
    ///
    /// # Errors
    /// The first layer that cannot take what reaches it.
    pub fn summary_for(&self, input: &[i64]) -> Result<Summary> {
        let shapes = self.output_shapes(input)?;
        let mut layers = Vec::new();
        for (node, output) in self.inner.nodes.iter().zip(shapes) {
            if matches!(node.op, Op::Input) {
                continue;
            }
            let [parameters, trainable] = node.trained();
            // As torchinfo has it, of transposed ones too.
            let applied = match output.as_slice() {
                [n, _, pixels @ ..] if node.op.family().convolves() => {
                    count(pixels).saturating_mul(count(&[*n]))
                }
                _ => count(output.get(..1).unwrap_or_default()),
            };
            layers.push(LayerSummary {
                name: node.name.clone(),
                kind: node.op.kind(),
                kernel: node.op.kernel(),
                parameters,
                trainable,
                multiply_adds: parameters.saturating_mul(applied),
                output,
            });
        }
        let network = self.name().to_owned();
        let note = self.takes_one_photo().then(|| self.one_by_one_note());
        Ok(Summary { network, input: input.to_vec(), layers, depth: None, note })
    }
}

impl Summary {
    /// The layers in the order in which they run.
    pub fn layers(&self) -> &[LayerSummary] {
        &self.layers
    }

    /// Shows groups so deep, and folds deeper ones: 1 shows a row for each name without its dots,
    /// as `"layer1"`. A depth beyond the deepest name shows everything.
    pub fn depth(&self, depth: usize) -> Summary {
        Summary { depth: Some(depth.max(1)), ..self.clone() }
    }

    /// All parameters that training changes or could change.
    pub fn parameters(&self) -> u64 {
        self.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.parameters))
    }

    /// Those of them that are not frozen.
    pub fn trainable_parameters(&self) -> u64 {
        self.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.trainable))
    }

    /// Multiplications with an addition, for the whole batch.
    pub fn multiply_adds(&self) -> u64 {
        self.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(layer.multiply_adds))
    }

    /// Bytes of the input.
    pub fn input_bytes(&self) -> u64 {
        count(&self.input).saturating_mul(4)
    }

    /// Bytes of the activations of a forward and backward pass, as torchinfo estimates them.
    pub fn forward_backward_bytes(&self) -> u64 {
        let kept = self.layers.iter().filter(|layer| layer.parameters > 0);
        kept.fold(0, |sum: u64, layer| sum.saturating_add(count(&layer.output).saturating_mul(8)))
    }

    /// Bytes of the parameters.
    pub fn parameter_bytes(&self) -> u64 {
        self.parameters().saturating_mul(4)
    }

    /// The rows, to this depth: each before what it holds.
    fn lines(&self, depth: usize) -> Vec<Line<'_>> {
        let mut lines = Vec::new();
        let all: Vec<&LayerSummary> = self.layers.iter().collect();
        add_lines(&all, 0, depth, &mut lines);
        lines
    }

    /// How deep the names go.
    fn deepest(&self) -> usize {
        let parts = self.layers.iter().map(|layer| layer.name.split('.').count());
        parts.max().unwrap_or(1)
    }

    /// The depth that is shown: the deepest that keeps the table readable.
    fn shown_depth(&self) -> usize {
        let deepest = self.deepest();
        let readable = |depth: usize| self.lines(depth).len() <= MOST_ROWS;
        self.depth.unwrap_or_else(|| last_depth(deepest, readable)).min(deepest)
    }

    fn table(&self) -> Table {
        let (depth, deepest) = (self.shown_depth(), self.deepest());
        let mut notes = Vec::new();
        if depth < deepest {
            let folded = self.lines(depth).iter().filter(|line| line.folded()).count();
            let are = if folded == 1 { "group is" } else { "groups are" };
            notes.push(format!(
                "{folded} {are} folded, with the sums of all their layers: shown to depth {depth} \
                 of {deepest}; .summary()?.depth({deepest}) shows every layer"
            ));
        }
        let totals = self.totals().map(|(label, value)| format!("{label}: {value}"));
        notes.extend(totals);
        notes.extend(self.note.map(str::to_owned));
        Table {
            caption: format!("{} for an input of {:?}", self.network, self.input),
            columns: vec![
                ("Layer", false),
                ("Kind", false),
                ("Output shape", false),
                ("Kernel", true),
                ("Parameters", true),
                ("Trainable", false),
                ("Multiply-adds", true),
            ],
            rows: self.lines(depth).iter().map(Line::row).collect(),
            notes,
        }
    }

    fn totals(&self) -> [(&'static str, String); 7] {
        let megabytes = |bytes: u64| format!("{:.2} MB", bytes as f64 / 1e6);
        let bytes = [self.input_bytes(), self.forward_backward_bytes(), self.parameter_bytes()];
        [
            ("Parameters", thousands(self.parameters())),
            ("Trainable parameters", thousands(self.trainable_parameters())),
            ("Multiply-adds", thousands(self.multiply_adds())),
            ("Input size", megabytes(bytes[0])),
            ("Forward/backward pass size", megabytes(bytes[1])),
            ("Parameters size", megabytes(bytes[2])),
            (
                "Estimated total size",
                megabytes(bytes.iter().fold(0, |a: u64, &b| a.saturating_add(b))),
            ),
        ]
    }
}

/// A row of the table: a layer, or a group with all that is in it.
struct Line<'a> {
    depth: usize,
    name: &'a str,
    layers: Vec<&'a LayerSummary>,
    /// The layer whose output is the group's.
    output: &'a LayerSummary,
    kind: Kind,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Layer,
    /// A group whose layers have rows of their own.
    Open,
    /// A group that stands for them.
    Folded,
}

/// Rows for layers that have the first `depth` parts of their names in common.
fn add_lines<'a>(
    layers: &[&'a LayerSummary],
    depth: usize,
    most: usize,
    lines: &mut Vec<Line<'a>>,
) {
    // A group stands where its first layer runs.
    let parts =
        gathered(layers.iter().map(|layer| (name_to_depth(&layer.name, depth + 1), *layer)));
    for (name, members) in parts {
        let Some(&last) = members.last() else { continue };
        let named = members.iter().find(|layer| layer.name == name);
        let output = named.copied().unwrap_or(last);
        let folded = depth + 1 >= most;
        if members.len() == 1 && named.is_some() {
            lines.push(Line { depth, name, layers: members, output, kind: Kind::Layer });
            continue;
        }
        let kind = if folded { Kind::Folded } else { Kind::Open };
        lines.push(Line { depth, name, layers: members.clone(), output, kind });
        if !folded {
            add_lines(&members, depth + 1, most, lines);
        }
    }
}

impl Line<'_> {
    fn folded(&self) -> bool {
        self.kind == Kind::Folded
    }

    fn row(&self) -> Row {
        let sum = |of: fn(&LayerSummary) -> u64| {
            self.layers.iter().fold(0, |sum: u64, layer| sum.saturating_add(of(layer)))
        };
        let parameters = sum(|layer| layer.parameters);
        let trainable = match (parameters, sum(|layer| layer.trainable)) {
            (0, _) => DASH,
            (_, 0) => "no",
            (all, free) if all == free => "yes",
            _ => "partly",
        };
        // Rows of open groups would count twice what stands below them.
        let number = |value: u64| match self.kind {
            Kind::Open => DASH.to_owned(),
            _ => count_or_dash(value),
        };
        let (kind, kernel) = match self.kind {
            Kind::Layer => (self.output.kind.to_owned(), self.output.kernel),
            _ if self.layers.len() == 1 => ("1 layer".to_owned(), None),
            _ => (format!("{} layers", self.layers.len()), None),
        };
        Row {
            depth: self.depth,
            ..Row::flat(vec![
                self.name.to_owned(),
                kind,
                format!("{:?}", self.output.output),
                kernel.map_or_else(|| DASH.to_owned(), |[h, w]| format!("{h} × {w}")),
                number(parameters),
                trainable.to_owned(),
                number(sum(|layer| layer.multiply_adds)),
            ])
        }
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl fmt::Debug for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(f, format_args!("Summary of {}, {} layers", self.network, self.layers.len()))
    }
}

impl Show for Summary {
    fn bundle(&self) -> MimeBundle {
        self.table().bundle()
    }
}

impl Show for Model {
    fn bundle(&self) -> MimeBundle {
        self.summary().bundle()
    }
}

fn count(shape: &[i64]) -> u64 {
    shape.iter().fold(1, |product: u64, &size| product.saturating_mul(size.max(0) as u64))
}
