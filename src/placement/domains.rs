//! Failure domains as kill sets: for every domain, the hosts that die with it.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::infrastructure::{Declaration, Infrastructure, InfrastructureError, LevelDeclaration};
use crate::model::Str;
use crate::snapshot::{Domain, NodeIndex, NodeSet, TopologyColumn, View};

pub const HOST: &str = "kubernetes.io/hostname";
pub const RACK: &str = "topology.kubernetes.io/rack";
pub const ZONE: &str = "topology.kubernetes.io/zone";
pub const REGION: &str = "topology.kubernetes.io/region";

/// One kind of domain that labels of nodes tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Level {
    pub key: Str,
    /// Whether equal values are one domain wherever they stand. Otherwise a value is named with
    /// the domain of the next wider level: `rack-1` may exist in two zones.
    pub global: bool,
}

/// What is known of a cluster's failure domains besides its nodes: levels, the widest first, and
/// declared infrastructure.
#[derive(Clone, Debug, PartialEq)]
pub struct Topology {
    pub levels: Vec<Level>,
    pub infrastructure: Infrastructure,
}

/// All failure domains of a view.
#[derive(Clone, Debug)]
pub struct FailureDomains {
    /// The levels, the widest first.
    pub levels: Vec<LevelDomains>,
    pub declared: Vec<DeclaredDomain>,
}

/// The domains of one level. They share no host.
#[derive(Clone, Debug)]
pub struct LevelDomains {
    pub key: Str,
    pub column: Arc<TopologyColumn>,
}

/// A domain that was declared, such as a power feed. It may share hosts with others.
#[derive(Clone, Debug, PartialEq)]
pub struct DeclaredDomain {
    pub name: Str,
    pub hosts: NodeSet,
}

impl Default for Topology {
    /// The well-known labels. Kubernetes asks for names of zones that are unique in a cluster.
    fn default() -> Self {
        let level = |key: &str, global| Level { key: key.into(), global };
        Self {
            levels: vec![
                level(REGION, true),
                level(ZONE, true),
                level(RACK, false),
                level(HOST, true),
            ],
            infrastructure: Infrastructure::default(),
        }
    }
}

impl Topology {
    /// Checks what is declared.
    pub fn new(declaration: &Declaration) -> Result<Self, InfrastructureError> {
        let infrastructure = Infrastructure::new(declaration)?;
        if declaration.levels.is_empty() {
            return Ok(Self { infrastructure, ..Self::default() });
        }
        let mut levels: Vec<Level> = Vec::new();
        for (index, LevelDeclaration { key, global }) in declaration.levels.iter().enumerate() {
            if key.is_empty() || levels.iter().any(|level| level.key == *key) {
                return Err(InfrastructureError::Level { index, key: key.clone() });
            }
            levels.push(Level { key: key.clone(), global: *global });
        }
        Ok(Self { levels, infrastructure })
    }

    /// The keys that name a domain of a level, the widest first.
    fn path(&self, index: usize) -> Vec<Str> {
        let mut first = index;
        while first > 0 && !self.levels[first].global {
            first -= 1;
        }
        self.levels[first..=index].iter().map(|level| level.key.clone()).collect()
    }
}

impl FailureDomains {
    /// The domains of a view. Levels that no node knows are left out.
    pub fn of(view: &View<'_>, topology: &Topology) -> Self {
        let levels = (0..topology.levels.len()).map(|index| LevelDomains {
            key: topology.levels[index].key.clone(),
            column: view.topology_path(&topology.path(index)),
        });
        Self {
            levels: levels.filter(|level| !level.column.is_empty()).collect(),
            declared: topology.infrastructure.domains(view),
        }
    }

    pub fn level(&self, key: &str) -> Option<&LevelDomains> {
        self.levels.iter().find(|level| &*level.key == key)
    }

    pub fn declared(&self, name: &str) -> Option<&DeclaredDomain> {
        self.declared.iter().find(|domain| &*domain.name == name)
    }
}

impl LevelDomains {
    /// The name of a domain, with those that it lies in: `zone-a/rack-1`.
    pub fn name(&self, domain: Domain) -> Str {
        self.column.value(domain).cloned().unwrap_or_default()
    }

    /// How many domains have one of these nodes. Mostly nearly all nodes are among them, so that
    /// the others are looked at.
    pub fn count(&self, nodes: &NodeSet) -> u32 {
        let mut others = self.column.holders().clone();
        others.difference_with(nodes);
        let touched: BTreeSet<Domain> =
            others.iter().filter_map(|node| self.column.domain(node)).collect();
        let unused = touched
            .into_iter()
            .filter(|domain| self.column.nodes(*domain).iter().all(|node| others.contains(*node)));
        u32::try_from(self.column.len() - unused.count()).unwrap_or(u32::MAX)
    }

    pub fn domain(&self, node: NodeIndex) -> Option<Domain> {
        self.column.domain(node)
    }
}
