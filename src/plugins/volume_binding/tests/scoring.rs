//! How nodes score by their storage.

use super::{HOST, local, plugin};
use crate::api;
use crate::plugins::fixture::{Scored, cluster, score, store};
use crate::snapshot::Snapshot;
use crate::snapshot::volumes::{CapacityInfo, DriverInfo};
use crate::testing::storage::{capacity, claim, class};
use crate::testing::{PodBuilder, node, pod};

fn raw(snapshot: &Snapshot, pod: PodBuilder) -> Vec<i64> {
    match score(&plugin(), pod, snapshot) {
        Scored::Scores { raw, .. } => raw,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_more_room_is_left_the_better() {
    let mut snapshot = cluster(["n1", "n2", "n3"].map(node), []);
    let claims = [claim("a").class("made").size("20Gi"), claim("b").class("made").size("30Gi")];
    store(&mut snapshot, [class("made", "d")], [], claims);
    let mut driver = api::CsiDriver::default();
    driver.metadata.name = "d".into();
    driver.spec.storage_capacity = true;
    snapshot.volumes.set_driver(DriverInfo::new(&driver));
    for (name, room) in [("n1", "100Gi"), ("n2", "40Gi"), ("n3", "1Ti")] {
        let room = capacity(name, "made", (HOST, name), Some(room));
        snapshot.volumes.set_capacity(CapacityInfo::new(&room));
    }
    assert_eq!(raw(&snapshot, pod("p").claim("a")), [80, 50, 99]);
    // Each claim by itself fits on n2, and both together ask for more than there is.
    assert_eq!(raw(&snapshot, pod("p").claim("a").claim("b")), [50, 0, 96]);
}

#[test]
fn volumes_that_are_there_count_by_what_would_be_wasted() {
    let mut snapshot = cluster(["n1", "n2"].map(node), []);
    let volumes = [local("v1", "n1").size("10Gi"), local("v2", "n2").size("4Gi")];
    let class = class("local", "kubernetes.io/no-provisioner");
    store(&mut snapshot, [class], volumes, [claim("a").class("local").size("2Gi")]);
    assert_eq!(raw(&snapshot, pod("p").claim("a")), [80, 50]);
}

#[test]
fn a_pod_without_claims_that_wait_has_no_score() {
    let mut snapshot = cluster([node("n1")], []);
    store(&mut snapshot, [], [local("v", "n1")], [claim("a").bound_to("v")]);
    assert_eq!(score(&plugin(), pod("p").claim("a"), &snapshot), Scored::Skipped);
    assert_eq!(score(&plugin(), pod("p"), &snapshot), Scored::Skipped);
}
