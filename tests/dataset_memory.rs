//! Memory does not grow with the number of photos. A process of its own, so that nothing else
//! allocates. Linux only: nobody else tells a process its own peak.

#![cfg(all(target_os = "linux", target_env = "gnu"))]

use std::path::Path;

use convlens::prelude::*;

/// A line of `/proc/self/status`, in bytes.
fn status(field: &str) -> i64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux tells");
    let line = status.lines().find(|line| line.starts_with(field)).expect("a field");
    let kilobytes = line.split_whitespace().nth(1).and_then(|value| value.parse::<i64>().ok());
    kilobytes.expect("a number") * 1024
}

unsafe extern "C" {
    /// glibc's: gives back to the system what is free. Otherwise memory that an earlier run used
    /// serves the next one, and nobody sees it.
    safe fn malloc_trim(pad: usize) -> i32;
}

/// How far above what is held before, in bytes, memory rises while `work` runs.
fn peak(work: impl FnOnce()) -> i64 {
    malloc_trim(0);
    // Writing 5 sets the peak back to what is held now.
    std::fs::write("/proc/self/clear_refs", "5").expect("Linux allows it");
    let before = status("VmRSS");
    work();
    status("VmHWM") - before
}

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
    net.add("relu2", Op::Relu, &[x]);
    let model = net.build().expect("a network");
    let (few, many) =
        (tempfile::tempdir().expect("a folder"), tempfile::tempdir().expect("a folder"));
    let (few, many) = (photos(few.path(), 200), photos(many.path(), 5000));
    assert_eq!(many.len(), 10_000);
    let patches = |photos: &ImageFolder| {
        let found = TopPatches::find(&model, photos, ["relu1", "relu2"]).expect("patches");
        assert_eq!(found.map("relu2", 63).expect("a map").patches().len(), 9);
    };
    let maps = |photos: &ImageFolder| {
        let found = TopMaps::find(&model, photos, "relu2").expect("top maps");
        assert_eq!(found.classes().iter().map(|c| c.photos).sum::<usize>(), photos.len());
    };
    let works: [(&str, &dyn Fn(&ImageFolder)); 2] = [("patches", &patches), ("top maps", &maps)];
    for (name, work) in works {
        work(&few);
        let little = peak(|| work(&few));
        let much = peak(|| work(&many));
        println!("{name}: {} KB for 400 photos, {} KB for 10,000", little >> 10, much >> 10);
        // Ten thousand of the smaller activation alone would be 370 MB, of the inputs 69 MB. The
        // means of a few maps on all photos, for the areas under curves, are 5 MB at once.
        assert!(much < little + (12 << 20), "{name}: {} KB more", (much - little) >> 10);
    }
}
