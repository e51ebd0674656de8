//! `quorate simulate`: schedules an experiment or a dump on a virtual clock.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};

use super::{FOUND, Output, new_table, print, print_json};
use crate::model::plain;
use crate::plugins::registry;
use crate::sim::report::{PodReport, Report, RunReport};
use crate::sim::simulation::Simulation;

/// How many waiting pods the text shows of each run.
const PENDING_SHOWN_MAX: usize = 20;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true))]
pub struct Args {
    /// A folder with experiment.yaml, such as simulations/quickstart.
    #[arg(group = "input")]
    experiment: Option<PathBuf>,
    /// A dump of a cluster: a file or a folder of plain Kubernetes objects. Its pending pods are
    /// scheduled, whatever their schedulerName.
    #[arg(long, group = "input")]
    snapshot: Option<PathBuf>,
    /// A SchedulerConfiguration; with --snapshot only, an experiment names its own.
    #[arg(long, requires = "snapshot")]
    config: Option<PathBuf>,
    /// Where all chance comes from; with --snapshot only, an experiment names its own.
    #[arg(long, default_value_t = 0, requires = "snapshot")]
    seed: u64,
    #[arg(long, value_enum, default_value_t)]
    output: Output,
    /// Exit with 1 if this is so.
    #[arg(long, value_enum)]
    fail_on: Vec<FailOn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A pod has no node at the end.
    Pending,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let registry = registry();
    let simulation = match (&args.experiment, &args.snapshot) {
        (Some(folder), _) => Simulation::of_experiment(folder, &registry)?,
        (None, Some(dump)) => {
            Simulation::of_snapshot(dump, args.config.as_deref(), args.seed, &registry)?
        }
        (None, None) => anyhow::bail!("name an experiment or a --snapshot"),
    };
    let bar = progress_bar();
    let report = simulation.run(&registry, |run, progress| {
        bar.set_length(progress.pods as u64);
        bar.set_position(progress.bound as u64);
        if !bar.is_hidden() {
            bar.set_message(format!("{}: {} waiting", run.name, progress.waiting));
        }
    })?;
    bar.finish_and_clear();
    match args.output {
        Output::Json => print_json(&report)?,
        Output::Text => print(&text(&report))?,
    }
    let failed = args.fail_on.contains(&FailOn::Pending) && report.pending > 0;
    Ok(if failed { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar() -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} bound, {msg}");
    ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn text(report: &Report) -> String {
    let mut text = format!(
        "{}: profile {}, seed {}\n\n{}\n",
        report.simulation,
        report.profile,
        report.seed,
        runs_table(&report.runs),
    );
    for run in &report.runs {
        if !run.spread.is_empty() {
            text +=
                &format!("\nReplicas, {}: the most on one …\n{}\n", run.name, spread_table(run));
        }
    }
    text += &pending_text(&report.pods);
    text + &format!("\ndecisionsHash {}\n", report.decisions_hash)
}

fn runs_table(runs: &[RunReport]) -> Table {
    let mut table = new_table(&["run", "nodes", "placed", "pending", "cpu", "memory", "time"]);
    for run in runs {
        let used = |name: &str| {
            run.utilisation.get(name).map_or("-".to_owned(), |used| format!("{} %", used.percent))
        };
        table.add_row([
            run.name.clone(),
            run.nodes.to_string(),
            run.placed.to_string(),
            run.pending.to_string(),
            used("cpu"),
            used("memory"),
            format!("{:.3} s", run.virtual_seconds),
        ]);
    }
    table
}

fn spread_table(run: &RunReport) -> Table {
    let mut table = new_table(&["workload", "placed", "host", "rack", "zone"]);
    for spread in &run.spread {
        let level = |name: &str| {
            let level = spread.levels.get(name);
            level.map_or("-".to_owned(), |l| format!("{} (over {})", l.max, l.domains))
        };
        table.add_row([
            plain(&format!("{}/{}", spread.namespace, spread.workload)),
            spread.placed.to_string(),
            level("host"),
            level("rack"),
            level("zone"),
        ]);
    }
    table
}

/// The pods that wait, with what stands in their way.
fn pending_text(pods: &[PodReport]) -> String {
    let waiting: Vec<&PodReport> = pods.iter().filter(|pod| pod.node.is_empty()).collect();
    if waiting.is_empty() {
        return String::new();
    }
    let mut table = new_table(&["pending pod", "nodes", "refused by", "because"]);
    for pod in waiting.iter().take(PENDING_SHOWN_MAX) {
        let name = plain(&format!("{}/{}", pod.namespace, pod.name));
        for (index, refusal) in pod.refusals.iter().enumerate() {
            table.add_row([
                if index == 0 { name.clone() } else { String::new() },
                refusal.nodes.to_string(),
                refusal.plugin.to_string(),
                plain(&refusal.reason),
            ]);
        }
    }
    let more = waiting.len().saturating_sub(PENDING_SHOWN_MAX);
    let more = if more > 0 { format!("… and {more} more\n") } else { String::new() };
    format!("\n{table}\n{more}")
}
