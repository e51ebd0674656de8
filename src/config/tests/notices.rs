//! Is a setting without effect pointed out, and no other?

use super::*;

fn check(lines: &str, expected: &[&str]) {
    assert_eq!(loaded(lines).unwrap().notices, expected, "{lines}");
}

fn check_profile(lines: &str, expected: &[&str]) {
    let config = loaded(&format!("profiles: [{{{lines}}}]")).unwrap();
    assert_eq!(config.profiles[0].notices, expected, "{lines}");
}

#[test]
fn settings_of_the_process_without_effect_are_listed() {
    check(
        "parallelism: 8\nenableProfiling: true\nleaderElection: {leaderElect: true}\n\
         clientConnection: {qps: 5}\nenableContentionProfiling: true\ndelayCacheUntilActive: true\n\
         percentageOfNodesToScore: 50",
        &[
            "parallelism: has no effect: one thread takes all decisions",
            "clientConnection: has no effect: the command line says how the API server is reached",
            "enableProfiling: has no effect: no profiles are served",
            "enableContentionProfiling: has no effect: no profiles are served",
            "delayCacheUntilActive: has no effect: the cache is always filled",
            "percentageOfNodesToScore: 50 has no effect: all nodes are considered for every pod",
        ],
    );
}

#[test]
fn the_lease_of_kube_scheduler_is_pointed_out() {
    check(
        "leaderElection: {resourceName: kube-scheduler}",
        &["leaderElection.resourceName: kube-scheduler is the lease of kube-scheduler: only one \
             of the two programs will schedule"],
    );
    check("leaderElection: {resourceName: kube-scheduler, resourceNamespace: other}", &[]);
    check("leaderElection: {resourceName: kube-scheduler, leaderElect: false}", &[]);
}

#[test]
fn settings_that_say_what_happens_anyway_are_not_listed() {
    check(
        "enableProfiling: false\ndelayCacheUntilActive: false\npercentageOfNodesToScore: 100\n\
         extenders: []\npodMaxBackoffSeconds: 20",
        &[],
    );
    check("percentageOfNodesToScore: 0", &[]);
    check_profile(
        "percentageOfNodesToScore: 100, plugins: {score: {disabled: [{name: '*'}]}}",
        &[],
    );
    check_profile("plugins: {postFilter: {disabled: [{name: '*'}]}}", &[]);
}

#[test]
fn points_that_we_do_not_have_are_listed_for_our_plugins() {
    check_profile(
        "plugins: {preScore: {enabled: [{name: NodeAffinity}]}, score: {disabled: [{name: '*'}]}}",
        &["profiles[0].plugins.preScore.enabled[0]: has no effect: NodeAffinity does not run at \
             preScore"],
    );
}

#[test]
fn a_stage_that_goes_with_its_preparation_is_listed() {
    check_profile(
        "plugins: {preFilter: {disabled: [{name: NodePorts}, {name: VolumeZone}]}}",
        &["profiles[0].plugins.preFilter.disabled: takes filter, which it prepares, away too \
             from NodePorts"],
    );
    let both = "plugins: {preScore: {disabled: [{name: '*'}]}, score: {disabled: [{name: '*'}]}}";
    check_profile(both, &[]);
}

#[test]
fn weights_that_weigh_nothing_are_listed() {
    check_profile(
        "plugins: {filter: {enabled: [{name: NodeName, weight: 3}]}, \
         multiPoint: {enabled: [{name: NodePorts, weight: 2}, {name: NodeAffinity, weight: 2}]}}",
        &[
            "profiles[0].plugins.filter.enabled[0].weight: has no effect: NodeName gives no \
             scores there",
            "profiles[0].plugins.multiPoint.enabled[0].weight: has no effect: NodePorts gives no \
             scores there",
        ],
    );
}

#[test]
fn arguments_that_reach_no_plugin_are_listed() {
    check_profile(
        "plugins: {multiPoint: {disabled: [{name: ImageLocality}]}}, \
         pluginConfig: [{name: VolumeBinding, args: {}}, {name: ImageLocality, args: {}}, \
         {name: NodeName, args: {}}, {name: VolumeZone}]",
        &[
            "profiles[0].pluginConfig[0].args: has no effect: VolumeBinding is not supported",
            "profiles[0].pluginConfig[1].args: has no effect: ImageLocality is not enabled",
        ],
    );
}

#[test]
fn plugins_of_the_past_may_be_disabled() {
    check_profile(
        "plugins: {filter: {disabled: [{name: EBSLimits}]}}",
        &["profiles[0].plugins.filter.disabled[0]: has no effect: there is no EBSLimits any \
             more"],
    );
}
