//! Tests of QuorumSpread: who may stand where, what is given up, and what it says.

use super::*;
use crate::groups::{Catalogue, Preset};
use crate::plugins::fixture::{cluster, filter};
use crate::snapshot::Snapshot;
use crate::testing::{NodeBuilder, PodBuilder, node, pod};

const ZONE: &str = "topology.kubernetes.io/zone";

/// A database of which a preset knows that a majority has to be there.
const PRESET: &str = "
name: db
title: Database
parts:
- {name: voters, match: {matchLabels: {app: db}}, cluster: cluster, rule: majority, why: raft}
scheduler: {field: spec.schedulerName}
defaultPlacement: none
verified: {by: none}
";

fn host(name: &str, zone: &str) -> NodeBuilder {
    node(name).labels(&[("kubernetes.io/hostname", name), (ZONE, zone)])
}

fn member(name: &str) -> PodBuilder {
    pod(name).labels(&[("app", "db"), ("cluster", "pg")])
}

fn known(mut snapshot: Snapshot) -> Snapshot {
    let preset = Preset::parse("db", PRESET).unwrap();
    snapshot.set_catalogue(Some(Catalogue::new(&[preset]).unwrap()));
    snapshot
}

/// The nodes that are refused to a member, and the reasons.
fn refused(snapshot: &Snapshot, pod: PodBuilder) -> (Vec<String>, Vec<String>) {
    let filtered = filter(&QuorumSpread::default(), pod, snapshot);
    let mut reasons: Vec<String> =
        filtered.refused.iter().map(|(_, status)| status.message()).collect();
    reasons.dedup();
    (filtered.refused.into_iter().map(|(node, _)| node).collect(), reasons)
}

fn three_zones() -> Vec<NodeBuilder> {
    let zones = ["a", "b", "c"].iter();
    zones
        .flat_map(|z| (0..2).map(move |n| host(&format!("{z}{n}"), &format!("zone-{z}"))))
        .collect()
}

#[test]
fn a_zone_gets_no_more_members_than_may_be_gone() {
    let placed = [member("pg-0").on("a0"), member("pg-1").on("b0")];
    let snapshot = known(cluster(three_zones(), placed));
    let (nodes, reasons) = refused(&snapshot, member("pg-2"));
    assert_eq!(nodes, ["a0", "a1", "b0", "b1"]);
    assert_eq!(
        reasons,
        ["node(s) whose zone would then have more than 1 of the 3 voters of default/pg/voters (1 \
          may be gone): zone-a, zone-b"]
    );
}

#[test]
fn where_zones_are_too_few_the_members_still_keep_to_hosts_of_their_own() {
    let nodes = [host("a0", "zone-a"), host("a1", "zone-a"), host("b0", "zone-b")];
    let snapshot = known(cluster(nodes, [member("pg-0").on("a0"), member("pg-1").on("b0")]));
    // Two of three have to share a zone, but no host.
    assert_eq!(refused(&snapshot, member("pg-2")).0, ["a0", "b0"]);
}

#[test]
fn a_wide_level_is_given_up_before_a_member_waits_and_hosts_are_not() {
    // Of zone c only a node is left that other filters refuse: it is not asked about.
    let placed = [member("pg-0").on("a0"), member("pg-1").on("b0")];
    let snapshot = known(cluster(three_zones(), placed));
    let asked = |names: &[&str]| -> NodeSet {
        names.iter().filter_map(|name| snapshot.nodes().find(name)).collect()
    };
    let check = |alive: &[&str], expected: &[&str]| {
        let plugin = QuorumSpread::default();
        let pod = PodInfo::new(&member("pg-2").build());
        let view = snapshot.view();
        let Prepared::Ready(ready) = plugin.prepare_filter(&pod, &view) else {
            panic!("the filter skips");
        };
        let mut refusals = Refusals::default();
        ready.filter.filter(&asked(alive), &mut refusals);
        let mut nodes: Vec<String> =
            refusals.iter().map(|(node, _)| view.nodes().name(node).to_string()).collect();
        nodes.sort();
        assert_eq!(nodes, expected);
    };
    check(&["a0", "a1", "b0", "b1"], &["a0", "b0"]);
    check(&["a0", "b0"], &["a0", "b0"]);
}

#[test]
fn labels_forged_in_another_namespace_reach_nobody() {
    let placed = [member("pg-0").on("a0"), member("pg-1").on("b0")];
    let snapshot = known(cluster(three_zones(), placed));
    assert!(refused(&snapshot, member("pg-2").namespace("other")).0.is_empty());
}

#[test]
fn pods_of_no_group_are_left_alone() {
    let snapshot = known(cluster(three_zones(), [member("pg-0").on("a0")]));
    let plugin = QuorumSpread::default();
    assert!(filter(&plugin, pod("web").labels(&[("app", "web")]), &snapshot).skipped);
    // Without a catalogue nobody is a member.
    let without = cluster(three_zones(), [member("pg-0").on("a0"), member("pg-1").on("b0")]);
    assert!(filter(&plugin, member("pg-2"), &without).skipped);
}

#[test]
fn members_of_one_stateful_set_are_a_group_whose_rule_is_guessed() {
    let own = |name: &str| pod(name).owner("StatefulSet", "web");
    let placed = [own("web-0").on("a0"), own("web-1").on("b0")];
    let snapshot = known(cluster(three_zones(), placed));
    assert_eq!(refused(&snapshot, own("web-2")).0, ["a0", "a1", "b0", "b1"]);
}
