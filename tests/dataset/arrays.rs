//! Data sets of arrays: what a network sees of each is what `look_array` shows it.

use super::*;

/// A network for arrays of five bands, as it prepares them and shows them.
fn five() -> Model {
    let preprocess = Preprocess::exact(8, 8).normalize([3.0; 5], [2.0; 5]).view_as([4, 2, 0]);
    let mut net = Model::builder("five", [5, 8, 8]).classes(["low", "high"]).preprocess(preprocess);
    let x = net.input();
    let x = net.add("conv", Conv2d::new(5, 6, 3).padding(1), &[x]);
    let x = net.add("relu", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    let x = net.add("flatten", Op::Flatten, &[x]);
    net.add("fc", Linear::new(6, 2), &[x]);
    net.seed(7).build().expect("a network")
}

/// Values of an array, `[bands, 12, 10]`, about a level.
fn array(bands: usize, level: f32, nth: usize) -> Maps {
    let value = |i: usize| level + ((i * (nth + 3)) as f32 * 0.37).sin();
    Maps::new(bands, 12, 10, (0..bands * 120).map(value).collect()).expect("maps")
}

/// Two classes of `.npy` files.
fn scenes(folder: &Path) {
    for (class, level) in [("low", 0.0), ("high", 6.0)] {
        std::fs::create_dir_all(folder.join(class)).expect("a folder");
        for nth in 0..4 {
            let path = folder.join(class).join(format!("{nth}.npy"));
            array(5, level, nth).save_npy(path).expect("a file");
        }
    }
}

#[test]
fn what_a_data_set_shows_of_arrays_is_what_a_look_sees() {
    let folder = tempfile::tempdir().expect("a folder");
    scenes(folder.path());
    let set = ImageFolder::open(folder.path()).expect("arrays");
    assert_eq!((set.class_names(), set.counts()), (vec!["high".into(), "low".into()], vec![4, 4]));
    let model = five();
    let (inputs, classes) = set.tensors(&model).expect("tensors");
    assert_eq!((inputs.size(), classes.size()), (vec![8, 5, 8, 8], vec![8]));
    let maps = set.activation_maps(&model, "relu", [1, 3]).expect("maps");
    for index in 0..8 {
        let array = set.array(index).expect("an array");
        let look = model.look_array(&array).expect("a look");
        let input = look.layer("input").expect("the input").tensor();
        assert_eq!(inputs.narrow(0, index as i64, 1), input);
        let means = look.layer("relu").and_then(|maps| maps.means()).expect("means");
        // A batch may be computed in another order.
        assert!((maps.means()[index] - means[1] - means[3]).abs() < 1e-5);
        let seen = &maps.photos()[index].seen;
        assert_eq!(seen.data(), look.seen().data(), "the bands that were chosen");
    }
    assert!(maps.bundle().as_picture().is_some());
    assert!(set.sheet(2).expect("a sheet").bundle().as_picture().is_some());
    let shown = set.preprocess(model.preprocess().clone()).photo(0).expect("what is shown");
    let looked = model.look_array(&set.array(0).expect("an array")).expect("a look");
    assert_eq!(shown.picture().data(), looked.photo().picture().data());
    // The same from memory, and in a TIFF's place.
    let arrays = |class: usize| {
        let files = set.entries().into_iter().filter(move |entry| entry.class == class);
        files.map(|entry| Bands::open(entry.path.expect("a file")).expect("an array"))
    };
    let memory = ImageFolder::of_arrays([("high", arrays(0)), ("low", arrays(1))]).expect("arrays");
    assert_eq!(memory.tensors(&model).expect("tensors").0, inputs);
}

#[test]
fn searches_and_training_work_on_arrays() {
    let folder = tempfile::tempdir().expect("a folder");
    scenes(folder.path());
    let set = ImageFolder::open(folder.path()).expect("arrays").batch(3);
    let model = five();
    let tops = TopMapSearch::at("relu").per_photo(2).per_class(2).run(&model, &set);
    let tops = tops.expect("top maps");
    assert!(tops.unreadable().is_empty());
    assert_eq!(tops.classes().iter().map(|class| class.photos).collect::<Vec<_>>(), [4, 4]);
    let sums = set.class_sums_of(&model, "relu", [("low", [0, 1]), ("high", [2, 3])]);
    assert_eq!(sums.expect("sums").photos().len(), 8);
    let patches = PatchSearch::at(["relu"]).run(&model, &set).expect("patches");
    let best = patches.map("relu", 0).expect("a map");
    assert!(best.sheet().and_then(|sheet| sheet.render()).is_ok());
    let whole = best.patches()[0].open().expect("the array");
    assert_eq!((whole.width(), whole.height()), (10, 12));
    let (inputs, classes) = set.tensors(&model).expect("tensors");
    let fitted = Fit::default().epochs(30).learning_rate(0.05).run(&model, &inputs, &classes);
    assert!(fitted.expect("a training").losses().last() < Some(&0.3));
    // Levels far apart: all are told apart.
    let scores = model.forward(&inputs).expect("scores");
    assert_eq!(scores.argmax(1, false), classes);
}

#[test]
fn tiffs_of_many_bands_are_arrays_for_a_network_of_as_many() {
    let folder = tempfile::tempdir().expect("a folder");
    for class in ["a", "b"] {
        std::fs::create_dir_all(folder.path().join(class)).expect("a folder");
        let to = folder.path().join(class).join("scene.tif");
        std::fs::copy(reference("bands/f32.tif"), to).expect("a copy");
    }
    let set = ImageFolder::open(folder.path()).expect("arrays");
    let mut net = Model::builder("seven", [7, 5, 6]);
    let x = net.input();
    net.add("conv", Conv2d::new(7, 2, 3), &[x]);
    let model = net.build().expect("a network");
    let (inputs, _) = set.tensors(&model).expect("tensors");
    assert_eq!(inputs.size(), [2, 7, 5, 6]);
    assert_eq!(inputs.double_value(&[1, 3, 2, 4]), 90.0 + 10.0 + 4.0);
    assert!(set.activation_maps(&model, "conv", 0).is_ok());
    // As a picture, the mean of its bands.
    assert_eq!(set.photo(0).expect("what is shown").width(), 6);
}

#[test]
fn an_array_of_another_number_of_bands_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    scenes(folder.path());
    array(4, 1.0, 0).save_npy(folder.path().join("low/four.npy")).expect("a file");
    let mut holes = array(5, 1.0, 0).values().to_vec();
    holes[130] = f32::NAN;
    let holes = Maps::new(5, 12, 10, holes).expect("maps");
    holes.save_npy(folder.path().join("low/holes.npy")).expect("a file");
    std::fs::write(folder.path().join("low/cut.npy"), b"\x93NUMPY\x01\x00").expect("a file");
    let set = ImageFolder::open(folder.path()).expect("arrays");
    let model = five();
    let tops = TopMaps::find(&model, &set, "relu").expect("top maps");
    let listed = tops.unreadable().iter().map(|file| file.to_string()).collect::<Vec<_>>();
    let said = |name: &str, part: &str| {
        listed.iter().any(|line| line.starts_with(name) && line.contains(part))
    };
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!(said("low/four.npy", "takes 5 channels") && said("low/four.npy", "4"), "{listed:?}");
    assert!(said("low/holes.npy", "NaN") && said("low/cut.npy", "ends"), "{listed:?}");
    let text = set.tensors(&model).expect_err("a file of four bands").to_string();
    assert!(text.contains("cut.npy"), "{text}");
    std::fs::remove_file(folder.path().join("low/cut.npy")).expect("removed");
    let set = ImageFolder::open(folder.path()).expect("arrays");
    let text = set.tensors(&model).expect_err("a file of four bands").to_string();
    assert!(text.contains("four.npy") && text.contains("takes 5 channels"), "{text}");
    // A photo among them.
    let photo = Photo::from_image(&image::DynamicImage::new_rgb8(8, 8)).expect("a photo");
    photo.save(folder.path().join("high/photo.png")).expect("a file");
    let set = ImageFolder::open(folder.path()).expect("arrays");
    let tops = TopMaps::find(&model, &set, "relu").expect("top maps");
    assert!(tops.unreadable().iter().any(|file| file.name == "high/photo.png"));
    let memory = ImageFolder::of_photos([("a", [&photo])]).expect("a photo");
    assert!(memory.array(0).expect_err("a photo").to_string().contains(".photo(0)"));
}
