//! The maps of a class, of a photo and over photos.

use super::patches::Interrupted;
use super::*;

#[test]
fn top_maps_are_those_of_the_definition() {
    let case = Case::read();
    for layer in LAYERS {
        let search = TopMapSearch::at(layer).per_photo(4).per_class(5);
        let tops = search.run(&case.model, &case.photos).expect("top maps");
        let expected = &case.index["top"][layer];
        for (class, unique) in
            tops.classes().iter().zip(expected["unique"].as_array().expect("lists"))
        {
            let unique: Vec<(u64, u64)> = serde_json::from_value(unique.clone()).expect("pairs");
            let found = class.maps.iter().map(|map| (map.map as u64, map.photos as u64));
            assert_eq!(found.collect::<Vec<_>>(), unique, "{layer}, {}", class.class);
        }
        assert_eq!(tops.classes().iter().map(|class| class.photos).collect::<Vec<_>>(), [5, 4, 3]);
        let shared: Vec<usize> = serde_json::from_value(expected["shared"].clone()).expect("maps");
        assert_eq!(tops.shared(), shared, "{layer}");
    }
}

#[test]
fn frequencies_are_shares_of_the_class() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [3, 5]);
    // One red photo among the blue ones.
    photo([240, 20, 20], (0, 0)).save(folder.path().join("blue/odd.png")).expect("a file");
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let tops = TopMapSearch::at("relu").per_photo(1).per_class(1).run(&colours(), &photos);
    let tops = tops.expect("top maps");
    assert_eq!(
        (tops.maps("blue").expect("maps"), tops.maps("red").expect("maps")),
        (vec![1], vec![0])
    );
    assert_eq!(tops.class("blue").expect("a class").frequencies(), [0.75]);
    assert_eq!(tops.class("red").expect("a class").frequencies(), [1.0]);
    // With two of each, the odd photo gives blue red's map as well, and neither is unique.
    let tops = TopMapSearch::at("relu").per_photo(1).run(&colours(), &photos).expect("top maps");
    assert_eq!((tops.maps("red").expect("maps"), tops.shared()), (vec![], &[0][..]));
    let text = tops.bundle().as_text().to_owned();
    assert!(text.contains("red         5     0  none: it shares all of them"), "{text}");
}

#[test]
fn the_order_in_which_threads_read_makes_no_difference() {
    let case = Case::read();
    let run = |batch: usize| {
        let photos = case.photos.clone().batch(batch);
        TopMapSearch::at("block2")
            .per_photo(4)
            .per_class(5)
            .run(&case.model, &photos)
            .expect("maps")
    };
    let once = run(16);
    for batch in [1, 5, 12] {
        assert_eq!(run(batch), once);
    }
}

#[test]
fn a_class_without_maps_of_its_own_has_no_sum_and_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [3, 5]);
    // One red photo among the blue ones gives blue red's only map.
    photo([240, 20, 20], (0, 0)).save(folder.path().join("blue/odd.png")).expect("a file");
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let model = colours();
    let tops = TopMapSearch::at("relu").per_photo(1).run(&model, &photos).expect("top maps");
    assert_eq!(tops.maps("red").expect("a class"), [0; 0]);
    let sums = photos.class_sums(&model, &tops).expect("sums");
    assert_eq!(sums.groups(), ["blue"]);
    assert!(sums.photos().iter().all(|photo| photo.sums.len() == 1));
    assert_eq!(sums.photos().len(), 9);
    let text = sums.to_string();
    assert!(text.contains("without maps of their own, and so without a sum: red"), "{text}");
    assert!(sums.bundle().as_text().contains("the 1 map of blue"), "{}", sums.bundle().as_text());

    let tops = TopMapSearch::at("relu").per_photo(3).run(&model, &photos).expect("top maps");
    let text = photos.class_sums(&model, &tops).expect_err("no maps").to_string();
    assert!(text.contains("no class has maps of relu of its own"), "{text}");
}

#[test]
fn top_maps_are_written_and_read_back() {
    let case = Case::read();
    let tops = TopMaps::find(&case.model, &case.photos, "block2").expect("top maps");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tops.json");
    tops.save(&path).expect("written");
    assert_eq!(TopMaps::open(&path).expect("read"), tops);
}

#[test]
fn a_search_for_top_maps_that_was_interrupted_goes_on_where_it_was() {
    let case = Interrupted::new([30, 31], Some("0003.png"));
    let Interrupted { folder, photos, model, .. } = &case;
    let search = TopMapSearch::at("conv").per_photo(2).per_class(3);
    let whole = search.run(model, photos).expect("top maps");

    let path = folder.path().join("tops.json");
    let search = search.file(&path);
    let run = |search: &TopMapSearch, most| {
        case.fail_after(most);
        search.run(model, photos)
    };
    let text = run(&search, 25).expect_err("enough").to_string();
    assert!(text.contains("it panicked: enough"), "{text}");
    let part = folder.path().join("tops.json.part");
    assert!(part.exists() && !path.exists());
    let counted = std::fs::read_to_string(&part).expect("what is counted");

    // Neither another search nor what is damaged is taken for it.
    let text = run(&search.clone().per_photo(1), 1000).expect_err("another").to_string();
    assert!(text.contains("how many maps count of every photo: 2 there, 1 here"), "{text}");
    for damage in [counted.replace("\"photos\":[", "\"photos\":[1,"), counted[..90].to_owned()] {
        std::fs::write(&part, damage).expect("a part");
        let text = run(&search, 1000).expect_err("damaged").to_string();
        assert!(text.contains("tops.json.part"), "{text}");
    }
    std::fs::write(&part, &counted).expect("a part");

    assert_eq!(run(&search, 1000).expect("top maps"), whole);
    assert_eq!(case.seen(), 60 - 23, "six batches of four were done, a broken photo in one");
    assert!(!part.exists());
    // What is finished is not done again, and a later notebook opens it.
    assert_eq!(run(&search, 0).expect("top maps"), whole);
    assert_eq!(TopMaps::open(&path).expect("top maps"), whole);
}

#[test]
fn the_maps_of_a_photo_are_ranked_by_their_means() {
    let case = Case::read();
    for layer in LAYERS {
        let channels = case.values[&format!("{layer}/csi")].len();
        for (i, entry) in case.photos.entries().iter().enumerate() {
            let photo = case.photos.photo(i).expect("a photo");
            let ranking = case.model.look(&photo).expect("a look").top_maps(layer).expect("maps");
            let expected =
                &case.values[&format!("{layer}/means")][i * channels..(i + 1) * channels];
            let error = difference(ranking.means(), expected);
            assert!(error < 1e-5, "{layer} in {}: {error}", entry.name);
            let means = ranking.means();
            let top = ranking.top(channels + 5);
            assert_eq!(top.len(), channels);
            assert!(top.windows(2).all(|pair| means[pair[0]] >= means[pair[1]]));
        }
    }
}

#[test]
fn a_ranking_shows_the_photo_the_names_and_the_predictions() {
    let case = Case::read();
    let look = case.model.look(&case.photos.photo(0).expect("a photo")).expect("a look");
    let ranking = look.top_maps("block2").expect("maps").count(6).columns(3);
    let bundle = ranking.bundle();
    let text = bundle.as_text();
    assert!(bundle.as_picture().is_some());
    assert!(text.contains("residual sees in 0"), "{text}");
    let sheet = ranking.sheet().expect("a sheet").render().expect("a sheet");
    assert!(sheet.note.starts_with("6 pictures"), "{}", sheet.note);
}

#[test]
fn the_sum_of_maps_is_the_sum_of_each() {
    let case = Case::read();
    let photos = &case.photos;
    let maps =
        |channels: &[usize]| photos.activation_maps(&case.model, "block2", channels).expect("maps");
    let (two, five, both) = (maps(&[2]), maps(&[5]), maps(&[2, 5]));
    for ((a, b), sum) in two.photos().iter().zip(five.photos()).zip(both.photos()) {
        let added: Vec<f32> =
            a.map.values().iter().zip(b.map.values()).map(|(a, b)| a + b).collect();
        assert!(difference(sum.map.values(), &added) < 1e-6);
        assert!((sum.mean - a.mean - b.mean).abs() < 1e-5 * sum.mean.abs());
    }
    let expected = case.values["block2/means"].chunks_exact(16).map(|means| means[2] + means[5]);
    let expected: Vec<f32> = expected.collect();
    assert!(difference(&both.means(), &expected) < 1e-5);
    let names: Vec<&str> = both.photos().iter().map(|photo| photo.name.as_str()).collect();
    assert_eq!(
        names[..6],
        ["bars/0.png", "bars/1.png", "bars/2.png", "bars/3.png", "bars/4.png", "rings/0.png"]
    );
}

#[test]
fn pictures_of_a_map_are_written_into_a_folder() {
    let case = Case::read();
    let folder = tempfile::tempdir().expect("a folder");
    let rings = case.photos.classes(["rings"]).expect("a class");
    let maps = rings.activation_maps(&case.model, "relu1", 3).expect("maps");
    let files = maps.save(folder.path().join("viz/rings")).expect("written");
    assert_eq!(files.len(), 4);
    assert!(files[0].ends_with("viz/rings/rings_0001_0.png"), "{:?}", files[0]);
    for file in files {
        Photo::open(file).expect("a picture");
    }
}

#[test]
fn of_many_photos_a_hundred_are_shown_from_all_classes() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [70, 80]);
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let maps = photos.activation_maps(&colours(), "relu", 0).expect("maps");
    let classes: Vec<&str> = maps.photos().iter().map(|photo| photo.class.as_str()).collect();
    let reds = classes.iter().filter(|class| **class == "red").count();
    assert_eq!((classes.len(), reds), (100, 50));
    assert!(maps.bundle().as_text().contains("100 of 150 photos"));

    let mut seen = Vec::new();
    let unreadable = photos.each_activation_map(&colours(), "relu", 0..1, |photo| {
        assert!(photo.picture(2.0)?.width() >= photo.seen.width());
        assert!(photo.picture(-1.0).is_err());
        seen.push((photo.name, photo.mean));
        Ok(())
    });
    assert!(unreadable.expect("all of them").is_empty());
    assert_eq!(seen.len(), 150);
    let first = maps.photos().first().expect("a photo");
    assert_eq!(seen[0], (first.name.clone(), first.mean));
    let mut calls = 0;
    let stopped = photos.each_activation_map(&colours(), "relu", 0..=0, |_| {
        calls += 1;
        Err(convlens::error::Error::Argument("enough".into()))
    });
    assert_eq!((stopped.expect_err("stopped").to_string().as_str(), calls), ("enough", 1));
    let beyond = photos.activation_maps(&colours(), "relu", 0..usize::MAX);
    assert!(beyond.expect_err("too many").to_string().contains("the channels 0 to 2, not 3"));
}

#[test]
fn sums_are_those_of_each_class_s_own_maps() {
    let case = Case::read();
    for layer in LAYERS {
        let search = TopMapSearch::at(layer).per_photo(4).per_class(5);
        let tops = search.run(&case.model, &case.photos).expect("top maps");
        let sums = case.photos.class_sums(&case.model, &tops).expect("sums");
        let found: Vec<f32> =
            sums.photos().iter().flat_map(|photo| &photo.sums).map(|&sum| sum as f32).collect();
        case.compare(&format!("{layer}/sums"), &found);
        let by_hand: Vec<(String, Vec<usize>)> =
            tops.classes().iter().map(|class| (class.class.clone(), class.indices())).collect();
        let again = case.photos.class_sums_of(&case.model, layer, by_hand).expect("sums");
        assert_eq!(again.photos(), sums.photos());
        assert_eq!(sums.groups(), ["bars", "rings", "waves"]);
        assert!(sums.to_string().contains("rings"), "{sums}");
        assert!(sums.charts().picture().is_ok());
    }
}
