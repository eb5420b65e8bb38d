//! Evidence folders: what lies in them, that they go on where they were interrupted, that parts become the whole, and
//! what is said of bad input.

mod colours;

use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::rc::Rc;
use std::time::Duration;

use convlens::attribution::{Case, Evidence};
use convlens::picture::Maps;
use convlens::prelude::*;
use convlens::{Error, Result};

use colours::{colours, photo, red_and_blue};

/// Red and blue photos, one blue one among the red, and a file that is no photo.
fn mixed(folder: &Path) -> ImageFolder {
    red_and_blue(folder, [3, 3]);
    photo([20, 20, 240], (3, 3)).save(folder.join("red/<b>&'blue.png")).expect("a file");
    std::fs::write(folder.join("red/0001.png"), "broken").expect("a file");
    ImageFolder::open(folder).expect("photos")
}

/// All files of a folder by their names, but for those of shards.
fn files(folder: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    let mut folders = vec![folder.to_path_buf()];
    while let Some(next) = folders.pop() {
        for entry in std::fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.to_string_lossy().contains("-of-") {
                let name = path.strip_prefix(folder).expect("inside").to_path_buf();
                found.insert(name, std::fs::read(&path).expect("a file"));
            }
        }
    }
    found
}

/// That two folders hold the same to the last byte.
fn assert_same(found: &Path, whole: &Path) {
    let (found, whole) = (files(found), files(whole));
    assert_eq!(found.keys().collect::<Vec<_>>(), whole.keys().collect::<Vec<_>>());
    for (name, bytes) in found {
        assert!(bytes == whole[&name], "{} differs", name.display());
    }
}

fn failure<T>(result: Result<T>) -> String {
    result.err().expect("an error").to_string()
}

/// Grad-CAM that does something of the test's for every photo first.
struct Before<W>(W);

impl<W> fmt::Debug for Before<W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Before")
    }
}

impl<W: Fn(&Case) -> Result<()>> Attribution for Before<W> {
    fn name(&self) -> String {
        "Grad-CAM".into()
    }

    fn target(&self) -> Target {
        Target::Predicted
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        self.0(case)?;
        GradCam::default().attribute(case)
    }
}

fn before<W: Fn(&Case) -> Result<()>>(work: W) -> Before<W> {
    Before(work)
}

#[test]
fn an_evidence_folder_has_pictures_values_a_table_and_one_page() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photos, out) = (mixed(&folder.path().join("photos")), folder.path().join("new/out"));
    let model = colours();
    let report = Report::new(&model, &photos).by(GradCam::default()).by(Saliency::default());
    let reported = report.save_report(&out).expect("a report");

    assert_eq!((reported.photos(), reported.right(), reported.wrong()), (6, 5, 1));
    assert_eq!(reported.unreadable().len(), 1);
    let [blue, red] = reported.classes() else { panic!("two classes") };
    assert_eq!((blue.class.as_str(), blue.photos, blue.accuracy()), ("blue", 3, Some(1.0)));
    assert_eq!((red.photos, red.right, red.wrong), (3, 2, 1));
    assert_eq!(red.taken_for, [("blue".to_owned(), 1)]);
    let text = reported.to_string();
    assert!(text.contains("5 right, 1 wrong (83.3 % right)"), "{text}");
    assert!(text.contains("red/0001.png: not a PNG"), "{text}");

    // The values are those of the explanation, of what is wrong for the expected class as well.
    let index = photos.entries().iter().position(|entry| entry.name.contains("<b>"));
    let look =
        model.look(&photos.photo(index.expect("a photo")).expect("a photo")).expect("a look");
    let stem = format!("{:06}__b___blue", index.expect("a photo"));
    for (end, heat) in [
        ("grad-cam", look.explain(&GradCam::default())),
        ("grad-cam_expected", look.explain(&GradCam::default().class("red"))),
        ("saliency", look.explain(&Saliency::default())),
        ("saliency_expected", look.explain(&Saliency::default().class("red"))),
    ] {
        let values = Maps::open(out.join(format!("maps/red/{stem}_{end}.npy"))).expect("values");
        assert_eq!(values.values(), heat.expect("a map").raw(), "{end}");
        let picture = Photo::open(out.join(format!("pictures/red/{stem}_{end}.jpg")));
        assert_eq!(picture.expect("a picture").width(), 400);
    }
    assert!(!out.join("maps/blue/000000_0000_grad-cam_expected.npy").exists());

    let table = std::fs::read_to_string(out.join("report.csv")).expect("a table");
    assert_eq!(table.lines().count(), 1 + 7);
    let line = table.lines().find(|line| line.contains("<b>")).expect("a line");
    assert!(line.starts_with("\"red/<b>&'blue.png\",\"red\",\"blue\",\"0."), "{line}");
    assert!(line.contains("\"no\""), "{line}");

    let page = std::fs::read_to_string(out.join("index.html")).expect("a page");
    assert!(page.contains("red/&lt;b&gt;&amp;&#39;blue.png") && !page.contains("<b>&'"));
    // It needs nothing else to be seen: six photos with two maps each, four of the wrong one.
    assert_eq!(page.matches("<img src=\"data:image/jpeg;base64,").count(), 6 * 3 + 2);
    assert_eq!(page.matches("<img").count(), 6 * 3 + 2);
    assert!(!page.contains("<script") && !page.contains("http://") && !page.contains("https://"));
    assert!(!page.contains("url(") && !page.contains("@import") && !page.contains("<link"));
    let (wrong, right) = (page.find("✗ wrong"), page.find("✓ right"));
    assert!(wrong.expect("a mistake") < right.expect("a right one"));
    // Links lead to files.
    for link in page.split("<a href=\"").skip(1) {
        let link = link.split('"').next().expect("a link");
        assert!(out.join(link).is_file(), "{link}");
    }
}

#[test]
fn of_many_photos_some_are_listed_without_pictures() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photos, out) = (mixed(&folder.path().join("photos")), folder.path().join("out"));
    let report = Report::new(&colours(), &photos).pictured(2);
    report.save_report(&out).expect("a report");
    let page = std::fs::read_to_string(out.join("index.html")).expect("a page");
    // The wrong one with two maps, and one that is right.
    assert_eq!(page.matches("<img").count(), 3 + 2);
    assert!(page.contains("4 photos more, without pictures here"));
    report.pictured(0).save_report(&out).expect("a report");
    let page = std::fs::read_to_string(out.join("index.html")).expect("a page");
    assert_eq!(page.matches("<img").count(), 0);
    let text = failure(report.pictured(usize::MAX).save_report(&out));
    assert!(text.contains("at most 2000"), "{text}");
}

/// What the child below writes, and waits in at its fifth photo.
const FOLDER: &str = "CONVLENS_TEST_REPORT";

fn endless(folder: &Path) -> Report {
    let photos = ImageFolder::open(folder.join("photos")).expect("photos");
    let done = Cell::new(0);
    Report::new(&colours(), &photos).by(before(move |_| {
        done.set(done.get() + 1);
        while done.get() == 5 {
            std::thread::sleep(Duration::from_secs(1));
        }
        Ok(())
    }))
}

#[test]
#[ignore = "waits to be killed by the test below"]
fn a_report_that_never_ends() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else {
        println!("skipped: the test below starts it");
        return;
    };
    endless(&folder).save_report(folder.join("out")).expect("never");
}

#[test]
fn a_report_that_was_killed_goes_on_and_is_the_same_to_the_last_byte() {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = mixed(&folder.path().join("photos"));
    let (out, whole) = (folder.path().join("out"), folder.path().join("whole"));
    let counted = Rc::new(Cell::new(0));
    let count = Rc::clone(&counted);
    let report = Report::new(&colours(), &photos).by(before(move |_| {
        count.set(count.get() + 1);
        Ok(())
    }));
    report.save_report(&whole).expect("a report");
    // A map of each of six photos, and one more of the wrong one.
    assert_eq!(counted.replace(0), 7);

    let mut child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--ignored", "--exact", "a_report_that_never_ends"])
        .env(FOLDER, folder.path())
        .spawn()
        .expect("a process");
    let rows = out.join("report.jsonl");
    let written = || std::fs::read_to_string(&rows).map_or(0, |rows| rows.lines().count());
    while written() < 2 + 4 {
        assert!(child.try_wait().expect("a process").is_none(), "the child ended by itself");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("a process");
    child.wait().expect("a process");
    assert!(!out.join("index.html").exists());
    // As if it had been killed in the middle of a line.
    let mut text = std::fs::read_to_string(&rows).expect("rows");
    text.push_str("{\"index\":4,\"photo\":\"re");
    std::fs::write(&rows, text).expect("rows");

    report.save_report(&out).expect("a report");
    assert_eq!(counted.replace(0), 7 - 4);
    assert_same(&out, &whole);
    // What is done is not done again.
    report.save_report(&out).expect("a report");
    assert_eq!(counted.replace(0), 0);
    assert_same(&out, &whole);

    // A damaged row, and one whose picture is gone, are made again with those behind them.
    let text = std::fs::read_to_string(&rows).expect("rows");
    std::fs::write(&rows, text.replace("\"index\":6,", "\"index\":7,")).expect("rows");
    report.save_report(&out).expect("a report");
    assert_eq!(counted.replace(0), 2);
    std::fs::remove_file(out.join("pictures/red/000006__b___blue_photo.jpg")).expect("a picture");
    report.save_report(&out).expect("a report");
    assert_eq!(counted.replace(0), 2);
    assert_same(&out, &whole);
}

#[test]
fn shards_become_what_one_report_is() {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = mixed(&folder.path().join("photos"));
    let whole = folder.path().join("whole");
    let report = Report::new(&colours(), &photos).by(GradCam::default());
    let reported = report.save_report(&whole).expect("a report");
    for of in [1, 3, 20] {
        // In folders of their own, and in one.
        let own = |number: usize| folder.path().join(format!("own-{of}-{number}"));
        let shared = folder.path().join(format!("shared-{of}"));
        for number in (0..of).rev() {
            for out in [&own(number), &shared] {
                let part = report.shard(number, of).save_report(out).expect("a part");
                assert!(part.page().is_none());
            }
        }
        let together = folder.path().join(format!("together-{of}"));
        let joined = Report::join((0..of).map(own), &together).expect("a report");
        assert_eq!(joined.to_string().lines().next(), reported.to_string().lines().next());
        assert_same(&together, &whole);
        Report::join([&shared], &shared).expect("a report");
        assert_same(&shared, &whole);
        // And again, over what is there.
        Report::join((0..of).map(own), &together).expect("a report");
        assert_same(&together, &whole);
    }
    // A whole report takes what was joined for its own.
    report.save_report(folder.path().join("together-3")).expect("a report");
}

#[test]
fn parts_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let photos = mixed(&folder.path().join("photos"));
    let part = |report: &Report, number, of, name: &str| {
        let out = folder.path().join(name);
        report.shard(number, of).save_report(&out).expect("a part");
        out
    };
    let report = Report::new(&colours(), &photos);
    let (first, second) = (part(&report, 0, 2, "first"), part(&report, 1, 2, "second"));
    let other = part(&report.by(Saliency::default()), 1, 2, "other");
    let third = part(&report, 1, 3, "third");
    let out = folder.path().join("out");
    let refused = |parts: &[&PathBuf]| failure(Report::join(parts, &out));
    assert!(refused(&[]).contains("name those that were made"));
    assert!(refused(&[&first]).contains("of 2 shards 1 are missing: 1"));
    assert!(refused(&[&first, &second, &first]).contains("and so is"));
    let text = refused(&[&first, &other]);
    assert!(text.contains("another report than") && text.contains("the methods"), "{text}");
    let text = refused(&[&first, &third]);
    assert!(text.contains("is shard 1 of 3"), "{text}");
    let text = refused(&[&folder.path().join("photos")]);
    assert!(text.contains("holds no part of a report"), "{text}");
    assert!(refused(&[&folder.path().join("nowhere")]).contains("cannot be read"));
    // One that is not finished.
    let rows = second.join("report.1-of-2.jsonl");
    let text = std::fs::read_to_string(&rows).expect("rows");
    std::fs::write(&rows, &text[..text.len() - 10]).expect("rows");
    let text = refused(&[&first, &second]);
    assert!(text.contains("is not finished: it has 3 of 4 photos"), "{text}");
    assert!(!out.join("report.jsonl").exists() && !out.join("index.html").exists());
    report.shard(1, 2).save_report(&second).expect("a part");
    Report::join([&first, &second], &out).expect("a report");
    // Nor does it replace another report.
    let another = folder.path().join("another");
    report.by(Saliency::default()).save_report(&another).expect("a report");
    let text = failure(Report::join([&first, &second], &another));
    assert!(text.contains("belongs to another report"), "{text}");
    for (number, of) in [(2, 2), (0, 0)] {
        let text = failure(report.shard(number, of).save_report(folder.path().join("none")));
        assert!(text.contains("counted from 0"), "{text}");
    }
}

#[test]
fn what_fails_or_panics_for_one_photo_is_told_of_that_photo() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photos, out) = (mixed(&folder.path().join("photos")), folder.path().join("out"));
    let calls = Cell::new(0);
    let method = before(move |_| {
        calls.set(calls.get() + 1);
        assert!(calls.get() != 2, "an <unlucky> photo");
        match calls.get() {
            3 => Err(Error::Argument("not this one".into())),
            _ => Ok(()),
        }
    });
    let report = Report::new(&colours(), &photos).by(method).by(Saliency::default());
    let reported = report.save_report(&out).expect("a report");
    assert_eq!((reported.photos(), reported.right()), (6, 5));
    let notes = reported.notes();
    assert!(
        notes[0].starts_with("Grad-CAM failed 2 times: it panicked: an <unlucky>"),
        "{notes:?}"
    );
    let page = std::fs::read_to_string(out.join("index.html")).expect("a page");
    assert!(page.contains("failed: it panicked: an &lt;unlucky&gt; photo"));
    assert!(page.contains("failed: not this one"));
    let table = std::fs::read_to_string(out.join("report.csv")).expect("a table");
    assert!(table.contains("Grad-CAM: it panicked: an <unlucky> photo"), "{table}");
}

#[test]
fn what_fails_on_every_photo_ends_the_report() {
    let folder = tempfile::tempdir().expect("a folder");
    red_and_blue(folder.path(), [6, 6]);
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let out = tempfile::tempdir().expect("a folder");
    let calls = Rc::new(Cell::new(0));
    let called = Rc::clone(&calls);
    let never = before(move |_| {
        called.set(called.get() + 1);
        Err(Error::Argument("never".into()))
    });
    let text = failure(Report::new(&colours(), &photos).by(never).save_report(out.path()));
    assert!(text.contains("each of the first 8 photos") && text.contains("never"), "{text}");
    assert_eq!(calls.get(), 8);
    let out = tempfile::tempdir().expect("a folder");
    let text =
        failure(Report::new(&colours(), &photos).by(GradCam::at("rulu")).save_report(out.path()));
    assert!(text.contains("no layer \"rulu\"") && text.contains("\"relu\""), "{text}");
    // And nothing of it stands in the way of the right one.
    assert_eq!(std::fs::read_dir(out.path()).expect("a folder").count(), 0);
    let right = Report::new(&colours(), &photos).by(GradCam::at("relu"));
    assert_eq!(right.save_report(out.path()).expect("a report").photos(), 12);
    let twice = failure(right.by(GradCam::at("relu")).save_report(out.path()));
    assert!(twice.contains("Grad-CAM twice"), "{twice}");
}

#[test]
fn what_is_expected_comes_from_names_places_or_the_caller() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("photos");
    red_and_blue(&root, [2, 2]);
    let photos = ImageFolder::open(&root).expect("photos");
    let out = |name: &str| folder.path().join(name);
    // By place, where classes have no names and there are as many.
    let unnamed = |outputs: i64| {
        let mut net = Model::builder("unnamed", [3, 16, 16]);
        let x = net.input();
        let x = net.add("conv", Conv2d::new(3, outputs, 1), &[x]);
        let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
        net.add("flatten", Op::Flatten, &[x]);
        net.build().expect("a network")
    };
    let two = Report::new(&unnamed(2), &photos).save_report(out("two")).expect("a report");
    assert_eq!(two.right() + two.wrong(), 4);
    let three = Report::new(&unnamed(3), &photos).save_report(out("three")).expect("a report");
    assert_eq!((three.right() + three.wrong(), three.accuracy()), (0, None));
    assert!(three.notes()[0].contains("\"blue\", \"red\""), "{:?}", three.notes());
    // One score says yes or no.
    let one = Report::new(&unnamed(1).classes(["red"]).expect("names"), &photos);
    let one = one.expecting("blue", ["not red"]).save_report(out("one")).expect("a report");
    assert_eq!(one.right() + one.wrong(), 4);
    // By the caller.
    let report = Report::new(&colours(), &photos);
    let swapped = report.expecting("red", ["blue"]).expecting("blue", ["none", "red"]);
    let swapped = swapped.save_report(out("swapped")).expect("a report");
    assert_eq!((swapped.right(), swapped.wrong()), (0, 4));
    let text = failure(report.expecting("green", ["red"]).save_report(out("no")));
    assert!(text.contains("no class \"green\""), "{text}");
    let text = failure(report.expecting("red", ["green"]).save_report(out("no")));
    assert!(text.contains("no class \"green\""), "{text}");
    assert!(
        failure(report.expecting("red", [""; 0]).save_report(out("no"))).contains("name a class")
    );
    // Photos that lie loose are of no class, whatever their folder is called.
    let loose = ImageFolder::open(root.join("red")).expect("photos");
    let loose = Report::new(&colours(), &loose).save_report(out("loose")).expect("a report");
    assert_eq!((loose.photos(), loose.accuracy()), (2, None));
    assert!(loose.notes().is_empty(), "{:?}", loose.notes());
    // From memory they are of the class that they were given.
    let red = Photo::from_picture(&photo([240, 20, 20], (1, 1)));
    let memory = ImageFolder::of_photos([("red", [red])]).expect("photos");
    let memory = Report::new(&colours(), &memory).save_report(out("memory")).expect("a report");
    assert_eq!(memory.right(), 1);
}

#[test]
fn bad_folders_and_networks_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path().join("photos");
    let photos = mixed(&root);
    let report = Report::new(&colours(), &photos);
    // A folder of files that are no photos.
    let broken = folder.path().join("broken");
    std::fs::create_dir_all(broken.join("red")).expect("a folder");
    std::fs::write(broken.join("red/a.png"), "no photo").expect("a file");
    let none = Report::new(&colours(), &ImageFolder::open(&broken).expect("files"));
    for _ in 0..2 {
        let text = failure(none.save_report(folder.path().join("none")));
        assert!(text.contains("none of the 1 photos") && text.contains("red/a.png"), "{text}");
    }
    for within in [root.clone(), root.join("red"), root.join("new/out")] {
        let text = failure(report.save_report(&within));
        assert!(text.contains("within the folder of the photos"), "{text}");
    }
    let text = failure(report.save_report(root.join("red/0000.png")));
    assert!(text.contains("this is a file"), "{text}");
    let page = folder.path().join("page");
    std::fs::create_dir(&page).expect("a folder");
    std::fs::write(page.join("index.html"), "mine").expect("a file");
    assert!(failure(report.save_report(&page)).contains("no report's"));
    assert_eq!(std::fs::read(page.join("index.html")).expect("a file"), b"mine");

    let out = folder.path().join("out");
    report.save_report(&out).expect("a report");
    for (other, what) in [
        (report.by(GradCam::at("conv")), "the methods"),
        (report.expecting("red", ["none"]), "the classes that are expected"),
        (Report::new(&colours(), &photos.first(2)), "the number of photos"),
        (Report::new(&colours(), &photos.preprocess(Preprocess::exact(20, 20))), "prepared"),
    ] {
        let text = failure(other.save_report(&out));
        assert!(text.contains("belongs to another report") && text.contains(what), "{text}");
    }

    let mut net = Model::builder("segments", [3, 16, 16]);
    let x = net.input();
    net.add("conv", Conv2d::new(3, 2, 1), &[x]);
    let segments = Report::new(&net.build().expect("a network"), &photos);
    let text = failure(segments.save_report(folder.path().join("segments")));
    assert!(text.contains("does not end in one score a class"), "{text}");
}
