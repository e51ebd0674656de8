//! Tests of TaintToleration.

use super::*;
use crate::plugins::fixture::{self, Scored};
use crate::testing::{NodeBuilder, PodBuilder, node, pod};

#[test]
fn a_node_is_refused_for_a_hard_taint_that_nothing_tolerates() {
    let cluster = fixture::cluster(
        [
            node("clean"),
            node("hard").taint("disk", "hdd", "NoSchedule"),
            node("harder").taint("disk", "hdd", "NoExecute"),
            node("soft").taint("disk", "hdd", "PreferNoSchedule"),
            node("both").taint("disk", "hdd", "NoSchedule").taint("gpu", "", "NoSchedule"),
        ],
        [],
    );
    let check = |pod: PodBuilder, expected: &[&str]| {
        let filtered = fixture::filter(&TaintToleration, pod, &cluster);
        let refused = |name: &&str| (name.to_string(), Status::unresolvable(REASON));
        let expected: Vec<_> = expected.iter().map(refused).collect();
        assert_eq!(filtered.skipped, expected.is_empty());
        assert_eq!(filtered.refused, expected);
    };
    let tolerant = |effect| pod("a").toleration("disk", "Equal", "hdd", effect);
    check(pod("a"), &["hard", "harder", "both"]);
    check(tolerant(""), &["both"]);
    check(tolerant("NoSchedule"), &["harder", "both"]);
    check(tolerant("PreferNoSchedule"), &["hard", "harder", "both"]);
    check(tolerant("").toleration("gpu", "Exists", "", ""), &[]);
    check(pod("a").toleration("", "Exists", "", ""), &[]);
}

#[test]
fn nodes_with_fewer_soft_taints_score_higher() {
    let soft = |node: NodeBuilder, key| node.taint(key, "", "PreferNoSchedule");
    let cluster = fixture::cluster(
        [
            node("n0").taint("a", "", "NoSchedule"),
            soft(node("n1"), "a"),
            soft(soft(soft(node("n3"), "a"), "b"), "c"),
        ],
        [],
    );
    let check = |pod: PodBuilder, raw: [i64; 3], normalized: [i64; 3]| {
        let expected = Scored::Scores { raw: raw.to_vec(), normalized: normalized.to_vec() };
        assert_eq!(fixture::score(&TaintToleration, pod, &cluster), expected);
    };
    check(pod("a"), [0, 1, 3], [100, 67, 0]);
    check(pod("a").toleration("c", "Exists", "", ""), [0, 1, 2], [100, 50, 0]);
    // A toleration for another effect does not count, though it covers the key.
    check(pod("a").toleration("c", "Exists", "", "NoSchedule"), [0, 1, 3], [100, 67, 0]);
    check(pod("a").toleration("", "Exists", "", ""), [0, 0, 0], [100, 100, 100]);
}

#[test]
fn a_node_that_becomes_tolerated_or_a_new_toleration_helps() {
    let plugin = &TaintToleration;
    let (clean, tainted) = (node("n1"), node("n1").taint("a", "", "NoSchedule"));
    let new = |node: &NodeBuilder| fixture::hint_on_new_node(plugin, pod("a"), node.clone());
    assert_eq!(new(&clean), Hint::Queue);
    assert_eq!(new(&tainted), Hint::Skip);
    let changed = |old: &NodeBuilder, new: &NodeBuilder| {
        fixture::hint_on_changed_node(plugin, pod("a"), old.clone(), new.clone())
    };
    assert_eq!(changed(&tainted, &clean), Hint::Queue);
    assert_eq!(changed(&clean, &clean), Hint::Skip);
    assert_eq!(changed(&clean, &tainted), Hint::Skip);
    let updated = |new: PodBuilder| fixture::hint_on_changed_pod(plugin, pod("a"), new);
    assert_eq!(updated(pod("a").toleration("b", "Exists", "", "")), Hint::Queue);
    assert_eq!(updated(pod("a").labels(&[("app", "db")])), Hint::Skip);
}
