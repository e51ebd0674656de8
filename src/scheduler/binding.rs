//! The binding machine: one for each pod that has been decided and is not yet seen on its node.
//!
//! ```text
//!  decided ─▶ Preparing ─ claims ready ─▶ Posting (at once for a pod without claims)
//!               │ claims cannot be made ready
//!               ▼
//!          rolled back
//!
//!             Posting ────── done ──────▶ Confirming ──── the watch shows it ──▶ bound
//!             │ ▲ ▲ │ refused, 409          │ not shown for long
//!     nobody  │ │ │ └───────────▶ Checking ◀┘
//!     knows   │ │ └ unbound, same pod ┘ │ gone, changed or bound elsewhere
//!             ▼ │                       ▼
//!          Fencing ─ refused, 409 ─▶ rolled back ◀── refused otherwise, never sent
//!              └ fenced: post again       (409: Checking first)
//! ```
//!
//! While the machine runs the pod counts on its node. In doubt a write decides, never time: a fence
//! that succeeds at the version which the lost POST carried proves that the POST has not landed and
//! cannot any more. Before every further POST pod and node are looked at again on the freshest
//! state; a pod found on a node by a look-up is landed, as if the watch had shown it.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::effect::{EffectId, Outcome};
use crate::model::{Instant, Str};
use crate::planted::{Bug, planted};
use crate::snapshot::{ClaimDecision, PodInfo};

/// How long a call may take; it is not sent later than that either.
pub const CALL_DEADLINE: Duration = Duration::from_secs(4);
/// How long the watch may lag behind a binding before the pod is looked up.
pub const CONFIRM_DEADLINE: Duration = Duration::from_secs(30);
/// How often a binding is posted before the pod goes back to the queue.
pub const POSTS_MAX: u32 = 3;
/// How long to wait after an answer that asks for patience without saying how much, and before a
/// fence or a look-up that failed is tried again. It doubles with every failure in a row.
pub const RETRY_AFTER_DEFAULT: Duration = Duration::from_secs(1);
/// Patience has an end, whatever an answer asks for.
pub const RETRY_AFTER_MAX: Duration = Duration::from_secs(60);
/// How long nobody binds after the API server has forbidden it: at first, and at most.
pub const FORBIDDEN_PAUSE_MIN: Duration = Duration::from_secs(1);
pub const FORBIDDEN_PAUSE_MAX: Duration = Duration::from_secs(60);
/// While so many bindings are in doubt nothing new is decided: the API server does not answer, and
/// every further pod would only be one more whose fate nobody knows.
pub const IN_DOUBT_MAX: usize = 64;

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
    /// What was decided for the pod's claims.
    pub claims: Vec<ClaimDecision>,
    /// Writes about the claims that are on their way.
    pub writes: BTreeSet<EffectId>,
    /// Fences and look-ups in a row that came to nothing.
    pub failures: u32,
    pub decided_at: Instant,
    /// Users were told that the pod is bound.
    pub told: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing has been sent yet.
    Reserved,
    /// The pod's claims are being made ready. They are looked at then at the latest.
    Preparing { until: Instant },
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
    /// See what the pod's claims need.
    Prepare,
    /// Look at pod and node again, and post if all is as it was decided.
    Post,
    Fence,
    Check,
    /// Wait for the watch.
    Confirm,
    /// Try this again a while later.
    Pause(Duration, Again),
    RollBack(Requeue),
}

/// What to try again after a pause.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    Prepare,
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
    /// After a back-off, and nobody binds for a while.
    Forbidden,
    /// The API server does not take this binding, with this code.
    Rejected(u16),
    /// It waits for its deletion or its node to be shown.
    No,
}

impl State {
    /// Whether nobody knows if the pod is bound, or the API server has no time to say.
    pub fn is_in_doubt(&self) -> bool {
        matches!(self, Self::Fencing(_) | Self::Checking(_) | Self::Waiting { .. })
    }
}

impl Again {
    pub fn step(self) -> Step {
        match self {
            Self::Prepare => Step::Prepare,
            Self::Post => Step::Post,
            Self::Fence => Step::Fence,
            Self::Check => Step::Check,
        }
    }
}

impl Binding {
    pub fn new(
        pod: Arc<PodInfo>,
        node: Str,
        claims: Vec<ClaimDecision>,
        decided_at: Instant,
    ) -> Self {
        Self {
            pod,
            node,
            posted_version: Str::default(),
            state: State::Reserved,
            posts: 0,
            claims,
            writes: BTreeSet::new(),
            failures: 0,
            decided_at,
            told: false,
        }
    }

    /// What follows from the answer to the call of the present state. `pod` is the pod that the
    /// answer carried, if it is still this one and without a node.
    pub fn on_reply(&mut self, outcome: &Outcome, pod: Option<&PodInfo>) -> Step {
        let (step, failed) = match self.state {
            State::Posting(_) => (self.after_post(outcome), false),
            State::Fencing(_) => self.after_fence(outcome),
            State::Checking(_) => self.after_check(outcome, pod),
            State::Reserved
            | State::Preparing { .. }
            | State::Confirming { .. }
            | State::Waiting { .. } => (Step::Confirm, false),
        };
        self.failures = if failed { self.failures.saturating_add(1) } else { 0 };
        step
    }

    fn after_post(&self, outcome: &Outcome) -> Step {
        match outcome {
            Outcome::Applied(_) => Step::Confirm,
            Outcome::NotSent => Step::RollBack(Requeue::AtOnce),
            Outcome::Unknown if planted(Bug::ForgetOnTimeout) => {
                Step::RollBack(Requeue::AfterBackoff)
            }
            Outcome::Unknown if planted(Bug::SkipFence) => Step::Check,
            Outcome::Unknown => Step::Fence,
            Outcome::Refused { code, retry_after } => match code {
                401 | 403 => Step::RollBack(Requeue::Forbidden),
                404 => Step::RollBack(Requeue::No),
                409 => Step::Check,
                429 => Step::Pause(asked(*retry_after), Again::Post),
                _ => Step::RollBack(Requeue::Rejected(*code)),
            },
        }
    }

    /// A fence that was written proves that the pod is unbound and that no POST before it can land.
    fn after_fence(&self, outcome: &Outcome) -> (Step, bool) {
        match outcome {
            Outcome::Applied(_) => (self.post_again(), false),
            Outcome::Refused { code: 404, .. } => (Step::RollBack(Requeue::No), false),
            Outcome::Refused { code: 409, .. } if planted(Bug::RefusedFenceIsFailure) => {
                (Step::RollBack(Requeue::AfterBackoff), false)
            }
            Outcome::Refused { code: 409, .. } => (Step::Check, false),
            other => (self.patience(other, Again::Fence), true),
        }
    }

    fn after_check(&self, outcome: &Outcome, pod: Option<&PodInfo>) -> (Step, bool) {
        match (outcome, pod) {
            (Outcome::Applied(_), Some(pod)) => (self.compare(pod), false),
            (Outcome::Refused { code: 404, .. }, _) => (Step::RollBack(Requeue::No), false),
            _ if planted(Bug::GiveUpLookup) => (Step::RollBack(Requeue::AfterBackoff), true),
            (other, _) => (self.patience(other, Again::Check), true),
        }
    }

    /// The pod as the API server has it now, unbound, beside the one that was posted.
    fn compare(&self, now: &PodInfo) -> Step {
        if now.terminating {
            return Step::RollBack(Requeue::No);
        }
        if planted(Bug::SkipFence) {
            return Step::RollBack(Requeue::AfterBackoff);
        }
        if now.resource_version == self.posted_version {
            // Nothing stops a lost POST at this very version from landing later.
            return Step::Fence;
        }
        // A POST that is still on its way carries an older version and cannot land.
        self.post_again()
    }

    fn post_again(&self) -> Step {
        if self.posts < POSTS_MAX { Step::Post } else { Step::RollBack(Requeue::AfterBackoff) }
    }

    fn patience(&self, outcome: &Outcome, then: Again) -> Step {
        if let Outcome::Refused { code: 429, retry_after } = outcome {
            return Step::Pause(asked(*retry_after), then);
        }
        let doubled = RETRY_AFTER_DEFAULT * 2_u32.saturating_pow(self.failures.min(8));
        Step::Pause(doubled.min(RETRY_AFTER_MAX), then)
    }
}

/// The patience that an answer asks for. It is asked of everybody, so nothing new is decided
/// meanwhile either.
pub(super) fn asked(patience: Option<Duration>) -> Duration {
    patience.unwrap_or(RETRY_AFTER_DEFAULT).min(RETRY_AFTER_MAX)
}
