//! The maps of a network's layers: of one look, or of several photos beside the network's drawing.

use serde::Serialize;

use super::{Colours, Explorer, Shown, Sprite, png};
use crate::compare::Photos;
use crate::error::{Error, Result};
use crate::feature_maps::FeatureMaps;
use crate::look::Look;
use crate::model::{Family, LayerRef, Model, NodeId, ReceptiveField};
use crate::picture::{Colormap, Maps};
use crate::show::{MimeBundle, Show};

/// So many layers are shown unless others are named.
const LAYERS: usize = 8;
/// All maps of a page have so many values at most: larger maps are averaged.
const BUDGET: usize = 3_000_000;
/// In the picture of the page, a row has so many maps.
const TOP: usize = 8;

#[derive(Serialize)]
struct Page {
    kind: &'static str,
    title: String,
    drawing: Option<Chart>,
    looks: Vec<Seen>,
    #[serde(flatten)]
    colours: Colours,
}

/// A photo with the maps of each layer.
#[derive(Serialize)]
struct Seen {
    photo: Shown,
    about: Option<String>,
    layers: Vec<Layer>,
}

/// The network as its drawing, in which boxes lead to layers.
#[derive(Serialize)]
struct Chart {
    file: String,
    boxes: Vec<Stage>,
}

#[derive(Serialize)]
struct Stage {
    name: String,
    /// Left, top, right, bottom, as shares of the drawing.
    sides: [f64; 4],
    /// Its place among the layers, where it has maps.
    layer: Option<usize>,
}

#[derive(Serialize)]
struct Layer {
    name: String,
    kind: String,
    /// Height and width of the layer's own maps.
    size: [usize; 2],
    /// Values are means of squares of so many rows and columns.
    averaged: usize,
    means: Vec<f32>,
    maps: Sprite,
    field: Option<Field>,
}

/// Which rows and columns of what the network sees each row and column of the maps depends on.
#[derive(Serialize)]
struct Field {
    rows: Vec<[i64; 2]>,
    columns: Vec<[i64; 2]>,
    gated: bool,
}

impl Look {
    /// The maps of up to eight layers, as a page to point at: a layer's sheet, the map under the pointer large over
    /// the photo with its value, its mean, least and greatest value and its rank among the layer's maps, and the
    /// receptive field of the place. Maps are sorted by channel, mean or maximum; arrow keys walk; sliders set how much
    /// of the photo shows and from which value on.
    ///
    /// The layers are spread evenly over the parts of the network that have maps, the first and the last among them;
    /// [`explorer_at`](Look::explorer_at) takes others.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat_and_dog.jpg")?)?;
    /// let page = look.explorer()?;
    /// assert!(page.html().len() < 3_000_000);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When no layer has maps, or the input is a row of numbers.
    pub fn explorer(&self) -> Result<Explorer> {
        let layers = usual_layers(self.model(), &self.memory().input()?.size())?;
        if layers.is_empty() {
            let name = self.model().name();
            return Err(Error::Shape(format!(
                "{name} has no layer with maps of more than one pixel"
            )));
        }
        self.explorer_at(layers)
    }

    /// The maps of these layers, as [`explorer`](Look::explorer) shows them.
    ///
    /// A page keeps the values of each map in 8 bits, from the map's least to its greatest finite value: what it says of
    /// one place is right to a 255th of that range. Means, extremes and ranks are exact. Where all maps together
    /// have more than three million values, the largest are averaged over squares of 2 × 2, 4 × 4, ... of
    /// their own, and the page says so.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
    /// look.explorer_at(["features.3", "features.12"])?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// No layers; an unknown layer: the error lists the closest names; a layer without maps; an input that is a row of
    /// numbers.
    pub fn explorer_at(
        &self,
        layers: impl IntoIterator<Item = impl Into<LayerRef>>,
    ) -> Result<Explorer> {
        let layers: Vec<LayerRef> = layers.into_iter().map(Into::into).collect();
        let title = format!("{} · {}", self.model().name(), self.photo().title());
        let (looks, found) = seen(std::slice::from_ref(self), &layers)?;
        page(title, None, looks, still(&found)?)
    }
}

impl Model {
    /// The network as its [drawing](Model::drawing), in which a click on a box leads to the maps of its output, for
    /// each of these photos; [`Look::explorer`] says how they are shown.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let photos = [Photo::open("assets/photos/cat.png")?, Photo::open("assets/photos/dog.jpg")?];
    /// zoo::squeezenet1_1()?.explorer(&photos)?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// No photos; a photo that the network cannot look at; when no box of the drawing has maps, or it cannot be drawn.
    pub fn explorer(&self, photos: impl Photos) -> Result<Explorer> {
        let photos = photos.photos();
        let looks: Vec<Look> =
            photos.iter().map(|photo| self.look(photo)).collect::<Result<_>>()?;
        let Some(first) = looks.first() else {
            return Err(Error::Argument("an explorer of no photos: give at least one".into()));
        };
        let drawing = self.drawing();
        let (picture, sides) = drawing.chart()?;
        let names: Vec<String> = drawing.outputs().into_iter().map(|(name, _)| name).collect();
        let layers = with_maps(self, &first.memory().input()?.size(), names.clone())?;
        let [width, height] = [picture.width(), picture.height()].map(f64::from);
        let stages = names.into_iter().zip(sides).map(|(name, [left, top, right, bottom])| Stage {
            sides: [
                f64::from(left) / width,
                f64::from(top) / height,
                f64::from(right) / width,
                f64::from(bottom) / height,
            ],
            layer: layers.iter().position(|layer| *layer == name),
            name,
        });
        let chart = Chart { file: png(&picture), boxes: stages.collect() };
        let layers: Vec<LayerRef> = layers.iter().map(|layer| layer.as_str().into()).collect();
        let (looks, found) = seen(&looks, &layers)?;
        let still = MimeBundle::stack(vec![drawing.bundle(), still(&found)?]);
        page(self.name().to_owned(), Some(chart), looks, still)
    }
}

fn page(
    title: String,
    drawing: Option<Chart>,
    looks: Vec<Seen>,
    still: MimeBundle,
) -> Result<Explorer> {
    let colours = Colours::new(&[Colormap::Greys, Colormap::Inferno]);
    let page = Page { kind: "maps", title: title.clone(), drawing, looks, colours };
    Explorer::new(title, still, &page)
}

/// What a page has of each look, and the maps of the first.
fn seen(looks: &[Look], layers: &[LayerRef]) -> Result<(Vec<Seen>, Vec<FeatureMaps>)> {
    if layers.is_empty() {
        return Err(Error::Argument(
            "an explorer of no layers: name at least one that has maps".into(),
        ));
    }
    let photos: Vec<Shown> =
        looks.iter().map(|look| Shown::of(look.view())).collect::<Result<_>>()?;
    let found = looks.iter().map(|look| look.layers(layers)).collect::<Result<Vec<_>>>()?;
    let maps = found.iter().flatten().map(FeatureMaps::maps).collect::<Result<Vec<Maps>>>()?;
    let mut factors = averaged(&maps).into_iter().zip(maps);
    let each = looks.iter().zip(photos).zip(&found);
    let seen = each.map(|((look, photo), found)| {
        let input = look.memory().input()?.size();
        let layers = found.iter().zip(factors.by_ref()).map(|(layer, (factor, maps))| {
            let small = if factor > 1 { maps.averaged(factor)? } else { maps.clone() };
            Ok(Layer {
                name: layer.layer().to_owned(),
                kind: layer.kind().to_owned(),
                size: [maps.height(), maps.width()],
                averaged: factor,
                means: finite_means(&maps),
                maps: Sprite::of(&small, maps.extents()),
                field: field(look.model(), layer.layer(), &input, factor),
            })
        });
        let layers = layers.collect::<Result<_>>()?;
        let about = look.predictions(1).ok().map(|predictions| {
            let top = predictions.top();
            format!("{}, {:.1} %", top.name, 100.0 * top.probability)
        });
        Ok(Seen { photo, about, layers })
    });
    let seen = seen.collect::<Result<_>>()?;
    Ok((seen, found.into_iter().next().unwrap_or_default()))
}

/// The maps of highest mean of each layer, a row each.
fn still(layers: &[FeatureMaps]) -> Result<MimeBundle> {
    let row = |layer: &FeatureMaps| Ok(layer.sheet()?.top(TOP).columns(TOP).tile(112).bundle());
    Ok(MimeBundle::stack(layers.iter().map(row).collect::<Result<_>>()?))
}

/// The outputs of a network's parts that have maps: of all, or of eight, spread evenly. Pooling and dropout show
/// what stands before them.
fn usual_layers(model: &Model, input: &[i64]) -> Result<Vec<String>> {
    let parts = model.drawing().outputs().into_iter().filter(|(_, output)| {
        output.family != Family::Pooling && !output.kind.starts_with("Dropout")
    });
    let names = with_maps(model, input, parts.map(|(name, _)| name).collect())?;
    let last = names.len().saturating_sub(1);
    let mut places: Vec<usize> =
        (0..LAYERS).map(|i| (i * last + (LAYERS - 1) / 2) / (LAYERS - 1)).collect();
    places.dedup();
    Ok(places.into_iter().filter_map(|place| names.get(place).cloned()).collect())
}

/// Those of these layers that have maps of more than one pixel, and are no input.
fn with_maps(model: &Model, input: &[i64], names: Vec<String>) -> Result<Vec<String>> {
    let found = names.into_iter().filter_map(|name| Some((model.find(&*name).ok()?, name)));
    let found: Vec<(NodeId, String)> = found.filter(|(id, _)| !model.is_input(*id)).collect();
    let ids: Vec<NodeId> = found.iter().map(|(id, _)| *id).collect();
    let (grids, shapes) = (model.grids_of(&ids, input)?, model.output_shapes(input)?);
    let spatial = found.into_iter().zip(grids).filter(|((id, _), grid)| {
        let size = grid.and_then(|grid| grid.size(&shapes[id.0]));
        size.is_some_and(|[rows, columns]| rows * columns > 1)
    });
    Ok(spatial.map(|((_, name), _)| name).collect())
}

/// Over squares of how many rows and columns the maps of each layer are averaged, so that all fit into a page.
fn averaged(layers: &[Maps]) -> Vec<usize> {
    let mut factors = vec![1; layers.len()];
    let size = |maps: &Maps, factor: usize| {
        maps.count() * maps.height().div_ceil(factor) * maps.width().div_ceil(factor)
    };
    loop {
        let sizes = layers.iter().zip(&factors).map(|(maps, &factor)| size(maps, factor));
        let sizes: Vec<usize> = sizes.collect();
        let can_shrink =
            |&place: &usize| layers[place].height().max(layers[place].width()) > factors[place];
        let largest = (0..sizes.len()).filter(can_shrink).max_by_key(|&place| sizes[place]);
        match largest {
            Some(place) if sizes.iter().sum::<usize>() > BUDGET => factors[place] *= 2,
            _ => return factors,
        }
    }
}

fn finite_means(maps: &Maps) -> Vec<f32> {
    let size = (maps.height() * maps.width()).max(1);
    let mean = |map: &[f32]| {
        let finite = map.iter().filter(|value| value.is_finite());
        let (sum, count) = finite.fold((0.0, 0), |(sum, n), &v| (sum + f64::from(v), n + 1));
        (sum / f64::from(count.max(1))) as f32
    };
    maps.values().chunks_exact(size).map(mean).collect()
}

/// None where the network has none for this layer.
fn field(model: &Model, layer: &str, input: &[i64], factor: usize) -> Option<Field> {
    let &[_, _, height, width] = input else { return None };
    let field: ReceptiveField = model.receptive_field_for(layer, [height, width]).ok()?;
    let joined = |windows: &[(i64, i64)]| {
        let all = windows.chunks(factor).map(|windows| {
            let seen = windows.iter().filter(|(from, to)| from < to);
            seen.copied().reduce(|a, b| (a.0.min(b.0), a.1.max(b.1))).unwrap_or((0, 0)).into()
        });
        all.collect()
    };
    let [rows, columns] = &field.windows;
    Some(Field { rows: joined(rows), columns: joined(columns), gated: field.is_gated() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zoo;

    #[test]
    fn eight_layers_are_spread_over_the_network() {
        let model = zoo::squeezenet1_1().unwrap();
        let layers = usual_layers(&model, &[1, 3, 224, 224]).unwrap();
        assert_eq!(layers.len(), LAYERS);
        assert_eq!((layers[0].as_str(), layers[7].as_str()), ("features.0", "classifier.2"));
    }

    #[test]
    fn the_largest_maps_are_averaged_until_all_fit() {
        let maps = |count: usize, side: usize| {
            Maps::new(count, side, side, vec![0.0; count * side * side]).unwrap()
        };
        assert_eq!(averaged(&[maps(64, 100), maps(10, 10)]), [1, 1]);
        assert_eq!(averaged(&[maps(64, 224), maps(64, 112), maps(10, 10)]), [2, 1, 1]);
        // Maps of single pixels stay, however many.
        assert_eq!(averaged(&[maps(4_000_000, 1)]), [1]);
    }

    #[test]
    fn a_field_of_averaged_values_is_that_of_all_of_them() {
        let model = zoo::squeezenet1_1().unwrap();
        let one = field(&model, "features.0", &[1, 3, 224, 224], 1).unwrap();
        let four = field(&model, "features.0", &[1, 3, 224, 224], 2).unwrap();
        assert_eq!((one.rows.len(), four.rows.len()), (111, 56));
        assert_eq!((one.rows[0], one.rows[1], four.rows[0]), ([0, 3], [2, 5], [0, 5]));
        assert_eq!(four.rows[55], one.rows[110]);
    }
}
