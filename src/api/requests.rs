//! What pods ask for and take, added up as kube-scheduler does.

use std::collections::btree_map::Entry;

use super::pod::{Container, ContainerStatus, Pod, ResourceList};
use crate::model::{
    CPU, DEFAULT_MEMORY_REQUEST, DEFAULT_MILLI_CPU_REQUEST, MEMORY, Quantity, Resources,
};

/// What a pod adds to the sums of its node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    pub requested: Resources,
    /// For scoring: containers that ask for no CPU or memory count with a default.
    pub non_zero_milli_cpu: i64,
    pub non_zero_memory: i64,
}

/// Which parts of a pod a sum takes in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counting {
    /// What the node has allocated and set, too. Resizing in place changes it after the spec.
    pub status: bool,
    /// The resources that the pod asks for as a whole.
    pub pod_level: bool,
    /// Containers without cpu count 100 m.
    pub default_cpu: bool,
    /// Containers without memory count 200 MiB.
    pub default_memory: bool,
}

/// Where the answer to what a container asks for stands.
#[derive(Clone, Copy)]
enum Source {
    Spec,
    /// What the node has set aside, where it says so.
    Allocated,
    /// What the node has set, where it says so.
    Actual,
    Limits,
}

/// What a pending pod asks for.
pub fn requests(pod: &Pod) -> Resources {
    rounded(pod, Counting { pod_level: true, ..Counting::default() })
}

/// What a pod on a node holds, be it while it is being resized.
pub fn running_requests(pod: &Pod) -> Resources {
    rounded(pod, Counting { pod_level: true, status: true, ..Counting::default() })
}

/// What a pending pod asks for, with defaults for containers that ask for no cpu or memory.
pub fn non_zero_requests(pod: &Pod) -> Resources {
    let defaults = Counting { default_cpu: true, default_memory: true, ..Counting::default() };
    rounded(pod, Counting { pod_level: true, ..defaults })
}

/// What the containers of a pending pod ask for, whatever the pod asks for as a whole.
pub fn without_pod_level(pod: &Pod) -> Resources {
    rounded(pod, Counting::default())
}

/// What a pending pod counts when NodeResourcesFit scores: its containers, with defaults.
/// Upstream's scorer does not look at what the pod asks for as a whole.
pub fn scored_requests(pod: &Pod) -> Resources {
    rounded(pod, Counting { default_cpu: true, default_memory: true, ..Counting::default() })
}

/// What a pending pod may use at most.
pub fn limits(pod: &Pod) -> Resources {
    Resources::from_amounts(&limit_amounts(pod))
}

/// What a pod adds to the sums of its node.
pub fn usage(pod: &Pod) -> Usage {
    let counting = Counting { pod_level: true, status: true, ..Counting::default() };
    let amounts = amounts(pod, counting);
    let requested = Resources::from_amounts(&amounts);
    // A pod that asks for something as a whole is given a default only for what is missing in
    // its whole sum.
    let needs_default = |name: &str| !pod_level_requests(pod) || !amounts.contains_key(name);
    let defaults = Counting {
        default_cpu: needs_default(CPU),
        default_memory: needs_default(MEMORY),
        ..counting
    };
    if !defaults_matter(pod, defaults) {
        let (non_zero_milli_cpu, non_zero_memory) = (requested.milli_cpu, requested.memory);
        return Usage { requested, non_zero_milli_cpu, non_zero_memory };
    }
    let non_zero = rounded(pod, defaults);
    Usage { requested, non_zero_milli_cpu: non_zero.milli_cpu, non_zero_memory: non_zero.memory }
}

/// The requests of a pod before they are rounded to whole units.
pub fn amounts(pod: &Pod, counting: Counting) -> ResourceList {
    let mut sum = container_amounts(pod, counting);
    if counting.pod_level && pod_level_requests(pod) {
        for (name, amount) in pod_level_amounts(pod, counting) {
            if has_pod_level(&name) {
                sum.insert(name, amount);
            }
        }
    }
    add(&mut sum, &pod.spec.overhead);
    sum
}

/// The limits of a pending pod before they are rounded. Overhead counts where a limit is set.
pub fn limit_amounts(pod: &Pod) -> ResourceList {
    let mut sum = aggregate(pod, Counting::default(), Source::Limits);
    if let Some(resources) = &pod.spec.resources {
        let supported = resources.limits.iter().filter(|(name, _)| has_pod_level(name));
        sum.extend(supported.map(|(name, amount)| (name.clone(), amount.clone())));
    }
    for (name, amount) in &pod.spec.overhead {
        if let Some(limit) = sum.get_mut(name).filter(|limit| !limit.is_zero()) {
            *limit = limit.add(amount);
        }
    }
    sum
}

fn rounded(pod: &Pod, counting: Counting) -> Resources {
    Resources::from_amounts(&amounts(pod, counting))
}

/// What the containers ask for together. On a node that is the largest of three sums over the
/// whole pod: what the spec says, what the node has allocated, and what it has set.
fn container_amounts(pod: &Pod, counting: Counting) -> ResourceList {
    if !counting.status || !has_resource_status(pod) && !resize_is_infeasible(pod) {
        return aggregate(pod, counting, Source::Spec);
    }
    let mut largest = match resize_is_infeasible(pod) {
        true => ResourceList::default(),
        false => aggregate(pod, counting, Source::Spec),
    };
    match pod_level_status(pod) {
        Some((allocated, actual)) => {
            keep_larger(&mut largest, actual);
            keep_larger(&mut largest, allocated);
        }
        None => {
            keep_larger(&mut largest, &aggregate(pod, counting, Source::Actual));
            keep_larger(&mut largest, &aggregate(pod, counting, Source::Allocated));
        }
    }
    largest
}

/// The sum over all containers, or what the hungriest moment of initialisation takes, whichever
/// is more. Sidecars are init containers that keep running beside all that come after them.
fn aggregate(pod: &Pod, counting: Counting, source: Source) -> ResourceList {
    let infeasible = counting.status && resize_is_infeasible(pod);
    let status = |container: &Container| {
        counting.status.then(|| container_status(pod, &container.name)).flatten()
    };
    let of = |container: &Container| {
        let asked = source.of(container, status(container), infeasible);
        let asked = asked.cloned().unwrap_or_default();
        with_defaults(asked, counting)
    };
    let mut sum = ResourceList::default();
    for container in &pod.spec.containers {
        add(&mut sum, &of(container));
    }
    let mut sidecars = ResourceList::default();
    let mut initialising = ResourceList::default();
    for container in &pod.spec.init_containers {
        let mut asked = of(container);
        if container.restart_policy.as_deref() == Some("Always") {
            add(&mut sum, &asked);
            add(&mut sidecars, &asked);
            keep_larger(&mut initialising, &sidecars);
        } else {
            add(&mut asked, &sidecars);
            keep_larger(&mut initialising, &asked);
        }
    }
    keep_larger(&mut sum, &initialising);
    sum
}

fn with_defaults(mut asked: ResourceList, counting: Counting) -> ResourceList {
    if counting.default_cpu && !asked.contains_key(CPU) {
        asked.insert(CPU.into(), Quantity::from_milli(DEFAULT_MILLI_CPU_REQUEST));
    }
    if counting.default_memory && !asked.contains_key(MEMORY) {
        asked.insert(MEMORY.into(), Quantity::from_units(DEFAULT_MEMORY_REQUEST));
    }
    asked
}

/// Whether a container may lack something that a default stands in for.
fn defaults_matter(pod: &Pod, counting: Counting) -> bool {
    if counting.status && (has_resource_status(pod) || resize_is_infeasible(pod)) {
        return counting.default_cpu || counting.default_memory;
    }
    let mut containers = pod.spec.containers.iter().chain(&pod.spec.init_containers);
    containers.any(|container| {
        let asked = &container.resources.requests;
        counting.default_cpu && !asked.contains_key(CPU)
            || counting.default_memory && !asked.contains_key(MEMORY)
    })
}

/// What the pod asks for as a whole: on a node the largest of spec, allocation and setting.
fn pod_level_amounts(pod: &Pod, counting: Counting) -> ResourceList {
    let spec = pod.spec.resources.as_ref().map(|resources| &resources.requests);
    let status = pod.status.resources.as_ref().filter(|_| counting.status);
    let Some(status) = status else {
        return spec.cloned().unwrap_or_default();
    };
    let spec = spec.filter(|_| !resize_is_infeasible(pod));
    let mut largest = spec.cloned().unwrap_or_default();
    keep_larger(&mut largest, &status.requests);
    if let Some(allocated) = &pod.status.allocated_resources {
        keep_larger(&mut largest, allocated);
    }
    largest
}

/// What the node says that the pod as a whole is allocated and set to, where it says both.
fn pod_level_status(pod: &Pod) -> Option<(&ResourceList, &ResourceList)> {
    let actual = &pod.status.resources.as_ref()?.requests;
    let allocated = pod.status.allocated_resources.as_ref()?;
    (!actual.is_empty()).then_some((allocated, actual))
}

fn pod_level_requests(pod: &Pod) -> bool {
    let resources = pod.spec.resources.as_ref();
    resources.is_some_and(|resources| resources.requests.keys().any(|name| has_pod_level(name)))
}

/// The resources that a pod can ask for as a whole.
fn has_pod_level(name: &str) -> bool {
    name == CPU || name == MEMORY || name.starts_with("hugepages-")
}

/// Whether the node says anything about resources. Most pods are never resized, and their three
/// sums are one.
fn has_resource_status(pod: &Pod) -> bool {
    let status = &pod.status;
    let mut containers = status.container_statuses.iter().chain(&status.init_container_statuses);
    status.allocated_resources.is_some()
        || status.resources.is_some()
        || containers.any(|one| one.allocated_resources.is_some() || one.resources.is_some())
}

fn container_status<'a>(pod: &'a Pod, name: &str) -> Option<&'a ContainerStatus> {
    let status = &pod.status;
    let mut all = status.container_statuses.iter().chain(&status.init_container_statuses);
    all.find(|status| &*status.name == name)
}

/// Whether the node has said that it can never grant what the spec asks for now.
fn resize_is_infeasible(pod: &Pod) -> bool {
    let pending = pod.condition("PodResizePending");
    pending.is_some_and(|condition| &*condition.reason == "Infeasible")
}

impl Source {
    /// What one container asks for; none while nothing says so.
    fn of<'a>(
        self,
        container: &'a Container,
        status: Option<&'a ContainerStatus>,
        infeasible: bool,
    ) -> Option<&'a ResourceList> {
        let spec = &container.resources.requests;
        let allocated = || status.and_then(|status| status.allocated_resources.as_ref());
        let actual = || {
            let resources = status.and_then(|status| status.resources.as_ref());
            resources.map(|resources| &resources.requests).filter(|list| !list.is_empty())
        };
        let fallback = (!infeasible).then_some(spec);
        match self {
            Self::Spec => Some(spec),
            Self::Allocated => allocated().or(fallback),
            Self::Actual => actual().or_else(allocated).or(fallback),
            Self::Limits => Some(&container.resources.limits),
        }
    }
}

fn add(sum: &mut ResourceList, more: &ResourceList) {
    combine(sum, more, |own, other| *own = own.add(other));
}

fn keep_larger(largest: &mut ResourceList, other: &ResourceList) {
    combine(largest, other, |own, other| {
        if other > own {
            *own = other.clone();
        }
    });
}

fn combine(list: &mut ResourceList, other: &ResourceList, with: fn(&mut Quantity, &Quantity)) {
    for (name, amount) in other {
        match list.entry(name.clone()) {
            Entry::Occupied(mut own) => with(own.get_mut(), amount),
            Entry::Vacant(free) => {
                free.insert(amount.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests;
