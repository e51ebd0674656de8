//! Compares what we decide with recorded decisions of kube-scheduler.

mod answer;
mod case;
pub mod functions;
mod report;
#[cfg(test)]
mod tests;

use serde_json::Value;

use self::answer::Answer;
use self::case::{Case, Pending};
pub use self::report::{
    Counts, DIFFERENCES_MAX, Difference, NotCompared, Report, SCHEMA, SkippedBecause,
};
use crate::framework::{Framework, Unsupported, unsupported};
use crate::model::Str;
use crate::snapshot::{PodInfo, Snapshot};

/// Compares one line of the file of a topic, and adds what comes of it to the report. An error says
/// that the line cannot be read.
pub fn compare(
    framework: &Framework,
    topic: &str,
    number: usize,
    line: &str,
    report: &mut Report,
) -> Result<(), serde_json::Error> {
    if functions::TOPICS.contains(&topic) {
        let line: Value = serde_json::from_str(line)?;
        compare_function(topic, number, &line, report);
        return Ok(());
    }
    let case: Case = serde_json::from_str(line)?;
    let snapshot = case.objects.snapshot();
    for pending in &case.pending {
        compare_pod(framework, &case, &snapshot, pending, report);
    }
    Ok(())
}

fn compare_function(topic: &str, number: usize, line: &Value, report: &mut Report) {
    let topic = Str::from(topic);
    let checked = functions::check(&topic, line);
    report.count(&topic, checked.is_err());
    if let Err(found) = checked {
        report.show(Difference {
            topic,
            id: format!("line {number}").into(),
            pod: None,
            found: vec![found],
        });
    }
}

fn compare_pod(
    framework: &Framework,
    case: &Case,
    snapshot: &Snapshot,
    pending: &Pending,
    report: &mut Report,
) {
    let unsupported = unsupported(&pending.pod.spec);
    if !matches!(unsupported, Some(Unsupported::ResourceClaim(_))) {
        compare_answers(framework, case, snapshot, pending, report);
        return;
    }
    report.skipped_because.resource_claims += 1;
    report.skipped += 1;
    report.by_topic.entry(case.topic.clone()).or_default().skipped += 1;
}

fn compare_answers(
    framework: &Framework,
    case: &Case,
    snapshot: &Snapshot,
    pending: &Pending,
    report: &mut Report,
) {
    let pod = PodInfo::new(&pending.pod);
    let recorded = Answer::recorded(&pending.expect);
    let found = Answer::ours(framework, &pod, snapshot).differences(&recorded);
    report.compared += 1;
    report.not_compared.post_filter += usize::from(pending.expect.post_filter.is_some());
    report.count(&case.topic, !found.is_empty());
    if !found.is_empty() {
        report.show(Difference {
            topic: case.topic.clone(),
            id: case.id.clone(),
            pod: Some(pod.key.name.clone()),
            found,
        });
    }
}
