//! The photos and crops that excite maps most, selectivity, and the file that keeps them.

use std::cell::Cell;
use std::rc::Rc;

use convlens::model::{Builder, Conv2d, NodeId};

use super::*;

#[test]
fn the_best_photos_their_places_and_their_crops_are_those_of_the_definition() {
    let case = Case::read();
    let found = PatchSearch::at(LAYERS).per_map(3).run(&case.model, &case.photos);
    let found = found.expect("patches");
    let mut undecided = 0;
    for layer in LAYERS {
        let of = |key: &str| &case.values[&format!("{layer}/{key}")];
        let rows: Vec<(u32, u32)> =
            of("rows").chunks_exact(2).map(|pair| (pair[0] as u32, pair[1] as u32)).collect();
        let channels = of("csi").len();
        for map in 0..channels {
            let patches = found.map(layer, map).expect("a map");
            for (patch, &photo) in patches.patches().iter().zip(&of("best")[3 * map..]) {
                let photo = photo as usize;
                assert_eq!(patch.photo, case.index["photos"][photo].as_str().expect("a name"));
                assert_eq!(patch.class, patch.photo.split('/').next().expect("a folder"));
                let (most, place) =
                    (of("most")[photo * channels + map], of("places")[photo * channels + map]);
                assert!((patch.value - most).abs() <= 1e-5 * most.abs(), "{layer} {map}");
                let [y, x] = patch.place;
                if place < 0.0 {
                    undecided += 1;
                } else {
                    assert_eq!(y * rows.len() + x, place as usize, "{layer}, map {map}");
                }
                // The network is as wide as high, and the photos are what it sees.
                assert_eq!((patch.rows.start, patch.rows.end), rows[y], "{layer} {map} row {y}");
                assert_eq!((patch.columns.start, patch.columns.end), rows[x], "{layer} {map}");
                let crop = patch.crop().expect("a crop");
                assert_eq!(
                    (crop.height(), crop.width()),
                    (rows[y].1 - rows[y].0, rows[x].1 - rows[x].0)
                );
            }
        }
    }
    assert!(undecided < 10, "{undecided} places are too close to call");
}

#[test]
fn selectivity_is_that_of_the_paper_and_of_scikit_learn() {
    let case = Case::read();
    let found = TopPatches::find(&case.model, &case.photos, LAYERS).expect("patches");
    for layer in LAYERS {
        let selectivity = found.selectivity(layer).expect("classes");
        let maps = 0..selectivity.count();
        let index = maps.clone().map(|map| selectivity.index(map).expect("a map") as f32);
        case.compare(&format!("{layer}/csi"), &index.collect::<Vec<f32>>());
        let mut areas = Vec::new();
        for class in found.classes() {
            let area = |map| selectivity.area(map, class).expect("a map") as f32;
            areas.extend(maps.clone().map(area));
        }
        case.compare(&format!("{layer}/auc"), &areas);
        let best = selectivity.most_selective(3);
        assert!(best[0].index >= best[1].index && best[1].index >= best[2].index);
        let best = selectivity.best_for("waves", 2).expect("a class");
        let area = |map| selectivity.area(map, "waves").expect("a map");
        assert!(maps.clone().all(|map| area(map) <= area(best[0])));
    }
}

#[test]
fn crops_are_cut_from_the_photo_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::create_dir(folder.path().join("red")).expect("a folder");
    // 64 × 32, seen as 16 × 16 of its middle: a bright spot at row 10 and column 40.
    let pixels = (0..64 * 32).flat_map(|i| {
        let bright = (i / 64 == 10 || i / 64 == 11) && (i % 64 == 40 || i % 64 == 41);
        [if bright { 250 } else { 30 }, 0, 0]
    });
    let picture = Picture::rgb(64, 32, pixels.collect()).expect("a photo");
    picture.save(folder.path().join("red/spot.png")).expect("a file");
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let photos = photos.preprocess(Preprocess::shorter(16).crop(16));
    let found = TopPatches::find(&colours(), &photos, ["relu"]).expect("patches");
    let patches = found.map("relu", 0).expect("a map");
    let [patch] = patches.patches() else { panic!("one photo") };
    // Seen at half the size, from column 16 of the photo on.
    assert_eq!((patch.place, patch.rows.clone(), patch.columns.clone()), ([5, 12], 10..12, 40..42));
    assert!(patch.crop().expect("a crop").data().chunks(3).all(|pixel| pixel == [250, 0, 0]));
    let framed = patch.framed().expect("a photo");
    assert_eq!((framed.width(), framed.height()), (64, 32));
    assert_eq!(&framed.data()[3 * (10 * 64 + 40)..][..3], [255, 40, 40]);
    assert!(patches.bundle().as_picture().is_some());
    assert!(patches.photos().expect("photos").render().is_ok());
    assert!(found.sheet("relu", [0, 1]).expect("a table").render().is_ok());
}

/// Photos, and a network that fails at one of them and counts those that it has seen.
pub(super) struct Interrupted {
    pub(super) folder: tempfile::TempDir,
    pub(super) photos: ImageFolder,
    pub(super) model: Model,
    limit: Rc<Cell<i64>>,
    seen: Rc<Cell<i64>>,
}

impl Interrupted {
    /// So many blue and red photos, in batches of four, of which one blue one may be `broken`.
    pub(super) fn new(counts: [u32; 2], broken: Option<&str>) -> Interrupted {
        let folder = tempfile::tempdir().expect("a folder");
        red_and_blue(folder.path(), counts);
        if let Some(name) = broken {
            std::fs::write(folder.path().join("blue").join(name), "broken").expect("a file");
        }
        let photos = ImageFolder::open(folder.path()).expect("photos").batch(4);
        let (limit, seen) = (Rc::new(Cell::new(i64::MAX)), Rc::new(Cell::new(0)));
        let model = fragile(limit.clone(), seen.clone());
        Interrupted { folder, photos, model, limit, seen }
    }

    /// From now on the network fails after so many photos, and counts anew.
    pub(super) fn fail_after(&self, photos: i64) {
        self.limit.set(photos);
        self.seen.set(0);
    }

    /// From now on it does not fail, and counts anew.
    pub(super) fn go_on(&self) {
        self.fail_after(i64::MAX);
    }

    pub(super) fn seen(&self) -> i64 {
        self.seen.get()
    }
}

/// A network that fails after so many photos, and that counts those it has seen.
fn fragile(fails_after: Rc<Cell<i64>>, seen: Rc<Cell<i64>>) -> Model {
    let mut net = Model::builder("fragile", [3, 16, 16]);
    let x = counted(&mut net, fails_after, seen);
    net.add("conv", Conv2d::new(3, 4, 3).padding(1), &[x]);
    net.build().expect("a network")
}

/// The same, with a convolution whose weights are prepared for work of several batches alone.
pub(super) fn wide(fails_after: Rc<Cell<i64>>, seen: Rc<Cell<i64>>) -> Model {
    let mut net = Model::builder("wide", [3, 16, 16]);
    let x = counted(&mut net, fails_after, seen);
    let x = net.add("stem", Conv2d::new(3, 128, 3).stride(2).padding(1), &[x]);
    net.add("conv", Conv2d::new(128, 256, 3).padding(1), &[x]);
    net.build().expect("a network")
}

fn counted(net: &mut Builder, fails_after: Rc<Cell<i64>>, seen: Rc<Cell<i64>>) -> NodeId {
    let x = net.input();
    let run = move |x: &[Tensor], _: bool| {
        // Its shape is found out with zeros.
        if x[0].max().double_value(&[]) > 0.0 {
            seen.set(seen.get() + x[0].size()[0]);
            assert!(seen.get() <= fails_after.get(), "enough");
        }
        x[0].shallow_clone()
    };
    net.function("count", run, &[x])
}

/// All of what was found at the four maps.
fn assert_same(found: &TopPatches, whole: &TopPatches) {
    for map in 0..4 {
        let all = |patches: &TopPatches| format!("{:?}", patches.map("conv", map).expect("a map"));
        assert_eq!(all(found), all(whole), "map {map}");
    }
    assert_eq!(found.selectivity("conv").expect("two"), whole.selectivity("conv").expect("two"));
}

/// Of four maps: 5 numbers, 3 for each map, and a checksum.
const RECORD: usize = 4 * (5 + 3 * 4 + 1);

#[test]
fn a_record_that_was_spoilt_is_made_again() {
    let case = Interrupted::new([8, 8], None);
    let Interrupted { folder, photos, model, .. } = &case;
    let whole = TopPatches::find(model, photos, ["conv"]).expect("patches");
    let path = folder.path().join("patches.json");
    let search = PatchSearch::at(["conv"]).file(&path);
    case.fail_after(12);
    search.run(model, photos).expect_err("enough");
    let part = folder.path().join("patches.json.part");
    let bytes = std::fs::read(&part).expect("a part");
    let start = bytes.len() - 12 * RECORD;
    // A record of zeros would be that of a first photo that cannot be read. Otherwise one bit is turned.
    let (zeros, could_be_read, mean) = (None, Some(4 * 2), Some(4 * 5));
    let (place, checksum) = (Some(4 * (5 + 11)), Some(4 * (5 + 12) + 3));
    for (record, spoilt) in
        [(0, zeros), (5, zeros), (2, could_be_read), (7, mean), (9, place), (11, checksum)]
    {
        let mut bytes = bytes.clone();
        let own = &mut bytes[start + record * RECORD..][..RECORD];
        match spoilt {
            None => own.fill(0),
            Some(at) => own[at] ^= 0x10,
        }
        std::fs::write(&part, &bytes).expect("a part");
        case.go_on();
        let found = search.run(model, photos).expect("patches");
        // And with it the whole batch.
        assert_eq!(case.seen() as usize, 16 - record / 4 * 4);
        assert!(found.unreadable().is_empty());
        assert_same(&found, &whole);
        std::fs::remove_file(&path).expect("a file");
    }
}

#[test]
fn a_search_that_was_interrupted_goes_on_where_it_was() {
    let case = Interrupted::new([30, 31], Some("0003.png"));
    let Interrupted { folder, photos, model, .. } = &case;
    let whole = TopPatches::find(model, photos, ["conv"]).expect("patches");

    let path = folder.path().join("patches.json");
    let search = PatchSearch::at(["conv"]).file(&path);
    case.fail_after(25);
    let text = search.run(model, photos).expect_err("enough").to_string();
    assert!(text.contains("it panicked: enough"), "{text}");
    assert!(!path.exists());
    let part = folder.path().join("patches.json.part");
    // As if the machine had stopped in the middle of a record, and spoilt the one before: its batch is done
    // again.
    let mut bytes = std::fs::read(&part).expect("a part");
    let last = bytes.len() - RECORD;
    bytes[last + 4..last + 8].fill(9);
    bytes.extend([7; 100]);
    std::fs::write(&part, &bytes).expect("a part");

    case.go_on();
    let resumed = search.run(model, photos).expect("patches");
    // Six batches of four were done, one of three for the broken photo in it; but for the spoilt one, five.
    assert_eq!(case.seen(), 60 - 19);
    assert!(!part.exists());
    let same = |found: &TopPatches| {
        assert_same(found, &whole);
        assert_eq!(found.unreadable().len(), 1);
        assert_eq!(found.to_string(), whole.to_string());
    };
    same(&resumed);

    // What is finished is not done again, and a later notebook opens it.
    case.go_on();
    same(&search.run(model, photos).expect("patches"));
    assert_eq!(case.seen(), 0);
    let later = TopPatches::open(&path).expect("patches");
    same(&later);
    assert_eq!(later.receptive_field("conv").expect("a layer").size(), [3, 3]);
    let crop = |found: &TopPatches| {
        let patch = found.map("conv", 0).expect("a map").patches()[0].clone();
        patch.crop().expect("a crop")
    };
    assert_eq!(crop(&later).data(), crop(&whole).data());
    let moved = later.clone().photos_in(folder.path().join("elsewhere"));
    let text = moved.map("conv", 0).expect("a map").sheet().expect_err("moved").to_string();
    assert!(text.contains("elsewhere") && text.contains("cannot be read"), "{text}");
}

/// The greatest value of each map in every photo, and what follows from the means, to the last bit.
pub(super) fn bits(found: &TopPatches) -> Vec<u64> {
    let selectivity = found.selectivity("conv").expect("two classes");
    let mut bits = Vec::new();
    for map in 0..256 {
        let patches = found.map("conv", map).expect("a map");
        bits.extend(patches.patches().iter().map(|patch| f64::from(patch.value).to_bits()));
        bits.push(selectivity.index(map).expect("a map").to_bits());
    }
    bits
}

#[test]
fn a_search_that_goes_on_computes_every_photo_as_it_would_have() {
    let case = Interrupted::new([8, 8], None);
    let case = Interrupted { model: wide(case.limit.clone(), case.seen.clone()), ..case };
    let Interrupted { folder, photos, model, .. } = &case;
    let search = PatchSearch::at(["conv"]).per_map(16);
    let whole = bits(&search.run(model, photos).expect("patches"));
    assert_eq!(whole.len(), 256 * (16 + 1));
    // What is left is three batches, two, and one; or two, since a record of the one before was spoilt.
    for (i, (done, spoilt)) in [(4, false), (8, false), (12, false), (12, true)].iter().enumerate()
    {
        let path = folder.path().join(format!("{i}.json"));
        let search = search.file(&path);
        case.fail_after(*done);
        search.run(model, photos).expect_err("enough");
        if *spoilt {
            let part = path.with_extension("json.part");
            let mut bytes = std::fs::read(&part).expect("a part");
            let last = bytes.len() - 9;
            bytes[last] ^= 1;
            std::fs::write(&part, &bytes).expect("a part");
        }
        case.go_on();
        let found = bits(&search.run(model, photos).expect("patches"));
        assert!(found == whole, "from photo {done} on");
        assert_eq!(case.seen(), if *spoilt { 8 } else { 16 - done });
    }
}

#[test]
fn a_file_of_another_search_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [4, 4]);
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let path = folder.path().join("patches.json");
    let (model, other) = (colours(), colours());
    PatchSearch::at(["relu"]).file(&path).run(&model, &photos).expect("patches");
    let refused = |search: PatchSearch, model: &Model, photos: &ImageFolder| {
        search.file(&path).run(model, photos).expect_err("another search").to_string()
    };
    let text = refused(PatchSearch::at(["conv"]), &model, &photos);
    assert!(
        text.contains("belongs to another search (the layers: [\"relu\"] there, [\"conv\"] here)"),
        "{text}"
    );
    assert!(text.contains("name another file, or remove this one"), "{text}");
    // JSON has no NaN: what is not finite is written as null, and read again.
    let whole = std::fs::read_to_string(&path).expect("a file");
    let mut value: serde_json::Value = serde_json::from_str(&whole).expect("JSON");
    value["layers"][0]["hits"][0][0][3] = serde_json::Value::Null;
    value["layers"][0]["selectivity"]["means"][0][1] = serde_json::Value::Null;
    value["layers"][0]["selectivity"]["areas"][0][1] = serde_json::Value::Null;
    let holed = folder.path().join("holed.json");
    std::fs::write(&holed, value.to_string()).expect("a file");
    let found = TopPatches::open(&holed).expect("patches");
    let selectivity = found.selectivity("relu").expect("classes");
    let best = selectivity.best_for(&found.classes()[0], 99).expect("maps");
    assert_eq!(best.last(), Some(&1));
    let text = refused(PatchSearch::at(["relu"]).per_map(2), &model, &photos);
    assert!(text.contains("how many photos are kept for each map: 9 there, 2 here"), "{text}");
    let mut bias = other.parameters("conv").expect("a layer")[1].1.shallow_clone();
    let _ = tch::no_grad(|| bias.fill_(0.5));
    let text = refused(PatchSearch::at(["relu"]), &other, &photos);
    assert!(text.contains("the network's weights have changed"), "{text}");
    let text = refused(PatchSearch::at(["relu"]), &model, &photos.clone().first(3));
    assert!(text.contains("the number of photos: 8 there, 6 here"), "{text}");
    let text = refused(
        PatchSearch::at(["relu"]),
        &model,
        &photos.clone().preprocess(Preprocess::exact(8, 8)),
    );
    assert!(text.contains("how photos are prepared"), "{text}");
    std::fs::rename(folder.path().join("red/0001.png"), folder.path().join("red/0009.png"))
        .expect("renamed");
    let text = refused(
        PatchSearch::at(["relu"]),
        &model,
        &ImageFolder::open(folder.path()).expect("photos"),
    );
    assert!(text.contains("the photos have changed"), "{text}");
}

#[test]
fn the_part_of_another_search_is_refused_and_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [8, 8]);
    let photos = ImageFolder::open(folder.path()).expect("photos").batch(4);
    let path = folder.path().join("patches.json");
    let (limit, seen) = (Rc::new(Cell::new(9)), Rc::new(Cell::new(0)));
    let model = fragile(limit, seen);
    PatchSearch::at(["conv"]).file(&path).run(&model, &photos).expect_err("enough");
    let part = folder.path().join("patches.json.part");
    let before = std::fs::read(&part).expect("a part");
    let text = PatchSearch::at(["relu"]).file(&path).run(&colours(), &photos);
    let text = text.expect_err("another").to_string();
    assert!(text.contains("patches.json.part: belongs to another search (the network"), "{text}");
    assert_eq!(std::fs::read(&part).expect("a part"), before);
    std::fs::write(&part, "my diary\n").expect("a file");
    let text = PatchSearch::at(["relu"]).file(&path).run(&colours(), &photos);
    let text = text.expect_err("another").to_string();
    assert!(text.contains("holds no search that could go on"), "{text}");
    assert_eq!(std::fs::read(&part).expect("a file"), b"my diary\n");
}

#[test]
fn without_a_file_nothing_is_left_behind() {
    let photos = ImageFolder::open(reference("dataset/photos")).expect("photos");
    let model = Case::read().model;
    let parts = || {
        let entries = std::fs::read_dir(std::env::temp_dir()).expect("a folder").flatten();
        let mine = format!("convlens-patches-{}-", std::process::id());
        entries.filter(|e| e.file_name().to_string_lossy().starts_with(&mine)).count()
    };
    TopPatches::find(&model, &photos, ["relu1"]).expect("patches");
    // Other tests of this process may be at work.
    for _ in 0..12_000 {
        if parts() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("{} parts are left", parts());
}

#[test]
fn what_cannot_be_searched_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [2, 3]);
    let (model, photos) = (colours(), ImageFolder::open(folder.path()).expect("photos"));
    let run = |search: PatchSearch, photos: &ImageFolder| {
        search.run(&model, photos).expect_err("an error").to_string()
    };
    assert!(run(PatchSearch::at([""; 0]), &photos).contains("at least one layer"));
    assert!(run(PatchSearch::at(["relu"]).per_map(0), &photos).contains("one photo for each map"));
    assert!(run(PatchSearch::at(["relu", "relu"]), &photos).contains("the same layer of colours"));
    assert!(run(PatchSearch::at(["flatten"]), &photos).contains("has no feature maps"));
    let file = folder.path().join("no/such/folder/patches.json");
    assert!(run(PatchSearch::at(["relu"]).file(file), &photos).contains("cannot be written"));
    Picture::rgb(4, 4, vec![9; 48])
        .expect("pixels")
        .save(folder.path().join("red/small.png"))
        .expect("a file");
    let kept = ImageFolder::open(folder.path()).expect("photos").preprocess(Preprocess::keep());
    assert!(run(PatchSearch::at(["relu"]), &kept).contains("red/small.png becomes 4 × 4 pixels"));

    let found = TopPatches::find(&model, &photos, ["relu"]).expect("patches");
    let text = found.map("relu", 3).expect_err("no map").to_string();
    assert!(text.contains("layer \"relu\" has the channels 0 to 2, not 3"), "{text}");
    let text = found.map("conv", 0).expect_err("no layer").to_string();
    assert!(text.contains("no layer \"conv\" in the searched layers"), "{text}");
    let red = photos.classes(["red"]).expect("a class");
    let found = TopPatches::find(&model, &red, ["relu"]).expect("browsing needs one class alone");
    let text = found.selectivity("relu").expect_err("one class").to_string();
    assert!(text.contains("two or more need photos, but here there are 1"), "{text}");
    std::fs::write(folder.path().join("odd.json"), "{\"kind\": \"top patches\"}").expect("a file");
    let text = TopPatches::open(folder.path().join("odd.json")).expect_err("odd").to_string();
    assert!(text.contains("is not of the expected shape: missing field `"), "{text}");
}

/// With keys in the order of the alphabet and 32-bit numbers spelt out as 64-bit ones.
#[test]
fn a_file_that_was_written_before_still_opens() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("patches.json");
    let text = r#"{"classes":["blue","red"],"counts":[1,1],"folder":"/pets","kind":"top patches",
        "layers":[{"field":{"columns":[[-1,2],[0,3]],"gated":false,"input":[2,2],"offset":[-1,-1],
        "rows":[[-1,2],[0,3]],"size":[3,3],"stride":[1.0,1.0]},"hits":[[[1,"red/0.png",1,
        0.30000001192092896,0,1,[0,2],[1,3]],[0,"blue/0.png",0,null,1,1,[0,2],[0,2]]]],
        "layer":"conv","selectivity":{"areas":[[0.0],[1.0]],"classes":["blue","red"],
        "means":[[0.10000000149011612],[null]]}}],"network":"colours","per_map":9,
        "preprocess":"as it is","search":{"layers":["conv"],"network":"colours"},"seen":[2,2],
        "unreadable":[{"index":2,"photo":"red/1.png","reason":"the file is empty"}]}"#;
    std::fs::write(&path, text).expect("a file");
    let found = TopPatches::open(&path).expect("patches");
    assert_eq!((found.network(), found.layers()), ("colours", vec!["conv"]));
    assert_eq!(found.receptive_field("conv").expect("a layer").size(), [3, 3]);
    assert_eq!(found.unreadable()[0].to_string(), "red/1.png: the file is empty");
    let map = found.map("conv", 0).expect("a map");
    let [red, blue] = map.patches() else { panic!("two: {map:?}") };
    assert_eq!((red.value, red.place, red.class.as_str()), (0.3, [0, 1], "red"));
    assert_eq!((red.rows.clone(), red.columns.clone()), (0..2, 1..3));
    assert!(blue.value.is_nan());

    let cut = text.replace("[1.0]]", "[1.0],[0.5]]");
    std::fs::write(&path, cut).expect("a file");
    let text = TopPatches::open(&path).expect_err("three rows").to_string();
    assert!(text.contains("has not one number for each class and map"), "{text}");
}
