//! Archives made by hand: one that is right, and what happens when something in it is not.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::*;
use crate::{Dtype, TensorEntry};

/// The members of an archive by their names.
type Members = BTreeMap<String, Vec<u8>>;

const MODEL: &str = "net/models/model.json";
const WEIGHTS: &str = "net/data/weights/model_weights_config.json";
const CONSTANTS: &str = "net/data/constants/model_constants_config.json";

/// A zip archive of stored members without checksums, so that a changed byte gets past them.
fn zip(members: &Members) -> Vec<u8> {
    let (mut file, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let mut common = vec![0; 26];
        common[14..18].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        common[18..22].copy_from_slice(&(bytes.len() as u32).to_le_bytes());
        common[22..24].copy_from_slice(&(name.len() as u16).to_le_bytes());
        directory.extend(*b"PK\x01\x02\0\0");
        directory.extend(&common);
        directory.extend([0; 10]);
        directory.extend((file.len() as u32).to_le_bytes());
        directory.extend(name.bytes());
        file.extend(*b"PK\x03\x04");
        file.extend(common);
        file.extend(name.bytes());
        file.extend(bytes);
    }
    let start = (file.len() as u32).to_le_bytes();
    let size = (directory.len() as u32).to_le_bytes();
    let count = (members.len() as u16).to_le_bytes();
    file.extend(directory);
    file.extend(*b"PK\x05\x06\0\0\0\0");
    file.extend([count, count].concat());
    file.extend([size, start].concat());
    file.extend([0, 0]);
    file
}

fn meta(dtype: u64, sizes: &[i64]) -> Value {
    let strides: Vec<Value> = sizes.iter().map(|_| json!({"as_int": 1})).collect();
    let sizes: Vec<Value> = sizes.iter().map(|size| json!({"as_int": size})).collect();
    json!({
        "dtype": dtype, "sizes": sizes, "strides": strides, "storage_offset": {"as_int": 0},
        "requires_grad": false, "device": {"type": "cpu", "index": null}, "layout": 7
    })
}

fn tensor(name: &str) -> Value {
    json!({"as_tensor": {"name": name}})
}

/// `y = x * weight + k` for a batch of any size, of which it gives back the size, too.
fn model() -> Value {
    let named = |name: &str, arg: Value| json!({"name": name, "arg": arg, "kind": 1});
    let batch = json!({"as_expr": {"expr_str": "s7", "hint": {"as_int": 3}}});
    let mut x = meta(7, &[3, 2]);
    x["sizes"][0] = batch.clone();
    json!({
        "schema_version": {"major": 8, "minor": 20},
        "torch_version": "2.13.0",
        "graph_module": {
            "graph": {
                "nodes": [
                    {
                        "target": "torch.ops.aten.sym_size.int",
                        "inputs": [named("self", tensor("x")), named("dim", json!({"as_int": 0}))],
                        "outputs": [{"as_sym_int": {"as_name": "batch"}}],
                        "metadata": {"stack_trace": "left out"}
                    },
                    {
                        "target": "torch.ops.aten.mul.Tensor",
                        "inputs": [named("self", tensor("x")), named("other", tensor("p_w"))],
                        "outputs": [tensor("mul")],
                        "metadata": {"nn_module_stack": "a,,m.Net;a_b@1,a.b,m.Scale"}
                    },
                    {
                        "target": "torch.ops.aten.add.Tensor",
                        "inputs": [
                            named("self", tensor("mul")),
                            named("other", tensor("c_k")),
                            named("alpha", json!({"as_float": "Infinity"})),
                            named("size", json!({"as_sym_ints": [
                                {"as_name": "batch"}, {"as_int": -1}
                            ]})),
                            named("memory_format", json!({"as_memory_format": 1}))
                        ],
                        "outputs": [tensor("add")],
                        "metadata": {}
                    }
                ],
                "tensor_values": {"p_w": meta(7, &[2]), "c_k": meta(5, &[]), "x": x},
                "sym_int_values": {"batch": batch}
            },
            "signature": {
                "input_specs": [
                    {"parameter": {"arg": {"name": "p_w"}, "parameter_name": "a.b.weight"}},
                    {"tensor_constant": {"arg": {"name": "c_k"}, "tensor_constant_name": "k"}},
                    {"user_input": {"arg": tensor("x")}},
                    {"token": {"arg": {"name": "token"}}}
                ],
                "output_specs": [
                    {"user_output": {"arg": tensor("add")}},
                    {"buffer_mutation": {"arg": {"name": "add"}, "buffer_name": "mean"}},
                    {"user_output": {"arg": {"as_sym_int": {"as_name": "batch"}}}}
                ]
            }
        }
    })
}

fn payload(path: &str, meta: Value) -> Value {
    json!({"path_name": path, "is_param": true, "use_pickle": false, "tensor_meta": meta})
}

fn members() -> Members {
    let weights = json!({"config": {
        "a.b.weight": payload("weight_0", meta(7, &[2])),
        "tied": payload("weight_0", meta(7, &[1]))
    }});
    let constants = json!({"config": {"k": payload("tensor_0", meta(5, &[]))}});
    let floats: Vec<u8> = [1.5f32, -2.0].into_iter().flat_map(f32::to_le_bytes).collect();
    [
        (MODEL, model().to_string().into_bytes()),
        (WEIGHTS, weights.to_string().into_bytes()),
        (CONSTANTS, constants.to_string().into_bytes()),
        ("net/data/weights/weight_0", floats),
        ("net/data/constants/tensor_0", 7i64.to_le_bytes().to_vec()),
        ("net/archive_format", b"pt2".to_vec()),
        ("net/archive_version", b"0".to_vec()),
        ("net/byteorder", b"little".to_vec()),
    ]
    .map(|(name, bytes)| (name.to_owned(), bytes))
    .into()
}

fn read(members: &Members) -> Parsed<Program> {
    parse(&mut Cursor::new(zip(members)))
}

/// The error when one thing in the JSON of a member is another.
fn error_with(member: &str, pointer: &str, value: Value) -> String {
    let mut members = members();
    let text = members.get_mut(member).expect("a member");
    let mut json: Value = serde_json::from_slice(text).expect("JSON");
    *json.pointer_mut(pointer).expect("a field") = value;
    *text = json.to_string().into_bytes();
    read(&members).expect_err("what is not right")
}

fn assert_has(error: &str, words: &[&str]) {
    for word in words {
        assert!(error.contains(word), "{error:?} has no {word:?}");
    }
}

#[test]
fn a_program_is_read_with_its_weights() {
    let mut file = Cursor::new(zip(&members()));
    let program = parse(&mut file).expect("a program");
    assert_eq!((program.schema, program.torch_version.as_deref()), ([8, 20], Some("2.13.0")));
    let input = |value: &str, role| Input { value: value.into(), role };
    let expected = [
        input("p_w", Role::Parameter("a.b.weight".into())),
        input("c_k", Role::Constant("k".into())),
        input("x", Role::User),
        input("", Role::Other("token".into())),
    ];
    assert_eq!(program.inputs, expected);
    let batch = || Size::Name("batch".into());
    assert_eq!(program.outputs, [Argument::Tensor("add".into()), Argument::Size(batch())]);
    assert_eq!(program.mutated, ["mean"]);

    let [size, mul, add] = &program.nodes[..] else { panic!("{:?}", program.nodes) };
    assert_eq!(
        (size.outputs.as_slice(), size.module.len()),
        (&[Output::Int("batch".into())][..], 0)
    );
    let call =
        |path: &str, call, kind: &str| ModuleCall { path: path.into(), call, kind: kind.into() };
    assert_eq!(mul.module, [call("", 0, "Net"), call("a.b", 1, "Scale")]);
    let expected = [
        ("self", Argument::Tensor("mul".into())),
        ("other", Argument::Tensor("c_k".into())),
        ("alpha", Argument::Float(f64::INFINITY)),
        ("size", Argument::Ints(vec![batch(), Size::Number(-1)])),
        ("memory_format", Argument::Other("memory_format".into())),
    ];
    assert_eq!(add.inputs, expected.map(|(name, argument)| (name.to_owned(), argument)));
    assert_eq!(add.outputs, [Output::Tensor("add".into())]);

    let x = &program.values["x"];
    assert_eq!((x.dtype, x.device.as_str()), (Dtype::F32, "cpu"));
    assert_eq!(x.sizes, [Size::Name("s7".into()), Size::Number(2)]);
    let symbol = Symbol { expression: "s7".into(), hint: Some(3) };
    assert_eq!(program.symbols, BTreeMap::from([("batch".into(), symbol)]));
    assert_eq!(program.hints, BTreeMap::from([("s7".into(), 3)]));

    let mut found = Vec::new();
    for (storage, entries) in program.weights.expect("weights").by_storage() {
        let mut values = Vec::new();
        storage.read(&mut file, |piece| values.extend_from_slice(piece)).expect("values");
        for entry in entries {
            found.push((entry.name.clone(), storage.dtype(), entry.of(&values).expect("a view")));
        }
    }
    let expected = [
        ("a.b.weight".to_owned(), Dtype::F32, vec![1.5, -2.0]),
        ("tied".to_owned(), Dtype::F32, vec![1.5]),
        ("k".to_owned(), Dtype::I64, vec![7.0]),
    ];
    assert_eq!(found, expected);
}

#[test]
fn its_weights_are_read_like_those_of_any_file() {
    let mut file = Cursor::new(zip(&members()));
    assert_eq!(is_program(&mut file), Ok(true));
    let contents = crate::parse(&mut file).expect("weights");
    assert_eq!(contents.by_storage().map(|(_, entries)| entries.len()).collect::<Vec<_>>(), [2, 1]);
}

#[test]
fn other_files_are_no_programs() {
    let array = Members::from([("a.npy".into(), b"\x93NUMPY".to_vec())]);
    for bytes in [zip(&array), Vec::new(), b"{}".to_vec()] {
        let mut file = Cursor::new(bytes);
        assert_eq!(is_program(&mut file), Ok(false));
        assert_has(&parse(&mut file).expect_err("no program"), &["torch.export.save"]);
    }
}

#[test]
fn an_archive_cut_anywhere_is_refused() {
    let whole = zip(&members());
    for end in 0..whole.len() {
        assert!(parse(&mut Cursor::new(&whole[..end])).is_err(), "cut at byte {end}");
    }
}

#[test]
fn no_changed_byte_makes_the_reader_panic() {
    let mut bytes = zip(&members());
    for at in 0..bytes.len() {
        let original = bytes[at];
        for changed in [original ^ 1, !original, b'9', b'-', b'"'] {
            bytes[at] = changed;
            let _ = parse(&mut Cursor::new(&bytes));
        }
        bytes[at] = original;
    }
    assert!(parse(&mut Cursor::new(&bytes)).is_ok());
}

#[test]
fn a_version_that_is_not_known_is_named() {
    let error = error_with(MODEL, "/schema_version", json!({"major": 9, "minor": 1}));
    assert_has(&error, &["9.1", "2.13.0", "7 and 8", "export the network again"]);
    // Even where nothing else is as expected.
    let mut members = members();
    members.insert(MODEL.into(), br#"{"schema_version": {"major": 5, "minor": 3}}"#.to_vec());
    assert_has(&read(&members).expect_err("an old version"), &["5.3", "export the network again"]);
}

#[test]
fn a_graph_out_of_order_is_refused_by_its_node() {
    let nodes = "/graph_module/graph/nodes";
    let unknown = error_with(MODEL, &format!("{nodes}/1/inputs/0/arg"), tensor("add"));
    assert_has(&unknown, &["node 1", "aten.mul.Tensor", "\"add\"", "\"self\""]);
    let size = json!({"as_sym_ints": [{"as_name": "width"}]});
    assert_has(&error_with(MODEL, &format!("{nodes}/2/inputs/3/arg"), size), &["\"width\""]);
    let twice = error_with(MODEL, &format!("{nodes}/1/outputs/0"), tensor("x"));
    assert_has(&twice, &["node 1", "\"x\"", "already"]);
    let output = "/graph_module/signature/output_specs/0/user_output/arg";
    assert_has(&error_with(MODEL, output, tensor("none")), &["output", "\"none\""]);
    let input = "/graph_module/signature/input_specs/2/user_input/arg";
    assert_has(&error_with(MODEL, input, tensor("p_w")), &["two inputs", "\"p_w\""]);
}

#[test]
fn a_graph_of_other_things_than_a_graph_has_is_refused() {
    let of_no_kind = error_with(MODEL, "/graph_module/graph/nodes/1/outputs/0", json!({}));
    assert_has(&of_no_kind, &[MODEL, "no kind"]);
    let both = json!({"as_int": 1, "as_float": 1.0});
    assert_has(&error_with(MODEL, "/graph_module/graph/nodes/1/outputs/0", both), &["two kinds"]);
    let size = "/graph_module/graph/tensor_values/x/sizes/1";
    assert_has(&error_with(MODEL, size, json!({"as_int": -2})), &["x", "-2"]);
    assert_has(&error_with(MODEL, size, json!({"as_int": 1e30})), &[MODEL]);
    let dtype = "/graph_module/graph/tensor_values/x/dtype";
    assert_has(&error_with(MODEL, dtype, json!(10)), &["x", "complex64"]);
    let mut members = members();
    let deep = format!("{{\"graph_module\":{}", "[".repeat(100_000));
    members.insert(MODEL.into(), deep.into_bytes());
    assert!(read(&members).is_err());
    members.insert(WEIGHTS.into(), br#"{"config":{"a":null,"a":null}}"#.to_vec());
    assert!(read(&members).is_err());
}

#[test]
fn weights_that_do_not_fit_are_refused() {
    let at = |field: &str| format!("/config/a.b.weight/{field}");
    let refused = |field: &str, value: Value, words: &[&str]| {
        assert_has(&error_with(WEIGHTS, &at(field), value), &[&["a.b.weight"], words].concat());
    };
    refused("path_name", json!("../models/model.json"), &["../models/model.json"]);
    refused("use_pickle", json!(true), &["pickle"]);
    refused("tensor_meta", Value::Null, &["not among the weights"]);
    refused("tensor_meta/layout", json!(1), &["to_dense"]);
    refused("tensor_meta/dtype", json!(10), &["complex64"]);
    refused("tensor_meta/dtype", json!(99), &["99"]);
    refused("tensor_meta/dtype", json!(4), &["int32", "float32"]);
    refused("tensor_meta/sizes", json!([{"as_int": 1}]), &["[1]"]);
    refused("tensor_meta/sizes/0", json!({"as_int": 3}), &["reaches past"]);
    refused("tensor_meta/sizes/0", json!({"as_int": i64::MAX}), &["values"]);
    refused("tensor_meta/sizes/0", json!({"as_int": -1}), &["-1"]);
    refused("tensor_meta/sizes/0", json!({"as_expr": {"expr_str": "s0"}}), &["s0"]);
    refused("tensor_meta/strides", json!([]), &["strides"]);
    refused("tensor_meta/strides/0", json!({"as_int": i64::MAX}), &["reaches past"]);
    refused("tensor_meta/storage_offset", json!({"as_int": 1}), &["reaches past"]);
    assert_has(&error_with(CONSTANTS, "/config/k/tensor_meta/dtype", json!(8)), &["k", "float64"]);
}

#[test]
fn members_that_are_missing_or_odd_are_named() {
    for name in [WEIGHTS, CONSTANTS, "net/data/weights/weight_0"] {
        let mut without = members();
        without.remove(name);
        assert_has(&read(&without).expect_err("a missing member"), &[name]);
    }
    let with = |name: &str, bytes: &[u8]| {
        let mut members = members();
        members.insert(name.into(), bytes.to_vec());
        read(&members).expect_err("an odd member")
    };
    assert_has(&with("net/byteorder", b"big"), &["big"]);
    assert_has(&with("net/archive_version", b"1"), &["archive_version", "\"1\""]);
    assert_has(&with("net/archive_format", b"pt3"), &["archive_format", "\"pt3\""]);
    assert_has(&with("net/data/weights/weight_0", &[0; 7]), &["7 bytes"]);
    assert_has(&with("net/data/weights/weight_0", &[]), &["fake tensors"]);
    let text = String::from_utf8_lossy(&members()[CONSTANTS]).replace("\"k\"", "\"tied\"");
    assert_has(&with(CONSTANTS, text.as_bytes()), &["tied", "both"]);
    assert_has(&with("net/data/weights/model.pt", b"no archive"), &["net/data/weights/model.pt"]);
}

#[test]
fn compiled_code_and_several_programs_are_named() {
    for member in ["data/aotinductor/model/a.so", "net/data/aotinductor/model/a.so"] {
        let compiled = Members::from([(member.into(), Vec::new())]);
        assert_has(
            &read(&compiled).expect_err("compiled code"),
            &["AOTInductor", "torch.export.save("],
        );
        let weights = crate::parse(&mut Cursor::new(zip(&compiled)));
        assert_has(&weights.expect_err("compiled code"), &["AOTInductor"]);
    }
    let mut several = members();
    let model = several.remove(MODEL).expect("a model");
    several.insert("net/models/a.json".into(), model.clone());
    several.insert("net/models/b.json".into(), model.clone());
    assert_has(&read(&several).expect_err("two programs"), &["\"a\"", "\"b\""]);
    several.insert(MODEL.into(), model);
    assert!(read(&several).is_ok());
}

#[test]
fn a_network_without_tensors_has_no_weights() {
    let mut members = members();
    let mut model = model();
    let graph = &mut model["graph_module"];
    graph["graph"]["nodes"] = json!([]);
    graph["signature"]["input_specs"] = json!([{"user_input": {"arg": tensor("x")}}]);
    graph["signature"]["output_specs"] = json!([{"user_output": {"arg": tensor("x")}}]);
    members.insert(MODEL.into(), model.to_string().into_bytes());
    for name in [WEIGHTS, CONSTANTS] {
        members.insert(name.into(), br#"{"config":{}}"#.to_vec());
    }
    assert!(read(&members).expect("a program").weights.is_none());
    let weights = crate::parse(&mut Cursor::new(zip(&members)));
    assert_has(&weights.expect_err("no weights"), &["without any tensors"]);
}

/// What `torch.export` itself wrote, with the weights of tests/reference/formula.py.
fn written_by_torch() -> Vec<(String, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/pt2");
    let entries =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path());
    let named = |path: PathBuf| {
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(path).expect("a file"))
    };
    entries.map(named).collect()
}

#[test]
fn every_version_of_torch_wrote_what_is_read() {
    // The convolution comes first; its first value is -sqrt(6 / inputs), where it is a float.
    let expected = [
        ("batch", [8, 20], 5, -(2f32.sqrt())),
        ("layers", [8, 20], 6, -((6.0 / 27.0f32).sqrt())),
        ("tied", [8, 20], 10, -(2f32.sqrt())),
        ("tied_2_5", [7, 3], 10, -(2f32.sqrt())),
        ("tied_2_7", [8, 7], 10, -(2f32.sqrt())),
        ("tied_2_8", [8, 8], 10, -(2f32.sqrt())),
        ("types", [8, 20], 17, 0.14196777),
    ];
    let mut files: BTreeMap<String, Vec<u8>> = written_by_torch().into_iter().collect();
    for (name, schema, nodes, first) in expected {
        let mut file = Cursor::new(files.remove(name).expect(name));
        let program = parse(&mut file).expect(name);
        assert_eq!((program.schema, program.nodes.len()), (schema, nodes), "{name}");
        let conv = program.nodes.iter().find(|node| node.target == "torch.ops.aten.conv2d.default");
        let module = conv.and_then(|conv| conv.module.last()).expect("a module");
        assert_eq!((module.path.as_str(), module.kind.as_str()), ("conv", "Conv2d"), "{name}");
        let mut found = None;
        for (storage, entries) in program.weights.expect("weights").by_storage() {
            let mut values = Vec::new();
            storage.read(&mut file, |piece| values.extend_from_slice(piece)).expect("values");
            if entries.iter().any(|entry| entry.name == "conv.weight") {
                found = values.first().copied();
            }
        }
        assert_eq!(found, Some(first), "{name}");
    }
    assert!(files.is_empty(), "{:?} are not expected", files.keys());
}

#[test]
fn what_torch_wrote_is_refused_when_it_is_cut() {
    for (name, bytes) in written_by_torch() {
        for end in (0..bytes.len()).step_by(61).chain([bytes.len() - 1]) {
            assert!(parse(&mut Cursor::new(&bytes[..end])).is_err(), "{name} cut at byte {end}");
        }
    }
}

#[test]
fn a_layer_that_runs_twice_has_two_calls_and_one_weight() {
    let bytes = written_by_torch().into_iter().find(|(name, _)| name == "tied").expect("tied").1;
    let program = parse(&mut Cursor::new(bytes)).expect("a program");
    let calls = program.nodes.iter().filter_map(|node| node.module.last());
    let calls: Vec<usize> =
        calls.filter(|call| call.path == "conv").map(|call| call.call).collect();
    assert_eq!(calls, [0, 1]);
    let weights = program.weights.expect("weights");
    let shared = |(_, entries): &(_, Vec<&TensorEntry>)| entries.len() > 1;
    let shared: Vec<_> = weights.by_storage().filter(shared).collect();
    let [(_, entries)] = &shared[..] else { panic!("{shared:?}") };
    let mut names: Vec<&str> = entries.iter().map(|entry| entry.name.as_str()).collect();
    names.sort_unstable();
    assert_eq!(names, ["head.weight", "other.weight"]);
}
