//! Memory does not grow with the number of photos. A process of its own, so that nothing else
//! allocates. Linux only: nobody else tells a process its own peak.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

#[allow(dead_code, reason = "not all of it is needed here")]
mod peak;

use std::path::Path;

use convlens::prelude::*;

use peak::peak;

/// So many photos of 24 × 24 in each of two classes.
fn photos(folder: &Path, each: u32) -> ImageFolder {
    for class in 0..2u32 {
        let class_folder = folder.join(format!("class{class}"));
        std::fs::create_dir_all(&class_folder).expect("a folder");
        for i in 0..each {
            let value = |place: u32| (place * (3 + class) + i * 7) as u8;
            let pixels = (0..24 * 24 * 3).map(value).collect();
            let picture = Picture::rgb(24, 24, pixels).expect("a photo");
            picture.save(class_folder.join(format!("{i}.bmp"))).expect("a file");
        }
    }
    ImageFolder::open(folder).expect("photos")
}

#[test]
fn ten_thousand_photos_take_no_more_memory_than_a_few_hundred() {
    let mut net = Model::builder("small", [3, 24, 24]);
    let x = net.input();
    let x = net.add("conv1", Conv2d::new(3, 16, 3).padding(1), &[x]);
    let x = net.add("relu1", Op::Relu, &[x]);
    let x = net.add("conv2", Conv2d::new(16, 64, 3).stride(2), &[x]);
    let x = net.add("relu2", Op::Relu, &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = net.build().expect("a network");
    let (few, many) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (few, many) = (photos(few.path(), 200), photos(many.path(), 5000));
    assert_eq!(many.len(), 10_000);
    let patches = |photos: &ImageFolder| {
        let found = TopPatches::find(&model, photos, ["relu1", "relu2"]).expect("patches");
        assert_eq!(found.map("relu2", 63).expect("a map").patches().len(), 9);
    };
    let report = |photos: &ImageFolder| {
        let out = tempfile::tempdir().expect("a folder");
        let photos = photos.first(photos.len() / 50);
        let report = Report::new(&model, &photos).pictured(10).by(GradCam::at("relu1"));
        assert_eq!(report.save_report(out.path()).expect("a report").photos(), photos.len());
    };
    let maps = |photos: &ImageFolder| {
        let found = TopMaps::find(&model, photos, "relu2").expect("top maps");
        assert_eq!(found.classes().iter().map(|c| c.photos).sum::<usize>(), photos.len());
    };
    let each = |photos: &ImageFolder| {
        let mut seen = 0;
        let unreadable = photos.each_activation_map(&model, "relu2", [3, 7], |photo| {
            seen += usize::from(photo.map.width() == 11);
            Ok(())
        });
        assert!(unreadable.expect("photos").is_empty());
        assert_eq!(seen, photos.len());
    };
    // The means of a few maps on all photos, for the areas under curves, are 5 MB at once.
    flat("patches", [&few, &many], 12 << 20, patches);
    flat("top maps", [&few, &many], 2 << 20, maps);
    flat("each map", [&few, &many], 2 << 20, each);
    // Of 16 and of 400 photos.
    flat("a report", [&few, &many], 4 << 20, report);
}

fn flat(name: &str, [few, many]: [&ImageFolder; 2], allowed: i64, work: impl Fn(&ImageFolder)) {
    work(few);
    let little = peak(|| work(few));
    let much = peak(|| work(many));
    println!("{name}: {} KB for few photos, {} KB for many", little >> 10, much >> 10);
    // Ten thousand of the smaller activation alone would be 370 MB, of the inputs 69 MB.
    assert!(much < little + allowed, "{name}: {} KB more", (much - little) >> 10);
}
