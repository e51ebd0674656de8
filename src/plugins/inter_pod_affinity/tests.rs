//! The rules of this room, as tables of input and expected answer.

use serde_json::json;

use super::*;
use crate::model::LabelSelector;
use crate::plugins::fixture::{self, Scored};
use crate::snapshot::Snapshot;
use crate::testing::{PodBuilder, namespace, node, pod, selector};

const ZONE: &str = "zone";
const HOST: &str = "kubernetes.io/hostname";
const DB: &[(&str, &str)] = &[("app", "db")];
const WEB: &[(&str, &str)] = &[("app", "web")];

fn plugin(args: serde_json::Value) -> InterPodAffinity {
    InterPodAffinity::new(decode_args(&args).unwrap()).unwrap()
}

/// n1 and n2 lie in one zone, n3 in another, and n4 in none.
fn cluster(pods: impl IntoIterator<Item = PodBuilder>) -> Snapshot {
    let zone = |name, zone| node(name).labels(&[(ZONE, zone)]);
    let mut cluster =
        fixture::cluster([zone("n1", "a"), zone("n2", "a"), zone("n3", "b"), node("n4")], pods);
    cluster.set_namespace(&namespace("default", &[]));
    cluster.set_namespace(&namespace("red", &[("team", "red")]));
    cluster
}

/// A term that also speaks of the namespaces that this selector picks.
fn in_namespaces(pod: PodBuilder, namespaces: LabelSelector) -> PodBuilder {
    pod.with(|pod| {
        let affinity = pod.spec.affinity.as_mut().unwrap();
        let towards = affinity.pod_affinity.iter_mut().flat_map(|a| &mut a.required);
        let away = affinity.pod_anti_affinity.iter_mut().flat_map(|a| &mut a.required);
        towards.chain(away).for_each(|term| term.namespace_selector = Some(namespaces.clone()));
    })
}

#[track_caller]
fn check_filter(cluster: &Snapshot, pod: PodBuilder, expected: &[(&str, &str)]) {
    let filtered = fixture::filter(&plugin(json!({})), pod, cluster);
    let refused: Vec<(&str, &str)> =
        filtered.refused.iter().map(|(node, status)| (&**node, &*status.reasons[0])).collect();
    assert_eq!(refused, expected);
}

#[test]
fn required_affinity_demands_every_key_and_a_pod_in_every_domain() {
    let cluster = cluster([pod("db").labels(DB).on("n1"), pod("web").labels(WEB).on("n4")]);
    let apart = |nodes: &[&'static str]| -> Vec<(&str, &str)> {
        nodes.iter().map(|node| (*node, REASON_AFFINITY)).collect()
    };
    check_filter(&cluster, pod("a"), &[]);
    check_filter(&cluster, pod("a").affinity(ZONE, DB), &apart(&["n3", "n4"]));
    check_filter(&cluster, pod("a").affinity(HOST, DB), &apart(&["n2", "n3", "n4"]));
    let both = pod("a").affinity(ZONE, DB).affinity(HOST, DB);
    check_filter(&cluster, both, &apart(&["n2", "n3", "n4"]));
    // One pod has to be meant by all terms.
    let different = pod("a").affinity(ZONE, DB).affinity(HOST, WEB);
    check_filter(&cluster, different, &apart(&["n1", "n2", "n3", "n4"]));
    // A pod on a node without the key lies in no domain.
    check_filter(&cluster, pod("a").affinity(ZONE, WEB), &apart(&["n1", "n2", "n3", "n4"]));
    let elsewhere = pod("a").namespace("red").affinity(ZONE, DB);
    check_filter(&cluster, elsewhere, &apart(&["n1", "n2", "n3", "n4"]));
}

#[test]
fn the_first_of_its_kind_may_go_wherever_the_keys_are() {
    let cluster = cluster([pod("web").labels(WEB).on("n1")]);
    let first = || pod("a").labels(DB).affinity(ZONE, DB);
    check_filter(&cluster, first(), &[("n4", REASON_AFFINITY)]);
    let second = self::cluster([pod("db").labels(DB).on("n3")]);
    let apart = ["n1", "n2", "n4"].map(|node| (node, REASON_AFFINITY));
    check_filter(&second, first(), &apart);
    // Terminating pods are company, too.
    let ending = self::cluster([pod("db").labels(DB).terminating().on("n3")]);
    check_filter(&ending, first(), &apart);
}

#[test]
fn anti_affinity_holds_in_both_directions_and_never_on_nodes_without_the_key() {
    let cluster = cluster([
        pod("db").labels(DB).on("n1"),
        pod("loner").labels(WEB).anti_affinity(HOST, &[("app", "api")]).on("n3"),
        pod("nowhere").anti_affinity(ZONE, &[("app", "api")]).on("n4"),
    ]);
    let own = ["n1", "n2"].map(|node| (node, REASON_ANTI_AFFINITY));
    check_filter(&cluster, pod("a").anti_affinity(ZONE, DB), &own);
    let api = || pod("a").labels(&[("app", "api")]);
    check_filter(&cluster, api(), &[("n3", REASON_EXISTING)]);
    check_filter(&cluster, api().namespace("red"), &[]);
    // Of several rules the pod's own come first.
    let expected = [("n3", REASON_ANTI_AFFINITY)];
    check_filter(&cluster, api().anti_affinity(ZONE, WEB), &expected);
    let expected = ["n1", "n2", "n4"].map(|node| (node, REASON_AFFINITY));
    let expected = [&expected[..2], &[("n3", REASON_EXISTING)], &expected[2..]].concat();
    check_filter(&cluster, api().affinity(ZONE, WEB), &expected);
}

#[test]
fn a_namespace_selector_of_a_placed_pod_reads_labels_where_an_incoming_one_needs_the_namespace() {
    let without_team = || {
        let operator = "DoesNotExist".into();
        let expression =
            crate::model::LabelSelectorRequirement { key: "team".into(), operator, values: vec![] };
        LabelSelector { match_expressions: vec![expression], ..LabelSelector::default() }
    };
    let hated = in_namespaces(pod("loner").anti_affinity(HOST, DB), without_team());
    let cluster = cluster([hated.on("n1"), pod("db").namespace("unknown").labels(DB).on("n3")]);
    let db = |namespace| pod("a").labels(DB).namespace(namespace);
    check_filter(&cluster, db("default"), &[("n1", REASON_EXISTING)]);
    check_filter(&cluster, db("red"), &[]);
    check_filter(&cluster, db("unknown"), &[("n1", REASON_EXISTING)]);
    let away = |namespaces| in_namespaces(pod("a").anti_affinity(HOST, DB), namespaces);
    check_filter(&cluster, away(without_team()), &[]);
    check_filter(&cluster, away(LabelSelector::default()), &[("n3", REASON_ANTI_AFFINITY)]);
    check_filter(&cluster, away(selector(&[("team", "red")])), &[]);
}

#[test]
fn terms_that_cannot_be_read_reject_the_pod() {
    let broken = pod("a").affinity(ZONE, &[("app", "not/a/value")]);
    let filtered = fixture::filter(&plugin(json!({})), broken, &cluster([]));
    assert_eq!(
        filtered.rejected.unwrap().code,
        crate::framework::Code::UnschedulableAndUnresolvable
    );
}

#[test]
fn wishes_of_both_sides_add_up_by_domain() {
    let check =
        |pods: Vec<PodBuilder>, args, pod: PodBuilder, raw: [i64; 4], expected: [i64; 4]| {
            let scored = fixture::score(&plugin(args), pod, &cluster(pods));
            assert_eq!(scored, Scored::Scores { raw: raw.into(), normalized: expected.into() });
        };
    let db = || pod("db").labels(DB).on("n1");
    let near = pod("a").preferred_affinity(10, ZONE, DB);
    check(vec![db()], json!({}), near.clone(), [10, 10, 0, 0], [100, 100, 0, 0]);
    let far = pod("a").preferred_anti_affinity(10, ZONE, DB).preferred_affinity(3, HOST, DB);
    check(vec![db()], json!({}), far, [-7, -10, 0, 0], [30, 0, 100, 100]);
    let fond = pod("fond").affinity(HOST, DB).preferred_anti_affinity(2, ZONE, DB).on("n3");
    let args = json!({"hardPodAffinityWeight": 5});
    check(vec![fond.clone()], args, pod("a").labels(DB), [0, 0, 3, 0], [0, 0, 100, 0]);
    // The share is taken before it is multiplied: 29 of 100 falls just short of 29.
    let many = pod("a").preferred_affinity(100, HOST, DB).preferred_affinity(29, HOST, WEB);
    let pods = vec![db(), pod("web").labels(WEB).on("n2")];
    check(pods, json!({}), many, [100, 29, 0, 0], [100, 28, 0, 0]);
    let ignoring = plugin(json!({"ignorePreferredTermsOfExistingPods": true}));
    let scored = fixture::score(&ignoring, pod("a").labels(DB), &cluster([fond]));
    assert_eq!(scored, Scored::Skipped);
}

#[test]
fn a_changed_pod_may_help_where_it_leaves_one_of_the_terms() {
    let check = |waiting: PodBuilder, old: PodBuilder, new: PodBuilder, expected: bool| {
        let [waiting, old, new] = [waiting, old, new].map(|pod| PodInfo::new(&pod.build()));
        let event = ClusterEvent::PodUpdated { old: &old, new: &new };
        let hint = plugin(json!({})).hint(&waiting, &event);
        assert_eq!(hint, Hint::queue_if(expected), "{:?} to {:?}", old.labels, new.labels);
    };
    let placed = |labels| pod("b").labels(labels).on("n1");
    let both: &[(&str, &str)] = &[("app", "db"), ("tier", "back")];
    let back: &[(&str, &str)] = &[("app", "web"), ("tier", "back")];
    let away = || pod("a").anti_affinity(ZONE, DB);
    check(away(), placed(DB), placed(WEB), true);
    check(away(), placed(WEB), placed(DB), false);
    check(away(), placed(DB), placed(both), false);
    // Whether another term still speaks of the pod is not known for certain: it may name
    // namespaces by their labels.
    let terms = away().anti_affinity(HOST, &[("tier", "back")]);
    check(terms, placed(both), placed(back), true);
    check(pod("a").affinity(ZONE, DB), placed(WEB), placed(DB), true);
    check(pod("a").affinity(ZONE, DB), placed(DB), placed(both), false);
}
