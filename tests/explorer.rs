//! Explorers: what stands in their pages, and what is said of bad input. How they answer is tested in Chromium, by
//! xtask/python/test_explorer.py, on the pages that are written here.

mod colours;

use std::path::{Path, PathBuf};

use convlens::prelude::*;
use convlens::{Error, Result};

const HOSTILE: &str =
    "</script><img src=x onerror=\"document.title='pwned'\">&lt;EVCXR_END_CONTENT";

fn photo(name: &str) -> Photo {
    Photo::open(Path::new(env!("CARGO_MANIFEST_DIR")).join("assets/photos").join(name))
        .expect("a photo")
}

fn squeezenet() -> Look {
    let model = zoo::squeezenet1_1().expect("a network");
    model.look(&photo("cat_and_dog.jpg")).expect("a look")
}

/// Where the tests in the browser find their pages.
fn pages() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("explorer");
    std::fs::create_dir_all(&folder).expect("a folder");
    folder
}

/// A network of one convolution, everything in which has a name that would be markup.
fn hostile() -> Look {
    let classes = [HOSTILE.to_owned(), "<b>bold</b>".to_owned(), "plain".to_owned()];
    let mut net = Model::builder(HOSTILE, [3, 16, 16]).classes(classes).seed(1);
    let x = net.input();
    let x = net.add("<i>conv<b>", Conv2d::new(3, 3, 3), &[x]);
    let x = net.add("pool", AdaptiveAvgPool2d::new(1), &[x]);
    net.add("flatten", Op::Flatten, &[x]);
    let model = net.build().expect("a network");
    model.look(&photo("cat.png").titled(HOSTILE)).expect("a look")
}

/// A network whose second map is not finite everywhere.
fn broken() -> Look {
    let mut net = Model::builder("broken", [3, 8, 8]);
    let x = net.input();
    net.function("log", |inputs, _| inputs[0].log(), &[x]);
    let input = Tensor::arange(3 * 64, tch::kind::FLOAT_CPU).reshape([1, 3, 8, 8]);
    let model = net.build().expect("a network");
    model.look_input(&(input - 70.0)).expect("a look")
}

#[test]
fn a_page_of_eight_layers_is_small_and_needs_nothing_else() {
    let page = squeezenet().explorer().expect("a page");
    let html = page.html();
    assert!(html.len() <= 3_000_000, "{} bytes", html.len());
    assert!(html.contains("features.0") && html.contains("classifier.2"));
    for outside in ["http:", "https:", "src=\"/", " id=", "@import", "url("] {
        assert!(!html.contains(outside), "{outside}");
    }
    assert_eq!(html.matches("src=\"").count(), html.matches("src=\"data:").count());
    page.save(pages().join("maps.html")).expect("a file");
}

#[test]
fn a_bundle_has_html_and_a_picture_of_the_same() {
    let page = squeezenet().explorer_at(["features.3", "features.4"]).expect("a page");
    page.save(pages().join("layers.html")).expect("a file");
    let entries = page.bundle().entries();
    let kinds: Vec<&str> = entries.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, ["image/png", "text/html", "text/plain"]);
    let text = &entries[2].1;
    assert!(text.contains("8 of 128 maps"), "{text}");
    assert!(page.picture().is_ok_and(|picture| (400..=1000).contains(&picture.width())));
    // Beside other pictures it still answers.
    let both = together([page.bundle(), photo("cat.png").bundle()]);
    assert!(both.to_html().contains(page.html()));
    let both = side_by_side([("maps", page.bundle()), ("photo", photo("cat.png").bundle())]);
    assert!(both.to_html().contains(page.html()));
    assert!(format!("{page:?}").starts_with("Explorer of squeezenet1_1"), "{page:?}");
}

#[test]
fn names_are_never_markup() {
    let look = hostile();
    let heats = look.explain_each(&GradCam::default(), [0, 1]).expect("heat maps");
    for (page, file) in
        [(look.explorer(), "hostile_maps.html"), (explorer::heatmaps(&heats), "hostile_heats.html")]
    {
        let page = page.expect("a page");
        let html = page.html();
        assert!(!html.contains("<img src=x") && !html.contains("<i>") && !html.contains("<b>"));
        let data = html
            .split("application/json\">")
            .nth(1)
            .and_then(|rest| rest.split("</script>").next());
        assert!(data.is_some_and(|data| data.contains("END_CONTENT") && !data.contains("EVCXR_")));
        assert_eq!(html.matches("</script>").count(), 2);
        page.save(pages().join(file)).expect("a file");
    }
}

#[test]
fn what_is_wrong_is_said() {
    fn said(page: Result<Explorer>) -> Error {
        page.expect_err("an error")
    }
    let look = squeezenet();
    let none: [&str; 0] = [];
    assert!(
        matches!(said(look.explorer_at(none)), Error::Argument(text) if text.contains("no layers"))
    );
    assert!(said(look.explorer_at(["features.33"])).to_string().contains("features.3"));
    let last = look.model().layers().at(-1).expect("a layer");
    assert!(matches!(said(look.explorer_at([last])), Error::Shape(text) if text.contains("maps")));
    let heats: [Heatmap; 0] = [];
    assert!(
        matches!(said(explorer::heatmaps(&heats)), Error::Argument(text) if text.contains("no heat maps"))
    );

    let mut net = Model::builder("age", [4]);
    let x = net.input();
    net.add("linear", Linear::new(4, 2), &[x]);
    let model = net.build().expect("a network");
    let row = model.look_input(&Tensor::ones([1, 4], tch::kind::FLOAT_CPU)).expect("a look");
    assert!(
        matches!(said(row.explorer()), Error::Shape(text) if text.contains("no layer with maps"))
    );
    assert!(
        matches!(said(row.explorer_at(["linear"])), Error::Shape(text) if text.contains("row of numbers"))
    );
    let heat = row.explain(&InputXGradient::default()).expect("a heat map");
    assert!(matches!(said(heat.explorer()), Error::Shape(text) if text.contains("row of numbers")));
}

#[test]
fn a_networks_drawing_leads_to_its_layers_on_several_photos() {
    let model = zoo::squeezenet1_1().expect("a network");
    let photos = [photo("cat.png"), photo("dog.jpg")];
    let page = model.explorer(&photos).expect("a page");
    assert!(page.html().len() < 5_000_000, "{} bytes", page.html().len());
    page.save(pages().join("model.html")).expect("a file");
    let none: [Photo; 0] = [];
    assert!(model.explorer(&none).is_err_and(|error| error.to_string().contains("no photos")));
}

#[test]
fn crops_lead_to_their_photos() {
    let folder = tempfile::tempdir().expect("a folder");
    colours::red_and_blue(folder.path(), [2, 2]);
    let photos = ImageFolder::open(folder.path()).expect("photos");
    let found = TopPatches::find(&colours::colours(), &photos, ["relu"]).expect("patches");
    let one = found.map("relu", 0).and_then(|map| map.explorer()).expect("a page");
    assert_eq!(one.html().matches("\"place\":").count(), 4);
    let two = found.explorer("relu", [0, 1]).expect("a page");
    two.save(pages().join("patches.html")).expect("a file");
    let none: [usize; 0] = [];
    let error = found.explorer("relu", none).expect_err("no maps");
    assert!(matches!(error, Error::Argument(text) if text.contains("without any crop")));
    assert!(found.explorer("relu", [3]).is_err_and(|error| error.to_string().contains("0 to 2")));
}

/// The pages that Chromium opens, and the numbers that it should find there.
#[test]
fn pages_for_the_browser() {
    let (folder, look) = (pages(), squeezenet());
    let mut heats = look.explain_each(&GradCam::default(), ["tiger cat", "Saluki"]).expect("maps");
    heats.extend(
        look.explain_each(&InputXGradient::default(), ["tiger cat", "Saluki"]).expect("maps"),
    );
    heats.push(look.explain(&Saliency::default().class("tiger cat")).expect("a map"));
    let both = explorer::heatmaps(&heats).expect("a page");
    both.save(folder.join("heats.html")).expect("a file");
    let one = heats[0].explorer().expect("a page");
    let last = look.explorer_at(["features.12"]).expect("a page");
    one.save(folder.join("heat.html")).expect("a file");
    broken().explorer().expect("a page").save(folder.join("broken.html")).expect("a file");
    std::fs::write(
        folder.join("fragments.json"),
        serde_json::json!([one.html(), both.html(), last.html()]).to_string(),
    )
    .expect("a file");
    heats[0].cut_out(0.5).expect("a picture").save(folder.join("cut_out.png")).expect("a file");

    let maps = look.layer("features.3").expect("a layer").maps().expect("maps");
    let values = |map: usize| maps.map(map).expect("a map").to_vec();
    let field = look.model().receptive_field("features.3").expect("a field");
    let window = field.window(10, 20).expect("a window");
    let heat = heats[0].map().expect("a map");
    let inferno = [Colormap::Inferno.color(0.0), Colormap::Inferno.color(1.0)].concat();
    let truth = serde_json::json!({
        "layer": "features.3", "width": maps.width(), "maps": [values(0), values(5)],
        "means": look.layer("features.3").expect("a layer").means().expect("means"),
        "window": window.map(|side| [side.start, side.end]),
        "inferno": inferno,
        "heat": { "width": heat.width(), "values": heat.values(), "score": heats[0].score() },
    });
    std::fs::write(folder.join("truth.json"), truth.to_string()).expect("a file");
}
