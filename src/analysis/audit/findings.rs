//! What is wrong, ranked by harm, each with what to do about it.

use std::collections::BTreeMap;

use super::counted::Counted;
use super::pinned::pinned;
use super::remedies::Remedies;
use super::report::{Finding, Kind, PrimariesReport, Severity};
use super::{shortfalls, words};
use crate::groups::Preset;
use crate::model::Str;
use crate::placement::{FailureDomains, HOST, LevelDomains, LevelStanding, Topology};
use crate::snapshot::{Domain, Member, NodeSet, View};

/// Primaries pile up on a host that has so many and twice its share.
const PRIMARIES_MIN: usize = 3;

/// Collects findings.
pub(super) struct Findings<'a> {
    remedies: Remedies<'a>,
    view: &'a View<'a>,
    domains: &'a FailureDomains,
    found: Vec<Finding>,
}

/// A domain that takes a quorum, with the voters in it.
struct Deadly<'a> {
    level: &'a LevelDomains,
    domain: Domain,
    name: Str,
    voters: Vec<&'a Member>,
}

impl<'a> Findings<'a> {
    pub(super) fn new(
        presets: &'a [Preset],
        view: &'a View<'a>,
        domains: &'a FailureDomains,
        topology: &Topology,
    ) -> Self {
        let remedies = Remedies::new(presets);
        let mut findings = Self { remedies, view, domains, found: Vec::new() };
        findings.add_cluster(topology);
        findings
    }

    pub(super) fn add(&mut self, finding: Finding) {
        self.found.push(finding);
    }

    /// The worst first; of equal severity by what they are about.
    pub(super) fn ranked(mut self) -> Vec<Finding> {
        self.found.sort_by(|one, other| {
            let key = |finding: &Finding| (finding.severity, finding.kind);
            key(one).cmp(&key(other)).then_with(|| one.group.cmp(&other.group))
        });
        self.found
    }

    pub(super) fn add_all(&mut self, counted: &[Counted<'_>]) {
        for counted in counted {
            self.found.extend(shortfalls::missing(counted));
            self.found.extend(shortfalls::untolerant(counted, &self.remedies));
            // A group without tolerance is lost with every host of its voters, wherever it is.
            if counted.tolerance_full() > 0 {
                self.add_levels(counted);
                self.add_declared(counted);
            }
        }
    }

    pub(super) fn add_primaries(&mut self, primaries: &PrimariesReport) {
        let Some(worst) = primaries.hosts.first() else { return };
        let (most, ideal) = (worst.primaries, primaries.ideal);
        if most < PRIMARIES_MIN || most < 2 * ideal {
            return;
        }
        self.add(Finding {
            text: format!(
                "host {} holds {most} of {} primaries, evenly spread it would be {ideal}: its loss \
                 starts {most} failovers at once",
                worst.node, primaries.total
            ),
            remedy: format!(
                "switch {} of them over to members on other hosts; with schedulerName: quorate new \
                 primaries are placed apart",
                most - ideal
            ),
            domains: vec![worst.node.clone()],
            ..Finding::about_cluster(Severity::Medium, Kind::PrimariesPileUp)
        });
    }

    /// What is said once of the cluster and not of each group.
    fn add_cluster(&mut self, topology: &Topology) {
        for level in &self.domains.levels {
            let word = words::level(&level.key);
            if level.column.len() == 1 {
                let name = level.column.domains().next().map(|domain| level.name(domain));
                let name = name.unwrap_or_default();
                self.found.push(Finding {
                    text: format!(
                        "all nodes with the label {} lie in one {word}, {name}: its loss takes \
                         everything there, and no placement helps",
                        level.key
                    ),
                    remedy: format!("nodes in at least three {word}s"),
                    domains: vec![name],
                    ..Finding::about_cluster(Severity::Info, Kind::OneDomainOnly)
                });
            }
            let all = self.view.nodes().present().len();
            let without = all.saturating_sub(level.column.holders().len());
            if without > 0 {
                self.found.push(unknown_level(format!(
                    "{without} of {all} nodes lack the label {}: their {word} is not known",
                    level.key
                )));
            }
        }
        let known = |key: &Str| self.domains.level(key).is_some();
        let absent = topology.levels.iter().map(|level| &level.key).filter(|key| !known(key));
        let absent = words::names(absent);
        if !absent.is_empty() && !self.view.nodes().present().is_empty() {
            let text = format!("no node has the label {absent}: such losses cannot be told");
            self.found.push(unknown_level(text));
        }
        self.add_all_at_once();
    }

    /// Declared domains on which everything hangs.
    fn add_all_at_once(&mut self) {
        let domains = self.domains.declared.iter().filter(|domain| self.kills_all(&domain.hosts));
        let found = domains.map(|domain| Finding {
            text: format!(
                "every host hangs on {}: its loss takes every quorum, and no placement helps",
                domain.name
            ),
            remedy: format!("a second {}, with requires: any for what hangs on both", domain.name),
            takes_quorum: true,
            domains: vec![domain.name.clone()],
            ..Finding::about_cluster(Severity::Medium, Kind::QuorumInDeclaredDomain)
        });
        let found: Vec<Finding> = found.collect();
        self.found.extend(found);
    }

    fn kills_all(&self, hosts: &NodeSet) -> bool {
        let present = self.view.nodes().present();
        !present.is_empty() && present.is_subset(hosts)
    }

    fn add_declared(&mut self, counted: &Counted<'_>) {
        let declared = counted.standing.lost_by_declared.iter().filter(|name| {
            let domain = self.domains.declared(name);
            domain.is_some_and(|domain| !self.kills_all(&domain.hosts))
        });
        let names: Vec<Str> = declared.cloned().collect();
        // Where voters are missing any loss takes the quorum, and that has been said.
        if names.is_empty() || counted.standing.tolerance < counted.tolerance_full() {
            return;
        }
        self.add(Finding {
            text: format!(
                "the loss of {} takes more than the {} that may be gone ({})",
                words::names(&names),
                words::voters(counted.standing.tolerance),
                words::rule(counted),
            ),
            remedy: self.remedies.spread(counted, HOST, None),
            takes_quorum: true,
            domains: names,
            ..Finding::about(counted, Severity::High, Kind::QuorumInDeclaredDomain)
        });
    }

    /// The levels at which one domain takes the quorum: those where another placement would help
    /// are one finding, those where none would another.
    fn add_levels(&mut self, counted: &Counted<'_>) {
        let voters = counted.voters();
        let tolerance = counted.tolerance_full();
        let levels = &counted.standing.levels;
        let mut mendable = Vec::new();
        // The narrowest level has the most to say.
        for (place, standing) in levels.iter().enumerate().rev() {
            if standing.members_max <= tolerance || !self.has_several(&standing.key) {
                continue;
            }
            let deadly = self.deadly(counted, standing, &voters);
            if standing.quota.feasible {
                mendable.extend(deadly);
            } else {
                let narrower = &levels[place + 1..];
                let holds = narrower.iter().all(|level| level.members_max <= tolerance);
                self.add_infeasible(counted, standing, &deadly, holds && !narrower.is_empty());
            }
        }
        if !mendable.is_empty() {
            self.add_mendable(counted, &mendable, &voters);
        }
    }

    fn has_several(&self, key: &str) -> bool {
        self.domains.level(key).is_some_and(|level| level.column.len() > 1)
    }

    /// The domains of a level that take the quorum even of a group that has all its voters.
    fn deadly<'b>(
        &self,
        counted: &Counted<'_>,
        standing: &LevelStanding,
        voters: &[&'b Member],
    ) -> Vec<Deadly<'b>>
    where
        'a: 'b,
    {
        let Some(level) = self.domains.level(&standing.key) else {
            return Vec::new();
        };
        let mut by_domain: BTreeMap<Domain, Vec<&'b Member>> = BTreeMap::new();
        for voter in voters {
            if let Some(domain) = level.domain(voter.node) {
                by_domain.entry(domain).or_default().push(voter);
            }
        }
        let tolerance = counted.tolerance_full() as usize;
        let deadly = by_domain.into_iter().filter(|(_, voters)| voters.len() > tolerance);
        let deadly = deadly.map(|(domain, voters)| Deadly {
            level,
            domain,
            name: level.name(domain),
            voters,
        });
        deadly.collect()
    }

    fn add_mendable(&mut self, counted: &Counted<'_>, deadly: &[Deadly<'_>], voters: &[&Member]) {
        let [first, others @ ..] = deadly else { return };
        let also: Vec<Str> = others.iter().map(|one| one.shown().into()).collect();
        let also = match also.is_empty() {
            true => String::new(),
            false => format!("; so does that of {}", words::names(&also)),
        };
        let severity = if &*first.level.key == HOST { Severity::Critical } else { Severity::High };
        let moved = first.voters.iter().rev().find(|member| !member.membership.primary.is_one());
        self.add(Finding {
            text: format!(
                "{} holds {} of {} ({}): its loss takes the quorum{also}",
                first.shown(),
                first.voters.len(),
                words::voters(counted.standing.size),
                words::rule(counted),
            ),
            remedy: self.remedies.spread(counted, &first.level.key, moved.copied()),
            takes_quorum: true,
            domains: deadly.iter().map(|one| one.name.clone()).collect(),
            ..Finding::about(counted, severity, Kind::QuorumInDomain)
        });
        let tolerance = counted.tolerance_full() as usize;
        let stuck = deadly.iter().find_map(|one| {
            let pinned = pinned(self.view, counted, one.level, one.domain, voters);
            (pinned.len() > tolerance).then_some((one, pinned))
        });
        if let Some((one, pinned)) = stuck {
            self.add(volumes_pin(counted, one, &pinned));
        }
    }

    fn add_infeasible(
        &mut self,
        counted: &Counted<'_>,
        standing: &LevelStanding,
        deadly: &[Deadly<'_>],
        narrower_hold: bool,
    ) {
        let (size, domains) = (counted.standing.size, standing.domains);
        let shown: Vec<Str> = deadly.iter().map(|one| one.shown().into()).collect();
        let within = if narrower_hold { "; narrower levels hold" } else { "" };
        self.add(Finding {
            text: format!(
                "no placement could fix it: {} on {} ({}); the loss of {} takes the quorum{within}",
                words::voters(size),
                words::levels(&standing.key, domains),
                words::rule(counted),
                words::names(&shown),
            ),
            remedy: self.remedies.feasible(counted, &standing.key, domains),
            takes_quorum: true,
            domains: deadly.iter().map(|one| one.name.clone()).collect(),
            ..Finding::about(counted, Severity::Medium, Kind::Infeasible)
        });
    }
}

impl Deadly<'_> {
    /// `zone zone-a`
    fn shown(&self) -> String {
        format!("{} {}", words::level(&self.level.key), self.name)
    }
}

fn volumes_pin(counted: &Counted<'_>, deadly: &Deadly<'_>, pinned: &[&Member]) -> Finding {
    let pods: Vec<Str> = pinned.iter().map(|member| member.pod.key.name.clone()).collect();
    let last = pods.last().cloned().unwrap_or_default();
    Finding {
        text: format!(
            "the volumes of {} can be reached from {} only, so that no rescheduling takes them \
             apart",
            words::names(&pods),
            deadly.shown(),
        ),
        remedy: format!(
            "one member at a time: delete the claim and the pod of {last} so that it gets a volume \
             elsewhere and copies its data anew; a StorageClass with volumeBindingMode \
             WaitForFirstConsumer lets the scheduler choose"
        ),
        domains: vec![deadly.name.clone()],
        ..Finding::about(counted, Severity::High, Kind::VolumesPin)
    }
}

fn unknown_level(text: String) -> Finding {
    Finding {
        text,
        remedy: "label the nodes, or name other labels in --infrastructure".to_owned(),
        ..Finding::about_cluster(Severity::Info, Kind::UnknownLevel)
    }
}
