//! numpy's `.npy`: one array.
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use super::Parsed;

pub(super) const MAGIC: &[u8] = b"\x93NUMPY";

/// What the header of an array says.
pub(super) struct Header {
    pub(super) shape: Vec<usize>,
    descr: String,
    /// Whether the first index is the innermost in memory, instead of the last.
    fortran: bool,
}

/// An array in memory.
pub(super) struct Npy<'a> {
    pub(super) header: Header,
    data: &'a [u8],
}

/// An array from the bytes of a `.npy`.
pub(super) fn parse(bytes: &[u8]) -> Parsed<Npy<'_>> {
    let (header, start) = header(bytes)?;
    let count = header.shape.iter().try_fold(1usize, |n, &size| n.checked_mul(size));
    let (count, size) = (count.unwrap_or(usize::MAX), value_size(&header.descr)?);
    let rest = bytes.get(start..).unwrap_or_default();
    let data = count.checked_mul(size).and_then(|needed| rest.get(..needed)).ok_or_else(|| {
        format!(
            "ends after {} bytes of an array of the shape {:?} with {size} bytes a value",
            rest.len(),
            header.shape
        )
    })?;
    Ok(Npy { header, data })
}

impl Npy<'_> {
    /// The values as 32-bit floats in row-major order.
    pub(super) fn to_f32(&self) -> Vec<f32> {
        let (data, descr) = (self.data, self.header.descr.as_str());
        let big = descr.starts_with('>');
        let values = match descr.trim_start_matches(['<', '>', '|', '=']) {
            "u1" => data.iter().map(|&b| f32::from(b)).collect(),
            "i1" => data.iter().map(|&b| f32::from(b as i8)).collect(),
            "i2" => values(data, big, |b| f32::from(i16::from_le_bytes(b))),
            "i4" => values(data, big, |b| i32::from_le_bytes(b) as f32),
            "f8" => values(data, big, |b| f64::from_le_bytes(b) as f32),
            _ => values(data, big, f32::from_le_bytes),
        };
        match (self.header.fortran, self.header.shape.as_slice()) {
            (true, &[height, width]) => super::transposed(&values, width, height),
            _ => values,
        }
    }
}

fn values<const N: usize>(bytes: &[u8], big: bool, value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
    let (chunks, _) = bytes.as_chunks::<N>();
    let swap = |mut b: [u8; N]| {
        b.reverse();
        b
    };
    chunks.iter().map(|&b| value(if big { swap(b) } else { b })).collect()
}

fn value_size(descr: &str) -> Parsed<usize> {
    match descr.trim_start_matches(['<', '>', '|', '=']) {
        "u1" | "i1" => Ok(1),
        "i2" => Ok(2),
        "f4" | "i4" => Ok(4),
        "f8" => Ok(8),
        _ => Err(format!(
            "is of numpy's type {descr:?}; a section is read from u1, i1, i2, i4, f4 and f8"
        )),
    }
}

/// The header, and where the values begin.
fn header(bytes: &[u8]) -> Parsed<(Header, usize)> {
    let cut = || format!("ends at byte {} in the header of an array", bytes.len());
    let field = |at: usize| bytes.get(at).copied().map(usize::from).ok_or_else(cut);
    let (start, length) = match field(6)? {
        1 => (10, field(8)? | field(9)? << 8),
        2 | 3 if field(10)? == 0 && field(11)? == 0 => (12, field(8)? | field(9)? << 8),
        version => {
            return Err(format!("has version {version} of numpy's format, or a huge header"));
        }
    };
    let text = bytes.get(start..start + length).ok_or_else(cut)?;
    let text = String::from_utf8_lossy(text);
    let entry = |key: &str| {
        let (_, rest) = text.split_once(&format!("'{key}'"))?;
        Some(rest.trim_start().strip_prefix(':')?.trim_start())
    };
    let broken = || format!("has a header that is not understood: {text:?}");
    let descr = entry("descr").and_then(|rest| rest.strip_prefix('\'')?.split_once('\''));
    let (descr, _) = descr.ok_or_else(broken)?;
    let fortran = entry("fortran_order").ok_or_else(broken)?.starts_with("True");
    let shape = entry("shape").and_then(|rest| rest.strip_prefix('(')?.split_once(')'));
    let (shape, _) = shape.ok_or_else(broken)?;
    let sizes = shape.split(',').map(str::trim).filter(|size| !size.is_empty());
    let shape = sizes.map(str::parse).collect::<Result<Vec<usize>, _>>().map_err(|_| broken())?;
    Ok((Header { shape, descr: descr.to_owned(), fortran }, start + length))
}
