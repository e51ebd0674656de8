//! Losses: of declared domains, of two of them at once, and of what somebody names.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use super::Question;
use super::counted::{Counted, Voters};
use super::report::{DomainReport, IfLost, LostGroup, PairReport};
use super::words;
use crate::model::Str;
use crate::placement::{FailureDomains, HOST, LevelDomains, RACK, REGION, ZONE};
use crate::snapshot::{Domain, NodeSet};

/// Two declared domains at once are looked at for so many domains, in the order of the
/// declaration: a thousand pairs, each of which costs a walk over all hosts.
const PAIRED_DOMAINS_MAX: usize = 45;

/// Of the names that would have been right an error lists so many.
const NAMES_MAX: usize = 5;

/// Something that is supposed to be lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Loss {
    /// A domain of a level, or all nodes with a label.
    Labelled { key: Str, value: Str },
    /// A declared domain.
    Declared(Str),
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LossError {
    #[error("{0:?}: expected KEY=VALUE such as node=a or zone=b, or the name of a declared domain")]
    Syntax(String),
    #[error("{loss}: expected {expected}")]
    Unknown { loss: String, expected: String },
    #[error("{loss}: there are several: {candidates}")]
    Ambiguous { loss: String, candidates: String },
}

impl FromStr for Loss {
    type Err = LossError;

    fn from_str(text: &str) -> Result<Self, LossError> {
        let text = text.trim();
        let Some((key, value)) = text.split_once('=') else {
            let named = !text.is_empty();
            return named
                .then(|| Self::Declared(text.into()))
                .ok_or_else(|| LossError::Syntax(text.to_owned()));
        };
        if key.is_empty() || value.is_empty() {
            return Err(LossError::Syntax(text.to_owned()));
        }
        let key = match key {
            "node" | "host" => HOST,
            "rack" => RACK,
            "zone" => ZONE,
            "region" => REGION,
            "domain" => return Ok(Self::Declared(value.into())),
            other => other,
        };
        Ok(Self::Labelled { key: key.into(), value: value.into() })
    }
}

impl fmt::Display for Loss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Labelled { key, value } => write!(f, "{}={value}", words::level(key)),
            Self::Declared(name) => f.write_str(name),
        }
    }
}

/// What the losses that were asked about do, all at once.
pub(super) fn if_lost(
    question: &Question<'_>,
    domains: &FailureDomains,
    counted: &[Counted<'_>],
    voters: &Voters,
) -> Result<Option<IfLost>, LossError> {
    if question.lost.is_empty() {
        return Ok(None);
    }
    let mut hosts = NodeSet::default();
    let mut declared = Vec::new();
    for loss in question.lost {
        match loss {
            Loss::Declared(name) => {
                if domains.declared(name).is_none() {
                    let names = domains.declared.iter().map(|domain| domain.name.clone());
                    return Err(unknown(loss, "the name of a declared domain", names));
                }
                declared.push(name);
            }
            Loss::Labelled { key, value } => {
                hosts.union_with(&labelled(question, domains, loss, (key, value))?)
            }
        }
    }
    hosts.union_with(&question.topology.infrastructure.killed_by(question.view, &declared));
    let groups = voters.taken_with(&hosts).into_iter().map(|taken| {
        let standing = &counted[taken.group].standing;
        LostGroup {
            group: standing.key.to_string(),
            placed: standing.placed,
            lost: taken.voters,
            tolerance: standing.tolerance,
        }
    });
    Ok(Some(IfLost {
        lost: question.lost.iter().map(ToString::to_string).collect(),
        hosts: hosts.len(),
        groups: groups.collect(),
    }))
}

/// The hosts of a domain of a level, else all nodes with the label.
fn labelled(
    question: &Question<'_>,
    domains: &FailureDomains,
    loss: &Loss,
    (key, value): (&Str, &Str),
) -> Result<NodeSet, LossError> {
    let mut hosts = NodeSet::default();
    let nodes = question.view.nodes();
    if &**key == HOST
        && let Some(node) = nodes.find(value).filter(|node| nodes.present().contains(*node))
    {
        hosts.insert(node);
        return Ok(hosts);
    }
    if let Some(level) = domains.level(key) {
        level.column.add_nodes(domain_of(level, loss, value)?, &mut hosts);
        return Ok(hosts);
    }
    let column = question.view.topology(key);
    match column.find(value) {
        Some(domain) => column.add_nodes(domain, &mut hosts),
        None => {
            let values = column.domains().filter_map(|domain| column.value(domain).cloned());
            return Err(unknown(loss, "a label that a node has", values));
        }
    }
    Ok(hosts)
}

/// The domain of this name. The domains that it lies in may be left out where that is clear.
fn domain_of(level: &LevelDomains, loss: &Loss, value: &Str) -> Result<Domain, LossError> {
    if let Some(domain) = level.column.find(value) {
        return Ok(domain);
    }
    let ending = format!("/{value}");
    let of_name = |domain: &Domain| level.name(*domain).ends_with(&ending);
    let found: Vec<Domain> = level.column.domains().filter(of_name).collect();
    match found.as_slice() {
        [only] => Ok(*only),
        [] => {
            let names = level.column.domains().map(|domain| level.name(domain));
            let expected = format!("a {} of this cluster", words::level(&level.key));
            Err(unknown(loss, &expected, names))
        }
        several => {
            let names: Vec<Str> = several.iter().map(|domain| level.name(*domain)).collect();
            Err(LossError::Ambiguous { loss: loss.to_string(), candidates: names.join(", ") })
        }
    }
}

fn unknown(loss: &Loss, expected: &str, names: impl Iterator<Item = Str>) -> LossError {
    let names: Vec<Str> = names.take(NAMES_MAX).collect();
    let expected = match names.is_empty() {
        true => format!("{expected}; there is none"),
        false => format!("{expected}, such as {}", names.join(", ")),
    };
    LossError::Unknown { loss: loss.to_string(), expected }
}

type Declared = (BTreeMap<Str, DomainReport>, BTreeMap<String, PairReport>, usize);

/// What the loss of each declared domain does, and of each two, and how many pairs were left out.
pub(super) fn declared(
    question: &Question<'_>,
    domains: &FailureDomains,
    voters: &Voters,
) -> Declared {
    let declared = &domains.declared;
    let alone = declared.iter().map(|domain| {
        let groups = voters.taken_with(&domain.hosts).len();
        (domain.name.clone(), DomainReport { hosts: domain.hosts.len(), groups })
    });
    let infrastructure = &question.topology.infrastructure;
    let paired = &declared[..declared.len().min(PAIRED_DOMAINS_MAX)];
    let mut pairs = BTreeMap::new();
    for (place, one) in paired.iter().enumerate() {
        for other in &paired[place + 1..] {
            let hosts = infrastructure.killed_by(question.view, &[&one.name, &other.name]);
            let mut together = hosts.clone();
            together.difference_with(&one.hosts);
            together.difference_with(&other.hosts);
            let report = PairReport {
                hosts: hosts.len(),
                only_together: together.len(),
                groups: voters.taken_with(&hosts).len(),
            };
            let (first, second) = (one.name.clone().min(other.name.clone()), &one.name);
            let second = if first == *second { &other.name } else { second };
            pairs.insert(format!("{first},{second}"), report);
        }
    }
    let all = declared.len() * declared.len().saturating_sub(1) / 2;
    let left_out = all - pairs.len();
    (alone.collect(), pairs, left_out)
}
