//! The command line: one file per subcommand, wiring only.

mod audit;
mod bench;
mod check_config;
mod cluster;
mod conformance;
mod crds;
mod explain;
mod faults;
#[cfg(feature = "kubernetes")]
mod leader;
mod presets;
mod quorums;
mod replay;
#[cfg(feature = "kubernetes")]
mod run;
mod simulate;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use comfy_table::{CellAlignment, LineStyle, Table, TableStyle};

/// Exit code for a finding, a violation or a mismatch.
pub const FOUND: u8 = 1;
/// Exit code for bad input or usage.
pub const BAD_INPUT: u8 = 2;

/// Text with long sentences in it fits a terminal of this width.
const TEXT_COLUMNS: u16 = 100;

/// A secondary Kubernetes scheduler that keeps databases quorate.
#[derive(Debug, Parser)]
#[command(name = "quorate", version, about)]
pub struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Says which single failure takes which quorum, of a dump or of a cluster that is only read.
    Audit(audit::Args),
    /// Reads a configuration file and prints which plugins run where.
    CheckConfig(check_config::Args),
    /// Measures how fast the core decides.
    Bench(bench::Args),
    /// Compares our decisions with recorded decisions of kube-scheduler.
    Conformance(conformance::Args),
    /// Prints the CustomResourceDefinitions of PlacementPolicy and ClusterPlacementPolicy.
    Crds,
    /// Lists what is known of each database operator's pods.
    Presets(presets::Args),
    /// Says why a pod goes where it goes, or nowhere, and what would unblock it.
    Explain(explain::Args),
    /// Runs a recording of the daemon again and compares what comes out.
    Replay(replay::Args),
    /// Schedules a cluster: watches its pods and binds those that name one of our profiles.
    #[cfg(feature = "kubernetes")]
    Run(run::Args),
    /// Schedules a cluster on a virtual clock: an experiment, or a dump of a real cluster.
    Simulate(simulate::Args),
}

/// How to print the result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum Output {
    /// A table for people.
    #[default]
    Text,
    /// A versioned, documented schema for programs.
    Json,
}

impl Cli {
    pub fn run(self) -> anyhow::Result<ExitCode> {
        match self.command {
            Command::Audit(args) => audit::run(&args),
            Command::CheckConfig(args) => check_config::run(&args),
            Command::Bench(args) => bench::run(&args),
            Command::Conformance(args) => conformance::run(&args),
            Command::Crds => crds::run(),
            Command::Presets(args) => presets::run(&args),
            Command::Explain(args) => explain::run(&args),
            Command::Replay(args) => replay::run(&args),
            #[cfg(feature = "kubernetes")]
            Command::Run(args) => run::run(args),
            Command::Simulate(args) => simulate::run(&args),
        }
    }
}

/// Writes a result as JSON, ending with a newline. A reader that went away is no failure.
fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    print(&(serde_json::to_string_pretty(value)? + "\n"))
}

/// Writes to standard output. A reader that went away is no failure.
fn print(text: &str) -> anyhow::Result<()> {
    use std::io::{ErrorKind, Write, stdout};
    match stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        other => Ok(other?),
    }
}

/// An empty table for people. Columns of numbers stand on the right.
fn new_table(header: &[&str], numbers: std::ops::Range<usize>) -> Table {
    let rule = LineStyle::none().fill('─').junction('─');
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(rule)).set_header(header);
    for column in numbers {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}
