//! Who holds the lease decides, and nobody else.

use super::*;
use crate::lease::{LeaseEpoch, Term};

const SECOND: Duration = Duration::from_secs(1);

impl Cluster {
    /// The lease is ours for so long, in its seventh term.
    pub(super) fn lead_for(&mut self, time: Duration) {
        let term = Term { epoch: LeaseEpoch(7), not_after: self.now.plus(time) };
        self.scheduler.observe(self.now, Event::Lease(Some(term)));
    }
}

/// One that knows of a lease and does not have it.
pub(super) fn standby() -> Cluster {
    let mut cluster = Cluster::new();
    cluster.scheduler.observe(cluster.now, Event::Lease(None));
    cluster
}

#[test]
fn a_standby_takes_in_everything_and_does_nothing() {
    let mut cluster = standby();
    cluster.see(&ours("a"));
    let mut out = Vec::new();
    let wake = cluster.scheduler.advance(cluster.now, Credit { binds: 10 }, &mut out);
    assert_eq!((out, wake), (Vec::new(), None));
    assert_eq!(cluster.scheduler.queue_lengths().active, 1);
    cluster.wait(100 * SECOND);
    cluster.lead_for(10 * SECOND);
    assert_eq!(cluster.advance().len(), 1);
}

#[test]
fn an_effect_carries_the_epoch_and_is_over_with_the_term() {
    for (term, expected) in [(10 * SECOND, CALL_DEADLINE), (SECOND, SECOND)] {
        let mut cluster = standby();
        cluster.lead_for(term);
        let (effect, _) = posted(&mut cluster);
        assert_eq!(effect.epoch, LeaseEpoch(7));
        assert_eq!(effect.not_after, cluster.now.plus(expected));
    }
    let mut alone = Cluster::new();
    assert_eq!(posted(&mut alone).0.epoch, LeaseEpoch::default());
}

#[test]
fn between_the_end_of_a_term_and_its_renewal_nothing_is_decided() {
    let mut cluster = standby();
    cluster.lead_for(10 * SECOND);
    cluster.see(&ours("a"));
    cluster.wait(10 * SECOND);
    assert_eq!(cluster.advance(), []);
    cluster.lead_for(SECOND);
    assert_eq!(cluster.advance().len(), 1);
}

#[test]
fn a_binding_in_doubt_waits_for_the_next_term_and_is_counted_until_then() {
    let mut cluster = standby();
    cluster.lead_for(SECOND);
    let (effect, _) = posted(&mut cluster);
    assert_eq!(cluster.scheduler.in_doubt(), 1);
    cluster.wait(2 * SECOND);
    cluster.answer(effect.id, Outcome::Unknown);
    // The fence is written down and too late to be sent.
    let fence = cluster.advance().remove(0);
    assert!(matches!(fence.op, Op::Fence { .. }) && fence.not_after < cluster.now);
    cluster.answer(fence.id, Outcome::NotSent);
    cluster.wait(10 * SECOND);
    assert_eq!((cluster.advance(), cluster.scheduler.in_doubt()), (Vec::new(), 1));
    cluster.lead_for(SECOND);
    let fence = cluster.advance().remove(0);
    assert!(matches!(fence.op, Op::Fence { .. }) && fence.not_after > cluster.now);
    cluster.answer(fence.id, Outcome::Applied(None));
    let post = cluster.advance().remove(0);
    cluster.answer(post.id, Outcome::Applied(None));
    assert_eq!(cluster.scheduler.in_doubt(), 0);
}

#[test]
fn what_is_bound_is_not_in_doubt_though_not_yet_shown() {
    let mut cluster = Cluster::new();
    let (effect, _) = posted(&mut cluster);
    cluster.answer(effect.id, Outcome::Applied(None));
    assert_eq!((cluster.scheduler.in_doubt(), cluster.scheduler.in_flight()), (0, 1));
}

#[test]
fn a_term_is_recorded_as_it_was() {
    for term in [None, Some(Term { epoch: LeaseEpoch(7), not_after: Instant(5) })] {
        let event = Event::Lease(term);
        let text = serde_json::to_string(&event).unwrap();
        assert_eq!(serde_json::from_str::<Event>(&text).unwrap(), event, "{text}");
    }
}
