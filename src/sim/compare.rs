//! How others place the same pods.

use serde::Serialize;

use super::databases::Databases;
use super::placer::Placer;
use super::report::RunReport;

/// One placement of the pods of an experiment.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// The base of the profile that placed them, or what did so instead.
    pub profile: Placer,
    pub placed: usize,
    pub pending: usize,
    #[serde(flatten)]
    pub databases: Databases,
}

impl Comparison {
    /// Sums up all runs.
    pub fn of_runs(profile: Placer, runs: &[RunReport]) -> Self {
        Self {
            profile,
            placed: runs.iter().map(|run| run.placed).sum(),
            pending: runs.iter().map(|run| run.pending).sum(),
            databases: Databases::worst_of(runs.iter().map(|run| &run.databases)),
        }
    }
}
