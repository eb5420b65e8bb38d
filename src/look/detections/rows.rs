//! Boxes in the rows of an output, as YOLO puts them out.

use tch::Tensor;

use super::suppress::Corners;
use crate::error::{Error, Result};
use crate::tensor::{IntoResult, to_floats};

/// How an output `[attributes, rows]` or `[rows, attributes]` is to be read: a row's middle, width and height, perhaps how
/// sure it is of any object, and a score a class.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Layout {
    attributes_first: bool,
    objectness: bool,
    classes: usize,
    rows: usize,
}

/// One row: where, and each class's score.
pub(super) struct Row {
    pub(super) corners: Corners,
    pub(super) scores: Vec<f64>,
}

impl Layout {
    /// That of an output of this shape, `[1, a, b]`, of so many classes and with or without objectness where that was
    /// said. Else attributes are fewer than rows, and there is objectness where attributes come last.
    pub(super) fn of(
        shape: &[i64],
        classes: Option<usize>,
        objectness: Option<bool>,
    ) -> Option<Layout> {
        let &[1, a, b] = shape else { return None };
        let (a, b) = (usize::try_from(a).ok()?, usize::try_from(b).ok()?);
        let layouts = [(true, false), (false, true), (true, true), (false, false)];
        layouts.into_iter().find_map(|(attributes_first, has)| {
            let (attributes, rows) = if attributes_first { (a, b) } else { (b, a) };
            let found = attributes.checked_sub(4 + usize::from(has)).filter(|found| *found > 0)?;
            let usual = match classes {
                Some(classes) => classes == found,
                None => attributes_first == (a <= b),
            };
            let meant = objectness.unwrap_or(!attributes_first) == has;
            let layout = Layout { attributes_first, objectness: has, classes: found, rows };
            (usual && meant && rows > 0).then_some(layout)
        })
    }

    fn size(self) -> [i64; 2] {
        let attributes = self.first_class() + self.classes;
        let [a, b] =
            if self.attributes_first { [attributes, self.rows] } else { [self.rows, attributes] };
        [a as i64, b as i64]
    }

    fn first_class(self) -> usize {
        4 + usize::from(self.objectness)
    }

    /// All rows of one photo's output.
    pub(super) fn read(self, output: &Tensor) -> Result<Vec<Row>> {
        let values = to_floats(output)?;
        let attributes = self.first_class() + self.classes;
        let value = |row: usize, attribute: usize| {
            let place = match self.attributes_first {
                true => attribute * self.rows + row,
                false => row * attributes + attribute,
            };
            f64::from(values[place])
        };
        if values.len() != attributes * self.rows {
            return Err(self.other_shape(&output.size()));
        }
        let row = |row: usize| {
            let [x, y, width, height] = [0, 1, 2, 3].map(|attribute| value(row, attribute));
            let sure = if self.objectness { value(row, 4) } else { 1.0 };
            let score = |class: usize| sure * value(row, self.first_class() + class);
            Row {
                corners: [x - width / 2.0, y - height / 2.0, x + width / 2.0, y + height / 2.0],
                scores: (0..self.classes).map(score).collect(),
            }
        };
        Ok((0..self.rows).map(row).collect())
    }

    /// The score of a row's class in one photo's output, `[a, b] -> []`.
    pub(super) fn score(self, output: &Tensor, row: usize, class: usize) -> Result<Tensor> {
        if output.size() != self.size() {
            return Err(self.other_shape(&output.size()));
        }
        let (attributes, rows) = if self.attributes_first { (0, 0) } else { (1, 0) };
        let at = |attribute: usize| {
            output.f_select(attributes, attribute as i64).and_then(|t| t.f_select(rows, row as i64))
        };
        let score = at(self.first_class() + class);
        match self.objectness {
            true => score.and_then(|score| score.f_mul(&at(4)?)).into_result(),
            false => score.into_result(),
        }
    }

    fn other_shape(self, size: &[i64]) -> Error {
        Error::Shape(format!(
            "the box was read from an output of {:?} for one photo, and this one has {size:?}: read the boxes \
             anew at this size",
            self.size()
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_are_told_by_their_shapes() {
        let of = |a, b, classes, objectness| {
            let layout = Layout::of(&[1, a, b], classes, objectness)?;
            Some((layout.attributes_first, layout.objectness, layout.classes, layout.rows))
        };
        assert_eq!(of(84, 8400, None, None), Some((true, false, 80, 8400)));
        assert_eq!(of(25200, 85, None, None), Some((false, true, 80, 25200)));
        // Fewer rows than attributes, as their number of classes says.
        assert_eq!(of(84, 21, Some(80), None), Some((true, false, 80, 21)));
        assert_eq!(of(21, 85, Some(80), None), Some((false, true, 80, 21)));
        assert_eq!(of(8400, 84, Some(80), None), None);
        assert_eq!(of(8400, 84, Some(80), Some(false)), Some((false, false, 80, 8400)));
        assert_eq!(of(8400, 84, None, Some(false)), Some((false, false, 80, 8400)));
        assert_eq!(of(85, 8400, None, Some(true)), Some((true, true, 80, 8400)));
        assert_eq!(of(84, 8400, Some(7), None), None);
        assert_eq!(of(4, 8400, None, None), None);
        assert_eq!(of(84, 0, None, None), None);
        assert_eq!(Layout::of(&[2, 84, 8400], None, None), None);
        assert_eq!(Layout::of(&[1, 84], None, None), None);
    }
}
