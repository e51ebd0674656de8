//! What comes out, as it is printed: `docs/audit.md` has every field.

use std::collections::BTreeMap;

use serde::Serialize;

use super::counted::Counted;
use super::words;
use crate::groups::{Mode, Primary, Rule, Source};
use crate::model::Str;
use crate::placement::risk::Risk;
use crate::placement::{LevelDomains, LevelStanding};
use crate::snapshot::{NodeIndex, SizeSource, View};

/// Names this layout of the report.
pub(super) const SCHEMA: &str = "quorate.dev/audit/v1";

/// Of the pairs of hosts that take a quorum so many are named, the others counted: of five voters
/// there are ten.
const PAIRS_SHOWN_MAX: usize = 10;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub schema: &'static str,
    pub summary: Summary,
    /// The worst first.
    pub findings: Vec<Finding>,
    /// By namespace, cluster and part.
    pub groups: Vec<GroupReport>,
    /// The levels that labels of nodes tell, the widest first.
    pub levels: Vec<ClusterLevel>,
    /// Declared domains, by name.
    pub domains: BTreeMap<Str, DomainReport>,
    /// Pairs of declared domains, by both names with a comma between.
    pub pairs: BTreeMap<String, PairReport>,
    pub pairs_left_out: usize,
    pub risk: Risk,
    pub primaries: PrimariesReport,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub if_lost: Option<IfLost>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Summary {
    pub nodes: usize,
    /// The pods that stand on nodes.
    pub pods: usize,
    pub groups: usize,
    /// The groups of which nobody has said by which rule they count.
    pub guessed: usize,
    /// The groups whose quorum one domain takes, at a level with several domains.
    pub lost_by_one_domain: usize,
    /// How many findings of each severity.
    pub findings: BTreeMap<Severity, usize>,
}

/// How much harm is near, the most first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// There is no quorum, or one host takes it.
    Critical,
    /// A wider domain takes a quorum, and another placement would not let it.
    High,
    /// A quorum is at risk in a way that placement alone cannot mend, or through maintenance.
    Medium,
    Low,
    /// Good to know.
    Info,
}

/// What a finding is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    QuorumInDomain,
    Infeasible,
    QuorumInDeclaredDomain,
    MembersMissing,
    Untolerant,
    BudgetTooLoose,
    BudgetBlocks,
    BudgetsOverlap,
    NoBudget,
    VolumesPin,
    PrimariesPileUp,
    OneDomainOnly,
    UnknownLevel,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub severity: Severity,
    pub kind: Kind,
    /// The group; none where the finding is about the cluster.
    pub group: Option<String>,
    pub text: String,
    pub remedy: String,
    /// Whether one domain takes a quorum.
    pub takes_quorum: bool,
    /// The domains that it speaks of.
    pub domains: Vec<Str>,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupReport {
    pub namespace: Str,
    pub cluster: Str,
    pub part: Str,
    /// How many voters there are to be.
    pub size: u32,
    pub size_source: SizeSource,
    /// How many voters stand on nodes.
    pub placed: u32,
    pub preset: Option<Str>,
    /// The PlacementPolicy or ClusterPlacementPolicy that covers the group.
    pub policy: Option<Str>,
    pub rule: &'static str,
    pub rule_is_guess: bool,
    /// Why this rule.
    pub rule_reason: Str,
    /// How many voters may be gone now.
    pub tolerance: u32,
    pub levels: Vec<LevelReport>,
    pub lost_by_declared: Vec<Str>,
    pub lost_by_pairs: HostPairs,
    pub primary: Option<PrimaryReport>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LevelReport {
    pub key: Str,
    pub mode: Mode,
    /// How many domains the group could use.
    pub domains: u32,
    /// How many voters a domain may have.
    pub allowed: u32,
    /// The most voters in one domain.
    pub max_members: u32,
    /// Whether some placement survives the loss of any one domain.
    pub feasible: bool,
    pub members: Vec<DomainMembers>,
    pub lost_by: Vec<Str>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainMembers {
    pub domain: Str,
    pub members: u32,
}

/// Pairs of hosts of which neither takes the quorum alone.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPairs {
    pub count: usize,
    /// The first of them.
    pub pairs: Vec<[Str; 2]>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrimaryReport {
    pub pod: Str,
    pub node: Str,
    /// Its operator says so; otherwise it is foreseen.
    pub live: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterLevel {
    pub key: Str,
    pub domains: usize,
    /// The nodes that have the label.
    pub nodes: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DomainReport {
    /// How many hosts die with it.
    pub hosts: usize,
    /// How many groups lose their quorum.
    pub groups: usize,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PairReport {
    /// How many hosts die when both are gone, and how many of them would live with either.
    pub hosts: usize,
    pub only_together: usize,
    pub groups: usize,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct PrimariesReport {
    pub total: usize,
    /// The most on one host.
    pub max: usize,
    /// What the most would be if they were spread evenly.
    pub ideal: usize,
    /// The hosts with the most.
    pub hosts: Vec<HostPrimaries>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct HostPrimaries {
    pub node: Str,
    pub primaries: usize,
}

/// What the loss that was asked about does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IfLost {
    pub lost: Vec<String>,
    pub hosts: usize,
    pub groups: Vec<LostGroup>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct LostGroup {
    pub group: String,
    pub placed: u32,
    pub lost: u32,
    pub tolerance: u32,
}

impl Finding {
    /// A finding about one group, without its words.
    pub(super) fn about(counted: &Counted<'_>, severity: Severity, kind: Kind) -> Self {
        Self {
            group: Some(counted.standing.key.to_string()),
            ..Self::about_cluster(severity, kind)
        }
    }

    pub(super) fn about_cluster(severity: Severity, kind: Kind) -> Self {
        Self {
            severity,
            kind,
            group: None,
            text: String::new(),
            remedy: String::new(),
            takes_quorum: false,
            domains: Vec::new(),
        }
    }
}

impl Report {
    /// Whether a finding says that one domain takes a quorum.
    pub fn hangs_on_one_domain(&self) -> bool {
        self.findings.iter().any(|finding| finding.takes_quorum)
    }
}

impl Summary {
    pub(super) fn of(view: &View<'_>, counted: &[Counted<'_>], findings: &[Finding]) -> Self {
        let mut of_severity = BTreeMap::new();
        findings.iter().for_each(|one| *of_severity.entry(one.severity).or_default() += 1);
        let taken: std::collections::BTreeSet<&String> = findings
            .iter()
            .filter(|finding| finding.takes_quorum)
            .filter_map(|finding| finding.group.as_ref())
            .collect();
        Self {
            nodes: view.nodes().present().len(),
            pods: view.snapshot().pods_len(),
            groups: counted.len(),
            guessed: counted.iter().filter(|counted| words::is_guess(counted)).count(),
            lost_by_one_domain: taken.len(),
            findings: of_severity,
        }
    }
}

impl GroupReport {
    pub(super) fn of(view: &View<'_>, counted: &Counted<'_>) -> Self {
        let standing = &counted.standing;
        let key = &standing.key;
        let policy = match &counted.definition.source {
            Source::Policy(name) | Source::ClusterPolicy(name) => Some(name.clone()),
            Source::Preset(_) | Source::StatefulSet => None,
        };
        Self {
            namespace: key.namespace.clone(),
            cluster: key.cluster.clone(),
            part: key.part.clone(),
            size: standing.size,
            size_source: standing.size_source,
            placed: standing.placed,
            preset: (!key.preset.is_empty()).then(|| key.preset.clone()),
            policy,
            rule: rule_name(standing.rule),
            rule_is_guess: words::is_guess(counted),
            rule_reason: counted.definition.why.clone(),
            tolerance: standing.tolerance,
            levels: standing.levels.iter().map(LevelReport::of).collect(),
            lost_by_declared: standing.lost_by_declared.clone(),
            lost_by_pairs: HostPairs::of(view, counted),
            primary: PrimaryReport::of(view, counted),
        }
    }
}

impl LevelReport {
    fn of(level: &LevelStanding) -> Self {
        let members = level.members.iter();
        let members = members
            .map(|(domain, members)| DomainMembers { domain: domain.clone(), members: *members });
        Self {
            key: level.key.clone(),
            mode: level.mode,
            domains: level.domains,
            allowed: level.quota.members_max,
            max_members: level.members_max,
            feasible: level.quota.feasible,
            members: members.collect(),
            lost_by: level.lost_by.clone(),
        }
    }
}

impl HostPairs {
    fn of(view: &View<'_>, counted: &Counted<'_>) -> Self {
        let tolerance = counted.standing.tolerance;
        let mut hosts: Vec<(NodeIndex, u32)> = counted.group.voters_by_host().into_iter().collect();
        hosts.retain(|(_, voters)| *voters <= tolerance);
        // With the most voters first, the first pair that does no harm ends a row.
        hosts.sort_by_key(|(node, voters)| (std::cmp::Reverse(*voters), *node));
        let mut found = Self::default();
        for (place, (one, first)) in hosts.iter().enumerate() {
            let others = hosts[place + 1..].iter();
            let harmful = others.take_while(|(_, second)| first + second > tolerance);
            for (other, _) in harmful {
                found.count += 1;
                if found.pairs.len() < PAIRS_SHOWN_MAX {
                    let mut pair = [one, other].map(|node| view.nodes().name(*node).clone());
                    pair.sort();
                    found.pairs.push(pair);
                }
            }
        }
        found
    }
}

impl PrimaryReport {
    fn of(view: &View<'_>, counted: &Counted<'_>) -> Option<Self> {
        // Of a group of masters each is one.
        let mut primaries = counted.group.primaries();
        let first = primaries.next().filter(|_| counted.standing.rule != Rule::MastersMajority)?;
        Some(Self {
            pod: first.pod.key.name.clone(),
            node: view.nodes().name(first.node).clone(),
            live: first.membership.primary == Primary::Live,
        })
    }
}

impl ClusterLevel {
    pub(super) fn of(level: &LevelDomains) -> Self {
        Self {
            key: level.key.clone(),
            domains: level.column.len(),
            nodes: level.column.holders().len(),
        }
    }
}

/// The rule as files write it.
fn rule_name(rule: Rule) -> &'static str {
    match rule {
        Rule::Majority => "majority",
        Rule::NMinusOne => "nMinusOne",
        Rule::ReplicationFactor { .. } => "replicationFactor",
        Rule::MastersMajority => "mastersMajority",
        Rule::Untolerant => "untolerant",
    }
}
