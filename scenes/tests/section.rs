//! Sections: their pictures, their masks, and the files that they come from.

use std::path::{Path, PathBuf};

use convlens::mask::Classes;
use convlens::photo::Preprocess;
use convlens::picture::{Colormap, NAN};
use convlens::show::Show;
use convlens_scenes::section::Section;
use tch::{Kind, Tensor};

fn reference(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/seismic").join(name)
}

fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(reference(name)).expect("a reference file")
}

fn classes() -> Classes {
    Classes::named(["water", "sand", "salt"]).expect("classes")
}

fn error_of(bytes: &[u8]) -> String {
    Section::from_bytes(bytes).expect_err("not a section").to_string()
}

// Files

#[test]
fn a_tiff_of_one_channel_holds_amplitudes_and_others_are_pictures() {
    let photos = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/reference/photos");
    for name in ["float.tif", "float_packed.tif", "big.tif", "big_swapped.tif"] {
        let section = Section::open(photos.join(name)).expect("a section");
        assert_eq!((section.height(), section.width()), (8, 12));
        let wave: Vec<f32> = (0..96).map(|i| (i as f32 - 50.0) * 37.0).collect();
        assert_eq!(section.amplitudes(), wave);
    }
    let deep = Section::open(photos.join("grey16.tif")).expect("a section");
    assert_eq!((deep.amplitudes()[0], deep.amplitudes()[95]), (0.0, 65535.0));
    for name in ["rgb.tif", "rgb.ppm", "grey.pgm"] {
        let section = Section::open(photos.join(name)).expect("a section");
        assert!(section.amplitudes().iter().all(|v| (0.0..=1.0).contains(v)), "{name}");
    }
    let whole = std::fs::read(photos.join("float.tif")).expect("a file");
    let text = error_of(&whole[..whole.len() / 2]);
    assert!(text.contains("cannot be read: a damaged or unsupported TIFF file"), "{text}");
}

#[test]
fn every_format_of_segy_is_read_as_segyio_reads_it() {
    for name in ["ibm", "ieee", "int32", "int16", "int8", "little", "extended"] {
        let section = Section::open(reference(&format!("{name}.sgy"))).expect(name);
        let expected = Section::open(reference(&format!("{name}.npy"))).expect(name);
        assert_eq!((section.height(), section.width()), (20, 7), "{name}");
        assert_eq!(section.amplitudes(), expected.amplitudes(), "{name}");
        assert_eq!(section.title(), name);
    }
}

#[test]
fn of_a_volume_the_first_inline_is_opened_or_the_one_asked_for() {
    let first = Section::open(reference("volume.sgy")).expect("a section");
    assert_eq!((first.height(), first.width(), first.title()), (20, 4, "volume, inline 10"));
    let second = Section::open_inline(reference("volume.sgy"), 11).expect("a section");
    let expected = Section::open(reference("volume.npy")).expect("an array");
    assert_eq!(second.amplitudes(), expected.amplitudes());
    let error = Section::open_inline(reference("volume.sgy"), 13).expect_err("no such inline");
    assert!(error.to_string().contains("no inline 13: they go from 10 to 12"), "{error}");
    let error = Section::open_inline(reference("volume.npy"), 11).expect_err("no inlines");
    assert!(error.to_string().contains("not a SEG-Y file"), "{error}");
}

#[test]
fn a_variable_number_of_text_headers_ends_where_one_says_so() {
    let mut file = bytes("extended.sgy");
    file[3504..3506].copy_from_slice(&(-1i16).to_be_bytes());
    let error = error_of(&file);
    assert!(error.contains("in the extended textual header"), "{error}");
    for mark in [
        &b"((SEG: EndText))"[..],
        b"\x4d\x4d\xe2\xc5\xc7\x7a\x40\xc5\x95\x84\xe3\x85\xa7\xa3\x5d\x5d",
    ] {
        file[6800..6816].copy_from_slice(mark);
        let section = Section::from_bytes(&file).expect("a section");
        let expected = Section::open(reference("extended.npy")).expect("an array");
        assert_eq!(section.amplitudes(), expected.amplitudes());
    }
}

#[test]
fn a_truncated_file_says_where_it_ends() {
    let whole = bytes("ieee.sgy");
    assert!(error_of(&[]).contains("at 0 bytes too short"));
    assert!(error_of(&whole[..3500]).contains("at 3500 bytes too short"));
    // Each trace has 240 + 20 * 4 bytes.
    let error = error_of(&whole[..3600 + 2 * 320 + 100]);
    assert!(error.contains("ends at byte 4340 in trace 3, which begins at byte 4240"), "{error}");
    assert!(error_of(&whole[..3600]).contains("in trace 1"));
    for end in 0..whole.len() {
        let parsed = Section::from_bytes(&whole[..end]);
        assert_eq!(parsed.is_ok(), end > 3600 && (end - 3600).is_multiple_of(320), "{end}");
    }
}

#[test]
fn a_header_that_claims_too_much_is_not_believed() {
    let mut file = bytes("ieee.sgy");
    file[3220..3222].copy_from_slice(&[0xff, 0xff]);
    let error = error_of(&file);
    assert!(error.contains("with the 65535 samples that the headers claim"), "{error}");
    file[3220..3222].copy_from_slice(&[0, 0]);
    // The first trace's header says 20 too.
    assert_eq!(Section::from_bytes(&file).expect("a section").height(), 20);
    file[3714..3716].copy_from_slice(&[0, 0]);
    assert!(error_of(&file).contains("traces without samples"));
    file[3224..3226].copy_from_slice(&[0, 7]);
    assert!(error_of(&file).contains("format 7 (byte 3224)"));
    let mut text = vec![b'a'; 5000];
    assert!(error_of(&text).contains("is no section"));
    text[..8].copy_from_slice(b"\x93NUMPY\x01\0");
    assert!(error_of(&text).contains("header"));
}

#[test]
fn any_byte_may_be_wrong_without_a_panic() {
    for name in ["ieee.sgy", "extended.sgy", "volume.sgy", "double.npy"] {
        let whole = bytes(name);
        let headers = if name.ends_with("npy") { 0..128 } else { 3200..4000 };
        for place in headers {
            for value in [0, 1, 0x7f, 0x80, 0xff] {
                let mut file = whole.clone();
                file[place] = value;
                let _ = Section::from_bytes(&file);
            }
        }
    }
}

#[test]
fn arrays_of_either_order_are_read() {
    // Fortran order, 64 bits; the same values as ieee.sgy before they were rounded.
    let double = Section::open(reference("double.npy")).expect("an array");
    let single = Section::open(reference("ieee.npy")).expect("an array");
    assert_eq!(double.amplitudes(), single.amplitudes());
    let cut = bytes("double.npy");
    assert!(error_of(&cut[..cut.len() - 1]).contains("ends at byte"));
}

#[test]
fn pictures_become_grey_sections() {
    let picture = convlens::picture::Picture::rgb(2, 1, vec![255, 255, 255, 255, 0, 0]).unwrap();
    let section = Section::from_bytes(&picture.to_png()).expect("a section");
    assert_eq!((section.height(), section.width()), (1, 2));
    assert_eq!(section.amplitudes()[0], 1.0);
    assert!((section.amplitudes()[1] - 0.299).abs() < 1e-6);
}

#[test]
fn what_is_not_there_is_named() {
    let error = Section::open("nowhere/line.sgy").expect_err("no such file").to_string();
    assert!(error.contains("nowhere/line.sgy: cannot be read"), "{error}");
    let error = Section::open(env!("CARGO_MANIFEST_DIR")).expect_err("a folder").to_string();
    assert!(error.contains("folder"), "{error}");
}

// Sections

#[test]
fn sizes_and_labels_must_fit() {
    assert!(Section::new(2, 2, vec![0.0; 3]).is_err());
    assert!(Section::new(0, 2, vec![]).is_err());
    assert!(Section::new(usize::MAX, 2, vec![]).is_err());
    let section = Section::new(1, 2, vec![0.0, 1.0]).expect("a section");
    assert!(section.clone().with_labels(vec![0], &classes()).is_err());
    let error = section.clone().with_labels(vec![0, 3], &classes()).expect_err("no class 3");
    assert!(error.to_string().contains("row 0, column 1 is labelled 3"), "{error}");
    assert!(section.mask().expect_err("no labels").to_string().contains("with_labels"));
    assert!(Classes::named(Vec::<String>::new()).is_err());
}

#[test]
fn the_tensor_is_scaled_by_the_99th_percentile_whatever_the_outliers() {
    let mut values: Vec<f32> = (0..64 * 64).map(|i| 3.0 * (i as f32 * 0.7).sin()).collect();
    values[70] = 1e30;
    values[71] = f32::NAN;
    values[72] = f32::NEG_INFINITY;
    let tensor = Section::new(64, 64, values).expect("a section").to_tensor().expect("a tensor");
    assert_eq!(tensor.size(), [1, 1, 64, 64]);
    assert_eq!(tensor.double_value(&[0, 0, 0, 0]), 0.0);
    assert!((tensor.double_value(&[0, 0, 0, 1]) - 0.7f64.sin()).abs() < 2e-3);
    assert_eq!(tensor.double_value(&[0, 0, 1, 6]), 1.0);
    assert_eq!(tensor.double_value(&[0, 0, 1, 7]), 0.0);
    let flat = Section::new(2, 2, vec![5.0; 4]).expect("a section").to_tensor().expect("a tensor");
    assert_eq!(flat.abs().max().double_value(&[]), 0.0);
}

#[test]
fn the_photo_and_the_tensor_show_a_network_the_same() {
    let values: Vec<f32> = (0..64 * 64).map(|i| (i as f32 * 0.7).sin()).collect();
    let section = Section::new(64, 64, values).expect("a section");
    let tensor = section.to_tensor().expect("a tensor");
    let prepared = Preprocess::exact(64, 64).normalize([0.5; 3], [0.5; 3]);
    let photo = prepared.apply(&section.photo().expect("a photo")).expect("an input");
    let difference = (photo.narrow(1, 0, 1) - tensor).abs().max().double_value(&[]);
    // Two of 255 levels.
    assert!(difference < 0.016, "{difference}");
}

#[test]
fn a_crop_takes_labels_along() {
    let values: Vec<f32> = (0..12).map(|v| v as f32).collect();
    let labels = (0..12).map(|v| v % 3).collect();
    let section = Section::new(3, 4, values).and_then(|s| s.with_labels(labels, &classes()));
    let part = section.as_ref().expect("a section").crop(1, 2, 2, 2).expect("a part");
    assert_eq!(part.amplitudes(), [6.0, 7.0, 10.0, 11.0]);
    assert_eq!(part.labels(), Some(&[0, 1, 1, 2][..]));
    assert_eq!(part.labels_tensor().expect("labels").size(), [1, 2, 2]);
    for (top, left, height, width) in [(0, 0, 4, 1), (0, 0, 0, 1), (usize::MAX, 0, 1, 1)] {
        assert!(section.as_ref().unwrap().crop(top, left, height, width).is_err());
    }
}

#[test]
fn resizing_averages_amplitudes_and_picks_labels() {
    let values = vec![0.0, 2.0, 4.0, 6.0, 0.0, 2.0, 4.0, 6.0];
    let section = Section::new(2, 4, values).unwrap();
    let section = section.with_labels(vec![0, 0, 1, 1, 0, 0, 1, 1], &classes()).unwrap();
    let small = section.resized(1, 2).expect("a section");
    assert_eq!(small.labels(), Some(&[0, 1][..]));
    let [left, right] = small.amplitudes() else { panic!("two amplitudes") };
    assert!((left + right - 6.0).abs() < 1e-5 && left < right, "{left} {right}");
    let large = small.resized(2, 4).expect("a section");
    assert_eq!(large.labels(), section.labels());
    assert!(section.resized(0, 4).is_err());
}

// Pictures

#[test]
fn the_picture_is_grey_around_0_and_marks_nan() {
    let mut values: Vec<f32> = (0..10_000).map(|i| (i as f32 * 0.1).sin()).collect();
    values[1] = f32::NAN;
    let section = Section::new(100, 100, values).expect("a section");
    let picture = section.picture().expect("a picture").to_rgb();
    assert_eq!(picture.dimensions(), (100, 100));
    assert_eq!(picture.get_pixel(1, 0).0, NAN);
    let middle = picture.get_pixel(0, 0).0; // sin 0
    assert!(middle[0].abs_diff(128) < 6 && middle[0] == middle[2], "{middle:?}");
    assert!(picture.get_pixel(15, 0).0[0] > 250); // sin 1.5
    let signed = section.picture_in(Colormap::RdBu).expect("a picture").to_rgb();
    assert!(signed.get_pixel(15, 0).0[2] > signed.get_pixel(15, 0).0[0]);
    assert_eq!(section.photo().expect("a photo").width(), 100);
}

#[test]
fn mask_and_prediction_have_the_same_colours_and_one_legend() {
    let section = Section::new(2, 200, (0..400).map(|v| v as f32).collect()).unwrap();
    let labels: Vec<u8> = (0..400).map(|v| (v % 200 / 100) as u8).collect();
    let section = section.with_labels(labels, &classes()).expect("labels");
    let mask = section.mask().expect("a mask");
    let pixels = mask.pixels().expect("a picture").to_rgb();
    assert_eq!(pixels.get_pixel(0, 0).0, classes().colour(0));
    assert_eq!(pixels.get_pixel(199, 1).0, classes().colour(1));
    // Classes that are nowhere are not in the legend.
    let picture = section.mask_picture().expect("a picture").to_rgb();
    let has = |colour: [u8; 3]| picture.pixels().any(|pixel| pixel.0 == colour);
    assert!(has(classes().colour(0)) && has(classes().colour(1)) && !has(classes().colour(2)));
    let guess = section.predicted(&Tensor::full([2, 200], 2, (Kind::Int64, tch::Device::Cpu)));
    let compared = section.compared(&guess.expect("a mask")).expect("a picture").to_rgb();
    assert!((0..3).all(|c| compared.pixels().any(|pixel| pixel.0 == classes().colour(c))));
    let text = section.bundle().as_text().to_owned();
    assert_eq!(text, "section, 200 traces of 2 samples, with its mask");
    assert_eq!(mask.bundle().as_text(), "200 × 2: water 50.0 %, sand 50.0 %");
}

#[test]
fn sections_become_what_a_network_learns_from() {
    let labels = |value: u8| vec![value; 6];
    let section = |value: f32, label: u8| {
        let section = Section::new(2, 3, vec![value, 1.0, -1.0, 0.5, 0.0, 1.0]).expect("a section");
        section.with_labels(labels(label), &classes()).expect("labels")
    };
    let both = [section(0.25, 1), section(-0.5, 2)];
    let (amplitudes, labels) = Section::tensors(&both).expect("tensors");
    assert_eq!((amplitudes.size(), labels.size()), (vec![2, 1, 2, 3], vec![2, 2, 3]));
    for (i, section) in both.iter().enumerate() {
        assert_eq!(amplitudes.narrow(0, i as i64, 1), section.to_tensor().expect("a tensor"));
        assert_eq!(labels.narrow(0, i as i64, 1), section.labels_tensor().expect("labels"));
    }
    let bare = Section::new(2, 3, vec![0.0; 6]).expect("a section");
    let narrow =
        Section::new(2, 1, vec![0.0; 2]).expect("a section").with_labels(vec![0; 2], &classes());
    for (sections, part) in [
        (vec![], "no sections"),
        (vec![both[0].clone(), bare], "labels"),
        (vec![both[0].clone(), narrow.expect("labels")], "one size"),
    ] {
        let error = Section::tensors(sections).expect_err("refused").to_string();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn what_shows_itself_prints_a_line_that_says_how() {
    let section = Section::new(1, 2, vec![0.0, 1.0]).expect("a section").titled("a line");
    let section = section.with_labels(vec![0, 1], &classes()).expect("labels");
    let score = section.score(section.mask().expect("a mask")).expect("a score");
    let mask = section.mask().expect("a mask");
    for (line, starts) in [
        (format!("{section:?}"), "Section a line, 1 × 2; "),
        (format!("{mask:?}"), "Mask of 1 × 2, 3 classes; "),
        (format!("{score:?}"), "SegmentationScore of 3 classes; "),
    ] {
        assert!(line.starts_with(starts) && line.ends_with("let it = …; it"), "{line}");
    }
}
