//! PodTopologySpread: the pods that a selector picks spread evenly over topology domains.

mod args;
mod constraints;
mod filtering;
mod inclusion;
mod scoring;
#[cfg(test)]
mod tests;
mod wake;

use self::args::{DefaultingType, PodTopologySpreadArgs};
use self::constraints::{DO_NOT_SCHEDULE, SCHEDULE_ANYWAY};
use self::filtering::SpreadFilter;
use self::scoring::SpreadScore;
use self::wake::Wake;
use crate::api::TopologySpreadConstraint;
use crate::config::{Base, Point};
use crate::framework::{
    ArgsError, ClusterEvent, Hint, Instance, Prepared, ReadyFilter, Registration, Score, SetPlugin,
    Status, decode_args,
};
use crate::snapshot::{NodeIndex, PodInfo, View};

pub const NAME: &str = "PodTopologySpread";

const REASON_SKEW: &str = "node(s) didn't match pod topology spread constraints";
const REASON_LABEL: &str =
    "node(s) didn't match pod topology spread constraints (missing required label)";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "spreads matching pods evenly over topology domains",
    points: &[Point::Filter, Point::Score],
    weight: 2,
    base: Base::Parity,
    build: |args| Ok(Instance::of_set(PodTopologySpread::new(decode_args(args)?)?)),
};

#[derive(Debug)]
pub struct PodTopologySpread {
    /// The constraints of pods that state none.
    defaults: Vec<TopologySpreadConstraint>,
    /// With the system's defaults nodes without a zone are spread over, too.
    system_defaults: bool,
}

impl PodTopologySpread {
    pub fn new(args: PodTopologySpreadArgs) -> Result<Self, ArgsError> {
        args.validate()?;
        let system_defaults = args.defaulting_type == DefaultingType::System;
        let defaults = if system_defaults {
            vec![
                system_default("kubernetes.io/hostname", 3),
                system_default("topology.kubernetes.io/zone", 5),
            ]
        } else {
            args.default_constraints
        };
        Ok(Self { defaults, system_defaults })
    }
}

fn system_default(topology_key: &str, max_skew: i32) -> TopologySpreadConstraint {
    TopologySpreadConstraint {
        topology_key: topology_key.into(),
        max_skew,
        when_unsatisfiable: SCHEDULE_ANYWAY.into(),
        ..TopologySpreadConstraint::default()
    }
}

impl SetPlugin for PodTopologySpread {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        match self.constraints(pod, view.owners(), DO_NOT_SCHEDULE) {
            Err(error) => Prepared::Reject(Status::error(error.to_string())),
            Ok(constraints) if constraints.is_empty() => Prepared::Skip,
            Ok(constraints) => Prepared::Ready(ReadyFilter {
                filter: Box::new(SpreadFilter::new(pod, view, &constraints)),
                narrowed: None,
            }),
        }
    }

    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let needs_all_keys = !self.system_defaults || !self.defaults_hold_for(pod);
        match self.constraints(pod, view.owners(), SCHEDULE_ANYWAY) {
            Err(error) => Prepared::Reject(Status::error(error.to_string())),
            Ok(constraints) if constraints.is_empty() => Prepared::Skip,
            Ok(constraints) => Prepared::Ready(Box::new(SpreadScore::new(
                pod,
                view,
                nodes,
                &constraints,
                needs_all_keys,
            ))),
        }
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        if wake::is_of_other_namespace(pod, event) {
            return Hint::Skip;
        }
        match Wake::of(self, pod) {
            Ok(wake) => Hint::queue_if(wake.may_help(event)),
            Err(_) => Hint::Queue,
        }
    }
}
