//! What divides a picture: superpixels against scikit-image's, grids, segments of one's own.

use std::path::{Path, PathBuf};

use convlens::prelude::*;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn reference(name: &str) -> PathBuf {
    root().join("tests/reference/perturbation/slic").join(name)
}

fn picture(path: impl AsRef<Path>) -> Picture {
    Photo::open(path).expect("a picture").picture()
}

#[test]
fn superpixels_are_those_of_scikit_image() {
    let rows = std::fs::read_to_string(reference("index.json")).expect("the index");
    let rows: Vec<Value> = serde_json::from_str(&rows).expect("JSON");
    assert!(rows.len() >= 8, "{}", rows.len());
    for (number, row) in rows.iter().enumerate() {
        let value = |key: &str| row[key].as_f64().expect("a number");
        let slic = Slic::new(value("count") as usize)
            .compactness(value("compactness"))
            .sigma(value("sigma"))
            .rounds(value("rounds") as usize);
        let picture = picture(root().join(row["picture"].as_str().expect("a path")));
        let found = slic.segments(&picture).expect("superpixels");
        let expected = self::picture(reference(&format!("{number}.png"))).to_rgb().into_raw();
        let expected: Vec<u32> = expected
            .as_chunks::<3>()
            .0
            .iter()
            .map(|&[low, high, _]| u32::from(low) + 256 * u32::from(high))
            .collect();
        assert_eq!(found.labels().len(), expected.len(), "{row}");
        assert_eq!(found.count(), value("found") as usize, "{row}");
        // Colours and means are computed in the same order, but for a product of matrices and powers, whose last
        // digit may differ: a pixel right between two centres would go to the other.
        let other = found.labels().iter().zip(&expected).filter(|(a, b)| a != b).count();
        assert_eq!(other, 0, "{row}: {other} of {} pixels", expected.len());
    }
}

#[test]
fn a_grid_has_cells_of_equal_size_as_far_as_pixels_allow() {
    let grid = Segments::grid(4, 6, 2, 3).expect("a grid");
    assert_eq!(&grid.labels()[..12], [0, 0, 1, 1, 2, 2, 0, 0, 1, 1, 2, 2]);
    assert_eq!((grid.count(), grid.labels()[23]), (6, 5));
    let uneven = Segments::grid(1, 5, 1, 2).expect("a grid");
    assert_eq!(uneven.labels(), [0, 0, 1, 1, 1]);
    assert_eq!(Segments::grid(3, 2, 3, 2).expect("every pixel").labels(), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn labels_of_ones_own_are_numbered_without_gaps() {
    let own = Segments::new(2, 3, vec![9, 4, 4, u32::MAX, 9, 4]).expect("segments");
    assert_eq!(own.labels(), [1, 0, 0, 2, 1, 0]);
    assert_eq!((own.count(), own.height(), own.width()), (3, 2, 3));
    assert_eq!(own.region(1).expect("a region").inside(), [true, false, false, false, true, false]);
    assert_eq!(own.means(&[1.0, 2.0, 4.0, 7.0, 2.0, 3.0]).expect("means"), [3.0, 1.5, 7.0]);
    assert_eq!(format!("{own:?}"), "Segments(3 of 2 × 3 pixels)");
}

#[test]
fn what_divides_nothing_is_refused() {
    let text = |error: convlens::Error| error.to_string();
    let small = Picture::rgb(4, 3, vec![9; 36]).expect("a picture");
    for (slic, keyword) in [
        (Slic::new(0), "give 1 or more"),
        (Slic::default().compactness(0.0), "compactness"),
        (Slic::default().compactness(f64::NAN), "compactness"),
        (Slic::default().compactness(f64::INFINITY), "compactness"),
        (Slic::default().sigma(-1.0), "sigma"),
        (Slic::default().sigma(f64::NAN), "sigma"),
        (Slic::default().sigma(1e9), "from 0 to its 4 pixels"),
        (Slic::default().rounds(0), "1 to 1000 times"),
        (Slic::default().rounds(usize::MAX), "1 to 1000 times"),
    ] {
        let error = slic.segments(&small).expect_err(keyword);
        assert!(matches!(error, convlens::Error::Argument(_)), "{error:?}");
        assert!(text(error).contains(keyword), "{slic:?}");
    }
    for sizes in [[0, 4, 1, 1], [4, 4, 0, 1], [4, 4, 5, 1], [4, 4, 1, usize::MAX]] {
        let [height, width, rows, columns] = sizes;
        let error = Segments::grid(height, width, rows, columns).expect_err("no grid");
        assert!(text(error).contains("does not fit"), "{sizes:?}");
    }
    let large = Segments::grid(usize::MAX, usize::MAX, 2, 2).expect_err("no such picture");
    assert!(text(large).contains("134 million"));
    let error = Segments::new(2, 2, vec![0; 3]).expect_err("too few");
    assert!(matches!(error, convlens::Error::Shape(_)) && text(error).contains("3 labels"));
    assert!(
        Segments::new(0, 2, Vec::new()).is_err() && Segments::new(usize::MAX, 2, vec![0]).is_err()
    );
    let grid = Segments::grid(2, 2, 2, 2).expect("a grid");
    assert!(text(grid.region(4).expect_err("no segment 4")).contains("from 0 to 3"));
    assert!(text(grid.means(&[1.0]).expect_err("one value")).contains("1 values"));
    let error = Segmentation::from(&grid).segments(&small).expect_err("another size");
    assert!(text(error).contains("2 × 2"), "the size is named");
}

#[test]
fn pictures_of_any_kind_have_superpixels() {
    // One colour: cells of a grid. One pixel, one row, more superpixels than pixels.
    for (width, height, count) in
        [(40, 30, 12), (1, 1, 50), (60, 1, 5), (1, 60, 5), (5, 5, 1000), (30, 30, 1)]
    {
        let flat = Picture::rgb(width, height, vec![77; (width * height * 3) as usize])
            .expect("a picture");
        let found = Slic::new(count).sigma(0.5).segments(&flat).expect("superpixels");
        assert_eq!(found.labels().len(), (width * height) as usize);
        assert!(
            (1..=count.min((width * height) as usize) * 2).contains(&found.count()),
            "{width} × {height}"
        );
    }
}

#[test]
fn outlines_lie_between_segments_and_nowhere_else() {
    let black = Picture::rgb(80, 40, vec![0; 80 * 40 * 3]).expect("a picture");
    let halves = Segments::grid(2, 4, 1, 2).expect("a grid");
    let drawn = halves.over(&black).to_rgb();
    for (x, y, pixel) in drawn.enumerate_pixels() {
        let lit = pixel.0[0] > 100;
        assert_eq!(lit, (39..=40).contains(&x), "{x}, {y}: {pixel:?}");
    }
    // On white, the seam is what is seen.
    let white = Picture::rgb(80, 40, vec![255; 80 * 40 * 3]).expect("a picture");
    let drawn = halves.over(&white).to_rgb();
    assert!(drawn.get_pixel(38, 20).0[0] < 250 && drawn.get_pixel(10, 20).0[0] == 255);
    let one = Segments::grid(40, 80, 1, 1).expect("a grid");
    assert!(one.over(&black).to_rgb().into_raw().iter().all(|&value| value == 0));
}
