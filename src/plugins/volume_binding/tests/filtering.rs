//! Which nodes the claims of a pod leave.

use super::super::{
    REASON_BIND_CONFLICT, REASON_IMMEDIATE, REASON_NO_SPACE, REASON_NO_VOLUME, REASON_NODE_CONFLICT,
};
use super::{HOST, local, plugin};
use crate::api;
use crate::api::storage::{TopologySelectorRequirement, TopologySelectorTerm};
use crate::framework::{Change, ClusterEvent, Hint, SetPlugin, Status, StorageEvent};
use crate::model::PodKey;
use crate::plugins::fixture::{cluster, filter, store};
use crate::snapshot::volumes::{CapacityInfo, ClaimInfo, ClassInfo, DriverInfo, NodeDrivers};
use crate::snapshot::{ClaimDecision, PodInfo, Snapshot};
use crate::testing::storage::{
    ClaimBuilder, VolumeBuilder, capacity, claim, class, csi_node, volume,
};
use crate::testing::{PodBuilder, node, pod};

/// Three nodes; class `local` is made by hand, class `made` by driver `d`, class `early` at once.
fn storage(volumes: Vec<VolumeBuilder>, claims: Vec<ClaimBuilder>) -> Snapshot {
    let mut snapshot = cluster(["n1", "n2", "n3"].map(node), []);
    let classes = [
        class("local", "kubernetes.io/no-provisioner"),
        class("made", "d"),
        class("early", "d").immediate(),
    ];
    store(&mut snapshot, classes, volumes, claims);
    snapshot
}

fn refused(snapshot: &Snapshot, pod: PodBuilder) -> Vec<(String, String)> {
    let found = filter(&plugin(), pod, snapshot);
    assert_eq!(found.rejected, None);
    found.refused.into_iter().map(|(node, status)| (node, status.message())).collect()
}

fn all(reason: &str, nodes: &[&str]) -> Vec<(String, String)> {
    nodes.iter().map(|node| ((*node).to_owned(), reason.to_owned())).collect()
}

#[test]
fn a_pod_whose_claims_cannot_be_used_is_rejected_with_the_reason() {
    let check = |claims: Vec<ClaimBuilder>, pod: PodBuilder, expected: &str| {
        let found = filter(&plugin(), pod, &storage(vec![], claims));
        assert_eq!(found.rejected, Some(Status::unresolvable(expected)));
    };
    let data = || pod("p").claim("data");
    check(vec![], data(), "persistentvolumeclaim \"data\" not found");
    let lost = claim("data").with(|c| {
        c.spec.volume_name = "v".into();
        c.status.phase = "Lost".into();
    });
    check(
        vec![lost],
        data(),
        "persistentvolumeclaim \"data\" bound to non-existent persistentvolume \"v\"",
    );
    let deleted = || {
        claim("data").with(|claim| {
            claim.metadata.deletion_timestamp = Some(jiff::Timestamp::UNIX_EPOCH);
        })
    };
    check(vec![deleted()], data(), "persistentvolumeclaim \"data\" is being deleted");
    for immediate in [
        claim("data"),
        claim("data").class("early"),
        claim("data").class("unknown"),
        // Somebody has chosen a volume for it and the controller has not confirmed that.
        claim("data").class("made").with(|claim| claim.spec.volume_name = "v".into()),
    ] {
        check(vec![immediate], data(), REASON_IMMEDIATE);
    }
    let scratch = || {
        let volume = serde_json::json!({"name": "scratch", "ephemeral": {}});
        pod("p").uid("u").volume(serde_json::from_value(volume).unwrap())
    };
    check(
        vec![],
        scratch(),
        "waiting for ephemeral volume controller to create the persistentvolumeclaim \
         \"p-scratch\"",
    );
    check(
        vec![claim("p-scratch").class("made")],
        scratch(),
        "PVC default/p-scratch was not created for pod default/p (pod is not owner)",
    );
    let own = claim("p-scratch").class("made").with(|claim| {
        claim.metadata.owner_references = vec![api::OwnerReference {
            uid: "u".into(),
            controller: Some(true),
            ..api::OwnerReference::default()
        }];
    });
    assert_eq!(refused(&storage(vec![], vec![own]), scratch()), []);
    assert!(filter(&plugin(), pod("p"), &storage(vec![], vec![])).skipped);
}

#[test]
fn a_bound_claim_keeps_the_pod_where_its_volume_is_reached() {
    let bound = || vec![claim("data").class("local").bound_to("v")];
    let snapshot = storage(vec![local("v", "n2").of("data", "data")], bound());
    let found = refused(&snapshot, pod("p").claim("data"));
    assert_eq!(found, all(REASON_NODE_CONFLICT, &["n1", "n3"]));
    let anywhere = storage(vec![volume("v").of("data", "data")], bound());
    assert_eq!(refused(&anywhere, pod("p").claim("data")), []);
    let gone = refused(&storage(vec![], bound()), pod("p").claim("data"));
    assert_eq!(gone, all(REASON_NO_VOLUME, &["n1", "n2", "n3"]));
}

#[test]
fn a_kind_of_volume_that_a_driver_has_taken_over_is_reached_where_the_driver_says() {
    let disk = volume("v").of("data", "data").labels(&[("topology.kubernetes.io/zone", "a")]).with(
        |volume| {
            let source = serde_json::json!({"volumeID": "vol-1"});
            volume.spec.aws_elastic_block_store = Some(serde_json::from_value(source).unwrap());
        },
    );
    let mut snapshot = storage(vec![disk], vec![claim("data").bound_to("v")]);
    assert_eq!(refused(&snapshot, pod("p").claim("data")), []);
    let mut drivers = csi_node("n1", &[]);
    let annotation = "storage.alpha.kubernetes.io/migrated-plugins".into();
    drivers.metadata.annotations.insert(annotation, "a,kubernetes.io/aws-ebs".into());
    snapshot.volumes.set_node(NodeDrivers::new(&drivers));
    let found = refused(&snapshot, pod("p").claim("data"));
    assert_eq!(found, all(REASON_NODE_CONFLICT, &["n1"]));
}

#[test]
fn a_claim_that_waits_takes_a_volume_that_suits_it_and_that_the_node_reaches() {
    let check = |volume: VolumeBuilder, claim: ClaimBuilder, fits: bool| {
        let snapshot = storage(vec![volume], vec![claim.class("local")]);
        let expected = if fits {
            all(REASON_BIND_CONFLICT, &["n1", "n3"])
        } else {
            all(REASON_BIND_CONFLICT, &["n1", "n2", "n3"])
        };
        assert_eq!(refused(&snapshot, pod("p").claim("data")), expected);
    };
    let data = || claim("data");
    check(local("v", "n2"), data(), true);
    check(local("v", "n2").size("2Gi"), data(), true);
    check(local("v", "n2"), data().size("2Gi"), false);
    check(local("v", "n2").class("other"), data(), false);
    check(local("v", "n2").of("data", "data"), data(), true);
    check(local("v", "n2").of("data", ""), data(), true);
    check(local("v", "n2").of("data", "of-another"), data(), false);
    check(local("v", "n2").of("other", ""), data(), false);
    check(local("v", "n2").with(|v| v.status.phase = "Released".into()), data(), false);
    check(
        local("v", "n2").of("data", "").with(|v| v.status.phase = "Pending".into()),
        data(),
        true,
    );
    let block = |mode: &str| Some(mode.into());
    check(local("v", "n2").with(|v| v.spec.volume_mode = block("Block")), data(), false);
    check(local("v", "n2").with(|v| v.spec.volume_mode = block("Filesystem")), data(), true);
    check(
        local("v", "n2"),
        data().with(|c| c.spec.volume_attributes_class_name = Some("fast".into())),
        false,
    );
    let many =
        |c: &mut api::PersistentVolumeClaim| c.spec.access_modes = vec!["ReadWriteMany".into()];
    check(local("v", "n2"), data().with(many), false);
    let labelled = |c: &mut api::PersistentVolumeClaim| {
        c.spec.selector = Some(crate::testing::selector(&[("tier", "gold")]));
    };
    check(local("v", "n2"), data().with(labelled), false);
    check(local("v", "n2").labels(&[("tier", "gold")]), data().with(labelled), true);
    let deleted = |v: &mut api::PersistentVolume| {
        v.metadata.deletion_timestamp = Some(jiff::Timestamp::UNIX_EPOCH);
    };
    check(local("v", "n2").with(deleted), data(), false);
}

#[test]
fn several_claims_of_a_pod_take_a_volume_each_from_small_to_large() {
    let volumes = vec![local("small", "n1"), local("large", "n1").size("9Gi"), local("v", "n2")];
    let claims = vec![claim("a").class("local").size("2Gi"), claim("b").class("local")];
    let snapshot = storage(volumes, claims);
    let both = pod("p").claim("a").claim("b");
    assert_eq!(refused(&snapshot, both), all(REASON_BIND_CONFLICT, &["n2", "n3"]));
}

#[test]
fn a_volume_is_made_where_the_class_allows_it_and_only_for_the_selected_node() {
    let claims = vec![claim("data").class("made"), claim("tied").class("made").selected("n2")];
    let mut snapshot = storage(vec![], claims);
    assert_eq!(refused(&snapshot, pod("p").claim("data")), []);
    let tied = pod("p").claim("data").claim("tied");
    assert_eq!(refused(&snapshot, tied.clone()), all(REASON_BIND_CONFLICT, &["n1", "n3"]));
    let limited = class("made", "d").with(|class| {
        let one = TopologySelectorRequirement { key: HOST.into(), values: vec!["n1".into()] };
        let term = TopologySelectorTerm { match_label_expressions: vec![one] };
        class.allowed_topologies = vec![TopologySelectorTerm::default(), term];
    });
    snapshot.volumes.set_class(ClassInfo::new(&limited.build()));
    let found = refused(&snapshot, pod("p").claim("data"));
    assert_eq!(found, all(REASON_BIND_CONFLICT, &["n2", "n3"]));
}

#[test]
fn a_volume_is_made_only_where_the_driver_has_room_for_it() {
    let mut snapshot = storage(vec![], vec![claim("data").class("made").size("5Gi")]);
    let mut driver = api::CsiDriver::default();
    driver.metadata.name = "d".into();
    driver.spec.storage_capacity = true;
    let data = || pod("p").claim("data");
    let mut room = capacity("c1", "made", (HOST, "n1"), Some("5Gi"));
    snapshot.volumes.set_capacity(CapacityInfo::new(&room));
    snapshot.volumes.set_capacity(CapacityInfo::new(&capacity("c2", "made", (HOST, "n2"), None)));
    let small = capacity("c3", "made", (HOST, "n3"), Some("4Gi"));
    snapshot.volumes.set_capacity(CapacityInfo::new(&small));
    assert_eq!(refused(&snapshot, data()), [], "nobody said that the driver tells of its room");
    snapshot.volumes.set_driver(DriverInfo::new(&driver));
    assert_eq!(refused(&snapshot, data()), all(REASON_NO_SPACE, &["n2", "n3"]));
    room.maximum_volume_size = crate::model::Quantity::parse("4Gi").ok();
    snapshot.volumes.set_capacity(CapacityInfo::new(&room));
    assert_eq!(refused(&snapshot, data()), all(REASON_NO_SPACE, &["n1", "n2", "n3"]));
}

#[test]
fn room_that_was_promised_is_gone_until_the_driver_tells_of_it_anew() {
    let claims = vec![claim("data").class("made"), claim("other").class("made")];
    let mut snapshot = storage(vec![], claims);
    let mut driver = api::CsiDriver::default();
    driver.metadata.name = "d".into();
    driver.spec.storage_capacity = true;
    snapshot.volumes.set_driver(DriverInfo::new(&driver));
    let mut room = capacity("c1", "made", (HOST, "n1"), Some("1536Mi"));
    snapshot.volumes.set_capacity(CapacityInfo::new(&room));
    let decision = ClaimDecision::Provision {
        claim: PodKey::new("default", "other"),
        node: "n1".into(),
        resource_version: "1".into(),
        class: "made".into(),
        size: 1 << 30,
        capacity: Some(PodKey::new("default", "c1")),
    };
    let fits = |snapshot: &Snapshot| refused(snapshot, pod("p").claim("data")).len() == 2;
    assert!(fits(&snapshot));
    snapshot.assume_claims(&"other".into(), &[decision]);
    assert!(!fits(&snapshot));
    // A newer object that cannot know of the volume yet changes nothing.
    room.metadata.resource_version = "2".into();
    snapshot.volumes.set_capacity(CapacityInfo::new(&room));
    assert!(!fits(&snapshot));
    let bound = claim("other").class("made").bound_to("v");
    snapshot.volumes.set_claim(ClaimInfo::new(&bound.build()));
    assert!(fits(&snapshot), "the driver has told anew since");
    snapshot.forget_claims("other");
    assert!(fits(&snapshot));
}

#[test]
fn what_may_give_the_pod_a_volume_wakes_it() {
    let waiting = PodInfo::new(&pod("p").claim("data").build());
    let check = |event: StorageEvent<'_>, expected: Hint| {
        assert_eq!(plugin().hint(&waiting, &ClusterEvent::Storage(event)), expected);
    };
    let [own, other] = ["data", "other"].map(|name| ClaimInfo::new(&claim(name).build()));
    check(StorageEvent::Claim(Change { old: Some(&own), new: &own }), Hint::Queue);
    check(StorageEvent::Claim(Change { old: None, new: &other }), Hint::Skip);
    let room = |amount| CapacityInfo::new(&capacity("c", "made", (HOST, "n1"), amount));
    let (little, much) = (room(Some("1Gi")), room(Some("2Gi")));
    check(StorageEvent::Capacity(Change { old: None, new: &little }), Hint::Queue);
    check(StorageEvent::Capacity(Change { old: Some(&little), new: &much }), Hint::Queue);
    check(StorageEvent::Capacity(Change { old: Some(&much), new: &little }), Hint::Skip);
    check(StorageEvent::Capacity(Change { old: Some(&room(None)), new: &little }), Hint::Queue);
    let drivers = NodeDrivers::new(&csi_node("n1", &[]));
    check(StorageEvent::NodeDrivers(Change { old: None, new: &drivers }), Hint::Queue);
    check(StorageEvent::NodeDrivers(Change { old: Some(&drivers), new: &drivers }), Hint::Skip);
}
