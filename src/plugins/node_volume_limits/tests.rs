//! Tests of NodeVolumeLimits.

use serde_json::json;

use super::{NodeVolumeLimits, REASON};
use crate::api;
use crate::framework::{Change, ClusterEvent, Hint, SetPlugin, Status, StorageEvent};
use crate::plugins::fixture::{cluster, filter, store};
use crate::snapshot::volumes::{AttachmentInfo, DriverInfo, NodeDrivers};
use crate::snapshot::{PodInfo, Snapshot};
use crate::testing::storage::{claim, class, csi_node, volume};
use crate::testing::{PodBuilder, node, pod};

/// A node that takes so many volumes of driver `d`, with these pods on it. Claim `cN` is bound to
/// volume `vN` with handle `hN`; claim `new` waits and will be made by `d`.
fn full(limit: Option<i32>, pods: impl IntoIterator<Item = PodBuilder>) -> Snapshot {
    let mut snapshot = cluster([node("n")], pods.into_iter().map(|pod| pod.on("n")));
    let names = ["1", "2", "3"];
    let volumes =
        names.map(|n| volume(&format!("v{n}")).csi("d", &format!("h{n}")).of(&format!("c{n}"), ""));
    let mut claims = names.map(|n| claim(&format!("c{n}")).bound_to(&format!("v{n}"))).to_vec();
    claims.push(claim("new").class("late"));
    store(&mut snapshot, [class("late", "d")], volumes, claims);
    snapshot.volumes.set_node(NodeDrivers::new(&csi_node("n", &[("d", limit)])));
    snapshot
}

fn attach(snapshot: &mut Snapshot, name: &str, volume: &str) {
    let mut attachment = api::VolumeAttachment::default();
    attachment.spec.attacher = "d".into();
    attachment.spec.node_name = "n".into();
    attachment.spec.source.persistent_volume_name = Some(volume.into());
    let name = name.into();
    snapshot.volumes.set_attachment(&name, AttachmentInfo::new(&attachment));
}

fn refuses(snapshot: &Snapshot, pod: PodBuilder) -> bool {
    let found = filter(&NodeVolumeLimits, pod, snapshot);
    assert!(found.refused.iter().all(|(_, status)| *status == Status::unschedulable(REASON)));
    !found.refused.is_empty()
}

#[test]
fn a_node_takes_as_many_volumes_as_its_driver_says() {
    let check = |limit: Option<i32>, refused: bool| {
        let snapshot = full(limit, [pod("a").claim("c1"), pod("b").claim("c2").claim("c1")]);
        assert_eq!(refuses(&snapshot, pod("p").claim("c3")), refused, "{limit:?}");
        assert_eq!(refuses(&snapshot, pod("p").claim("new")), refused, "{limit:?}");
    };
    check(Some(2), true);
    check(Some(3), false);
    check(None, false);
    // A volume that the node has already needs no more room.
    let snapshot = full(Some(1), [pod("a").claim("c1")]);
    assert!(!refuses(&snapshot, pod("p").claim("c1")));
    assert!(filter(&NodeVolumeLimits, pod("p"), &snapshot).skipped);
}

#[test]
fn attached_volumes_count_beside_those_of_pods() {
    let mut snapshot = full(Some(2), [pod("a").claim("c1")]);
    attach(&mut snapshot, "x", "v1");
    assert!(!refuses(&snapshot, pod("p").claim("c3")));
    attach(&mut snapshot, "y", "v2");
    assert!(refuses(&snapshot, pod("p").claim("c3")));
    // What is attached and used by nobody counts twice for whoever comes to use it.
    assert!(refuses(&snapshot, pod("p").claim("c2")));
    snapshot.volumes.remove_attachment(&"y".into());
    assert!(!refuses(&snapshot, pod("p").claim("c3")));
}

#[test]
fn disks_that_a_driver_has_taken_over_count_where_drivers_tell_of_themselves() {
    let disk = |name: &str, id: &str| {
        let volume = json!({"name": "v", "awsElasticBlockStore": {"volumeID": id}});
        pod(name).volume(serde_json::from_value(volume).unwrap())
    };
    let mut snapshot = cluster([node("n"), node("m")], [disk("a", "vol-1").on("n")]);
    let drivers = csi_node("n", &[("ebs.csi.aws.com", Some(1))]);
    snapshot.volumes.set_node(NodeDrivers::new(&drivers));
    assert!(refuses(&snapshot, disk("p", "vol-2")));
    assert!(!refuses(&snapshot, disk("p", "aws://zone/vol-1")));
    let broken = filter(&NodeVolumeLimits, disk("p", "aws://zone/what"), &snapshot);
    assert_eq!(broken.refused.len(), 2);
}

#[test]
fn pods_keep_off_nodes_without_a_driver_that_asks_for_it() {
    let mut snapshot = full(None, []);
    let check = |snapshot: &Snapshot, expected: bool| {
        let found = filter(&NodeVolumeLimits, pod("p").claim("c1"), snapshot);
        let reason = Status::unschedulable("d CSI driver is not installed on the node");
        let refused = vec![("n".to_owned(), reason)];
        assert_eq!(found.refused, if expected { refused } else { vec![] });
    };
    let mut driver = api::CsiDriver::default();
    driver.metadata.name = "d".into();
    driver.spec.prevent_pod_scheduling_if_missing = true;
    snapshot.volumes.set_driver(DriverInfo::new(&driver));
    check(&snapshot, false);
    snapshot.volumes.set_node(NodeDrivers::new(&csi_node("n", &[("other", None)])));
    check(&snapshot, true);
    snapshot.volumes.remove_node("n");
    check(&snapshot, true);
    driver.spec.prevent_pod_scheduling_if_missing = false;
    snapshot.volumes.set_driver(DriverInfo::new(&driver));
    check(&snapshot, false);
}

#[test]
fn more_room_wakes_the_pod() {
    let waiting = PodInfo::new(&pod("p").claim("c1").build());
    let check = |old: Option<&[(&str, Option<i32>)]>, new: &[(&str, Option<i32>)], hint: Hint| {
        let old = old.map(|drivers| NodeDrivers::new(&csi_node("n", drivers)));
        let new = NodeDrivers::new(&csi_node("n", new));
        let change = Change { old: old.as_ref(), new: &new };
        let event = ClusterEvent::Storage(StorageEvent::NodeDrivers(change));
        assert_eq!(NodeVolumeLimits.hint(&waiting, &event), hint);
    };
    check(None, &[], Hint::Queue);
    check(Some(&[("d", Some(1))]), &[("d", Some(2))], Hint::Queue);
    check(Some(&[("d", Some(2))]), &[("d", Some(1))], Hint::Skip);
    check(Some(&[]), &[("d", None)], Hint::Queue);
    check(Some(&[("d", Some(2))]), &[("d", None)], Hint::Queue);
    let gone = |gone: PodBuilder| {
        let gone = PodInfo::new(&gone.on("n").build());
        NodeVolumeLimits.hint(&waiting, &ClusterEvent::PodRemoved(&gone))
    };
    assert_eq!(gone(pod("a").claim("other")), Hint::Queue);
    assert_eq!(gone(pod("a")), Hint::Skip);
}
