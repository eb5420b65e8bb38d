//! Gradient recording switched on for one piece of work, and back afterwards whatever happens.

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// Runs `work` with gradients recorded. tch's own `with_grad` forgets to restore the mode when
/// the closure panics, and the next cell would find it changed.
pub(crate) fn with_grad<T>(work: impl FnOnce() -> T) -> T {
    match tch::with_grad(|| catch_unwind(AssertUnwindSafe(work))) {
        Ok(result) => result,
        Err(panic) => resume_unwind(panic),
    }
}
