//! Parallel members of one StatefulSet that must not share a host (kubernetes#122257, #126499).

use std::sync::Arc;

use super::super::siblings::REASON_SIBLING;
use super::{HOST, local, plugin};
use crate::framework::{PreBindPlugin, Progress, ReservePlugin, Write};
use crate::plugins::fixture::{cluster, filter, store};
use crate::snapshot::{PodInfo, Snapshot};
use crate::testing::storage::{ClaimBuilder, VolumeBuilder, claim, class};
use crate::testing::{PodBuilder, node, pod};

fn member(ordinal: u32) -> PodBuilder {
    let name = format!("db-{ordinal}");
    let labels = [("app", "db")];
    let pod = pod(&name).uid(&name).labels(&labels).anti_affinity(HOST, &labels);
    pod.owner("StatefulSet", "db").claim(&format!("data-{name}"))
}

fn data(ordinal: u32) -> ClaimBuilder {
    claim(&format!("data-db-{ordinal}")).class("made")
}

fn set(
    volumes: Vec<VolumeBuilder>,
    claims: Vec<ClaimBuilder>,
    placed: Vec<PodBuilder>,
    waiting: Vec<PodBuilder>,
) -> Snapshot {
    let mut snapshot = cluster(["n1", "n2"].map(node), placed);
    store(&mut snapshot, [class("made", "d"), class("local", "d")], volumes, claims);
    for pod in waiting {
        snapshot.set_waiting(&Arc::new(PodInfo::new(&pod.build())));
    }
    snapshot
}

/// The refused nodes, and whether each is left to a sibling.
fn refused(snapshot: &Snapshot, pod: PodBuilder) -> Vec<(String, bool)> {
    let refused = filter(&plugin(), pod, snapshot).refused.into_iter();
    refused.map(|(node, status)| (node, status.message() == REASON_SIBLING)).collect()
}

fn left(node: &str) -> Vec<(String, bool)> {
    vec![(node.to_owned(), true)]
}

#[test]
fn a_node_for_which_a_volume_is_made_is_left_to_the_sibling_that_needs_it() {
    let tied = || vec![data(0).selected("n1"), data(1)];
    let waiting = || vec![member(0), member(1)];
    let snapshot = set(vec![], tied(), vec![], waiting());
    assert_eq!(refused(&snapshot, member(1)), left("n1"));
    // The sibling itself goes there.
    assert_eq!(refused(&snapshot, member(0)), [("n2".to_owned(), false)]);
    // Only if the two keep each other off, belong together, and the sibling is no less important.
    assert_eq!(refused(&snapshot, member(1).priority(1)), []);
    let stranger = member(1).with(|pod| pod.metadata.owner_references.clear());
    assert_eq!(refused(&snapshot, stranger), []);
    let tame = |ordinal| member(ordinal).with(|pod| pod.spec.affinity = None);
    let tame_set = set(vec![], tied(), vec![], vec![tame(0), tame(1)]);
    assert_eq!(refused(&tame_set, tame(1)), []);
    // Once it stands on a node, anti-affinity speaks for itself.
    let mut snapshot = set(vec![], tied(), vec![], waiting());
    snapshot.unset_waiting(&PodInfo::new(&member(0).build()));
    assert_eq!(refused(&snapshot, member(1)), []);
}

#[test]
fn a_volume_ties_more_tightly_than_a_node_that_stands_on_a_claim() {
    let bound = |ordinal: u32| data(ordinal).bound_to(&format!("v{ordinal}"));
    let volume = |ordinal: u32, node| local(&format!("v{ordinal}"), node);
    let waiting = || vec![member(0), member(1)];
    let snapshot = set(vec![volume(0, "n1")], vec![bound(0), data(1)], vec![], waiting());
    assert_eq!(refused(&snapshot, member(1)), left("n1"));
    // The tie of the other is given up, as no volume is made yet.
    let claims = vec![bound(0), data(1).selected("n1")];
    let snapshot = set(vec![volume(0, "n1")], claims, vec![], waiting());
    assert_eq!(refused(&snapshot, member(1)), left("n1"));
    // With equal ties nobody waits for the other: whoever is first takes it.
    let claims = vec![data(0).selected("n1"), data(1).selected("n1")];
    let snapshot = set(vec![], claims, vec![], waiting());
    let other = [("n2".to_owned(), false)];
    assert_eq!(refused(&snapshot, member(0)), other);
    assert_eq!(refused(&snapshot, member(1)), other);
    let volumes = vec![volume(0, "n1"), volume(1, "n1")];
    let snapshot = set(volumes, vec![bound(0), bound(1)], vec![], waiting());
    assert_eq!(refused(&snapshot, member(1)), other);
    // A volume that several nodes reach ties to none of them.
    let wide = crate::testing::storage::volume("v0").reached_from(HOST, &["n1", "n2"]);
    let mut snapshot = set(vec![wide], vec![bound(0), data(1)], vec![], waiting());
    snapshot.set_node(crate::snapshot::NodeInfo::new(&node("n3").build()));
    assert_eq!(refused(&snapshot, member(1)), []);
}

#[test]
fn a_node_on_which_the_sibling_can_never_run_is_not_left_to_it() {
    let elsewhere = |ordinal| {
        member(ordinal).with(|pod| pod.spec.node_selector = [(HOST.into(), "n2".into())].into())
    };
    let waiting = || vec![elsewhere(0), member(1)];
    let snapshot = set(vec![], vec![data(0).selected("n1"), data(1)], vec![], waiting());
    assert_eq!(refused(&snapshot, member(1)), []);
    let claims = || vec![data(0).bound_to("v0"), data(1)];
    let snapshot = set(vec![local("v0", "n1")], claims(), vec![], waiting());
    assert_eq!(refused(&snapshot, member(1)), []);
    let snapshot = set(vec![local("v0", "n2")], claims(), vec![], waiting());
    assert_eq!(refused(&snapshot, member(1)), left("n2"));
}

#[test]
fn a_claim_follows_the_volume_of_another_that_was_made_for_the_node_before() {
    let log = claim("log-db-0").class("made").selected("n2");
    let claims = vec![data(0).bound_to("v0"), log];
    let both = || member(0).claim("log-db-0");
    let snapshot = set(vec![local("v0", "n1")], claims, vec![], vec![both()]);
    assert_eq!(refused(&snapshot, both()), [("n2".to_owned(), false)]);
}

#[test]
fn another_node_is_written_over_one_that_anti_affinity_takes_away() {
    let claims = vec![data(0).selected("n1"), data(1)];
    let snapshot = set(vec![], claims, vec![member(1).on("n1")], vec![member(0)]);
    assert_eq!(refused(&snapshot, member(0)), []);
    let waiting = PodInfo::new(&member(0).build());
    let view = snapshot.view();
    let n2 = view.nodes().find("n2").unwrap();
    let decisions = plugin().reserve(&waiting, &view, n2).unwrap();
    let progress =
        plugin().pre_bind(&waiting, &"n2".into(), &decisions, &snapshot, Default::default());
    let Progress::Do(writes) = progress else { panic!("{progress:?}") };
    assert!(matches!(&writes[..], [Write::SelectNode { node, .. }] if &**node == "n2"));
    // Without such a pod the node stays the only one, as upstream has it.
    let snapshot = set(vec![], vec![data(0).selected("n1")], vec![], vec![member(0)]);
    assert_eq!(refused(&snapshot, member(0)), [("n2".to_owned(), false)]);
}
