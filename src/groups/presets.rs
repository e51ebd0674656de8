//! The presets that come with Quorate: one file each under `config/presets`.

use super::preset::{Preset, PresetError};

/// All presets, by their names.
pub fn built_in() -> Result<Vec<Preset>, PresetError> {
    FILES.iter().map(|(name, text)| Preset::parse(name, text)).collect()
}

/// The files, in the order of their names.
const FILES: &[(&str, &str)] = &[];
