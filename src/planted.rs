//! Bugs that are planted on purpose, to show that the simulation with faults finds them.
//!
//! Each is one line at the place where somebody could have written it. Without the cargo feature
//! `planted` no bug can be switched on and the lines compile to nothing; unit tests have them, too.

/// A bug that can be switched on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Bug {
    /// A binding whose answer never came gives up its reservation.
    ForgetOnTimeout,
    /// A binding is posted again without a look at the node.
    NoRecheck,
    /// A binding in doubt is looked up instead of fenced.
    SkipFence,
    /// The fence writes what is there already, and so makes no new version.
    FenceUnchanged,
    /// The binding is posted without uid and resourceVersion.
    NoPreconditions,
    /// A fence that is refused gives up the reservation, though the pod may be bound already.
    RefusedFenceIsFailure,
    /// An answer 500 is taken to mean that nothing was written.
    ServerErrorIsRefusal,
    /// A pod whose look-up fails is tried elsewhere.
    GiveUpLookup,
    /// The answer to a fence is dropped.
    LoseFenceReply,
    /// A decided pod is not counted on its node until the watch shows it.
    AssumeNothing,
    /// A reservation that is given up keeps counting.
    LeakReservation,
    /// A pod that is deleted keeps counting on its node.
    LeakOnDelete,
    /// Pods of other schedulers do not count.
    IgnoreForeignPods,
    /// A pod that is gone keeps the node that was set aside for it.
    KeepNomination,
    /// Room that a rolled back binding leaves wakes nobody.
    SilentRollBack,
    /// Events wake no waiting pods.
    SleepThroughEvents,
    /// A pod whose binding failed is not tried again.
    LoseFailedPod,
    /// Gated pods are scheduled.
    IgnoreGates,
    /// Pods that are being deleted are scheduled.
    BindDeleting,
    /// The labels of a node are those of its first appearance.
    IgnoreRelabel,
    /// Nodes that are deleted stay.
    GhostNode,
    /// Deletes that a watch shows are dropped.
    DropDelete,
    /// A list does not take away what it does not show.
    ListKeepsTheDead,
    /// The first page of a list is taken for the whole.
    FirstPageIsAll,
    /// A version that is no longer known is asked for again.
    ResumeExpired,
    /// Bookmarks are not read.
    IgnoreBookmark,
    /// The audit takes what changed while it ran for a difference.
    HastyAudit,
    /// Calls are sent after their time.
    SendLate,
    /// Patience that the API server asks for is not had.
    IgnoreRetryAfter,
    /// Bindings go on while the watch is silent.
    BindWhileStale,
    /// A lease that was won holds for ever.
    BindAfterLeaseLoss,
    /// A new leader decides on the picture that it had as a standby.
    LeadAtOnce,
}

impl Bug {
    pub const ALL: [Self; 32] = [
        Self::ForgetOnTimeout,
        Self::NoRecheck,
        Self::SkipFence,
        Self::FenceUnchanged,
        Self::NoPreconditions,
        Self::RefusedFenceIsFailure,
        Self::ServerErrorIsRefusal,
        Self::GiveUpLookup,
        Self::LoseFenceReply,
        Self::AssumeNothing,
        Self::LeakReservation,
        Self::LeakOnDelete,
        Self::IgnoreForeignPods,
        Self::KeepNomination,
        Self::SilentRollBack,
        Self::SleepThroughEvents,
        Self::LoseFailedPod,
        Self::IgnoreGates,
        Self::BindDeleting,
        Self::IgnoreRelabel,
        Self::GhostNode,
        Self::DropDelete,
        Self::ListKeepsTheDead,
        Self::FirstPageIsAll,
        Self::ResumeExpired,
        Self::IgnoreBookmark,
        Self::HastyAudit,
        Self::SendLate,
        Self::IgnoreRetryAfter,
        Self::BindWhileStale,
        Self::BindAfterLeaseLoss,
        Self::LeadAtOnce,
    ];

    /// The name on the command line.
    pub fn name(self) -> String {
        let mut name = String::new();
        for letter in format!("{self:?}").chars() {
            if letter.is_uppercase() && !name.is_empty() {
                name.push('_');
            }
            name.extend(letter.to_lowercase());
        }
        name
    }

    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|bug| bug.name() == name)
    }
}

/// Whether bugs can be switched on at all.
pub const PLANTED: bool = cfg!(any(test, feature = "planted"));

#[cfg(any(test, feature = "planted"))]
mod switch {
    use std::cell::Cell;

    use super::Bug;

    thread_local! {
        static BUG: Cell<Option<Bug>> = const { Cell::new(None) };
    }

    /// Whether this bug is switched on in this thread.
    #[inline]
    pub fn planted(bug: Bug) -> bool {
        BUG.get() == Some(bug)
    }

    /// Switches a bug on in this thread, or all off.
    pub fn plant(bug: Option<Bug>) {
        BUG.set(bug);
    }
}

#[cfg(not(any(test, feature = "planted")))]
mod switch {
    use super::Bug;

    /// Whether this bug is switched on in this thread.
    #[inline(always)]
    pub const fn planted(_: Bug) -> bool {
        false
    }

    /// Switches a bug on in this thread, or all off.
    pub fn plant(_: Option<Bug>) {}
}

pub use switch::{plant, planted};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_bug_has_a_name_of_its_own() {
        assert_eq!(Bug::ForgetOnTimeout.name(), "forget_on_timeout");
        for bug in Bug::ALL {
            assert_eq!(Bug::of_name(&bug.name()), Some(bug));
        }
        assert_eq!(Bug::of_name("all"), None);
    }

    #[test]
    fn one_bug_at_a_time_is_on() {
        assert!(!planted(Bug::DropDelete));
        plant(Some(Bug::DropDelete));
        assert!(planted(Bug::DropDelete) && !planted(Bug::NoRecheck));
        plant(None);
        assert!(!planted(Bug::DropDelete));
    }
}
