//! A function from utilization to a score, as the arguments of plugins draw it.

use serde::Deserialize;

use crate::framework::ArgsError;

/// One point of the function from utilization in per cent to a score from 0 to 10.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ShapePoint {
    pub utilization: i32,
    pub score: i32,
}

/// Scores from 0 to 100 for a utilization from 0 to 100 per cent.
#[derive(Clone, Debug)]
pub struct Shape {
    scores: Vec<f64>,
}

/// The best score that a point of the shape can give.
const SHAPE_SCORE_MAX: i32 = 10;

impl Shape {
    /// Straight lines between the points, and level before the first and after the last.
    pub fn new(points: &[ShapePoint]) -> Self {
        // The scores of a shape go to 10, those of a plugin to 100.
        let points: Vec<(i32, i32)> = points
            .iter()
            .map(|point| (point.utilization, point.score.saturating_mul(10)))
            .collect();
        let at = |utilization: i32| {
            let right = points.iter().position(|(end, _)| utilization <= *end);
            match right {
                None => points.last().map_or(0, |(_, score)| *score),
                Some(0) => points[0].1,
                Some(right) => {
                    let ((start, low), (end, high)) = (points[right - 1], points[right]);
                    low + (high - low) * (utilization - start) / (end - start)
                }
            }
        };
        let scores = (0..=100).map(|utilization| f64::from(at(utilization)));
        Self { scores: scores.collect() }
    }

    pub fn at(&self, utilization: f64) -> f64 {
        // Anything below 0 becomes 0, where the shape is level.
        let place = utilization as usize;
        let last = self.scores.last();
        self.scores.get(place).or(last).copied().unwrap_or(0.0)
    }
}

/// At least one point, from left to right, within the ranges. `field` is the list's own name.
pub fn validate_shape(points: &[ShapePoint], field: &str) -> Result<(), ArgsError> {
    if points.is_empty() {
        return Err(invalid(field.to_owned(), "[]", "one point or more"));
    }
    let mut last = None;
    for (index, ShapePoint { utilization, score }) in points.iter().enumerate() {
        let check = |name: &str, value: &i32, valid: bool, expected: &str| {
            let field = format!("{field}[{index}].{name}");
            valid.then_some(()).ok_or_else(|| invalid(field, &value.to_string(), expected))
        };
        let in_range = (0..=100).contains(utilization);
        check("utilization", utilization, in_range, "a number from 0 to 100")?;
        let in_range = (0..=SHAPE_SCORE_MAX).contains(score);
        check("score", score, in_range, "a number from 0 to 10")?;
        let ascends = last.is_none_or(|last| last < *utilization);
        check("utilization", utilization, ascends, "more than the point before")?;
        last = Some(*utilization);
    }
    Ok(())
}

fn invalid(field: String, value: &str, expected: &str) -> ArgsError {
    ArgsError::Invalid { field, value: value.to_owned(), expected: expected.to_owned() }
}
