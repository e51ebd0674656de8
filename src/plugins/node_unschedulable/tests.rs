//! Tests of NodeUnschedulable.

use super::*;
use crate::plugins::fixture;
use crate::testing::{NodeBuilder, PodBuilder, node, pod};

#[test]
fn a_cordoned_node_takes_only_pods_that_tolerate_it() {
    let cluster = fixture::cluster([node("n1"), node("n2").unschedulable()], []);
    let check = |pod: PodBuilder, expected: &[&str]| {
        let filtered = fixture::filter(&NodeUnschedulable, pod, &cluster);
        let refused = |name: &&str| (name.to_string(), Status::unresolvable(REASON));
        let expected: Vec<_> = expected.iter().map(refused).collect();
        assert_eq!(filtered.skipped, expected.is_empty());
        assert_eq!(filtered.refused, expected);
    };
    check(pod("a"), &["n2"]);
    check(pod("a").toleration(TAINT_KEY, "Exists", "", ""), &[]);
    check(pod("a").toleration(TAINT_KEY, "Exists", "", "NoSchedule"), &[]);
    check(pod("a").toleration("", "Exists", "", ""), &[]);
    check(pod("a").toleration(TAINT_KEY, "Equal", "", "NoSchedule"), &[]);
    check(pod("a").toleration(TAINT_KEY, "Equal", "x", "NoSchedule"), &["n2"]);
    check(pod("a").toleration(TAINT_KEY, "Exists", "", "NoExecute"), &["n2"]);
}

#[test]
fn a_cluster_without_cordoned_nodes_has_nothing_to_refuse() {
    let cluster = fixture::cluster([node("n1")], []);
    assert!(fixture::filter(&NodeUnschedulable, pod("a"), &cluster).skipped);
}

#[test]
fn an_uncordoned_node_or_a_new_toleration_helps() {
    let plugin = &NodeUnschedulable;
    let (open, cordoned) = (node("n1"), node("n1").unschedulable());
    let new = |node: &NodeBuilder| fixture::hint_on_new_node(plugin, pod("a"), node.clone());
    assert_eq!(new(&open), Hint::Queue);
    assert_eq!(new(&cordoned), Hint::Skip);
    let changed = |old: &NodeBuilder, new: &NodeBuilder| {
        fixture::hint_on_changed_node(plugin, pod("a"), old.clone(), new.clone())
    };
    assert_eq!(changed(&cordoned, &open), Hint::Queue);
    assert_eq!(changed(&open, &open), Hint::Skip);
    assert_eq!(changed(&open, &cordoned), Hint::Skip);
    let tolerant = pod("a").toleration(TAINT_KEY, "Exists", "", "");
    let unrelated = pod("a").toleration("disk", "Exists", "", "");
    let updated = |new: PodBuilder| fixture::hint_on_changed_pod(plugin, pod("a"), new);
    assert_eq!(updated(tolerant), Hint::Queue);
    assert_eq!(updated(unrelated), Hint::Skip);
}
