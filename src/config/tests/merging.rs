//! Which plugins run where, for which lists in the file?

use std::time::Duration;

use serde_json::json;

use super::*;
use crate::config::{SchedulerConfiguration, resolve};

const FILTERS: [&str; 9] = [
    "NodeName",
    "NodeUnschedulable",
    "TaintToleration",
    "NodeAffinity",
    "NodePorts",
    "NodeResourcesFit",
    "PodTopologySpread",
    "InterPodAffinity",
    "NodeDeclaredFeatures",
];

const SCORES: [(&str, i64); 7] = [
    ("TaintToleration", 3),
    ("NodeAffinity", 2),
    ("NodeResourcesFit", 1),
    ("PodTopologySpread", 2),
    ("InterPodAffinity", 2),
    ("NodeResourcesBalancedAllocation", 1),
    ("ImageLocality", 1),
];

#[test]
fn without_a_file_one_profile_named_quorate_runs_every_plugin() {
    let config = resolve(&SchedulerConfiguration::default(), &CATALOG).unwrap();
    assert_eq!(config.pod_initial_backoff, Duration::from_secs(1));
    assert_eq!(config.pod_max_backoff, Duration::from_secs(10));
    assert_eq!(config.notices, Vec::<String>::new());
    let [profile] = config.profiles.as_slice() else { panic!("{config:?}") };
    assert_eq!(&*profile.scheduler_name, "quorate");
    assert_eq!(names(&profile.pre_enqueue), ["SchedulingGates"]);
    assert_eq!(&*profile.queue_sort, "PrioritySort");
    assert_eq!(names(&profile.filter), FILTERS);
    assert_eq!(weights(profile), SCORES);
    assert_eq!(names(&profile.bind), ["DefaultBinder"]);
    assert!(profile.args.is_empty());
    assert_eq!(profile.notices, Vec::<String>::new());
}

#[test]
fn a_single_profile_without_a_name_is_called_as_its_kind_of_file_says() {
    let name = |text: &str| load(text, &CATALOG).unwrap().profiles[0].scheduler_name.clone();
    let theirs = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";
    assert_eq!(&*name(&file("")), "quorate");
    assert_eq!(&*name(&file("profiles: [{}]")), "quorate");
    assert_eq!(&*name(theirs), "default-scheduler");
    assert_eq!(&*name(&format!("{theirs}profiles: [{{schedulerName: x}}]")), "x");
}

#[test]
fn upstream_plugins_that_we_lack_are_listed_where_they_would_run() {
    let volumes = ["VolumeRestrictions", "NodeVolumeLimits", "VolumeBinding", "VolumeZone"];
    let all = [&volumes[..], &["DynamicResources", "DefaultPreemption"]].concat();
    assert_eq!(names(&profile("").unsupported), all);
    assert_eq!(names(&profile("postFilter: {disabled: [{name: '*'}]}").unsupported), all[..5]);
    let off = profile("multiPoint: {disabled: [{name: DefaultPreemption}, {name: VolumeZone}]}");
    assert_eq!(names(&off.unsupported), [&volumes[..3], &["DynamicResources"]].concat());
    let gang = profile("permit: {enabled: [{name: GangScheduling}]}");
    assert_eq!(names(&gang.unsupported), [&all[..], &["GangScheduling"]].concat());
    let own = "multiPoint: {disabled: [{name: '*'}], \
               enabled: [{name: PrioritySort}, {name: DefaultBinder}]}";
    assert_eq!(names(&profile(own).unsupported), Vec::<&str>::new());
}

#[test]
fn a_plugin_that_the_catalogue_lacks_is_unsupported() {
    let config = load(&file(""), &CATALOG[1..]).unwrap();
    assert_eq!(&*config.profiles[0].unsupported[0], "SchedulingGates");
    assert!(config.profiles[0].pre_enqueue.is_empty());
}

#[test]
fn disabling_removes_a_plugin_from_one_point_or_from_all() {
    let here = profile("score: {disabled: [{name: NodeResourcesFit}]}");
    assert!(!weights(&here).contains(&("NodeResourcesFit", 1)));
    assert_eq!(names(&here.filter), FILTERS);
    let everywhere = profile("multiPoint: {disabled: [{name: NodeResourcesFit}]}");
    assert!(!names(&everywhere.filter).contains(&"NodeResourcesFit"));
    assert!(!weights(&everywhere).contains(&("NodeResourcesFit", 1)));
    assert_eq!(profile("score: {disabled: [{name: '*'}]}").score, []);
}

#[test]
fn a_plugin_that_is_not_prepared_does_not_run() {
    let unprepared = profile("preFilter: {disabled: [{name: NodePorts}]}");
    assert!(!names(&unprepared.filter).contains(&"NodePorts"));
    let unprepared = profile("preScore: {disabled: [{name: NodeAffinity}]}");
    assert!(!weights(&unprepared).contains(&("NodeAffinity", 2)));
    assert_eq!(names(&unprepared.filter), FILTERS);
    let again = "preFilter: {disabled: [{name: '*'}], enabled: [{name: NodePorts}]}";
    assert_eq!(names(&profile(again).filter), ["NodePorts"]);
}

#[test]
fn a_weight_overrides_and_without_one_it_is_1() {
    let check = |plugins, expected| {
        let profile = profile(plugins);
        let found = weights(&profile).into_iter().find(|(name, _)| *name == "TaintToleration");
        assert_eq!(found.map(|(_, weight)| weight), Some(expected), "{plugins}");
    };
    check("", 3);
    check("score: {enabled: [{name: TaintToleration, weight: 9}]}", 9);
    check("score: {enabled: [{name: TaintToleration, weight: 0}]}", 1);
    check("score: {enabled: [{name: TaintToleration}]}", 1);
    check("multiPoint: {enabled: [{name: TaintToleration, weight: 8}]}", 8);
    check("multiPoint: {enabled: [{name: TaintToleration}]}", 1);
    check("score: {enabled: [{name: TaintToleration, weight: 2147483647}]}", 2147483647);
    let both = "multiPoint: {enabled: [{name: TaintToleration, weight: 8}]}, \
                score: {enabled: [{name: TaintToleration, weight: 9}]}";
    check(both, 9);
}

#[test]
fn a_default_that_is_enabled_again_keeps_its_place_and_a_point_of_its_own_goes_first() {
    let same = profile("multiPoint: {enabled: [{name: NodePorts}]}");
    assert_eq!(names(&same.filter), FILTERS);
    let first = profile("filter: {enabled: [{name: NodePorts}, {name: NodeName}]}");
    assert_eq!(names(&first.filter)[..3], ["NodePorts", "NodeName", "NodeUnschedulable"]);
    let last = "multiPoint: {disabled: [{name: NodeName}], enabled: [{name: NodeName}]}";
    assert_eq!(names(&profile(last).filter).last(), Some(&"NodeName"));
    let added = "multiPoint: {disabled: [{name: NodeName}]}, filter: {enabled: [{name: NodeName}]}";
    assert_eq!(names(&profile(added).filter).last(), Some(&"NodeName"));
}

#[test]
fn arguments_lose_what_says_their_type_and_stay_raw() {
    let lines = "profiles: [{pluginConfig: [\
        {name: NodeResourcesFit, args: {kind: NodeResourcesFitArgs, \
         apiVersion: kubescheduler.config.k8s.io/v1, scoringStrategy: {type: null}}}, \
        {name: NodeAffinity, args: null}, \
        {name: VolumeBinding, args: {bindTimeoutSeconds: 1}}]}]";
    let profile = loaded(lines).unwrap().profiles.remove(0);
    let expected = json!({"scoringStrategy": {"type": null}});
    assert_eq!(profile.args, [("NodeResourcesFit".into(), expected)].into());
}

#[test]
fn several_profiles_are_resolved_apart() {
    let lines = "profiles: [{schedulerName: a}, \
        {schedulerName: b, plugins: {filter: {disabled: [{name: '*'}]}}}]";
    let config = loaded(lines).unwrap();
    assert_eq!(names(&config.profiles[0].filter), FILTERS);
    assert_eq!(&*config.profiles[1].scheduler_name, "b");
    assert!(config.profiles[1].filter.is_empty());
}

#[test]
fn the_backoff_is_read_in_seconds() {
    let config = loaded("podInitialBackoffSeconds: 3\npodMaxBackoffSeconds: 90").unwrap();
    assert_eq!(config.pod_initial_backoff, Duration::from_secs(3));
    assert_eq!(config.pod_max_backoff, Duration::from_secs(90));
}
