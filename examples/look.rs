//! Looks at a photo outside of a notebook and saves what there is to see.
//!
//! ```sh
//! cargo run --example look -- assets/photos/cat_and_dog.jpg target/look
//! ```

use std::error::Error;
use std::path::PathBuf;

use convlens::prelude::*;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let photo = arguments.next().unwrap_or_else(|| "assets/photos/cat_and_dog.jpg".into());
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "target/look".into()));
    std::fs::create_dir_all(&folder)?;

    let model = zoo::squeezenet1_1()?;
    let look = model.look(&Photo::open(photo)?)?;
    let predictions = look.predictions(5)?;
    println!("{predictions}");

    let heat = look.explain(&GradCam::at("features.12"))?;
    println!("{}", heat.caption());
    for (name, bundle) in [
        ("photo", look.bundle()),
        ("predictions", predictions.bundle()),
        ("features.0", look.layer("features.0")?.bundle()),
        ("features.12", look.layer("features.12")?.bundle()),
        ("grad-cam", heat.bundle()),
    ] {
        if let Some(picture) = bundle.as_picture() {
            let path = folder.join(format!("{name}.png"));
            picture.save(&path)?;
            println!("{}: {}", path.display(), bundle.as_text().lines().next().unwrap_or_default());
        }
    }
    Ok(())
}
