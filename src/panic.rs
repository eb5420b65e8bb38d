//! Panics in words. tch's calls without `f_` panic at what libtorch refuses, with some hundred lines of
//! C++ frames behind what it has to say.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::{Error, Result};

/// Between libtorch's message and the frames.
const FRAMES: &str = "\nException raised from ";

/// Runs somebody else's closure; a panic becomes an error.
pub(crate) fn caught<T>(run: impl FnOnce() -> T) -> Result<T> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = text(panic.as_ref());
        let words = words_of_libtorch(text);
        let words = words.unwrap_or_else(|| text.lines().next().unwrap_or_default().to_owned());
        Error::Argument(format!("it panicked: {words}"))
    })
}

/// What a panic was called with.
pub(crate) fn text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a message")
}

/// Of a panic of tch's, which is a `Debug` form on one line: what libtorch had to say.
pub(crate) fn words_of_libtorch(panic: &str) -> Option<String> {
    let quoted = panic.split_once("on an `Err` value: Torch(\"")?.1;
    let mut words = String::new();
    let mut characters = quoted.chars();
    loop {
        match characters.next() {
            None | Some('"') => break,
            Some('\\') => match characters.next() {
                None | Some('n') => break,
                Some(escaped) => words.push(escaped),
            },
            Some(other) => words.push(other),
        }
    }
    Some(format!("libtorch: {}", words.trim()))
}

/// An error's text without libtorch's C++ frames.
pub(crate) fn without_frames(text: &str) -> &str {
    text.split_once(FRAMES).map_or(text, |(words, _)| words)
}

#[cfg(test)]
mod tests {
    use tch::{Kind, Tensor};

    use super::*;

    fn tensor(rows: i64, columns: i64) -> Tensor {
        Tensor::zeros([rows, columns], (Kind::Float, tch::Device::Cpu))
    }

    #[test]
    fn a_panic_of_tch_is_libtorchs_first_line() {
        let error = caught(|| tensor(2, 3).matmul(&tensor(4, 5))).expect_err("other shapes");
        let text = error.to_string();
        assert!(text.contains("libtorch: mat1 and mat2 shapes cannot be multiplied"), "{text}");
        assert!(!text.contains("frame #") && !text.contains("Exception raised"), "{text}");
    }

    #[test]
    fn quotes_in_a_message_are_plain() {
        let panic = r#"called `Result::unwrap()` on an `Err` value: Torch("no \"x\" in it\nmore")"#;
        assert_eq!(words_of_libtorch(panic).as_deref(), Some("libtorch: no \"x\" in it"));
        assert_eq!(words_of_libtorch("index out of bounds"), None);
    }

    #[test]
    fn an_error_of_tch_is_shown_without_its_frames() {
        let error = tensor(2, 3).f_matmul(&tensor(4, 5)).expect_err("other shapes").to_string();
        assert!(error.contains("frame #"), "{error}");
        let text = without_frames(&error);
        assert!(text.ends_with("(2x3 and 4x5)"), "{text}");
    }
}
