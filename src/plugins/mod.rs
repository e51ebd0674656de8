//! The plugins, one folder each, and the table that names them.

mod copyset_width;
mod declared_rack;
mod default_binder;
mod group_look_ahead;
mod image_locality;
mod inter_pod_affinity;
mod node_affinity;
mod node_declared_features;
mod node_name;
mod node_ports;
mod node_resources_balanced_allocation;
mod node_resources_fit;
mod node_unschedulable;
mod node_volume_limits;
mod pod_topology_spread;
mod primary_balance;
mod priority_sort;
mod quorum_spread;
mod reach;
mod rungs;
mod scheduling_gates;
mod scored_resources;
mod shape;
mod taint_toleration;
#[cfg(test)]
mod tests;
mod topology_memo;
mod volume_binding;
mod volume_restrictions;
mod volume_zone;

#[cfg(test)]
use self::tests::fixture;
use crate::framework::Registry;

/// All plugins. Their order is the order in which they run unless a profile says otherwise, and so
/// decides which refusal of a node is reported.
pub fn registry() -> Registry {
    Registry::new([
        scheduling_gates::REGISTRATION,
        priority_sort::REGISTRATION,
        node_name::REGISTRATION,
        node_unschedulable::REGISTRATION,
        taint_toleration::REGISTRATION,
        node_affinity::REGISTRATION,
        node_ports::REGISTRATION,
        node_resources_fit::REGISTRATION,
        volume_restrictions::REGISTRATION,
        node_volume_limits::REGISTRATION,
        volume_binding::REGISTRATION,
        volume_zone::REGISTRATION,
        pod_topology_spread::REGISTRATION,
        inter_pod_affinity::REGISTRATION,
        node_resources_balanced_allocation::REGISTRATION,
        image_locality::REGISTRATION,
        node_declared_features::REGISTRATION,
        declared_rack::REGISTRATION,
        quorum_spread::REGISTRATION,
        group_look_ahead::REGISTRATION,
        primary_balance::REGISTRATION,
        copyset_width::REGISTRATION,
        default_binder::REGISTRATION,
    ])
}
