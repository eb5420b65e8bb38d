//! How the rows or columns of one activation depend on those of another.

/// How the rows or columns of an output depend on those of an input.
pub(crate) enum Step {
    /// Each on the one in its place.
    Same,
    /// Windows of `taps` places `dilation` apart, each `stride` further on, the first from
    /// `-padding`.
    Windows { taps: i64, dilation: i64, stride: i64, padding: i64 },
    /// A transposed convolution.
    Spread { kernel: i64, stride: i64, padding: i64 },
    /// Averages from `from` places to `to`.
    Adaptive { from: i64, to: i64 },
    /// Bilinear, from `from` places to `to`.
    Resized { from: i64, to: i64 },
    /// Found by trying: first and last place for each output place.
    Tried(Vec<(i64, i64)>),
}

impl Step {
    /// The places of an input of `count` that the places `first..=last` of the output read; `None` when
    /// they read nothing.
    pub(crate) fn back_within(&self, (first, last): (i64, i64), count: i64) -> Option<(i64, i64)> {
        let end = count - 1;
        let of = |i: i64| {
            let (mut low, mut high) = match self {
                Step::Tried(windows) => *windows.get(usize::try_from(i).ok()?)?,
                _ => self.back((i, i)),
            };
            match *self {
                // The first and the last tap that are not in the padding.
                Step::Windows { dilation, .. } => {
                    let over =
                        |beyond: i64| (beyond + dilation - 1).div_euclid(dilation) * dilation;
                    low += over((-low).max(0));
                    high -= over((high - end).max(0));
                }
                // Beyond its ends, an activation goes on as it ends.
                Step::Resized { .. } => (low, high) = (low.clamp(0, end), high.clamp(0, end)),
                _ => (low, high) = (low.max(0), high.min(end)),
            }
            (low <= high).then_some((low, high))
        };
        let all = || first..=last;
        if let Step::Tried(_) = self {
            return all().filter_map(of).reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        }
        // Windows move on evenly. So the first place that reads anything begins first, but for the
        // taps of a dilated kernel that lie in the padding; and so from behind.
        let gap = match *self {
            Step::Windows { dilation, .. } => dilation,
            _ => 1,
        };
        let low = {
            let mut best: Option<i64> = None;
            for i in all() {
                let Some((low, _)) = of(i) else { continue };
                best = Some(best.map_or(low, |best| best.min(low)));
                if self.back((i, i)).0 >= gap || low == 0 {
                    break;
                }
            }
            best?
        };
        let high = {
            let mut best: Option<i64> = None;
            for i in all().rev() {
                let Some((_, high)) = of(i) else { continue };
                best = Some(best.map_or(high, |best| best.max(high)));
                if self.back((i, i)).1 <= end - gap || high == end {
                    break;
                }
            }
            best?
        };
        Some((low, high))
    }

    /// The same of an input without ends.
    pub(crate) fn back(&self, (first, last): (i64, i64)) -> (i64, i64) {
        let (first, last) = (i128::from(first), i128::from(last));
        let wide = i128::from;
        let (from, to) = match *self {
            Step::Same => (first, last),
            Step::Windows { taps, dilation, stride, padding } => {
                let span = wide(dilation) * wide(taps - 1);
                let start = |i: i128| i * wide(stride) - wide(padding);
                (start(first), start(last) + span)
            }
            Step::Spread { kernel, stride, padding } => {
                let ceil = |a: i128| -(-a).div_euclid(wide(stride));
                let start = first + wide(padding) - wide(kernel) + 1;
                (ceil(start), (last + wide(padding)).div_euclid(wide(stride)))
            }
            Step::Adaptive { from, to } => {
                let (from, to) = (wide(from), wide(to));
                ((first * from).div_euclid(to), -(-(last + 1) * from).div_euclid(to) - 1)
            }
            Step::Resized { from, to } if from == to => (first, last),
            Step::Resized { from, to } => {
                let (from, to) = (wide(from), wide(to));
                // At (i + ½) · from / to − ½, between the pixel there and the next one.
                let below = |i: i128| ((2 * i + 1) * from - to).div_euclid(2 * to);
                let exact = |i: i128| ((2 * i + 1) * from - to).rem_euclid(2 * to) == 0;
                (below(first), below(last) + i128::from(!exact(last)))
            }
            Step::Tried(ref windows) => {
                // Where it is far from both ends, it shows how it would go on.
                let middle = windows.len() / 2;
                let at = |i: usize| windows.get(i).copied().filter(|(low, high)| low <= high);
                let (low, high) = at(middle).unwrap_or((0, 0));
                let step = at(middle + 1).or(at(middle)).map_or(0, |(next, _)| next - low);
                let shift = |i: i128| (i - middle as i128) * wide(step);
                let (a, b) = (shift(first), shift(last));
                (wide(low) + a.min(b), wide(high) + a.max(b))
            }
        };
        let cut = |place: i128| place.clamp(-wide(BEYOND), wide(BEYOND)) as i64;
        (cut(from), cut(to))
    }
}

/// Windows that reach farther are cut off there: beyond any picture.
const BEYOND: i64 = 1 << 48;
