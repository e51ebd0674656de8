//! The rules of this room, as tables of input and expected answer.

use super::*;
use crate::plugins::fixture::Scored;
use crate::snapshot::Snapshot;

fn scores(args: Value, pod: PodBuilder, cluster: &Snapshot) -> Vec<i64> {
    match fixture::score(&plugin(args), pod, cluster) {
        Scored::Scores { raw, normalized } if raw == normalized => raw,
        other => panic!("{other:?}"),
    }
}

fn strategy(kind: &str, resources: Value) -> Value {
    json!({"scoringStrategy": {"type": kind, "resources": resources}})
}

fn ratio(points: &[(i32, i32)], resources: Value) -> Value {
    let shape: Vec<Value> = points
        .iter()
        .map(|(utilization, score)| json!({"utilization": utilization, "score": score}))
        .collect();
    let mut args = strategy("RequestedToCapacityRatio", resources);
    args["scoringStrategy"]["requestedToCapacityRatio"] = json!({ "shape": shape });
    args
}

/// A node of 4 CPUs, 16 GiB and 8 GPUs, with a pod that takes 1 CPU, 4 GiB and 3 GPUs.
fn cluster() -> Snapshot {
    let offer = [("cpu", "4"), ("memory", "16Gi"), ("a.b/gpu", "8"), ("ephemeral-storage", "10Gi")];
    let taken = [("cpu", "1"), ("memory", "4Gi"), ("a.b/gpu", "3")];
    let nodes = [node("n").allocatable(&offer)];
    fixture::cluster(nodes, [pod("p").on("n").requests(&taken)])
}

#[test]
fn strategies_score_what_is_left_or_taken() {
    let cluster = cluster();
    let check = |args: Value, requests: &[(&str, &str)], expected: i64| {
        let scores = scores(args.clone(), pod("a").requests(requests), &cluster);
        assert_eq!(scores, [expected], "{args} {requests:?}");
    };
    let least = |resources| strategy("LeastAllocated", resources);
    let most = |resources| strategy("MostAllocated", resources);
    let half = [("cpu", "500m")];
    // CPU 62, and memory 73: a container that asks for none counts 200 MiB.
    check(Value::Null, &half, 67);
    check(least(json!(null)), &half, 67);
    check(least(json!([{"name": "cpu", "weight": 3}, {"name": "memory"}])), &half, 64);
    check(least(json!([{"name": "cpu", "weight": 0}, {"name": "memory"}])), &half, 67);
    check(most(json!([])), &half, 31);
    check(ratio(&[(0, 0), (100, 10)], json!([])), &half, 32);
    check(ratio(&[(0, 10), (100, 0)], json!([])), &half, 69);
    // An explicit 0 stays 0: memory 75.
    check(Value::Null, &[("cpu", "500m"), ("memory", "0")], 68);
    // More than there is.
    check(Value::Null, &[("cpu", "9"), ("memory", "99Gi")], 0);
    check(most(json!([])), &[("cpu", "9"), ("memory", "99Gi")], 100);
    check(ratio(&[(0, 10), (100, 1)], json!([])), &[("cpu", "9"), ("memory", "99Gi")], 10);
    // A scalar resource counts only for pods that ask for it, storage always.
    let gpu = || json!([{"name": "a.b/gpu"}, {"name": "cpu"}]);
    check(least(gpu()), &half, 62);
    check(least(gpu()), &[("cpu", "500m"), ("a.b/gpu", "1")], 56);
    let storage = json!([{"name": "ephemeral-storage"}, {"name": "cpu"}]);
    check(least(storage), &half, 81);
    // Nothing that counts.
    check(least(json!([{"name": "a.b/gpu"}])), &half, 0);
    check(most(json!([{"name": "a.b/none"}])), &[("a.b/none", "1")], 0);
    check(most(json!([{"name": "pods"}, {"name": "gpu"}, {"name": ""}])), &[("gpu", "1")], 0);
}

#[test]
fn a_shape_is_level_outside_its_points_and_what_it_scores_0_does_not_count() {
    let nodes = (0..=10).map(|n| node(&format!("n{n:02}")).allocatable(&[("cpu", "1000m")]));
    let placed = (1..=10).map(|n| {
        let cpu = format!("{}m", n * 100);
        pod(&format!("p{n}")).on(&format!("n{n:02}")).requests(&[("cpu", &cpu)])
    });
    let cluster = fixture::cluster(nodes, placed);
    let check = |points: &[(i32, i32)], resources: Value, expected: [i64; 11]| {
        let pod = pod("a").requests(&[("cpu", "0"), ("memory", "0")]);
        let scores = scores(ratio(points, resources), pod, &cluster);
        assert_eq!(scores, expected, "{points:?}");
    };
    let cpu = || json!([{"name": "cpu"}]);
    let to_peak = [20, 20, 20, 46, 73, 100, 70, 40, 10, 10, 10];
    check(&[(20, 2), (50, 10), (80, 1)], cpu(), to_peak);
    check(&[(50, 3)], cpu(), [30; 11]);
    let rising = [0, 10, 20, 30, 40, 50, 60, 70, 80, 90, 100];
    check(&[(0, 0), (100, 10)], cpu(), rising);
    // Memory is offered nowhere, and so counts nowhere.
    check(&[(0, 0), (100, 10)], json!([]), rising);
}

#[test]
fn pod_level_resources_do_not_count_and_init_containers_do() {
    let cluster = cluster();
    let check = |pod: PodBuilder, expected: i64| {
        assert_eq!(scores(Value::Null, pod, &cluster), [expected]);
    };
    let asks = |cpu: &str, memory: &str| {
        let requests = [("cpu", cpu), ("memory", memory)];
        pod("x").requests(&requests).build().spec.containers.remove(0)
    };
    let whole =
        |pod: PodBuilder| pod.with(|pod| pod.spec.resources = Some(asks("2", "8Gi").resources));
    check(pod("a").requests(&[("cpu", "500m")]), 67);
    check(whole(pod("a").requests(&[("cpu", "500m")])), 67);
    check(pod("a").init_container(asks("3", "12Gi")), 0);
    // Without containers nothing is asked for.
    check(pod("a"), 75);
    check(pod("a").requests(&[]).requests(&[]), (70 + 72) / 2);
}

#[test]
fn shares_are_exact_for_amounts_of_any_size() {
    let mut nodes = Vec::new();
    let mut placed = Vec::new();
    let mut amounts = Vec::new();
    for (round, offer) in EDGES.into_iter().enumerate() {
        // Some blocks hold usual amounts only, and others all kinds.
        for taken in EDGES.into_iter().cycle().skip(round).take(70) {
            let taken = if round < 4 { taken % (1 << 46) } else { taken };
            let name = format!("n{}", amounts.len());
            nodes.push(node(&name).allocatable(&[("memory", &offer.to_string())]));
            placed.push(pod(&name).on(&name).requests(&[("memory", &taken.to_string())]));
            amounts.push((offer, taken));
        }
    }
    let cluster = fixture::cluster(nodes, placed);
    let memory = || json!([{"name": "memory"}]);
    for request in EDGES {
        let pod = || pod("a").requests(&[("memory", &request.to_string())]);
        let expected = |part: fn(i128, i128) -> i128| {
            let shares = amounts.iter().map(|(offer, taken)| {
                let (offer, taken) = (i128::from(*offer), taken.saturating_add(request));
                let percent = part(offer, i128::from(taken)) * 100;
                percent.checked_div(offer).map_or(0, |percent| percent as i64)
            });
            shares.collect::<Vec<_>>()
        };
        let least = expected(|offer, taken| (offer - taken).max(0));
        assert_eq!(scores(strategy("LeastAllocated", memory()), pod(), &cluster), least);
        let most = expected(|offer, taken| taken.min(offer));
        assert_eq!(scores(strategy("MostAllocated", memory()), pod(), &cluster), most);
        let identity = ratio(&[(0, 0), (100, 10)], memory());
        assert_eq!(scores(identity, pod(), &cluster), most);
    }
}

#[test]
fn shares_are_rounded_down_at_every_whole_percent() {
    // Just below, at and just above each whole percent of an odd amount near the limit of floats.
    let offer = (1_i64 << 46) - 1;
    let mut taken = Vec::new();
    for percent in 1..=100 {
        let at = i64::try_from(i128::from(offer) * percent / 100).unwrap();
        taken.extend([at - 1, at, at + 1]);
    }
    let named = || (0..taken.len()).map(|n| format!("n{n}"));
    let nodes = named().map(|name| node(&name).allocatable(&[("memory", &offer.to_string())]));
    let placed = named()
        .zip(&taken)
        .map(|(name, taken)| pod(&name).on(&name).requests(&[("memory", &taken.to_string())]));
    let cluster = fixture::cluster(nodes, placed);
    let pod = pod("a").requests(&[("memory", "0")]);
    let args = strategy("MostAllocated", json!([{"name": "memory"}]));
    let expected = taken.iter().map(|taken| {
        i64::try_from(i128::from(*taken.min(&offer)) * 100 / i128::from(offer)).unwrap()
    });
    assert_eq!(scores(args, pod, &cluster), expected.collect::<Vec<_>>());
}

#[test]
fn amounts_below_0_count_as_none() {
    let node = |name, cpu| node(name).allocatable(&[("cpu", cpu), ("memory", "16Gi")]);
    let taking = |name: &str, cpu| pod(name).on(name).requests(&[("cpu", cpu), ("memory", "0")]);
    let cluster = fixture::cluster(
        [node("n1", "-4"), node("n2", "4")],
        [taking("n1", "-9"), taking("n2", "-9")],
    );
    let check = |kind, expected: [i64; 2]| {
        let args = strategy(kind, json!([{"name": "cpu"}, {"name": "memory"}]));
        let asking = pod("a").requests(&[("cpu", "1"), ("memory", "4Gi")]);
        assert_eq!(scores(args, asking, &cluster), expected, "{kind}");
    };
    check("LeastAllocated", [75, 87]);
    check("MostAllocated", [25, 12]);
}
