//! The one door to the notebook: nothing else in this crate writes to standard output.

mod bundle;
mod carried;
mod duration;
mod impls;
mod interrupt;
mod live;
mod progress;
mod table;

use std::fmt::{self, Display};

pub use bundle::{MimeBundle, escape_html};
pub(crate) use duration::duration;
pub(crate) use interrupt::{Watch, is_interrupted};
pub use live::{Live, live};
pub(crate) use live::{Preview, is_alive};
pub use progress::Progress;
use progress::is_wanted;
pub(crate) use progress::{Pace, megabytes, tell};

pub(crate) use table::{DASH, Row, Table, count_or_dash, quoted, thousands};

/// Something that a notebook cell can show.
///
/// evcxr turns the last expression of a cell into `expression.evcxr_display()`; with this trait
/// in scope (the prelude brings it) that call finds the method below. Everything of this crate
/// that is worth a look implements it, and so do tensors, images, [`Result`]s and [`Option`]s of
/// showables, and slices and vectors of them.
///
/// ```
/// use convlens::prelude::*;
/// struct Answer;
/// impl Show for Answer {
///     fn bundle(&self) -> MimeBundle {
///         MimeBundle::text("42")
///     }
/// }
/// Answer.evcxr_display();
/// ```
pub trait Show {
    /// What there is to show, as a value: nothing is printed.
    fn bundle(&self) -> MimeBundle;

    /// Shows it in the notebook.
    fn evcxr_display(&self) {
        print(&self.bundle());
    }
}

/// What `{:?}` prints of something that shows itself: in one line what it is, and how to see it.
///
/// evcxr falls back to `{:?}` where the call that shows a cell's last expression does not compile:
/// where that expression moves a variable (borrow it, or end the cell with a name), and where
/// [`Show`] is not in scope. A type that implements `Show` should print nothing else.
///
/// ```
/// use std::fmt;
/// struct Answer;
/// impl fmt::Debug for Answer {
///     fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
///         convlens::show::debug_line(f, "the answer")
///     }
/// }
/// let line = "the answer; to see it, end the cell with its name: let it = …; it";
/// assert_eq!(format!("{Answer:?}"), line);
/// ```
///
/// # Errors
/// Those of the formatter.
pub fn debug_line(f: &mut fmt::Formatter<'_>, what: impl Display) -> fmt::Result {
    const MOST: usize = 200;
    let what = what.to_string();
    let words: Vec<&str> = what.split_whitespace().collect();
    let line = words.join(" ");
    match line.char_indices().nth(MOST) {
        Some((end, _)) => write!(f, "{}…", &line[..end])?,
        None => f.write_str(&line)?,
    }
    f.write_str("; to see it, end the cell with its name: let it = …; it")
}

/// What says all that there is to it by `{:?}` shows that.
macro_rules! shown_by_debug {
    ($($kind:ty),+) => {
        $(impl $crate::show::Show for $kind {
            fn bundle(&self) -> $crate::show::MimeBundle {
                $crate::show::MimeBundle::text(format!("{self:?}"))
            }
        })+
    };
}
pub(crate) use shown_by_debug;

/// Shows several things in one cell, under each other.
///
/// A cell keeps only what its last `show!` has shown: what a loop makes goes to [`together`].
///
/// ```
/// use convlens::prelude::*;
/// show!("a tensor and its mean", tch::Tensor::arange(4, tch::kind::FLOAT_CPU), 1.5);
/// ```
#[macro_export]
macro_rules! show {
    ($($item:expr),+ $(,)?) => {
        $crate::show::Show::evcxr_display(&$crate::show::together(
            [$($crate::show::Show::bundle(&$item)),+],
        ))
    };
}

/// Several things as one, under each other: pictures stacked into one picture, texts and tables in HTML.
///
/// ```
/// use convlens::prelude::*;
/// let ramps = (2..5).map(|n| Tensor::arange(n, tch::kind::FLOAT_CPU));
/// together(ramps);
/// ```
pub fn together(parts: impl IntoIterator<Item = impl Show>) -> MimeBundle {
    MimeBundle::stack(parts.into_iter().map(|part| part.bundle()).collect())
}

/// Several things beside each other under their titles: the same layer of several networks, or of
/// one before and after training. What does not fit into the width of a notebook goes on below.
/// Pictures make one picture; anything else becomes HTML.
///
/// ```
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let look = model.look(&Photo::open("assets/photos/cat.png")?)?;
/// side_by_side([
///     ("first", look.layer("features.0")?.sheet()?.first(16).columns(4)),
///     ("later", look.layer("features.3")?.sheet()?.first(16).columns(4)),
/// ]);
/// Ok::<(), convlens::Error>(())
/// ```
pub fn side_by_side<S: Into<String>, T: Show>(
    items: impl IntoIterator<Item = (S, T)>,
) -> MimeBundle {
    MimeBundle::beside(
        items.into_iter().map(|(title, item)| (title.into(), item.bundle())).collect(),
    )
}

/// From now on, a panic says in one line what it is: of libtorch's refusals, such as shapes that do
/// not fit in a `matmul`, the message without the hundreds of C++ frames behind it. Set-up's own
/// kernel does this as it starts; in another kernel call it once, in any cell.
///
/// ```
/// convlens::show::short_panics();
/// ```
pub fn short_panics() {
    std::panic::set_hook(Box::new(|panic| {
        match crate::panic::words_of_libtorch(crate::panic::text(panic.payload())) {
            Some(words) => eprintln!("{words}"),
            None => eprintln!("{panic}"),
        }
    }));
}

/// An error as a cell shows it.
pub(crate) fn error_bundle(error: &impl Display) -> MimeBundle {
    let text = error.to_string();
    let text = crate::panic::without_frames(&text);
    // Not in <pre>: JupyterLab breaks that inside words.
    let lines: Vec<String> = text.lines().map(indented).collect();
    let html = format!("<p><b>Error:</b> {}</p>", lines.join("<br>\n"));
    MimeBundle::html(html, format!("Error: {text}"))
}

/// A line in HTML, where spaces at its beginning would vanish.
fn indented(line: &str) -> String {
    let words = line.trim_start_matches(' ');
    "&nbsp;".repeat(line.len() - words.len()) + &escape_html(words)
}

/// Writes a whole bundle at once, in the framing that evcxr reads.
fn print(bundle: &MimeBundle) {
    write(&bundle.framed());
}

/// Whole lines, between which nothing else is printed.
fn write(lines: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // A closed standard output leaves nobody to tell.
    let _ = out.write_all(lines.as_bytes()).and_then(|()| out.flush());
}

/// Writes one whole line, for what a reader should know while a cell works.
pub(crate) fn line(text: &str) {
    write(&format!("{}\n", bundle::guarded("text/plain", text)));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_keeps_its_lines_and_breaks_at_words() {
        let bundle = error_bundle(&"no layer <x>\n  there are a and b");
        let html = "<p><b>Error:</b> no layer &lt;x&gt;<br>\n&nbsp;&nbsp;there are a and b</p>";
        assert_eq!(bundle.to_html(), html);
        assert_eq!(bundle.as_text(), "Error: no layer <x>\n  there are a and b");
    }
}
