//! One seed from start to end, and what is told of it.

use super::checker::Broken;
use super::fault::{FaultSet, Injected};
use super::plan::{Plan, Scope};
use super::world::{Setup, World};
use crate::framework::ProfileError;

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The faults that this seed takes.
    pub faults: FaultSet,
    pub injected: Injected,
    pub broken: Option<Broken>,
    /// Of everything that was written and decided.
    pub hash: String,
    pub trace: Vec<String>,
}

/// Runs a seed.
pub fn run(
    setup: Setup<'_>,
    seed: u64,
    scope: &Scope,
    traced: bool,
) -> Result<Outcome, ProfileError> {
    let plan = Plan::new(seed, scope);
    let faults = plan.faults;
    let mut world = World::new(setup, plan, traced)?;
    world.run()?;
    Ok(Outcome {
        faults,
        injected: world.injected,
        broken: world.checker.broken.clone(),
        hash: world.hash(),
        trace: world.trace(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve;
    use crate::plugins::registry;

    #[test]
    fn seeds_hold() {
        let registry = registry();
        let configuration = resolve(&Default::default(), &registry.catalog()).unwrap();
        let setup = Setup { configuration: &configuration, registry: &registry };
        let get = |name: &str, default: &str| std::env::var(name).unwrap_or(default.into());
        let faults: FaultSet = match &*get("FAULTS", "all") {
            "none" => FaultSet::NONE,
            text => text.parse().unwrap(),
        };
        let range = get("SEEDS", "0..50");
        let (a, b) = range.split_once("..").unwrap();
        let scope = Scope { faults, ..Scope::default() };
        let traced = std::env::var("TRACE").is_ok();
        let mut injected = Injected::default();
        for seed in a.parse::<u64>().unwrap()..b.parse().unwrap() {
            let start = std::time::Instant::now();
            let outcome = run(setup, seed, &scope, traced).unwrap();
            injected.add(&outcome.injected);
            if traced {
                for line in &outcome.trace {
                    println!("{line}");
                }
            }
            let time = start.elapsed();
            if let Some(broken) = outcome.broken {
                println!(
                    "seed {seed} {time:?}: {} {} [{}]",
                    broken.invariant, broken.text, outcome.faults
                );
            } else {
                println!("seed {seed} {time:?} ok {}", outcome.hash);
            }
        }
        println!("{:?}", injected.iter().collect::<Vec<_>>());
    }
}
