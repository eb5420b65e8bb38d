//! Searches that are split, and their parts put together.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use super::patches::{bits, wide};
use super::*;

/// Photos of two classes, one of which cannot be read, in batches of four.
fn photos(folder: &Path) -> ImageFolder {
    red_and_blue(folder, [12, 13]);
    std::fs::write(folder.join("blue/0005.png"), "broken").expect("a file");
    ImageFolder::open(folder).expect("photos").batch(4)
}

fn network() -> Model {
    wide(Rc::new(Cell::new(i64::MAX)), Rc::new(Cell::new(0)))
}

/// Searches each of so many shards, and returns their files, the last first.
fn parts(folder: &Path, of: usize, search: impl Fn(&Path, usize)) -> Vec<PathBuf> {
    let files = (0..of).rev().map(|number| {
        let file = folder.join(format!("part-{number}-of-{of}.json"));
        search(&file, number);
        file
    });
    files.collect()
}

#[test]
fn shards_of_a_search_for_patches_become_what_one_search_finds() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photos, model) = (photos(&folder.path().join("photos")), network());
    let search = PatchSearch::at(["stem", "conv"]).per_map(7);
    let file = folder.path().join("whole.json");
    let whole = search.file(&file).run(&model, &photos).expect("patches");
    // Of more shards than batches, some have no photos.
    for of in [1, 3, 9] {
        let parts = parts(folder.path(), of, |file, number| {
            let shard = search.file(file).shard(number, of);
            shard.run(&model, &photos).expect("a part");
            // Once more, it is there.
            shard.run(&model, &photos).expect("a part");
        });
        let together = folder.path().join(format!("together-{of}.json"));
        let joined = PatchSearch::join(&parts, &together).expect("patches");
        assert!(bits(&joined) == bits(&whole), "of {of}");
        assert_eq!(joined.to_string(), whole.to_string());
        let read = |path: &Path| std::fs::read(path).expect("a file");
        assert!(read(&together) == read(&file), "the files differ, of {of}");
        // It is what the whole search takes for its own.
        let again = search.file(&together).run(&model, &photos).expect("patches");
        assert!(bits(&again) == bits(&whole));
        let patch = joined.map("conv", 3).expect("a map").patches()[0].clone();
        assert!(patch.crop().is_ok());
    }
}

#[test]
fn shards_of_top_maps_become_what_one_search_counts() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photos, model) = (photos(&folder.path().join("photos")), network());
    let search = TopMapSearch::at("conv").per_photo(9).per_class(20);
    let file = folder.path().join("whole.json");
    let whole = search.file(&file).run(&model, &photos).expect("top maps");
    for of in [1, 3, 9] {
        let parts = parts(folder.path(), of, |file, number| {
            let shard = search.file(file).shard(number, of);
            let first = shard.run(&model, &photos).expect("a part");
            assert_eq!(shard.run(&model, &photos).expect("a part"), first);
        });
        let together = folder.path().join(format!("together-{of}.json"));
        assert_eq!(TopMapSearch::join(&parts, &together).expect("top maps"), whole);
        let read = |path: &Path| std::fs::read(path).expect("a file");
        assert!(read(&together) == read(&file), "the files differ, of {of}");
    }
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photos, model) = (photos(&folder.path().join("photos")), network());
    let patches = |per_map, of, photos: &ImageFolder, name: &str| {
        let folder = folder.path().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        parts(&folder, of, |file, number| {
            let search = PatchSearch::at(["conv"]).per_map(per_map).file(file);
            search.shard(number, of).run(&model, photos).expect("a part");
        })
    };
    let out = folder.path().join("out.json");
    let refused =
        |parts: &[&PathBuf]| PatchSearch::join(parts, &out).expect_err("no whole").to_string();
    let three = patches(2, 3, &photos, "three");
    let other = patches(3, 3, &photos, "other");
    let two = patches(2, 2, &photos, "two");
    let batches = patches(2, 3, &photos.batch(5), "batches");
    assert!(refused(&[]).contains("name those that were made"));
    let text = refused(&[&three[0], &three[2]]);
    assert!(text.contains("of 3 shards 1 are missing: 1"), "{text}");
    let text = refused(&[&three[0], &three[1], &three[2], &three[1]]);
    assert!(text.contains("is shard 1 of 3, and so is"), "{text}");
    let text = refused(&[&three[0], &other[1], &three[2]]);
    assert!(
        text.contains("another search than") && text.contains("are kept for each map"),
        "{text}"
    );
    let text = refused(&[&three[0], &two[1]]);
    assert!(text.contains("of 2") && text.contains("one of 3"), "{text}");
    let text = refused(&[&three[0], &batches[1], &three[2]]);
    assert!(text.contains("different numbers of photos in a batch"), "{text}");

    // Not a part, not finished, and cut off.
    let whole = folder.path().join("whole.json");
    PatchSearch::at(["conv"]).file(&whole).run(&model, &photos).expect("patches");
    let text = refused(&[&whole]);
    assert!(text.contains("holds top patches, not top patches of a shard"), "{text}");
    let beside = |path: &PathBuf| PathBuf::from(format!("{}.part", path.display()));
    std::fs::rename(&three[0], folder.path().join("away")).expect("a file");
    assert!(refused(&[&three[0]]).contains("is not finished: run its shard once more"));
    std::fs::rename(folder.path().join("away"), &three[0]).expect("a file");
    let part = beside(&three[1]);
    let bytes = std::fs::read(&part).expect("records");
    std::fs::write(&part, &bytes[..bytes.len() - 7]).expect("records");
    assert!(refused(&[&three[0], &three[1], &three[2]]).contains("search this shard again"));
    let mut turned = bytes.clone();
    let last = bytes.len() - 9;
    turned[last] ^= 1;
    std::fs::write(&part, turned).expect("records");
    assert!(refused(&[&three[0], &three[1], &three[2]]).contains("is damaged"));
    std::fs::remove_file(&part).expect("records");
    assert!(refused(&[&three[0], &three[1], &three[2]]).contains("cannot be read"));
    assert!(!out.exists());

    // What another shard has written is not gone on with.
    let search = PatchSearch::at(["conv"]).per_map(2).file(&three[2]).shard(1, 3);
    let text = search.run(&model, &photos).expect_err("another").to_string();
    assert!(text.contains("the shard: 0 of 3 there, 1 of 3 here"), "{text}");
}

#[test]
fn shards_need_a_file_and_a_number_below_theirs() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photos, model) = (photos(&folder.path().join("photos")), network());
    let patches = PatchSearch::at(["conv"]).shard(0, 2);
    let maps = TopMapSearch::at("conv").shard(0, 2);
    for text in [
        patches.run(&model, &photos).expect_err("no file").to_string(),
        maps.run(&model, &photos).expect_err("no file").to_string(),
    ] {
        assert!(text.contains("by .file("), "{text}");
    }
    let file = folder.path().join("part.json");
    for (number, of) in [(2, 2), (0, 0)] {
        let text = maps.file(&file).shard(number, of).run(&model, &photos).expect_err("none");
        assert!(text.to_string().contains("counted from 0"), "{text}");
        let text = patches.file(&file).shard(number, of).run(&model, &photos).expect_err("none");
        assert!(text.to_string().contains("counted from 0"), "{text}");
    }
    let text = TopMapSearch::join([&file], &file).expect_err("no part").to_string();
    assert!(text.contains("cannot be read"), "{text}");
}

#[test]
fn more_photos_at_once_than_memory_holds_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = photos(&folder.path().join("photos"));
    // What is asked for counts for no more than there is.
    let batch = photos.batch(usize::MAX);
    TopMaps::find(&network(), &batch, "conv").expect("25 photos at once");
    PatchSearch::at(["conv"]).per_map(usize::MAX).run(&network(), &photos).expect("all photos");
}
