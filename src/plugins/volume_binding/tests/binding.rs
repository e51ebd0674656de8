//! From a decision to a bound claim.

use std::time::Duration;

use super::{local, plugin};
use crate::framework::{PreBindPlugin, Progress, ReservePlugin, Write};
use crate::model::PodKey;
use crate::plugins::fixture::{cluster, store};
use crate::snapshot::volumes::{ClaimInfo, VolumeInfo};
use crate::snapshot::{ClaimDecision, PodInfo, Snapshot};
use crate::testing::storage::{ClaimBuilder, VolumeBuilder, claim, class};
use crate::testing::{node, pod};

fn storage(volumes: Vec<VolumeBuilder>, claims: Vec<ClaimBuilder>) -> Snapshot {
    let mut snapshot = cluster(["n1", "n2"].map(node), []);
    let classes = [class("local", "kubernetes.io/no-provisioner"), class("made", "d")];
    store(&mut snapshot, classes, volumes, claims);
    snapshot
}

fn waiting() -> PodInfo {
    PodInfo::new(&pod("p").claim("data").build())
}

fn decide(snapshot: &Snapshot, node: &str) -> Vec<ClaimDecision> {
    let view = snapshot.view();
    let node = view.nodes().find(node).unwrap();
    plugin().reserve(&waiting(), &view, node).unwrap()
}

fn ask(snapshot: &Snapshot, decisions: &[ClaimDecision], seconds: u64) -> Progress {
    let waited = Duration::from_secs(seconds);
    plugin().pre_bind(&waiting(), &"n1".into(), decisions, snapshot, waited)
}

fn set_claim(snapshot: &mut Snapshot, claim: ClaimBuilder) {
    snapshot.volumes.set_claim(ClaimInfo::new(&claim.build()));
}

fn set_volume(snapshot: &mut Snapshot, volume: VolumeBuilder) {
    snapshot.volumes.set_volume(VolumeInfo::new(&volume.build()));
}

/// The reason of a failure.
fn failure(progress: Progress) -> String {
    match progress {
        Progress::Fail(status) => status.message(),
        other => panic!("{other:?}"),
    }
}

fn waits(progress: &Progress) -> bool {
    matches!(progress, Progress::Wait(_))
}

#[test]
fn a_volume_that_is_there_is_bound_in_steps() {
    let made = |claim: ClaimBuilder| claim.class("local");
    let mut snapshot = storage(vec![local("v", "n1")], vec![made(claim("data"))]);
    let decisions = decide(&snapshot, "n1");
    let write = Write::BindVolume {
        volume: "v".into(),
        uid: "v".into(),
        resource_version: "1".into(),
        claim: PodKey::new("default", "data"),
        claim_uid: "data".into(),
        by_controller: true,
    };
    assert_eq!(ask(&snapshot, &decisions, 0), Progress::Do(vec![write]));
    set_volume(&mut snapshot, local("v", "n1").of("data", "data").version("2"));
    assert!(waits(&ask(&snapshot, &decisions, 1)));
    set_claim(&mut snapshot, made(claim("data")).with(|c| c.spec.volume_name = "v".into()));
    assert!(waits(&ask(&snapshot, &decisions, 2)));
    set_claim(&mut snapshot, made(claim("data")).bound_to("v"));
    assert_eq!(ask(&snapshot, &decisions, 3), Progress::Done);
    // After a restart nobody remembers the decision, and the objects say the same.
    assert_eq!(ask(&snapshot, &[], 0), Progress::Done);
}

#[test]
fn a_volume_that_is_to_be_made_is_bound_in_steps() {
    let tied = |node: &str| claim("data").class("made").selected(node).version("2");
    let mut snapshot = storage(vec![], vec![claim("data").class("made")]);
    let decisions = decide(&snapshot, "n1");
    let write = Write::SelectNode {
        claim: PodKey::new("default", "data"),
        uid: "data".into(),
        resource_version: "1".into(),
        node: "n1".into(),
    };
    assert_eq!(ask(&snapshot, &decisions, 0), Progress::Do(vec![write]));
    set_claim(&mut snapshot, tied("n1"));
    assert!(waits(&ask(&snapshot, &decisions, 1)));
    // A restart in the middle: the same node is decided on again, and there is nothing to write.
    let again = decide(&snapshot, "n1");
    assert!(waits(&ask(&snapshot, &again, 0)));
    set_claim(&mut snapshot, tied("n1").bound_to("v"));
    assert!(waits(&ask(&snapshot, &decisions, 1)), "the volume may be shown later than the claim");
    set_volume(&mut snapshot, local("v", "n1").of("data", "data"));
    assert_eq!(ask(&snapshot, &decisions, 1), Progress::Done);
}

#[test]
fn a_binding_that_came_to_nothing_is_told_and_the_pod_decided_anew() {
    let fresh = || storage(vec![local("v", "n1")], vec![claim("data").class("local")]);
    let decisions = decide(&fresh(), "n1");
    let check = |change: &dyn Fn(&mut Snapshot), expected: &str| {
        let mut snapshot = fresh();
        change(&mut snapshot);
        let reason = failure(ask(&snapshot, &decisions, 1));
        assert_eq!(reason, format!("binding volumes: {expected}"));
    };
    check(&|s| _ = s.remove_node("n1"), "failed to get node \"n1\"");
    check(
        &|s| _ = s.volumes.remove_claim(&PodKey::new("default", "data")),
        "persistentvolumeclaim \"data\" not found",
    );
    check(&|s| _ = s.volumes.remove_volume("v"), "persistentvolume \"v\" not found");
    let elsewhere = "pv \"v\" node affinity doesn't match node \"n1\": no matching \
                     NodeSelectorTerms";
    check(&|s| set_volume(s, local("v", "n2")), elsewhere);
    check(&|s| set_volume(s, local("v", "n1").version("2")), "ClaimRef got reset for pv \"v\"");
    check(
        &|s| set_volume(s, local("v", "n1").of("other", "other").version("2")),
        "ClaimRef got reset for pv \"v\"",
    );
    check(
        &|s| {
            set_volume(s, local("w", "n2").of("data", "data"));
            set_claim(s, claim("data").class("local").bound_to("w"));
        },
        &elsewhere.replace("\"v\"", "\"w\""),
    );
    let late = failure(ask(
        &storage(vec![local("v", "n1").of("data", "data")], vec![claim("data").class("local")]),
        &decisions,
        600,
    ));
    assert_eq!(late, "binding volumes: context deadline exceeded");
}

#[test]
fn a_provisioner_that_cannot_serve_the_node_sends_the_pod_back() {
    let mut snapshot = storage(vec![], vec![claim("data").class("made")]);
    let decisions = decide(&snapshot, "n1");
    set_claim(&mut snapshot, claim("data").class("made").version("3"));
    let reset = failure(ask(&snapshot, &decisions, 1));
    assert_eq!(reset, "binding volumes: selectedNode annotation reset for PVC \"data\"");
    set_claim(&mut snapshot, claim("data").class("made").selected("n2").version("4"));
    let moved = failure(ask(&snapshot, &decisions, 1));
    assert_eq!(moved, "binding volumes: provisioning failed for PVC \"data\"");
}

#[test]
fn another_pod_of_the_same_claim_follows_the_decision() {
    let claims = || vec![claim("data").class("made"), claim("own").class("local")];
    let mut snapshot = storage(vec![local("v", "n1")], claims());
    let decisions = decide(&snapshot, "n1");
    let fits = |snapshot: &Snapshot, pod: crate::testing::PodBuilder| {
        let found = crate::plugins::fixture::filter(&plugin(), pod, snapshot);
        ["n1", "n2"].map(|node| found.refused.iter().all(|(refused, _)| refused != node))
    };
    let shares = || pod("q").claim("data");
    assert_eq!(fits(&snapshot, shares()), [true, true]);
    snapshot.assume_claims(&"p".into(), &decisions);
    assert_eq!(fits(&snapshot, shares()), [true, false]);
    snapshot.forget_claims("p");
    assert_eq!(fits(&snapshot, shares()), [true, true]);
    // The same with a volume that is there: nobody else gets it.
    let taken = ClaimDecision::Bind {
        claim: PodKey::new("default", "data"),
        volume: "v".into(),
        resource_version: "1".into(),
    };
    assert_eq!(fits(&snapshot, pod("q").claim("own")), [true, false]);
    snapshot.assume_claims(&"p".into(), &[taken]);
    assert_eq!(fits(&snapshot, pod("q").claim("own")), [false, false]);
    snapshot.forget_claims("p");
    assert_eq!(fits(&snapshot, pod("q").claim("own")), [true, false]);
}
