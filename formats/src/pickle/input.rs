//! The bytes of a pickle, one after another, never more than there are.

use std::io::Read;

use super::super::Parsed;

/// No state dict's pickle is larger: it holds names and shapes, not values.
pub(crate) const LONGEST_PICKLE: u64 = 16 << 20;

/// A reader that knows where in the file it is.
pub(crate) struct Input<R> {
    inner: R,
    /// The next byte's place in the file.
    pub(crate) position: u64,
    /// Where the file, or the longest pickle, ends.
    end: u64,
}

impl<R: Read> Input<R> {
    /// Reads from byte 0 of something with `length` bytes.
    pub(crate) fn new(inner: R, length: u64) -> Self {
        Input { inner, position: 0, end: length.min(LONGEST_PICKLE) }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Parsed<[u8; N]> {
        let mut bytes = [0; N];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    pub(super) fn byte(&mut self) -> Parsed<u8> {
        self.array::<1>().map(|[byte]| byte)
    }

    /// A little-endian integer of `N` bytes.
    pub(super) fn integer<const N: usize>(&mut self) -> Parsed<u64> {
        let bytes = self.array::<N>()?;
        Ok(bytes.iter().rev().fold(0, |value, &byte| value << 8 | u64::from(byte)))
    }

    pub(super) fn bytes(&mut self, count: u64) -> Parsed<Vec<u8>> {
        let count = self.available(count)?;
        let mut bytes = vec![0; count];
        self.fill(&mut bytes)?;
        Ok(bytes)
    }

    /// The bytes up to the end of the line, without it.
    pub(super) fn line(&mut self) -> Parsed<String> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(String::from_utf8_lossy(&line).into_owned()),
                byte => line.push(byte),
            }
        }
    }

    fn fill(&mut self, bytes: &mut [u8]) -> Parsed<()> {
        self.available(bytes.len() as u64)?;
        self.inner.read_exact(bytes).map_err(|e| e.to_string())?;
        self.position += bytes.len() as u64;
        Ok(())
    }

    fn available(&self, count: u64) -> Parsed<usize> {
        if count > self.end.saturating_sub(self.position) {
            return Err(if self.end == LONGEST_PICKLE {
                format!("the file's pickle has more than {LONGEST_PICKLE} bytes")
            } else {
                format!("the file is cut short: it ends at byte {}", self.end)
            });
        }
        usize::try_from(count).map_err(|e| e.to_string())
    }
}
