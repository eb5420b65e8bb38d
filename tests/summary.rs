//! The table of layers against torchinfo's; tests/reference/make_summary.py made the numbers.

use std::path::Path;

use convlens::show::Show;
use convlens::zoo;
use serde_json::Value;

fn torchinfo(name: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/summary").join(name);
    let text = std::fs::read_to_string(path).expect("the numbers");
    serde_json::from_str(&text).expect("JSON")
}

#[test]
fn layers_and_totals_are_torchinfos() {
    let expected = torchinfo("squeezenet1_1.json");
    let summary = zoo::squeezenet1_1().and_then(|model| model.summary()).expect("a table");
    assert_eq!(summary.parameters(), expected["params"]);
    assert_eq!(summary.trainable_parameters(), expected["params"]);
    assert_eq!(summary.multiply_adds(), expected["mult_adds"]);
    assert_eq!(summary.forward_backward_bytes(), expected["forward_backward_bytes"]);
    assert_eq!(summary.parameter_bytes(), expected["params_bytes"]);
    // torchinfo counts the 64 bytes of Python's storage object as input.
    assert_eq!(summary.input_bytes() + 64, expected["input_bytes"]);
    for row in expected["layers"].as_array().expect("layers") {
        let Some(layer) = summary.layers().iter().find(|layer| row[0] == layer.name.as_str())
        else {
            // torchinfo lists groups as rows of their own.
            assert!(row[5].is_null(), "{row} is missing");
            continue;
        };
        assert_eq!(row[1], layer.kind, "{row}");
        assert_eq!(row[2], serde_json::json!(layer.output), "{row}");
        assert_eq!(row[4], layer.parameters, "{row}");
        assert_eq!(row[5], layer.multiply_adds, "{row}");
    }
}

#[test]
fn the_table_reads_well_as_text_and_as_unstyled_html() {
    let summary = zoo::squeezenet1_1().and_then(|model| model.summary()).expect("a table");
    let text = summary.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "squeezenet1_1 for an input of [1, 3, 224, 224]");
    assert!(lines[1].starts_with("Layer ") && lines[1].ends_with("Multiply-adds"));
    assert!(lines[2].starts_with("features.0 ") && lines[2].contains("[1, 64, 111, 111]"));
    assert!(text.ends_with("Estimated total size: 26.26 MB"), "{text}");
    assert!(text.contains("Parameters: 1,235,496"));
    let html = summary.bundle().to_html();
    assert_eq!(html.matches("<tr>").count(), summary.layers().len() + 1);
}
