//! Quorate, the real kube-scheduler and the raw ceiling in turn on one real API server: pods a
//! second, CPU and memory, in the same run.
//!
//! `cargo bench --bench live` is the measurement, `cargo bench --bench live -- --nodes 50 --pods 60
//! --group-pods 30 --rounds 1` shows in seconds that it works. What is counted, and how:
//! docs/performance.md.

// The lints that keep panics out of the product do not suit a measurement.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod ceiling;
#[allow(dead_code, unused_imports, reason = "the tests need more of it than a measurement does")]
#[path = "../../tests/it/control_plane/mod.rs"]
mod control_plane;
mod load;
mod measurement;
mod observer;
mod rival;
mod table;
mod usage;

use std::collections::BTreeMap;

use clap::{Parser, Subcommand};

use control_plane::{ControlPlane, Options};
use load::{Load, Shape};
use measurement::{Measurement, measure};
use rival::Rival;

/// Measures Quorate, kube-scheduler and the raw ceiling on one API server.
#[derive(Debug, Parser)]
#[command(name = "live")]
struct Arguments {
    #[arg(long, default_value_t = 1000, value_parser = clap::value_parser!(u32).range(3..))]
    nodes: u32,
    /// Pods that ask for CPU and memory alone; 0 leaves them out.
    #[arg(long, default_value_t = 3000)]
    pods: u32,
    /// Pods in groups of three that keep apart; 0 leaves them out.
    #[arg(long, default_value_t = 1500)]
    group_pods: u32,
    /// Of several rounds the median counts.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Who takes part.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = Rival::ALL)]
    rivals: Vec<Rival>,
    /// How many pods the ceiling has under way at once.
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..))]
    connections: u32,
    /// What cargo passes to every bench.
    #[arg(long, hide = true)]
    bench: bool,
    #[command(subcommand)]
    role: Option<Role>,
}

#[derive(Debug, Subcommand)]
enum Role {
    /// The client that does nothing but write. The bench starts it as a process of its own, so that
    /// what it uses is measured as the others' use is.
    #[command(hide = true)]
    Ceiling(ceiling::Arguments),
}

/// What was measured, by shape and rival; one value for each round.
type Results = BTreeMap<(Shape, Rival), Vec<Measurement>>;

fn main() {
    let arguments = Arguments::parse();
    if let Some(Role::Ceiling(ceiling)) = arguments.role {
        return ceiling::run(&ceiling);
    }
    // An audit log would be written by the API server at the expense of whoever binds.
    let options = Options::default().apiserver_flag("--audit-log-path=");
    let mut plane = ControlPlane::start(options);
    let results = run(&mut plane, &arguments);
    println!("{}", table::head(&arguments));
    println!("{}", table::of(&results));
}

/// All rounds. Each begins with another rival, so that none is always first or last.
fn run(plane: &mut ControlPlane, arguments: &Arguments) -> Results {
    let mut results = Results::new();
    for round in 0..arguments.rounds {
        let mut rivals = arguments.rivals.clone();
        let first = round as usize % rivals.len();
        rivals.rotate_left(first);
        for load in loads(arguments) {
            for &rival in &rivals {
                let measured = measure(plane, &load, rival, arguments.connections);
                let (shape, rival_name) = (load.shape.label(), rival.label());
                eprintln!("round {}, {shape}, {rival_name}: {measured}", round + 1);
                results.entry((load.shape, rival)).or_default().push(measured);
            }
        }
    }
    results
}

fn loads(arguments: &Arguments) -> Vec<Load> {
    let shapes = [(Shape::Basic, arguments.pods), (Shape::Group, arguments.group_pods)];
    let loads = shapes.map(|(shape, pods)| Load { shape, nodes: arguments.nodes, pods });
    loads.into_iter().filter(|load| load.pods > 0).collect()
}
