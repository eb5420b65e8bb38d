//! A scene: the robot's picture, and the truth about it.

use std::borrow::Borrow;
use std::fmt;
use std::sync::Arc;

use convlens::mask::{Classes, Mask};
use convlens::photo::Photo;
use convlens::picture::{Picture, Region};
use convlens::show::{MimeBundle, Show, debug_line};
use convlens::{Error, Result};
use tch::{Kind, Tensor};

use super::camera;
use super::sensor::detections;
use super::world::{Thing, World};
use super::{HEIGHT, Reading, WIDTH};

/// What the robot sees, with the truth of what its sensors will detect. Cheap to clone.
///
/// A cell shows the picture enlarged, beside the truth.
#[derive(Clone)]
pub struct Scene {
    title: Arc<str>,
    picture: Picture,
    truth: Reading,
    world: Arc<World>,
}

impl Scene {
    pub(super) fn new(title: &str, pixels: Vec<u8>, world: World) -> Result<Scene> {
        let picture = Picture::rgb(WIDTH as u32, HEIGHT as u32, pixels)?;
        let truth = detections(&world).into_iter().map(f32::from).collect();
        let truth = Reading::new(truth)?.titled("truth").seen_in(&picture);
        Ok(Scene { title: title.into(), picture, truth, world: world.into() })
    }

    /// "robot scene" and the seed.
    pub fn title(&self) -> &str {
        &self.title
    }

    /// What the camera sees, 80 × 64 pixels.
    pub fn picture(&self) -> &Picture {
        &self.picture
    }

    /// The same as a [`Photo`], for a network to look at.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn photo(&self) -> Result<Photo> {
        Ok(Photo::from_picture(&self.picture).titled(&self.title))
    }

    /// The picture's bytes, `[1, 3, 64, 80]`: what to train on, once scaled as the network's
    /// preprocessing does.
    ///
    /// # Errors
    /// When libtorch has no memory for it.
    pub fn to_tensor(&self) -> Result<Tensor> {
        let size = [1, HEIGHT as i64, WIDTH as i64, 3];
        let bytes = Tensor::f_from_data_size(self.picture.data(), &size, Kind::Uint8)?;
        Ok(bytes.f_permute([0, 3, 1, 2])?.f_contiguous()?)
    }

    /// Scenes as what a network learns from: pictures `[N, 3, 64, 80]`, from -1 to 1 as the preprocessing
    /// of [`robot_range`](crate::networks::robot_range) has them, and what is detected, `[N, 325]`. They are
    /// the photos and the targets of [`Fit::run`](convlens::train::Fit::run) with binary cross entropy.
    ///
    /// ```
    /// use convlens_scenes::prelude::*;
    /// let scenes = [Arena::default().seed(1).scene()?, Arena::default().seed(2).scene()?];
    /// let (pictures, detected) = convlens_scenes::robot::Scene::tensors(&scenes)?;
    /// assert_eq!((pictures.size(), detected.size()), (vec![2, 3, 64, 80], vec![2, 325]));
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// # Errors
    /// No scene at all.
    pub fn tensors(
        scenes: impl IntoIterator<Item = impl Borrow<Scene>>,
    ) -> Result<(Tensor, Tensor)> {
        let (mut pictures, mut detected) = (Vec::new(), Vec::new());
        for scene in scenes {
            pictures.push(scene.borrow().to_tensor()?);
            detected.push(scene.borrow().truth.to_tensor()?);
        }
        if pictures.is_empty() {
            return Err(Error::Argument("a tensor of no scenes: give at least one".into()));
        }
        let pictures = Tensor::f_cat(&pictures, 0)?.f_to_kind(Kind::Float)?;
        let pictures = pictures.f_div_scalar(127.5)?.f_sub_scalar(1.0)?;
        Ok((pictures, Tensor::f_cat(&detected, 0)?))
    }

    /// What each sensor detects at each distance: 1 or 0.
    pub fn truth(&self) -> &Reading {
        &self.truth
    }

    /// Which pixels show a block or a cylinder: to judge where a network looks. Walls, which the
    /// sensors detect as well, are told apart by [`surfaces`](Scene::surfaces).
    ///
    /// # Errors
    /// Never for a scene that an [`Arena`](super::Arena) made.
    pub fn obstacles(&self) -> Result<Region> {
        let things = camera::things(&self.world);
        let stands = things.iter().map(|thing| matches!(thing, Thing::Obstacle(_))).collect();
        Region::new(HEIGHT, WIDTH, stands)
    }

    /// What each pixel shows: floor, wall, block, cylinder, or what lies beyond the walls.
    ///
    /// # Errors
    /// When there is no memory for it.
    pub fn surfaces(&self) -> Result<Mask> {
        let label = |thing: &Thing| match thing {
            Thing::Floor => 0u8,
            Thing::Wall(_) => 1,
            Thing::Obstacle(i) if self.world.obstacles.get(*i).is_some_and(|o| o.is_block()) => 2,
            Thing::Obstacle(_) => 3,
            Thing::Beyond => 4,
        };
        let labels = camera::things(&self.world).iter().map(label).collect();
        let classes = Classes::named(["floor", "wall", "block", "cylinder", "beyond the walls"])?;
        Mask::new(HEIGHT, WIDTH, labels, &classes)
    }
}

impl fmt::Debug for Scene {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        debug_line(
            f,
            format_args!("Scene {}, {} obstacles", self.title, self.world.obstacles.len()),
        )
    }
}

impl Show for Scene {
    fn bundle(&self) -> MimeBundle {
        self.truth.clone().titled(&format!("{}: the truth", self.title)).bundle()
    }
}
