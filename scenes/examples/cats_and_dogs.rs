//! Writes a labelled folder of cats and dogs, and counts how many a trained network knows.
//!
//! ```sh
//! cargo run --package convlens-scenes --example cats_and_dogs -- data/cats_and_dogs
//! ```

use convlens::prelude::*;
use convlens_scenes::prelude::*;

/// ImageNet's classes of house cats, and of dogs.
const CATS: std::ops::RangeInclusive<usize> = 281..=285;
const DOGS: std::ops::RangeInclusive<usize> = 151..=268;

fn main() -> convlens::Result<()> {
    let place = std::env::args().nth(1).unwrap_or_else(|| "data/cats_and_dogs".into());
    let pets = PetSet::default().write(place)?;
    println!("{pets}");

    let mut models = vec![("SqueezeNet 1.1", zoo::squeezenet1_1()?)];
    if zoo::hub::cached("tf_efficientnet_lite0").is_some() {
        models.push(("EfficientNet-Lite0", zoo::efficientnet_lite0()?));
    }
    for (name, model) in models {
        for (class, own) in [("cat", CATS), ("dog", DOGS)] {
            let (mut drawn, mut known) = (0, 0);
            for entry in std::fs::read_dir(pets.test().join(class)).into_iter().flatten().flatten()
            {
                if entry.file_name().to_string_lossy().starts_with("drawn") {
                    let look = model.look(&Photo::open(entry.path())?)?;
                    let top = look.predictions(5)?;
                    drawn += 1;
                    known += usize::from(top.rows().iter().any(|one| own.contains(&one.class)));
                }
            }
            println!("{name}: a {class} among the first five of {known} of {drawn} drawn {class}s");
        }
    }
    Ok(())
}
