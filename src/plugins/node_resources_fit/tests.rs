//! The rules of this room, as tables of input and expected answer.

mod filtering;
mod scoring;

use serde_json::{Value, json};

use super::*;
use crate::plugins::fixture;
use crate::testing::{NodeBuilder, PodBuilder, node, pod};

fn plugin(args: Value) -> NodeResourcesFit {
    let args: NodeResourcesFitArgs = decode_args(&args).unwrap();
    args.compile().unwrap()
}

/// Amounts around which arithmetic changes: of floats, of an i64, and of nothing at all.
const EDGES: [i64; 12] = [
    0,
    1,
    99,
    (1 << 46) - 1,
    1 << 46,
    (1 << 53) + 1,
    i64::MAX / 100,
    i64::MAX / 100 + 1,
    (1 << 62) - 1,
    1 << 62,
    i64::MAX - 1,
    i64::MAX,
];

#[test]
fn arguments_that_cannot_be_used_are_named() {
    let check = |args: Value, expected: &str| {
        let built = (REGISTRATION.build)(&args);
        let error = built.err().expect("the arguments are bad").to_string();
        assert!(error.starts_with(expected), "{error}");
    };
    let strategy = |strategy: Value| json!({ "scoringStrategy": strategy });
    let ratio = |shape: Value| {
        strategy(json!({"type": "RequestedToCapacityRatio",
            "requestedToCapacityRatio": {"shape": shape}}))
    };
    check(json!({"ignored": []}), "ignored: unknown field");
    check(json!({"ignoredResources": ["a.b/"]}), "ignoredResources[0]: a.b/: ");
    check(json!({"ignoredResourceGroups": ["a.b", "a.b/c"]}), "ignoredResourceGroups[1]: a.b/c: ");
    check(json!({"ignoredResourceGroups": [""]}), "ignoredResourceGroups[0]: : ");
    check(strategy(json!({})), "scoringStrategy.type: : expected LeastAllocated");
    check(strategy(json!({"type": "Least"})), "scoringStrategy.type: Least: ");
    check(
        strategy(json!({"type": "MostAllocated", "resources": [{"name": "cpu", "weight": 101}]})),
        "scoringStrategy.resources[0].weight: 101: expected a number from 1 to 100",
    );
    check(
        strategy(json!({"type": "MostAllocated",
            "resources": [{"name": "cpu"}, {"name": "memory", "weight": -1}]})),
        "scoringStrategy.resources[1].weight: -1: ",
    );
    check(
        strategy(json!({"type": "RequestedToCapacityRatio"})),
        "scoringStrategy.requestedToCapacityRatio: null: ",
    );
    check(
        strategy(json!({"type": "LeastAllocated", "requestedToCapacityRatio": {"shape": []}})),
        "scoringStrategy.requestedToCapacityRatio: a shape: ",
    );
    let shape = "scoringStrategy.requestedToCapacityRatio.shape";
    check(ratio(json!([])), &format!("{shape}: []: "));
    check(ratio(json!([{"utilization": 101}])), &format!("{shape}[0].utilization: 101: "));
    check(ratio(json!([{"utilization": -1}])), &format!("{shape}[0].utilization: -1: "));
    check(ratio(json!([{"score": 11}])), &format!("{shape}[0].score: 11: "));
    check(ratio(json!([{"score": -1}])), &format!("{shape}[0].score: -1: "));
    check(
        ratio(json!([{"utilization": 7}, {"utilization": 7}])),
        &format!("{shape}[1].utilization: 7: expected more"),
    );
}

#[test]
fn only_what_frees_or_adds_something_that_is_asked_for_helps() {
    let plugin = &plugin(json!({"ignoredResources": ["a.b/x"]}));
    let waiting = || pod("a").requests(&[("cpu", "2"), ("a.b/gpu", "1")]);
    let of = |cpu: &str, memory: &str, gpu: &str| {
        node("n").allocatable(&[("cpu", cpu), ("memory", memory), ("a.b/gpu", gpu)])
    };
    let new = |pod, node| fixture::hint_on_new_node(plugin, pod, node);
    assert_eq!(new(waiting(), of("2", "0", "1")), Hint::Queue);
    assert_eq!(new(waiting(), of("1999m", "0", "1")), Hint::Skip);
    assert_eq!(new(waiting(), of("2", "0", "0")), Hint::Skip);
    assert_eq!(new(waiting(), of("2", "0", "1").allocatable(&[("pods", "0")])), Hint::Skip);
    let ignoring = waiting().requests(&[("a.b/x", "1")]);
    assert_eq!(new(ignoring, of("2", "0", "1")), Hint::Queue);

    let changed =
        |old: NodeBuilder, new| fixture::hint_on_changed_node(plugin, waiting(), old, new);
    assert_eq!(changed(of("1", "1", "1"), of("2", "1", "1")), Hint::Queue);
    assert_eq!(changed(of("1", "1", "0"), of("2", "1", "0")), Hint::Skip);
    assert_eq!(changed(of("2", "1", "1"), of("2", "2", "1")), Hint::Skip);
    assert_eq!(changed(of("2", "1", "1"), of("2", "1", "2")), Hint::Queue);
    assert_eq!(changed(of("3", "1", "1"), of("2", "1", "1")), Hint::Skip);
    let more_places = of("2", "1", "1").allocatable(&[("pods", "111")]);
    assert_eq!(changed(of("2", "1", "1"), more_places), Hint::Queue);

    let own = |old: PodBuilder, new| fixture::hint_on_changed_pod(plugin, old, new);
    assert_eq!(own(waiting(), waiting().labels(&[("a", "b")])), Hint::Skip);
    assert_eq!(own(waiting(), pod("a").requests(&[("cpu", "2")])), Hint::Queue);
    assert_eq!(own(waiting(), waiting().requests(&[("cpu", "1")])), Hint::Skip);
}

#[test]
fn other_pods_help_when_they_go_or_shrink() {
    let plugin = &plugin(Value::Null);
    let waiting = PodInfo::new(&pod("a").requests(&[("cpu", "2"), ("memory", "0")]).build());
    let placed = |cpu: &str, memory: &str| {
        let placed = pod("b").on("n").requests(&[("cpu", cpu), ("memory", memory)]);
        PodInfo::new(&placed.build())
    };
    let before = placed("2", "2");
    let hint = |event: ClusterEvent<'_>| plugin.hint(&waiting, &event);
    let becomes = |after: PodInfo| hint(ClusterEvent::PodUpdated { old: &before, new: &after });
    assert_eq!(hint(ClusterEvent::PodRemoved(&before)), Hint::Queue);
    assert_eq!(hint(ClusterEvent::PodPlaced(&before)), Hint::Skip);
    assert_eq!(hint(ClusterEvent::NamespaceChanged), Hint::Skip);
    assert_eq!(becomes(placed("1999m", "2")), Hint::Queue);
    assert_eq!(becomes(placed("3", "2")), Hint::Skip);
    assert_eq!(becomes(placed("2", "1")), Hint::Skip);
}
