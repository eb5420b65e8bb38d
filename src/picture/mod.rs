//! Pixels: pictures, colour maps, contact sheets and overlays. Nothing here knows of networks.
//!
//! ```
//! use convlens::picture::{Colormap, Maps, Sheet};
//!
//! let waves: Vec<f32> = (0..4 * 32 * 32).map(|i| (i as f32 / 50.0).sin()).collect();
//! let sheet = Sheet::new(Maps::new(4, 32, 32, waves)?).colormap(Colormap::Viridis).render()?;
//! assert!(sheet.picture.to_png().starts_with(b"\x89PNG"));
//! Ok::<(), convlens::Error>(())
//! ```
//!
//! - [`Picture`] is what everything here ends as: pixels, to be shown, saved or put together.
//! - [`Maps`] are the numbers behind: a stack of single-channel float maps, with [`Resize`].
//! - [`Normalize`] and [`Colormap`] decide which number gets which colour.
//! - [`Sheet`] lays many maps or pictures out; [`PictureTable`] gives rows and columns of pictures
//!   their titles.
//! - [`Segments`] divide a picture, into superpixels by [`Slic`] or a grid.
//! - [`Rectangle`] marks a part of a picture with a label.
//! - [`Animation`] shows pictures one after the other.
//! - [`Overlay`] puts one map over a photo, by a [`Blend`], or shows it alone.
//!
//! # Values that are not numbers
//!
//! NaN and the infinities never take part in a range, and have colours that say so, in sheets and
//! overlays alike: [`NAN`] magenta, [`POSITIVE_INFINITY`] green, [`NEGATIVE_INFINITY`] cyan. The
//! text beside the picture counts them.

mod animation;
mod blend;
mod colorbar;
mod colormap;
mod compose;
mod composite;
mod contour;
mod file;
mod gradient;
mod jpeg;
mod layout;
mod legend;
mod levels;
mod maps;
mod normalize;
mod overlay;
mod page;
#[expect(clippy::module_inception, reason = "the room is named after its main type")]
mod picture;
mod png;
mod rectangles;
mod region;
mod resize;
mod segments;
mod sheet;
mod table;
mod text;
mod tiff;

pub use animation::Animation;
pub use blend::Blend;
pub(crate) use blend::luma;
pub use colormap::{Colormap, NAN, NEGATIVE_INFINITY, POSITIVE_INFINITY};
pub use layout::shown_size;
pub use maps::Maps;
pub use normalize::Normalize;
pub use overlay::Overlay;
pub use picture::Picture;
pub use rectangles::Rectangle;
pub use region::Region;
pub use resize::Resize;
pub use segments::{Segmentation, Segments, Slic};
pub use sheet::{Rendered, Sheet};
pub use table::{Cell, PictureTable};

pub(crate) use composite::Composite;
pub(crate) use file::{write as write_file, write_by};
pub(crate) use jpeg::encode as to_jpeg;
pub(crate) use levels::{GREATEST, ODD};
pub(crate) use picture::image_element;
pub(crate) use png::smallest as to_smallest_png;
pub(crate) use text::{font_bytes, shortened, wrap};
pub(crate) use tiff::Tiff;
