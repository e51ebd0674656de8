//! Tests of GroupLookAhead, against a solver that tries everything.

use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

use super::*;
use crate::api;
use crate::groups::Catalogue;
use crate::plugins::fixture::{cluster, filter};
use crate::snapshot::Snapshot;
use crate::snapshot::volumes::{ClaimInfo, VolumeInfo};
use crate::testing::storage::{claim, volume};
use crate::testing::{PodBuilder, node, pod};

const ZONE: &str = "topology.kubernetes.io/zone";

/// One small case: hosts by their zone, and for each member its host, if it is placed, and the
/// zone of its volume, if it has one.
#[derive(Debug)]
struct Case {
    hosts: Vec<usize>,
    placed: Vec<Option<usize>>,
    pins: Vec<Option<usize>>,
}

fn member(number: usize) -> PodBuilder {
    let name = format!("db-{number}");
    pod(&name).owner("StatefulSet", "db").claim(&format!("data-{name}"))
}

impl Case {
    fn snapshot(&self) -> Snapshot {
        let hosts = self.hosts.iter().enumerate().map(|(host, zone)| {
            let (name, zone) = (format!("h{host}"), format!("z{zone}"));
            node(&name).labels(&[("kubernetes.io/hostname", &name), (ZONE, &zone)])
        });
        let placed = self.placed.iter().enumerate();
        let placed =
            placed.filter_map(|(number, host)| Some(member(number).on(&format!("h{}", (*host)?))));
        let mut snapshot = cluster(hosts, placed);
        for (number, zone) in self.pins.iter().enumerate() {
            if let Some(zone) = zone {
                let (pv, pvc) = (format!("pv-{number}"), format!("data-db-{number}"));
                let made = volume(&pv).reached_from(ZONE, &[&format!("z{zone}")]).build();
                snapshot.volumes.set_volume(VolumeInfo::new(&made));
                snapshot.volumes.set_claim(ClaimInfo::new(&claim(&pvc).bound_to(&pv).build()));
            }
        }
        let mut set = api::StatefulSet::default();
        set.metadata.name = "db".into();
        set.metadata.namespace = "default".into();
        set.spec.replicas = Some(i32::try_from(self.placed.len()).unwrap());
        set.spec.template = Some(api::PodTemplate::default());
        snapshot.set_catalogue(Some(Catalogue::default()));
        snapshot.set_stateful_set(&set);
        snapshot
    }

    /// The solver: whether the rest can be placed. It tries everything.
    fn can_be_placed(
        &self,
        places: &mut Vec<Option<usize>>,
        rest: &[usize],
        (zone_max, host_max): (usize, usize),
    ) -> bool {
        let Some((next, rest)) = rest.split_first() else {
            return true;
        };
        (0..self.hosts.len()).any(|host| {
            let zone = self.hosts[host];
            let there = |found: &dyn Fn(usize) -> bool| {
                places.iter().flatten().filter(|other| found(**other)).count()
            };
            let reached = self.pins[*next].is_none_or(|own| own == zone);
            let zone_has_room = there(&|other| self.hosts[other] == zone) < zone_max;
            if !reached || !zone_has_room || there(&|other| other == host) >= host_max {
                return false;
            }
            places[*next] = Some(host);
            let done = self.can_be_placed(places, rest, (zone_max, host_max));
            places[*next] = None;
            done
        })
    }

    /// The hosts from which the rest cannot follow, while from others it can.
    fn expected(&self, own: usize) -> Vec<String> {
        let size = self.placed.len();
        let tolerance = if size == 2 { 1 } else { (size - 1) / 2 };
        let limit = |domains: usize| tolerance.max(1).max(size.div_ceil(domains));
        let zones = limit(self.hosts.iter().collect::<BTreeSet<_>>().len());
        let hosts = limit(self.hosts.len());
        let none = usize::MAX;
        let rest: Vec<usize> =
            (0..size).filter(|n| *n != own && self.placed[*n].is_none()).collect();
        // What cannot be kept is given up, zones first.
        let kept = [(zones, hosts), (none, hosts), (none, none)];
        let kept = kept
            .into_iter()
            .find(|limits| self.can_be_placed(&mut self.placed.clone(), &rest, *limits));
        let Some(kept) = kept else { return Vec::new() };
        let dead = (0..self.hosts.len()).filter(|host| {
            let mut places = self.placed.clone();
            places[own] = Some(*host);
            !self.can_be_placed(&mut places, &rest, kept)
        });
        let dead: Vec<String> = dead.map(|host| format!("h{host}")).collect();
        if dead.len() == self.hosts.len() { Vec::new() } else { dead }
    }

    fn found(&self, own: usize) -> Vec<String> {
        let filtered = filter(&GroupLookAhead::default(), member(own), &self.snapshot());
        filtered.refused.into_iter().map(|(node, _)| node).collect()
    }
}

#[test]
fn a_member_leaves_the_zone_to_a_sibling_whose_volume_is_there() {
    let case = Case {
        hosts: vec![0, 1, 2],
        placed: vec![None, None, None],
        pins: vec![None, Some(0), None],
    };
    assert_eq!(case.found(0), ["h0"]);
    assert_eq!(case.found(2), ["h0"]);
    // The sibling itself goes where it must.
    assert!(case.found(1).is_empty());
}

#[test]
fn where_nobody_is_pinned_every_way_can_be_gone_on() {
    let case = Case { hosts: vec![0, 1, 2], placed: vec![None; 3], pins: vec![None; 3] };
    assert!(filter(&GroupLookAhead::default(), member(0), &case.snapshot()).skipped);
}

#[test]
fn thousands_of_small_cases_are_as_the_solver_says() {
    let mut chance = ChaCha8Rng::seed_from_u64(7);
    let mut refusing = 0;
    for _ in 0..4_000 {
        let zones = chance.random_range(1..=4_usize);
        let hosts: Vec<usize> =
            (0..chance.random_range(1..=5)).map(|_| chance.random_range(0..zones)).collect();
        let size = chance.random_range(2..=5_usize);
        let any_host = |chance: &mut ChaCha8Rng| chance.random_range(0..hosts.len());
        let placed = (0..size).map(|number| {
            let is_placed = number > 0 && chance.random_bool(0.3);
            is_placed.then(|| any_host(&mut chance))
        });
        let placed: Vec<Option<usize>> = placed.collect();
        let pins = (0..size).map(|_| chance.random_bool(0.4).then(|| hosts[any_host(&mut chance)]));
        let case = Case { pins: pins.collect(), placed, hosts: hosts.clone() };
        let distinct = hosts.iter().collect::<BTreeSet<_>>().len();
        let pinned = (1..size).any(|n| case.placed[n].is_none() && case.pins[n].is_some());
        if pinned && distinct > 1 {
            let expected = case.expected(0);
            refusing += usize::from(!expected.is_empty());
            assert_eq!(case.found(0), expected, "{case:?}");
        }
    }
    assert!(refusing > 200, "{refusing}");
}
