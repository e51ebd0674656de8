//! Tests of the search.

use super::*;
use crate::config::{Base, Profile, SchedulerConfiguration, resolve};
use crate::groups::Catalogue;
use crate::plugins::registry;
use crate::snapshot::NodeInfo;
use crate::testing::{node, pod};

fn parity() -> Framework {
    let registry = registry();
    let profile = Profile { base: Some(Base::Parity), ..Profile::default() };
    let written =
        SchedulerConfiguration { profiles: vec![profile], ..SchedulerConfiguration::default() };
    let configuration = resolve(&written, &registry.catalog()).unwrap();
    Framework::new(&configuration.profiles[0], &registry).unwrap()
}

/// Two nodes in each of these racks, each with room for so many pods.
fn racks(names: &[&str], room: u32) -> Snapshot {
    let room = room.to_string();
    let mut snapshot = Snapshot::default();
    snapshot.set_catalogue(Some(Catalogue::default()));
    for name in names.iter().flat_map(|rack| [(rack, 0), (rack, 1)]) {
        let host = format!("{}-{}", name.0, name.1);
        let labels = [("kubernetes.io/hostname", &*host), ("topology.kubernetes.io/rack", *name.0)];
        let node = node(&host).labels(&labels);
        let node = node.allocatable(&[("cpu", "64"), ("pods", &*room)]);
        snapshot.set_node(NodeInfo::new(&node.build()));
    }
    snapshot
}

fn set(name: &str, size: u32) -> impl Iterator<Item = Arc<PodInfo>> {
    let name = name.to_owned();
    (0..size).map(move |number| {
        let pod = pod(&format!("{name}-{number}")).owner("StatefulSet", &name);
        Arc::new(PodInfo::new(&pod.build()))
    })
}

/// How many found no place, and the most members of `a` in one rack.
fn placed(mut picture: Snapshot, pods: &[Arc<PodInfo>]) -> (usize, usize) {
    let left_out = place(&parity(), &mut picture, pods).unwrap();
    let mut by_rack: BTreeMap<Str, usize> = BTreeMap::new();
    for (pod, node) in picture.pods() {
        if pod.key.name.starts_with("a-") {
            let labels = &picture.nodes().info(node).labels;
            let rack = labels.get("topology.kubernetes.io/rack").unwrap();
            *by_rack.entry(rack.clone()).or_default() += 1;
        }
    }
    (left_out, by_rack.into_values().max().unwrap_or(0))
}

#[test]
fn a_placement_is_found_in_which_no_quorum_hangs_on_one_rack() {
    let pods: Vec<_> = set("b", 3).chain(set("a", 3)).collect();
    assert_eq!(placed(racks(&["x", "y", "z"], 1), &pods), (0, 1));
}

#[test]
fn where_none_can_be_kept_all_are_placed_all_the_same() {
    let pods: Vec<_> = set("a", 3).collect();
    assert_eq!(placed(racks(&["x", "y"], 2), &pods), (0, 2));
    assert_eq!(placed(racks(&["x"], 1), &pods), (1, 2));
}

#[test]
fn what_cannot_be_searched_is_refused() {
    let pods: Vec<_> = set("a", u32::try_from(PODS_MAX).unwrap() + 1).collect();
    let refused = place(&parity(), &mut racks(&["x"], 1), &pods).unwrap_err();
    let expected = "compare: exact: 161 pods on 2 nodes are too many to search; expected at most \
                    160 on 32";
    assert_eq!(refused.to_string(), expected);
}
