//! Declared infrastructure: feeds, switches and cooling, what hangs on what, and whether one of
//! them is enough or all are needed.

use std::collections::{BTreeMap, BTreeSet};

use petgraph::algo::toposort;
use petgraph::graph::{DiGraph, NodeIndex as Vertex};
use petgraph::visit::EdgeRef;
use serde::Deserialize;

use super::domains::DeclaredDomain;
use crate::model::{LabelSelector, Selector, SelectorError, Str};
use crate::snapshot::{NodeIndex, NodeSet, View};

/// A cluster of the largest size has fewer racks, feeds and switches than this.
const DOMAINS_MAX: usize = 10_000;

/// What is declared, checked.
#[derive(Clone, Debug, Default)]
pub struct Infrastructure {
    /// The domains, with edges from what is required to what requires it.
    graph: DiGraph<Part, ()>,
    /// The vertices, those that are required before those that require them.
    order: Vec<Vertex>,
    hosts: Vec<HostRule>,
}

#[derive(Clone, Debug, PartialEq)]
struct Part {
    name: Str,
    requires: Requires,
}

/// Whether a thing stands while one of those that it requires does, or only while all do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Requires {
    #[default]
    All,
    Any,
}

/// Which hosts hang on what.
#[derive(Clone, Debug, PartialEq)]
struct HostRule {
    names: BTreeSet<Str>,
    selector: Option<Selector>,
    requires: Requires,
    parents: Vec<Vertex>,
}

/// The declaration as it is written.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Declaration {
    /// The kinds of domains that labels of nodes tell, the widest first; without any, the
    /// well-known ones.
    pub levels: Vec<LevelDeclaration>,
    pub domains: Vec<DomainDeclaration>,
    pub hosts: Vec<HostDeclaration>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LevelDeclaration {
    /// The label of the nodes.
    pub key: Str,
    /// Whether equal values are one domain wherever they stand.
    #[serde(default)]
    pub global: bool,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DomainDeclaration {
    pub name: Str,
    #[serde(default)]
    pub requires: Requires,
    /// The domains that it hangs on.
    #[serde(default)]
    pub on: Vec<Str>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HostDeclaration {
    /// Names of nodes.
    #[serde(default)]
    pub nodes: Vec<Str>,
    /// Labels of nodes.
    #[serde(default)]
    pub selector: Option<LabelSelector>,
    #[serde(default)]
    pub requires: Requires,
    pub on: Vec<Str>,
}

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InfrastructureError {
    #[error("levels[{index}].key: {key:?}: expected a key of its own")]
    Level { index: usize, key: Str },
    #[error("domains[{index}].name: {name:?}: expected a name of its own")]
    Name { index: usize, name: Str },
    #[error("{field}: {name:?}: expected the name of a declared domain")]
    Unknown { field: String, name: Str },
    #[error("domains: {0:?} hangs on itself, through the domains that it hangs on")]
    Cycle(Str),
    #[error("hosts[{0}]: expected nodes, or a selector")]
    NoHosts(usize),
    #[error("hosts[{index}].selector: {source}")]
    Selector { index: usize, source: SelectorError },
    #[error("hosts[{index}].on: expected at least one domain")]
    OnNothing { index: usize },
    #[error("hosts[{index}].nodes: {name:?}: expected a node of this cluster")]
    NoSuchNode { index: usize, name: Str },
    #[error("domains: {0:?} kills no host, neither alone nor with any other one domain")]
    Harmless(Str),
    #[error("domains: {0}: expected at most {DOMAINS_MAX}")]
    TooMany(usize),
}

impl PartialEq for Infrastructure {
    fn eq(&self, other: &Self) -> bool {
        let parts = |own: &Self| own.graph.node_weights().cloned().collect::<Vec<_>>();
        let edges = |own: &Self| {
            own.graph.edge_references().map(|e| (e.source(), e.target())).collect::<Vec<_>>()
        };
        parts(self) == parts(other) && edges(self) == edges(other) && self.hosts == other.hosts
    }
}

impl Infrastructure {
    /// Checks a declaration by itself.
    pub fn new(declaration: &Declaration) -> Result<Self, InfrastructureError> {
        if declaration.domains.len() > DOMAINS_MAX {
            return Err(InfrastructureError::TooMany(declaration.domains.len()));
        }
        let mut graph = DiGraph::new();
        let mut vertices: BTreeMap<Str, Vertex> = BTreeMap::new();
        for (index, domain) in declaration.domains.iter().enumerate() {
            let part = Part { name: domain.name.clone(), requires: domain.requires };
            let before = vertices.insert(domain.name.clone(), graph.add_node(part));
            if domain.name.is_empty() || before.is_some() {
                return Err(InfrastructureError::Name { index, name: domain.name.clone() });
            }
        }
        let find = |field: String, name: &Str| {
            let unknown = || InfrastructureError::Unknown { field, name: name.clone() };
            vertices.get(name).copied().ok_or_else(unknown)
        };
        for (index, domain) in declaration.domains.iter().enumerate() {
            for (place, name) in domain.on.iter().enumerate() {
                let parent = find(format!("domains[{index}].on[{place}]"), name)?;
                graph.add_edge(parent, vertices[&domain.name], ());
            }
        }
        let hosts = declaration.hosts.iter().enumerate();
        let hosts =
            hosts.map(|(index, host)| host.check(index, &find)).collect::<Result<_, _>>()?;
        let order = toposort(&graph, None)
            .map_err(|cycle| InfrastructureError::Cycle(graph[cycle.node_id()].name.clone()))?;
        Ok(Self { graph, order, hosts })
    }

    pub fn is_empty(&self) -> bool {
        self.graph.node_count() == 0
    }

    /// Checks the declaration against the nodes that there are.
    pub fn check_against(&self, view: &View<'_>) -> Result<(), InfrastructureError> {
        for (index, rule) in self.hosts.iter().enumerate() {
            let missing = rule.names.iter().find(|name| view.snapshot().node(name).is_none());
            if let Some(name) = missing {
                return Err(InfrastructureError::NoSuchNode { index, name: name.clone() });
            }
        }
        let alone = self.domains(view);
        let harmless = alone.iter().filter(|domain| domain.hosts.is_empty());
        for domain in harmless {
            let with_other = alone.iter().any(|other| {
                let pair = self.killed_by(view, &[&domain.name, &other.name]);
                pair.len() > other.hosts.len()
            });
            if !with_other {
                return Err(InfrastructureError::Harmless(domain.name.clone()));
            }
        }
        Ok(())
    }

    /// The declared domains with the hosts that die with each.
    pub fn domains(&self, view: &View<'_>) -> Vec<DeclaredDomain> {
        let parts = self.graph.node_weights();
        let domains = parts.map(|part| DeclaredDomain {
            name: part.name.clone(),
            hosts: self.killed_by(view, &[&part.name]),
        });
        domains.collect()
    }

    /// The hosts that die when all these domains are gone at once.
    pub fn killed_by(&self, view: &View<'_>, gone: &[&Str]) -> NodeSet {
        let dead = self.dead_parts(gone);
        let nodes = view.nodes().present().iter();
        nodes.filter(|node| self.is_dead(view, *node, &dead)).collect()
    }

    /// The domains that are gone with these. Each is looked at once, after all that it hangs on.
    fn dead_parts(&self, gone: &[&Str]) -> BTreeSet<Vertex> {
        let mut dead = BTreeSet::new();
        for vertex in &self.order {
            let part = &self.graph[*vertex];
            let parents = self.graph.edges_directed(*vertex, petgraph::Direction::Incoming);
            let parents: Vec<Vertex> = parents.map(|edge| edge.source()).collect();
            if gone.contains(&&part.name) || part.requires.fails(&parents, &dead) {
                dead.insert(*vertex);
            }
        }
        dead
    }

    fn is_dead(&self, view: &View<'_>, node: NodeIndex, dead: &BTreeSet<Vertex>) -> bool {
        let rules = self.hosts.iter().filter(|rule| rule.holds_for(view, node));
        rules.into_iter().any(|rule| rule.requires.fails(&rule.parents, dead))
    }
}

impl Requires {
    /// Whether what hangs on these parents falls with those that are dead.
    fn fails(self, parents: &[Vertex], dead: &BTreeSet<Vertex>) -> bool {
        let mut gone = parents.iter().map(|parent| dead.contains(parent));
        match self {
            Self::All => gone.any(|gone| gone),
            Self::Any => !parents.is_empty() && gone.all(|gone| gone),
        }
    }
}

impl HostDeclaration {
    fn check(
        &self,
        index: usize,
        find: &impl Fn(String, &Str) -> Result<Vertex, InfrastructureError>,
    ) -> Result<HostRule, InfrastructureError> {
        if self.nodes.is_empty() && self.selector.is_none() {
            return Err(InfrastructureError::NoHosts(index));
        }
        if self.on.is_empty() {
            return Err(InfrastructureError::OnNothing { index });
        }
        let selector = self.selector.as_ref().map(LabelSelector::compile).transpose();
        let parents = self.on.iter().enumerate();
        let parents =
            parents.map(|(place, name)| find(format!("hosts[{index}].on[{place}]"), name));
        Ok(HostRule {
            names: self.nodes.iter().cloned().collect(),
            selector: selector.map_err(|source| InfrastructureError::Selector { index, source })?,
            requires: self.requires,
            parents: parents.collect::<Result<_, _>>()?,
        })
    }
}

impl HostRule {
    fn holds_for(&self, view: &View<'_>, node: NodeIndex) -> bool {
        self.names.contains(view.nodes().name(node))
            || self
                .selector
                .as_ref()
                .is_some_and(|selector| selector.matches(&view.nodes().info(node).labels))
    }
}
