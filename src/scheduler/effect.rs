//! What the scheduler wants done, as values. A shell carries them out and replies with the id.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::framework::Write;
pub use crate::lease::LeaseEpoch;
use crate::model::{Instant, PodKey, Str};

/// Names an effect, so that its reply finds the machine that waits for it. Never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct EffectId(pub u64);

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Effect {
    pub id: EffectId,
    pub epoch: LeaseEpoch,
    /// Do not send later than this; answer [`Outcome::NotSent`] instead.
    pub not_after: Instant,
    pub op: Op,
}

/// The operations on the API server.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Op {
    /// POST pods/NAME/binding with uid and resourceVersion as preconditions.
    Bind { pod: PodKey, uid: Str, resource_version: Str, node: Str },
    /// PATCH pods/NAME/status: set `nominatedNodeName` to `value` at exactly `resource_version`.
    /// If it succeeds, the pod is unbound and no earlier POST at that version can land any more.
    Fence { pod: PodKey, uid: Str, resource_version: Str, value: Str },
    /// PATCH pods/NAME/status: set `nominatedNodeName`, at whatever version. Best effort.
    Nominate { pod: PodKey, uid: Str, node: Str },
    /// PATCH a claim or a volume at exactly one version of it.
    Write { write: Write },
    /// GET the pod, consistently.
    GetPod { pod: PodKey },
    /// PATCH pods/NAME/status: write the condition PodScheduled. Best effort.
    PatchCondition { pod: PodKey, uid: Str, condition: Condition },
    /// POST an event. Best effort, no reply.
    Record { note: Note },
}

/// The condition PodScheduled=False.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Condition {
    pub reason: Str,
    pub message: Str,
    pub observed_generation: i64,
    /// The pod has no such condition yet, so that this is the time of its last transition.
    pub transition: bool,
}

/// An event about a pod, as events.k8s.io/v1 has it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    pub pod: PodKey,
    pub uid: Str,
    pub resource_version: Str,
    /// `Normal` or `Warning`.
    pub type_: Str,
    pub reason: Str,
    pub action: Str,
    pub text: Str,
    /// The profile's schedulerName.
    pub reporting_controller: Str,
}

/// How an effect ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The API server did it; with the resourceVersion of the written object where it told.
    Applied(Option<Str>),
    /// The API server refused, and nothing was written.
    Refused { code: u16, retry_after: Option<Duration> },
    /// It never left this process.
    NotSent,
    /// Nobody knows: a timeout, a broken connection, or an answer 5xx.
    Unknown,
}

/// How many new operations the shell can take now, so that a decision never waits for a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Credit {
    pub binds: u32,
}
