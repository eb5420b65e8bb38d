//! Files of weights in every format, and what is refused; tests/reference/make_weights.py made them
//! and wrote down what they hold.

use std::fs;
use std::path::{Path, PathBuf};

use convlens::prelude::*;
use serde_json::Value;
use tch::nn::VarStore;
use tch::{Device, Kind};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/weights")
}

fn expected() -> serde_json::Map<String, Value> {
    let text = fs::read_to_string(folder().join("expected.json")).expect("the values");
    serde_json::from_str(&text).expect("JSON")
}

fn floats(tensor: &Tensor) -> Vec<f32> {
    let mut values = vec![0f32; tensor.numel()];
    tensor.flatten(0, -1).copy_data(&mut values, tensor.numel());
    values
}

/// A number of the JSON as its bits; every NaN is the same.
fn bits(value: &Value) -> u32 {
    match value {
        Value::String(text) => text.parse::<f32>().expect("a number").to_bits(),
        number => (number.as_f64().expect("a number") as f32).to_bits(),
    }
}

/// What reading these bytes says, without their file's name.
fn refusal(bytes: &[u8]) -> String {
    let scratch = tempfile::NamedTempFile::new().expect("a file");
    fs::write(scratch.path(), bytes).expect("written");
    let error = weights::read(scratch.path()).expect_err("a refusal").to_string();
    let place = format!("{}: ", scratch.path().display());
    error.strip_prefix(&place).unwrap_or_else(|| panic!("no name in {error}")).to_owned()
}

fn bytes_of(name: &str) -> Vec<u8> {
    fs::read(folder().join(name)).expect(name)
}

#[test]
fn every_format_holds_what_python_says() {
    for (file, tensors) in expected() {
        let weights = weights::read(folder().join(&file)).unwrap_or_else(|e| panic!("{e}"));
        let names: Vec<&String> = weights.keys().collect();
        let mut expected_names: Vec<&String> =
            tensors.as_object().expect("tensors").keys().collect();
        expected_names.sort();
        assert_eq!(names, expected_names, "{file}");
        for (name, tensor) in &weights {
            let expected = &tensors[name];
            assert_eq!(tensor.kind(), Kind::Float, "{file}: {name}");
            assert!(tensor.is_contiguous() && !tensor.requires_grad(), "{file}: {name}");
            assert_eq!(serde_json::json!(tensor.size()), expected["shape"], "{file}: {name}");
            let given: Vec<u32> = floats(tensor)
                .iter()
                .map(|v| if v.is_nan() { f32::NAN } else { *v }.to_bits())
                .collect();
            let values = expected["values"].as_array().expect("values");
            assert_eq!(given, values.iter().map(bits).collect::<Vec<_>>(), "{file}: {name}");
        }
    }
}

#[test]
fn tensors_of_one_file_share_no_memory() {
    let views = weights::read(folder().join("views_new.pth")).expect("weights");
    let before = floats(&views["slice"]);
    let _ = views["shared"].shallow_clone().fill_(9.0);
    assert_eq!(floats(&views["slice"]), before);
}

#[test]
fn tchs_own_files_have_their_dots_back() {
    let store = VarStore::new(Device::Cpu);
    let root = store.root();
    let weight = (&root / "features" / "0").var_copy("weight", &Tensor::from_slice(&[0.5f32, 2.0]));
    let bias = (&root / "head").var_copy("bias", &Tensor::from_slice(&[-1.0f32]).view([1, 1]));
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["net.ot", "net.safetensors", "no ending"] {
        let path = folder.path().join(name);
        store.save(&path).expect("saved");
        let weights = weights::read(&path).expect("weights");
        assert_eq!(
            weights.keys().collect::<Vec<_>>(),
            ["features.0.weight", "head.bias"],
            "{name}"
        );
        assert_eq!(weights["features.0.weight"], weight);
        assert_eq!(weights["head.bias"], bias);
    }
}

#[test]
fn saved_weights_come_back_and_python_names_stay() {
    let weights = weights::read(folder().join("views_old.pth")).expect("weights");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("again.safetensors");
    fs::write(&path, "what was there before").expect("written");
    weights::save(&path, &weights).expect("saved");
    let again = weights::read(&path).expect("weights");
    assert_eq!(again, weights);
    // Other number types are kept in the file; a view is written out.
    let mixed = Weights::from([
        ("half".to_owned(), Tensor::from_slice(&[0.1f32, 2.0]).to_kind(Kind::Half)),
        ("view".to_owned(), Tensor::arange(6, (Kind::Int64, Device::Cpu)).view([2, 3]).tr()),
    ]);
    weights::save(&path, &mixed).expect("saved");
    assert!(fs::metadata(&path).expect("a file").len() < 8 + 200 + 4 + 48);
    let again = weights::read(&path).expect("weights");
    assert_eq!(floats(&again["view"]), [0.0, 3.0, 1.0, 4.0, 2.0, 5.0]);
    assert_eq!(floats(&again["half"]), [0.099_975_586, 2.0]);
    let left: Vec<_> = fs::read_dir(folder.path()).expect("a folder").collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

#[test]
fn what_cannot_be_saved_is_said_and_leaves_the_old_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("w.safetensors");
    fs::write(&path, "before").expect("written");
    let refused = |weights: Weights, part: &str| {
        let error = weights::save(&path, &weights).expect_err("a refusal").to_string();
        assert!(error.contains(part), "{error}");
        assert_eq!(fs::read(&path).expect("a file"), b"before");
    };
    refused(Weights::new(), "no weights");
    let one = |name: &str, tensor: Tensor| Weights::from([(name.to_owned(), tensor)]);
    let ones = || Tensor::ones([2, 2], (Kind::Float, Device::Cpu));
    refused(one("a", ones().to_sparse_sparse_dim(2)), "make it dense");
    refused(one("a", ones().to_kind(Kind::ComplexFloat)), "no ComplexFloat");
    refused(one("__metadata__", ones()), "needs this name");
    let error = weights::save(folder.path().join("no/such/folder"), &one("a", ones()));
    assert!(error.expect_err("a refusal").to_string().contains("folder"));
}

#[test]
fn a_file_asks_for_functions_in_vain() {
    let cases = [
        (
            "os_system_new.pth",
            "the file asks for posix.system, which is nothing that weights need; nothing was run",
        ),
        (
            "os_system_old.pth",
            "the file asks for posix.system, which is nothing that weights need; nothing was run",
        ),
        ("stack_global.pth", "the file asks for os.system, which is nothing that weights need"),
        ("eval_new.pth", "the file asks for __builtin__.eval, which is nothing"),
        ("eval_old.pth", "the file asks for __builtin__.eval, which is nothing"),
        (
            "whole_model_new.pth",
            "torch.export.save(torch.export.export(net.eval(), (x,)), \"my_network.pt2\")",
        ),
        (
            "whole_model_old.pth",
            "torch.export.save(torch.export.export(net.eval(), (x,)), \"my_network.pt2\")",
        ),
        ("unknown_opcode.pth", "there is no opcode 0xff; nothing was run"),
        ("text_opcode.pth", "the pickle opcode INST, which weights do not need"),
        ("extension.pth", "the pickle opcode EXT1, which weights do not need"),
    ];
    for (name, part) in cases {
        let error = refusal(&bytes_of(name));
        assert!(error.contains(part), "{name}: {error}");
    }
}

#[test]
fn what_holds_no_weights_says_what_it_is() {
    let cases = [
        ("one_tensor_new.pth", "one tensor without a name"),
        ("one_tensor_old.pth", "one tensor without a name"),
        (
            "other_key_new.pth",
            "neither itself nor under state_dict, model_state_dict, model, net, network, ema, \
             model_ema, state_dict_ema; its keys are [\"generator\", \"epoch\"], and under \
             \"generator\" there are some: weights::read_under(path, \"generator\")",
        ),
        ("other_key_old.pth", "its keys are [\"generator\", \"epoch\"]"),
        ("nested.pth", "no dict of tensors"),
        ("plain_pickle.pth", "a Python pickle, but not one of PyTorch's"),
        ("misquantised_nothing.pth", "a quantised tensor without a scale and a zero point"),
        ("misquantised_negative.pth", "a quantised tensor without a scale and a zero point"),
        ("misquantised_axis.pth", "w, [2, 2], is quantised along dimension 7"),
        ("misquantised_count.pth", "along dimension 0, but has scales [3] and zero points [2]"),
        (
            "misquantised_past.pth",
            "the zero points of w, [2] with strides [1] from value 2, reaches",
        ),
        ("misquantised_no_tensor.pth", "w is quantised, but the scales are no tensor"),
        ("misquantised_nested.pth", "w is quantised, but the scales are no tensor"),
        ("complex.pth", "numbers of the type torch.ComplexFloatStorage, which convlens does not"),
        ("float8_fnuz.pth", "numbers of the type torch.float8_e4m3fnuz, which convlens does not"),
        ("single.npy", "np.savez"),
        ("objects.npz", "the array a is an array of Python objects"),
        ("page.pth", "a web page, not weights"),
        ("pointer.pth", "git lfs pull"),
    ];
    for (name, part) in cases {
        let error = refusal(&bytes_of(name));
        assert!(error.contains(part), "{name}: {error}");
    }
    assert!(refusal(b"").contains("the file is empty"));
    assert!(refusal(b"\x89HDF\r\n\x1a\n").contains("HDF5"));
    assert!(refusal(b"hello, weights").contains("begins with the text \"hello, weigh\""));
    assert!(refusal(b"PK\x03\x04 and no more").contains("without its directory"));
    let missing = weights::read("no/such/file.pth").expect_err("no file").to_string();
    assert!(missing.starts_with("no/such/file.pth: cannot be read: No such file"), "{missing}");
}

#[test]
fn every_file_is_accounted_for() {
    let good = expected();
    let source = include_str!("weights.rs");
    for entry in fs::read_dir(folder()).expect("a folder") {
        let name = entry.expect("a file").file_name().into_string().expect("a name");
        let claimed = good.contains_key(&name) || source.contains(&format!("\"{name}\""));
        assert!(claimed, "{name} is in no test");
        if !good.contains_key(&name) && name != "expected.json" {
            assert!(weights::read(folder().join(&name)).is_err(), "{name}");
        }
    }
}

#[test]
fn a_truncated_file_says_where_it_ends() {
    let safetensors = bytes_of("types.safetensors");
    let cut = |bytes: &[u8], at: usize| refusal(&bytes[..at]);
    let error = cut(&safetensors, safetensors.len() - 1);
    assert!(error.contains("the file ends at byte 1 of bool, which needs 2"), "{error}");
    let error = cut(&safetensors, 300);
    assert!(error.contains("but it ends at byte 300"), "{error}");
    let old = bytes_of("protocol4_old.pth");
    let error = cut(&old, old.len() - 1);
    assert!(error.contains("the file ends at byte 15 of its storage"), "{error}");
    assert!(error.contains("which needs 16"), "{error}");
    let error = cut(&old, 200);
    assert!(error.contains("the file is cut short: it ends at byte 200"), "{error}");
    for name in ["small.pth", "stored.npz"] {
        let bytes = bytes_of(name);
        let error = cut(&bytes, bytes.len() - 1);
        assert!(error.contains(&format!("cut short at its {} bytes", bytes.len() - 1)), "{error}");
    }
}

#[test]
fn a_damaged_value_in_an_archive_is_noticed() {
    for name in ["small.pth", "stored.npz"] {
        let mut bytes = bytes_of(name);
        let value = 2.0f32.to_le_bytes();
        let at = bytes.windows(4).position(|window| window == value).expect("a value of 2");
        bytes[at] ^= 1;
        let error = refusal(&bytes);
        assert!(error.contains("is damaged: its checksum is"), "{name}: {error}");
    }
}

#[test]
fn a_size_that_a_header_claims_is_not_believed() {
    let safetensors = |header: &str| {
        let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
        bytes.extend(header.as_bytes());
        bytes
    };
    let huge = r#"{"w":{"dtype":"F32","shape":[1099511627776],"data_offsets":[0,4398046511104]}}"#;
    assert!(refusal(&safetensors(huge)).contains("ends at byte 0 of w, which needs 4398046511104"));
    let overflow =
        r#"{"w":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,0]}}"#;
    assert!(refusal(&safetensors(overflow)).contains("too large to be true"));
    let odd = r#"{"w":{"dtype":"F4","shape":[1],"data_offsets":[0,1]}}"#;
    assert!(refusal(&safetensors(odd)).contains("w is of type F4, which convlens does not read"));
    let mut header = u64::MAX.to_le_bytes().to_vec();
    header.extend(b"{}");
    assert!(refusal(&header).contains("begins with the bytes"));
    for (name, part) in [
        ("expanded.pth", "would become 4398046511108 bytes of tensors, which no file of"),
        ("zeros.npz", "would become 134217728 bytes of tensors"),
        ("overlapping.npz", "its members overlap"),
    ] {
        let error = refusal(&bytes_of(name));
        assert!(error.contains(part), "{name}: {error}");
    }
    // 100 MB of header in a file of ten bytes.
    let mut header = 100_000_000u64.to_le_bytes().to_vec();
    header.extend(b"{}");
    assert!(refusal(&header).contains("header claims 100000000 bytes, but it ends at byte 10"));
}

#[test]
fn an_array_of_numpy_is_read_from_memory() {
    let bytes = fs::read(folder().join("single.npy")).expect("a file");
    let array = weights::from_npy(&bytes).expect("an array");
    assert_eq!(array, Tensor::from_slice(&[0.0f32, 0.0]));
    let error = weights::from_npy(&bytes[..bytes.len() - 1]).expect_err("it is cut");
    assert!(matches!(error, convlens::Error::Argument(_)), "{error}");
    assert!(error.to_string().contains("ends at byte"), "{error}");
}

#[test]
fn weights_in_memory_are_those_of_the_file() {
    for name in ["types.safetensors", "network_new.pth", "network_old.pth", "stored.npz"] {
        let path = folder().join(name);
        let (memory, file) = (fs::read(&path).expect("a file"), weights::read(&path));
        let (memory, file) = (weights::from_bytes(&memory).expect(name), file.expect(name));
        let same = |(a, b): ((&String, &Tensor), (&String, &Tensor))| {
            a.0 == b.0 && a.1.size() == b.1.size() && floats(a.1).len() == floats(b.1).len()
        };
        assert!(memory.len() == file.len() && memory.iter().zip(&file).all(same), "{name}");
    }
    let error = weights::from_bytes(b"nothing").expect_err("no weights");
    assert!(matches!(error, convlens::Error::Argument(_)), "{error}");
}

#[test]
fn floats_of_8_bits_are_multiplied_by_their_scales_and_it_is_said() {
    for name in ["float8.pth", "float8.safetensors"] {
        let weights = weights::read(folder().join(name)).expect("a file");
        let [scaled, left] = weights.notes() else { panic!("{:?}", weights.notes()) };
        assert!(scaled.contains("multiplied by their scales: a.weight and 1 more"), "{scaled}");
        assert!(left.contains("not multiplied") && left.contains("c.weight_scale_inv"), "{left}");
    }
}
