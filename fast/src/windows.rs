//! Where the windows lie that pixels of an output read.

/// Windows of a convolution or a pooling: rows, columns.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Windows {
    /// How many pixels each reads.
    pub kernel: [usize; 2],
    /// From one to the next.
    pub stride: [usize; 2],
    /// Rows and columns on each side, which are zeros or do not count.
    pub padding: [usize; 2],
    /// From a pixel of a window to the next.
    pub dilation: [usize; 2],
}

impl Windows {
    /// One pixel each.
    pub const PIXELS: Windows =
        Windows { kernel: [1; 2], stride: [1; 2], padding: [0; 2], dilation: [1; 2] };

    /// How many there are for so many rows or columns; `None` where not one has room.
    pub(crate) fn count(&self, side: usize, size: usize) -> Option<usize> {
        let all = self.padding[side].checked_mul(2)?.checked_add(size)?;
        let room = all.checked_sub(self.span(side, 1)?)?;
        let is_one = self.stride[side] > 0 && self.dilation[side] > 0;
        is_one.then(|| room / self.stride[side] + 1)
    }

    /// From the first pixel that so many windows read to the last, both counted.
    pub(crate) fn span(&self, side: usize, count: usize) -> Option<usize> {
        let reach = self.kernel[side].checked_sub(1)?.checked_mul(self.dilation[side])?;
        count.checked_sub(1)?.checked_mul(self.stride[side])?.checked_add(reach)?.checked_add(1)
    }

    /// Where a pixel of a window lies; one before the first is behind the last, by wrapping.
    #[inline(always)]
    pub(crate) fn place(&self, side: usize, window: usize, tap: usize) -> usize {
        (window * self.stride[side] + tap * self.dilation[side]).wrapping_sub(self.padding[side])
    }
}
