//! Compression for PNG: a filter for each row, then Huffman codes and runs of zeros.
//!
//! Smooth pictures leave small differences after filtering, and repetitions longer than a run of
//! zeros are rare there: codes fitted to each part compress as well as zlib's search for
//! repetitions, in a tenth of its time. The inner loops use wrapping arithmetic where nothing can
//! wrap: notebooks compile with overflow checks, which the compiler cannot vectorise.

use std::thread;

/// Bytes that share their codes.
const BLOCK: usize = 96 * 1024;
/// Worth a second thread from here on.
const LARGE: usize = 512 * 1024;
/// Four codes of this length and a rest of 7 bits fit into 64 bits.
const LONGEST: usize = 12;

/// Rows of pixels of `depth` bytes as a zlib stream of filtered rows, as PNG wants it.
pub(super) fn zlib(data: &[u8], row_bytes: usize, depth: usize) -> Vec<u8> {
    let rows = data.len() / row_bytes;
    let whole = |from, to, last| Part { data, row_bytes, depth, from, to, last }.compress();
    let parts = if data.len() >= LARGE && rows > 1 {
        thread::scope(|scope| {
            let half = rows / 2;
            let other = thread::Builder::new().spawn_scoped(scope, move || whole(half, rows, true));
            let first = whole(0, half, false);
            let second = other.ok().and_then(|thread| thread.join().ok());
            vec![first, second.unwrap_or_else(|| whole(half, rows, true))]
        })
    } else {
        vec![whole(0, rows, true)]
    };
    let size: usize = parts.iter().map(|part| part.bytes.len()).sum();
    let mut stream = Vec::with_capacity(size + 6);
    // Deflate with a window of 32 kB, no preset dictionary.
    stream.extend([0x78, 0x5e]);
    let mut sum = Adler::default();
    for part in &parts {
        stream.extend_from_slice(&part.bytes);
        sum = sum.followed_by(&part.sum);
    }
    stream.extend(sum.value().to_be_bytes());
    stream
}

struct Part<'a> {
    data: &'a [u8],
    row_bytes: usize,
    depth: usize,
    from: usize,
    to: usize,
    last: bool,
}

struct Compressed {
    bytes: Vec<u8>,
    sum: Adler,
}

impl Part<'_> {
    fn compress(&self) -> Compressed {
        let n = self.row_bytes;
        let rows_in_block = (BLOCK / (n + 1)).max(1);
        let mut filter = Filter::new(n, self.depth);
        let mut bits = Bits::default();
        let mut sum = Adler::default();
        let mut filtered = Vec::with_capacity(rows_in_block * (n + 1) + 8);
        let mut row = self.from;
        while row < self.to {
            let end = (row + rows_in_block).min(self.to);
            filtered.clear();
            for y in row..end {
                let above = y.checked_sub(1).map(|above| &self.data[above * n..(above + 1) * n]);
                filter.append(&self.data[y * n..(y + 1) * n], above, &mut filtered);
            }
            sum.update(&filtered);
            block(&filtered, self.last && end == self.to, &mut bits);
            row = end;
        }
        if !self.last {
            // An empty stored block ends on a whole byte, where the next part can begin.
            stored(&[], false, &mut bits);
        }
        Compressed { bytes: bits.finish(), sum }
    }
}

/// PNG's row filters, and the choice between them.
struct Filter {
    depth: usize,
    zeros: Vec<u8>,
    best: Vec<u8>,
    trial: Vec<u8>,
}

impl Filter {
    fn new(row_bytes: usize, depth: usize) -> Filter {
        let zeros = vec![0; row_bytes];
        Filter { depth, best: zeros.clone(), trial: zeros.clone(), zeros }
    }

    /// Appends the row under the filter that leaves the smallest sum of magnitudes.
    fn append(&mut self, row: &[u8], above: Option<&[u8]>, out: &mut Vec<u8>) {
        let above = above.unwrap_or(&self.zeros);
        let mut chosen = (0u8, u64::MAX);
        for kind in [2, 1, 4, 3, 0] {
            apply(kind, row, above, self.depth, &mut self.trial);
            let cost = magnitude(&self.trial);
            if cost < chosen.1 {
                chosen = (kind, cost);
                std::mem::swap(&mut self.best, &mut self.trial);
            }
            if cost == 0 {
                break;
            }
        }
        out.push(chosen.0);
        out.extend_from_slice(&self.best);
    }
}

fn apply(kind: u8, row: &[u8], above: &[u8], depth: usize, out: &mut [u8]) {
    let n = row.len();
    let (above, out) = (&above[..n], &mut out[..n]);
    // The pixel to the left of the first one counts as 0.
    let (start, rest) = out.split_at_mut(depth.min(n));
    let d = start.len();
    for i in 0..d {
        start[i] = match kind {
            2 | 4 => row[i].wrapping_sub(above[i]),
            3 => row[i].wrapping_sub(above[i] / 2),
            _ => row[i],
        };
    }
    let (x, left) = (&row[d..], &row[..n - d]);
    let (up, corner) = (&above[d..], &above[..n - d]);
    let m = rest.len();
    let (x, left, up, corner) = (&x[..m], &left[..m], &up[..m], &corner[..m]);
    match kind {
        0 => rest.copy_from_slice(x),
        1 => (0..m).for_each(|i| rest[i] = x[i].wrapping_sub(left[i])),
        2 => (0..m).for_each(|i| rest[i] = x[i].wrapping_sub(up[i])),
        3 => (0..m).for_each(|i| {
            let mean = u16::from(left[i]).wrapping_add(u16::from(up[i])) / 2;
            rest[i] = x[i].wrapping_sub(mean as u8);
        }),
        _ => (0..m).for_each(|i| rest[i] = x[i].wrapping_sub(paeth(left[i], up[i], corner[i]))),
    }
}

fn paeth(left: u8, up: u8, corner: u8) -> u8 {
    let (a, b, c) = (i16::from(left), i16::from(up), i16::from(corner));
    let (right, down) = (b.wrapping_sub(c), a.wrapping_sub(c));
    let (pa, pb) = (right.wrapping_abs(), down.wrapping_abs());
    let pc = right.wrapping_add(down).wrapping_abs();
    let second = if pb <= pc { b } else { c };
    (if pa <= pb && pa <= pc { a } else { second }) as u8
}

fn magnitude(bytes: &[u8]) -> u64 {
    bytes
        .chunks(4096)
        .map(|part| {
            let sizes = part.iter().map(|&b| u32::from(b.min(b.wrapping_neg())));
            let sum = sizes.fold(0, u32::wrapping_add);
            u64::from(sum)
        })
        .sum()
}

/// zlib's checksum.
struct Adler {
    a: u32,
    b: u32,
    len: u64,
}

impl Default for Adler {
    fn default() -> Adler {
        Adler { a: 1, b: 0, len: 0 }
    }
}

impl Adler {
    const MODULUS: u32 = 65521;

    fn update(&mut self, bytes: &[u8]) {
        self.len += bytes.len() as u64;
        // Sums of 32 bytes at once, plain and weighted, are what the compiler can vectorise. Over
        // 2,048 bytes the sums stay below 2^20 and 2^31.
        const N: usize = 32;
        for part in bytes.chunks(N * 64) {
            let (chunks, rest) = part.as_chunks::<N>();
            for chunk in chunks {
                let mut plain = 0u32;
                let mut weighted = 0u32;
                for (i, &byte) in chunk.iter().enumerate() {
                    plain = plain.wrapping_add(u32::from(byte));
                    let weight = N.wrapping_sub(i) as u32;
                    weighted = weighted.wrapping_add(u32::from(byte).wrapping_mul(weight));
                }
                self.b += N as u32 * self.a + weighted;
                self.a += plain;
            }
            for &byte in rest {
                self.a += u32::from(byte);
                self.b += self.a;
            }
            self.a %= Adler::MODULUS;
            self.b %= Adler::MODULUS;
        }
    }

    fn followed_by(&self, next: &Adler) -> Adler {
        let m = u64::from(Adler::MODULUS);
        let (a, b) = (u64::from(self.a), u64::from(self.b));
        let shift = (a + m - 1) % m * (next.len % m) % m;
        Adler {
            a: ((a + u64::from(next.a) + m - 1) % m) as u32,
            b: ((b + u64::from(next.b) + shift) % m) as u32,
            len: self.len + next.len,
        }
    }

    fn value(&self) -> u32 {
        self.b << 16 | self.a
    }
}

/// Bits, lowest first.
#[derive(Default)]
struct Bits {
    bytes: Vec<u8>,
    held: u64,
    count: u32,
}

impl Bits {
    /// Up to 57 bits may be held before they are written out.
    fn put(&mut self, value: u64, count: u32) {
        self.held |= value.wrapping_shl(self.count);
        self.count = self.count.wrapping_add(count);
    }

    fn write_out(&mut self) {
        let whole = self.count / 8;
        self.bytes.extend_from_slice(&self.held.to_le_bytes());
        self.bytes.truncate(self.bytes.len() - 8 + whole as usize);
        self.held = if whole == 8 { 0 } else { self.held >> (whole * 8) };
        self.count %= 8;
    }

    fn put_now(&mut self, value: u64, count: u32) {
        self.put(value, count);
        self.write_out();
    }

    fn align(&mut self) {
        self.count = self.count.div_ceil(8) * 8;
        self.write_out();
    }

    fn finish(mut self) -> Vec<u8> {
        self.align();
        self.bytes
    }
}

/// Bytes as they are.
fn stored(bytes: &[u8], last: bool, bits: &mut Bits) {
    let mut parts = bytes.chunks(65535).peekable();
    loop {
        let part = parts.next().unwrap_or_default();
        let end = parts.peek().is_none();
        bits.put_now(u64::from(last && end), 3);
        bits.align();
        let size = part.len() as u16;
        bits.bytes.extend(size.to_le_bytes());
        bits.bytes.extend((!size).to_le_bytes());
        bits.bytes.extend_from_slice(part);
        if end {
            break;
        }
    }
}

/// A stretch of bytes: literals, then a run of zeros.
struct Stretch {
    literals: usize,
    zeros: usize,
}

/// Looks for zeros eight bytes at a time: shorter runs cost more to find than they save.
fn stretches(bytes: &[u8]) -> Vec<Stretch> {
    let mut found = Vec::new();
    let (words, _) = bytes.as_chunks::<8>();
    let mut start = 0;
    let mut at = 0;
    while at < words.len() {
        if words[at] != [0; 8] {
            at += 1;
            continue;
        }
        let run = words[at..].iter().take_while(|word| **word == [0; 8]).count();
        found.push(Stretch { literals: at * 8 - start, zeros: run * 8 });
        at += run;
        start = at * 8;
    }
    found.push(Stretch { literals: bytes.len() - start, zeros: 0 });
    found
}

/// How a run of zeros is written: one literal, then copies of what stands one byte before, of up
/// to 258.
fn copies(zeros: usize) -> impl Iterator<Item = usize> {
    let mut left = zeros.saturating_sub(1);
    std::iter::from_fn(move || {
        // Fewer than 3 cannot be copied, so the second to last leaves enough.
        let next = if left > 258 && left < 261 { left - 3 } else { left.min(258) };
        left -= next;
        (next > 0).then_some(next)
    })
}

/// Symbol, number of extra bits and their value for a copy of 3 to 258 bytes.
fn length_symbol(length: usize) -> (usize, u32, u64) {
    match length {
        258 => (285, 0, 0),
        3..=10 => (254 + length, 0, 0),
        _ => {
            let value = length - 3;
            let extra = (value as u32).ilog2() - 2;
            let group = value >> extra; // 4..=7
            (257 + 4 * extra as usize + group, extra, (value & ((1 << extra) - 1)) as u64)
        }
    }
}

const END: usize = 256;

fn block(bytes: &[u8], last: bool, bits: &mut Bits) {
    let stretches = stretches(bytes);
    let mut counts = [[0u32; 256]; 4];
    let mut symbols = [0u32; 286];
    let mut extra_bits = 0u64;
    let mut at = 0;
    for stretch in &stretches {
        let literals = &bytes[at..at + stretch.literals];
        let (fours, rest) = literals.as_chunks::<4>();
        for four in fours {
            // Four tables, so that equal neighbours do not wait for each other.
            for (table, &byte) in counts.iter_mut().zip(four) {
                let count = &mut table[usize::from(byte)];
                *count = count.wrapping_add(1);
            }
        }
        for &byte in rest {
            counts[0][usize::from(byte)] += 1;
        }
        if stretch.zeros > 0 {
            symbols[0] += 1;
            for length in copies(stretch.zeros) {
                let (symbol, extra, _) = length_symbol(length);
                symbols[symbol] += 1;
                extra_bits += u64::from(extra) + 1;
            }
        }
        at += stretch.literals + stretch.zeros;
    }
    for table in &counts {
        for (symbol, count) in symbols.iter_mut().zip(table) {
            *symbol += count;
        }
    }
    symbols[END] = 1;

    let lengths = code_lengths(&symbols, LONGEST);
    let size: u64 =
        symbols.iter().zip(&lengths).map(|(&n, &length)| u64::from(n) * u64::from(length)).sum();
    if (size + extra_bits) / 8 + 100 >= bytes.len() as u64 {
        return stored(bytes, last, bits);
    }
    header(&lengths, last, bits);
    let codes = codes(&lengths);
    let put = |bits: &mut Bits, symbol: usize| {
        let (code, length) = codes[symbol];
        bits.put(u64::from(code), u32::from(length));
    };
    bits.bytes.reserve(((size + extra_bits) / 8) as usize + 64);
    let mut at = 0;
    for stretch in &stretches {
        let (fours, rest) = bytes[at..at + stretch.literals].as_chunks::<4>();
        for four in fours {
            for &byte in four {
                put(bits, usize::from(byte));
            }
            bits.write_out();
        }
        for &byte in rest {
            put(bits, usize::from(byte));
        }
        bits.write_out();
        if stretch.zeros > 0 {
            put(bits, 0);
            bits.write_out();
            for length in copies(stretch.zeros) {
                let (symbol, extra, value) = length_symbol(length);
                put(bits, symbol);
                bits.put(value, extra);
                // The only distance, 1, has the code 0 of length 1.
                bits.put(0, 1);
                bits.write_out();
            }
        }
        at += stretch.literals + stretch.zeros;
    }
    put(bits, END);
    bits.write_out();
}

/// Huffman's code lengths for these counts, none above `longest`.
fn code_lengths(counts: &[u32], longest: usize) -> Vec<u8> {
    let mut used: Vec<(u32, usize)> = counts
        .iter()
        .enumerate()
        .filter_map(|(symbol, &count)| (count > 0).then_some((count, symbol)))
        .collect();
    used.sort_unstable();
    let mut lengths = vec![0u8; counts.len()];
    if used.len() < 2 {
        // A complete code has at least two symbols.
        let only = used.first().map_or(0, |&(_, symbol)| symbol);
        lengths[only] = 1;
        lengths[if only == 0 { 1 } else { 0 }] = 1;
        return lengths;
    }
    // Two queues, both sorted: leaves, and the nodes made of them.
    let n = used.len();
    let mut weights: Vec<u64> = used.iter().map(|&(count, _)| u64::from(count)).collect();
    let mut parents = vec![0usize; 2 * n - 1];
    let (mut leaf, mut node) = (0, n);
    for new in n..2 * n - 1 {
        let mut weight = 0;
        for _ in 0..2 {
            let take_leaf = leaf < n && (node >= new || weights[leaf] <= weights[node]);
            let taken = if take_leaf { &mut leaf } else { &mut node };
            weight += weights[*taken];
            parents[*taken] = new;
            *taken += 1;
        }
        weights.push(weight);
    }
    let mut depths = vec![0usize; 2 * n - 1];
    let mut of_depth = vec![0usize; longest + 1];
    for i in (0..2 * n - 2).rev() {
        depths[i] = depths[parents[i]] + 1;
        if i < n {
            of_depth[depths[i].min(longest)] += 1;
        }
    }
    // Codes cut to the longest make the code too full: lengthen short ones until it fits.
    let full = 1usize << longest;
    let mut filled: usize =
        (1..=longest).map(|length| of_depth[length] << (longest - length)).sum();
    while filled > full {
        let Some(shorter) = (1..longest).rev().find(|&length| of_depth[length] > 0) else { break };
        of_depth[shorter] -= 1;
        of_depth[shorter + 1] += 2;
        of_depth[longest] -= 1;
        filled -= 1;
    }
    // The rarest symbols get the longest codes.
    let mut symbols = used.iter().map(|&(_, symbol)| symbol);
    for length in (1..=longest).rev() {
        for symbol in symbols.by_ref().take(of_depth[length]) {
            lengths[symbol] = length as u8;
        }
    }
    lengths
}

/// The canonical codes of these lengths, with their first bit lowest, as deflate writes them.
fn codes(lengths: &[u8]) -> Vec<(u16, u8)> {
    let mut first = [0u16; 17];
    let mut code = 0u16;
    let mut of_length = [0u16; 17];
    for &length in lengths.iter().filter(|&&length| length > 0) {
        of_length[usize::from(length)] += 1;
    }
    for length in 1..16 {
        code = (code + of_length[length - 1]) << 1;
        first[length] = code;
    }
    lengths
        .iter()
        .map(|&length| {
            if length == 0 {
                return (0, 0);
            }
            let code = first[usize::from(length)];
            first[usize::from(length)] += 1;
            (code.reverse_bits() >> (16 - u32::from(length)), length)
        })
        .collect()
}

/// The head of a block with codes of its own.
fn header(lengths: &[u8], last: bool, bits: &mut Bits) {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let used = lengths.iter().rposition(|&length| length > 0).map_or(257, |i| (i + 1).max(257));
    // One distance code, of length 1, stands after the literals and lengths.
    let all: Vec<u8> = lengths[..used].iter().copied().chain([1]).collect();
    let mut tokens: Vec<(usize, u64, u32)> = Vec::new();
    for group in all.chunk_by(|a, b| a == b) {
        let (value, mut left) = (usize::from(group[0]), group.len());
        if value > 0 {
            tokens.push((value, 0, 0));
            left -= 1;
        }
        while left >= 3 {
            let (symbol, most, base, extra) = match (value, left) {
                (0, 11..) => (18, 138, 11, 7),
                (0, _) => (17, 10, 3, 3),
                _ => (16, 6, 3, 2),
            };
            let now = left.min(most);
            tokens.push((symbol, (now - base) as u64, extra));
            left -= now;
        }
        tokens.extend(std::iter::repeat_n((value, 0, 0), left));
    }
    let mut counts = [0u32; 19];
    for &(symbol, _, _) in &tokens {
        counts[symbol] += 1;
    }
    let of_lengths = code_lengths(&counts, 7);
    let codes = codes(&of_lengths);
    let sent =
        ORDER.iter().rposition(|&symbol| of_lengths[symbol] > 0).map_or(4, |i| (i + 1).max(4));
    bits.put_now(u64::from(last) | 0b10 << 1, 3);
    bits.put_now((used - 257) as u64, 5);
    bits.put_now(0, 5);
    bits.put_now((sent - 4) as u64, 4);
    for &symbol in &ORDER[..sent] {
        bits.put_now(u64::from(of_lengths[symbol]), 3);
    }
    for (symbol, value, extra) in tokens {
        let (code, length) = codes[symbol];
        bits.put_now(u64::from(code), u32::from(length));
        bits.put_now(value, extra);
    }
}
