//! InterPodAffinity: pods run near the pods they want to be with, and away from those they do not.

mod args;
mod filtering;
mod key_sums;
mod scoring;
#[cfg(test)]
mod tests;
mod wake;

use self::args::InterPodAffinityArgs;
use self::filtering::AffinityFilter;
pub use self::filtering::kept_off;
use self::scoring::AffinityScore;
use crate::config::{Base, Point};
use crate::framework::{
    ArgsError, ClusterEvent, Hint, Instance, Prepared, ReadyFilter, Registration, Score, SetPlugin,
    Status, decode_args,
};
use crate::snapshot::{NodeIndex, PodInfo, View};

pub const NAME: &str = "InterPodAffinity";

const REASON_AFFINITY: &str = "node(s) didn't match pod affinity rules";
const REASON_ANTI_AFFINITY: &str = "node(s) didn't match pod anti-affinity rules";
const REASON_EXISTING: &str = "node(s) didn't satisfy existing pods anti-affinity rules";

pub const REGISTRATION: Registration = Registration {
    name: NAME,
    summary: "keeps pods together or apart as their affinity and anti-affinity terms say",
    points: &[Point::Filter, Point::Score],
    weight: 2,
    base: Base::Parity,
    build: |args| Ok(Instance::of_set(InterPodAffinity::new(decode_args(args)?)?)),
};

#[derive(Debug)]
pub struct InterPodAffinity {
    args: InterPodAffinityArgs,
}

impl InterPodAffinity {
    pub fn new(args: InterPodAffinityArgs) -> Result<Self, ArgsError> {
        args.validate()?;
        Ok(Self { args })
    }
}

impl SetPlugin for InterPodAffinity {
    fn prepare_filter<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
    ) -> Prepared<ReadyFilter<'a>> {
        if let Some(error) = &pod.terms.error {
            return Prepared::Reject(Status::unresolvable(format!("parsing pod: {error}")));
        }
        match AffinityFilter::new(pod, view) {
            None => Prepared::Skip,
            Some(filter) => {
                Prepared::Ready(ReadyFilter { filter: Box::new(filter), narrowed: None })
            }
        }
    }

    fn prepare_score<'a>(
        &'a self,
        pod: &'a PodInfo,
        view: &'a View<'a>,
        nodes: &'a [NodeIndex],
    ) -> Prepared<Box<dyn Score + 'a>> {
        let terms = &pod.terms;
        if let Some(error) = &terms.error {
            return Prepared::Reject(Status::error(format!("failed to parse pod: {error}")));
        }
        let wishes_nothing =
            terms.preferred_affinity.is_empty() && terms.preferred_anti_affinity.is_empty();
        if wishes_nothing && self.args.ignore_preferred_terms_of_existing_pods {
            return Prepared::Skip;
        }
        let hard_weight = self.args.hard_pod_affinity_weight.into();
        match AffinityScore::new(pod, view, nodes, hard_weight) {
            None => Prepared::Skip,
            Some(score) => Prepared::Ready(Box::new(score)),
        }
    }

    fn hint(&self, pod: &PodInfo, event: &ClusterEvent<'_>) -> Hint {
        // A list of terms that cannot be read is empty, and says nothing about what may help.
        Hint::queue_if(pod.terms.error.is_some() || wake::may_help(pod, event))
    }
}
