//! What can go wrong, said so that a reader of a cell knows what to do.

use std::fmt;
use std::path::{Path, PathBuf};

/// The result of everything in this crate that can fail.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong. [`Display`](fmt::Display) tells the whole story, causes included, because
/// that is all that `?` shows in a notebook cell.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be read or written.
    File {
        /// The file or folder in question.
        path: PathBuf,
        /// What failed, and what to do about it.
        message: String,
    },
    /// A file or buffer is not the image that it should be.
    Image(String),
    /// A tensor, or a layer's input, has a shape that does not fit.
    Shape(String),
    /// An argument is out of its range.
    Argument(String),
    /// There is no layer, class or input of this name.
    NotFound {
        /// What was looked for: `"layer"`, `"class"`, ...
        kind: &'static str,
        /// The name as it was given.
        name: String,
        /// Where it was looked for.
        place: String,
        /// The names that come closest, best first.
        closest: Vec<String>,
    },
    /// A file is neither in the cache nor to be had from a server: every place that was tried, and
    /// what to do.
    Download(String),
    /// Somebody stopped the cell: what was under way, and how far it was.
    Interrupted(String),
    /// libtorch refused an operation.
    Torch {
        /// What we were doing.
        doing: String,
        /// The first line of libtorch's own message.
        message: String,
    },
}

impl Error {
    /// A [`File`](Error::File) error.
    pub fn file(path: impl AsRef<Path>, message: impl fmt::Display) -> Self {
        Error::File { path: path.as_ref().to_path_buf(), message: message.to_string() }
    }

    /// That a file or folder cannot be read, and for a relative path from where it was looked for.
    pub(crate) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        let looked = match std::env::current_dir() {
            Ok(here) if path.is_relative() => format!(" (looked for in {})", here.display()),
            _ => String::new(),
        };
        Error::file(path, format!("cannot be read: {error}{looked}"))
    }

    pub(crate) fn not_found<'a>(
        kind: &'static str,
        name: &str,
        place: impl Into<String>,
        known: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        Error::NotFound {
            kind,
            name: name.to_owned(),
            place: place.into(),
            closest: closest(name, known),
        }
    }

    /// The same error, with what was being done in front of its message. Errors that name a file,
    /// or something that was looked for, say enough and stay as they are.
    pub fn while_doing(self, context: impl fmt::Display) -> Self {
        match self {
            Error::Torch { doing, message } if doing.is_empty() => {
                Error::Torch { doing: context.to_string(), message }
            }
            Error::Torch { doing, message } => {
                Error::Torch { doing: format!("{context}: {doing}"), message }
            }
            Error::Shape(message) => Error::Shape(format!("{context}: {message}")),
            Error::Argument(message) => Error::Argument(format!("{context}: {message}")),
            other => other,
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Error::File { path, message } => write!(f, "{}: {message}", path.display()),
            Error::Image(message)
            | Error::Shape(message)
            | Error::Argument(message)
            | Error::Download(message) => f.write_str(message),
            Error::NotFound { kind, name, place, closest } => {
                write!(f, "no {kind} {name:?} in {place}")?;
                match closest.as_slice() {
                    [] => Ok(()),
                    [one] => write!(f, "; the closest is {one:?}"),
                    many => {
                        let quoted: Vec<String> = many.iter().map(|n| format!("{n:?}")).collect();
                        write!(f, "; the closest are {}", quoted.join(", "))
                    }
                }
            }
            Error::Interrupted(what) => write!(f, "interrupted: {what}"),
            Error::Torch { doing, message } if doing.is_empty() => write!(f, "libtorch: {message}"),
            Error::Torch { doing, message } => write!(f, "{doing}: libtorch: {message}"),
        }
    }
}

impl std::error::Error for Error {}

/// At most five of `known`, the closest to `name` first: by edit distance, ignoring case, where a
/// name that contains the other counts as near.
fn closest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let wanted = name.to_lowercase();
    let mut ranked: Vec<(usize, &str)> = known
        .into_iter()
        .map(|candidate| {
            let lower = candidate.to_lowercase();
            let contains =
                !wanted.is_empty() && (lower.contains(&wanted) || wanted.contains(&lower));
            let distance = strsim::osa_distance(&wanted, &lower);
            (if contains { distance.min(2) } else { distance }, candidate)
        })
        .collect();
    ranked.sort_by(|a, b| a.0.cmp(&b.0).then(a.1.len().cmp(&b.1.len())));
    ranked.into_iter().take(5).map(|(_, candidate)| candidate.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_name_lists_the_closest() {
        let error = Error::not_found("class", "taby", "ImageNet", ["tabby", "tiger cat", "beagle"]);
        let text = error.to_string();
        assert!(
            text.starts_with("no class \"taby\" in ImageNet; the closest are \"tabby\""),
            "{text}"
        );
    }
}
