//! PodDisruptionBudgets: how many members maintenance may take at once.

use std::collections::{BTreeMap, BTreeSet};

use rustc_hash::FxHashMap;

use super::counted::Counted;
use super::findings::Findings;
use super::report::{Finding, Kind, Severity};
use super::words;
use crate::api::PodDisruptionBudget;
use crate::model::{Labels, Selector, Str};

/// All budgets, found by a label that their pods must have.
struct Budgets<'a> {
    all: Vec<(&'a PodDisruptionBudget, Selector)>,
    by_label: FxHashMap<(Str, Str, Str), Vec<usize>>,
    /// Those that demand no label, by namespace.
    general: FxHashMap<Str, Vec<usize>>,
    /// How many voters each covers.
    covered: Vec<u32>,
}

pub(super) fn add_findings(
    budgets: &[PodDisruptionBudget],
    counted: &[Counted<'_>],
    findings: &mut Findings<'_>,
) {
    // Without any budget nobody can say whether there are none or whether they were left out.
    if budgets.is_empty() {
        return;
    }
    let mut budgets = Budgets::new(budgets);
    let covering: Vec<BTreeMap<usize, u32>> =
        counted.iter().map(|counted| budgets.cover(counted)).collect();
    let mut bare = Vec::new();
    for (counted, covering) in counted.iter().zip(&covering) {
        // A group without tolerance has no budget that is right.
        if counted.tolerance_full() == 0 || counted.standing.placed == 0 {
            continue;
        }
        if covering.is_empty() {
            bare.push(Str::from(counted.standing.key.to_string()));
        }
        budgets.judge(counted, covering, findings);
    }
    if !bare.is_empty() {
        findings.add(without_budget(&bare));
    }
}

impl<'a> Budgets<'a> {
    fn new(budgets: &'a [PodDisruptionBudget]) -> Self {
        let mut found = Self {
            all: Vec::new(),
            by_label: FxHashMap::default(),
            general: FxHashMap::default(),
            covered: Vec::new(),
        };
        for budget in budgets {
            // One without a selector covers nothing, and one that cannot be read is refused by
            // the API server.
            let Some(Ok(selector)) = budget.spec.selector.as_ref().map(|s| s.compile()) else {
                continue;
            };
            let (place, namespace) = (found.all.len(), budget.metadata.namespace.clone());
            let demanded = selector.equalities().next().map(|(k, v)| (k.clone(), v.clone()));
            match demanded {
                Some((key, value)) => {
                    found.by_label.entry((namespace, key, value)).or_default().push(place);
                }
                None => found.general.entry(namespace).or_default().push(place),
            }
            found.all.push((budget, selector));
        }
        found.covered = vec![0; found.all.len()];
        found
    }

    /// The budgets that cover voters of a group, and how many.
    fn cover(&mut self, counted: &Counted<'_>) -> BTreeMap<usize, u32> {
        let namespace = &counted.standing.key.namespace;
        let mut covering = BTreeMap::new();
        for member in counted.group.voters() {
            for place in self.of_pod(namespace, &member.pod.labels) {
                *covering.entry(place).or_default() += 1;
                self.covered[place] += 1;
            }
        }
        covering
    }

    fn of_pod(&self, namespace: &Str, labels: &Labels) -> Vec<usize> {
        let by_label = labels.iter().filter_map(|(key, value)| {
            self.by_label.get(&(namespace.clone(), key.clone(), value.clone()))
        });
        let general = self.general.get(namespace).into_iter();
        let places = by_label.chain(general).flatten().copied();
        places.filter(|place| self.all[*place].1.matches(labels)).collect()
    }

    fn judge(
        &self,
        counted: &Counted<'_>,
        covering: &BTreeMap<usize, u32>,
        findings: &mut Findings<'_>,
    ) {
        let tolerance = counted.tolerance_full();
        for (place, voters) in covering {
            let (budget, _) = &self.all[*place];
            let pods = budget.status.expected_pods.filter(|pods| *pods > 0);
            let pods = pods.unwrap_or(self.covered[*place]);
            let Some(allowed) = budget.spec.allowed(pods) else {
                continue;
            };
            let name = &budget.metadata.name;
            if allowed.min(*voters) > tolerance {
                findings.add(too_loose(counted, name, allowed.min(*voters)));
            }
            if allowed == 0 {
                findings.add(blocks(counted, name));
            }
        }
        let names: BTreeSet<&Str> =
            covering.keys().map(|place| &self.all[*place].0.metadata.name).collect();
        if names.len() > 1 {
            findings.add(overlap(counted, &names));
        }
    }
}

fn too_loose(counted: &Counted<'_>, budget: &Str, allowed: u32) -> Finding {
    let tolerance = counted.tolerance_full();
    Finding {
        text: format!(
            "the PodDisruptionBudget {budget} lets {} go at once; the quorum bears {tolerance} \
             ({})",
            words::voters(allowed),
            words::rule(counted),
        ),
        remedy: format!("set maxUnavailable: {tolerance} in it, or 1"),
        ..Finding::about(counted, Severity::Medium, Kind::BudgetTooLoose)
    }
}

fn blocks(counted: &Counted<'_>, budget: &Str) -> Finding {
    let tolerance = counted.tolerance_full();
    Finding {
        text: format!(
            "the PodDisruptionBudget {budget} lets no voter go: it blocks every drain, though the \
             quorum bears the loss of {tolerance}"
        ),
        remedy: "set maxUnavailable: 1 in it".to_owned(),
        ..Finding::about(counted, Severity::Medium, Kind::BudgetBlocks)
    }
}

fn overlap(counted: &Counted<'_>, budgets: &BTreeSet<&Str>) -> Finding {
    let names = words::names(budgets.iter().copied());
    Finding {
        text: format!(
            "its voters are covered by several PodDisruptionBudgets ({names}); the API server \
             evicts no pod that has two, so that every drain is blocked"
        ),
        remedy: "keep one of them, with maxUnavailable: 1".to_owned(),
        ..Finding::about(counted, Severity::Medium, Kind::BudgetsOverlap)
    }
}

fn without_budget(groups: &[Str]) -> Finding {
    Finding {
        text: format!(
            "{} group(s) have no PodDisruptionBudget, so that drains of several nodes at once may \
             take their quorum: {}",
            groups.len(),
            words::names(groups),
        ),
        remedy: "a PodDisruptionBudget with maxUnavailable: 1 for each".to_owned(),
        ..Finding::about_cluster(Severity::Info, Kind::NoBudget)
    }
}
