//! Services and controllers, which say which pods belong together.

use std::collections::BTreeMap;

use crate::model::{LabelSelector, PodKey, Str};

/// A selector that is a plain map of labels.
pub type MapSelector = BTreeMap<Str, Str>;

/// What selects pods, by namespace and name.
#[derive(Clone, Debug, Default)]
pub struct Owners {
    pub services: BTreeMap<PodKey, MapSelector>,
    pub replication_controllers: BTreeMap<PodKey, MapSelector>,
    pub replica_sets: BTreeMap<PodKey, Option<LabelSelector>>,
    pub stateful_sets: BTreeMap<PodKey, Option<LabelSelector>>,
}

impl Owners {
    /// The selectors of the services of a namespace.
    pub fn services_of<'a>(
        &'a self,
        namespace: &'a Str,
    ) -> impl Iterator<Item = &'a MapSelector> + 'a {
        let first = PodKey { namespace: namespace.clone(), name: "".into() };
        let services = self.services.range(first..);
        services.take_while(move |(key, _)| key.namespace == *namespace).map(|(_, map)| map)
    }
}
