//! `quorate simulate`: schedules an experiment or a dump on a virtual clock, or many seeds with
//! faults.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;
use comfy_table::Table;
use indicatif::{ProgressBar, ProgressStyle};

use super::{FOUND, Output, faults, new_table, print, print_json, quorums};
use crate::model::plain;
use crate::plugins::registry;
use crate::sim::placer::Placer;
use crate::sim::report::{PodReport, Report, RunReport};
use crate::sim::simulation::Simulation;

/// How many waiting pods, and how many claims, the text shows of each run.
const PENDING_SHOWN_MAX: usize = 10;

#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("input").required(true))]
pub struct Args {
    /// A folder with experiment.yaml, such as simulations/quickstart.
    #[arg(group = "input", value_name = "FOLDER")]
    experiment: Option<PathBuf>,
    /// A dump of a cluster: a file or a folder of plain Kubernetes objects. Its pending pods are
    /// scheduled, whatever their schedulerName.
    #[arg(long, group = "input", value_name = "FILE|FOLDER")]
    snapshot: Option<PathBuf>,
    /// A configuration of ours or of kube-scheduler; with --snapshot only, an experiment names its
    /// own.
    #[arg(long, requires = "snapshot", value_name = "FILE")]
    config: Option<PathBuf>,
    /// Where all chance comes from; with --snapshot only, an experiment names its own.
    #[arg(long, default_value_t = 0, requires = "snapshot")]
    seed: u64,
    /// Lets others place the same pods, too, and compares: any of database, parity, random and
    /// exact. In place of those that an experiment names.
    #[arg(long, value_name = "LIST", value_delimiter = ',', conflicts_with = "faults")]
    compare: Option<Vec<Placer>>,
    #[command(flatten)]
    faults: faults::Args,
    /// How to print the result.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Output,
    /// Exit with 1 if this is so.
    #[arg(long, value_enum, value_name = "WHAT")]
    fail_on: Vec<FailOn>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    /// A pod has no node at the end.
    Pending,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    if args.faults.faults.is_some() {
        return faults::run(&args.faults, args.output);
    }
    let registry = registry();
    let mut simulation = match (&args.experiment, &args.snapshot) {
        (Some(folder), _) => Simulation::of_experiment(folder, &registry)?,
        (None, Some(dump)) => {
            Simulation::of_snapshot(dump, args.config.as_deref(), args.seed, &registry)?
        }
        (None, None) => anyhow::bail!("name an experiment or a --snapshot"),
    };
    if let Some(placers) = &args.compare {
        simulation.compare_with(placers);
    }
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
    let mut text =
        format!("{}: profile {}, seed {}\n", report.simulation, report.profile, report.seed);
    if !report.ignored.is_empty() {
        let kinds = report.ignored.iter().map(|(kind, count)| format!("{count} {kind}"));
        text += &format!("left out of the input: {}\n", kinds.collect::<Vec<_>>().join(", "));
    }
    for refused in &report.refused_policies {
        let of = if refused.namespace.is_empty() { "" } else { "/" };
        let name = format!("{}{of}{}", refused.namespace, refused.name);
        text += &format!("left out, because it cannot be used: policy {name}: {}\n", refused.error);
    }
    text += &format!("\n{}\n", runs_table(&report.runs).trim_fmt());
    text += &quorums::text(report);
    for run in &report.runs {
        if !run.spread.is_empty() {
            text += &format!(
                "\nThe most replicas on one host, rack or zone, and over how many they are spread \
                 ({}):\n\n{}\n",
                run.name,
                spread_table(run).trim_fmt(),
            );
        }
    }
    for run in &report.runs {
        text += &claims_text(run);
    }
    for run in &report.runs {
        text += &pending_text(run);
    }
    text + &format!("\ndecisionsHash {}\n", report.decisions_hash)
}

fn runs_table(runs: &[RunReport]) -> Table {
    let header = ["run", "nodes", "placed", "pending", "cpu", "memory", "virtual time"];
    let mut table = new_table(&header, 1..7);
    for run in runs {
        let used = |name: &str| {
            let used = run.utilisation.get(name).filter(|used| used.allocatable > 0);
            used.map_or("-".to_owned(), |used| format!("{:.2} %", used.percent))
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
    let mut table = new_table(&["workload", "placed", "host", "rack", "zone"], 1..5);
    for spread in &run.spread {
        let level = |name: &str| {
            let level = spread.levels.get(name);
            level.map_or("-".to_owned(), |l| format!("{} over {}", l.max, l.domains))
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

/// How many claims got a volume, and what the others wait for.
fn claims_text(run: &RunReport) -> String {
    let claims = &run.claims;
    if claims.is_empty() {
        return String::new();
    }
    let mut text = format!(
        "\nClaims ({}): {} bound, for {} of them a volume was made; {} wait; volumes could not be \
         made {} times.\n",
        run.name, claims.bound, claims.provisioned, claims.pending, claims.failures,
    );
    let waiting = run.claim_rows.iter().filter(|claim| !claim.reason.is_empty());
    let mut table = new_table(&["waiting claim", "class", "because"], 1..1);
    for claim in waiting.take(PENDING_SHOWN_MAX) {
        let name = format!("{}/{}", claim.namespace, claim.name);
        table.add_row([name, claim.class.to_string(), claim.reason.clone()]);
    }
    if claims.pending > 0 {
        text += &format!("\n{}\n{}", table.trim_fmt(), more_text(claims.pending));
    }
    text
}

/// How many rows a table leaves out of so many.
fn more_text(rows: usize) -> String {
    match rows.saturating_sub(PENDING_SHOWN_MAX) {
        0 => String::new(),
        more => format!("… and {more} more; --output json has them all.\n"),
    }
}

/// The pods that wait, with what stands in their way.
fn pending_text(run: &RunReport) -> String {
    let waiting: Vec<&PodReport> = run.pods.iter().filter(|pod| pod.node.is_empty()).collect();
    if waiting.is_empty() {
        return String::new();
    }
    let mut table = new_table(&["pending pod", "nodes", "refused by", "because"], 1..2);
    for pod in waiting.iter().take(PENDING_SHOWN_MAX) {
        let mut name = plain(&format!("{}/{}", pod.namespace, pod.name));
        for refusal in &pod.refusals {
            let plugin = if refusal.plugin.is_empty() { "-" } else { &refusal.plugin };
            table.add_row([
                std::mem::take(&mut name),
                refusal.nodes.to_string(),
                plugin.to_owned(),
                plain(&refusal.reason),
            ]);
        }
    }
    let more = more_text(waiting.len());
    let title = format!("Pods that wait, and what stands in their way ({})", run.name);
    format!("\n{title}:\n\n{}\n{more}", table.trim_fmt())
}
