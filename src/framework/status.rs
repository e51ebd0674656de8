//! Verdicts. A refusal is a `Status`, which is expected; a cycle's failure is one with `Error`.

use serde::{Deserialize, Serialize};

use crate::model::Str;

/// What a stage answers, with upstream's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Code {
    Success,
    /// A bug or an input that cannot be evaluated: the whole cycle ends.
    Error,
    /// Not now; evicting pods may help.
    Unschedulable,
    /// Not now, and no eviction would help.
    UnschedulableAndUnresolvable,
    Wait,
    /// The stage has nothing to say about this pod.
    Skip,
    /// Waits for something outside the scheduler; tried again without back-off.
    Pending,
}

/// A verdict with its reasons.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Status {
    pub code: Code,
    pub reasons: Vec<Str>,
}

impl Status {
    pub fn success() -> Self {
        Self { code: Code::Success, reasons: Vec::new() }
    }

    pub fn unschedulable(reason: impl Into<Str>) -> Self {
        Self { code: Code::Unschedulable, reasons: vec![reason.into()] }
    }

    pub fn unresolvable(reason: impl Into<Str>) -> Self {
        Self { code: Code::UnschedulableAndUnresolvable, reasons: vec![reason.into()] }
    }

    pub fn error(reason: impl Into<Str>) -> Self {
        Self { code: Code::Error, reasons: vec![reason.into()] }
    }

    pub fn is_success(&self) -> bool {
        self.code == Code::Success
    }

    /// Whether the pod is refused, as opposed to accepted or failed on.
    pub fn is_refusal(&self) -> bool {
        matches!(
            self.code,
            Code::Unschedulable | Code::UnschedulableAndUnresolvable | Code::Pending
        )
    }

    /// The reasons as one text.
    pub fn message(&self) -> String {
        self.reasons.join(", ")
    }
}
