//! Chaos on a real control plane: what can go wrong around a running scheduler is done to it, and
//! judged from outside.
//!
//! `cargo run --release --example chaos -- kills --output json` kills the scheduler twenty times;
//! `-- --help` names the other scenarios. The exit code is 1 if a promise was not kept; `broken`
//! says which. What the figures mean: docs/chaos.md.

// The lints that keep panics out of the product do not suit a test.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

#[allow(dead_code, unused_imports, reason = "the tests need more of it than chaos does")]
#[path = "../../tests/it/control_plane/mod.rs"]
mod control_plane;
mod scenarios;

use std::process::ExitCode;

use clap::{Parser, Subcommand, ValueEnum};
use quorate::cli::Cli;
use serde::Serialize;
use serde_json::Value;

use scenarios::{kills, leader, lost_replies, rbac, rival, servers, soak};

/// Breaks things around a running scheduler on a real control plane.
#[derive(Debug, Parser)]
#[command(name = "chaos")]
struct Arguments {
    /// How to print the report.
    #[arg(long, value_enum, global = true, default_value_t)]
    output: Output,
    #[command(subcommand)]
    scenario: Scenario,
}

#[derive(Clone, Copy, Debug, Default, ValueEnum)]
enum Output {
    /// A line for each figure.
    #[default]
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
enum Scenario {
    /// The scheduler is killed again and again while it binds.
    Kills(kills::Args),
    /// Bindings through a proxy that loses, delays, breaks and forges.
    LostReplies(lost_replies::Args),
    /// The leader of three replicas is paused, asked to end, and killed.
    Leader(leader::Args),
    /// kube-apiserver is killed and comes back, at last without its history.
    Apiserver(servers::Args),
    /// etcd is killed and comes back.
    Etcd(servers::Args),
    /// A kube-scheduler binds to the same, nearly full nodes.
    Rival(rival::Args),
    /// The shipped roles are enough and not too much, and each permission is taken away in turn.
    Rbac(rbac::Args),
    /// Pods come and go for a long time, with a fault every minute.
    Soak(soak::Args),
}

fn main() -> ExitCode {
    // The scenarios run the scheduler as a process of its own: this program with another name.
    let mut arguments = std::env::args_os().skip(1);
    if arguments.next().is_some_and(|first| first == "quorate") {
        return run_quorate();
    }
    let arguments = Arguments::parse();
    let report = match &arguments.scenario {
        Scenario::Kills(args) => value(&kills::run(args)),
        Scenario::LostReplies(args) => value(&lost_replies::run(args)),
        Scenario::Leader(args) => value(&leader::run(args)),
        Scenario::Apiserver(args) => value(&servers::run_apiserver(args)),
        Scenario::Etcd(args) => value(&servers::run_etcd(args)),
        Scenario::Rival(args) => value(&rival::run(args)),
        Scenario::Rbac(args) => value(&rbac::run(args)),
        Scenario::Soak(args) => value(&soak::run(args)),
    };
    match arguments.output {
        Output::Json => println!("{report:#}"),
        Output::Text => print_text("", &report),
    }
    let is_kept = report["broken"].as_array().is_some_and(Vec::is_empty);
    if is_kept { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn run_quorate() -> ExitCode {
    match Cli::parse_from(std::env::args_os().skip(1)).run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quorate: {error:#}");
            ExitCode::from(quorate::cli::BAD_INPUT)
        }
    }
}

fn value(report: &impl Serialize) -> Value {
    serde_json::to_value(report).expect("a report is JSON")
}

/// A line for each value, with the way to it.
fn print_text(path: &str, value: &Value) {
    let below = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
    match value {
        Value::Object(fields) => {
            fields.iter().for_each(|(key, value)| print_text(&below(key), value))
        }
        Value::Array(list) if list.is_empty() => println!("{path}  none"),
        Value::Array(list) => {
            for (index, value) in list.iter().enumerate() {
                print_text(&below(&index.to_string()), value);
            }
        }
        other => println!("{path}  {other}"),
    }
}
