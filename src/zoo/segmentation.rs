//! Networks that say of every pixel what it belongs to, for weights of your own: [`UNet`] and [`Fcn`],
//! each with its options.
//!
//! They are not among [the zoo](super)'s functions, so that completing `zoo::` lists networks with
//! published weights first.

pub use super::fcn::{F3_FACIES, Fcn, Task};
pub use super::unet::UNet;
