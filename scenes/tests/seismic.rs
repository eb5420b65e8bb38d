//! Seismic sections made to order: what they promise of geology and of waves.

use convlens_scenes::networks;
use convlens_scenes::section::{F3_FACIES, Section};
use convlens_scenes::seismic::{SPAN, Seismic, ricker};

fn made(seed: u64) -> Section {
    Seismic::default().seed(seed).section().expect("a section")
}

/// The labels from top to bottom, column by column.
fn columns(section: &Section) -> Vec<Vec<u8>> {
    let labels = section.labels().expect("labels");
    (0..section.width())
        .map(|x| labels.iter().skip(x).step_by(section.width()).copied().collect())
        .collect()
}

/// The energy of every eighth trace at a frequency.
fn energy(section: &Section, hertz: f64) -> f64 {
    let turn = std::f64::consts::TAU * hertz * SPAN / section.height() as f64;
    let column = |x: usize| {
        let values = section.amplitudes().iter().skip(x).step_by(section.width());
        let (re, im) = values.enumerate().fold((0.0, 0.0), |(re, im), (i, &v)| {
            let (sin, cos) = (turn * i as f64).sin_cos();
            (re + f64::from(v) * cos, im + f64::from(v) * sin)
        });
        re * re + im * im
    };
    (0..section.width()).step_by(8).map(column).sum()
}

#[test]
fn the_same_seed_makes_the_same_section_and_another_seed_another() {
    let (a, b, c) = (made(3), made(3), made(4));
    assert_eq!(a.amplitudes(), b.amplitudes());
    assert_eq!(a.labels(), b.labels());
    assert_ne!(a.labels(), c.labels());
    assert_ne!(a.amplitudes(), c.amplitudes());
}

#[test]
fn every_facies_is_in_nearly_every_section() {
    let mut missing = Vec::new();
    for seed in 0..20 {
        let section = made(seed);
        let counts = section.mask().expect("a mask").counts();
        for (facies, count) in counts.into_iter().enumerate() {
            // Half a per cent of the section is enough to see.
            if count < 448 * 448 / 200 {
                missing.push((seed, F3_FACIES[facies], count));
            }
        }
    }
    assert!(missing.len() <= 3, "{missing:?}");
}

#[test]
fn younger_lies_over_older_where_there_is_no_salt() {
    for seed in 0..6 {
        let section = Seismic::default().seed(seed).without_salt().section().expect("a section");
        for (x, column) in columns(&section).iter().enumerate() {
            assert!(column.is_sorted(), "seed {seed}, column {x}: {column:?}");
        }
    }
}

#[test]
fn salt_pierces_what_lies_over_it() {
    let mut pierced = 0;
    for seed in 0..6 {
        let columns = columns(&made(seed));
        let (salt, north_sea, chalk) = (7, 1, 2);
        // Salt directly under the North Sea group or the chalk.
        let pierces = |column: &Vec<u8>| {
            column
                .windows(2)
                .any(|pair| (pair[0] == north_sea || pair[0] == chalk) && pair[1] == salt)
        };
        pierced += usize::from(columns.iter().any(pierces));
    }
    assert!(pierced >= 5, "{pierced} of 6");
}

#[test]
fn faults_move_the_horizons_apart() {
    // The largest step of the base of the North Sea group from one trace to the next.
    let step = |faults: usize| {
        let section = Seismic::default().seed(2).without_salt().faults(faults).section();
        let base: Vec<i64> = columns(&section.expect("a section"))
            .iter()
            .map(|column| column.iter().filter(|&&label| label <= 1).count() as i64)
            .collect();
        base.windows(2).map(|pair| (pair[1] - pair[0]).abs()).max().unwrap()
    };
    assert!(step(0) <= 2, "{} samples without faults", step(0));
    assert!(step(8) >= 5, "{} samples with faults", step(8));
}

#[test]
fn amplitudes_have_mean_0_and_deviation_1() {
    let section = made(1);
    let values = section.amplitudes();
    let mean = values.iter().map(|&v| f64::from(v)).sum::<f64>() / values.len() as f64;
    let square = values.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / values.len() as f64;
    assert!(mean.abs() < 1e-5, "{mean}");
    assert!((square - 1.0).abs() < 1e-4, "{square}");
}

#[test]
fn the_wavelet_is_rickers() {
    for f in [10.0, 30.0] {
        assert_eq!(ricker(0.0, f), 1.0);
        // Zero where 2 π² f² t² = 1, least where it is 3: -2 exp(-3/2).
        let zero = 1.0 / (2f64.sqrt() * std::f64::consts::PI * f);
        assert!(ricker(zero, f).abs() < 1e-15);
        let least = 3f64.sqrt() * zero;
        assert!((ricker(least, f) + 2.0 * (-1.5f64).exp()).abs() < 1e-15);
        for away in [0.9, 1.1] {
            assert!(ricker(least * away, f) > ricker(least, f));
        }
        assert_eq!(ricker(0.01, f), ricker(-0.01, f));
    }
}

#[test]
fn the_spectrum_peaks_near_the_wavelets_frequency() {
    for asked in [20.0, 30.0, 45.0] {
        let section = Seismic::default().seed(5).frequency(asked).section().expect("a section");
        let spectrum: Vec<f64> = (0..160).map(|hertz| energy(&section, f64::from(hertz))).collect();
        // Reflectivity is not white: over bands of 11 Hz it nearly is.
        let band = |hertz: usize| spectrum[hertz - 5..=hertz + 5].iter().sum::<f64>();
        let peak = (6..100).max_by(|&a, &b| band(a).total_cmp(&band(b))).unwrap();
        let share = peak as f64 / asked;
        assert!((0.65..1.35).contains(&share), "{peak} Hz where {asked} were asked for");
        assert!(spectrum[(3.2 * asked) as usize] < 0.02 * spectrum[peak]);
    }
}

#[test]
fn noise_is_as_strong_as_was_asked_for() {
    let section =
        |noise: f64| Seismic::default().seed(8).noise(noise).section().expect("a section");
    let (clean, noisy) = (section(0.0), section(0.5));
    // With a signal of 1 and noise of 0.5, the correlation is 1 / √1.25.
    let pairs = clean.amplitudes().iter().zip(noisy.amplitudes());
    let product = pairs.map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
    let correlation = product / clean.amplitudes().len() as f64;
    assert!((correlation - 1.25f64.sqrt().recip()).abs() < 0.01, "{correlation}");
    assert_eq!(clean.labels(), noisy.labels());
}

#[test]
fn another_size_is_the_same_world_at_another_resolution() {
    let (large, small) = (made(6), Seismic::default().seed(6).size(224, 224).section());
    let small = small.expect("a section");
    assert_eq!((small.height(), small.width()), (224, 224));
    let shrunk = large.resized(224, 224).expect("a section");
    let score = shrunk.score(small.mask().expect("a mask")).expect("a score");
    assert!(score.pixel_accuracy() > 0.97, "{score}");
    let wide = Seismic::default().size(128, 300).section().expect("a section");
    assert_eq!((wide.height(), wide.width()), (128, 300));
}

#[test]
fn what_cannot_be_made_is_refused_with_the_range() {
    let refused = |seismic: Seismic, part: &str| {
        let error = seismic.section().expect_err(part).to_string();
        assert!(error.contains(part), "{error}");
    };
    let usual = Seismic::default;
    refused(usual().size(0, 448), "32 to 4096");
    refused(usual().size(448, 1 << 40), "32 to 4096");
    refused(usual().frequency(0.0), "1 to 62.5 Hz");
    refused(usual().frequency(f64::NAN), "1 to 62.5 Hz");
    refused(usual().size(64, 64).frequency(30.0), "1 to 8.9 Hz");
    refused(usual().noise(-0.1), "0 to 10");
    refused(usual().noise(f64::INFINITY), "0 to 10");
    refused(usual().faults(65), "64 faults");
}

#[test]
fn the_embedded_network_scores_what_is_stated_on_sections_that_it_has_not_seen() {
    let model = networks::seismic_fcn().expect("the embedded network");
    let score = |seed: u64| {
        let section = made(seed);
        let look = model.look(&section.photo().expect("a photo")).expect("a look");
        section.score(&look.segmentation().expect("a mask")).expect("a score")
    };
    let all = (1000..1004).map(score).reduce(|a, b| a.and(&b).expect("the same classes"));
    let all = all.expect("four scores");
    assert!(all.pixel_accuracy() > 0.9 && all.mean_iou() > 0.72, "{all}");
}
