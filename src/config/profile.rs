//! A profile after defaults and merging: exactly which plugins run where.

use std::collections::BTreeMap;
use std::time::Duration;

use super::types::Base;
use crate::model::Str;

/// An extension point, as far as plugins of ours have one. `Filter` covers upstream's preFilter,
/// and `Score` its preScore.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Point {
    PreEnqueue,
    QueueSort,
    Filter,
    Score,
    Reserve,
    PreBind,
    Bind,
}

/// What the configuration needs to know of a plugin.
#[derive(Clone, Copy, Debug)]
pub struct PluginPoints {
    pub name: &'static str,
    pub points: &'static [Point],
    /// The weight of its scores; 0 for a plugin that does not score.
    pub default_weight: u32,
    /// The least base with which it runs where a profile does not name it.
    pub base: Base,
}

/// Which plugins run, in order, and with which arguments.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct EffectiveProfile {
    pub scheduler_name: Str,
    pub base: Base,
    pub pre_enqueue: Vec<Str>,
    pub queue_sort: Str,
    pub filter: Vec<Str>,
    pub score: Vec<(Str, i64)>,
    pub reserve: Vec<Str>,
    pub pre_bind: Vec<Str>,
    pub bind: Vec<Str>,
    /// Arguments as written; each plugin decodes its own.
    pub args: BTreeMap<Str, serde_json::Value>,
    /// Plugins of kube-scheduler that are asked for and that Quorate does not have.
    pub unsupported: Vec<Str>,
    /// Settings that were read and have no effect.
    pub notices: Vec<String>,
}

/// Which lease is stood for, and how patiently.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveElection {
    pub namespace: Str,
    pub name: Str,
    /// Longer than the renew deadline.
    pub lease_duration: Duration,
    /// Longer than a fifth more than the retry period.
    pub renew_deadline: Duration,
    pub retry_period: Duration,
}

/// A configuration after defaults, validation and merging: what goes inward.
#[derive(Clone, Debug, PartialEq)]
pub struct EffectiveConfiguration {
    /// At least one, each with a name of its own, all with the same queue sort plugin.
    pub profiles: Vec<EffectiveProfile>,
    /// The back-off after a pod's first failed attempt. Greater than zero.
    pub pod_initial_backoff: Duration,
    /// What a pod's back-off never exceeds. At least the initial one.
    pub pod_max_backoff: Duration,
    /// How one of several replicas is chosen; none if there is but one.
    pub leader_election: Option<EffectiveElection>,
    /// Settings outside of the profiles that were read and have no effect.
    pub notices: Vec<String>,
}
