//! Worlds made to order: what a network is to see, with the truth about it, from a seed.

mod noise;
pub mod pets;
pub mod robot;
pub mod seismic;
