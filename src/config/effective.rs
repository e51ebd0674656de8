//! From the file to what runs: defaults, validation and merging, once and in that order.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Map, Value};

use super::error::shown;
use super::extension_point::ExtensionPoint;
use super::known::Known;
use super::merge::Merged;
use super::types::{Base, LeaderElection, Plugin, PluginConfig, Profile, SchedulerConfiguration};
use super::{
    ConfigError, EffectiveConfiguration, EffectiveElection, EffectiveProfile, FieldPath,
    GoDuration, PluginPoints, notices, validation,
};
use crate::model::Str;

/// What `config` means for a scheduler that has the plugins of `catalog`.
pub fn resolve(
    config: &SchedulerConfiguration,
    catalog: &[PluginPoints],
) -> Result<EffectiveConfiguration, ConfigError> {
    let known = Known::new(catalog);
    validation::validate(config, &known)?;
    let mut profiles = Vec::new();
    for (index, profile) in config.profiles().iter().enumerate() {
        let path = FieldPath::root().field("profiles").index(index);
        let effective = resolve_profile(config, profile, &path, &known)?;
        if let Some(first) = profiles.first() {
            require_same_queue_sort(first, &effective, &path)?;
        }
        profiles.push(effective);
    }
    Ok(EffectiveConfiguration {
        profiles,
        pod_initial_backoff: seconds(config.pod_initial_backoff_seconds()),
        pod_max_backoff: seconds(config.pod_max_backoff_seconds()),
        leader_election: election(&config.leader_election),
        notices: notices::of_configuration(config),
    })
}

fn election(election: &LeaderElection) -> Option<EffectiveElection> {
    let positive = |duration: GoDuration| duration.get().unwrap_or_default();
    election.leader_elect().then(|| EffectiveElection {
        namespace: election.resource_namespace().into(),
        name: election.resource_name().into(),
        lease_duration: positive(election.lease_duration()),
        renew_deadline: positive(election.renew_deadline()),
        retry_period: positive(election.retry_period()),
    })
}

fn resolve_profile(
    config: &SchedulerConfiguration,
    profile: &Profile,
    path: &FieldPath,
    known: &Known<'_>,
) -> Result<EffectiveProfile, ConfigError> {
    let base = config.base(profile);
    let merged = Merged::new(&profile.plugins, base, known);
    let runs = |point| -> Vec<&Plugin> {
        let plugins = merged.at(point).into_iter();
        plugins.filter(|plugin| runs_here(plugin, point, &merged, known)).collect()
    };
    let names = |point| runs(point).into_iter().map(|plugin| Str::from(&*plugin.name)).collect();
    let score = runs(ExtensionPoint::Score).into_iter();
    let mut effective = EffectiveProfile {
        scheduler_name: profile.scheduler_name.clone().unwrap_or_default().into(),
        base,
        pre_enqueue: names(ExtensionPoint::PreEnqueue),
        queue_sort: only_one(names(ExtensionPoint::QueueSort), path, ExtensionPoint::QueueSort)?,
        filter: names(ExtensionPoint::Filter),
        score: score.map(|plugin| (Str::from(&*plugin.name), weight(plugin))).collect(),
        reserve: names(ExtensionPoint::Reserve),
        pre_bind: names(ExtensionPoint::PreBind),
        bind: vec![only_one(names(ExtensionPoint::Bind), path, ExtensionPoint::Bind)?],
        args: args(&profile.plugin_config, config.infrastructure.as_ref(), known),
        unsupported: unsupported(&merged, known),
        notices: Vec::new(),
    };
    effective.notices = notices::of_profile(profile, path, &effective, &merged);
    Ok(effective)
}

/// Whether a plugin that is enabled at `point` runs there in Quorate: it is one of ours, and its
/// preparing half, which is a point of its own in kube-scheduler, has not been taken away.
fn runs_here(
    plugin: &Plugin,
    point: ExtensionPoint,
    merged: &Merged<'_>,
    known: &Known<'_>,
) -> bool {
    let prepared = match point {
        ExtensionPoint::Filter => !merged.is_disabled_at(&plugin.name, ExtensionPoint::PreFilter),
        ExtensionPoint::Score => !merged.is_disabled_at(&plugin.name, ExtensionPoint::PreScore),
        _ => true,
    };
    prepared && known.ours(&plugin.name).is_some()
}

/// A weight that is absent or 0 is 1, also where the default one is another.
fn weight(plugin: &Plugin) -> i64 {
    i64::from(plugin.weight.filter(|weight| *weight != 0).unwrap_or(1))
}

fn only_one(names: Vec<Str>, path: &FieldPath, point: ExtensionPoint) -> Result<Str, ConfigError> {
    match names.as_slice() {
        [only] => Ok(only.clone()),
        _ => Err(ConfigError::PluginCount {
            path: path.field("plugins").field(point.name()),
            value: shown(&names),
            expected: "exactly one".to_owned(),
        }),
    }
}

fn require_same_queue_sort(
    first: &EffectiveProfile,
    other: &EffectiveProfile,
    path: &FieldPath,
) -> Result<(), ConfigError> {
    let args = |profile: &EffectiveProfile| profile.args.get(&profile.queue_sort).cloned();
    let expected = "the same for all profiles, as they share one queue";
    if first.queue_sort != other.queue_sort {
        let path = path.field("plugins").field("queueSort");
        return Err(ConfigError::invalid(path, &other.queue_sort, expected));
    }
    if args(first) != args(other) {
        let path = path.field("pluginConfig");
        return Err(ConfigError::invalid(path, &args(other), expected));
    }
    Ok(())
}

/// The arguments as written. Plugins of the base `database` are told of the infrastructure, too.
fn args(
    configs: &[PluginConfig],
    infrastructure: Option<&Value>,
    known: &Known<'_>,
) -> BTreeMap<Str, Value> {
    let ours = configs.iter().filter(|config| known.ours(&config.name).is_some());
    let written = ours.filter_map(|config| {
        let mut args = config.args.as_object()?.clone();
        args.remove("apiVersion");
        args.remove("kind");
        Some((Str::from(&*config.name), Value::Object(args)))
    });
    let mut args: BTreeMap<Str, Value> = written.collect();
    if let Some(infrastructure) = infrastructure {
        for name in known.of_base(Base::Database) {
            let own = args.entry(name.into()).or_insert_with(|| Value::Object(Map::new()));
            if let Some(own) = own.as_object_mut() {
                own.insert("infrastructure".to_owned(), infrastructure.clone());
            }
        }
    }
    args
}

fn unsupported(merged: &Merged<'_>, known: &Known<'_>) -> Vec<Str> {
    let runs = |name: &str| {
        ExtensionPoint::ALL
            .into_iter()
            .any(|point| merged.at(point).iter().any(|plugin| plugin.name == name))
    };
    known.unsupported().filter(|name| runs(name)).map(Str::from).collect()
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}
