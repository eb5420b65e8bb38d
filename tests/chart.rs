//! Charts: what is drawn where, what is left out, and bad input.

use convlens::prelude::*;
use image::RgbImage;

const BLUE: [u8; 3] = [0x30, 0x6f, 0xb5];
const ORANGE: [u8; 3] = [0xd9, 0x7a, 0x1e];

fn drawn(chart: &Chart) -> RgbImage {
    chart.picture().expect("a chart").to_rgb()
}

/// The columns and rows that pixels of about this colour span, below the legend.
fn span(picture: &RgbImage, colour: [u8; 3]) -> Option<([u32; 2], [u32; 2])> {
    let near = |pixel: &[u8; 3]| pixel.iter().zip(colour).all(|(&a, b)| a.abs_diff(b) < 24);
    let places = picture.enumerate_pixels().filter(|(_, y, pixel)| *y > 50 && near(&pixel.0));
    places.fold(None, |span, (x, y, _)| {
        let (xs, ys) = span.unwrap_or(([x, x], [y, y]));
        Some(([xs[0].min(x), xs[1].max(x)], [ys[0].min(y), ys[1].max(y)]))
    })
}

fn text(shown: &dyn Show) -> String {
    shown.bundle().as_text().to_owned()
}

#[test]
fn a_line_rises_from_left_to_right_on_axes_that_fit_it() {
    let picture = drawn(&Chart::lines([("rise", vec![0.0, 1.0, 2.0, 3.0])]).axes("x", "y"));
    assert_eq!(picture.dimensions(), (640, 300));
    let ([left, right], [top, bottom]) = span(&picture, BLUE).expect("a line");
    assert!(right - left > 450 && bottom - top > 150, "{left}..{right}, {top}..{bottom}");
    let highest = |x: u32| (50..300).find(|&y| picture.get_pixel(x, y).0[0] < 100);
    assert!(highest(left + 40) > highest(right - 40), "it falls");
}

#[test]
fn series_have_colours_of_their_own_and_names() {
    let chart = Chart::lines([("cat", vec![1.0, 2.0]), ("dog", vec![2.0, 1.0])]).title("sums");
    let picture = drawn(&chart);
    assert!(span(&picture, BLUE).is_some() && span(&picture, ORANGE).is_some());
    assert_eq!(text(&chart), "sums: cat, dog");
}

#[test]
fn points_stand_at_their_places_in_their_series_colours() {
    let cats = vec![(0.0, 0.0), (1.0, 1.0)];
    let dogs = vec![(0.5, 0.25), (0.5, 0.75), (0.25, f64::NAN)];
    let chart = Chart::scatter([("cats", cats), ("dogs", dogs)]).title("pets");
    let picture = drawn(&chart);
    // They shine through a little.
    let light = |c: [u8; 3]| c.map(|c| (255.0 - 0.7 * (255.0 - f64::from(c))) as u8);
    let (x, y) = span(&picture, light(BLUE)).expect("cats");
    let (dog_x, dog_y) = span(&picture, light(ORANGE)).expect("dogs");
    assert!(x[1] - x[0] > 450 && y[1] - y[0] > 150, "{x:?} {y:?}");
    let middle = |[from, to]: [u32; 2]| (from + to) / 2;
    // A circle is 7 pixels wide.
    assert!(dog_x[1] - dog_x[0] <= 8, "{dog_x:?}");
    assert!(middle(dog_x).abs_diff(middle(x)) <= 1 && middle(dog_y).abs_diff(middle(y)) <= 1);
    let (high, low) = (y[1] - y[0] - 6, dog_y[1] - dog_y[0] - 6);
    assert!(high.abs_diff(2 * low) <= 3, "{high} {low}");
    assert_eq!(text(&chart), "pets: cats, dogs\n1 value is not finite and left out");
}

/// How many pixels are not white in these columns and rows.
fn ink(picture: &RgbImage, columns: std::ops::Range<u32>, rows: std::ops::Range<u32>) -> usize {
    let places = columns.flat_map(|x| rows.clone().map(move |y| (x, y)));
    places.filter(|&(x, y)| picture.get_pixel(x, y).0 != [255; 3]).count()
}

#[test]
fn axes_have_names_below_and_on_the_left() {
    // Whether there is something below the numbers, and something to their left.
    let names = |picture: &RgbImage| {
        let (w, h) = picture.dimensions();
        [ink(picture, 0..w, h - 26..h) > 30, ink(picture, 0..26, 0..h) > 30]
    };
    let line = |x: &str, y: &str| drawn(&Chart::lines([("", vec![0.0, 1.0])]).axes(x, y));
    assert_eq!(names(&line(" ", " ")), [false, false]);
    assert_eq!(names(&line("photo", " ")), [true, false]);
    assert_eq!(names(&line(" ", "loss")), [false, true]);
    assert_eq!(names(&line("photo", "loss")), [true, true]);
    // A tensor's own curve says what it is of.
    let curve = Tensor::linspace(0.0, 1.0, 50, tch::kind::FLOAT_CPU).bundle();
    assert_eq!(names(&curve.as_picture().expect("a curve").to_rgb()), [true, true]);
}

#[test]
fn long_titles_and_names_stay_within_the_chart() {
    let line = |name: &str| Chart::lines([(name, vec![1.0, 2.0]), ("other", vec![2.0, 1.0])]);
    // Nothing else is as far right.
    let beyond = |chart: &Chart| {
        let picture = drawn(chart);
        let (w, h) = picture.dimensions();
        ink(&picture, w - 10..w, 0..h)
    };
    let words = "a title of many words that goes on ";
    for title in [words.repeat(3), words.repeat(30), "unbroken".repeat(40)] {
        for size in [200, 640] {
            let chart = line("short").title(title.clone()).size(size, 300);
            assert_eq!(beyond(&chart), 0, "{title:?} at {size}");
        }
        assert_eq!(beyond(&line(&title)), 0, "{title:?} in the legend");
    }
    // Two lines of it are there, and a title that fits takes one.
    let top = |title: String| {
        let picture = drawn(&Chart::lines([("", vec![1.0, 2.0])]).title(title));
        [5..25, 25..35].map(|rows| ink(&picture, 10..400, rows) > 100)
    };
    assert_eq!(top(words.to_owned()), [true, false]);
    assert_eq!(top(words.repeat(4)), [true, true]);
}

#[test]
fn values_that_are_not_finite_leave_a_gap_and_are_counted() {
    let values: Vec<f64> =
        (0..100).map(|i| if (40..60).contains(&i) { f64::NAN } else { 1.0 }).collect();
    let chart = Chart::lines([("", values)]);
    assert!(text(&chart).ends_with("20 values are not finite and left out"), "{}", text(&chart));
    let picture = drawn(&chart);
    let ([left, right], _) = span(&picture, BLUE).expect("a line");
    let middle = (left + right) / 2;
    let blue = |x: u32| (50..290).any(|y| picture.get_pixel(x, y).0 == BLUE);
    assert!(blue(left + 20) && blue(right - 20) && !blue(middle));
    // Nothing but such values is an empty chart, and no error.
    assert!(span(&drawn(&Chart::scatter([("", vec![(f64::NAN, 1.0)])])), BLUE).is_none());
}

#[test]
fn on_a_logarithmic_axis_every_power_of_ten_is_as_high() {
    let powers: Vec<f64> = (0..5).map(|i| 10f64.powi(3 * i)).collect();
    let height = |chart: Chart, x: u32| {
        let picture = drawn(&chart);
        let ([left, right], [top, bottom]) = span(&picture, BLUE).expect("a line");
        let x = left + (right - left) * x / 4;
        let near = |y: &u32| picture.get_pixel(x, *y).0[0] < 0x60;
        let y = (top..=bottom).find(near).expect("the line");
        f64::from(bottom - y) / f64::from(bottom - top)
    };
    let chart = || Chart::lines([("", powers.clone())]);
    for (x, share) in [(1, 0.25), (2, 0.5), (3, 0.75)] {
        assert!((height(chart().log_y(), x) - share).abs() < 0.04, "{x}");
    }
    assert!(height(chart(), 2) < 0.05, "the others lie on the ground of a plain axis");
    let chart = Chart::lines([("loss", vec![1.0, 0.0, -1.0, 0.1])]).log_y().reaching(0.01);
    assert!(text(&chart).contains("2 values are not above 0 or not finite"), "{}", text(&chart));
    assert_eq!(drawn(&chart), drawn(&chart.clone().log_y()), "twice is once");
    let bars = Chart::bars([("one", 1.0), ("ten", 10.0)]);
    assert_eq!(drawn(&bars.clone().log_y()), drawn(&bars));
}

#[test]
fn bars_are_as_long_as_their_values_say() {
    let chart = Chart::bars([("whole", 2.0), ("half", 1.0), ("none", 0.0)]);
    let picture = drawn(&chart);
    let long = |row: u32| {
        let y = 8 + row * 26 + 13;
        (0..picture.width()).filter(|&x| picture.get_pixel(x, y).0 == BLUE).count()
    };
    assert!(long(0).abs_diff(2 * long(1)) <= 2 && long(0) > 300 && long(2) == 0);
    assert_eq!(text(&chart), "bars\nwhole: 2\nhalf: 1\nnone: 0");
    let named = drawn(&chart.clone().axes("of the whole", "part"));
    assert_eq!((named.width(), named.height()), (picture.width(), picture.height() + 2 * 26));
    let rows = |picture: &RgbImage, from: u32| {
        image::imageops::crop_imm(picture, 0, from, picture.width(), 3 * 26).to_image()
    };
    assert_eq!(rows(&named, 8 + 26), rows(&picture, 8), "a name above, one below");
    let signed = drawn(&Chart::bars([("up", 1.0), ("down", -1.0)]));
    let middle = |y: u32| {
        let blue: Vec<u32> =
            (0..signed.width()).filter(|&x| signed.get_pixel(x, y).0 == BLUE).collect();
        (blue[0] + blue[blue.len() - 1]) / 2
    };
    assert!(middle(21) > middle(47) + 100, "negative values go to the left");
}

#[test]
fn deviations_reach_to_both_sides_of_the_end_of_a_bar() {
    let bars = Chart::bars([("sure", 1.0), ("unsure", 1.0)]).reaching(2.0);
    let picture = drawn(&bars.deviations([0.0, 0.5]));
    // INK, but for the letters at both ends.
    let dark = |row: u32| {
        let dark = |x: &u32| picture.get_pixel(*x, 8 + row * 26 + 13).0 == [0x26; 3];
        (80..80 + 300).filter(dark).count()
    };
    // A bar of 2 is 320 pixels long.
    assert!(dark(0) == 0 && dark(1).abs_diff(160) < 8, "{} and {}", dark(0), dark(1));
    // Without an end that was asked for, the axis ends where the line does.
    let wider = drawn(&Chart::bars([("unsure", 1.0)]).deviations([1.0]));
    let blue = (0..wider.width()).filter(|&x| wider.get_pixel(x, 14).0 == BLUE).count();
    assert!(blue.abs_diff(160) < 8, "{blue}");
}

#[test]
fn histograms_of_several_series_share_their_bins() {
    let low: Vec<f64> = (0..100).map(|i| f64::from(i) / 100.0).collect();
    let high: Vec<f64> = low.iter().map(|v| v + 9.0).collect();
    let picture = drawn(&Chart::histogram([("low", low), ("high", high)]));
    // They shine through: their colours are lighter.
    let light = |c: [u8; 3]| c.map(|c| (255.0 - 0.45 * (255.0 - f64::from(c))) as u8);
    let (low, _) = span(&picture, light(BLUE)).expect("low");
    let (high, _) = span(&picture, light(ORANGE)).expect("high");
    assert!(low[1] < 250 && high[0] > 400, "{low:?} {high:?}");
}

#[test]
fn marks_stand_in_the_chart_with_their_words() {
    let plain = Chart::lines([("", vec![0.0, 1.0, 0.0])]);
    let marked = plain.mark([(1.0, 1.0, "the peak"), (f64::NAN, 0.0, "nowhere")]);
    assert_ne!(drawn(&plain), drawn(&marked));
}

#[test]
fn no_mark_lies_under_the_words_of_another() {
    let plain = Chart::lines([("", vec![0.5; 101])]).reaching(0.0).reaching(1.0);
    // The second one's words end where the first one's circle is.
    let marks = [(50.0, 0.5, "first"), (41.0, 0.47, "a second one")];
    let [one, both, turned] = [vec![marks[0]], marks.to_vec(), vec![marks[1], marks[0]]]
        .map(|marks| drawn(&plain.mark(marks)));
    let dark = |picture: &RgbImage| -> Vec<(u32, u32)> {
        let dark = |pixel: &image::Rgb<u8>| pixel.0.iter().all(|&c| c < 0x50);
        picture.enumerate_pixels().filter(|(.., p)| dark(p)).map(|(x, y, _)| (x, y)).collect()
    };
    let (first, together) = (dark(&one), dark(&both));
    assert!(first.len() > 40, "{}", first.len());
    assert!(first.iter().all(|place| together.contains(place)), "a mark is covered");
    assert!(together.len() > first.len() + 40);
    assert_eq!(dark(&turned), together, "the order makes no difference");
}

#[test]
fn small_multiples_share_their_axes() {
    let of = |values: Vec<f64>| Chart::lines([("", values)]).title("part");
    let charts = || [of(vec![0.0, 1.0]), of(vec![0.0, 10.0])];
    let heights = |picture: &RgbImage| {
        let half = picture.width() / 2;
        [(0, half), (half, picture.width())].map(|(from, to)| {
            let part = image::imageops::crop_imm(picture, from, 0, to - from, picture.height());
            let (_, [top, bottom]) = span(&part.to_image(), BLUE).expect("a line");
            bottom - top
        })
    };
    let multiples = SmallMultiples::new(charts()).columns(2);
    let [small, large] = heights(&multiples.picture().expect("charts").to_rgb());
    assert!(large > 5 * small, "{small} {large}");
    let [own, other] = heights(&multiples.own_axes().picture().expect("charts").to_rgb());
    assert!(own.abs_diff(other) <= 2, "{own} {other}");
    assert_eq!(text(&SmallMultiples::new(charts())), "part\npart");
    // Bars too: half the value is half the length, whichever chart it is in.
    let bars = |value: f64| Chart::bars([("name", value)]);
    let both = SmallMultiples::new([bars(2.0), bars(1.0)]).columns(2).picture();
    let both = both.expect("charts").to_rgb();
    let half = both.width() / 2;
    let long = |from: u32, to: u32| (from..to).filter(|&x| both.get_pixel(x, 21).0 == BLUE).count();
    assert!(long(0, half).abs_diff(2 * long(half, both.width())) <= 2);
}

#[test]
fn charts_of_nothing_and_sizes_that_cannot_be_drawn_are_refused() {
    let none: [(&str, Vec<f64>); 0] = [];
    let message = |chart: &Chart| chart.picture().expect_err("refused").to_string();
    assert!(message(&Chart::lines(none)).contains("at least one series"));
    let line = || Chart::lines([("", vec![1.0])]);
    assert!(message(&line().size(0, 10)).contains("not 0 × 10"));
    assert!(message(&line().size(9000, 300)).contains("not 9000 × 300"));
    assert!(message(&line().from(0.0, 0.0)).contains("from 0 by 0"));
    for great in [
        Chart::lines([("", vec![-1e308, 1e308])]),
        Chart::bars([("", 1.75e308)]),
        Chart::scatter([("", vec![(0.0, 1.0), (1e308, 1.0)])]),
        line().from(1e308, 1e308),
        Chart::histogram([("", vec![-1e308, 1e308])]),
    ] {
        let text = message(&great);
        assert!(text.contains("1e300 at most"), "{text}");
    }
    let multiples =
        SmallMultiples::new(&[] as &[Chart]).picture().expect_err("refused").to_string();
    assert!(multiples.contains("at least one chart"), "{multiples}");
    assert!(SmallMultiples::new([line()]).columns(0).picture().is_err());
    // A point alone, a very long line and a name that does not fit are drawn.
    drawn(&line());
    drawn(&Chart::lines([(
        "a name that is much too long for a legend ".repeat(9),
        vec![0.5; 100_000],
    )]));
    drawn(&Chart::lines((0..200).map(|i| (format!("series {i}"), vec![f64::from(i); 3]))));
}

#[test]
fn cells_stand_by_column_and_from_below_and_what_is_not_finite_has_none() {
    use convlens::chart::Cells;
    let cells = |values: &[f32]| Cells::new(["left", "right"], values.to_vec()).range(0.0, 1.0);
    let picture = |values: &[f32]| {
        cells(values).colormap(Colormap::Greys).picture().expect("a chart").to_rgb()
    };
    let differ = |values: &[f32]| -> Vec<(u32, u32)> {
        let (one, none) = (picture(values), picture(&[0.0; 6]));
        let pixels = one.enumerate_pixels();
        let differing = pixels.filter(|(x, y, pixel)| none.get_pixel(*x, *y) != *pixel);
        differing.map(|(x, y, _)| (x, y)).collect()
    };
    // The right cell of the second row of three.
    let dark = differ(&[0.0, 0.0, 0.0, 1.0, 0.0, 0.0]);
    let (first, last) = (dark.first().expect("a cell"), dark.last().expect("a cell"));
    assert!(last.0 - first.0 >= 41 && last.1 - first.1 <= 6, "{first:?} to {last:?}");
    assert!(first.0 > picture(&[0.0; 6]).width() / 3, "{first:?} is on the left");
    // Where the third row's has none, the axes' lines are seen, right above.
    let bare = differ(&[0.0, 0.0, 0.0, 0.0, 0.0, f32::NAN]);
    assert!(bare.iter().all(|at| at.0 >= first.0 && at.1 < first.1), "{bare:?}");
    assert!(!bare.is_empty() && bare.len() < dark.len() / 2, "{bare:?}");
    assert_eq!(text(&cells(&[0.5; 2])), "cells: 2 values of left, right");
}

#[test]
fn a_tensor_keeps_what_single_precision_has_no_number_for() {
    use convlens::chart::Values;
    let values = [1e100, -1e-100, 16_777_217.0];
    assert_eq!(Values::values(&Tensor::from_slice(&values)).expect("values"), values);
    let counts = Tensor::from_slice(&[16_777_217i64, -3]);
    assert_eq!(Values::values(&counts).expect("values"), [16_777_217.0, -3.0]);
}

#[test]
fn cells_that_make_no_table_are_refused() {
    use convlens::chart::Cells;
    let refused = |cells: Cells, part: &str| {
        let error = cells.picture().expect_err(part);
        assert!(matches!(error, convlens::Error::Argument(_)), "{error}");
        assert!(error.to_string().contains(part), "{error}");
    };
    let two = || Cells::new(["a", "b"], vec![0.0; 4]);
    refused(Cells::new(Vec::<String>::new(), vec![1.0]), "0 columns");
    refused(Cells::new(["a", "b"], vec![1.0; 3]), "3 values");
    refused(Cells::new(["a"], vec![1.0; 801]), "too many");
    refused(two().step(0.0), "positive");
    refused(two().step(f64::NAN), "positive");
    refused(two().step(1e308), "1e300 at most");
    refused(two().step(f64::MAX), "1e300 at most");
    refused(two().range(1.0, 1.0), "greater");
    refused(two().range(0.0, f32::INFINITY), "greater");
    assert!(two().picture().is_ok() && Cells::new(["a"], vec![f32::NAN]).picture().is_ok());
    assert!(two().step(1e299).picture().is_ok());
}

#[test]
fn cells_of_any_finite_values_are_drawn() {
    use convlens::chart::Cells;
    let great = 16_777_216.0; // From here on, 1 more is the same number in single precision.
    for values in [[great; 2], [-great; 2], [f32::MAX; 2], [f32::MIN; 2], [f32::MIN, f32::MAX]] {
        let picture = Cells::new(["a", "b"], values.to_vec()).colormap(Colormap::Greys).picture();
        let picture = picture.unwrap_or_else(|error| panic!("{values:?}: {error}")).to_rgb();
        let middle = |x: u32| picture.get_pixel(54 + x, 10).0;
        let [left, right] = [middle(24), middle(72)];
        assert_eq!(left == right, values[0] == values[1], "{values:?}: {left:?} {right:?}");
    }
}
