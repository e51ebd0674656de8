//! Makes a run that breaks a promise smaller, as long as it still breaks it.

use std::collections::BTreeSet;

use super::plan::{Plan, Scope};
use super::run::{Outcome, run};
use super::world::Setup;
use crate::framework::ProfileError;

/// So many runs are spent on it at most.
const RUNS_MAX: u32 = 150;
/// So many lines of a trace are told.
const LINES_MAX: usize = 60;

/// The smallest run that was found.
#[derive(Clone, Debug)]
pub struct Small {
    pub scope: Scope,
    /// How many pods come.
    pub pods: usize,
    pub trace: Vec<String>,
}

struct Search<'a> {
    setup: Setup<'a>,
    seed: u64,
    invariant: &'static str,
    runs: u32,
}

/// Leaves out faults, then pods.
pub fn shrink(
    setup: Setup<'_>,
    seed: u64,
    outcome: &Outcome,
) -> Result<Option<Small>, ProfileError> {
    let Some(broken) = &outcome.broken else {
        return Ok(None);
    };
    let mut search = Search { setup, seed, invariant: broken.invariant, runs: 0 };
    let mut scope = Scope { faults: outcome.faults, ..Scope::default() };
    if !search.breaks(&scope)? {
        return Ok(None);
    }
    for fault in outcome.faults.iter() {
        let smaller = Scope { faults: scope.faults.without(fault), ..scope.clone() };
        if search.breaks(&smaller)? {
            scope = smaller;
        }
    }
    search.leave_out_pods(&mut scope)?;
    let traced = run(setup, seed, &scope, true)?;
    let about = traced.broken.map(|broken| broken.about).unwrap_or_default();
    let pods = Plan::new(seed, &scope).names().len();
    Ok(Some(Small { scope, pods, trace: shorten(traced.trace, &about) }))
}

impl Search<'_> {
    /// Whether the same promise is broken.
    fn breaks(&mut self, scope: &Scope) -> Result<bool, ProfileError> {
        self.runs += 1;
        let outcome = run(self.setup, self.seed, scope, false)?;
        Ok(outcome.broken.is_some_and(|broken| broken.invariant == self.invariant))
    }

    /// Leaves out pods, half of them at a time, then a quarter, and so on.
    fn leave_out_pods(&mut self, scope: &mut Scope) -> Result<(), ProfileError> {
        let names = Plan::new(self.seed, scope).names();
        let mut left: Vec<String> =
            names.into_iter().filter(|n| !n.starts_with("placed")).collect();
        let mut step = left.len().div_ceil(2);
        while step > 0 && self.runs < RUNS_MAX {
            let mut from = 0;
            while from < left.len() && self.runs < RUNS_MAX {
                let part = left[from..left.len().min(from + step)].to_vec();
                let more: BTreeSet<String> = part.iter().cloned().collect();
                let without = scope.without.union(&more).cloned().collect();
                let smaller = Scope { faults: scope.faults, without };
                if self.breaks(&smaller)? {
                    *scope = smaller;
                    left.retain(|name| !more.contains(name));
                } else {
                    from += step;
                }
            }
            step /= 2;
        }
        Ok(())
    }
}

/// The last lines that speak of what the broken promise is about, or of the process itself.
fn shorten(trace: Vec<String>, about: &[String]) -> Vec<String> {
    let speaks = |line: &String| {
        let named = about.iter().any(|name| {
            line.match_indices(name.as_str()).any(|(at, _)| {
                // `db-1` is not `db-10`.
                let next = line[at + name.len()..].chars().next();
                !next.is_some_and(|c| c.is_ascii_alphanumeric() || c == '-')
            })
        });
        let fault = line.contains("FAULT") && line.contains("process");
        about.is_empty()
            || named
            || fault
            || line.contains(" starts")
            || line.contains("faults end")
    };
    let lines: Vec<String> = trace.into_iter().filter(speaks).collect();
    let from = lines.len().saturating_sub(LINES_MAX);
    lines[from..].to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_trace_speaks_of_what_matters() {
        let lines = ["pod db-1 is written", "pod db-10 is written", "FAULT crash: process 0", "x"];
        let trace = lines.map(str::to_owned).to_vec();
        let check = |about: &[&str], expected: &[&str]| {
            let about: Vec<String> = about.iter().map(|name| (*name).to_owned()).collect();
            assert_eq!(shorten(trace.clone(), &about), expected);
        };
        check(&["db-1"], &["pod db-1 is written", "FAULT crash: process 0"]);
        check(&[], &lines);
    }
}
