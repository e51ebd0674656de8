//! The rules of this room, as tables of input and expected answer.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::plugins::fixture::{self, Scored};
use crate::snapshot::{Overlay, Snapshot};
use crate::testing::{PodBuilder, node, pod};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";
const DB: &[(&str, &str)] = &[("app", "db")];

fn plugin(args: serde_json::Value) -> PodTopologySpread {
    PodTopologySpread::new(decode_args(&args).unwrap()).unwrap()
}

/// Two nodes in zone a, one in b, one in c, and n5 in none.
fn cluster(pods: impl IntoIterator<Item = PodBuilder>) -> Snapshot {
    let zone = |name, zone| node(name).labels(&[(ZONE, zone)]);
    let tainted = zone("n4", "c").taint("full", "", "NoSchedule");
    let nodes = [zone("n1", "a"), zone("n2", "a"), zone("n3", "b"), tainted, node("n5")];
    fixture::cluster(nodes, pods)
}

/// A pod with this label on each of the nodes.
fn on(nodes: &[&str]) -> Vec<PodBuilder> {
    let pods = nodes.iter().enumerate();
    pods.map(|(number, node)| pod(&format!("db-{number}")).labels(DB).on(node)).collect()
}

/// Changes the constraints of a pod.
fn with(pod: PodBuilder, change: impl Fn(&mut TopologySpreadConstraint)) -> PodBuilder {
    pod.with(|pod| pod.spec.topology_spread_constraints.iter_mut().for_each(change))
}

fn hard(key: &str) -> PodBuilder {
    pod("a").labels(DB).spread(1, key, "DoNotSchedule", DB)
}

#[track_caller]
fn check_filter(cluster: &Snapshot, pod: PodBuilder, expected: &str) {
    let filtered = fixture::filter(&plugin(json!({})), pod, cluster);
    let letter =
        |status: &Status| if *status == Status::unresolvable(REASON_LABEL) { "-" } else { "!" };
    let refused = filtered.refused.iter().map(|(node, status)| format!("{node}{}", letter(status)));
    assert_eq!(refused.collect::<Vec<_>>().join(" "), expected);
}

#[test]
fn no_domain_gets_more_than_the_skew_above_the_emptiest() {
    check_filter(&cluster(on(&[])), hard(ZONE), "n5-");
    check_filter(&cluster(on(&["n1"])), hard(ZONE), "n1! n2! n5-");
    check_filter(&cluster(on(&["n1", "n3", "n4"])), hard(ZONE), "n5-");
    check_filter(&cluster(on(&["n1", "n2", "n3", "n4"])), hard(ZONE), "n1! n2! n5-");
    check_filter(&cluster(on(&["n1"])), with(hard(ZONE), |c| c.max_skew = 2), "n5-");
    check_filter(&cluster(on(&["n1"])), hard(HOST), "n1!");
    // The pod does not count where its own selector does not pick it.
    check_filter(&cluster(on(&["n1"])), hard(ZONE).labels(&[]), "n5-");
    // The first constraint that is violated is the reason.
    let both = hard(HOST).spread(1, ZONE, "DoNotSchedule", DB);
    check_filter(&cluster(on(&["n1"])), both, "n1! n2! n5-");
}

#[test]
fn pods_of_other_namespaces_and_terminating_ones_do_not_count() {
    let others = [
        pod("x").labels(DB).namespace("other").on("n1"),
        pod("y").labels(DB).terminating().on("n1"),
        pod("z").labels(&[("app", "web")]).on("n1"),
    ];
    check_filter(&cluster(others), hard(ZONE), "n5-");
}

#[test]
fn fewer_domains_than_demanded_count_as_one_that_is_empty() {
    let cluster = cluster(on(&["n1", "n3", "n4"]));
    check_filter(&cluster, with(hard(ZONE), |c| c.min_domains = Some(3)), "n5-");
    check_filter(&cluster, with(hard(ZONE), |c| c.min_domains = Some(4)), "n1! n2! n3! n4! n5-");
}

#[test]
fn a_node_counts_as_the_policies_and_all_hard_keys_say() {
    let honors_taints = |policy: &'static str| {
        with(hard(ZONE), move |c| c.node_taints_policy = Some(policy.into()))
    };
    // Zone c is the emptiest, but nobody can go there.
    let full = cluster(on(&["n1", "n3"]));
    check_filter(&full, honors_taints("Ignore"), "n1! n2! n3! n5-");
    check_filter(&full, honors_taints("Honor"), "n5-");
    let tolerant = honors_taints("Honor").toleration("full", "Exists", "", "");
    check_filter(&full, tolerant, "n1! n2! n3! n5-");
    let selecting = || hard(ZONE).node_selector(&[(ZONE, "a")]);
    check_filter(&full, selecting(), "n5-");
    let ignoring = with(selecting(), |c| c.node_affinity_policy = Some("Ignore".into()));
    check_filter(&full, ignoring, "n1! n2! n3! n5-");
    // n5 lacks a key of one constraint, so that its pods count for none.
    let lacking = cluster(on(&["n5"]));
    check_filter(&lacking, hard(HOST), "n5!");
    check_filter(&lacking, hard(HOST).spread(9, ZONE, "DoNotSchedule", DB), "n5-");
}

#[test]
fn an_empty_selector_picks_the_pod_itself_and_nobody_else_and_none_picks_nobody() {
    let cluster = cluster(on(&["n1", "n1", "n3"]));
    let everything = with(hard(ZONE), |c| c.label_selector = Some(Default::default()));
    check_filter(&cluster, everything, "n5-");
    let nothing = with(hard(ZONE), |c| (c.label_selector, c.max_skew) = (None, 0));
    check_filter(&cluster, nothing, "n5-");
    let keyed = |labels| {
        let pod = hard(ZONE).labels(labels);
        with(pod, |c| c.match_label_keys = vec!["version".into(), "absent".into()])
    };
    check_filter(&cluster, keyed(&[("app", "db")]), "n1! n2! n3! n5-");
    check_filter(&cluster, keyed(&[("app", "db"), ("version", "2")]), "n5-");
}

#[test]
fn a_pod_that_is_only_supposed_to_come_counts_even_for_the_empty_selector() {
    let cluster = cluster(on(&[]));
    let node = cluster.nodes().find("n1").unwrap();
    let coming = Arc::new(PodInfo::new(&pod("x").labels(DB).terminating().build()));
    let overlay = Overlay { added: vec![(coming, node)], ..Overlay::default() };
    let view = cluster.view_with(overlay);
    let everything = with(hard(ZONE), |c| c.label_selector = Some(Default::default()));
    let (plugin, pod) = (plugin(json!({})), PodInfo::new(&everything.build()));
    let Prepared::Ready(ready) = plugin.prepare_filter(&pod, &view) else {
        panic!("the pod has a constraint");
    };
    let mut refusals = crate::framework::Refusals::default();
    ready.filter.filter(cluster.nodes().present(), &mut refusals);
    let crowded =
        refusals.iter().filter(|(_, status)| **status == Status::unschedulable(REASON_SKEW));
    let names: Vec<&str> = crowded.map(|(node, _)| &**cluster.nodes().name(node)).collect();
    assert_eq!(names, ["n1", "n2"]);
}

#[track_caller]
fn check_score(
    cluster: &Snapshot,
    args: serde_json::Value,
    pod: PodBuilder,
    raw: [i64; 5],
    normalized: [i64; 5],
) {
    let scored = fixture::score(&plugin(args), pod, cluster);
    let expected = Scored::Scores { raw: raw.into(), normalized: normalized.into() };
    assert_eq!(scored, expected);
}

#[test]
fn soft_constraints_prefer_domains_with_few_pods() {
    let soft = |key| pod("a").labels(DB).spread(1, key, "ScheduleAnyway", DB);
    let cluster = cluster(on(&["n1", "n2", "n3"]));
    // 2, 1 and 0 pods times ln(3 + 2); n5 has no zone and is left aside.
    check_score(&cluster, json!({}), soft(ZONE), [3, 3, 2, 0, 0], [0, 0, 33, 100, 0]);
    // One pod times ln(5 + 2).
    check_score(&cluster, json!({}), soft(HOST), [2, 2, 2, 0, 0], [0, 0, 0, 100, 100]);
    let nobody = pod("a").spread(1, ZONE, "ScheduleAnyway", &[("app", "web")]);
    check_score(&cluster, json!({}), nobody, [0; 5], [100, 100, 100, 100, 0]);
    let scored = fixture::score(&plugin(json!({})), hard(ZONE), &cluster);
    assert_eq!(scored, Scored::Skipped);
}

#[test]
fn pods_without_constraints_spread_with_those_that_services_and_owners_pick_with_them() {
    let mut cluster = cluster(on(&["n1", "n3", "n3"]));
    let db = || pod("a").labels(DB);
    assert_eq!(fixture::score(&plugin(json!({})), db(), &cluster), Scored::Skipped);
    let key = |name: &str| crate::model::PodKey { namespace: "default".into(), name: name.into() };
    let map = |pairs: &[(&str, &str)]| {
        pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
    };
    cluster.owners.services.insert(key("db"), map(DB));
    cluster.owners.services.insert(key("web"), map(&[("app", "web")]));
    // Hosts: pods times ln(5 + 2) plus 2; zones, of which lacking one is another: ln(4 + 2) plus 4.
    check_score(&cluster, json!({}), db(), [10, 8, 13, 6, 2], [38, 53, 15, 69, 100]);
    let web = db().labels(&[("app", "api")]);
    assert_eq!(fixture::score(&plugin(json!({})), web, &cluster), Scored::Skipped);
    let selector = crate::testing::selector(&[("app", "api")]);
    cluster.owners.stateful_sets.insert(key("api"), Some(selector));
    let owned = pod("a").labels(&[("app", "api")]).owner("StatefulSet", "api");
    check_score(&cluster, json!({}), owned, [6, 6, 6, 6, 2], [33, 33, 33, 33, 100]);
    let constraint =
        json!({"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule"});
    let args = json!({"defaultingType": "List", "defaultConstraints": [constraint]});
    let filtered = fixture::filter(&plugin(args), db(), &cluster);
    let refused: Vec<&str> = filtered.refused.iter().map(|(node, _)| &**node).collect();
    assert_eq!(refused, ["n1", "n2", "n3", "n5"]);
}

#[test]
fn only_events_that_may_change_the_counts_wake_a_pod() {
    let check = |pod: PodBuilder, event: ClusterEvent<'_>, expected: bool| {
        let hint = plugin(json!({})).hint(&PodInfo::new(&pod.build()), &event);
        assert_eq!(hint, Hint::queue_if(expected), "{event:?}");
    };
    let info = |pod: PodBuilder| PodInfo::new(&pod.build());
    let (db, web) = (info(pod("b").labels(DB).on("n1")), info(pod("b").on("n1")));
    let elsewhere = info(pod("b").labels(DB).namespace("other").on("n1"));
    check(hard(ZONE), ClusterEvent::PodRemoved(&db), true);
    check(hard(ZONE), ClusterEvent::PodPlaced(&db), true);
    check(hard(ZONE), ClusterEvent::PodRemoved(&web), false);
    check(hard(ZONE), ClusterEvent::PodRemoved(&elsewhere), false);
    check(hard(ZONE), ClusterEvent::PodUpdated { old: &web, new: &db }, true);
    check(hard(ZONE), ClusterEvent::PodUpdated { old: &db, new: &db }, false);
    let ending = info(pod("b").labels(DB).terminating().on("n1"));
    check(hard(ZONE), ClusterEvent::PodUpdated { old: &db, new: &ending }, true);
    let node_info =
        |node: crate::testing::NodeBuilder| crate::snapshot::NodeInfo::new(&node.build());
    let zoned = node_info(node("n9").labels(&[(ZONE, "z")]));
    let tainted = node_info(node("n9").labels(&[(ZONE, "z")]).taint("x", "", "NoSchedule"));
    let bare = node_info(node("n9"));
    check(hard(ZONE), ClusterEvent::NodeAdded(&zoned), true);
    check(hard(ZONE), ClusterEvent::NodeAdded(&bare), false);
    check(hard(ZONE), ClusterEvent::NodeRemoved(&zoned), true);
    check(hard(ZONE), ClusterEvent::NodeUpdated { old: &bare, new: &zoned }, true);
    check(hard(ZONE), ClusterEvent::NodeUpdated { old: &zoned, new: &tainted }, true);
    check(hard(ZONE), ClusterEvent::NodeUpdated { old: &zoned, new: &zoned }, false);
}
