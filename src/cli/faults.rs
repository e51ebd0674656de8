//! `quorate simulate --faults`: many seeds with faults, and planted bugs.

use std::process::ExitCode;
use std::str::FromStr;
use std::thread::available_parallelism;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::{FOUND, Output, new_table, print, print_json};
use crate::config::{EffectiveConfiguration, SchedulerConfiguration, resolve};
use crate::framework::Registry;
use crate::planted::{Bug, PLANTED};
use crate::plugins::registry;
use crate::sim::faults::{Campaign, FAULTS, FaultSet, Report, SCHEMA, Setup, Violation};

#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct Args {
    /// Simulate with faults: `all`, `none`, or names with commas between them.
    #[arg(long, group = "input", requires = "seeds", value_name = "LIST")]
    pub faults: Option<FaultSet>,
    /// The seeds to run with --faults, such as 0..2000. The last one is not run.
    #[arg(long, requires = "faults", value_name = "A..B")]
    seeds: Option<Seeds>,
    /// Switch on a planted bug, or each of `all` in turn. Needs the cargo feature `planted`.
    #[arg(long, requires = "faults", value_name = "BUG|all")]
    plant: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Seeds(std::ops::Range<u64>);

/// How many seeds it took to find each planted bug.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    schema: &'static str,
    faults: String,
    seeds: u64,
    planted: Vec<FoundBug>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct FoundBug {
    bug: String,
    /// None if no seed found it.
    seeds_needed: Option<u64>,
    violation: Option<Violation>,
}

struct Runner<'a> {
    faults: FaultSet,
    seeds: std::ops::Range<u64>,
    configuration: &'a EffectiveConfiguration,
    registry: &'a Registry,
}

pub fn run(args: &Args, output: Output) -> anyhow::Result<ExitCode> {
    let (Some(faults), Some(Seeds(seeds))) = (args.faults, args.seeds.clone()) else {
        anyhow::bail!("--faults and --seeds go together");
    };
    let registry = registry();
    let configuration = resolve(&SchedulerConfiguration::default(), &registry.catalog())?;
    let runner = Runner { faults, seeds, configuration: &configuration, registry: &registry };
    match args.plant.as_deref() {
        None => runner.run_once(None, output),
        Some(_) if !PLANTED => anyhow::bail!(
            "--plant: this build has no planted bugs, build it with `--features planted`"
        ),
        Some("all") => runner.run_all(output),
        Some(name) => {
            let names = || Bug::ALL.map(Bug::name).join(", ");
            let bug = Bug::of_name(name).ok_or_else(|| {
                anyhow::anyhow!("--plant: {name:?} is no planted bug; they are all, {}", names())
            })?;
            runner.run_once(Some(bug), output)
        }
    }
}

impl Runner<'_> {
    fn run_once(&self, bug: Option<Bug>, output: Output) -> anyhow::Result<ExitCode> {
        let report = self.report(bug)?;
        match output {
            Output::Json => print_json(&report)?,
            Output::Text => print(&text(&report))?,
        }
        let failed = report.violated > 0;
        Ok(if failed { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
    }

    /// Plants each bug. It is a finding if one of them is not found.
    fn run_all(&self, output: Output) -> anyhow::Result<ExitCode> {
        let mut found = Found {
            schema: SCHEMA,
            faults: self.faults.to_string(),
            seeds: self.seeds.end.saturating_sub(self.seeds.start),
            planted: Vec::new(),
        };
        for bug in Bug::ALL {
            let report = self.report(Some(bug))?;
            let violation = report.violations.into_iter().next();
            let seeds_needed = violation.as_ref().map(|v| v.seed - self.seeds.start + 1);
            found.planted.push(FoundBug { bug: bug.name(), seeds_needed, violation });
        }
        match output {
            Output::Json => print_json(&found)?,
            Output::Text => print(&planted_text(&found))?,
        }
        let missed = found.planted.iter().any(|bug| bug.violation.is_none());
        Ok(if missed { ExitCode::from(FOUND) } else { ExitCode::SUCCESS })
    }

    fn report(&self, bug: Option<Bug>) -> anyhow::Result<Report> {
        let campaign = Campaign {
            setup: Setup { configuration: self.configuration, registry: self.registry },
            faults: self.faults,
            seeds: self.seeds.clone(),
            bug,
            threads: available_parallelism().map_or(1, usize::from),
            until_broken: bug.is_some(),
        };
        let bar = progress_bar(self.seeds.end.saturating_sub(self.seeds.start), bug);
        let report = campaign.run(|done| bar.set_position(done))?;
        bar.finish_and_clear();
        Ok(report)
    }
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(seeds: u64, bug: Option<Bug>) -> ProgressBar {
    use std::io::IsTerminal;
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} seeds, {eta} left {msg}");
    let bar = ProgressBar::new(seeds);
    bar.set_message(bug.map(Bug::name).unwrap_or_default());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn text(report: &Report) -> String {
    let mut table = new_table(&["fault", "times", "what happens"], 1..2);
    for ((name, times), (_, _, what)) in report.injected.iter().zip(FAULTS) {
        table.add_row([name.to_owned(), times.to_string(), what.to_owned()]);
    }
    let mut text = format!(
        "{} seeds from {}, {} of them twice\n\n{}\n",
        report.runs,
        report.seeds.from,
        report.repeated,
        table.trim_fmt(),
    );
    for violation in &report.violations {
        text += &violation_text(violation);
    }
    let violated = match report.violated {
        0 => "no promise was broken".to_owned(),
        1 => "1 seed broke a promise".to_owned(),
        many => format!("{many} seeds broke a promise"),
    };
    text + &format!("\n{violated}\ndecisionsHash {}\n", report.decisions_hash)
}

fn violation_text(violation: &Violation) -> String {
    let Violation { seed, invariant, text, faults, pods, command, trace } = violation;
    format!(
        "\nseed {seed} breaks {invariant}: {text}\nfaults {}, {pods} pods\n{}\nagain: {command}\n",
        faults.join(","),
        trace.join("\n"),
    )
}

fn planted_text(found: &Found) -> String {
    let mut table = new_table(&["planted bug", "seeds needed", "breaks", "how"], 1..2);
    for FoundBug { bug, seeds_needed, violation } in &found.planted {
        let needed = seeds_needed.map_or("not found".to_owned(), |seeds| seeds.to_string());
        let (breaks, how) = violation.as_ref().map_or(("", ""), |v| (v.invariant, &v.text));
        table.add_row([bug.as_str(), needed.as_str(), breaks, how]);
    }
    format!("{}\n", table.trim_fmt())
}

impl FromStr for Seeds {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let range = text.split_once("..").and_then(|(from, to)| {
            let (from, to): (u64, u64) = (from.parse().ok()?, to.parse().ok()?);
            (from < to).then_some(from..to)
        });
        range.map(Self).ok_or_else(|| {
            format!("{text:?} is no range of seeds such as 0..2000, whose end is not run")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_of_seeds_are_read() {
        let check = |text: &str, expected: Option<std::ops::Range<u64>>| {
            assert_eq!(text.parse().ok(), expected.map(Seeds), "{text}");
        };
        check("0..2000", Some(0..2000));
        check("7..8", Some(7..8));
        check("7..7", None);
        check("8..7", None);
        check("7", None);
        check("-1..3", None);
        check("..3", None);
    }
}
