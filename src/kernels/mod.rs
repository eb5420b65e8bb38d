//! The weights of a layer, as pictures and as numbers.

mod compare;
mod statistics;

use std::fmt;
use std::rc::Rc;

use tch::Tensor;

pub use compare::compare_kernels;
pub use statistics::{ParameterStatistics, WeightStatistics};

use crate::error::{Error, Result};
use crate::model::{Family, LayerRef, Model};
use crate::picture::{Colormap, Maps, NAN, NEGATIVE_INFINITY, Normalize, POSITIVE_INFINITY};
use crate::picture::{Picture, Sheet};
use crate::show::{MimeBundle, Show, debug_line, error_bundle};
use crate::tensor::{IntoResult, to_floats};

/// The kernels of a convolution as a contact sheet.
///
/// - Kernels of a layer that reads the photo's three channels are in colour.
/// - Of other layers, the kernels' parts for one input channel are shown, the first unless
///   [`input`](Kernels::input) chooses another; [`all`](Kernels::all) shows every part.
/// - Kernels of 1 × 1 are one matrix: a row for each output channel, a column for each input.
///
/// Each kernel is scaled by its own largest weight: mid-grey is 0, white the largest magnitude
/// above, black below, and in colour likewise for each of red, green and blue. The matrix has one
/// scale.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let first = model.kernels(model.first_convolution()?)?; // 64 kernels in colour
/// let deeper = model.kernels("features.6.expand3x3")?.input(5).sheet()?.first(16);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone)]
#[must_use]
pub struct Kernels {
    network: String,
    layer: String,
    /// `[out, in, height, width]`.
    weight: Rc<Tensor>,
    /// Whether the inputs are red, green and blue.
    /// The channels that are red, green and blue, where it reads a photo's three.
    colours: Option<[usize; 3]>,
    part: Option<Part>,
}

/// Which parts of the kernels are shown.
#[derive(Clone, Copy, Debug)]
enum Part {
    Input(usize),
    All,
}

impl Model {
    /// A convolution's kernels.
    ///
    /// # Errors
    /// When there is no such layer, or it has no kernels: the error names layers that have.
    pub fn kernels(&self, layer: impl Into<LayerRef>) -> Result<Kernels> {
        let (id, name) = self.find_named(layer)?;
        let weight = self.parameters(id.0)?.into_iter().find(|(name, _)| name == "weight");
        let Some((_, weight)) = weight.filter(|(_, tensor)| tensor.dim() == 4) else {
            return Err(self.without_kernels(&name, self.layer_name(id)));
        };
        // [in, out / groups, h, w] -> [out, in / groups, h, w]
        let weight = match (self.family_of(id), self.shape_of(id)) {
            (Family::TransposedConvolution, &[_, out, ..]) => transposed(&weight, out)?,
            _ => weight,
        };
        Ok(Kernels {
            network: self.name().to_owned(),
            colours: (self.reads_input(id) && weight.size()[1] == 3 && self.input_shape()[0] == 3)
                .then(|| if self.preprocess().is_bgr() { [2, 1, 0] } else { [0, 1, 2] }),
            layer: self.layer_name(id).to_owned(),
            weight: Rc::new(weight),
            part: None,
        })
    }

    fn without_kernels(&self, name: &str, layer: &str) -> Error {
        let convolutions: Vec<String> = self
            .layers()
            .into_iter()
            .filter(|layer| layer.family.convolves() && layer.parameters > 0)
            .map(|layer| layer.name)
            .collect();
        let prefix = format!("{name}.");
        let inside: Vec<&String> =
            convolutions.iter().filter(|conv| conv.starts_with(&prefix)).collect();
        let quoted = |names: &[&String]| {
            let shown: Vec<String> = names.iter().take(5).map(|n| format!("{n:?}")).collect();
            let more = names.len().saturating_sub(shown.len());
            let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
            shown.join(", ") + &rest
        };
        let advice = match (inside.as_slice(), convolutions.as_slice()) {
            ([], []) => format!("{} has no convolution", self.name()),
            ([], all) => {
                format!("choose a convolution: {}", quoted(&all.iter().collect::<Vec<_>>()))
            }
            (inside, _) => format!("the convolutions in it are {}", quoted(inside)),
        };
        let means = if name == layer { String::new() } else { format!(" means {layer:?}, which") };
        Error::Argument(format!("layer {name:?}{means} has no kernels: {advice}"))
    }
}

fn transposed(weight: &Tensor, out: i64) -> Result<Tensor> {
    let size = weight.size();
    let (inputs, per_group) = (size[0], size[1].max(1));
    let groups = (out / per_group).max(1);
    weight
        .f_reshape([groups, inputs / groups, per_group, size[2], size[3]])
        .and_then(|t| t.f_transpose(1, 2))
        .and_then(|t| t.f_reshape([out, inputs / groups, size[2], size[3]]))
        .into_result()
}

impl Kernels {
    /// The layer's name.
    pub fn layer(&self) -> &str {
        &self.layer
    }

    /// The weights, `[out, in, height, width]`; with groups of channels, `in` counts one group.
    pub fn tensor(&self) -> Tensor {
        self.weight.shallow_clone()
    }

    /// How many kernels there are: one for each output channel.
    pub fn count(&self) -> usize {
        self.side(0)
    }

    /// How many input channels each kernel reads.
    pub fn inputs(&self) -> usize {
        self.side(1)
    }

    fn side(&self, dimension: usize) -> usize {
        self.weight.size().get(dimension).map_or(0, |&side| side as usize)
    }

    /// Shows each kernel's part for this input channel, in grey.
    pub fn input(&self, channel: usize) -> Kernels {
        Kernels { part: Some(Part::Input(channel)), ..self.clone() }
    }

    /// Shows each kernel's parts for all input channels, in grey: a row for each kernel, a column
    /// for each input. Of large layers the title says how much is shown.
    pub fn all(&self) -> Kernels {
        Kernels { part: Some(Part::All), ..self.clone() }
    }

    /// A contact sheet of the kernels, to be set in other columns, sizes and colours.
    ///
    /// # Errors
    /// When there is no such input channel.
    pub fn sheet(&self) -> Result<Sheet> {
        let (count, inputs) = (self.count(), self.inputs());
        let (height, width) = (self.side(2), self.side(3));
        let title = |what: &str| format!("{} · {count} kernels, {what}", self.layer);
        let size = format!("{height} × {width}");
        let values = to_floats(&self.weight)?;
        if values.is_empty() {
            return Err(Error::Shape(format!(
                "the kernels of {:?} are {:?}: there is nothing to show",
                self.layer,
                self.weight.size()
            )));
        }
        if let Some(Part::Input(channel)) = self.part
            && channel >= inputs
        {
            return Err(Error::Argument(format!(
                "the kernels of {:?} read the channels 0 to {}, not {channel}",
                self.layer,
                inputs.saturating_sub(1)
            )));
        }
        let area = height * width;
        if let (Some(colours), None) = (self.colours, &self.part) {
            let tiles =
                values.chunks(3 * area).map(|kernel| coloured(kernel, colours, height, width));
            let captions = (0..count).map(|i| i.to_string());
            return Ok(Sheet::pictures(tiles.collect::<Result<Vec<_>>>()?)
                .captions(captions)
                .tile(tile_side(height.max(width)))
                .first(64)
                .title(title(&format!("{size}, as red, green and blue; grey is 0"))));
        }
        if area == 1 && !matches!(self.part, Some(Part::Input(_))) {
            let matrix = Maps::new(1, count, inputs, values)?;
            let what = format!("1 × 1: a row each, a column for each of {inputs} inputs");
            let longer = count.max(inputs);
            return Ok(Sheet::new(matrix)
                .normalize(Normalize::Symmetric)
                .colormap(Colormap::Gray)
                .tile((longer * (640 / longer).max(1)).min(1080) as u32)
                .title(title(&what)));
        }
        let scaled = |part: &[f32]| -> Vec<f32> {
            let most = largest(part);
            part.iter().map(|value| value / most).collect()
        };
        let grey = |maps: Maps| {
            Sheet::new(maps)
                .normalize(Normalize::Range(-1.0, 1.0))
                .colormap(Colormap::Gray)
                .without_colorbar()
                .tile(tile_side(height.max(width)))
        };
        if let Some(Part::All) = self.part {
            let table = TableSize::of(count, inputs, height.max(width));
            let rows = values.chunks(inputs * area).take(table.rows).map(scaled);
            let values = rows.flat_map(|kernel| kernel[..table.columns * area].to_vec()).collect();
            let maps = Maps::new(table.rows * table.columns, height, width, values)?;
            let mut what = format!("{size}, a row each, a column for each of {inputs} inputs");
            if (table.rows, table.columns) != (count, inputs) {
                what += &format!("; the first {} and {} shown", table.rows, table.columns);
            }
            return Ok(grey(maps)
                .tile(table.tile)
                .gutter(2)
                .columns(table.columns)
                .without_captions()
                .all()
                .title(title(&(what + "; grey is 0"))));
        }
        let channel = match self.part {
            Some(Part::Input(channel)) => channel,
            _ => 0,
        };
        let parts = values.chunks(inputs * area).map(|k| &k[channel * area..(channel + 1) * area]);
        let maps = Maps::new(count, height, width, parts.flat_map(scaled).collect())?;
        let of = match inputs {
            1 => "grey is 0".to_owned(),
            _ => format!("input channel {channel} of {inputs}; grey is 0"),
        };
        Ok(grey(maps).title(title(&format!("{size}, {of}"))))
    }
}

/// How many parts of kernels fit on a page, and how large.
struct TableSize {
    rows: usize,
    columns: usize,
    tile: u32,
}

impl TableSize {
    fn of(count: usize, inputs: usize, side: usize) -> TableSize {
        const WIDTH: usize = 970;
        const HEIGHT: usize = 1600;
        const GUTTER: usize = 2;
        let side = side.max(1);
        // From a weight as 16 pixels square down to 3.
        let room = (WIDTH / inputs.max(1)).saturating_sub(GUTTER) / side;
        let tile = side * room.clamp(3, 16).min((tile_side(side) as usize / side).max(3));
        let fit = |room: usize| (room / (tile + GUTTER)).max(1);
        TableSize {
            rows: count.min(fit(HEIGHT)),
            columns: inputs.min(fit(WIDTH)),
            tile: tile as u32,
        }
    }
}

/// Single weights must be seen: 3 × 3 as 48 pixels, 11 × 11 as 66.
fn tile_side(native: usize) -> u32 {
    let native = native.max(1);
    (native * (60 / native).max(1).max(if native <= 4 { 12 } else { 0 })).min(4096) as u32
}

/// The largest finite magnitude, or 1 where there is none.
fn largest(values: &[f32]) -> f32 {
    let finite = values.iter().map(|value| value.abs()).filter(|value| value.is_finite());
    let most = finite.fold(0.0, f32::max);
    if most > 0.0 { most } else { 1.0 }
}

/// `[3, h, w]` as a picture: 0 is mid-grey.
fn coloured(kernel: &[f32], colours: [usize; 3], height: usize, width: usize) -> Result<Picture> {
    let most = largest(kernel);
    let area = height * width;
    let mut pixels = Vec::with_capacity(3 * area);
    for at in 0..area {
        let colour = colours.map(|channel| kernel[channel * area + at]);
        pixels.extend(match colour.iter().find(|value| !value.is_finite()) {
            Some(value) if value.is_nan() => NAN,
            Some(value) if *value > 0.0 => POSITIVE_INFINITY,
            Some(_) => NEGATIVE_INFINITY,
            None => colour.map(|value| (127.5 + 127.5 * value / most).round() as u8),
        });
    }
    Picture::rgb(width as u32, height as u32, pixels)
}

impl fmt::Debug for Kernels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!("Kernels of {} of {}, {:?}", self.layer, self.network, self.weight.size()),
        )
    }
}

impl Show for Kernels {
    fn bundle(&self) -> MimeBundle {
        match self.sheet() {
            Ok(sheet) => sheet.bundle(),
            Err(error) => error_bundle(&error),
        }
    }
}
