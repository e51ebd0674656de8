//! Primaries, host by host: how many failovers one host's loss starts at once.

use std::collections::BTreeMap;

use super::counted::Counted;
use super::report::{HostPrimaries, PrimariesReport};
use crate::snapshot::{NodeIndex, NodeSet, View};

/// So many hosts are named, those with the most primaries.
const HOSTS_SHOWN_MAX: usize = 10;

pub(super) fn count(view: &View<'_>, counted: &[Counted<'_>]) -> PrimariesReport {
    let mut on_host: BTreeMap<NodeIndex, usize> = BTreeMap::new();
    let mut usable = NodeSet::default();
    for counted in counted {
        let mut primaries = counted.group.primaries().peekable();
        if primaries.peek().is_some() {
            usable.union_with(&counted.eligible);
        }
        primaries.for_each(|member| *on_host.entry(member.node).or_default() += 1);
    }
    let total: usize = on_host.values().sum();
    let mut worst: Vec<(NodeIndex, usize)> = on_host.into_iter().collect();
    worst.sort_by_key(|(node, primaries)| (std::cmp::Reverse(*primaries), *node));
    let hosts = worst.iter().take(HOSTS_SHOWN_MAX).map(|(node, primaries)| HostPrimaries {
        node: view.nodes().name(*node).clone(),
        primaries: *primaries,
    });
    PrimariesReport {
        total,
        max: worst.first().map_or(0, |(_, primaries)| *primaries),
        ideal: total.div_ceil(usable.len().max(1)),
        hosts: hosts.collect(),
    }
}
