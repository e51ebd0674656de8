//! The usual ways to turn raw scores into scores from 0 to 100.

use super::plugin::SCORE_MAX;

/// How raw scores become scores from 0 to 100.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Normalize {
    /// They are already.
    None,
    /// The greatest becomes 100, 0 stays 0.
    Max,
    /// The greatest becomes 0, 0 becomes 100.
    Reverse,
    /// The smallest becomes 0, the greatest 100.
    MinMax,
}

impl Normalize {
    pub fn apply(self, scores: &mut [i64]) {
        match self {
            Self::None => {}
            Self::Max => by_max(scores, false),
            Self::Reverse => by_max(scores, true),
            Self::MinMax => by_range(scores),
        }
    }
}

/// Upstream's DefaultNormalizeScore: with no raw score above 0 nothing is divided, and in reverse
/// all get 100.
fn by_max(scores: &mut [i64], reverse: bool) {
    let max = scores.iter().copied().max().unwrap_or(0);
    if max <= 0 {
        if reverse {
            scores.fill(SCORE_MAX);
        }
        return;
    }
    for score in scores {
        let share = SCORE_MAX.saturating_mul(*score) / max;
        *score = if reverse { SCORE_MAX - share } else { share };
    }
}

fn by_range(scores: &mut [i64]) {
    let (Some(min), Some(max)) = (scores.iter().copied().min(), scores.iter().copied().max())
    else {
        return;
    };
    let range = i128::from(max) - i128::from(min);
    for score in scores {
        let above = i128::from(*score) - i128::from(min);
        let share = if range > 0 { i128::from(SCORE_MAX) * above / range } else { 0 };
        *score = i64::try_from(share).unwrap_or(0);
    }
}
