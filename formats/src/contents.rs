//! What a weight file holds: tensors as views of storages, storages as byte ranges of the file.

use super::scale::Scale;
use super::state_dict::About;
use super::values::read_values;
use super::zip::Location;
use super::{ByteOrder, Dtype, Parsed, Source};

/// libtorch's limit of dimensions, and numpy's.
pub(crate) const MOST_DIMENSIONS: usize = 64;

/// Every file may become this many bytes of floats...
const FREE_BYTES: u128 = 64 << 20;
/// ... and so many more for each byte that it has. Deflate alone can reach a thousand, and a few
/// bytes can be viewed as a tensor of any size; neither happens to weights.
const BYTES_A_BYTE: u128 = 100;

/// Values in the file that one or more tensors are views of.
#[derive(Clone, Debug)]
pub struct Storage {
    /// The first byte in the file.
    pub(crate) start: u64,
    /// How many bytes it takes in the file.
    pub(crate) packed: u64,
    /// Whether these bytes are deflated.
    pub(crate) deflated: bool,
    /// Bytes before the first value, once inflated: the header of a `.npy`.
    pub(crate) skip: u64,
    /// The checksum of all inflated bytes, where the file has one.
    pub(crate) crc: Option<u32>,
    pub(crate) dtype: Dtype,
    pub(crate) order: ByteOrder,
    /// How many values there are.
    pub count: usize,
}

impl Storage {
    /// Reads it from front to back, and hands over its values in pieces, each rounded to the nearest
    /// 32-bit float.
    ///
    /// # Errors
    /// A file that cannot be read, or that is damaged there.
    pub fn read(&self, source: &mut dyn Source, each: impl FnMut(&[f32])) -> Parsed<()> {
        read_values(source, self, each)
    }

    /// How its values are stored. They are read as 32-bit floats all the same, which hold integers
    /// exactly only up to 2^24.
    pub fn dtype(&self) -> Dtype {
        self.dtype
    }

    /// Values as they lie in the file from this byte on.
    pub(crate) fn plain(start: u64, dtype: Dtype, order: ByteOrder, count: usize) -> Storage {
        let packed = count as u64 * dtype.size() as u64;
        Storage { start, packed, deflated: false, skip: 0, crc: None, dtype, order, count }
    }

    /// Values that are a member of an archive, or begin there after a header.
    pub(crate) fn member(place: Location, dtype: Dtype, order: ByteOrder, count: usize) -> Storage {
        let Location { start, packed, deflated, crc } = place;
        Storage { start, packed, deflated, skip: 0, crc, dtype, order, count }
    }
}

/// A tensor by its name: value `i` is value `offset + Σ i[d] · strides[d]` of its storage.
#[derive(Clone, Debug)]
pub struct TensorEntry {
    /// Its name, as the file has it.
    pub name: String,
    pub(crate) storage: usize,
    pub(crate) offset: usize,
    /// Its sizes, outermost first.
    pub shape: Vec<usize>,
    pub(crate) strides: Vec<usize>,
    /// For a quantised tensor, what its integers stand for.
    pub(crate) scale: Option<Scale>,
}

impl TensorEntry {
    /// Whether another tensor of the same storage is the same values of it.
    pub fn is_the_values_of(&self, other: &TensorEntry) -> bool {
        self.offset == other.offset
            && self.shape == other.shape
            && self.strides == other.strides
            && self.scale.is_none()
            && other.scale.is_none()
    }
}

/// Everything that a file holds; whatever is in here fits the file and fits together.
#[derive(Clone, Debug)]
pub struct Contents {
    storages: Vec<Storage>,
    entries: Vec<TensorEntry>,
    /// What stands beside the weights.
    pub about: About,
}

impl Contents {
    /// Checks that every view lies in its storage, and that all together have a size that a file
    /// of `length` bytes can sanely have. That a storage lies in the file is its reader's to check.
    pub(crate) fn new(
        storages: Vec<Storage>,
        entries: Vec<TensorEntry>,
        length: u64,
    ) -> Parsed<Self> {
        if entries.is_empty() {
            return Err("the file holds no tensors".into());
        }
        Self::check(&storages, &entries, length)?;
        Ok(Contents { storages, entries, about: About::default() })
    }

    /// The checks of [`new`](Contents::new).
    pub(crate) fn check<'a>(
        storages: &[Storage],
        entries: impl IntoIterator<Item = &'a TensorEntry>,
        length: u64,
    ) -> Parsed<()> {
        let mut values: u128 = storages.iter().map(|s| s.count as u128).sum();
        for entry in entries {
            let Some(storage) = storages.get(entry.storage) else {
                return Err(format!("{}: there is no storage {}", entry.name, entry.storage));
            };
            values += entry.check(storage.count)? as u128;
        }
        let bytes = values * size_of::<f32>() as u128;
        if bytes > FREE_BYTES + u128::from(length) * BYTES_A_BYTE {
            return Err(format!(
                "the file would become {bytes} bytes of tensors, which no file of {length} \
                 bytes with weights does; nothing was loaded"
            ));
        }
        Ok(())
    }

    /// The names of the tensors of 8-bit floats.
    pub fn float8_names(&self) -> Vec<String> {
        let is_float8 = |entry: &&TensorEntry| {
            self.storages.get(entry.storage).is_some_and(|storage| storage.dtype.is_float8())
        };
        self.entries.iter().filter(is_float8).map(|entry| entry.name.clone()).collect()
    }

    /// Every storage with the tensors that are views of it.
    pub fn by_storage(&self) -> impl Iterator<Item = (&Storage, Vec<&TensorEntry>)> {
        let mut views: Vec<Vec<&TensorEntry>> = vec![Vec::new(); self.storages.len()];
        for entry in &self.entries {
            if let Some(views) = views.get_mut(entry.storage) {
                views.push(entry);
            }
        }
        self.storages.iter().zip(views).filter(|(_, views)| !views.is_empty())
    }
}

impl TensorEntry {
    /// Its values in row-major order, no longer quantised, out of all those of its storage; none if there is no memory for
    /// them.
    pub fn of(&self, storage: &[f32]) -> Option<Vec<f32>> {
        let mut values = gather(storage, self.offset, &self.shape, &self.strides)?;
        if let Some(scale) = &self.scale {
            scale.apply(&mut values, &self.shape);
        }
        Some(values)
    }

    /// The same as doubles.
    pub(crate) fn doubles_of(&self, storage: &[f64]) -> Option<Vec<f64>> {
        gather(storage, self.offset, &self.shape, &self.strides)
    }

    /// A tensor that is the whole of a storage, in row-major order.
    pub(crate) fn whole(name: String, storage: usize, shape: Vec<usize>) -> Parsed<TensorEntry> {
        let strides = row_major_strides(&shape).ok_or_else(|| too_large(&name, &shape))?;
        Ok(TensorEntry { name, storage, offset: 0, shape, strides, scale: None })
    }

    /// Whether its values are all those of the storage as they are, in row-major order.
    pub fn is_whole(&self, storage: &Storage) -> bool {
        let packed = row_major_strides(&self.shape);
        let strides_matter = self.shape.iter().zip(&self.strides).zip(packed.iter().flatten());
        packed.is_some()
            && self.scale.is_none()
            && self.offset == 0
            && values_of(&self.shape) == Some(storage.count)
            && strides_matter.into_iter().all(|((&size, stride), packed)| {
                size == 1 || storage.count == 0 || stride == packed
            })
    }

    /// How many values it has, all of them in a storage of `count`.
    fn check(&self, count: usize) -> Parsed<usize> {
        let TensorEntry { name, shape, strides, .. } = self;
        if shape.len() > MOST_DIMENSIONS {
            return Err(format!(
                "{name} has {} dimensions; {MOST_DIMENSIONS} are the most",
                shape.len()
            ));
        }
        if shape.len() != strides.len() {
            return Err(format!("{name} has the shape {shape:?}, but the strides {strides:?}"));
        }
        let values = values_of(shape)
            .filter(|_| row_major_strides(shape).is_some())
            .ok_or_else(|| too_large(name, shape))?;
        // One past the last value of the storage that the tensor sees.
        let end = if values == 0 {
            Some(0)
        } else {
            shape
                .iter()
                .zip(strides)
                .try_fold(self.offset, |last, (&size, &stride)| {
                    last.checked_add((size - 1).checked_mul(stride)?)
                })
                .and_then(|last| last.checked_add(1))
        };
        match end {
            Some(end) if end <= count => Ok(values),
            _ => Err(format!(
                "{name}, {shape:?} with strides {strides:?} from value {}, reaches past the \
                 {count} values of its storage",
                self.offset
            )),
        }
    }
}

fn too_large(name: &str, shape: &[usize]) -> String {
    format!("{name} claims the shape {shape:?}, more values than can be counted")
}

/// The number of values of a shape, unless it overflows.
pub(crate) fn values_of(shape: &[usize]) -> Option<usize> {
    if shape.contains(&0) {
        return Some(0);
    }
    shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
}

/// The strides of a shape whose last dimension is the innermost in memory; none if they, or the
/// bytes of so many values, would overflow.
pub(crate) fn row_major_strides(shape: &[usize]) -> Option<Vec<usize>> {
    let mut strides = vec![0; shape.len()];
    let mut stride = 1usize;
    for (place, &size) in strides.iter_mut().zip(shape).rev() {
        *place = stride;
        stride = stride.checked_mul(size.max(1))?;
    }
    (stride <= (i64::MAX / 8) as usize).then_some(strides)
}

/// The values of a view in row-major order; none if it reaches past the storage or there is no
/// memory for them.
pub(crate) fn gather<T: Copy>(
    values: &[T],
    offset: usize,
    shape: &[usize],
    strides: &[usize],
) -> Option<Vec<T>> {
    let total = values_of(shape)?;
    let mut out = Vec::new();
    out.try_reserve_exact(total).ok()?;
    let (rows, columns, step) = match (shape.split_last(), strides.split_last()) {
        (Some((&columns, rows)), Some((&step, _))) => (rows, columns, step),
        _ => (shape, 1, 0), // a single value
    };
    let mut index = vec![0usize; rows.len()];
    while out.len() < total {
        let row: usize = offset + index.iter().zip(strides).map(|(i, s)| i * s).sum::<usize>();
        for column in 0..columns {
            out.push(*values.get(row + column * step)?);
        }
        // The next row: the innermost index counts first.
        for (i, &size) in index.iter_mut().zip(rows).rev() {
            *i += 1;
            if *i < size {
                break;
            }
            *i = 0;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_is_gathered_in_row_major_order() {
        let values: Vec<f32> = (0..6).map(|v| v as f32).collect();
        assert_eq!(gather(&values, 0, &[2, 3], &[3, 1]).as_deref(), Some(values.as_slice()));
        let transposed = gather(&values, 0, &[3, 2], &[1, 3]);
        assert_eq!(transposed.as_deref(), Some([0.0, 3.0, 1.0, 4.0, 2.0, 5.0].as_slice()));
        assert_eq!(gather(&values, 4, &[], &[]).as_deref(), Some([4.0].as_slice()));
        assert_eq!(gather(&values, 0, &[0, 9], &[9, 1]).as_deref(), Some([].as_slice()));
        assert_eq!(
            gather(&values, 1, &[2, 2], &[0, 2]).as_deref(),
            Some([1., 3., 1., 3.].as_slice())
        );
        assert_eq!(gather(&values, 5, &[2], &[1]), None);
    }

    #[test]
    fn shapes_that_overflow_are_refused() {
        assert_eq!(row_major_strides(&[2, 3, 4]), Some(vec![12, 4, 1]));
        assert_eq!(row_major_strides(&[usize::MAX, 2]), None);
        assert_eq!(row_major_strides(&[0, usize::MAX, usize::MAX]), None);
        assert_eq!(values_of(&[1 << 40, 1 << 40]), None);
        assert_eq!(values_of(&[1 << 40, 0, 1 << 40]), Some(0));
    }
}
