//! Tests of the configuration, by question; the plugins are those of a scheduler with parity.

mod decoding;
mod merging;
mod notices;
mod recorded;
mod reference;
mod validation;

use super::{
    ConfigError, EffectiveConfiguration, EffectiveProfile, PluginPoints, Point, load, parse,
};

const CATALOG: [PluginPoints; 14] = {
    use Point::*;
    [
        plugin("SchedulingGates", &[PreEnqueue], 0),
        plugin("PrioritySort", &[QueueSort], 0),
        plugin("NodeName", &[Filter], 0),
        plugin("NodeUnschedulable", &[Filter], 0),
        plugin("TaintToleration", &[Filter, Score], 3),
        plugin("NodeAffinity", &[Filter, Score], 2),
        plugin("NodePorts", &[Filter], 0),
        plugin("NodeResourcesFit", &[Filter, Score], 1),
        plugin("PodTopologySpread", &[Filter, Score], 2),
        plugin("InterPodAffinity", &[Filter, Score], 2),
        plugin("NodeResourcesBalancedAllocation", &[Score], 1),
        plugin("ImageLocality", &[Score], 1),
        plugin("NodeDeclaredFeatures", &[Filter], 0),
        plugin("DefaultBinder", &[Bind], 0),
    ]
};

const fn plugin(name: &'static str, points: &'static [Point], default_weight: u32) -> PluginPoints {
    PluginPoints { name, points, default_weight, base: super::Base::Parity }
}

/// A file of ours with these further lines.
fn file(lines: &str) -> String {
    format!("apiVersion: quorate.dev/v1alpha1\nkind: SchedulerConfiguration\n{lines}")
}

/// What a file of ours with these further lines means.
fn loaded(lines: &str) -> Result<EffectiveConfiguration, ConfigError> {
    load(&file(lines), &CATALOG)
}

/// The only profile of such a file, whose `plugins` are these in YAML's short form.
fn profile(plugins: &str) -> EffectiveProfile {
    let lines = format!("profiles: [{{plugins: {{{plugins}}}}}]");
    loaded(&lines).unwrap().profiles.remove(0)
}

fn names(plugins: &[crate::model::Str]) -> Vec<&str> {
    plugins.iter().map(|name| &**name).collect()
}

fn weights(profile: &EffectiveProfile) -> Vec<(&str, i64)> {
    profile.score.iter().map(|(name, weight)| (&**name, *weight)).collect()
}
