//! What cells show: ours, images, results, options, lists, several at once.

use convlens::prelude::*;
use convlens::show::together;
use image::{DynamicImage, GrayImage, ImageBuffer, Luma, Rgb, RgbImage, RgbaImage};

fn picture(shade: u8) -> Picture {
    Picture::rgb(30, 20, vec![shade; 30 * 20 * 3]).expect("a picture")
}

fn mimes(bundle: &MimeBundle) -> Vec<&'static str> {
    bundle.entries().into_iter().map(|(mime, _)| mime).collect()
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
