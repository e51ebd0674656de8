//! `quorate replay`: runs a recording of the daemon again and compares what comes out.

use std::fs::File;
use std::io::BufReader;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;

use super::{FOUND, Output, print, print_json};
use crate::plugins::registry;
use crate::scheduler::Scheduler;
use crate::scheduler::recording::{self, Reader, Replay};

/// The name and version of what `--output json` prints (`docs/operations.md`).
const SCHEMA: &str = "quorate.dev/replay/v1";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// What `quorate run --record FILE` wrote.
    file: PathBuf,
    /// How to print the result.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Output,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    schema: &'static str,
    /// The version that recorded; another one may decide otherwise.
    recorded_by: String,
    #[serde(flatten)]
    replay: Replay,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let file = args.file.display().to_string();
    let report = replay(args).context(file)?;
    match args.output {
        Output::Json => print_json(&report)?,
        Output::Text => print(&report.text())?,
    }
    Ok(match report.replay.divergence {
        Some(_) => ExitCode::from(FOUND),
        None => ExitCode::SUCCESS,
    })
}

fn replay(args: &Args) -> anyhow::Result<Report> {
    let input = BufReader::new(File::open(&args.file)?);
    let (header, reader) = Reader::open(input)?;
    let registry = registry();
    let configuration = header.configuration(&registry).context("config")?;
    let mut scheduler = Scheduler::new(&configuration, &registry, header.seed)?;
    Ok(Report {
        schema: SCHEMA,
        recorded_by: header.version,
        replay: recording::replay(reader, &mut scheduler)?,
    })
}

impl Report {
    fn text(&self) -> String {
        let replay = &self.replay;
        let mut text = format!(
            "recorded by     {}\nevents          {}\nadvances        {}\neffects         {}\n\
             decisions hash  {}\n",
            self.recorded_by, replay.events, replay.advances, replay.effects, replay.decisions_hash,
        );
        if replay.cut_short {
            text += "The recording was cut short; its incomplete last line was left out.\n";
        }
        text += &match &replay.divergence {
            None => "Same effects throughout.\n".to_owned(),
            Some(divergence) => format!(
                "DIVERGENCE: advance {} gave back {}, recorded was {}.\n",
                divergence.index, divergence.replayed, divergence.recorded,
            ),
        };
        text
    }
}
