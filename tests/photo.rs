//! Photos of every kind open, and become what torchvision makes of them.

use std::fs;
use std::path::{Path, PathBuf};

use convlens::error::Error;
use convlens::model::{Conv2d, Model};
use convlens::photo::{Photo, Preprocess};
use convlens::picture::{Maps, Picture};
use convlens::show::Show;
use image::RgbImage;

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference").join(name)
}

fn asset(name: &str) -> Photo {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/photos").join(name);
    Photo::open(path).expect("an asset")
}

fn png(path: PathBuf) -> RgbImage {
    image::open(path).expect("a reference picture").to_rgb8()
}

fn greatest_difference(a: &RgbImage, b: &RgbImage) -> u8 {
    assert_eq!(a.dimensions(), b.dimensions());
    a.as_raw().iter().zip(b.as_raw()).map(|(&a, &b)| a.abs_diff(b)).max().unwrap_or(0)
}

fn message(bytes: &[u8]) -> String {
    Photo::from_bytes(bytes).expect_err("no photo").to_string()
}

#[test]
fn preprocessing_equals_torchvisions_within_two_levels() {
    let imagenet = Preprocess::imagenet();
    for name in ["cat", "dog", "cat_and_dog"] {
        let file = if name == "cat" { "cat.png" } else { &format!("{name}.jpg") };
        let seen = imagenet.seen(&asset(file)).expect("a crop");
        let expected = png(reference(&format!("preprocess/{name}_crop.png")));
        let difference = greatest_difference(&seen, &expected);
        assert!(difference <= 2, "{name}: {difference} levels");
    }
    let squashed = Preprocess::exact(224, 224).seen(&asset("dog.jpg")).expect("a resize");
    let difference = greatest_difference(&squashed, &png(reference("preprocess/dog_squash.png")));
    assert!(difference <= 2, "squash: {difference} levels");
    let small = Photo::open(reference("preprocess/small.png")).expect("a small photo");
    let enlarged = imagenet.seen(&small).expect("a crop");
    let difference = greatest_difference(&enlarged, &png(reference("preprocess/small_crop.png")));
    assert!(difference <= 2, "enlarged: {difference} levels");
    let cubic = Preprocess::shorter(80).crop(72).bicubic();
    for (name, photo) in [("dog", asset("dog.jpg")), ("small", small)] {
        let seen = cubic.seen(&photo).expect("a crop");
        let expected = png(reference(&format!("preprocess/{name}_cubic.png")));
        let difference = greatest_difference(&seen, &expected);
        assert!(difference <= 2, "{name}, bicubic: {difference} levels");
    }
}

#[test]
fn the_input_is_normalised_channel_by_channel() {
    let photo = asset("cat.png");
    let seen = Preprocess::imagenet().seen(&photo).expect("a crop");
    let input = Preprocess::imagenet().apply(&photo).expect("an input");
    assert_eq!(input.size(), [1, 3, 224, 224]);
    let (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    for (x, y) in [(0, 0), (100, 50), (223, 223)] {
        for c in 0..3 {
            let byte = f64::from(seen.get_pixel(x, y).0[c]);
            let expected = (byte / 255.0 - mean[c]) / deviation[c];
            let found = input.double_value(&[0, c as i64, i64::from(y), i64::from(x)]);
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}

#[test]
fn damaged_files_say_what_is_wrong() {
    let whole = fs::read(reference("photos/rgb.png")).expect("a photo");
    let text = message(&whole[..whole.len() / 2]);
    assert!(text.starts_with("a damaged or unsupported Png photo of"), "{text}");
    let jpeg = fs::read(reference("photos/rgb.jpg")).expect("a photo");
    let text = message(&jpeg[..40]);
    assert!(text.starts_with("a damaged or unsupported Jpeg photo of 40 bytes"), "{text}");
    assert_eq!(message(b""), "the file is empty");
    assert_eq!(
        message(b"hello, I am no photo"),
        "not a PNG, JPEG, BMP, GIF, WebP, TIFF or PNM photo: the file begins with the text \"hello, I am \""
    );
    let text = message(&[0, 159, 146, 150]);
    assert!(text.contains("the bytes [00, 9f, 92, 96]"), "{text}");
}

/// A PNG whose header claims this size and that ends there.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([8, 2, 0, 0, 0]);
    let mut file = b"\x89PNG\r\n\x1a\n".to_vec();
    file.extend(13u32.to_be_bytes());
    file.extend(&chunk);
    file.extend(crc32(&chunk).to_be_bytes());
    // An empty data chunk, so that decoders look at the header before they miss the pixels.
    file.extend([0, 0, 0, 0]);
    file.extend(b"IDAT");
    file.extend(crc32(b"IDAT").to_be_bytes());
    file
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |mut crc, &byte| {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg());
        }
        crc
    })
}

#[test]
fn headers_that_claim_nothing_or_too_much_are_refused_before_decoding() {
    let text = message(&png_header(0, 0));
    assert!(
        text.starts_with("a damaged or unsupported Png photo") || text.contains("no pixels"),
        "{text}"
    );
    let text = message(&png_header(30_000, 30_000));
    assert_eq!(
        text,
        "the photo is 30000 × 30000, 900 megapixels; at most 100 are opened: make it smaller first"
    );
    // A JPEG and a BMP that claim the same.
    let mut bmp = fs::read(reference("photos/rgb.bmp")).expect("a photo");
    bmp[18..22].copy_from_slice(&30_000u32.to_le_bytes());
    bmp[22..26].copy_from_slice(&30_000u32.to_le_bytes());
    assert!(message(&bmp).contains("900 megapixels"), "{}", message(&bmp));
}

#[test]
fn paths_that_cannot_be_read_are_named() {
    let text = Photo::open("no/such/photo.png").expect_err("missing").to_string();
    assert!(text.starts_with("no/such/photo.png: cannot be read:"), "{text}");
    assert!(text.contains("looked for in"), "{text}");
    let folder = reference("photos");
    let text = Photo::open(&folder).expect_err("a folder").to_string();
    assert_eq!(text, format!("{}: this is a folder; name a photo in it", folder.display()));
}

#[test]
fn sizes_that_make_no_sense_are_refused() {
    let photo = asset("cat.png");
    for wrong in [
        Preprocess::shorter(0),
        Preprocess::shorter(-5),
        Preprocess::shorter(1_000_000),
        Preprocess::exact(0, 10),
        Preprocess::exact(1 << 40, 1 << 40),
        Preprocess::shorter(i64::MAX / 2),
        Preprocess::keep().crop(i64::MAX),
        Preprocess::keep().crop(10_000),
        Preprocess::keep().crop(0),
    ] {
        let text = wrong.apply(&photo).expect_err("no such size").to_string();
        assert!(text.contains("pixels") || text.contains("crop"), "{text}");
    }
    let flat = Preprocess::keep().normalize([0.0; 3], [1.0, 0.0, 1.0]);
    assert!(flat.apply(&photo).is_err());
}

#[test]
fn a_large_photo_is_shown_small_and_kept_large() {
    let large = RgbImage::from_pixel(2000, 1000, image::Rgb([10, 20, 30]));
    let photo = Photo::from_image(&large.into()).expect("a photo");
    assert_eq!((photo.width(), photo.height()), (2000, 1000));
    let bundle = photo.bundle();
    let shown = bundle.as_picture().expect("a picture");
    assert_eq!((shown.width(), shown.height()), (800, 400));
    assert!(bundle.as_text().contains("shown at 800 × 400"));
}

#[test]
fn every_format_opens_to_the_expected_pixels() {
    let text = fs::read_to_string(reference("photos/expected.json")).expect("the list");
    let list: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let list = list.as_object().expect("an object");
    assert!(list.len() >= 20, "{} photos", list.len());
    for (name, expected) in list {
        let photo = Photo::open(reference("photos").join(name));
        let photo = photo.unwrap_or_else(|error| panic!("{name}: {error}"));
        let pixels = expected["pixels"].as_str().expect("a path");
        let tolerance = expected["tolerance"].as_u64().expect("a number");
        let difference =
            greatest_difference(&photo.picture().to_rgb(), &png(reference("photos").join(pixels)));
        assert!(u64::from(difference) <= tolerance, "{name}: {difference} levels");
    }
}

#[test]
fn photos_of_every_format_that_end_too_early_are_refused() {
    for name in [
        "rgb.jpg",
        "progressive.jpg",
        "rgb.png",
        "rgb.bmp",
        "animated.gif",
        "lossless.webp",
        "lossy.webp",
    ] {
        let whole = fs::read(reference("photos").join(name)).expect("a photo");
        assert!(Photo::from_bytes(&whole).is_ok(), "{name}");
        // A GIF's first frame is whole long before the end of the file.
        for percent in if name.ends_with("gif") { [10, 20] } else { [50, 75] } {
            let text = message(&whole[..whole.len() * percent / 100]);
            assert!(
                text.contains("truncated") || text.contains("damaged"),
                "{name} at {percent} %: {text}"
            );
        }
    }
}

#[test]
fn a_grey_input_is_the_luma_of_the_photo() {
    use convlens::prelude::*;
    let mut net = Model::builder("grey", [1, 2, 2]).preprocess(Preprocess::keep());
    let x = net.input();
    net.add("relu", Op::Relu, &[x]);
    let colour = RgbImage::from_pixel(2, 2, image::Rgb([255, 128, 0]));
    let photo = Photo::from_image(&colour.into()).expect("a photo");
    let look = net.build().and_then(|net| net.look(&photo)).expect("a look");
    let input = look.layer("input").expect("the input").tensor();
    assert_eq!(input.size(), [1, 1, 2, 2]);
    let luma = 0.299 + 0.587 * 128.0 / 255.0;
    assert!((input.double_value(&[0, 0, 1, 1]) - luma).abs() < 1e-6);
}

#[test]
fn a_jpeg_without_its_end_opens_when_no_row_is_missing() {
    for name in ["rgb.jpg", "grey.jpg", "cmyk.jpg", "progressive.jpg", "orientation_8.jpg"] {
        let whole = fs::read(reference("photos").join(name)).expect("a photo");
        let truth = Photo::from_bytes(&whole).expect("a photo").picture().to_rgb();
        assert!(whole.ends_with(&[0xff, 0xd9]));
        let data = &whole[..whole.len() - 2];
        // As some cameras, tools and interrupted downloads leave it.
        for end in [&[][..], &[0xff], &[0; 100], &[0xff, 0xff]] {
            let photo = Photo::from_bytes(&[data, end].concat());
            let photo = photo.unwrap_or_else(|error| panic!("{name} with {end:?}: {error}"));
            assert_eq!(photo.picture().to_rgb(), truth, "{name} with {end:?}");
        }
        // Whatever opens is whole.
        for length in (4..data.len()).step_by(7) {
            for end in [&[][..], &[0; 100]] {
                match Photo::from_bytes(&[&data[..length], end].concat()) {
                    Ok(photo) => assert_eq!(photo.picture().to_rgb(), truth, "{name} to {length}"),
                    Err(Error::Image(text)) => {
                        assert!(text.contains("truncated") || text.contains("damaged"), "{text}");
                    }
                    Err(other) => panic!("{other:?}"),
                }
            }
        }
    }
}

#[test]
fn a_jpeg_without_its_end_may_end_in_zeros_of_its_own() {
    let mut seen = 0;
    // In flat pictures, blocks of the same colour are zeros, and some numbers of them fill whole bytes.
    for (width, height, grey) in (1..=8).flat_map(|w| [(8 * w, 8, 128), (8 * w, 16, 90)]) {
        let flat = RgbImage::from_pixel(width, height, image::Rgb([grey; 3]));
        let mut file = std::io::Cursor::new(Vec::new());
        flat.write_to(&mut file, image::ImageFormat::Jpeg).expect("a JPEG");
        let whole = file.into_inner();
        let data = whole.strip_suffix(&[0xff, 0xd9]).expect("an end");
        let photo = Photo::from_bytes(data);
        let photo = photo.unwrap_or_else(|error| panic!("{width} × {height}: {error}"));
        let truth = Photo::from_bytes(&whole).expect("a photo");
        assert_eq!(photo.picture().to_rgb(), truth.picture().to_rgb(), "{width} × {height}");
        seen += usize::from(data.ends_with(&[0]) && !data.ends_with(&[0xff, 0]));
    }
    assert!(seen > 0, "none of them ends in a zero");
}

#[test]
fn damaged_tiffs_and_ppms_say_so() {
    for name in
        ["rgb.tif", "planes.tif", "tiles.tif", "jpeg.tif", "float.tif", "rgb.ppm", "bits.pbm"]
    {
        let whole = fs::read(reference("photos").join(name)).expect("a photo");
        let mut refused = 0;
        for length in (4..whole.len() - 1).step_by(13) {
            match Photo::from_bytes(&whole[..length]) {
                Ok(_) => {}
                Err(Error::Image(text)) => {
                    let kind = if name.ends_with(".tif") { "TIFF file" } else { "Pnm photo" };
                    assert!(text.contains(&format!("a damaged or unsupported {kind}")), "{text}");
                    refused += 1;
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        assert!(refused > 0, "{name}");
    }
    // A header that claims 30,000 × 30,000 pixels.
    let mut large = fs::read(reference("photos/float.tif")).expect("a photo");
    let entry = |file: &[u8], tag: u16| {
        let at = file.windows(2).skip(8).position(|pair| pair == tag.to_le_bytes());
        at.expect("a tag") + 8
    };
    for tag in [256, 257, 278] {
        let at = entry(&large, tag);
        // A field of 32 bits.
        large[at + 2..at + 4].copy_from_slice(&4u16.to_le_bytes());
        large[at + 8..at + 12].copy_from_slice(&30_000u32.to_le_bytes());
    }
    assert!(message(&large).contains("900 megapixels"), "{}", message(&large));
}

#[test]
fn a_tiff_of_values_that_are_no_numbers_is_refused() {
    let whole = fs::read(reference("photos/float.tif")).expect("a photo");
    // Its first value.
    let first = (-50.0f32 * 37.0).to_le_bytes();
    let at = whole.windows(4).position(|bytes| bytes == first).expect("a value");
    let mut odd = whole;
    odd[at..at + 4].copy_from_slice(&f32::NAN.to_le_bytes());
    assert!(
        matches!(Photo::from_bytes(&odd), Err(Error::Image(text)) if text.contains("1 values of the TIFF"))
    );
}

#[test]
fn the_numbers_of_a_tiff_are_read_as_they_are_stored() {
    let open = |name: &str| Maps::open(reference("photos").join(name)).expect("numbers");
    for name in ["float.tif", "float_packed.tif", "big.tif", "big_swapped.tif"] {
        let maps = open(name);
        assert_eq!((maps.count(), maps.height(), maps.width()), (1, 8, 12));
        let wave: Vec<f32> = (0..96).map(|i| (i as f32 - 50.0) * 37.0).collect();
        assert_eq!(maps.values(), wave);
    }
    // A map a channel, whether the file has them pixel by pixel or plane by plane.
    for name in ["rgb.tif", "planes.tif", "tiles.tif"] {
        let maps = open(name);
        assert_eq!((maps.count(), maps.height(), maps.width()), (3, 8, 12), "{name}");
        let corner = |c: usize| maps.map(c).map(|map| map[0]);
        assert_eq!([0, 1, 2].map(corner), [Some(220.0), Some(30.0), Some(40.0)], "{name}");
    }
    assert_eq!(open("rgb16_big.tif").values()[0], 220.0 * 257.0);
    // Whichever of them is white, and however few bits they have.
    let with = |name: &str, fields: &[(u16, u32)]| {
        let mut file = fs::read(reference("photos").join(name)).expect("a photo");
        for (tag, value) in fields {
            let at = file.windows(2).skip(8).position(|pair| pair == tag.to_le_bytes());
            let at = at.expect("a tag") + 8;
            // A field of 32 bits.
            file[at + 2..at + 4].copy_from_slice(&4u16.to_le_bytes());
            file[at + 8..at + 12].copy_from_slice(&value.to_le_bytes());
        }
        file
    };
    let white = |name: &str| Maps::from_bytes(&with(name, &[(262, 0)]));
    let bits = open("bits.tif");
    assert_eq!(bits.values()[4..8], [0.0, 0.0, 1.0, 1.0]);
    assert!(bits.values().iter().all(|&bit| bit == 0.0 || bit == 1.0));
    for name in ["bits.tif", "grey16.tif"] {
        assert_eq!(white(name).expect(name).values(), open(name).values(), "{name}");
    }
    let text = white("float.tif").expect_err("floats").to_string();
    assert!(text.contains("0 as black"), "{text}");
    // Channels count, before there is memory for them.
    let large = with("planes.tif", &[(256, 10_000), (257, 5_000), (278, 5_000)]);
    let text = Maps::from_bytes(&large).expect_err("150 million values").to_string();
    assert!(text.contains("3 maps of 5000 × 10000"), "{text}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("maps.npy");
    let maps = Maps::new(2, 1, 3, (0..6).map(|i| i as f32).collect()).expect("maps");
    maps.save_npy(&path).expect("a file");
    let again = Maps::open(&path).expect("numbers");
    assert_eq!((again.count(), again.values()), (2, maps.values()));
    let text = Maps::open(reference("photos/rgb.png")).expect_err("no numbers").to_string();
    assert!(text.contains("holds no numbers"), "{text}");
    let text = Maps::open(folder.path().join("none.tif")).expect_err("no file").to_string();
    assert!(text.contains("cannot be read"), "{text}");
}

#[test]
fn a_network_that_takes_blue_first_is_given_blue_first_and_shown_in_its_colours() {
    let photo = Photo::from_picture(&Picture::rgb(2, 1, vec![250, 10, 20, 30, 200, 90]).unwrap());
    let statistics = ([0.1, 0.2, 0.3], [0.5, 0.6, 0.7]);
    let rgb = Preprocess::keep().normalize(statistics.0, statistics.1);
    let bgr = rgb.bgr();
    let (plain, turned) = (rgb.apply(&photo).unwrap(), bgr.apply(&photo).unwrap());
    assert_eq!(turned, plain.flip([1]));

    let mut net = Model::builder("small", [3, 1, 2]).preprocess(bgr);
    let x = net.input();
    net.add("conv", Conv2d::new(3, 4, 1), &[x]);
    let model = net.seed(0).build().unwrap();
    // By the way of a prepared input, which has to be undone.
    let seen = model.look_input(&turned).unwrap().seen();
    assert_eq!(seen.data(), photo.picture().data());
    // A kernel that answers to red alone is drawn in red.
    let _ = tch::no_grad(|| {
        let mut weight = model.weights()["conv.weight"].shallow_clone();
        let _ = weight.zero_();
        weight.select(1, 2).fill_(1.0)
    });
    let kernels = model.kernels("conv").unwrap().bundle();
    let picture = kernels.as_picture().unwrap().clone();
    let reds = picture.to_rgb().pixels().filter(|p| p.0 == [255, 128, 128]).count();
    let blues = picture.to_rgb().pixels().filter(|p| p.0 == [128, 128, 255]).count();
    assert!(reds > 100 && blues == 0, "{reds} red and {blues} blue pixels");
}
