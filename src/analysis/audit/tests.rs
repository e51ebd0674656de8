//! Tests of the audit: small clusters, and what is said of them.

use super::*;
use crate::api::{self, Objects};
use crate::groups::Catalogue;
use crate::placement::{Declaration, RACK, ZONE};
use crate::snapshot::Snapshot;
use crate::testing::storage::{claim, volume};
use crate::testing::{node, pod};

const PRESET: &str = "
name: ledger-operator
title: Ledger
parts:
- name: servers
  match: {matchLabels: {app: ledger}}
  cluster: ledger/cluster
  initialPrimary: ordinal0
  rule: majority
  why: the servers elect by majority
  remedy: {topologySpread: spec.spread, replicas: spec.members}
scheduler: {field: spec.schedulerName}
defaultPlacement: none
customResource: {group: ledger.example, kind: Ledger}
verified: {by: none}
";

fn preset() -> Preset {
    Preset::parse("ledger-operator", PRESET).unwrap()
}

/// Nodes by name, zone and rack.
fn nodes(places: &[(&str, &str, &str)]) -> Vec<api::Node> {
    let built = places
        .iter()
        .map(|(name, zone, rack)| node(name).labels(&[(ZONE, zone), (RACK, rack)]).build());
    built.collect()
}

/// A StatefulSet's pods on these nodes.
fn ledger(hosts: &[&str]) -> Vec<api::Pod> {
    let pods = hosts.iter().enumerate().map(|(ordinal, host)| {
        let labels = [("app", "ledger"), ("ledger/cluster", "books")];
        let pod = pod(&format!("books-{ordinal}")).labels(&labels);
        pod.owner("StatefulSet", "books").claim(&format!("data-{ordinal}")).on(host).build()
    });
    pods.collect()
}

fn six_nodes() -> Vec<api::Node> {
    nodes(&[
        ("a1", "a", "r1"),
        ("a2", "a", "r2"),
        ("b1", "b", "r1"),
        ("b2", "b", "r2"),
        ("c1", "c", "r1"),
        ("c2", "c", "r2"),
    ])
}

fn cluster(nodes: Vec<api::Node>, pods: Vec<api::Pod>) -> Objects {
    let mut objects = Objects::default();
    (objects.nodes, objects.pods) = (nodes, pods);
    objects
}

fn report_with(objects: &Objects, declaration: &str, lost: &[Loss]) -> Result<Report, LossError> {
    let presets = [preset()];
    let mut snapshot = Snapshot::from_objects(objects);
    snapshot.set_catalogue(Some(Catalogue::new(&presets).unwrap()));
    let declaration: Declaration = serde_saphyr::from_str(declaration).unwrap();
    let topology = Topology::new(&declaration).unwrap();
    let view = snapshot.view();
    let budgets = &objects.pod_disruption_budgets;
    audit(&Question { view: &view, topology: &topology, presets: &presets, budgets, lost, seed: 1 })
}

fn report(objects: &Objects) -> Report {
    report_with(objects, "{}", &[]).unwrap()
}

/// Severity, text and remedy of all findings of one kind.
fn told(report: &Report, kind: report::Kind) -> Vec<(Severity, &str, &str)> {
    let found = report.findings.iter().filter(|finding| finding.kind == kind);
    found.map(|finding| (finding.severity, &*finding.text, &*finding.remedy)).collect()
}

fn level<'a>(report: &'a Report, key: &str) -> &'a LevelReport {
    report.groups[0].levels.iter().find(|level| &*level.key == key).unwrap()
}

#[test]
fn a_group_that_is_spread_over_three_zones_hangs_on_no_domain() {
    let report = report(&cluster(six_nodes(), ledger(&["a1", "b1", "c1"])));
    assert!(!report.hangs_on_one_domain(), "{:#?}", report.findings);
    let group = &report.groups[0];
    assert_eq!((group.size, group.placed, group.tolerance, group.rule), (3, 3, 1, "majority"));
    assert_eq!(group.preset.as_deref(), Some("ledger-operator"));
    assert_eq!(group.lost_by_pairs.count, 3);
    assert_eq!(group.primary.as_ref().map(|primary| &*primary.pod), Some("books-0"));
    assert_eq!((report.primaries.total, report.primaries.max), (1, 1));
}

#[test]
fn two_voters_on_one_host_are_critical_and_the_remedy_speaks_of_the_custom_resource() {
    let report = report(&cluster(six_nodes(), ledger(&["a1", "b1", "b1"])));
    let found = told(&report, report::Kind::QuorumInDomain);
    let (severity, text, remedy) = found[0];
    assert_eq!(severity, Severity::Critical);
    assert_eq!(
        text,
        "host b1 holds 2 of 3 voters (majority: 1 of 3 may be gone): its loss takes the quorum; \
         so does that of rack b/r1 and zone b"
    );
    assert_eq!(
        remedy,
        "set spec.schedulerName: quorate in the Ledger books, or spec.spread with topologyKey \
         kubernetes.io/hostname, maxSkew 1, whenUnsatisfiable: DoNotSchedule; then delete pod \
         books-2 so that it is placed anew"
    );
    assert!(report.hangs_on_one_domain());
    assert_eq!(level(&report, ZONE).lost_by, ["b".into()]);
}

#[test]
fn a_zone_that_takes_the_quorum_is_high_and_two_racks_of_one_name_stay_apart() {
    let report = report(&cluster(six_nodes(), ledger(&["a1", "b1", "b2"])));
    let found = told(&report, report::Kind::QuorumInDomain);
    assert_eq!(found[0].0, Severity::High);
    assert!(found[0].1.starts_with("zone b holds 2 of 3 voters"), "{found:?}");
    let rack = level(&report, RACK);
    assert_eq!((rack.max_members, rack.domains, rack.lost_by.len()), (1, 6, 0));
}

#[test]
fn what_no_placement_could_fix_is_medium_and_says_which_sizes_would_do() {
    let two_zones = nodes(&[("a1", "a", "r1"), ("b1", "b", "r1"), ("b2", "b", "r2")]);
    let report = report(&cluster(two_zones, ledger(&["a1", "b1", "b2"])));
    let found = told(&report, report::Kind::Infeasible);
    let expected = (
        Severity::Medium,
        "no placement could fix it: 3 voters on 2 zones (majority: 1 of 3 may be gone); the loss \
         of zone b takes the quorum; narrower levels hold",
        "add nodes in 1 more zone (3 members need 3)",
    );
    assert_eq!(found, [expected]);
    assert!(report.hangs_on_one_domain());
    // Four members on three zones: three or five would do.
    let report = self::report(&cluster(six_nodes(), ledger(&["a1", "b1", "c1", "c2"])));
    let found = told(&report, report::Kind::Infeasible);
    let remedy = "add nodes in 1 more zone (4 members need 4), or run 3 or 5 members \
        (spec.members in the Ledger books)";
    assert_eq!(found[0].2, remedy);
}

#[test]
fn a_level_with_one_domain_is_told_once_and_does_not_count() {
    let one_zone = nodes(&[("a1", "a", "r1"), ("a2", "a", "r2"), ("a3", "a", "r3")]);
    let report = report(&cluster(one_zone, ledger(&["a1", "a2", "a3"])));
    assert_eq!(told(&report, report::Kind::OneDomainOnly).len(), 1);
    assert_eq!(told(&report, report::Kind::OneDomainOnly)[0].0, Severity::Info);
    assert_eq!(level(&report, ZONE).lost_by, ["a".into()]);
    assert!(!report.hangs_on_one_domain(), "{:#?}", report.findings);
}

#[test]
fn voters_that_are_missing_are_told_by_how_much_is_left() {
    let set = |replicas| {
        let text = format!(
            "{{\"metadata\": {{\"name\": \"books\", \"namespace\": \"default\"}}, \"spec\": \
             {{\"replicas\": {replicas}, \"template\": {{\"metadata\": {{\"labels\": \
             {{\"app\": \"ledger\", \"ledger/cluster\": \"books\"}}}}}}}}}}"
        );
        serde_json::from_str::<api::StatefulSet>(&text).unwrap()
    };
    let check = |hosts: &[&str], severity, text: &str, takes_quorum| {
        let mut objects = cluster(six_nodes(), ledger(hosts));
        objects.stateful_sets.push(set(3));
        let report = report(&objects);
        let found = told(&report, report::Kind::MembersMissing);
        assert_eq!((found[0].0, found[0].1), (severity, text));
        assert_eq!(report.hangs_on_one_domain(), takes_quorum);
        assert_eq!(report.groups[0].size_source, crate::snapshot::SizeSource::StatefulSet);
    };
    check(
        &["a1", "b1"],
        Severity::High,
        "2 of 3 voters stand on nodes; the loss of 1 more takes the quorum (majority: 1 of 3 may \
         be gone)",
        true,
    );
    let none = "1 of 3 voters stands on a node; 2 are needed, so that there is no quorum";
    check(&["a1"], Severity::Critical, none, false);
    let none = "none of its 3 voters stands on a node; 2 are needed, so that there is no quorum";
    check(&[], Severity::Critical, none, false);
}

#[test]
fn a_group_that_tolerates_nothing_is_low_and_does_not_count() {
    let report = report(&cluster(six_nodes(), ledger(&["a1", "b1"])));
    let found = told(&report, report::Kind::Untolerant);
    assert_eq!(found[0].0, Severity::Low);
    assert_eq!(found[0].2, "run 3 members (spec.members in the Ledger books)");
    assert!(!report.hangs_on_one_domain());
}

#[test]
fn a_budget_is_judged_by_what_it_lets_go() {
    let check = |spec: &str, kind, expected: &str| {
        let mut objects = cluster(six_nodes(), ledger(&["a1", "b1", "c1"]));
        for (index, spec) in spec.split(';').enumerate() {
            let selector = "\"selector\": {\"matchLabels\": {\"app\": \"ledger\"}}";
            let text = format!(
                "{{\"metadata\": {{\"name\": \"p{index}\", \"namespace\": \"default\"}}, \
                 \"spec\": {{{spec}, {selector}}}}}"
            );
            objects.pod_disruption_budgets.push(serde_json::from_str(&text).unwrap());
        }
        let report = report(&objects);
        let found = told(&report, kind);
        assert_eq!(found.first().map_or("", |(_, text, _)| text), expected);
    };
    let loose = report::Kind::BudgetTooLoose;
    let text = "the PodDisruptionBudget p0 lets 2 voters go at once; the quorum bears 1 (majority: \
        1 of 3 may be gone)";
    check("\"maxUnavailable\": 2", loose, text);
    check("\"maxUnavailable\": 1", loose, "");
    let text = "the PodDisruptionBudget p0 lets no voter go: it blocks every drain, though the \
        quorum bears the loss of 1";
    check("\"minAvailable\": \"100%\"", report::Kind::BudgetBlocks, text);
    let text = "its voters are covered by several PodDisruptionBudgets (p0 and p1); the API server \
        evicts no pod that has two, so that every drain is blocked";
    check("\"maxUnavailable\": 1;\"maxUnavailable\": 1", report::Kind::BudgetsOverlap, text);
}

#[test]
fn volumes_that_pin_voters_into_a_deadly_domain_are_told() {
    let check = |zone_of_2: &str, pins: bool| {
        let mut objects = cluster(six_nodes(), ledger(&["a1", "b1", "b2"]));
        for (ordinal, zone) in [(0, "a"), (1, "b"), (2, zone_of_2)] {
            let (name, of) = (format!("pv-{ordinal}"), format!("data-{ordinal}"));
            objects.persistent_volume_claims.push(claim(&of).bound_to(&name).build());
            let zones: Vec<&str> = zone.split(',').collect();
            objects.persistent_volumes.push(volume(&name).reached_from(ZONE, &zones).build());
        }
        let report = report(&objects);
        let found = told(&report, report::Kind::VolumesPin);
        let text = "the volumes of books-1 and books-2 can be reached from zone b only, so that no \
            rescheduling takes them apart";
        let expected: &[&str] = if pins { &[text] } else { &[] };
        assert_eq!(found.iter().map(|one| one.1).collect::<Vec<_>>(), expected);
    };
    check("b", true);
    check("b,c", false);
}

const FEEDS: &str = "
domains: [{name: feed-a}, {name: feed-b}, {name: switch}]
hosts:
- {nodes: [a1, b1, c1], requires: any, on: [feed-a, feed-b]}
- {nodes: [a1, b1], on: [switch]}
";

#[test]
fn redundant_feeds_kill_together_only_and_a_switch_kills_alone() {
    let objects = cluster(six_nodes(), ledger(&["a1", "b1", "c1"]));
    let report = report_with(&objects, FEEDS, &[]).unwrap();
    assert_eq!(report.domains["feed-a"], DomainReport { hosts: 0, groups: 0 });
    assert_eq!(report.domains["switch"], DomainReport { hosts: 2, groups: 1 });
    let pair = PairReport { hosts: 3, only_together: 3, groups: 1 };
    assert_eq!(report.pairs["feed-a,feed-b"], pair);
    assert_eq!((report.pairs.len(), report.pairs_left_out), (3, 0));
    assert_eq!(report.groups[0].lost_by_declared, ["switch".into()]);
    let found = told(&report, report::Kind::QuorumInDeclaredDomain);
    let text = "the loss of switch takes more than the 1 voter that may be gone (majority: 1 of 3 \
        may be gone)";
    assert_eq!((found[0].0, found[0].1), (Severity::High, text));
    assert!(report.hangs_on_one_domain());
}

#[test]
fn what_somebody_supposes_lost_is_lost_all_at_once() {
    let objects = cluster(six_nodes(), ledger(&["a1", "b1", "c1"]));
    let ask = |text: &str| {
        let lost: Vec<Loss> = text.split(',').map(|one| one.parse().unwrap()).collect();
        report_with(&objects, FEEDS, &lost).map(|report| report.if_lost.unwrap())
    };
    let check = |text: &str, hosts, groups| {
        let found = ask(text).unwrap();
        assert_eq!((found.hosts, found.groups.len()), (hosts, groups), "{text}");
    };
    check("node=a1", 1, 0);
    check("node=a1,zone=b", 3, 1);
    check("rack=a/r1", 1, 0);
    check("feed-a", 0, 0);
    check("feed-a,feed-b", 3, 1);
    check("domain=switch", 2, 1);
    check("topology.kubernetes.io/zone=c", 2, 0);
    let lost = &ask("switch").unwrap().groups[0];
    assert_eq!((&*lost.group, lost.placed, lost.lost), ("default/books/servers", 3, 2));
    let refused = |text: &str, expected: &str| {
        assert_eq!(ask(text).unwrap_err().to_string(), expected);
    };
    refused("zone=x", "zone=x: expected a zone of this cluster, such as a, b, c");
    refused("rack=r1", "rack=r1: there are several: a/r1, b/r1, c/r1");
    refused("fede", "fede: expected the name of a declared domain, such as feed-a, feed-b, switch");
    assert!("zone=".parse::<Loss>().is_err());
}

#[test]
fn primaries_that_pile_up_on_one_host_are_told() {
    let mut pods = Vec::new();
    for cluster in ["p", "q", "r", "s"] {
        for (ordinal, host) in ["a1", "b1", "c1"].iter().enumerate() {
            let labels = [("app", "ledger"), ("ledger/cluster", cluster)];
            let pod = pod(&format!("{cluster}-{ordinal}")).labels(&labels);
            pods.push(pod.owner("StatefulSet", cluster).on(host).build());
        }
    }
    let report = report(&cluster(six_nodes(), pods));
    assert_eq!((report.primaries.total, report.primaries.ideal), (4, 1));
    let found = told(&report, report::Kind::PrimariesPileUp);
    let text = "host a1 holds 4 of 4 primaries, evenly spread it would be 1: its loss starts 4 \
        failovers at once";
    assert_eq!(found[0].1, text);
}

#[test]
fn a_stateful_set_that_no_preset_knows_is_a_guess_and_says_so() {
    let pods = ["a1", "a1", "b1"].iter().enumerate().map(|(ordinal, host)| {
        pod(&format!("x-{ordinal}")).owner("StatefulSet", "x").on(host).build()
    });
    let report = report(&cluster(six_nodes(), pods.collect()));
    let group = &report.groups[0];
    assert!(group.rule_is_guess && group.preset.is_none());
    let (_, text, remedy) = told(&report, report::Kind::QuorumInDomain)[0];
    assert!(text.contains("majority, a guess"), "{text}");
    assert!(remedy.starts_with("set schedulerName: quorate in the pod template of x"), "{remedy}");
}
