//! Where the boxes of a flow chart stand: downwards, branches beside each other, long charts in
//! columns.

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

/// The length of the longest way to each box; one that nothing leads to, but for the first, stands just above the first
/// that it leads to.
fn ranks(before: &[Vec<usize>]) -> Vec<usize> {
    let mut ranks = vec![0; before.len()];
    for node in 0..before.len() {
        ranks[node] = before[node].iter().map(|from| ranks[*from] + 1).max().unwrap_or(0);
    }
    for node in (1..before.len()).filter(|node| before[*node].is_empty()) {
        let after = (0..before.len()).filter(|to| before[*to].contains(&node));
        ranks[node] = after.map(|to| ranks[to] - 1).min().unwrap_or(0);
    }
    ranks
}

/// Below the box before it, or as near to that on the right as leaves the boxes of a rank in the order of those before
/// them, on average, so that few arrows between cross. What nothing leads to stands on the right.
fn places(ranks: &[usize], before: &[Vec<usize>]) -> Vec<usize> {
    let mut places = vec![0; ranks.len()];
    let mut members = vec![Vec::new(); ranks.iter().max().map_or(0, |last| last + 1)];
    for (node, &rank) in ranks.iter().enumerate() {
        members[rank].push(node);
    }
    for rank in members {
        let nearest = |node: usize| {
            let from = before[node].iter().copied();
            from.min_by_key(|&from| (ranks[node] - ranks[from], places[from]))
        };
        let wanted = |node: usize| nearest(node).map(|from| places[from]);
        let mean = |node: usize| {
            let sum: usize = before[node].iter().map(|from| places[*from]).sum();
            match before[node].len() {
                0 => f64::INFINITY,
                count => sum as f64 / count as f64,
            }
        };
        let mut order: Vec<(f64, usize, Option<usize>)> =
            rank.into_iter().map(|node| (mean(node), node, wanted(node))).collect();
        order.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
        let mut free = 0;
        for (_, node, wanted) in order {
            places[node] = wanted.unwrap_or(0).max(free);
            free = places[node] + 1;
        }
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
    fn the_branches_of_two_inputs_do_not_cross() {
        // 0 leads to 3 and 4, 1 to 2; all meet in 5, and 6, which nothing leads to, joins in 7.
        let edges = [(0, 3), (0, 4), (1, 2), (2, 5), (3, 5), (4, 5), (5, 7), (6, 7)];
        let layout = Layout::new(8, &edges, 200, 60);
        assert_eq!(layout.ranks, [0, 0, 1, 1, 1, 2, 2, 3]);
        assert_eq!(layout.places, [0, 1, 2, 0, 1, 0, 1, 0]);
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
