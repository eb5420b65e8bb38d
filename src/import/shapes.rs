//! Sizes that the file has for the batch of its example, for batches of any size.

use super::draft::Side;
use crate::error::{Error, Result};

/// A size as the file has it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Given {
    /// A number, which may stand for photos.
    Number(i64),
    /// What the file computes of the number of photos.
    Computed(Side),
}

impl Given {
    /// A number, whatever the number of photos.
    pub(super) fn side(self) -> Side {
        match self {
            Given::Number(number) => Side::fixed(number),
            Given::Computed(side) => side,
        }
    }
}

fn product(sides: &[Side]) -> Side {
    sides.iter().fold(Side::fixed(1), |product, side| Side {
        one: product.one.saturating_mul(side.one),
        two: product.two.saturating_mul(side.two),
    })
}

/// How `Reshape` goes on for any number of photos.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reshaped {
    /// Its sides; the one that grows with the photos is -1.
    pub(super) sides: Vec<i64>,
    /// How many values of the growing side belong to one photo and the next photo's follow behind them.
    pub(super) within: i64,
    /// Whether another side could grow as well, for all that the file says.
    pub(super) guessed: bool,
}

/// What makes of `input` what the file's `target` makes of it, for any number of photos. Of the side of
/// `input` that grows, `within` values lie one behind the other for each photo.
pub(super) fn reshape(
    input: &[Side],
    within: i64,
    target: &[Given],
    photos: i64,
) -> Result<Reshaped> {
    let all = product(input);
    let unfit = || {
        Error::Shape(format!(
            "{:?} cannot become {target:?}",
            input.iter().map(|side| side.at(photos)).collect::<Vec<_>>()
        ))
    };
    // What the file computes, it says itself.
    let mut sides: Vec<Side> = target.iter().map(|given| given.side()).collect();
    if let Some(open) = sides.iter().position(|side| side.one == -1) {
        let others: Vec<Side> =
            sides.iter().enumerate().filter(|(i, _)| *i != open).map(|(_, side)| *side).collect();
        let others = product(&others);
        let said = target.iter().any(|given| !given.side().is_fixed());
        sides[open] = match said || all.is_fixed() {
            true => all.with(others, |all, others| all.checked_div(others)).ok_or_else(unfit)?,
            // All numbers are the example's.
            false => Side::fixed(all.at(photos).checked_div(others.one).ok_or_else(unfit)?),
        };
    }
    let mut made: Vec<i64> = sides.iter().map(|side| side.one).collect();
    let Some(growing) = input.iter().position(|side| !side.is_fixed()) else {
        return Ok(Reshaped { sides: made, within: 1, guessed: false });
    };
    // The values in memory: so many in front for each photo, and so many behind.
    let outside = input[growing].one.checked_div(within).ok_or_else(unfit)?;
    let before = product(&input[..growing]).one.saturating_mul(outside);
    let behind = product(&input[growing + 1..]).one.saturating_mul(within);
    // Where a side can grow, how many of its values belong to a photo in a row.
    let fits = |i: usize| {
        let (front, back) = (product(&sides[..i]).one, product(&sides[i + 1..]).one);
        let whole = |a: i64, b: i64| (b > 0 && a % b == 0).then(|| a / b);
        let (outside, within) = (whole(before, front)?, whole(behind, back)?);
        let times = if sides[i].is_fixed() { photos } else { 1 };
        let size = outside.checked_mul(within)?.checked_mul(times)?;
        (size == sides[i].one).then_some(within)
    };
    let (grows, guessed) = match sides.iter().position(|side| !side.is_fixed()) {
        Some(said) => (said, false),
        None => {
            let candidates: Vec<usize> = (0..sides.len()).filter(|&i| fits(i).is_some()).collect();
            // A side of photos alone; or one that holds something else as well, seldom the last one, which is
            // that of the features.
            let alone = candidates.iter().find(|&&i| sides[i].one == photos);
            let inner = candidates.iter().rev().find(|&&i| i + 1 < sides.len());
            let found = alone.or(inner).or(candidates.last()).copied().ok_or_else(unfit)?;
            (found, alone.is_none() && candidates.len() > 1)
        }
    };
    let within = fits(grows).ok_or_else(unfit)?;
    made[grows] = -1;
    Ok(Reshaped { sides: made, within, guessed })
}

/// The sides of `Expand` for what the file's `target` makes of `input`: a side that follows the number of
/// photos stays, or stays 1 and goes with each photo.
pub(super) fn expand(input: &[Side], target: &[Given], photos: i64) -> Vec<i64> {
    let new = target.len().saturating_sub(input.len());
    let sides = target.iter().enumerate().map(|(i, given)| {
        let side = given.side();
        let own = i.checked_sub(new).and_then(|i| input.get(i)).copied();
        match own {
            _ if !side.is_fixed() => {
                if own.is_some() {
                    -1
                } else {
                    1
                }
            }
            Some(own) if own.at(photos) == side.one || side.one == -1 => -1,
            // A token for each photo of the example.
            Some(own) if i == 0 && own == Side::fixed(1) && photos > 1 && side.one == photos => -1,
            _ => side.one,
        }
    });
    sides.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sides(sizes: &[i64], grows: usize) -> Vec<Side> {
        let side = |(i, &size): (usize, &i64)| match i == grows {
            true => Side { one: size, two: 2 * size },
            false => Side::fixed(size),
        };
        sizes.iter().enumerate().map(side).collect()
    }

    #[test]
    fn the_side_that_grows_with_the_photos_is_left_open() {
        let numbers = |target: &[i64]| target.iter().map(|&n| Given::Number(n)).collect::<Vec<_>>();
        let made = |input: &[Side], within, target: &[i64]| {
            reshape(input, within, &numbers(target), 1).map(|made| (made.sides, made.within))
        };
        let maps = sides(&[1, 768, 7, 7], 0);
        assert_eq!(made(&maps, 1, &[1, 768, 49]).expect("fits"), (vec![-1, 768, 49], 1));
        assert_eq!(made(&maps, 1, &[1, 768, -1]).expect("fits"), (vec![-1, 768, 49], 1));
        // Windows of a photo, one behind the other.
        let windows = sides(&[1, 8, 8, 7, 7, 96], 0);
        assert_eq!(made(&windows, 1, &[64, 49, 96]).expect("fits"), (vec![-1, 49, 96], 64));
        let windows = sides(&[64, 49, 96], 0);
        assert_eq!(
            made(&windows, 64, &[1, 8, 8, 7, 7, 96]).expect("fits"),
            (vec![-1, 8, 8, 7, 7, 96], 1)
        );
        // Tokens first, as PyTorch's attention has them: heads are taken apart, and put together again.
        let tokens = sides(&[50, 1, 768], 1);
        assert_eq!(made(&tokens, 1, &[50, 12, 64]).expect("fits"), (vec![50, -1, 64], 12));
        let heads = sides(&[12, 50, 64], 0);
        assert_eq!(made(&heads, 12, &[1, 12, 50, 64]).expect("fits"), (vec![-1, 12, 50, 64], 1));
        let heads = sides(&[50, 1, 12, 64], 1);
        assert_eq!(made(&heads, 1, &[50, 768]).expect("fits"), (vec![-1, 768], 1));
        let tokens = sides(&[50, 768], 0);
        assert_eq!(made(&tokens, 1, &[50, 1, 768]).expect("fits"), (vec![50, -1, 768], 1));
        let computed = [Given::Computed(Side::PHOTOS), Given::Number(-1)];
        assert_eq!(reshape(&maps, 1, &computed, 2).expect("fits").sides, [-1, 37632]);
        let constant = sides(&[49, 49], 9);
        assert_eq!(made(&constant, 1, &[-1]).expect("fits"), (vec![2401], 1));
        assert!(made(&maps, 1, &[0, -1]).is_err());
        assert!(made(&maps, 1, &[5, 5]).is_err());
    }

    #[test]
    fn a_token_goes_with_each_photo() {
        let token = sides(&[1, 1, 768], 9);
        let batch = Given::Computed(Side::PHOTOS);
        let stay = [batch, Given::Number(-1), Given::Number(-1)];
        assert_eq!(expand(&token, &stay, 2), [-1, -1, -1]);
        assert_eq!(
            expand(&token, &[Given::Number(1), Given::Number(7), Given::Number(-1)], 1),
            [-1, 7, -1]
        );
    }
}
