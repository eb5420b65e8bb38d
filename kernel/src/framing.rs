//! What the child prints on standard output, taken apart: text, things to show, and evcxr's own signals.
//!
//! evcxr's framing of a thing to show is a line `EVCXR_BEGIN_CONTENT <MIME type>`, its lines, and a
//! line `EVCXR_END_CONTENT`. README.md describes what this kernel understands beyond it.

use serde_json::Value;

const PREFIX: &[u8] = b"EVCXR_";
/// No line that means something to the kernel is longer than this.
const LONGEST_SIGNAL: usize = 16 * 1024;
/// What one block may hold, in bytes: more would choke any page.
const LARGEST_BLOCK: usize = 128 << 20;

/// A piece of the child's output.
#[derive(Debug, PartialEq)]
pub(crate) enum Piece {
    /// Bytes as the child printed them, not necessarily whole lines or characters.
    Text(Vec<u8>),
    /// One form of a thing to show.
    Block {
        mime: String,
        content: String,
    },
    /// The blocks up to [`Piece::EndDisplay`] are one thing, shown as these options say.
    BeginDisplay(Value),
    EndDisplay,
    /// How far long work is.
    Progress(Value),
    /// A line that evcxr waits for.
    Signal(Signal),
}

/// Lines by which the child tells evcxr what became of a cell.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Signal {
    /// The cell's function has returned.
    Complete,
    /// It panicked; [`Signal::Complete`] follows.
    Panic,
    /// A `?` ended it early; [`Signal::Complete`] follows.
    UserError,
    /// A variable's type was defined anew, so the variable is lost: its name.
    VariableLost(String),
    /// The cell waits for a line of input: the whole line, which evcxr reads.
    Input(String),
}

impl Signal {
    /// The line as evcxr expects it.
    pub(crate) fn line(&self) -> String {
        match self {
            Signal::Complete => "EVCXR_EXECUTION_COMPLETE".to_owned(),
            Signal::Panic => "EVCXR_PANIC_NOTIFICATION".to_owned(),
            Signal::UserError => "EVCXR_ERROR_OCCURRED".to_owned(),
            Signal::VariableLost(name) => format!("EVCXR_VARIABLE_CHANGED_TYPE:{name}"),
            Signal::Input(line) => line.clone(),
        }
    }
}

/// A line that begins with [`PREFIX`] and means something.
enum Marker {
    Begin(String),
    BeginDisplay(Value),
    EndDisplay,
    Progress(Value),
    Signal(Signal),
}

/// Takes the child's standard output apart, however it is cut into chunks.
#[derive(Default)]
pub(crate) struct Parser {
    /// A line, or its end, that may turn out to mean something.
    held: Vec<u8>,
    block: Option<Block>,
}

struct Block {
    mime: String,
    content: Vec<u8>,
    /// Where the last, unfinished line of the content begins.
    line: usize,
    /// There was more than a block may hold.
    cut: bool,
}

impl Parser {
    /// Reads on: `bytes` came now.
    pub(crate) fn read(&mut self, mut bytes: &[u8], mut piece: impl FnMut(Piece)) {
        while !bytes.is_empty() {
            if self.block.is_some() {
                bytes = self.read_block(bytes, &mut piece);
            } else {
                bytes = self.read_line(bytes, &mut piece);
            }
        }
    }

    /// Nothing more comes from this child: what was held back is text.
    pub(crate) fn finish(&mut self, mut piece: impl FnMut(Piece)) {
        if let Some(block) = self.block.take() {
            piece(unfinished(&block.mime));
        }
        let held = std::mem::take(&mut self.held);
        if !held.is_empty() {
            piece(Piece::Text(held));
        }
    }

    fn read_line<'a>(&mut self, bytes: &'a [u8], piece: &mut impl FnMut(Piece)) -> &'a [u8] {
        let (line, rest, whole) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&bytes[..=end], &bytes[end + 1..], true),
            None => (bytes, &bytes[bytes.len()..], false),
        };
        self.held.extend_from_slice(line);
        if !whole {
            let keep = match find(&self.held, PREFIX) {
                Some(at) if self.held.len() - at <= LONGEST_SIGNAL => at,
                Some(_) => self.held.len(),
                None => self.held.len() - partial_suffix(&self.held, PREFIX),
            };
            if keep > 0 {
                piece(Piece::Text(self.held.drain(..keep).collect()));
            }
            return rest;
        }
        let held = std::mem::take(&mut self.held);
        // What a program prints without a line's end stands before the marker, in its line.
        let mut from = 0;
        while let Some(at) = find(&held[from..], PREFIX).map(|at| at + from) {
            if let Some(marker) = marker(&held[at..]) {
                if at > 0 {
                    piece(Piece::Text(held[..at].to_vec()));
                }
                match marker {
                    Marker::Begin(mime) => {
                        self.block = Some(Block { mime, content: Vec::new(), line: 0, cut: false });
                    }
                    Marker::BeginDisplay(options) => piece(Piece::BeginDisplay(options)),
                    Marker::EndDisplay => piece(Piece::EndDisplay),
                    Marker::Progress(state) => piece(Piece::Progress(state)),
                    Marker::Signal(signal) => piece(Piece::Signal(signal)),
                }
                return rest;
            }
            from = at + PREFIX.len();
        }
        piece(Piece::Text(held));
        rest
    }

    fn read_block<'a>(&mut self, bytes: &'a [u8], piece: &mut impl FnMut(Piece)) -> &'a [u8] {
        let Some(block) = &mut self.block else { return bytes };
        let (line, rest, whole) = match bytes.iter().position(|byte| *byte == b'\n') {
            Some(end) => (&bytes[..end], &bytes[end + 1..], true),
            None => (bytes, &bytes[bytes.len()..], false),
        };
        if block.content.len() + line.len() > LARGEST_BLOCK {
            // All is dropped but the line that may yet turn out to be the marker.
            block.cut = true;
            block.content.drain(..block.line);
            block.line = 0;
            if block.content.len() > LONGEST_SIGNAL {
                block.content.clear();
            }
        }
        block.content.extend_from_slice(line);
        if !whole {
            return rest;
        }
        let last = trimmed(&block.content[block.line..]);
        if last == b"EVCXR_END_CONTENT" {
            let mut content = std::mem::take(&mut block.content);
            // Without the line's end before the marker.
            content.truncate(block.line.saturating_sub(1));
            let mime = std::mem::take(&mut block.mime);
            let cut = block.cut;
            self.block = None;
            piece(if cut {
                Piece::Text(
                    format!("[{mime} of more than {} MB is left out]\n", LARGEST_BLOCK >> 20)
                        .into_bytes(),
                )
            } else {
                Piece::Block { mime, content: into_text(content) }
            });
        } else if let Some(Marker::Signal(
            signal @ (Signal::Complete | Signal::Panic | Signal::UserError),
        )) = marker(last)
        {
            let mime = std::mem::take(&mut block.mime);
            self.block = None;
            piece(unfinished(&mime));
            piece(Piece::Signal(signal));
        } else {
            block.content.push(b'\n');
            block.line = block.content.len();
        }
        rest
    }
}

fn unfinished(mime: &str) -> Piece {
    Piece::Text(format!("[{mime} was begun and not finished]\n").into_bytes())
}

fn marker(line: &[u8]) -> Option<Marker> {
    let line = trimmed(line);
    if !line.starts_with(PREFIX) || line.len() > LONGEST_SIGNAL {
        return None;
    }
    let line = std::str::from_utf8(line).ok()?;
    let signal = |signal| Some(Marker::Signal(signal));
    match line {
        "EVCXR_EXECUTION_COMPLETE" => return signal(Signal::Complete),
        "EVCXR_PANIC_NOTIFICATION" => return signal(Signal::Panic),
        "EVCXR_ERROR_OCCURRED" => return signal(Signal::UserError),
        "EVCXR_END_DISPLAY" => return Some(Marker::EndDisplay),
        _ => {}
    }
    if let Some(name) = line.strip_prefix("EVCXR_VARIABLE_CHANGED_TYPE:") {
        return signal(Signal::VariableLost(name.to_owned()));
    }
    if line.starts_with("EVCXR_INPUT_REQUEST") {
        return signal(Signal::Input(line.to_owned()));
    }
    if let Some(mime) = line.strip_prefix("EVCXR_BEGIN_CONTENT ") {
        let mime = mime.split(' ').next().unwrap_or_default();
        return (!mime.is_empty()).then(|| Marker::Begin(mime.to_owned()));
    }
    let object = |text| serde_json::from_str(text).ok().filter(Value::is_object);
    if let Some(options) = line.strip_prefix("EVCXR_BEGIN_DISPLAY ") {
        return object(options).map(Marker::BeginDisplay);
    }
    object(line.strip_prefix("EVCXR_PROGRESS ")?).map(Marker::Progress)
}

fn trimmed(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn into_text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes)
        .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())
}

fn find(bytes: &[u8], word: &[u8]) -> Option<usize> {
    let mut from = 0;
    while let Some(at) = bytes[from..].iter().position(|byte| *byte == word[0]) {
        let at = from + at;
        if bytes[at..].starts_with(word) {
            return Some(at);
        }
        from = at + 1;
    }
    None
}

/// How many bytes at the end may be the beginning of `word`.
fn partial_suffix(bytes: &[u8], word: &[u8]) -> usize {
    (1..word.len()).rev().find(|length| bytes.ends_with(&word[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// Pieces of the output, read in chunks of this size, with neighbouring texts joined.
    fn pieces(output: &str, chunk: usize) -> Vec<Piece> {
        let mut pieces: Vec<Piece> = Vec::new();
        let mut parser = Parser::default();
        let mut take = |piece: Piece| match (pieces.last_mut(), piece) {
            (Some(Piece::Text(text)), Piece::Text(more)) => text.extend(more),
            (_, piece) => pieces.push(piece),
        };
        for chunk in output.as_bytes().chunks(chunk) {
            parser.read(chunk, &mut take);
        }
        parser.finish(&mut take);
        pieces
    }

    fn however_cut(output: &str) -> Vec<Piece> {
        let whole = pieces(output, usize::MAX);
        for chunk in 1..output.len().min(50) {
            assert_eq!(pieces(output, chunk), whole, "in chunks of {chunk}");
        }
        whole
    }

    fn text(text: &str) -> Piece {
        Piece::Text(text.as_bytes().to_vec())
    }

    fn block(mime: &str, content: &str) -> Piece {
        Piece::Block { mime: mime.to_owned(), content: content.to_owned() }
    }

    #[test]
    fn text_and_blocks_come_in_their_order() {
        let read = however_cut(
            "one\nEVCXR_BEGIN_CONTENT text/html\n<b>\nx</b>\nEVCXR_END_CONTENT\ntwo\n\
             EVCXR_BEGIN_CONTENT image/png\nAAAA\nEVCXR_END_CONTENT\nEVCXR_EXECUTION_COMPLETE\n",
        );
        let expected = [
            text("one\n"),
            block("text/html", "<b>\nx</b>"),
            text("two\n"),
            block("image/png", "AAAA"),
            Piece::Signal(Signal::Complete),
        ];
        assert_eq!(read, expected);
    }

    #[test]
    fn text_without_a_lines_end_is_handed_on_at_once() {
        let mut parser = Parser::default();
        let mut read = Vec::new();
        parser.read(b"50 %\rEV", |piece| read.push(piece));
        assert_eq!(read, [text("50 %\r")]);
        parser.read(b"ERY", |piece| read.push(piece));
        assert_eq!(read[1..], [text("EVERY")]);
    }

    #[test]
    fn a_signal_behind_text_without_a_lines_end_is_a_signal() {
        let read = however_cut("done: 3EVCXR_EXECUTION_COMPLETE\n");
        assert_eq!(read, [text("done: 3"), Piece::Signal(Signal::Complete)]);
        let read = however_cut("aEVCXR_BEGIN_CONTENT text/plain\nx\nEVCXR_END_CONTENT\n");
        assert_eq!(read, [text("a"), block("text/plain", "x")]);
    }

    #[test]
    fn half_a_marker_is_text() {
        assert_eq!(however_cut("EVCXR_BEGIN_"), [text("EVCXR_BEGIN_")]);
        assert_eq!(
            however_cut("EVCXR_BEGIN_CONTENT\nEVCXR_nonsense\n"),
            [text("EVCXR_BEGIN_CONTENT\nEVCXR_nonsense\n")]
        );
        let long = format!("EVCXR_{}", "x".repeat(2 * LONGEST_SIGNAL));
        assert_eq!(pieces(&long, 1000), [text(&long)]);
    }

    #[test]
    fn a_block_that_the_cell_never_ends_ends_with_the_cell() {
        let read = however_cut("EVCXR_BEGIN_CONTENT image/png\nAAAA\nEVCXR_EXECUTION_COMPLETE\n");
        assert_eq!(
            read,
            [text("[image/png was begun and not finished]\n"), Piece::Signal(Signal::Complete)]
        );
        let read = however_cut("EVCXR_BEGIN_CONTENT image/png\nAAAA\n");
        assert_eq!(read, [text("[image/png was begun and not finished]\n")]);
    }

    #[test]
    fn a_block_beyond_any_measure_is_left_out_and_what_follows_is_read() {
        let mut parser = Parser::default();
        let mut read = Vec::new();
        parser.read(b"EVCXR_BEGIN_CONTENT image/png\n", |piece| read.push(piece));
        let chunk = vec![b'A'; 1 << 20];
        for _ in 0..=LARGEST_BLOCK >> 20 {
            parser.read(&chunk, |piece| read.push(piece));
        }
        parser.read(b"\nEVCXR_END_CONTENT\nnext\n", |piece| read.push(piece));
        assert_eq!(read, [text("[image/png of more than 128 MB is left out]\n"), text("next\n")]);
    }

    #[test]
    fn an_empty_block_is_one() {
        let read = however_cut("EVCXR_BEGIN_CONTENT text/plain\nEVCXR_END_CONTENT\n");
        assert_eq!(read, [block("text/plain", "")]);
    }

    #[test]
    fn evcxrs_other_signals_keep_what_they_carry() {
        let read = however_cut(
            "EVCXR_VARIABLE_CHANGED_TYPE:x\nEVCXR_INPUT_REQUEST_PASSWORD:Who?\n\
             EVCXR_ERROR_OCCURRED\nEVCXR_PANIC_NOTIFICATION\n",
        );
        let signals = [
            Signal::VariableLost("x".to_owned()),
            Signal::Input("EVCXR_INPUT_REQUEST_PASSWORD:Who?".to_owned()),
            Signal::UserError,
            Signal::Panic,
        ];
        let lines: Vec<String> = signals.iter().map(Signal::line).collect();
        assert_eq!(lines[0], "EVCXR_VARIABLE_CHANGED_TYPE:x");
        assert_eq!(read, signals.map(Piece::Signal));
    }

    #[test]
    fn the_kernels_own_framing_carries_options() {
        let read = however_cut(
            "EVCXR_BEGIN_DISPLAY {\"id\":\"a\",\"update\":true}\nEVCXR_BEGIN_CONTENT text/plain\nx\n\
             EVCXR_END_CONTENT\nEVCXR_END_DISPLAY\nEVCXR_PROGRESS {\"id\":\"p\",\"done\":3}\n\
             EVCXR_PROGRESS nothing\n",
        );
        let expected = [
            Piece::BeginDisplay(json!({"id": "a", "update": true})),
            block("text/plain", "x"),
            Piece::EndDisplay,
            Piece::Progress(json!({"id": "p", "done": 3})),
            text("EVCXR_PROGRESS nothing\n"),
        ];
        assert_eq!(read, expected);
    }
}
