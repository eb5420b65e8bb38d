//! What TCAV found.

use std::fmt;
use std::rc::Rc;

use tch::Tensor;

use crate::chart::Chart;
use crate::number::{counted, number};
use crate::show::{MimeBundle, Row, Show, Table, debug_line, together};
use crate::statistics::{LEVEL, Test, deviation, mean, welch};

/// A concept that is told from random photos less often than this has no direction worth speaking of: halfway between guessing and
/// certainty.
const TOLD_APART: f64 = 0.75;

/// One direction with its scores.
pub(super) struct Scored {
    pub(super) direction: Tensor,
    pub(super) score: f64,
    pub(super) magnitude: f64,
    pub(super) accuracy: f64,
}

/// Whether a class depends on each of some concepts, by [`Tcav`](super::Tcav). A notebook shows the scores as bars with their deviations, those of
/// random sets last, and a table that says in words what follows.
#[derive(Clone)]
pub struct TcavTest {
    network: String,
    layer: String,
    class: String,
    concepts: Vec<ConceptTest>,
    random: Vec<f64>,
    photos: usize,
}

/// One concept of a [`TcavTest`], by its directions against each random set.
#[derive(Clone)]
pub struct ConceptTest {
    name: String,
    class: String,
    scored: Rc<[Scored]>,
    test: Option<Test>,
    /// The level that `p` has to be below.
    level: f64,
    /// The mean score of random sets.
    random: f64,
}

impl TcavTest {
    /// `scored` are the concepts' against each of `random` sets, and then the random sets' own.
    pub(super) fn new(
        [network, layer, class]: [&str; 3],
        names: Vec<String>,
        mut scored: Vec<Scored>,
        random: usize,
        photos: usize,
    ) -> TcavTest {
        let own = scored.split_off(names.len() * random);
        let at_random: Vec<f64> = own.iter().map(|scored| scored.score).collect();
        let level = LEVEL / names.len().max(1) as f64;
        let mut scored = scored.into_iter();
        let concepts = names.into_iter().map(|name| {
            let scored: Rc<[Scored]> = scored.by_ref().take(random).collect();
            let scores: Vec<f64> = scored.iter().map(|scored| scored.score).collect();
            let test = welch(&scores, &at_random);
            let class = class.to_owned();
            ConceptTest { name, class, scored, test, level, random: mean(&at_random) }
        });
        TcavTest {
            concepts: concepts.collect(),
            network: network.to_owned(),
            layer: layer.to_owned(),
            class: class.to_owned(),
            random: at_random,
            photos,
        }
    }

    /// The concepts, in the order of their folders.
    pub fn concepts(&self) -> &[ConceptTest] {
        &self.concepts
    }

    /// The scores of random sets, each as a concept against the next.
    pub fn random_scores(&self) -> &[f64] {
        &self.random
    }

    /// What follows for each concept, a sentence each.
    pub fn words(&self) -> Vec<String> {
        self.concepts.iter().map(|concept| concept.words()).collect()
    }

    /// The mean score of each concept as a bar with its standard deviation over the random sets; that of random sets last.
    pub fn chart(&self) -> Chart {
        let concepts = self.concepts.iter();
        let names = concepts.map(|concept| (concept.name.clone(), concept.scores()));
        let rows: Vec<(String, Vec<f64>)> =
            names.chain([("random sets".to_owned(), self.random.clone())]).collect();
        let bars = rows.iter().map(|(name, scores)| (name.clone(), mean(scores)));
        Chart::bars(bars.collect::<Vec<_>>())
            .deviations(rows.iter().map(|(_, scores)| deviation(scores)))
            .reaching(1.0)
            .axes("share of photos whose score rises toward it", "")
            .title(format!(
                "{} · {} · {}: mean ± deviation over {}, {}",
                self.network,
                self.layer,
                self.class,
                counted(self.random.len(), "random set"),
                counted(self.photos, "photo")
            ))
    }

    fn table(&self) -> Table {
        let spread = |scores: &[f64]| {
            format!("{}\u{a0}±\u{a0}{}", number(mean(scores), 3), number(deviation(scores), 2))
        };
        let row = |concept: &ConceptTest| {
            Row::flat(vec![
                concept.name.clone(),
                spread(&concept.scores()),
                number(mean(&concept.magnitudes()), 3),
                concept.p().map_or_else(|| "not tested".to_owned(), |p| number(p, 2)),
                format!("{:.0}\u{a0}%", 100.0 * concept.accuracy()),
            ])
        };
        Table {
            caption: format!(
                "{}, {}: TCAV for {}, {}; random sets have {}",
                self.network,
                self.layer,
                self.class,
                counted(self.photos, "photo"),
                spread(&self.random)
            ),
            columns: vec![
                ("Concept", false),
                ("TCAV score", true),
                ("Magnitude", true),
                ("p", true),
                ("Told from random photos", true),
            ],
            rows: self.concepts.iter().map(row).collect(),
            notes: self.words(),
        }
    }
}

impl ConceptTest {
    /// The name of its folder.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its score against each random set: the share of the photos whose score rises toward the concept, 0 to 1.
    pub fn scores(&self) -> Vec<f64> {
        self.scored.iter().map(|scored| scored.score).collect()
    }

    /// The mean sensitivity of the photos against each random set, `∂y/∂A · v` for a direction of length 1.
    pub fn magnitudes(&self) -> Vec<f64> {
        self.scored.iter().map(|scored| scored.magnitude).collect()
    }

    /// Its direction against each random set, of length 1: a value for each of the layer's, flat.
    pub fn directions(&self) -> Vec<Tensor> {
        self.scored.iter().map(|scored| scored.direction.shallow_clone()).collect()
    }

    /// The share of photos, the concept's and random ones, that are told apart by planes learnt without them: the mean over the
    /// random sets. 0.5 is guessing.
    pub fn accuracy(&self) -> f64 {
        mean(&self.accuracies())
    }

    /// The same against each random set.
    pub fn accuracies(&self) -> Vec<f64> {
        self.scored.iter().map(|scored| scored.accuracy).collect()
    }

    /// Welch's `t` of its scores against those of random sets; `None` where all scores of both are the same, so that there is
    /// nothing to test by.
    pub fn t(&self) -> Option<f64> {
        self.test.map(|test| test.t)
    }

    /// How probable so large a difference from the random sets is by chance, from 0 to 1.
    pub fn p(&self) -> Option<f64> {
        self.test.map(|test| test.p)
    }

    /// Whether its scores differ from those of random sets by more than chance: `p` below 0.05 by the number of concepts.
    pub fn is_significant(&self) -> bool {
        self.p().is_some_and(|p| p < self.level)
    }

    /// What follows, in a sentence.
    pub fn words(&self) -> String {
        let (name, class) = (&self.name, &self.class);
        let share = |share: f64| format!("{:.0} %", 100.0 * share);
        let score = mean(&self.scores());
        let against = format!(
            "on {} of the photos, and toward random sets on {}",
            share(score),
            share(self.random)
        );
        let mut words = match self.p() {
            None => format!(
                "{name} cannot be tested: all its scores are the same, and so are those of random sets; the score rises {against}"
            ),
            Some(p) if p < self.level => {
                let side = if score > self.random { "for" } else { "against" };
                format!(
                    "{name} speaks {side} {class}: toward it the score rises {against} (p = {}, significant)",
                    number(p, 2)
                )
            }
            Some(p) => format!(
                "{name} says nothing sure of {class}: toward it the score rises {against} (p = {}, not below {})",
                number(p, 2),
                number(self.level, 2)
            ),
        };
        if self.accuracy() < TOLD_APART {
            words += &format!(
                "; the layer hardly tells it from random photos ({} are right), and its direction means little",
                share(self.accuracy())
            );
        }
        words
    }
}

impl fmt::Display for TcavTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.table().text())
    }
}

impl fmt::Debug for TcavTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let count = counted(self.concepts.len(), "concept");
        debug_line(f, format_args!("TcavTest of {} in {}, {count}", self.layer, self.network))
    }
}

impl fmt::Debug for ConceptTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {} ± {}", self.name, mean(&self.scores()), deviation(&self.scores()))
    }
}

impl Show for TcavTest {
    fn bundle(&self) -> MimeBundle {
        together([self.chart().bundle(), self.table().bundle()])
    }
}

impl Show for ConceptTest {
    fn bundle(&self) -> MimeBundle {
        MimeBundle::text(self.words())
    }
}
