//! The binding machine: one for each pod that has been decided and is not yet seen on its node.
//!
//! ```text
//!  decided ─▶ Posting ──── done ─────▶ Confirming ──── the watch shows it ──▶ bound
//!             │ ▲  │ refused, 409         │ not shown for long
//!             │ │  └──────────▶ Checking ◀┘
//!     nobody  │ │ unbound, same pod │  │ gone, changed or bound elsewhere
//!     knows   │ └───────────────────┘  ▼
//!             ▼                     rolled back ◀── refused otherwise, never sent
//!          Fencing ── fenced ───────────▲
//!             └────── refused, 409 ─▶ Checking
//! ```
//!
//! While the machine runs the pod counts on its node. In doubt a write decides, never time: a fence
//! that succeeds at the version which the lost POST carried proves that the POST has not landed and
//! cannot any more.

use std::sync::Arc;
use std::time::Duration;

use super::effect::{EffectId, Outcome};
use crate::model::{Instant, Str};
use crate::snapshot::PodInfo;

/// How long a call may take; it is not sent later than that either.
pub const CALL_DEADLINE: Duration = Duration::from_secs(4);
/// How long the watch may lag behind a binding before the pod is looked up.
pub const CONFIRM_DEADLINE: Duration = Duration::from_secs(30);
/// How often a binding is posted before the pod goes back to the queue.
pub const POSTS_MAX: u32 = 3;
/// How long to wait after an answer that asks for patience without saying how much.
pub const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);
/// Patience has an end, whatever an answer asks for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);

/// A pod on its way to a node.
#[derive(Clone, Debug)]
pub struct Binding {
    /// The pod as it was decided.
    pub pod: Arc<PodInfo>,
    pub node: Str,
    /// The version that the last POST carried.
    pub posted_version: Str,
    pub state: State,
    pub posts: u32,
    pub decided_at: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing has been sent yet.
    Reserved,
    /// A POST is on its way.
    Posting(EffectId),
    /// The API server has bound the pod; the watch has yet to show it.
    Confirming { since: Instant },
    /// Nobody knows whether a POST has landed; a fence is on its way.
    Fencing(EffectId),
    /// The pod is being looked up.
    Checking(EffectId),
    /// The API server asked for patience. `then` is what to do again.
    Waiting { until: Instant, then: Again },
}

/// What to do next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// Look at the node again, and post if it still fits.
    Post,
    Fence,
    Check,
    /// Wait for the watch.
    Confirm,
    /// The API server asked for patience: everybody waits, then this is tried again.
    Pause(Duration, Again),
    RollBack(Requeue),
}

/// What to try again after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    Post,
    Fence,
    Check,
}

/// What becomes of a pod whose binding was not carried out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Requeue {
    /// Next again: nothing was wrong with it.
    AtOnce,
    /// After a back-off.
    AfterBackoff,
    /// It waits for its deletion or its node to be shown.
    No,
}

impl Again {
    pub fn step(self) -> Step {
        match self {
            Self::Post => Step::Post,
            Self::Fence => Step::Fence,
            Self::Check => Step::Check,
        }
    }
}

impl Binding {
    /// What follows from the answer to the call of the present state.
    pub fn on_reply(&self, outcome: &Outcome, pod: Option<&PodInfo>) -> Step {
        match self.state {
            State::Posting(_) => self.after_post(outcome),
            State::Fencing(_) => after_fence(outcome),
            State::Checking(_) => self.after_check(outcome, pod),
            State::Reserved | State::Confirming { .. } | State::Waiting { .. } => Step::Confirm,
        }
    }

    fn after_post(&self, outcome: &Outcome) -> Step {
        match outcome {
            Outcome::Applied(_) => Step::Confirm,
            Outcome::NotSent => Step::RollBack(Requeue::AtOnce),
            Outcome::Unknown => Step::Fence,
            Outcome::Refused { code: 404, .. } => Step::RollBack(Requeue::No),
            Outcome::Refused { code: 409, .. } => Step::Check,
            Outcome::Refused { code: 429, retry_after } => {
                Step::Pause(patience(*retry_after), Again::Post)
            }
            Outcome::Refused { .. } => Step::RollBack(Requeue::AfterBackoff),
        }
    }

    fn after_check(&self, outcome: &Outcome, pod: Option<&PodInfo>) -> Step {
        match (outcome, pod) {
            (Outcome::Applied(_), Some(pod)) => self.compare(pod),
            (Outcome::Refused { code: 404, .. }, _) => Step::RollBack(Requeue::No),
            (Outcome::Refused { retry_after, .. }, _) => {
                Step::Pause(patience(*retry_after), Again::Check)
            }
            _ => Step::Pause(RETRY_AFTER_DEFAULT, Again::Check),
        }
    }

    /// The pod as the API server has it now, beside the pod that was decided.
    fn compare(&self, now: &PodInfo) -> Step {
        if now.uid != self.pod.uid || now.terminating || now.terminal {
            return Step::RollBack(Requeue::No);
        }
        if now.node_name == self.node {
            return Step::Confirm;
        }
        if !now.node_name.is_empty() {
            return Step::RollBack(Requeue::No);
        }
        // It is unbound. A POST that is still on its way carries an older version and cannot land.
        let unchanged = now.labels == self.pod.labels && now.spec == self.pod.spec;
        if now.resource_version == self.posted_version {
            // Nothing stops a lost POST at this very version from landing later.
            return Step::Fence;
        }
        if unchanged && self.posts < POSTS_MAX {
            return Step::Post;
        }
        Step::RollBack(Requeue::AfterBackoff)
    }
}

fn after_fence(outcome: &Outcome) -> Step {
    match outcome {
        Outcome::Applied(_) => Step::RollBack(Requeue::AfterBackoff),
        Outcome::Refused { code: 404, .. } => Step::RollBack(Requeue::No),
        Outcome::Refused { code: 409, .. } => Step::Check,
        Outcome::Refused { retry_after, .. } => Step::Pause(patience(*retry_after), Again::Fence),
        Outcome::NotSent | Outcome::Unknown => Step::Pause(RETRY_AFTER_DEFAULT, Again::Fence),
    }
}

fn patience(asked: Option<Duration>) -> Duration {
    asked.unwrap_or(RETRY_AFTER_DEFAULT).min(RETRY_AFTER_MAX)
}
