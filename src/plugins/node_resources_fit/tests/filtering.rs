//! The rules of this room, as tables of input and expected answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::framework::{Code, Filter, Refusals, Status};
use crate::snapshot::{Overlay, Snapshot};

fn status(code: Code, reasons: &[&str]) -> Option<Status> {
    Some(Status { code, reasons: reasons.iter().map(|reason| (*reason).into()).collect() })
}

fn refusal(plugin: &NodeResourcesFit, pod: PodBuilder, cluster: &Snapshot) -> Option<Status> {
    let mut refused = fixture::filter(plugin, pod, cluster).refused;
    assert!(refused.len() < 2, "{refused:?}");
    refused.pop().map(|(_, status)| status)
}

/// One node of 4 CPUs, 8 GiB and 2 GPUs, with a pod on it that takes 1 CPU, 2 GiB and 1 GPU.
fn cluster(places: &str) -> Snapshot {
    let offer = [("cpu", "4"), ("memory", "8Gi"), ("ephemeral-storage", "9Gi"), ("a.b/gpu", "2")];
    let nodes = [node("n").allocatable(&offer).allocatable(&[("pods", places)])];
    let taken = [("cpu", "1"), ("memory", "2Gi"), ("a.b/gpu", "1"), ("a.b/lost", "1")];
    fixture::cluster(nodes, [pod("p").on("n").requests(&taken)])
}

#[test]
fn a_node_is_refused_for_everything_that_it_lacks() {
    let cluster = cluster("110");
    let check = |requests: &[(&str, &str)], expected: Option<Status>| {
        let refused = refusal(&plugin(Value::Null), pod("a").requests(requests), &cluster);
        assert_eq!(refused, expected, "{requests:?}");
    };
    let lacks = |reasons: &[&str]| status(Code::Unschedulable, reasons);
    let never = |reasons: &[&str]| status(Code::UnschedulableAndUnresolvable, reasons);
    check(&[], None);
    check(&[("cpu", "3"), ("memory", "6Gi"), ("a.b/gpu", "1")], None);
    check(&[("cpu", "3001m")], lacks(&["Insufficient cpu"]));
    check(&[("cpu", "4")], lacks(&["Insufficient cpu"]));
    check(&[("cpu", "4001m")], never(&["Insufficient cpu"]));
    check(&[("memory", "7Gi")], lacks(&["Insufficient memory"]));
    check(&[("ephemeral-storage", "10Gi")], never(&["Insufficient ephemeral-storage"]));
    check(&[("a.b/gpu", "2")], lacks(&["Insufficient a.b/gpu"]));
    check(&[("a.b/gpu", "3")], never(&["Insufficient a.b/gpu"]));
    // One resource without hope is enough for the whole node.
    check(
        &[("memory", "9Gi"), ("cpu", "4"), ("a.b/gpu", "2")],
        never(&["Insufficient cpu", "Insufficient memory", "Insufficient a.b/gpu"]),
    );
    // Nobody offers it; of the second some is taken all the same.
    check(&[("a.b/none", "1")], never(&["Insufficient a.b/none"]));
    check(&[("a.b/lost", "1")], never(&["Insufficient a.b/lost"]));
    check(&[("a.b/none", "0"), ("a.b/lost", "0"), ("cpu", "0")], None);
    // Not a resource of the scheduler.
    check(&[("gpu", "1"), ("pods", "200")], None);
    check(&[("memory", "8Ei")], never(&["Insufficient memory"]));
}

#[test]
fn every_pod_takes_a_place_and_eviction_can_free_one() {
    let check = |places: &str, cpu: &str, code: Code, expected: &[&str]| {
        let cluster = cluster(places);
        let refused = refusal(&plugin(Value::Null), pod("a").requests(&[("cpu", cpu)]), &cluster);
        let expected = status(code, expected).filter(|status| !status.reasons.is_empty());
        assert_eq!(refused, expected, "{places} places");
    };
    check("2", "0", Code::Success, &[]);
    check("1", "0", Code::Unschedulable, &["Too many pods"]);
    check("0", "0", Code::Unschedulable, &["Too many pods"]);
    check("1", "4", Code::Unschedulable, &["Too many pods", "Insufficient cpu"]);
    let never = Code::UnschedulableAndUnresolvable;
    check("1", "5", never, &["Too many pods", "Insufficient cpu"]);
}

#[test]
fn ignored_resources_are_those_of_vendors_only() {
    let cluster = fixture::cluster([node("n")], []);
    let args = json!({"ignoredResources": ["a.b/x", "kubernetes.io/x", "cpu"],
        "ignoredResourceGroups": ["c.d", "batch.kubernetes.io"]});
    let check = |resource: &str, ignored: bool| {
        let refused =
            refusal(&plugin(args.clone()), pod("a").requests(&[(resource, "1")]), &cluster);
        assert_eq!(refused.is_none(), ignored, "{resource}");
    };
    check("a.b/x", true);
    check("a.b/y", false);
    check("c.d/y", true);
    check("sub.c.d/y", false);
    check("kubernetes.io/x", false);
    check("batch.kubernetes.io/x", false);
    check("cpu", false);
}

#[test]
fn pods_that_only_might_come_or_go_count() {
    let cluster = cluster("2");
    let plugin = plugin(Value::Null);
    let waiting = PodInfo::new(&pod("a").requests(&[("cpu", "3")]).build());
    let check = |overlay: Overlay, expected: &[&str]| {
        let view = cluster.view_with(overlay);
        let Prepared::Ready(ready) = plugin.prepare_filter(&waiting, &view) else {
            panic!("the filter never skips");
        };
        let mut refusals = Refusals::default();
        ready.filter.filter(cluster.nodes().present(), &mut refusals);
        let reasons = refusals.iter().flat_map(|(_, status)| &status.reasons);
        assert_eq!(reasons.map(|reason| &**reason).collect::<Vec<_>>(), expected);
    };
    let node = cluster.nodes().find("n").unwrap();
    let other = pod("b").requests(&[("cpu", "1")]).build();
    let added = || vec![(Arc::new(PodInfo::new(&other)), node)];
    let removed = || BTreeSet::from(["default/p".into()]);
    check(Overlay::default(), &[]);
    let added_only = Overlay { added: added(), ..Overlay::default() };
    check(added_only, &["Too many pods", "Insufficient cpu"]);
    check(Overlay { added: added(), removed: removed(), ..Overlay::default() }, &[]);
}

#[test]
fn amounts_of_any_size_are_compared_exactly_on_any_number_of_nodes() {
    // More nodes than two words of a set hold: every offer against every amount that is taken.
    let mut nodes = Vec::new();
    let mut placed = Vec::new();
    let mut amounts = Vec::new();
    for offer in EDGES {
        for taken in EDGES {
            let name = format!("n{}", amounts.len());
            nodes.push(node(&name).allocatable(&[("memory", &offer.to_string())]));
            placed.push(pod(&name).on(&name).requests(&[("memory", &taken.to_string())]));
            amounts.push((offer, taken));
        }
    }
    let cluster = fixture::cluster(nodes, placed);
    for request in EDGES {
        let pod = pod("a").requests(&[("memory", &request.to_string())]);
        let refused = fixture::filter(&plugin(Value::Null), pod, &cluster).refused;
        let lacking = amounts.iter().enumerate().filter(|(_, (offer, taken))| {
            request > 0 && i128::from(request) + i128::from(*taken) > i128::from(*offer)
        });
        let expected = lacking.map(|(node, (offer, _))| {
            let code = match request > *offer {
                true => Code::UnschedulableAndUnresolvable,
                false => Code::Unschedulable,
            };
            (format!("n{node}"), status(code, &["Insufficient memory"]).unwrap())
        });
        assert_eq!(refused, expected.collect::<Vec<_>>(), "{request}");
    }
}

#[test]
fn only_the_nodes_that_are_asked_about_are_refused() {
    let nodes = (0..150).map(|n| node(&format!("n{n}")));
    let cluster = fixture::cluster(nodes, []);
    let view = cluster.view();
    let demanding = pod("a").requests(&[("cpu", "1")]).build();
    let demanding = PodInfo::new(&demanding);
    let fit = plugin(Value::Null);
    let filter = FitFilter::new(&demanding.requests, &fit.ignored, &view);
    let some = cluster.nodes().present().iter().filter(|node| node.index() % 37 == 1).collect();
    let mut refusals = Refusals::default();
    filter.filter(&some, &mut refusals);
    let refused: Vec<usize> = refusals.iter().map(|(node, _)| node.index()).collect();
    assert_eq!(refused, [1, 38, 75, 112, 149]);
}
