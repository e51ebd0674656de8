//! Tests of VolumeZone.

use super::{REASON, VolumeZone};
use crate::framework::{Change, ClusterEvent, Hint, SetPlugin, Status, StorageEvent};
use crate::plugins::fixture::{cluster, filter, store};
use crate::snapshot::volumes::{ClaimInfo, ClassInfo, VolumeInfo};
use crate::snapshot::{PodInfo, Snapshot};
use crate::testing::storage::{VolumeBuilder, claim, class, volume};
use crate::testing::{node, pod};

const ZONE: &str = "topology.kubernetes.io/zone";
const BETA_ZONE: &str = "failure-domain.beta.kubernetes.io/zone";

/// Nodes in zone a, in zone b, without a zone but with a region, and without either.
fn zones() -> Snapshot {
    cluster(
        [
            node("a").labels(&[(ZONE, "a")]),
            node("b").labels(&[(ZONE, "b")]),
            node("r").labels(&[("topology.kubernetes.io/region", "r")]),
            node("none"),
        ],
        [],
    )
}

fn refused(volume: VolumeBuilder) -> Vec<String> {
    let mut snapshot = zones();
    store(&mut snapshot, [], [volume], [claim("data").bound_to("v")]);
    let found = filter(&VolumeZone, pod("p").claim("data"), &snapshot);
    let reason = Status::unresolvable(REASON);
    assert!(found.refused.iter().all(|(_, status)| *status == reason));
    found.refused.into_iter().map(|(node, _)| node).collect()
}

#[test]
fn a_pod_stays_in_the_zones_of_its_volumes() {
    let check = |label: (&str, &str), expected: &[&str]| {
        assert_eq!(refused(volume("v").labels(&[label])), expected, "{label:?}");
    };
    check((ZONE, "a"), &["b", "r"]);
    check((ZONE, "a__b"), &["r"]);
    // The old name of the label on the volume is met by the new one on the node.
    check((BETA_ZONE, "b"), &["a", "r"]);
    check(("topology.kubernetes.io/region", "r"), &["a", "b"]);
    check((ZONE, "a__"), &[]);
    check(("other", "a"), &[]);
}

#[test]
fn a_claim_without_a_volume_is_left_alone_only_if_it_waits_for_its_pod() {
    let check = |claims: Vec<crate::testing::storage::ClaimBuilder>, expected: Option<&str>| {
        let mut snapshot = zones();
        let classes = [class("late", "x"), class("early", "x").immediate()];
        store(&mut snapshot, classes, [], claims);
        let found = filter(&VolumeZone, pod("p").claim("data"), &snapshot);
        assert_eq!(found.rejected, expected.map(Status::unresolvable));
        assert_eq!(found.skipped, expected.is_none());
    };
    check(vec![claim("data").class("late")], None);
    check(vec![claim("data").class("early")], Some("PersistentVolume had no name"));
    let nothing = "PersistentVolumeClaim had no pv name and storageClass name";
    check(vec![claim("data")], Some(nothing));
    let missing = "storageclass.storage.k8s.io \"gone\" not found";
    check(vec![claim("data").class("gone")], Some(missing));
    check(vec![], Some("persistentvolumeclaim \"data\" not found"));
    let missing = "persistentvolume \"gone\" not found";
    check(vec![claim("data").bound_to("gone")], Some(missing));
}

#[test]
fn what_may_give_a_volume_or_another_zone_wakes_the_pod() {
    let waiting = PodInfo::new(&pod("p").claim("data").build());
    let check = |event: StorageEvent<'_>, expected: Hint| {
        assert_eq!(VolumeZone.hint(&waiting, &ClusterEvent::Storage(event)), expected);
    };
    let (late, early) = (class("l", "x"), class("e", "x").immediate());
    let (late, early) = (ClassInfo::new(&late.build()), ClassInfo::new(&early.build()));
    check(StorageEvent::Class(Change { old: None, new: &late }), Hint::Queue);
    check(StorageEvent::Class(Change { old: None, new: &early }), Hint::Skip);
    check(StorageEvent::Class(Change { old: Some(&late), new: &late }), Hint::Skip);
    let [own, other] = ["data", "other"].map(|name| ClaimInfo::new(&claim(name).build()));
    check(StorageEvent::Claim(Change { old: Some(&own), new: &own }), Hint::Queue);
    check(StorageEvent::Claim(Change { old: None, new: &other }), Hint::Skip);
    let moved = VolumeInfo::new(&volume("v").labels(&[(ZONE, "b")]).build());
    let plain = VolumeInfo::new(&volume("v").build());
    check(StorageEvent::Volume(Change { old: None, new: &plain }), Hint::Queue);
    check(StorageEvent::Volume(Change { old: Some(&plain), new: &moved }), Hint::Queue);
    check(StorageEvent::Volume(Change { old: Some(&plain), new: &plain }), Hint::Skip);
}
