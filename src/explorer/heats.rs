//! Explanations under one pointer.

use std::borrow::Borrow;

use serde::Serialize;

use super::{Colours, Explorer, Shown, Sprite};
use crate::attribution::{Heatmap, Meaning};
use crate::compare::{Comparison, Outcome};
use crate::error::{Error, Result};
use crate::picture::{Colormap, Sheet};
use crate::show::Show;

#[derive(Serialize)]
struct Page {
    kind: &'static str,
    title: String,
    photos: Vec<Shown>,
    heats: Vec<Heat>,
    #[serde(flatten)]
    colours: Colours,
}

#[derive(Serialize)]
struct Heat {
    /// Its place among the photos.
    photo: usize,
    method: String,
    layer: Option<String>,
    /// What is explained; nothing where the map is the same for all targets.
    about: Option<String>,
    score: Option<f64>,
    remarks: Vec<String>,
    legend: &'static str,
    meaning: &'static str,
    palette: &'static str,
    /// Values of the first and of the last colour.
    colours: [f32; 2],
    /// Whether values between those of the map are interpolated.
    smooth: bool,
    map: Sprite,
    boxes: Vec<Marked>,
}

#[derive(Serialize)]
struct Marked {
    /// Left, top, right, bottom, as shares of the photo.
    sides: [f64; 4],
    label: String,
}

impl Heatmap {
    /// The map over its photo, as a page to point at: the value under the pointer, sliders for how much of the photo
    /// shows and from which share of the map on, and what the map [cuts out](Heatmap::cut_out) of the photo, with a
    /// threshold that moves. [`explorer::heatmaps`](crate::explorer::heatmaps) shows several.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
    /// look.explain(&GradCam::default())?.explorer()?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When the input is a row of numbers.
    pub fn explorer(&self) -> Result<Explorer> {
        heatmaps([self])
    }
}

impl Comparison {
    /// All heat maps of the comparison in one page, as [`explorer::heatmaps`](crate::explorer::heatmaps) shows them.
    ///
    /// ```
    /// use convlens::prelude::*;
    /// let photo = Photo::open("assets/photos/cat_and_dog.jpg")?;
    /// let methods: [&dyn Attribution; 2] = [&GradCam::default(), &LayerCam::at("features.7")];
    /// compare::methods(&zoo::squeezenet1_1()?, methods, &photo)?.explorer()?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// When no cell has a heat map, or an input is a row of numbers.
    pub fn explorer(&self) -> Result<Explorer> {
        let cells =
            (0..self.rows()).flat_map(|row| (0..self.columns()).map(move |column| (row, column)));
        let heats = cells.filter_map(|(row, column)| self.get(row, column).and_then(Outcome::heat));
        heatmaps(heats)
    }
}

/// Several explanations in one page: tabs for methods and for what is explained, each map small beside the
/// others, and one pointer for all. Where the pointer is, the page says each map's value there.
///
/// A page keeps each map's values in 8 bits, from its least to its greatest: what it says of one place is right to a
/// 255th of that range. 'Cut out' shows the photo where the map, its negative values left out and scaled from 0 to 1
/// as [`Heatmap::cut_out`] does it, is at least the threshold.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat_and_dog.jpg")?)?;
/// let mut heats = look.explain_each(&GradCam::default(), ["tiger cat", "Saluki"])?;
/// heats.extend(look.explain_each(&InputXGradient::default(), ["tiger cat", "Saluki"])?);
/// explorer::heatmaps(&heats)?;
/// Ok::<(), convlens::Error>(())
/// ```
///
/// # Errors
/// No heat maps; an input that is a row of numbers.
pub fn heatmaps(heats: impl IntoIterator<Item = impl Borrow<Heatmap>>) -> Result<Explorer> {
    let heats: Vec<_> = heats.into_iter().collect();
    let heats: Vec<&Heatmap> = heats.iter().map(Borrow::borrow).collect();
    let Some(first) = heats.first() else {
        return Err(Error::Argument("an explorer of no heat maps: give at least one".into()));
    };
    let mut photos: Vec<Shown> = Vec::new();
    let mut rows = Vec::with_capacity(heats.len());
    for heat in &heats {
        let shown = Shown::of(heat.view())?;
        let place = photos.iter().position(|known| *known == shown);
        let photo = place.unwrap_or_else(|| {
            photos.push(shown);
            photos.len() - 1
        });
        rows.push(row(heat, photo)?);
    }
    let title = match heats.len() {
        1 => format!("{} · {}", first.caption(), first.view().photo().title()),
        count => match photos.as_slice() {
            [photo] => format!("{count} explanations · {}", photo.title),
            photos => format!("{count} explanations of {} photos", photos.len()),
        },
    };
    let still = match heats.as_slice() {
        [one] => one.bundle(),
        all => {
            let pictures = all.iter().map(|heat| Ok((heat.picture()?, heat.caption())));
            Sheet::pictures(pictures.collect::<Result<Vec<_>>>()?).bundle()
        }
    };
    let colours = Colours::new(&[Colormap::JetOpenCv, Colormap::Coolwarm, Colormap::Inferno]);
    let page = Page { kind: "heats", title: title.clone(), photos, heats: rows, colours };
    Explorer::new(title, still, &page)
}

fn row(heat: &Heatmap, photo: usize) -> Result<Heat> {
    let map = heat.map()?;
    let map = Sprite::of(&map, map.extents());
    let (meaning, palette) = match heat.meaning() {
        Meaning::Positive => ("positive", Colormap::JetOpenCv),
        Meaning::Signed => ("signed", Colormap::Coolwarm),
        Meaning::Magnitude | Meaning::Colour => ("magnitude", Colormap::Inferno),
    };
    let [low, high] = map.ranges.first().copied().unwrap_or_default();
    let (low, high) = heat.overlay()?.range()?.unwrap_or((low, high));
    let boxed = heat.boxes().iter();
    Ok(Heat {
        photo,
        method: heat.method().to_owned(),
        layer: heat.layer().map(str::to_owned),
        about: heat.about(),
        score: heat.is_for_target().then(|| heat.score()),
        remarks: heat.remarks().to_vec(),
        legend: match heat.meaning() {
            // Drawn over the photo here, and not in grey.
            Meaning::Magnitude | Meaning::Colour => "the brighter, the more a pixel matters",
            _ => heat.legend(),
        },
        meaning,
        palette: palette.name(),
        colours: [low, high],
        smooth: heat.segments().is_none(),
        map,
        boxes: boxed
            .map(|one| Marked { sides: one.sides(), label: one.label().to_owned() })
            .collect(),
    })
}
