//! Numbers as texts and captions write them.

/// A number with this many significant figures, short where it can be: `0.1235`, `12`, `1.20e9`.
pub(crate) fn number(value: f64, figures: i32) -> String {
    let size = value.abs();
    if value == 0.0 || (value.fract() == 0.0 && size < 1e6) {
        return format!("{value}");
    }
    if !(1e-3..1e6).contains(&size) {
        return format!("{value:.2e}");
    }
    let decimals = (figures - 1 - size.log10().floor() as i32).max(0) as usize;
    let text = format!("{value:.decimals$}");
    if text.contains('.') {
        text.trim_end_matches('0').trim_end_matches('.').to_owned()
    } else {
        text
    }
}

/// The same with its sign: `+0.12`, `−3`.
pub(crate) fn signed(value: f64, figures: i32) -> String {
    let text = number(value.abs(), figures);
    match value {
        0.0 => text,
        value if value < 0.0 => format!("−{text}"),
        _ => format!("+{text}"),
    }
}

/// So many of something: `1 photo`, `8 photos`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    format!("{count} {noun}{}", if count == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_are_short() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (2.0, "2"),
            (0.123_456, "0.1235"),
            (-12.5, "-12.5"),
            (1234.56, "1235"),
            (0.001_234_56, "0.001235"),
            (1e-7, "1.00e-7"),
            (f64::NAN, "NaN"),
        ];
        for (value, text) in cases {
            assert_eq!(number(value, 4), text);
        }
        assert_eq!(number(0.123_456, 3), "0.123");
    }
}
