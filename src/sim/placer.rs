//! Who decides where pods go in a simulation: our profile, kube-scheduler's, chance, or a search.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::simulation::SimulationError;
use crate::config::{Base, EffectiveConfiguration, PluginPoints, Profile, SchedulerConfiguration};
use crate::framework::{Framework, Registry};
use crate::placement::{Declaration, Topology};

/// Who decides.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Placer {
    /// The profile with base `database`.
    Database,
    /// The profile with base `parity`.
    Parity,
    /// Any node that the filters of base `parity` leave, by chance.
    Random,
    /// Of all placements that these filters leave one in which fewest quorums hang on one domain.
    Exact,
}

/// A configuration that can be had with several bases.
pub struct Settings {
    written: SchedulerConfiguration,
    /// The file; none for the shipped profile.
    path: Option<PathBuf>,
    catalog: Vec<PluginPoints>,
}

impl Placer {
    pub const ALL: [Self; 4] = [Self::Database, Self::Parity, Self::Random, Self::Exact];

    /// What people call it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Database => "database",
            Self::Parity => "parity",
            Self::Random => "random",
            Self::Exact => "exact",
        }
    }

    fn base(self) -> Base {
        match self {
            Self::Database => Base::Database,
            Self::Parity | Self::Random | Self::Exact => Base::Parity,
        }
    }
}

impl FromStr for Placer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = Self::ALL.into_iter().find(|placer| placer.name() == text);
        found.ok_or_else(|| format!("expected {}", Self::ALL.map(Self::name).join(", ")))
    }
}

impl Settings {
    /// Reads a configuration; without a file, the shipped profile.
    pub fn read(file: Option<&Path>, registry: &Registry) -> Result<Self, SimulationError> {
        let catalog = registry.catalog();
        let path = file.map(Path::to_owned);
        let Some(file) = file else {
            return Ok(Self { written: SchedulerConfiguration::default(), path, catalog });
        };
        let failed = |source| SimulationError::ReadConfiguration { path: file.to_owned(), source };
        let text = File::open(file).and_then(crate::config::read).map_err(failed)?;
        let failed = |source| SimulationError::Configuration { path: file.to_owned(), source };
        let written = crate::config::parse(&text).map_err(failed)?;
        let settings = Self { written, path, catalog };
        for profile in &settings.as_written()?.profiles {
            let failed = |source| SimulationError::Plugins {
                path: file.to_owned(),
                source: Box::new(source),
            };
            Framework::new(profile, registry).map_err(failed)?;
        }
        Ok(settings)
    }

    /// The configuration as it is written.
    pub fn as_written(&self) -> Result<EffectiveConfiguration, SimulationError> {
        self.resolve(&self.written)
    }

    /// The same configuration with another base.
    pub fn with(&self, placer: Placer) -> Result<EffectiveConfiguration, SimulationError> {
        let mut written = self.written.clone();
        if written.profiles.is_empty() {
            written.profiles.push(Profile::default());
        }
        written.profiles.iter_mut().for_each(|profile| profile.base = Some(placer.base()));
        let mut effective = self.resolve(&written)?;
        if placer == Placer::Random {
            // Among nodes that nobody scores the hash that breaks ties decides.
            effective.profiles.iter_mut().for_each(|profile| profile.score.clear());
        }
        Ok(effective)
    }

    /// The failure domains that groups are counted in.
    pub fn topology(&self) -> Result<Topology, SimulationError> {
        let Some(infrastructure) = &self.written.infrastructure else {
            return Ok(Topology::default());
        };
        let declaration = Declaration::deserialize(infrastructure)
            .map_err(|error| SimulationError::Infrastructure(error.to_string()))?;
        Topology::new(&declaration)
            .map_err(|error| SimulationError::Infrastructure(error.to_string()))
    }

    /// Whether failure domains are declared besides the well-known labels.
    pub fn declares_infrastructure(&self) -> bool {
        self.written.infrastructure.is_some()
    }

    fn resolve(
        &self,
        written: &SchedulerConfiguration,
    ) -> Result<EffectiveConfiguration, SimulationError> {
        crate::config::resolve(written, &self.catalog).map_err(|source| match &self.path {
            Some(path) => SimulationError::Configuration { path: path.clone(), source },
            None => SimulationError::DefaultConfiguration(source),
        })
    }
}
