//! What a configuration may say. The first violation is returned, in the order of the file.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;

use super::defaults::{API_VERSION, KIND, UPSTREAM_API_VERSION, UPSTREAM_KIND};
use super::error::shown;
use super::extension_point::ExtensionPoint;
use super::known::{Known, REMOVED};
use super::types::{
    ClientConnection, LeaderElection, Plugin, PluginConfig, PluginSet, Profile,
    SchedulerConfiguration,
};
use super::{ConfigError, FieldPath};
use crate::model::is_dns_subdomain;

/// Whether the document says that it is a configuration of a version that we read.
pub(super) fn check_version(document: &Value) -> Result<(), ConfigError> {
    let root = FieldPath::root();
    if !document.is_object() {
        return Err(ConfigError::invalid(root, document, "a mapping"));
    }
    let text = |field: &str, expected: &str| match document.get(field) {
        None | Some(Value::Null) => {
            let path = root.field(field);
            let expected = expected.to_owned();
            Err(ConfigError::Missing { path, expected })
        }
        Some(value) => Ok(value.clone()),
    };
    let versions = format!("{API_VERSION} or {UPSTREAM_API_VERSION}");
    let api_version = text("apiVersion", &versions)?;
    let kind = match api_version.as_str() {
        Some(API_VERSION) => KIND,
        Some(UPSTREAM_API_VERSION) => UPSTREAM_KIND,
        _ => {
            return Err(ConfigError::invalid(root.field("apiVersion"), &api_version, &versions));
        }
    };
    let found = text("kind", kind)?;
    require(found == kind, root.field("kind"), &found, kind)
}

/// Checks everything that does not depend on how the plugins of a profile add up.
pub(super) fn validate(
    config: &SchedulerConfiguration,
    known: &Known<'_>,
) -> Result<(), ConfigError> {
    let root = FieldPath::root();
    let parallelism = config.parallelism();
    require(parallelism > 0, root.field("parallelism"), &parallelism, "greater than 0")?;
    validate_leader_election(&config.leader_election, &root.field("leaderElection"))?;
    validate_client_connection(&config.client_connection, &root.field("clientConnection"))?;
    validate_percentage(config.percentage_of_nodes_to_score, &root)?;
    validate_backoff(config)?;
    let mut names = BTreeMap::new();
    for (index, profile) in config.profiles().iter().enumerate() {
        let path = root.field("profiles").index(index);
        let name = profile.scheduler_name.clone().unwrap_or_default();
        let name_path = path.field("schedulerName");
        if name.is_empty() {
            let expected = "the name that pods say in spec.schedulerName".to_owned();
            return Err(ConfigError::Missing { path: name_path, expected });
        }
        require_first(&mut names, &name, &name_path)?;
        validate_profile(profile, &path, known)?;
    }
    match config.extenders.first() {
        None => Ok(()),
        Some(extender) => {
            let path = root.field("extenders").index(0);
            let expected = "supported; expected an empty list, as there are no extenders";
            let url = extender.get("urlPrefix");
            match url {
                Some(url) => Err(ConfigError::invalid(path.field("urlPrefix"), url, expected)),
                None => Err(ConfigError::invalid(path, extender, expected)),
            }
        }
    }
}

fn validate_leader_election(
    election: &LeaderElection,
    path: &FieldPath,
) -> Result<(), ConfigError> {
    if !election.leader_elect() {
        return Ok(());
    }
    let durations = [
        ("leaseDuration", election.lease_duration()),
        ("renewDeadline", election.renew_deadline()),
        ("retryPeriod", election.retry_period()),
    ];
    for (name, duration) in durations {
        let value = duration.to_string();
        require(duration.is_positive(), path.field(name), &value, "longer than 0s")?;
    }
    let (lease, renew) = (election.lease_duration(), election.renew_deadline());
    let expected = format!("longer than renewDeadline, {renew}");
    require(lease > renew, path.field("leaseDuration"), &lease.to_string(), &expected)?;
    // Between two attempts a candidate may wait for a fifth more than the retry period.
    let retry = election.retry_period();
    let waits = retry.get().unwrap_or_default() * 6 / 5;
    let expected = format!("longer than 1.2 times retryPeriod, {retry}");
    let patient = renew.get().is_some_and(|renew| renew > waits);
    require(patient, path.field("renewDeadline"), &renew.to_string(), &expected)?;
    let names = [
        ("resourceName", election.resource_name(), "the name of an object"),
        ("resourceNamespace", election.resource_namespace(), "the name of a namespace"),
    ];
    for (field, name, expected) in names {
        require(is_dns_subdomain(name), path.field(field), &name, expected)?;
    }
    let lock = election.resource_lock();
    require(lock == "leases", path.field("resourceLock"), &lock, "leases, the only kind of lock")
}

fn validate_client_connection(
    connection: &ClientConnection,
    path: &FieldPath,
) -> Result<(), ConfigError> {
    let burst = connection.burst.unwrap_or_default();
    require(burst >= 0, path.field("burst"), &burst, "0 or greater")
}

fn validate_percentage(percentage: Option<i32>, path: &FieldPath) -> Result<(), ConfigError> {
    let value = percentage.unwrap_or_default();
    let path = path.field("percentageOfNodesToScore");
    require((0..=100).contains(&value), path, &value, "from 0 to 100")
}

fn validate_backoff(config: &SchedulerConfiguration) -> Result<(), ConfigError> {
    let initial = config.pod_initial_backoff_seconds();
    let path = FieldPath::root().field("podInitialBackoffSeconds");
    require(initial > 0, path, &initial, "greater than 0")?;
    let max = config.pod_max_backoff_seconds();
    let path = FieldPath::root().field("podMaxBackoffSeconds");
    let expected = format!("at least podInitialBackoffSeconds, {initial}");
    require(max >= initial, path, &max, &expected)
}

fn validate_profile(
    profile: &Profile,
    path: &FieldPath,
    known: &Known<'_>,
) -> Result<(), ConfigError> {
    validate_percentage(profile.percentage_of_nodes_to_score, path)?;
    let plugins = path.field("plugins");
    for point in ExtensionPoint::ALL {
        let set = point.of(&profile.plugins);
        let path = plugins.field(point.name());
        validate_set(set, &path, known)?;
        for (index, plugin) in set.enabled.iter().enumerate() {
            let path = path.field("enabled").index(index).field("name");
            let expected = format!("a plugin that has the extension point {}", point.name());
            require(known.may_enable(&plugin.name, point), path, &plugin.name, &expected)?;
        }
    }
    validate_set(&profile.plugins.multi_point, &plugins.field("multiPoint"), known)?;
    validate_plugin_config(&profile.plugin_config, &path.field("pluginConfig"), known)
}

fn validate_set(set: &PluginSet, path: &FieldPath, known: &Known<'_>) -> Result<(), ConfigError> {
    let mut names = BTreeMap::new();
    for (index, plugin) in set.enabled.iter().enumerate() {
        let path = path.field("enabled").index(index);
        require_known(&plugin.name, &path, known)?;
        require_first(&mut names, &plugin.name, &path.field("name"))?;
        validate_weight(plugin, &path)?;
    }
    for (index, plugin) in set.disabled.iter().enumerate() {
        let path = path.field("disabled").index(index);
        if plugin.name != "*" && !REMOVED.contains(&plugin.name.as_str()) {
            require_known(&plugin.name, &path, known)?;
        }
        validate_weight(plugin, &path)?;
    }
    Ok(())
}

/// A weight of 0 means the same as none, as in kube-scheduler.
fn validate_weight(plugin: &Plugin, path: &FieldPath) -> Result<(), ConfigError> {
    let weight = plugin.weight.unwrap_or_default();
    let expected = format!("an integer from 0 to {}", i32::MAX);
    require(weight >= 0, path.field("weight"), &weight, &expected)
}

fn validate_plugin_config(
    configs: &[PluginConfig],
    path: &FieldPath,
    known: &Known<'_>,
) -> Result<(), ConfigError> {
    let mut names = BTreeMap::new();
    for (index, config) in configs.iter().enumerate() {
        let path = path.index(index);
        require_known(&config.name, &path, known)?;
        require_first(&mut names, &config.name, &path.field("name"))?;
        let args = path.field("args");
        match &config.args {
            Value::Null => {}
            Value::Object(_) => {
                let kind = format!("{}Args", config.name);
                validate_type(&config.args, &args, &kind)?;
            }
            other => return Err(ConfigError::invalid(args, other, "a mapping")),
        }
    }
    Ok(())
}

/// Arguments may say what they are; then it must be true.
fn validate_type(args: &Value, path: &FieldPath, kind: &str) -> Result<(), ConfigError> {
    if let Some(value) = args.get("apiVersion") {
        let expected = format!("{API_VERSION} or {UPSTREAM_API_VERSION}");
        let right = value == API_VERSION || value == UPSTREAM_API_VERSION;
        require(right, path.field("apiVersion"), value, &expected)?;
    }
    match args.get("kind") {
        Some(value) => require(value == kind, path.field("kind"), value, kind),
        None => Ok(()),
    }
}

fn require(
    holds: bool,
    path: FieldPath,
    value: &impl Serialize,
    expected: &str,
) -> Result<(), ConfigError> {
    if holds {
        return Ok(());
    }
    Err(ConfigError::invalid(path, value, expected))
}

fn require_known(name: &str, path: &FieldPath, known: &Known<'_>) -> Result<(), ConfigError> {
    if known.contains(name) {
        return Ok(());
    }
    let path = path.field("name");
    Err(ConfigError::UnknownPlugin { path, value: shown(&name), expected: known.names() })
}

/// Notes that `name` stands at `path`, unless it has stood somewhere before.
fn require_first(
    seen: &mut BTreeMap<String, FieldPath>,
    name: &str,
    path: &FieldPath,
) -> Result<(), ConfigError> {
    match seen.insert(name.to_owned(), path.clone()) {
        None => Ok(()),
        Some(first) => {
            Err(ConfigError::Duplicate { path: path.clone(), value: shown(&name), first })
        }
    }
}
