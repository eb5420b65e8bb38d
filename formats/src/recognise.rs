//! Which format a file has, by its first bytes; for what is not one, what it is instead.

use std::io::Cursor;

use super::{Parsed, npy, onnx, safetensors};

/// How many bytes it takes to tell.
pub(super) const HEAD: u64 = 512;

/// A format that holds weights.
pub(super) enum Format {
    Safetensors,
    /// `.pth` since PyTorch 1.6, `.pt2`, TorchScript, tch's `.ot`, and numpy's `.npz`.
    Zip,
    /// `.pth` before PyTorch 1.6.
    Pickle,
}

/// How HDF5 files begin.
pub(super) const HDF5: &[u8] = b"\x89HDF";

const ADVICE: &str = "convlens reads .safetensors, PyTorch's .pth, .pt and .pt2, tch's .ot and \
                      numpy's .npz";

/// The format of a file that begins with `head` and has `length` bytes.
pub(super) fn format(head: &[u8], length: u64) -> Parsed<Format> {
    if length == 0 {
        return Err(format!("the file is empty; {ADVICE}"));
    }
    if is_zip(head) {
        return Ok(Format::Zip);
    }
    if safetensors::begins(head) {
        return Ok(Format::Safetensors);
    }
    if let [0x80, 0..=5, ..] = head {
        return Ok(Format::Pickle);
    }
    let text = String::from_utf8_lossy(head).to_lowercase();
    let text = text.trim_start();
    Err(if head.starts_with(npy::MAGIC) {
        "the file is a single array of numpy's, with no name: put it into a .npz with \
         np.savez(path, name=array)"
            .into()
    } else if head.starts_with(HDF5) {
        "the file is an HDF5 file, as Keras writes them: copy its arrays into a .npz with numpy \
         first"
            .into()
    } else if text.starts_with("<!doctype")
        || text.starts_with("<html")
        || text.starts_with("<?xml")
    {
        "the file is a web page, not weights: the download went wrong".into()
    } else if text.starts_with("version https://git-lfs") {
        "the file is Git LFS's note of where the weights are, not the weights: run git lfs pull"
            .into()
    } else if head.get(257..262) == Some(b"ustar") {
        "the file is a tar archive; if PyTorch before 0.1.11 wrote it, load it in Python and save \
         it again"
            .into()
    } else if head.starts_with(b"\x1f\x8b") {
        format!("the file is compressed with gzip: unpack it first; {ADVICE}")
    } else if onnx::is_network(&mut Cursor::new(head)).unwrap_or(false) {
        "the file is a network in ONNX, graph and weights in one: open it as a network, not as weights"
            .into()
    } else {
        format!("the file begins with {}, which is no format of weights; {ADVICE}", beginning(head))
    })
}

/// Whether a file that begins with `head` is a zip archive.
pub(super) fn is_zip(head: &[u8]) -> bool {
    head.starts_with(b"PK\x03\x04") || head.starts_with(b"PK\x05\x06")
}

/// The first bytes of a file, for an error message.
fn beginning(bytes: &[u8]) -> String {
    let first = bytes.get(..12).unwrap_or(bytes);
    match std::str::from_utf8(first) {
        Ok(text) => format!("the text {text:?}"),
        Err(_) => format!("the bytes {first:02x?}"),
    }
}
