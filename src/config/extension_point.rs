//! The extension points of the file, and how our own cover them.

use super::Point;
use super::types::{PluginSet, Plugins};

/// A list of plugins in a profile of the file, `multiPoint` aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum ExtensionPoint {
    PreEnqueue,
    QueueSort,
    PreFilter,
    Filter,
    PostFilter,
    PreScore,
    Score,
    Reserve,
    Permit,
    PreBind,
    Bind,
    PostBind,
    PlacementGenerate,
    PlacementScore,
    PodGroupPostFilter,
}

impl ExtensionPoint {
    pub(super) const ALL: [ExtensionPoint; 15] = [
        ExtensionPoint::PreEnqueue,
        ExtensionPoint::QueueSort,
        ExtensionPoint::PreFilter,
        ExtensionPoint::Filter,
        ExtensionPoint::PostFilter,
        ExtensionPoint::PreScore,
        ExtensionPoint::Score,
        ExtensionPoint::Reserve,
        ExtensionPoint::Permit,
        ExtensionPoint::PreBind,
        ExtensionPoint::Bind,
        ExtensionPoint::PostBind,
        ExtensionPoint::PlacementGenerate,
        ExtensionPoint::PlacementScore,
        ExtensionPoint::PodGroupPostFilter,
    ];

    /// The name of the list in the file.
    pub(super) fn name(self) -> &'static str {
        match self {
            ExtensionPoint::PreEnqueue => "preEnqueue",
            ExtensionPoint::QueueSort => "queueSort",
            ExtensionPoint::PreFilter => "preFilter",
            ExtensionPoint::Filter => "filter",
            ExtensionPoint::PostFilter => "postFilter",
            ExtensionPoint::PreScore => "preScore",
            ExtensionPoint::Score => "score",
            ExtensionPoint::Reserve => "reserve",
            ExtensionPoint::Permit => "permit",
            ExtensionPoint::PreBind => "preBind",
            ExtensionPoint::Bind => "bind",
            ExtensionPoint::PostBind => "postBind",
            ExtensionPoint::PlacementGenerate => "placementGenerate",
            ExtensionPoint::PlacementScore => "placementScore",
            ExtensionPoint::PodGroupPostFilter => "podGroupPostFilter",
        }
    }

    /// The list of a profile.
    pub(super) fn of(self, plugins: &Plugins) -> &PluginSet {
        match self {
            ExtensionPoint::PreEnqueue => &plugins.pre_enqueue,
            ExtensionPoint::QueueSort => &plugins.queue_sort,
            ExtensionPoint::PreFilter => &plugins.pre_filter,
            ExtensionPoint::Filter => &plugins.filter,
            ExtensionPoint::PostFilter => &plugins.post_filter,
            ExtensionPoint::PreScore => &plugins.pre_score,
            ExtensionPoint::Score => &plugins.score,
            ExtensionPoint::Reserve => &plugins.reserve,
            ExtensionPoint::Permit => &plugins.permit,
            ExtensionPoint::PreBind => &plugins.pre_bind,
            ExtensionPoint::Bind => &plugins.bind,
            ExtensionPoint::PostBind => &plugins.post_bind,
            ExtensionPoint::PlacementGenerate => &plugins.placement_generate,
            ExtensionPoint::PlacementScore => &plugins.placement_score,
            ExtensionPoint::PodGroupPostFilter => &plugins.pod_group_post_filter,
        }
    }

    /// The point of ours that stands for this one, if we have one.
    pub(super) fn ours(self) -> Option<Point> {
        match self {
            ExtensionPoint::PreEnqueue => Some(Point::PreEnqueue),
            ExtensionPoint::QueueSort => Some(Point::QueueSort),
            ExtensionPoint::PreFilter | ExtensionPoint::Filter => Some(Point::Filter),
            ExtensionPoint::PreScore | ExtensionPoint::Score => Some(Point::Score),
            ExtensionPoint::Reserve => Some(Point::Reserve),
            ExtensionPoint::PreBind => Some(Point::PreBind),
            ExtensionPoint::Bind => Some(Point::Bind),
            _ => None,
        }
    }
}
