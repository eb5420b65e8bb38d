//! Photos as a comparison takes them.

use crate::photo::Photo;

/// One photo or several, by value or by reference: `&photo`, `&photos`, `[&cat, &dog]`.
pub trait Photos {
    /// The photos, which share their pixels with those that were given.
    fn photos(&self) -> Vec<Photo>;
}

impl Photos for Photo {
    fn photos(&self) -> Vec<Photo> {
        vec![self.clone()]
    }
}

impl<P: Photos + ?Sized> Photos for &P {
    fn photos(&self) -> Vec<Photo> {
        (**self).photos()
    }
}

impl<P: Photos> Photos for [P] {
    fn photos(&self) -> Vec<Photo> {
        self.iter().flat_map(Photos::photos).collect()
    }
}

impl<P: Photos> Photos for Vec<P> {
    fn photos(&self) -> Vec<Photo> {
        self.as_slice().photos()
    }
}

impl<P: Photos, const N: usize> Photos for [P; N] {
    fn photos(&self) -> Vec<Photo> {
        self.as_slice().photos()
    }
}
