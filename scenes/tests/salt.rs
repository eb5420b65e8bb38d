//! Tiles with salt, made to order, and the embedded U-Net that finds it.

use convlens_scenes::prelude::*;

const BODIES: [SaltBody; 4] = [SaltBody::Dome, SaltBody::Flank, SaltBody::Sheet, SaltBody::Base];

fn made(salt: Salt) -> Section {
    salt.section().expect("a tile")
}

fn salt_share(tile: &Section) -> f64 {
    let counts = tile.mask().expect("a mask").counts();
    counts[1] as f64 / (counts[0] + counts[1]) as f64
}

#[test]
fn the_same_seed_makes_the_same_tile_and_another_seed_another() {
    let tile = |seed| made(Salt::default().seed(seed));
    let (a, b, c) = (tile(3), tile(3), tile(4));
    assert_eq!((a.height(), a.width()), (128, 128));
    assert_eq!(a.amplitudes(), b.amplitudes());
    assert_eq!(a.labels(), b.labels());
    assert_ne!(a.amplitudes(), c.amplitudes());
}

#[test]
fn some_tiles_hold_no_salt_and_every_body_has_both_salt_and_rock() {
    let empty = (0..200).filter(|&seed| salt_share(&made(Salt::default().seed(seed))) == 0.0);
    let empty = empty.count();
    assert!((60..=95).contains(&empty), "{empty} of 200");
    for seed in 0..30 {
        let none = made(Salt::default().seed(seed).body(SaltBody::None));
        assert_eq!(salt_share(&none), 0.0);
        for body in BODIES {
            let share = salt_share(&made(Salt::default().seed(seed).body(body)));
            assert!((0.005..0.995).contains(&share), "{body:?} {seed}: {share}");
        }
    }
}

#[test]
fn salt_is_quiet_below_a_strong_top() {
    // Squares of amplitudes: in the salt and in the rock, ten samples or more from the other along
    // the trace, and at the top of the salt.
    let (mut inside, mut outside, mut top) = (Vec::new(), Vec::new(), Vec::new());
    for seed in 0..12 {
        let tile = made(Salt::default().seed(seed).body(SaltBody::Dome).noise(0.0));
        let (labels, width) = (tile.labels().expect("labels"), tile.width());
        for x in 0..width {
            let at = |y: usize| labels[y * width + x];
            for y in 10..tile.height() - 10 {
                let square = f64::from(tile.amplitudes()[y * width + x]).powi(2);
                if (y - 10..=y + 10).all(|near| at(near) == at(y)) {
                    if at(y) == 1 { inside.push(square) } else { outside.push(square) }
                }
                if at(y) == 1 && at(y - 1) == 0 {
                    top.push(square);
                }
            }
        }
    }
    let mean = |values: &[f64]| values.iter().sum::<f64>() / values.len() as f64;
    let (inside, outside, top) = (mean(&inside), mean(&outside), mean(&top));
    assert!(inside < 0.3 * outside && top > 2.0 * outside, "{inside}, {outside}, {top}");
}

#[test]
fn salt_bends_the_rock_beside_it_and_leaves_the_rest_alone() {
    let tile = |body| made(Salt::default().seed(5).size(128, 384).body(body).noise(0.0));
    let (with, without) = (tile(SaltBody::Flank), tile(SaltBody::None));
    let labels = with.labels().expect("labels");
    // How alike the traces of both are, beside the salt and far from it.
    let salty = |x: &usize| (0..128).any(|y| labels[y * 384 + x] == 1);
    let first = (0..384).find(salty).expect("salt");
    let last = (0..384).rfind(salty).expect("salt");
    let (near, far) = if first == 0 { (last + 4, 383 - 8) } else { (first - 4, 8) };
    let alike = |x: usize| {
        let trace = |s: &Section| -> Vec<f64> {
            (0..128).map(|y| f64::from(s.amplitudes()[y * 384 + x])).collect()
        };
        let (a, b) = (trace(&with), trace(&without));
        let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
        dot(&a, &b) / (dot(&a, &a) * dot(&b, &b)).sqrt()
    };
    assert!(alike(far) > 0.99, "{} at {far}", alike(far));
    assert!(alike(near) < 0.8, "{} at {near}", alike(near));
}

#[test]
fn another_size_is_the_same_place_at_another_resolution() {
    for body in BODIES {
        let tile = |side| made(Salt::default().seed(6).body(body).size(side, side));
        let (large, small) = (tile(256), tile(101));
        let score = large.resized(101, 101).and_then(|shrunk| shrunk.score(small.mask()?));
        let score = score.expect("a score");
        assert!(score.pixel_accuracy() > 0.98, "{body:?}\n{score}");
    }
}

#[test]
fn what_cannot_be_made_is_refused_with_the_range() {
    let refused = |salt: Salt, part: &str| {
        let error = salt.section().expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    };
    refused(Salt::default().size(0, 128), "64 to 1024");
    refused(Salt::default().size(128, usize::MAX), "64 to 1024");
    refused(Salt::default().noise(-0.1), "0 to 10");
    refused(Salt::default().noise(f64::NAN), "0 to 10");
}

#[test]
fn the_embedded_unet_scores_what_is_stated_on_tiles_that_it_has_not_seen() {
    let model = networks::salt_unet().expect("the embedded network");
    let score = |seed: u64| {
        let tile = made(Salt::default().seed(seed));
        let look = model.look(&tile.photo().expect("a photo")).expect("a look");
        tile.score(&look.segmentation().expect("a mask")).expect("a score")
    };
    let all = (100_000..100_400).map(score).reduce(|a, b| a.and(&b).expect("the same classes"));
    let all = all.expect("four hundred scores");
    // To the digit that is stated.
    let iou = all.iou(1).expect("salt");
    assert!((all.pixel_accuracy() - 0.984).abs() < 6e-4 && (iou - 0.920).abs() < 6e-4, "{all}");
}

#[test]
fn a_photo_and_a_tensor_of_a_tile_give_the_embedded_unet_the_same_mask() {
    let model = networks::salt_unet().expect("the embedded network");
    let tile = made(Salt::default().seed(100_004));
    let look = model.look(&tile.photo().expect("a photo")).expect("a look");
    let seen = look.segmentation().expect("a mask");
    assert_eq!(seen.classes(), tile.classes().expect("classes"));
    let input = tile.to_tensor().expect("an input");
    let output = model.run(&[("input", &input)], &["output"]).expect("logits");
    let fed = tile.predicted(&output[0]).expect("a mask");
    // But for the photo's 8 bits.
    assert!(fed.score(&seen).expect("a score").pixel_accuracy() > 0.995);
}
