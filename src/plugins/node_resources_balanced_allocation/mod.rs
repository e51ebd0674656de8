//! NodeResourcesBalancedAllocation: a pod evens out how much is taken of the resources of its node.

mod scoring;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::Deserialize;

use self::scoring::BalanceScore;
use crate::config::{Base, Point};
use crate::framework::{
    ArgsError, Instance, Prepared, Registration, Score, SetPlugin, decode_args,
};
use crate::plugins::scored_resources::{ResourceArgs, ResourceSpec, Taken, scored, specs};
use crate::snapshot::{NodeIndex, PodInfo, View};

pub const NAME: &str = "NodeResourcesBalancedAllocation";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "prefers nodes of which the pod evens out the shares of the resources that are taken",
    points: &[Point::Score],
    weight: 1,
    base: Base::Parity,
    build: |args| {
        let args = decode_args::<BalancedAllocationArgs>(args)?;
        Ok(Instance::of_set(args.compile()?))
    },
};

#[derive(Debug)]
pub struct NodeResourcesBalancedAllocation {
    resources: Vec<ResourceSpec>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct BalancedAllocationArgs {
    /// The resources to even out; CPU and memory where there are none.
    resources: Option<Vec<ResourceArgs>>,
}

impl SetPlugin for NodeResourcesBalancedAllocation {
    /// Skips pods that ask for none of the resources: they would flock to the same few nodes.
    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let requests = &pod.usage.requested;
        if self.resources.iter().all(|resource| requests.get(&resource.name) == 0) {
            return Prepared::Skip;
        }
        let resources = scored(&self.resources, requests, view, Taken::Requested);
        Prepared::Ready(Box::new(BalanceScore { resources, nodes }))
    }
}

impl BalancedAllocationArgs {
    fn compile(self) -> Result<NodeResourcesBalancedAllocation, ArgsError> {
        let resources = specs(self.resources, "resources", 1)?;
        let mut seen = BTreeSet::new();
        for (index, resource) in resources.iter().enumerate() {
            if !seen.insert(&resource.name) {
                return Err(ArgsError::Invalid {
                    field: format!("resources[{index}].name"),
                    value: resource.name.to_string(),
                    expected: "each resource once".into(),
                });
            }
        }
        Ok(NodeResourcesBalancedAllocation { resources })
    }
}
