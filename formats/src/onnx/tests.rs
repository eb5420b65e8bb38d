//! What the reader reads, and what it refuses: small files written here, and those of the fuzz target.

use std::collections::BTreeMap;
use std::fs;
use std::io::Cursor;
use std::path::Path;

use super::*;
use crate::Dtype;

/// A message that is being written.
#[derive(Clone, Default)]
struct Written(Vec<u8>);

impl Written {
    fn varint(mut self, mut value: u64) -> Written {
        while value >= 0x80 {
            self.0.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.0.push(value as u8);
        self
    }

    fn int(self, field: u64, value: i64) -> Written {
        self.varint(field << 3).varint(value as u64)
    }

    fn bytes(self, field: u64, bytes: &[u8]) -> Written {
        let mut written = self.varint(field << 3 | 2).varint(bytes.len() as u64);
        written.0.extend(bytes);
        written
    }

    fn text(self, field: u64, text: &str) -> Written {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: &Written) -> Written {
        self.bytes(field, &message.0)
    }
}

fn empty() -> Written {
    Written::default()
}

/// An operation with the names of what it uses and makes, by commas.
fn node(kind: &str, inputs: &str, outputs: &str) -> Written {
    let names = |text: &str| -> Vec<String> {
        if text.is_empty() { Vec::new() } else { text.split(',').map(str::to_owned).collect() }
    };
    let node = names(inputs).iter().fold(empty(), |node, name| node.text(1, name));
    let node = names(outputs).iter().fold(node, |node, name| node.text(2, name));
    node.text(4, kind)
}

fn value(name: &str) -> Written {
    empty().text(1, name)
}

fn tensor(name: &str, kind: i64, sizes: &[i64]) -> Written {
    sizes.iter().fold(empty(), |tensor, &size| tensor.int(1, size)).int(2, kind).text(8, name)
}

/// A file whose graph has these fields.
fn file(graph: &Written) -> Written {
    empty().int(1, 8).text(2, "by hand").message(7, graph).message(8, &empty().int(2, 17))
}

/// `x` through these operations to `y`.
fn through(nodes: &[Written]) -> Written {
    let graph = nodes.iter().fold(empty(), |graph, node| graph.message(1, node));
    graph.message(11, &value("x")).message(12, &value("y"))
}

fn read(file: &Written) -> Parsed<Network> {
    parse(&mut Cursor::new(&file.0))
}

/// The error of a graph, which holds these words.
fn refused(graph: &Written, words: &[&str]) {
    let error = read(&file(graph)).expect_err("an error");
    assert!(words.iter().all(|word| error.contains(word)), "{words:?} in: {error}");
}

/// The values of the only tensor of a network that does nothing else.
fn values_of(tensor: &Written) -> Parsed<Values> {
    let file = file(&through(&[node("Relu", "x", "y")]).message(5, tensor));
    let network = read(&file)?;
    network.tensors[0].values(&mut Cursor::new(&file.0), None)
}

/// Everything that a file holds; how many values.
fn everything(bytes: &[u8]) -> Parsed<usize> {
    let mut source = Cursor::new(bytes);
    let network = parse(&mut source)?;
    let options = network.nodes.iter().flat_map(|node| &node.attributes);
    let among_options = options.filter_map(|(_, value)| match value {
        Attribute::Tensor(tensor) => Some(tensor),
        _ => None,
    });
    let mut total = 0;
    for tensor in network.tensors.iter().chain(among_options) {
        if tensor.dtype.is_some() {
            total += tensor.values(&mut source, None)?.len();
        }
    }
    Ok(total)
}

fn seeds() -> BTreeMap<String, Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds/onnx");
    let seed = |entry: std::io::Result<fs::DirEntry>| {
        let path = entry.expect("an entry").path();
        let name = path.file_stem().expect("a name").to_string_lossy().into_owned();
        (name, fs::read(&path).expect("a seed"))
    };
    fs::read_dir(folder).expect("a folder").map(seed).collect()
}

fn seed(name: &str) -> (Network, Cursor<Vec<u8>>) {
    let mut source = Cursor::new(seeds().remove(name).expect("a seed"));
    (parse(&mut source).expect("a network"), source)
}

#[test]
fn a_network_is_read_with_its_names_sizes_and_options() {
    let dim = |dim: Written| empty().message(1, &dim);
    let shape = [empty().text(2, "batch"), empty().int(1, 3), empty(), empty().int(1, -1)];
    let shape =
        shape.into_iter().fold(empty(), |shape, size| Written([shape.0, dim(size).0].concat()));
    let kind = empty().message(1, &empty().int(1, 1).message(2, &shape));
    let option = |name: &str, kind: i64| empty().text(1, name).int(20, kind);
    let conv = node("Conv", "x,w", "y")
        .text(3, "conv")
        .text(7, "ai.onnx")
        .message(5, &option("pads", 7).int(8, 1).int(8, -2))
        .message(5, &option("packed", 7).bytes(8, &[3, 4]))
        .message(5, &option("auto_pad", 3).text(4, "VALID"))
        .message(5, &option("nothing", 2))
        .message(5, &empty().text(1, "old").int(3, 5))
        .message(5, &option("body", 5).message(6, &empty()))
        .message(9, &empty().text(1, "pkg.torch.onnx.name_scopes").text(2, "['conv']"))
        .message(9, &empty().text(1, "pkg.torch.onnx.stack_trace").text(2, "File"));
    let graph = empty()
        .message(1, &conv)
        .message(5, &tensor("w", 1, &[1]).bytes(9, &1.5f32.to_le_bytes()))
        .message(11, &value("x").message(2, &kind))
        .message(11, &value("w"))
        .message(12, &value("y"));
    let network = read(&file(&graph)).expect("a network");
    assert_eq!((network.ir_version, network.opset, &*network.producer), (8, 17, "by hand"));
    let batch = Sizes::Name("batch".into());
    assert_eq!(
        network.inputs,
        [ValueInfo {
            name: "x".into(),
            dtype: Some(Dtype::F32),
            sizes: Some(vec![batch, Sizes::Number(3), Sizes::Unknown, Sizes::Unknown]),
        }]
    );
    let [conv] = &network.nodes[..] else { panic!("{:?}", network.nodes) };
    assert_eq!((&*conv.name, &*conv.kind, &*conv.domain), ("conv", "Conv", ""));
    assert_eq!(conv.inputs, ["x", "w"]);
    let options: Vec<(&str, &Attribute)> =
        conv.attributes.iter().map(|(name, value)| (&**name, value)).collect();
    assert_eq!(
        options,
        [
            ("pads", &Attribute::Ints(vec![1, -2])),
            ("packed", &Attribute::Ints(vec![3, 4])),
            ("auto_pad", &Attribute::Text("VALID".into())),
            ("nothing", &Attribute::Int(0)),
            ("old", &Attribute::Int(5)),
            ("body", &Attribute::Other("graph")),
        ]
    );
    assert_eq!(conv.metadata, [("pkg.torch.onnx.name_scopes".into(), "['conv']".into())]);
}

#[test]
fn numbers_are_read_packed_or_one_by_one() {
    let halves = [0x3c00, 0xc000];
    let one_by_one = halves.iter().fold(tensor("t", 10, &[2]), |t, &half| t.int(5, half));
    let packed = halves.iter().fold(empty(), |packed, &half| packed.varint(half as u64));
    let packed = tensor("t", 10, &[2]).message(5, &packed);
    for tensor in [one_by_one, packed] {
        assert_eq!(values_of(&tensor), Ok(Values::Floats(vec![1.0, -2.0])));
    }
    let single = tensor("t", 1, &[]).varint(4 << 3 | 5);
    let single = Written([single.0, 2.5f32.to_le_bytes().to_vec()].concat());
    assert_eq!(values_of(&single), Ok(Values::Floats(vec![2.5])));
    let double = tensor("t", 11, &[1]).bytes(10, &0.5f64.to_le_bytes());
    assert_eq!(values_of(&double), Ok(Values::Floats(vec![0.5])));
    let bytes = tensor("t", 3, &[2]).int(5, 1).int(5, -2);
    assert_eq!(values_of(&bytes), Ok(Values::Ints(vec![1, -2])));
    assert_eq!(values_of(&tensor("t", 9, &[1]).int(5, 1)), Ok(Values::Bools(vec![true])));
    let largest = tensor("t", 13, &[1]).int(11, -1);
    assert!(values_of(&largest).is_err_and(|e| e.contains("63 bits")));
    let more = tensor("t", 7, &[2]).bytes(7, &[1, 2, 3]);
    assert!(values_of(&more).is_err_and(|e| e.contains("more than 2")));
    let fewer = tensor("t", 7, &[2]).bytes(7, &[0x81, 1]);
    assert!(values_of(&fewer).is_err_and(|e| e.contains("has 1")));
}

#[test]
fn every_type_is_read_as_bytes_and_as_numbers() {
    let (network, mut source) = seed("types");
    let mut values = |name: &str| {
        let tensor = network.tensors.iter().find(|tensor| tensor.name == name).expect("a tensor");
        tensor.values(&mut source, None)
    };
    for way in ["numbers", "bytes"] {
        let mut named = |kind: &str| values(&format!("{kind}_{way}"));
        for kind in ["float", "float16", "bfloat16"] {
            assert_eq!(named(kind), Ok(Values::Floats(vec![1.5, -2.0])), "{kind}");
        }
        assert_eq!(named("double"), Ok(Values::Floats(vec![0.1, -2.0])));
        assert_eq!(named("bool"), Ok(Values::Bools(vec![true, false])));
        for (kind, second) in [
            ("uint8", 255),
            ("int8", -2),
            ("uint16", 65535),
            ("int16", -2),
            ("uint32", (1 << 32) - 1),
            ("int32", -2),
            ("uint64", i64::MAX),
            ("int64", i64::MIN),
        ] {
            assert_eq!(named(kind), Ok(Values::Ints(vec![1, second])), "{kind}");
        }
        for kind in ["complex64", "float8e4m3fn", "int4"] {
            let error = named(kind).expect_err("an error");
            assert!(error.contains(kind) && error.contains("not read"), "{error}");
        }
    }
    assert!(values("string").is_err_and(|e| e.contains("string")));
    assert_eq!(values("single"), Ok(Values::Ints(vec![7])));
    assert_eq!(values("empty"), Ok(Values::Floats(vec![])));
    let options = network.nodes.iter().find(|node| node.name == "options").expect("a node");
    let option = |name: &str| &options.attributes.iter().find(|(n, _)| n == name).expect("one").1;
    assert_eq!(option("bytes"), &Attribute::Other("bytes"));
    assert_eq!(option("texts"), &Attribute::Texts(vec!["a".into(), "b".into()]));
    assert_eq!(option("tensors"), &Attribute::Other("tensors"));
    assert_eq!(options.inputs, ["constant", "", "chosen"]);
    assert_eq!(options.outputs, ["", "y"]);
}

#[test]
fn what_pytorch_writes_is_read() {
    for name in ["dynamo", "torchscript"] {
        let (network, mut source) = seed(name);
        assert_eq!((&*network.producer, network.inputs.len()), ("pytorch", 1), "{name}");
        let weight = network.tensors.iter().find(|t| t.name == "fc.weight").expect("a weight");
        assert_eq!(weight.sizes, [3, 8]);
        let Ok(Values::Floats(values)) = weight.values(&mut source, None) else { panic!("{name}") };
        let sum: f32 = values.iter().sum();
        assert!((sum - 2.057243).abs() < 1e-5, "{name}: {sum}");
    }
    let scopes = |node: &Node| node.metadata.iter().any(|(_, value)| value.contains("'bn'"));
    assert!(seed("dynamo").0.nodes.iter().any(scopes));
}

#[test]
fn functions_are_written_out() {
    let (network, _) = seed("functions");
    let kinds: Vec<&str> = network.nodes.iter().map(|node| &*node.kind).collect();
    assert_eq!(kinds, ["LeakyRelu", "Identity"].repeat(5));
    let slopes: Vec<&Attribute> =
        network.nodes.iter().flat_map(|node| &node.attributes).map(|(_, value)| value).collect();
    let expected = [0.5, 0.5, 0.125, 0.125, 0.25].map(Attribute::Float);
    assert_eq!(slopes, expected.iter().collect::<Vec<_>>());
    let made: Vec<&str> =
        network.nodes.iter().flat_map(|node| &node.outputs).map(|name| &**name).collect();
    for name in ["unused", "a", "y", "z"] {
        assert!(made.contains(&name), "{made:?}");
    }
}

/// A function `name` of the domain `own` that runs these operations from `x` to `y`.
fn function(name: &str, nodes: &[Written]) -> Written {
    let function = empty().text(1, name).text(4, "x").text(5, "y").text(10, "own");
    nodes.iter().fold(function, |function, node| function.message(7, node))
}

#[test]
fn functions_without_end_are_refused() {
    let call = |name: &str, from: &str, to: &str| node(name, from, to).text(7, "own");
    let start = file(&through(&[call("a", "x", "y")]));
    let circle = start.clone().message(25, &function("a", &[call("a", "x", "y")]));
    assert!(read(&circle).is_err_and(|e| e.contains("\"a\"") && e.contains("calls itself")));
    // Each calls the next ten times: 10^20 operations.
    let names: Vec<String> = (0..20).map(|depth| format!("f{depth}")).collect();
    let mut many = file(&through(&[call("f0", "x", "y")]));
    for (depth, name) in names.iter().enumerate() {
        let next = names.get(depth + 1).map_or("Relu", |next| next);
        let calls: Vec<Written> = (0..10)
            .map(|step| {
                let from = if step == 0 { "x".into() } else { format!("v{step}") };
                let to = if step == 9 { "y".into() } else { format!("v{}", step + 1) };
                call(next, &from, &to)
            })
            .collect();
        many = many.message(25, &function(name, &calls));
    }
    assert!(read(&many).is_err_and(|e| e.contains("more than")));
    let other = start
        .message(25, &function("a", &[node("Relu", "x", "y")]).message(9, &empty().int(2, 12)));
    assert!(read(&other).is_err_and(|e| e.contains("version 12")));
}

#[test]
fn operations_are_put_in_order() {
    let graph = through(&[node("C", "b", "y"), node("A", "x", "a"), node("B", "a", "b")]);
    let network = read(&file(&graph)).expect("a network");
    let kinds: Vec<&str> = network.nodes.iter().map(|node| &*node.kind).collect();
    assert_eq!(kinds, ["A", "B", "C"]);
    // Deeper than any stack.
    let mut nodes: Vec<Written> =
        (0..50_000).map(|i| node("N", &format!("v{i}"), &format!("v{}", i + 1))).collect();
    nodes.push(node("N", "x", "v0"));
    nodes.insert(0, node("N", "v50000", "y"));
    assert_eq!(read(&file(&through(&nodes))).map(|network| network.nodes.len()), Ok(50_002));
}

#[test]
fn graphs_that_do_not_fit_together_are_refused() {
    refused(&through(&[node("A", "y", "b"), node("B", "b", "y")]), &["circle", " A", " B"]);
    refused(&through(&[node("Relu", "x,lost", "y").text(3, "relu")]), &["\"relu\"", "\"lost\""]);
    refused(&through(&[node("Relu", "x", "z")]), &["output", "\"y\""]);
    refused(&through(&[node("A", "x", "y"), node("B", "x", "y")]), &["B", "\"y\"", "already"]);
    refused(&through(&[node("A", "x", "x,y")]), &["\"x\"", "already"]);
    refused(&through(&[node("", "x", "y")]), &["no kind"]);
    let relu = || through(&[node("Relu", "x", "y")]);
    refused(&relu().message(11, &value("x")), &["two inputs"]);
    refused(&relu().message(12, &value("y")), &["two outputs"]);
    refused(&relu().message(15, &empty()), &["sparse"]);
    let two = relu().message(5, &tensor("t", 1, &[0])).message(5, &tensor("t", 1, &[0]));
    refused(&two, &["two", "\"t\""]);
    assert!(read(&empty().int(1, 8)).is_err_and(|e| e.contains("no graph")));
    let unversioned = empty().int(1, 8).message(7, &relu());
    assert!(read(&unversioned).is_err_and(|e| e.contains("version")));
}

#[test]
fn tensors_that_the_file_does_not_hold_are_refused() {
    for (sizes, words) in [
        (&[1 << 40][..], "needs"),
        (&[1 << 40, 1 << 40], "counted"),
        (&[-1], "negative"),
        (&[-1, 0], "negative"),
        (&[3], "12 bytes"),
    ] {
        let tensor = tensor("t", 1, sizes).bytes(9, &[0; 4]);
        let error = values_of(&tensor).expect_err("an error");
        assert!(error.contains(words) && error.contains("\"t\""), "{sizes:?}: {error}");
    }
    let numbers = tensor("t", 7, &[1 << 40]).bytes(7, &[1, 2]);
    assert!(values_of(&numbers).is_err_and(|e| e.contains("only 2 bytes")));
    assert!(values_of(&tensor("t", 1, &[1; 65])).is_err_and(|e| e.contains("64 dimensions")));
    assert!(values_of(&tensor("t", 99, &[1])).is_err_and(|e| e.contains("number 99")));
}

#[test]
fn damaged_fields_are_refused() {
    let long = empty().varint(7 << 3 | 2).varint(u64::MAX);
    let group = empty().int(1, 8).varint(7 << 3 | 3);
    let endless = Written([&[7 << 3 | 2][..], &[0xff; 12]].concat());
    let zero = empty().int(0, 1);
    let text = file(&through(&[empty().bytes(4, &[0xff])]));
    let number = empty().int(7, 1);
    let past = empty().bytes(7, &[0x0a, 5, 1]);
    for damaged in [long, group, endless, zero, text, number, past] {
        let error = read(&damaged).expect_err("an error");
        assert!(!error.is_empty());
    }
}

/// A tensor of two floats in another file.
fn beside(location: &str, offset: &str) -> Vec<u8> {
    let entry = |key: &str, value: &str| empty().text(1, key).text(2, value);
    let tensor = tensor("w", 1, &[2])
        .message(13, &entry("location", location))
        .message(13, &entry("offset", offset))
        .message(13, &entry("length", "8"))
        .int(14, 1);
    file(&through(&[node("Relu", "x", "y")]).message(5, &tensor)).0
}

#[test]
fn weights_beside_the_network_are_read_and_none_elsewhere() {
    let folder = std::env::temp_dir().join(format!("convlens_onnx_{}", std::process::id()));
    let inside = folder.join("inside");
    fs::create_dir_all(&inside).expect("a folder");
    let floats: Vec<u8> = [0f32, 1.5, -2.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    for place in [folder.join("secret.bin"), inside.join("weights.bin")] {
        fs::write(place, &floats).expect("a file");
    }
    let network = inside.join("net.onnx");
    let opened = |bytes: &[u8]| {
        fs::write(&network, bytes).expect("a file");
        let file = open(&network)?;
        file.values(&file.network().tensors[0])
    };
    let expected = Ok(Values::Floats(vec![1.5, -2.0]));
    assert_eq!(opened(&beside("weights.bin", "4")), expected);
    assert_eq!(opened(&beside("./weights.bin", "4")), expected);
    let absolute = inside.join("weights.bin");
    for (location, offset, words) in [
        ("weights.bin", "8", "only"),
        ("weights.bin", "18446744073709551615", "only"),
        ("weights.bin", "-1", "offset"),
        ("lost.bin", "0", "lost.bin"),
        ("../secret.bin", "0", "outside"),
        ("..\\secret.bin", "0", "outside"),
        ("inside/../../secret.bin", "0", "outside"),
        (absolute.to_str().expect("a path"), "0", "outside"),
        (".", "0", "no file"),
        ("", "0", "which is not said"),
    ] {
        let error = opened(&beside(location, offset)).expect_err(location);
        assert!(error.contains(words), "{location} {offset}: {error}");
        assert!(error.contains("\"w\"") || words == "offset", "{error}");
    }
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink(folder.join("secret.bin"), inside.join("link.bin"))
            .expect("a link");
        assert!(opened(&beside("link.bin", "0")).is_err_and(|e| e.contains("outside")));
        std::os::unix::fs::symlink("weights.bin", inside.join("near.bin")).expect("a link");
        assert_eq!(opened(&beside("near.bin", "4")), expected);
    }
    let bytes = beside("weights.bin", "4");
    let alone = parse(&mut Cursor::new(&bytes)).expect("a network");
    let error = alone.tensors[0].values(&mut Cursor::new(&bytes), None).expect_err("an error");
    assert!(error.contains("weights.bin"), "{error}");
    fs::remove_dir_all(&folder).expect("the folder is removed");
}

#[test]
fn networks_are_told_by_their_fields() {
    let is = |bytes: &[u8]| is_network(&mut Cursor::new(bytes));
    for (name, bytes) in seeds() {
        assert_eq!(is(&bytes), Ok(true), "{name}");
        assert_eq!(is(&bytes[..64]), Ok(true), "{name} cut short");
        let error = super::parse(&mut Cursor::new(&bytes[..bytes.len() / 2])).expect_err("a half");
        assert!(error.contains("was probably cut short"), "{name}: {error}");
        assert!(
            crate::parse(&mut Cursor::new(&bytes)).is_err_and(|e| e.contains("ONNX")),
            "{name}"
        );
    }
    for other in [
        &b""[..],
        b"\x08",
        b"\x08\x08",
        b"PK\x03\x04",
        b"\x80\x02}q\x00.",
        // safetensors with long headers.
        b"\x08\x01\x3a\x00\x00\x00\x00\x00{\"",
        b"\x08\x08\x12\x00\x00\x00\x00\x00{\"",
    ] {
        assert_eq!(is(other), Ok(false), "{other:?}");
    }
}

/// Where the fields behind a file's graph begin.
fn behind_the_graph(bytes: &[u8]) -> Vec<usize> {
    let mut source = Cursor::new(bytes);
    let (mut wire, mut message) = Wire::open(&mut source, "the file").expect("a file");
    let (mut behind, mut places) = (false, Vec::new());
    while let Some((number, field)) = wire.next(&mut message).expect("a field") {
        behind |= number == 7;
        if let (true, wire::Field::Bytes(bytes)) = (behind, field) {
            places.push(bytes.end as usize);
        }
    }
    places
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    for (name, bytes) in seeds() {
        everything(&bytes).expect(&name);
        // Between fields of a message nothing tells that there were more of them.
        let unnoticed = behind_the_graph(&bytes);
        for end in (0..bytes.len()).filter(|end| !unnoticed.contains(end)) {
            assert!(everything(&bytes[..end]).is_err(), "{name} cut at byte {end}");
        }
    }
}

#[test]
fn no_changed_byte_makes_the_reader_panic() {
    for (_, mut bytes) in seeds() {
        for at in 0..bytes.len() {
            let original = bytes[at];
            for changed in [original ^ 1, !original, original ^ 0x80, 0] {
                bytes[at] = changed;
                let _ = everything(&bytes);
                let _ = is_network(&mut Cursor::new(&bytes));
            }
            bytes[at] = original;
        }
    }
}
