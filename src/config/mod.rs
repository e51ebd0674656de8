//! The configuration of the scheduler.

mod profile;

pub use profile::{EffectiveProfile, PluginPoints, Point};
