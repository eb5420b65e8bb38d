//! The loops of convlens that have to be fast: slices of floats in, slices of floats out, in all threads
//! and without libtorch. It is a crate of its own so that a debug build can optimise it, and it alone:
//! unoptimised, these loops take longer than what they replace.
//!
//! ```
//! let sum = convlens_fast::weighted_rows(&[2.0, 0.0, 1.0], &[1.0, 2.0, 9.0, 9.0, 3.0, 4.0], 2, 1);
//! assert_eq!(sum, [5.0, 8.0]);
//! ```

mod after;
mod depthwise;
mod direct;
mod load;
mod max_pool;
mod mean;
mod openmp;
mod output;
mod rows;
mod simd;
#[cfg(test)]
mod testing;
mod threads;
mod waiting;
mod windows;
mod winograd;

pub use after::After;
pub use depthwise::Depthwise;
pub use direct::{Direct, Products};
pub use max_pool::MaxPool;
pub use mean::Mean;
pub use openmp::processors;
pub use output::Output;
pub use rows::weighted_rows;
pub use threads::{for_each, on_all};
pub use waiting::watch_the_load;
pub use windows::Windows;
pub use winograd::{Convolution, KERNEL, POINTS, SIDE, TILE, panel};

/// Whether the compiler optimised this crate. Where it did not, libtorch is faster.
///
/// A workspace's profile decides that: `[profile.dev.package.convlens-fast]` with `opt-level = 3` optimises
/// it in debug builds, too.
pub const OPTIMISED: bool = cfg!(optimised);

/// How often a part goes into a whole, where it does so exactly.
fn exactly(whole: usize, part: usize) -> Option<usize> {
    (part > 0 && whole > 0 && whole.is_multiple_of(part)).then(|| whole / part)
}

/// How many photos of this height, width and channels an input has.
fn photos(input: &[f32], [h, w, c]: [usize; 3]) -> Option<usize> {
    exactly(input.len(), h.checked_mul(w)?.checked_mul(c)?)
}

/// The `i`-th of so many parts of a whole, which are of about the same size.
fn share(whole: usize, i: usize, parts: usize) -> std::ops::Range<usize> {
    i * whole / parts..(i + 1) * whole / parts
}
