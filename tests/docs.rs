//! What the documentation of the source promises.

use std::path::Path;

fn sources(folder: &Path, found: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The lines of examples that rustdoc hides: a notebook's inspection shows them.
fn hidden(source: &str) -> Vec<&str> {
    let mut in_example = false;
    let docs = source.lines().map(str::trim_start).filter_map(|line| {
        line.strip_prefix("///").or_else(|| line.strip_prefix("//!")).map(str::trim_start)
    });
    docs.filter(|line| {
        in_example ^= line.starts_with("```");
        in_example && (line.starts_with("# ") || *line == "#")
    })
    .collect()
}

#[test]
fn examples_have_no_hidden_lines() {
    let example = "/// # Errors\n/// ```\n/// # fn main() {}\n/// ```\n/// # Errors\n";
    assert_eq!(hidden(example), ["# fn main() {}"]);
    let mut files = Vec::new();
    for folder in ["src", "scenes/src"] {
        sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join(folder), &mut files);
    }
    assert!(files.len() > 100, "{} files", files.len());
    for file in files {
        let source = std::fs::read_to_string(&file).expect("a file");
        assert_eq!(hidden(&source), [""; 0], "in {}", file.display());
    }
}
