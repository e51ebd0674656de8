//! Claims are made ready before their pod is bound, whatever becomes of the writes about them.

use super::leadership::standby;
use super::*;
use crate::framework::Write;
use crate::testing::storage::{ClaimBuilder, VolumeBuilder, claim, class, volume};

const SECOND: Duration = Duration::from_secs(1);
/// After so long a write that was not shown or was refused has been asked for again.
const SOON: Duration = Duration::from_secs(3);
/// kube-scheduler's default, and ours.
const BIND_TIMEOUT: Duration = Duration::from_secs(600);
const HOST: &str = "kubernetes.io/hostname";

impl Cluster {
    fn see_class(&mut self, name: &str) {
        let class = class(name, "a-driver").build();
        self.scheduler.observe(self.now, Event::StorageClass(Change::Upsert(Box::new(class))));
    }

    fn see_claim(&mut self, claim: ClaimBuilder) {
        let change = Change::Upsert(Box::new(claim.build()));
        self.scheduler.observe(self.now, Event::PersistentVolumeClaim(change));
    }

    fn see_volume(&mut self, volume: VolumeBuilder) {
        let change = Change::Upsert(Box::new(volume.build()));
        self.scheduler.observe(self.now, Event::PersistentVolume(change));
    }

    /// Advances for so long, in steps that leave out nothing.
    fn pass(&mut self, time: Duration) -> Vec<Effect> {
        let (step, end) = (Duration::from_millis(50), self.now.plus(time));
        let mut effects = Vec::new();
        while self.now < end {
            self.wait(step);
            effects.extend(self.advance());
        }
        effects
    }
}

/// The pod `a`, which uses these claims.
fn claiming(claims: &[&str]) -> api::Pod {
    let pod = pod("a").uid("a").requests(&[("cpu", "1")]).scheduler_name(PROFILE);
    let pod = claims.iter().fold(pod, |pod, claim| pod.claim(claim));
    at_version(pod.build(), 5)
}

fn nominated(node: &str, version: u64) -> api::Pod {
    let mut pod = at_version(claiming(&["data"]), version);
    pod.status.nominated_node_name = node.into();
    pod
}

fn data() -> ClaimBuilder {
    claim("data").class("made")
}

/// A volume that was made for the claim `data` on this node.
fn made_on(node: &str) -> VolumeBuilder {
    volume("v").class("made").reached_from(HOST, &[node]).of("data", "data")
}

/// Brings the pod to the point where its claim is being written; gives the write and the node.
fn written(mut cluster: Cluster) -> (Cluster, EffectId, String) {
    cluster.see_class("made");
    cluster.see_claim(data());
    cluster.see(&claiming(&["data"]));
    let effects = cluster.advance();
    let [expected, write] = &effects[..] else { panic!("{effects:?}") };
    let Op::Nominate { node, .. } = &expected.op else { panic!("{expected:?}") };
    let select = Write::SelectNode {
        claim: PodKey::new("default", "data"),
        uid: "data".into(),
        resource_version: "1".into(),
        node: node.clone(),
    };
    assert_eq!(write.op, Op::Write { write: select });
    cluster.answer_with(expected.id, Outcome::Applied(None), Some(nominated(node, 6)));
    let (id, node) = (write.id, node.to_string());
    (cluster, id, node)
}

fn is_write(effect: &Effect) -> bool {
    matches!(effect.op, Op::Write { .. })
}

fn writes(effects: &[Effect]) -> usize {
    effects.iter().filter(|effect| is_write(effect)).count()
}

fn other(node: &str) -> &'static str {
    if node == "n1" { "n2" } else { "n1" }
}

fn patience(seconds: u64) -> Outcome {
    Outcome::Refused { code: 429, retry_after: Some(Duration::from_secs(seconds)) }
}

#[test]
fn a_pod_is_bound_once_its_claim_is() {
    let (mut cluster, id, node) = written(Cluster::new());
    cluster.answer(id, Outcome::Applied(None));
    cluster.see_claim(data().selected(&node).version("2"));
    assert_eq!(cluster.pass(10 * SECOND), [], "a volume takes its time");
    cluster.see_volume(made_on(&node));
    cluster.see_claim(data().selected(&node).bound_to("v").version("3"));
    let bind = cluster.advance().remove(0);
    let Op::Bind { node: to, resource_version, .. } = &bind.op else { panic!("{bind:?}") };
    assert_eq!((&**to, &**resource_version), (&*node, "6"));
}

#[test]
fn a_write_whose_answer_brings_nothing_is_asked_for_again() {
    let check = |outcome: Outcome, earliest: Duration, latest: Duration| {
        let (mut cluster, id, _) = written(Cluster::new());
        cluster.answer(id, outcome.clone());
        assert_eq!(writes(&cluster.pass(earliest)), 0, "{outcome:?}");
        let again = cluster.pass(latest.saturating_sub(earliest));
        assert_eq!(writes(&again), 1, "{outcome:?}: {again:?}");
        assert!(matches!(cluster.state("a"), Some(PodState::Assumed { .. })), "{outcome:?}");
    };
    let (at_once, tenth) = (Duration::from_millis(300), Duration::from_millis(100));
    // Carried out, and not shown by the watch.
    check(Outcome::Applied(None), Duration::from_millis(1900), Duration::from_millis(2100));
    for outcome in [refused(404), refused(409), Outcome::NotSent, Outcome::Unknown] {
        check(outcome, tenth, at_once);
    }
    check(patience(3), Duration::from_millis(2900), Duration::from_millis(3100));
}

#[test]
fn an_api_server_that_asks_for_patience_is_left_alone_whatever_else_was_answered() {
    let mut cluster = Cluster::new();
    cluster.see_class("made");
    for name in ["data", "log"] {
        cluster.see_claim(claim(name).class("made"));
    }
    cluster.see(&claiming(&["data", "log"]));
    let effects = cluster.advance();
    assert_eq!(writes(&effects), 2);
    cluster.answer(effects[1].id, patience(3));
    cluster.answer(effects[2].id, refused(409));
    assert_eq!(writes(&cluster.pass(Duration::from_millis(2900))), 0);
    assert_eq!(writes(&cluster.pass(SECOND)), 2);
}

#[test]
fn a_write_that_is_forbidden_or_not_understood_gives_the_node_up() {
    let check = |code: u16, told: &[&str], tried_again: usize| {
        let (mut cluster, id, node) = written(Cluster::new());
        cluster.answer(id, refused(code));
        assert_eq!(cluster.state("a"), Some(&PodState::Pending), "{code}");
        let withdrawn = cluster.advance().remove(0);
        assert!(matches!(&withdrawn.op, Op::Nominate { node, .. } if node.is_empty()), "{code}");
        cluster.answer_with(withdrawn.id, Outcome::Applied(None), Some(nominated("", 7)));
        let again = cluster.pass(SOON);
        assert_eq!(writes(&again), tried_again, "{code}: {again:?}");
        assert_eq!(cluster.told(), told, "{code}");
        // Nothing was wrong with the node.
        let same = |effect: &Effect| match &effect.op {
            Op::Nominate { node: to, .. } => **to == *node,
            _ => true,
        };
        assert!(again.iter().all(same), "{code}: {again:?}");
    };
    check(403, &[], 1);
    check(401, &[], 1);
    let text = "FailedScheduling the API server rejected the binding with code 422";
    check(422, &[text], 0);
}

#[test]
fn a_write_that_was_lost_and_landed_is_not_repeated() {
    let (mut cluster, id, node) = written(Cluster::new());
    cluster.answer(id, Outcome::Unknown);
    cluster.see_claim(data().selected(&node).version("2"));
    assert_eq!(cluster.pass(SOON), []);
}

#[test]
fn a_pod_whose_claim_came_to_nothing_is_tried_on_another_node() {
    let (mut cluster, id, first) = written(Cluster::new());
    cluster.answer(id, Outcome::Applied(None));
    cluster.see_claim(data().selected(&first).version("2"));
    assert_eq!(cluster.advance(), []);
    // The provisioner takes the node away.
    cluster.see_claim(data().version("3"));
    let withdrawn = cluster.advance().remove(0);
    assert!(matches!(&withdrawn.op, Op::Nominate { node, .. } if node.is_empty()));
    let text = "FailedScheduling running PreBind: binding volumes: selectedNode annotation reset \
                for PVC \"data\"";
    assert_eq!(cluster.told(), [text]);
    assert_eq!(cluster.state("a"), Some(&PodState::Pending));
    cluster.answer_with(withdrawn.id, Outcome::Applied(None), Some(nominated("", 7)));
    let again = cluster.pass(SOON);
    let Op::Nominate { node, .. } = &again[0].op else { panic!("{again:?}") };
    assert_eq!(&**node, other(&first));
    // It can be made nowhere: every node is tried again.
    let select = again.iter().find(|effect| is_write(effect)).unwrap();
    cluster.answer(select.id, Outcome::Applied(None));
    cluster.see_claim(data().version("4"));
    assert_eq!(writes(&cluster.pass(2 * SOON)), 1);
}

#[test]
fn claims_that_take_too_long_or_go_away_end_the_binding() {
    let check = |change: fn(&mut Cluster), wait: Duration, expected: &str| {
        let (mut cluster, id, node) = written(Cluster::new());
        cluster.answer(id, Outcome::Applied(None));
        cluster.see_claim(data().selected(&node).version("2"));
        assert_eq!(cluster.advance(), [], "{expected}");
        change(&mut cluster);
        cluster.wait(wait);
        cluster.advance();
        let told = cluster.told();
        assert!(told[0].ends_with(expected), "{told:?}");
        assert_eq!(cluster.state("a"), Some(&PodState::Pending), "{expected}");
    };
    check(|_| {}, BIND_TIMEOUT, "context deadline exceeded");
    let claim_goes = |cluster: &mut Cluster| {
        let (key, uid) = (PodKey::new("default", "data"), "data".into());
        let gone = Event::PersistentVolumeClaim(Change::Delete { key, uid });
        cluster.scheduler.observe(cluster.now, gone);
    };
    check(claim_goes, Duration::ZERO, "persistentvolumeclaim \"data\" not found");
    let nodes_go = |cluster: &mut Cluster| {
        for name in ["n1", "n2"] {
            let (key, uid) = (PodKey::new("", name), "".into());
            cluster.scheduler.observe(cluster.now, Event::Node(Change::Delete { key, uid }));
        }
    };
    let (_, _, node) = written(Cluster::new());
    check(nodes_go, SOON, &format!("failed to get node {node:?}"));
}

#[test]
fn writes_that_are_refused_for_too_long_end_the_binding() {
    let (mut cluster, mut id, _) = written(Cluster::new());
    while cluster.now < Instant::default().plus(BIND_TIMEOUT) {
        cluster.answer(id, refused(409));
        cluster.wait(30 * SECOND);
        let again = cluster.advance();
        id = again.iter().find(|effect| is_write(effect)).unwrap().id;
    }
    cluster.answer(id, refused(409));
    cluster.pass(SECOND);
    assert!(cluster.told()[0].ends_with("context deadline exceeded"), "{:?}", cluster.told());
}

#[test]
fn a_pod_that_goes_away_frees_what_was_decided_for_it() {
    let (mut cluster, id, node) = written(Cluster::new());
    cluster.see_deleted("a");
    cluster.answer(id, Outcome::Unknown);
    assert_eq!((cluster.scheduler.in_flight(), cluster.scheduler.cache().len()), (0, 0));
    let mut next = at_version(ours("b"), 8);
    next.spec.node_selector = [(HOST.into(), node.as_str().into())].into();
    cluster.see(&next);
    assert_eq!(cluster.advance().len(), 1, "the room is free");
}

#[test]
fn a_write_is_in_doubt_until_its_claim_has_another_version() {
    let check = |outcome: Outcome, expected: usize| {
        let (mut cluster, id, node) = written(Cluster::new());
        assert_eq!(cluster.scheduler.in_doubt(), 1, "{outcome:?}");
        cluster.answer(id, outcome.clone());
        assert_eq!(cluster.scheduler.in_doubt(), expected, "{outcome:?}");
        cluster.see_claim(data().selected(&node).version("2"));
        assert_eq!(cluster.scheduler.in_doubt(), 0, "{outcome:?}");
    };
    check(Outcome::Applied(None), 0);
    check(Outcome::NotSent, 0);
    check(refused(409), 0);
    check(Outcome::Unknown, 1);
    // The answer to a second one settles both: whichever came first, the other meets a new version.
    let (mut cluster, id, _) = written(Cluster::new());
    cluster.answer(id, Outcome::Unknown);
    let again = cluster.pass(SECOND);
    assert_eq!(cluster.scheduler.in_doubt(), 2);
    // One that never left settles nothing.
    cluster.answer(again[0].id, Outcome::NotSent);
    assert_eq!(cluster.scheduler.in_doubt(), 1);
    let again = cluster.pass(SECOND);
    cluster.answer(again[0].id, refused(409));
    assert_eq!(cluster.scheduler.in_doubt(), 0);
}

#[test]
fn a_write_stays_in_doubt_though_its_binding_was_given_up() {
    let mut cluster = Cluster::new();
    cluster.see_class("made");
    for name in ["data", "log"] {
        cluster.see_claim(claim(name).class("made"));
    }
    cluster.see(&claiming(&["data", "log"]));
    let effects = cluster.advance();
    cluster.answer(effects[1].id, refused(422));
    assert_eq!((cluster.scheduler.in_flight(), cluster.scheduler.in_doubt()), (0, 1));
    cluster.answer(effects[2].id, Outcome::Unknown);
    assert_eq!(cluster.scheduler.in_doubt(), 1);
    cluster.see_claim(claim("log").class("made").selected("n1").version("2"));
    assert_eq!(cluster.scheduler.in_doubt(), 0);
}

#[test]
fn without_the_lease_no_claim_is_taken_further() {
    let mut leader = standby();
    leader.lead_for(SECOND);
    let (mut cluster, id, node) = written(leader);
    cluster.wait(2 * SECOND);
    cluster.answer(id, Outcome::NotSent);
    cluster.see_claim(data().version("1"));
    assert_eq!(cluster.pass(SOON), []);
    // Whoever led in between has chosen another node.
    cluster.see_claim(data().selected(other(&node)).version("2"));
    cluster.lead_for(10 * SECOND);
    let withdrawn = cluster.advance().remove(0);
    assert!(matches!(&withdrawn.op, Op::Nominate { node, .. } if node.is_empty()));
    cluster.answer_with(withdrawn.id, Outcome::Applied(None), Some(nominated("", 7)));
    let followed = cluster.pass(SOON);
    assert_eq!(writes(&followed), 0, "it stands on the claim already");
    assert!(matches!(&followed[0].op, Op::Nominate { node: to, .. } if **to == *other(&node)));
}
