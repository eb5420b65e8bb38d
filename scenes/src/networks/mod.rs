//! Small networks that were trained on the worlds of this crate; their weights are part of it.
//!
//! They know nothing but these worlds, and what is said of how good they are was measured on worlds
//! that the same generator made from other seeds.

mod robot;
mod salt;
mod seismic;
mod tanks;

pub use robot::{robot_range, robot_range_untrained, robot_range_with};
pub use salt::salt_unet;
pub use seismic::seismic_fcn;
pub use tanks::tank_spotter;
