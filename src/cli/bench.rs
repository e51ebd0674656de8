//! `quorate bench core`: how many pods a second the core decides, on one thread.

use std::process::ExitCode;

use clap::{Subcommand, ValueEnum, value_parser};
use serde::Serialize;

use super::{Output, print, print_json};
use crate::config::resolve;
use crate::plugins::registry;
use crate::sim::core_bench::{CoreBench, Measured};
use crate::sim::shapes::Shape;

/// The version of the report's fields.
const SCHEMA: &str = "quorate.dev/bench-core/v1";

#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measures the core alone: every binding is answered at once.
    Core(CoreArgs),
}

#[derive(Debug, clap::Args)]
struct CoreArgs {
    /// What the pods ask for besides CPU and memory. They come in groups of three, and each group
    /// has a label of its own.
    #[arg(long, value_enum, default_value_t = ShapeArg::Basic)]
    shape: ShapeArg,
    /// Equal nodes over three zones.
    #[arg(long, default_value_t = 5000, value_parser = value_parser!(u32).range(1..=100_000))]
    nodes: u32,
    /// Pods whose placement is measured.
    #[arg(long, default_value_t = 5000, value_parser = value_parser!(u32).range(1..=1_000_000))]
    pods: u32,
    /// Pods that stand on nodes before.
    #[arg(long, default_value_t = 20_000, value_parser = value_parser!(u32).range(..=1_000_000))]
    placed: u32,
    /// Chooses among nodes of equal score.
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How to print the result.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Output,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "camelCase")]
enum ShapeArg {
    /// Nothing.
    Basic,
    /// Hosts apart within the group, the group spread over zones.
    Group,
    /// Hosts apart within the group.
    Anti,
    /// The group spread over zones.
    Spread,
    /// The group in one zone.
    Affinity,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    schema: &'static str,
    shape: ShapeArg,
    nodes: u32,
    placed: u32,
    pods: u32,
    bound: usize,
    seconds: f64,
    pods_per_second: f64,
    distinct_label_sets: usize,
    decisions_hash: String,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let What::Core(args) = &args.what;
    let registry = registry();
    let configuration = resolve(&Default::default(), &registry.catalog())?;
    let measured = Measured {
        shape: args.shape.into(),
        nodes: args.nodes as usize,
        placed: args.placed as usize,
        pods: args.pods as usize,
    };
    let measurement = CoreBench::new(&measured, &configuration, &registry, args.seed)?.run();
    let seconds = measurement.took.as_secs_f64();
    let report = Report {
        schema: SCHEMA,
        shape: args.shape,
        nodes: args.nodes,
        placed: args.placed,
        pods: args.pods,
        bound: measurement.bound,
        seconds,
        pods_per_second: measurement.bound as f64 / seconds,
        distinct_label_sets: measurement.distinct_label_sets,
        decisions_hash: measurement.decisions_hash,
    };
    match args.output {
        Output::Json => print_json(&report)?,
        Output::Text => print(&text(&report))?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text(report: &Report) -> String {
    format!(
        "{} of {} pods bound in {:.3} s on {} nodes with {} pods placed before: {:.0} pods/s\n\
         distinctLabelSets {}\ndecisionsHash {}\n",
        report.bound,
        report.pods,
        report.seconds,
        report.nodes,
        report.placed,
        report.pods_per_second,
        report.distinct_label_sets,
        report.decisions_hash,
    )
}

impl From<ShapeArg> for Shape {
    fn from(shape: ShapeArg) -> Self {
        match shape {
            ShapeArg::Basic => Self::Basic,
            ShapeArg::Group => Self::Group,
            ShapeArg::Anti => Self::Anti,
            ShapeArg::Spread => Self::Spread,
            ShapeArg::Affinity => Self::Affinity,
        }
    }
}
