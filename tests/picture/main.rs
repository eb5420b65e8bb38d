//! Pictures, colour maps, contact sheets and overlays, against the numbers of their models.

mod overlay;
mod table;

use std::path::{Path, PathBuf};

use convlens::error::Error;
use convlens::picture::{
    Colormap, Maps, NAN, NEGATIVE_INFINITY, Normalize, POSITIVE_INFINITY, Picture, Resize, Sheet,
};
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{ExtendedColorType, ImageEncoder};
use serde_json::Value;

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/picture").join(name)
}

fn numbers(name: &str) -> Value {
    let text = std::fs::read_to_string(reference(name)).expect("the reference numbers");
    serde_json::from_str(&text).expect("JSON")
}

fn floats(value: &Value) -> Vec<f32> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap() as f32).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    value.as_array().unwrap().iter().map(|v| u8::try_from(v.as_u64().unwrap()).unwrap()).collect()
}

fn size(value: &Value) -> usize {
    usize::try_from(value.as_u64().unwrap()).unwrap()
}

/// Values that look random and are the same every time.
fn noise(count: usize) -> impl Iterator<Item = u32> {
    let mut state = 0x2545_f491u32;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        state
    })
    .take(count)
}

fn waves(count: usize, height: usize, width: usize) -> Maps {
    let value = |i: usize| {
        let (map, at) = (i / (height * width), i % (height * width));
        let (y, x) = (at / width, at % width);
        ((map + 1) as f32 * 0.1 * x as f32).sin() + (0.2 * y as f32).cos()
    };
    Maps::new(count, height, width, (0..count * height * width).map(value).collect()).unwrap()
}

fn ramp() -> Maps {
    Maps::new(1, 2, 2, vec![0.0, 1.0, 2.0, 3.0]).unwrap()
}

fn decoded(png: &[u8]) -> image::RgbImage {
    image::load_from_memory(png).expect("a PNG that others can read").to_rgb8()
}

fn contains(picture: &Picture, colour: [u8; 3]) -> bool {
    picture.to_rgb().pixels().any(|pixel| pixel.0 == colour)
}

// Colour maps

#[test]
fn colours_are_matplotlibs_to_the_byte() {
    let expected = numbers("colormaps.json");
    let values = floats(&expected["values"]);
    for map in Colormap::ALL.into_iter().filter(|&map| map != Colormap::JetOpenCv) {
        let colours: Vec<u8> = values.iter().flat_map(|&t| map.color(t)).collect();
        assert_eq!(colours, bytes(&expected[map.name()]), "{map}");
    }
}

#[test]
fn opencvs_jet_is_another_one_than_matplotlibs() {
    assert_eq!(Colormap::Jet.palette()[96], [21, 255, 225]);
    assert_eq!(Colormap::JetOpenCv.palette()[96], [2, 255, 254]);
    assert_eq!(Colormap::JetOpenCv.color(0.0), [0, 0, 128]);
    assert_eq!(Colormap::JetOpenCv.color(1.0), [128, 0, 0]);
}

#[test]
fn colours_outside_the_range_are_the_ends_and_nan_has_its_own() {
    assert_eq!(Colormap::Greys.color(-3.0), [255, 255, 255]);
    assert_eq!(Colormap::Greys.color(f32::INFINITY), [0, 0, 0]);
    assert_eq!(Colormap::Viridis.color(f32::NAN), NAN);
}

#[test]
fn colour_maps_are_found_by_name_and_an_unknown_one_lists_the_closest() {
    for map in Colormap::ALL {
        assert_eq!(map.name().parse::<Colormap>().unwrap(), map);
    }
    assert_eq!("VIRIDIS".parse::<Colormap>().unwrap(), Colormap::Viridis);
    let error = "virdis".parse::<Colormap>().unwrap_err().to_string();
    assert!(error.contains("\"virdis\"") && error.contains("\"viridis\""), "{error}");
}

// Maps and their sizes

#[test]
fn resizing_matches_torch_interpolate() {
    for case in numbers("resize.json").as_array().unwrap() {
        let (shape, to) = (&case["shape"], &case["size"]);
        let maps = Maps::new(1, size(&shape[0]), size(&shape[1]), floats(&case["source"])).unwrap();
        for (name, resize) in [
            ("half_pixel", Resize::HalfPixel),
            ("align_corners", Resize::AlignCorners),
            ("nearest", Resize::Nearest),
        ] {
            let resized = maps.resized(size(&to[0]), size(&to[1]), resize).unwrap();
            for (ours, theirs) in resized.values().iter().zip(floats(&case[name])) {
                // Values of about 1, in single precision, stored to six places.
                assert!((ours - theirs).abs() < 2e-6, "{name} {shape} -> {to}: {ours} {theirs}");
            }
        }
    }
}

#[test]
fn half_pixel_and_aligned_corners_differ_as_documented() {
    let row = |resize| ramp().resized(4, 4, resize).unwrap().map(0).unwrap()[..4].to_vec();
    assert_eq!(row(Resize::HalfPixel), [0.0, 0.25, 0.75, 1.0]);
    let aligned = row(Resize::AlignCorners);
    for (ours, theirs) in aligned.iter().zip([0.0, 1.0 / 3.0, 2.0 / 3.0, 1.0]) {
        assert!((ours - theirs).abs() < 1e-6, "{aligned:?}");
    }
    assert_eq!(row(Resize::Nearest), [0.0, 0.0, 1.0, 1.0]);
}

#[test]
fn maps_check_their_number_of_values() {
    let error = Maps::new(2, 3, 4, vec![0.0; 23]).unwrap_err();
    assert_eq!(error.to_string(), "2 maps of 3 × 4 have 24 values, but 23 were given");
    assert!(Maps::new(usize::MAX, usize::MAX, 2, vec![]).is_err());
    assert!(Maps::new(0, 3, 3, vec![]).unwrap().map(0).is_none());
    assert!(ramp().map(1).is_none());
}

#[test]
fn impossible_sizes_are_errors() {
    for (height, width) in [(0, 4), (4, 0), (usize::MAX, 2), (1 << 40, 1 << 10)] {
        assert!(ramp().resized(height, width, Resize::HalfPixel).is_err(), "{height} {width}");
    }
    let empty = Maps::new(1, 0, 3, vec![]).unwrap();
    assert!(empty.resized(2, 2, Resize::Nearest).is_err());
}

#[test]
fn values_are_written_as_numpy_writes_them_to_the_byte() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("maps.npy");
    let mut values: Vec<f32> = (0..30).map(|i| i as f32 / 7.0 - 2.0).collect();
    (values[28], values[29]) = (f32::NAN, f32::NEG_INFINITY);
    // The second time the file is there and is replaced.
    for _ in 0..2 {
        Maps::new(2, 3, 5, values.clone()).unwrap().save_npy(&path).unwrap();
        assert_eq!(std::fs::read(&path).unwrap(), std::fs::read(reference("maps.npy")).unwrap());
    }
    ramp().save_npy(&path).unwrap();
    let one = std::fs::read(&path).unwrap();
    assert!(String::from_utf8_lossy(&one[..128]).contains("'shape': (2, 2), "), "no count");
    assert_eq!(one.len(), 128 + 16);
    let missing = folder.path().join("no/such/maps.npy");
    let error = ramp().save_npy(&missing).unwrap_err().to_string();
    assert!(error.starts_with(missing.to_str().unwrap()) && error.contains("No such"), "{error}");
    let error = ramp().save_npy(folder.path()).unwrap_err().to_string();
    assert!(error.contains("folder"), "{error}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing else is left");
}

// Pictures

#[test]
fn a_png_holds_the_same_pixels_at_any_size_and_depth() {
    // The last ones are large enough for two threads and many blocks.
    for (width, height) in [(1, 1), (1, 9), (7, 1), (3, 5), (259, 40), (1000, 700), (70_000, 9)] {
        let pixels = (width * height) as usize;
        let palette: Vec<[u8; 3]> = (0..=255).map(|i| [i, 255 - i, i / 2]).collect();
        let smooth = |i: usize| ((i as f32 / 300.0).sin() * 100.0 + 128.0) as u8;
        let kinds: [Vec<u8>; 4] = [
            noise(pixels * 3).map(|v| v as u8).collect(),
            (0..pixels * 3).map(smooth).collect(),
            vec![9; pixels * 3],
            // Sparse: runs of zeros of every length.
            noise(pixels * 3).map(|v| if v % 97 == 0 { v as u8 } else { 0 }).collect(),
        ];
        for data in kinds {
            let rgb = Picture::rgb(width, height, data.clone()).unwrap();
            assert_eq!(decoded(&rgb.to_png()).as_raw(), &data, "{width} {height}");
            let indices = data[..pixels].to_vec();
            let indexed = Picture::indexed(width, height, indices, palette.clone()).unwrap();
            assert_eq!(decoded(&indexed.to_png()), indexed.to_rgb(), "{width} {height}");
        }
    }
}

#[test]
fn every_length_of_run_survives_compression() {
    for run in 1..600 {
        let mut data = vec![0u8; run + 40];
        data[..20].fill(7);
        data[run + 20..].fill(9);
        let width = data.len() as u32;
        let palette = vec![[1, 2, 3]; 10];
        let picture = Picture::indexed(width, 1, data, palette).unwrap();
        assert_eq!(decoded(&picture.to_png()), picture.to_rgb(), "{run}");
    }
}

#[test]
fn indexed_pictures_stay_indexed_in_the_file() {
    let picture = Sheet::new(waves(9, 20, 20)).render().unwrap().picture;
    let png = picture.to_png();
    assert_eq!(png[24..26], [8, 3], "8 bits, colour type 3: palette");
    assert!(picture.palette().is_some());
}

#[test]
fn photos_compress_nearly_like_zlibs_default_and_noise_hardly_grows() {
    let photo = image::open(reference("../../../assets/photos/cat.png")).unwrap();
    let maps: Vec<f32> = photo.to_luma32f().into_raw();
    let maps = Maps::new(1, photo.height() as usize, photo.width() as usize, maps).unwrap();
    let sheet = Sheet::new(maps).render().unwrap().picture;
    for picture in [Picture::from(&photo), sheet] {
        let ours = picture.to_png().len();
        let kind = if picture.palette().is_some() {
            ExtendedColorType::L8
        } else {
            ExtendedColorType::Rgb8
        };
        let mut theirs = Vec::new();
        PngEncoder::new_with_quality(&mut theirs, CompressionType::Default, FilterType::Adaptive)
            .write_image(picture.data(), picture.width(), picture.height(), kind)
            .unwrap();
        // A few per cent of size buy a tenth of the time.
        assert!(ours * 100 <= theirs.len() * 108, "{ours} bytes, zlib {}", theirs.len());
    }
    let data: Vec<u8> = noise(300_000).map(|v| (v >> 7) as u8).collect();
    let noisy = Picture::rgb(1000, 100, data).unwrap().to_png();
    assert!(noisy.len() < 300_000 + 1000, "{}", noisy.len());
}

#[test]
fn pictures_check_their_data() {
    for (width, height, length) in [(0, 3, 0), (3, 0, 0), (2, 2, 11), (u32::MAX, u32::MAX, 4)] {
        let error = Picture::rgb(width, height, vec![0; length]).unwrap_err();
        assert!(matches!(error, Error::Image(_)), "{error}");
    }
    let error = Picture::indexed(2, 1, vec![0, 2], vec![[0; 3]; 2]).unwrap_err();
    assert_eq!(error.to_string(), "a pixel has colour 2 of a palette of 2");
    assert!(Picture::indexed(1, 1, vec![0], vec![]).is_err());
    assert!(Picture::indexed(1, 1, vec![0], vec![[0; 3]; 257]).is_err());
}

#[test]
fn images_of_any_kind_become_pictures_and_transparency_lies_on_white() {
    let mut clear = image::RgbaImage::new(2, 1);
    clear.put_pixel(0, 0, image::Rgba([200, 100, 0, 128]));
    let picture = Picture::from(&image::DynamicImage::ImageRgba8(clear));
    // 200 * 128/255 + 255 * 127/255
    assert_eq!(picture.to_rgb().into_raw(), [227, 177, 127, 255, 255, 255]);
    let deep = image::ImageBuffer::from_pixel(1, 1, image::Luma([32_896u16]));
    assert_eq!(Picture::from(&image::DynamicImage::ImageLuma16(deep)).data(), [128; 3]);
    let empty = Picture::from(image::RgbImage::new(0, 5));
    assert_eq!((empty.width(), empty.height()), (1, 1));
}

#[test]
fn html_holds_the_picture_itself() {
    let html = Picture::rgb(3, 2, vec![0; 18]).unwrap().to_html();
    assert!(html.starts_with("<img src=\"data:image/png;base64,iVBORw0KGgo"), "{html}");
    assert!(html.contains("width=\"3\" height=\"2\" alt="), "{html}");
}

#[test]
fn files_are_written_by_their_ending() {
    let folder = tempfile::tempdir().unwrap();
    let picture = Picture::rgb(32, 16, vec![120; 32 * 16 * 3]).unwrap();
    for (name, tolerance) in
        [("a.png", 0), ("a", 0), ("b.JPG", 2), ("c.jpeg", 2), ("d.webp", 0), ("e.bmp", 0)]
    {
        let path = folder.path().join(name);
        // The second time the file is there and is replaced.
        for _ in 0..2 {
            picture.save(&path).unwrap();
        }
        let read = image::load_from_memory(&std::fs::read(&path).unwrap()).unwrap().to_rgb8();
        assert!(read.as_raw().iter().all(|&v| v.abs_diff(120) <= tolerance), "{name}");
    }
    let files = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(files, 6, "nothing else is left in the folder");
}

#[test]
fn files_that_cannot_be_written_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let picture = Picture::rgb(1, 1, vec![0; 3]).unwrap();
    let message = |path: PathBuf| picture.save(path).unwrap_err().to_string();
    assert!(message(folder.path().join("a.tiff")).contains("png, jpg, webp or bmp"));
    assert!(message(folder.path().to_path_buf()).contains("folder"));
    let missing = message(folder.path().join("no/such/a.png"));
    assert!(missing.contains("a.png") && missing.contains("No such file"), "{missing}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
}

#[test]
fn whole_multiples_keep_a_palette_and_other_sizes_are_smooth() {
    let dots = Picture::indexed(2, 1, vec![0, 1], vec![[255; 3], [10; 3]]).unwrap();
    let larger = dots.resized(4, 2).unwrap();
    assert_eq!(larger.data(), [0, 0, 1, 1, 0, 0, 1, 1]);
    assert_eq!(dots.enlarged(2).unwrap().data(), larger.data());
    let odd = dots.resized(5, 1).unwrap();
    assert!(odd.palette().is_none());
    for (width, height) in [(0, 1), (1, 0), (u32::MAX, u32::MAX)] {
        assert!(dots.resized(width, height).is_err());
    }
    assert!(dots.enlarged(0).is_err());
    assert!(dots.enlarged(u32::MAX).is_err());
}

// Text and composition

#[test]
fn a_caption_stands_under_its_picture_and_a_title_above() {
    let picture = Picture::rgb(200, 50, vec![90; 200 * 50 * 3]).unwrap();
    let below = picture.captioned("features.0");
    let above = picture.titled("features.0");
    assert_eq!(below.width(), 200);
    assert_eq!(below.height(), above.height());
    assert!((65..80).contains(&below.height()), "{}", below.height());
    let row = |picture: &Picture, y: u32| picture.to_rgb().get_pixel(100, y).0;
    assert_eq!(row(&below, 0), [90; 3]);
    assert_eq!(row(&above, above.height() - 1), [90; 3]);
    let ink = below.to_rgb().rows().skip(50).flatten().filter(|pixel| pixel.0[0] < 100).count();
    assert!(ink > 100, "{ink} dark pixels");
}

#[test]
fn long_captions_wrap_and_narrow_pictures_widen() {
    let narrow = Picture::rgb(8, 8, vec![90; 8 * 8 * 3]).unwrap();
    let one = narrow.captioned("a few words");
    assert!((60..120).contains(&one.width()), "{}", one.width());
    let many = narrow.captioned(&"words and more words ".repeat(20));
    assert_eq!(many.width(), 360);
    assert!(many.height() > 8 + 8 * 17, "{}", many.height());
    let unbroken = narrow.captioned(&"x".repeat(300));
    assert_eq!(unbroken.width(), 360);
    let wide = Picture::rgb(2200, 8, vec![90; 2200 * 8 * 3]).unwrap();
    let heights = [one.height() - 8, wide.captioned("a few words").height() - 8];
    assert!(heights[1] > 3 * heights[0] / 2, "text grows with the picture: {heights:?}");
}

#[test]
fn no_text_is_too_strange() {
    let picture = Picture::rgb(50, 8, vec![90; 50 * 8 * 3]).unwrap();
    for text in ["", "\n", " ", "\t\r\n\0", "猫 🐈 \u{202e}\u{2060}\u{feff}", "é̂̂̂", "a\n\n\nb"]
    {
        assert!(picture.captioned(text).height() > 8, "{text:?}");
    }
    assert!(picture.captioned(&"line\n".repeat(10_000)).height() < 1000, "cut, with an ellipsis");
    let missing = picture.captioned("猫");
    assert!(missing.to_rgb().rows().skip(8).flatten().any(|pixel| pixel.0[0] < 100), "a box");
}

#[test]
fn sheets_keep_their_palette_through_captions_and_columns() {
    let sheet = Sheet::new(waves(4, 9, 9)).render().unwrap().picture.captioned("one");
    assert!(sheet.palette().is_some());
    assert!(Picture::above(&[sheet.clone(), sheet.titled("two")], 3).palette().is_some());
    let photo = Picture::rgb(4, 4, vec![77; 48]).unwrap();
    assert!(Picture::beside(&[sheet, photo], 3).palette().is_none());
}

#[test]
fn pictures_stand_beside_and_above_each_other_on_white() {
    let dot = |value: u8, width: u32, height: u32| {
        Picture::rgb(width, height, vec![value; (width * height * 3) as usize]).unwrap()
    };
    let row = Picture::beside(&[dot(1, 2, 1), dot(2, 1, 2)], 1);
    assert_eq!((row.width(), row.height()), (4, 2));
    let reds: Vec<u8> = row.to_rgb().pixels().map(|pixel| pixel.0[0]).collect();
    assert_eq!(reds, [1, 1, 255, 2, 255, 255, 255, 2]);
    let column = Picture::above(&[dot(1, 2, 1), dot(2, 1, 1)], 0);
    let reds: Vec<u8> = column.to_rgb().pixels().map(|pixel| pixel.0[0]).collect();
    assert_eq!(reds, [1, 1, 2, 255]);
    let empty: [Picture; 0] = [];
    for none in [Picture::beside(&empty, 5), Picture::above(&empty, u32::MAX)] {
        assert_eq!((none.width(), none.height()), (1, 1));
    }
    let far = Picture::beside(&[dot(1, 1, 1), dot(1, 1, 1)], u32::MAX);
    assert!(far.width() < 1000, "a picture that says that it would be too large");
}

// Contact sheets

#[test]
fn a_sheet_of_many_maps_shows_64_and_says_so() {
    let rendered = Sheet::new(waves(512, 13, 13)).render().unwrap();
    assert_eq!(
        rendered.note,
        "the first 64 of 512 maps; 13 × 13 each; enlarged 5 times; Greys, each map from its own \
         minimum to its maximum"
    );
    // Eight columns of 65 pixels, seven gutters of 4, margins of 5.
    assert_eq!(rendered.picture.width(), 8 * 65 + 7 * 4 + 10);
    let few = Sheet::new(waves(64, 13, 13)).render().unwrap();
    assert!(few.picture.height() < rendered.picture.height(), "nothing to announce");
    assert!(few.note.starts_with("64 maps; "), "{}", few.note);
}

#[test]
fn sheets_fit_into_a_notebooks_column() {
    let dots =
        |side: u32| vec![Picture::rgb(side, side, vec![9; (side * side * 3) as usize]).unwrap(); 8];
    for (sheet, width) in [
        (Sheet::new(waves(64, 224, 224)).columns(8), 990),
        (Sheet::new(waves(64, 112, 112)), 934),
        (Sheet::new(waves(8, 30, 30)).columns(16), 758),
        (Sheet::new(waves(16, 30, 30)).columns(16), 550),
        (Sheet::new(waves(1, 3000, 1500)), 990),
        (Sheet::pictures(dots(224)).columns(8), 990),
        (Sheet::pictures(dots(400)), 814),
        // Who asks for a size gets it.
        (Sheet::new(waves(8, 224, 224)).columns(8).tile(224), 8 * 224 + 7 * 4 + 10),
    ] {
        let rendered = sheet.render().unwrap();
        assert_eq!(rendered.picture.width(), width, "{}", rendered.note);
    }
}

#[test]
fn tiles_hold_the_levels_of_their_values() {
    let sheet = Sheet::new(ramp()).colormap(Colormap::Gray).without_captions().gutter(0);
    let picture = sheet.render().unwrap().picture.to_rgb();
    // Margins of 5, tiles of 256: 128 pixels for each value.
    let at = |x: u32, y: u32| picture.get_pixel(5 + 128 * x + 64, 5 + 128 * y + 64).0[0];
    assert_eq!([at(0, 0), at(1, 0), at(0, 1), at(1, 1)], [0, 85, 170, 255]);
}

#[test]
fn each_map_has_its_own_scale_unless_told_otherwise() {
    let maps = Maps::new(2, 1, 2, vec![0.0, 1.0, 0.0, 4.0]).unwrap();
    let greys = |normalize| {
        let sheet = Sheet::new(maps.clone()).colormap(Colormap::Gray).normalize(normalize);
        let sheet = sheet.without_captions().without_colorbar().gutter(0).columns(2).tile(2);
        let rendered = sheet.render().unwrap();
        let row: Vec<u8> =
            (0..4).map(|x| rendered.picture.to_rgb().get_pixel(5 + x, 5).0[0]).collect();
        (row, rendered.note)
    };
    assert_eq!(greys(Normalize::PerMap).0, [0, 255, 0, 255]);
    // 60 of 239 steps, 64 of 255.
    assert_eq!(greys(Normalize::Sheet).0, [0, 64, 0, 255]);
    let (row, note) = greys(Normalize::Symmetric);
    assert!(row[0].abs_diff(128) <= 1 && row[3] == 255, "{row:?}");
    assert!(note.ends_with("gray from -4 to 4"), "{note}");
    assert_eq!(greys(Normalize::Range(1.0, 2.0)).0, [0, 0, 0, 255]);
}

#[test]
fn percentiles_are_numpys() {
    let expected = numbers("percentile.json");
    let values = floats(&expected["values"]);
    let maps = Maps::new(1, 1, values.len(), values).unwrap();
    let draw = |normalize| {
        Sheet::new(maps.clone()).normalize(normalize).without_colorbar().render().unwrap()
    };
    let (points, percentiles) = (floats(&expected["points"]), floats(&expected["percentiles"]));
    for i in 1..points.len() {
        let ours = draw(Normalize::Percentile(points[i - 1], points[i]));
        let theirs = draw(Normalize::Range(percentiles[i - 1], percentiles[i]));
        assert_eq!(ours.note, theirs.note);
        assert_eq!(ours.picture.data(), theirs.picture.data());
    }
}

#[test]
fn values_that_are_not_finite_have_their_colours_and_leave_the_others_alone() {
    let clean = waves(3, 16, 16);
    let mut values = clean.values().to_vec();
    values[16 * 8 + 8] = f32::NAN;
    values[16 * 8 + 9] = f32::INFINITY;
    values[256 + 40] = f32::NEG_INFINITY;
    let odd = Maps::new(3, 16, 16, values).unwrap();
    for normalize in [Normalize::PerMap, Normalize::Sheet, Normalize::Symmetric] {
        let sheet = |maps: &Maps| {
            let sheet = Sheet::new(maps.clone()).normalize(normalize).colormap(Colormap::Viridis);
            sheet.render().unwrap()
        };
        let (clean, odd) = (sheet(&clean), sheet(&odd));
        for colour in [NAN, POSITIVE_INFINITY, NEGATIVE_INFINITY] {
            assert!(!contains(&clean.picture, colour) && contains(&odd.picture, colour));
        }
        for part in ["NaN (magenta) in 1 map", "+Inf (green) in 1 map", "-Inf (cyan) in 1 map"] {
            assert!(odd.note.contains(part), "{}", odd.note);
        }
        // The last map is the same in both, pixel for pixel, below the line that announces them.
        let last = |picture: &Picture| {
            let (image, height) = (picture.to_rgb(), picture.height());
            let bar = if normalize == Normalize::PerMap { 0 } else { 45 };
            (0..96)
                .map(|y| image.get_pixel(5 + 2 * 164 + 80, height - bar - 60 - y).0)
                .collect::<Vec<_>>()
        };
        assert_eq!(last(&clean.picture), last(&odd.picture));
    }
}

#[test]
fn nothing_but_nan_is_magenta_and_says_so() {
    let maps = Maps::new(2, 8, 8, vec![f32::NAN; 128]).unwrap();
    for normalize in [
        Normalize::PerMap,
        Normalize::Sheet,
        Normalize::Symmetric,
        Normalize::Range(0.0, 1.0),
        Normalize::Percentile(1.0, 99.0),
    ] {
        let sheet = Sheet::new(maps.clone()).normalize(normalize).with_colorbar();
        let rendered = sheet.render().unwrap();
        assert!(rendered.note.contains("NaN (magenta) in 2 maps"), "{}", rendered.note);
        assert!(contains(&rendered.picture, NAN));
    }
}

#[test]
fn a_constant_map_is_drawn_in_the_middle_colour_and_named() {
    for value in [0.0, -3.5, f32::MAX] {
        let maps = Maps::new(1, 4, 4, vec![value; 16]).unwrap();
        let rendered = Sheet::new(maps).colormap(Colormap::Gray).render().unwrap();
        let (width, height) = (rendered.picture.width(), rendered.picture.height());
        let middle = rendered.picture.to_rgb().get_pixel(width / 2, height - 100).0;
        assert!(middle[0].abs_diff(128) <= 2, "{middle:?}");
        assert!(rendered.note.ends_with("1 map is constant (middle colour)"), "{}", rendered.note);
    }
}

#[test]
fn extreme_ranges_are_drawn_from_end_to_end() {
    for (low, high) in [
        (f32::MIN, f32::MAX),
        (0.0, f32::MIN_POSITIVE / 4.0),
        (-f32::from_bits(1), f32::from_bits(1)),
        (1.0, 1.0 + f32::EPSILON),
    ] {
        let maps = Maps::new(1, 1, 2, vec![low, high]).unwrap();
        let sheet = Sheet::new(maps).colormap(Colormap::Gray).without_captions().gutter(0);
        let picture = sheet.render().unwrap().picture.to_rgb();
        let ends = [picture.get_pixel(40, 40).0[0], picture.get_pixel(220, 40).0[0]];
        assert_eq!(ends, [0, 255], "{low} to {high}");
    }
}

#[test]
fn maps_are_chosen_by_number_by_channel_and_by_mean() {
    let maps = Maps::new(4, 1, 1, vec![1.0, 9.0, f32::NAN, 4.0]).unwrap();
    let sheet =
        || Sheet::new(maps.clone()).normalize(Normalize::Range(0.0, 10.0)).without_colorbar();
    let greys = |sheet: Sheet| {
        let sheet = sheet.colormap(Colormap::Gray).without_captions().gutter(0).tile(8).columns(4);
        let rendered = sheet.render().unwrap();
        let (image, y) = (rendered.picture.to_rgb(), rendered.picture.height() - 6);
        let row: Vec<u8> = (0..4).map(|i| image.get_pixel(9 + 8 * i, y).0[0]).collect();
        (row, rendered.note)
    };
    let (row, note) = greys(sheet().top(2));
    assert!(note.starts_with("the 2 of 4 maps with the highest mean"), "{note}");
    assert!(row[0] > 225 && row[1].abs_diff(102) < 3, "{row:?}");
    let (row, note) = greys(sheet().channels([3, 0]));
    assert!(note.starts_with("2 of 4 maps;"), "{note}");
    assert!(row[0].abs_diff(102) < 3 && row[1].abs_diff(26) < 3, "{row:?}");
    assert!(greys(sheet().first(3)).1.starts_with("the first 3 of 4 maps"));
    assert!(greys(sheet().all()).1.starts_with("4 maps"));
}

#[test]
fn a_pixel_budget_shrinks_large_tiles_and_announces_what_it_cuts() {
    let large = Sheet::new(waves(9, 300, 300)).pixel_budget(300_000).render().unwrap();
    assert!(large.note.starts_with("9 maps; 300 × 300 each; drawn at 1"), "{}", large.note);
    let pixels = large.picture.width() * large.picture.height();
    assert!(pixels < 360_000, "{pixels}");
    let many = Sheet::new(waves(100, 64, 64)).all().pixel_budget(100_000).render().unwrap();
    assert!(
        many.note.starts_with("the first 17 of 100 maps (more do not fit into 100000 pixels)"),
        "{}",
        many.note
    );
    let error = Sheet::new(waves(2, 64, 64)).tile(500).pixel_budget(1000).render().unwrap_err();
    assert!(error.to_string().contains("exceeds the budget of 1000 pixels"), "{error}");
}

#[test]
fn shrunk_tiles_are_averages_and_keep_their_nan() {
    let maps = Maps::new(1, 2, 4, vec![0.0, 2.0, f32::NAN, 4.0, 2.0, 4.0, 4.0, 4.0]).unwrap();
    let sheet = Sheet::new(maps).colormap(Colormap::Gray).tile(2).gutter(0);
    let sheet = sheet.normalize(Normalize::Range(0.0, 4.0)).without_colorbar();
    let rendered = sheet.render().unwrap();
    let (image, y) = (rendered.picture.to_rgb(), rendered.picture.height() - 6);
    assert!(image.get_pixel(5, y).0[0].abs_diff(128) <= 1);
    assert_eq!(image.get_pixel(6, y).0, NAN);
}

#[test]
fn nothing_to_show_is_a_clear_error() {
    let cases: [(Sheet, &str); 11] = [
        (Sheet::new(Maps::new(0, 3, 3, vec![]).unwrap()), "0 maps"),
        (Sheet::new(Maps::new(3, 0, 3, vec![]).unwrap()), "no pixels"),
        (Sheet::pictures([""; 0]), "0 pictures"),
        (Sheet::new(ramp()).columns(0), "0 columns"),
        (Sheet::new(ramp()).tile(0), "0 pixels"),
        (Sheet::new(ramp()).first(0), "0 of 1 maps selected"),
        (Sheet::new(ramp()).channels([0; 0]), "0 of 1 maps selected"),
        (Sheet::new(ramp()).channels([0, 1]), "no map 1: they are numbered 0 to 0"),
        (Sheet::new(ramp()).pixel_budget(0), "budget of 0 pixels"),
        (Sheet::new(ramp()).normalize(Normalize::Range(2.0, 1.0)), "from 2 to 1"),
        (Sheet::new(ramp()).normalize(Normalize::Percentile(0.0, 101.0)), "between 0 and 100"),
    ];
    for (sheet, part) in cases {
        let error = sheet.render().unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn no_combination_of_options_panics() {
    let mut dice = noise(100_000).map(|v| (v >> 8) as usize);
    let mut roll = move |sides: usize| dice.next().unwrap() % sides;
    for _ in 0..400 {
        let (count, height, width) = (1 + roll(40), 1 + roll(40), 1 + roll(300));
        let mut sheet = Sheet::new(waves(count, height, width));
        if roll(4) == 0 {
            let picture = |i: u32| {
                Picture::rgb(1 + i * 7, 30 - i, vec![9; ((1 + i * 7) * (30 - i) * 3) as usize])
            };
            sheet = Sheet::pictures((0..1 + roll(20) as u32).map(|i| picture(i).unwrap()));
        }
        if roll(2) == 0 {
            sheet = sheet.gutter([0, 1, 2, 3, 11, 40, u32::MAX][roll(7)]);
        }
        if roll(2) == 0 {
            sheet = sheet.tile([1, 2, 7, 64, 333, u32::MAX][roll(6)]);
        }
        if roll(2) == 0 {
            sheet = sheet.columns([1, 2, 5, 100, usize::MAX][roll(5)]);
        }
        if roll(2) == 0 {
            sheet = sheet.pixel_budget([1, 5_000, 100_000, u64::MAX][roll(4)]);
        }
        sheet = match roll(5) {
            0 => sheet.without_captions(),
            1 => sheet.captions(["", "a", "a long caption\nin lines", "x"]),
            2 => sheet.title("a title that is rather long for such a narrow sheet"),
            3 => sheet.with_colorbar(),
            _ => sheet.all().normalize(Normalize::Sheet),
        };
        sheet = if roll(3) == 0 { sheet.top(roll(9) + 1) } else { sheet };
        if let Ok(rendered) = sheet.render() {
            assert!(rendered.picture.width() > 0, "{sheet:?}");
        }
    }
}

#[test]
fn pictures_of_different_sizes_stand_on_their_captions() {
    let dot = |value: u8, width: u32, height: u32| {
        Picture::rgb(width, height, vec![value; (width * height * 3) as usize]).unwrap()
    };
    let pictures = vec![dot(10, 200, 100), dot(20, 100, 200)];
    let rendered = Sheet::pictures(pictures).captions(["wide", "high"]).render().unwrap();
    assert_eq!(rendered.note, "2 pictures");
    let image = rendered.picture.to_rgb();
    // Tiles are 200 wide: the second picture stands in the middle of its own.
    assert_eq!(image.get_pixel(5 + 100, 5 + 199).0, [10; 3]);
    assert_eq!(image.get_pixel(5 + 204 + 100, 5 + 199).0, [20; 3]);
    assert_eq!(image.get_pixel(5 + 100, 5 + 50).0, [255; 3]);
}

// Checked by eye once, by reference afterwards. `CONVLENS_BLESS=1 cargo test --test picture` draws
// the references anew: look at them before they are committed.

fn assert_as_before(picture: &Picture, name: &str) {
    let path = reference(name);
    if std::env::var_os("CONVLENS_BLESS").is_some() {
        picture.save(&path).unwrap();
    }
    let before = decoded(&std::fs::read(&path).expect("the reference picture"));
    let now = picture.to_rgb();
    assert_eq!(now.dimensions(), before.dimensions(), "{name}");
    let differ = now
        .pixels()
        .zip(before.pixels())
        .filter(|(a, b)| a.0.iter().zip(b.0).any(|(a, b)| a.abs_diff(b) > 24));
    // Other processors may round the edge of a letter or the last bit of a sine otherwise.
    assert!(differ.count() * 500 <= now.pixels().len(), "{name} looks different");
}

#[test]
fn a_sheet_looks_as_it_did() {
    let mut values = waves(12, 9, 9).values().to_vec();
    values[4] = f32::NAN;
    values[5] = f32::INFINITY;
    values[81..162].fill(1.5);
    let sheet = Sheet::new(Maps::new(12, 9, 9, values).unwrap()).first(6).columns(3);
    let sheet = sheet.title("features.3 · 12 maps").colormap(Colormap::Viridis).with_colorbar();
    assert_as_before(&sheet.render().unwrap().picture, "sheet.png");
}

#[test]
fn few_colours_make_a_palette_whoever_painted_them() {
    let shades: Vec<u8> =
        (0..256 * 64).flat_map(|i| [(i % 256) as u8, 0, 255 - (i % 256) as u8]).collect();
    let picture = Picture::rgb(256, 64, shades.clone()).unwrap();
    let png = picture.to_png();
    assert_eq!(png[25], 3, "colour type 3: palette");
    assert_eq!(decoded(&png).into_raw(), shades);
    // One colour more does not fit.
    let mut more = shades;
    more[1] = 1;
    let png = Picture::rgb(256, 64, more.clone()).unwrap().to_png();
    assert_eq!(png[25], 2, "colour type 2: RGB");
    assert_eq!(decoded(&png).into_raw(), more);
}
