//! Tests of PrimaryBalance.

use super::*;
use crate::groups::{Catalogue, Preset};
use crate::plugins::fixture::{Scored, cluster, score};
use crate::snapshot::Snapshot;
use crate::testing::{PodBuilder, node, pod};

const PRESET: &str = "
name: db
title: Database
parts:
- name: all
  match: {matchLabels: {app: db}}
  cluster: cluster
  role: {key: role, primary: [primary]}
  initialPrimary: ordinal0
  rule: nMinusOne
  why: any one can go on
scheduler: {field: spec.schedulerName}
defaultPlacement: none
verified: {by: none}
";

fn member(name: &str, cluster: &str) -> PodBuilder {
    pod(name).labels(&[("app", "db"), ("cluster", cluster)]).owner("StatefulSet", cluster)
}

fn databases(placed: impl IntoIterator<Item = PodBuilder>) -> Snapshot {
    let nodes = ["a", "b", "c"].map(|name| node(name).labels(&[("kubernetes.io/hostname", name)]));
    let mut snapshot = cluster(nodes, placed);
    let preset = Preset::parse("db", PRESET).unwrap();
    snapshot.set_catalogue(Some(Catalogue::new(&[preset]).unwrap()));
    snapshot
}

#[test]
fn a_primary_goes_where_fewest_primaries_are() {
    let snapshot = databases([
        member("x-0", "x").on("a"),
        member("y-0", "y").on("a"),
        member("z-0", "z").on("b"),
        // No primaries.
        member("x-1", "x").on("c"),
        member("y-1", "y").on("c"),
    ]);
    let scored = score(&PrimaryBalance::default(), member("w-0", "w"), &snapshot);
    let expected = Scored::Scores { raw: vec![100, 50, 0], normalized: vec![0, 50, 100] };
    assert_eq!(scored, expected);
    assert_eq!(score(&PrimaryBalance::default(), member("w-1", "w"), &snapshot), Scored::Skipped);
}

#[test]
fn the_role_that_an_operator_has_written_down_goes_before_what_was_foreseen() {
    let with_role = |name: &str, role: &str| {
        pod(name)
            .labels(&[("app", "db"), ("cluster", "x"), ("role", role)])
            .owner("StatefulSet", "x")
    };
    let snapshot =
        databases([with_role("x-0", "replica").on("a"), with_role("x-1", "primary").on("b")]);
    let scored = score(&PrimaryBalance::default(), member("w-0", "w"), &snapshot);
    let expected = Scored::Scores { raw: vec![0, 100, 0], normalized: vec![100, 0, 100] };
    assert_eq!(scored, expected);
}
