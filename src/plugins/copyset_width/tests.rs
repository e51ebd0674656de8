//! Tests of CopysetWidth.

use super::*;
use crate::groups::Catalogue;
use crate::plugins::fixture::{Scored, cluster, score};
use crate::testing::{PodBuilder, node, pod};

fn member(name: &str, set: &str) -> PodBuilder {
    pod(name).owner("StatefulSet", set)
}

#[test]
fn a_host_that_shares_a_group_already_is_better_than_a_new_one() {
    let nodes = ["a", "b", "c"].map(node);
    let mut snapshot = cluster(
        nodes,
        [member("x-0", "x").on("a"), member("x-1", "x").on("b"), member("y-0", "y").on("a")],
    );
    snapshot.set_catalogue(Some(Catalogue::default()));
    // The host itself adds no pair either; that the group would hang on it is for QuorumSpread.
    let scored = score(&CopysetWidth, member("y-1", "y"), &snapshot);
    let expected = Scored::Scores { raw: vec![0, 0, 1], normalized: vec![100, 100, 0] };
    assert_eq!(scored, expected);
    assert_eq!(score(&CopysetWidth, member("z-0", "z"), &snapshot), Scored::Skipped);
    snapshot.remove_pod(&pod("x-1").build().metadata.uid);
    let scored = score(&CopysetWidth, member("y-1", "y"), &snapshot);
    let expected = Scored::Scores { raw: vec![0, 1, 1], normalized: vec![100, 0, 0] };
    assert_eq!(scored, expected, "groups that are gone count no longer");
}

#[test]
fn a_host_with_as_many_peers_as_it_may_have_gets_no_more() {
    let nodes = ["a", "b", "c", "d", "e", "f", "g"].map(node);
    // Host a shares with four others.
    let pairs = ["b", "c", "d", "e"].into_iter().enumerate().flat_map(|(number, other)| {
        let set = format!("s{number}");
        [member(&format!("{set}-0"), &set).on("a"), member(&format!("{set}-1"), &set).on(other)]
    });
    let mut snapshot = cluster(nodes, pairs.chain([member("y-0", "y").on("a")]));
    snapshot.set_catalogue(Some(Catalogue::default()));
    let Scored::Scores { raw, .. } = score(&CopysetWidth, member("y-1", "y"), &snapshot) else {
        panic!("not scored");
    };
    assert_eq!(raw, [0, 0, 0, 0, 0, 3, 3]);
}
