//! The plugins that a file may name: ours, and those of kube-scheduler that we do not have yet.

use super::PluginPoints;
use super::extension_point::ExtensionPoint;
use super::types::{Base, Plugin};

/// A plugin of kube-scheduler.
struct Upstream {
    name: &'static str,
    /// The points at which it decides something.
    points: &'static [ExtensionPoint],
    /// Whether it runs where the file does not mention it.
    by_default: bool,
}

/// All plugins of kube-scheduler 1.37, in the order of its default profile.
const UPSTREAM: [Upstream; 24] = {
    use ExtensionPoint::*;
    [
        upstream("SchedulingGates", &[PreEnqueue], true),
        upstream("PrioritySort", &[QueueSort], true),
        upstream("NodeName", &[Filter], true),
        upstream("NodeUnschedulable", &[Filter], true),
        upstream("TaintToleration", &[Filter, Score], true),
        upstream("NodeAffinity", &[Filter, Score], true),
        upstream("NodePorts", &[Filter], true),
        upstream("DeferredPodScheduling", &[Filter], false),
        upstream("NodeResourcesFit", &[Filter, Score], true),
        upstream("VolumeRestrictions", &[Filter], true),
        upstream("NodeVolumeLimits", &[Filter], true),
        upstream("VolumeBinding", &[Filter, Score, Reserve, PreBind], true),
        upstream("VolumeZone", &[Filter], true),
        upstream("PodTopologySpread", &[Filter, Score], true),
        upstream("InterPodAffinity", &[Filter, Score], true),
        upstream("DynamicResources", &[Filter, PostFilter, Score, Reserve, PreBind], true),
        upstream("DefaultPreemption", &[PostFilter], true),
        upstream("NodeResourcesBalancedAllocation", &[Score], true),
        upstream("ImageLocality", &[Score], true),
        upstream("DefaultBinder", &[Bind], true),
        upstream("NodeDeclaredFeatures", &[Filter], true),
        upstream("GangScheduling", &[PreEnqueue, Permit], false),
        upstream("TopologyPlacementGenerator", &[PlacementGenerate], false),
        upstream("PodGroupPodsCount", &[PlacementScore], false),
    ]
};

/// Plugins that kube-scheduler has had: files may still disable them.
pub(super) const REMOVED: [&str; 4] =
    ["AzureDiskLimits", "CinderLimits", "EBSLimits", "GCEPDLimits"];

/// The plugins of one configuration.
pub(super) struct Known<'a> {
    catalog: &'a [PluginPoints],
}

impl<'a> Known<'a> {
    pub(super) fn new(catalog: &'a [PluginPoints]) -> Known<'a> {
        Known { catalog }
    }

    /// The plugin of ours that has this name.
    pub(super) fn ours(&self, name: &str) -> Option<&'a PluginPoints> {
        self.catalog.iter().find(|plugin| plugin.name == name)
    }

    /// Whether this is a plugin of ours or of kube-scheduler.
    pub(super) fn contains(&self, name: &str) -> bool {
        self.ours(name).is_some() || UPSTREAM.iter().any(|plugin| plugin.name == name)
    }

    /// The names of kube-scheduler's plugins that we do not have.
    pub(super) fn unsupported(&self) -> impl Iterator<Item = &'static str> {
        self.upstream_only().map(|plugin| plugin.name)
    }

    /// All names, for an error that lists them.
    pub(super) fn names(&self) -> String {
        let ours = self.catalog.iter().map(|plugin| plugin.name);
        ours.chain(self.unsupported()).collect::<Vec<_>>().join(", ")
    }

    /// The points at which the plugin decides something.
    pub(super) fn runs_at(&self, name: &str, point: ExtensionPoint) -> bool {
        match self.ours(name) {
            Some(plugin) => point.ours().is_some_and(|ours| plugin.points.contains(&ours)),
            None => self.upstream_only().any(|p| p.name == name && p.points.contains(&point)),
        }
    }

    /// Whether a file may enable the plugin at `point` by name. Where we do not have the plugin or
    /// the point, nothing will run and there is nothing to check.
    pub(super) fn may_enable(&self, name: &str, point: ExtensionPoint) -> bool {
        match (self.ours(name), point.ours()) {
            (Some(plugin), Some(point)) => plugin.points.contains(&point),
            _ => true,
        }
    }

    /// Whether the plugin gives scores.
    pub(super) fn scores(&self, name: &str) -> bool {
        self.runs_at(name, ExtensionPoint::Score)
            || self.runs_at(name, ExtensionPoint::PlacementScore)
    }

    /// The plugins of ours that run from this base on.
    pub(super) fn of_base(&self, base: Base) -> impl Iterator<Item = &'static str> + use<'a> {
        self.catalog.iter().filter(move |plugin| plugin.base == base).map(|plugin| plugin.name)
    }

    /// What runs where the file changes nothing, as a list for `multiPoint`.
    pub(super) fn defaults(&self, base: Base) -> Vec<Plugin> {
        let ours = self.catalog.iter().filter(|plugin| plugin.base <= base);
        let ours = ours.map(|plugin| Plugin {
            name: plugin.name.to_owned(),
            weight: i32::try_from(plugin.default_weight).ok(),
        });
        let theirs = self.upstream_only().filter(|plugin| plugin.by_default);
        ours.chain(theirs.map(|p| Plugin { name: p.name.to_owned(), weight: None })).collect()
    }

    fn upstream_only(&self) -> impl Iterator<Item = &'static Upstream> {
        UPSTREAM.iter().filter(|plugin| self.ours(plugin.name).is_none())
    }
}

const fn upstream(
    name: &'static str,
    points: &'static [ExtensionPoint],
    by_default: bool,
) -> Upstream {
    Upstream { name, points, by_default }
}
