//! Is what must not stand in a file refused, with field, value and what was expected?

use super::*;

fn check(lines: &str, expected: &str) {
    let error = loaded(lines).unwrap_err();
    assert_eq!(error.to_string(), expected, "{lines}");
}

/// The error of a file with one profile whose `plugins` are these.
fn check_plugins(plugins: &str, expected: &str) {
    let expected = format!("profiles[0].plugins.{expected}");
    check(&format!("profiles: [{{plugins: {{{plugins}}}}}]"), &expected);
}

#[test]
fn numbers_out_of_range_are_refused() {
    check("parallelism: 0", "parallelism: 0 is not greater than 0");
    check("clientConnection: {burst: -1}", "clientConnection.burst: -1 is not 0 or greater");
    check("percentageOfNodesToScore: 101", "percentageOfNodesToScore: 101 is not from 0 to 100");
    check(
        "profiles: [{percentageOfNodesToScore: -1}]",
        "profiles[0].percentageOfNodesToScore: -1 is not from 0 to 100",
    );
}

#[test]
fn a_backoff_that_cannot_be_is_refused() {
    check("podInitialBackoffSeconds: 0", "podInitialBackoffSeconds: 0 is not greater than 0");
    check("podInitialBackoffSeconds: -5", "podInitialBackoffSeconds: -5 is not greater than 0");
    check(
        "podInitialBackoffSeconds: 11",
        "podMaxBackoffSeconds: 10 is not at least podInitialBackoffSeconds, 11",
    );
    check(
        "podInitialBackoffSeconds: 5\npodMaxBackoffSeconds: 4",
        "podMaxBackoffSeconds: 4 is not at least podInitialBackoffSeconds, 5",
    );
    loaded("podInitialBackoffSeconds: 5\npodMaxBackoffSeconds: 5").unwrap();
    loaded("podMaxBackoffSeconds: 9223372036854775807").unwrap();
}

#[test]
fn a_lease_that_cannot_be_held_is_refused_only_where_one_is_wanted() {
    check(
        "leaderElection: {leaseDuration: 10s}",
        "leaderElection.leaseDuration: \"10s\" is not longer than renewDeadline, 10s",
    );
    check(
        "leaderElection: {retryPeriod: -1s}",
        "leaderElection.retryPeriod: \"-1s\" is not longer than 0s",
    );
    check(
        "leaderElection: {resourceLock: endpoints}",
        "leaderElection.resourceLock: \"endpoints\" is not leases, the only kind of lock",
    );
    check(
        "leaderElection: {renewDeadline: 12s, retryPeriod: 10s}",
        "leaderElection.renewDeadline: \"12s\" is not longer than 1.2 times retryPeriod, 10s",
    );
    check(
        "leaderElection: {resourceName: Quorate}",
        "leaderElection.resourceName: \"Quorate\" is not the name of an object",
    );
    check(
        "leaderElection: {resourceNamespace: a/b}",
        "leaderElection.resourceNamespace: \"a/b\" is not the name of a namespace",
    );
    loaded("leaderElection: {renewDeadline: 12.1s, retryPeriod: 10s}").unwrap();
    loaded("leaderElection: {leaderElect: false, resourceLock: endpoints}").unwrap();
    loaded("leaderElection: {leaseDuration: 0s, renewDeadline: 14s}").unwrap();
}

#[test]
fn an_election_is_what_the_file_says_and_else_our_own() {
    let check = |lines: &str, expected: Option<(&str, &str, u64)>| {
        let election = loaded(lines).unwrap().leader_election;
        let found = election.as_ref().map(|election| {
            let (lease, renew) = (election.lease_duration, election.renew_deadline);
            (
                &*election.namespace,
                &*election.name,
                (lease + renew + election.retry_period).as_secs(),
            )
        });
        assert_eq!(found, expected, "{lines}");
    };
    check("", Some(("kube-system", "quorate", 27)));
    check(
        "leaderElection: {resourceName: '', leaseDuration: 0s}",
        Some(("kube-system", "quorate", 27)),
    );
    check(
        "leaderElection: {resourceName: db, resourceNamespace: infra, leaseDuration: 1m}",
        Some(("infra", "db", 72)),
    );
    check("leaderElection: {leaderElect: false}", None);
}

#[test]
fn extenders_are_refused_whatever_they_are() {
    check(
        "extenders: [{urlPrefix: 'http://localhost:8099', filterVerb: filter}]",
        "extenders[0].urlPrefix: \"http://localhost:8099\" is not supported; expected an empty \
         list, as there are no extenders",
    );
    check(
        "extenders: [7]",
        "extenders[0]: 7 is not supported; expected an empty list, as there are no extenders",
    );
    loaded("extenders: []").unwrap();
}

#[test]
fn every_profile_has_a_name_of_its_own() {
    let expected = "missing; expected the name that pods say in spec.schedulerName";
    check("profiles: [{schedulerName: a}, {}]", &format!("profiles[1].schedulerName: {expected}"));
    check("profiles: [{schedulerName: ''}]", &format!("profiles[0].schedulerName: {expected}"));
    check(
        "profiles: [{schedulerName: a}, {schedulerName: b}, {schedulerName: a}]",
        "profiles[2].schedulerName: \"a\" stands already at profiles[0].schedulerName; expected \
         it once",
    );
}

#[test]
fn an_unknown_plugin_is_refused_wherever_it_stands() {
    let expected = "is not a known plugin; expected one of SchedulingGates, PrioritySort, \
        NodeName, NodeUnschedulable, TaintToleration, NodeAffinity, NodePorts, NodeResourcesFit, \
        PodTopologySpread, InterPodAffinity, NodeResourcesBalancedAllocation, ImageLocality, \
        NodeDeclaredFeatures, DefaultBinder, DeferredPodScheduling, VolumeRestrictions, \
        NodeVolumeLimits, VolumeBinding, VolumeZone, DynamicResources, DefaultPreemption, \
        GangScheduling, TopologyPlacementGenerator, PodGroupPodsCount";
    check_plugins(
        "score: {enabled: [{name: NodeAffinity}, {name: Coscheduling}]}",
        &format!("score.enabled[1].name: \"Coscheduling\" {expected}"),
    );
    check_plugins(
        "multiPoint: {enabled: [{name: '*'}]}",
        &format!("multiPoint.enabled[0].name: \"*\" {expected}"),
    );
    check_plugins(
        "reserve: {enabled: [{name: nodename}]}",
        &format!("reserve.enabled[0].name: \"nodename\" {expected}"),
    );
    check_plugins(
        "filter: {disabled: [{name: NodeNam}]}",
        &format!("filter.disabled[0].name: \"NodeNam\" {expected}"),
    );
    check_plugins(
        "filter: {enabled: [{name: EBSLimits}]}",
        &format!("filter.enabled[0].name: \"EBSLimits\" {expected}"),
    );
    check(
        "profiles: [{pluginConfig: [{name: Coscheduling, args: {}}]}]",
        &format!("profiles[0].pluginConfig[0].name: \"Coscheduling\" {expected}"),
    );
}

#[test]
fn bad_weights_are_refused() {
    check_plugins(
        "score: {enabled: [{name: NodeAffinity}, {name: ImageLocality, weight: -1}]}",
        "score.enabled[1].weight: -1 is not an integer from 0 to 2147483647",
    );
    check_plugins(
        "multiPoint: {enabled: [{name: NodeAffinity, weight: -2147483648}]}",
        "multiPoint.enabled[0].weight: -2147483648 is not an integer from 0 to 2147483647",
    );
    check_plugins(
        "score: {enabled: [{name: NodeAffinity, weight: 2147483648}]}",
        "score.enabled[0].weight: 2147483648 is not an integer of 32 bits",
    );
    check_plugins(
        "score: {enabled: [{name: NodeAffinity, weight: 1.5}]}",
        "score.enabled[0].weight: 1.5 is not an integer of 32 bits",
    );
}

#[test]
fn a_plugin_stands_once_in_a_list() {
    check_plugins(
        "filter: {enabled: [{name: NodeName}, {name: NodeName}]}",
        "filter.enabled[1].name: \"NodeName\" stands already at \
         profiles[0].plugins.filter.enabled[0].name; expected it once",
    );
    check(
        "profiles: [{pluginConfig: [{name: NodeName}, {name: NodeName}]}]",
        "profiles[0].pluginConfig[1].name: \"NodeName\" stands already at \
         profiles[0].pluginConfig[0].name; expected it once",
    );
}

#[test]
fn a_plugin_is_enabled_only_at_points_that_it_has() {
    check_plugins(
        "score: {enabled: [{name: NodeName}]}",
        "score.enabled[0].name: \"NodeName\" is not a plugin that has the extension point score",
    );
    check_plugins(
        "preFilter: {enabled: [{name: ImageLocality}]}",
        "preFilter.enabled[0].name: \"ImageLocality\" is not a plugin that has the extension \
         point preFilter",
    );
    profile("permit: {enabled: [{name: NodeName}]}");
    profile("preFilter: {enabled: [{name: NodeName}]}");
}

#[test]
fn a_profile_sorts_with_one_plugin_and_binds_with_one() {
    check_plugins(
        "queueSort: {disabled: [{name: PrioritySort}]}",
        "queueSort: the enabled plugins are []; expected exactly one",
    );
    check_plugins(
        "multiPoint: {disabled: [{name: DefaultBinder}]}",
        "bind: the enabled plugins are []; expected exactly one",
    );
    let mut catalog = CATALOG.to_vec();
    catalog.push(plugin("OtherBinder", &[Point::Bind], 0));
    assert_eq!(
        load(&file(""), &catalog).unwrap_err().to_string(),
        "profiles[0].plugins.bind: the enabled plugins are [\"DefaultBinder\",\"OtherBinder\"]; \
         expected exactly one",
    );
}

#[test]
fn all_profiles_sort_the_queue_alike() {
    let mut catalog = CATALOG.to_vec();
    catalog.push(plugin("OtherSort", &[Point::QueueSort], 0));
    let of = |name: &str, other: &str, args: &str| {
        format!(
            "{{schedulerName: {name}, plugins: {{queueSort: {{disabled: [{{name: {other}}}]}}}}, \
             pluginConfig: [{args}]}}",
        )
    };
    let check = |first: String, second: String, expected: &str| {
        let text = file(&format!("profiles: [{first}, {second}]"));
        assert_eq!(load(&text, &catalog).unwrap_err().to_string(), expected);
    };
    let rule = "is not the same for all profiles, as they share one queue";
    check(
        of("a", "OtherSort", ""),
        of("b", "PrioritySort", ""),
        &format!("profiles[1].plugins.queueSort: \"OtherSort\" {rule}"),
    );
    check(
        of("a", "OtherSort", ""),
        of("b", "OtherSort", "{name: PrioritySort, args: {x: 1}}"),
        &format!("profiles[1].pluginConfig: {{\"x\":1}} {rule}"),
    );
}

#[test]
fn arguments_that_say_another_type_are_refused() {
    let check = |args: &str, expected: &str| {
        let lines = format!("profiles: [{{pluginConfig: [{{name: NodeAffinity, args: {args}}}]}}]");
        check(&lines, &format!("profiles[0].pluginConfig[0].args{expected}"));
    };
    check("7", ": 7 is not a mapping");
    check("{kind: NodeAffinity}", ".kind: \"NodeAffinity\" is not NodeAffinityArgs");
    check(
        "{apiVersion: kubescheduler.config.k8s.io/v1beta3}",
        ".apiVersion: \"kubescheduler.config.k8s.io/v1beta3\" is not quorate.dev/v1alpha1 or \
         kubescheduler.config.k8s.io/v1",
    );
}
