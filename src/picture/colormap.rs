//! Colour maps with matplotlib's names and values.

use std::fmt;
use std::str::FromStr;

use crate::error::{Error, Result};

/// The colour of NaN: magenta.
pub const NAN: [u8; 3] = [255, 0, 255];
/// The colour of +∞: green.
pub const POSITIVE_INFINITY: [u8; 3] = [0, 255, 0];
/// The colour of −∞: cyan.
pub const NEGATIVE_INFINITY: [u8; 3] = [0, 255, 255];

/// The line around tiles and colour bars.
pub(super) const FRAME: [u8; 3] = [208; 3];

/// 256 colours for each variant, in their order; made by tests/reference/picture/make.py.
static TABLES: &[u8; 11 * 256 * 3] = include_bytes!("colormaps.bin");

/// From a number between 0 and 1 to a colour: matplotlib's maps of the same names, to the byte.
///
/// ```
/// use convlens::picture::Colormap;
/// assert_eq!(Colormap::Viridis.color(0.0), [68, 1, 84]);
/// assert_eq!("viridis".parse::<Colormap>()?, Colormap::Viridis);
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Colormap {
    /// From white to black: high values are dark. The default for feature maps.
    #[default]
    Greys,
    /// From black to white.
    Gray,
    /// From violet through green to yellow, even to the eye.
    Viridis,
    /// From black through red to light yellow, even to the eye.
    Inferno,
    /// From black through purple to light pink, even to the eye.
    Magma,
    /// From blue through pink to yellow, even to the eye.
    Plasma,
    /// A rainbow without jet's false edges.
    Turbo,
    /// The old rainbow, as matplotlib has it.
    Jet,
    /// Signed values: blue, light grey, red.
    Coolwarm,
    /// Signed values: red, white, blue.
    RdBu,
    /// The old rainbow, as OpenCV has it: what pytorch-grad-cam draws with. It differs from
    /// [`Jet`](Colormap::Jet) by up to 33 of 255 levels.
    JetOpenCv,
}

impl Colormap {
    /// All of them.
    pub const ALL: [Colormap; 11] = [
        Colormap::Greys,
        Colormap::Gray,
        Colormap::Viridis,
        Colormap::Inferno,
        Colormap::Magma,
        Colormap::Plasma,
        Colormap::Turbo,
        Colormap::Jet,
        Colormap::Coolwarm,
        Colormap::RdBu,
        Colormap::JetOpenCv,
    ];

    /// The name, as matplotlib writes it.
    pub fn name(self) -> &'static str {
        match self {
            Colormap::Greys => "Greys",
            Colormap::Gray => "gray",
            Colormap::Viridis => "viridis",
            Colormap::Inferno => "inferno",
            Colormap::Magma => "magma",
            Colormap::Plasma => "plasma",
            Colormap::Turbo => "turbo",
            Colormap::Jet => "jet",
            Colormap::Coolwarm => "coolwarm",
            Colormap::RdBu => "RdBu",
            Colormap::JetOpenCv => "jet_opencv",
        }
    }

    /// The colour of `t`, which is cut to 0..=1: entry `⌊256 t⌋` of the
    /// [`palette`](Colormap::palette), the last one for 1. NaN is [`NAN`].
    pub fn color(self, t: f32) -> [u8; 3] {
        if t.is_nan() {
            return NAN;
        }
        // `as` saturates.
        self.entry(((t * 256.0) as usize).min(255) as u8)
    }

    /// The 256 colours, that of 0 first.
    pub fn palette(self) -> [[u8; 3]; 256] {
        std::array::from_fn(|i| self.entry(i as u8))
    }

    pub(crate) fn entry(self, level: u8) -> [u8; 3] {
        let at = (self as usize * 256 + usize::from(level)) * 3;
        [TABLES[at], TABLES[at + 1], TABLES[at + 2]]
    }
}

impl fmt::Display for Colormap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Colormap {
    type Err = Error;

    /// By [`name`](Colormap::name). `Greys` and `gray` are different maps; otherwise case does not
    /// matter.
    fn from_str(name: &str) -> Result<Colormap> {
        Colormap::ALL.into_iter().find(|map| map.name().eq_ignore_ascii_case(name)).ok_or_else(
            || {
                let known = Colormap::ALL.map(Colormap::name);
                Error::not_found("colour map", name, "convlens", known)
            },
        )
    }
}
