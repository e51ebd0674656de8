//! What happens in one run: the cluster, who comes and goes, and which faults strike. All of it
//! follows from the seed.

use std::collections::BTreeSet;
use std::time::Duration;

use super::dice::Dice;
use super::fault::{Fault, FaultSet};
use super::pods::{self, Members};
use crate::api::{self, Object as _};
use crate::model::{Instant, PodKey};

/// How long faults strike.
pub const FAULTS_LAST: Duration = Duration::from_secs(240);
/// Pods come within this time.
const ARRIVALS_LAST: Duration = Duration::from_secs(150);

/// A run.
#[derive(Clone, Debug)]
pub struct Plan {
    pub seed: u64,
    pub faults: FaultSet,
    /// How many messages in a thousand each fault of messages strikes.
    pub permille: u64,
    pub replicas: usize,
    /// How many processes there are. Several of them elect a leader.
    pub seats: usize,
    /// How many writes an API server remembers.
    pub remembered: u64,
    /// The API servers know streaming lists.
    pub streaming: bool,
    /// How many objects a page of a list has at most.
    pub page: usize,
    /// How far API servers lag behind etcd at most, in milliseconds.
    pub lag_ms: u64,
    pub nodes: Vec<api::Node>,
    /// Pods that are there from the start.
    pub pods: Vec<api::Pod>,
    pub acts: Vec<(Instant, Act)>,
}

/// Something that somebody other than the scheduler does, or that strikes.
#[derive(Clone, Debug)]
pub enum Act {
    Create(Box<api::Pod>),
    /// Gracefully: a pod on a node takes some time to end.
    Delete(PodKey),
    /// At once, if the name still belongs to this uid.
    Remove(PodKey, String),
    Relabel(PodKey),
    Ungate(PodKey),
    /// Deleted and made anew under the same name.
    Recreate(PodKey),
    /// The node's kubelet takes the pod in, or refuses it.
    Admit(PodKey, String),
    /// The pod has done its work.
    Finish(PodKey),
    /// The other scheduler looks for a node for one of its pods.
    RivalBinds(PodKey),
    /// Something happens to a node.
    Flap(PodKey),
    Restore(Box<api::Node>),
    /// Pods of a node that is gone are removed.
    Collect(PodKey),
    Strike(Fault),
    /// The API servers forget what was written.
    Forget,
}

/// What of a seed's plan is carried out.
#[derive(Clone, Debug, Default)]
pub struct Scope {
    pub faults: FaultSet,
    /// Pods, by name, that do not come.
    pub without: BTreeSet<String>,
}

impl Plan {
    /// The plan of a seed. Of the faults in scope each seed takes some.
    pub fn new(seed: u64, scope: &Scope) -> Self {
        let mut dice = Dice::new(seed, "plan");
        let faults = choose(seed, scope.faults);
        let nodes = pods::nodes(&mut dice);
        let members = pods::pods(&mut dice, &nodes);
        let mut plan = Self {
            seed,
            faults,
            permille: *dice.pick(&[5, 20, 60, 120]).unwrap_or(&20),
            replicas: usize::try_from(dice.range(1, 3)).unwrap_or(1),
            seats: *dice.pick(&[1, 1, 1, 2, 3]).unwrap_or(&1),
            remembered: *dice.pick(&[20, 100, 400, 2000]).unwrap_or(&100),
            streaming: dice.permille(650),
            page: usize::try_from(dice.range(3, 40)).unwrap_or(3),
            lag_ms: *dice.pick(&[5, 50, 400, 2000]).unwrap_or(&50),
            nodes,
            pods: Vec::new(),
            acts: Vec::new(),
        };
        plan.add_pods(members, scope);
        plan.flap_nodes();
        plan.strike();
        plan.acts.sort_by_key(|(at, _)| *at);
        plan
    }

    /// Between which rates clocks run, in a thousandth of the right one. An election bears clocks
    /// of which none is faster than another by half, less what a call takes.
    pub fn clock_rates(&self) -> (u64, u64) {
        if self.seats > 1 { (920, 1080) } else { (500, 2000) }
    }

    /// How late a call may arrive at most, in milliseconds. A lease bears as much as there is time
    /// between the last moment in which its holder may write and the first in which another may.
    pub fn late_ms_max(&self) -> u64 {
        if self.seats > 1 { 1_500 } else { 60_000 }
    }

    /// The names of all pods that come.
    pub fn names(&self) -> BTreeSet<String> {
        let later = self.acts.iter().filter_map(|(_, act)| match act {
            Act::Create(pod) => Some(&**pod),
            _ => None,
        });
        self.pods.iter().chain(later).map(|pod| pod.metadata.name.to_string()).collect()
    }

    fn add_pods(&mut self, members: Vec<Members>, scope: &Scope) {
        let churn = self.faults.contains(Fault::PodChurn);
        let rival = self.faults.contains(Fault::Rival);
        for group in members {
            let mut at = Instant(0);
            let mut dice = Dice::new(self.seed, &group.name);
            if dice.permille(700) {
                at = at.plus(dice.millis(0, millis(ARRIVALS_LAST)));
            }
            let burst = dice.permille(600);
            for mut pod in group.pods {
                if !burst {
                    at = at.plus(dice.millis(0, 5_000));
                }
                if scope.without.contains(&*pod.metadata.name) || group.foreign && !rival {
                    continue;
                }
                let (gated, ends) = (churn && dice.permille(120), dice.permille(150));
                if gated && !group.foreign {
                    pod.spec.scheduling_gates.push(api::SchedulingGate { name: "wait".into() });
                }
                self.follow(&pod, at, &mut dice, ends);
                let create = Act::Create(Box::new(pod));
                self.acts.push((at, create));
            }
        }
        self.place_some();
    }

    /// What becomes of a pod that comes at `at`.
    fn follow(&mut self, pod: &api::Pod, at: Instant, dice: &mut Dice, ends: bool) {
        let key = pod.key();
        let soon = |dice: &mut Dice| at.plus(dice.millis(500, 60_000));
        if &*pod.spec.scheduler_name != pods::OURS {
            self.acts.push((at.plus(dice.millis(1, 3_000)), Act::RivalBinds(key.clone())));
        } else if !pod.spec.scheduling_gates.is_empty() && dice.permille(800) {
            self.acts.push((soon(dice), Act::Ungate(key.clone())));
        }
        if ends {
            let end = if dice.permille(300) { Act::Finish } else { Act::Delete };
            self.acts.push((soon(dice), end(key.clone())));
        }
        if self.faults.contains(Fault::PodChurn) {
            if dice.permille(100) {
                self.acts.push((soon(dice), Act::Relabel(key.clone())));
            }
            if dice.permille(100) {
                self.acts.push((soon(dice), Act::Recreate(key)));
            }
        }
    }

    /// Some pods of others stand on their nodes before anything begins.
    fn place_some(&mut self) {
        let mut dice = Dice::new(self.seed, "placed");
        for (number, node) in self.nodes.iter().enumerate() {
            if dice.permille(500) {
                self.pods.push(pods::placed(number, node, &mut dice));
            }
        }
    }

    fn flap_nodes(&mut self) {
        if !self.faults.contains(Fault::NodeFlap) {
            return;
        }
        let mut dice = Dice::new(self.seed, "flaps");
        for _ in 0..dice.range(1, 8) {
            let node = dice.pick(&self.nodes).map(api::Object::key);
            let at = Instant(0).plus(dice.millis(0, millis(FAULTS_LAST)));
            self.acts.extend(node.map(|node| (at, Act::Flap(node))));
        }
    }

    /// Faults that strike at a time, not with a message.
    fn strike(&mut self) {
        let timed = [
            (Fault::WatchDrop, 8),
            (Fault::ExpiredEvent, 4),
            (Fault::ExpiredStart, 3),
            (Fault::SkippedEvents, 4),
            (Fault::StaleReplica, 3),
            (Fault::ReorderedKinds, 4),
            (Fault::Silence, 3),
            (Fault::Crash, 3),
            (Fault::Pause, 3),
            (Fault::Clock, 3),
        ];
        for (fault, most) in timed {
            if !self.faults.contains(fault) {
                continue;
            }
            let mut dice = Dice::new(self.seed, fault.name());
            for _ in 0..dice.range(1, most) {
                let at = Instant(0).plus(dice.millis(0, millis(FAULTS_LAST)));
                self.acts.push((at, Act::Strike(fault)));
            }
        }
    }
}

/// One seed in eight has all faults; the others have each with one chance in three, so that faults
/// do not hide each other. Few faults in scope all strike.
fn choose(seed: u64, scope: FaultSet) -> FaultSet {
    const FEW: usize = 3;
    let everything = Dice::new(seed, "everything").permille(125);
    if everything || scope.iter().count() <= FEW {
        return scope;
    }
    let strikes = |fault: &Fault| Dice::new(seed, fault.name()).permille(333);
    scope.iter().filter(strikes).fold(FaultSet::NONE, FaultSet::with)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scope(faults: FaultSet) -> Scope {
        Scope { faults, without: BTreeSet::new() }
    }

    #[test]
    fn a_plan_follows_from_its_seed() {
        let plan = |seed| format!("{:?}", Plan::new(seed, &scope(FaultSet::all())));
        assert_eq!(plan(7), plan(7));
        assert_ne!(plan(7), plan(8));
    }

    #[test]
    fn a_pod_that_is_left_out_changes_no_other() {
        let all = scope(FaultSet::all());
        let plan = Plan::new(3, &all);
        let gone = plan.names().into_iter().find(|name| !name.starts_with("placed")).unwrap();
        let without = Scope { without: [gone.clone()].into(), ..all };
        let smaller = Plan::new(3, &without);
        let mut names = plan.names();
        names.remove(&gone);
        assert_eq!(smaller.names(), names);
        assert_eq!(smaller.nodes, plan.nodes);
    }

    #[test]
    fn seeds_take_different_faults_and_few_are_taken_at_once() {
        let sets: Vec<FaultSet> =
            (0..40).map(|seed| Plan::new(seed, &scope(FaultSet::all())).faults).collect();
        assert!(sets.contains(&FaultSet::all()));
        for fault in FaultSet::all().iter() {
            assert!(sets.iter().any(|set| set.contains(fault)));
            assert!(sets.iter().any(|set| !set.contains(fault)));
        }
        let one = FaultSet::NONE.with(Fault::Crash);
        assert!((0..9).all(|seed| Plan::new(seed, &scope(one)).faults == one));
    }
}
