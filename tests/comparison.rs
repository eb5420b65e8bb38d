//! Networks, methods, layers and classes beside each other.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use convlens::Error;
use convlens::compare::{AtLayer, Comparison, Network};
use convlens::model::{AdaptiveAvgPool2d, Builder, Conv2d, Linear};
use convlens::picture::Sheet;
use convlens::prelude::*;
use convlens::zoo::hub::Hub;

/// Photos of 16 × 16 pixels, each brighter than the one before.
fn photos<const N: usize>(titles: [&str; N]) -> [Photo; N] {
    let mut level = 0;
    titles.map(|title| {
        level += 20;
        let image = image::RgbImage::from_fn(16, 16, |x, y| {
            image::Rgb([level, (x * 16) as u8, (y * 16) as u8])
        });
        Photo::from_image(&image.into()).expect("pixels").titled(title)
    })
}

fn begun(name: &str) -> Builder {
    Model::builder(name, [3, 16, 16]).classes(["ant", "bee", "cat", "dog"])
}

/// With global average pooling; the weights depend on the seed.
fn pooling(name: &str, seed: u64) -> Model {
    let mut net = begun(name).seed(seed);
    let x = net.input();
    let x = net.add("early", Conv2d::new(3, 6, 3).padding(1), &[x]);
    let x = net.add("late", Conv2d::new(6, 8, 3).padding(1).stride(2), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("classifier", Linear::new(8, 4), &[x]);
    net.build().expect("a network")
}

/// Without global average pooling.
fn flattening(name: &str) -> Model {
    let mut net = begun(name).seed(3);
    let x = net.input();
    let x = net.add("late", Conv2d::new(3, 4, 3).padding(1).stride(4), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("classifier", Linear::new(4 * 4 * 4, 4), &[x]);
    net.build().expect("a network")
}

/// As the zoo answers without a network and with an empty cache.
fn out_of_reach(name: &str) -> Network<'static> {
    let architecture = name.to_owned();
    Network::load(name, move || {
        let empty = tempfile::tempdir().expect("a folder");
        Hub::new().folder(empty.path()).offline().fetch(&architecture)?;
        Err(Error::Argument("it cannot be there".into()))
    })
}

fn shown(sheet: &Comparison) -> (Picture, String) {
    let bundle = sheet.bundle();
    (bundle.as_picture().expect("a picture").clone(), bundle.as_text().to_owned())
}

fn caption(sheet: &Comparison, row: usize, column: usize) -> &str {
    sheet.get(row, column).expect("a cell").caption()
}

/// "bee, 27.1 %"
fn predicted(model: &Model, photo: &Photo) -> String {
    let top = model.look(photo).and_then(|look| look.predictions(1)).expect("predictions").top();
    format!("{}, {:.1} %", top.name, 100.0 * top.probability)
}

#[test]
fn networks_are_rows_photos_columns_and_each_cell_says_what_is_predicted() {
    let photos = photos(["first", "second", "third"]);
    let (one, two) = (pooling("one", 1), pooling("two", 2));
    let sheet = compare::networks([&one, &two], &photos, &GradCam::default()).expect("a sheet");
    assert_eq!((sheet.rows(), sheet.columns()), (2, 3));
    let mut lines = vec!["Grad-CAM, at late, the last maps: 2 × 3".to_owned()];
    for (row, model) in [&one, &two].into_iter().enumerate() {
        lines.push(model.name().to_owned());
        for (column, photo) in photos.iter().enumerate() {
            let expected = predicted(model, photo);
            assert_eq!(caption(&sheet, row, column), expected);
            lines.push(format!("  {}: {expected}", photo.title()));
            let heat = model.look(photo).and_then(|look| look.explain(&GradCam::default()));
            let cell = sheet.get(row, column).expect("a cell");
            let found = cell.heat().expect("a heat map");
            assert_eq!(found.raw(), heat.expect("a heat map").raw());
            assert_eq!(found.class(), cell.prediction().map(|top| top.class));
        }
    }
    let (picture, text) = shown(&sheet);
    assert_eq!(text, lines.join("\n"));
    assert!(picture.width() <= 1000);
    assert!(sheet.get(2, 0).is_none() && sheet.get(0, 3).is_none());
}

#[test]
fn the_photos_stand_in_a_row_of_their_own_unless_left_out() {
    let model = pooling("one", 1);
    let photos = photos(["first", "second"]);
    let sheet = compare::networks([&model], &photos, &GradCam::default()).expect("a sheet");
    let with = shown(&sheet).0.height();
    let without = shown(&sheet.without_photos()).0.height();
    assert!(with > without + 300, "{with} and {without}");
}

#[test]
fn networks_out_of_reach_are_named_in_one_line_and_leave_no_rows() {
    let photos = photos(["first", "second"]);
    let model = pooling("here", 1);
    let networks = [out_of_reach("resnet34"), (&model).into(), out_of_reach("vgg16")];
    let sheet = compare::networks(networks, &photos, &GradCam::default()).expect("a sheet");
    assert_eq!((sheet.rows(), sheet.missing()), (1, vec!["resnet34", "vgg16"]));
    assert!(sheet.get(0, 1).and_then(|cell| cell.heat()).is_some());
    let alone = compare::networks([&model], &photos, &GradCam::default()).expect("a sheet");
    let ((picture, text), (bare, words)) = (shown(&sheet), shown(&alone));
    assert_eq!(alone.missing(), [""; 0]);
    // The same sheet but for what is said below.
    let added = picture.height() - bare.height();
    assert!(picture.width() == bare.width() && (1..80).contains(&added), "{added} pixels more");
    let note = text.strip_prefix(&words).expect("the same rows");
    assert_eq!(
        note.trim(),
        "missing: the weights of resnet34, vgg16, which are not in the cache and were not \
         fetched; zoo::published(\"resnet34\") says what was tried, and how to put the file in place"
    );
}

#[test]
fn a_network_that_the_zoo_does_not_know_has_its_error_in_its_cell() {
    let photo = &photos(["photo"])[0];
    let sheet = compare::networks(["squeezenet1_1", "resnet35"], photo, &GradCam::default());
    let text = shown(&sheet.expect("a sheet")).1;
    assert!(text.contains("photo: no network \"resnet35\" in the zoo; the closest are"), "{text}");
}

#[test]
fn every_network_is_dropped_before_the_next_is_loaded() {
    struct Alive(Rc<Cell<usize>>);
    impl Drop for Alive {
        fn drop(&mut self) {
            self.0.set(self.0.get() - 1);
        }
    }
    let alive = Rc::new(Cell::new(0));
    let order = RefCell::new(Vec::new());
    let load = |name: &'static str| {
        let (alive, order) = (&alive, &order);
        Network::load(name, move || {
            assert_eq!(alive.get(), 0, "another network is still there");
            alive.set(1);
            order.borrow_mut().push(name);
            let held = Alive(Rc::clone(alive));
            let mut net = begun(name);
            let x = net.input();
            let x = net.add("late", Conv2d::new(3, 4, 3), &[x]);
            net.function(
                "mean",
                move |inputs, _| {
                    let _held = &held;
                    inputs[0].mean_dim([2i64, 3].as_slice(), false, None::<tch::Kind>)
                },
                &[x],
            );
            net.build()
        })
    };
    let photos = photos(["first", "second"]);
    let networks = ["one", "two", "three"].map(load);
    let sheet = compare::networks(networks, &photos, &GradCam::at("late")).expect("a sheet");
    assert_eq!((alive.get(), order.take()), (0, vec!["one", "two", "three"]));
    assert!(sheet.get(2, 1).and_then(|cell| cell.heat()).is_some());

    let names = ["one", "two"].map(load);
    let pictures = |model: &Model| Ok(vec![("maps", model.look(&photos[0])?.layer("late")?)]);
    let sheet = compare::networks_with(names, pictures).expect("a sheet");
    assert_eq!(alive.get(), 0, "feature maps hold on to their network");
    assert!(sheet.get(1, 0).and_then(|cell| cell.picture()).is_some());
}

#[test]
fn a_method_that_does_not_suit_a_network_leaves_its_cell_to_the_reason() {
    let photos = photos(["first", "second"]);
    let pair = [pooling("pooling", 1), flattening("flattening")];
    let sheet = compare::networks(&pair, &photos, &Cam::default()).expect("a sheet");
    assert!(sheet.get(0, 0).and_then(|cell| cell.heat()).is_some());
    let text = shown(&sheet).1;
    assert!(text.contains("take GradCam"), "{text}");

    let methods: [&dyn Attribution; 2] = [&GradCam::default(), &GradCam::at("nowhere")];
    let sheet = compare::methods(&pair[0], methods, &photos).expect("a sheet");
    let text = shown(&sheet).1;
    assert!(text.contains("Grad-CAM\n  first: no layer \"nowhere\" in pooling"), "{text}");
}

#[test]
fn methods_are_named_with_the_layer_where_each_looks() {
    let photos = photos(["first", "second"]);
    let model = pooling("net", 1);
    let methods: [&dyn Attribution; 2] = [&GradCam::default(), &HiResCam::at("early")];
    let text = shown(&compare::methods(&model, methods, &photos).expect("a sheet")).1;
    let titles: Vec<&str> = text.lines().filter(|line| !line.starts_with("  ")).collect();
    assert_eq!(titles, ["net: 2 × 2", "Grad-CAM, late", "HiResCAM, early"]);
}

#[test]
fn layers_are_rows_with_their_size_and_methods_columns() {
    let photo = &photos(["photo"])[0];
    let model = pooling("net", 1);
    let bee = |layer| GradCam::at(layer).class("bee");
    let methods: [&dyn AtLayer; 2] = [&HiResCam::at, &bee];
    let sheet = compare::layers(&model, ["early", "late"], methods, photo).expect("a sheet");
    let titles: Vec<String> = shown(&sheet).1.lines().map(str::to_owned).collect();
    assert_eq!(titles[..2], ["net, photo: 2 × 2", "early, 16 × 16"]);
    assert!(titles[2].starts_with("  HiResCAM: ") && titles[3].starts_with("  Grad-CAM: bee, "));
    assert_eq!(titles[4], "late, 8 × 8");
    let heat = sheet.get(1, 1).and_then(|cell| cell.heat()).expect("a heat map");
    assert_eq!((heat.method(), heat.layer(), heat.class()), ("Grad-CAM", Some("late"), Some(1)));

    let by_index = compare::layers(&model, [1, 2], methods, photo).expect("a sheet");
    assert_eq!(shown(&by_index).1, shown(&sheet).1);
}

#[test]
fn classes_are_rows_and_cells_say_what_is_explained_and_what_is_predicted() {
    let photo = &photos(["photo"])[0];
    let model = pooling("net", 1);
    let top = model.look(photo).and_then(|look| look.predictions(4)).expect("predictions");
    let (first, last) = (&top.rows()[0], &top.rows()[3]);
    let percent = |p: f64| format!("{:.1} %", 100.0 * p);
    let classes = [None, Some(first.name.as_str()), Some(last.name.as_str())];
    let sheet = compare::classes(&model, classes, photo, &GradCam::default()).expect("a sheet");
    let predicted = format!("{}, {}", first.name, percent(first.probability));
    assert_eq!(caption(&sheet, 0, 0), predicted);
    assert_eq!(caption(&sheet, 1, 0).lines().collect::<Vec<_>>(), [&predicted, "as predicted"]);
    let lines: Vec<&str> = caption(&sheet, 2, 0).lines().take(2).collect();
    let other = format!("{}, {}", last.name, percent(last.probability));
    assert_eq!(lines, [other, format!("predicted: {predicted}")]);
    let text = shown(&sheet).1;
    assert!(
        text.starts_with("net: Grad-CAM, at late, the last maps: 3 × 1\nthe predicted class\n")
    );
    assert!(text.contains(&format!("\n{} ({})\n", last.name, last.class)), "{text}");

    let targets = [Target::difference("ant", "bee"), Target::Predicted];
    let text = compare::classes(&model, targets, photo, &GradCam::default()).expect("a sheet");
    let text = text.to_string();
    assert!(
        text.contains("\nant (0) − bee (1)\n  photo: ant (0) − bee (1), predicted: "),
        "{text}"
    );
}

#[test]
fn an_unknown_class_leaves_its_row_to_the_reason() {
    let photos = photos(["first", "second"]);
    let classes = ["bee", "be"];
    let model = pooling("net", 1);
    let sheet = compare::classes(&model, classes, &photos, &GradCam::default()).expect("a sheet");
    let text = shown(&sheet).1;
    assert!(text.contains("be\n  first: no class \"be\" in the 4 classes of net"), "{text}");
    assert!(sheet.get(1, 0).and_then(|cell| cell.prediction()).is_some());
}

#[test]
fn what_is_to_be_known_of_one_photo_names_it_and_what_holds_of_all_is_said_once() {
    let photos = photos(["first", "second"]);
    let model = pooling("net", 1);
    let path = IntegratedGradients::default().steps(3);
    let methods: [&dyn Attribution; 2] = [&path, &GuidedBackprop::default()];
    let sheet = compare::methods(&model, methods, &photos).expect("a sheet");
    let text = shown(&sheet).1;
    let notes: Vec<&str> = text.lines().skip(1 + 2 * 3).collect();
    for (note, photo) in notes.iter().zip(&photos) {
        let heat = model.look(photo).and_then(|look| look.explain(&path)).expect("a heat map");
        let said = &heat.remarks()[0];
        assert_eq!(*note, format!("Integrated gradients, 3 steps, {}: {said}", photo.title()));
    }
    let rectifiers = "net has no rectifier (ReLU, ReLU6): this is its plain gradient";
    assert_eq!(notes[2..], [format!("Guided backpropagation: {rectifiers}")]);

    // With one column, the row is enough.
    let sheet = compare::methods(&model, methods, &photos[..1]).expect("a sheet");
    assert!(shown(&sheet).1.contains("\nIntegrated gradients, 3 steps: sums to "));
}

#[test]
fn a_map_that_is_zero_everywhere_says_so_under_its_picture() {
    let photo = &photos(["photo"])[0];
    let mut net = begun("still");
    let x = net.input();
    let x = net.add("conv", Conv2d::new(3, 4, 3), &[x]);
    let x = net.function("zero", |inputs, _| &inputs[0] * 0.0, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let still = net.build().expect("a network");
    let sheet = compare::networks([&still], photo, &GradCam::at("conv")).expect("a sheet");
    assert_eq!(caption(&sheet, 0, 0), "ant, 25.0 %\nthe map is 0 everywhere");
}

#[test]
fn a_network_that_segments_says_how_many_pixels_are_explained() {
    let photo = &photos(["photo"])[0];
    let mut net = Model::builder("segments", [3, 16, 16]).classes(["rest", "salt"]).seed(1);
    let x = net.input();
    let x = net.add("early", Conv2d::new(3, 4, 3).padding(1), &[x]);
    net.add("scores", Conv2d::new(4, 2, 1), &[x]);
    let model = net.build().expect("a network");
    let sheet = compare::networks([&model], photo, &GradCam::at("early")).expect("a sheet");
    assert!(caption(&sheet, 0, 0).contains(" pixels"), "{sheet}");
    assert!(sheet.get(0, 0).is_some_and(|cell| cell.prediction().is_none()));
}

#[test]
fn one_photo_makes_a_sheet_that_lies_on_its_side() {
    let photo = &photos(["photo"])[0];
    let four = [1, 2, 3, 4].map(|seed| pooling("net", seed));
    let sheet = compare::networks(&four, photo, &GradCam::default()).expect("a sheet");
    let lying = shown(&sheet).0;
    assert!(lying.width() > 3 * lying.height(), "{lying:?}");
    let standing = shown(&sheet.transposed()).0;
    assert!(standing.height() > 3 * standing.width(), "{standing:?}");
}

#[test]
fn many_columns_go_on_below_and_keep_a_size_that_can_be_seen() {
    let photos = photos(["a", "b", "c", "d", "e", "f", "g", "h", "i", "j", "k", "l"]);
    let model = pooling("net", 1);
    let sheet = compare::networks([&model], &photos, &GradCam::default()).expect("a sheet");
    let (picture, text) = shown(&sheet);
    assert!(picture.width() <= 1000 && picture.height() > 3 * 2 * 150, "{picture:?}");
    assert_eq!(text.lines().count(), 2 + 12);
}

#[test]
fn a_cell_may_be_any_picture() {
    let photo = &photos(["photo"])[0];
    let networks = [
        out_of_reach("alexnet"),
        Network::load("one", || Ok(pooling("net", 1))),
        Network::load("two", || Ok(pooling("net", 2))),
    ];
    let mut most = 4;
    let sheet = compare::networks_with(networks, |model| {
        let maps = model.look(photo)?.layer("early")?;
        most -= 1;
        (0..most).map(|i| Ok((format!("map {i}"), maps.picture(i)?))).collect()
    });
    let sheet = sheet.expect("a sheet");
    assert_eq!((sheet.rows(), sheet.columns(), sheet.missing()), (2, 3, vec!["alexnet"]));
    let text = shown(&sheet).1;
    let start = "a comparison: 2 × 3\none\n  map 0\n  map 1\n  map 2\ntwo\n  map 0\n  map 1\n\
                 missing: the weights of alexnet, ";
    assert!(text.starts_with(start), "{text}");
    assert!(sheet.title("first maps").to_string().starts_with("first maps: 2 × 3\n"));

    let sheets = compare::networks_with([("net", &pooling("net", 1))], |model| {
        Ok(vec![("all", model.look(photo)?.layer("early")?.sheet()?.first(4))])
    });
    let cell = sheets.expect("a sheet").get(0, 0).and_then(|cell| cell.picture().cloned());
    assert!(cell.is_some_and(|picture| picture.width() > 16));
    let words =
        compare::networks_with(["squeezenet1_1"], |model| Ok(vec![("", model.name().len())]));
    assert!(words.expect("a sheet").to_string().ends_with("\n  13"));
}

#[test]
fn heat_maps_can_be_drawn_in_another_way() {
    let photos = photos(["first", "second"]);
    let model = pooling("net", 1);
    let sheet = compare::networks([&model], &photos, &GradCam::default()).expect("a sheet");
    let blended = |heat: &Heatmap| heat.overlay()?.blend(Blend::Alpha { alpha: 0.5 }).picture();
    let picture = |sheet: &Comparison| {
        sheet.get(0, 0).and_then(|cell| cell.picture()).expect("a picture").to_rgb()
    };
    let before = picture(&sheet);
    let sheet = sheet.drawn(blended).expect("a sheet");
    let heat = sheet.get(0, 0).and_then(|cell| cell.heat()).expect("a heat map");
    assert_eq!(picture(&sheet), blended(heat).expect("a picture").to_rgb());
    assert_ne!(picture(&sheet), before);
    let refused = sheet.drawn(|heat| heat.overlay()?.blend(Blend::Alpha { alpha: 2.0 }).picture());
    assert!(refused.is_err());
}

#[test]
fn nothing_to_show_is_an_error_that_says_why() {
    let photos = photos(["first", "second"]);
    let model = pooling("net", 1);
    let refusal = |sheet: convlens::Result<Comparison>| sheet.expect_err("nothing").to_string();
    let cam = GradCam::default();
    let no_networks: [&str; 0] = [];
    let no_photos: [Photo; 0] = [];
    let no_classes: [&str; 0] = [];
    let no_layers: [&str; 0] = [];
    let picture = |_: &Model| Ok(vec![("", "")]);
    for (sheet, noun) in [
        (compare::networks(no_networks, &photos, &cam), "networks"),
        (compare::networks(["squeezenet1_1"], &no_photos, &cam), "photos"),
        (compare::networks_with(no_networks, picture), "networks"),
        (compare::methods(&model, [], &photos), "methods"),
        (compare::methods(&model, [&cam], &no_photos), "photos"),
        (compare::layers(&model, no_layers, [&GradCam::at], &photos[0]), "layers"),
        (compare::layers(&model, ["late"], [], &photos[0]), "methods"),
        (compare::classes(&model, no_classes, &photos, &cam), "classes"),
        (compare::classes(&model, ["bee"], &no_photos, &cam), "photos"),
    ] {
        assert_eq!(refusal(sheet), format!("a comparison of no {noun}: give at least one"));
    }
    let empty = compare::networks_with([&model], |_| Ok(Vec::<(&str, Sheet)>::new()));
    assert_eq!(refusal(empty), "a comparison without any picture");

    let missing = ["resnet34", "vgg16"].map(out_of_reach);
    let missing = compare::networks(missing, &photos, &cam).expect_err("nothing");
    assert!(matches!(missing, Error::Download(_)));
    for name in ["resnet34", "vgg16"] {
        assert!(missing.to_string().contains(&format!("the weights of {name} are nowhere")));
    }
    let nowhere = compare::networks([&model], &photos, &GradCam::at("nowhere"));
    assert!(refusal(nowhere).starts_with("no layer \"nowhere\" in net"));
}

#[test]
fn a_comparison_of_very_many_has_pages() {
    let classes = 250;
    let names: Vec<String> = (0..classes).map(|i| format!("class {i}")).collect();
    let mut net = Model::builder("many", [3, 16, 16]).classes(names).seed(1);
    let x = net.input();
    let x = net.add("late", Conv2d::new(3, 8, 3).padding(1).stride(2), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("classifier", Linear::new(8, classes), &[x]);
    let model = net.build().expect("a network");
    let photos = photos(["one", "two"]);
    let sheet = compare::classes(&model, 0..classes, &photos, &GradCam::default());
    let sheet = sheet.expect("a sheet");
    assert_eq!((sheet.rows(), sheet.columns(), sheet.pages()), (250, 2, 5));
    let (first, text) = shown(&sheet);
    assert!(first.height() < 20_000, "{first:?}");
    assert_eq!(
        text.lines().last(),
        Some("page 0 of 5: rows 0 to 49 of 250, counted from 0; .page(n) shows another")
    );
    assert!(text.contains("class 49") && !text.contains("class 50"));
    let last = sheet.clone().page(4);
    assert!(shown(&last).1.contains("rows 200 to 249 of 250"));
    let error = sheet.clone().page(5).picture().expect_err("no such page").to_string();
    assert!(error.contains("no page 5") && error.contains("there are 5"), "{error}");
    // Many photos and one row: the columns are divided.
    let many: Vec<Photo> = photos.iter().cycle().take(150).cloned().collect();
    let wide = compare::classes(&model, [7], &many, &GradCam::default()).expect("a sheet");
    assert_eq!(wide.pages(), 2);
    let text = shown(&wide.page(1)).1;
    assert!(text.contains("rows 0 to 0 of 1, columns 100 to 149 of 150"), "{text}");
}
