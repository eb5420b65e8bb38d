//! The table of layers against torchinfo's; tests/reference/make_summary.py made the numbers.

use std::path::Path;

use convlens::model::{BatchNorm2d, Conv2d, ConvTranspose2d, Model, Op, Summary};
use convlens::ops;
use convlens::show::Show;
use convlens::zoo;
use serde_json::Value;

fn torchinfo(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/summary").join(name);
    let text = std::fs::read_to_string(path).expect("the numbers");
    serde_json::from_str(&text).expect("JSON")
}

fn squeezenet() -> Summary {
    zoo::squeezenet1_1().and_then(|model| model.summary()).expect("a table")
}

/// tests/reference/make_summary.py's network of this name.
fn frozen() -> Model {
    let mut net = Model::builder("frozen", [3, 32, 32]);
    let x = net.input();
    let down = ops![Conv2d::new(3, 8, 3).stride(2).padding(1), BatchNorm2d::new(8), Op::Relu];
    let x = net.chain("down", down, x);
    let x = net.chain("up", ops![ConvTranspose2d::new(8, 4, 2).stride(2), Op::Relu], x);
    net.add("head", Conv2d::new(4, 2, 1), &[x]);
    let model = net.build().expect("a network");
    for layer in ["down.0", "head"] {
        for (_, tensor) in model.parameters(layer).expect("a layer") {
            let _ = tensor.set_requires_grad(false);
        }
    }
    model
}

/// The cells of the text's row that begins with this name.
fn row(text: &str, name: &str) -> Vec<String> {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    let line = line.unwrap_or_else(|| panic!("no row {name} in\n{text}"));
    line.trim().split("  ").map(str::trim).filter(|c| !c.is_empty()).map(str::to_owned).collect()
}

fn matches_torchinfo(summary: &Summary, file: &str) {
    let expected = torchinfo(file);
    assert_eq!(summary.parameters(), expected["params"]);
    assert_eq!(summary.trainable_parameters(), expected["trainable_params"]);
    assert_eq!(summary.multiply_adds(), expected["mult_adds"]);
    assert_eq!(summary.forward_backward_bytes(), expected["forward_backward_bytes"]);
    assert_eq!(summary.parameter_bytes(), expected["params_bytes"]);
    // torchinfo counts the 64 bytes of Python's storage object as input.
    assert_eq!(summary.input_bytes() + 64, expected["input_bytes"]);
    let rows = expected["layers"].as_array().expect("layers");
    let thousands = |text: &str| text.replace(',', "").parse::<u64>().unwrap_or(0);
    for cells in rows.iter().skip(1) {
        let name = cells[0].as_str().expect("a name");
        let shape = cells[2].to_string().replace(',', ", ");
        let trainable = match cells[6].as_str() {
            Some("True") => "yes",
            Some("False") => "no",
            Some("Partial") => "partly",
            _ => "–",
        };
        if let Some(layer) = summary.layers().iter().find(|layer| layer.name == name) {
            assert_eq!(cells[1], layer.kind, "{cells}");
            assert_eq!(cells[2], serde_json::json!(layer.output), "{cells}");
            assert_eq!(cells[4], layer.parameters, "{cells}");
            assert_eq!(cells[5], layer.multiply_adds, "{cells}");
            let ours = row(&summary.to_string(), name);
            assert_eq!((ours[2].as_str(), ours[5].as_str()), (shape.as_str(), trainable));
            continue;
        }
        // A container: as open as it is, and folded with its sums.
        assert!(cells[5].is_null(), "{cells} is missing");
        let open = row(&summary.to_string(), name);
        assert_eq!(open[2..], [shape.as_str(), "–", "–", trainable, "–"], "{name}");
        let depth = name.split('.').count();
        let folded = row(&summary.clone().depth(depth).to_string(), name);
        assert_eq!((folded[2].as_str(), folded[5].as_str()), (shape.as_str(), trainable));
        assert_eq!(cells[4], thousands(&folded[4]), "{name}");
    }
}

#[test]
fn layers_groups_and_totals_are_torchinfos() {
    matches_torchinfo(&squeezenet(), "squeezenet1_1.json");
}

#[test]
fn frozen_layers_and_transposed_convolutions_are_torchinfos() {
    let summary = frozen().summary_for(&[2, 3, 32, 32]).expect("a table");
    matches_torchinfo(&summary, "frozen.json");
    assert!(summary.to_string().contains("\nTrainable parameters: 148\n"), "{summary}");
}

#[test]
fn the_table_is_a_tree_in_text_and_in_unstyled_html() {
    let summary = squeezenet();
    let text = summary.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "squeezenet1_1 for an input of [1, 3, 224, 224]");
    assert!(lines[1].starts_with("Layer ") && lines[1].ends_with("Multiply-adds"));
    assert!(lines[2].starts_with("features  ") && lines[2].contains("[1, 512, 13, 13]"));
    assert!(lines[3].starts_with("  features.0 ") && lines[3].contains("[1, 64, 111, 111]"));
    assert!(text.contains("\n    features.3.squeeze  "), "{text}");
    assert!(text.ends_with("Estimated total size: 26.26 MB"), "{text}");
    assert!(text.contains("Parameters: 1,235,496"));
    let html = summary.bundle().to_html();
    let groups = 10; // features, its eight fire modules, classifier
    let (_, html) = html.split_once("<details>").expect("all rows behind a click");
    assert_eq!(html.matches("<tr>").count(), summary.layers().len() + groups + 1);
    assert!(html.contains(&format!(">{}features.3.squeeze<", "\u{a0}".repeat(6))));
}

#[test]
fn a_depth_folds_groups_and_keeps_the_totals() {
    let (whole, folded) = (squeezenet(), squeezenet().depth(1));
    let text = folded.to_string();
    assert_eq!(row(&text, "features")[4], "722,496");
    assert_eq!(row(&text, "classifier")[4], "513,000");
    assert!(text.contains("2 groups are folded") && text.contains("to depth 1 of 3"), "{text}");
    assert!(!text.contains("features.0"));
    let totals = |text: &str| text[text.find("\nParameters:").expect("totals")..].to_owned();
    assert_eq!(totals(&text), totals(&whole.to_string()));
    assert!(!whole.to_string().contains("folded"));
    assert_eq!(squeezenet().depth(0).to_string(), text);
    assert_eq!(squeezenet().depth(usize::MAX).to_string(), whole.to_string());
}

#[test]
fn a_very_deep_network_is_folded_until_it_can_be_read() {
    let mut net = Model::builder("deep", [4, 8, 8]);
    let mut x = net.input();
    for stage in 1..=4 {
        for block in 0..20 {
            let part = |name: &str| format!("layer{stage}.{block}.{name}");
            let y = net.add(part("conv"), Conv2d::new(4, 4, 3).padding(1), &[x]);
            let y = net.add(part("relu"), Op::Relu, &[y]);
            x = net.add(part("add"), Op::Add, &[x, y]);
        }
    }
    let summary = net.build().and_then(|model| model.summary()).expect("a table");
    let text = summary.to_string();
    assert!(text.contains("80 groups are folded, with the sums of all their layers"), "{text}");
    assert!(text.contains(".depth(3) shows every layer"), "{text}");
    assert_eq!(row(&text, "layer2.7")[1], "3 layers");
    assert!(text.lines().count() < 110);
    assert_eq!(summary.depth(3).to_string().lines().count(), 2 + 4 + 80 + 240 + 7);
}

#[test]
fn names_cannot_smuggle_html_into_the_table() {
    let mut net = Model::builder("<b>bold</b>", [3, 8, 8]);
    let x = net.input();
    net.add("<script>alert(1)<|script>.\"a\"", Conv2d::new(3, 4, 3), &[x]);
    let model = net.build().expect("a network");
    for html in [
        model.bundle().to_html(),
        model.layers().bundle().to_html(),
        model.groups().bundle().to_html(),
    ] {
        assert!(!html.contains("<script") && !html.contains("<b>"), "{html}");
        assert!(html.contains("&lt;script&gt;alert(1)"), "{html}");
    }
}
