//! The configuration file, typed once: the fields of kube-scheduler's own configuration.
//!
//! The types are as raw as the file: what is absent is `None` or empty. `defaults` says what absent
//! means, `validation` what is allowed, and `effective` what comes out; only that goes inward.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::GoDuration;

/// A scheduler's configuration: `SchedulerConfiguration` of `quorate.dev/v1alpha1`, and as it is
/// `KubeSchedulerConfiguration` of `kubescheduler.config.k8s.io/v1`.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SchedulerConfiguration {
    pub api_version: String,
    pub kind: String,
    /// How many goroutines kube-scheduler filters and scores with.
    pub parallelism: Option<i32>,
    #[serde(default)]
    pub leader_election: LeaderElection,
    #[serde(default)]
    pub client_connection: ClientConnection,
    /// Whether kube-scheduler serves `/debug/pprof`.
    pub enable_profiling: Option<bool>,
    /// Whether those profiles include lock contention.
    pub enable_contention_profiling: Option<bool>,
    /// The share of the nodes after which kube-scheduler stops looking for more feasible ones.
    pub percentage_of_nodes_to_score: Option<i32>,
    /// The back-off after the first failed attempt to schedule a pod; it doubles with each.
    pub pod_initial_backoff_seconds: Option<i64>,
    /// What the back-off of a pod never exceeds.
    pub pod_max_backoff_seconds: Option<i64>,
    /// Whether kube-scheduler fills its caches only when it has become the leader.
    #[serde(default)]
    pub delay_cache_until_active: bool,
    #[serde(default)]
    pub profiles: Vec<Profile>,
    /// Kept raw, because a non-empty list is refused whatever stands in it.
    #[serde(default)]
    pub extenders: Vec<Value>,
    /// Failure domains besides the labels of nodes. Kept raw: those who read it know what it means.
    pub infrastructure: Option<Value>,
}

/// What a profile starts from.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Base {
    /// Decides as kube-scheduler does.
    Parity,
    /// Knows replica groups besides.
    #[default]
    Database,
}

/// Which of several replicas is the one that schedules.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LeaderElection {
    pub leader_elect: Option<bool>,
    pub lease_duration: Option<GoDuration>,
    pub renew_deadline: Option<GoDuration>,
    pub retry_period: Option<GoDuration>,
    #[serde(default)]
    pub resource_lock: String,
    #[serde(default)]
    pub resource_name: String,
    #[serde(default)]
    pub resource_namespace: String,
}

/// How the API server is reached.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClientConnection {
    #[serde(default)]
    pub kubeconfig: String,
    #[serde(default)]
    pub accept_content_types: String,
    #[serde(default)]
    pub content_type: String,
    pub qps: Option<f32>,
    pub burst: Option<i32>,
}

/// How the pods that name one scheduler are scheduled.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Profile {
    /// What the pods say in `spec.schedulerName`.
    pub scheduler_name: Option<String>,
    /// Which plugins run where the profile says nothing else: those of kube-scheduler, or ours with
    /// them.
    pub base: Option<Base>,
    /// Overrides the field of the same name of the configuration.
    pub percentage_of_nodes_to_score: Option<i32>,
    #[serde(default)]
    pub plugins: Plugins,
    #[serde(default)]
    pub plugin_config: Vec<PluginConfig>,
}

/// The plugins that run at each extension point, as changes to the default ones.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Plugins {
    pub pre_enqueue: PluginSet,
    pub queue_sort: PluginSet,
    pub pre_filter: PluginSet,
    pub filter: PluginSet,
    pub post_filter: PluginSet,
    pub pre_score: PluginSet,
    pub score: PluginSet,
    pub reserve: PluginSet,
    pub permit: PluginSet,
    pub pre_bind: PluginSet,
    pub bind: PluginSet,
    pub post_bind: PluginSet,
    /// Every extension point that a plugin has, at once.
    pub multi_point: PluginSet,
    pub placement_generate: PluginSet,
    pub placement_score: PluginSet,
    pub pod_group_post_filter: PluginSet,
}

/// What is added to the default plugins, and what is taken from them.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct PluginSet {
    pub enabled: Vec<Plugin>,
    /// The name `*` takes all default plugins away.
    pub disabled: Vec<Plugin>,
}

/// One plugin, by its name.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Plugin {
    pub name: String,
    /// What the scores of the plugin are multiplied with.
    pub weight: Option<i32>,
}

/// The arguments of one plugin.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PluginConfig {
    pub name: String,
    /// Kept raw: only the plugin knows what it takes.
    #[serde(default)]
    pub args: Value,
}

impl PluginSet {
    /// Whether `name` stands under `disabled`, by itself or through `*`.
    pub(super) fn disables(&self, name: &str) -> bool {
        self.disabled.iter().any(|p| p.name == name || p.name == "*")
    }

    /// Whether `name` stands under `enabled`.
    pub(super) fn enables(&self, name: &str) -> bool {
        self.enabled.iter().any(|p| p.name == name)
    }
}
