//! What events and decisions do to the cache.

use super::{Cache, PodChange, PodState};
use crate::api;
use crate::model::PodKey;
use crate::snapshot::{NodeInfo, ResourceId};
use crate::testing::{node, pod};

fn cache(pods: &[api::Pod]) -> Cache {
    let mut cache = Cache::default();
    for name in ["n1", "n2"] {
        cache.snapshot.set_node(NodeInfo::new(&node(name).build()));
    }
    for pod in pods {
        cache.set_pod(pod);
    }
    cache
}

fn waiting(name: &str) -> api::Pod {
    versioned(pod(name).uid(name).requests(&[("cpu", "1")]).build(), 1)
}

fn versioned(mut pod: api::Pod, version: u64) -> api::Pod {
    pod.metadata.resource_version = version.to_string().into();
    pod
}

fn bound(name: &str, node: &str) -> api::Pod {
    versioned(pod(name).uid(name).requests(&[("cpu", "1")]).on(node).build(), 2)
}

/// Milli-CPU taken on a node.
fn taken(cache: &Cache, name: &str) -> i64 {
    let node = cache.snapshot.nodes().find(name);
    let column = cache.snapshot.nodes().columns().requested(ResourceId::CPU);
    node.map_or(0, |node| column[node.index()])
}

#[test]
fn an_assumed_pod_counts_and_a_forgotten_one_does_not() {
    let mut cache = cache(&[waiting("a")]);
    cache.assume(&"a".into(), &"n1".into(), &[]);
    assert_eq!((taken(&cache, "n1"), cache.assumed()), (1000, 1));
    cache.forget("a");
    assert_eq!((taken(&cache, "n1"), cache.assumed()), (0, 0));
    assert_eq!(cache.state("a"), Some(&PodState::Pending));
}

#[test]
fn a_pod_in_doubt_keeps_counting_until_somebody_knows() {
    let mut cache = cache(&[waiting("a")]);
    cache.assume(&"a".into(), &"n1".into(), &[]);
    cache.doubt("a");
    assert_eq!(cache.state("a"), Some(&PodState::Unknown { node: "n1".into() }));
    // A change of the pod that still shows no node does not end the doubt.
    cache.set_pod(&versioned(waiting("a"), 3));
    assert_eq!(taken(&cache, "n1"), 1000);
    cache.set_pod(&versioned(bound("a", "n1"), 4));
    assert_eq!((cache.state("a"), taken(&cache, "n1")), (Some(&PodState::Bound), 1000));
}

#[test]
fn a_pod_that_another_scheduler_bound_elsewhere_moves() {
    let mut cache = cache(&[waiting("a")]);
    cache.assume(&"a".into(), &"n1".into(), &[]);
    let change = cache.set_pod(&bound("a", "n2"));
    assert!(matches!(change, PodChange::Landed { assumed: Some(node), .. } if &*node == "n1"));
    assert_eq!((taken(&cache, "n1"), taken(&cache, "n2")), (0, 1000));
}

#[test]
fn every_bound_pod_counts_whoever_bound_it_and_ended_ones_do_not() {
    let mut cache = cache(&[bound("a", "n1"), bound("b", "n1")]);
    assert_eq!(taken(&cache, "n1"), 2000);
    let mut ended = bound("a", "n1");
    ended.status.phase = "Succeeded".into();
    assert!(matches!(cache.set_pod(&ended), PodChange::Gone { held: true, .. }));
    assert_eq!(taken(&cache, "n1"), 1000);
    assert_eq!(cache.set_pod(&ended), PodChange::Nothing);
}

#[test]
fn pods_on_a_node_that_is_not_shown_count_when_it_is() {
    let mut cache = cache(&[bound("a", "n3")]);
    assert!(cache.snapshot.node("n3").is_none());
    cache.snapshot.set_node(NodeInfo::new(&node("n3").build()));
    assert_eq!(taken(&cache, "n3"), 1000);
    cache.snapshot.remove_node("n3");
    cache.remove_pod(&PodKey::new("default", "a"), "a");
    cache.snapshot.set_node(NodeInfo::new(&node("n3").build()));
    assert_eq!(taken(&cache, "n3"), 0);
}

#[test]
fn a_deletion_of_an_earlier_pod_of_the_same_name_is_ignored() {
    let mut cache = cache(&[waiting("a")]);
    let key = PodKey::new("default", "a");
    assert_eq!(cache.remove_pod(&key, "another-uid"), PodChange::Nothing);
    assert!(matches!(cache.remove_pod(&key, ""), PodChange::Gone { held: false, .. }));
}

#[test]
fn a_state_older_than_the_known_one_changes_nothing() {
    let mut cache = cache(&[versioned(waiting("a"), 5)]);
    // A look-up was faster than the watch.
    assert!(matches!(
        cache.set_pod(&versioned(bound("a", "n1"), 9)),
        PodChange::Landed { assumed: None, .. }
    ));
    assert_eq!(cache.set_pod(&versioned(waiting("a"), 7)), PodChange::Nothing);
    assert_eq!(cache.state("a"), Some(&PodState::Bound));
    assert_eq!(cache.snapshot.pods_len(), 1);
}

#[test]
fn a_nomination_ends_with_the_pod_or_its_wait() {
    let nominated = || {
        let mut pod = waiting("a");
        pod.status.nominated_node_name = "n1".into();
        pod
    };
    let mut cache = cache(&[nominated()]);
    let other = crate::snapshot::PodInfo::new(&waiting("b"));
    assert_eq!(cache.snapshot.view().nominated(&other).len(), 1);
    cache.set_pod(&bound("a", "n1"));
    assert_eq!(cache.snapshot.view().nominated(&other).len(), 0);
}
