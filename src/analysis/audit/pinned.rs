//! Volumes that keep members where they are: no rescheduling takes those apart.

use super::counted::Counted;
use crate::model::PodKey;
use crate::placement::LevelDomains;
use crate::snapshot::volumes::VolumeInfo;
use crate::snapshot::{Domain, Member, NodeIndex, NodeSet, View};

/// The voters of a domain that can run in it only, because of their volumes.
pub(super) fn pinned<'a>(
    view: &View<'_>,
    counted: &Counted<'_>,
    level: &LevelDomains,
    domain: Domain,
    voters: &[&'a Member],
) -> Vec<&'a Member> {
    let mut inside = NodeSet::default();
    level.column.add_nodes(domain, &mut inside);
    let mut outside = counted.eligible.clone();
    outside.difference_with(&inside);
    let here = voters.iter().filter(|member| level.domain(member.node) == Some(domain));
    here.copied().filter(|member| is_pinned(view, member, &outside)).collect()
}

/// Whether a volume of a member cannot be reached from any of these nodes.
fn is_pinned(view: &View<'_>, member: &Member, outside: &NodeSet) -> bool {
    let volumes = view.volumes().shown();
    let claims = member.pod.volumes.iter().filter_map(|volume| volume.claim());
    let found = claims.filter_map(|(name, _)| {
        let claim = volumes.claim(&PodKey::new(member.pod.key.namespace.clone(), name.clone()))?;
        volumes.volume(&claim.volume)
    });
    found.into_iter().any(|volume| !is_reached_from_any(view, volume, outside))
}

/// Most volumes demand one label, so that only the nodes that have it are asked.
fn is_reached_from_any(view: &View<'_>, volume: &VolumeInfo, nodes: &NodeSet) -> bool {
    let Some(affinity) = &volume.affinity else {
        return true;
    };
    let reached = |node: &NodeIndex| volume.is_reached_from(&view.nodes().info(*node).labels);
    let Some((key, values)) = affinity.demanded_label() else {
        return nodes.iter().any(|node| reached(&node));
    };
    let column = view.topology(key);
    let domains = values.iter().filter_map(|value| column.find(value));
    domains.into_iter().any(|domain| {
        let having = column.nodes(domain).iter();
        having.filter(|node| nodes.contains(**node)).any(reached)
    })
}
