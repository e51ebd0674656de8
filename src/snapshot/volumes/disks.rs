//! Which nodes have which of the disks that pods may have to fight for.

use rustc_hash::FxHashMap;

use super::pod_volumes::Exclusive;
use crate::model::Str;
use crate::snapshot::{NodeIndex, PodInfo};

/// The disks of pods on nodes, by what two of them have in common that may be one.
#[derive(Debug, Default)]
pub(super) struct Disks(FxHashMap<Name, Vec<(NodeIndex, Exclusive)>>);

/// The part of a disk's identity that is equal for one disk.
type Name = (Str, Str);

impl Disks {
    pub(super) fn count(&mut self, pod: &PodInfo, node: NodeIndex, comes: bool) {
        for disk in pod.disks() {
            let name = name_of(disk);
            let holders = self.0.entry(name.clone()).or_default();
            if comes {
                holders.push((node, disk.clone()));
            } else if let Some(at) = holders.iter().position(|(n, d)| *n == node && d == disk) {
                holders.swap_remove(at);
            }
            if holders.is_empty() {
                self.0.remove(&name);
            }
        }
    }

    /// The nodes that have a disk with which this one cannot be, once for each.
    pub(super) fn conflicts<'a>(
        &'a self,
        disk: &'a Exclusive,
    ) -> impl Iterator<Item = (NodeIndex, &'a Exclusive)> {
        let holders = self.0.get(&name_of(disk)).into_iter().flatten();
        let conflicting = holders.filter(move |(_, other)| disk.conflicts_with(other));
        conflicting.map(|(node, other)| (*node, other))
    }
}

fn name_of(disk: &Exclusive) -> Name {
    let one = |name: &Str| (name.clone(), Str::default());
    match disk {
        Exclusive::Gce(disk) => one(&disk.pd_name),
        Exclusive::Aws(disk) => one(&disk.volume_id),
        Exclusive::Iscsi(disk) => one(&disk.iqn),
        Exclusive::Rbd(disk) => (disk.pool.clone(), disk.image.clone()),
    }
}
