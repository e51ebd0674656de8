//! Which plugins there are: one table line each, with the function that builds it.

use std::sync::Arc;

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::node_plugin::{Lifted, NodePlugin};
use super::plugin::{
    BindPlugin, PreBindPlugin, PreEnqueuePlugin, QueueSortPlugin, ReservePlugin, SetPlugin,
};
use crate::config::{Base, FieldPath, PluginPoints, Point, decode};

/// One line of the table of plugins.
#[derive(Clone, Copy, Debug)]
pub struct Registration {
    pub name: &'static str,
    /// What it guards, in a line of the docs.
    pub summary: &'static str,
    pub points: &'static [Point],
    /// The weight of its scores; 0 for a plugin that does not score.
    pub weight: u32,
    /// The least base with which it runs where a profile does not name it.
    pub base: Base,
    pub build: fn(&Value) -> Result<Instance, ArgsError>,
}

/// A built plugin: the extension points that it implements.
#[derive(Clone, Default)]
pub struct Instance {
    pub set: Option<Arc<dyn SetPlugin>>,
    pub pre_enqueue: Option<Arc<dyn PreEnqueuePlugin>>,
    pub queue_sort: Option<Arc<dyn QueueSortPlugin>>,
    pub reserve: Option<Arc<dyn ReservePlugin>>,
    pub pre_bind: Option<Arc<dyn PreBindPlugin>>,
    pub bind: Option<Arc<dyn BindPlugin>>,
}

/// Why arguments of a plugin cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ArgsError {
    #[error("{0}")]
    Decode(String),
    #[error("{field}: {value}: expected {expected}")]
    Invalid { field: String, value: String, expected: String },
}

/// The plugins that a scheduler may use.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    plugins: Vec<Registration>,
}

impl Registration {
    /// The line of a node plugin.
    pub fn of_node_plugin<P: NodePlugin>(
        summary: &'static str,
        points: &'static [Point],
        weight: u32,
    ) -> Self {
        Self {
            name: P::NAME,
            summary,
            points,
            weight,
            base: Base::Parity,
            build: build_node_plugin::<P>,
        }
    }
}

impl Registry {
    pub fn new(plugins: impl IntoIterator<Item = Registration>) -> Self {
        Self { plugins: plugins.into_iter().collect() }
    }

    /// The same with one more plugin, which runs after the others.
    #[must_use]
    pub fn with(mut self, plugin: Registration) -> Self {
        self.plugins.push(plugin);
        self
    }

    pub fn find(&self, name: &str) -> Option<&Registration> {
        self.plugins.iter().find(|plugin| plugin.name == name)
    }

    pub fn iter(&self) -> impl Iterator<Item = &Registration> {
        self.plugins.iter()
    }

    /// What the configuration needs to know of the plugins.
    pub fn catalog(&self) -> Vec<PluginPoints> {
        let points = self.plugins.iter().map(|plugin| PluginPoints {
            name: plugin.name,
            points: plugin.points,
            default_weight: plugin.weight,
            base: plugin.base,
        });
        points.collect()
    }
}

impl Instance {
    pub fn of_set(plugin: impl SetPlugin + 'static) -> Self {
        Self { set: Some(Arc::new(plugin)), ..Self::default() }
    }
}

/// Decodes a plugin's arguments; absent ones are the default.
pub fn decode_args<T: DeserializeOwned + Default>(args: &Value) -> Result<T, ArgsError> {
    if args.is_null() {
        return Ok(T::default());
    }
    decode(args, &FieldPath::root()).map_err(|error| ArgsError::Decode(error.to_string()))
}

fn build_node_plugin<P: NodePlugin>(args: &Value) -> Result<Instance, ArgsError> {
    Ok(Instance::of_set(Lifted(P::new(decode_args(args)?)?)))
}
