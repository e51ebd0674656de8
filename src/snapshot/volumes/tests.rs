//! Counters equal a recount, and what is forgotten leaves no trace.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use proptest::prelude::*;

use super::{
    AttachmentInfo, CapacityInfo, ClaimDecision, ClaimInfo, ClassInfo, InTree, VolumeId, VolumeInfo,
};
use crate::api;
use crate::model::{PodKey, Str};
use crate::snapshot::{NodeInfo, Overlay, PodInfo, Snapshot};
use crate::testing::storage::{capacity, claim, class, volume};
use crate::testing::{node, pod};

/// One change of a small cluster.
#[derive(Clone, Copy, Debug)]
enum Step {
    Place(u8, u8),
    Remove(u8),
    Bind(u8, u8),
    Unbind(u8),
    RemoveClaim(u8),
    Volume(u8),
    RemoveVolume(u8),
    Class(bool),
    Attach(u8, u8),
    Detach(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let small = 0..4_u8;
    prop_oneof![
        (small.clone(), 0..2_u8).prop_map(|(pod, node)| Step::Place(pod, node)),
        small.clone().prop_map(Step::Remove),
        (small.clone(), small.clone()).prop_map(|(claim, volume)| Step::Bind(claim, volume)),
        small.clone().prop_map(Step::Unbind),
        small.clone().prop_map(Step::RemoveClaim),
        small.clone().prop_map(Step::Volume),
        small.clone().prop_map(Step::RemoveVolume),
        any::<bool>().prop_map(Step::Class),
        (small.clone(), 0..2_u8).prop_map(|(volume, node)| Step::Attach(volume, node)),
        small.prop_map(Step::Detach),
    ]
}

fn claim_key(number: u8) -> PodKey {
    PodKey::new("default", format!("c{number}"))
}

/// Pod N uses claims N and N+1, so that two pods share each.
fn user(number: u8) -> PodInfo {
    let next = (number + 1) % 4;
    let pod = pod(&format!("p{number}")).uid(&format!("p{number}"));
    PodInfo::new(&pod.claim(&format!("c{number}")).claim(&format!("c{next}")).on("n").build())
}

fn apply(snapshot: &mut Snapshot, step: Step) {
    let volumes = &mut snapshot.volumes;
    match step {
        Step::Place(pod, node) => {
            snapshot.place(Arc::new(user(pod)), &format!("n{node}").into());
        }
        Step::Remove(pod) => _ = snapshot.remove_pod(&format!("p{pod}")),
        Step::Bind(number, to) => {
            let claim = claim(&format!("c{number}")).class("made").bound_to(&format!("v{to}"));
            volumes.set_claim(ClaimInfo::new(&claim.build()));
        }
        Step::Unbind(number) => {
            let claim = claim(&format!("c{number}")).class("made");
            volumes.set_claim(ClaimInfo::new(&claim.build()));
        }
        Step::RemoveClaim(number) => _ = volumes.remove_claim(&claim_key(number)),
        Step::Volume(number) => {
            let volume = volume(&format!("v{number}")).csi("d", &format!("h{}", number / 2));
            volumes.set_volume(VolumeInfo::new(&volume.build()));
        }
        Step::RemoveVolume(number) => _ = volumes.remove_volume(&format!("v{number}")),
        Step::Class(true) => {
            volumes.set_class(ClassInfo::new(&class("made", "e").build()));
        }
        Step::Class(false) => _ = volumes.remove_class("made"),
        Step::Attach(number, node) => {
            let mut attachment = api::VolumeAttachment::default();
            attachment.spec.attacher = "d".into();
            attachment.spec.node_name = format!("n{node}").into();
            attachment.spec.source.persistent_volume_name = Some(format!("v{number}").into());
            let name = format!("a{number}").into();
            volumes.set_attachment(&name, AttachmentInfo::new(&attachment));
        }
        Step::Detach(number) => _ = volumes.remove_attachment(&format!("a{number}").into()),
    }
}

/// How many volumes of each driver a node has, and how many pods use each claim, counted anew.
fn recount(snapshot: &Snapshot, attached: &BTreeMap<u8, u8>) -> (Vec<usize>, Vec<i64>) {
    let view = snapshot.view();
    let mut counts = Vec::new();
    for node in ["n0", "n1"] {
        let index = view.nodes().find(node);
        let pods: Vec<_> = index.into_iter().flat_map(|index| view.pods_on(index)).collect();
        let mut ids: BTreeSet<VolumeId> =
            pods.iter().flat_map(|pod| view.volume_ids(pod)).collect();
        for (number, _) in attached.iter().filter(|(_, at)| format!("n{at}") == node) {
            if let Some(volume) = snapshot.volumes.volume(&format!("v{number}")) {
                ids.extend(VolumeId::of_volume(volume));
            }
        }
        for driver in ["d", "e"] {
            counts.push(ids.iter().filter(|id| &*id.driver == driver).count());
        }
    }
    let users = (0..4).map(|number| {
        let name: Str = format!("c{number}").into();
        let uses = |pod: &PodInfo| pod.named_claims().filter(|claim| **claim == name).count();
        snapshot.pods().map(|(pod, _)| i64::try_from(uses(pod)).unwrap()).sum()
    });
    (counts, users.collect())
}

proptest! {
    #[test]
    fn counters_equal_a_recount(steps in proptest::collection::vec(step(), 1..60)) {
        let mut snapshot = Snapshot::default();
        let mut attached = BTreeMap::new();
        for step in steps {
            apply(&mut snapshot, step);
            match step {
                Step::Attach(volume, node) => _ = attached.insert(volume, node),
                Step::Detach(volume) => _ = attached.remove(&volume),
                _ => {}
            }
            let view = snapshot.view();
            let mut counts = Vec::new();
            for node in ["n0", "n1"] {
                let on_node = view.volumes().attached(node);
                counts.extend(["d", "e"].map(|driver| on_node.map_or(0, |all| all.len(driver))));
            }
            let users: Vec<i64> = (0..4).map(|n| view.claim_users(&claim_key(n))).collect();
            prop_assert_eq!((counts, users), recount(&snapshot, &attached), "{:?}", step);
        }
    }
}

fn provision(claim: &str, size: i64) -> ClaimDecision {
    ClaimDecision::Provision {
        claim: PodKey::new("default", claim),
        node: "n1".into(),
        resource_version: "1".into(),
        class: "made".into(),
        size,
        capacity: Some(PodKey::new("default", "room")),
    }
}

#[test]
fn room_counts_once_for_a_claim_and_until_somebody_newer_knows_of_it() {
    let mut snapshot = Snapshot::default();
    snapshot.set_node(NodeInfo::new(&node("n1").build()));
    let mut room = capacity("room", "made", ("k", "v"), Some("9Gi"));
    snapshot.volumes.set_capacity(CapacityInfo::new(&room));
    for name in ["a", "b"] {
        snapshot.volumes.set_claim(ClaimInfo::new(&claim(name).class("made").build()));
    }
    let taken = |snapshot: &Snapshot, overlay: Overlay| {
        let view = snapshot.view_with(overlay);
        let volumes = view.volumes();
        let room = volumes.capacities("made").next().unwrap();
        volumes.taken(room)
    };
    let now = |snapshot: &Snapshot| taken(snapshot, Overlay::default());
    let (p, q): (Str, Str) = ("p".into(), "q".into());
    snapshot.assume_claims(&p, &[provision("a", 5)]);
    snapshot.assume_claims(&q, &[provision("a", 5), provision("b", 7)]);
    assert_eq!(now(&snapshot), 12, "the claim that both pods share is made once");
    let removed = [q.clone()].into();
    assert_eq!(taken(&snapshot, Overlay { removed, ..Overlay::default() }), 5);
    let claims = [("r".into(), vec![provision("c", 1)])].into();
    assert_eq!(taken(&snapshot, Overlay { claims, ..Overlay::default() }), 13);
    snapshot.forget_claims(&q);
    assert_eq!(now(&snapshot), 5);
    // The pod is on its node; the driver has not spoken since.
    snapshot.volumes.set_claim(ClaimInfo::new(&claim("a").class("made").bound_to("v").build()));
    snapshot.settle_claims(&p);
    assert_eq!(now(&snapshot), 5);
    room.metadata.resource_version = "2".into();
    snapshot.volumes.set_capacity(CapacityInfo::new(&room));
    assert_eq!(now(&snapshot), 0);
}

#[test]
fn disks_of_old_are_known_by_their_drivers_names() {
    let check = |volume: serde_json::Value, labels: &[(&str, &str)], expected: Option<&str>| {
        let spec = serde_json::from_value(volume.clone()).unwrap();
        let mut object = api::PersistentVolume { spec, ..Default::default() };
        object.metadata.labels = labels.iter().copied().collect();
        let id = InTree::of_volume(&object).and_then(|one| VolumeId::of_in_tree(&one));
        let id = id.map(|id| format!("{} {}", id.driver, id.handle));
        assert_eq!(id.as_deref(), expected, "{volume}");
    };
    let zone = "topology.kubernetes.io/zone";
    let aws = |id: &str| serde_json::json!({"awsElasticBlockStore": {"volumeID": id}});
    check(aws("vol-1"), &[], Some("ebs.csi.aws.com vol-1"));
    check(aws("aws://a/vol-1"), &[], Some("ebs.csi.aws.com vol-1"));
    check(aws("aws:///vol-1"), &[], Some("ebs.csi.aws.com vol-1"));
    check(aws("aws://a/b/vol-1"), &[], None);
    let gce = serde_json::json!({"gcePersistentDisk": {"pdName": "d"}});
    let project = "pd.csi.storage.gke.io projects/UNSPECIFIED";
    let unspecified = format!("{project}/zones/UNSPECIFIED/disks/d");
    check(gce.clone(), &[], Some(&unspecified));
    check(gce.clone(), &[(zone, "us-a-1")], Some(&format!("{project}/zones/us-a-1/disks/d")));
    let region = format!("{project}/regions/us-a/disks/d");
    check(gce.clone(), &[(zone, "us-a-1__us-a-2")], Some(&region));
    check(gce, &[(zone, "us-a-1__us-b-2")], None);
    let azure = |kind: &str| serde_json::json!({"azureDisk": {"diskURI": "u", "kind": kind}});
    check(azure("Managed"), &[], Some("disk.csi.azure.com u"));
    check(azure("Dedicated"), &[], None);
    check(
        serde_json::json!({"cinder": {"volumeID": "i"}}),
        &[],
        Some("cinder.csi.openstack.org i"),
    );
    check(serde_json::json!({}), &[], None);
}

#[test]
fn a_disk_of_old_is_reached_where_its_zones_are_in_the_words_of_its_driver() {
    let own = "topology.ebs.csi.aws.com/zone";
    let check = |key: Option<&str>, label: Option<(&str, &str)>, node: (&str, &str), fits| {
        let mut volume = volume("v");
        if let Some(key) = key {
            volume = volume.reached_from(key, &["a"]);
        }
        if let Some(label) = label {
            volume = volume.labels(&[label]);
        }
        let mut object = volume.build();
        let source = serde_json::json!({"volumeID": "vol-1"});
        object.spec.aws_elastic_block_store = Some(serde_json::from_value(source).unwrap());
        let labels = [node].into_iter().collect();
        let reached = InTree::of_volume(&object).unwrap().is_reached_from(&labels);
        assert_eq!(reached, fits, "{key:?} {label:?} {node:?}");
    };
    let (zone, beta) = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone");
    check(None, None, ("x", "y"), true);
    check(Some(zone), None, (own, "a"), true);
    check(Some(zone), None, (zone, "a"), false);
    check(Some(beta), None, (own, "a"), true);
    check(None, Some((zone, "a__b")), (own, "b"), true);
    check(None, Some((beta, "a")), (own, "b"), false);
    check(Some("other"), Some((beta, "a")), ("other", "a"), false);
}
