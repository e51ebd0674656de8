//! The configuration of the scheduler: read strictly, checked, and merged into what runs.
//!
//! One type reads our own files and those of kube-scheduler. It stays raw; what goes inward is an
//! [`EffectiveConfiguration`]. This room reads no files: a caller that does adds the file's name to
//! the error, which itself names the field, its value and what was expected.

mod decode;
mod defaults;
mod duration;
mod effective;
mod error;
mod extension_point;
mod known;
mod merge;
mod notices;
mod path;
mod profile;
mod types;
mod validation;

#[cfg(test)]
mod tests;

use std::io::{self, Read};

pub use decode::decode;
pub use defaults::{API_VERSION, KIND, SCHEDULER_NAME, UPSTREAM_API_VERSION, UPSTREAM_KIND};
pub use duration::GoDuration;
pub use effective::resolve;
pub use error::ConfigError;
pub use path::FieldPath;
pub use profile::{
    EffectiveConfiguration, EffectiveElection, EffectiveProfile, PluginPoints, Point,
};
pub use types::{
    Base, ClientConnection, LeaderElection, Plugin, PluginConfig, PluginSet, Plugins, Profile,
    SchedulerConfiguration,
};

/// As large as a ConfigMap can be.
pub const TEXT_BYTES_MAX: usize = 1 << 20;

/// The text of a file, up to the first byte that makes it too long.
pub fn read(source: impl Read) -> io::Result<String> {
    let mut text = String::new();
    source.take(TEXT_BYTES_MAX as u64 + 1).read_to_string(&mut text)?;
    Ok(text)
}

/// Reads a configuration file, YAML or JSON.
pub fn parse(text: &str) -> Result<SchedulerConfiguration, ConfigError> {
    if text.len() > TEXT_BYTES_MAX {
        return Err(ConfigError::TooLong);
    }
    let document = decode::parse_yaml(text)?;
    validation::check_version(&document)?;
    decode(&document, &FieldPath::root())
}

/// Reads a configuration file and resolves it for the plugins of `catalog`.
pub fn load(text: &str, catalog: &[PluginPoints]) -> Result<EffectiveConfiguration, ConfigError> {
    resolve(&parse(text)?, catalog)
}
