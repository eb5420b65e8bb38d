//! Paints woods with and without tanks into a folder, and asks a network that knows the class "tank"
//! about them.
//!
//! ```sh
//! cargo run --release --package convlens-scenes --example tanks -- data/tanks
//! ```

use std::time::Instant;

use convlens::prelude::*;
use convlens_scenes::prelude::*;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = std::env::args().nth(1).unwrap_or_else(|| "data/tanks".into());
    let began = Instant::now();
    let pictures = TankSet::default().seed(7).count(40).paint()?;
    let half = pictures.woods().len() / 2;
    println!("{pictures} in {:.1?}", began.elapsed());
    std::fs::create_dir_all(&place)?;
    let model = zoo::squeezenet1_1()?;
    let (mut found, mut invented) = (0, 0);
    for wood in pictures.woods() {
        wood.picture().save(format!("{place}/{}.png", wood.title().replace(", ", "_")))?;
        let names = model.look(&wood.photo()?)?.predictions(5)?;
        let tank = names.rows().iter().any(|one| one.name.starts_with("tank"));
        found += usize::from(tank && wood.has_tank());
        invented += usize::from(tank && !wood.has_tank());
    }
    println!(
        "SqueezeNet 1.1: a tank among the first five of {found} of {half} with one, {invented} of {half} without"
    );
    Ok(())
}
