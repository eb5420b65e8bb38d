//! The greatest values of each map so far.

/// A photo and where in it a map was greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Best {
    pub(super) value: f32,
    pub(super) photo: u32,
    pub(super) place: u32,
}

/// For each of some maps the photos with the greatest values, the greatest first; of equals the
/// photo that came first.
pub(super) struct BestOf {
    count: usize,
    maps: Vec<Vec<Best>>,
    /// What a value has to exceed.
    least: Vec<f32>,
}

impl BestOf {
    pub(super) fn new(maps: usize, count: usize) -> BestOf {
        BestOf { count, maps: vec![Vec::new(); maps], least: vec![f32::NEG_INFINITY; maps] }
    }

    /// One photo's greatest values and their places, map by map.
    pub(super) fn add(&mut self, photo: u32, most: &[f32], places: &[u32]) {
        let values = most.iter().zip(places).zip(self.least.iter_mut().zip(&mut self.maps));
        for ((&value, &place), (least, best)) in values {
            // A map without a single number has minus infinity here, and excites nobody.
            if value > *least {
                let at = best.partition_point(|known| known.value >= value);
                best.insert(at, Best { value, photo, place });
                best.truncate(self.count);
                if best.len() == self.count {
                    *least = best.last().map_or(*least, |last| last.value);
                }
            }
        }
    }

    pub(super) fn of(&self, map: usize) -> &[Best] {
        self.maps.get(map).map_or(&[], Vec::as_slice)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_greatest_are_kept_in_order_and_of_equals_the_first() {
        let mut best = BestOf::new(2, 3);
        for (photo, value) in [2.0, 5.0, 1.0, 5.0, 3.0, f32::NEG_INFINITY].into_iter().enumerate() {
            best.add(photo as u32, &[value, f32::NEG_INFINITY], &[photo as u32 * 10, 0]);
        }
        let found: Vec<_> = best.of(0).iter().map(|b| (b.value, b.photo, b.place)).collect();
        assert_eq!(found, [(5.0, 1, 10), (5.0, 3, 30), (3.0, 4, 40)]);
        assert!(best.of(1).is_empty());
    }
}
