//! Tables of pictures with titles.

use convlens::picture::{Cell, Maps, Overlay, Picture, PictureTable, Sheet};

use super::overlay::peers;
use super::{assert_as_before, contains};

fn dot(value: u8, width: u32, height: u32) -> Picture {
    Picture::rgb(width, height, vec![value; (width * height * 3) as usize]).unwrap()
}

/// How many pixels have the first of these shades, and the box around them: left, top, right,
/// bottom.
fn found(picture: &Picture, shade: u8) -> (usize, [u32; 4]) {
    let image = picture.to_rgb();
    let places = image.enumerate_pixels().filter(|(_, _, pixel)| pixel.0 == [shade; 3]);
    let start = (0, [u32::MAX, u32::MAX, 0, 0]);
    places.fold(start, |(count, [left, top, right, bottom]), (x, y, _)| {
        (count + 1, [left.min(x), top.min(y), right.max(x), bottom.max(y)])
    })
}

#[test]
fn pictures_of_any_size_come_to_one_width_and_stand_on_one_line() {
    let table = PictureTable::new(["", "", ""])
        .row("", [dot(100, 640, 480), dot(150, 480, 480), dot(200, 300, 900)]);
    let picture = table.tile(320).render().unwrap();
    let (wide, wide_box) = found(&picture, 100);
    let (square, square_box) = found(&picture, 150);
    let (high, high_box) = found(&picture, 200);
    assert_eq!((wide, square), (320 * 240, 320 * 320), "one width");
    // Very high ones are narrower: one and a half times as high as a column is wide.
    assert_eq!(high, 160 * 480);
    assert!(wide_box[3] == square_box[3] && square_box[3] == high_box[3], "one line at the bottom");
    assert!(wide_box[2] < square_box[0] && square_box[2] < high_box[0]);
}

#[test]
fn pictures_line_up_whether_they_have_a_bar_of_colours_or_not() {
    let photo = dot(100, 200, 150);
    let map = Maps::new(1, 2, 2, vec![0.0, 1.0, 2.0, 3.0]).unwrap();
    let flat = Maps::new(1, 1, 1, vec![1.0]).unwrap();
    // The photo itself under a map that is the same everywhere, which has a line to say so.
    let with_line = Overlay::new(&dot(150, 200, 150), &flat).unwrap().picture().unwrap();
    let with_bar = Overlay::new(&photo, &map).unwrap().with_colorbar().picture().unwrap();
    assert!(with_bar.height() > 150 && with_line.height() > 150);
    let row = |a: &Picture, b: &Picture| {
        let table = PictureTable::new(["", ""]).tile(200);
        let table = table.row("", [Cell::new(a.clone(), "a"), Cell::new(b.clone(), "b")]);
        let sheet = Sheet::pictures(vec![a.clone(), b.clone()]).captions(["a", "b"]).tile(200);
        [table.render().unwrap(), sheet.render().unwrap().picture]
    };
    for picture in row(&with_line, &photo) {
        let (count, line) = found(&picture, 150);
        let (_, plain) = found(&picture, 100);
        assert!(count > 0 && line[1] == plain[1] && line[3] == plain[3], "{line:?} {plain:?}");
    }
    for picture in row(&with_bar, &photo) {
        let (_, plain) = found(&picture, 100);
        // Beside the photo's first and last line are those of the blend.
        let image = picture.to_rgb();
        let white = |y: u32| (0..180).all(|x| image.get_pixel(6 + x, y).0 == [255; 3]);
        assert!(white(plain[1] - 1) && !white(plain[1]), "{plain:?}");
        assert!(white(plain[3] + 1) && !white(plain[3]), "{plain:?}");
    }
}

#[test]
fn tables_of_usual_sizes_fit_into_a_notebook_and_large_ones_have_larger_text() {
    let table = |rows: usize, columns: usize| {
        let titles: Vec<String> = (0..columns).map(|i| format!("network {i}")).collect();
        let table = PictureTable::new(titles);
        let cell = || Cell::new(dot(90, 400, 300), "tabby (281), 62.1 %");
        (0..rows)
            .fold(table, |table, i| table.row(format!("photo {i}"), (0..columns).map(|_| cell())))
    };
    for (rows, columns) in [(4, 3), (11, 3), (3, 4), (1, 1), (6, 6)] {
        let picture = table(rows, columns).render().unwrap();
        assert!(picture.width() <= 1000, "{rows} × {columns}: {picture:?}");
    }
    let wide = table(3, 11).render().unwrap();
    assert!((1400..1600).contains(&wide.width()), "{wide:?}");
    let one = table(1, 1).render().unwrap();
    assert!(one.width() > 400, "{one:?}");
    let small = table(4, 3).tile(100).render().unwrap();
    assert!(small.width() < 450, "{small:?}");
}

#[test]
fn a_missing_picture_says_why_and_a_row_of_them_is_low() {
    let photo = || Cell::from(dot(90, 300, 200));
    let table = |cells: Vec<Cell>| PictureTable::new(["a", "b", "c"]).row("resnet152", cells);
    let whole = table(vec![photo(), photo(), photo()]).render().unwrap();
    let one = table(vec![photo(), Cell::missing("no pooling"), photo()]).render().unwrap();
    assert_eq!((one.width(), one.height()), (whole.width(), whole.height()));
    let area = found(&whole, 90).0;
    assert_eq!(found(&one, 90).0 * 3, area * 2);
    let (_, frame) = found(&one, 208);
    let (_, pictures) = found(&one, 90);
    assert_eq!([frame[1], frame[3]], [pictures[1], pictures[3]], "as high as its neighbours");
    let none = table(vec![Cell::missing("not in the cache")]).render().unwrap();
    assert!(none.height() < 90, "{none:?}");
    let (_, frame) = found(&none, 208);
    assert!(frame[2] + 8 > none.width(), "to the end of the row");
    assert!(contains(&none, [32; 3]), "ink");
    let fewer = table(vec![photo()]).render().unwrap();
    assert_eq!((found(&fewer, 90).0 * 3, found(&fewer, 208).0), (area, 0), "the rest is white");
}

#[test]
fn long_titles_wrap_where_their_parts_meet() {
    let table = |title: &str| {
        PictureTable::new([title]).tile(150).row("", [dot(90, 150, 100)]).render().unwrap()
    };
    let [short, long] = ["vgg16", "efficientnet_lite0_trained_with_autoaugment"].map(table);
    assert_eq!(short.width(), long.width());
    let lines = (long.height() - short.height()) / 17 + 1;
    assert_eq!(lines, 3, "efficientnet_lite0_ | trained_with_ | autoaugment");
    let rows = PictureTable::new([""]).row("a title ".repeat(90), [dot(90, 150, 20)]);
    let height = rows.render().unwrap().height();
    assert!((68..100).contains(&height), "four lines, with an ellipsis: {height}");
}

#[test]
fn a_table_as_text_has_a_line_for_each_row() {
    let table = PictureTable::new(["cat", "dog"])
        .title("Grad-CAM")
        .row("vgg16", [Cell::new(dot(1, 2, 2), "tabby\n62 %"), dot(1, 2, 2).into()])
        .row("resnet152", [Cell::missing("not in the cache")]);
    assert_eq!(
        table.note(),
        "Grad-CAM\ncolumns: cat | dog\nvgg16: tabby 62 % | \nresnet152: not in the cache"
    );
}

#[test]
fn tables_that_cannot_be_drawn_say_why() {
    let cell = || Cell::from(dot(9, 3, 3));
    let table = || PictureTable::new(["a", "b"]);
    let (no_columns, no_cells): ([&str; 0], [Cell; 0]) = ([], []);
    for (table, part) in [
        (PictureTable::new(no_columns).row("", &no_cells), "0 columns"),
        (table(), "0 rows"),
        (table().row("x", [cell(), cell(), cell()]), "\"x\" has 3 cells, but the table has 2"),
        (table().row("x", [cell()]).tile(0), "0 pixels"),
        (table().row("x", [cell()]).tile(u32::MAX), "too wide"),
        (table().row("x", [cell(), cell()]).tile(60_000), "choose smaller pictures or fewer rows"),
        (PictureTable::new(vec!["a"; 1 << 21]).row("x", [cell()]), "too wide"),
    ] {
        let error = table.render().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
    let tall = (0..300).fold(table(), |table, _| table.row("x", [dot(9, 200, 200)]));
    assert!(tall.render().unwrap_err().to_string().contains("fewer rows"));
    let rows = (0..10_000).fold(table(), |table, _| table.row("x", [Cell::missing("y")]));
    assert!(rows.render().unwrap_err().to_string().contains("fewer rows"));
}

#[test]
fn no_text_and_no_picture_is_too_strange_for_a_table() {
    for text in ["", " ", "\n\n", "猫\u{202e}", &"x".repeat(4000), &"many words ".repeat(400)] {
        let table = PictureTable::new([text, text])
            .title(text)
            .row(text, [Cell::new(dot(9, 1, 700), text), Cell::new(dot(9, 3000, 1), text)])
            .row(text, [Cell::missing(text)])
            .row(text, [""; 0]);
        let picture = table.render().unwrap();
        assert!(picture.width() <= 1000 && picture.height() < 2500, "{picture:?}");
    }
}

// Checked by eye once, by reference afterwards.

#[test]
fn a_table_looks_as_it_did() {
    let photo = peers().photo.resized(156, 117).unwrap();
    let table = PictureTable::new(["the photo", "a crop, under a title that does not fit"])
        .title("Two rows and what is missing")
        .row("as it is", [(&photo, ""), (&photo, "a caption\nof two lines")])
        .row("squeezenet1_1", [Cell::missing("this one is missing"), photo.into()])
        .row("resnet152", [Cell::missing("not in the cache")]);
    assert_as_before(&table.render().unwrap(), "table.png");
}
