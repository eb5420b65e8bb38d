//! What a sheet of several networks holds at its worst. A process of its own, so that nothing else
//! allocates. Linux only: nobody else tells a process its own peak.

#![cfg(target_os = "linux")]

use convlens::compare::Network;
use convlens::prelude::*;

/// A line of `/proc/self/status`, in bytes.
fn status(field: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with(field)).expect("a field");
    let kilobytes = line.split_whitespace().nth(1).and_then(|value| value.parse::<i64>().ok());
    kilobytes.expect("a number") * 1024
}

/// The most that is held while networks of these seeds are compared, over what was held before.
fn peak(seeds: &[u64], photos: &[Photo]) -> i64 {
    // Writing 5 sets the peak back to what is held now.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux allows it");
    let before = status("VmRSS");
    let load = |&seed| Network::load("alexnet", move || zoo::alexnet_untrained(seed));
    let sheet = compare::networks(seeds.iter().map(load), photos, &GradCam::default());
    assert_eq!(sheet.expect("a sheet").rows(), seeds.len());
    status("VmHWM") - before
}

#[test]
fn three_networks_in_a_sheet_hold_little_more_than_the_largest_alone() {
    let photo = |name: &str| {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/assets/photos/");
        Photo::open(folder.to_owned() + name).expect("an asset")
    };
    let photos = ["cat.png", "dog.jpg", "coffee.jpg"].map(photo);
    let one = peak(&[1], &photos);
    let three = peak(&[1, 2, 3], &photos);
    let ratio = three as f64 / one as f64;
    println!("{} MB for one, {} MB for three: {ratio:.3}", one >> 20, three >> 20);
    // AlexNet's parameters alone are 233 MB: three at once would be far above.
    assert!(one > 200 << 20 && ratio < 1.15, "{} and {} MB", one >> 20, three >> 20);
}
