//! Scoring: the columns of all score plugins, normalized, weighted and added up.

use super::framework::{CycleError, Framework, contained};
use super::plugin::{Prepared, SCORE_MAX, Score};
use crate::metrics;
use crate::model::Str;
use crate::snapshot::{NodeIndex, PodInfo, View};

/// One score plugin's column, over the feasible nodes.
#[derive(Clone, Debug)]
pub struct ScoreColumn {
    pub plugin: Str,
    pub raw: Vec<i64>,
    /// From 0 to 100, before the weight.
    pub normalized: Vec<i64>,
}

impl Framework {
    /// The weighted sums of all scores, in the order of `nodes`. The columns of which they are made
    /// go to `columns` where somebody wants to see them.
    pub fn score(
        &self,
        pod: &PodInfo,
        view: &View<'_>,
        nodes: &[NodeIndex],
        mut columns: Option<&mut Vec<ScoreColumn>>,
    ) -> Result<Vec<i64>, CycleError> {
        let mut totals = vec![0_i64; nodes.len()];
        let mut scores = vec![0_i64; nodes.len()];
        for (name, plugin, weight) in &self.scores {
            let stage = match contained(name, || plugin.prepare_score(pod, view, nodes))? {
                Prepared::Skip => continue,
                Prepared::Reject(status) => return Err(CycleError::of_status(name, &status)),
                Prepared::Ready(stage) => stage,
            };
            let same = contained(name, || stage.same_for_all())?;
            if let Some(score @ 0..=SCORE_MAX) = same.filter(|_| columns.is_none()) {
                totals.iter_mut().for_each(|total| *total += weight * score);
                continue;
            }
            scores.fill(0);
            let raw = run_score(name, &*stage, &mut scores, columns.is_some())?;
            for (total, score) in totals.iter_mut().zip(&scores) {
                *total += weight * score;
            }
            if let Some(columns) = columns.as_deref_mut() {
                let normalized = scores.clone();
                columns.push(ScoreColumn { plugin: name.clone(), raw, normalized });
            }
        }
        Ok(totals)
    }
}

/// Fills and normalizes one column; returns the raw scores if they are wanted.
fn run_score(
    name: &Str,
    stage: &dyn Score,
    scores: &mut [i64],
    keep_raw: bool,
) -> Result<Vec<i64>, CycleError> {
    let raw = contained(name, || {
        stage.score(scores);
        let raw = if keep_raw { scores.to_vec() } else { Vec::new() };
        stage.normalize(scores);
        raw
    })?;
    if are_in_range(scores) {
        return Ok(raw);
    }
    metrics::plugin_misbehaved(name, "score_out_of_range");
    let wrong = scores.iter().find(|score| !(0..=SCORE_MAX).contains(*score));
    let reason = format!("score {} is not between 0 and {SCORE_MAX}", wrong.unwrap_or(&0));
    Err(CycleError::new(name, reason))
}

/// Whether all scores are from 0 to [`SCORE_MAX`]: below, the sign of the score is set, and above,
/// that of its distance to the greatest.
fn are_in_range(scores: &[i64]) -> bool {
    let signs = |score: &i64| score | SCORE_MAX.wrapping_sub(*score);
    scores.iter().fold(0, |all, score| all | signs(score)) >= 0
}
