//! SEG-Y, revisions 0 and 1: a textual header of 3200 bytes, a binary one of 400, perhaps more
//! textual ones, and traces, each with a header of 240 bytes.
//! <https://library.seg.org/pb-assets/technical-standards/seg_y_rev1-1686080991247.pdf>
//!
//! Nothing is allocated that the file's length does not back.

use std::io::{Read, Seek, SeekFrom};

use super::Parsed;

const TEXT_HEADER: u64 = 3200;
const TRACE_HEADER: u64 = 240;
/// Where the binary header has the number of samples, the format, the revision and the number of
/// extended textual headers.
const SAMPLES: usize = 3220;
const FORMAT: usize = 3224;
const REVISION: usize = 3500;
const EXTENDED: usize = 3504;
/// Where a trace header has its number of samples and its inline number.
const TRACE_SAMPLES: u64 = 114;
const INLINE: u64 = 188;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Big,
    Little,
}

impl Order {
    /// The bytes as the standard has them, most significant first.
    fn big<const N: usize>(self, mut bytes: [u8; N]) -> [u8; N] {
        if self == Order::Little {
            bytes.reverse();
        }
        bytes
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Ibm,
    I32,
    I16,
    Ieee,
    I8,
}

impl Format {
    fn of(code: i16) -> Option<Format> {
        match code {
            1 => Some(Format::Ibm),
            2 => Some(Format::I32),
            3 => Some(Format::I16),
            5 => Some(Format::Ieee),
            8 => Some(Format::I8),
            _ => None,
        }
    }

    /// Bytes a sample.
    fn size(self) -> u64 {
        match self {
            Format::Ibm | Format::I32 | Format::Ieee => 4,
            Format::I16 => 2,
            Format::I8 => 1,
        }
    }
}

/// A SEG-Y file whose headers have been read.
pub struct Segy<R> {
    source: R,
    order: Order,
    format: Format,
    samples: usize,
    /// Where the first trace begins.
    start: u64,
    count: u64,
}

impl<R: Read + Seek> Segy<R> {
    /// `head` is the beginning of the file, both headers if it has them.
    ///
    /// # Errors
    /// What is no SEG-Y file, or of a kind that is not read, with the place in the file.
    pub fn new(mut source: R, head: &[u8]) -> Parsed<Segy<R>> {
        let length = source.seek(SeekFrom::End(0)).map_err(|e| format!("cannot be read: {e}"))?;
        let field = |at: usize| -> Parsed<[u8; 2]> {
            head.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or_else(|| {
                format!(
                    "is no section: it is neither a .npy array nor a picture, and at {length} \
                     bytes too short for SEG-Y, whose headers alone have 3600"
                )
            })
        };
        let code = field(FORMAT)?;
        let known = |order: Order| {
            Format::of(i16::from_be_bytes(order.big(code))).map(|format| (order, format))
        };
        let Some((order, format)) = known(Order::Big).or_else(|| known(Order::Little)) else {
            return Err(format!(
                "is no section: it is neither a .npy array nor a picture, and if it is SEG-Y, its \
                 samples are of format {} (byte {FORMAT}); 1, 2, 3, 5 and 8 are read",
                i16::from_be_bytes(code)
            ));
        };
        let number = |at: usize| Ok::<u16, String>(u16::from_be_bytes(order.big(field(at)?)));
        let mut segy =
            Segy { source, order, format, samples: 0, start: TEXT_HEADER + 400, count: 0 };
        // Before revision 1 the place of the extended headers meant nothing.
        if number(REVISION)? >> 8 >= 1 {
            segy.skip_text(number(EXTENDED)? as i16, length)?;
        }
        let mut samples = u64::from(number(SAMPLES)?);
        if samples == 0 && segy.start + TRACE_HEADER <= length {
            samples = u64::from(u16::from_be_bytes(segy.read(segy.start + TRACE_SAMPLES)?));
        }
        if samples == 0 {
            return Err(format!(
                "has traces without samples, by the binary header (byte {SAMPLES}) and by the \
                 first trace's (byte {})",
                segy.start + TRACE_SAMPLES
            ));
        }
        segy.samples = samples as usize;
        let rest = length.saturating_sub(segy.start);
        segy.count = rest / segy.trace_length();
        if !rest.is_multiple_of(segy.trace_length()) || segy.count == 0 {
            return Err(format!(
                "ends at byte {length} in trace {}, which begins at byte {} and, with the {samples} \
                 samples that the headers claim, takes {} bytes",
                segy.count + 1,
                segy.start + segy.count * segy.trace_length(),
                segy.trace_length()
            ));
        }
        Ok(segy)
    }

    /// The number of samples in each trace.
    pub fn samples(&self) -> usize {
        self.samples
    }

    fn trace_length(&self) -> u64 {
        TRACE_HEADER + self.samples as u64 * self.format.size()
    }

    /// Moves the start behind the extended textual headers: so many, or, for -1, up to the one that
    /// says that it is the last.
    fn skip_text(&mut self, count: i16, length: u64) -> Parsed<()> {
        let beyond = |start: u64| {
            format!("ends at byte {length} in the extended textual header that begins at {start}")
        };
        if count >= 0 {
            self.start += TEXT_HEADER * count as u64;
            return if self.start <= length { Ok(()) } else { Err(beyond(TEXT_HEADER + 400)) };
        }
        loop {
            let begin = self.start;
            if begin + TEXT_HEADER > length {
                return Err(beyond(begin));
            }
            let text: [u8; TEXT_HEADER as usize] = self.read_plain(begin)?;
            self.start += TEXT_HEADER;
            // "((SEG: EndText))" in ASCII and in EBCDIC.
            let ends = |mark: &[u8]| text.windows(mark.len()).any(|part| part == mark);
            if ends(b"((SEG: EndText))")
                || ends(b"\x4d\x4d\xe2\xc5\xc7\x7a\x40\xc5\x95\x84\xe3\x85\xa7\xa3\x5d\x5d")
            {
                return Ok(());
            }
        }
    }

    /// The traces of an inline one after the other, with their number; for `None`, of the first
    /// inline where there are several, else all. More than `most` samples are not read.
    ///
    /// # Errors
    /// When there is no such inline, there are more samples, or the file cannot be read.
    pub fn traces(
        &mut self,
        inline: Option<i32>,
        most: usize,
    ) -> Parsed<(Option<i32>, usize, Vec<f32>)> {
        let (first, last) = (self.inline(0)?, self.inline(self.count - 1)?);
        let wanted = match inline {
            Some(number) => Some(number),
            None if first == last => None,
            None => Some(first),
        };
        let mut chosen: Vec<u64> = (0..self.count).collect();
        let mut named = wanted;
        if let Some(number) = wanted {
            let (mut lowest, mut highest) = (i32::MAX, i32::MIN);
            let mut same = Vec::new();
            for trace in 0..self.count {
                let here = self.inline(trace)?;
                (lowest, highest) = (lowest.min(here), highest.max(here));
                if here == number {
                    same.push(trace);
                }
            }
            match same.len() {
                0 => {
                    return Err(format!(
                        "has no inline {number}: they go from {lowest} to {highest}"
                    ));
                }
                // A line whose traces are numbered there.
                1 if inline.is_none() => named = None,
                _ => chosen = same,
            }
        }
        if (chosen.len() as u64).saturating_mul(self.samples as u64) > most as u64 {
            return Err(format!(
                "has {} traces of {} samples, more than the {} million that are read; of a volume, \
                 `Section::open_inline` reads one inline",
                chosen.len(),
                self.samples,
                most / 1_000_000
            ));
        }
        let mut values = Vec::with_capacity(chosen.len() * self.samples);
        let mut bytes = vec![0; (self.trace_length() - TRACE_HEADER) as usize];
        for &trace in &chosen {
            let place = self.start + trace * self.trace_length() + TRACE_HEADER;
            self.seek(place)?;
            self.source.read_exact(&mut bytes).map_err(|e| unreadable(place, &e))?;
            self.convert(&bytes, &mut values);
        }
        Ok((named, chosen.len(), values))
    }

    fn inline(&mut self, trace: u64) -> Parsed<i32> {
        Ok(i32::from_be_bytes(self.read(self.start + trace * self.trace_length() + INLINE)?))
    }

    fn convert(&self, bytes: &[u8], out: &mut Vec<f32>) {
        let order = self.order;
        let words = || bytes.as_chunks::<4>().0.iter().map(|&word| order.big(word));
        match self.format {
            Format::Ibm => out.extend(words().map(|word| ibm(u32::from_be_bytes(word)))),
            Format::I32 => out.extend(words().map(|word| i32::from_be_bytes(word) as f32)),
            Format::Ieee => out.extend(words().map(f32::from_be_bytes)),
            Format::I16 => {
                let pairs = bytes.as_chunks::<2>().0.iter();
                out.extend(pairs.map(|&pair| f32::from(i16::from_be_bytes(order.big(pair)))));
            }
            Format::I8 => out.extend(bytes.iter().map(|&byte| f32::from(byte as i8))),
        }
    }

    fn seek(&mut self, place: u64) -> Parsed<()> {
        // Within what is buffered, this costs nothing.
        let at = self.source.stream_position().map_err(|e| unreadable(place, &e))?;
        let step = place as i64 - at as i64;
        self.source.seek_relative(step).map_err(|e| unreadable(place, &e))
    }

    fn read_plain<const N: usize>(&mut self, place: u64) -> Parsed<[u8; N]> {
        let mut bytes = [0; N];
        self.seek(place)?;
        self.source.read_exact(&mut bytes).map_err(|e| unreadable(place, &e))?;
        Ok(bytes)
    }

    /// A number, most significant byte first.
    fn read<const N: usize>(&mut self, place: u64) -> Parsed<[u8; N]> {
        Ok(self.order.big(self.read_plain(place)?))
    }
}

fn unreadable(place: u64, error: &std::io::Error) -> String {
    format!("cannot be read at byte {place}: {error}")
}

/// An IBM System/360 float: sign, an exponent of 16 with an excess of 64, and a fraction of 24 bits.
/// `±fraction / 2²⁴ · 16^(exponent − 64)`, exact unless it is too large or too small for IEEE.
fn ibm(word: u32) -> f32 {
    let fraction = f64::from(word & 0x00ff_ffff);
    let exponent = (word >> 24 & 0x7f) as i32 - 64;
    let value = fraction * 2f64.powi(4 * exponent - 24);
    (if word >> 31 == 1 { -value } else { value }) as f32
}

#[cfg(test)]
mod tests {
    use super::ibm;

    #[test]
    fn ibm_floats_are_those_of_the_books() {
        // -118.625 is the usual example.
        for (word, value) in [
            (0xc276_a000, -118.625),
            (0x4110_0000, 1.0),
            (0x4080_0000, 0.5),
            (0, 0.0),
            (0x7fff_ffff, f32::INFINITY),
            (0x0010_0000, 0.0),
        ] {
            assert_eq!(ibm(word), value, "{word:08x}");
        }
    }
}
