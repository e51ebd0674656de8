//! The smallest changes that would let a pod be placed. Each was tried: on a copy of the pod, or
//! by what every other stage says of the node.

use super::verdicts::{Verdict, sole};
use super::{Change, Question};
use crate::api;
use crate::framework::CycleError;
use crate::model::{
    CPU, EPHEMERAL_STORAGE, MEMORY, NO_EXECUTE, NO_SCHEDULE, Quantity, Resources, Str, Toleration,
};
use crate::placement::{HOST, RACK, ZONE};
use crate::snapshot::{NodeIndex, NodeSet, PodInfo};

/// So many changes are told, the smallest first.
const CHANGES_MAX: usize = 10;
/// So many different sets of taints are tried: each is one run of all filters.
const TAINTS_TRIED_MAX: usize = 8;
/// So many constraints, terms and labels of a pod are tried.
const TERMS_TRIED_MAX: usize = 16;

/// How large a change is: what costs nothing first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Size {
    Switch,
    PodField,
    Room,
    Constraint,
    Node,
    Unknown,
}

type Found = Vec<(Size, Change)>;

pub(super) fn unblock(
    question: &Question<'_>,
    verdicts: &[Verdict],
    feasible: &[NodeIndex],
) -> Result<Vec<Change>, CycleError> {
    let mut found = Found::new();
    for (place, verdict) in verdicts.iter().enumerate() {
        if verdict.is_gate {
            found.push((Size::Switch, remove_gates(question, verdict, feasible)));
            continue;
        }
        let nodes = sole(verdicts, place, question.view);
        if nodes.is_empty() {
            continue;
        }
        let before = found.len();
        match &*verdict.plugin {
            "NodeResourcesFit" => make_room(question, &nodes, &mut found),
            "NodeUnschedulable" => uncordon(question, &nodes, &mut found),
            "TaintToleration" => tolerate(question, &nodes, &mut found)?,
            "NodeAffinity" => release_from_nodes(question, &mut found)?,
            "PodTopologySpread" => relax_spread(question, &mut found)?,
            "InterPodAffinity" => relax_affinity(question, &mut found)?,
            _ => {}
        }
        if found.len() == before {
            found.push((Size::Unknown, lift(verdict, nodes.len())));
        }
    }
    if found.is_empty() {
        found.extend(closest(question, verdicts));
    }
    found.sort_by(|(size, one), (other_size, other)| {
        size.cmp(other_size).then(other.nodes.cmp(&one.nodes)).then(one.change.cmp(&other.change))
    });
    Ok(found.into_iter().map(|(_, change)| change).take(CHANGES_MAX).collect())
}

fn remove_gates(question: &Question<'_>, verdict: &Verdict, feasible: &[NodeIndex]) -> Change {
    let gates = question.pod.spec.scheduling_gates.iter().map(|gate| gate.name.clone());
    let gates: Vec<Str> = gates.collect();
    Change {
        plugin: verdict.plugin.clone(),
        change: format!("remove the scheduling gates {}", gates.join(", ")),
        nodes: feasible.len(),
    }
}

/// What a stage of which nothing more is known would let through.
fn lift(verdict: &Verdict, nodes: usize) -> Change {
    let reasons: Vec<Str> = verdict.reasons.keys().cloned().collect();
    Change {
        plugin: verdict.plugin.clone(),
        change: format!("mend what {} objects to: {}", verdict.plugin, reasons.join("; ")),
        nodes,
    }
}

/// Where no single change is enough: the node that the fewest stages refuse.
fn closest(question: &Question<'_>, verdicts: &[Verdict]) -> Option<(Size, Change)> {
    let refusing = |node: NodeIndex| {
        let refusing = verdicts.iter().filter(move |verdict| verdict.nodes.contains(node));
        refusing.map(|verdict| verdict.plugin.clone()).collect::<Vec<Str>>()
    };
    let nodes = question.view.nodes();
    let best = nodes.present().iter().min_by_key(|node| (refusing(*node).len(), *node))?;
    let plugins = refusing(best);
    let change = format!(
        "no single change is enough; node {} is the closest, refused by {}",
        nodes.name(best),
        plugins.join(" and "),
    );
    Some((Size::Unknown, Change { plugin: plugins.join(" ").into(), change, nodes: 1 }))
}

fn make_room(question: &Question<'_>, nodes: &NodeSet, found: &mut Found) {
    let plugin = Str::from("NodeResourcesFit");
    let view = question.view;
    let requests = PodInfo::of_object(question.pod).requests;
    let lacks = nodes.iter().map(|node| (node, lack(question, &requests, node)));
    let lacks: Vec<(NodeIndex, Lack)> = lacks.collect();
    let large_enough = lacks.iter().filter(|(_, lack)| !lack.too_small);
    let nearest = large_enough
        .min_by(|(one, a), (other, b)| a.share.total_cmp(&b.share).then_with(|| one.cmp(other)));
    let Some((node, lack)) = nearest else {
        let largest = lacks.first().map(|(node, _)| view.nodes().name(*node).clone());
        let change = format!(
            "ask for less, or add a larger node: the pod asks for more than a node such as {} has",
            largest.unwrap_or_default(),
        );
        found.push((Size::Node, Change { plugin, change, nodes: nodes.len() }));
        return;
    };
    let info = view.nodes().info(*node);
    let change = format!("free {} on node {}", lack.text, info.name);
    found.push((Size::Room, Change { plugin: plugin.clone(), change, nodes: 1 }));
    let zone = info.labels.get(ZONE).map_or_else(String::new, |zone| format!(" in zone {zone}"));
    let change = format!("add a node like {}{zone}", info.name);
    found.push((Size::Node, Change { plugin, change, nodes: 1 }));
}

/// What a node lacks for a pod.
struct Lack {
    text: String,
    /// The largest part of what the node has that would have to become free.
    share: f64,
    /// Even the empty node would not do.
    too_small: bool,
}

fn lack(question: &Question<'_>, requests: &Resources, node: NodeIndex) -> Lack {
    let node = question.view.node(node);
    let (allocatable, requested) = (node.allocatable(), node.requested());
    let mut texts = Vec::new();
    let mut lack = Lack { text: String::new(), share: 0.0, too_small: false };
    for (name, wanted) in requests.iter().filter(|(_, wanted)| *wanted > 0) {
        let has = allocatable.get(name);
        let missing = wanted.saturating_sub(has.saturating_sub(requested.get(name)));
        if missing > 0 {
            lack.too_small |= wanted > has;
            lack.share = lack.share.max(missing as f64 / has.max(1) as f64);
            texts.push(format!("{} {name}", amount(name, missing)));
        }
    }
    let pods = i64::try_from(node.pods().count()).unwrap_or(i64::MAX);
    if pods >= node.info().pods_allocatable {
        lack.too_small |= node.info().pods_allocatable == 0;
        lack.share = lack.share.max(1.0 / node.info().pods_allocatable.max(1) as f64);
        texts.push("the place of a pod".to_owned());
    }
    lack.text = texts.join(" and ");
    lack
}

/// An amount as Kubernetes writes it.
fn amount(name: &str, value: i64) -> String {
    const KIB: i64 = 1 << 10;
    match name {
        CPU => Quantity::from_milli(value).canonical(),
        MEMORY | EPHEMERAL_STORAGE if value >= KIB * KIB => {
            format!("{}Mi", (value + KIB * KIB - 1) / (KIB * KIB))
        }
        _ => value.to_string(),
    }
}

fn uncordon(question: &Question<'_>, nodes: &NodeSet, found: &mut Found) {
    let Some(first) = nodes.iter().next() else { return };
    let name = question.view.nodes().name(first);
    let others = match nodes.len() - 1 {
        0 => String::new(),
        others => format!(", or one of {others} others"),
    };
    let change = format!("uncordon node {name}{others}");
    found.push((Size::Switch, Change { plugin: "NodeUnschedulable".into(), change, nodes: 1 }));
}

fn tolerate(question: &Question<'_>, nodes: &NodeSet, found: &mut Found) -> Result<(), CycleError> {
    let of_node = |node| {
        let taints = question.view.nodes().info(node).taints.iter();
        let hard = taints.filter(|taint| [NO_SCHEDULE, NO_EXECUTE].contains(&&*taint.effect));
        hard.cloned().collect::<Vec<_>>()
    };
    let mut sets = Vec::new();
    for node in nodes.iter() {
        let taints = of_node(node);
        if sets.len() < TAINTS_TRIED_MAX && !sets.contains(&taints) {
            sets.push(taints);
        }
    }
    for taints in sets {
        let fitting = fitting(question, |pod| {
            pod.spec.tolerations.extend(taints.iter().map(|taint| Toleration {
                key: taint.key.clone(),
                operator: "Equal".into(),
                value: taint.value.clone(),
                effect: taint.effect.clone(),
                toleration_seconds: None,
            }));
        })?;
        let names = taints.iter().map(|taint| match &*taint.value {
            "" => format!("{}:{}", taint.key, taint.effect),
            value => format!("{}={value}:{}", taint.key, taint.effect),
        });
        let change = format!("tolerate the taint {}", names.collect::<Vec<_>>().join(" and "));
        add(found, Size::PodField, "TaintToleration", change, fitting);
    }
    Ok(())
}

fn release_from_nodes(question: &Question<'_>, found: &mut Found) -> Result<(), CycleError> {
    let selector = &question.pod.spec.node_selector;
    for (key, value) in selector.iter().take(TERMS_TRIED_MAX) {
        let fitting = fitting(question, |pod| _ = pod.spec.node_selector.remove(key))?;
        let change = format!("drop {key}={value} from the nodeSelector, or label a node so");
        add(found, Size::PodField, "NodeAffinity", change, fitting);
    }
    let fitting = fitting(question, |pod| {
        if let Some(affinity) = &mut pod.spec.affinity
            && let Some(affinity) = &mut affinity.node_affinity
        {
            affinity.required = None;
        }
    })?;
    let change = "drop the required node affinity, or label a node so".to_owned();
    add(found, Size::PodField, "NodeAffinity", change, fitting);
    Ok(())
}

fn relax_spread(question: &Question<'_>, found: &mut Found) -> Result<(), CycleError> {
    let constraints = question.pod.spec.topology_spread_constraints.iter().enumerate();
    for (place, constraint) in constraints.take(TERMS_TRIED_MAX) {
        if &*constraint.when_unsatisfiable == "ScheduleAnyway" {
            continue;
        }
        let key = &constraint.topology_key;
        let fitting = fitting(question, |pod| {
            let constraint = &mut pod.spec.topology_spread_constraints[place];
            constraint.when_unsatisfiable = "ScheduleAnyway".into();
        })?;
        let change = format!("let the spread over {key} be whenUnsatisfiable: ScheduleAnyway");
        add(found, Size::Constraint, "PodTopologySpread", change, fitting);
    }
    Ok(())
}

fn relax_affinity(question: &Question<'_>, found: &mut Found) -> Result<(), CycleError> {
    let affinity = question.pod.spec.affinity.as_ref();
    let apart = affinity.and_then(|affinity| affinity.pod_anti_affinity.as_ref());
    let together = affinity.and_then(|affinity| affinity.pod_affinity.as_ref());
    let keys = |terms: Option<&api::PodAffinity>| {
        let terms = terms.map(|terms| &terms.required).into_iter().flatten();
        terms.map(|term| term.topology_key.clone()).take(TERMS_TRIED_MAX).collect::<Vec<_>>()
    };
    for (place, key) in keys(apart).into_iter().enumerate() {
        for narrower in narrower(&key) {
            let fitting = fitting(question, |pod| {
                if let Some(term) = anti_affinity(pod).and_then(|terms| terms.get_mut(place)) {
                    term.topology_key = (*narrower).into();
                }
            })?;
            let change = format!("relax the required anti-affinity over {key} to {narrower}");
            add(found, Size::Constraint, "InterPodAffinity", change, fitting);
        }
        let fitting = fitting(question, |pod| {
            anti_affinity(pod).into_iter().for_each(|terms| _ = terms.remove(place));
        })?;
        let change = format!("let the anti-affinity over {key} be preferred");
        add(found, Size::Constraint, "InterPodAffinity", change, fitting);
    }
    for (place, key) in keys(together).into_iter().enumerate() {
        let fitting = fitting(question, |pod| {
            let affinity = pod.spec.affinity.as_mut();
            let terms = affinity.and_then(|affinity| affinity.pod_affinity.as_mut());
            terms.into_iter().for_each(|terms| _ = terms.required.remove(place));
        })?;
        let change = format!("let the affinity over {key} be preferred");
        add(found, Size::Constraint, "InterPodAffinity", change, fitting);
    }
    Ok(())
}

fn anti_affinity(pod: &mut api::Pod) -> Option<&mut Vec<api::PodAffinityTerm>> {
    Some(&mut pod.spec.affinity.as_mut()?.pod_anti_affinity.as_mut()?.required)
}

/// The levels below one.
fn narrower(key: &str) -> &'static [&'static str] {
    const ORDER: [&str; 3] = [ZONE, RACK, HOST];
    let place = ORDER.iter().position(|other| *other == key);
    place.map_or(&[], |place| match place {
        0 => &[RACK, HOST],
        1 => &[HOST],
        _ => &[],
    })
}

/// On how many nodes the pod would fit after a change of it.
fn fitting(
    question: &Question<'_>,
    change: impl FnOnce(&mut api::Pod),
) -> Result<usize, CycleError> {
    let mut pod = question.pod.clone();
    change(&mut pod);
    let filtered = question.framework.filter(&PodInfo::of_object(&pod), question.view)?;
    Ok(filtered.feasible.len())
}

fn add(found: &mut Found, size: Size, plugin: &str, change: String, nodes: usize) {
    if nodes > 0 {
        found.push((size, Change { plugin: plugin.into(), change, nodes }));
    }
}
