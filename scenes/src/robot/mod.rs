//! What a small wheeled robot sees, and what its proximity sensors will find ahead of it.
//!
//! The robot is built like a Thymio with a camera on top. Five infrared sensors in its front look
//! ahead and to the sides, and see nothing beyond 14 cm; the camera sees metres. Nava et al.,
//! *Learning Long-Range Perception Using Self-Supervision From Short-Range Sensors and Odometry*,
//! IEEE RA-L 4, 2019, <https://arxiv.org/abs/1809.07207>, teach a network to foresee, from one
//! picture, what the sensors will say further on. Here the world is made, so the truth is known
//! everywhere.
//!
//! Lengths are in cm. The origin is on the floor under the robot's nose; x points ahead, y to the
//! left.
//!
//! - **World.** A rectangular arena with a patterned floor, some of it with flat marks that are no
//!   obstacles, walls of some height, and blocks and cylinders that stand on the floor.
//! - **Camera.** A pinhole 12 cm above the floor and 6 cm behind the nose, pitched down by 16°, 64
//!   rows by 80 columns, focal length 48 pixels: 80° wide. Four rays a pixel. One distant lamp casts
//!   shadows, the rest of the light comes from above; exposure adapts, and the sensor adds noise.
//! - **Truth.** The robot drives straight ahead until it would touch something. At each of 65
//!   distances, 0 to 128 cm in steps of 2, each [`Sensor`] detects what its ray meets within 14
//!   cm. Where the robot cannot get, the reading is that of the place where it stops. Places,
//!   directions and range of the sensors are those of the simulator
//!   [Enki](https://github.com/enki-community/enki)'s Thymio II.
//!
//! ```
//! use convlens_scenes::prelude::*;
//! let scene = Arena::default().seed(3).scene()?;
//! let look = networks::robot_range()?.look(&scene.photo()?)?;
//! let foreseen = Reading::from_look(&look)?;
//! foreseen.compared(scene.truth())?; // picture, prediction and truth beside each other
//! Ok::<(), convlens::Error>(())
//! ```

mod arena;
mod camera;
mod obstacle;
mod paint;
mod reading;
mod scene;
mod score;
mod sensor;
mod world;

pub use arena::Arena;
pub use obstacle::Obstacle;
pub use reading::Reading;
pub use scene::Scene;
pub use score::RangeScore;
pub use sensor::{DISTANCES, Sensor, class_names, distance};

/// Rows of the camera's picture.
pub const HEIGHT: usize = 64;
/// Columns of the camera's picture.
pub const WIDTH: usize = 80;
