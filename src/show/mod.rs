//! The one door to the notebook: nothing else in this crate writes to standard output.

mod bundle;
mod impls;
mod progress;

use std::fmt::Display;

pub use bundle::{MimeBundle, escape_html};
pub use progress::Progress;
pub(crate) use progress::{duration, megabytes};

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
pub fn together(parts: impl IntoIterator<Item = MimeBundle>) -> MimeBundle {
    MimeBundle::stack(parts.into_iter().collect())
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
