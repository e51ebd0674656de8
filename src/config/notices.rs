//! Settings that are read and have no effect, each as a line for whoever wrote them.

use super::extension_point::ExtensionPoint;
use super::known::{Known, REMOVED};
use super::merge::Merged;
use super::types::{
    ClientConnection, LeaderElection, PluginConfig, PluginSet, Profile, SchedulerConfiguration,
};
use super::{EffectiveProfile, FieldPath, Point};
use crate::model::Str;

/// Those that stand outside of the profiles.
pub(super) fn of_configuration(config: &SchedulerConfiguration) -> Vec<String> {
    let fields = [
        ("parallelism", config.parallelism.is_some(), "one thread takes all decisions"),
        (
            "clientConnection",
            config.client_connection != ClientConnection::default(),
            "the command line says how the API server is reached",
        ),
        ("enableProfiling", config.enable_profiling == Some(true), "no profiles are served"),
        (
            "enableContentionProfiling",
            config.enable_contention_profiling == Some(true),
            "no profiles are served",
        ),
        ("delayCacheUntilActive", config.delay_cache_until_active, "the cache is always filled"),
    ];
    let set = fields.into_iter().filter(|(_, is_set, _)| *is_set);
    let mut notices: Vec<String> =
        set.map(|(field, _, why)| format!("{field}: has no effect: {why}")).collect();
    notices.extend(sampling(config.percentage_of_nodes_to_score, &FieldPath::root()));
    notices.extend(shared_lease(&config.leader_election));
    notices
}

/// A lease has one holder, whichever program it is.
fn shared_lease(election: &LeaderElection) -> Option<String> {
    let names = (election.resource_namespace(), election.resource_name());
    let shared = election.leader_elect() && names == ("kube-system", "kube-scheduler");
    shared.then(|| {
        "leaderElection.resourceName: kube-scheduler is the lease of kube-scheduler: only one of \
         the two programs will schedule"
            .to_owned()
    })
}

/// Those of one profile.
pub(super) fn of_profile(
    profile: &Profile,
    path: &FieldPath,
    effective: &EffectiveProfile,
    merged: &Merged<'_>,
) -> Vec<String> {
    let known = merged.known;
    let plugins = path.field("plugins");
    let mut notices = Vec::from_iter(sampling(profile.percentage_of_nodes_to_score, path));
    for point in ExtensionPoint::ALL {
        let set = point.of(&profile.plugins);
        let path = plugins.field(point.name());
        notices.extend(of_enabled(set, point, &path, effective, known));
        notices.extend(of_removed(set, &path));
    }
    notices.extend(of_preparation(merged, &plugins));
    let plugin_config = path.field("pluginConfig");
    let path = plugins.field("multiPoint");
    let multi_point = &profile.plugins.multi_point;
    for (index, plugin) in multi_point.enabled.iter().enumerate() {
        if plugin.weight.is_some() && !known.scores(&plugin.name) {
            notices.push(idle_weight(&path.field("enabled").index(index), &plugin.name));
        }
    }
    notices.extend(of_removed(multi_point, &path));
    notices.extend(of_args(&profile.plugin_config, &plugin_config, effective, known));
    notices
}

fn of_enabled(
    set: &PluginSet,
    point: ExtensionPoint,
    path: &FieldPath,
    effective: &EffectiveProfile,
    known: &Known<'_>,
) -> Vec<String> {
    let mut notices = Vec::new();
    for (index, plugin) in set.enabled.iter().enumerate() {
        let name = &plugin.name;
        let path = path.field("enabled").index(index);
        if known.ours(name).is_none() {
            continue;
        }
        if !runs(name, point, effective) {
            let point = point.name();
            notices.push(format!("{path}: has no effect: {name} does not run at {point}"));
        }
        if plugin.weight.is_some() && point != ExtensionPoint::Score {
            notices.push(idle_weight(&path, name));
        }
    }
    notices
}

/// Plugins that lose a stage because the point that prepares it is disabled; here the two are one.
fn of_preparation(merged: &Merged<'_>, path: &FieldPath) -> Vec<String> {
    let stages = [
        (ExtensionPoint::PreFilter, ExtensionPoint::Filter),
        (ExtensionPoint::PreScore, ExtensionPoint::Score),
    ];
    let mut notices = Vec::new();
    for (preparation, stage) in stages {
        let enabled = merged.at(stage).into_iter().map(|plugin| &*plugin.name);
        let lost: Vec<&str> = enabled
            .filter(|name| merged.known.ours(name).is_some())
            .filter(|name| merged.is_disabled_at(name, preparation))
            .collect();
        if !lost.is_empty() {
            let path = path.field(preparation.name()).field("disabled");
            let (names, stage) = (lost.join(", "), stage.name());
            notices
                .push(format!("{path}: takes {stage}, which it prepares, away too from {names}"));
        }
    }
    notices
}

fn of_removed(set: &PluginSet, path: &FieldPath) -> Vec<String> {
    let disabled = set.disabled.iter().enumerate();
    disabled
        .filter(|(_, plugin)| REMOVED.contains(&plugin.name.as_str()))
        .map(|(index, plugin)| {
            let path = path.field("disabled").index(index);
            format!("{path}: has no effect: there is no {} any more", plugin.name)
        })
        .collect()
}

fn of_args(
    configs: &[PluginConfig],
    path: &FieldPath,
    effective: &EffectiveProfile,
    known: &Known<'_>,
) -> Vec<String> {
    let runs_anywhere =
        |name: &str| ExtensionPoint::ALL.into_iter().any(|point| runs(name, point, effective));
    let given = configs.iter().enumerate().filter(|(_, config)| !config.args.is_null());
    let idle = given.filter(|(_, config)| !runs_anywhere(&config.name));
    idle.map(|(index, config)| {
        let path = path.index(index).field("args");
        let why = match known.ours(&config.name) {
            Some(_) => "is not enabled",
            None => "is not supported",
        };
        format!("{path}: has no effect: {} {why}", config.name)
    })
    .collect()
}

/// All nodes are considered whatever the percentage, so only 0 and 100 say nothing new.
fn sampling(percentage: Option<i32>, path: &FieldPath) -> Option<String> {
    let value = percentage.filter(|value| *value != 0 && *value != 100)?;
    let path = path.field("percentageOfNodesToScore");
    Some(format!("{path}: {value} has no effect: all nodes are considered for every pod"))
}

fn idle_weight(path: &FieldPath, name: &str) -> String {
    let path = path.field("weight");
    format!("{path}: has no effect: {name} gives no scores there")
}

/// Whether the plugin runs at the point of ours that stands for `point`.
fn runs(name: &str, point: ExtensionPoint, effective: &EffectiveProfile) -> bool {
    let among = |names: &[Str]| names.iter().any(|other| &**other == name);
    match point.ours() {
        None => false,
        Some(Point::PreEnqueue) => among(&effective.pre_enqueue),
        Some(Point::QueueSort) => &*effective.queue_sort == name,
        Some(Point::Filter) => among(&effective.filter),
        Some(Point::Score) => effective.score.iter().any(|(other, _)| &**other == name),
        Some(Point::Reserve) => among(&effective.reserve),
        Some(Point::PreBind) => among(&effective.pre_bind),
        Some(Point::Bind) => among(&effective.bind),
    }
}
