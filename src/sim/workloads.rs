//! Many workloads that differ by their number only, from one manifest with placeholders.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::input::read_text;
use super::simulation::SimulationError;
use crate::api::decode::{Format, Objects, decode};

/// What stands for the number in a manifest. Numbers count from 0.
const PLACEHOLDER: &str = "$(number)";

/// One manifest may be taken so many times: as many pods as the largest clusters have.
pub const COUNT_MAX: u32 = 200_000;

/// A manifest that is taken several times.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Workload {
    /// Plain Kubernetes objects, relative to the experiment.
    pub manifest: PathBuf,
    pub count: u32,
}

impl Workload {
    /// Adds the objects of all numbers.
    pub fn add_to(&self, objects: &mut Objects, folder: &Path) -> Result<(), SimulationError> {
        let path = folder.join(&self.manifest);
        let text = read_text(&path)?;
        for number in 0..self.count {
            let text = text.replace(PLACEHOLDER, &number.to_string());
            let mut found = decode(&text, Format::guess(&text))?;
            found.set_source(&format!("{} ({PLACEHOLDER} is {number})", path.display()));
            objects.extend(found)?;
        }
        Ok(())
    }
}
