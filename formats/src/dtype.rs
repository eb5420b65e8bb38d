//! The number types of weight files, and their values as 32-bit floats.

use std::fmt;

use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};

/// How a value is stored. It is shown by the name that numpy and PyTorch have for it.
///
/// ```
/// assert_eq!(convlens_formats::Dtype::Bf16.to_string(), "bfloat16");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// A byte; whatever is not 0 is true.
    Bool,
    /// 8 bits without a sign.
    U8,
    /// 8 bits with a sign.
    I8,
    /// 16 bits without a sign.
    U16,
    /// 16 bits with a sign.
    I16,
    /// 8 bits for weights: 4 bits of exponent, 3 of fraction, no infinity.
    F8E4m3,
    /// The first byte of an IEEE half: 5 bits of exponent, 2 of fraction.
    F8E5m2,
    /// IEEE's half: 5 bits of exponent, 10 of fraction.
    F16,
    /// Google's half: the first two bytes of a single, 8 bits of exponent, 7 of fraction.
    Bf16,
    /// 32 bits without a sign.
    U32,
    /// 32 bits with a sign.
    I32,
    /// IEEE's single.
    F32,
    /// 64 bits without a sign.
    U64,
    /// 64 bits with a sign.
    I64,
    /// IEEE's double.
    F64,
}

impl fmt::Display for Dtype {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Dtype::Bool => "bool",
            Dtype::U8 => "uint8",
            Dtype::I8 => "int8",
            Dtype::U16 => "uint16",
            Dtype::I16 => "int16",
            Dtype::F8E4m3 => "float8_e4m3fn",
            Dtype::F8E5m2 => "float8_e5m2",
            Dtype::F16 => "float16",
            Dtype::Bf16 => "bfloat16",
            Dtype::U32 => "uint32",
            Dtype::I32 => "int32",
            Dtype::F32 => "float32",
            Dtype::U64 => "uint64",
            Dtype::I64 => "int64",
            Dtype::F64 => "float64",
        })
    }
}

impl Dtype {
    /// Whether its values have fractions.
    pub fn is_float(self) -> bool {
        self.is_float8() || matches!(self, Dtype::F16 | Dtype::Bf16 | Dtype::F32 | Dtype::F64)
    }

    /// Whether its values are floats of 8 bits, which weights are scaled to fit into.
    pub fn is_float8(self) -> bool {
        matches!(self, Dtype::F8E4m3 | Dtype::F8E5m2)
    }

    /// Bytes a value.
    pub(crate) fn size(self) -> usize {
        match self {
            Dtype::Bool | Dtype::U8 | Dtype::I8 | Dtype::F8E4m3 | Dtype::F8E5m2 => 1,
            Dtype::U16 | Dtype::I16 | Dtype::F16 | Dtype::Bf16 => 2,
            Dtype::U32 | Dtype::I32 | Dtype::F32 => 4,
            Dtype::U64 | Dtype::I64 | Dtype::F64 => 8,
        }
    }
}

/// Which byte of a value comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ByteOrder {
    Little,
    Big,
}

/// Appends the values of `bytes` to `out`, rounded to the nearest 32-bit float. Bytes that are not
/// enough for a whole value at the end are left out.
pub(crate) fn extend_floats(out: &mut Vec<f32>, bytes: &[u8], dtype: Dtype, order: ByteOrder) {
    match dtype {
        Dtype::Bool => out.extend(bytes.iter().map(|&b| f32::from(b != 0))),
        Dtype::U8 => out.extend(bytes.iter().map(|&b| f32::from(b))),
        Dtype::I8 => out.extend(bytes.iter().map(|&b| f32::from(b as i8))),
        Dtype::U16 => extend(out, bytes, order, |b| f32::from(u16::from_le_bytes(b))),
        Dtype::I16 => extend(out, bytes, order, |b| f32::from(i16::from_le_bytes(b))),
        Dtype::F8E4m3 => out.extend(bytes.iter().map(|&b| e4m3(b))),
        Dtype::F8E5m2 => {
            out.extend(bytes.iter().map(|&b| f16::from_bits(u16::from(b) << 8).to_f32()));
        }
        Dtype::F16 => extend_halves(out, bytes, order),
        Dtype::Bf16 => extend(out, bytes, order, |b| bf16::from_le_bytes(b).to_f32()),
        Dtype::U32 => extend(out, bytes, order, |b| u32::from_le_bytes(b) as f32),
        Dtype::I32 => extend(out, bytes, order, |b| i32::from_le_bytes(b) as f32),
        Dtype::F32 => extend(out, bytes, order, f32::from_le_bytes),
        Dtype::U64 => extend(out, bytes, order, |b| u64::from_le_bytes(b) as f32),
        Dtype::I64 => extend(out, bytes, order, |b| i64::from_le_bytes(b) as f32),
        Dtype::F64 => extend(out, bytes, order, |b| f64::from_le_bytes(b) as f32),
    }
}

/// The same in doubles: those of a file stay as they are, others come by way of floats.
pub(crate) fn extend_doubles(out: &mut Vec<f64>, bytes: &[u8], dtype: Dtype, order: ByteOrder) {
    if dtype == Dtype::F64 {
        return extend(out, bytes, order, f64::from_le_bytes);
    }
    let mut floats = Vec::new();
    extend_floats(&mut floats, bytes, dtype, order);
    out.extend(floats.into_iter().map(f64::from));
}

fn extend<const N: usize, T>(
    out: &mut Vec<T>,
    bytes: &[u8],
    order: ByteOrder,
    value: impl Fn([u8; N]) -> T,
) {
    let (values, _) = bytes.as_chunks::<N>();
    match order {
        ByteOrder::Little => out.extend(values.iter().map(|&b| value(b))),
        ByteOrder::Big => out.extend(values.iter().map(|&b| {
            let mut b = b;
            b.reverse();
            value(b)
        })),
    }
}

/// A sign, 4 bits of exponent with the bias 7, and 3 of fraction; all ones is no number.
fn e4m3(byte: u8) -> f32 {
    let (exponent, fraction) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
    let size = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => fraction * 2f32.powi(-9),
        _ => (8.0 + fraction) * 2f32.powi(exponent - 10),
    };
    if byte < 128 { size } else { -size }
}

/// Processors convert halves several at a time.
fn extend_halves(out: &mut Vec<f32>, bytes: &[u8], order: ByteOrder) {
    let (halves, _) = bytes.as_chunks::<2>();
    let mut block = [f16::ZERO; 64];
    let mut floats = [0f32; 64];
    for some in halves.chunks(block.len()) {
        for (half, &bytes) in block.iter_mut().zip(some) {
            *half = match order {
                ByteOrder::Little => f16::from_le_bytes(bytes),
                ByteOrder::Big => f16::from_be_bytes(bytes),
            };
        }
        block.convert_to_f32_slice(&mut floats);
        out.extend(&floats[..some.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn floats(bytes: &[u8], dtype: Dtype, order: ByteOrder) -> Vec<f32> {
        let mut out = Vec::new();
        extend_floats(&mut out, bytes, dtype, order);
        out
    }

    #[test]
    fn every_type_becomes_floats_in_both_byte_orders() {
        use ByteOrder::{Big, Little};
        assert_eq!(floats(&[0, 1, 7], Dtype::Bool, Little), [0.0, 1.0, 1.0]);
        assert_eq!(floats(&[255], Dtype::U8, Little), [255.0]);
        assert_eq!(floats(&[255], Dtype::I8, Big), [-1.0]);
        let eighths = floats(&[0x01, 0xb8, 0x7e, 0xff], Dtype::F8E4m3, Little);
        assert_eq!(eighths[..3], [2f32.powi(-9), -1.0, 448.0]);
        assert!(eighths[3].is_nan());
        assert_eq!(floats(&[0xbe, 0x7c], Dtype::F8E5m2, Big), [-1.5, f32::INFINITY]);
        let cases: [(Dtype, Vec<u8>, f32); 10] = [
            (Dtype::U16, 65535u16.to_le_bytes().to_vec(), 65535.0),
            (Dtype::I16, (-2i16).to_le_bytes().to_vec(), -2.0),
            (Dtype::F16, vec![0x01, 0x80], -(2f32.powi(-24))), // the smallest half
            (Dtype::Bf16, vec![0xc0, 0x3f], 1.5),
            (Dtype::U32, u32::MAX.to_le_bytes().to_vec(), 4_294_967_296.0),
            (Dtype::I32, (-16_777_217i32).to_le_bytes().to_vec(), -16_777_216.0),
            (Dtype::F32, 0.1f32.to_le_bytes().to_vec(), 0.1),
            (Dtype::U64, u64::MAX.to_le_bytes().to_vec(), 1.844_674_4e19),
            (Dtype::I64, i64::MIN.to_le_bytes().to_vec(), -9.223_372e18),
            (Dtype::F64, 0.1f64.to_le_bytes().to_vec(), 0.1),
        ];
        for (dtype, mut bytes, value) in cases {
            assert_eq!(bytes.len(), dtype.size());
            assert_eq!(floats(&bytes, dtype, Little), [value], "{dtype:?}");
            bytes.reverse();
            assert_eq!(floats(&bytes, dtype, Big), [value], "{dtype:?}");
        }
    }
}
