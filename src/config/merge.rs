//! How the plugins of a profile add up, exactly as in kube-scheduler: what an extension point says
//! itself goes before what `multiPoint` says, and that before the defaults.

use super::extension_point::ExtensionPoint;
use super::known::Known;
use super::types::{Base, Plugin, PluginSet, Plugins};

/// The plugins of one profile after its `multiPoint` has been merged into the defaults.
pub(super) struct Merged<'a> {
    plugins: &'a Plugins,
    pub(super) known: &'a Known<'a>,
    multi_point: Vec<Plugin>,
}

impl<'a> Merged<'a> {
    pub(super) fn new(plugins: &'a Plugins, base: Base, known: &'a Known<'a>) -> Merged<'a> {
        let multi_point = merge_defaults(known.defaults(base), &plugins.multi_point);
        Merged { plugins, known, multi_point }
    }

    /// The plugins that run at `point`, in order. Those that the point's own list re-configures
    /// come first, then those of `multiPoint`, then those that only the point's own list names.
    pub(super) fn at(&self, point: ExtensionPoint) -> Vec<&Plugin> {
        let own = point.of(self.plugins);
        if own.disabled.iter().any(|plugin| plugin.name == "*") {
            return own.enabled.iter().collect();
        }
        let implied: Vec<&Plugin> = self
            .multi_point
            .iter()
            .filter(|plugin| self.known.runs_at(&plugin.name, point))
            .filter(|plugin| !own.disables(&plugin.name))
            .collect();
        let is_implied = |plugin: &Plugin| implied.iter().any(|p| p.name == plugin.name);
        let (overriding, added): (Vec<&Plugin>, Vec<&Plugin>) =
            own.enabled.iter().partition(|plugin| is_implied(plugin));
        let from_multi_point = implied.iter().copied().filter(|plugin| !own.enables(&plugin.name));
        overriding.into_iter().chain(from_multi_point).chain(added).collect()
    }

    /// Whether `name` is taken away from `point` by name or by `*`, and not put back.
    pub(super) fn is_disabled_at(&self, name: &str, point: ExtensionPoint) -> bool {
        let own = point.of(self.plugins);
        own.disables(name) && !own.enables(name)
    }
}

/// The defaults without the disabled ones. What the file enables replaces a default in its place,
/// or stands at the end.
fn merge_defaults(defaults: Vec<Plugin>, custom: &PluginSet) -> Vec<Plugin> {
    let kept = defaults.into_iter().filter(|plugin| !custom.disables(&plugin.name));
    let replacement = |name: &str| custom.enabled.iter().find(|plugin| plugin.name == name);
    let mut merged: Vec<Plugin> =
        kept.map(|plugin| replacement(&plugin.name).cloned().unwrap_or(plugin)).collect();
    for plugin in &custom.enabled {
        if !merged.iter().any(|p| p.name == plugin.name) {
            merged.push(plugin.clone());
        }
    }
    merged
}
