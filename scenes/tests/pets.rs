//! Drawn cats and dogs, what is known of them, and the folder that is written of them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use convlens::prelude::*;
use convlens_scenes::prelude::*;
use tempfile::tempdir;

fn share(region: &Region) -> f64 {
    let inside = region.inside();
    inside.iter().filter(|set| **set).count() as f64 / inside.len() as f64
}

/// The mean colour where a region is set, and where it is not.
fn colours(pet: &Pet, region: &Region) -> [[f64; 3]; 2] {
    [true, false].map(|wanted| {
        let pixels = pet.picture().data().chunks_exact(3).zip(region.inside());
        let own: Vec<&[u8]> = pixels.filter(|(_, set)| **set == wanted).map(|(p, _)| p).collect();
        let mean = |c: usize| own.iter().map(|p| f64::from(p[c])).sum::<f64>() / own.len() as f64;
        [mean(0), mean(1), mean(2)]
    })
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

fn small() -> PetSet {
    PetSet::default().train(4).test(4)
}

#[test]
fn the_same_seed_draws_the_same_picture_and_another_seed_another() {
    for pets in [Pets::default().cat(), Pets::default().dog()] {
        let draw = |seed: u64| pets.clone().seed(seed).side(96).pet().expect("a pet");
        let (a, b, c) = (draw(5), draw(5), draw(6));
        assert_eq!(a.picture().data(), b.picture().data());
        assert_eq!((a.region(), a.eyes(), a.ears()), (b.region(), b.eyes(), b.ears()));
        assert_ne!(a.picture().data(), c.picture().data());
    }
}

#[test]
fn the_class_is_what_was_asked_for_and_else_the_seeds_choice() {
    let side = Pets::default().side(64);
    assert_eq!(side.clone().cat().pet().expect("a cat").class(), "cat");
    assert_eq!(side.clone().dog().pet().expect("a dog").class(), "dog");
    let chosen = (0..20).map(|seed| side.clone().seed(seed).pet().expect("a pet").class());
    assert_eq!(chosen.collect::<BTreeSet<_>>(), BTreeSet::from(["cat", "dog"]));
}

#[test]
fn every_animal_fills_a_fair_part_of_its_picture_and_touches_no_more_than_that() {
    for seed in 0..24 {
        let pet = Pets::default().seed(seed).side(96).pet().expect("a pet");
        let share = share(pet.region());
        assert!((0.05..0.85).contains(&share), "{}: {share}", pet.title());
        // The upper corners show what is behind it.
        let inside = pet.region().inside();
        assert!(!inside[0] && !inside[95], "{}", pet.title());
    }
}

#[test]
fn the_region_is_where_the_picture_shows_the_animal() {
    // The region's colours differ from the rest by more than those of the same region mirrored
    // top to bottom do, which covers another part of the picture.
    let mut clearer = 0;
    for seed in 0..24 {
        let pet = Pets::default().seed(seed).side(96).pet().expect("a pet");
        let own = pet.region().clone();
        let turned = Region::from_fn(96, 96, |y, x| own.inside()[(95 - y) * 96 + x]);
        let differ = |region: &Region| {
            let [inside, outside] = colours(&pet, region);
            (0..3).map(|c| (inside[c] - outside[c]).abs()).sum::<f64>()
        };
        clearer += usize::from(differ(&own) > differ(&turned.expect("a region")));
    }
    assert!(clearer >= 18, "{clearer} of 24");
}

#[test]
fn eyes_and_ears_lie_within_the_animal_and_eyes_are_the_smaller() {
    let mut seen = 0;
    for seed in 0..12 {
        let pet = Pets::default().seed(seed).cat().side(128).pet().expect("a cat");
        let within = |part: &Region| {
            part.inside().iter().zip(pet.region().inside()).all(|(part, whole)| !part || *whole)
        };
        assert!(within(pet.eyes()) && within(pet.ears()), "{}", pet.title());
        assert!(share(pet.ears()) > 0.0, "{}: a cat shows its ears", pet.title());
        assert!(share(pet.eyes()) < share(pet.ears()), "{}", pet.title());
        seen += usize::from(share(pet.eyes()) > 0.0);
    }
    assert!(seen >= 11, "eyes in {seen} of 12 pictures");
}

#[test]
fn a_trained_network_tells_most_of_them_apart() {
    let model = zoo::squeezenet1_1().expect("the network");
    let dogs = |pet: Pet| {
        let look = model.look(&pet.photo().expect("a photo")).expect("a look");
        let all = look.predictions(1000).expect("predictions");
        let sum = |classes: std::ops::RangeInclusive<usize>| -> f64 {
            let own = all.rows().iter().filter(|one| classes.contains(&one.class));
            own.map(|one| one.probability).sum()
        };
        sum(151..=268) > sum(281..=285)
    };
    let right = (0..10).map(|seed| {
        let pets = Pets::default().seed(seed);
        let cat = pets.clone().cat().pet().expect("a cat");
        let dog = pets.dog().pet().expect("a dog");
        usize::from(!dogs(cat)) + usize::from(dogs(dog))
    });
    let right: usize = right.sum();
    assert!(right >= 17, "{right} of 20");
}

#[test]
fn a_side_out_of_range_is_an_error_that_names_the_range() {
    for side in [0, 63, 1025, usize::MAX] {
        let error = Pets::default().side(side).pet().expect_err("no such side").to_string();
        assert!(error.contains("64 to 1024") && error.contains(&side.to_string()), "{error}");
    }
}

#[test]
fn a_folder_holds_as_many_photos_of_each_class_and_all_of_them_open() {
    let place = tempdir().expect("a folder");
    let pets = PetSet::default().train(5).test(4).write(place.path().join("deep/pets"));
    let pets = pets.expect("a written folder");
    assert_eq!(pets.written(), 18);
    let mut bytes = BTreeSet::new();
    for (part, count) in [(pets.train(), 5), (pets.test(), 4)] {
        for class in ["cat", "dog"] {
            let files = files(&part.join(class));
            assert_eq!(files.len(), count, "{} {class}", part.display());
            for file in files {
                let photo = Photo::open(&file).expect("a photo");
                assert_eq!((photo.width(), photo.height()), (256, 256));
                bytes.insert(std::fs::read(&file).expect("its bytes"));
            }
        }
    }
    assert_eq!(bytes.len(), 18, "no picture is there twice");
    assert!(pets.bundle().as_picture().is_some());
}

#[test]
fn the_same_set_is_written_alike_anywhere_and_another_seed_writes_others() {
    let place = tempdir().expect("a folder");
    let write = |name: &str, set: PetSet| {
        let pets = set.write(place.path().join(name)).expect("a written folder");
        let all = files(&pets.train().join("dog"));
        all.iter().map(|file| std::fs::read(file).expect("bytes")).collect::<Vec<_>>()
    };
    let (a, b, c) = (write("a", small()), write("b", small()), write("c", small().seed(1)));
    assert_eq!(a, b);
    assert!(a.iter().zip(&c).all(|(a, c)| a != c));
}

#[test]
fn a_folder_of_the_same_set_is_completed_and_what_is_there_is_kept() {
    let place = tempdir().expect("a folder");
    let pets = small().write(place.path()).expect("a written folder");
    let kept = pets.train().join("cat").join("drawn_00000.jpg");
    let lost = pets.test().join("dog").join("photo_00003.jpg");
    let before = std::fs::read(&lost).expect("a photo");
    std::fs::write(&kept, "mine").expect("written");
    std::fs::remove_file(&lost).expect("removed");
    let again = small().write(place.path()).expect("the same folder");
    assert_eq!(again.written(), 1);
    assert_eq!(std::fs::read(&lost).expect("a photo"), before);
    assert_eq!(std::fs::read(&kept).expect("my file"), b"mine");
}

#[test]
fn a_folder_of_something_else_is_left_as_it_is() {
    let place = tempdir().expect("a folder");
    let other = place.path().join("other");
    small().write(&other).expect("a written folder");
    let refused = |path: &Path| small().seed(9).write(path).expect_err("refused").to_string();
    assert!(refused(&other).contains("another set of pictures"), "{}", refused(&other));

    let mine = place.path().join("mine");
    std::fs::create_dir(&mine).expect("made");
    std::fs::write(mine.join("letter.txt"), "dear").expect("written");
    assert!(refused(&mine).contains("name another folder"), "{}", refused(&mine));
    assert_eq!(files(&mine).len(), 1);
    assert!(refused(&mine.join("letter.txt")).contains("a file, not a folder"));
    assert!(refused(&mine.join("letter.txt/in")).contains("cannot be written"));
}

#[test]
fn counts_out_of_range_are_an_error_and_nothing_is_written() {
    let place = tempdir().expect("a folder");
    for set in [PetSet::default().train(0), PetSet::default().test(100_001)] {
        let error = set.write(place.path().join("pets")).expect_err("refused").to_string();
        assert!(error.contains("1 to 100000"), "{error}");
    }
    assert!(files(place.path()).is_empty());
}
