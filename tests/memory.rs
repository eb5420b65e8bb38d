//! Nothing is kept that nobody holds. A process of its own, so that nothing else allocates.

use convlens::prelude::*;

/// The bytes of memory that this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let pages = status.split_whitespace().nth(1).and_then(|v| v.parse::<u64>().ok());
    pages.unwrap_or(0) * 4096
}

#[test]
fn memory_is_flat_over_a_thousand_explanations() {
    let model = zoo::squeezenet1_1().expect("embedded");
    let photo = Photo::open(concat!(env!("CARGO_MANIFEST_DIR"), "/assets/photos/cat.png"));
    let photo = photo.expect("an asset");
    let explain = |class: i32| {
        let look = model.look(&photo).expect("a look");
        look.explain(&GradCam::at("features.12").class(class)).expect("a heat map");
    };
    (0..50).for_each(explain);
    let before = resident();
    (50..1000).for_each(explain);
    let grown = resident().saturating_sub(before);
    // One kept activation of features.0 alone would be 3 MB a call, 3 GB in all.
    assert!(grown < 32 << 20, "{} MB more after a thousand Grad-CAMs", grown >> 20);
}
