//! `quorate run`: the daemon that schedules a cluster.

use std::fs::File;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde::Deserialize;

use super::FOUND;
use super::leader::{LeaderFlags, candidacy, duration};
use crate::config::{
    self, ConfigError, EffectiveConfiguration, EffectiveProfile, GoDuration, SchedulerConfiguration,
};
use crate::framework::Registry;
use crate::kubernetes::{self, DaemonError, Options, Recording};
use crate::model::Str;
use crate::placement::{Declaration, Topology};
use crate::plugins::registry;
use crate::scheduler::Scheduler;
use crate::scheduler::recording::Header;
use crate::telemetry::{self, LogFormat};

/// Every audit costs the API server a list of all pods.
const AUDIT_INTERVAL_MIN: GoDuration = GoDuration::from_secs(1);

#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to reach the API server. Without it the file that KUBECONFIG names, and without that the
    /// ServiceAccount of the pod.
    #[arg(long, value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
    /// A SchedulerConfiguration, or a KubeSchedulerConfiguration as kube-scheduler reads it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Write everything that the scheduler is told here, for `quorate replay`.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// The port of /livez, /readyz and /metrics; 0 for none.
    #[arg(long, value_name = "PORT", default_value_t = 10261)]
    http_port: u16,
    /// How often the cache is compared with a list of all pods and nodes; 0 for never.
    #[arg(long, value_name = "DURATION", value_parser = audit_interval, default_value = "1h")]
    cache_audit_interval: GoDuration,
    /// Decide beside the schedulers of the cluster, tell how often they did the same, and write
    /// nothing at all. The first profile decides for the pods of the schedulers that are named.
    #[arg(long, value_name = "SCHEDULER", num_args = 0.., require_equals = true,
        value_delimiter = ',', conflicts_with = "record")]
    shadow: Option<Vec<String>>,
    /// Chooses among nodes of equal score.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// What a line of the log looks like.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    log_format: LogFormat,
    /// A level (error, warn, info, debug, trace) or directives such as quorate=debug,kube=info.
    /// Without it RUST_LOG holds, and then info.
    #[arg(long, value_name = "LEVEL")]
    log_level: Option<String>,
    #[command(flatten)]
    leader: LeaderFlags,
}

pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    telemetry::start(args.log_format, args.log_level.as_deref()).context("--log-level")?;
    let file = args.config.as_ref().map(|path| path.display().to_string());
    let text = args.config.map(|file| File::open(file).and_then(config::read)).transpose();
    let name = file.clone().unwrap_or_default();
    let text = text.with_context(|| name.clone())?;
    let header = Header::new(env!("CARGO_PKG_VERSION"), args.seed, text);
    let registry = registry();
    let mut configuration = configuration(&header, args.leader, &registry).context(name)?;
    if let Some(names) = &args.shadow {
        take_names(&mut configuration, names);
    }
    let scheduler = Scheduler::new(&configuration, &registry, header.seed)?;
    announce(&configuration);

    let options = Options {
        kubeconfig: args.kubeconfig,
        http_port: args.http_port,
        audit_every: args.cache_audit_interval.get().filter(|every| !every.is_zero()),
        shadow: args.shadow.map(|_| names(&configuration)),
        record: args.record.map(|path| Recording { path, header }),
        candidacy: configuration.leader_election.as_ref().map(candidacy),
        topology: topology(&configuration)?,
    };
    match kubernetes::run(scheduler, options) {
        Ok(decisions_hash) => {
            tracing::info!(decisionsHash = decisions_hash, "Stopped.");
            Ok(ExitCode::SUCCESS)
        }
        // Not a word on how to use the program: whoever started it shall start it again.
        Err(error @ DaemonError::LeaseLost) => {
            tracing::error!(%error, "Stopped.");
            Ok(ExitCode::from(FOUND))
        }
        Err(error) => Err(error.into()),
    }
}

/// What the file means under the flags.
fn configuration(
    header: &Header,
    leader: LeaderFlags,
    registry: &Registry,
) -> Result<EffectiveConfiguration, ConfigError> {
    let mut configuration = match &header.config {
        Some(text) => config::parse(text)?,
        None => SchedulerConfiguration::default(),
    };
    leader.apply(&mut configuration.leader_election);
    config::resolve(&configuration, &registry.catalog())
}

/// The first profile takes the name of each scheduler that is shadowed, if there are any.
fn take_names(configuration: &mut EffectiveConfiguration, names: &[String]) {
    let Some(first) = configuration.profiles.first().filter(|_| !names.is_empty()).cloned() else {
        return;
    };
    let named =
        |name: &String| EffectiveProfile { scheduler_name: (&**name).into(), ..first.clone() };
    configuration.profiles = names.iter().map(named).collect();
}

fn names(configuration: &EffectiveConfiguration) -> Vec<Str> {
    configuration.profiles.iter().map(|profile| profile.scheduler_name.clone()).collect()
}

fn audit_interval(text: &str) -> Result<GoDuration, String> {
    let interval = duration(text)?;
    if !interval.is_zero() && interval < AUDIT_INTERVAL_MIN {
        return Err(format!("it is neither 0 nor at least {AUDIT_INTERVAL_MIN}"));
    }
    Ok(interval)
}

/// The failure domains of the configuration, as it hands them to the plugins that know them.
fn topology(configuration: &EffectiveConfiguration) -> anyhow::Result<Topology> {
    let mut args = configuration.profiles.iter().flat_map(|profile| profile.args.values());
    match args.find_map(|args| args.get("infrastructure")) {
        Some(declared) => Ok(Topology::new(&Declaration::deserialize(declared)?)?),
        None => Ok(Topology::default()),
    }
}

fn announce(configuration: &EffectiveConfiguration) {
    let version = env!("CARGO_PKG_VERSION");
    for notice in &configuration.notices {
        tracing::warn!("{notice}");
    }
    for profile in &configuration.profiles {
        let scheduler_name = &*profile.scheduler_name;
        tracing::info!(version, schedulerName = scheduler_name, "Starting.");
        for notice in &profile.notices {
            tracing::warn!(schedulerName = scheduler_name, "{notice}");
        }
        let unsupported: Vec<&str> = profile.unsupported.iter().map(|name| &**name).collect();
        if !unsupported.is_empty() {
            let plugins = unsupported.join(", ");
            tracing::warn!(schedulerName = scheduler_name, plugins, "Not supported yet.");
        }
    }
}
