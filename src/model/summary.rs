//! The network as a table: layers, output shapes, kernels, parameters, multiply-adds.

use std::fmt;

use super::{Model, Op};
use crate::error::Result;
use crate::show::{MimeBundle, Show, escape_html};

/// A network's layers with their sizes and costs, with torchinfo's columns and totals.
///
/// Multiply-adds are torchinfo's: a convolution costs its parameters times its output pixels,
/// any other layer its parameters, each times the batch. The forward and backward pass size is
/// eight bytes for each output value of the layers that have parameters.
#[derive(Clone, Debug)]
pub struct Summary {
    network: String,
    input: Vec<i64>,
    rows: Vec<LayerSummary>,
}

/// One line of the table.
#[derive(Clone, Debug, PartialEq, Eq)]
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
        let [c, h, w] = self.input_shape();
        self.summary_for(&[1, c, h, w])
    }

    /// The table of layers for an input of this shape, `[N, C, H, W]`.
    ///
    /// # Errors
    /// The first layer that cannot take what reaches it.
    pub fn summary_for(&self, input: &[i64]) -> Result<Summary> {
        let shapes = self.output_shapes(input)?;
        let mut rows = Vec::new();
        for (node, output) in self.inner.nodes.iter().zip(shapes) {
            if matches!(node.op, Op::Input) {
                continue;
            }
            let trained = node.parameters.iter().filter(|p| p.trainable);
            let parameters: u64 = trained.clone().map(|p| p.tensor.numel() as u64).sum();
            let trainable =
                trained.filter(|p| p.tensor.requires_grad()).map(|p| p.tensor.numel() as u64).sum();
            let applied = match (&node.op, output.as_slice()) {
                (Op::Conv2d(_), [n, _, h, w]) => count(&[*n, *h, *w]),
                _ => count(&output[..1]),
            };
            rows.push(LayerSummary {
                name: node.name.clone(),
                kind: node.op.kind(),
                kernel: node.op.kernel(),
                parameters,
                trainable,
                multiply_adds: parameters.saturating_mul(applied),
                output,
            });
        }
        Ok(Summary { network: self.name().to_owned(), input: input.to_vec(), rows })
    }
}

impl Summary {
    /// The layers in the order in which they run.
    pub fn layers(&self) -> &[LayerSummary] {
        &self.rows
    }

    /// All parameters that training changes or could change.
    pub fn parameters(&self) -> u64 {
        self.rows.iter().map(|row| row.parameters).sum()
    }

    /// Those of them that are not frozen.
    pub fn trainable_parameters(&self) -> u64 {
        self.rows.iter().map(|row| row.trainable).sum()
    }

    /// Multiplications with an addition, for the whole batch.
    pub fn multiply_adds(&self) -> u64 {
        self.rows.iter().fold(0, |sum: u64, row| sum.saturating_add(row.multiply_adds))
    }

    /// Bytes of the input.
    pub fn input_bytes(&self) -> u64 {
        count(&self.input).saturating_mul(4)
    }

    /// Bytes of the activations of a forward and backward pass, as torchinfo estimates them.
    pub fn forward_backward_bytes(&self) -> u64 {
        let kept = self.rows.iter().filter(|row| row.parameters > 0);
        kept.fold(0, |sum: u64, row| sum.saturating_add(count(&row.output).saturating_mul(8)))
    }

    /// Bytes of the parameters.
    pub fn parameter_bytes(&self) -> u64 {
        4 * self.parameters()
    }

    fn cells(row: &LayerSummary) -> [String; 6] {
        let dash = || "–".to_owned();
        let number = |v: u64| if v == 0 { dash() } else { thousands(v) };
        [
            row.name.clone(),
            row.kind.to_owned(),
            format!("{:?}", row.output),
            row.kernel.map_or_else(dash, |[h, w]| format!("{h} × {w}")),
            number(row.parameters),
            number(row.multiply_adds),
        ]
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

const COLUMNS: [&str; 6] =
    ["Layer", "Kind", "Output shape", "Kernel", "Parameters", "Multiply-adds"];

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows: Vec<[String; 6]> = self.rows.iter().map(Self::cells).collect();
        let mut widths = COLUMNS.map(|title| title.chars().count());
        for row in &rows {
            for (width, cell) in widths.iter_mut().zip(row) {
                *width = (*width).max(cell.chars().count());
            }
        }
        writeln!(f, "{} for an input of {:?}", self.network, self.input)?;
        let line = |cells: &[String; 6]| {
            let padded = cells.iter().zip(widths).enumerate().map(|(i, (cell, width))| {
                if i < 3 { format!("{cell:<width$}") } else { format!("{cell:>width$}") }
            });
            padded.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        };
        writeln!(f, "{}", line(&COLUMNS.map(str::to_owned)))?;
        for row in &rows {
            writeln!(f, "{}", line(row))?;
        }
        let totals = self.totals();
        for (i, (label, value)) in totals.iter().enumerate() {
            write!(f, "{label}: {value}")?;
            if i + 1 < totals.len() {
                writeln!(f)?;
            }
        }
        Ok(())
    }
}

impl Show for Summary {
    fn bundle(&self) -> MimeBundle {
        let mut html = format!(
            "<p><b>{}</b> for an input of {:?}</p>\n<table>\n<thead><tr>",
            escape_html(&self.network),
            self.input
        );
        let aligned = |i: usize| if i < 3 { "left" } else { "right" };
        for (i, title) in COLUMNS.iter().enumerate() {
            html += &format!("<th align=\"{0}\" style=\"text-align:{0}\">{title}</th>", aligned(i));
        }
        html += "</tr></thead>\n<tbody>\n";
        for row in &self.rows {
            html += "<tr>";
            for (i, cell) in Self::cells(row).iter().enumerate() {
                html += &format!(
                    "<td align=\"{0}\" style=\"text-align:{0}\">{1}</td>",
                    aligned(i),
                    escape_html(cell)
                );
            }
            html += "</tr>\n";
        }
        html += "</tbody>\n</table>\n<p>";
        let totals = self.totals().map(|(label, value)| format!("{label}: <b>{value}</b>"));
        html += &totals.join(" · ");
        html += "</p>";
        MimeBundle::html(html, self.to_string())
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

/// `1235496` -> `1,235,496`.
fn thousands(value: u64) -> String {
    let digits = value.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}
