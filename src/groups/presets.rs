//! The presets that come with Quorate: one file each under `config/presets`.

use std::sync::OnceLock;

use super::catalogue::Catalogue;
use super::preset::{Preset, PresetError};

/// All presets, by their names.
pub fn built_in() -> Result<Vec<Preset>, PresetError> {
    FILES.iter().map(|(name, text)| Preset::parse(name, text)).collect()
}

/// The groups that the presets know.
pub fn built_in_catalogue() -> Catalogue {
    static PRESETS: OnceLock<Vec<Preset>> = OnceLock::new();
    // A test reads every file, so that none is refused here.
    let presets = PRESETS.get_or_init(|| built_in().unwrap_or_default());
    Catalogue::new(presets).unwrap_or_default()
}

/// The files, in the order of their names.
const FILES: &[(&str, &str)] = &[];
