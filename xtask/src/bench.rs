//! Benches: criterion's, round trips in a kernel, and the same work in the Python peers.

use crate::process;
use crate::python::{self, Python, Script};
use crate::setup::Ready;
use crate::step::Step;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// Median seconds by name.
type Times = BTreeMap<String, f64>;

/// Those of benches/, and of benches/peers/run.py.
const BENCHES: [&str; 5] = ["speed", "networks", "explanations", "feature_vis", "dataset"];

/// Those of these names; all of them, and the round trips, where none is named.
pub(crate) fn run(ready: &Ready, with_peers: bool, names: &[String]) -> Result<()> {
    if let Some(unknown) = names.iter().find(|name| !BENCHES.contains(&name.as_str())) {
        bail!("there is no bench {unknown:?}; they are {}", BENCHES.join(", "));
    }
    let results = ready.checkout.join("target/criterion");
    let started = SystemTime::now();
    let python = match with_peers {
        true => Some(python::peers(&ready.cache, &ready.python, &requirements(ready))?),
        false => None,
    };
    let (mut theirs, mut sizes) = (Times::new(), BTreeMap::new());
    // The peers' turn comes after each: a machine is not as fast in every quarter of an hour.
    let chosen = |name: &&str| names.is_empty() || names.iter().any(|chosen| chosen == name);
    for name in BENCHES.into_iter().filter(chosen) {
        if let Some(python) = python.as_ref().filter(|_| name == "networks") {
            // Ours opens what they export.
            let mut command = process::command(&python.executable);
            command.args(["benches/peers/run.py", "--export"]).current_dir(&ready.checkout);
            process::run(&mut command)?;
        }
        let mut cargo = process::command("cargo");
        cargo.args(["bench", "--package", "convlens", "--bench", name]);
        process::run(cargo.env("CRITERION_HOME", &results).current_dir(&ready.checkout))?;
        if let Some(python) = &python {
            peers(ready, python, name, &mut theirs, &mut sizes)?;
        }
    }
    let ours = criterion(&results, started)?;
    let mut report = String::new();
    if with_peers {
        let pairs = ready.checkout.join("benches/peers/pairs.json");
        let pairs: Value = serde_json::from_str(&fs::read_to_string(&pairs)?)
            .with_context(|| format!("{} is damaged", pairs.display()))?;
        report.push_str(&comparison(&ours, &theirs, &sizes, &pairs));
        report.push_str(&means(&ours, &theirs, &pairs));
    } else {
        report.push_str(&listing(&ours));
    }
    if names.is_empty() {
        report.push('\n');
        report.push_str(&round_trips(ready)?);
    }
    println!("\n{report}");
    Ok(())
}

/// How much slower everything becomes beside other work, and under a quota.
pub(crate) fn busy(ready: &Ready) -> Result<()> {
    let mut cargo = process::command("cargo");
    cargo.args(["bench", "--package", "convlens", "--bench", "busy"]);
    process::run(cargo.current_dir(&ready.checkout))
}

/// The tank story for twenty seeds.
pub(crate) fn tanks(ready: &Ready) -> Result<()> {
    let mut cargo = process::command("cargo");
    cargo.args(["test", "--release", "--package", "convlens-scenes", "--test", "tanks"]);
    cargo.args(["--", "--ignored", "--nocapture"]);
    process::run(cargo.current_dir(&ready.checkout))
}

/// criterion's medians of the benches that ran since `started`.
fn criterion(dir: &Path, started: SystemTime) -> Result<Times> {
    let mut times = Times::new();
    let mut open = vec![dir.to_owned()];
    while let Some(dir) = open.pop() {
        let entries =
            fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?;
        for entry in entries {
            let path = entry?.path();
            if !path.is_dir() {
                continue;
            }
            let estimates = path.join("estimates.json");
            if path.file_name().is_some_and(|name| name == "new") && estimates.is_file() {
                if estimates.metadata()?.modified()? < started {
                    continue;
                }
                let read = |file: &Path| -> Result<Value> {
                    Ok(serde_json::from_str(&fs::read_to_string(file)?)?)
                };
                let estimates = read(&estimates)?;
                let median = estimates["median"]["point_estimate"].as_f64();
                let name =
                    read(&path.join("benchmark.json"))?["full_id"].as_str().map(str::to_owned);
                if let (Some(median), Some(name)) = (median, name) {
                    times.insert(name, median * 1e-9);
                }
            } else {
                open.push(path);
            }
        }
    }
    Ok(times)
}

fn round_trips(ready: &Ready) -> Result<String> {
    let mut step = Step::start("Round trips in a kernel");
    let mut command = ready.python.script(&ready.cache, Script::RoundTrips)?;
    command.arg(ready.checkout.join("notebooks"));
    let mut table = format!("{:<34} {:>10}\n", "in a kernel", "");
    let ended = process::watch(&mut command, |line| {
        let Ok(value) = serde_json::from_str::<Value>(line) else { return step.note(line) };
        let Some(name) = value["name"].as_str() else { return };
        let amount = match (value["seconds"].as_f64(), value["megabytes"].as_f64()) {
            (Some(seconds), _) => seconds_text(seconds),
            (_, Some(megabytes)) => format!("{megabytes:.0} MB"),
            _ => return,
        };
        step.note(format!("{name}: {amount}"));
        table.push_str(&format!("{name:<34} {amount:>10}\n"));
    })?;
    if !ended.success() {
        bail!("the round trips failed\n{}", ended.tail);
    }
    step.done("measured");
    Ok(table)
}

fn requirements(ready: &Ready) -> PathBuf {
    ready.checkout.join("benches/peers/requirements.txt")
}

/// The peers' medians for one of the benches, and the bytes of those that make pictures.
fn peers(
    ready: &Ready,
    python: &Python,
    bench: &str,
    times: &mut Times,
    sizes: &mut BTreeMap<String, u64>,
) -> Result<()> {
    let mut step = Step::start("Peers");
    let mut command = process::command(&python.executable);
    command.args(["benches/peers/run.py", "--bench", bench]).current_dir(&ready.checkout);
    let ended = process::watch(&mut command, |line| {
        let Ok(value) = serde_json::from_str::<Value>(line) else { return step.note(line) };
        let (Some(name), Some(seconds)) = (value["name"].as_str(), value["seconds"].as_f64())
        else {
            return;
        };
        step.note(format!("{name}: {}", seconds_text(seconds)));
        times.insert(name.to_owned(), seconds);
        if let Some(bytes) = value["bytes"].as_u64() {
            sizes.insert(name.to_owned(), bytes);
        }
    })?;
    if !ended.success() {
        bail!("the peers failed\n{}", ended.tail);
    }
    step.done("measured");
    Ok(())
}

fn listing(ours: &Times) -> String {
    let mut text = format!("{:<34} {:>10}\n", "bench", "ours");
    for (name, seconds) in ours {
        text.push_str(&format!("{name:<34} {:>10}\n", seconds_text(*seconds)));
    }
    text
}

/// Ours beside each peer of the pair table, with how many times longer it takes.
fn comparison(ours: &Times, peers: &Times, sizes: &BTreeMap<String, u64>, pairs: &Value) -> String {
    let mut text =
        format!("{:<34} {:>10}  {:<40} {:>10} {:>8}\n", "bench", "ours", "peer", "theirs", "ratio");
    for (name, &seconds) in ours {
        let partners: Vec<&str> =
            pairs[name].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        let mut left = format!("{name:<34} {:>10}", seconds_text(seconds));
        if partners.is_empty() {
            text.push_str(&format!("{left}\n"));
        }
        for partner in partners {
            let size = sizes
                .get(partner)
                .map_or(String::new(), |bytes| format!(" ({:.1} MB)", *bytes as f64 / 1e6));
            // What stands beside ours is a peer, or another bench of ours.
            let (theirs, ratio) = match peers.get(partner).or_else(|| ours.get(partner)) {
                Some(&theirs) => (seconds_text(theirs), format!("{:.2}", theirs / seconds)),
                None => ("missing".to_owned(), String::new()),
            };
            text.push_str(&format!(
                "{left}  {:<40} {theirs:>10} {ratio:>8}\n",
                format!("{partner}{size}")
            ));
            left = " ".repeat(left.chars().count());
        }
    }
    text
}

/// How much longer than onnxruntime ours takes, in the geometric mean over all networks that both roads lead to: one
/// for each road.
fn means(ours: &Times, peers: &Times, pairs: &Value) -> String {
    let mut text = String::new();
    for road in ["pt2", "onnx"] {
        let ratios = pairs.as_object().into_iter().flatten().filter_map(|(name, _)| {
            let network = name.strip_prefix("networks/")?.strip_suffix(road)?.strip_suffix('/')?;
            let ratio = ours.get(name).zip(peers.get(&format!("onnxruntime/{network}")));
            Some(ratio.map(|(ours, theirs)| ours / theirs))
        });
        let ratios: Vec<Option<f64>> = ratios.collect();
        let logs: f64 = ratios.iter().flatten().map(|ratio| ratio.ln()).sum();
        let (measured, all) = (ratios.iter().flatten().count(), ratios.len());
        if measured > 0 {
            let mean = (logs / measured as f64).exp();
            text.push_str(&format!(
                "{road}: ours / onnxruntime, geometric mean of {measured} networks of {all}: {mean:.3}\n"
            ));
        }
    }
    text
}

fn seconds_text(seconds: f64) -> String {
    if seconds < 0.001 {
        format!("{:.0} us", seconds * 1e6)
    } else if seconds < 1.0 {
        format!("{:.1} ms", seconds * 1e3)
    } else {
        format!("{seconds:.2} s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_gives_the_ratio_of_each_pair() {
        let ours = Times::from([("sheet".to_owned(), 0.02), ("alone".to_owned(), 0.001)]);
        let peers = Times::from([("matplotlib".to_owned(), 2.0)]);
        let sizes = BTreeMap::from([("matplotlib".to_owned(), 5_800_000)]);
        let pairs = serde_json::json!({ "sheet": ["matplotlib", "lost", "alone"] });
        let text = comparison(&ours, &peers, &sizes, &pairs);
        let words: Vec<Vec<&str>> =
            text.lines().map(|line| line.split_whitespace().collect()).collect();
        assert_eq!(words[1], ["alone", "1.0", "ms"]);
        assert_eq!(
            words[2],
            ["sheet", "20.0", "ms", "matplotlib", "(5.8", "MB)", "2.00", "s", "100.00"]
        );
        assert_eq!(words[3], ["lost", "missing"]);
        assert_eq!(words[4], ["alone", "1.0", "ms", "0.05"]);
    }

    #[test]
    fn the_mean_of_a_road_is_over_its_networks() {
        let times = |pairs: &[(&str, f64)]| -> Times {
            pairs.iter().map(|(name, seconds)| ((*name).to_owned(), *seconds)).collect()
        };
        let ours = times(&[
            ("networks/a/zoo", 9.0),
            ("networks/a/onnx", 2.0),
            ("networks/a/onnx_open", 7.0),
            ("networks/b/onnx", 1.0),
            ("networks/b/pt2", 3.0),
        ]);
        let peers = times(&[("onnxruntime/a", 1.0), ("onnxruntime/b", 2.0)]);
        let pairs = serde_json::json!({
            "networks/a/zoo": [], "networks/a/onnx": [], "networks/a/onnx_open": [], "networks/a/pt2": [],
            "networks/b/onnx": [], "networks/b/pt2": [], "speed": []
        });
        let text = means(&ours, &peers, &pairs);
        let lines: Vec<&str> = text.lines().collect();
        assert!(
            lines[0].starts_with("pt2") && lines[0].ends_with("1 networks of 2: 1.500"),
            "{text}"
        );
        assert!(
            lines[1].starts_with("onnx") && lines[1].ends_with("2 networks of 2: 1.000"),
            "{text}"
        );
    }
}
