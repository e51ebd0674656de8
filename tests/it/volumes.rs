//! Pods with volumes on a real control plane: their claims are bound with them, whatever kind they
//! are of, whatever fails, and whenever the scheduler starts anew.

use std::time::Duration;

use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use serde_json::{Value, json};

use crate::control_plane::{Cluster, ControlPlane, Process, Signal, borrow, pod, wait_for};
use crate::storage::{
    BY_HAND, HOST, STAND_IN, ZONE, assert_reached, assert_sound, claim_spec, create_claim,
    create_class, create_class_that, create_volume, create_zones, from_claim, selected_node,
    zone_of,
};

const SOON: Duration = Duration::from_secs(60);
const NAMESPACE: &str = "db";
const ROLES: &str = include_str!("../../deploy/rbac.yaml");

/// A cluster of three zones with our roles, and the controllers.
fn start(plane: &ControlPlane, nodes_per_zone: usize) -> (Cluster, Process) {
    let cluster = plane.cluster();
    for namespace in ["quorate-system", NAMESPACE] {
        cluster.create_namespace(namespace);
    }
    cluster.apply(ROLES);
    create_zones(&cluster, nodes_per_zone);
    (cluster, plane.start_controllers())
}

/// Nobody else is there, so that a killed one is replaced at once.
fn start_alone(plane: &ControlPlane) -> Process {
    plane.start_quorate(&["run", "--http-port=0", "--leader-elect=false"])
}

fn create_pod(cluster: &Cluster, name: &str, volumes: &[Value]) {
    let pod = pod(NAMESPACE, name).request("cpu", "100m").scheduler("quorate");
    cluster.create(&pod.spec("volumes", json!(volumes)).build());
}

/// Waits for the pod's node, and makes sure that its volumes are there.
fn bound(cluster: &Cluster, name: &str) -> String {
    let node = cluster.wait_until_bound(NAMESPACE, name, SOON);
    assert_reached(cluster, &cluster.get(NAMESPACE, name).unwrap());
    node
}

fn claim(cluster: &Cluster, name: &str) -> PersistentVolumeClaim {
    cluster.get(NAMESPACE, name).unwrap()
}

#[test]
fn claims_of_every_kind_are_bound_with_their_pods() {
    let plane = borrow();
    let (cluster, _controllers) = start(&plane, 2);
    let _daemon = plane.start_quorate(&["run", "--http-port=0"]);
    create_class(&cluster, "local", BY_HAND, &json!({}));
    create_class(&cluster, "zonal", STAND_IN, &json!({"topology": ZONE}));
    create_class(&cluster, "anywhere", STAND_IN, &json!({}));
    create_class_that(&cluster, "at-once", "Immediate", BY_HAND, &json!({}));

    // The only volumes that suit are on one node each.
    create_volume(&cluster, "disk-1", "local", HOST, "zone-b-1");
    create_volume(&cluster, "disk-2", "local", HOST, "zone-c-0");
    create_volume(&cluster, "there", "at-once", ZONE, "zone-c");
    for (name, class) in [("one", "local"), ("two", "local"), ("made", "zonal"), ("far", "at-once")]
    {
        create_claim(&cluster, NAMESPACE, name, class);
    }
    create_pod(&cluster, "static", &[from_claim("one")]);
    create_pod(&cluster, "dynamic", &[from_claim("made")]);
    create_pod(&cluster, "zonal", &[from_claim("far")]);
    let template = json!({"volumeClaimTemplate": {"spec": claim_spec("anywhere")}});
    create_pod(&cluster, "scratch", &[json!({"name": "tmp", "ephemeral": template})]);

    let first = bound(&cluster, "static");
    bound(&cluster, "dynamic");
    assert_eq!(zone_of(&bound(&cluster, "zonal")), "zone-c");
    bound(&cluster, "scratch");
    // The volumes of two claims, both on one node: the one that is left, and one made there.
    create_claim(&cluster, NAMESPACE, "log", "zonal");
    create_pod(&cluster, "both", &[from_claim("two"), from_claim("log")]);
    let second = bound(&cluster, "both");
    let mut taken = [first, second];
    taken.sort();
    assert_eq!(taken, ["zone-b-1", "zone-c-0"]);
    // A pod that comes back finds its volume where it was left.
    let node = cluster.wait_until_bound(NAMESPACE, "static", SOON);
    cluster.delete::<k8s_openapi::api::core::v1::Pod>(NAMESPACE, "static");
    create_pod(&cluster, "returned", &[from_claim("one")]);
    assert_eq!(bound(&cluster, "returned"), node);
    assert_sound(&plane);
}

#[test]
fn a_pod_whose_volume_cannot_be_made_on_its_node_is_tried_on_others() {
    let plane = borrow();
    let (cluster, _controllers) = start(&plane, 2);
    let _daemon = start_alone(&plane);
    let full = json!({"topology": ZONE, "refuses": "zone-a,zone-c"});
    create_class(&cluster, "zonal", STAND_IN, &full);
    // Claims that are called like their pods are told from them.
    let names = ["a", "b", "c"];
    for name in names {
        create_claim(&cluster, NAMESPACE, name, "zonal");
        create_pod(&cluster, name, &[from_claim(name)]);
    }
    for name in names {
        assert_eq!(zone_of(&bound(&cluster, name)), "zone-b");
    }
    // Some of them have tried others before.
    let entries = plane.audit();
    let tried: Vec<_> = entries.iter().filter_map(selected_node).collect();
    assert!(tried.len() > names.len(), "{tried:?}");
    assert_sound(&plane);
}

#[test]
fn a_scheduler_that_starts_anew_goes_on_where_the_claims_are() {
    let plane = borrow();
    let (cluster, _controllers) = start(&plane, 3);
    let mut daemon = start_alone(&plane);
    create_class(&cluster, "slow", STAND_IN, &json!({"topology": HOST, "delay": "3s"}));
    create_class(&cluster, "local", BY_HAND, &json!({}));
    for zone in ["zone-a", "zone-b", "zone-c"] {
        create_volume(&cluster, &format!("disk-{zone}"), "local", HOST, &format!("{zone}-1"));
    }
    for (name, class) in [("slow", "slow"), ("made", "slow"), ("there", "local")] {
        create_claim(&cluster, NAMESPACE, name, class);
    }
    create_pod(&cluster, "slow", &[from_claim("slow")]);
    // One claim is bound long before the other has its volume.
    create_pod(&cluster, "both", &[from_claim("made"), from_claim("there")]);
    let asked = |name: &str| {
        wait_for("a node on the claim", SOON, || {
            let entries = plane.audit();
            let mut asked = entries.iter().filter_map(selected_node);
            asked.find_map(|(claim, node)| (claim == name).then(|| node.to_owned()))
        })
    };
    let (slow, both) = (asked("slow"), asked("made"));
    wait_for("the claim that needs no provisioner", SOON, || {
        claim(&cluster, "there").spec?.volume_name.filter(|volume| !volume.is_empty())
    });
    daemon.end(Signal::Kill);
    assert_eq!(claim(&cluster, "slow").spec.unwrap().volume_name, None, "killed too late");
    let _again = start_alone(&plane);
    assert_eq!(bound(&cluster, "slow"), slow);
    assert_eq!(bound(&cluster, "both"), both);
    // Nothing was asked for twice, and nothing was made twice.
    let entries = plane.audit();
    assert_eq!(entries.iter().filter_map(selected_node).count(), 2);
    assert_eq!(cluster.list::<PersistentVolume>("").len(), 3 + 2);
    assert_sound(&plane);
}
