//! The statuses of policies: when they are due, and what they say.
//!
//! They are no effects of the core. Nothing is decided by them, they can be worked out again at any
//! time, and what they say comes of `analysis`, which stands below the scheduler. They go out under
//! the same permit as events do, so only from the process that leads.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::analysis::policy_status::{Figures, NotInForce, figures, status};
use crate::api::{ObjectMeta, PlacementPolicyStatus};
use crate::model::{Instant, PodKey, Str};
use crate::placement::Topology;
use crate::scheduler::Scheduler;

/// How often it is looked whether a status has changed. It goes through all groups of policies.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// A policy is written at most once in so long, however often its groups change.
const WRITE_EVERY: Duration = Duration::from_secs(60);

/// A status to write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PolicyPatch {
    /// The namespace of a ClusterPlacementPolicy is empty.
    pub(super) policy: PodKey,
    pub(super) uid: Str,
    pub(super) status: PlacementPolicyStatus,
}

/// Knows when which policy was written last.
#[derive(Debug)]
pub(super) struct Statuses {
    topology: Topology,
    next_look: Instant,
    written: BTreeMap<PodKey, Instant>,
}

impl Statuses {
    pub(super) fn new(topology: Topology) -> Self {
        Self { topology, next_look: Instant::default(), written: BTreeMap::new() }
    }

    /// The statuses that are other than what the API server shows and may be written now.
    pub(super) fn due(
        &mut self,
        scheduler: &Scheduler,
        now: Instant,
        wall: jiff::Timestamp,
    ) -> Vec<PolicyPatch> {
        if now < self.next_look {
            return Vec::new();
        }
        self.next_look = now.plus(LOOK_EVERY);
        let policies = scheduler.policies();
        let own = policies.own().map(|policy| (&policy.metadata, &policy.status));
        let cluster = policies.cluster().map(|policy| (&policy.metadata, &policy.status));
        let all: Vec<(&ObjectMeta, &PlacementPolicyStatus)> = own.chain(cluster).collect();
        self.written.retain(|_, at| now < at.plus(WRITE_EVERY));
        let may_be_written = |meta: &ObjectMeta| !self.written.contains_key(&key(meta));
        let all: Vec<_> = all.into_iter().filter(|(meta, _)| may_be_written(meta)).collect();
        if all.is_empty() {
            return Vec::new();
        }
        let found = figures(&scheduler.cache().snapshot.view(), &self.topology);
        let none = Figures::default();
        let mut patches = Vec::new();
        for (meta, before) in all {
            let policy = key(meta);
            let not_in_force = match policies.refusal(&policy) {
                Some(error) => Some(NotInForce::Invalid(error)),
                None => (!policies.are_used()).then_some(NotInForce::Unused),
            };
            let own = found.get(&policy).unwrap_or(&none);
            let status = status(meta, before, own, not_in_force, wall);
            if status != *before {
                self.written.insert(policy.clone(), now);
                patches.push(PolicyPatch { policy, uid: meta.uid.clone(), status });
            }
        }
        patches
    }
}

fn key(meta: &ObjectMeta) -> PodKey {
    PodKey { namespace: meta.namespace.clone(), name: meta.name.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::PlacementPolicy;
    use crate::config::{SchedulerConfiguration, resolve};
    use crate::plugins::registry;
    use crate::scheduler::{Change, Credit, Event};
    use crate::testing::selector;

    fn policy(app: &str) -> PlacementPolicy {
        let mut policy = PlacementPolicy::default();
        policy.metadata.name = "db".into();
        policy.metadata.namespace = "shop".into();
        policy.metadata.uid = "u1".into();
        policy.metadata.generation = 2;
        policy.spec.selector = selector(&[("app", app)]);
        policy
    }

    fn scheduler() -> Scheduler {
        let registry = registry();
        let configuration = resolve(&SchedulerConfiguration::default(), &registry.catalog());
        Scheduler::new(&configuration.unwrap(), &registry, 0).unwrap()
    }

    fn show(scheduler: &mut Scheduler, policy: PlacementPolicy) {
        let now = Instant::default();
        scheduler.observe(now, Event::PlacementPolicy(Change::Upsert(Box::new(policy))));
        scheduler.observe(now, Event::Synced);
        scheduler.advance(now, Credit { binds: 0 }, &mut Vec::new());
    }

    #[test]
    fn a_status_is_written_once_and_again_when_it_has_changed_and_a_minute_has_passed() {
        let mut scheduler = scheduler();
        let mut statuses = Statuses::new(Topology::default());
        let second = |n: u64| Instant(n * 1_000_000_000);
        let wall = jiff::Timestamp::UNIX_EPOCH;
        assert_eq!(statuses.due(&scheduler, second(0), wall), []);
        show(&mut scheduler, policy("db"));
        assert_eq!(statuses.due(&scheduler, second(5), wall), [], "it was looked just now");
        let patch = statuses.due(&scheduler, second(10), wall).remove(0);
        assert_eq!((&*patch.uid, patch.status.observed_generation), ("u1", 2));
        assert_eq!(&*patch.status.conditions[0].reason, "InForce");
        // It does not show yet, but it was written just now.
        assert_eq!(statuses.due(&scheduler, second(20), wall), []);
        let shown = PlacementPolicy { status: patch.status, ..policy("db") };
        show(&mut scheduler, shown.clone());
        assert_eq!(statuses.due(&scheduler, second(80), wall), [], "nothing has changed");
        let bad = PlacementPolicy { status: shown.status, ..policy("no value!") };
        show(&mut scheduler, bad);
        let patch = statuses.due(&scheduler, second(90), wall).remove(0);
        let ready = &patch.status.conditions[0];
        assert_eq!((&*ready.status, &*ready.reason), ("False", "Invalid"));
        assert!(ready.message.starts_with("spec.selector: \"no value!\""), "{}", ready.message);
    }
}
