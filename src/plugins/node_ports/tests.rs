//! The rules of this room, as tables of input and expected answer.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::plugins::fixture;
use crate::snapshot::{Overlay, Snapshot};
use crate::testing::{PodBuilder, node, pod};

fn cluster() -> Snapshot {
    let nodes = ["all", "one", "udp", "free"].map(node);
    let taken =
        |name: &str, ip: &str, protocol: &str| pod(name).on(name).host_port(ip, protocol, 80);
    let placed = [taken("all", "", ""), taken("one", "10.0.0.1", "TCP"), taken("udp", "", "UDP")];
    fixture::cluster(nodes, placed)
}

#[test]
fn a_node_is_refused_where_a_port_is_taken() {
    let cluster = cluster();
    let check = |pod: PodBuilder, expected: &[&str]| {
        let filtered = fixture::filter(&NodePorts, pod, &cluster);
        let refused = |name: &&str| (name.to_string(), Status::unschedulable(REASON));
        assert!(!filtered.skipped);
        assert_eq!(filtered.refused, expected.iter().map(refused).collect::<Vec<_>>());
    };
    check(pod("a").host_port("", "TCP", 80), &["all", "one"]);
    check(pod("a").host_port("0.0.0.0", "", 80), &["all", "one"]);
    check(pod("a").host_port("10.0.0.1", "", 80), &["all", "one"]);
    check(pod("a").host_port("10.0.0.2", "", 80), &["all"]);
    check(pod("a").host_port("", "UDP", 80), &["udp"]);
    check(pod("a").host_port("", "SCTP", 80), &[]);
    check(pod("a").host_port("", "", 81), &[]);
    let both = pod("a").host_port("10.0.0.2", "", 80).host_port("", "UDP", 80);
    check(both, &["all", "udp"]);
}

#[test]
fn ports_of_sidecars_count_and_those_of_init_containers_do_not() {
    let container = |restart_policy: Option<&str>| {
        let mut container = pod("x").host_port("", "", 80).build().spec.containers.remove(0);
        container.restart_policy = restart_policy.map(Into::into);
        container
    };
    let cluster = cluster();
    let filter = |pod: PodBuilder| fixture::filter(&NodePorts, pod, &cluster);
    assert!(filter(pod("a")).skipped);
    assert!(filter(pod("a").host_port("", "", 0)).skipped);
    assert!(filter(pod("a").init_container(container(None))).skipped);
    let sidecar = pod("a").init_container(container(Some("Always")));
    assert_eq!(filter(sidecar).refused.len(), 2);
}

#[test]
fn pods_that_only_might_come_or_go_count() {
    let cluster = cluster();
    let waiting = PodInfo::new(&pod("a").host_port("10.0.0.1", "", 80).build());
    let check = |overlay: Overlay, expected: &[&str]| {
        let view = cluster.view_with(overlay);
        let Prepared::Ready(ready) = NodePorts.prepare_filter(&waiting, &view) else {
            panic!("the pod asks for a port");
        };
        let mut refusals = Refusals::default();
        ready.filter.filter(cluster.nodes().present(), &mut refusals);
        let refused = refusals.iter().map(|(node, _)| &**cluster.nodes().name(node));
        assert_eq!(refused.collect::<Vec<_>>(), expected);
    };
    let coming = |ip: &str, protocol: &str| {
        let pod = pod("b").host_port(ip, protocol, 80).build();
        vec![(Arc::new(PodInfo::new(&pod)), cluster.nodes().find("free").unwrap())]
    };
    let added = |added| Overlay { added, ..Overlay::default() };
    check(added(vec![]), &["all", "one"]);
    check(added(coming("", "")), &["all", "one", "free"]);
    check(added(coming("10.0.0.2", "")), &["all", "one"]);
    check(added(coming("", "UDP")), &["all", "one"]);
    let removed = BTreeSet::from(["default/one".into(), "default/udp".into()]);
    check(Overlay { removed, ..Overlay::default() }, &["all"]);
}

#[test]
fn a_new_node_or_a_freed_port_helps() {
    let waiting = || pod("a").host_port("10.0.0.1", "", 80);
    assert_eq!(fixture::hint_on_new_node(&NodePorts, waiting(), node("n")), Hint::Queue);
    let unchanged = fixture::hint_on_changed_node(&NodePorts, waiting(), node("n"), node("n"));
    assert_eq!(unchanged, Hint::Skip);
    let waiting = PodInfo::new(&waiting().build());
    let check = |gone: PodBuilder, expected: Hint| {
        let gone = PodInfo::new(&gone.on("n").build());
        assert_eq!(NodePorts.hint(&waiting, &ClusterEvent::PodRemoved(&gone)), expected);
        assert_eq!(NodePorts.hint(&waiting, &ClusterEvent::PodPlaced(&gone)), Hint::Skip);
    };
    check(pod("b").host_port("", "", 80), Hint::Queue);
    check(pod("b").host_port("10.0.0.1", "", 80), Hint::Queue);
    check(pod("b").host_port("10.0.0.2", "", 80), Hint::Skip);
    check(pod("b").host_port("", "UDP", 80), Hint::Skip);
    check(pod("b"), Hint::Skip);
}
