//! What came of comparing: counts by topic, and the first differences in words.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::Str;

/// The name and version of the report's form (`docs/conformance.md`).
pub const SCHEMA: &str = "quorate.dev/conformance/v1";

/// How many differing answers a report shows of each topic.
pub const DIFFERENCES_MAX: usize = 20;

/// Decisions compared with recorded ones.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub schema: &'static str,
    /// Pending pods that were decided and compared.
    pub compared: usize,
    /// Answers that differ: of pending pods, and of the small functions.
    pub mismatches: usize,
    /// Pending pods that need what is not supported yet.
    pub skipped: usize,
    pub skipped_because: SkippedBecause,
    pub not_compared: NotCompared,
    /// By topic; the small functions stand here alone.
    pub by_topic: BTreeMap<Str, Counts>,
    /// The first answers of each topic that differ.
    pub differences: Vec<Difference>,
}

/// How many pending pods need claims for devices.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct SkippedBecause {
    pub resource_claims: usize,
}

/// How many compared pods have a recorded answer of a kind that is not compared yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct NotCompared {
    pub post_filter: usize,
}

/// The counts of one topic.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Counts {
    pub compared: usize,
    pub mismatches: usize,
    pub skipped: usize,
}

/// One answer that differs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    pub topic: Str,
    /// The case, or for a small function the line.
    pub id: Str,
    /// The pod, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod: Option<Str>,
    pub found: Vec<String>,
}

impl Default for Report {
    fn default() -> Self {
        Self {
            schema: SCHEMA,
            compared: 0,
            mismatches: 0,
            skipped: 0,
            skipped_because: SkippedBecause::default(),
            not_compared: NotCompared::default(),
            by_topic: BTreeMap::new(),
            differences: Vec::new(),
        }
    }
}

impl Report {
    /// Adds another report, whose differences come after ours.
    pub fn merge(&mut self, other: Self) {
        self.compared += other.compared;
        self.mismatches += other.mismatches;
        self.skipped += other.skipped;
        self.skipped_because.resource_claims += other.skipped_because.resource_claims;
        self.not_compared.post_filter += other.not_compared.post_filter;
        for (topic, counts) in other.by_topic {
            let sum = self.by_topic.entry(topic).or_default();
            sum.compared += counts.compared;
            sum.mismatches += counts.mismatches;
            sum.skipped += counts.skipped;
        }
        other.differences.into_iter().for_each(|one| self.show(one));
    }

    /// Counts an answer that was compared.
    pub(super) fn count(&mut self, topic: &Str, differs: bool) {
        let counts = self.by_topic.entry(topic.clone()).or_default();
        counts.compared += 1;
        counts.mismatches += usize::from(differs);
        self.mismatches += usize::from(differs);
    }

    /// Keeps a difference, unless its topic has enough of them.
    pub(super) fn show(&mut self, difference: Difference) {
        let shown = self.differences.iter().filter(|one| one.topic == difference.topic);
        if shown.count() < DIFFERENCES_MAX {
            self.differences.push(difference);
        }
    }
}
