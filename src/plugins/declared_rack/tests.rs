//! Tests of DeclaredRack: members of one rack may share a zone, those of two may not.

use super::*;
use crate::groups::{Catalogue, Preset};
use crate::plugins::fixture::{cluster, filter};
use crate::plugins::quorum_spread::QuorumSpread;
use crate::snapshot::Snapshot;
use crate::testing::{NodeBuilder, PodBuilder, node, pod};

const PRESET: &str = "
name: ring
title: Ring
parts:
- name: dc
  match: {matchLabels: {app: ring}}
  cluster: cluster
  rack: rack
  rule: replicationFactor
  replicationFactor: 3
  needed: 2
  why: copies of a range lie in different racks
scheduler: {field: spec.schedulerName}
defaultPlacement: none
verified: {by: none}
";

fn host(name: &str, zone: &str) -> NodeBuilder {
    let labels = [("kubernetes.io/hostname", name), ("topology.kubernetes.io/zone", zone)];
    node(name).labels(&labels)
}

fn member(name: &str, rack: &str) -> PodBuilder {
    pod(name).labels(&[("app", "ring"), ("cluster", "c"), ("rack", rack)])
}

fn ring(placed: impl IntoIterator<Item = PodBuilder>) -> Snapshot {
    let zones = ["a", "b", "c"].iter();
    let nodes =
        zones.flat_map(|z| (0..2).map(move |n| host(&format!("{z}{n}"), &format!("zone-{z}"))));
    let mut snapshot = cluster(nodes, placed);
    let preset = Preset::parse("ring", PRESET).unwrap();
    snapshot.set_catalogue(Some(Catalogue::new(&[preset]).unwrap()));
    snapshot
}

fn refused(plugin: &dyn SetPlugin, snapshot: &Snapshot, pod: PodBuilder) -> Vec<String> {
    filter(plugin, pod, snapshot).refused.into_iter().map(|(node, _)| node).collect()
}

#[test]
fn racks_get_zones_of_their_own_and_their_members_share_them() {
    let placed = || {
        [
            member("r1-0", "r1").on("a0"),
            member("r2-0", "r2").on("b0"),
            member("r3-0", "r3").on("c0"),
        ]
    };
    let plugin = DeclaredRack::default();
    let snapshot = ring(placed());
    assert_eq!(refused(&plugin, &snapshot, member("r1-1", "r1")), ["b0", "b1", "c0", "c1"]);
    assert_eq!(refused(&plugin, &snapshot, member("r2-1", "r2")), ["a0", "a1", "c0", "c1"]);
    // It is not for QuorumSpread to keep members of one rack apart.
    assert!(refused(&QuorumSpread::default(), &snapshot, member("r1-1", "r1")).is_empty());
}

#[test]
fn one_rack_alone_may_be_none_at_all() {
    let snapshot = ring([member("r1-0", "r1").on("a0")]);
    assert!(filter(&DeclaredRack::default(), member("r1-1", "r1"), &snapshot).skipped);
    assert_eq!(
        refused(&QuorumSpread::default(), &snapshot, member("r1-1", "r1")),
        ["a0", "a1"],
        "its members are kept apart as those of any group",
    );
}
