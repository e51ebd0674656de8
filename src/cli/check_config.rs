//! `quorate check-config`: reads a configuration file and prints which plugins run where.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use serde_json::Value;
use serde_saphyr::FlowMap;

use super::{Output, print, print_json};
use crate::config::{self, EffectiveConfiguration, EffectiveElection, EffectiveProfile, load};
use crate::framework::{Framework, Registry};
use crate::model::Str;
use crate::plugins::registry;

/// The name and version of what `--output json` prints (`docs/config.md`).
const SCHEMA: &str = "quorate.dev/check-config/v1";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A SchedulerConfiguration, or a KubeSchedulerConfiguration as kube-scheduler reads it.
    file: PathBuf,
    /// How to print the result.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report<'a> {
    schema: &'static str,
    pod_initial_backoff_seconds: u64,
    pod_max_backoff_seconds: u64,
    /// Null where no lease is held.
    leader_election: Option<ElectionReport<'a>>,
    profiles: Vec<ProfileReport<'a>>,
    notices: &'a [String],
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ElectionReport<'a> {
    resource_namespace: &'a str,
    resource_name: &'a str,
    lease_duration_seconds: f64,
    renew_deadline_seconds: f64,
    retry_period_seconds: f64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct ProfileReport<'a> {
    scheduler_name: &'a str,
    pre_enqueue: &'a [Str],
    queue_sort: &'a str,
    filter: &'a [Str],
    /// On one line each in YAML.
    score: Vec<FlowMap<ScoreReport<'a>>>,
    reserve: &'a [Str],
    pre_bind: &'a [Str],
    bind: &'a [Str],
    args: &'a BTreeMap<Str, Value>,
    unsupported: &'a [Str],
    notices: &'a [String],
}

#[derive(Debug, Serialize)]
struct ScoreReport<'a> {
    name: &'a str,
    weight: i64,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = args.file.display().to_string();
    let text = File::open(&args.file).and_then(config::read).with_context(|| file.clone())?;
    let config = check(&text, &registry()).context(file)?;
    let report = Report::of(&config);
    match args.output {
        Output::Json => print_json(&report)?,
        Output::Text => print(&report.text()?)?,
    }
    Ok(ExitCode::SUCCESS)
}

/// What the file means. The plugins are built too, because only they can judge their arguments.
fn check(text: &str, registry: &Registry) -> anyhow::Result<EffectiveConfiguration> {
    let config = load(text, &registry.catalog())?;
    for profile in &config.profiles {
        Framework::new(profile, registry)?;
    }
    Ok(config)
}

impl<'a> Report<'a> {
    fn of(config: &'a EffectiveConfiguration) -> Report<'a> {
        Report {
            schema: SCHEMA,
            pod_initial_backoff_seconds: config.pod_initial_backoff.as_secs(),
            pod_max_backoff_seconds: config.pod_max_backoff.as_secs(),
            leader_election: config.leader_election.as_ref().map(ElectionReport::of),
            profiles: config.profiles.iter().map(ProfileReport::of).collect(),
            notices: &config.notices,
        }
    }

    fn text(&self) -> anyhow::Result<String> {
        Ok(serde_saphyr::to_string(self)?)
    }
}

impl<'a> ElectionReport<'a> {
    fn of(election: &'a EffectiveElection) -> ElectionReport<'a> {
        ElectionReport {
            resource_namespace: &election.namespace,
            resource_name: &election.name,
            lease_duration_seconds: election.lease_duration.as_secs_f64(),
            renew_deadline_seconds: election.renew_deadline.as_secs_f64(),
            retry_period_seconds: election.retry_period.as_secs_f64(),
        }
    }
}

impl<'a> ProfileReport<'a> {
    fn of(profile: &'a EffectiveProfile) -> ProfileReport<'a> {
        let score = profile.score.iter();
        ProfileReport {
            scheduler_name: &profile.scheduler_name,
            pre_enqueue: &profile.pre_enqueue,
            queue_sort: &profile.queue_sort,
            filter: &profile.filter,
            score: score
                .map(|(name, weight)| FlowMap(ScoreReport { name, weight: *weight }))
                .collect(),
            reserve: &profile.reserve,
            pre_bind: &profile.pre_bind,
            bind: &profile.bind,
            args: &profile.args,
            unsupported: &profile.unsupported,
            notices: &profile.notices,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "apiVersion: quorate.dev/v1alpha1\nkind: SchedulerConfiguration\n";

    #[test]
    fn a_report_is_yaml_that_says_what_its_json_says() {
        let lines = "podMaxBackoffSeconds: 30\nparallelism: 1\nprofiles: [{schedulerName: '7', \
            pluginConfig: [{name: NodeAffinity, args: {addedAffinity: {}}}]}]";
        let config = check(&format!("{FILE}{lines}"), &registry()).unwrap();
        let report = Report::of(&config);
        let from_text: Value = serde_saphyr::from_str(&report.text().unwrap()).unwrap();
        assert_eq!(from_text, serde_json::to_value(&report).unwrap());
        assert_eq!(from_text["podMaxBackoffSeconds"], 30);
        assert_eq!(from_text["profiles"][0]["schedulerName"], "7");
        let first = serde_json::json!({"name": "TaintToleration", "weight": 3});
        assert_eq!(from_text["profiles"][0]["score"][0], first);
    }

    #[test]
    fn the_shipped_configuration_suits_the_plugins() {
        let config = check(include_str!("../../config/quorate.yaml"), &registry()).unwrap();
        assert!(config.notices.is_empty() && config.profiles[0].notices.is_empty());
    }

    #[test]
    fn arguments_that_a_plugin_refuses_are_named() {
        let lines = "profiles: [{pluginConfig: [{name: NodeAffinity, args: {addedAffinty: 1}}]}]";
        let error = check(&format!("{FILE}{lines}"), &registry()).unwrap_err();
        assert_eq!(
            format!("{error:#}"),
            "profile quorate: pluginConfig of NodeAffinity: addedAffinty: unknown field with value \
             1; expected one of addedAffinity"
        );
    }
}
