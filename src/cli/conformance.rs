//! `quorate conformance`: compares our decisions with recorded ones of kube-scheduler.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, IsTerminal};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use anyhow::{Context, bail};
use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressStyle};

use super::{FOUND, Output, new_table, print, print_json};
use crate::analysis::conformance::{Difference, Report, compare};
use crate::config::{UPSTREAM_API_VERSION, UPSTREAM_KIND, load};
use crate::framework::Framework;
use crate::plugins::registry;

/// What the names of files with recorded decisions end in.
const SUFFIX: &str = ".jsonl.gz";

#[derive(Debug, clap::Args)]
pub struct Args {
    /// A folder of recorded decisions, such as tests/conformance: TOPIC.jsonl.gz each.
    folder: PathBuf,
    /// Only this topic.
    #[arg(long)]
    topic: Option<String>,
    /// How to print the result.
    #[arg(long, value_enum, value_name = "FORMAT", default_value_t)]
    output: Output,
}

/// One file of recorded decisions.
#[derive(Debug)]
struct Recording {
    path: PathBuf,
    topic: String,
    bytes: u64,
}

pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let recordings = recordings(&args.folder, args.topic.as_deref())?;
    let framework = parity_framework()?;
    let bar = progress_bar(recordings.iter().map(|recording| recording.bytes).sum());
    let report = compare_all(&framework, &recordings, &bar)?;
    bar.finish_and_clear();
    match args.output {
        Output::Json => print_json(&report)?,
        Output::Text => print(&text(&report))?,
    }
    Ok(match report.mismatches {
        0 => ExitCode::SUCCESS,
        _ => ExitCode::from(FOUND),
    })
}

/// The profile that kube-scheduler has without a configuration, as far as we have its plugins.
fn parity_framework() -> anyhow::Result<Framework> {
    let registry = registry();
    let file = format!("apiVersion: {UPSTREAM_API_VERSION}\nkind: {UPSTREAM_KIND}\n");
    let configuration = load(&file, &registry.catalog())?;
    let profile = configuration.profiles.first().context("there is no profile")?;
    Ok(Framework::new(profile, &registry)?)
}

/// The recordings of a folder, by topic.
fn recordings(folder: &Path, topic: Option<&str>) -> anyhow::Result<Vec<Recording>> {
    let unreadable = || format!("failed to read {}", folder.display());
    let mut recordings = Vec::new();
    for entry in fs::read_dir(folder).with_context(unreadable)? {
        let entry = entry.with_context(unreadable)?;
        let name = entry.file_name().to_string_lossy().into_owned();
        let Some(found) = name.strip_suffix(SUFFIX) else {
            continue;
        };
        if topic.is_none_or(|wanted| wanted == found) {
            recordings.push(Recording {
                path: entry.path(),
                topic: found.to_owned(),
                bytes: entry.metadata().with_context(unreadable)?.len(),
            });
        }
    }
    if recordings.is_empty() {
        let name = topic.unwrap_or("*");
        bail!("{}: there is no {name}{SUFFIX}", folder.display());
    }
    recordings.sort_by(|one, other| one.topic.cmp(&other.topic));
    Ok(recordings)
}

/// Compares all recordings on all processors. What comes out does not depend on who was first.
fn compare_all(
    framework: &Framework,
    recordings: &[Recording],
    bar: &ProgressBar,
) -> anyhow::Result<Report> {
    // The largest go first, so that no thread is left alone with one at the end.
    let mut order: Vec<usize> = (0..recordings.len()).collect();
    order.sort_by_key(|index| std::cmp::Reverse(recordings[*index].bytes));
    let next = AtomicUsize::new(0);
    let work = || {
        let mut done = Vec::new();
        while let Some(index) = order.get(next.fetch_add(1, Ordering::Relaxed)) {
            done.push((*index, compare_file(framework, &recordings[*index], bar)));
        }
        done
    };
    let threads = thread::available_parallelism().map_or(1, usize::from);
    let results: Result<Vec<_>, _> = thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(thread::ScopedJoinHandle::join).collect()
    });
    let mut done: Vec<_> = match results {
        Ok(results) => results.into_iter().flatten().collect(),
        Err(_) => bail!("a comparing thread panicked"),
    };
    done.sort_by_key(|(index, _)| *index);
    let mut report = Report::default();
    for (_, of_file) in done {
        report.merge(of_file?);
    }
    Ok(report)
}

fn compare_file(
    framework: &Framework,
    recording: &Recording,
    bar: &ProgressBar,
) -> anyhow::Result<Report> {
    let path = recording.path.display();
    let file = File::open(&recording.path).with_context(|| format!("failed to open {path}"))?;
    let lines = BufReader::new(MultiGzDecoder::new(bar.wrap_read(file))).lines();
    let mut report = Report::default();
    for (index, line) in lines.enumerate() {
        let number = index + 1;
        let place = || format!("{path}, line {number}");
        let line = line.with_context(place)?;
        compare(framework, &recording.topic, number, &line, &mut report).with_context(place)?;
    }
    Ok(report)
}

/// A bar on a terminal, nothing elsewhere.
fn progress_bar(bytes: u64) -> ProgressBar {
    if !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template("{bar:40} {percent} % compared, {eta} left");
    ProgressBar::new(bytes).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

fn text(report: &Report) -> String {
    let mut table = new_table(&["topic", "compared", "mismatches", "skipped"], 1..4);
    for (topic, counts) in &report.by_topic {
        table.add_row([
            topic.to_string(),
            counts.compared.to_string(),
            counts.mismatches.to_string(),
            counts.skipped.to_string(),
        ]);
    }
    let mut text = format!("{}\n\n", table.trim_fmt());
    for Difference { topic, id, pod, found } in &report.differences {
        let pod = pod.as_ref().map_or(String::new(), |pod| format!(", pod {pod}"));
        text += &format!("{topic}, {id}{pod}:\n");
        for line in found {
            text += &format!("  {line}\n");
        }
    }
    let because = report.skipped_because;
    text + &format!(
        "{} pods compared, {} answers differ, {} pods skipped ({} for claims for devices); the \
         answers of preemption of {} pods were not compared.\n",
        report.compared,
        report.mismatches,
        report.skipped,
        because.resource_claims,
        report.not_compared.post_filter,
    )
}
