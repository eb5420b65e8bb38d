//! Sizes near the greatest numbers that there are.

use convlens::error::Error;
use convlens::picture::{Maps, Picture, PictureTable, Region, Sheet};
use convlens::prelude::*;

use super::{refused, small};

const SIZES: [i64; 11] =
    [i64::MIN, -1, 0, 1, 3, 1 << 20, (1 << 20) + 1, 1 << 31, 1 << 40, i64::MAX / 2, i64::MAX];

#[test]
fn inputs_of_more_values_than_memory_are_refused() {
    for sides in [[i64::MAX; 3], [1 << 40, 1 << 40, 1], [3, 1 << 20, 1 << 20], [0, 1, 1]] {
        let mut net = Model::builder("large", sides);
        let x = net.input();
        net.add("relu", Op::Relu, &[x]);
        let error = refused(net.build());
        assert!(matches!(&error, Error::Shape(_) | Error::Argument(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains("values") || text.contains("no pixels"), "{text}");
    }
    for shape in [[1 << 20; 4], [1, 1, 1 << 20, 1 << 21], [1, 1, 0, 1], [i64::MAX; 4]] {
        let error = refused(small().output_shapes(&shape));
        assert!(matches!(error, Error::Shape(_)), "{error:?}");
        refused(small().summary_for(&shape));
    }
}

#[test]
fn joined_channels_are_counted() {
    let mut net = Model::builder("joined", [1 << 38, 1, 1]);
    let x = net.input();
    net.add("join", Op::Concat, &[x; 8]);
    let error = refused(net.build());
    assert!(matches!(&error, Error::Shape(text) if text.contains("more values")), "{error:?}");
    // And an error about many inputs does not list them all.
    let mut net = Model::builder("odd", [1, 2, 2]);
    let x = net.input();
    let flat = net.add("flat", Op::Flatten, &[x]);
    let mut inputs = vec![x; 5000];
    inputs.push(flat);
    net.add("sum", Op::Add, &inputs);
    let text = refused(net.build()).to_string();
    assert!(text.contains("and 4993 more") && text.len() < 500, "{text}");
}

#[test]
fn options_of_layers_at_any_size_make_a_network_or_an_error() {
    let one = |op: Op| {
        let mut net = Model::builder("one", [1, 4, 4]);
        let x = net.input();
        net.add("layer", op, &[x]);
        if let Ok(model) = net.build() {
            // Whatever can be built can be described.
            let _ = model.summary().map(|summary| summary.to_string());
            let _ = model.receptive_field("layer").map(|field| field.to_string());
            let _ = model.drawing().to_string();
        }
    };
    for a in SIZES {
        for b in SIZES {
            one(Conv2d::new(1, 1, a).stride(b).into());
            one(Conv2d::new(1, 1, 3).padding(a).dilation(b).into());
            one(Conv2d::new(1, 1, 2).dilation(a).stride(b).same().into());
            one(Conv2d::new(1, 1, 1).kernel(a, b).padding(1 << 20).into());
            one(Conv2d::new(a, b, 1).groups(a).into());
            one(Pool2d::max(a).stride(b).into());
            one(Pool2d::average(a).padding(b).ceil().into());
            one(ConvTranspose2d::new(1, 1, a).stride(b).into());
            one(ConvTranspose2d::new(1, a, 2).padding(b).into());
            one(Linear::new(a, b).into());
        }
        one(AdaptiveAvgPool2d::new(a).into());
        one(BatchNorm2d::new(a).into());
    }
    for odd in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
        one(BatchNorm2d::new(1).eps(odd).into());
        one(BatchNorm2d::new(1).momentum(odd).into());
        one(Op::Dropout(odd));
        let mut net = Model::builder("odd", [1, 4, 4]);
        let x = net.input();
        net.add("conv", Conv2d::new(1, 1, 3).init(WeightInit::Normal(odd)), &[x]);
        let text = refused(net.build()).to_string();
        assert!(text.contains("cannot start at random"), "{text}");
    }
}

#[test]
fn windows_that_grow_beyond_all_numbers_are_cut_off() {
    let mut net = Model::builder("wide", [1, 4, 4]);
    let mut x = net.input();
    for i in 0..12 {
        let conv = Conv2d::new(1, 1, 3).dilation(1 << 20).padding(1 << 20);
        x = net.add(format!("near.{i}"), conv, &[x]);
        x = net.add(
            format!("far.{i}"),
            Conv2d::new(1, 1, 1).stride(1 << 20).padding(1 << 20),
            &[x],
        );
    }
    let model = net.build().expect("a network");
    let field = model.receptive_field("far.11").expect("a receptive field");
    assert!(field.size().iter().all(|&side| side > 1 << 40), "{field}");
    assert!(field.stride().iter().all(|&stride| stride > 1e9), "{field}");
}

#[test]
fn maps_that_there_are_none_of_have_sides_that_can_be_multiplied() {
    for sides in [[1 << 40, 1 << 40], [usize::MAX, 1], [1, usize::MAX / 2]] {
        let error = refused(Maps::new(0, sides[0], sides[1], Vec::new()));
        assert!(matches!(&error, Error::Shape(text) if text.contains("a side has at most")));
    }
    let most = i32::MAX as usize;
    for (count, height, width) in [(0, most, most), (most, 0, most), (1 << 32, most, 0)] {
        let none = Maps::new(count, height, width, Vec::new()).expect("maps without values");
        assert_eq!(none.map(0).unwrap_or_default().len(), 0);
        assert_eq!(none.scaled().values().len(), 0);
        assert!(matches!(refused(none.resized(7, 7, Resize::HalfPixel)), Error::Shape(_)));
        let text = refused(Sheet::new(none).render()).to_string();
        assert!(text.contains("nothing to show") || text.contains("no pixels"), "{text}");
    }
    refused(Maps::new(usize::MAX, 3, 3, vec![0.0; 9]));
    let map = Maps::new(1, 1, 1, vec![0.5]).expect("a map");
    for side in [1 << 31, 1 << 40, usize::MAX] {
        refused(map.resized(side, side, Resize::Nearest));
        refused(Region::from_fn(side, side, |_, _| true));
        refused(Region::rectangle(side, side, 0..1, 0..1));
    }
}

#[test]
fn sheets_and_tables_of_any_layout_are_drawn_or_refused() {
    let maps = Maps::new(3, 2, 2, vec![0.5; 12]).expect("maps");
    let photo = Picture::rgb(2, 2, vec![9; 12]).expect("pixels");
    let most = u32::MAX;
    for (tile, gutter, columns, budget) in [
        (most, 0, usize::MAX, u64::MAX),
        (1, most, 1, u64::MAX),
        (most / 2, most, 3, 0),
        (64, 4, usize::MAX, u64::MAX),
    ] {
        for sheet in [Sheet::new(maps.clone()), Sheet::pictures(vec![photo.clone(); 3])] {
            let sheet = sheet.tile(tile).gutter(gutter).columns(columns).pixel_budget(budget);
            match sheet.render() {
                Ok(rendered) => assert!(rendered.picture.width() > 0),
                Err(error) => assert!(matches!(error, Error::Argument(_)), "{error:?}"),
            }
        }
        let table = PictureTable::new(["a", "b"]).row("row", [&photo]).tile(tile);
        if let Err(error) = table.render() {
            assert!(matches!(error, Error::Argument(_)), "{error:?}");
        }
    }
    // More channels than a sheet could ever hold, of one value that lies in memory once.
    let many = Tensor::zeros([1, 1, 1], tch::kind::FLOAT_CPU).expand([1 << 24, 1, 1], true);
    let sheet = Sheet::new(Maps::try_from(&many).expect("maps")).all().render().expect("a sheet");
    assert!(sheet.note.contains("more do not fit"), "{}", sheet.note);
    let beyond = Tensor::zeros([1, 1, 1], tch::kind::FLOAT_CPU).expand([1 << 42, 2, 2], true);
    assert!(matches!(refused(Maps::try_from(&beyond)), Error::Torch { .. } | Error::Shape(_)));
}

#[test]
fn sizes_of_pictures_to_be_made_are_checked() {
    for side in [i64::MIN, 0, 8193, 1 << 40, i64::MAX] {
        for vis in
            [FeatureVis::default().size(side), FeatureVis::pixels().height_and_width(4, side)]
        {
            let error = refused(vis.run(&small(), Objective::channel("conv", 0)));
            assert!(error.to_string().contains("1 to 8192 pixels"), "{error}");
        }
    }
    let endless = FeatureVis::pixels().size(8).octaves(1_000_000).octave_scale(8.0);
    assert!(
        refused(endless.run(&small(), Objective::channel("conv", 0))).to_string().contains("8192")
    );
    let quick = FeatureVis::pixels().size(1).steps(2).frames(usize::MAX);
    assert_eq!(quick.run(&small(), Objective::channel("conv", 0)).expect("a picture").len(), 1);
}

#[test]
fn batches_larger_than_all_photos_are_one_batch() {
    let photos = Tensor::rand([3, 1, 8, 8], tch::kind::FLOAT_CPU);
    let classes = Tensor::from_slice(&[0i64, 1, 0]);
    for batch in [3, usize::MAX] {
        let fit = Fit::default().epochs(1).batch(batch).validation(&photos, &classes);
        assert_eq!(fit.run(&small(), &photos, &classes).expect("training").losses().len(), 1);
    }
    let grey = Photo::from_image(&image::DynamicImage::new_luma8(8, 8)).expect("a photo");
    let folder = ImageFolder::of_photos([("grey", vec![grey; 3])]).expect("photos");
    let maps = folder.batch(usize::MAX).activation_maps(&small(), "relu", 0).expect("maps");
    assert_eq!(maps.photos().len(), 3);
}
