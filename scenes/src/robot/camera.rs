//! The robot's camera.

use rand::Rng;
use rand::rngs::StdRng;

use super::paint::{Colour, Paint};
use super::world::{Thing, World};
use super::{HEIGHT, WIDTH};
use crate::noise::normal;

/// Where it is, in cm from the floor under the nose.
const PLACE: [f32; 3] = [-6.0, 0.0, 12.0];
/// By how many degrees it looks down.
const PITCH: f32 = 16.0;
/// The focal length in pixels.
const FOCAL: f32 = 48.0;
/// Rays a pixel, along each side.
const RAYS: usize = 2;

/// The direction of the ray through a point of the picture, in pixels from its upper left corner.
fn ray(x: f32, y: f32) -> [f32; 3] {
    let left = (WIDTH as f32 / 2.0 - x) / FOCAL;
    let up = (HEIGHT as f32 / 2.0 - y) / FOCAL;
    let (sin, cos) = PITCH.to_radians().sin_cos();
    [cos + up * sin, left, up * cos - sin]
}

/// What the pixels of the picture show, row by row.
pub(super) fn things(world: &World) -> Vec<Thing> {
    let pixels = (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (x, y)));
    pixels.map(|(x, y)| world.trace(PLACE, ray(x as f32 + 0.5, y as f32 + 0.5)).thing).collect()
}

/// RGB bytes, row by row.
pub(super) fn picture(world: &World, paint: &Paint, random: &mut StdRng) -> Vec<u8> {
    let mut light: Vec<Colour> = Vec::with_capacity(HEIGHT * WIDTH);
    for (y, x) in (0..HEIGHT).flat_map(|y| (0..WIDTH).map(move |x| (y, x))) {
        let mut sum = [0f32; 3];
        for (i, j) in (0..RAYS).flat_map(|i| (0..RAYS).map(move |j| (i, j))) {
            let inside = |i: usize| (i as f32 + 0.5) / RAYS as f32;
            let direction = ray(x as f32 + inside(j), y as f32 + inside(i));
            let hit = world.trace(PLACE, direction);
            let seen = paint.light(world, PLACE, direction, &hit);
            sum.iter_mut().zip(seen).for_each(|(sum, seen)| *sum += seen);
        }
        light.push(sum.map(|sum| sum / (RAYS * RAYS) as f32));
    }
    develop(&light, random)
}

/// Exposes so that the picture is neither dark nor bright on average, as a camera does by itself,
/// and adds what a cheap one adds: darker corners and noise.
fn develop(light: &[Colour], random: &mut StdRng) -> Vec<u8> {
    let mean = light.iter().flatten().sum::<f32>() / (3 * light.len()).max(1) as f32;
    let gain = random.gen_range(0.16f32..0.34) / mean.max(1e-3);
    let corners = random.gen_range(0f32..0.35);
    let noise = random.gen_range(0.003f32..0.022);
    let mut bytes = Vec::with_capacity(3 * light.len());
    for (i, colour) in light.iter().enumerate() {
        let (y, x) = ((i / WIDTH) as f32, (i % WIDTH) as f32);
        let off = (x / (WIDTH as f32 - 1.0) - 0.5).hypot(y / (HEIGHT as f32 - 1.0) - 0.5);
        let exposure = gain * (1.0 - 2.0 * corners * off * off);
        bytes.extend(colour.map(|value| {
            let level = (value * exposure).min(1.0).powf(1.0 / 2.2) + noise * normal(random);
            (255.0 * level).round().clamp(0.0, 255.0) as u8
        }));
    }
    bytes
}
