//! What a file holds, as tensors.

use convlens_formats::{Contents, Parsed, Source};
use tch::{Device, Kind, Tensor};

use super::Weights;
use crate::tensor::IntoResult;

/// Reads every storage once. The values of a tensor that is the whole of its storage, as nearly
/// all are, go straight into its memory.
pub(crate) fn load(source: &mut dyn Source, contents: &Contents) -> Parsed<Weights> {
    let mut weights = Weights::new();
    for (storage, entries) in contents.by_storage() {
        let about = |name: &str, error: String| format!("{name}: {error}");
        if let [entry] = entries[..]
            && entry.is_whole(storage)
        {
            let mut filling = new(&entry.shape).map_err(|e| about(&entry.name, e))?;
            storage
                .read(source, |values| filling.push(values))
                .map_err(|e| about(&entry.name, e))?;
            let tensor = filling.finish().map_err(|e| about(&entry.name, e))?;
            weights.insert(entry.name.clone(), tensor);
            continue;
        }
        let first = entries.first().map_or("", |entry| &entry.name);
        let mut values = Vec::new();
        values.try_reserve_exact(storage.count).map_err(|e| about(first, e.to_string()))?;
        storage
            .read(source, |piece| values.extend_from_slice(piece))
            .map_err(|e| about(first, e))?;
        for entry in entries {
            let tensor = entry
                .of(&values)
                .ok_or_else(|| "there is no memory for it".to_owned())
                .and_then(|values| {
                    let mut filling = new(&entry.shape)?;
                    filling.push(&values);
                    filling.finish()
                });
            weights.insert(entry.name.clone(), tensor.map_err(|e| about(&entry.name, e))?);
        }
    }
    Ok(weights)
}

fn new(shape: &[usize]) -> Parsed<Filling> {
    let shape: Result<Vec<i64>, _> = shape.iter().map(|&size| i64::try_from(size)).collect();
    Filling::new(&shape.map_err(|e| e.to_string())?)
}

/// A tensor that is being filled from front to back.
pub(crate) struct Filling {
    tensor: Tensor,
    /// Where the next value goes.
    next: *mut f32,
    /// How many values are missing.
    missing: usize,
}

impl Filling {
    pub(crate) fn new(shape: &[i64]) -> Parsed<Filling> {
        let tensor = Tensor::f_empty(shape, (Kind::Float, Device::Cpu));
        let tensor = tensor.into_result().map_err(|e| e.to_string())?;
        Ok(Filling { next: tensor.data_ptr().cast(), missing: tensor.numel(), tensor })
    }

    pub(crate) fn push(&mut self, values: &[f32]) {
        let count = values.len().min(self.missing);
        if count == 0 {
            return;
        }
        // SAFETY: `f_empty` has just made a contiguous tensor of `numel` floats on the CPU that
        // nobody else knows, `next` points to the first of its last `missing` ones, and
        // `count <= missing`. Only raw pointers touch the memory, which is not initialised yet.
        unsafe {
            std::ptr::copy_nonoverlapping(values.as_ptr(), self.next, count);
            self.next = self.next.add(count);
        }
        self.missing -= count;
    }

    pub(crate) fn finish(self) -> Parsed<Tensor> {
        match self.missing {
            0 => Ok(self.tensor),
            missing => Err(format!("{missing} values are missing")),
        }
    }
}
