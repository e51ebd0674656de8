//! Tests of quotas, kill sets and risk figures.

use std::collections::BTreeMap;

use super::infrastructure::{Declaration, Infrastructure, InfrastructureError};
use super::risk::{GroupHosts, Risk, lost_with};
use super::{FailureDomains, Quota, Topology};
use crate::snapshot::{NodeIndex, NodeInfo, Snapshot};
use crate::testing::node;

fn cluster(nodes: &[(&str, &[(&str, &str)])]) -> Snapshot {
    let mut snapshot = Snapshot::default();
    for (name, labels) in nodes {
        snapshot.set_node(NodeInfo::new(&node(name).labels(labels).build()));
    }
    snapshot
}

fn infrastructure(text: &str) -> Result<Infrastructure, InfrastructureError> {
    let declaration: Declaration = serde_saphyr::from_str(text).unwrap();
    Infrastructure::new(&declaration)
}

#[test]
fn a_domain_may_have_as_many_members_as_may_be_gone() {
    let check = |size, tolerance, domains, members_max, feasible| {
        let quota = Quota::new(size, tolerance, domains);
        assert_eq!((quota.members_max, quota.feasible), (members_max, feasible));
    };
    check(3, 1, 3, 1, true);
    check(5, 2, 3, 2, true);
    check(4, 1, 4, 1, true);
    // Of four members over three racks two have to share one.
    check(4, 1, 3, 2, false);
    // A majority gains nothing from two zones.
    check(3, 1, 2, 2, false);
    check(5, 2, 2, 3, false);
    check(5, 4, 2, 4, true);
    // What tolerates nothing stays apart where it can.
    check(2, 0, 5, 1, false);
    check(3, 1, 0, 3, false);
}

#[test]
fn a_rack_is_named_with_its_zone_and_two_zones_may_have_one_of_the_same_name() {
    let zone = "topology.kubernetes.io/zone";
    let rack = "topology.kubernetes.io/rack";
    let snapshot = cluster(&[
        ("a", &[(zone, "zone-a"), (rack, "rack-1")]),
        ("b", &[(zone, "zone-b"), (rack, "rack-1")]),
        ("c", &[(rack, "rack-1")]),
        ("d", &[(zone, "zone-b")]),
    ]);
    let view = snapshot.view();
    let domains = FailureDomains::of(&view, &Topology::default());
    let names = |key: &str| {
        let level = domains.level(key).unwrap();
        level.column.domains().map(|domain| level.name(domain).to_string()).collect::<Vec<_>>()
    };
    assert_eq!(names(rack), ["zone-a/rack-1", "zone-b/rack-1", "rack-1"]);
    assert_eq!(names(zone), ["zone-a", "zone-b"]);
    // No node has a region.
    assert!(domains.level("topology.kubernetes.io/region").is_none());
}

const FEEDS: &str = "
domains:
- {name: feed-a}
- {name: feed-b}
- {name: pdu, requires: any, on: [feed-a, feed-b]}
- {name: cooling}
hosts:
- {nodes: [a, b], on: [pdu]}
- {nodes: [b], on: [cooling]}
- {nodes: [c], requires: any, on: [feed-a, cooling]}
";

#[test]
fn hosts_with_two_feeds_die_when_both_are_gone() {
    let snapshot = cluster(&[("a", &[]), ("b", &[]), ("c", &[])]);
    let view = snapshot.view();
    let declared = infrastructure(FEEDS).unwrap();
    declared.check_against(&view).unwrap();
    let check = |gone: &[&str], hosts: &[&str]| {
        let gone: Vec<crate::model::Str> = gone.iter().map(|name| (*name).into()).collect();
        let killed = declared.killed_by(&view, &gone.iter().collect::<Vec<_>>());
        let names: Vec<&str> = killed.iter().map(|node| &**view.nodes().name(node)).collect();
        assert_eq!(names, hosts, "{gone:?}");
    };
    check(&["feed-a"], &[]);
    check(&["feed-b"], &[]);
    check(&["pdu"], &["a", "b"]);
    check(&["cooling"], &["b"]);
    check(&["feed-a", "feed-b"], &["a", "b"]);
    check(&["feed-a", "cooling"], &["b", "c"]);
}

#[test]
fn a_bad_declaration_has_one_clear_error() {
    let check = |text: &str, expected: &str| {
        assert_eq!(infrastructure(text).unwrap_err().to_string(), expected);
    };
    check("domains: [{name: a}, {name: a}]", "domains[1].name: \"a\": expected a name of its own");
    check(
        "domains: [{name: a, on: [b]}]",
        "domains[0].on[0]: \"b\": expected the name of a declared domain",
    );
    check("domains: [{name: a}]\nhosts: [{on: [a]}]", "hosts[0]: expected nodes, or a selector");
    check("hosts: [{nodes: [x], on: []}]", "hosts[0].on: expected at least one domain");
    let cycle = infrastructure("domains: [{name: a, on: [b]}, {name: b, on: [a]}]").unwrap_err();
    assert!(matches!(cycle, InfrastructureError::Cycle(_)));
    let snapshot = cluster(&[("a", &[])]);
    let against = |text: &str| {
        let declared = infrastructure(text).unwrap();
        declared.check_against(&snapshot.view()).unwrap_err().to_string()
    };
    assert_eq!(
        against("domains: [{name: f}]\nhosts: [{nodes: [b], on: [f]}]"),
        "hosts[0].nodes: \"b\": expected a node of this cluster",
    );
    assert_eq!(
        against("domains: [{name: f}, {name: g}]\nhosts: [{nodes: [a], on: [f]}]"),
        "domains: \"g\" kills no host, neither alone nor with any other one domain",
    );
}

fn group(hosts: &[(usize, u32)], tolerance: u32) -> GroupHosts {
    let members = hosts.iter().map(|(host, count)| (NodeIndex::from_usize(*host), *count));
    GroupHosts { members: members.collect::<BTreeMap<_, _>>(), tolerance }
}

fn close(one: f64, other: f64) -> bool {
    (one - other).abs() < 1e-9
}

#[test]
fn the_chance_to_lose_a_group_is_that_of_counting_all_choices() {
    // Of 60 hosts two are lost: three of 1770 pairs are within the group.
    let three = group(&[(0, 1), (1, 1), (2, 1)], 1);
    assert!(close(lost_with(&three, 2, 60), 3.0 / 1770.0));
    assert!(close(lost_with(&three, 1, 60), 0.0));
    // Two members on one host.
    let crowded = group(&[(0, 2), (1, 1)], 1);
    assert!(close(lost_with(&crowded, 1, 10), 0.1));
    assert!(close(lost_with(&crowded, 2, 10), 9.0 / 45.0));
    assert!(close(lost_with(&group(&[], 1), 1, 10), 0.0));
    assert!(close(lost_with(&three, 4, 3), 0.0));
}

#[test]
fn groups_on_the_same_hosts_die_together_and_so_more_rarely() {
    let hosts: Vec<NodeIndex> = (0..6).map(NodeIndex::from_usize).collect();
    let same = [group(&[(0, 1), (1, 1), (2, 1)], 1), group(&[(0, 1), (1, 1), (2, 1)], 1)];
    let apart = [group(&[(0, 1), (1, 1), (2, 1)], 1), group(&[(3, 1), (4, 1), (5, 1)], 1)];
    let (same, apart) = (Risk::of(&same, &hosts, 1), Risk::of(&apart, &hosts, 1));
    assert!(close(same.expected_lost_two_hosts, apart.expected_lost_two_hosts));
    assert!(close(same.p_any_lost_two_hosts, 3.0 / 15.0));
    assert!(close(apart.p_any_lost_two_hosts, 6.0 / 15.0));
    assert_eq!((same.copysets, apart.copysets), (3, 6));
    assert_eq!(same.scatter_width_max, 2);
    // Of three hosts two of one group are among ten of twenty choices.
    let three = same.p_any_lost_three_hosts;
    assert!(three.low < 0.5 && 0.5 < three.high, "{three:?}");
}

#[test]
fn a_host_that_kills_alone_kills_with_every_other() {
    let hosts: Vec<NodeIndex> = (0..4).map(NodeIndex::from_usize).collect();
    let risk = Risk::of(&[group(&[(0, 2), (1, 1)], 1)], &hosts, 1);
    assert!(close(risk.p_any_lost_one_host, 0.25));
    assert!(close(risk.p_any_lost_two_hosts, 0.5));
}
