//! The one door to the notebook: nothing else in this crate writes to standard output.

mod bundle;
mod carried;
mod duration;
mod impls;
mod progress;
mod table;

use std::fmt::Display;

pub use bundle::{MimeBundle, escape_html};
pub(crate) use duration::duration;
pub use progress::Progress;
pub(crate) use progress::{Pace, megabytes, tell};

pub(crate) use table::{DASH, Row, Table, count_or_dash, thousands};

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

/// Several bundles as one: pictures stacked into one picture, texts and tables in HTML.
///
/// ```
/// use convlens::prelude::*;
/// let ramps = (2..5).map(|n| Tensor::arange(n, tch::kind::FLOAT_CPU).bundle());
/// together(ramps);
/// ```
pub fn together(parts: impl IntoIterator<Item = MimeBundle>) -> MimeBundle {
    MimeBundle::stack(parts.into_iter().collect())
}

/// Several things beside each other under their titles: the same layer of several networks, or of
/// one before and after training. What does not fit into the width of a notebook goes on below.
/// Pictures make one picture; anything else becomes HTML.
///
/// ```
/// # fn main() -> convlens::Result<()> {
/// use convlens::prelude::*;
/// let model = zoo::squeezenet1_1()?;
/// let look = model.look(&Photo::open("assets/photos/cat.png")?)?;
/// side_by_side([
///     ("first", look.layer("features.0")?.sheet()?.first(16).columns(4)),
///     ("later", look.layer("features.3")?.sheet()?.first(16).columns(4)),
/// ]);
/// # Ok(())
/// # }
/// ```
pub fn side_by_side<S: Into<String>, T: Show>(
    items: impl IntoIterator<Item = (S, T)>,
) -> MimeBundle {
    MimeBundle::beside(
        items.into_iter().map(|(title, item)| (title.into(), item.bundle())).collect(),
    )
}

/// An error as a cell shows it.
pub(crate) fn error_bundle(error: &impl Display) -> MimeBundle {
    let text = error.to_string();
    let html = format!("<p><b>Error:</b></p>\n<pre>{}</pre>", escape_html(&text));
    MimeBundle::html(html, format!("Error: {text}"))
}

/// Writes a whole bundle at once, in the framing that evcxr reads.
fn print(bundle: &MimeBundle) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    // A closed standard output leaves nobody to tell.
    let _ = out.write_all(bundle.framed().as_bytes()).and_then(|()| out.flush());
}

/// Writes one whole line, for what a reader should know while a cell works.
pub(crate) fn line(text: &str) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let framed = format!("{}\n", bundle::guarded("text/plain", text));
    // A closed standard output leaves nobody to tell.
    let _ = out.write_all(framed.as_bytes()).and_then(|()| out.flush());
}
