//! Trains the embedded U-Net that finds salt, on tiles made to order; tests it on 400 that it has not
//! seen.
//!
//! ```sh
//! OMP_NUM_THREADS=1 cargo run --package convlens-scenes --example train_salt -- target/salt_unet.safetensors
//! ```
//!
//! 2,400 tiles, ten times each, are seven to eight minutes of one core. What was measured:
//!
//! | tiles | pixels right | IoU of salt | precision over IoU 0.5 to 0.95 | without salt, left empty |
//! |---|---|---|---|---|
//! | 400 of those learnt from | 98.7 % | 93.8 % | 0.838 | 75.9 % |
//! | 400 unseen | 98.4 % | 92.0 % | 0.838 | 80.1 % |
//! | 400 unseen, with transposed convolutions instead of `.bilinear()` | 98.4 % | 91.9 % | 0.804 | 71.4 % |
//!
//! The precision is the measure of the TGS salt challenge; a tile without salt counts for nothing in it
//! as soon as a single pixel is taken for salt, which happens to one in five here.

use std::error::Error;
use std::ops::Range;
use std::time::Instant;

use convlens::prelude::*;
use convlens::zoo::segmentation::UNet;
use convlens_scenes::prelude::*;
use rand::Rng;
use rand::rngs::StdRng;
use tch::Kind;

type Outcome<T> = Result<T, Box<dyn Error>>;

fn tiles(seeds: Range<u64>) -> Outcome<Vec<Section>> {
    Ok(seeds.map(|seed| Salt::default().seed(seed).section()).collect::<convlens::Result<_>>()?)
}

/// Half of the batches mirrored, each tile louder or softer.
fn varied(x: &Tensor, y: &Tensor, random: &mut StdRng) -> (Tensor, Tensor) {
    let gains: Vec<f32> = (0..x.size()[0]).map(|_| random.gen_range(0.7..1.4)).collect();
    let louder = x * Tensor::from_slice(&gains).view([-1, 1, 1, 1]);
    let x = louder.clamp(-1.0, 1.0);
    if random.gen_range(0..2) == 0 { (x, y.shallow_clone()) } else { (x.flip([3]), y.flip([3])) }
}

/// The challenge's measure of a tile: the share of the thresholds 0.5, 0.55 ... 0.95 that the IoU of
/// its salt is above; where there is no salt, 1 if none was found, else 0.
fn precision(score: &SegmentationScore) -> f64 {
    let truly = score.count(1, 0) + score.count(1, 1);
    match score.iou(1) {
        None => 1.0,
        Some(_) if truly == 0 => 0.0,
        Some(iou) => {
            (0..10).filter(|step| iou > 0.5 + 0.05 * f64::from(*step)).count() as f64 / 10.0
        }
    }
}

struct Tested {
    score: SegmentationScore,
    precision: f64,
    /// Of the tiles without salt, the share in which none was found.
    spared: f64,
}

fn tested(model: &Model, unseen: &[Section]) -> Outcome<Tested> {
    let score = |tile: &Section| {
        let output = model.run(&[("input", &tile.to_tensor()?)], &["output"])?;
        tile.score(&tile.predicted(&output[0])?)
    };
    let scores = unseen.iter().map(score).collect::<convlens::Result<Vec<_>>>()?;
    let (first, rest) = scores.split_first().ok_or("nothing to test on")?;
    let all = rest.iter().try_fold(first.clone(), |all, score| all.and(score))?;
    let precision = scores.iter().map(precision).sum::<f64>() / scores.len() as f64;
    let empty: Vec<_> = scores.iter().filter(|score| score.recall(1).is_none()).collect();
    let spared = empty.iter().filter(|score| score.iou(1).is_none()).count();
    Ok(Tested { score: all, precision, spared: spared as f64 / empty.len().max(1) as f64 })
}

/// Rounds the network's parameters to half precision, in which they are stored.
fn halved(model: &Model) -> Outcome<Weights> {
    let half = |(name, tensor): (String, Tensor)| (name, tensor.detach().to_kind(Kind::Half));
    let weights: Weights = model.weights().into_iter().map(half).collect();
    let rounded = |(name, tensor): (&String, &Tensor)| (name.clone(), tensor.to_kind(Kind::Float));
    model.load(&weights.iter().map(rounded).collect())?;
    Ok(weights)
}

fn main() -> Outcome<()> {
    let mut arguments = std::env::args().skip(1);
    let path = arguments.next().unwrap_or_else(|| "target/salt_unet.safetensors".into());
    let begun = Instant::now();

    let model = UNet::default().base_width(8).depth(3).bilinear().build()?;
    let known = tiles(0..2400)?;
    let unseen = tiles(100_000..100_400)?;
    let fit = Fit::default()
        .loss(Loss::BinaryCrossEntropy)
        .epochs(10)
        .batch(16)
        .learning_rate(4e-3)
        .cosine()
        .augment(varied);
    let (inputs, labels) = Section::tensors(&known)?;
    // 1 where there is salt, 0 elsewhere, [N, 1, 128, 128]
    let targets = labels.unsqueeze(1).to_kind(Kind::Float);
    println!("{}", fit.run(&model, &inputs, &targets)?);
    let weights = halved(&model)?;
    println!("trained in {:.0?}", begun.elapsed());
    for (name, tiles) in [("learnt from", &known[..400]), ("unseen", &unseen)] {
        let tested = tested(&model, tiles)?;
        println!("\n{name}:\n{}", tested.score);
        println!(
            "mean precision over IoU 0.5 to 0.95: {:.3}; tiles without salt left empty: {:.1} %",
            tested.precision,
            100.0 * tested.spared
        );
    }
    Ok(weights::save(&path, &weights)?)
}
