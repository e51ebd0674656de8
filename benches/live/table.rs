//! The medians of all rounds in one table.

use std::process::Command;

use comfy_table::{CellAlignment, Table, presets};

use crate::control_plane::KUBERNETES_VERSION;
use crate::load::Shape;
use crate::measurement::Measurement;
use crate::rival::Rival;
use crate::{Arguments, Results};

/// In parentheses: until the events are written, too.
const COLUMNS: [&str; 9] = [
    "pods",
    "rival",
    "pods/s (with events)",
    "events",
    "CPU s",
    "peak MiB",
    "speed to kube-scheduler",
    "speed with events to ceiling",
    "memory to kube-scheduler",
];

/// What was run, so that the figures can be had again.
pub fn head(arguments: &Arguments) -> String {
    let commit = Command::new("git")
        .args(["describe", "--always", "--dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output();
    let commit = commit.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!(
        "quorate {} ({}), kube-scheduler and kube-apiserver {KUBERNETES_VERSION}, {cores} cores\n\
         {} nodes, {} basic pods, {} group pods; medians of {} rounds; \
         the ceiling has {} pods under way at once",
        env!("CARGO_PKG_VERSION"),
        commit.unwrap_or_else(|_| "no commit".to_owned()),
        arguments.nodes,
        arguments.pods,
        arguments.group_pods,
        arguments.rounds,
        arguments.connections,
    )
}

pub fn of(results: &Results) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(COLUMNS);
    for &(shape, rival) in results.keys() {
        table.add_row(row(results, shape, rival));
    }
    for column in table.column_iter_mut().skip(2) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn row(results: &Results, shape: Shape, rival: Rival) -> [String; 9] {
    let value = |of: fn(&Measurement) -> f64| {
        results.get(&(shape, rival)).map_or(f64::NAN, |measured| median(measured, of))
    };
    // The part of it that another one has; nothing where that one did not take part.
    let ratio = |of: fn(&Measurement) -> f64, other: Rival| {
        let other = results.get(&(shape, other)).filter(|_| other != rival);
        other.map(|other| value(of) / median(other, of))
    };
    let binds: fn(&Measurement) -> f64 = |measured| measured.pods_per_second;
    let events: fn(&Measurement) -> f64 = |measured| measured.with_events_per_second;
    let memory: fn(&Measurement) -> f64 = |measured| measured.peak_mib;
    let text = |part: Option<f64>| part.map_or(String::new(), |part| format!("{part:.2}"));
    let kube_scheduler = ratio(events, Rival::KubeScheduler).map_or(String::new(), |events| {
        format!("{} ({events:.2})", text(ratio(binds, Rival::KubeScheduler)))
    });
    [
        shape.label().to_owned(),
        rival.label().to_owned(),
        format!("{:.0} ({:.0})", value(binds), value(events)),
        format!("{:.0}", value(|measured| f64::from(measured.events))),
        format!("{:.2}", value(|measured| measured.cpu_seconds)),
        format!("{:.1}", value(memory)),
        kube_scheduler,
        // The ceiling writes a pod's event before it binds the next pod, so that only the whole
        // of the work compares.
        text(ratio(events, Rival::Ceiling)),
        text(ratio(memory, Rival::KubeScheduler)),
    ]
}

/// The middle value, or the mean of the two middle ones.
fn median(measured: &[Measurement], of: impl Fn(&Measurement) -> f64) -> f64 {
    let mut values: Vec<f64> = measured.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    if values.len() % 2 == 1 {
        values[middle]
    } else {
        f64::midpoint(values[middle - 1], values[middle])
    }
}
