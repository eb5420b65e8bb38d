//! What a forward pass holds at its worst. A process of its own, so that nothing else allocates.
//! Linux only: nobody else tells a process its own peak.

#![cfg(target_os = "linux")]

use convlens::prelude::*;

/// A line of `/proc/self/status`, in bytes.
fn status(field: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with(field)).expect("a field");
    let kilobytes = line.split_whitespace().nth(1).and_then(|value| value.parse::<i64>().ok());
    kilobytes.expect("a number") * 1024
}

#[test]
fn a_vgg16_pass_that_wants_one_late_layer_holds_little_more_than_its_weights() {
    let model = zoo::vgg16_untrained(0).expect("a network");
    let input = Tensor::rand([1, 3, 224, 224], tch::kind::FLOAT_CPU);
    let bytes = |shape: &Vec<i64>| 4 * shape.iter().product::<i64>();
    let outputs: Vec<i64> =
        model.output_shapes(&[1, 3, 224, 224]).expect("shapes").iter().map(bytes).collect();
    let adjacent = outputs.windows(2).map(|pair| pair[0] + pair[1]).max().expect("layers");
    let weights = model.summary().expect("a summary").parameter_bytes() as i64;

    // Writing 5 sets the peak back to what is held now.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux allows it");
    let before = status("VmRSS");
    let wanted = model.run(&[("input", &input)], &["features.28"]).expect("a pass");
    let peak = status("VmHWM") - before + weights;
    assert_eq!(wanted[0].size(), [1, 512, 14, 14]);
    let ratio = peak as f64 / (weights + adjacent) as f64;
    println!("{} MB at most, {ratio:.3} of weights and two activations", peak >> 20);
    assert!(ratio <= 1.3, "{ratio:.3} of weights and the two largest adjacent activations");
}
