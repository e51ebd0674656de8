//! Which single failure takes which quorum, and what is to be done about it.

mod budgets;
mod counted;
mod findings;
mod losses;
mod pinned;
mod primaries;
mod remedies;
mod report;
mod shortfalls;
#[cfg(test)]
mod tests;
mod words;

pub use losses::{Loss, LossError};
pub use report::{
    ClusterLevel, DomainReport, Finding, GroupReport, IfLost, LevelReport, LostGroup, PairReport,
    PrimariesReport, Report, Severity, Summary,
};

use self::counted::{Counted, Voters};
use self::findings::Findings;
use crate::api::PodDisruptionBudget;
use crate::groups::Preset;
use crate::placement::risk::Risk;
use crate::placement::{FailureDomains, Topology};
use crate::snapshot::{NodeIndex, View};

/// What is asked, and of what.
#[derive(Clone, Copy, Debug)]
pub struct Question<'a> {
    pub view: &'a View<'a>,
    pub topology: &'a Topology,
    /// Where remedies find the fields of operators.
    pub presets: &'a [Preset],
    pub budgets: &'a [PodDisruptionBudget],
    /// What is supposed to be lost.
    pub lost: &'a [Loss],
    /// Where the chance of sampled figures comes from.
    pub seed: u64,
}

/// Looks at all groups of a view.
pub fn audit(question: &Question<'_>) -> Result<Report, LossError> {
    let view = question.view;
    let domains = FailureDomains::of(view, question.topology);
    let counted = Counted::all(view, &domains);
    let voters = Voters::of(&counted);
    let if_lost = losses::if_lost(question, &domains, &counted, &voters)?;
    let (declared, pairs, pairs_left_out) = losses::declared(question, &domains, &voters);
    let primaries = primaries::count(view, &counted);
    let mut findings = Findings::new(question.presets, view, &domains, question.topology);
    findings.add_all(&counted);
    findings.add_primaries(&primaries);
    budgets::add_findings(question.budgets, &counted, &mut findings);
    let findings = findings.ranked();
    let hosts: Vec<NodeIndex> = view.nodes().present().to_vec();
    Ok(Report {
        schema: report::SCHEMA,
        summary: Summary::of(view, &counted, &findings),
        findings,
        groups: counted.iter().map(|counted| GroupReport::of(view, counted)).collect(),
        levels: domains.levels.iter().map(ClusterLevel::of).collect(),
        domains: declared,
        pairs,
        pairs_left_out,
        risk: Risk::of(&counted::hosts_of(&counted), &hosts, question.seed),
        primaries,
        if_lost,
    })
}
