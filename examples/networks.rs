//! Opens the networks that `tests/reference/export_networks.py` has exported into a folder, compares each
//! with what PyTorch computed, and prints the rows of docs/networks.md.
//!
//! `cargo run --release --example networks -- FOLDER [NAME..]`

use std::fs;
use std::path::Path;
use std::time::Instant;

use convlens::prelude::*;

fn main() -> convlens::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".into());
    let mut names: Vec<String> = arguments.collect();
    if names.is_empty() {
        let entries = fs::read_dir(&folder).map_err(|e| convlens::Error::file(&folder, e))?;
        names = entries.flatten().map(|e| e.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
    }
    println!("| network | layers | megabytes | one photo | free batch | opened in |");
    println!("|---|---|---|---|---|---|");
    for name in names {
        let place = Path::new(&folder).join(&name);
        let [one, free] = ["static.pt2", "dynamic.pt2"].map(|file| Opened::new(&place, file));
        let both = |of: fn(&Opened) -> String| {
            [&one, &free].map(|opened| match opened {
                Ok(opened) => of(opened),
                Err(error) => error.to_string(),
            })
        };
        let [first, second] = both(|opened| format!("{:.1e}", opened.off));
        let [layers, _] = both(|opened| opened.layers.to_string());
        let [megabytes, _] = both(|opened| format!("{:.1}", opened.megabytes));
        let [seconds, _] = both(|opened| format!("{:.2} s", opened.seconds));
        println!("| {name} | {layers} | {megabytes} | {first} | {second} | {seconds} |");
    }
    Ok(())
}

struct Opened {
    layers: usize,
    megabytes: f64,
    seconds: f64,
    /// The greatest difference of the output and five layers, each relative to its greatest value.
    off: f64,
}

impl Opened {
    fn new(place: &Path, file: &str) -> convlens::Result<Opened> {
        let path = place.join(file);
        let bytes = fs::metadata(&path).map_err(|e| convlens::Error::file(&path, e))?.len();
        let start = Instant::now();
        let model = Model::open(&path)?;
        let seconds = start.elapsed().as_secs_f64();
        let expected = weights::read(place.join("reference.safetensors"))?;
        let input = &expected["input"];
        let mut off = difference(&model.forward(input)?, &expected["output"]);
        for (name, expected) in expected.iter() {
            if let Some(layer) = name.strip_prefix("inner:") {
                let found = model.run(&[("input", input)], &[layer])?;
                off = off.max(difference(&found[0], expected));
            }
        }
        let megabytes = bytes as f64 / 1e6;
        Ok(Opened { layers: model.layers().len(), megabytes, seconds, off })
    }
}

fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    // What is the same for all photos is computed once here.
    let scale = expected.abs().max().double_value(&[]).max(1e-12);
    (found - expected).abs().max().double_value(&[]) / scale
}
