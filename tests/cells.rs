//! What a person writes in a cell: variables by reference wherever one would pass a variable, since
//! evcxr cannot show an expression that moves one, and a line that helps where that happened.

use std::fmt::Debug;

use convlens::error::{Error, Result};
use convlens::prelude::*;
use tch::Kind;

fn photo(name: &str) -> Photo {
    Photo::open(format!("assets/photos/{name}")).expect("a photo")
}

fn model() -> Model {
    zoo::squeezenet1_1().expect("its weights are in the crate")
}

fn picture(shown: impl Show) -> Picture {
    let bundle = shown.bundle();
    bundle.as_picture().cloned().unwrap_or_else(|| panic!("no picture: {}", bundle.as_text()))
}

/// As JupyterLab's reader sees it; `starts` is what the line begins with.
fn says_how_to_show_it(value: impl Debug, starts: &str) {
    let line = format!("{value:?}");
    assert!(line.starts_with(starts), "{line}");
    assert!(line.ends_with("; to see it, end the cell with its name: let it = …; it"), "{line}");
    assert!(line.lines().count() == 1 && line.chars().count() < 300, "{line}");
}

#[test]
fn what_shows_itself_prints_a_line_that_says_how() -> Result<()> {
    let small = Picture::rgb(4, 4, vec![9; 48])?;
    says_how_to_show_it(&small, "Picture of 4 × 4");
    says_how_to_show_it(Sheet::pictures([&small, &small]), "Sheet of 2 pictures");
    let table = PictureTable::new(["a", "b"]).row("x", [&small, &small]);
    says_how_to_show_it(table, "PictureTable of 1 × 2");
    says_how_to_show_it(Animation::new([&small, &small])?, "Animation of 2 pictures");
    says_how_to_show_it(Overlay::new(&small, &Maps::new(1, 1, 2, vec![0.0, 1.0])?)?, "Overlay");
    says_how_to_show_it(together([&small, &small]), "MimeBundle of picture, 4 × 4");
    let line = Chart::lines([("x", [1.0, 2.0]), ("y", [2.0, 1.0])]);
    says_how_to_show_it(&line, "Chart of 2 lines");
    says_how_to_show_it(Chart::bars([("x", 1)]), "Chart of 1 bar");
    says_how_to_show_it(SmallMultiples::new([&line, &line]), "SmallMultiples of 2 charts");
    let tensor = Tensor::zeros([3], tch::kind::FLOAT_CPU);
    says_how_to_show_it(convlens::tensor::Glance::new(&tensor), "Glance at a tensor [3]");

    let (model, cat) = (model(), photo("cat.png"));
    says_how_to_show_it(&cat, "Photo cat, ");
    says_how_to_show_it(&model, "Model squeezenet1_1, ");
    says_how_to_show_it(model.layers(), "Layers of squeezenet1_1");
    says_how_to_show_it(model.layers().at(1)?, "Layer 1 features.0");
    says_how_to_show_it(model.groups(), "Groups of squeezenet1_1");
    says_how_to_show_it(model.summary()?, "Summary of squeezenet1_1");
    says_how_to_show_it(model.drawing(), "Drawing of squeezenet1_1");
    says_how_to_show_it(model.kernels("features.0")?, "Kernels of features.0");
    says_how_to_show_it(model.weight_statistics(1)?, "WeightStatistics of features.0");
    says_how_to_show_it(model.receptive_field("features.0")?, "ReceptiveField of features.0");

    let look = model.look(&cat)?;
    says_how_to_show_it(&look, "Look of squeezenet1_1 at cat");
    says_how_to_show_it(model.look_at_all([&cat])?, "Looks of squeezenet1_1 at 1");
    says_how_to_show_it(look.predictions(2)?, "Predictions of squeezenet1_1 on cat, 2");
    says_how_to_show_it(look.layer(1)?, "FeatureMaps of features.0, [1, 64, ");
    let heat = look.explain(&GradCam::default());
    says_how_to_show_it(heat.as_ref().expect("a heat map"), "Heatmap");
    assert!(format!("{heat:?}").starts_with("Ok(Heatmap"), "{heat:?}");
    let compared = compare::classes(&model, [0, 1], &cat, &GradCam::default())?;
    says_how_to_show_it(compared, "Comparison \"squeezenet1_1: Grad-CAM");
    let quick = FeatureVis::default().size(64).steps(1);
    let patterns = quick.run(&model, Objective::channels("features.0", [0, 1]))?;
    says_how_to_show_it(patterns.get(0)?, "Pattern ");
    says_how_to_show_it(&patterns, "Patterns of squeezenet1_1, features.0, 2");
    says_how_to_show_it(quick.layers(&model, ["features.0"], 1)?, "PatternGrid of squeezenet1_1");

    let dog = photo("dog.jpg");
    let pets = ImageFolder::of_photos([("cat", [&cat]), ("dog", [&dog])])?;
    says_how_to_show_it(&pets, "ImageFolder photos, [\"cat\", \"dog\"]");
    let tops = TopMaps::find(&model, &pets, "features.12")?;
    says_how_to_show_it(&tops, "TopMaps of features.12 in squeezenet1_1");
    says_how_to_show_it(pets.class_sums(&model, &tops)?, "ClassSums of features.12");
    says_how_to_show_it(pets.activation_maps(&model, "features.12", [1, 2])?, "PhotoMaps of ");
    says_how_to_show_it(look.top_maps("features.12")?, "MapRanking of features.12");
    let patches = TopPatches::find(&model, &pets, ["features.3"])?;
    says_how_to_show_it(&patches, "TopPatches of squeezenet1_1");
    says_how_to_show_it(patches.map("features.3", 0)?, "MapPatches of map 0 of features.3");
    says_how_to_show_it(&patches.map("features.3", 0)?.patches()[0], "Patch ");
    says_how_to_show_it(patches.selectivity("features.3")?, "Selectivity of features.3, ");
    Ok(())
}

#[test]
fn a_line_does_not_grow_with_what_it_is_of() {
    says_how_to_show_it(MimeBundle::text("many\nwords ".repeat(1000)), "MimeBundle of many words");
}

#[test]
fn charts_take_numbers_of_any_kind_by_value_and_by_reference() {
    let floats: Vec<f32> = vec![1.0, 2.0, 3.0];
    let counts = [1usize, 2, 3];
    let tensor = Tensor::from_slice(&[1i64, 2, 3]).reshape([1, 3]);
    let named = vec![("as it is".to_string(), vec![1.0, 2.0, 3.0])];
    let drawn = [
        picture(Chart::lines([("", vec![1.0, 2.0, 3.0])])),
        picture(Chart::lines([("", [1, 2, 3])])),
        picture(Chart::lines([("", &floats)])),
        picture(Chart::lines([("", &floats[..])])),
        picture(Chart::lines([(String::new(), &counts)])),
        picture(Chart::lines([("", &tensor)])),
        picture(Chart::lines([("", tensor.to_kind(Kind::Double))])),
        picture(Chart::lines(named.iter().map(|(_, values)| ("", values)))),
    ];
    for other in &drawn[1..] {
        assert_eq!(drawn[0].to_png(), other.to_png());
    }
    let by_reference = picture(Chart::lines(&named));
    assert_eq!(by_reference.to_png(), picture(Chart::lines(named)).to_png());

    let points = vec![(1.0, 2), (2.0, 3)];
    let by_reference = picture(Chart::scatter([("", &points)]));
    assert_eq!(by_reference.to_png(), picture(Chart::scatter([("", points)])).to_png());
    let bars = vec![("one", 1u8), ("two", 2)];
    let by_reference = picture(Chart::bars(&bars));
    assert_eq!(by_reference.to_png(), picture(Chart::bars([("one", 1.0), ("two", 2.0)])).to_png());
    let by_reference = picture(Chart::histogram([("", &tensor)]));
    assert_eq!(by_reference.to_png(), picture(Chart::histogram([("", floats)])).to_png());
}

#[test]
fn a_tensor_that_cannot_be_read_is_the_charts_error() {
    let error = Chart::lines([("odd", Tensor::new())]).picture().expect_err("no values");
    assert!(matches!(error, Error::Argument(_)), "{error}");
    assert!(error.to_string().contains("the series \"odd\""), "{error}");
}

#[test]
fn a_row_of_a_table_takes_whatever_has_a_picture() -> Result<()> {
    let (model, cat) = (model(), photo("cat.png"));
    let look = model.look(&cat)?;
    let small = cat.picture().resized(40, 30)?;
    let heat = look.explain(&GradCam::default())?;
    let failed: Result<Heatmap> = look.explain(&GradCam::at("nowhere"));
    let table = PictureTable::new(["a", "b"])
        .row("pictures", [&small, &small])
        .row("photos", [&cat, &cat])
        .row("with captions", [(&heat, "where it looks"), (&heat, "again")])
        .row("results", [look.explain(&LayerCam::default()), failed])
        .row("sheets", [look.layer(1)?.sheet()?, look.layer(3)?.sheet()?])
        .row("overlays", [heat.overlay()?])
        .row("any", [Cell::from(&small), Cell::from(Chart::bars([("x", 1)]))])
        .row("cells", &[Cell::new(&cat, "a cat"), Cell::missing("no dog")]);
    assert!(table.note().contains("with captions: where it looks | again"), "{}", table.note());
    assert!(table.note().contains("no layer \"nowhere\""), "an error stands in its cell");
    assert!(table.render()?.height() > 1000);
    let sheet = Sheet::pictures([&cat, &cat]).captions(["one", "two"]).render()?;
    assert_eq!(
        sheet.picture.to_png(),
        picture(Sheet::pictures([(&cat, "one"), (&cat, "two")])).to_png()
    );
    let error = Sheet::pictures(["words"]).render().expect_err("no picture");
    assert!(matches!(error, Error::Argument(_)) && error.to_string().contains("words"), "{error}");
    Ok(())
}

#[test]
fn a_comparison_takes_methods_and_photos_as_one_writes_them() -> Result<()> {
    let (model, cat, dog) = (model(), photo("cat.png"), photo("dog.jpg"));
    let both = vec![cat.clone(), dog.clone()];
    let smooth = GradCam::default().principal_component();
    let boxed: Box<dyn Attribution> = Box::new(Saliency::default());
    let sheet = compare::methods(&model, [&GradCam::default(), &Saliency::default()], &cat)?;
    assert_eq!((sheet.rows(), sheet.columns()), (2, 1));
    let sheet = compare::methods(&model, [&smooth, &*boxed], [&cat, &dog])?;
    assert_eq!((sheet.rows(), sheet.columns()), (2, 2));
    let gathered: [Box<dyn Attribution>; 2] = [Box::new(LayerCam::default()), boxed];
    let sheet = compare::methods(&model, gathered.each_ref().map(|method| &**method), &both)?;
    assert_eq!((sheet.rows(), sheet.columns()), (2, 2));
    let listed: Vec<Box<dyn Attribution>> = gathered.into();
    let again = compare::methods_from(&model, &listed, &both)?;
    assert_eq!(again.bundle().as_text(), sheet.bundle().as_text());
    let borrowed: Vec<&dyn Attribution> = listed.iter().map(|method| &**method).collect();
    assert_eq!(compare::methods_from(&model, &borrowed[1..], &cat)?.rows(), 1);
    assert_eq!(compare::methods_from(&model, [&smooth, &smooth], &cat)?.rows(), 2);
    let error = compare::methods(&model, [], &both).expect_err("no methods");
    assert!(error.to_string().contains("no methods"), "{error}");

    let at_two = compare::layers(&model, [-3, -5], [&GradCam::at, &LayerCam::at], &cat)?;
    assert_eq!((at_two.rows(), at_two.columns()), (2, 2));
    let at_layers: Vec<&dyn compare::AtLayer> = vec![&GradCam::at, &LayerCam::at];
    let again = compare::layers_from(&model, [-3, -5], &at_layers, &cat)?;
    assert_eq!(again.bundle().as_text(), at_two.bundle().as_text());
    let names = vec!["squeezenet1_1".to_string()];
    for sheet in [
        compare::networks(&names, &both, &smooth)?,
        compare::networks(["squeezenet1_1"].iter(), both.as_slice(), &smooth)?,
        compare::networks([&model], [cat.clone(), dog.clone()], &smooth)?,
    ] {
        assert_eq!((sheet.rows(), sheet.columns()), (1, 2));
    }
    let classes = vec!["tabby".to_string(), "Saluki".to_string()];
    assert_eq!(compare::classes(&model, &classes, &cat, &smooth)?.rows(), 2);
    Ok(())
}

#[test]
fn lists_and_names_are_taken_by_reference() -> Result<()> {
    let (model, cat) = (model(), photo("cat.png"));
    let (layer, channels) = ("features.3".to_string(), vec![3usize, 1]);
    let look = model.look(&cat)?;
    assert_eq!(look.layer(&layer)?.count(), 128);
    let sheet = look.layer(&layer)?.sheet()?;
    assert_eq!(sheet.channels(&channels).render()?.note, sheet.channels([3, 1]).render()?.note);
    let quick = FeatureVis::default().size(64).steps(1);
    let objectives = Objective::channels(&layer, &channels);
    assert_eq!(quick.run(&model, &objectives)?.len(), 2);
    assert_eq!(quick.run(&model, &objectives[0])?.len(), 1);
    assert_eq!(quick.run(&model, [&objectives[0], &objectives[1]])?.len(), 2);
    let pictures = [cat.picture(), cat.picture()];
    let [left, right] = &pictures;
    assert_eq!(Picture::beside([left, right], 4).to_png(), Picture::beside(&pictures, 4).to_png());
    let target = Target::from(&layer);
    assert!(matches!(Target::from(&target), Target::Name(name) if name == layer));
    let class = &&"tabby";
    look.explain(&GradCam::default().class(class))?;
    Ok(())
}

#[test]
fn a_setter_leaves_what_it_is_called_on() -> Result<()> {
    let (model, cat) = (model(), photo("cat.png"));
    let chart = Chart::lines([("x", [1.0, 10.0])]);
    let plain = picture(&chart);
    assert_ne!(picture(chart.title("x").log_y().axes("a", "b")).to_png(), plain.to_png());
    assert_eq!(picture(&chart).to_png(), plain.to_png());

    let method = GradCam::at("features.9");
    let look = model.look(&cat)?;
    let dog = look.explain(&method.class("Saluki"))?;
    assert_ne!(dog.target(), look.explain(&method)?.target());
    let maps = look.layer(1)?;
    let sheet = maps.sheet()?;
    assert_ne!(picture(sheet.first(4).dark()).width(), picture(&sheet).width());
    let table = PictureTable::new(["a"]);
    let rows = [table.row("x", [&cat]), table.row("x", [&cat]).row("y", [&cat])];
    assert!(rows[0].render()?.height() < rows[1].render()?.height());
    Ok(())
}

#[test]
fn the_mean_activation_of_each_channel_is_one_call() -> Result<()> {
    let look = model().look(&photo("cat.png"))?;
    let maps = look.layer("features.3")?;
    let means = maps.means()?;
    assert_eq!(means.len(), maps.count());
    for (channel, mean) in means.iter().enumerate() {
        let values = maps.maps()?;
        let values = values.map(channel).expect("a map");
        let sum: f64 = values.iter().map(|&value| f64::from(value)).sum();
        assert!((f64::from(*mean) - sum / values.len() as f64).abs() < 1e-5);
    }
    let flat = look.layer(-1)?;
    assert_eq!(flat.means()?.len(), 1000);
    assert_eq!(f64::from(flat.means()?[3]), flat.tensor().double_value(&[0, 3]));
    Ok(())
}

#[test]
fn what_libtorch_refuses_is_said_in_a_line() -> Result<()> {
    let (a, b) =
        (Tensor::zeros([2, 3], tch::kind::FLOAT_CPU), Tensor::zeros([4, 5], tch::kind::FLOAT_CPU));
    let product = a.f_matmul(&b);
    let text = product.bundle().as_text().to_owned();
    assert!(text.contains("shapes cannot be multiplied (2x3 and 4x5)"), "{text}");
    assert!(!text.contains("frame #"), "{text}");

    let mut net = Model::builder("odd", [1, 3, 3]);
    net.function("product", move |x, _| x[0].matmul(&b), &[net.input()]);
    let text = net.build().expect_err("shapes do not fit").to_string();
    assert!(text.contains("\"product\"") && text.contains("libtorch: "), "{text}");
    assert!(!text.contains("frame #") && !text.contains("Exception raised"), "{text}");

    let wrong = Target::function("wrong", |scores| {
        scores.matmul(&Tensor::zeros([3, 3], tch::kind::FLOAT_CPU))
    });
    let look = model().look(&photo("cat.png"))?;
    let text = look.explain(&GradCam::default().class(wrong)).expect_err("no product").to_string();
    assert!(text.contains("\"wrong\"") && text.contains("libtorch: "), "{text}");
    assert!(!text.contains("Exception raised"), "{text}");
    Ok(())
}
