//! Where the boxes of a flow chart stand: downwards, branches beside each other, long charts in
//! columns.

use std::collections::BTreeSet;
use std::ops::Range;

/// Between boxes that stand beside each other.
pub(super) const BETWEEN: i32 = 40;
/// Columns are broken so that the picture is no wider, where that can be.
const WIDEST: i32 = 1000;
/// and so that they are about so high.
const HIGH: i32 = 900;

/// Boxes of one size in ranks, one below the other, and in places from left to right.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    pub(super) ranks: Vec<usize>,
    pub(super) places: Vec<usize>,
    /// The ranks of each column.
    pub(super) columns: Vec<Range<usize>>,
}

impl Layout {
    /// `edges` lead from box to box. Boxes are numbered in the order of execution: an edge to an
    /// earlier box is drawn, but does not count here.
    pub(super) fn new(count: usize, edges: &[(usize, usize)], width: i32, height: i32) -> Layout {
        let before = before(count, edges);
        let ranks = ranks(&before);
        let places = places(&ranks, &before);
        let columns = columns(&ranks, &places, edges, width, height);
        Layout { ranks, places, columns }
    }

    pub(super) fn column_of(&self, node: usize) -> usize {
        self.columns.iter().position(|c| c.contains(&self.ranks[node])).unwrap_or(0)
    }

    /// Whether there is a box at this place in one of these ranks.
    pub(super) fn taken(&self, place: usize, ranks: Range<usize>) -> bool {
        self.ranks.iter().zip(&self.places).any(|(r, p)| ranks.contains(r) && *p == place)
    }

    /// One more than the last place that is taken in these ranks.
    pub(super) fn breadth(&self, ranks: Range<usize>) -> usize {
        let inside = self.ranks.iter().zip(&self.places).filter(|(r, _)| ranks.contains(r));
        inside.map(|(_, place)| place + 1).max().unwrap_or(0)
    }
}

/// For each box, the earlier ones that an edge comes from.
fn before(count: usize, edges: &[(usize, usize)]) -> Vec<Vec<usize>> {
    let mut before = vec![Vec::new(); count];
    for &(from, to) in edges.iter().filter(|(from, to)| from < to) {
        before[to].push(from);
    }
    before
}

/// The length of the longest way to each box.
fn ranks(before: &[Vec<usize>]) -> Vec<usize> {
    let mut ranks = vec![0; before.len()];
    for node in 0..before.len() {
        ranks[node] = before[node].iter().map(|from| ranks[*from] + 1).max().unwrap_or(0);
    }
    ranks
}

/// Below the box before it where that place is free; else the next free one to the right.
fn places(ranks: &[usize], before: &[Vec<usize>]) -> Vec<usize> {
    let mut places = vec![0; ranks.len()];
    let mut order: Vec<usize> = (0..ranks.len()).collect();
    order.sort_by_key(|&node| ranks[node]);
    // Of each rank.
    let mut taken = vec![BTreeSet::new(); ranks.iter().max().map_or(0, |last| last + 1)];
    for node in order {
        let from = before[node].iter().copied();
        let nearest = from.min_by_key(|&from| (ranks[node] - ranks[from], places[from]));
        let wanted = nearest.map_or(0, |from| places[from]);
        let taken: &mut BTreeSet<usize> = &mut taken[ranks[node]];
        let beyond =
            taken.range(wanted..).zip(wanted..).take_while(|(other, place)| **other == *place);
        places[node] = wanted + beyond.count();
        taken.insert(places[node]);
    }
    places
}

/// Broken only where a single edge crosses, that from a rank to the next.
fn columns(
    ranks: &[usize],
    places: &[usize],
    edges: &[(usize, usize)],
    width: i32,
    height: i32,
) -> Vec<Range<usize>> {
    let count = ranks.iter().max().map_or(0, |last| last + 1);
    // How many edges lead past the beginning of each rank.
    let mut crossing = vec![0isize; count + 1];
    for (from, to) in edges {
        let (a, b) = (ranks[*from], ranks[*to]);
        crossing[a.min(b) + 1] += 1;
        crossing[a.max(b) + 1] -= 1;
    }
    let mut edges_there = 0;
    let mut breaks: Vec<usize> = Vec::new();
    for (rank, change) in crossing.iter().enumerate().take(count) {
        edges_there += change;
        if rank > 0 && edges_there == 1 {
            breaks.push(rank);
        }
    }
    let breadth = places.iter().max().map_or(1, |last| last + 1) as i32;
    let step = height + 28;
    // With room for lanes and the way to the next column.
    let most = (WIDEST / (breadth * (width + BETWEEN) + 10)).max(1) as usize;
    let wanted = (count as i32 * step).div_euclid(HIGH) as usize + 1;
    let wanted = wanted.min(most);
    let length = count.div_ceil(wanted.max(1)).max(1);
    let mut columns = Vec::new();
    let mut start = 0;
    while start < count {
        // The last break that keeps the column short, or the first after it; no stub before or
        // behind it.
        let sensible = |b: &&usize| **b >= start + length / 2 && **b + length / 3 <= count;
        let mut found = breaks.iter().filter(sensible);
        let inside = found.clone().rfind(|&&b| b <= start + length);
        let end = inside.or_else(|| found.next()).copied().unwrap_or(count);
        let last = columns.len() + 1 >= wanted || count - start <= length;
        columns.push(start..if last { count } else { end });
        start = if last { count } else { end };
    }
    columns
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn branches_stand_beside_each_other_and_meet_below() {
        // 0 -> 1 -> 2 -> 4, 1 -> 3 -> 4
        let layout = Layout::new(5, &[(0, 1), (1, 2), (1, 3), (2, 4), (3, 4)], 200, 60);
        assert_eq!(layout.ranks, [0, 1, 2, 2, 3]);
        assert_eq!(layout.places, [0, 0, 0, 1, 0]);
        assert_eq!(layout.columns, vec![0..4]);
    }

    #[test]
    fn long_chains_break_into_columns_but_never_within_a_branch() {
        let chain: Vec<(usize, usize)> = (0..39).map(|i| (i, i + 1)).collect();
        let layout = Layout::new(40, &chain, 200, 60);
        assert_eq!(layout.columns, vec![0..10, 10..20, 20..30, 30..40]);
        let mut around = chain;
        around.push((0, 39));
        assert_eq!(Layout::new(40, &around, 200, 60).columns, vec![0..40]);
    }
}
