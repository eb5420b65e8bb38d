//! Maps over photos and alone, against the numbers of pytorch-grad-cam, OpenCV and matplotlib.

use convlens::error::Error;
use convlens::picture::{
    Blend, Colormap, Maps, NAN, NEGATIVE_INFINITY, Normalize, Overlay, POSITIVE_INFINITY, Picture,
    Resize,
};
use serde_json::Value;

use super::{assert_as_before, bytes, contains, floats, numbers, size, waves};

pub(super) struct Peers {
    pub(super) photo: Picture,
    map: Maps,
    blends: Value,
}

pub(super) fn peers() -> Peers {
    let numbers = numbers("overlay.json");
    let (photo, map) = (&numbers["photo"], &numbers["map"]);
    let (width, height) = (size(&photo["width"]) as u32, size(&photo["height"]) as u32);
    Peers {
        photo: Picture::rgb(width, height, bytes(&photo["rgb"])).unwrap(),
        map: Maps::new(1, size(&map["height"]), size(&map["width"]), floats(&map["values"]))
            .unwrap(),
        blends: numbers["blends"].clone(),
    }
}

/// The map is cut to 8 bits before it is coloured. OpenCV's resizing differs from ours in the last
/// bit of single precision, so that now and then a value falls on the other side of a step; one
/// step of jet is at most 5 levels of a colour, 3 after blending. The rest is the same to the byte.
fn assert_close(blend: Blend, name: &str) {
    let Peers { photo, map, blends } = peers();
    let ours = Overlay::new(&photo, &map).unwrap().blend(blend).picture().unwrap();
    let theirs = bytes(&blends[name]);
    assert_eq!(ours.data().len(), theirs.len());
    let differences: Vec<u8> =
        ours.data().iter().zip(&theirs).map(|(a, b)| a.abs_diff(*b)).filter(|&d| d > 0).collect();
    let largest = differences.iter().copied().max().unwrap_or(0);
    assert!(largest <= 3, "{name}: by {largest}");
    assert!(differences.len() * 200 <= theirs.len(), "{name}: {} differ", differences.len());
}

#[test]
fn the_default_overlay_is_pytorch_grad_cams() {
    assert_close(Blend::default(), "grad_cam_0.5");
    assert_close(Blend::GradCam { photo_weight: 0.3 }, "grad_cam_0.3");
}

#[test]
fn the_threshold_blend_is_opencvs_in_either_order_of_colours() {
    assert_close(Blend::threshold(), "threshold");
    let published = Blend::Threshold { below: 100, photo_weight: 0.5, heat_weight: 0.3, bgr: true };
    assert_close(published, "threshold_bgr");
}

#[test]
fn the_alpha_blend_is_matplotlibs() {
    assert_close(Blend::Alpha { alpha: 0.5 }, "alpha");
}

#[test]
fn the_multiplied_blend_darkens_what_the_map_leaves_out() {
    let Peers { photo, map, blends } = peers();
    let overlay = Overlay::new(&photo, &map).unwrap().blend(Blend::Multiply { gain: 2.0 });
    let theirs = bytes(&blends["multiply"]);
    let ours = overlay.picture().unwrap();
    assert_eq!(ours.data().len(), theirs.len());
    // The reference scales the resized map to 0..=1 once more. Ours is divided by the maximum that it
    // had before, and resizing lowers that: to this, and its minimum stays 0.
    let (height, width) = (photo.height() as usize, photo.width() as usize);
    let resized = map.scaled().resized(height, width, Resize::HalfPixel).unwrap();
    let least = resized.values().iter().copied().fold(f32::INFINITY, f32::min);
    let most = resized.values().iter().copied().fold(0f32, f32::max);
    assert!(least == 0.0 && (0.9..1.0).contains(&most), "{least} and {most}");
    for (i, (&ours, &theirs)) in ours.data().iter().zip(&theirs).enumerate() {
        // Each side is rounded to a whole level: half of one of ours and, made smaller, of theirs.
        let (low, high) = (f32::from(theirs) * most - 1.0, f32::from(theirs) * most + 1.0);
        // What is cut off at white in theirs may be anything above.
        let high = if theirs == 255 { 255.0 } else { high };
        assert!((low..=high).contains(&f32::from(ours)), "{i}: {ours} and {theirs}");
    }
}

/// A map of magnitudes, a signed one and a gradient in three colours, each with a long tail.
struct Gradient {
    numbers: Value,
    height: usize,
    width: usize,
}

impl Gradient {
    fn read() -> Gradient {
        let numbers = numbers("gradient.json");
        Gradient { height: size(&numbers["height"]), width: size(&numbers["width"]), numbers }
    }

    fn map(&self, name: &str) -> Maps {
        let values = floats(&self.numbers[name]);
        Maps::new(values.len() / self.height / self.width, self.height, self.width, values).unwrap()
    }

    /// A map alone, pixel for pixel.
    fn alone(&self, name: &str) -> Overlay {
        Overlay::alone(&self.map(name), self.width as u32, self.height as u32).unwrap()
    }
}

#[test]
fn maps_are_scaled_as_pytorch_grad_cam_does_each_on_its_own() {
    let gradient = Gradient::read();
    let signed = gradient.map("signed");
    for (ours, theirs) in signed.scaled().values().iter().zip(floats(&gradient.numbers["scaled"])) {
        assert!((ours - theirs).abs() < 1e-6, "{ours} {theirs}");
    }
    let odd = Maps::new(3, 1, 3, vec![0.0, 1.0, 4.0, 7.0, 7.0, 7.0, -2.0, f32::NAN, 2.0]).unwrap();
    let scaled = odd.scaled();
    assert!((scaled.map(0).unwrap()[1] - 0.25).abs() < 1e-6);
    assert_eq!(scaled.map(1).unwrap(), [0.0; 3], "a constant map has no contrast");
    assert!(scaled.map(2).unwrap()[1].is_nan() && scaled.map(2).unwrap()[2] > 0.999);
    let wide = Maps::new(1, 1, 3, vec![f32::MIN, 0.0, f32::MAX]).unwrap().scaled();
    assert_eq!(wide.values(), [0.0, 0.5, 1.0]);
    assert!(Maps::new(2, 0, 3, vec![]).unwrap().scaled().values().is_empty());
}

#[test]
fn magnitudes_alone_are_grey_up_to_the_99th_percentile() {
    let gradient = Gradient::read();
    let picture = gradient.alone("magnitude").picture().unwrap().to_rgb();
    for (pixel, t) in picture.pixels().zip(floats(&gradient.numbers["grayscale"])) {
        let [red, green, blue] = pixel.0;
        assert!(red == green && green == blue);
        // Of 256 levels the one below, and matplotlib's grey is now and then one darker.
        assert!((f32::from(red) - 255.0 * t).abs() < 2.0, "{red} {t}");
    }
    let large = Overlay::alone(&gradient.map("magnitude"), 440, 360).unwrap();
    let large = large.with_colorbar().picture().unwrap();
    assert_eq!((large.width(), large.height()), (440, 360 + 4 + 13 + 1 + 17));
}

#[test]
fn signed_maps_have_their_zero_in_the_middle_colour_and_may_be_cut() {
    let gradient = Gradient::read();
    let overlay = gradient.alone("signed").colormap(Colormap::RdBu);
    let overlay = overlay.normalize(Normalize::SymmetricPercentile(99.0));
    let picture = overlay.picture().unwrap().to_rgb();
    for (pixel, t) in picture.pixels().zip(floats(&gradient.numbers["diverging"])) {
        let [below, at, above] =
            [-0.01, 0.0, 0.01].map(|d| Colormap::RdBu.color((t + 1.0) / 2.0 + d));
        let near = |c: usize| {
            let least = below[c].min(at[c]).min(above[c]);
            let most = below[c].max(at[c]).max(above[c]);
            (least.saturating_sub(1)..=most.saturating_add(1)).contains(&pixel.0[c])
        };
        assert!((0..3).all(near), "{t}: {pixel:?}, {at:?}");
    }
    for percent in [0.0, -1.0, 100.5, f32::NAN] {
        let overlay = gradient.alone("signed").normalize(Normalize::SymmetricPercentile(percent));
        let error = overlay.picture().unwrap_err().to_string();
        assert!(error.contains("above 0 and at most at 100"), "{error}");
    }
}

#[test]
fn a_map_that_is_nearly_everywhere_zero_is_not_cut_to_nothing() {
    let mut values = vec![0.0; 1000];
    (values[3], values[7]) = (5.0, -5.0);
    let map = Maps::new(1, 10, 100, values).unwrap();
    for normalize in [Normalize::Percentile(1.0, 99.0), Normalize::SymmetricPercentile(99.0)] {
        let overlay = Overlay::alone(&map, 100, 10).unwrap().normalize(normalize);
        let picture = overlay.picture().unwrap().to_rgb();
        assert_eq!(picture.get_pixel(3, 0).0, [255; 3]);
        assert_eq!(picture.get_pixel(7, 0).0, [0; 3]);
    }
}

#[test]
fn the_signed_blend_leaves_zero_grey_and_colours_both_signs_alike() {
    let photo = Picture::rgb(3, 1, [200, 60, 20].repeat(3)).unwrap();
    let map = Maps::new(1, 1, 3, vec![-0.5, 0.0, 2.0]).unwrap();
    let overlay = Overlay::new(&photo, &map).unwrap().blend(Blend::Signed { most: 1.0 });
    let picture = overlay.without_colorbar().picture().unwrap().to_rgb();
    let [against, nothing, towards] = [0, 1, 2].map(|x| picture.get_pixel(x, 0).0);
    // 0.299 · 200 + 0.587 · 60 + 0.114 · 20
    assert_eq!(nothing, [97; 3]);
    assert_eq!(towards, Colormap::Coolwarm.color(1.0), "the largest magnitude covers the photo");
    // A quarter of it covers half: √¼.
    let cool = Colormap::Coolwarm.color(0.375);
    for c in 0..3 {
        assert!(against[c].abs_diff(((97 + u32::from(cool[c])) / 2) as u8) <= 1, "{against:?}");
    }
}

#[test]
fn a_colour_bar_comes_with_signed_maps_and_otherwise_when_it_is_asked_for() {
    let Peers { photo, map, .. } = peers();
    let height = |overlay: Overlay| overlay.picture().unwrap().height();
    let overlay = || Overlay::new(&photo, &map).unwrap();
    assert_eq!(height(overlay()), photo.height());
    assert!(height(overlay().with_colorbar()) > photo.height() + 20);
    assert!(height(overlay().blend(Blend::signed())) > photo.height() + 20);
    assert_eq!(height(overlay().blend(Blend::signed()).without_colorbar()), photo.height());
    let constant = Maps::new(1, 1, 1, vec![3.0]).unwrap();
    let constant = Overlay::new(&photo, &constant).unwrap();
    assert_eq!(height(constant.clone()), height(constant.with_colorbar()), "nothing to explain");
}

#[test]
fn gradients_in_colour_are_pytorch_grad_cams_to_the_byte() {
    let gradient = Gradient::read();
    let picture = Picture::from_gradient(&gradient.map("values")).unwrap();
    let theirs = bytes(&gradient.numbers["deprocessed"]);
    assert_eq!((picture.width(), picture.height()), (11, 9));
    // They compute in single precision: now and then a value falls on the other side of a step.
    assert!(picture.data().iter().zip(&theirs).all(|(a, b)| a.abs_diff(*b) <= 1));
    let equal = picture.data().iter().zip(&theirs).filter(|(a, b)| a == b).count();
    assert!(equal * 100 >= theirs.len() * 99, "{equal} of {}", theirs.len());
}

#[test]
fn gradients_mark_what_is_not_finite_and_refuse_what_has_no_colours() {
    let mut values = vec![0.0; 12];
    values[5] = f32::NAN;
    values[11] = f32::INFINITY;
    let picture = Picture::from_gradient(&Maps::new(3, 2, 2, values).unwrap()).unwrap().to_rgb();
    assert_eq!(picture.get_pixel(0, 0).0, [127; 3], "no gradient is grey");
    assert_eq!(picture.get_pixel(1, 0).0, NAN);
    assert_eq!(picture.get_pixel(1, 1).0, POSITIVE_INFINITY);
    for (maps, part) in [
        (waves(1, 4, 4), "three maps, red, green and blue, not 1"),
        (waves(4, 4, 4), "not 4"),
        (Maps::new(3, 0, 4, vec![]).unwrap(), "no pixels"),
    ] {
        let error = Picture::from_gradient(&maps).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
    }
}

/// From 0 at the left to 1 at the right, over a photo of one colour.
fn slope() -> Overlay {
    let photo = Picture::rgb(101, 20, [200, 60, 20].repeat(101 * 20)).unwrap();
    let map = Maps::new(1, 1, 101, (0..101).map(|x| x as f32 / 100.0).collect()).unwrap();
    Overlay::new(&photo, &map).unwrap()
}

#[test]
fn a_cut_out_shows_the_photo_where_the_map_reaches_the_threshold_and_hardly_elsewhere() {
    for (threshold, edge) in [(0.5, 50), (0.2, 20), (0.9, 90)] {
        let picture = slope().blend(Blend::CutOut { threshold }).picture().unwrap().to_rgb();
        for x in 0..101 {
            let [red, green, blue] = picture.get_pixel(x, 10).0;
            if x > edge + 1 {
                assert_eq!([red, green, blue], [200, 60, 20], "{x}");
            } else if x + 1 < edge {
                // 255 - 0.15 (255 - 97)
                assert_eq!([red, green, blue], [231; 3], "{x}");
            }
        }
        let [_, green, _] = picture.get_pixel(edge, 10).0;
        assert!((100..200).contains(&green), "a smooth edge: {green}");
    }
}

#[test]
fn contours_are_lines_at_equal_steps_in_the_colours_of_their_values() {
    let picture = slope().blend(Blend::Contour { levels: 3 }).picture().unwrap().to_rgb();
    let plain = [200, 60, 20];
    let drawn: Vec<u32> = (0..101).filter(|&x| picture.get_pixel(x, 10).0 != plain).collect();
    let near = |x: u32| [25u32, 50, 75].into_iter().find(|line| line.abs_diff(x) <= 2);
    assert!(drawn.iter().all(|&x| near(x).is_some()), "{drawn:?}");
    for (line, t) in [(25, 0.25f32), (50, 0.5), (75, 0.75)] {
        let colour = Colormap::Turbo.color(t);
        let pixel = picture.get_pixel(line, 10).0;
        assert!((0..3).all(|c| pixel[c].abs_diff(colour[c]) < 24), "{line}: {pixel:?} {colour:?}");
        let seam = picture.get_pixel(line + 2, 10).0;
        assert!(seam[0] < 160, "dark beside the line: {seam:?}");
    }
    let error = slope().blend(Blend::Contour { levels: 0 }).picture().unwrap_err();
    assert_eq!(error.to_string(), "a contour needs at least one level");
}

#[test]
fn a_constant_map_shows_the_photo_and_says_what_is_wrong() {
    let Peers { photo, .. } = peers();
    for (value, text) in [(0.0, "the map is 0 everywhere"), (-2.5, "the map is -2.5 everywhere")] {
        let map = Maps::new(1, 3, 3, vec![value; 9]).unwrap();
        for normalize in [Normalize::PerMap, Normalize::Sheet, Normalize::Range(0.0, 1.0)] {
            let overlay = Overlay::new(&photo, &map).unwrap().normalize(normalize);
            assert_eq!(overlay.remarks(), [text]);
            let picture = overlay.picture().unwrap();
            assert!(picture.height() > photo.height(), "a line of text");
            assert_eq!(picture.to_rgb().get_pixel(9, 9), photo.to_rgb().get_pixel(9, 9));
        }
    }
}

#[test]
fn overlays_mark_and_count_what_is_not_finite() {
    let Peers { photo, map, .. } = peers();
    let plain = Overlay::new(&photo, &map).unwrap().picture().unwrap();
    let mut values = map.values().to_vec();
    values[0] = f32::NAN;
    values[6] = f32::INFINITY;
    values[42] = f32::NEG_INFINITY;
    let overlay = Overlay::new(&photo, &Maps::new(1, 7, 7, values).unwrap()).unwrap();
    assert_eq!(
        overlay.remarks(),
        [
            "1 of the map's 49 values: NaN (magenta)",
            "1 of the map's 49 values: +Inf (green)",
            "1 of the map's 49 values: -Inf (cyan)",
        ]
    );
    let picture = overlay.picture().unwrap().to_rgb();
    let (right, bottom) = (photo.width() - 1, photo.height() - 1);
    assert_eq!(picture.get_pixel(0, 0).0, NAN);
    assert_eq!(picture.get_pixel(right, 0).0, POSITIVE_INFINITY);
    assert_eq!(picture.get_pixel(0, bottom).0, NEGATIVE_INFINITY);
    let middle = (right / 2, bottom / 2);
    assert_eq!(picture.get_pixel(middle.0, middle.1), plain.to_rgb().get_pixel(middle.0, middle.1));
    let nothing = Overlay::new(&photo, &Maps::new(1, 1, 1, vec![f32::NAN]).unwrap()).unwrap();
    assert_eq!(nothing.remarks()[0], "the map has no finite value");
    assert!(contains(&nothing.picture().unwrap(), NAN));
}

#[test]
fn overlays_refuse_what_they_cannot_show() {
    let Peers { photo, map, .. } = peers();
    assert!(Overlay::new(&photo, &waves(2, 3, 3)).is_err());
    assert!(Overlay::new(&photo, &Maps::new(1, 0, 3, vec![]).unwrap()).is_err());
    for blend in [
        Blend::GradCam { photo_weight: 1.5 },
        Blend::Alpha { alpha: f32::NAN },
        Blend::Alpha { alpha: -0.1 },
        Blend::Signed { most: 1.1 },
        Blend::CutOut { threshold: -0.5 },
        Blend::Contour { levels: 0 },
        Blend::Multiply { gain: f32::INFINITY },
        Blend::Threshold { below: 9, photo_weight: -1.0, heat_weight: 1.0, bgr: false },
    ] {
        let error = Overlay::new(&photo, &map).unwrap().blend(blend).picture().unwrap_err();
        assert!(matches!(error, Error::Argument(_)), "{error}");
    }
}

#[test]
fn any_finite_map_makes_an_overlay() {
    let Peers { photo, .. } = peers();
    for values in
        [vec![f32::MIN, f32::MAX], vec![0.0, f32::MIN_POSITIVE], vec![-2.0, -1.0], vec![-1.0, 0.0]]
    {
        let map = Maps::new(1, 1, 2, values).unwrap();
        for blend in [
            Blend::default(),
            Blend::threshold(),
            Blend::Alpha { alpha: 0.5 },
            Blend::Multiply { gain: 1.0 },
            Blend::signed(),
            Blend::cut_out(),
            Blend::contour(),
            Blend::Contour { levels: 255 },
        ] {
            for normalize in [
                Normalize::PerMap,
                Normalize::Symmetric,
                Normalize::Percentile(0.0, 99.0),
                Normalize::SymmetricPercentile(98.0),
            ] {
                let overlay = Overlay::new(&photo, &map).unwrap().blend(blend);
                let picture = overlay.normalize(normalize).with_colorbar().picture().unwrap();
                assert!(picture.width() >= photo.width());
            }
        }
    }
}

#[test]
fn an_overlay_with_a_caption_looks_as_it_did() {
    let Peers { photo, map, .. } = peers();
    let photo = photo.resized(156, 117).unwrap();
    let overlay = Overlay::new(&photo, &map).unwrap().picture().unwrap();
    let caption = "Grad-CAM: tabby (281), 62.1 %, at features.12";
    assert_as_before(&overlay.captioned(caption), "overlay.png");
}

#[test]
fn a_signed_overlay_with_its_bar_looks_as_it_did() {
    let Peers { photo, .. } = peers();
    let photo = photo.resized(156, 117).unwrap();
    let overlay = Overlay::new(&photo, &Gradient::read().map("signed")).unwrap();
    let overlay = overlay.blend(Blend::signed()).normalize(Normalize::SymmetricPercentile(95.0));
    assert_as_before(&overlay.picture().unwrap(), "signed.png");
}

#[test]
fn a_cut_out_and_a_contour_look_as_they_did() {
    let Peers { photo, map, .. } = peers();
    let overlay = Overlay::new(&photo.resized(156, 117).unwrap(), &map).unwrap().with_colorbar();
    let pictures = [Blend::cut_out(), Blend::contour()]
        .map(|blend| overlay.clone().blend(blend).picture().unwrap());
    assert_as_before(&Picture::beside(&pictures, 4), "cut_out_and_contour.png");
}

#[test]
fn a_map_alone_with_its_bar_looks_as_it_did() {
    let alone = Overlay::alone(&Gradient::read().map("magnitude"), 220, 180).unwrap();
    assert_as_before(&alone.with_colorbar().picture().unwrap(), "alone.png");
}
