//! Which boxes are the same thing found twice.

/// Left, top, right and bottom.
pub(crate) type Corners = [f64; 4];

/// Intersection over union of two boxes, 0 to 1; of boxes without area, 0.
pub(super) fn overlap(a: Corners, b: Corners) -> f64 {
    let area =
        |[left, top, right, bottom]: Corners| (right - left).max(0.0) * (bottom - top).max(0.0);
    let common = area([a[0].max(b[0]), a[1].max(b[1]), a[2].min(b[2]), a[3].min(b[3])]);
    let either = area(a) + area(b) - common;
    if either > 0.0 { common / either } else { 0.0 }
}

/// Of boxes, best first, with their classes: the places of those that are kept, at most so many. A box goes if a better
/// one of its class overlaps it by more than `most_overlap`.
pub(super) fn suppressed(boxes: &[(Corners, usize)], most_overlap: f64, most: usize) -> Vec<usize> {
    let mut kept: Vec<usize> = Vec::new();
    for (place, (corners, class)) in boxes.iter().enumerate() {
        if kept.len() == most {
            break;
        }
        let better = kept.iter().map(|&place| &boxes[place]);
        let found_before = better.filter(|(_, other)| other == class);
        if found_before.into_iter().all(|(other, _)| overlap(*other, *corners) <= most_overlap) {
            kept.push(place);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn boxes_overlap_by_their_common_share() {
        let one = [0.0, 0.0, 2.0, 2.0];
        assert_eq!(overlap(one, one), 1.0);
        assert_eq!(overlap(one, [1.0, 0.0, 3.0, 2.0]), 1.0 / 3.0);
        assert_eq!(overlap(one, [2.0, 0.0, 3.0, 2.0]), 0.0);
        // Nothing, and turned inside out.
        assert_eq!(overlap([1.0; 4], [1.0; 4]), 0.0);
        assert_eq!(overlap(one, [2.0, 2.0, 0.0, 0.0]), 0.0);
    }

    #[test]
    fn a_box_goes_for_a_better_one_of_its_class_alone() {
        let one = [0.0, 0.0, 2.0, 2.0];
        let near = [0.0, 0.0, 2.0, 1.8];
        let boxes = [(one, 0), (near, 0), (near, 1), (one, 1), ([5.0, 5.0, 6.0, 6.0], 0)];
        assert_eq!(suppressed(&boxes, 0.5, 10), [0, 2, 4]);
        assert_eq!(suppressed(&boxes, 1.0, 10), [0, 1, 2, 3, 4]);
        assert_eq!(suppressed(&boxes, 0.5, 2), [0, 2]);
    }
}
