//! The rules of this room, as tables of input and expected answer.

use serde_json::{Value, json};

use super::*;
use crate::plugins::fixture::{self, Scored};
use crate::snapshot::Snapshot;
use crate::testing::{PodBuilder, node, pod};

const THREE: [&str; 3] = ["cpu", "memory", "a.b/gpu"];

fn plugin(resources: &[&str]) -> NodeResourcesBalancedAllocation {
    let resources: Vec<Value> = resources.iter().map(|name| json!({ "name": name })).collect();
    let args: BalancedAllocationArgs = decode_args(&json!({ "resources": resources })).unwrap();
    args.compile().unwrap()
}

fn scores(resources: &[&str], pod: PodBuilder, cluster: &Snapshot) -> Option<Vec<i64>> {
    match fixture::score(&plugin(resources), pod, cluster) {
        Scored::Scores { raw, normalized } if raw == normalized => Some(raw),
        Scored::Skipped => None,
        other => panic!("{other:?}"),
    }
}

/// A node of 4 CPUs, 16 GiB and 8 GPUs, with a pod that takes 1 CPU, 4 GiB and 4 GPUs.
fn cluster() -> Snapshot {
    let offer = [("cpu", "4"), ("memory", "16Gi"), ("a.b/gpu", "8")];
    let taken = [("cpu", "1"), ("memory", "4Gi"), ("a.b/gpu", "4")];
    let nodes = [node("n").allocatable(&offer)];
    fixture::cluster(nodes, [pod("p").on("n").requests(&taken)])
}

#[test]
fn a_pod_scores_by_how_much_it_evens_out() {
    let cluster = cluster();
    let check = |resources: &[&str], requests: &[(&str, &str)], expected: i64| {
        let scores = scores(resources, pod("a").requests(requests), &cluster);
        assert_eq!(scores, Some(vec![expected]), "{resources:?} {requests:?}");
    };
    // 93 with the pod, 100 without it. No default stands in for the memory.
    check(&[], &[("cpu", "500m")], 71);
    check(&[], &[("cpu", "1"), ("memory", "4Gi")], 75);
    check(&[], &[("cpu", "3")], 56);
    // No more than everything can be taken.
    check(&[], &[("cpu", "300")], 56);
    // From 1/4, 1/4 and 2/4, which is 88, to 2/4 of everything.
    check(&THREE, &[("cpu", "1"), ("memory", "4Gi"), ("a.b/gpu", "0")], 75);
    check(&THREE, &[("cpu", "1"), ("memory", "4Gi"), ("a.b/gpu", "1")], 78);
    check(&["cpu", "a.b/gpu"], &[("cpu", "1"), ("a.b/gpu", "1")], 78);
    // One resource is always even with itself.
    check(&["cpu"], &[("cpu", "1")], 75);
    check(&["cpu", "a.b/gpu"], &[("cpu", "1")], 75);
    check(&["cpu", "a.b/none"], &[("cpu", "1"), ("a.b/none", "1")], 75);
}

#[test]
fn pods_that_ask_for_none_of_the_resources_are_left_out() {
    let cluster = cluster();
    let skips = |resources: &[&str], requests: &[(&str, &str)]| {
        scores(resources, pod("a").requests(requests), &cluster).is_none()
    };
    assert!(skips(&[], &[]));
    assert!(skips(&[], &[("cpu", "0"), ("a.b/gpu", "1")]));
    assert!(skips(&["cpu"], &[("memory", "1")]));
    assert!(!skips(&[], &[("memory", "1")]));
    assert!(!skips(&THREE, &[("a.b/gpu", "1")]));
}

#[test]
fn what_the_pod_asks_for_as_a_whole_counts() {
    let mut whole = pod("x").requests(&[("cpu", "500m")]).build();
    let resources = whole.spec.containers.remove(0).resources;
    let whole = pod("a").requests(&[]).with(|pod| pod.spec.resources = Some(resources));
    assert_eq!(scores(&[], whole, &cluster()), Some(vec![71]));
}

/// The score in plain steps; a resource is (offered, taken, asked for).
fn expected(resources: &[(i64, i64, i64)]) -> i64 {
    let evenness = |with: i64| {
        let offered = resources.iter().filter(|(offer, ..)| *offer != 0);
        let fractions: Vec<f64> = offered
            .map(|(offer, taken, asked)| {
                let requested = taken.saturating_add(asked * with) as f64;
                f64::min(1.0, requested / *offer as f64)
            })
            .collect();
        let deviation = if fractions.len() == 2 {
            ((fractions[0] - fractions[1]) / 2.0).abs()
        } else if fractions.len() > 2 {
            let mean = fractions.iter().sum::<f64>() / fractions.len() as f64;
            let mut squares = 0.0;
            for fraction in &fractions {
                squares += (fraction - mean) * (fraction - mean);
            }
            (squares / fractions.len() as f64).sqrt()
        } else {
            0.0
        };
        ((1.0 - deviation) * 100.0) as i64
    };
    50 + (50 + evenness(1) - evenness(0)) / 2
}

#[test]
fn blocks_of_nodes_score_as_single_nodes_would() {
    // The first nodes are usual, some later ones offer nothing of something, or more than fits
    // floats.
    let offers = [7, 64, 1000, 31_999, (1 << 46) + 1, i64::MAX];
    let amounts: Vec<[i64; 4]> = (0..400_usize)
        .map(|n| {
            let kinds = if n < 200 { 4 } else { offers.len() };
            let offer = |skip: usize| match n >= 200 && n % (7 + skip) == 0 {
                true => 0,
                false => offers[(n / (1 + skip)) % kinds],
            };
            let taken = |offer: i64, part: usize| (offer / 50).saturating_mul(part as i64);
            let (cpu, memory) = (offer(0), offer(3));
            [cpu, memory, taken(cpu, n % 60), taken(memory, n % 47)]
        })
        .collect();
    let named = || (0..amounts.len()).map(|n| format!("n{n}"));
    let nodes = named().zip(&amounts).map(|(name, [cpu, memory, ..])| {
        let offer = [("memory", cpu.to_string()), ("ephemeral-storage", memory.to_string())];
        let offer = offer.each_ref().map(|(name, amount)| (*name, amount.as_str()));
        node(&name).allocatable(&offer).allocatable(&[("a.b/gpu", "8")])
    });
    let placed = named().zip(&amounts).map(|(name, [.., cpu, memory])| {
        let taken = [("memory", cpu.to_string()), ("ephemeral-storage", memory.to_string())];
        let taken = taken.each_ref().map(|(name, amount)| (*name, amount.as_str()));
        pod(&name).on(&name).requests(&taken)
    });
    let cluster = fixture::cluster(nodes, placed);
    let two = ["memory", "ephemeral-storage"];
    for asked in [[0, 1], [3, 900], [1 << 40, 5], [1 << 62, 1]] {
        let [one, other] = asked.map(|amount| amount.to_string());
        let pod = || pod("a").requests(&[("memory", &one), ("ephemeral-storage", &other)]);
        let resources = |[first, second, taken, also]: &[i64; 4]| {
            [(*first, *taken, asked[0]), (*second, *also, asked[1])]
        };
        let pairs = amounts.iter().map(|amounts| expected(&resources(amounts)));
        assert_eq!(scores(&two, pod(), &cluster), Some(pairs.collect()), "{asked:?}");

        let pod = pod().requests(&[("a.b/gpu", "3")]);
        let triples = amounts.iter().map(|amounts| {
            let [one, other] = resources(amounts);
            expected(&[one, (8, 0, 3), other])
        });
        let three = ["memory", "a.b/gpu", "ephemeral-storage"];
        assert_eq!(scores(&three, pod, &cluster), Some(triples.collect()), "{asked:?}");
    }
}

#[test]
fn arguments_that_cannot_be_used_are_named() {
    let check = |resources: Value, expected: &str| {
        let built = (REGISTRATION.build)(&json!({ "resources": resources }));
        let error = built.err().expect("the arguments are bad").to_string();
        assert_eq!(error, expected);
    };
    check(json!([{"name": "cpu", "weight": 2}]), "resources[0].weight: 2: expected 1");
    check(
        json!([{"name": "cpu"}, {"name": "cpu"}]),
        "resources[1].name: cpu: expected each resource once",
    );
    check(
        json!([{"name": "cpu", "size": 1}]),
        "resources[0].size: unknown field with value 1; expected one of name, weight",
    );
}

#[test]
fn amounts_below_0_count_as_none() {
    let nodes = [node("n").allocatable(&[("cpu", "4"), ("memory", "-9E")])];
    let cluster = fixture::cluster(nodes, [pod("p").on("n").requests(&[("cpu", "-9E")])]);
    let asking = pod("a").requests(&[("cpu", "1"), ("memory", "1Gi")]);
    assert_eq!(scores(&[], asking, &cluster), Some(vec![75]));
}
