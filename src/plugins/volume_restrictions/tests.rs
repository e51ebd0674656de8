//! Tests of VolumeRestrictions.

use serde_json::{Value, json};

use super::{REASON_DISK, REASON_IN_USE, VolumeRestrictions};
use crate::framework::{ClusterEvent, Hint, Prepared, Refusals, SetPlugin, Status};
use crate::plugins::fixture::{Filtered, cluster, filter, store};
use crate::snapshot::{Overlay, PodInfo};
use crate::testing::storage::{ClaimBuilder, claim};
use crate::testing::{PodBuilder, node, pod};

fn disk(name: &str, source: &Value) -> PodBuilder {
    let mut volume = source.clone();
    volume["name"] = "v".into();
    pod(name).volume(serde_json::from_value(volume).unwrap())
}

fn one_pod(name: &str) -> ClaimBuilder {
    claim(name).with(|claim| claim.spec.access_modes = vec!["ReadWriteOncePod".into()])
}

#[test]
fn disks_of_two_pods_conflict_as_their_kind_says() {
    let check = |one: Value, two: Value, conflicts: bool| {
        let snapshot = cluster([node("n1"), node("n2")], [disk("a", &one).on("n1")]);
        let found = filter(&VolumeRestrictions, disk("b", &two), &snapshot);
        let reason = Status::unschedulable(REASON_DISK);
        let expected = if conflicts { vec![("n1".to_owned(), reason)] } else { vec![] };
        assert_eq!(found.refused, expected, "{one} {two}");
    };
    let gce = |name: &str, read_only: bool| {
        let disk = json!({"pdName": name, "readOnly": read_only});
        json!({"gcePersistentDisk": disk})
    };
    check(gce("d", false), gce("d", true), true);
    check(gce("d", true), gce("d", true), false);
    check(gce("d", false), gce("e", false), false);
    let aws = |id: &str| json!({"awsElasticBlockStore": {"volumeID": id, "readOnly": true}});
    check(aws("d"), aws("d"), true);
    check(aws("d"), aws("e"), false);
    check(aws("d"), gce("d", false), false);
    let iscsi = |iqn: &str, read_only: bool| json!({"iscsi": {"iqn": iqn, "readOnly": read_only}});
    check(iscsi("d", true), iscsi("d", false), true);
    check(iscsi("d", true), iscsi("d", true), false);
    let rbd = |monitors: &[&str], pool: &str, read_only: bool| {
        let image = json!({
            "monitors": monitors, "pool": pool, "image": "i", "readOnly": read_only,
        });
        json!({"rbd": image})
    };
    check(rbd(&["m", "n"], "p", false), rbd(&["n", "o"], "p", true), true);
    check(rbd(&["m"], "p", false), rbd(&["o"], "p", false), false);
    check(rbd(&["m"], "p", false), rbd(&["m"], "q", false), false);
    check(rbd(&["m"], "p", true), rbd(&["m"], "p", true), false);
}

#[test]
fn a_claim_for_one_pod_is_refused_everywhere_while_another_uses_it() {
    let check = |claim: ClaimBuilder, user: PodBuilder, in_use: bool| {
        let mut snapshot = cluster([node("n1"), node("n2")], [user.on("n1")]);
        store(&mut snapshot, [], [], [claim]);
        let found = filter(&VolumeRestrictions, pod("b").claim("data"), &snapshot);
        let reason = Status::unschedulable(REASON_IN_USE);
        let refused = ["n1", "n2"].map(|node| (node.to_owned(), reason.clone()));
        assert_eq!(found.refused, if in_use { refused.to_vec() } else { vec![] });
        assert_eq!(found.skipped, !in_use);
    };
    check(one_pod("data"), pod("a").claim("data"), true);
    check(one_pod("data"), pod("a").claim("other"), false);
    check(one_pod("data"), pod("a").claim("data").namespace("elsewhere"), false);
    check(claim("data"), pod("a").claim("data"), false);
    let snapshot = cluster([node("n1")], []);
    let found = filter(&VolumeRestrictions, pod("b").claim("data"), &snapshot);
    let missing = Status::unresolvable("persistentvolumeclaim \"data\" not found");
    assert_eq!(found, Filtered { rejected: Some(missing), ..Filtered::default() });
}

#[test]
fn a_user_that_is_supposed_to_be_gone_does_not_count_and_one_that_comes_does() {
    let gce = json!({"gcePersistentDisk": {"pdName": "d"}});
    let both = |name: &str| disk(name, &gce).claim("data").uid(name);
    let mut snapshot = cluster([node("n1"), node("n2")], [both("a").on("n1")]);
    store(&mut snapshot, [], [], [one_pod("data")]);
    let refused = |overlay: Overlay| {
        let view = snapshot.view_with(overlay);
        let waiting = PodInfo::new(&both("b").build());
        let Prepared::Ready(ready) = VolumeRestrictions.prepare_filter(&waiting, &view) else {
            panic!("not ready")
        };
        let mut refusals = Refusals::default();
        ready.filter.filter(view.nodes().present(), &mut refusals);
        let counts: Vec<_> = refusals.counts().map(|(s, n)| (s.message(), n)).collect();
        counts
    };
    let removed = [("a".into())].into_iter().collect();
    assert_eq!(refused(Overlay { removed, ..Overlay::default() }), []);
    let n2 = snapshot.nodes().find("n2").unwrap();
    let added = vec![(std::sync::Arc::new(PodInfo::new(&both("c").build())), n2)];
    let found = refused(Overlay { added, ..Overlay::default() });
    assert_eq!(found, [(REASON_DISK.to_owned(), 2)]);
}

#[test]
fn a_pod_that_had_the_same_disk_or_claim_wakes_the_pod_when_it_goes() {
    let gce = json!({"gcePersistentDisk": {"pdName": "d"}});
    let waiting = PodInfo::new(&disk("b", &gce).claim("data").build());
    let check = |gone: PodBuilder, expected: Hint| {
        let gone = PodInfo::new(&gone.on("n1").build());
        let event = ClusterEvent::PodRemoved(&gone);
        assert_eq!(VolumeRestrictions.hint(&waiting, &event), expected);
    };
    check(disk("a", &gce), Hint::Queue);
    check(disk("a", &gce).namespace("elsewhere"), Hint::Queue);
    check(pod("a").claim("data"), Hint::Queue);
    check(pod("a").claim("data").namespace("elsewhere"), Hint::Skip);
    check(pod("a"), Hint::Skip);
}
