//! Draws the picture at the top of the README.
//!
//! ```sh
//! cargo run --example readme_picture
//! ```

use convlens::prelude::*;

fn main() -> convlens::Result<()> {
    let model = zoo::squeezenet1_1()?;
    let look = model.look(&Photo::open("assets/photos/cat_and_dog.jpg")?)?;
    let mut pictures =
        vec![Photo::open("assets/photos/cat_and_dog.jpg")?.picture().captioned("the photo")];
    for class in ["tiger cat", "Saluki"] {
        let heat = look.explain(&GradCam::at("features.12").class(class))?;
        pictures.push(heat.picture()?.captioned(&heat.caption()));
    }
    Picture::beside(&pictures, 12).save("assets/readme.jpg")
}
