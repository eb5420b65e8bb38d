//! Folders of photos.

use super::*;

#[test]
fn a_folder_is_a_class_and_a_file_a_photo() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    red_and_blue(root, [3, 12]);
    std::fs::create_dir_all(root.join("red/later/.hidden")).expect("folders");
    let picture = photo([9, 9, 9], (0, 0));
    for name in ["red/later/more.JPG", "red/.thumbnail.png", "red/later/.hidden/x.png", "loose.png"]
    {
        picture.save(root.join(name)).expect("a file");
    }
    std::fs::write(root.join("red/notes.txt"), "no photo").expect("a file");
    std::fs::create_dir(root.join("empty")).expect("a folder");
    let photos = ImageFolder::open(root).expect("photos");
    assert_eq!(photos.class_names(), ["blue", "empty", "red"]);
    assert_eq!((photos.counts(), photos.len()), (vec![3, 0, 13], 16));
    let entries = photos.entries();
    assert_eq!((entries[0].name.as_str(), entries[0].class), ("blue/0000.png", 0));
    assert_eq!((entries[15].name.as_str(), entries[15].class), ("red/later/more.JPG", 2));
    let name = root.file_name().expect("a name").to_string_lossy();
    assert_eq!(
        photos.to_string(),
        format!(
            "{name}: 16 photos in 3 classes\nClass  Photos\nblue        3\nempty       0\nred        13"
        )
    );
}

#[test]
fn classes_and_photos_can_be_chosen() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [3, 5]);
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let red = photos.classes(["red"]).expect("a class").first(2);
    assert_eq!((red.class_names(), red.len()), (vec!["red".to_owned()], 2));
    assert_eq!(photos.classes(["red", "blue"]).expect("classes").counts(), [5, 3]);
    assert_eq!(photos.first(4).counts(), [3, 4]);
    assert_eq!(photos.skip(2).first(2).counts(), [1, 2]);
    assert_eq!(photos.skip(2).photo(0).expect("a photo").title(), "0002");
    assert_eq!(photos.photo(3).expect("a photo").title(), "0000");
    let sheet = photos.sheet(2).expect("a sheet");
    assert!(sheet.note().contains("blue (3) | red (5)"), "{}", sheet.note());
    assert!(sheet.render().is_ok());
}

#[test]
fn a_folder_of_photos_alone_is_one_class() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [2, 0]);
    let blue = ImageFolder::open(folder.path().join("blue")).expect("photos");
    assert_eq!((blue.class_names(), blue.counts()), (vec!["blue".to_owned()], vec![2]));
    assert!(blue.activation_maps(&colours(), "relu", 1).is_ok());
}

#[test]
fn photos_in_memory_are_a_data_set_too() {
    let photo =
        |colour| Photo::from_image(&photo(colour, (1, 1)).to_rgb().into()).expect("a photo");
    let photos = ImageFolder::of_photos([
        ("warm", vec![photo([200, 9, 9]), photo([250, 50, 9])]),
        ("cold", vec![photo([9, 9, 200])]),
    ]);
    let photos = photos.expect("photos");
    let tops = TopMapSearch::at(2).per_photo(1).run(&colours(), &photos).expect("top maps");
    assert_eq!(
        (tops.maps("warm").expect("maps"), tops.maps("cold").expect("maps")),
        (vec![0], vec![1])
    );
}

#[test]
fn photos_are_prepared_as_the_network_wants_or_as_told() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("red")).expect("a folder");
    Picture::rgb(2, 1, vec![200, 0, 0, 100, 0, 0])
        .expect("pixels")
        .save(folder.path().join("red/a.png"))
        .expect("a file");
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let shape = |photos: ImageFolder| {
        let maps = photos.activation_maps(&colours(), "relu", 0).expect("maps");
        let map = &maps.photos()[0].map;
        (map.height(), map.width(), map.values()[0])
    };
    assert_eq!(shape(photos.clone()), (16, 16, 200.0 / 255.0));
    assert_eq!(shape(photos.clone().preprocess(Preprocess::keep())), (1, 2, 200.0 / 255.0));
    let squashed = Preprocess::feature_map_visualizer();
    assert_eq!(shape(photos.clone().preprocess(squashed)), (224, 224, 200.0 / 255.0));
    let normalized = Preprocess::keep().normalize([0.5; 3], [0.5; 3]);
    let (_, _, value) = shape(photos.preprocess(normalized));
    // Red less blue: (200/255 − ½)/½ + 1
    assert!((value - (2.0 * 200.0 / 255.0)).abs() < 1e-6, "{value}");
}

#[test]
fn photos_of_several_sizes_run_in_batches_of_one_size() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("red")).expect("a folder");
    for (i, (w, h)) in [(4, 3), (4, 3), (5, 2), (4, 3), (1, 1)].into_iter().enumerate() {
        let picture = Picture::rgb(w, h, vec![80; (w * h * 3) as usize]).expect("pixels");
        picture.save(folder.path().join(format!("red/{i}.png"))).expect("a file");
    }
    let photos = ImageFolder::open(folder.path()).expect("photos").preprocess(Preprocess::keep());
    let maps = photos.activation_maps(&colours(), "conv", 0).expect("maps");
    let sizes: Vec<_> = maps.photos().iter().map(|p| (p.map.width(), p.map.height())).collect();
    assert_eq!(sizes, [(4, 3), (4, 3), (5, 2), (4, 3), (1, 1)]);
}

#[test]
fn photos_in_tiff_and_ppm_and_jpegs_without_an_end_are_read() {
    let reference = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/reference/photos");
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["rgb.tif", "float.tif", "rgb.ppm", "grey.pgm", "bits.pbm"] {
        std::fs::copy(reference.join(name), folder.path().join(name)).expect("a copy");
    }
    let jpeg = std::fs::read(reference.join("rgb.jpg")).expect("a photo");
    std::fs::write(folder.path().join("cut.jpg"), &jpeg[..jpeg.len() - 2]).expect("a file");
    let photos = ImageFolder::open(folder.path()).expect("photos");
    assert_eq!(photos.len(), 6);
    for index in 0..photos.len() {
        let photo = photos.photo(index).expect("a photo");
        assert_eq!(photo.width() * 2, photo.height() * 3);
    }
}

#[test]
fn labelled_photos_become_what_a_network_learns_from() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [3, 2]);
    let (photos, model) = (ImageFolder::open(folder.path()).expect("photos"), colours());
    let (inputs, classes) = photos.tensors(&model).expect("tensors");
    assert_eq!(Vec::<i64>::try_from(&classes).expect("integers"), [0, 0, 0, 1, 1]);
    for i in 0..photos.len() {
        let look = model.look(&photos.photo(i).expect("a photo")).expect("a look");
        let input = look.layer("input").expect("the input").tensor();
        assert_eq!(inputs.narrow(0, i as i64, 1), input);
    }
    let small = photos.preprocess(Preprocess::exact(8, 9)).tensors(&model).expect("tensors").0;
    assert_eq!(small.size(), [5, 3, 8, 9]);

    let sized = |side: u32| {
        let pixels = Picture::rgb(side, side, vec![9; (side * side * 3) as usize]);
        Photo::from_image(&pixels.expect("pixels").to_rgb().into()).expect("a photo")
    };
    let mixed = ImageFolder::of_photos([("any", [sized(2), sized(3)])]).expect("photos");
    let error = mixed.preprocess(Preprocess::keep()).tensors(&model).expect_err("two sizes");
    assert!(matches!(error, convlens::Error::Shape(_)), "{error:?}");
    let text = error.to_string();
    assert!(text.contains("becomes [1, 3, 3, 3] and others [1, 3, 2, 2]"), "{text}");
    let many = ImageFolder::of_photos([("any", vec![sized(2); 700])]).expect("photos");
    let huge = many.preprocess(Preprocess::exact(1024, 1024)).tensors(&model);
    assert!(huge.expect_err("700 · 3 · 1024² · 4 bytes").to_string().contains("8.8 GB"));
}
