//! Many seeds, on several threads, and the report on them. Each seed runs on one thread and alone.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

use super::checker::Broken;
use super::fault::{FaultSet, Injected};
use super::plan::Scope;
use super::run::{Outcome, run};
use super::shrink::shrink;
use super::world::Setup;
use crate::framework::ProfileError;
use crate::planted::{Bug, plant};

/// The version of the report's fields.
pub const SCHEMA: &str = "quorate.dev/simulate-faults/v1";
/// One seed in so many is run twice, to see that nothing but the seed decides.
const TWICE_EVERY: u64 = 100;
/// So many violations are made smaller and told; the others are counted.
const TOLD_MAX: usize = 3;

/// What to run.
#[derive(Clone)]
pub struct Campaign<'a> {
    pub setup: Setup<'a>,
    pub faults: FaultSet,
    pub seeds: Range<u64>,
    pub bug: Option<Bug>,
    pub threads: usize,
    /// Stop once a promise is broken.
    pub until_broken: bool,
}

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub schema: &'static str,
    pub seeds: Seeds,
    pub faults: String,
    /// The bug that was planted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub planted: Option<String>,
    /// How many seeds were run, and how many of them twice.
    pub runs: u64,
    pub repeated: u64,
    /// How many seeds broke a promise.
    pub violated: usize,
    /// The first of them.
    pub violations: Vec<Violation>,
    pub injected: Injected,
    pub decisions_hash: String,
}

#[derive(Clone, Copy, Debug, Serialize)]
pub struct Seeds {
    pub from: u64,
    /// The first that was not run.
    pub to: u64,
}

/// A seed that breaks a promise.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Violation {
    pub seed: u64,
    pub invariant: &'static str,
    pub text: String,
    /// The fewest faults that were found to do it.
    pub faults: Vec<&'static str>,
    /// How many pods the smallest run has.
    pub pods: usize,
    /// What to run to see it again.
    pub command: String,
    pub trace: Vec<String>,
}

impl Campaign<'_> {
    /// Runs all seeds. `progress` is told how many are done.
    pub fn run(&self, progress: impl Fn(u64) + Sync) -> Result<Report, ProfileError> {
        let next = AtomicU64::new(self.seeds.start);
        let end = AtomicU64::new(self.seeds.end);
        let results: Mutex<BTreeMap<u64, Outcome>> = Mutex::default();
        let failure: Mutex<Option<ProfileError>> = Mutex::default();
        let work = || {
            plant(self.bug);
            loop {
                let seed = next.fetch_add(1, Ordering::SeqCst);
                if seed >= end.load(Ordering::SeqCst) {
                    break;
                }
                match self.run_seed(seed) {
                    Ok(outcome) => {
                        if self.until_broken && outcome.broken.is_some() {
                            end.fetch_min(seed + 1, Ordering::SeqCst);
                        }
                        let mut results = results.lock().unwrap_or_else(PoisonError::into_inner);
                        results.insert(seed, outcome);
                        progress(results.len() as u64);
                    }
                    Err(error) => {
                        *failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
                        end.store(0, Ordering::SeqCst);
                    }
                }
            }
        };
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..self.threads.max(1)).map(|_| scope.spawn(work)).collect();
            // A thread that panics makes the scope panic.
            threads.into_iter().for_each(|thread| _ = thread.join());
        });
        if let Some(error) = failure.into_inner().unwrap_or_else(PoisonError::into_inner) {
            return Err(error);
        }
        let end = end.into_inner();
        let mut results = results.into_inner().unwrap_or_else(PoisonError::into_inner);
        results.retain(|seed, _| *seed < end);
        self.report(&results)
    }

    fn run_seed(&self, seed: u64) -> Result<Outcome, ProfileError> {
        let scope = Scope { faults: self.faults, ..Scope::default() };
        let mut outcome = run(self.setup, seed, &scope, false)?;
        if is_repeated(seed) && outcome.broken.is_none() {
            let again = run(self.setup, seed, &scope, false)?;
            if again.hash != outcome.hash {
                let text = format!("the same seed gave {} and {}", outcome.hash, again.hash);
                outcome.broken = Some(Broken { invariant: "R2", text, about: Vec::new() });
            }
        }
        Ok(outcome)
    }

    fn report(&self, results: &BTreeMap<u64, Outcome>) -> Result<Report, ProfileError> {
        let (mut injected, mut hash) = (Injected::default(), Xxh3::new());
        for outcome in results.values() {
            injected.add(&outcome.injected);
            hash.update(outcome.hash.as_bytes());
        }
        let broken = results.iter().filter(|(_, outcome)| outcome.broken.is_some());
        plant(self.bug);
        let told = broken.clone().take(TOLD_MAX);
        let violations: Result<Vec<Violation>, ProfileError> =
            told.filter_map(|(seed, outcome)| self.violation(*seed, outcome).transpose()).collect();
        plant(None);
        Ok(Report {
            schema: SCHEMA,
            seeds: Seeds { from: self.seeds.start, to: self.seeds.end },
            faults: self.faults.to_string(),
            planted: self.bug.map(Bug::name),
            runs: results.len() as u64,
            repeated: results.keys().filter(|seed| is_repeated(**seed)).count() as u64,
            violated: broken.count(),
            violations: violations?,
            injected,
            decisions_hash: format!("{:016x}", hash.digest()),
        })
    }

    fn violation(&self, seed: u64, outcome: &Outcome) -> Result<Option<Violation>, ProfileError> {
        let Some(broken) = &outcome.broken else {
            return Ok(None);
        };
        let small = shrink(self.setup, seed, outcome)?;
        let faults = small.as_ref().map_or(outcome.faults, |small| small.scope.faults);
        let plant = self.bug.map(|bug| format!(" --plant {}", bug.name())).unwrap_or_default();
        let command =
            format!("quorate simulate --faults {faults} --seeds {seed}..{}{plant}", seed + 1);
        Ok(Some(Violation {
            seed,
            invariant: broken.invariant,
            text: broken.text.clone(),
            faults: faults.iter().map(super::Fault::name).collect(),
            pods: small.as_ref().map_or(0, |small| small.pods),
            command,
            trace: small.map(|small| small.trace).unwrap_or_default(),
        }))
    }
}

fn is_repeated(seed: u64) -> bool {
    seed.is_multiple_of(TWICE_EVERY)
}
