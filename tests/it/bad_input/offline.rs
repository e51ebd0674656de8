//! The first door: files, as `quorate simulate` reads them.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::process::Command;

use quorate::plugins::registry;
use quorate::sim::simulation::Simulation;
use serde_json::{Value, json};

use super::case::{Case, Expected, Input, cluster};
use super::{check_reason, text_of_panic};

/// Nodes of the clusters in files.
const NODES: usize = 6;
/// One error is one line that people read.
const ERROR_BYTES_MAX: usize = 1000;

/// What a case looks like on disk.
pub struct Files {
    folder: PathBuf,
    pub config: Option<PathBuf>,
    pub experiment: Option<PathBuf>,
}

impl Files {
    pub fn write(group: &str, number: usize, case: &Case, input: &Input) -> Self {
        let name = format!("bad-input/{group}-{number}");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(folder.join("cluster")).unwrap();
        let write = |name: &str, bytes: &[u8]| {
            let path = folder.join(name);
            fs::write(&path, bytes).unwrap();
            path
        };
        let list = |items: Vec<Value>| {
            json!({"apiVersion": "v1", "kind": "List", "items": items}).to_string().into_bytes()
        };
        write("cluster/base.json", &list(cluster(case.cluster.as_deref(), NODES)));
        match &input.text {
            Some(text) if text.starts_with(b"{") => write("cluster/odd.json", text),
            Some(text) => write("cluster/odd.yaml", text),
            None => write("cluster/odd.json", &list(input.odd_objects())),
        };
        Self {
            config: input.config.as_ref().map(|text| write("config.yaml", text.as_bytes())),
            experiment: input.experiment.as_ref().map(|t| write("experiment.yaml", t.as_bytes())),
            folder,
        }
    }

    pub fn snapshot(&self) -> PathBuf {
        self.folder.join("cluster")
    }

    /// The name by which an error calls the odd file.
    fn odd_name(&self) -> &'static str {
        match (&self.config, &self.experiment) {
            (Some(_), _) => "config.yaml",
            (_, Some(_)) => "bad-input/",
            _ => "cluster/odd.",
        }
    }

    fn remove(&self) {
        _ = fs::remove_dir_all(&self.folder);
    }
}

/// Runs a case as `quorate simulate` does and tells what is wrong, if anything is.
pub fn check(group: &str, number: usize, case: &Case) -> Result<(), String> {
    let input = case.input();
    let files = Files::write(group, number, case, &input);
    let run = catch_unwind(AssertUnwindSafe(|| report(&files)));
    let outcome = run.map_err(|panic| format!("panicked: {}", text_of_panic(&*panic)))?;
    match (&case.expect, outcome) {
        (Expected::Refused { field, value }, Err(error)) => {
            check_error(&error, &[files.odd_name(), field, value])?;
        }
        (Expected::Refused { .. }, Ok(report)) => {
            return Err(format!("was not refused: {}", report["pods"]));
        }
        (_, Err(error)) => return Err(format!("was refused: {error:.300}")),
        (expected, Ok(report)) => check_report(case, &input, expected, &report)?,
    }
    files.remove();
    Ok(())
}

/// Runs a case with the real program.
pub fn check_program(group: &str, number: usize, case: &Case) -> Result<(), String> {
    let input = case.input();
    let files = Files::write(group, number, case, &input);
    let mut command = Command::new(env!("CARGO_BIN_EXE_quorate"));
    command.arg("simulate");
    match &files.experiment {
        Some(experiment) => _ = command.arg(experiment),
        None => _ = command.arg("--snapshot").arg(files.snapshot()),
    }
    if let Some(config) = &files.config {
        command.arg("--config").arg(config);
    }
    let output = command.output().unwrap();
    let (stdout, stderr) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    let refused = matches!(case.expect, Expected::Refused { .. });
    let expected = if refused { 2 } else { 0 };
    if output.status.code() != Some(expected) {
        return Err(format!("ended with {:?}: {stderr}", output.status));
    }
    if refused && (stderr.lines().count() != 1 || !stdout.is_empty()) {
        return Err(format!("is no single line: {stderr}{stdout}"));
    }
    if stdout.chars().chain(stderr.chars()).any(|c| c.is_control() && c != '\n') {
        return Err(format!("control characters reach the terminal: {stdout:?}{stderr:?}"));
    }
    files.remove();
    Ok(())
}

fn report(files: &Files) -> Result<Value, String> {
    let registry = registry();
    let simulation = match &files.experiment {
        Some(experiment) => Simulation::of_experiment(experiment, &registry),
        None => Simulation::of_snapshot(&files.snapshot(), files.config.as_deref(), 0, &registry),
    };
    let report = simulation.and_then(|simulation| simulation.run(&registry, |_, _| {}));
    match report {
        Ok(report) => Ok(serde_json::to_value(report).unwrap()),
        Err(error) => {
            let mut line = error.to_string();
            let mut cause = std::error::Error::source(&error);
            while let Some(error) = cause {
                let text = error.to_string();
                line = if line.ends_with(&text) { line } else { format!("{line}: {text}") };
                cause = error.source();
            }
            Err(line)
        }
    }
}

fn check_error(error: &str, parts: &[&str]) -> Result<(), String> {
    if error.len() > ERROR_BYTES_MAX || error.chars().any(char::is_control) {
        return Err(format!("is no line to be read: {error:.2000?}"));
    }
    match parts.iter().find(|part| !error.contains(**part)) {
        Some(part) => Err(format!("the error lacks {part:?}: {error}")),
        None => Ok(()),
    }
}

fn check_report(
    case: &Case,
    input: &Input,
    expected: &Expected,
    report: &Value,
) -> Result<(), String> {
    let pods = report["pods"].as_array().unwrap();
    let find = |name: &str| pods.iter().find(|pod| pod["name"] == name);
    for name in ["before", "after"] {
        let placed = find(name).is_some_and(|pod| pod["node"] != "");
        if placed != case.neighbours_fit() {
            return Err(format!("{name} is placed: {placed}"));
        }
    }
    let odd = find(&input.odd_name());
    match (expected, odd) {
        (Expected::Schedules, Some(pod)) if pod["node"] != "" => Ok(()),
        (Expected::Ignored, None) => Ok(()),
        (Expected::Unschedulable(part), Some(pod)) if pod["node"] == "" => {
            let refusals = pod["refusals"].as_array().unwrap();
            let reasons = refusals.iter().map(|refusal| refusal["reason"].as_str().unwrap());
            check_reason(reasons, part)
        }
        (expected, odd) => {
            let odd = odd.map(|pod| json!({"node": pod["node"], "why": pod["refusals"]}));
            Err(format!("expected {expected:?}, found {:.600}", format!("{odd:?}")))
        }
    }
}
