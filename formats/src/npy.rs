//! numpy's `.npy`: one array.
//! <https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html>

use super::contents::{row_major_strides, values_of};
use super::dtype::extend_floats;
use super::{ByteOrder, Dtype, MOST_DIMENSIONS, Parsed, gather, integer};

/// What a `.npy` begins with.
pub const MAGIC: &[u8] = b"\x93NUMPY";

/// Longer headers describe no plain array.
pub(crate) const LONGEST_HEADER: usize = 12 + 0xffff;

/// What the header of an array says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) shape: Vec<usize>,
    pub(crate) dtype: Dtype,
    pub(crate) order: ByteOrder,
    /// Whether the first index is the innermost in memory, instead of the last.
    pub(crate) fortran: bool,
    /// The bytes before the first value.
    pub(crate) length: usize,
}

/// An array in memory.
#[derive(Clone, Debug)]
pub struct Npy<'a> {
    header: Header,
    /// As many bytes as the header says, no more.
    data: &'a [u8],
}

/// An array from the bytes of a `.npy`; what comes after its values is left alone, as numpy does.
///
/// # Errors
/// Bytes that are no such array, end too early, or hold something else than numbers.
pub fn parse(bytes: &[u8]) -> Parsed<Npy<'_>> {
    let header = header(bytes)?;
    let needed = header.count() * header.dtype.size();
    let rest = bytes.get(header.length..).unwrap_or_default();
    let data = rest.get(..needed).ok_or_else(|| {
        format!("ends at byte {} of an array, {:?}, of {needed}", rest.len(), header.shape)
    })?;
    Ok(Npy { header, data })
}

/// The bytes of a `.npy` (version 1.0) with these values, in row-major order; the values begin at
/// a multiple of 64 bytes, as numpy has it.
pub fn to_bytes(shape: &[usize], values: &[f32]) -> Vec<u8> {
    let sizes = match shape {
        [one] => format!("{one},"),
        _ => shape.iter().map(usize::to_string).collect::<Vec<String>>().join(", "),
    };
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({sizes}), }}");
    const BEFORE: usize = 10;
    // The header ends in a line break, and spaces before it fill it up.
    let length = (BEFORE + header.len() + 1).next_multiple_of(64) - BEFORE;
    let mut bytes = Vec::with_capacity(BEFORE + length + values.len() * 4);
    bytes.extend(MAGIC);
    bytes.extend([1, 0]);
    // A few sizes are never longer than 65,535 characters.
    bytes.extend((length as u16).to_le_bytes());
    bytes.extend(header.as_bytes());
    bytes.resize(BEFORE + length - 1, b' ');
    bytes.push(b'\n');
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

impl Npy<'_> {
    /// Its sizes, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.header.shape
    }

    /// The values as 32-bit floats in row-major order.
    pub fn to_f32(&self) -> Vec<f32> {
        let Header { shape, dtype, order, .. } = &self.header;
        let mut values = Vec::with_capacity(self.header.count());
        extend_floats(&mut values, self.data, *dtype, *order);
        if self.header.fortran {
            // As many strides as sizes, all within the values: there is always a result.
            gather(&values, 0, shape, &self.header.strides()).unwrap_or(values)
        } else {
            values
        }
    }
}

impl Header {
    /// The number of values; `header` made sure that it can be counted.
    pub(crate) fn count(&self) -> usize {
        values_of(&self.shape).unwrap_or(0)
    }

    pub(crate) fn strides(&self) -> Vec<usize> {
        let mut shape = self.shape.clone();
        if self.fortran {
            shape.reverse();
        }
        let mut strides = row_major_strides(&shape).unwrap_or_default();
        if self.fortran {
            strides.reverse();
        }
        strides
    }
}

/// The header at the beginning of a `.npy`, which may be cut off after it.
pub(crate) fn header(bytes: &[u8]) -> Parsed<Header> {
    if !bytes.starts_with(MAGIC) {
        return Err("is not an array of numpy's (.npy): it does not begin with \\x93NUMPY".into());
    }
    let cut = || format!("ends at byte {} in the header of an array", bytes.len());
    let (start, length) = match bytes.get(6).ok_or_else(cut)? {
        1 => (10, integer::<2>(bytes, 8)),
        2 | 3 => (12, integer::<4>(bytes, 8)),
        version => {
            return Err(format!("has version {version} of numpy's format; 1 to 3 are known"));
        }
    };
    let length = length.ok_or_else(cut)? as usize;
    if length > 0xffff {
        return Err(format!("has a header of {length} bytes, which no plain array needs"));
    }
    let text = bytes.get(start..start + length).ok_or_else(cut)?;
    let text = String::from_utf8_lossy(text);
    let mut literal = Literal { text: &text, rest: &text };
    let (mut descr, mut fortran, mut shape) = (None, None, None);
    literal.expect('{')?;
    while !literal.take('}') {
        let key = literal.string()?;
        literal.expect(':')?;
        match key {
            "descr" => descr = Some(literal.string()?),
            "fortran_order" => fortran = Some(literal.truth()?),
            "shape" => shape = Some(literal.tuple()?),
            other => return Err(format!("has an unknown entry {other:?} in its header {text:?}")),
        }
        if !literal.take(',') {
            literal.expect('}')?;
            break;
        }
    }
    let (Some(descr), Some(fortran), Some(shape)) = (descr, fortran, shape) else {
        return Err(format!("lacks descr, fortran_order or shape in its header {text:?}"));
    };
    if shape.len() > MOST_DIMENSIONS {
        return Err(format!("has {} dimensions; {MOST_DIMENSIONS} are the most", shape.len()));
    }
    if values_of(&shape).is_none() || row_major_strides(&shape).is_none() {
        return Err(format!("claims the shape {shape:?}, more values than can be counted"));
    }
    let (dtype, order) = dtype(descr)?;
    Ok(Header { shape, dtype, order, fortran, length: start + length })
}

/// numpy's name of a type, as `<f4`: byte order, kind, bytes.
fn dtype(descr: &str) -> Parsed<(Dtype, ByteOrder)> {
    let order = if descr.starts_with('>') { ByteOrder::Big } else { ByteOrder::Little };
    let dtype = match descr.trim_start_matches(['<', '>', '|', '=']) {
        "b1" | "?" => Dtype::Bool,
        "u1" => Dtype::U8,
        "i1" => Dtype::I8,
        "u2" => Dtype::U16,
        "i2" => Dtype::I16,
        "f2" => Dtype::F16,
        "u4" => Dtype::U32,
        "i4" => Dtype::I32,
        "f4" => Dtype::F32,
        "u8" => Dtype::U64,
        "i8" => Dtype::I64,
        "f8" => Dtype::F64,
        "O" => {
            return Err(
                "is an array of Python objects, which nothing here reads; in Python, save \
                        it with a number type, e.g. array.astype(\"float32\")"
                    .into(),
            );
        }
        _ => {
            return Err(format!(
                "is of numpy's type {descr:?}; convlens reads b1, u1 to u8, i1 to i8, f2, f4 and f8"
            ));
        }
    };
    Ok((dtype, order))
}

/// The Python literal that a header is.
struct Literal<'a> {
    text: &'a str,
    rest: &'a str,
}

impl<'a> Literal<'a> {
    /// Whether this comes next; if so, it is passed.
    fn take(&mut self, sign: char) -> bool {
        self.rest = self.rest.trim_start();
        match self.rest.strip_prefix(sign) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, sign: char) -> Parsed<()> {
        if self.take(sign) { Ok(()) } else { Err(self.unexpected(&format!("{sign:?}"))) }
    }

    fn string(&mut self) -> Parsed<&'a str> {
        let quote = if self.take('"') { '"' } else { '\'' };
        if quote == '\'' && !self.take('\'') {
            return Err(self.unexpected("a text in quotes (arrays of records are not read)"));
        }
        let Some((string, rest)) = self.rest.split_once(quote) else {
            return Err(self.unexpected("the end of a text"));
        };
        self.rest = rest;
        Ok(string)
    }

    fn truth(&mut self) -> Parsed<bool> {
        self.rest = self.rest.trim_start();
        for (word, value) in [("True", true), ("False", false)] {
            if let Some(rest) = self.rest.strip_prefix(word) {
                self.rest = rest;
                return Ok(value);
            }
        }
        Err(self.unexpected("True or False"))
    }

    fn tuple(&mut self) -> Parsed<Vec<usize>> {
        self.expect('(')?;
        let mut sizes = Vec::new();
        while !self.take(')') {
            self.rest = self.rest.trim_start();
            let end = self.rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(self.rest.len());
            let (digits, rest) = self.rest.split_at(end);
            let size = digits.parse().map_err(|_| self.unexpected("a size"))?;
            sizes.push(size);
            // Python 2 wrote sizes as 3L.
            self.rest = rest.strip_prefix('L').unwrap_or(rest);
            if !self.take(',') {
                self.expect(')')?;
                break;
            }
        }
        Ok(sizes)
    }

    fn unexpected(&self, expected: &str) -> String {
        format!(
            "has {:?} for a header, with no {expected} at character {}",
            self.text,
            self.text.len() - self.rest.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn npy(header: &str, data: &[u8]) -> Vec<u8> {
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(data);
        bytes
    }

    #[test]
    fn an_array_is_read_whatever_its_order() {
        let plain = npy("{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }\n", b"abcdef");
        let array = parse(&plain).expect("an array");
        assert_eq!(array.header.shape, [2, 3]);
        assert_eq!(array.to_f32(), [97.0, 98.0, 99.0, 100.0, 101.0, 102.0]);
        let fortran =
            npy("{'shape': (2L, 3L), 'descr': \"|u1\", 'fortran_order': True}", b"adbecf");
        assert_eq!(parse(&fortran).expect("an array").to_f32(), array.to_f32());
        let one = npy("{'descr': '>f4', 'fortran_order': False, 'shape': ()}", &[0x3f, 0x80, 0, 0]);
        assert_eq!(parse(&one).expect("a number").to_f32(), [1.0]);
    }

    #[test]
    fn what_is_written_is_read_again_and_begins_at_a_multiple_of_64() {
        let shapes: [&[usize]; 6] =
            [&[], &[3], &[2, 3], &[2, 0, 5], &[1, 2, 3, 4], &[1; MOST_DIMENSIONS]];
        for shape in shapes {
            let count = shape.iter().product();
            let values: Vec<f32> = (0..count).map(|i| i as f32 - 0.5).collect();
            let bytes = to_bytes(shape, &values);
            let array = parse(&bytes).expect("an array");
            assert_eq!(array.header.shape, shape);
            assert_eq!((array.header.dtype, array.header.fortran), (Dtype::F32, false));
            assert_eq!(array.header.length % 64, 0);
            assert_eq!(array.to_f32(), values);
        }
    }

    #[test]
    fn a_header_that_cannot_be_true_is_refused() {
        let refused = |header: &str, part: &str| {
            let error = parse(&npy(header, b"abc")).expect_err(header);
            assert!(error.contains(part), "{error}");
        };
        refused(
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4,), }",
            "ends at byte 3 of an array, [4], of 32",
        );
        refused(
            "{'descr': '<f8', 'fortran_order': False, 'shape': (4611686018427387904, 4)}",
            "more values than can be counted",
        );
        refused("{'descr': '|O', 'fortran_order': False, 'shape': (3,)}", "Python objects");
        refused("{'descr': '<c8', 'fortran_order': False, 'shape': (3,)}", "numpy's type \"<c8\"");
        refused("{'descr': [('a', '<f4')], 'shape': (3,)}", "records are not read");
        refused("{'descr': '<f4', 'shape': (3,)}", "lacks");
        refused("{'descr': '<f4', 'shape': (-3,)}", "no a size at character 27");
    }
}
