//! Why a pod is placed where it is, or nowhere, and the smallest changes that would unblock it.

mod changes;
#[cfg(test)]
mod tests;
mod verdicts;

use std::collections::BTreeMap;

use serde::Serialize;

use self::verdicts::{Verdict, sole, verdicts};
use crate::api;
use crate::config::EffectiveProfile;
use crate::framework::{CycleError, Framework};
use crate::model::Str;
use crate::snapshot::{NodeIndex, PodInfo, View};

/// Names this layout of the report.
const SCHEMA: &str = "quorate.dev/explain/v1";

/// So many of the best nodes are shown.
const BEST_SHOWN_MAX: usize = 5;

/// What is asked.
#[derive(Clone, Copy)]
pub struct Question<'a> {
    pub framework: &'a Framework,
    pub profile: &'a EffectiveProfile,
    /// The cluster without the pod itself.
    pub view: &'a View<'a>,
    /// The pod as if it had no node.
    pub pod: &'a api::Pod,
    /// The node that it stands on.
    pub node: Option<&'a Str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub schema: &'static str,
    pub namespace: Str,
    pub pod: Str,
    /// The node that it stands on; it is asked where it would go now.
    pub node: Option<Str>,
    /// The name of the profile that answers.
    pub profile: Str,
    /// The replica groups that the pod belongs to.
    pub groups: Vec<String>,
    pub nodes: usize,
    /// How many nodes it fits on.
    pub feasible: usize,
    /// What refuses nodes, in the order in which it is asked.
    pub stages: Vec<Stage>,
    /// The nodes with the best scores, the best first.
    pub best: Vec<Best>,
    /// The smallest changes with which it would fit somewhere; none where it fits.
    pub unblock: Vec<Change>,
}

/// One plugin's verdict, asked of every node by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Stage {
    pub plugin: Str,
    /// How many nodes it refuses.
    pub refused: usize,
    /// How many nodes nothing else refuses.
    pub fit_without: usize,
    pub reasons: Vec<Reason>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reason {
    pub reason: Str,
    pub nodes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Best {
    pub node: Str,
    pub total: i64,
    /// What each plugin adds to the total, its weight included.
    pub scores: BTreeMap<Str, i64>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Change {
    /// Whose refusals it ends.
    pub plugin: Str,
    pub change: String,
    /// How many nodes the pod would fit on.
    pub nodes: usize,
}

/// Asks every stage about every node.
pub fn explain(question: &Question<'_>) -> Result<Report, CycleError> {
    let (framework, view) = (question.framework, question.view);
    let info = PodInfo::of_object(question.pod);
    let feasible = framework.filter(&info, view)?.feasible;
    let verdicts = verdicts(framework, &info, view, &feasible)?;
    let blocked = feasible.is_empty() || verdicts.iter().any(|verdict| verdict.is_gate);
    Ok(Report {
        schema: SCHEMA,
        namespace: info.key.namespace.clone(),
        pod: info.key.name.clone(),
        node: question.node.cloned(),
        profile: framework.scheduler_name.clone(),
        groups: view.memberships(&info).iter().map(|one| one.key.to_string()).collect(),
        nodes: view.nodes().present().len(),
        feasible: feasible.len(),
        stages: (0..verdicts.len()).map(|place| stage(&verdicts, place, view)).collect(),
        best: best(question, &info, &feasible)?,
        unblock: match blocked {
            true => changes::unblock(question, &verdicts, &feasible)?,
            false => Vec::new(),
        },
    })
}

fn stage(verdicts: &[Verdict], place: usize, view: &View<'_>) -> Stage {
    let verdict = &verdicts[place];
    let reasons = verdict.reasons.iter();
    Stage {
        plugin: verdict.plugin.clone(),
        refused: verdict.nodes.len(),
        fit_without: sole(verdicts, place, view).len(),
        reasons: reasons
            .map(|(reason, nodes)| Reason { reason: reason.clone(), nodes: *nodes })
            .collect(),
    }
}

fn best(
    question: &Question<'_>,
    pod: &PodInfo,
    feasible: &[NodeIndex],
) -> Result<Vec<Best>, CycleError> {
    let mut columns = Vec::new();
    let totals = question.framework.score(pod, question.view, feasible, Some(&mut columns))?;
    let name = |place: usize| question.view.nodes().name(feasible[place]);
    let mut order: Vec<usize> = (0..feasible.len()).collect();
    order.sort_by(|one, other| {
        totals[*other].cmp(&totals[*one]).then_with(|| name(*one).cmp(name(*other)))
    });
    let weights: BTreeMap<&Str, i64> =
        question.profile.score.iter().map(|(plugin, weight)| (plugin, *weight)).collect();
    let shown = order.into_iter().take(BEST_SHOWN_MAX).map(|place| Best {
        node: name(place).clone(),
        total: totals[place],
        scores: columns
            .iter()
            .map(|column| {
                let weight = weights.get(&column.plugin).copied().unwrap_or(1);
                (column.plugin.clone(), weight * column.normalized[place])
            })
            .collect(),
    });
    Ok(shown.collect())
}
