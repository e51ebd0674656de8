//! The scheduler as a shell sees it: events in, effects out.

mod auditing;
mod leadership;
mod preparing;

use std::time::Duration;

use super::binding::{CALL_DEADLINE, CONFIRM_DEADLINE, IN_DOUBT_MAX, POSTS_MAX};
use super::rest::REST;
use super::{Change, Credit, Effect, EffectId, Event, Op, Outcome, Reply, Scheduler};
use crate::api;
use crate::cache::PodState;
use crate::config::resolve;
use crate::model::{Instant, PodKey};
use crate::plugins::registry;
use crate::testing::{node, pod};

const PROFILE: &str = "quorate";

/// A scheduler with the nodes `n1` and `n2`, room for one pod each, and a clock.
struct Cluster {
    scheduler: Scheduler,
    now: Instant,
    out: Vec<Effect>,
}

impl Cluster {
    fn new() -> Self {
        let registry = registry();
        let configuration = resolve(&Default::default(), &registry.catalog()).unwrap();
        let scheduler = Scheduler::new(&configuration, &registry, 7).unwrap();
        let mut cluster = Self { scheduler, now: Instant::default(), out: Vec::new() };
        for name in ["n1", "n2"] {
            cluster.see_node(node(name).allocatable(&[("cpu", "1"), ("pods", "10")]).build());
        }
        cluster.scheduler.observe(cluster.now, Event::Synced);
        cluster
    }

    fn see_node(&mut self, node: api::Node) {
        self.scheduler.observe(self.now, Event::Node(Change::Upsert(Box::new(node))));
    }

    fn see(&mut self, pod: &api::Pod) {
        self.scheduler.observe(self.now, Event::Pod(Change::Upsert(Box::new(pod.clone()))));
    }

    fn see_deleted(&mut self, name: &str) {
        let key = PodKey::new("default", name);
        self.scheduler.observe(self.now, Event::Pod(Change::Delete { key, uid: name.into() }));
    }

    /// Lets the scheduler decide; returns what it wants done besides telling users.
    fn advance(&mut self) -> Vec<Effect> {
        self.advance_with(Credit { binds: 10 })
    }

    fn advance_with(&mut self, credit: Credit) -> Vec<Effect> {
        let mut all = Vec::new();
        self.scheduler.advance(self.now, credit, &mut all);
        self.out.extend(all.iter().cloned());
        all.retain(|effect| !matches!(effect.op, Op::Record { .. } | Op::PatchCondition { .. }));
        all
    }

    fn answer(&mut self, id: EffectId, outcome: Outcome) {
        self.answer_with(id, outcome, None);
    }

    fn answer_with(&mut self, id: EffectId, outcome: Outcome, pod: Option<api::Pod>) {
        let reply = Reply { id, outcome, pod: pod.map(Box::new) };
        self.scheduler.observe(self.now, Event::Reply(reply));
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now.plus(time);
    }

    fn state(&self, name: &str) -> Option<&PodState> {
        self.scheduler.cache().state(name)
    }

    /// The texts of the events written so far.
    fn told(&self) -> Vec<String> {
        let notes = self.out.iter().filter_map(|effect| match &effect.op {
            Op::Record { note } => Some(format!("{} {}", note.reason, note.text)),
            _ => None,
        });
        notes.collect()
    }
}

fn ours(name: &str) -> api::Pod {
    let pod = pod(name).uid(name).requests(&[("cpu", "1")]).scheduler_name(PROFILE);
    at_version(pod.build(), 5)
}

fn at_version(mut pod: api::Pod, version: u64) -> api::Pod {
    pod.metadata.resource_version = version.to_string().into();
    pod
}

fn bound(name: &str, node: &str, version: u64) -> api::Pod {
    let mut pod = at_version(ours(name), version);
    pod.spec.node_name = node.into();
    pod
}

fn refused(code: u16) -> Outcome {
    Outcome::Refused { code, retry_after: None }
}

/// Brings the pod `a` to the point where its binding is under way; returns effect and node.
fn posted(cluster: &mut Cluster) -> (Effect, String) {
    cluster.see(&ours("a"));
    let mut effects = cluster.advance();
    assert_eq!(effects.len(), 1, "{effects:?}");
    let effect = effects.remove(0);
    let Op::Bind { node, .. } = &effect.op else { panic!("no binding: {effect:?}") };
    let node = node.to_string();
    (effect, node)
}

#[test]
fn nothing_is_decided_before_every_kind_was_listed() {
    let registry = registry();
    let configuration = resolve(&Default::default(), &registry.catalog()).unwrap();
    let mut scheduler = Scheduler::new(&configuration, &registry, 7).unwrap();
    let mut out = Vec::new();
    let pod = Box::new(ours("a"));
    scheduler.observe(Instant::default(), Event::Pod(Change::Upsert(pod)));
    scheduler.advance(Instant::default(), Credit { binds: 1 }, &mut out);
    assert_eq!(out, []);
}

#[test]
fn a_binding_carries_uid_and_version_and_a_deadline() {
    let mut cluster = Cluster::new();
    let (effect, node) = posted(&mut cluster);
    assert_eq!(effect.not_after, cluster.now.plus(CALL_DEADLINE));
    let expected = Op::Bind {
        pod: PodKey::new("default", "a"),
        uid: "a".into(),
        resource_version: "5".into(),
        node: node.as_str().into(),
    };
    assert_eq!(effect.op, expected);
    cluster.answer(effect.id, Outcome::Applied(None));
    cluster.see(&bound("a", &node, 6));
    assert_eq!(cluster.advance(), []);
    assert_eq!(cluster.state("a"), Some(&PodState::Bound));
    assert_eq!(cluster.told(), [format!("Scheduled Successfully assigned default/a to {node}")]);
}

#[test]
fn pods_of_other_schedulers_are_left_alone_and_count() {
    let mut cluster = Cluster::new();
    let mut other = ours("other");
    other.spec.scheduler_name = "default-scheduler".into();
    cluster.see(&other);
    cluster.see(&bound("b", "n1", 5));
    let (_, node) = posted(&mut cluster);
    assert_eq!(node, "n2");
    assert_eq!(cluster.advance(), []);
}

#[test]
fn without_credit_nothing_is_decided() {
    let mut cluster = Cluster::new();
    cluster.see(&ours("a"));
    cluster.see(&ours("b"));
    assert_eq!(cluster.advance_with(Credit { binds: 0 }), []);
    assert_eq!(cluster.advance_with(Credit { binds: 1 }).len(), 1);
    assert_eq!(cluster.advance_with(Credit { binds: 1 }).len(), 1);
}

#[test]
fn a_pod_that_fits_nowhere_says_why_once_and_is_bound_when_there_is_room() {
    let mut cluster = Cluster::new();
    cluster.see(&bound("b", "n1", 5));
    cluster.see(&bound("c", "n2", 5));
    cluster.see(&ours("a"));
    assert_eq!(cluster.advance(), []);
    let why = "0/2 nodes are available: 2 Insufficient cpu.";
    assert_eq!(cluster.told(), [format!("FailedScheduling {why}")]);
    let patches = cluster.out.iter().filter(|e| matches!(e.op, Op::PatchCondition { .. })).count();
    assert_eq!(patches, 1);
    assert_eq!(cluster.scheduler.refusals("a")[0].nodes, 2);
    cluster.wait(Duration::from_secs(2));
    cluster.see_deleted("b");
    let effects = cluster.advance();
    assert!(matches!(&effects[0].op, Op::Bind { node, .. } if &**node == "n1"), "{effects:?}");
}

#[test]
fn our_own_condition_coming_back_wakes_nobody() {
    let mut cluster = Cluster::new();
    cluster.see(&bound("b", "n1", 5));
    cluster.see(&bound("c", "n2", 5));
    cluster.see(&ours("a"));
    cluster.advance();
    let mut told = at_version(ours("a"), 9);
    told.status.conditions.push(api::PodCondition {
        type_: "PodScheduled".into(),
        status: "False".into(),
        reason: "Unschedulable".into(),
        message: "0/2 nodes are available: 2 Insufficient cpu.".into(),
    });
    cluster.see(&told);
    cluster.wait(Duration::from_secs(5));
    cluster.advance();
    assert_eq!(cluster.told().len(), 1);
}

#[test]
fn an_unknown_outcome_keeps_the_reservation_until_a_fence_succeeds() {
    let mut cluster = Cluster::new();
    let (post, node) = posted(&mut cluster);
    cluster.see(&ours("b"));
    cluster.answer(post.id, Outcome::Unknown);
    let effects = cluster.advance();
    let expected = Op::Fence {
        pod: PodKey::new("default", "a"),
        uid: "a".into(),
        resource_version: "5".into(),
        value: node.as_str().into(),
    };
    assert_eq!(effects[0].op, expected);
    // The other pod got the other node, because the first one still counts on its own.
    assert!(matches!(&effects[1].op, Op::Bind { node: other, .. } if **other != *node));
    assert!(matches!(cluster.state("a"), Some(PodState::Unknown { .. })));
    // The fence proves that the pod is unbound: the same node is tried again at its new version.
    cluster.answer_with(effects[0].id, Outcome::Applied(None), Some(at_version(ours("a"), 6)));
    assert!(matches!(cluster.state("a"), Some(PodState::Unknown { .. })));
    let again = cluster.advance();
    let Op::Bind { resource_version, node: second, .. } = &again[0].op else { panic!("{again:?}") };
    assert_eq!((&**resource_version, &**second), ("6", &*node));
}

#[test]
fn a_binding_that_is_lost_again_and_again_goes_back_to_the_queue() {
    let mut cluster = Cluster::new();
    let (mut post, _) = posted(&mut cluster);
    for posts in 1..=POSTS_MAX {
        cluster.answer(post.id, Outcome::Unknown);
        let fence = cluster.advance().remove(0);
        let fenced = at_version(ours("a"), 5 + u64::from(posts));
        cluster.answer_with(fence.id, Outcome::Applied(None), Some(fenced));
        let next = cluster.advance();
        assert_eq!(next.len(), usize::from(posts < POSTS_MAX), "{posts}: {next:?}");
        post = next.into_iter().next().unwrap_or(post);
    }
    assert_eq!(cluster.state("a"), Some(&PodState::Pending));
    cluster.wait(Duration::from_secs(1));
    assert_eq!(cluster.advance().len(), 1, "after its back-off");
}

#[test]
fn a_fence_that_fails_is_tried_again_after_longer_and_longer() {
    let mut cluster = Cluster::new();
    let (post, _) = posted(&mut cluster);
    cluster.answer(post.id, Outcome::Unknown);
    let mut fence = cluster.advance().remove(0);
    for seconds in [1, 2, 4, 8] {
        cluster.answer(fence.id, Outcome::Unknown);
        cluster.wait(Duration::from_millis(seconds * 1000 - 1));
        assert_eq!(cluster.advance(), [], "before {seconds} s");
        cluster.wait(Duration::from_millis(1));
        fence = cluster.advance().remove(0);
        assert!(matches!(fence.op, Op::Fence { .. }));
    }
}

#[test]
fn with_too_many_bindings_in_doubt_nothing_new_is_decided() {
    let mut cluster = Cluster::new();
    cluster.see_node(node("big").allocatable(&[("cpu", "1000"), ("pods", "1000")]).build());
    for number in 0..=IN_DOUBT_MAX {
        cluster.see(&ours(&format!("p{number}")));
    }
    let mut posts = Vec::new();
    while posts.len() < IN_DOUBT_MAX {
        let left = u32::try_from(IN_DOUBT_MAX - posts.len()).unwrap();
        posts.extend(cluster.advance_with(Credit { binds: left }));
    }
    for post in &posts {
        cluster.answer(post.id, Outcome::Unknown);
    }
    let fences = cluster.advance();
    assert!(fences.iter().all(|effect| matches!(effect.op, Op::Fence { .. })), "{fences:?}");
    assert_eq!(cluster.scheduler.in_flight(), IN_DOUBT_MAX);
    cluster.answer(fences[0].id, refused(404));
    assert_eq!(cluster.advance().len(), 1, "room for one more");
}

#[test]
fn a_refused_fence_is_settled_by_looking_up_the_pod() {
    let check = |found: Option<api::Pod>, expected: Option<PodState>| {
        let mut cluster = Cluster::new();
        let (post, _) = posted(&mut cluster);
        cluster.answer(post.id, Outcome::Unknown);
        let fence = cluster.advance().remove(0);
        cluster.answer(fence.id, refused(409));
        let get = cluster.advance().remove(0);
        assert!(matches!(get.op, Op::GetPod { .. }));
        let outcome = if found.is_some() { Outcome::Applied(None) } else { refused(404) };
        cluster.answer_with(get.id, outcome, found);
        assert_eq!(cluster.state("a").cloned(), expected);
    };
    let (_, chosen) = posted(&mut Cluster::new());
    let elsewhere = if chosen == "n1" { "n2" } else { "n1" };
    // Wherever it has landed, it counts there before the watch shows it.
    check(Some(bound("a", &chosen, 6)), Some(PodState::Bound));
    check(Some(bound("a", elsewhere, 6)), Some(PodState::Bound));
    check(None, Some(PodState::Pending));
}

#[test]
fn a_conflict_with_our_own_status_write_is_posted_again_at_once() {
    let mut cluster = Cluster::new();
    let (post, node) = posted(&mut cluster);
    cluster.answer(post.id, refused(409));
    let get = cluster.advance().remove(0);
    cluster.answer_with(get.id, Outcome::Applied(None), Some(at_version(ours("a"), 8)));
    let again = cluster.advance().remove(0);
    let Op::Bind { resource_version, node: second, .. } = &again.op else { panic!("{again:?}") };
    assert_eq!((&**resource_version, &**second), ("8", &*node));
}

#[test]
fn a_conflict_with_a_changed_pod_is_decided_anew() {
    let mut cluster = Cluster::new();
    let (post, _) = posted(&mut cluster);
    cluster.answer(post.id, refused(409));
    let get = cluster.advance().remove(0);
    let mut changed = at_version(ours("a"), 8);
    changed.metadata.labels = [("shard", "2")].into_iter().collect();
    changed.spec.node_selector = [("kubernetes.io/hostname".into(), "n3".into())].into();
    cluster.answer_with(get.id, Outcome::Applied(None), Some(changed));
    assert_eq!(cluster.advance(), [], "its new selector matches no node");
    assert_eq!(cluster.state("a"), Some(&PodState::Pending));
}

#[test]
fn a_binding_is_posted_again_only_where_the_node_still_fits() {
    let mut cluster = Cluster::new();
    let (post, node) = posted(&mut cluster);
    cluster.answer(post.id, refused(409));
    let get = cluster.advance().remove(0);
    let other = if node == "n1" { "n2" } else { "n1" };
    cluster.see(&bound("rival", &node, 7));
    cluster.answer_with(get.id, Outcome::Applied(None), Some(at_version(ours("a"), 8)));
    let again = cluster.advance().remove(0);
    assert!(matches!(&again.op, Op::Bind { node, .. } if &**node == other), "{again:?}");
}

#[test]
fn too_many_requests_pause_everybody_and_keep_the_reservation() {
    let mut cluster = Cluster::new();
    let (post, node) = posted(&mut cluster);
    cluster.see(&ours("b"));
    let patience = Some(Duration::from_secs(3));
    cluster.answer(post.id, Outcome::Refused { code: 429, retry_after: patience });
    assert_eq!(cluster.advance(), []);
    assert!(matches!(cluster.state("a"), Some(PodState::Assumed { .. })));
    cluster.wait(Duration::from_secs(3));
    let effects = cluster.advance();
    assert!(matches!(&effects[0].op, Op::Bind { node: again, .. } if **again == *node));
    assert_eq!(effects.len(), 2);
}

#[test]
fn other_answers_give_the_reservation_up() {
    let check = |outcome: Outcome, comes_back_at_once: bool| {
        let mut cluster = Cluster::new();
        let (post, _) = posted(&mut cluster);
        cluster.answer(post.id, outcome.clone());
        assert_eq!(cluster.state("a"), Some(&PodState::Pending), "{outcome:?}");
        assert_eq!(!cluster.advance().is_empty(), comes_back_at_once, "{outcome:?}");
    };
    check(Outcome::NotSent, true);
    check(refused(404), false);
    check(refused(403), false);
    check(refused(422), false);
}

#[test]
fn forbidden_bindings_pause_everybody_for_longer_and_longer() {
    let mut cluster = Cluster::new();
    let (mut post, _) = posted(&mut cluster);
    cluster.see(&ours("b"));
    for seconds in [1, 2, 4] {
        cluster.answer(post.id, refused(403));
        assert_eq!(cluster.advance(), [], "{seconds}");
        cluster.wait(Duration::from_secs(seconds) - Duration::from_millis(1));
        assert_eq!(cluster.advance_with(Credit { binds: 1 }), [], "{seconds}");
        cluster.wait(Duration::from_millis(1));
        post = cluster.advance_with(Credit { binds: 1 }).remove(0);
    }
    cluster.answer(post.id, Outcome::Applied(None));
    assert_eq!(cluster.advance().len(), 1);
}

#[test]
fn a_binding_that_the_api_server_does_not_understand_is_not_repeated() {
    let mut cluster = Cluster::new();
    let (post, _) = posted(&mut cluster);
    cluster.answer(post.id, refused(422));
    let mut changed = at_version(ours("a"), 9);
    for event in ["nothing", "a node", "the pod"] {
        cluster.wait(Duration::from_secs(30));
        match event {
            "a node" => cluster.see_node(node("n3").allocatable(&[("cpu", "9")]).build()),
            "the pod" => {
                changed.metadata.labels = [("shard", "2")].into_iter().collect();
                cluster.see(&changed);
            }
            _ => {}
        }
        assert_eq!(cluster.advance().len(), usize::from(event == "the pod"), "{event}");
    }
    let text = "FailedScheduling the API server rejected the binding with code 422";
    assert_eq!(cluster.told(), [text]);
}

#[test]
fn a_node_whose_kubelet_rejects_a_pod_of_ours_rests() {
    let check = |reason: &str, scheduler: &str, rests: bool| {
        let mut cluster = Cluster::new();
        let (_, node) = posted(&mut cluster);
        let other = if node == "n1" { "n2" } else { "n1" };
        let mut pod = bound("a", &node, 6);
        pod.spec.scheduler_name = scheduler.into();
        cluster.see(&pod);
        cluster.see(&bound("full", other, 7));
        pod.metadata.resource_version = "8".into();
        pod.status.phase = "Failed".into();
        pod.status.reason = reason.into();
        cluster.see(&pod);
        cluster.see(&ours("b"));
        let decided = cluster.advance();
        assert_eq!(decided.is_empty(), rests, "{reason}");
        if rests {
            let told = cluster.told().join("; ");
            assert!(told.contains(&format!("RejectedByKubelet the kubelet of {node}")), "{told}");
            assert!(told.contains("1 Insufficient cpu, 1 node(s) rest because"), "{told}");
            cluster.wait(REST);
            assert_eq!(cluster.advance().len(), 1, "after its rest");
        }
    };
    check("OutOfcpu", PROFILE, true);
    check("NodeAffinity", PROFILE, true);
    check("Evicted", PROFILE, false);
    check("OutOfcpu", "default-scheduler", false);
}

#[test]
fn failures_of_the_past_that_a_list_shows_let_no_node_rest() {
    let mut cluster = Cluster::new();
    let mut failed = bound("old", "n1", 3);
    failed.status.phase = "Failed".into();
    failed.status.reason = "OutOfcpu".into();
    cluster.see(&failed);
    cluster.see(&ours("a"));
    cluster.see(&ours("b"));
    assert_eq!(cluster.advance().len(), 2);
    assert_eq!(cluster.told(), Vec::<String>::new());
}

#[test]
fn a_deleted_pod_ends_its_binding_and_frees_its_room() {
    let mut cluster = Cluster::new();
    let (post, _) = posted(&mut cluster);
    cluster.see_deleted("a");
    assert_eq!((cluster.scheduler.in_flight(), cluster.state("a")), (0, None));
    cluster.answer(post.id, refused(404));
    assert_eq!(cluster.advance(), []);
}

#[test]
fn a_recreated_pod_is_another_pod() {
    let mut cluster = Cluster::new();
    let (post, _) = posted(&mut cluster);
    let mut new = at_version(ours("a"), 9);
    new.metadata.uid = "a2".into();
    cluster.see(&new);
    // The old pod's reservation is gone; the answer to its binding changes nothing.
    cluster.answer(post.id, refused(409));
    let effects = cluster.advance();
    assert!(matches!(&effects[0].op, Op::Bind { uid, .. } if &**uid == "a2"), "{effects:?}");
    assert_eq!(effects.len(), 1);
}

#[test]
fn a_binding_that_the_watch_does_not_show_is_looked_up() {
    let mut cluster = Cluster::new();
    let (post, _) = posted(&mut cluster);
    cluster.answer(post.id, Outcome::Applied(None));
    assert_eq!(cluster.advance(), []);
    cluster.wait(CONFIRM_DEADLINE);
    let effects = cluster.advance();
    assert!(matches!(effects[0].op, Op::GetPod { .. }));
    assert!(matches!(cluster.state("a"), Some(PodState::Assumed { .. })));
}

#[test]
fn a_pod_whose_claim_is_missing_is_not_bound_and_the_event_names_the_claim() {
    let mut cluster = Cluster::new();
    cluster.see(&pod("a").uid("a").scheduler_name(PROFILE).claim("data").build());
    assert_eq!(cluster.advance(), []);
    assert!(cluster.told()[0].contains("persistentvolumeclaim \"data\" not found"));
}

#[test]
fn a_gated_pod_is_not_tried_and_a_deleting_one_is_dropped() {
    let mut cluster = Cluster::new();
    let mut gated = ours("a");
    gated.spec.scheduling_gates.push(api::SchedulingGate { name: "later".into() });
    cluster.see(&gated);
    let mut deleting = ours("b");
    deleting.metadata.deletion_timestamp = Some(jiff::Timestamp::UNIX_EPOCH);
    cluster.see(&deleting);
    assert_eq!(cluster.advance(), []);
    assert_eq!(cluster.told(), ["FailedScheduling skip schedule deleting pod: default/b"]);
    cluster.see(&at_version(ours("a"), 6));
    assert_eq!(cluster.advance().len(), 1);
}

#[test]
fn equal_input_gives_equal_effects_and_another_seed_may_not() {
    let run = || {
        let mut cluster = Cluster::new();
        for name in ["a", "b", "c"] {
            cluster.see(&ours(name));
        }
        cluster.advance();
        (cluster.out, cluster.scheduler.decisions_hash())
    };
    assert_eq!(run(), run());
}

#[test]
fn an_answer_does_not_bring_back_a_pod_that_is_gone() {
    let mut cluster = Cluster::new();
    let (post, _) = posted(&mut cluster);
    cluster.answer(post.id, refused(409));
    let get = cluster.advance().remove(0);
    cluster.see_deleted("a");
    cluster.answer_with(get.id, Outcome::Applied(None), Some(at_version(ours("a"), 6)));
    assert_eq!(cluster.scheduler.cache().len(), 0);
    assert_eq!(cluster.advance(), []);
}

#[test]
fn an_answer_of_another_pod_of_the_name_ends_the_one_that_was_asked_for() {
    let mut cluster = Cluster::new();
    let (post, _) = posted(&mut cluster);
    cluster.answer(post.id, refused(409));
    let get = cluster.advance().remove(0);
    let mut other = at_version(ours("a"), 8);
    other.metadata.uid = "a2".into();
    cluster.answer_with(get.id, Outcome::Applied(None), Some(other));
    // Whether the other one is still there the watch will show.
    assert_eq!(cluster.scheduler.cache().len(), 0);
    assert_eq!(cluster.scheduler.in_flight(), 0);
}

#[test]
fn a_binding_is_posted_again_only_when_patience_and_credit_allow_it() {
    let mut cluster = Cluster::new();
    cluster.see(&ours("b"));
    let impatient = cluster.advance().remove(0);
    let (post, _) = posted(&mut cluster);
    cluster.answer(post.id, Outcome::Unknown);
    let fence = cluster.advance().remove(0);
    let retry_after = Some(Duration::from_secs(5));
    cluster.answer(impatient.id, Outcome::Refused { code: 429, retry_after });
    cluster.answer_with(fence.id, Outcome::Applied(None), Some(at_version(ours("a"), 6)));
    assert_eq!(cluster.advance(), [], "the API server asked for patience");
    cluster.wait(Duration::from_secs(5));
    assert_eq!(cluster.advance_with(Credit { binds: 0 }), [], "there is no credit");
    assert_eq!(cluster.advance_with(Credit { binds: 1 }).len(), 1);
    assert_eq!(cluster.advance_with(Credit { binds: 1 }).len(), 1);
    assert_eq!(cluster.advance(), []);
}

#[test]
fn room_that_was_set_aside_wakes_who_waits_for_it_when_the_pod_lands_elsewhere() {
    let mut cluster = Cluster::new();
    let (_, node) = posted(&mut cluster);
    let other = if node == "n1" { "n2" } else { "n1" };
    let mut waiting = ours("b");
    waiting.spec.node_selector = [("kubernetes.io/hostname".into(), node.as_str().into())].into();
    cluster.see(&waiting);
    assert_eq!(cluster.advance(), [], "the room is set aside");
    cluster.see(&bound("a", other, 6));
    cluster.wait(Duration::from_secs(1));
    assert!(matches!(&cluster.advance()[0].op, Op::Bind { node: to, .. } if **to == *node));
}

#[test]
fn patience_is_had_also_if_the_pod_that_was_refused_is_gone() {
    let mut cluster = Cluster::new();
    let (post, _) = posted(&mut cluster);
    cluster.see_deleted("a");
    let retry_after = Some(Duration::from_secs(5));
    cluster.answer(post.id, Outcome::Refused { code: 429, retry_after });
    cluster.see(&ours("b"));
    assert_eq!(cluster.advance(), []);
    cluster.wait(Duration::from_secs(5));
    assert_eq!(cluster.advance().len(), 1);
}
