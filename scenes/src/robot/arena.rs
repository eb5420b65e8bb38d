//! The options of a scene, and the worlds that random numbers make of them.

use convlens::{Error, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::obstacle::{Obstacle, Plan};
use super::paint::Paint;
use super::sensor::{AXLE, BODY};
use super::world::{Wall, World};
use super::{Scene, camera};

/// Keeps the random numbers of looks apart from those of places.
const LOOKS: u64 = 0x6c6f_6f6b;
/// More obstacles than this are not made.
const MOST: usize = 64;

/// A scene to be made: the same seed makes the same scene.
///
/// ```
/// use convlens_scenes::robot::{Arena, Obstacle, Sensor};
/// let random = Arena::default().seed(7).scene()?;
///
/// // A can 30 cm ahead: the centre sensor sees it from 16 cm on.
/// let can = Obstacle::cylinder(33.0, 0.0, 3.0);
/// let made = Arena::default().obstacles([can]).scene()?;
/// assert_eq!(made.truth().first(Sensor::Centre), Some(16.0));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
#[must_use]
pub struct Arena {
    seed: u64,
    obstacles: Option<Vec<Obstacle>>,
}

impl Arena {
    /// Where everything stands and how it looks; 0 by default.
    pub fn seed(&self, seed: u64) -> Arena {
        Arena { seed, ..self.clone() }
    }

    /// These obstacles and no others, at most 64, in an arena of 6 × 6 m whose walls are out of
    /// the sensors' reach. By default the seed chooses obstacles and walls.
    pub fn obstacles(&self, obstacles: impl IntoIterator<Item = Obstacle>) -> Arena {
        Arena { obstacles: Some(obstacles.into_iter().collect()), ..self.clone() }
    }

    /// Makes it.
    ///
    /// # Errors
    /// Obstacles of yours that are too many, out of range, or where the robot stands.
    pub fn scene(&self) -> Result<Scene> {
        let mut random = StdRng::seed_from_u64(self.seed);
        let world = match &self.obstacles {
            None => chosen(&mut random),
            Some(obstacles) => given(obstacles)?,
        };
        let mut looks = StdRng::seed_from_u64(self.seed ^ LOOKS);
        let paint = Paint::new(&mut looks, &world.obstacles);
        let pixels = camera::picture(&world, &paint, &mut looks);
        Scene::new(&format!("robot scene {}", self.seed), pixels, world)
    }
}

/// A world of the user's obstacles.
fn given(obstacles: &[Obstacle]) -> Result<World> {
    if obstacles.len() > MOST {
        let count = obstacles.len();
        return Err(Error::Argument(format!("at most {MOST} obstacles are made, not {count}")));
    }
    for (i, obstacle) in obstacles.iter().enumerate() {
        let number = i + 1;
        obstacle.check().map_err(|e| e.while_doing(format!("placing obstacle {number}")))?;
        if obstacle.distance(AXLE) < BODY {
            return Err(Error::Argument(format!(
                "obstacle {number} stands where the robot does, within {BODY} cm of its axle at \
                 {AXLE:?}"
            )));
        }
    }
    let walls = walls([300.0, 300.0], [0.0, 0.0], 0.0);
    Ok(World { obstacles: obstacles.to_vec(), walls, wall_height: 60.0 })
}

/// A world that the random numbers choose.
fn chosen(random: &mut StdRng) -> World {
    let half = [0; 2].map(|_| random.gen_range(70f32..260.0));
    let wall_height = random.gen_range(20f32..110.0);
    let walls = (0..32).map(|_| {
        let place = half.map(|half| random.gen_range(-half..half));
        walls(half, place, random.gen_range(0.0..std::f32::consts::TAU))
    });
    let free = |walls: &[Wall; 4]| walls.iter().all(|wall| wall.room(AXLE) > BODY);
    let walls = walls.into_iter().find(free).unwrap_or_else(|| self::walls(half, [0.0; 2], 0.0));
    let mut world = World { obstacles: Vec::new(), walls, wall_height };
    for _ in 0..random.gen_range(0..10usize) {
        let obstacle = any_obstacle(random);
        let reach = obstacle.reach();
        let apart = |other: &Obstacle| {
            let [x, y] = [0, 1].map(|i| other.centre[i] - obstacle.centre[i]);
            x.hypot(y) > reach + other.reach()
        };
        let inside = world.walls.iter().all(|wall| wall.room(obstacle.centre) > 0.6 * reach);
        if inside && obstacle.distance(AXLE) > BODY && world.obstacles.iter().all(apart) {
            world.obstacles.push(obstacle);
        }
    }
    world
}

/// An obstacle somewhere in the camera's view, as likely near as far.
fn any_obstacle(random: &mut StdRng) -> Obstacle {
    let ahead = 2.0 + 170.0 * random.gen_range(0f32..1.0).powf(1.3);
    let left = random.gen_range(-1f32..1.0) * (12.0 + 0.7 * ahead);
    let height = random.gen_range(5f32..40.0);
    let obstacle = match random.gen_range(0..2u32) {
        0 => Obstacle::cylinder(ahead, left, random.gen_range(2f32..11.0)),
        _ => {
            let [depth, width] = [0; 2].map(|_| random.gen_range(4f32..34.0));
            Obstacle::block(ahead, left, depth, width).turned(random.gen_range(0f32..180.0))
        }
    };
    obstacle.height(height)
}

/// The walls of an arena with these half sides, around a robot that stands at a place in it and
/// looks in a direction.
fn walls(half: [f32; 2], place: [f32; 2], heading: f32) -> [Wall; 4] {
    let (sin, cos) = heading.sin_cos();
    [[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]].map(|[x, y]: [f32; 2]| Wall {
        normal: [x * cos + y * sin, y * cos - x * sin],
        offset: half[0] * x.abs() + half[1] * y.abs() - x * place[0] - y * place[1],
    })
}

impl Wall {
    /// How far a point is from the wall, inside the arena.
    fn room(&self, point: [f32; 2]) -> f32 {
        self.offset - self.normal[0] * point[0] - self.normal[1] * point[1]
    }
}

impl Obstacle {
    pub(super) fn is_block(&self) -> bool {
        matches!(self.plan, Plan::Rectangle { .. })
    }
}
