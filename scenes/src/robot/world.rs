//! Where everything is, and what a ray meets first.

use super::obstacle::Obstacle;

/// The floor, four walls around it, and what stands on it.
#[derive(Clone, Debug)]
pub(super) struct World {
    pub(super) obstacles: Vec<Obstacle>,
    pub(super) walls: [Wall; 4],
    pub(super) wall_height: f32,
}

/// A wall: where `normal · p = offset`, with the arena on the side of smaller values.
#[derive(Clone, Copy, Debug)]
pub(super) struct Wall {
    pub(super) normal: [f32; 2],
    pub(super) offset: f32,
}

/// What a ray meets.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Thing {
    Floor,
    /// The wall of this index.
    Wall(usize),
    /// The obstacle of this index.
    Obstacle(usize),
    /// What lies beyond the walls.
    Beyond,
}

/// Where a ray meets something: at `origin + t direction`.
pub(super) struct Hit {
    pub(super) thing: Thing,
    pub(super) t: f32,
    pub(super) normal: [f32; 3],
}

impl World {
    /// How far a point can move along the floor until it meets something; the direction is of
    /// length 1.
    pub(super) fn way_along(&self, origin: [f32; 2], direction: [f32; 2]) -> f32 {
        let obstacles = self.obstacles.iter().filter_map(|obstacle| {
            let crossing = obstacle.crossing(origin, direction)?;
            (crossing.leaves > 0.0).then_some(crossing.enters.max(0.0))
        });
        obstacles.fold(self.wall(origin, direction).1, f32::min)
    }

    /// The wall that a line meets first, and at which multiple of its direction.
    fn wall(&self, origin: [f32; 2], direction: [f32; 2]) -> (usize, f32) {
        let dot = |a: [f32; 2], b: [f32; 2]| a[0] * b[0] + a[1] * b[1];
        let mut first = (0, f32::MAX);
        for (i, wall) in self.walls.iter().enumerate() {
            let speed = dot(wall.normal, direction);
            let t = (wall.offset - dot(wall.normal, origin)) / speed;
            if speed > 0.0 && t < first.1 {
                first = (i, t.max(0.0));
            }
        }
        first
    }

    /// What a ray meets first. It starts above the floor and outside of all obstacles.
    pub(super) fn trace(&self, origin: [f32; 3], direction: [f32; 3]) -> Hit {
        let flat = |v: [f32; 3]| [v[0], v[1]];
        let height = |t: f32| origin[2] + t * direction[2];
        let (index, t) = self.wall(flat(origin), flat(direction));
        let mut hit = if height(t) <= self.wall_height {
            let [x, y] = self.walls[index].normal;
            Hit { thing: Thing::Wall(index), t, normal: [-x, -y, 0.0] }
        } else {
            Hit { thing: Thing::Beyond, t, normal: [0.0; 3] }
        };
        if direction[2] < 0.0 {
            let t = -origin[2] / direction[2];
            if t < hit.t {
                hit = Hit { thing: Thing::Floor, t, normal: [0.0, 0.0, 1.0] };
            }
        }
        for (index, obstacle) in self.obstacles.iter().enumerate() {
            let Some(crossing) = obstacle.crossing(flat(origin), flat(direction)) else { continue };
            if crossing.leaves <= 0.0 || crossing.enters >= hit.t {
                continue;
            }
            let thing = Thing::Obstacle(index);
            if height(crossing.enters.max(0.0)) <= obstacle.height {
                let [x, y] = crossing.normal;
                hit = Hit { thing, t: crossing.enters.max(0.0), normal: [x, y, 0.0] };
                continue;
            }
            let top = (obstacle.height - origin[2]) / direction[2];
            if direction[2] < 0.0 && top <= crossing.leaves && top < hit.t {
                hit = Hit { thing, t: top, normal: [0.0, 0.0, 1.0] };
            }
        }
        hit
    }

    /// Whether an obstacle stands between a point and a lamp in this direction.
    pub(super) fn shaded(&self, point: [f32; 3], lamp: [f32; 3]) -> bool {
        self.obstacles.iter().any(|obstacle| {
            let crossing = obstacle.crossing([point[0], point[1]], [lamp[0], lamp[1]]);
            crossing.is_some_and(|crossing| {
                let enters = crossing.enters.max(0.0);
                crossing.leaves > 0.0 && point[2] + enters * lamp[2] < obstacle.height
            })
        })
    }
}
