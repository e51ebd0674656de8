//! Where a cluster comes from that is asked about: a dump, or an API server that is only read.

use std::path::PathBuf;

use crate::api::Objects;
use crate::groups::{Catalogue, Preset, PresetError};
#[cfg(feature = "kubernetes")]
use crate::kubernetes::list_cluster;
use crate::sim::input::read_snapshot;
use crate::snapshot::Snapshot;

#[derive(Debug, clap::Args)]
pub struct ClusterArgs {
    /// A dump of a cluster: a file or a folder of plain Kubernetes objects, gzip or not. Without it
    /// the cluster itself is read, and nothing is written to it.
    #[arg(long, value_name = "FILE|FOLDER")]
    snapshot: Option<PathBuf>,
    /// How to reach the API server. Without it the file that KUBECONFIG names, and without that
    /// ~/.kube/config.
    #[cfg(feature = "kubernetes")]
    #[arg(long, conflicts_with = "snapshot", value_name = "FILE")]
    kubeconfig: Option<PathBuf>,
}

impl ClusterArgs {
    /// All objects of the cluster that Quorate reads.
    pub fn read(&self) -> anyhow::Result<Objects> {
        if let Some(dump) = &self.snapshot {
            return Ok(read_snapshot(dump)?);
        }
        self.list()
    }

    #[cfg(feature = "kubernetes")]
    fn list(&self) -> anyhow::Result<Objects> {
        Ok(list_cluster(self.kubeconfig.as_deref())?)
    }

    #[cfg(not(feature = "kubernetes"))]
    fn list(&self) -> anyhow::Result<Objects> {
        anyhow::bail!("name a --snapshot: this build does not talk to API servers")
    }
}

/// The cluster with its replica groups.
pub fn snapshot(objects: &Objects, presets: &[Preset]) -> Result<Snapshot, PresetError> {
    let mut snapshot = Snapshot::from_objects(objects);
    snapshot.set_catalogue(Some(Catalogue::new(presets)?));
    Ok(snapshot)
}
