//! Every target runs every one of its seeds, without a fuzzer.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use convlens_fuzz::{npy, onnx, pt2, segy, weights};

type Target = fn(&[u8]);

const TARGETS: [(&str, Target); 9] = [
    ("npy", npy),
    ("npz", weights),
    ("onnx", onnx),
    ("ot", weights),
    ("pt2", pt2),
    ("pth_old", weights),
    ("pth_zip", weights),
    ("safetensors", weights),
    ("segy", segy),
];

/// Seeds longer than this are not changed byte by byte: it takes too long.
const LONGEST: usize = 2400;

/// What lies in a folder here, by its name without the ending.
fn entries(folder: &str) -> BTreeMap<String, PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
    let entry = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        (path.file_stem().expect("a name").to_string_lossy().into_owned(), path)
    };
    fs::read_dir(folder).expect("a folder").map(entry).collect()
}

#[test]
fn every_target_has_seeds_and_is_run_here() {
    let names = TARGETS.map(|(name, _)| name.to_owned()).to_vec();
    assert_eq!(entries("targets").into_keys().collect::<Vec<_>>(), names);
    assert_eq!(entries("seeds").into_keys().collect::<Vec<_>>(), names);
}

#[test]
fn every_target_reads_every_seed_without_a_panic() {
    for (name, target) in TARGETS {
        let files = entries(&format!("seeds/{name}"));
        assert!(!files.is_empty(), "{name} has no seeds");
        for path in files.values() {
            // A test that fails shows the last one.
            println!("{}", path.display());
            target(&fs::read(path).expect("a seed"));
        }
    }
}

#[test]
fn no_target_panics_at_a_changed_byte_of_a_short_seed() {
    for (name, target) in TARGETS {
        for path in entries(&format!("seeds/{name}")).values() {
            let mut bytes = fs::read(path).expect("a seed");
            if bytes.len() > LONGEST {
                continue;
            }
            println!("{}", path.display());
            for at in 0..bytes.len() {
                let original = bytes[at];
                for changed in [original ^ 1, !original] {
                    bytes[at] = changed;
                    target(&bytes);
                }
                bytes[at] = original;
                target(&bytes[..at]);
            }
        }
    }
}
