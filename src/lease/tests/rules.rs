//! Each rule, as a script of what the API server answers and what must follow.

use super::super::*;
use super::{seconds, settings};
use crate::model::Instant;

/// The candidate `me` on a clock of whole milliseconds, without jitter.
struct Rig {
    election: Election,
    now: Instant,
    /// The call that waits for its answer.
    number: u64,
}

impl Rig {
    fn new() -> Self {
        Self::with(settings("me"))
    }

    fn with(settings: Settings) -> Self {
        Self { election: Election::new(settings), now: Instant(0), number: 0 }
    }

    /// A rig that has created the lease at time 0.
    fn leading() -> Self {
        let mut rig = Self::new();
        rig.expect("get");
        rig.answer(Answer::Missing).expect("create me 15s 0 now");
        rig.answer(found(1, "me", 15, 0, "t0")).expect("wait 2000");
        rig
    }

    fn pass(&mut self, milliseconds: u64) -> &mut Self {
        self.now = Instant(self.now.0 + milliseconds * 1_000_000);
        self
    }

    fn answer(&mut self, answer: Answer) -> &mut Self {
        self.election.answered(self.now, self.number, answer, 0);
        self
    }

    fn resign(&mut self) -> &mut Self {
        self.election.resign(self.now);
        self
    }

    /// What is to be done now, in words.
    #[track_caller]
    fn expect(&mut self, expected: &str) -> &mut Self {
        self.expect_with(expected, 0)
    }

    #[track_caller]
    fn expect_with(&mut self, expected: &str, random: u64) -> &mut Self {
        let step = self.election.next(self.now, random);
        let found = match step {
            Step::Send(call) => {
                self.number = call.number;
                written(&call.request)
            }
            Step::Wait(at) => format!("wait {}", at.0 / 1_000_000),
            Step::Lost => "lost".to_owned(),
            Step::Ended { released } => format!("ended, released: {released}"),
        };
        assert_eq!(found, expected);
        self
    }

    /// Until when it may write, in milliseconds, and as which epoch.
    #[track_caller]
    fn expect_term(&mut self, expected: Option<(u64, u64)>) -> &mut Self {
        let term = self.election.term();
        assert_eq!(term.map(|term| (term.epoch.0, term.not_after.0 / 1_000_000)), expected);
        self
    }
}

fn written(request: &Request) -> String {
    let draft = |draft: &Draft| {
        let acquired = draft.acquire_time.as_deref().unwrap_or("now");
        let (holder, duration) = (&draft.holder, draft.duration_seconds);
        format!("{holder} {duration}s {} {acquired}", draft.transitions)
    };
    match request {
        Request::Get => "get".to_owned(),
        Request::Create(written) => format!("create {}", draft(written)),
        Request::Update { resource_version, draft: written } => {
            format!("update at {resource_version}: {}", draft(written))
        }
    }
}

/// A lease that was renewed at the moment of its version.
fn found(version: u64, holder: &str, duration: i32, transitions: i32, acquired: &str) -> Answer {
    Answer::Found(Lease {
        resource_version: version.to_string().into(),
        record: Record {
            holder: holder.into(),
            duration_seconds: duration,
            transitions,
            acquire_time: acquired.into(),
            renew_time: format!("renewed {version}").into(),
        },
    })
}

#[test]
fn a_lease_that_is_not_there_is_created() {
    Rig::leading().expect_term(Some((0, 10_000)));
}

#[test]
fn a_lease_is_taken_if_it_is_free_expired_or_our_own() {
    let check = |lease: Answer, expected: &str| {
        let mut rig = Rig::new();
        rig.expect("get").answer(lease).expect(expected);
    };
    check(found(5, "other", 15, 3, "t0"), "wait 2000");
    // Nobody holds it: released, or without a duration at all.
    check(found(5, "", 1, 3, "t0"), "update at 5: me 15s 4 now");
    check(found(5, "", 15, 3, "t0"), "update at 5: me 15s 4 now");
    check(found(5, "other", 0, 3, "t0"), "update at 5: me 15s 4 now");
    check(found(5, "other", -1, 3, "t0"), "update at 5: me 15s 4 now");
    // The answer to our own write was lost.
    check(found(5, "me", 15, 3, "t0"), "update at 5: me 15s 3 t0");
    check(found(5, "other", 0, i32::MAX, "t0"), "update at 5: me 15s 2147483647 now");
}

#[test]
fn another_s_lease_expires_by_what_it_says_on_our_clock() {
    for (duration, expected) in [(15, "wait 15000"), (3, "wait 3000"), (60, "wait 16000")] {
        let mut rig = Rig::new();
        rig.expect("get").answer(found(5, "other", duration, 3, "t0"));
        for at in (2000..15_000).step_by(2000) {
            if at >= u64::try_from(duration).unwrap() * 1000 {
                break;
            }
            rig.expect(&format!("wait {at}")).pass(2000).expect("get");
            rig.answer(found(5, "other", duration, 3, "t0"));
        }
        rig.expect(expected);
    }
    let mut rig = Rig::new();
    rig.expect("get").pass(100).answer(found(5, "other", 3, 3, "t0"));
    rig.expect("wait 2100").pass(2000).expect("get").answer(found(5, "other", 3, 3, "t0"));
    // It is looked at when it expires, and not before.
    rig.expect("wait 3100").pass(999).expect("wait 3100").pass(1).expect("get");
    rig.answer(found(5, "other", 3, 3, "t0")).expect("update at 5: me 15s 4 now");
}

#[test]
fn a_renewal_by_another_begins_the_wait_anew() {
    let mut rig = Rig::new();
    rig.expect("get").answer(found(5, "other", 3, 3, "t0"));
    rig.pass(2900).expect("get").answer(found(6, "other", 3, 3, "t0"));
    rig.expect("wait 4900").pass(2000).expect("get").answer(found(6, "other", 3, 3, "t0"));
    rig.expect("wait 5900");
    // A new version with the same record is no renewal: somebody changed a label.
    let Answer::Found(mut lease) = found(6, "other", 3, 3, "t0") else { unreachable!() };
    lease.resource_version = "7".into();
    rig.pass(1000).expect("get").answer(Answer::Found(lease));
    rig.expect("update at 7: me 15s 4 now");
}

#[test]
fn a_write_that_comes_second_leaves_the_lease_to_the_first() {
    for answer in [Answer::Conflict, Answer::Failed] {
        let mut rig = Rig::new();
        rig.expect("get").answer(found(5, "", 1, 3, "t0")).expect("update at 5: me 15s 4 now");
        rig.answer(answer).expect_term(None);
        rig.pass(3000).expect("get").answer(found(6, "other", 15, 4, "t1")).expect("wait 5000");
    }
    let mut rig = Rig::new();
    rig.expect("get").answer(Answer::Missing).expect("create me 15s 0 now");
    rig.answer(Answer::Conflict).expect("wait 2000").expect_term(None);
}

#[test]
fn the_leader_renews_without_looking() {
    let mut rig = Rig::leading();
    rig.pass(2000).expect("update at 1: me 15s 0 t0");
    rig.pass(30).answer(found(2, "me", 15, 0, "t0")).expect("wait 4030");
    // The term is counted from when the renewal was sent.
    rig.expect_term(Some((0, 12_000)));
    rig.pass(2000).expect("update at 2: me 15s 0 t0");
}

#[test]
fn a_renewal_that_fails_is_tried_again_after_a_look() {
    for answer in [Answer::Conflict, Answer::Failed, Answer::Missing] {
        let mut rig = Rig::leading();
        rig.pass(2000).expect("update at 1: me 15s 0 t0").answer(answer).expect("get");
        // The write had been carried out, or somebody changed a label.
        rig.answer(found(3, "me", 15, 0, "t0")).expect("update at 3: me 15s 0 t0");
        rig.pass(10).answer(found(4, "me", 15, 0, "t0"));
        rig.expect("wait 4010").expect_term(Some((0, 12_000)));
    }
}

#[test]
fn a_leader_that_cannot_renew_gives_up_in_time() {
    let mut rig = Rig::leading();
    rig.pass(2000);
    for attempt in 0..5 {
        rig.expect("update at 1: me 15s 0 t0").answer(Answer::Failed);
        rig.expect("get").answer(Answer::Failed).expect_term(Some((0, 10_000)));
        rig.expect(&format!("wait {}", 4000 + attempt * 2000)).pass(2000);
    }
    rig.expect("lost").expect_term(None);
    // The last one may be on its way when time is up.
    let mut rig = Rig::leading();
    rig.pass(2000).expect("update at 1: me 15s 0 t0").expect("wait 7000");
    rig.pass(5000).expect("get").expect("wait 12000").pass(4999).expect("wait 12000");
    rig.pass(1).answer(found(2, "me", 15, 0, "t0")).expect("lost");
    rig.pass(1).answer(found(2, "me", 15, 0, "t0")).expect("lost").expect_term(None);
}

#[test]
fn a_leader_that_sees_another_holder_has_lost() {
    for other in [found(9, "other", 15, 1, "t1"), found(9, "", 1, 1, "t1")] {
        let mut rig = Rig::leading();
        rig.pass(2000).expect("update at 1: me 15s 0 t0").answer(Answer::Conflict);
        rig.expect("get").answer(other).expect("lost").expect_term(None);
    }
}

#[test]
fn a_leader_that_was_paused_for_long_has_lost_without_asking() {
    Rig::leading().pass(20_000).expect("lost");
    // Its renewal was on its way, and the answer waited for it.
    let mut rig = Rig::leading();
    rig.pass(2000).expect("update at 1: me 15s 0 t0").pass(20_000);
    rig.answer(found(2, "me", 15, 0, "t0")).expect("lost").expect_term(None);
    // A short pause only makes it look before it writes.
    let mut rig = Rig::leading();
    rig.pass(2000).expect("update at 1: me 15s 0 t0").pass(6000);
    rig.answer(found(2, "me", 15, 0, "t0")).expect("get");
}

#[test]
fn a_candidate_that_was_paused_looks_before_it_takes() {
    let mut rig = Rig::new();
    rig.expect("get").answer(found(5, "other", 15, 3, "t0"));
    rig.pass(20_000).expect("get").answer(found(9, "other", 15, 3, "t0")).expect("wait 22000");
}

#[test]
fn answers_to_earlier_calls_mean_nothing() {
    let mut rig = Rig::new();
    rig.expect("get").pass(5000).expect("wait 7000");
    rig.answer(found(5, "", 1, 3, "t0")).expect("wait 7000");
    rig.pass(2000).expect("get").answer(found(5, "", 1, 3, "t0"));
    rig.expect("update at 5: me 15s 4 now");
    let answer = found(6, "me", 15, 4, "t1");
    rig.election.answered(rig.now, 1, answer.clone(), 0);
    rig.expect_term(None).answer(answer).expect_term(Some((4, 17_000)));
}

#[test]
fn a_lease_that_was_deleted_is_counted_on() {
    // The leader creates it anew and stays the leader.
    let mut rig = Rig::leading();
    rig.pass(2000).expect("update at 1: me 15s 0 t0").answer(Answer::Missing).expect("get");
    rig.answer(Answer::Missing).expect("create me 15s 0 now");
    // Others wait until the leader has noticed, or cannot write any more.
    let mut rig = Rig::new();
    rig.expect("get").answer(found(5, "other", 3, 3, "t0"));
    rig.pass(2000).expect("get").answer(Answer::Missing).expect("wait 3000");
    rig.pass(1000).expect("get").answer(Answer::Missing).expect("create me 15s 4 now");
}

#[test]
fn a_leader_that_resigns_releases_the_lease() {
    let mut rig = Rig::leading();
    rig.pass(500).resign();
    rig.expect_term(None).expect("get").answer(found(7, "me", 15, 2, "t0"));
    rig.expect("update at 7:  1s 2 now").answer(found(8, "", 1, 2, "t1"));
    rig.expect("ended, released: true");
}

#[test]
fn a_release_gives_way_to_what_it_finds() {
    let check = |answers: &[Answer], expected: &str| {
        let mut rig = Rig::leading();
        rig.resign();
        for answer in answers {
            assert!(matches!(rig.election.next(rig.now, 0), Step::Send(_)));
            rig.number += 1;
            rig.answer(answer.clone());
        }
        rig.expect(expected);
    };
    let ours = found(7, "me", 15, 0, "t0");
    check(&[Answer::Missing], "ended, released: false");
    check(&[Answer::Failed], "ended, released: false");
    check(&[found(7, "other", 15, 1, "t1")], "ended, released: false");
    check(&[ours.clone(), Answer::Failed], "ended, released: false");
    check(&[ours.clone(), Answer::Missing], "ended, released: false");
    // The last renewal was faster.
    let later = found(8, "me", 15, 0, "t0");
    check(&[ours.clone(), Answer::Conflict, later], "update at 8:  1s 0 now");
}

#[test]
fn a_release_waits_for_the_renewal_that_is_on_its_way() {
    let mut rig = Rig::leading();
    rig.pass(2000).expect("update at 1: me 15s 0 t0");
    rig.resign();
    rig.expect("wait 7000").answer(found(2, "me", 15, 0, "t0")).expect("get");
    rig.answer(found(2, "me", 15, 0, "t0")).expect("update at 2:  1s 0 now");
    // And no longer than a renewal would.
    rig.pass(10_000).expect("ended, released: false");
}

#[test]
fn a_candidate_that_resigns_leaves_nothing_behind() {
    let mut rig = Rig::new();
    rig.expect("get").resign();
    rig.expect("ended, released: false");
    // It may have become the holder without knowing.
    let mut rig = Rig::new();
    rig.expect("get").answer(found(5, "", 1, 3, "t0")).expect("update at 5: me 15s 4 now");
    rig.resign();
    rig.expect("wait 5000").answer(Answer::Failed).expect("get");
    rig.answer(found(6, "me", 15, 4, "t1")).expect("update at 6:  1s 4 now");
}

#[test]
fn candidates_ask_at_different_times_and_leaders_on_time() {
    for (random, expected) in [(0, "wait 2000"), (10, "wait 2200"), (20, "wait 2400")] {
        let mut rig = Rig::new();
        rig.expect("get");
        rig.election.answered(rig.now, 1, found(5, "other", 15, 3, "t0"), random);
        rig.expect(expected);
    }
    let mut rig = Rig::leading();
    rig.pass(2000).expect("update at 1: me 15s 0 t0").answer(Answer::Conflict).expect("get");
    rig.election.answered(rig.now, rig.number, Answer::Failed, 20);
    rig.expect("wait 4000");
}

#[test]
fn a_lease_says_at_least_what_was_configured() {
    let lease_duration = std::time::Duration::from_millis(10_500);
    let mut rig = Rig::with(Settings { lease_duration, ..settings("me") });
    rig.expect("get").answer(Answer::Missing).expect("create me 11s 0 now");
    let lease_duration = seconds(1 << 40);
    let mut rig = Rig::with(Settings { lease_duration, ..settings("me") });
    rig.expect("get").answer(Answer::Missing).expect("create me 2147483647s 0 now");
}
