//! Several candidates over one lease: messages are late or lost, processes pause and start anew,
//! and clocks run at different speeds. A run is a seed.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::ops::Range;

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::super::*;
use super::settings;
use crate::model::Instant;

const SEEDS: u64 = 1000;
const CANDIDATES: usize = 3;
const MILLISECOND: u64 = 1_000_000;
const SECOND: u64 = 1000 * MILLISECOND;
/// How long things go wrong, and how long everything must be well again afterwards.
const TROUBLE: u64 = 240 * SECOND;
const PEACE: u64 = 60 * SECOND;
/// leaseDuration divided by renewDeadline: the speeds of clocks may differ by so much.
const TOLERATED: Range<f64> = 1.0..1.5;

/// The world on its own time, which no candidate sees.
struct World {
    now: u64,
    random: ChaCha8Rng,
    speeds: Range<f64>,
    lease: Option<Lease>,
    version: u64,
    candidates: Vec<Candidate>,
    agenda: BinaryHeap<Reverse<(u64, u64, Happening)>>,
    happenings: u64,
    /// The newest epoch of all, and whose it was.
    newest: Option<(LeaseEpoch, String)>,
    /// Times at which two candidates might have written.
    violations: u64,
    terms: u64,
}

struct Candidate {
    election: Election,
    identity: String,
    /// Counts the processes that were started in this place.
    life: u64,
    born: u64,
    speed: f64,
    paused_until: u64,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Happening {
    Wake {
        who: usize,
        life: u64,
    },
    /// A request reaches the API server.
    Arrive {
        who: usize,
        life: u64,
        number: u64,
        request: usize,
    },
    Answer {
        who: usize,
        life: u64,
        number: u64,
        answer: usize,
    },
    Trouble,
}

/// What is on its way; happenings name it by its place, so that they can be ordered.
#[derive(Default)]
struct Mail {
    requests: Vec<Request>,
    answers: Vec<Answer>,
}

impl World {
    fn new(seed: u64, speeds: Range<f64>) -> Self {
        let mut world = Self {
            now: 0,
            random: ChaCha8Rng::seed_from_u64(seed),
            speeds,
            lease: None,
            version: 0,
            candidates: Vec::new(),
            agenda: BinaryHeap::new(),
            happenings: 0,
            newest: None,
            violations: 0,
            terms: 0,
        };
        for who in 0..CANDIDATES {
            let candidate = world.start(who, 0);
            world.candidates.push(candidate);
            world.plan(0, Happening::Wake { who, life: 0 });
        }
        world.plan(SECOND, Happening::Trouble);
        world
    }

    fn start(&mut self, who: usize, life: u64) -> Candidate {
        let identity = format!("{who}-{life}");
        Candidate {
            election: Election::new(settings(&identity)),
            identity,
            life,
            born: self.now,
            speed: self.random.random_range(self.speeds.clone()),
            paused_until: 0,
        }
    }

    /// Runs to the end of the peace, and returns whether somebody leads then.
    fn run(&mut self) -> bool {
        let mut mail = Mail::default();
        while let Some(Reverse((at, _, happening))) = self.agenda.pop() {
            if at > TROUBLE + PEACE {
                break;
            }
            self.now = at;
            self.happen(happening, &mut mail);
            self.check();
        }
        let now = self.now;
        self.candidates.iter().any(|candidate| candidate.may_write(now))
    }

    fn happen(&mut self, happening: Happening, mail: &mut Mail) {
        match &happening {
            Happening::Trouble => return self.trouble(),
            Happening::Arrive { who, life, number, request } => {
                let answer = self.serve(mail.requests[*request].clone());
                let Some(delay) = self.delay() else { return };
                mail.answers.push(answer);
                let (who, life, number) = (*who, *life, *number);
                let answer = mail.answers.len() - 1;
                return self.plan(delay, Happening::Answer { who, life, number, answer });
            }
            Happening::Wake { who, life } | Happening::Answer { who, life, .. } => {
                let candidate = &self.candidates[*who];
                if candidate.life != *life {
                    return;
                }
                // What comes meanwhile waits for a paused process.
                if candidate.paused_until > self.now {
                    let delay = candidate.paused_until - self.now;
                    return self.plan(delay, happening);
                }
            }
        }
        match happening {
            Happening::Answer { who, number, answer, .. } => {
                let (random, answer) = (self.random.random(), mail.answers[answer].clone());
                let local = self.candidates[who].local(self.now);
                self.candidates[who].election.answered(local, number, answer, random);
                self.turn(who, mail);
            }
            Happening::Wake { who, .. } => self.turn(who, mail),
            Happening::Arrive { .. } | Happening::Trouble => {}
        }
    }

    /// Lets a candidate do what it wants until it waits.
    fn turn(&mut self, who: usize, mail: &mut Mail) {
        loop {
            let random = self.random.random();
            let now = self.now;
            let candidate = &mut self.candidates[who];
            let (life, local) = (candidate.life, candidate.local(now));
            match candidate.election.next(local, random) {
                Step::Send(call) => {
                    let Some(delay) = self.delay() else { continue };
                    mail.requests.push(call.request);
                    let request = mail.requests.len() - 1;
                    let number = call.number;
                    self.plan(delay, Happening::Arrive { who, life, number, request });
                }
                Step::Wait(until) => {
                    let delay = candidate.real(until.since(local).as_nanos());
                    return self.plan(delay, Happening::Wake { who, life });
                }
                Step::Lost | Step::Ended { .. } => return self.start_again(who),
            }
        }
    }

    fn start_again(&mut self, who: usize) {
        let life = self.candidates[who].life + 1;
        self.candidates[who] = self.start(who, life);
        let delay = self.random.random_range(0..5 * SECOND);
        self.plan(delay, Happening::Wake { who, life });
    }

    /// The API server carries out a request.
    fn serve(&mut self, request: Request) -> Answer {
        let draft = match (request, &self.lease) {
            (Request::Get, Some(lease)) => return Answer::Found(lease.clone()),
            (Request::Get | Request::Update { .. }, None) => return Answer::Missing,
            (Request::Create(_), Some(_)) => return Answer::Conflict,
            (Request::Update { resource_version, .. }, Some(lease))
                if lease.resource_version != resource_version =>
            {
                return Answer::Conflict;
            }
            (Request::Create(draft) | Request::Update { draft, .. }, _) => draft,
        };
        self.version += 1;
        let time: crate::model::Str = self.now.to_string().into();
        let lease = Lease {
            resource_version: self.version.to_string().into(),
            record: Record {
                holder: draft.holder,
                duration_seconds: draft.duration_seconds,
                transitions: draft.transitions,
                acquire_time: draft.acquire_time.unwrap_or_else(|| time.clone()),
                renew_time: time,
            },
        };
        self.lease = Some(lease.clone());
        Answer::Found(lease)
    }

    /// How long a message is on its way; none if it never arrives.
    fn delay(&mut self) -> Option<u64> {
        let usual = self.random.random_range(MILLISECOND..50 * MILLISECOND);
        if self.now >= TROUBLE {
            return Some(usual);
        }
        match self.random.random_range(0..100) {
            0..5 => None,
            5..15 => Some(self.random.random_range(0..20 * SECOND)),
            _ => Some(usual),
        }
    }

    /// Something happens to a process: a pause, its end, or a wish that it ends.
    fn trouble(&mut self) {
        if self.now >= TROUBLE {
            return;
        }
        let who = self.random.random_range(0..CANDIDATES);
        match self.random.random_range(0..10) {
            0..4 => {
                let pause = self.random.random_range(0..30 * SECOND);
                self.candidates[who].paused_until = self.now + pause;
            }
            4 => self.start_again(who),
            5 => {
                let local = self.candidates[who].local(self.now);
                self.candidates[who].election.resign(local);
                let life = self.candidates[who].life;
                self.plan(0, Happening::Wake { who, life });
            }
            _ => {}
        }
        let delay = self.random.random_range(0..10 * SECOND);
        self.plan(delay, Happening::Trouble);
    }

    fn plan(&mut self, delay: u64, happening: Happening) {
        self.happenings += 1;
        self.agenda.push(Reverse((self.now + delay, self.happenings, happening)));
    }

    /// Terms change at happenings only, so to look after each of them is to look always. A paused
    /// process counts: it may go on at any time.
    fn check(&mut self) {
        let now = self.now;
        let writers: Vec<&Candidate> =
            self.candidates.iter().filter(|candidate| candidate.may_write(now)).collect();
        self.violations += u64::from(writers.len() > 1);
        for writer in writers {
            let epoch = writer.election.term().unwrap().epoch;
            let newer = self.newest.as_ref().is_none_or(|(newest, _)| epoch > *newest);
            let own = self.newest.as_ref().is_some_and(|(_, whose)| *whose == writer.identity);
            if newer {
                assert!(!own, "an epoch changed within a term");
                self.newest = Some((epoch, writer.identity.clone()));
                self.terms += 1;
            } else if !own {
                self.violations += 1;
            }
        }
    }
}

impl Candidate {
    fn local(&self, now: u64) -> Instant {
        Instant(((now - self.born) as f64 * self.speed) as u64)
    }

    /// How much of the world's time passes, rounded up, while so much passes on this clock.
    fn real(&self, local: u128) -> u64 {
        (local as f64 / self.speed).ceil() as u64 + 1
    }

    fn may_write(&self, now: u64) -> bool {
        self.election.term().is_some_and(|term| !term.is_over(self.local(now)))
    }
}

/// Runs many seeds; returns how often two candidates might have written at the same time.
fn violations(seeds: u64, speeds: Range<f64>) -> u64 {
    let mut violations = 0;
    for seed in 0..seeds {
        let mut world = World::new(seed, speeds.clone());
        let led = world.run();
        violations += world.violations;
        assert!(led, "seed {seed}: nobody leads a minute after all trouble");
        assert!(world.terms > 3, "seed {seed}: nothing happened");
    }
    violations
}

#[test]
fn never_may_two_write_at_the_same_time() {
    assert_eq!(violations(SEEDS, TOLERATED), 0);
}

#[test]
fn clocks_whose_speeds_differ_by_more_than_is_tolerated_break_it() {
    assert!(violations(SEEDS, 0.5..2.0) > 0, "the check finds nothing");
}
