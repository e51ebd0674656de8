//! What an operator of the database does about a finding, in the words of its custom resource.

use rustc_hash::FxHashMap;

use super::counted::Counted;
use super::words;
use crate::groups::{Preset, Rule};
use crate::model::Str;
use crate::snapshot::Member;

/// What presets call their fields.
const TOPOLOGY_SPREAD: &str = "topologySpread";
const ANTI_AFFINITY: &str = "antiAffinity";
const REPLICAS: &str = "replicas";

/// The fields of all operators.
#[derive(Debug)]
pub(super) struct Remedies<'a> {
    presets: FxHashMap<&'a Str, &'a Preset>,
}

impl<'a> Remedies<'a> {
    pub(super) fn new(presets: &'a [Preset]) -> Self {
        Self { presets: presets.iter().map(|preset| (&preset.name, preset)).collect() }
    }

    /// How to get a better placement at a level.
    pub(super) fn spread(
        &self,
        counted: &Counted<'_>,
        level: &str,
        moved: Option<&Member>,
    ) -> String {
        let spread = "whenUnsatisfiable: DoNotSchedule";
        let constraint = match (
            counted.definition.remedy.get(TOPOLOGY_SPREAD),
            counted.definition.remedy.get(ANTI_AFFINITY),
        ) {
            (Some(field), _) => format!("{field} with topologyKey {level}, maxSkew 1, {spread}"),
            (None, Some(field)) => format!("{field} over {level}"),
            (None, None) => {
                format!("topologySpreadConstraints with topologyKey {level}, maxSkew 1, {spread}")
            }
        };
        let then = moved.map_or_else(String::new, |member| {
            format!("; then delete pod {} so that it is placed anew", member.pod.key.name)
        });
        format!("{}, or {constraint}{then}", self.scheduler(counted))
    }

    /// How the pods get our schedulerName.
    fn scheduler(&self, counted: &Counted<'_>) -> String {
        let Some(preset) = self.preset(counted) else {
            let owner = &counted.standing.key.cluster;
            return format!("set schedulerName: quorate in the pod template of {owner}");
        };
        let scheduler = &preset.scheduler;
        match scheduler.field.as_ref().or(scheduler.fields.first()) {
            Some(field) => format!("set {field}: quorate{}", self.resource(counted)),
            None => format!(
                "{} has no field for schedulerName: stamp it on the pods at admission (quorate \
                 presets admission)",
                preset.title
            ),
        }
    }

    /// ` in the PerconaXtraDBCluster orders`, where the kind is known.
    fn resource(&self, counted: &Counted<'_>) -> String {
        let kind = self.preset(counted).and_then(|preset| preset.custom_resource.as_ref());
        let cluster = &counted.standing.key.cluster;
        kind.map_or_else(String::new, |custom| format!(" in the {} {cluster}", custom.kind))
    }

    /// Where the number of members is set.
    fn replicas(&self, counted: &Counted<'_>) -> String {
        let field = counted.definition.remedy.get(REPLICAS);
        let field = field.cloned().unwrap_or_else(|| "spec.replicas".into());
        format!("{field}{}", self.resource(counted))
    }

    /// What would have to be there for a level that no placement can keep.
    pub(super) fn feasible(&self, counted: &Counted<'_>, level: &str, domains: u32) -> String {
        let (size, tolerance) = (counted.standing.size, counted.tolerance_full());
        let needed = size.div_ceil(tolerance.max(1));
        let missing = needed.saturating_sub(domains);
        let nodes = format!(
            "add nodes in {missing} more {} ({size} members need {needed})",
            words::levels(level, missing).split_once(' ').map_or("", |(_, word)| word),
        );
        match self.fitting_sizes(counted, domains).as_slice() {
            [] => nodes,
            sizes => {
                let sizes: Vec<String> = sizes.iter().map(ToString::to_string).collect();
                let replicas = self.replicas(counted);
                format!("{nodes}, or run {} members ({replicas})", sizes.join(" or "))
            }
        }
    }

    /// The sizes next to its own with which the group would survive the loss of any one domain.
    fn fitting_sizes(&self, counted: &Counted<'_>, domains: u32) -> Vec<u32> {
        let (size, rule) = (counted.standing.size, counted.standing.rule);
        if rule == Rule::MastersMajority || domains == 0 {
            return Vec::new();
        }
        let fits = |size: &u32| size.div_ceil(domains) <= rule.tolerance(*size);
        let below = size.checked_sub(1).filter(|size| *size > 1);
        below.into_iter().chain([size + 1]).filter(fits).collect()
    }

    /// How a group gets to tolerate a loss.
    pub(super) fn tolerate(&self, counted: &Counted<'_>) -> String {
        let (size, rule) = (counted.standing.size, counted.standing.rule);
        let more = (size + 1..=size + 2).find(|size| rule.tolerance(*size) > 0);
        match more {
            Some(more) => format!("run {more} members ({})", self.replicas(counted)),
            None => "let fewer members be needed: more copies of the data, or fewer that have to \
                     confirm a write"
                .to_owned(),
        }
    }

    fn preset(&self, counted: &Counted<'_>) -> Option<&'a Preset> {
        self.presets.get(&counted.standing.key.preset).copied()
    }
}
