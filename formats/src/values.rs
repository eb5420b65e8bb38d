//! The values of a storage, a piece at a time.

use std::io::{ErrorKind, Read, SeekFrom};

use flate2::read::DeflateDecoder;

use super::dtype::{extend_doubles, extend_floats};
use super::{ByteOrder, Dtype, Parsed, Source, Storage};

/// So many floats at a time: few enough to stay in a processor's cache until they are used.
const PIECE: usize = 64 << 10;

/// Reads a storage from front to back, and hands over its values as floats in pieces.
pub(crate) fn read_values(
    source: &mut dyn Source,
    storage: &Storage,
    mut each: impl FnMut(&[f32]),
) -> Parsed<()> {
    let already_floats = storage.dtype == Dtype::F32
        && storage.order == ByteOrder::Little
        && cfg!(target_endian = "little");
    let mut floats = Vec::new();
    read_pieces(source, storage, |piece| {
        if let (true, Ok(values)) = (already_floats, bytemuck::try_cast_slice(piece)) {
            return each(values);
        }
        floats.clear();
        extend_floats(&mut floats, piece, storage.dtype, storage.order);
        each(&floats);
    })
}

/// All values of a storage, as they are where they are doubles.
pub(crate) fn read_doubles(source: &mut dyn Source, storage: &Storage) -> Parsed<Vec<f64>> {
    let mut doubles = Vec::new();
    doubles.try_reserve_exact(storage.count).map_err(|e| e.to_string())?;
    read_pieces(source, storage, |piece| {
        extend_doubles(&mut doubles, piece, storage.dtype, storage.order);
    })?;
    Ok(doubles)
}

/// Reads a storage from front to back, and hands over its bytes in pieces of whole values.
fn read_pieces(
    source: &mut dyn Source,
    storage: &Storage,
    mut each: impl FnMut(&[u8]),
) -> Parsed<()> {
    source.seek(SeekFrom::Start(storage.start)).map_err(|e| e.to_string())?;
    let packed = source.take(storage.packed);
    let mut unpacked: Box<dyn Read + '_> =
        if storage.deflated { Box::new(DeflateDecoder::new(packed)) } else { Box::new(packed) };

    let mut checksum = crc32fast::Hasher::new();
    let total = storage.skip + (storage.count as u64) * (storage.dtype.size() as u64);
    // Read into as floats, so that what already is some need not be converted.
    let room = usize::try_from(total.div_ceil(size_of::<f32>() as u64)).unwrap_or(PIECE).min(PIECE);
    let mut buffer = vec![0f32; room];
    let mut done = 0;
    while done < total {
        // The header of a .npy is a piece of its own.
        let header = done < storage.skip;
        let wanted = if header { storage.skip } else { total } - done;
        let length = usize::try_from(wanted).unwrap_or(usize::MAX).min(room * size_of::<f32>());
        let piece = &mut bytemuck::cast_slice_mut(&mut buffer)[..length];
        fill(&mut *unpacked, piece, done, total)?;
        if storage.crc.is_some() {
            checksum.update(piece);
        }
        if !header {
            each(piece);
        }
        done += length as u64;
    }
    if storage.deflated && unpacked.read(&mut [0]).map_err(|e| e.to_string())? != 0 {
        return Err(format!("inflates to more than the {total} bytes that it should"));
    }
    match storage.crc {
        // A fuzzer would never get past a checksum.
        Some(expected) if !cfg!(fuzzing) && checksum.clone().finalize() != expected => Err(
            format!("is damaged: its checksum is {:08x}, not {expected:08x}", checksum.finalize()),
        ),
        _ => Ok(()),
    }
}

/// Fills a piece that begins at byte `done` of `total`.
fn fill(source: &mut dyn Read, piece: &mut [u8], done: u64, total: u64) -> Parsed<()> {
    let mut filled = 0;
    while filled < piece.len() {
        match source.read(&mut piece[filled..]) {
            Ok(0) => {
                return Err(format!("ends at byte {} of {total}", done + filled as u64));
            }
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => {
                return Err(format!("cannot be read at byte {}: {error}", done + filled as u64));
            }
        }
    }
    Ok(())
}
