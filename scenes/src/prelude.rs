//! What `use convlens_scenes::prelude::*` brings into a notebook, beside
//! [`convlens::prelude`].

pub use crate::networks;
pub use crate::pets::{Pet, PetFolder, PetSet, Pets};
pub use crate::robot::{Arena, RangeScore, Reading};
pub use crate::section::Section;
pub use crate::seismic::{Salt, SaltBody, Seismic};
pub use crate::tanks::{TankEvidence, TankPictures, TankScore, TankSet, Weather, Wood, Woods};
