//! Tests of NodeAffinity.

use serde_json::json;

use super::*;
use crate::model::NodeSelectorTerm;
use crate::plugins::fixture::{self, Filtered, Scored};
use crate::snapshot::Snapshot;
use crate::testing::{NodeBuilder, PodBuilder, node, node_term, pod, requirement};

fn cluster() -> Snapshot {
    let of = |name, disk| node(name).labels(&[("disk", disk)]);
    fixture::cluster([of("n1", "ssd"), of("n2", "hdd"), of("n3", "7")], [])
}

fn disk(operator: &str, values: &[&str]) -> NodeSelectorTerm {
    node_term([requirement("disk", operator, values)])
}

fn named(names: &[&str]) -> NodeSelectorTerm {
    NodeSelectorTerm {
        match_fields: vec![requirement("metadata.name", "In", names)],
        ..NodeSelectorTerm::default()
    }
}

fn plugin(args: serde_json::Value) -> NodeAffinity {
    let args: NodeAffinityArgs = decode_args(&args).unwrap();
    NodeAffinity { added: args.compile().unwrap() }
}

#[test]
fn a_node_has_to_match_selector_and_one_of_the_terms() {
    let cluster = cluster();
    let check = |pod: PodBuilder, expected: &[&str]| {
        let filtered = fixture::filter(&NodeAffinity::default(), pod, &cluster);
        let refused = |name: &&str| (name.to_string(), Status::unresolvable(REASON_POD));
        let expected: Vec<_> = expected.iter().map(refused).collect();
        assert_eq!(filtered.refused, expected);
    };
    check(pod("a"), &[]);
    check(pod("a").node_selector(&[("disk", "ssd")]), &["n2", "n3"]);
    check(pod("a").node_selector(&[("disk", "ssd"), ("gpu", "")]), &["n1", "n2", "n3"]);
    check(pod("a").required_node_terms([]), &["n1", "n2", "n3"]);
    let ssd = || disk("In", &["ssd"]);
    check(pod("a").required_node_terms([ssd()]), &["n2", "n3"]);
    check(pod("a").required_node_terms([ssd(), disk("Gt", &["6"])]), &["n2"]);
    // A term that cannot be read matches nothing; the others still count.
    let unreadable = || disk("Gt", &["x"]);
    check(pod("a").required_node_terms([unreadable(), ssd()]), &["n2", "n3"]);
    check(pod("a").required_node_terms([unreadable()]), &["n1", "n2", "n3"]);
    let both = pod("a").node_selector(&[("disk", "hdd")]).required_node_terms([ssd()]);
    check(both, &["n1", "n2", "n3"]);
}

#[test]
fn terms_that_all_name_nodes_narrow_to_them() {
    let cluster = cluster();
    let check = |terms: Vec<NodeSelectorTerm>, expected: Option<&[&str]>| {
        let pod = pod("a").required_node_terms(terms);
        let filtered = fixture::filter(&NodeAffinity::default(), pod, &cluster);
        let expected = expected.map(|names| names.iter().map(|name| name.to_string()).collect());
        assert_eq!(filtered.narrowed, expected);
    };
    check(vec![named(&["n1"])], Some(&["n1"]));
    check(vec![named(&["n3"]), named(&["n1"])], Some(&["n1", "n3"]));
    check(vec![named(&["gone"])], Some(&["gone"]));
    check(vec![named(&["n1"]), disk("Exists", &[])], None);
    check(vec![disk("Exists", &[])], None);
}

#[test]
fn names_that_exclude_each_other_reject_the_pod() {
    let mut term = named(&["n1"]);
    term.match_fields.push(requirement("metadata.name", "In", &["n2"]));
    let pod = pod("a").required_node_terms([term]);
    let expected =
        Filtered { rejected: Some(Status::unresolvable(REASON_CONFLICT)), ..Filtered::default() };
    assert_eq!(fixture::filter(&NodeAffinity::default(), pod, &cluster()), expected);
}

#[test]
fn matching_preferences_add_up_and_the_best_node_gets_100() {
    let cluster = cluster();
    let check = |pod: PodBuilder, expected: Option<([i64; 3], [i64; 3])>| {
        let expected = expected.map_or(Scored::Skipped, |(raw, normalized)| Scored::Scores {
            raw: raw.to_vec(),
            normalized: normalized.to_vec(),
        });
        assert_eq!(fixture::score(&NodeAffinity::default(), pod, &cluster), expected);
    };
    check(pod("a"), None);
    let weighed = pod("a")
        .preferred_node_term(60, disk("In", &["ssd"]))
        .preferred_node_term(20, disk("NotIn", &["7"]));
    check(weighed, Some(([80, 20, 0], [100, 25, 0])));
    check(pod("a").preferred_node_term(5, disk("In", &["tape"])), Some(([0, 0, 0], [0, 0, 0])));
}

#[test]
fn a_preference_that_cannot_be_read_fails_the_cycle() {
    let pod = pod("a").preferred_node_term(5, disk("Gt", &["-1"]));
    let Scored::Failed(status) = fixture::score(&NodeAffinity::default(), pod, &cluster()) else {
        panic!("the term was read");
    };
    assert_eq!(status.code, crate::framework::Code::Error);
}

#[test]
fn added_affinity_binds_every_pod_of_the_profile() {
    let expression = json!({"key": "disk", "operator": "In", "values": ["ssd", "hdd"]});
    let term = json!({"matchExpressions": [expression]});
    let plugin = plugin(json!({"addedAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]},
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 3, "preference": term}],
    }}));
    let cluster = cluster();
    let refused = |pod| fixture::filter(&plugin, pod, &cluster).refused;
    let added = ("n3".to_owned(), Status::unresolvable(REASON_ADDED));
    let own = ("n2".to_owned(), Status::unresolvable(REASON_POD));
    assert_eq!(refused(pod("a")), std::slice::from_ref(&added));
    assert_eq!(refused(pod("a").node_selector(&[("disk", "ssd")])), [own, added]);
    let scored =
        fixture::score(&plugin, pod("a").preferred_node_term(1, disk("In", &["ssd"])), &cluster);
    let expected = Scored::Scores { raw: vec![4, 3, 0], normalized: vec![100, 75, 0] };
    assert_eq!(scored, expected);
}

#[test]
fn arguments_that_cannot_be_read_are_refused() {
    let check = |args: serde_json::Value, expected: &str| {
        let error = (REGISTRATION.build)(&args).err().map(|error| error.to_string());
        let error = error.unwrap_or_default();
        assert!(error.contains(expected), "{error}");
    };
    check(json!({"addedAfinity": {}}), "addedAfinity");
    let misspelt = json!({"nodeSelectorTerm": []});
    check(
        json!({"addedAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": misspelt}}),
        "nodeSelectorTerm",
    );
    let bad = json!({"matchExpressions": [{"key": "disk", "operator": "Near", "values": ["x"]}]});
    check(
        json!({"addedAffinity": {"requiredDuringSchedulingIgnoredDuringExecution":
            {"nodeSelectorTerms": [bad]}}}),
        "addedAffinity.requiredDuringSchedulingIgnoredDuringExecution: \"Near\"",
    );
    check(
        json!({"addedAffinity": {"preferredDuringSchedulingIgnoredDuringExecution":
            [{"weight": 1, "preference": bad}]}}),
        "addedAffinity.preferredDuringSchedulingIgnoredDuringExecution: \"Near\"",
    );
}

#[test]
fn a_node_that_comes_to_match_helps() {
    let plugin = &NodeAffinity::default();
    let waiting = || pod("a").node_selector(&[("disk", "ssd")]);
    let of = |disk| node("n1").labels(&[("disk", disk)]);
    let new = |node| fixture::hint_on_new_node(plugin, waiting(), node);
    assert_eq!(new(of("ssd")), Hint::Queue);
    assert_eq!(new(of("hdd")), Hint::Skip);
    let changed =
        |old: NodeBuilder, new| fixture::hint_on_changed_node(plugin, waiting(), old, new);
    assert_eq!(changed(of("hdd"), of("ssd")), Hint::Queue);
    assert_eq!(changed(of("ssd"), of("ssd").unschedulable()), Hint::Skip);
    assert_eq!(changed(of("ssd"), of("hdd")), Hint::Skip);
}
