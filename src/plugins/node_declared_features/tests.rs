//! Tests of NodeDeclaredFeatures.

use super::*;
use crate::api::pod::RestartRule;
use crate::api::volume::VolumeMount;
use crate::plugins::fixture;
use crate::testing::{NodeBuilder, PodBuilder, node, pod};

fn restarts_all() -> api::Container {
    let rule = RestartRule { action: "RestartAllContainers".into() };
    api::Container { restart_policy_rules: vec![rule], ..api::Container::default() }
}

fn mounts_with_options() -> api::Container {
    let mount = VolumeMount { bind_mount_options: vec!["ro".into()], ..VolumeMount::default() };
    api::Container { volume_mounts: vec![mount], ..api::Container::default() }
}

fn on_host_network(host_users: Option<bool>) -> PodBuilder {
    pod("a").with(|pod| {
        pod.spec.host_network = true;
        pod.spec.host_users = host_users;
    })
}

#[test]
fn a_node_has_to_declare_every_feature_that_the_pod_uses() {
    let cluster = fixture::cluster(
        [
            node("none"),
            node("restarts").declared_features(&[RESTART_ALL_CONTAINERS]),
            node("all").declared_features(&[
                RESTART_ALL_CONTAINERS,
                USER_NAMESPACES_ON_HOST_NETWORK,
                BIND_MOUNT_OPTIONS,
            ]),
        ],
        [],
    );
    let check = |pod: PodBuilder, expected: &[&str]| {
        let filtered = fixture::filter(&NodeDeclaredFeatures, pod, &cluster);
        let refused = |name: &&str| (name.to_string(), Status::unresolvable(REASON));
        let expected: Vec<_> = expected.iter().map(refused).collect();
        assert_eq!(filtered.skipped, expected.is_empty());
        assert_eq!(filtered.refused, expected);
    };
    check(pod("a"), &[]);
    check(pod("a").container(restarts_all()), &["none"]);
    check(pod("a").init_container(restarts_all()), &["none"]);
    check(pod("a").container(mounts_with_options()), &["none", "restarts"]);
    check(pod("a").init_container(mounts_with_options()), &["none", "restarts"]);
    check(on_host_network(Some(false)), &["none", "restarts"]);
    check(on_host_network(Some(true)), &[]);
    check(on_host_network(None), &[]);
}

#[test]
fn declared_features_that_change_help() {
    let plugin = &NodeDeclaredFeatures;
    let (plain, declares) = (node("n1"), node("n1").declared_features(&["A"]));
    let new = fixture::hint_on_new_node(plugin, pod("a"), plain.clone());
    assert_eq!(new, Hint::Queue);
    let changed = |old: &NodeBuilder, new: &NodeBuilder| {
        fixture::hint_on_changed_node(plugin, pod("a"), old.clone(), new.clone())
    };
    assert_eq!(changed(&plain, &declares), Hint::Queue);
    assert_eq!(changed(&declares, &declares.clone().unschedulable()), Hint::Skip);
    let updated = |new| fixture::hint_on_changed_pod(plugin, on_host_network(Some(false)), new);
    assert_eq!(updated(on_host_network(None)), Hint::Queue);
    assert_eq!(updated(on_host_network(Some(false)).labels(&[("a", "b")])), Hint::Skip);
}
