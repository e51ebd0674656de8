//! Do the files and random configurations that kube-scheduler itself has resolved come out alike?

use serde::Deserialize;
use serde_json::Value;

use super::*;

/// One configuration and what kube-scheduler 1.37.2 made of it (`tests/config/SOURCE.md`).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Recorded {
    config: Value,
    /// Why it was refused.
    error: Option<String>,
    #[serde(default)]
    profiles: Vec<RecordedProfile>,
    #[serde(default)]
    pod_initial_backoff_seconds: u64,
    #[serde(default)]
    pod_max_backoff_seconds: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RecordedProfile {
    scheduler_name: String,
    pre_enqueue: Vec<String>,
    queue_sort: Vec<String>,
    filter: Vec<String>,
    score: Vec<(String, i64)>,
    bind: Vec<String>,
}

const RECORDED: &str = include_str!("../../../tests/config/recorded.jsonl");

const FILES: [(&str, &str); 7] = [
    ("kubeadm", include_str!("../../../tests/config/kubeadm.yaml")),
    ("multi-profile", include_str!("../../../tests/config/multi-profile.yaml")),
    ("bin-packing", include_str!("../../../tests/config/bin-packing.yaml")),
    ("multi-point", include_str!("../../../tests/config/multi-point.yaml")),
    ("plugin-args", include_str!("../../../tests/config/plugin-args.yaml")),
    ("removed-plugins", include_str!("../../../tests/config/removed-plugins.yaml")),
    ("extenders", include_str!("../../../tests/config/extenders.yaml")),
];

fn recorded() -> Vec<Recorded> {
    RECORDED.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Those of the names that are plugins of ours.
fn ours(names: &[String]) -> Vec<&str> {
    let known = |name: &&str| CATALOG.iter().any(|plugin| plugin.name == *name);
    names.iter().map(String::as_str).filter(known).collect()
}

fn compare(recorded: &Recorded, text: &str) {
    let loaded = load(text, &CATALOG);
    if let Some(error) = &recorded.error {
        assert!(loaded.is_err(), "kube-scheduler refuses {text}: {error}");
        return;
    }
    let loaded = loaded.unwrap_or_else(|error| panic!("{error} in {text}"));
    let initial = recorded.pod_initial_backoff_seconds;
    assert_eq!(loaded.pod_initial_backoff.as_secs(), initial, "{text}");
    assert_eq!(loaded.pod_max_backoff.as_secs(), recorded.pod_max_backoff_seconds, "{text}");
    assert_eq!(loaded.profiles.len(), recorded.profiles.len(), "{text}");
    for (profile, expected) in loaded.profiles.iter().zip(&recorded.profiles) {
        assert_eq!(&*profile.scheduler_name, expected.scheduler_name, "{text}");
        assert_eq!(names(&profile.pre_enqueue), ours(&expected.pre_enqueue), "{text}");
        assert_eq!([&*profile.queue_sort], ours(&expected.queue_sort)[..], "{text}");
        assert_eq!(names(&profile.filter), ours(&expected.filter), "{text}");
        assert_eq!(names(&profile.bind), ours(&expected.bind), "{text}");
        let (scores, _): (Vec<String>, Vec<i64>) = expected.score.iter().cloned().unzip();
        let scores = ours(&scores);
        let expected_scores: Vec<(&str, i64)> = expected
            .score
            .iter()
            .map(|(name, weight)| (&**name, *weight))
            .filter(|(name, _)| scores.contains(name))
            .collect();
        assert_eq!(weights(profile), expected_scores, "{text}");
        for name in expected.filter.iter().chain(expected.score.iter().map(|(name, _)| name)) {
            let is_ours = CATALOG.iter().any(|plugin| plugin.name == name);
            assert_ne!(names(&profile.unsupported).contains(&&**name), is_ours, "{name} in {text}");
        }
    }
}

#[test]
fn recorded_configurations_resolve_as_in_kube_scheduler() {
    let all = recorded();
    let generated: Vec<&Recorded> = all.iter().filter(|r| r.config.is_object()).collect();
    let refused = generated.iter().filter(|recorded| recorded.error.is_some()).count();
    assert!(generated.len() >= 150 && refused >= 30, "{} and {refused}", generated.len());
    for recorded in generated {
        compare(recorded, &recorded.config.to_string());
    }
}

#[test]
fn real_files_resolve_as_in_kube_scheduler() {
    let all = recorded();
    for (name, text) in FILES.into_iter().filter(|(name, _)| *name != "extenders") {
        let recorded = all.iter().find(|recorded| recorded.config == name).unwrap();
        compare(recorded, text);
    }
}

#[test]
fn a_real_file_with_extenders_is_refused() {
    let (_, text) = FILES[6];
    let error = load(text, &CATALOG).unwrap_err().to_string();
    assert!(error.starts_with("extenders[0].urlPrefix: \"http://localhost:8099\" "), "{error}");
}

#[test]
fn real_files_keep_their_arguments_and_list_what_has_no_effect() {
    let load = |wanted: &str| {
        let (_, text) = FILES.into_iter().find(|(name, _)| *name == wanted).unwrap();
        load(text, &CATALOG).unwrap()
    };
    let packing = load("bin-packing");
    let args = &packing.profiles[0].args["NodeResourcesFit"];
    assert_eq!(args["scoringStrategy"]["resources"][1]["weight"], 5);
    assert_eq!(args.get("kind"), None);
    let args = load("plugin-args").profiles.remove(0).args;
    let plugins: Vec<&str> = args.keys().map(|name| &**name).collect();
    let expected = [
        "InterPodAffinity",
        "NodeAffinity",
        "NodeResourcesBalancedAllocation",
        "PodTopologySpread",
    ];
    assert_eq!(plugins, expected);
    assert_eq!(load("kubeadm").notices.len(), 5);
    let removed = load("removed-plugins");
    assert_eq!((removed.notices.len(), removed.profiles[0].notices.len()), (0, 4));
}
