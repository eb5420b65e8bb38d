//! Sections from files: SEG-Y, numpy's arrays, pictures. What is in the file decides, not its name.

use std::fs::File;
use std::io::{BufReader, Cursor, Read, Seek};
use std::path::Path;

use convlens::photo::Photo;
use convlens::picture::Maps;
use convlens::tensor::to_floats;
use convlens::{Error, Result, weights};
use convlens_formats::segy::Segy;
use convlens_formats::{Parsed, npy};

use super::{MOST_SAMPLES, Section};

/// What a TIFF begins with: in either order of bytes, and with addresses of 32 or, as BigTIFF, 64 bits.
const TIFF: [&[u8]; 4] = [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"];

/// How much of a file is looked at to recognise it.
const HEAD: u64 = 3600;

impl Section {
    /// Opens a section: a SEG-Y file, a two-dimensional `.npy` array of numbers, a TIFF of one channel,
    /// whose numbers are the amplitudes as they are stored, or a picture in grey, 0 to 1: what
    /// [`Photo::open`] opens.
    ///
    /// SEG-Y: revisions 0 and 1, samples of the formats 1 (IBM floats), 2, 3 and 8 (integers of 4,
    /// 2 and 1 bytes) and 5 (IEEE floats), big-endian as the standard wants it or little-endian as
    /// some write it, with extended textual headers. Traces become columns in the order in which
    /// they stand in the file. Of a volume, where several traces share an inline number (bytes 189
    /// to 192 of their headers) and others have another one, the first inline is taken:
    /// [`open_inline`](Section::open_inline) takes any. All traces must be of the same length.
    ///
    /// # Errors
    /// Files that cannot be read or are something else, that end too early or hold what no section
    /// can: with the place in the file.
    pub fn open(path: impl AsRef<Path>) -> Result<Section> {
        Self::open_file(path.as_ref(), None)
    }

    /// Opens one inline of a SEG-Y volume: the traces with this number in bytes 189 to 192 of their
    /// headers. Of the others only the headers are read.
    ///
    /// # Errors
    /// As [`open`](Section::open), and when there is no such inline.
    pub fn open_inline(path: impl AsRef<Path>, inline: i32) -> Result<Section> {
        Self::open_file(path.as_ref(), Some(inline))
    }

    /// A section from a file's bytes, as [`open`](Section::open) reads it.
    ///
    /// # Errors
    /// As [`open`](Section::open).
    pub fn from_bytes(bytes: &[u8]) -> Result<Section> {
        Self::parse(Cursor::new(bytes), None)
            .map_err(|message| Error::Image(format!("the section {message}")))
    }

    fn open_file(path: &Path, inline: Option<i32>) -> Result<Section> {
        if path.is_dir() {
            return Err(Error::file(path, "this is a folder; name a section in it"));
        }
        let file =
            File::open(path).map_err(|e| Error::file(path, format!("cannot be read: {e}")))?;
        let section = Self::parse(BufReader::with_capacity(1 << 16, file), inline);
        let section = section.map_err(|message| Error::file(path, message))?;
        let name = path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = name.unwrap_or_default();
        Ok(match section.title() {
            "section" => section.titled(&name),
            inline => {
                let title = format!("{name}, {inline}");
                section.titled(&title)
            }
        })
    }

    /// The title is "section", or names the inline.
    fn parse<R: Read + Seek>(mut source: R, inline: Option<i32>) -> Parsed<Section> {
        let fail = |e: std::io::Error| format!("cannot be read: {e}");
        let mut bytes = Vec::new();
        source.by_ref().take(HEAD).read_to_end(&mut bytes).map_err(fail)?;
        let array = bytes.starts_with(npy::MAGIC);
        let tiff = TIFF.iter().any(|magic| bytes.starts_with(magic));
        if array || tiff || image::guess_format(&bytes).is_ok() {
            if inline.is_some() {
                return Err("has no inlines: it is not a SEG-Y file".into());
            }
            source.read_to_end(&mut bytes).map_err(fail)?;
            return match (array, tiff) {
                (true, _) => from_array(&bytes),
                (_, true) => from_tiff(&bytes),
                _ => from_picture(&bytes),
            };
        }
        let mut segy = Segy::new(source, &bytes)?;
        let (inline, width, traces) = segy.traces(inline, MOST_SAMPLES)?;
        let height = segy.samples();
        let amplitudes = super::transposed(&traces, width, height);
        let section = Section::new(height, width, amplitudes).map_err(|e| e.to_string())?;
        Ok(match inline {
            Some(number) => section.titled(&format!("inline {number}")),
            None => section,
        })
    }
}

fn from_array(bytes: &[u8]) -> Parsed<Section> {
    let array = weights::from_npy(bytes).map_err(|e| format!("is no section: {e}"))?;
    let shape = array.size();
    let &[height, width] = shape.as_slice() else {
        return Err(format!(
            "is an array of the shape {shape:?}; a section has two dimensions, [samples, traces]"
        ));
    };
    let values = to_floats(&array).map_err(|e| e.to_string())?;
    Section::new(height as usize, width as usize, values).map_err(|e| e.to_string())
}

/// The numbers of one channel; of several, they are a picture's.
fn from_tiff(bytes: &[u8]) -> Parsed<Section> {
    let maps = match Maps::from_bytes(bytes) {
        Ok(maps) if maps.count() == 1 => maps,
        // Several channels may have too many numbers for maps, but not for a picture.
        Ok(_) | Err(Error::Shape(_)) => return from_picture(bytes),
        Err(error) => return Err(format!("cannot be read: {error}")),
    };
    let values = maps.values().to_vec();
    Section::new(maps.height(), maps.width(), values).map_err(|e| e.to_string())
}

fn from_picture(bytes: &[u8]) -> Parsed<Section> {
    let photo = Photo::from_bytes(bytes).map_err(|e| format!("cannot be read: {e}"))?;
    let picture = photo.picture().to_rgb();
    // The same luma as in `Preprocess`.
    let grey = |pixel: &image::Rgb<u8>| {
        let [red, green, blue] = pixel.0.map(f32::from);
        (0.299 * red + 0.587 * green + 0.114 * blue) / 255.0
    };
    let (width, height) = (picture.width() as usize, picture.height() as usize);
    Section::new(height, width, picture.pixels().map(grey).collect()).map_err(|e| e.to_string())
}
