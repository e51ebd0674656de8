//! What becomes of claims and volumes, step by step.

use super::*;
use crate::api::storage::{CsiNodeDriver, CsiNodeSpec};
use crate::framework::Write;
use crate::testing::node;
use crate::testing::storage::{ClaimBuilder, capacity, claim, class, volume};

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";
const DRIVER: &str = "disk.example.com";

/// Two nodes in each of the zones a and b, with a driver on them that tells them apart by `keys`.
/// The class `late` waits for pods and the class `fast` does not.
fn cluster(keys: &[&str]) -> Objects {
    let mut objects = Objects::default();
    for (name, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b"), ("b2", "b")] {
        objects.nodes.push(node(name).labels(&[(ZONE, zone), (HOST, name)]).build());
        let mut installed = api::CsiNode::default();
        installed.metadata.name = name.into();
        let topology_keys = keys.iter().map(|key| Str::from(*key)).collect();
        let driver = CsiNodeDriver { name: DRIVER.into(), topology_keys, allocatable: None };
        installed.spec = CsiNodeSpec { drivers: vec![driver] };
        objects.csi_nodes.push(installed);
    }
    objects.storage_classes.push(class("late", DRIVER).build());
    objects.storage_classes.push(class("fast", DRIVER).immediate().build());
    objects.storage_classes.push(class("by-hand", binder::BY_HAND).build());
    objects
}

fn key(name: &str) -> PodKey {
    PodKey::new("default", name)
}

fn with_claim(mut objects: Objects, claim: ClaimBuilder) -> Storage {
    objects.persistent_volume_claims.push(claim.build());
    Storage::new(&objects)
}

/// The scheduler's patch of the claim as it stands.
fn select(storage: &Storage, name: &str, node: &str) -> Write {
    let meta = &storage.claim(&key(name)).unwrap().metadata;
    Write::SelectNode {
        claim: key(name),
        uid: meta.uid.clone(),
        resource_version: meta.resource_version.clone(),
        node: node.into(),
    }
}

/// The claim's volume, if it is bound to one for good and the volume to it.
fn bound<'a>(storage: &'a Storage, name: &str) -> Option<&'a api::PersistentVolume> {
    let claim = storage.claim(&key(name)).unwrap();
    let info = ClaimInfo::new(claim);
    let volume = storage.volume(&info.volume)?;
    let both = [&claim.status.phase, &volume.status.phase].map(|phase| &**phase);
    (info.is_bound() && both == ["Bound"; 2] && VolumeInfo::new(volume).is_for(&info))
        .then_some(volume)
}

/// Selects a node, and lets provisioner and controller do what follows.
fn provision(storage: &mut Storage, name: &str, node: &str) {
    storage.apply(&select(storage, name, node)).unwrap();
    let order = storage.look_at(&key(name)).order.unwrap();
    assert_eq!(order.node.as_deref(), Some(node));
    storage.fill(&order);
    storage.look_at(&key(name));
}

/// What a claim waits for.
fn reason(storage: &Storage, name: &str) -> String {
    storage.fates().find(|fate| *fate.claim.name == *name).unwrap().reason
}

#[test]
fn a_claim_that_waits_for_its_pod_gets_the_volume_that_the_scheduler_sets_aside() {
    let mut objects = cluster(&[HOST]);
    objects.persistent_volumes.push(volume("v").class("by-hand").size("2Gi").build());
    let mut storage = with_claim(objects, claim("data").class("by-hand"));
    let look = storage.look_at(&key("data"));
    assert!(look.events.is_empty() && look.order.is_none(), "{look:?}");
    assert_eq!(reason(&storage, "data"), "waits for a pod that uses it to get a node");
    let found = storage.volume("v").unwrap().metadata.clone();
    let mut write = Write::BindVolume {
        volume: "v".into(),
        uid: found.uid,
        resource_version: found.resource_version,
        claim: key("data"),
        claim_uid: "data".into(),
        by_controller: true,
    };
    storage.apply(&write).unwrap();
    assert_eq!(storage.apply(&write).unwrap_err(), 409, "the version is another one now");
    assert_eq!(storage.look_at(&key("data")).events.len(), 2, "one for each");
    assert_eq!(&*bound(&storage, "data").unwrap().metadata.name, "v");
    assert_eq!(reason(&storage, "data"), "");
    assert!(storage.look_at(&key("data")).events.is_empty(), "nothing is left to do");
    if let Write::BindVolume { volume, .. } = &mut write {
        *volume = "other".into();
    }
    assert_eq!(storage.apply(&write).unwrap_err(), 404);
}

#[test]
fn a_claim_that_does_not_wait_gets_the_smallest_volume_that_will_do() {
    let check = |claim: ClaimBuilder, expected: Option<&str>| {
        let mut objects = cluster(&[ZONE]);
        let volumes = [
            volume("small").class("fast").size("1Gi"),
            volume("labelled").class("fast").size("4Gi").labels(&[("disk", "ssd")]),
            volume("middle").class("fast").size("3Gi"),
            volume("other").class("late").size("2Gi"),
            volume("taken").class("fast").size("2Gi").of("someone", "u"),
        ];
        objects.persistent_volumes = volumes.map(|volume| volume.build()).into();
        let mut storage = with_claim(objects, claim.class("fast"));
        let look = storage.look_at(&key("data"));
        let found = bound(&storage, "data").map(|volume| &*volume.metadata.name);
        assert_eq!(found, expected);
        assert_eq!(look.order.is_some(), expected.is_none(), "what is not there is made");
    };
    check(claim("data").size("1Gi"), Some("small"));
    check(claim("data").size("2Gi"), Some("middle"));
    check(claim("data").size("5Gi"), None);
    check(claim("data").with(|c| c.spec.access_modes = vec!["ReadWriteMany".into()]), None);
    let selector = serde_json::json!({"matchLabels": {"disk": "ssd"}});
    let selector = serde_json::from_value(selector).unwrap();
    check(claim("data").with(|c| c.spec.selector = Some(selector)), Some("labelled"));
}

#[test]
fn a_volume_is_reached_from_where_its_driver_says() {
    let check = |keys: &[&str], expected: &[&str]| {
        let mut storage = with_claim(cluster(keys), claim("data").class("late"));
        provision(&mut storage, "data", "b1");
        let volume = VolumeInfo::new(bound(&storage, "data").unwrap());
        let nodes = storage.nodes.iter();
        let reached = nodes.filter(|(_, node)| volume.is_reached_from(&node.labels));
        assert_eq!(reached.map(|(name, _)| &**name).collect::<Vec<_>>(), expected, "{keys:?}");
    };
    check(&[ZONE], &["b1", "b2"]);
    check(&[HOST], &["b1"]);
    check(&[ZONE, HOST], &["b1"]);
    check(&[], &["a1", "a2", "b1", "b2"]);
}

#[test]
fn a_driver_that_no_node_names_goes_by_the_topologies_of_the_class() {
    let mut objects = cluster(&[]);
    objects.csi_nodes.clear();
    let term = serde_json::json!({"matchLabelExpressions": [{"key": ZONE, "values": ["a", "b"]}]});
    let terms = vec![serde_json::from_value(term).unwrap()];
    objects.storage_classes[0].allowed_topologies = terms;
    let mut storage = with_claim(objects, claim("data").class("late"));
    provision(&mut storage, "data", "a2");
    let volume = VolumeInfo::new(bound(&storage, "data").unwrap());
    assert!(volume.is_reached_from(&storage.nodes["a1"].labels));
    assert!(!volume.is_reached_from(&storage.nodes["b1"].labels));
}

#[test]
fn without_room_the_claim_is_given_back_and_the_driver_says_how_much_is_left() {
    let mut objects = cluster(&[ZONE]);
    objects.csi_storage_capacities.push(capacity("room-a", "late", (ZONE, "a"), Some("5Gi")));
    for name in ["one", "two"] {
        objects.persistent_volume_claims.push(claim(name).class("late").size("3Gi").build());
    }
    let mut storage = Storage::new(&objects);
    provision(&mut storage, "one", "a1");
    assert!(bound(&storage, "one").is_some());
    provision(&mut storage, "two", "a2");
    assert!(bound(&storage, "two").is_none());
    let given_back = ClaimInfo::new(storage.claim(&key("two")).unwrap());
    assert_eq!(given_back.selected_node, None);
    let expected = "driver \"disk.example.com\" has no room for 3221225472 bytes on node \"a2\"";
    assert_eq!((reason(&storage, "two").as_str(), storage.failures()), (expected, 1));
    // Where nobody says that there is room, there is none.
    provision(&mut storage, "two", "b1");
    assert!(bound(&storage, "two").is_none());

    assert!(storage.room_is_outdated());
    let events = storage.publish_room();
    let [Event::CsiStorageCapacity(Change::Upsert(said))] = &events[..] else {
        panic!("{events:?}");
    };
    assert_eq!(said.capacity.as_ref().unwrap().value(), 2 << 30);
    assert!(!storage.room_is_outdated());
}

#[test]
fn a_volume_larger_than_the_largest_is_not_made() {
    let mut objects = cluster(&[ZONE]);
    let mut room = capacity("room-a", "late", (ZONE, "a"), None);
    room.maximum_volume_size = Some(Quantity::parse("2Gi").unwrap());
    objects.csi_storage_capacities.push(room);
    for (name, size) in [("one", "2Gi"), ("two", "2Gi"), ("large", "3Gi")] {
        objects.persistent_volume_claims.push(claim(name).class("late").size(size).build());
    }
    let mut storage = Storage::new(&objects);
    for (name, expected) in [("one", true), ("two", true), ("large", false)] {
        provision(&mut storage, name, "a1");
        assert_eq!(bound(&storage, name).is_some(), expected, "{name}");
    }
    assert!(!storage.room_is_outdated(), "nobody says how much there is");
}

#[test]
fn a_claim_whose_node_the_driver_does_not_know_keeps_it_and_waits() {
    let mut objects = cluster(&[ZONE]);
    objects.csi_nodes.retain(|node| &*node.metadata.name != "a1");
    let mut storage = with_claim(objects, claim("data").class("late"));
    provision(&mut storage, "data", "a1");
    let kept = ClaimInfo::new(storage.claim(&key("data")).unwrap());
    assert_eq!(kept.selected_node.as_deref(), Some("a1"));
    let expected =
        "driver \"disk.example.com\" says nothing of node \"a1\", or the node lacks its labels";
    assert_eq!(reason(&storage, "data"), expected);
}

#[test]
fn a_volume_that_was_begun_for_another_node_is_the_claims_all_the_same() {
    let mut storage = with_claim(cluster(&[ZONE]), claim("data").class("late"));
    storage.apply(&select(&storage, "data", "a1")).unwrap();
    let order = storage.look_at(&key("data")).order.unwrap();
    storage.apply(&select(&storage, "data", "b1")).unwrap();
    storage.fill(&order);
    storage.look_at(&key("data"));
    let volume = VolumeInfo::new(bound(&storage, "data").unwrap());
    assert!(volume.is_reached_from(&storage.nodes["a1"].labels));
    let again = storage.fill(&order);
    assert!(again.is_empty(), "a claim gets one volume: {again:?}");
}

#[test]
fn claims_of_a_set_that_do_not_wait_go_around_the_zones() {
    let mut objects = cluster(&[ZONE]);
    let names = ["data-db-0", "data-db-1", "data-db-2"];
    objects.persistent_volume_claims =
        names.iter().map(|name| claim(name).class("fast").build()).collect();
    let mut storage = Storage::new(&objects);
    let zones = names.map(|name| {
        let order = storage.look_at(&key(name)).order.unwrap();
        assert_eq!(order.node, None);
        storage.fill(&order);
        storage.look_at(&key(name));
        let volume = VolumeInfo::new(bound(&storage, name).unwrap());
        volume.is_reached_from(&storage.nodes["a1"].labels)
    });
    assert!(zones[0] != zones[1] && zones[1] != zones[2], "{zones:?}");
}

#[test]
fn a_bound_claim_without_its_volume_is_lost() {
    let mut storage = with_claim(cluster(&[ZONE]), claim("data").class("late").bound_to("gone"));
    assert_eq!(storage.look_at(&key("data")).events.len(), 1);
    assert_eq!(&*storage.claim(&key("data")).unwrap().status.phase, "Lost");
    assert!(storage.look_at(&key("data")).events.is_empty());
    assert_eq!(storage.fates().count(), 0, "it had a volume when it came");
}

#[test]
fn what_is_selected_for_an_old_version_of_a_claim_is_refused() {
    let mut storage = with_claim(cluster(&[ZONE]), claim("data").class("late"));
    let write = select(&storage, "data", "a1");
    let (version, event) = storage.apply(&write).unwrap();
    assert!(event.is_some());
    assert_eq!(version, storage.claim(&key("data")).unwrap().metadata.resource_version);
    assert_eq!(storage.apply(&write).unwrap_err(), 409);
    let (same, nothing) = storage.apply(&select(&storage, "data", "a1")).unwrap();
    assert_eq!((same, nothing), (version, None), "what changes nothing makes no version");
    let mut nobody = select(&storage, "data", "a1");
    if let Write::SelectNode { claim, .. } = &mut nobody {
        claim.name = "nobody".into();
    }
    assert_eq!(storage.apply(&nobody).unwrap_err(), 404);
}

#[test]
fn a_claim_says_what_it_waits_for() {
    let check = |claim: ClaimBuilder, expected: &str| {
        let mut storage = with_claim(cluster(&[ZONE]), claim);
        storage.look_at(&key("data"));
        assert_eq!(reason(&storage, "data"), expected);
    };
    check(claim("data"), "no volume fits, and no class is set");
    check(claim("data").class("unknown"), "storageclass \"unknown\" not found");
    check(claim("data").class("late"), "waits for a pod that uses it to get a node");
    check(
        claim("data").with(|claim| claim.spec.volume_name = "gone".into()),
        "persistentvolume \"gone\" cannot be bound",
    );
}
