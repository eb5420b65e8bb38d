//! Which maps of a layer are meant.

use std::ops::{Range, RangeInclusive};

use crate::error::{Error, Result};
use crate::feature_maps::no_channel;

/// More maps than any layer has.
const MOST: usize = 1 << 20;

/// One map of a layer or several, by index: `7`, `[7, 12]`, `0..8`, or a list from elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channels(Vec<usize>);

impl Channels {
    /// The indices, when the layer has them all.
    pub(super) fn checked(self, layer: &str, count: usize) -> Result<Vec<usize>> {
        if self.0.is_empty() {
            return Err(Error::Argument(format!(
                "no map of layer {layer:?} is named: give one (of a class that shares all its top maps \
                 with others, none are left: TopMaps::shared has them)"
            )));
        }
        match self.0.iter().find(|&&channel| channel >= count) {
            Some(&beyond) => Err(no_channel(layer, count, beyond)),
            None => Ok(self.0),
        }
    }
}

impl From<usize> for Channels {
    fn from(channel: usize) -> Self {
        Channels(vec![channel])
    }
}

impl From<Vec<usize>> for Channels {
    fn from(channels: Vec<usize>) -> Self {
        Channels(channels)
    }
}

impl From<&[usize]> for Channels {
    fn from(channels: &[usize]) -> Self {
        Channels(channels.to_vec())
    }
}

impl From<&Vec<usize>> for Channels {
    fn from(channels: &Vec<usize>) -> Self {
        Channels(channels.clone())
    }
}

impl From<Range<usize>> for Channels {
    fn from(channels: Range<usize>) -> Self {
        // Those beyond the layer are refused, however many they are.
        Channels(channels.take(MOST).collect())
    }
}

impl From<RangeInclusive<usize>> for Channels {
    fn from(channels: RangeInclusive<usize>) -> Self {
        Channels(channels.take(MOST).collect())
    }
}

impl<const N: usize> From<&[usize; N]> for Channels {
    fn from(channels: &[usize; N]) -> Self {
        Channels(channels.to_vec())
    }
}

impl From<&Channels> for Channels {
    fn from(channels: &Channels) -> Self {
        channels.clone()
    }
}

impl<const N: usize> From<[usize; N]> for Channels {
    fn from(channels: [usize; N]) -> Self {
        Channels(channels.to_vec())
    }
}
