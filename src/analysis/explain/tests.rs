//! Tests of explaining: small clusters, one pod, and what is said of it.

use super::*;
use crate::config::resolve;
use crate::placement::ZONE;
use crate::plugins::registry;
use crate::snapshot::{NodeInfo, Overlay, Snapshot};
use crate::testing::{node, pod};

fn explain_on(nodes: &[api::Node], placed: &[api::Pod], pod: &api::Pod) -> Report {
    let mut snapshot = Snapshot::default();
    nodes.iter().for_each(|node| _ = snapshot.set_node(NodeInfo::new(node)));
    for placed in placed {
        snapshot.place(PodInfo::new(placed).into(), &placed.spec.node_name);
    }
    let registry = registry();
    let configuration = resolve(&Default::default(), &registry.catalog()).unwrap();
    let profile = &configuration.profiles[0];
    let framework = Framework::new(profile, &registry).unwrap();
    let overlay = Overlay { removed: [pod.metadata.uid.clone()].into(), ..Overlay::default() };
    let view = snapshot.view_with(overlay);
    let question = Question { framework: &framework, profile, view: &view, pod, node: None };
    explain(&question).unwrap()
}

/// The changes with the number of nodes that each opens.
fn changes(report: &Report) -> Vec<(&str, usize)> {
    report.unblock.iter().map(|change| (&*change.change, change.nodes)).collect()
}

fn server(name: &str, zone: &str) -> crate::testing::NodeBuilder {
    node(name).labels(&[(ZONE, zone)]).allocatable(&[("cpu", "4"), ("memory", "8Gi")])
}

#[test]
fn a_pod_that_fits_has_its_best_nodes_and_nothing_to_unblock() {
    let nodes = [server("a", "z1").build(), server("b", "z2").build()];
    let placed = [pod("x").requests(&[("cpu", "3")]).on("a").build()];
    let report = explain_on(&nodes, &placed, &pod("p").requests(&[("cpu", "1")]).build());
    assert_eq!((report.nodes, report.feasible, report.unblock.len()), (2, 2, 0));
    let best = &report.best[0];
    assert_eq!((&*best.node, best.total), ("b", best.scores.values().sum()));
}

#[test]
fn room_that_lacks_is_told_to_the_last_milli_cpu() {
    let nodes = [server("a", "z1").build(), server("b", "z2").build()];
    let placed = [
        pod("x").requests(&[("cpu", "3500m")]).on("a").build(),
        pod("y").requests(&[("cpu", "2500m")]).on("b").build(),
    ];
    let report = explain_on(&nodes, &placed, &pod("p").requests(&[("cpu", "2")]).build());
    assert_eq!((report.stages[0].refused, report.stages[0].fit_without), (2, 2));
    assert_eq!(
        changes(&report),
        [("free 500m cpu on node b", 1), ("add a node like b in zone z2", 1)]
    );
    let report = explain_on(&nodes, &[], &pod("p").requests(&[("cpu", "9")]).build());
    assert_eq!(changes(&report).len(), 1);
    assert!(changes(&report)[0].0.starts_with("ask for less"), "{report:?}");
}

#[test]
fn a_taint_and_a_cordon_are_named_with_the_nodes_they_keep() {
    let nodes = [
        server("a", "z1").taint("dedicated", "db", "NoSchedule").build(),
        server("b", "z2").taint("dedicated", "db", "NoSchedule").build(),
        server("c", "z3").unschedulable().build(),
    ];
    let report = explain_on(&nodes, &[], &pod("p").build());
    let expected = [("uncordon node c", 1), ("tolerate the taint dedicated=db:NoSchedule", 2)];
    assert_eq!(changes(&report), expected);
}

#[test]
fn an_anti_affinity_is_relaxed_to_the_level_that_has_room() {
    let nodes = [server("a", "z1").build(), server("b", "z1").build()];
    let db = [("app", "db")];
    let placed = [pod("db-0").labels(&db).on("a").build()];
    let pod = pod("db-1").labels(&db).anti_affinity(ZONE, &db).build();
    let report = explain_on(&nodes, &placed, &pod);
    let expected = [
        ("let the anti-affinity over topology.kubernetes.io/zone be preferred", 2),
        (
            "relax the required anti-affinity over topology.kubernetes.io/zone to \
             kubernetes.io/hostname",
            1,
        ),
    ];
    let found = changes(&report);
    assert!(expected.iter().all(|change| found.contains(change)), "{found:?}");
}

#[test]
fn a_pod_that_stands_somewhere_is_asked_for_without_itself() {
    let nodes = [server("a", "z1").build()];
    let placed = [pod("p").requests(&[("cpu", "3")]).on("a").build()];
    let report = explain_on(&nodes, &placed, &pod("p").requests(&[("cpu", "3")]).build());
    assert_eq!(report.feasible, 1);
}

#[test]
fn gates_and_two_obstacles_at_once_are_told() {
    let nodes = [server("a", "z1").build()];
    let report = explain_on(&nodes, &[], &pod("p").gate("data").build());
    assert_eq!(changes(&report), [("remove the scheduling gates data", 1)]);
    let nodes = [server("a", "z1").taint("dedicated", "db", "NoSchedule").build()];
    let report = explain_on(&nodes, &[], &pod("p").requests(&[("cpu", "9")]).build());
    let expected = "no single change is enough; node a is the closest, refused by \
        TaintToleration and NodeResourcesFit";
    assert_eq!(changes(&report), [(expected, 1)]);
}
