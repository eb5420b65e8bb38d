//! JPEGs whose end marker is missing: whether the picture is whole all the same.
//!
//! Most viewers open such a file, and so does this. But the decoder paints rows that are missing grey
//! without a word. So a file without an end is decoded several times, with different tails behind its
//! last byte: a whole picture never reads them, a truncated one differs.

use std::io::Cursor;

use image::codecs::jpeg::JpegDecoder;
use image::{DynamicImage, ImageResult};

const END: [u8; 2] = [0xff, 0xd9];

/// Bytes that stand for rows that are missing. None of them holds a marker.
const TAILS: [[u8; 3]; 3] = [[0x00, 0x00, 0x00], [0x6a, 0x93, 0xd5], [0x2b, 0x1d, 0x54]];

/// How long a tail is: one missing block has to differ, and a block takes a few hundred bytes at most.
const TAIL: usize = 1 << 12;

/// A scan may end in a few zeros of its own; more are what an interrupted download leaves.
const ZEROS: usize = 16;

/// What the markers of a JPEG say.
pub(super) struct Markers {
    /// Where the data of the first scan begin; none for a file without any.
    scan: Option<usize>,
    /// Whether the end marker follows the first scan.
    pub(super) ended: bool,
    /// Whether every component has been sent to its last bit.
    all_scans: bool,
}

impl Markers {
    /// Reads the markers. Segments are passed by their lengths, thumbnails included.
    pub(super) fn of(bytes: &[u8]) -> Markers {
        let mut markers = Markers { scan: None, ended: false, all_scans: false };
        let mut sent = Sent::default();
        let mut at = 2;
        while let Some(&[0xff, marker]) = bytes.get(at..at + 2) {
            let length = match bytes.get(at + 2..at + 4) {
                Some(&[high, low]) => usize::from(u16::from_be_bytes([high, low])),
                _ => 0,
            };
            let segment = bytes.get(at + 4..at + 2 + length).unwrap_or_default();
            at += match marker {
                0xff => 1,
                0x01 | 0xd0..=0xd8 => 2,
                0xd9 => break,
                _ => 2 + length.max(2),
            };
            match marker {
                0xc0..=0xc2 => sent.frame(segment),
                0xda => {
                    sent.scan(segment);
                    let start = *markers.scan.get_or_insert(at);
                    markers.ended |= start == at
                        && bytes[at.min(bytes.len())..].windows(2).any(|pair| pair == END);
                    at += data_length(&bytes[at.min(bytes.len())..]);
                }
                _ => {}
            }
        }
        markers.all_scans = sent.all();
        markers
    }
}

/// How long a scan's data are: up to the next marker that does not belong to them.
fn data_length(data: &[u8]) -> usize {
    let ends = |pair: &[u8]| pair[0] == 0xff && !matches!(pair[1], 0x00 | 0xd0..=0xd7 | 0xff);
    data.windows(2).position(ends).unwrap_or(data.len())
}

/// Of each component of the frame, by its number: which bit of its 64 coefficients was sent last.
#[derive(Default)]
struct Sent(Vec<(u8, [u8; 64])>);

impl Sent {
    fn frame(&mut self, segment: &[u8]) {
        let components = segment.get(6..).unwrap_or_default().chunks_exact(3);
        self.0 = components.map(|component| (component[0], [u8::MAX; 64])).collect();
    }

    fn scan(&mut self, segment: &[u8]) {
        let count = segment.first().map_or(0, |&count| usize::from(count));
        let Some(&[first, last, bits]) = segment.get(1 + 2 * count..4 + 2 * count) else { return };
        for component in segment[1..1 + 2 * count].chunks_exact(2) {
            for (_, sent) in self.0.iter_mut().filter(|(number, _)| *number == component[0]) {
                for bit in sent.iter_mut().take(usize::from(last) + 1).skip(usize::from(first)) {
                    *bit = bits & 0xf;
                }
            }
        }
    }

    fn all(&self) -> bool {
        !self.0.is_empty() && self.0.iter().all(|(_, sent)| sent.iter().all(|&bit| bit == 0))
    }
}

/// The picture of a file without an end marker; `None` where a part of it is missing.
pub(super) fn without_end(bytes: &[u8], markers: &Markers) -> ImageResult<Option<DynamicImage>> {
    let Some(start) = markers.scan.filter(|_| markers.all_scans) else { return Ok(None) };
    let data = bytes.get(start..).unwrap_or_default();
    let Some(last) = data.iter().rposition(|&byte| byte != 0) else { return Ok(None) };
    let zeros = data.len() - (last + 1);
    let length = if zeros > ZEROS { last + 1 } else { data.len() };
    let stuffed = data[..length].ends_with(&[0xff]) && length < data.len();
    // Of the marker itself, half may be there, with bytes that fill up before it.
    let mut known = &bytes[..start + length + usize::from(stuffed)];
    while let Some(rest) = known.strip_suffix(&[0xff]) {
        known = rest;
    }
    let mut first: Option<DynamicImage> = None;
    for tail in TAILS {
        let tail = tail.iter().copied().cycle().take(TAIL);
        let file: Vec<u8> = known.iter().copied().chain(tail).chain(END).collect();
        let picture = JpegDecoder::new(Cursor::new(file)).and_then(DynamicImage::from_decoder);
        match (picture, &first) {
            (Ok(picture), None) => first = Some(picture),
            (Ok(picture), Some(first)) if picture.as_bytes() == first.as_bytes() => {}
            // What follows a whole picture is not read.
            (_, Some(_)) => return Ok(None),
            (Err(error), None) => return Err(error),
        }
    }
    Ok(first)
}
