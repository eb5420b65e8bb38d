//! The same kernels in several networks.

use crate::error::{Error, Result};
use crate::model::{LayerRef, Model};
use crate::picture::Picture;
use crate::show::{Show, side_by_side};

/// So many kernels of each network.
const FIRST: usize = 16;
const COLUMNS: usize = 4;

/// The first 16 kernels of one layer in several networks, beside each other under their titles: a
/// trained network's first kernels are edges and colours, an untrained one's are noise.
///
/// For layers that differ, or with other options, put sheets of [`Kernels`](super::Kernels) into
/// [`side_by_side`].
///
/// ```
/// use convlens::prelude::*;
/// let mut net = Model::builder("untrained", [3, 224, 224]);
/// let x = net.input();
/// net.add("features.0", Conv2d::new(3, 64, 3).stride(2), &[x]);
/// let (trained, untrained) = (zoo::squeezenet1_1()?, net.build()?);
/// compare_kernels([("trained", &trained), ("untrained", &untrained)], "features.0")?;
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// No network at all; as [`Model::kernels`].
pub fn compare_kernels<'a, S: Into<String>>(
    networks: impl IntoIterator<Item = (S, &'a Model)>,
    layer: impl Into<LayerRef>,
) -> Result<Picture> {
    let layer = layer.into();
    let mut sheets = Vec::new();
    for (title, model) in networks {
        let title = title.into();
        let kernels = model.kernels(&layer);
        let kernels = kernels.map_err(|e| e.while_doing(format!("the kernels of {title}")))?;
        let short = format!("{}, {} × {}", kernels.layer(), kernels.side(2), kernels.side(3));
        sheets.push((title, kernels.sheet()?.first(FIRST).columns(COLUMNS).title(short)));
    }
    let compared = side_by_side(sheets).bundle();
    let picture = compared.as_picture().cloned();
    picture.ok_or_else(|| Error::Argument("no network to compare the kernels of".into()))
}
