//! How many pods workloads may ask for: impossible numbers are refused before a single pod is made.

use thiserror::Error;

use super::has_sets;
use crate::api::Object;
use crate::api::decode::Objects;

/// A workload may ask for this many pods. More is a misprint, or more than a simulation serves.
const REPLICAS_MAX: i32 = 200_000;
/// All workloads together may ask for this many pods: several times what Kubernetes supports.
const PODS_MAX: i64 = 1_000_000;

/// A workload that asks for a number of pods that cannot be.
#[derive(Debug, Error)]
pub enum ExpandError {
    #[error("{workload}: {field}: {value}: expected a number from 0 to {REPLICAS_MAX}")]
    Replicas { workload: String, field: &'static str, value: i32 },
    #[error(
        "{workload}: with its {pods} pods the workloads ask for more than {PODS_MAX} pods together"
    )]
    TooMany { workload: String, pods: i64 },
}

/// Adds up what the workloads of a cluster ask for.
struct Numbers<'a> {
    objects: &'a Objects,
    pods: i64,
}

/// Whether the workloads ask for pods that can be made.
pub(super) fn check(objects: &Objects) -> Result<(), ExpandError> {
    let mut numbers = Numbers { objects, pods: 0 };
    for set in &objects.stateful_sets {
        let pods = numbers.of(set, "spec.replicas", set.spec.replicas)?;
        numbers.add(set, pods)?;
    }
    for set in &objects.replica_sets {
        let pods = numbers.of(set, "spec.replicas", set.spec.replicas)?;
        numbers.add(set, pods)?;
    }
    for deployment in &objects.deployments {
        let pods = numbers.of(deployment, "spec.replicas", deployment.spec.replicas)?;
        if !has_sets(deployment, &objects.replica_sets) {
            numbers.add(deployment, pods)?;
        }
    }
    for job in &objects.jobs {
        numbers.of(job, "spec.completions", job.spec.completions)?;
        let pods = numbers.of(job, "spec.parallelism", job.spec.parallelism)?;
        numbers.add(job, pods)?;
    }
    for set in &objects.daemon_sets {
        numbers.add(set, i64::try_from(objects.nodes.len()).unwrap_or(i64::MAX))?;
    }
    Ok(())
}

impl Numbers<'_> {
    /// The number that stands in a field.
    fn of<T: Object>(
        &self,
        workload: &T,
        field: &'static str,
        wanted: Option<i32>,
    ) -> Result<i64, ExpandError> {
        let value = wanted.unwrap_or(1);
        match (0..=REPLICAS_MAX).contains(&value) {
            true => Ok(value.into()),
            false => Err(ExpandError::Replicas { workload: self.name(workload), field, value }),
        }
    }

    fn add<T: Object>(&mut self, workload: &T, pods: i64) -> Result<(), ExpandError> {
        self.pods = self.pods.saturating_add(pods);
        match self.pods > PODS_MAX {
            true => Err(ExpandError::TooMany { workload: self.name(workload), pods }),
            false => Ok(()),
        }
    }

    fn name<T: Object>(&self, workload: &T) -> String {
        let place = self.objects.place_of(workload).map(|place| format!("{place}: "));
        format!("{}{} {}", place.unwrap_or_default(), T::KIND, workload.key())
    }
}
