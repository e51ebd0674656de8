//! Is a file read strictly, and does an error say where it went wrong?

use serde::Deserialize;
use serde_json::json;

use super::*;
use crate::config::{FieldPath, GoDuration, Plugin, SchedulerConfiguration, decode};

fn check(lines: &str, expected: &str) {
    let error = parse(&file(lines)).unwrap_err();
    assert_eq!(error.to_string(), expected, "{lines}");
}

#[test]
fn both_kinds_of_file_are_read_into_one_type() {
    let theirs = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration";
    let theirs = parse(theirs).unwrap();
    let expected = SchedulerConfiguration {
        api_version: "kubescheduler.config.k8s.io/v1".to_owned(),
        kind: "KubeSchedulerConfiguration".to_owned(),
        ..SchedulerConfiguration::default()
    };
    assert_eq!(theirs, expected);
    assert_eq!(parse(&file("")).unwrap(), SchedulerConfiguration::default());
}

#[test]
fn json_is_read_too() {
    let text = json!({
        "apiVersion": "quorate.dev/v1alpha1",
        "kind": "SchedulerConfiguration",
        "leaderElection": {"leaseDuration": "1m30s"},
        "profiles": [{"plugins": {"score": {"enabled": [{"name": "A", "weight": 3}]}}}],
    });
    let config = parse(&text.to_string()).unwrap();
    assert_eq!(config.leader_election.lease_duration, GoDuration::parse("90s"));
    let expected = Plugin { name: "A".to_owned(), weight: Some(3) };
    assert_eq!(config.profiles[0].plugins.score.enabled, [expected]);
}

#[test]
fn a_null_field_is_a_field_that_is_not_set() {
    let config = parse(&file(
        "profiles:\nparallelism: null\nclientConnection: ~\nextenders:\npodMaxBackoffSeconds:\n",
    ));
    assert_eq!(config.unwrap(), SchedulerConfiguration::default());
    let config = parse(&file("profiles: [{plugins: {filter: {enabled: , disabled: null}}}]"));
    assert_eq!(config.unwrap().profiles, [crate::config::Profile::default()]);
}

#[test]
fn a_document_of_another_kind_or_version_is_refused() {
    let check = |text, expected: &str| {
        assert_eq!(parse(text).unwrap_err().to_string(), expected);
    };
    let versions = "quorate.dev/v1alpha1 or kubescheduler.config.k8s.io/v1";
    check("", "the document: null is not a mapping");
    check("[]", "the document: [] is not a mapping");
    check("kind: Pod", &format!("apiVersion: missing; expected {versions}"));
    check(
        "apiVersion: kubescheduler.config.k8s.io/v1beta3\nkind: KubeSchedulerConfiguration",
        &format!("apiVersion: \"kubescheduler.config.k8s.io/v1beta3\" is not {versions}"),
    );
    check(
        "apiVersion: quorate.dev/v1alpha1\nkind: KubeSchedulerConfiguration",
        "kind: \"KubeSchedulerConfiguration\" is not SchedulerConfiguration",
    );
    check(
        "apiVersion: kubescheduler.config.k8s.io/v1",
        "kind: missing; expected KubeSchedulerConfiguration",
    );
}

#[test]
fn an_unknown_field_is_named_with_its_place_and_value() {
    check(
        "algorithmSource: {provider: x}",
        "algorithmSource: unknown field with value {\"provider\":\"x\"}; expected one of \
         apiVersion, kind, parallelism, leaderElection, clientConnection, enableProfiling, \
         enableContentionProfiling, percentageOfNodesToScore, podInitialBackoffSeconds, \
         podMaxBackoffSeconds, delayCacheUntilActive, profiles, extenders, infrastructure",
    );
    check(
        "profiles: [{}, {plugins: {score: {enabled: [{name: A}, {name: B, wieght: 2}]}}}]",
        "profiles[1].plugins.score.enabled[1].wieght: unknown field with value 2; expected one \
         of name, weight",
    );
    check(
        "leaderElection: {resourcelock: }",
        "leaderElection.resourcelock: unknown field with value null; expected one of leaderElect, \
         leaseDuration, renewDeadline, retryPeriod, resourceLock, resourceName, resourceNamespace",
    );
}

#[test]
fn a_value_of_the_wrong_type_is_named_with_its_place() {
    check("parallelism: many", "parallelism: \"many\" is not an integer of 32 bits");
    check("parallelism: 1.5", "parallelism: 1.5 is not an integer of 32 bits");
    check("parallelism: 4294967296", "parallelism: 4294967296 is not an integer of 32 bits");
    check("enableProfiling: 1", "enableProfiling: 1 is not a boolean");
    check("profiles: {}", "profiles: {} is not a list");
    check("profiles: [x]", "profiles[0]: \"x\" is not a mapping");
    check("profiles: [{schedulerName: 7}]", "profiles[0].schedulerName: 7 is not a string");
    check("clientConnection: {qps: fast}", "clientConnection.qps: \"fast\" is not a number");
    check(
        "profiles: [{plugins: {score: {enabled: [{name: A, weight: '2'}]}}}]",
        "profiles[0].plugins.score.enabled[0].weight: \"2\" is not an integer of 32 bits",
    );
    check(
        "leaderElection: {retryPeriod: 2}",
        "leaderElection.retryPeriod: 2 is not a duration such as 15s or 1m30s",
    );
    check(
        "leaderElection: {retryPeriod: 2d}",
        "leaderElection.retryPeriod: \"2d\" is not a duration such as 15s or 1m30s",
    );
}

#[test]
fn a_plugin_without_a_name_is_refused() {
    let expected = "profiles[0].plugins.bind.disabled[0].name: missing; expected a value";
    check("profiles: [{plugins: {bind: {disabled: [{}]}}}]", expected);
    check("profiles: [{plugins: {bind: {disabled: [{name: }]}}}]", expected);
}

#[test]
fn what_is_no_yaml_is_refused_on_one_line_with_its_place() {
    for text in ["a: [", "a: 1\na: 2\n", "a: 1\n---\nb: 2\n", "a: *b"] {
        let error = parse(text).unwrap_err();
        assert!(matches!(error, ConfigError::Syntax(_)), "{text:?} gives {error:?}");
        let shown = error.to_string();
        assert!(shown.starts_with("not readable as YAML: ") && !shown.contains('\n'), "{shown}");
    }
    let error = parse("kind: a\nkind: b\n").unwrap_err().to_string();
    assert!(error.contains("line 2"), "{error}");
}

#[test]
fn a_long_value_is_cut_in_an_error() {
    let error = parse(&file(&format!("parallelism: {}", "ä".repeat(200)))).unwrap_err();
    let expected = format!("parallelism: \"{}… is not an integer of 32 bits", "ä".repeat(79));
    assert_eq!(error.to_string(), expected);
}

#[test]
fn arguments_of_a_plugin_are_decoded_with_their_path() {
    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Args {
        strategy: Option<Strategy>,
        #[serde(default)]
        weights: std::collections::BTreeMap<String, u32>,
    }
    #[derive(Debug, PartialEq, Deserialize)]
    enum Strategy {
        Least,
        Most,
    }
    let path = FieldPath::root().field("args");
    let read = |value| decode::<Args>(&value, &path).map_err(|error| error.to_string());
    let expected = Args { strategy: Some(Strategy::Most), weights: [("a".to_owned(), 2)].into() };
    assert_eq!(read(json!({"strategy": "Most", "weights": {"a": 2}})), Ok(expected));
    assert_eq!(read(json!({"strategy": null})).unwrap().strategy, None);
    let check = |value, expected: &str| assert_eq!(read(value), Err(expected.to_owned()));
    check(json!({"strategy": "Some"}), "args.strategy: \"Some\" is not one of Least, Most");
    check(json!({"strategy": 1}), "args.strategy: 1 is not one of Least, Most");
    check(
        json!({"weights": {"a": -1}}),
        "args.weights.a: -1 is not a non-negative integer of 32 bits",
    );
    check(json!({"x": 0}), "args.x: unknown field with value 0; expected one of strategy, weights");
    check(json!([]), "args: [] is not a mapping");
}

#[test]
fn a_plugin_without_arguments_takes_none() {
    let read = |value| decode::<()>(&value, &FieldPath::root()).map_err(|error| error.to_string());
    assert_eq!(read(json!({})), Ok(()));
    assert_eq!(read(json!(null)), Ok(()));
    let expected = "x: unknown field with value 1; expected no field";
    assert_eq!(read(json!({"x": 1})), Err(expected.to_owned()));
    assert_eq!(read(json!(7)), Err("the document: 7 is not a mapping".to_owned()));
}
