//! Tests of the runtime, with plugins that do as their arguments say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::config::{Base, EffectiveProfile, Point};
use crate::model::{Instant, Str};
use crate::snapshot::{NodeIndex, NodeInfo, NodeRef, PodInfo, Snapshot, View};
use crate::testing::{PodBuilder, node, pod};

/// A plugin called A, B or C.
struct Obedient<const LETTER: char>(Orders);

#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Orders {
    reject: Option<Status>,
    narrow: Option<BTreeSet<Str>>,
    refuse: BTreeMap<Str, Status>,
    /// How many pods a node may have.
    room: Option<usize>,
    scores: BTreeMap<Str, i64>,
    panic: bool,
}

impl<const LETTER: char> NodePlugin for Obedient<LETTER> {
    const NAME: &'static str = match LETTER {
        'A' => "A",
        'B' => "B",
        _ => "C",
    };
    type Args = Orders;
    type Pre = ();

    fn new(args: Orders) -> Result<Self, ArgsError> {
        Ok(Self(args))
    }

    fn prepare(&self, _: &PodInfo, _: &View<'_>) -> Prepared<Ready<()>> {
        match &self.0.reject {
            Some(status) => Prepared::Reject(status.clone()),
            None => Prepared::Ready(Ready { pre: (), narrowed: self.0.narrow.clone() }),
        }
    }

    fn filter(&self, (): &(), node: NodeRef<'_>) -> Status {
        assert!(!self.0.panic, "as ordered");
        if self.0.room.is_some_and(|room| node.pods().count() >= room) {
            return Status::unschedulable("full");
        }
        let refused = self.0.refuse.get(node.name());
        refused.cloned().unwrap_or_else(Status::success)
    }

    fn score(&self, (): &(), node: NodeRef<'_>) -> i64 {
        self.0.scores.get(node.name()).copied().unwrap_or(0)
    }

    fn hint(&self, _: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        Hint::queue_if(matches!(event, ClusterEvent::NodeAdded(_)))
    }
}

struct InOrder;

impl QueueSortPlugin for InOrder {
    fn key(&self, _: &PodInfo, since: Instant) -> (i64, u64) {
        (0, since.0)
    }
}

impl BindPlugin for InOrder {
    fn binding(&self, _: &PodInfo, node: &Str) -> Binding {
        Binding { uid: "".into(), resource_version: "".into(), node: node.clone() }
    }
}

/// A framework with the filters and scores A, B and C, in that order.
fn framework(orders: Value) -> Framework {
    const POINTS: &[Point] = &[Point::Filter, Point::Score];
    let in_order = Registration {
        name: "InOrder",
        summary: "",
        points: &[Point::QueueSort, Point::Bind],
        weight: 0,
        base: Base::Parity,
        build: |_| {
            Ok(Instance {
                queue_sort: Some(Arc::new(InOrder)),
                bind: Some(Arc::new(InOrder)),
                ..Instance::default()
            })
        },
    };
    let registry = Registry::new([
        in_order,
        Registration::of_node_plugin::<Obedient<'A'>>("", POINTS, 1),
        Registration::of_node_plugin::<Obedient<'B'>>("", POINTS, 1),
        Registration::of_node_plugin::<Obedient<'C'>>("", POINTS, 1),
    ]);
    let names = || ["A", "B", "C"].into_iter().map(Str::from);
    let profile = EffectiveProfile {
        queue_sort: "InOrder".into(),
        bind: vec!["InOrder".into()],
        filter: names().collect(),
        score: names().zip([1, 2, 3]).collect(),
        args: serde_json::from_value(orders).unwrap(),
        ..EffectiveProfile::default()
    };
    Framework::new(&profile, &registry).unwrap()
}

/// Three nodes; `n1` has a pod.
fn cluster() -> Snapshot {
    let mut snapshot = Snapshot::default();
    for name in ["n1", "n2", "n3"] {
        snapshot.set_node(NodeInfo::new(&node(name).build()));
    }
    snapshot.place(info(pod("old").on("n1")), &"n1".into());
    snapshot
}

fn info(pod: PodBuilder) -> Arc<PodInfo> {
    Arc::new(PodInfo::new(&pod.build()))
}

fn unschedulable(reason: &str) -> Value {
    json!({"code": "Unschedulable", "reasons": [reason]})
}

fn unresolvable(reason: &str) -> Value {
    json!({"code": "UnschedulableAndUnresolvable", "reasons": [reason]})
}

/// The outcome in a line: the feasible nodes, or the message and who is to be waited for.
fn outcome(orders: Value, pod: PodBuilder, snapshot: &Snapshot) -> String {
    let filtered = framework(orders).filter(&info(pod), &snapshot.view());
    let filtered = match filtered {
        Ok(filtered) => filtered,
        Err(error) => return format!("error: {error}"),
    };
    if filtered.feasible.is_empty() {
        let plugins = filtered.diagnosis.unschedulable_plugins();
        let plugins: Vec<_> = plugins.iter().map(|name| &**name).collect();
        return format!("{} <{}>", filtered.diagnosis.message(), plugins.join(" "));
    }
    let nodes = filtered.feasible.iter();
    let names = nodes.map(|node| snapshot.nodes().name(*node).to_string());
    names.collect::<Vec<_>>().join(" ")
}

#[test]
fn the_first_refusal_of_a_node_is_reported() {
    let check = |orders, expected: &str| {
        assert_eq!(outcome(orders, pod("a"), &cluster()), expected);
    };
    let full = || unschedulable("full");
    let tainted = || unresolvable("tainted");
    check(json!({}), "n1 n2 n3");
    check(json!({"B": {"refuse": {"n1": full(), "n3": tainted()}}}), "n2");
    check(
        json!({
            "A": {"refuse": {"n1": tainted()}},
            "C": {"refuse": {"n1": full(), "n2": full(), "n3": full()}},
        }),
        "0/3 nodes are available: 1 tainted, 2 full. <A C>",
    );
    check(
        json!({
            "A": {"refuse": {"n1": full()}},
            "B": {"refuse": {
                "n2": full(),
                "n3": {"code": "Unschedulable", "reasons": ["x", "full"]},
            }},
        }),
        "0/3 nodes are available: 1 x, 3 full. <A B>",
    );
    check(
        json!({"A": {"refuse": {"n1": {"code": "Wait", "reasons": ["no verdict"]}}}}),
        "error: running A: no verdict",
    );
}

#[test]
fn plugins_that_name_nodes_narrow_to_what_they_have_in_common() {
    let check = |orders, expected: &str| {
        assert_eq!(outcome(orders, pod("a"), &cluster()), expected);
    };
    check(json!({"A": {"narrow": ["n3", "gone"]}, "C": {"narrow": ["n1", "n3"]}}), "n3");
    check(
        json!({"A": {"narrow": ["n1"]}, "B": {"refuse": {"n1": unschedulable("full")}}}),
        "0/3 nodes are available: 1 full, 2 node(s) didn't satisfy plugin(s) [A]. <A B>",
    );
    check(
        json!({"A": {"narrow": ["gone"]}, "B": {"narrow": ["gone", "n1"]}}),
        "0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [A B]. <A B>",
    );
    check(
        json!({"A": {"narrow": ["n1"]}, "B": {"narrow": ["n2"]}}),
        "0/3 nodes are available: \
         node(s) didn't satisfy plugin(s) [A B] simultaneously. <A B>",
    );
    check(
        json!({"A": {"narrow": []}}),
        "0/3 nodes are available: node(s) didn't satisfy plugin A. <A>",
    );
}

#[test]
fn a_pod_may_be_rejected_before_any_node_is_looked_at() {
    let check = |orders, expected: &str| {
        assert_eq!(outcome(orders, pod("a"), &cluster()), expected);
    };
    check(
        json!({"A": {"narrow": ["n1"]}, "B": {"reject": unresolvable("never")},
               "C": {"reject": unschedulable("not reached")}}),
        "0/3 nodes are available: never. <B>",
    );
    check(
        json!({"A": {"reject": unschedulable("not now")}, "B": {"narrow": ["n1"]}}),
        "0/3 nodes are available: not now. <A B>",
    );
    check(
        json!({"A": {"reject": unschedulable("not now")}, "B": {"reject": unresolvable("never")}}),
        "0/3 nodes are available: never. <B>",
    );
    check(
        json!({"A": {"reject": unschedulable("first")}, "B": {"reject": unschedulable("last")}}),
        "0/3 nodes are available: last. <B>",
    );
    check(
        json!({"A": {"reject": {"code": "Error", "reasons": ["broken"]}}}),
        "error: running A: broken",
    );
}

#[test]
fn without_nodes_nobody_is_asked() {
    let orders = json!({"A": {"reject": unresolvable("never")}});
    let found = outcome(orders, pod("a"), &Snapshot::default());
    assert_eq!(found, "no nodes available to schedule pods <>");
    let new = NodeInfo::new(&node("n1").build());
    let hint = framework(json!({})).hint(
        &BTreeSet::new(),
        &info(pod("a")),
        &ClusterEvent::NodeAdded(&new),
    );
    assert_eq!(hint, Hint::Queue);
}

#[test]
fn the_node_set_aside_for_the_pod_itself_is_tried_first() {
    let check = |orders, nominated: &str, expected: &str| {
        let pod = pod("a").nominated(nominated);
        assert_eq!(outcome(orders, pod, &cluster()), expected);
    };
    check(json!({}), "n2", "n2");
    check(json!({"A": {"refuse": {"n2": unschedulable("full")}}}), "n2", "n1 n3");
    check(json!({}), "gone", "n1 n2 n3");
    // It has its own verdict also where other plugins name other nodes.
    check(
        json!({"A": {"narrow": ["n1"], "refuse": {
            "n1": unschedulable("full"), "n2": unschedulable("full"),
        }}}),
        "n2",
        "0/3 nodes are available: 1 node(s) didn't satisfy plugin(s) [A], 2 full. <A>",
    );
    // Who refuses it is named beside those that name nodes.
    check(
        json!({"B": {"narrow": ["n1"], "refuse": {"n1": unschedulable("full")}},
               "A": {"refuse": {"n2": unresolvable("tainted")}}}),
        "n2",
        "0/3 nodes are available: \
         1 full, 1 node(s) didn't satisfy plugin(s) [A B], 1 tainted. <A B>",
    );
}

#[test]
fn a_pod_yields_to_pods_nominated_with_its_priority_or_more() {
    let mut snapshot = cluster();
    snapshot.nominate(info(pod("waiting").priority(5).nominated("n2")), &"n2".into());
    let check = |pod: PodBuilder, orders, expected: &str| {
        assert_eq!(outcome(orders, pod, &snapshot), expected);
    };
    let one = || json!({"B": {"room": 1}});
    check(pod("a").priority(4), one(), "n3");
    check(pod("a").priority(5), one(), "n3");
    check(pod("a").priority(6), one(), "n2 n3");
    check(pod("waiting").priority(5), one(), "n2 n3");
    // What refuses the node beside the nominated pod is reported, not what would without it.
    check(
        pod("a"),
        json!({"B": {"room": 1}, "C": {"refuse": {
            "n2": unschedulable("later"), "n3": unschedulable("later"),
        }}}),
        "0/3 nodes are available: 1 later, 2 full. <B C>",
    );
}

#[test]
fn each_filter_can_be_asked_by_itself() {
    let framework = framework(json!({
        "A": {"refuse": {"n1": unschedulable("full")}, "narrow": ["n2"]},
        "C": {"refuse": {"n1": unschedulable("full"), "n3": unschedulable("full")}},
    }));
    let (snapshot, pod) = (cluster(), info(pod("a")));
    let view = snapshot.view();
    let prepared = framework.prepare_filters(&pod, &view).unwrap();
    let all = framework.each_filter(&prepared, view.nodes().present()).unwrap();
    let refused = |refusals: &Refusals| {
        let nodes = refusals.iter().map(|(node, _)| view.nodes().name(node).to_string());
        nodes.collect::<Vec<_>>().join(" ")
    };
    let all: Vec<_> = all.iter().map(|(name, all)| (&**name, refused(all))).collect();
    let expected = [("A", "n1"), ("B", ""), ("C", "n1 n3")];
    assert_eq!(all, expected.map(|(name, nodes)| (name, nodes.to_owned())));
    let first = framework.first_refusals(&pod, &view, &prepared, view.nodes().present());
    let first: Vec<_> =
        first.unwrap().iter().map(|(name, all)| (name.clone(), refused(all))).collect();
    let expected = [("A", "n1"), ("C", "n3")];
    assert_eq!(first, expected.map(|(name, nodes)| (name.into(), nodes.to_owned())));
}

#[test]
fn totals_are_weighted_sums() {
    let framework = framework(json!({
        "A": {"scores": {"n1": 100, "n2": 50}},
        "B": {"scores": {"n3": 7}},
        "C": {"scores": {"n2": 1}},
    }));
    let (snapshot, pod) = (cluster(), info(pod("a")));
    let nodes: Vec<NodeIndex> = snapshot.nodes().present().iter().collect();
    let mut columns = Vec::new();
    let totals = framework.score(&pod, &snapshot.view(), &nodes, Some(&mut columns));
    assert_eq!(totals.unwrap(), [100, 53, 14]);
    let columns: Vec<_> = columns.iter().map(|c| (&*c.plugin, c.raw.clone())).collect();
    let expected = [("A", vec![100, 50, 0]), ("B", vec![0, 0, 7]), ("C", vec![0, 1, 0])];
    assert_eq!(columns, expected);
}

#[test]
fn a_score_out_of_range_and_a_panic_fail_the_cycle_and_nothing_else() {
    let (snapshot, pod) = (cluster(), info(pod("a")));
    let nodes: Vec<NodeIndex> = snapshot.nodes().present().iter().collect();
    let check = |score: i64| {
        let framework = framework(json!({"B": {"scores": {"n1": score}}}));
        let error = framework.score(&pod, &snapshot.view(), &nodes, None).unwrap_err();
        let expected = format!("running B: score {score} is not between 0 and 100");
        assert_eq!(error.to_string(), expected);
    };
    check(101);
    check(-1);
    check(i64::MIN);
    let panics = framework(json!({"B": {"panic": true}}));
    let error = panics.filter(&pod, &snapshot.view()).unwrap_err();
    assert_eq!(error.to_string(), "running B: the plugin panicked: as ordered");
    assert!(!panics.fits(&pod, &snapshot.view(), nodes[0]));
}

#[test]
fn a_node_fits_if_no_filter_refuses_it() {
    let (snapshot, pod) = (cluster(), info(pod("a")));
    let check = |orders, expected: [bool; 3]| {
        let framework = framework(orders);
        let nodes = snapshot.nodes().present().iter();
        let fits: Vec<_> = nodes.map(|n| framework.fits(&pod, &snapshot.view(), n)).collect();
        assert_eq!(fits, expected);
    };
    check(json!({}), [true, true, true]);
    check(json!({"B": {"room": 1}}), [false, true, true]);
    check(json!({"B": {"narrow": ["n2"]}}), [false, true, false]);
    check(json!({"B": {"reject": unschedulable("not now")}}), [false, false, false]);
}

#[test]
fn an_unsupported_field_keeps_the_pod_pending_whatever_the_profile() {
    let claim = |pod: &mut crate::api::Pod| {
        pod.spec.resource_claims = serde_json::from_value(json!([{"name": "gpu"}])).unwrap();
    };
    let reason = "spec.resourceClaims[0] (\"gpu\"): claims for devices are not supported yet";
    let expected = format!("0/3 nodes are available: {reason}. <UnsupportedFields>");
    let found = outcome(json!({"A": {"panic": true}}), pod("a").with(claim), &cluster());
    assert_eq!(found, expected);
    let empty = outcome(json!({}), pod("a").with(claim), &Snapshot::default());
    assert_eq!(empty, expected.replace("0/3", "0/0"));

    let framework = framework(json!({}));
    let (waiting, snapshot) = (info(pod("a").with(claim)), cluster());
    let view = snapshot.view();
    let filtered = framework.filter(&waiting, &view).unwrap();
    assert!(!filtered.diagnosis.may_preempt());
    assert_eq!(filtered.diagnosis.by_plugin(), [("UnsupportedFields".into(), reason.into(), 3)]);
    let node = view.nodes().present().iter().next().unwrap();
    assert!(!framework.fits(&waiting, &view, node));
    let (new, changed) = (NodeInfo::new(&node_named("n4")), info(pod("a")));
    let rejectors = filtered.diagnosis.unschedulable_plugins();
    let hint = |event| framework.hint(&rejectors, &waiting, &event);
    assert_eq!(hint(ClusterEvent::NodeAdded(&new)), Hint::Skip);
    let update = ClusterEvent::WaitingPodUpdated { old: &waiting, new: &changed };
    assert_eq!(hint(update), Hint::Queue);
}

fn node_named(name: &str) -> crate::api::Node {
    node(name).build()
}

#[test]
fn devices_and_groups_are_unsupported_and_volumes_are_not() {
    let check = |spec: Value, expected: Option<&str>| {
        let spec: crate::api::PodSpec = serde_json::from_value(spec).unwrap();
        let found = unsupported_field(&spec);
        let field = found.as_deref().and_then(|text| text.split(':').next());
        assert_eq!(field, expected);
    };
    for source in ["persistentVolumeClaim", "ephemeral", "gcePersistentDisk", "rbd", "emptyDir"] {
        check(json!({"volumes": [{"name": "v", source: {}}]}), None);
    }
    check(json!({"resourceClaims": [{"name": "gpu"}]}), Some("spec.resourceClaims[0] (\"gpu\")"));
    check(json!({"schedulingGroup": {"podGroupName": "g"}}), Some("spec.schedulingGroup (\"g\")"));
    check(json!({}), None);
}

#[test]
fn hints_of_the_rejecting_plugins_count() {
    let framework = framework(json!({}));
    let new = NodeInfo::new(&node_named("n4"));
    let check = |rejectors: &[&str], event: ClusterEvent<'_>, expected: Hint| {
        let rejectors = rejectors.iter().map(|name| Str::from(*name)).collect();
        assert_eq!(framework.hint(&rejectors, &info(pod("a")), &event), expected);
    };
    check(&["B"], ClusterEvent::NodeAdded(&new), Hint::Queue);
    check(&["B"], ClusterEvent::NodeRemoved(&new), Hint::Skip);
    check(&["Gone"], ClusterEvent::NodeAdded(&new), Hint::Skip);
}

#[test]
fn a_profile_names_only_plugins_that_there_are() {
    let registry = Registry::default();
    let profile = EffectiveProfile {
        scheduler_name: "quorate".into(),
        queue_sort: "Gone".into(),
        ..EffectiveProfile::default()
    };
    let error = Framework::new(&profile, &registry).err().unwrap();
    assert_eq!(error.to_string(), "profile quorate: Gone is no plugin for queueSort");
}
