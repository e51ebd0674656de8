//! Snapshots of a cluster from files: a dump, a manifest, an export, or a folder of them.

use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;
use thiserror::Error;
use xxhash_rust::xxh3::xxh3_64;

use crate::api::decode::{DecodeError, Format, Objects, decode};
use crate::model::Str;

/// One file may be as large as 250,000 pods of 16 KiB each, as kubectl prints them.
const FILE_BYTES_MAX: u64 = 4 << 30;

/// Folders of manifests are not as deep as this; links that lead in circles are.
const FOLDER_DEPTH_MAX: usize = 32;

/// The longest name of a namespace: it is a DNS label.
const NAMESPACE_BYTES_MAX: usize = 63;

const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

#[derive(Debug, Error)]
pub enum InputError {
    #[error("failed to read {path}: {source}", path = .path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path}: larger than {bytes_max} bytes", path = .path.display())]
    TooLarge { path: PathBuf, bytes_max: u64 },
    #[error("{path}: not UTF-8 text (byte {offset})", path = .path.display())]
    NotText { path: PathBuf, offset: usize },
    #[error("{path}: {source}", path = .path.display())]
    Decode { path: PathBuf, source: Box<DecodeError> },
    /// Two files define one object; the error names both.
    #[error(transparent)]
    Duplicate(Box<DecodeError>),
    #[error("{path}: folders are nested deeper than {FOLDER_DEPTH_MAX}", path = .path.display())]
    TooDeep { path: PathBuf },
    #[error("{path}: no .json, .yaml or .yml file in this folder", path = .path.display())]
    NoFiles { path: PathBuf },
    #[error("{path}: no Kubernetes object in it", path = .path.display())]
    Empty { path: PathBuf },
}

/// Reads a file, or all manifests of a folder and the folders in it. Files may be compressed
/// with gzip.
pub fn read_snapshot(path: &Path) -> Result<Objects, InputError> {
    read_files(path, |_, _| Ok(()))
}

/// Reads the same, and puts what each file has into a namespace of its own. It is called after the
/// file's path below `root`.
pub fn read_isolated(root: &Path, path: &Path) -> Result<Objects, InputError> {
    read_files(&root.join(path), |file, objects| {
        let below = file.strip_prefix(root).unwrap_or(file);
        objects.move_to_namespace(&namespace_of(&below.to_string_lossy()))
    })
}

fn read_files(
    path: &Path,
    change: impl Fn(&Path, &mut Objects) -> Result<(), DecodeError>,
) -> Result<Objects, InputError> {
    let mut files = Vec::new();
    if path.is_dir() {
        list_manifests(path, 0, &mut files)?;
        if files.is_empty() {
            return Err(InputError::NoFiles { path: path.to_owned() });
        }
    } else {
        files.push(path.to_owned());
    }
    let mut objects = Objects::default();
    for file in files {
        let mut found = read_file(&file)?;
        found.set_source(&file.to_string_lossy());
        let added = change(&file, &mut found).and_then(|()| objects.extend(found));
        added.map_err(|error| InputError::Duplicate(Box::new(error)))?;
    }
    if objects.is_empty() {
        return Err(InputError::Empty { path: path.to_owned() });
    }
    Ok(objects)
}

/// A path as the name of a namespace. What is too long is cut, and ends in a hash of the whole.
fn namespace_of(path: &str) -> Str {
    let stem = path.strip_suffix(".gz").unwrap_or(path);
    let stem = stem.rsplit_once('.').map_or(stem, |(stem, _)| stem).to_ascii_lowercase();
    let words = stem.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut name = words.collect::<Vec<_>>().join("-");
    if name.len() > NAMESPACE_BYTES_MAX {
        let hash = format!("-{:08x}", xxh3_64(name.as_bytes()) as u32);
        name.truncate(NAMESPACE_BYTES_MAX - hash.len());
        name.truncate(name.trim_end_matches('-').len());
        name += &hash;
    }
    name.into()
}

/// Lists files in the order of their names, so that the order of objects does not depend on the
/// file system.
fn list_manifests(folder: &Path, depth: usize, files: &mut Vec<PathBuf>) -> Result<(), InputError> {
    if depth > FOLDER_DEPTH_MAX {
        return Err(InputError::TooDeep { path: folder.to_owned() });
    }
    let failed = |source| InputError::Read { path: folder.to_owned(), source };
    let mut entries = fs::read_dir(folder)
        .and_then(|entries| entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>())
        .map_err(failed)?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // Version control and mounted ConfigMaps keep their own things in dotted names.
        if name.starts_with('.') {
            continue;
        }
        if path.is_dir() {
            list_manifests(&path, depth + 1, files)?;
        } else if format_of(&name).is_some() && !is_kustomization(&name) {
            files.push(path);
        }
    }
    Ok(())
}

fn read_file(path: &Path) -> Result<Objects, InputError> {
    let text = read_text(path)?;
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let format = format_of(&name).unwrap_or_else(|| Format::guess(&text));
    decode(&text, format)
        .map_err(|error| InputError::Decode { path: path.to_owned(), source: Box::new(error) })
}

/// The text of a file, unpacked where it is packed.
pub fn read_text(path: &Path) -> Result<String, InputError> {
    let failed = |source| InputError::Read { path: path.to_owned(), source };
    let bytes = File::open(path).and_then(|file| read_bytes(file, FILE_BYTES_MAX));
    let bytes = bytes
        .map_err(failed)?
        .ok_or_else(|| InputError::TooLarge { path: path.to_owned(), bytes_max: FILE_BYTES_MAX })?;
    String::from_utf8(bytes).map_err(|error| InputError::NotText {
        path: path.to_owned(),
        offset: error.utf8_error().valid_up_to(),
    })
}

/// The bytes, unpacked where they are packed; nothing if there are more than `bytes_max`.
fn read_bytes(mut source: impl Read, bytes_max: u64) -> io::Result<Option<Vec<u8>>> {
    let mut bytes = Vec::new();
    source.by_ref().take(GZIP_MAGIC.len() as u64).read_to_end(&mut bytes)?;
    let packed = bytes == GZIP_MAGIC;
    let limit = bytes_max.saturating_add(1);
    if packed {
        let start = io::Cursor::new(std::mem::take(&mut bytes));
        MultiGzDecoder::new(start.chain(source)).take(limit).read_to_end(&mut bytes)?;
    } else {
        source.take(limit).read_to_end(&mut bytes)?;
    }
    Ok((bytes.len() as u64 <= bytes_max).then_some(bytes))
}

/// What the file's name says of its format.
fn format_of(name: &str) -> Option<Format> {
    let name = name.strip_suffix(".gz").unwrap_or(name);
    match name.rsplit_once('.')?.1 {
        "json" => Some(Format::Json),
        "yaml" | "yml" => Some(Format::Yaml),
        _ => None,
    }
}

/// Kustomize's own file says how to build manifests and is none.
fn is_kustomization(name: &str) -> bool {
    matches!(name, "kustomization.yaml" | "kustomization.yml")
}

#[cfg(test)]
mod tests;
