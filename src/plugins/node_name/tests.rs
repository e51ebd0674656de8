//! Tests of NodeName.

use super::*;
use crate::plugins::fixture::{self, Filtered};
use crate::testing::{PodBuilder, node, pod};

#[test]
fn a_pod_that_names_a_node_runs_nowhere_else() {
    let cluster = fixture::cluster([node("n1"), node("n2")], []);
    let check = |pod: PodBuilder, expected: Filtered| {
        assert_eq!(fixture::filter(&NodeName, pod, &cluster), expected);
    };
    let refused = |name: &str| (name.to_owned(), Status::unresolvable(REASON));
    check(pod("a"), Filtered { skipped: true, ..Filtered::default() });
    check(
        pod("a").on("n2"),
        Filtered {
            narrowed: Some(vec!["n2".to_owned()]),
            refused: vec![refused("n1")],
            ..Filtered::default()
        },
    );
    check(
        pod("a").on("gone"),
        Filtered {
            narrowed: Some(vec!["gone".to_owned()]),
            refused: vec![refused("n1"), refused("n2")],
            ..Filtered::default()
        },
    );
}

#[test]
fn only_a_new_node_helps() {
    let hint = fixture::hint_on_new_node(&NodeName, pod("a"), node("n1"));
    assert_eq!(hint, Hint::Queue);
    let hint = fixture::hint_on_changed_node(&NodeName, pod("a"), node("n1"), node("n1"));
    assert_eq!(hint, Hint::Skip);
}
