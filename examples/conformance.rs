//! Compares what the operators of ONNX compute here with ONNX's own cases for them.
//!
//! `cargo xtask conformance` writes the cases into a folder and runs this on it. Each case runs by itself,
//! all of its inputs being constants, and as a network of photos where its input may be maps.

use std::collections::BTreeMap;
use std::path::Path;

use convlens::prelude::*;

/// How often something came out.
#[derive(Default)]
struct Counts {
    passed: usize,
    refused: usize,
    wrong: usize,
    /// The same of networks of photos.
    photos: [usize; 3],
    reasons: Vec<String>,
}

fn main() -> convlens::Result<()> {
    let folder = std::env::args().nth(1).unwrap_or_default();
    let folder = Path::new(&folder);
    let list = folder.join("cases.txt");
    let cases = std::fs::read_to_string(&list).map_err(|e| convlens::Error::file(&list, e))?;
    let mut operators: BTreeMap<&str, Counts> = BTreeMap::new();
    for (operator, name) in cases.lines().filter_map(|line| line.split_once(' ')) {
        let counts = operators.entry(operator).or_default();
        let place = folder.join(name);
        let reference = weights::read(place.join("reference.npz"))?;
        match outcome(&reference, || Model::constants_of(place.join("constant.onnx"))) {
            Ok(()) => counts.passed += 1,
            Err(reason) => {
                let wrong = reason.starts_with("WRONG");
                *(if wrong { &mut counts.wrong } else { &mut counts.refused }) += 1;
                counts
                    .reasons
                    .push(format!("{name}: {}", reason.replace(&*folder.to_string_lossy(), "")));
            }
        }
        let photo = place.join("photo.onnx");
        if !photo.exists() {
            continue;
        }
        let through = || Ok(vec![Model::open(&photo)?.forward(&reference["input"])?]);
        match outcome(&reference, through) {
            Ok(()) => counts.photos[0] += 1,
            Err(reason) if reason.starts_with("WRONG") => {
                counts.photos[2] += 1;
                counts.reasons.push(format!("{name} of photos: {reason}"));
            }
            Err(reason) => {
                counts.photos[1] += 1;
                if std::env::var_os("CONVLENS_REASONS").is_some() {
                    counts.reasons.push(format!("{name} of photos: {reason}"));
                }
            }
        }
    }
    print(&operators);
    Ok(())
}

/// Whether it computes the reference, or why not.
fn outcome(
    reference: &Weights,
    compute: impl FnOnce() -> convlens::Result<Vec<Tensor>>,
) -> Result<(), String> {
    let made = compute().map_err(|error| error.to_string())?;
    let tolerance =
        convlens::tensor::to_floats(&reference["tolerance"]).map_err(|e| e.to_string())?;
    for (i, own) in made.iter().enumerate() {
        let Some(expected) = reference.get(&format!("output{i}")) else { continue };
        // A single photo's output without a dimension for it is given one.
        let own = match own.size().split_first() {
            Some((1, rest)) if rest == expected.size() => own.squeeze_dim(0),
            _ => own.shallow_clone(),
        };
        if own.size() != expected.size() {
            return Err(format!(
                "WRONG: output {i} is {:?}, expected {:?}",
                own.size(),
                expected.size()
            ));
        }
        let own = own.to_kind(tch::Kind::Float);
        let close =
            own.isclose(expected, f64::from(tolerance[0]), f64::from(tolerance[1]).max(1e-5), true);
        if !bool::try_from(close.all()).unwrap_or(false) {
            let difference = (&own - expected).abs();
            let greatest =
                if difference.numel() > 0 { difference.max().double_value(&[]) } else { 0.0 };
            return Err(format!("WRONG: output {i} differs by up to {greatest:.2e}"));
        }
    }
    Ok(())
}

fn print(operators: &BTreeMap<&str, Counts>) {
    println!("{:24} passed refused wrong   as networks of photos", "");
    let mut all = [0; 6];
    for (operator, counts) in operators {
        let [passed, refused, wrong] = counts.photos;
        let row = [counts.passed, counts.refused, counts.wrong, passed, refused, wrong];
        println!("{}", line(operator, row));
        all.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
    }
    println!("{}", line("all", all));
    let [passed, refused, wrong, ..] = all;
    println!("{:.1} % passed", 100.0 * passed as f64 / (passed + refused + wrong).max(1) as f64);
    for counts in operators.values() {
        counts.reasons.iter().for_each(|reason| println!("  {reason}"));
    }
}

fn line(name: &str, [passed, refused, wrong, a, b, c]: [usize; 6]) -> String {
    let photos = if a + b + c > 0 { format!("{a:>6} {b:>7} {c:>5}") } else { String::new() };
    format!("{name:24} {passed:>6} {refused:>7} {wrong:>5}   {photos}")
}
