//! Where a cluster comes from that is asked about: a dump, or an API server that is only read.

use std::io::{self, Write};
use std::path::PathBuf;

use crate::api::Objects;
use crate::groups::{Catalogue, Preset, PresetError, Source};
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

/// The cluster with its replica groups. A policy that cannot be used is told of and left out.
pub fn snapshot(objects: &Objects, presets: &[Preset]) -> Result<Snapshot, PresetError> {
    let mut snapshot = Snapshot::from_objects(objects);
    let (own, all) = (&objects.placement_policies, &objects.cluster_placement_policies);
    let (catalogue, refused) = Catalogue::new(presets)?.with_policies(own, all);
    for (source, namespace, error) in refused {
        let (kind, name) = match source {
            Source::ClusterPolicy(name) => ("ClusterPlacementPolicy", name),
            Source::Policy(name) => ("PlacementPolicy", format!("{namespace}/{name}").into()),
            Source::Preset(_) | Source::StatefulSet => continue,
        };
        // Nobody may be there to read it.
        _ = writeln!(io::stderr(), "quorate: {kind} {name} is left out: {error}");
    }
    snapshot.set_catalogue(Some(catalogue));
    Ok(snapshot)
}
