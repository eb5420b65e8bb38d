//! Occlusion.

use std::ops::Range;

use tch::{TchError, Tensor};

use super::long_work::{LongWork, long_work};
use super::settings::{Settings, shared_setters};
use super::{Attribution, Baseline, Case, Evidence, Meaning, Target};
use crate::error::{Error, Result};
use crate::model::{Front, Reach};
use crate::tensor::IntoResult;

/// Occlusion: how much of the score is lost when a window of the photo is covered. A pixel's value is
/// the mean of `y − y′` over the windows that cover the pixel, with `y` the score of the class before
/// the softmax and `y′` that score with the window covered. Positive: what lies there speaks for the
/// class; negative: against it. This is captum's `Occlusion`, of all channels at once. No gradient is
/// taken.
///
/// Windows are squares of the network's input that start every [`stride`](Occlusion::stride) pixels; the
/// last ones of a row and of a column are cut off at the border. What covers them is the
/// [`baseline`](Occlusion::baseline), 0 of the normalised input unless set, which is the mean colour.
///
/// The network runs once for every window, its first layers only on what the window reaches:
/// [`batch`](Occlusion::batch) of them at once, and no longer
/// than a [`budget`](Occlusion::budget) says, if there is one. Windows are taken from everywhere in turn, so
/// that those that were reached when the time is up lie evenly over the photo; what none of them covers
/// is 0.
///
/// Of an input that is a row of numbers, each is replaced by the baseline's in turn, by itself.
///
/// Zeiler and Fergus 2014, <https://arxiv.org/abs/1311.2901>.
///
/// ```
/// use convlens::prelude::*;
/// let look = zoo::squeezenet1_1()?.look(&Photo::open("assets/photos/cat.png")?)?;
/// let heat = look.explain(&Occlusion::default().class("tabby").window(96).stride(64))?;
/// assert_eq!((heat.height(), heat.width()), (224, 224));
/// Ok::<(), convlens::Error>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Occlusion {
    settings: Settings,
    window: Option<usize>,
    stride: Option<usize>,
    baseline: Baseline,
    work: LongWork,
}

shared_setters!(Occlusion);
long_work!(Occlusion);

impl Occlusion {
    /// The windows' height and width in pixels of the input: 32 unless set, or a quarter of the
    /// photo's shorter side where that is less.
    #[must_use]
    pub fn window(&self, pixels: usize) -> Self {
        Self { window: Some(pixels), ..self.clone() }
    }

    /// How many pixels lie between the starts of two windows: half a window unless set.
    #[must_use]
    pub fn stride(&self, pixels: usize) -> Self {
        Self { stride: Some(pixels), ..self.clone() }
    }

    /// What covers the windows: a value of the normalised input, a colour, or a number a band.
    #[must_use]
    pub fn baseline(&self, baseline: impl Into<Baseline>) -> Self {
        Self { baseline: baseline.into(), ..self.clone() }
    }
}

impl Attribution for Occlusion {
    fn name(&self) -> String {
        let mut name = "Occlusion".to_owned();
        for (what, set) in [("window", self.window), ("stride", self.stride)] {
            if let Some(pixels) = set {
                name += &format!(", {what} {pixels}");
            }
        }
        if self.baseline != Baseline::default() {
            name += &format!(", covered by {}", self.baseline);
        }
        self.settings.named(&name)
    }

    fn target(&self) -> Target {
        self.settings.target.clone()
    }

    fn attribute(&self, case: &Case) -> Result<Evidence> {
        let input = case.input()?;
        if case.model().takes_numbers() {
            return self.numbers(case, &input);
        }
        let &[photos, _, height, width] = input.size().as_slice() else {
            return Err(Error::Shape(format!("expected [N, C, H, W], got {:?}", input.size())));
        };
        let cover = self.baseline.of(case.model())?;
        let (height, width) = (height as usize, width as usize);
        let windows = self.windows(height, width)?;
        let whole = case.scores()?;
        let side = windows.iter().map(|window| window.height.max(window.width)).max().unwrap_or(0);
        let front = case.model().front_for([height as i64, width as i64], side as i64)?;
        let known = front.as_ref().map(|front| case.activation(front.layer())).transpose()?;
        let front = front.as_ref().zip(known.as_ref());
        let mut lost = vec![vec![0f64; height * width]; whole.len()];
        let mut covered = vec![vec![0u32; height * width]; whole.len()];
        let from = front.map_or("input", |(front, _)| front.layer());
        let work = self.work.suiting(case, from)?;
        let stopped =
            work.run("Occlusion", "windows", whole.len(), windows.len(), |i, steps| {
                let chosen = &windows[steps];
                let one = |t: &Tensor| t.f_narrow(0, i as i64, 1).into_result();
                let found = match front {
                    None => {
                        let values = occluded(&one(&input)?, chosen, &cover)?;
                        case.scores_from(i, case.model().input(), &values)?
                    }
                    Some((front, known)) => {
                        let values =
                            occluded_behind(front, &one(known)?, &one(&input)?, chosen, &cover)?;
                        case.scores_with(i, front.layer(), &values)?
                    }
                };
                for (window, score) in chosen.iter().zip(found) {
                    for y in window.rows() {
                        for x in window.columns() {
                            lost[i][y * width + x] += whole[i] - score;
                            covered[i][y * width + x] += 1;
                        }
                    }
                }
                Ok(())
            })?;
        let pairs = lost.iter().flatten().zip(covered.iter().flatten());
        let values: Vec<f32> =
            pairs.map(|(sum, &count)| (sum / f64::from(count.max(1))) as f32).collect();
        let contributions = Tensor::f_from_slice(&values)
            .and_then(|t| t.f_reshape([photos, 1, height as i64, width as i64]))
            .into_result()?;
        let gaps = covered.iter().flatten().any(|&count| count == 0);
        let gaps = if gaps { "; what none of them covers is 0" } else { "" };
        let stopped = stopped.map(|stopped| format!("{stopped}, spread over the photo{gaps}"));
        let remarks = stopped.into_iter().collect();
        Ok(Evidence { remarks, ..self.settings.at_input(case, contributions, Meaning::Signed)? })
    }
}

impl Occlusion {
    /// What is lost when each number of a row is replaced by the baseline's, `[N, F]`.
    fn numbers(&self, case: &Case, input: &Tensor) -> Result<Evidence> {
        if self.window.or(self.stride).is_some() {
            return Err(Error::Argument(
                "windows and strides are of photos; of a row of numbers, each is replaced by itself: leave out \
                 .window(..) and .stride(..)"
                    .into(),
            ));
        }
        let cover = self.baseline.of(case.model())?;
        let whole = case.scores()?;
        let count = cover.size()[1];
        let mut lost = vec![vec![0f32; count as usize]; whole.len()];
        let work = self.work.suiting(case, "input")?;
        let stopped =
            work.run("Occlusion", "numbers", whole.len(), count as usize, |i, steps| {
                let work = || {
                    let rows = input.f_narrow(0, i as i64, 1)?.f_repeat([steps.len() as i64, 1])?;
                    for (row, place) in (0..).zip(steps.clone()) {
                        let number = cover.f_select(1, place as i64)?.f_squeeze_dim(0)?;
                        rows.f_select(0, row)?.f_select(0, place as i64)?.f_copy_(&number)?;
                    }
                    Ok(rows)
                };
                let found = case.scores_from(i, case.model().input(), &work().into_result()?)?;
                for (place, score) in steps.zip(found) {
                    lost[i][place] = (whole[i] - score) as f32;
                }
                Ok(())
            })?;
        let contributions = Tensor::f_from_slice(&lost.concat())
            .and_then(|t| t.f_reshape([-1, count]))
            .into_result()?;
        let stopped = stopped.map(|stopped| format!("{stopped}; the others are 0"));
        let remarks = stopped.into_iter().collect();
        Ok(Evidence { remarks, ..self.settings.at_input(case, contributions, Meaning::Signed)? })
    }
}

/// What is covered at once, within the photo.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Window {
    top: usize,
    left: usize,
    height: usize,
    width: usize,
}

impl Window {
    fn rows(&self) -> Range<usize> {
        self.top..self.top + self.height
    }

    fn columns(&self) -> Range<usize> {
        self.left..self.left + self.width
    }

    /// What of it lies in these rows and columns, counted from their first.
    fn within(&self, rows: &Range<i64>, columns: &Range<i64>) -> Window {
        let shared = |own: Range<usize>, part: &Range<i64>| {
            let (start, end) = (part.start as usize, part.end as usize);
            let (from, to) = (own.start.clamp(start, end), own.end.clamp(start, end));
            (from - start, to - from)
        };
        let (top, height) = shared(self.rows(), rows);
        let (left, width) = shared(self.columns(), columns);
        Window { top, left, height, width }
    }
}

impl Occlusion {
    /// All windows of a photo, in an order in which any number of the first lie evenly over it.
    fn windows(&self, height: usize, width: usize) -> Result<Vec<Window>> {
        let side = self.window.unwrap_or(32.min(height.min(width) / 4).max(1));
        if side == 0 || side > height || side > width {
            return Err(Error::Argument(format!(
                "a window of {side} × {side} pixels does not fit: the network sees the photo at \
                 {height} × {width} (height × width); choose from 1 to {}",
                height.min(width)
            )));
        }
        let stride = self.stride.unwrap_or(side.div_ceil(2));
        // Where the window is the whole photo, there is but one place for it.
        if stride == 0 || (stride > side && side < height.max(width)) {
            return Err(Error::Argument(format!(
                "a stride of {stride} pixels {}; choose from 1 to the window's {side}",
                if stride == 0 { "goes nowhere" } else { "leaves gaps between the windows" }
            )));
        }
        let starts = |size: usize| (size - side).div_ceil(stride) + 1;
        let mut windows = Vec::with_capacity(starts(height) * starts(width));
        for row in 0..starts(height) {
            for column in 0..starts(width) {
                let (top, left) = (row * stride, column * stride);
                let window = Window {
                    top,
                    left,
                    height: side.min(height - top),
                    width: side.min(width - left),
                };
                windows.push((scattered(row, column), window));
            }
        }
        windows.sort_by_key(|(turn, _)| *turn);
        Ok(windows.into_iter().map(|(_, window)| window).collect())
    }
}

/// When it is a place's turn, so that places are taken from everywhere: the order of Bayer's matrix,
/// as in ordered dithering, for a square of any size.
fn scattered(row: usize, column: usize) -> u64 {
    let (row, column) = (row as u64, column as u64);
    (0..32).fold(0, |turn, bit| {
        let (down, across) = (row >> bit & 1, (row ^ column) >> bit & 1);
        turn << 2 | across << 1 | down
    })
}

/// What a layer answers to an input, `[1, C, h, w]`, with each window covered, `[M, C, h, w]`: only what
/// the window reaches is computed.
fn occluded_behind(
    front: &Front,
    known: &Tensor,
    input: &Tensor,
    windows: &[Window],
    cover: &Tensor,
) -> Result<Tensor> {
    let reaches: Vec<[Reach; 2]> = windows
        .iter()
        .map(|window| {
            let [rows, columns] =
                [window.rows(), window.columns()].map(|r| r.start as i64..r.end as i64);
            [front.reach(0, rows), front.reach(1, columns)]
        })
        .collect();
    let cut = |t: &Tensor, rows: &Range<i64>, columns: &Range<i64>| -> Result<Tensor, TchError> {
        t.f_narrow(2, rows.start, rows.end - rows.start)?.f_narrow(
            3,
            columns.start,
            columns.end - columns.start,
        )
    };
    let parts = windows.iter().zip(&reaches).map(|(window, [rows, columns])| {
        let part = cut(input, &rows.part, &columns.part).into_result()?;
        occluded(&part, &[window.within(&rows.part, &columns.part)], cover)
    });
    let parts = parts.collect::<Result<Vec<_>>>()?;
    let changed = front.run(&Tensor::f_cat(&parts, 0).into_result()?)?;
    let work = || -> Result<Tensor, TchError> {
        let count = windows.len() as i64;
        let values =
            known.f_permute([0, 2, 3, 1])?.f_repeat([count, 1, 1, 1])?.f_permute([0, 3, 1, 2])?;
        for (i, [rows, columns]) in reaches.iter().enumerate() {
            let one = |t: &Tensor| t.f_narrow(0, i as i64, 1);
            let of =
                |reach: &Reach| reach.first..reach.first + reach.changed.end - reach.changed.start;
            cut(&one(&values)?, &rows.changed, &columns.changed)?.f_copy_(&cut(
                &one(&changed)?,
                &of(rows),
                &of(columns),
            )?)?;
        }
        Ok(values)
    };
    work().into_result()
}

/// Copies of an input, each with one window covered, `[1, C, H, W] -> [M, C, H, W]`.
fn occluded(input: &Tensor, windows: &[Window], cover: &Tensor) -> Result<Tensor> {
    let work = || {
        let cover = cover.f_permute([0, 2, 3, 1])?.f_squeeze_dim(0)?; // [1, 1, C]
        let copies = input.f_permute([0, 2, 3, 1])?.f_repeat([windows.len() as i64, 1, 1, 1])?;
        for (i, window) in windows.iter().enumerate() {
            copies
                .f_select(0, i as i64)?
                .f_narrow(0, window.top as i64, window.height as i64)?
                .f_narrow(1, window.left as i64, window.width as i64)?
                .f_copy_(&cover)?;
        }
        copies.f_permute([0, 3, 1, 2])
    };
    work().into_result()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(occlusion: &Occlusion, height: usize, width: usize) -> Vec<Window> {
        let mut windows = occlusion.windows(height, width).expect("windows");
        windows.sort_by_key(|w| (w.top, w.left));
        windows
    }

    #[test]
    fn windows_start_every_stride_and_end_at_the_border() {
        let windows = places(&Occlusion::default().window(4).stride(3), 8, 5);
        let corners: Vec<_> = windows.iter().map(|w| (w.top, w.left, w.height, w.width)).collect();
        assert_eq!(
            corners,
            [(0, 0, 4, 4), (0, 3, 4, 2), (3, 0, 4, 4), (3, 3, 4, 2), (6, 0, 2, 4), (6, 3, 2, 2)]
        );
    }

    #[test]
    fn a_photo_of_224_pixels_has_169_windows_unless_set() {
        let windows = places(&Occlusion::default(), 224, 224);
        assert_eq!(windows.len(), 13 * 13);
        assert_eq!(windows[1], Window { top: 0, left: 16, height: 32, width: 32 });
        // A small one has smaller windows, not fewer.
        assert_eq!(places(&Occlusion::default(), 28, 28)[0].height, 7);
        assert_eq!(places(&Occlusion::default(), 1, 1).len(), 1);
    }

    #[test]
    fn a_window_is_cut_to_the_part_that_is_computed() {
        let window = Window { top: 3, left: 8, height: 4, width: 4 };
        let within = window.within(&(4..20), &(0..10));
        assert_eq!(within, Window { top: 0, left: 8, height: 3, width: 2 });
        assert_eq!(window.within(&(8..20), &(0..20)).height, 0);
    }

    #[test]
    fn the_first_windows_lie_evenly() {
        let windows = Occlusion::default().windows(224, 224).expect("windows");
        // Every fourth of the 13 in a row, then every second.
        for (count, step) in [(4 * 4, 4 * 16), (7 * 7, 2 * 16), (13 * 13, 16)] {
            let first = &windows[..count];
            assert!(first.iter().all(|w| w.top % step == 0 && w.left % step == 0), "{count}");
        }
    }
}
