//! What can be wrong with folders, classes, layers, channels and files, and what is said about it.

use super::*;

fn failure<T>(result: convlens::Result<T>) -> String {
    result.err().expect("an error").to_string()
}

#[test]
fn a_folder_without_photos_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let text = failure(ImageFolder::open(folder.path()));
    assert!(text.contains("no photos in it: expected a folder for each class"), "{text}");
    std::fs::create_dir(folder.path().join("cat")).expect("a folder");
    std::fs::write(folder.path().join("cat/readme.txt"), "none yet").expect("a file");
    assert!(failure(ImageFolder::open(folder.path())).contains("no photos in it"));
    let text = failure(ImageFolder::open(folder.path().join("dog")));
    assert!(text.contains("cannot be read"), "{text}");
    let text = failure(ImageFolder::open(folder.path().join("cat/readme.txt")));
    assert!(text.contains("this is a file; name the folder"), "{text}");
    assert!(failure(ImageFolder::of_photos::<&str, Vec<Photo>>([])).contains("no photos"));
}

#[test]
fn classes_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [1, 1]);
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let text = failure(photos.classes(["rad"]));
    assert!(text.contains("no class \"rad\"") && text.contains("\"red\""), "{text}");
    assert!(failure(photos.classes(["red", "red"])).contains("named twice"));
    assert!(failure(photos.classes([""; 0])).contains("name at least one"));
    assert!(failure(photos.photo(2)).contains("it has 2, counted from 0"));
    let tops = TopMaps::find(&colours(), &photos, "relu").expect("top maps");
    assert!(failure(tops.maps("green")).contains("no class \"green\""));
}

#[test]
fn one_class_has_nothing_to_be_unique_among() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [1, 1]);
    let red = ImageFolder::open(folder.path()).and_then(|photos| photos.classes(["red"]));
    let red = red.expect("a class");
    let text = failure(TopMaps::find(&colours(), &red, "relu"));
    assert!(text.contains("one class, \"red\"") && text.contains("need two"), "{text}");
    assert!(red.activation_maps(&colours(), "relu", 0).is_ok());
}

#[test]
fn files_that_cannot_be_read_are_listed_and_do_not_stop_a_run() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [4, 40]);
    std::fs::write(folder.path().join("red/0007.png"), "not a photo").expect("a file");
    std::fs::write(folder.path().join("red/0099.jpg"), b"\xff\xd8\xff\xe0\x00").expect("a file");
    std::fs::write(folder.path().join("blue/empty.png"), "").expect("a file");
    std::fs::write(folder.path().join("red/phone.HEIC"), b"\0\0\0\x18ftypheic").expect("a file");
    let photos = ImageFolder::open(folder.path()).expect("photos").batch(8);
    let tops = TopMapSearch::at("relu").per_photo(1).run(&colours(), &photos).expect("top maps");
    assert_eq!(tops.classes().iter().map(|class| class.photos).collect::<Vec<_>>(), [4, 39]);
    let names: Vec<&str> = tops.unreadable().iter().map(|photo| photo.name.as_str()).collect();
    assert_eq!(names, ["blue/empty.png", "red/0007.png", "red/0099.jpg", "red/phone.HEIC"]);
    let text = tops.to_string();
    assert!(text.contains("4 files were passed over:"), "{text}");
    assert!(text.contains("red/0007.png: not a PNG, JPEG"), "{text}");
    assert!(text.contains("blue/empty.png: the file is empty"), "{text}");
    assert!(photos.sheet(50).expect("a sheet").render().is_ok());
}

#[test]
fn a_class_without_readable_photos_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [2, 2]);
    std::fs::create_dir(folder.path().join("green")).expect("a folder");
    let find =
        || TopMaps::find(&colours(), &ImageFolder::open(folder.path()).expect("photos"), "relu");
    let text = failure(find());
    assert!(text.contains("\"green\" has no photos: there are none in its folder"), "{text}");
    std::fs::write(folder.path().join("green/a.png"), "broken").expect("a file");
    let text = failure(find());
    assert!(text.contains("none of its 1 files could be used (green/a.png: not a PNG"), "{text}");
    assert!(text.contains("leave it out with .classes"), "{text}");
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let text = failure(photos.class_sums_of(&colours(), "relu", [("red", 0)]));
    assert!(text.contains("\"green\"") && text.contains("none of its 1 files"), "{text}");
    let green = ImageFolder::open(folder.path()).and_then(|photos| photos.classes(["green"]));
    let text = failure(green.expect("a class").activation_maps(&colours(), "relu", 0));
    assert!(text.contains("none of the 1 photos") && text.contains("green/a.png"), "{text}");
}

#[test]
fn layers_and_channels_that_are_not_there_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [1, 1]);
    let (model, photos) = (colours(), ImageFolder::open(folder.path()).expect("photos"));
    let text = failure(TopMaps::find(&model, &photos, "rulu"));
    assert!(text.contains("no layer \"rulu\"") && text.contains("\"relu\""), "{text}");
    for text in [
        failure(TopMaps::find(&model, &photos, "flatten")),
        failure(photos.activation_maps(&model, "flatten", 0)),
        failure(model.look(&photos.photo(0).expect("a photo")).expect("a look").top_maps(-1)),
    ] {
        assert!(text.contains("\"flatten\"") && text.contains("has no feature maps"), "{text}");
    }
    let text = failure(photos.activation_maps(&model, "relu", [0, 3]));
    assert!(text.contains("layer \"relu\" has the channels 0 to 2, not 3"), "{text}");
    assert!(failure(photos.activation_maps(&model, "relu", [0; 0])).contains("give one"));
    assert!(
        failure(TopMapSearch::at("relu").per_photo(0).run(&model, &photos))
            .contains("give 1 or more")
    );
    let maps = photos.activation_maps(&model, "relu", 0).expect("maps");
    for gain in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert!(failure(maps.clone().raw(gain).sheet()).contains("a gain is a number above 0"));
    }
}

#[test]
fn photos_that_the_network_cannot_take_are_listed() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [1, 1]);
    let tiny = Picture::rgb(2, 2, vec![9; 12]).expect("pixels");
    tiny.save(folder.path().join("red/tiny.png")).expect("a file");
    let mut net = Model::builder("pools", [3, 16, 16]);
    let x = net.input();
    net.chain("pool", ops![Pool2d::max(4)], x);
    let model = net.build().expect("a network");
    let photos = ImageFolder::open(folder.path()).expect("photos").preprocess(Preprocess::keep());
    let maps = photos.activation_maps(&model, "pool.0", 0).expect("maps");
    assert_eq!(maps.photos().len(), 2);
    let [tiny] = maps.unreadable() else { panic!("one") };
    assert!(tiny.to_string().starts_with("red/tiny.png: layer \"pool.0\""), "{tiny}");
    let crop = photos.preprocess(Preprocess::keep().crop(500));
    assert!(failure(crop.activation_maps(&model, "pool.0", 0)).contains("a crop of 500 × 500"));
}

#[test]
fn json_of_another_shape_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tops.json");
    let open = |text: &str| {
        std::fs::write(&path, text).expect("a file");
        failure(TopMaps::open(&path))
    };
    assert!(open("{").contains("is not JSON, so no top maps"));
    assert!(open("[1, 2]").contains("there is no \"kind\": \"top maps\""));
    assert!(open("{\"cat\": [1, 2]}").contains("there is no \"kind\": \"top maps\""));
    assert!(open("{\"kind\": \"top patches\"}").contains("holds top patches, not top maps"));
    assert!(open("{\"kind\": \"top maps\"}").contains("missing field `network`"));
    let whole = r#"{"kind":"top maps","network":"n","layer":"l","channels":8,"per_photo":1,"per_class":1,
        "classes":[{"class":"a","photos":2,"maps":[{"map":MAP,"photos":1}]}],"shared":[],"unreadable":[]}"#;
    let text = open(&whole.replace("MAP", "-1"));
    assert!(text.contains("not of the expected shape") && text.contains("`-1`"), "{text}");
    assert!(text.contains("at line 2 column "), "{text}");
    assert!(open(&whole.replace("MAP", "8")).contains("has a map 8, but the layer has 8 maps"));
    std::fs::write(&path, whole.replace("MAP", "7")).expect("a file");
    assert_eq!(TopMaps::open(&path).expect("top maps").maps("a").expect("maps"), [7]);
    assert!(failure(TopMaps::open(folder.path().join("none.json"))).contains("cannot be read"));
}

#[test]
fn sums_need_the_network_of_the_maps() {
    let case = Case::read();
    let tops = TopMapSearch::at("relu1").per_photo(4).run(&case.model, &case.photos);
    let tops = tops.expect("top maps");
    let mut net = Model::builder("other", [3, 32, 32]);
    let x = net.input();
    net.add("relu1", Op::Relu, &[x]);
    let other = net.build().expect("a network");
    let text = failure(case.photos.class_sums(&other, &tops));
    assert!(text.contains("whose relu1 has 8 maps, but other's has 3"), "{text}");
    let text = failure(case.photos.class_sums(&colours(), &tops));
    assert!(text.contains("no layer \"relu1\""), "{text}");
    let none: [(&str, usize); 0] = [];
    assert!(failure(case.photos.class_sums_of(&case.model, "relu1", none)).contains("name one"));
    let text = failure(case.photos.class_sums_of(&case.model, "relu1", [("rings", 8)]));
    assert!(text.contains("rings: layer \"relu1\" has the channels 0 to 7, not 8"), "{text}");
}
