//! Networks from files: what other programs have written becomes a [`Model`] like any other.
//!
//! A reader translates names, options and weights; it runs nothing of its own.

mod apart;
mod draft;
mod names;
mod onnx;
mod parts;
mod pt2;
mod shapes;

use std::fs::File;
use std::path::Path;

use convlens_formats::Source;

use crate::error::{Error, Result};
use crate::model::Model;
use crate::weights;

impl Model {
    /// Opens a network from a file: a `.pt2`, which PyTorch writes, or a `.onnx`, which most frameworks can
    /// write.
    ///
    /// ```python
    /// torch.export.save(torch.export.export(net.eval(), (x,)), "my_network.pt2")
    /// torch.onnx.export(net.eval(), (x,), "my_network.onnx")
    /// ```
    ///
    /// Layers have the names that they have in Python, `layer1.0.conv1`; where a module runs several
    /// operations itself, each has the operation's name behind the module's, `layer1.0.add`, and the second
    /// of a kind `layer1.0.relu_1`. Parameters keep their full names. The photo is resized to the size that
    /// the network was exported with and scaled to `[0, 1]`; what it was trained with, say by
    /// [`with_preprocess`](Model::with_preprocess).
    ///
    /// ```no_run
    /// use convlens::prelude::*;
    /// let model = Model::open("my_network.pt2")?.with_preprocess(&Preprocess::imagenet());
    /// let look = model.look(&Photo::open("photo.jpg")?)?;
    /// Ok::<(), convlens::Error>(())
    /// ```
    ///
    /// Nothing in the file is executed. The network runs in 32-bit floats, whatever it was stored in.
    ///
    /// A `.onnx` of PyTorch's has the same names, as far as they are in it; layers of other files are called as
    /// their nodes, `conv1` of `StatefulPartitionedCall/model/conv1/Conv2D`, or by their kind. Batch norms that
    /// the exporter has folded into convolutions stay there. Operators of ONNX's versions 7 to 22 are known, and
    /// weights in files beside it. Photos that the network takes with channels last, as Keras has them, are
    /// maps here, and what comes out is as well. A height and width that the file leaves open are 224. A network that
    /// ends in NonMaxSuppression ends in the scores and boxes that it reads.
    ///
    /// A softmax over the classes at the network's end, as Keras has it, stays as a layer, but the output that counts
    /// is what it reads: predictions take the softmax themselves, and explanations, pictures of a class and training
    /// are about the scores before it.
    ///
    /// A network that was exported for a single photo takes any number of them, if its layers go with that; otherwise
    /// [one at a time](Model::takes_one_photo), as a network whose photo has no batch, `[channels, height, width]`.
    ///
    /// Of several inputs, the first that can be a photo is looked at, and [`fix`](Model::fix) gives the others their
    /// values; of several outputs the first counts, unless [`with_output`](Model::with_output) says otherwise. Both
    /// have the names of `forward`'s arguments, of the keys of the dictionary that it returns, or of the ONNX file;
    /// other outputs that of their layer.
    ///
    /// # Errors
    /// A file that cannot be read, is damaged or no network; operations that are not known: the error lists
    /// all of them, and [`open_up_to`](Model::open_up_to) opens what lies before.
    pub fn open(path: impl AsRef<Path>) -> Result<Model> {
        open(path.as_ref(), None)
    }

    /// The same up to a layer, which becomes the output: for networks that end in what is not known here.
    ///
    /// # Errors
    /// As [`open`](Model::open), for what leads to this layer; when there is no such layer.
    pub fn open_up_to(path: impl AsRef<Path>, layer: &str) -> Result<Model> {
        open(path.as_ref(), Some(layer))
    }
}

#[doc(hidden)]
impl Model {
    /// What a network of ONNX's without inputs computes: for ONNX's own cases for its operators.
    pub fn constants_of(path: impl AsRef<Path>) -> Result<Vec<tch::Tensor>> {
        onnx::constants(path.as_ref())
    }
}

fn open(path: &Path, up_to: Option<&str>) -> Result<Model> {
    let failed = |message: String| Error::file(path, weights::without_controls(&message));
    if path.is_dir() {
        return Err(failed(match path.join("saved_model.pb").is_file() {
            true => "is a SavedModel of TensorFlow's: convert it, python -m tf2onnx.convert --saved-model \
                     the_folder --output my_network.onnx, or in Keras model.export(\"my_network.onnx\", \
                     format=\"onnx\")"
                .into(),
            false => "this is a folder; name the .pt2 or .onnx of a network in it".into(),
        }));
    }
    let mut file = File::open(path).map_err(|error| Error::unreadable(path, &error))?;
    let name =
        path.file_stem().map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let opened = match convlens_formats::onnx::is_network(&mut file).map_err(failed)? {
        true => onnx::open(path, &name, up_to),
        false => read(&mut file, &name, up_to),
    };
    opened.map_err(|error| match error {
        error @ Error::File { .. } => error,
        other => failed(other.to_string()),
    })
}

/// Reads a `.pt2`.
fn read(source: &mut dyn Source, name: &str, up_to: Option<&str>) -> Result<Model> {
    if !convlens_formats::pt2::is_program(source).map_err(Error::Argument)? {
        if let Some(what) = convlens_formats::other_network(source).map_err(Error::Argument)? {
            return Err(Error::Argument(what));
        }
        return Err(Error::Argument(
            "is no network that can be opened: a .onnx is, and a .pt2, written in Python by \
             torch.export.save(torch.export.export(net.eval(), (x,)), \"my_network.pt2\"). A file of weights \
             alone goes with the network that it is of: zoo::resnet18_with(weights::read(..)?)"
                .into(),
        ));
    }
    pt2::open(source, name, up_to)
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;
    use std::ops::Range;

    use rand::rngs::StdRng;
    use rand::seq::SliceRandom;
    use rand::{Rng, SeedableRng};

    use super::*;

    /// Numbers and names of a graph, where they stand in the text.
    fn tokens(text: &[u8], is_part: impl Fn(u8) -> bool) -> Vec<Range<usize>> {
        let mut found = Vec::new();
        let mut start = None;
        for (at, &byte) in text.iter().enumerate() {
            match (is_part(byte), start) {
                (true, None) => start = Some(at),
                (false, Some(first)) => {
                    found.push(first..at);
                    start = None;
                }
                _ => {}
            }
        }
        found
    }

    /// A network whose graph was changed here and there becomes a network or an error. How many are tried,
    /// `CONVLENS_MUTATIONS` says.
    #[test]
    fn no_graph_makes_a_panic() {
        let count = std::env::var("CONVLENS_MUTATIONS").ok().and_then(|n| n.parse().ok());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/networks");
        let mut random = StdRng::seed_from_u64(1);
        let mut opened = 0;
        let each: usize = count.unwrap_or(1000) / 5;
        for name in ["residual", "odd", "convnext", "vit_one_photo", "swin"] {
            let whole = std::fs::read(folder.join(format!("{name}.pt2"))).expect("a file");
            let find = |what: &[u8]| whole.windows(what.len()).position(|window| window == what);
            let start = find(b"{\"graph_module\"").expect("a graph");
            let length = whole[start..]
                .windows(4)
                .position(|four| four == b"PK\x07\x08" || four == b"PK\x03\x04");
            let end = start + length.expect("an end");
            let text_end =
                start + whole[start..end].iter().rposition(|&b| b == b'}').expect("a brace") + 1;
            let text = &whole[start..text_end];
            let checksum = crc32fast::hash(text).to_le_bytes();
            let numbers = tokens(text, |b| b.is_ascii_digit() || b == b'-');
            let names = tokens(text, |b| b.is_ascii_alphanumeric() || b == b'_');
            for _ in 0..each {
                let mut changed = text.to_vec();
                for _ in 0..random.gen_range(1..4) {
                    // In place: the archive says how long the graph is.
                    let (place, with) = match random.gen_bool(0.5) {
                        true => {
                            let place = numbers.choose(&mut random).expect("a number").clone();
                            let with = [
                                "0",
                                "1",
                                "2",
                                "3",
                                "7",
                                "-1",
                                "-9",
                                "99",
                                "1048577",
                                "9223372036854775807",
                            ];
                            (place, with.choose(&mut random).expect("one").as_bytes().to_vec())
                        }
                        false => {
                            let place = names.choose(&mut random).expect("a name").clone();
                            (
                                place,
                                text[names.choose(&mut random).expect("a name").clone()].to_vec(),
                            )
                        }
                    };
                    let mut with = with;
                    with.truncate(place.len());
                    // Before a number, blanks; behind a name, what it had.
                    let blanks = place.len() - with.len();
                    let number = with.iter().all(|b| b.is_ascii_digit() || *b == b'-');
                    let to = if number { place.start + blanks } else { place.start };
                    if number {
                        changed[place.start..to].fill(b' ');
                    }
                    changed[to..to + with.len()].copy_from_slice(&with);
                }
                let mut file = whole.clone();
                file[start..text_end].copy_from_slice(&changed);
                let new = crc32fast::hash(&changed).to_le_bytes();
                for at in 0..file.len() - 3 {
                    if whole[at..at + 4] == checksum {
                        file[at..at + 4].copy_from_slice(&new);
                    }
                }
                opened += usize::from(read(&mut Cursor::new(file), name, None).is_ok());
            }
        }
        // They came as far as that.
        assert!(opened > 0, "none could be opened");
    }

    /// The same of ONNX's files, with whatever bytes changed. The slowest is printed.
    #[test]
    fn no_graph_of_onnx_makes_a_panic() {
        let count = std::env::var("CONVLENS_MUTATIONS").ok().and_then(|n| n.parse().ok());
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/onnx");
        let copies = tempfile::tempdir().expect("a folder");
        let path = copies.path().join("changed.onnx");
        let mut random = StdRng::seed_from_u64(2);
        let mut opened = 0;
        let mut slowest = (std::time::Duration::ZERO, String::new());
        let names = [
            "keras",
            "token",
            "frozen_batch",
            "squeeze_11",
            "resize_10",
            "pad_and_slice_9",
            "computed_shape",
            "average_pool_ceil",
            "conv_transpose_same",
            "top_k_9",
        ];
        let each: usize = count.unwrap_or(1000) / names.len();
        for name in names {
            let whole = std::fs::read(folder.join(format!("{name}.onnx"))).expect("a file");
            let words = tokens(&whole, |b| b.is_ascii_alphanumeric() || b == b'_');
            let words: Vec<Range<usize>> =
                words.into_iter().filter(|word| word.len() > 1).collect();
            for nth in 0..each {
                let mut changed = whole.clone();
                for _ in 0..random.gen_range(1..4) {
                    match random.gen_range(0..3) {
                        // A number, a length or a type.
                        0 => {
                            let values = [0, 1, 2, 3, 4, 5, 7, 16, 0x7f, 0x80, 0xff];
                            let at = random.gen_range(0..changed.len());
                            changed[at] = *values.choose(&mut random).expect("one");
                        }
                        1 => {
                            let at = random.gen_range(0..changed.len());
                            changed[at] ^= 1 << random.gen_range(0..8);
                        }
                        // A name for another one.
                        _ => {
                            let to = words.choose(&mut random).expect("a word").clone();
                            let alike: Vec<_> =
                                words.iter().filter(|word| word.len() == to.len()).collect();
                            let from = (*alike.choose(&mut random).expect("itself")).clone();
                            changed[to].copy_from_slice(&whole[from]);
                        }
                    }
                }
                std::fs::write(&path, &changed).expect("writes");
                let start = std::time::Instant::now();
                opened += usize::from(open(&path, None).is_ok());
                let took = start.elapsed();
                if took > slowest.0 {
                    slowest = (took, format!("{name}, change {nth}"));
                }
            }
        }
        println!("{opened} opened; the slowest took {:?}: {}", slowest.0, slowest.1);
        assert!(opened > 0, "none could be opened");
    }
}
