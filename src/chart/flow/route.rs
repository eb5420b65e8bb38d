//! The ways of arrows between boxes: down from a box, along the gap below it, down a lane beside
//! the boxes, along the gap above the next, and down into it. No way leads through a box.

use std::collections::BTreeSet;
use std::ops::Range;

use super::layout::{BETWEEN, Layout};

/// Between two parallel lines.
const APART: i32 = 10;
/// The least gap between two ranks, with room for the head of an arrow.
const GAP: i32 = 28;
/// Between two columns.
const GUTTER: i32 = 44;

/// Everything in pixels.
#[derive(Debug)]
pub(super) struct Routes {
    /// The upper left corners of the boxes.
    pub(super) boxes: Vec<(i32, i32)>,
    /// The corners of each arrow's way; its head is at the last.
    pub(super) arrows: Vec<Vec<(i32, i32)>>,
    pub(super) width: i32,
    pub(super) height: i32,
}

/// The way of one edge within a column.
struct Way {
    from: usize,
    to: usize,
    /// Where it goes down past other ranks; `None` from one rank to the next.
    lane: Option<i32>,
    /// Where it enters the box.
    port: i32,
}

/// A line along a gap.
struct Track {
    gap: usize,
    /// Lines of the same source are one.
    owner: (bool, usize),
    range: (i32, i32),
    /// Where it comes from above, and where it goes down.
    start: i32,
    downs: Vec<i32>,
    level: usize,
}

pub(super) fn route(
    layout: &Layout,
    edges: &[(usize, usize)],
    width: i32,
    height: i32,
    margin: i32,
) -> Routes {
    let count = layout.ranks.len();
    let mut routes = Routes { boxes: vec![(0, 0); count], arrows: Vec::new(), width: 0, height: 0 };
    let mut left = margin;
    let mut gutters = Vec::new();
    for (index, ranks) in layout.columns.iter().enumerate() {
        let inside: Vec<(usize, usize)> = edges
            .iter()
            .copied()
            .filter(|(a, b)| layout.column_of(*a) == index && layout.column_of(*b) == index)
            .collect();
        let column = Column { layout, ranks: ranks.clone(), width, height };
        // Later columns are entered from above.
        let top = margin + if layout.columns.len() > 1 { 24 } else { 0 };
        let right = column.route(&inside, (left, top), &mut routes);
        gutters.push(right + GUTTER / 2);
        left = right + GUTTER;
    }
    routes.width = left - GUTTER + margin;
    for &(from, to) in edges {
        let (a, b) = (layout.column_of(from), layout.column_of(to));
        if a == b {
            continue;
        }
        let centre = |node: usize| routes.boxes[node].0 + width / 2;
        let (bottom, top) = (routes.boxes[from].1 + height, routes.boxes[to].1);
        let gutter = gutters[a];
        routes.arrows.push(vec![
            (centre(from), bottom),
            (centre(from), bottom + 16),
            (gutter, bottom + 16),
            (gutter, margin + 2),
            (centre(to), margin + 2),
            (centre(to), top),
        ]);
        routes.height = routes.height.max(bottom + 18);
    }
    routes.height += margin;
    routes
}

struct Column<'a> {
    layout: &'a Layout,
    ranks: Range<usize>,
    width: i32,
    height: i32,
}

impl Column<'_> {
    fn left(&self, place: usize) -> i32 {
        place as i32 * (self.width + BETWEEN)
    }

    fn centre(&self, node: usize) -> i32 {
        self.left(self.layout.places[node]) + self.width / 2
    }

    /// Places boxes and arrows, and returns where the column ends on the right.
    fn route(&self, edges: &[(usize, usize)], (left, top): (i32, i32), out: &mut Routes) -> i32 {
        let ways = self.ways(edges);
        let tracks = self.tracks(&ways);
        let first = self.ranks.start;
        // The height of each gap; the first is above the first rank.
        let lines = |gap: usize| {
            tracks.iter().filter(|track| track.gap == gap).map(|track| track.level + 1).max()
        };
        let mut tops = Vec::new();
        let mut gaps = Vec::new();
        let mut y = top;
        for rank in self.ranks.clone() {
            let room = match (lines(rank), rank == first) {
                (None, true) => 0,
                (None, false) => GAP,
                (Some(lines), _) => GAP + 4 + (lines as i32 - 1) * APART,
            };
            gaps.push(y);
            tops.push(y + room);
            y += room + self.height;
        }
        gaps.push(y);
        let below = lines(self.ranks.end).map_or(0, |lines| lines as i32 * APART + 10);
        out.height = out.height.max(y + below);
        let nodes = 0..self.layout.ranks.len();
        for node in nodes.filter(|&node| self.ranks.contains(&self.layout.ranks[node])) {
            let x = self.left(self.layout.places[node]);
            out.boxes[node] = (left + x, tops[self.layout.ranks[node] - first]);
        }
        let level = |gap: usize, owner: (bool, usize)| {
            let track = tracks.iter().find(|track| track.gap == gap && track.owner == owner);
            track.map(|track| gaps[gap - first] + 12 + track.level as i32 * APART)
        };
        let mut right = self.left(self.layout.breadth(self.ranks.clone())) - BETWEEN;
        for (index, way) in ways.iter().enumerate() {
            let (from, to) = (self.layout.ranks[way.from], self.layout.ranks[way.to]);
            let start = self.centre(way.from);
            let mut corners = vec![(start, tops[from - first] + self.height)];
            let down = way.lane.unwrap_or(way.port);
            if let Some(y) = level(from + 1, (false, way.from)).filter(|_| down != start) {
                corners.extend([(start, y), (down, y)]);
            }
            if let Some(y) = level(to, (true, index)).filter(|_| down != way.port) {
                corners.extend([(down, y), (way.port, y)]);
            }
            corners.push((way.port, tops[to - first]));
            right = corners.iter().map(|(x, _)| x + 4).fold(right, i32::max);
            out.arrows.push(corners.into_iter().map(|(x, y)| (left + x, y)).collect());
        }
        left + right
    }

    fn ways(&self, edges: &[(usize, usize)]) -> Vec<Way> {
        let mut lanes: Vec<(i32, Range<usize>)> = Vec::new();
        // Short ones first: they take the lanes next to the boxes.
        let mut order: Vec<(usize, usize)> = edges.to_vec();
        order.sort_by_key(|(a, b)| self.layout.ranks[*a].abs_diff(self.layout.ranks[*b]));
        let mut ways: Vec<Way> = order
            .into_iter()
            .map(|(from, to)| {
                let (a, b) = (self.layout.ranks[from], self.layout.ranks[to]);
                let lane = (b != a + 1).then(|| self.lane(from, to, &mut lanes));
                Way { from, to, lane, port: 0 }
            })
            .collect();
        self.set_ports(&mut ways);
        ways
    }

    /// Straight down from the one box or onto the other where nothing stands in between, else
    /// beside all that does.
    fn lane(&self, from: usize, to: usize, lanes: &mut Vec<(i32, Range<usize>)>) -> i32 {
        let (a, b) = (self.layout.ranks[from], self.layout.ranks[to]);
        let passed = if a < b { a + 1..b } else { b..a + 1 };
        // A lane also reaches into the gaps before and after.
        let reach = if a < b { a..b } else { b..a + 2 };
        let free = |x: i32| {
            lanes.iter().all(|(other, ranks)| {
                (x - other).abs() >= APART || ranks.end <= reach.start || reach.end <= ranks.start
            })
        };
        let straight = [from, to].into_iter().find(|&node| {
            !self.layout.taken(self.layout.places[node], passed.clone()) && free(self.centre(node))
        });
        let x = match straight {
            Some(node) => self.centre(node),
            None => {
                let breadth = self.layout.breadth(passed);
                let start = self.left(breadth) - BETWEEN + 16;
                // The first line that stands apart from all others there.
                let meets =
                    |ranks: &Range<usize>| reach.start < ranks.end && ranks.start < reach.end;
                let others = lanes.iter().filter(|(_, ranks)| meets(ranks));
                let mut others: Vec<i32> = others.map(|(x, _)| *x).collect();
                others.sort_unstable();
                others.into_iter().fold(start, |x, other| match (x - other).abs() < APART {
                    true => x + (other + 2 * APART - 1 - x) / APART * APART,
                    false => x,
                })
            }
        };
        lanes.push((x, reach));
        x
    }

    /// Arrows into one box stand apart: those from the left on the left.
    fn set_ports(&self, ways: &mut [Way]) {
        let mut targets: Vec<usize> = ways.iter().map(|way| way.to).collect();
        targets.sort_unstable();
        targets.dedup();
        for to in targets {
            let centre = self.centre(to);
            let approach = |way: &Way| way.lane.unwrap_or_else(|| self.centre(way.from)) - centre;
            for side in [-1, 0, 1] {
                let mut found: Vec<usize> = (0..ways.len())
                    .filter(|&i| ways[i].to == to && approach(&ways[i]).signum() == side)
                    .collect();
                found.sort_by_key(|&i| approach(&ways[i]).abs());
                let room = (self.width / 2 - 10) / found.len().max(1) as i32;
                let step = room.clamp(2, 18);
                for (place, &i) in found.iter().enumerate() {
                    ways[i].port = centre + side * step * (place as i32 + 1);
                }
            }
        }
        // An arrow that comes alone comes in the middle.
        for i in 0..ways.len() {
            if ways.iter().filter(|way| way.to == ways[i].to).count() == 1 {
                ways[i].port = self.centre(ways[i].to);
            }
        }
    }

    fn tracks(&self, ways: &[Way]) -> Vec<Track> {
        let mut tracks: Vec<Track> = Vec::new();
        for way in ways {
            let (start, down) = (self.centre(way.from), way.lane.unwrap_or(way.port));
            if start == down {
                continue;
            }
            let gap = self.layout.ranks[way.from] + 1;
            let owner = (false, way.from);
            let (low, high) = (start.min(down), start.max(down));
            match tracks.iter_mut().find(|track| track.gap == gap && track.owner == owner) {
                Some(track) => {
                    track.range = (track.range.0.min(low), track.range.1.max(high));
                    track.downs.push(down);
                }
                None => {
                    let (range, downs) = ((low, high), vec![down]);
                    tracks.push(Track { gap, owner, range, start, downs, level: 0 });
                }
            }
        }
        for (index, way) in ways.iter().enumerate() {
            if let Some(lane) = way.lane.filter(|&lane| lane != way.port) {
                let range = (lane.min(way.port), lane.max(way.port));
                let gap = self.layout.ranks[way.to];
                let (owner, downs) = ((true, index), vec![way.port]);
                tracks.push(Track { gap, owner, range, start: lane, downs, level: 0 });
            }
        }
        let mut tracks = from_above(tracks);
        for i in 0..tracks.len() {
            let (before, rest) = tracks.split_at_mut(i);
            let track = &mut rest[0];
            let others = before.iter().filter(|other| {
                other.gap == track.gap
                    && other.range.0 - APART < track.range.1
                    && track.range.0 - APART < other.range.1
            });
            let mut levels = BTreeSet::new();
            let mut least = 0;
            for other in others {
                levels.insert(other.level);
                // What goes into a box lies below what comes out of one, and below what comes from above where it
                // goes down.
                if track.owner.0 && !other.owner.0 || track.downs.contains(&other.start) {
                    least = least.max(other.level + 1);
                }
            }
            track.level = (least..).find(|level| !levels.contains(level)).unwrap_or(least);
        }
        tracks
    }
}

/// In an order in which a line comes behind those that come from above where it goes down, as far as there is one.
fn from_above(mut left: Vec<Track>) -> Vec<Track> {
    let mut ordered: Vec<Track> = Vec::with_capacity(left.len());
    while !left.is_empty() {
        let waits = |track: &Track| {
            let others = left.iter().filter(|other| {
                (other.gap, other.owner.0) == (track.gap, track.owner.0)
                    && other.owner != track.owner
            });
            others.into_iter().any(|other| track.downs.contains(&other.start))
        };
        // All of those that go out come before those that go in.
        let next = left.iter().position(|track| !track.owner.0 && !waits(track));
        let next = next.or_else(|| left.iter().position(|track| !track.owner.0));
        let next = next.or_else(|| left.iter().position(|track| !waits(track))).unwrap_or(0);
        ordered.push(left.remove(next));
    }
    ordered
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A residual block, a fire module, a dense block and a U: boxes of 100 × 50.
    const GRAPHS: [(usize, &[(usize, usize)]); 6] = [
        (5, &[(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)]),
        (8, &[(0, 1), (1, 2), (2, 3), (3, 4), (2, 5), (5, 6), (4, 7), (6, 7)]),
        (5, &[(0, 1), (0, 2), (1, 2), (0, 3), (1, 3), (2, 3), (0, 4), (1, 4), (2, 4), (3, 4)]),
        (7, &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 6), (0, 6), (1, 5), (2, 4)]),
        // Two inputs, of which one has two readers; and both of which have the same.
        (6, &[(0, 2), (0, 3), (1, 4), (2, 5), (3, 5), (4, 5)]),
        (5, &[(0, 2), (0, 3), (1, 2), (1, 3), (2, 4), (3, 4)]),
    ];

    /// The edges in the order of their arrows: short ones first.
    fn sorted(edges: &[(usize, usize)], layout: &Layout) -> Vec<(usize, usize)> {
        let mut edges = edges.to_vec();
        edges.sort_by_key(|(a, b)| layout.ranks[*a].abs_diff(layout.ranks[*b]));
        edges
    }

    /// Whether two ways run along the same line for a piece.
    fn overlap(a: &[(i32, i32)], b: &[(i32, i32)]) -> bool {
        let pieces = |way: &[(i32, i32)]| -> Vec<[(i32, i32); 2]> {
            way.windows(2).map(|pair| [pair[0].min(pair[1]), pair[0].max(pair[1])]).collect()
        };
        let along = |from: [i32; 2], to: [i32; 2]| from[0].max(to[0]) < from[1].min(to[1]);
        pieces(a).iter().any(|[p, q]| {
            pieces(b).iter().any(|[r, s]| match (p.0 == q.0, r.0 == s.0) {
                (true, true) => p.0 == r.0 && along([p.1, q.1], [r.1, s.1]),
                (false, false) => p.1 == r.1 && along([p.0, q.0], [r.0, s.0]),
                _ => false,
            })
        })
    }

    #[test]
    fn no_arrow_crosses_a_box_or_lies_on_another_from_elsewhere() {
        for (count, edges) in GRAPHS {
            let layout = Layout::new(count, edges, 100, 50);
            let routes = route(&layout, edges, 100, 50, 10);
            assert_eq!(routes.arrows.len(), edges.len());
            for way in &routes.arrows {
                for pair in way.windows(2) {
                    let [(x1, y1), (x2, y2)] = [pair[0], pair[1]];
                    assert!(x1 == x2 || y1 == y2, "{way:?} is oblique");
                    let (xs, ys) = ((x1.min(x2), x1.max(x2)), (y1.min(y2), y1.max(y2)));
                    assert!(xs.0 >= 0 && xs.1 < routes.width && ys.1 <= routes.height);
                    for &(x, y) in &routes.boxes {
                        let inside = xs.1 > x && xs.0 < x + 100 && ys.1 > y && ys.0 < y + 50;
                        assert!(!inside, "{way:?} crosses the box at {x}, {y}");
                    }
                }
            }
            for (i, (way, edge)) in routes.arrows.iter().zip(&sorted(edges, &layout)).enumerate() {
                let others = routes.arrows.iter().zip(sorted(edges, &layout)).skip(i + 1);
                for (other, _) in others.filter(|(_, other)| other.0 != edge.0) {
                    assert!(!overlap(way, other), "{way:?} lies on {other:?}");
                }
            }
            let heads: Vec<(i32, i32)> =
                routes.arrows.iter().filter_map(|way| way.last().copied()).collect();
            for (i, head) in heads.iter().enumerate() {
                assert!(!heads[..i].contains(head), "two arrows end at {head:?}");
            }
        }
    }
}
