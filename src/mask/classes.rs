//! The classes that a mask tells apart: names, and a colour for each.

use std::sync::Arc;

use crate::error::{Error, Result};

/// Neighbours differ in lightness as well as in hue. The first ten go by the customs of geological
/// maps: yellow for the Tertiary, greens for the Cretaceous, blues for the Jurassic, violet for the
/// Triassic, reds for the Permian, grey for the Carboniferous.
const COLOURS: [[u8; 3]; 20] = [
    [33, 64, 122],
    [255, 221, 87],
    [157, 212, 92],
    [36, 132, 66],
    [141, 219, 242],
    [40, 120, 190],
    [167, 104, 190],
    [255, 138, 101],
    [181, 38, 48],
    [105, 105, 112],
    [0, 163, 150],
    [240, 98, 166],
    [140, 86, 42],
    [196, 176, 235],
    [90, 102, 12],
    [255, 193, 155],
    [84, 48, 140],
    [190, 190, 60],
    [0, 90, 110],
    [215, 215, 220],
];

/// The colour of a class for which none was chosen.
pub(crate) fn colour_of(class: usize) -> [u8; 3] {
    COLOURS[class % COLOURS.len()]
}

/// The names of a mask's classes, class 0 first. Cheap to clone.
///
/// ```
/// use convlens::mask::Classes;
/// let rocks = Classes::named(["sand", "shale"])?;
/// assert_eq!(rocks.name(1), Some("shale"));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Classes {
    names: Arc<[String]>,
    colours: Arc<[[u8; 3]]>,
}

impl Classes {
    /// Classes by their names.
    ///
    /// # Errors
    /// When there is none, or there are more than 256: a mask has a byte a pixel.
    pub fn named<S: Into<String>>(names: impl IntoIterator<Item = S>) -> Result<Classes> {
        let names: Arc<[String]> = names.into_iter().map(Into::into).collect();
        if names.is_empty() || names.len() > 256 {
            return Err(Error::Argument(format!(
                "a mask has 1 to 256 classes, not {}",
                names.len()
            )));
        }
        let colours = (0..names.len()).map(colour_of).collect();
        Ok(Classes { names, colours })
    }

    /// Classes by their names, each with the colour in which it is painted.
    ///
    /// ```
    /// use convlens::mask::Classes;
    /// let classes = Classes::coloured([("sky", [130, 190, 235]), ("ground", [160, 120, 80])])?;
    /// assert_eq!(classes.colour(0), [130, 190, 235]);
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// As [`named`](Classes::named).
    pub fn coloured<S: Into<String>>(
        classes: impl IntoIterator<Item = (S, [u8; 3])>,
    ) -> Result<Classes> {
        let (names, colours): (Vec<S>, Vec<[u8; 3]>) = classes.into_iter().unzip();
        Ok(Classes { colours: colours.into(), ..Classes::named(names)? })
    }

    /// Classes that have no names but their numbers.
    pub(crate) fn numbered(count: usize) -> Result<Classes> {
        Classes::named((0..count).map(|class| format!("class {class}")))
    }

    /// How many there are; never 0.
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.names.len()
    }

    /// The names, that of class 0 first.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The name of a class, if there is such a class.
    pub fn name(&self, class: usize) -> Option<&str> {
        self.names.get(class).map(String::as_str)
    }

    /// The colour of a class, the same wherever it is painted. Where none was chosen, they repeat
    /// after 20 classes.
    pub fn colour(&self, class: usize) -> [u8; 3] {
        self.colours[class % self.colours.len()]
    }
}
