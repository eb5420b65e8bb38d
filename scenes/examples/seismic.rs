//! Makes seismic sections and saves them with their masks.
//!
//! ```sh
//! cargo run --package convlens-scenes --example seismic -- 6 target/seismic
//! ```

use std::error::Error;
use std::path::PathBuf;

use convlens::show::Show;
use convlens_scenes::seismic::Seismic;

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments.next().map_or(Ok(4), |count| count.parse::<u64>())?;
    let folder = PathBuf::from(arguments.next().unwrap_or_else(|| "target/seismic".into()));
    std::fs::create_dir_all(&folder)?;
    for seed in 0..count {
        let begun = std::time::Instant::now();
        let section = Seismic::default().seed(seed).section()?;
        let took = begun.elapsed();
        if let Some(picture) = section.bundle().as_picture() {
            let path = folder.join(format!("{seed}.png"));
            picture.save(&path)?;
            println!("{}: {took:.0?}", path.display());
        }
    }
    Ok(())
}
