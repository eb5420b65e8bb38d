//! Opens the networks that `tests/reference/export_*.py` have exported into a folder, compares each with what
//! the framework computed that it is of, and prints the rows of docs/networks.md.
//!
//! `cargo run --release --example networks -- FOLDER [NAME..]`

#[path = "../tests/peers/written.rs"]
mod written;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use convlens::prelude::*;
use written::output_as_written;

fn main() -> convlens::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".into());
    let mut names: Vec<String> = arguments.collect();
    if names.is_empty() {
        let places = listed(Path::new(&folder))?.into_iter().filter(|place| place.is_dir());
        names = places.map(|place| name_of(&place)).collect();
    }
    println!(
        "| network | road | opset | layers | greatest difference | Grad-CAM | seconds to open | megabytes |"
    );
    println!("|---|---|---|---|---|---|---|---|");
    for name in names {
        let place = Path::new(&folder).join(&name);
        let is_network = |path: &PathBuf| {
            path.extension().is_some_and(|ending| ending == "pt2" || ending == "onnx")
        };
        for path in listed(&place)?.into_iter().filter(is_network) {
            let row = row(&place, &path).unwrap_or_else(|error| error.to_string());
            println!("| {name} | {} | {row} |", road(&path));
        }
    }
    Ok(())
}

fn listed(folder: &Path) -> convlens::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).map_err(|e| convlens::Error::file(folder, e))?;
    let mut paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    Ok(paths)
}

fn name_of(path: &Path) -> String {
    path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
}

/// Which exporter wrote it.
fn road(path: &Path) -> String {
    match name_of(path).as_str() {
        "static.pt2" => "`.pt2`".into(),
        "torchscript.onnx" => "TorchScript exporter".into(),
        "dynamo.onnx" => "dynamo exporter".into(),
        other => other.to_owned(),
    }
}

fn row(place: &Path, path: &Path) -> convlens::Result<String> {
    let megabytes =
        fs::metadata(path).map_err(|e| convlens::Error::file(path, e))?.len() as f64 / 1e6;
    let onnx = path.extension().is_some_and(|ending| ending == "onnx");
    let opset = match onnx {
        true => convlens_formats::onnx::open(path)
            .map_err(|e| convlens::Error::file(path, e))?
            .network()
            .opset
            .to_string(),
        false => String::new(),
    };
    let start = Instant::now();
    let model = Model::open(path)?;
    let seconds = start.elapsed().as_secs_f64();
    let expected = weights::read(place.join("reference.safetensors"))?;
    let input = &expected["input"];
    let mut off = difference(&output_as_written(&model, input)?, &expected["output"]);
    // What ONNX's exporters fold into a layer, or call otherwise, is no difference.
    for (name, expected) in expected.iter() {
        if let Some(layer) = name.strip_prefix(if onnx { "onnx:" } else { "inner:" }) {
            let found = model.run(&[("input", input)], &[layer])?;
            off = off.max(difference(&found[0], expected));
        }
    }
    let layers = model.layers().len();
    let off = if off == 0.0 { "0, to the bit".to_owned() } else { format!("{off:.1e}") };
    let cam = grad_cam(&model, &expected)?;
    Ok(format!("{opset} | {layers} | {off} | {cam} | {seconds:.2} | {megabytes:.0}"))
}

/// How far Grad-CAM is from pytorch-grad-cam's. Where no layer has those maps, the model is told that tokens are them.
fn grad_cam(model: &Model, expected: &Weights) -> convlens::Result<String> {
    let Some(maps) = expected.get("cam_maps") else { return Ok(String::new()) };
    if let Some(found) = grad_cam_at(model, expected, maps)? {
        return Ok(found);
    }
    let size = maps.size();
    let Ok(told) = model.tokens_as_maps([size[2], size[3]], [0, 0]) else {
        return Ok("no layer has those maps".into());
    };
    Ok(match grad_cam_at(&told, expected, maps)? {
        Some(found) => format!("{found} with `tokens_as_maps`"),
        None => "no layer has those maps".into(),
    })
}

/// At the last maps if theirs are these; else at the layer that has theirs, which is then named.
fn grad_cam_at(
    model: &Model,
    expected: &Weights,
    maps: &Tensor,
) -> convlens::Result<Option<String>> {
    let look = model.look_input(&expected["input"].narrow(0, 0, 1))?;
    let count = |shape: &[i64]| shape.iter().product::<i64>();
    let of_their_size = |layer: &Layer| count(&layer.shape) >= maps.numel() as i64;
    let layers = model.layers().into_iter().filter(of_their_size);
    let last = model.last_maps()?;
    let names = std::iter::once(last.clone()).chain(layers.rev().map(|layer| layer.name));
    for name in names {
        let ours = look.layer(&name)?.tensor();
        if ours.size() != maps.size() || difference(&ours, maps) > 1e-4 {
            continue;
        }
        let class = expected["cam_class"].double_value(&[]) as i64;
        let found = look.explain(&GradCam::at(&name).class(class))?;
        let theirs = &expected["cam"];
        let found = Tensor::from_slice(found.raw()).view_as(theirs);
        let place = if name == last { String::new() } else { format!(" at `{name}`") };
        return Ok(Some(format!("{:.1e}{place}", difference(&found, theirs))));
    }
    Ok(None)
}

fn difference(found: &Tensor, expected: &Tensor) -> f64 {
    // What is the same for all photos is computed once here.
    let scale = expected.abs().max().double_value(&[]).max(1e-12);
    (found - expected).abs().max().double_value(&[]) / scale
}
