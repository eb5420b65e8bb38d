//! What cells show: ours, images, results, options, lists, several at once.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use convlens::chart::{Chart, SmallMultiples};
use convlens::prelude::*;
use convlens::show::{side_by_side, together};
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, RgbaImage};

fn picture(shade: u8) -> Picture {
    Picture::rgb(30, 20, vec![shade; 30 * 20 * 3]).expect("a picture")
}

fn mimes(bundle: &MimeBundle) -> Vec<&'static str> {
    bundle.entries().into_iter().map(|(mime, _)| mime).collect()
}

#[test]
fn what_has_names_shows_them() {
    let model = zoo::squeezenet1_1().expect("embedded");
    let text = |shown: &dyn Show| shown.bundle().as_text().to_owned();
    assert_eq!(text(&model.inputs()), "input: [1, 3, 224, 224]");
    assert_eq!(text(&[("a", 1), ("b", 2)]), "a: 1\nb: 2");
    let none: [(String, i64); 0] = [];
    assert_eq!(text(&none), "[], an empty list");
    let parameters = model.parameters("features.0").expect("a layer");
    for name in ["weight", "bias"] {
        assert!(text(&parameters).contains(name), "{}", text(&parameters));
    }
    let many: Vec<(String, usize)> = (0..70).map(|i| (format!("n{i}"), i)).collect();
    assert!(text(&many).ends_with("n63: 63\nthe first 64 of 70"), "{}", text(&many));
    // And whatever else the library returns.
    assert!(text(&model.op(1)).contains("kernel: [3, 3]"));
    assert!(text(model.preprocess()).contains("224"));
    assert_eq!(text(&Target::from("cat")), "Name(\"cat\")");
    let by_name: std::collections::BTreeMap<_, _> = many.into_iter().take(2).collect();
    assert_eq!(text(&by_name), "n0: 0\nn1: 1");
    assert!(Maps::new(1, 2, 2, vec![0.0; 4]).bundle().as_picture().is_some());
}

#[test]
fn pictures_come_without_html_and_tables_without_a_picture() {
    assert_eq!(mimes(&picture(9).bundle()), ["image/png", "text/plain"]);
    let model = zoo::squeezenet1_1().expect("embedded");
    assert_eq!(mimes(&model.bundle()), ["text/html", "text/plain"]);
    assert_eq!(mimes(&"text".bundle()), ["text/plain"]);
}

#[test]
fn images_of_any_pixel_show() {
    let dynamic = DynamicImage::ImageRgb8(RgbImage::new(4, 3));
    let grey16: ImageBuffer<Luma<u16>, Vec<u16>> = ImageBuffer::from_pixel(4, 3, Luma([65_535]));
    let floats: ImageBuffer<Rgb<f32>, Vec<f32>> =
        ImageBuffer::from_pixel(4, 3, Rgb([1.0, 0.5, 0.0]));
    let clear = RgbaImage::new(4, 3);
    for (bundle, expected) in [
        (dynamic.bundle(), [0, 0, 0]),
        (GrayImage::new(4, 3).bundle(), [0, 0, 0]),
        (grey16.bundle(), [255, 255, 255]),
        (floats.bundle(), [255, 128, 0]),
        (clear.bundle(), [255, 255, 255]),
    ] {
        let shown = bundle.as_picture().expect("a picture").to_rgb();
        assert_eq!(shown.dimensions(), (4, 3));
        assert_eq!(shown.get_pixel(1, 1).0, expected);
    }
    assert_eq!(mimes(&RgbImage::new(0, 3).bundle()), ["text/plain"]);
}

#[test]
fn results_and_options_show_what_is_in_them() {
    let good: Result<Picture, String> = Ok(picture(1));
    assert!(good.bundle().as_picture().is_some());
    let bad: Result<Picture, String> = Err("no <layer>".into());
    assert_eq!(bad.bundle().as_text(), "Error: no <layer>");
    assert!(bad.bundle().to_html().contains("no &lt;layer&gt;"));
    assert!(Some(picture(1)).bundle().as_picture().is_some());
    assert_eq!(None::<Picture>.bundle().as_text(), "None");
}

#[test]
fn tables_of_pictures_are_a_picture_with_their_captions_as_text() {
    let table = PictureTable::new(["cat"]).row("vgg16", [Cell::new(picture(9), "tabby")]);
    assert_eq!(mimes(&table.bundle()), ["image/png", "text/plain"]);
    assert_eq!(table.bundle().as_text(), "columns: cat\nvgg16: tabby");
    assert!(PictureTable::new(["cat"]).bundle().as_text().starts_with("Error: a table of 0 rows"));
}

#[test]
fn lists_of_pictures_are_a_sheet() {
    let list = vec![picture(0), picture(100), picture(200)];
    let bundle = list.bundle();
    let sheet = bundle.as_picture().expect("a sheet");
    assert!(sheet.width() >= 90, "{}", sheet.width());
    assert!(list[..1].bundle().as_picture().is_some());
    assert!(Vec::<Picture>::new().bundle().as_text().contains("empty"));
    let many = vec![picture(0); 1000].bundle();
    assert!(many.as_text().contains("64"), "{}", many.as_text());
    let mixed: Vec<Result<Picture, String>> = vec![Ok(picture(0)), Err("broken".into())];
    assert_eq!(mimes(&mixed.bundle()), ["text/html", "text/plain"]);
    let tensors = [1, 2].map(|_| Tensor::rand([3, 20, 20], tch::kind::FLOAT_CPU));
    assert!(tensors.bundle().as_picture().is_some());
}

#[test]
fn several_things_make_one_bundle() {
    let stacked = together([picture(0).bundle(), picture(9).bundle()]);
    assert_eq!(mimes(&stacked), ["image/png", "text/plain"]);
    assert!(stacked.as_picture().expect("a picture").height() > 40);
    let mixed = together(["some text".bundle(), picture(9).bundle()]);
    assert_eq!(mimes(&mixed), ["text/html", "text/plain"]);
    assert!(mixed.to_html().contains("data:image/png;base64,"));
    let texts = together(["a".bundle(), 1.5f64.bundle()]);
    assert_eq!(texts.as_text(), "a\n1.5");
    assert_eq!(mimes(&texts), ["text/plain"]);
    show!("the macro takes", 3, "things");
}

#[test]
fn text_that_looks_like_html_stays_text() {
    let nasty = "<script>alert(1)</script>";
    let html = together([nasty.bundle(), picture(0).bundle()]).to_html();
    assert!(!html.contains("<script>") && html.contains("&lt;script&gt;"), "{html}");
}

#[test]
fn lists_of_numbers_stay_on_their_line() {
    assert_eq!(vec![1i64, 64, 111, 111].bundle().as_text(), "[1, 64, 111, 111]");
    let long = vec![0.5f32; 1_000_000].bundle();
    assert!(long.as_text().ends_with("0.5, … 1000000 in all]") && long.as_text().len() < 1000);
}

#[test]
fn what_has_nothing_to_show_prints_nothing() {
    assert_eq!(().bundle().as_text(), "");
    ().evcxr_display();
    let saved: Result<(), String> = Ok(());
    saved.evcxr_display();
}

// How pictures travel

/// The picture as the notebook gets it: its kind, its file, and its pixels.
fn travelled(bundle: &MimeBundle) -> (&'static str, Vec<u8>, RgbImage) {
    let (mime, content) = bundle.entries().swap_remove(0);
    let file = STANDARD.decode(content).expect("base64");
    let pixels = image::load_from_memory(&file).expect("an image").to_rgb8();
    (mime, file, pixels)
}

/// A picture of this size, 4 pixels into its card.
fn within_card(card: &RgbImage, picture: &Picture) -> RgbImage {
    assert_eq!(card.dimensions(), (picture.width() + 10, picture.height() + 10));
    image::imageops::crop_imm(card, 5, 5, picture.width(), picture.height()).to_image()
}

fn mean_difference(a: &RgbImage, b: &RgbImage) -> f64 {
    assert_eq!(a.dimensions(), b.dimensions());
    let differences = a.as_raw().iter().zip(b.as_raw()).map(|(a, b)| f64::from(a.abs_diff(*b)));
    differences.sum::<f64>() / a.as_raw().len() as f64
}

#[test]
fn photos_travel_as_jpeg_with_all_of_their_colours_resolution() {
    let photo = Photo::open("assets/photos/cat_and_dog.jpg").expect("a photo").picture();
    let (mime, file, pixels) = travelled(&photo.bundle());
    assert_eq!(mime, "image/jpeg");
    assert!(file.len() * 3 < photo.to_png().len(), "{} bytes", file.len());
    assert!(mean_difference(&pixels, &photo.to_rgb()) < 4.0);
    // The frame header: three components, each sampled at every pixel.
    let frame = file.windows(2).position(|marker| marker == [0xff, 0xc0]).expect("a header");
    let sampling = [11, 14, 17].map(|at| file[frame + at]);
    assert_eq!((file[frame + 9], sampling), (3, [0x11; 3]));
    // In HTML, beside text, it is the same.
    let html = together(["some text".bundle(), photo.bundle()]).to_html();
    assert!(html.contains("<img src=\"data:image/jpeg;base64,"), "{}", &html[..200]);
}

#[test]
fn grey_photos_travel_as_jpeg_and_keep_their_greys() {
    let photo = Photo::open("assets/photos/cat_and_dog.jpg").expect("a photo").picture();
    let grey = DynamicImage::ImageRgb8(photo.to_rgb()).into_luma8();
    let grey = Picture::from(DynamicImage::ImageLuma8(grey));
    let (mime, _, pixels) = travelled(&grey.bundle());
    assert_eq!(mime, "image/jpeg");
    assert!(mean_difference(&pixels, &grey.to_rgb()) < 4.0);
    let greys = |image: &RgbImage| {
        let greys: std::collections::HashSet<u8> = image.pixels().map(|pixel| pixel.0[1]).collect();
        greys.len()
    };
    assert!(greys(&pixels) > 200, "{} of {}", greys(&pixels), greys(&grey.to_rgb()));
}

#[test]
fn classes_in_colours_that_are_alike_stay_apart_in_large_pictures() {
    let palette: Vec<[u8; 3]> = (0..60).map(|class| [100 + class, 50, 50]).collect();
    // Noise, which makes large files.
    let mut state = 1u32;
    let mut class = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        ((state >> 16) % 60) as u8
    };
    let classes = (0..500 * 500).map(|_| class()).collect();
    let picture = Picture::indexed(500, 500, classes, palette).expect("a picture");
    let (mime, file, pixels) = travelled(&picture.bundle());
    assert!(mime == "image/png" && file.len() > 120_000, "{mime}, {} bytes", file.len());
    assert_eq!(pixels, picture.to_rgb());
}

#[test]
fn what_has_few_colours_travels_as_it_is() {
    let dots = Picture::indexed(3, 2, vec![0, 1, 2, 2, 1, 0], vec![[9; 3], [200, 0, 0], [0, 0, 7]]);
    let few = Picture::rgb(60, 40, [[0, 0, 250], [250, 0, 0]].concat().repeat(1200));
    for picture in [dots.expect("a picture"), few.expect("a picture")] {
        let (mime, _, pixels) = travelled(&picture.bundle());
        assert_eq!((mime, &pixels), ("image/png", &picture.to_rgb()), "no card: it has an edge");
    }
    let chart = Chart::lines([("loss", vec![2.0, 1.0, 0.5])]).title("a chart");
    let (mime, _, pixels) = travelled(&chart.bundle());
    let drawn = chart.picture().expect("a chart");
    assert_eq!((mime, within_card(&pixels, &drawn)), ("image/png", drawn.to_rgb()));
}

#[test]
fn large_sheets_lose_nothing_that_an_eye_could_see() {
    let values = (0..64 * 100 * 100u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 8) as f32);
    let sheet = Sheet::new(Maps::new(64, 100, 100, values.collect()).expect("maps"));
    let drawn = sheet.render().expect("a sheet").picture;
    let (mime, file, pixels) = travelled(&sheet.bundle());
    assert_eq!(mime, "image/png");
    assert!(file.len() * 4 < drawn.to_png().len() * 3, "{} bytes", file.len());
    let shown = within_card(&pixels, &drawn);
    let saved = drawn.to_rgb();
    let most = shown.as_raw().iter().zip(saved.as_raw()).map(|(a, b)| a.abs_diff(*b)).max();
    assert!((1..=8).contains(&most.unwrap_or(0)), "{most:?} of 255");
    // Not even nearly white is the page.
    let white = |image: &RgbImage| image.pixels().filter(|pixel| pixel.0 == [255; 3]).count();
    assert!(white(&shown) >= white(&saved) && shown.get_pixel(0, 0).0 == [255; 3]);
    // What is computed and saved knows nothing of that.
    assert_eq!(image::load_from_memory(&drawn.to_png()).expect("a PNG").to_rgb8(), saved);
}

#[test]
fn what_ends_in_white_lies_on_a_card_with_an_edge() {
    let captioned = picture(90).captioned("a caption");
    let (_, _, card) = travelled(&captioned.bundle());
    assert_eq!(within_card(&card, &captioned), captioned.to_rgb());
    let (right, bottom) = (card.width() - 1, card.height() - 1);
    for (x, y) in [(0, 0), (right, 0), (0, bottom), (right, bottom), (right / 2, 0)] {
        assert_eq!(card.get_pixel(x, y).0, [208; 3], "the edge at {x}, {y}");
    }
    assert_eq!([card.get_pixel(1, 1).0, card.get_pixel(4, 4).0], [[255; 3]; 2]);
    let bare = travelled(&picture(90).bundle()).2;
    assert_eq!(bare.dimensions(), (30, 20), "a photo has its own edge");
    let black = Sheet::pictures(vec![picture(0), picture(9)]).dark();
    let drawn = black.render().expect("a sheet").picture;
    assert_eq!(travelled(&black.bundle()).2.dimensions(), (drawn.width(), drawn.height()));
}

#[test]
fn pictures_beside_each_other_line_up_under_titles_of_any_length() {
    let long = "a title that is so long that it takes several lines above its picture ".repeat(3);
    let row = side_by_side([("short", picture(10)), (&long, picture(20))]);
    let row = row.as_picture().expect("a picture").to_rgb();
    let tops = [10, 20].map(|shade| {
        row.enumerate_pixels().find(|(_, _, pixel)| pixel.0 == [shade; 3]).map(|(_, y, _)| y)
    });
    assert!(tops[0].is_some() && tops[0] == tops[1], "{tops:?}");
}

// Long tables and long names

#[test]
fn long_tables_fold_and_have_all_rows_behind_a_click() {
    let model = zoo::squeezenet1_1().expect("embedded");
    let layers = model.layers();
    let bundle = layers.bundle();
    let text = bundle.as_text();
    let lines: Vec<&str> = text.lines().collect();
    // The caption, the titles, ten rows, how many follow, five rows.
    assert_eq!((lines.len(), layers.len()), (2 + 10 + 1 + 5, 67), "{text}");
    assert_eq!(
        lines[..4],
        [
            "squeezenet1_1: 67 layers",
            "    Layer                            Kind               Output shape       Parameters",
            " 0  input                            Input              [1, 3, 224, 224]            –",
            " 1  features.0                       Conv2d             [1, 64, 111, 111]       1,792",
        ]
    );
    assert_eq!(lines[12], "… 52 more rows");
    assert!(lines[17].starts_with("66  "), "{}", lines[17]);
    let html = bundle.to_html();
    let (short, rest) = html.split_once("<details>").expect("a fold");
    let rows = |html: &str| html.matches("<tr>").count() - 1;
    assert_eq!((rows(short), rows(rest)), (10 + 1 + 5, 67));
    assert!(short.contains(">… 52 more rows</td></tr>"), "{short}");
    assert!(rest.starts_with("<summary>all 67 rows</summary>\n<table>"), "{rest}");
    assert!(rest.ends_with("</table>\n</details>"));
    // All of it is there where it is asked for as text.
    assert_eq!(layers.to_string().lines().count(), 2 + 67);
}

#[test]
fn names_of_any_length_are_cut_for_display() {
    let name = "x".repeat(100_000);
    let mut net = Model::builder(&name, [3, 8, 8]);
    let x = net.input();
    let x = net.add(&name, convlens::model::Conv2d::new(3, 4, 3), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = net.build().expect("a network");
    let longest = |text: &str| text.lines().map(|line| line.chars().count()).max().unwrap_or(0);
    let layers = model.layers().to_string();
    let cut = "x".repeat(99) + "…";
    assert!(layers.lines().nth(3).expect("a row").contains(&format!("1  {cut}  Conv2d")));
    assert!(layers.lines().skip(1).all(|line| longest(line) < 200));
    assert!(model.summary().expect("a summary").to_string().contains(&cut));
    for (bundle, widest) in [
        (Chart::bars([(name.as_str(), 1.0), ("b", 2.0)]).axes(&name, &name).bundle(), 1300),
        (Chart::lines([(name.as_str(), vec![1.0, 2.0])]).axes(&name, &name).bundle(), 640),
        (Chart::scatter([("a", vec![(1.0, 2.0)])]).mark([(1.0, 2.0, &name)]).bundle(), 640),
        (Chart::bars([("a", 1.0)]).title(&name).bundle(), 640),
        (SmallMultiples::new([Chart::bars([(&name, 1.0)]).title(&name)]).bundle(), 1000),
        (PictureTable::new([&name]).title(&name).row(&name, [picture(1)]).bundle(), 1000),
        (Sheet::pictures(vec![picture(1)]).captions([&name]).title(&name).bundle(), 1000),
        (side_by_side([(&name, picture(1))]), 1000),
        (picture(1).captioned(&name).bundle(), 1000),
        (model.drawing().bundle(), 1000),
    ] {
        let picture = bundle.as_picture().expect("a picture");
        assert!(picture.width() <= widest && picture.height() < 1000, "{picture:?}");
    }
    let texts = Chart::bars([(name.as_str(), 1.0)]).title(&name).bundle();
    assert_eq!(texts.as_text(), format!("{}…\n{cut}: 1", "x".repeat(199)));
    let many = Chart::bars((0..100_000).map(|i| (i.to_string(), 1.0))).picture();
    assert!(many.expect_err("too many").to_string().contains("at most 1000"));
}
