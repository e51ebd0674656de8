//! Refuses nodes on which too little is left.
//!
//! A word of the set of nodes is looked at as a whole: if every node of it has enough of
//! everything, which a few subtractions show, nothing more is asked.

use std::borrow::Cow;
use std::collections::BTreeSet;

use super::REASON_PODS;
use crate::framework::{Code, Filter, Refusals, Status, StatusId};
use crate::model::{Resources, Str, is_extended_resource_name};
use crate::snapshot::{NodeIndex, NodeSet, View};

/// Extended resources that are left aside.
#[derive(Clone, Debug, Default)]
pub struct Ignored {
    pub resources: BTreeSet<Str>,
    pub groups: BTreeSet<Str>,
}

/// Asks nodes for everything that a pod takes.
#[derive(Debug)]
pub struct FitFilter<'a> {
    demands: Vec<Demand<'a>>,
}

/// One thing that a pod takes, with what nodes offer of it and what their pods take.
#[derive(Debug)]
struct Demand<'a> {
    /// None for the place of the pod itself.
    resource: Option<&'a str>,
    request: i64,
    allocatable: Cow<'a, [i64]>,
    taken: Cow<'a, [i64]>,
}

/// A demand that a node does not meet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shortfall {
    /// The position of the demand.
    demand: usize,
    /// The node would not meet it either if it were empty.
    hopeless: bool,
}

/// The statuses of all lists of shortfalls that nodes have, as a tree: from the root, one step a
/// shortfall. Nodes lack the same few things, so their status is found and not put together.
struct Verdicts {
    places: Vec<Verdict>,
}

#[derive(Default)]
struct Verdict {
    /// The last shortfall, and the place of the list before it.
    last: Option<(Shortfall, usize)>,
    next: Vec<(Shortfall, usize)>,
    status: Option<StatusId>,
}

impl Ignored {
    pub fn contains(&self, resource: &str) -> bool {
        let group = resource.split('/').next().unwrap_or_default();
        let named = self.resources.contains(resource) || self.groups.contains(group);
        named && is_extended_resource_name(resource)
    }
}

impl<'a> FitFilter<'a> {
    pub fn new(requests: &'a Resources, ignored: &Ignored, view: &'a View<'a>) -> Self {
        let columns = view.columns();
        let place = Demand {
            resource: None,
            request: 1,
            allocatable: columns.pods_allocatable().into(),
            taken: view.pods(),
        };
        let asked = requests.iter().filter(|(_, request)| *request > 0);
        let asked = asked.filter(|(name, _)| !ignored.contains(name));
        let resources = asked.map(|(name, request)| {
            let (allocatable, taken) = match columns.resource(name) {
                Some(id) => (columns.allocatable(id).into(), view.requested(id)),
                // No node offers it, which needs no columns to say.
                None => (Cow::default(), Cow::default()),
            };
            Demand { resource: Some(name), request, allocatable, taken }
        });
        let demands = std::iter::once(place).chain(resources).collect();
        Self { demands }
    }

    /// The nodes of a word that may lack something: all that do, and none with usual amounts that
    /// does not.
    fn doubtful(&self, first: usize) -> usize {
        let mut signs = [0_i64; NodeSet::WORD_BITS];
        if self.demands.iter().any(|demand| demand.allocatable.is_empty()) {
            return usize::MAX;
        }
        for demand in &self.demands {
            let allocatable = demand.allocatable.get(first..).unwrap_or_default();
            let taken = demand.taken.get(first..).unwrap_or_default();
            let request = demand.request;
            for ((sign, offer), taken) in signs.iter_mut().zip(allocatable).zip(taken) {
                // The sign is set where the rest is below 0, and where it cannot be trusted,
                // because an amount is negative or not below 2^62, or the request was not.
                let rest = offer.wrapping_sub(*taken).wrapping_sub(request);
                let amounts = offer | taken | request;
                *sign |= rest | amounts | amounts << 1;
            }
        }
        if signs.iter().fold(0, |all, sign| all | sign) >= 0 {
            return 0;
        }
        let bits = signs.iter().enumerate();
        bits.fold(0, |word, (bit, sign)| word | usize::from(*sign < 0) << bit)
    }

    fn shortfalls(&self, node: NodeIndex) -> impl Iterator<Item = Shortfall> {
        let demands = self.demands.iter().enumerate();
        demands.filter_map(move |(position, demand)| {
            let offer = demand.allocatable.get(node.index()).copied().unwrap_or(0);
            let taken = demand.taken.get(node.index()).copied().unwrap_or(0);
            (demand.request > offer.saturating_sub(taken)).then(|| Shortfall {
                demand: position,
                // Pods can always be evicted to make one place.
                hopeless: demand.resource.is_some() && demand.request > offer,
            })
        })
    }

    fn status(&self, shortfalls: &[Shortfall]) -> Status {
        let reasons = shortfalls.iter().filter_map(|shortfall| {
            let demand = self.demands.get(shortfall.demand)?;
            Some(match demand.resource {
                Some(name) => format!("Insufficient {name}").into(),
                None => REASON_PODS.into(),
            })
        });
        Status {
            code: match shortfalls.iter().any(|shortfall| shortfall.hopeless) {
                true => Code::UnschedulableAndUnresolvable,
                false => Code::Unschedulable,
            },
            reasons: reasons.collect(),
        }
    }
}

impl Filter for FitFilter<'_> {
    fn filter(&self, nodes: &NodeSet, refusals: &mut Refusals) {
        let mut verdicts = Verdicts::default();
        for (position, word) in nodes.words().iter().enumerate() {
            if *word == 0 {
                continue;
            }
            let first = position * NodeSet::WORD_BITS;
            let mut doubtful = self.doubtful(first) & word;
            while doubtful != 0 {
                let node = NodeIndex::from_usize(first + doubtful.trailing_zeros() as usize);
                doubtful &= doubtful - 1;
                if let Some(status) = verdicts.of(self, node, refusals) {
                    refusals.refuse(node, status);
                }
            }
        }
    }
}

impl Verdicts {
    /// What becomes of a node; none if it lacks nothing.
    fn of(
        &mut self,
        filter: &FitFilter<'_>,
        node: NodeIndex,
        refusals: &mut Refusals,
    ) -> Option<StatusId> {
        let mut place = 0;
        for shortfall in filter.shortfalls(node) {
            place = self.step(place, shortfall);
        }
        let verdict = self.places.get(place).filter(|verdict| verdict.last.is_some())?;
        if verdict.status.is_some() {
            return verdict.status;
        }
        let status = refusals.status(filter.status(&self.path(place)));
        self.places.get_mut(place)?.status = Some(status);
        Some(status)
    }

    fn step(&mut self, from: usize, shortfall: Shortfall) -> usize {
        let new = self.places.len();
        let Some(verdict) = self.places.get_mut(from) else {
            return from;
        };
        if let Some((_, known)) = verdict.next.iter().find(|(next, _)| *next == shortfall) {
            return *known;
        }
        verdict.next.push((shortfall, new));
        self.places.push(Verdict { last: Some((shortfall, from)), ..Verdict::default() });
        new
    }

    /// The shortfalls that lead to a place.
    fn path(&self, place: usize) -> Vec<Shortfall> {
        let mut path = Vec::new();
        let mut at = self.places.get(place);
        while let Some((shortfall, before)) = at.and_then(|verdict| verdict.last) {
            path.push(shortfall);
            at = self.places.get(before);
        }
        path.reverse();
        path
    }
}

impl Default for Verdicts {
    fn default() -> Self {
        Self { places: vec![Verdict::default()] }
    }
}
