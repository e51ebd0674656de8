//! Sums of requests, rule by rule.

use serde_json::{Value, json};

use super::*;

const MI: i64 = 1024 * 1024;

/// A container with requests; `kind` is empty, or the restart policy of a sidecar.
fn container(name: &str, requests: Value, policy: &str) -> Value {
    let mut container = json!({"name": name, "resources": {"requests": requests}});
    if !policy.is_empty() {
        container["restartPolicy"] = policy.into();
    }
    container
}

fn pod(spec: Value, status: Value) -> Pod {
    serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec, "status": status}))
        .unwrap()
}

fn cpu_and_memory(resources: &Resources) -> (i64, i64) {
    (resources.milli_cpu, resources.memory)
}

#[test]
fn init_containers_count_at_their_hungriest_moment() {
    let check = |init: Value, expected: i64| {
        let main = [container("c", json!({"cpu": "1"}), "")];
        let pod = pod(json!({"containers": main, "initContainers": init}), json!({}));
        assert_eq!(requests(&pod).milli_cpu, expected, "{init}");
    };
    check(json!([]), 1000);
    check(json!([container("i", json!({"cpu": "500m"}), "")]), 1000);
    check(json!([container("i", json!({"cpu": "3"}), "")]), 3000);
    check(json!([container("s", json!({"cpu": "3"}), "Always")]), 4000);
    let sidecar = container("s", json!({"cpu": "2"}), "Always");
    let init = container("i", json!({"cpu": "2"}), "");
    check(json!([sidecar, init]), 4000);
    check(json!([init, sidecar]), 3000);
    check(json!([container("n", json!({"cpu": "3"}), "Never")]), 3000);
}

#[test]
fn sums_are_rounded_once_at_the_end() {
    let half = |name| container(name, json!({"cpu": "500u", "memory": "500m"}), "");
    let pod = pod(json!({"containers": [half("a"), half("b"), half("c")]}), json!({}));
    assert_eq!(cpu_and_memory(&requests(&pod)), (2, 2));
}

#[test]
fn pod_level_requests_replace_and_overhead_comes_on_top() {
    let asked = json!({"cpu": "1", "memory": "100Mi", "ephemeral-storage": "1Mi"});
    let pod = pod(
        json!({
            "containers": [container("c", asked, "")],
            "resources": {"requests": {"cpu": "3", "hugepages-2Mi": "4Mi", "example.com/x": "1"}},
            "overhead": {"cpu": "250m"},
        }),
        json!({}),
    );
    let all = requests(&pod);
    assert_eq!(cpu_and_memory(&all), (3250, 100 * MI));
    assert_eq!((all.ephemeral_storage, all.get("hugepages-2Mi")), (MI, 4 * MI));
    assert_eq!(all.scalar.len(), 1, "a pod cannot ask for extended resources as a whole");
    assert_eq!(without_pod_level(&pod).milli_cpu, 1250);
    assert_eq!(scored_requests(&pod).milli_cpu, 1250);
}

#[test]
fn scoring_counts_defaults_where_a_container_leaves_something_out() {
    let containers = [
        container("a", json!({"cpu": "1"}), ""),
        container("b", json!({"memory": "0"}), ""),
        container("c", json!({}), ""),
    ];
    let plain = pod(json!({"containers": containers}), json!({}));
    assert_eq!(cpu_and_memory(&requests(&plain)), (1000, 0));
    let expected = (1200, 400 * MI);
    assert_eq!(cpu_and_memory(&non_zero_requests(&plain)), expected);
    assert_eq!(cpu_and_memory(&scored_requests(&plain)), expected);
    let added = usage(&plain);
    assert_eq!((added.non_zero_milli_cpu, added.non_zero_memory), expected);
    assert_eq!(cpu_and_memory(&added.requested), (1000, 0));

    // As a whole the pod names its cpu, and a container its memory: no default is left to give.
    let whole =
        pod(json!({"containers": containers, "resources": {"requests": {"cpu": "5"}}}), json!({}));
    let added = usage(&whole);
    assert_eq!((added.non_zero_milli_cpu, added.non_zero_memory), (5000, 0));
    assert_eq!(cpu_and_memory(&non_zero_requests(&whole)), (5000, 400 * MI));
}

#[test]
fn a_pod_being_resized_holds_the_largest_of_three_sums() {
    let resized = |reason: &str, status: Value| {
        let containers =
            [container("a", json!({"cpu": "1"}), ""), container("b", json!({"cpu": "4"}), "")];
        let mut status = status;
        status["conditions"] = json!([{"type": "PodResizePending", "reason": reason}]);
        pod(json!({"containers": containers}), status)
    };
    let check = |reason: &str, status: Value, expected: i64| {
        let pod = resized(reason, status.clone());
        assert_eq!(running_requests(&pod).milli_cpu, expected, "{reason} {status}");
        assert_eq!(usage(&pod).requested.milli_cpu, expected);
        assert_eq!(requests(&pod).milli_cpu, 5000, "a pending pod is its spec");
    };
    let allocated = |a: &str, b: &str| {
        json!({"containerStatuses": [
            {"name": "a", "allocatedResources": {"cpu": a}},
            {"name": "b", "allocatedResources": {"cpu": b}}]})
    };
    check("Deferred", json!({}), 5000);
    check("Deferred", allocated("3", "1"), 5000);
    check("Deferred", allocated("3", "3"), 6000);
    check("Infeasible", allocated("3", "1"), 4000);
    check("Infeasible", json!({}), 0);
    // What is set counts before what is allocated, and what is allocated before the spec.
    let mixed = json!({"containerStatuses": [
        {"name": "a", "allocatedResources": {"cpu": "1"}, "resources": {"requests": {"cpu": "7"}}},
        {"name": "b", "allocatedResources": {"cpu": "2"}, "resources": {}}]});
    check("", mixed.clone(), 9000);
    check("Infeasible", mixed, 9000);
    let init =
        json!({"initContainerStatuses": [{"name": "a", "allocatedResources": {"cpu": "9"}}]});
    check("", init, 13000);
}

#[test]
fn the_status_of_the_whole_pod_stands_for_its_containers() {
    let status = json!({
        "allocatedResources": {"cpu": "2"},
        "resources": {"requests": {"cpu": "3"}},
        "containerStatuses": [{"name": "a", "allocatedResources": {"cpu": "9"}}],
    });
    let containers = [container("a", json!({"cpu": "1"}), "")];
    let plain = pod(json!({"containers": containers}), status.clone());
    assert_eq!(running_requests(&plain).milli_cpu, 3000);
    let whole = json!({"containers": containers, "resources": {"requests": {"cpu": "5"}}});
    assert_eq!(running_requests(&pod(whole.clone(), status.clone())).milli_cpu, 5000);
    let mut generous = status.clone();
    generous["allocatedResources"]["cpu"] = "6".into();
    assert_eq!(running_requests(&pod(whole.clone(), generous)).milli_cpu, 6000);
    let mut infeasible = status;
    infeasible["conditions"] = json!([{"type": "PodResizePending", "reason": "Infeasible"}]);
    assert_eq!(running_requests(&pod(whole, infeasible)).milli_cpu, 3000);
}

#[test]
fn overhead_is_added_to_limits_that_are_set() {
    let limited = json!({"name": "c", "resources": {"limits": {"cpu": "1", "memory": "0"}}});
    let overhead = json!({"cpu": "250m", "memory": "1Mi", "ephemeral-storage": "1Mi"});
    let pod = pod(json!({"containers": [limited], "overhead": overhead}), json!({}));
    let expected = Resources { milli_cpu: 1250, ..Resources::default() };
    assert_eq!(limits(&pod), expected);
}
