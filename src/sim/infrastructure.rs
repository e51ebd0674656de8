//! Failure domains that are declared in a file: kind Infrastructure.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::placement::{Declaration, InfrastructureError, Topology};
use crate::snapshot::View;

const API_VERSION: &str = "quorate.dev/v1alpha1";
const KIND: &str = "Infrastructure";

/// What is wrong with the file. The message names the file, the field and the value.
#[derive(Debug, thiserror::Error)]
pub enum InfrastructureFileError {
    #[error("failed to read {path}: {source}", path = .path.display())]
    Read { path: PathBuf, source: std::io::Error },
    #[error("{path}: {problem}", path = .path.display())]
    Syntax { path: PathBuf, problem: String },
    #[error("{path}: {field}: {found}: expected {expected:?}", path = .path.display())]
    Header { path: PathBuf, field: &'static str, found: String, expected: &'static str },
    #[error("{path}: {field}: {problem}", path = .path.display())]
    Field { path: PathBuf, field: String, problem: String },
    #[error("{path}: {source}", path = .path.display())]
    Declaration { path: PathBuf, source: InfrastructureError },
}

/// Reads a file; without one the well-known labels hold. It has to fit the nodes of the view.
pub fn read_topology(
    path: Option<&Path>,
    view: &View<'_>,
) -> Result<Topology, InfrastructureFileError> {
    let Some(path) = path else {
        return Ok(Topology::default());
    };
    let owned = || path.to_owned();
    let text = std::fs::read_to_string(path)
        .map_err(|source| InfrastructureFileError::Read { path: owned(), source })?;
    let topology = parse(&text, path)?;
    topology
        .infrastructure
        .check_against(view)
        .map_err(|source| InfrastructureFileError::Declaration { path: owned(), source })?;
    Ok(topology)
}

fn parse(text: &str, path: &Path) -> Result<Topology, InfrastructureFileError> {
    let syntax =
        |problem: String| InfrastructureFileError::Syntax { path: path.to_owned(), problem };
    let file: Value = serde_saphyr::from_str(text).map_err(|error| syntax(error.to_string()))?;
    let Value::Object(mut fields) = file else {
        return Err(syntax(format!("expected an object of kind {KIND}")));
    };
    for (field, expected) in [("apiVersion", API_VERSION), ("kind", KIND)] {
        let found = fields.remove(field);
        if found.as_ref().and_then(Value::as_str) != Some(expected) {
            let found = found.map_or_else(|| "missing".to_owned(), |found| found.to_string());
            let path = path.to_owned();
            return Err(InfrastructureFileError::Header { path, field, found, expected });
        }
    }
    // The name of the object is for people.
    fields.remove("metadata");
    let declaration: Declaration = serde_path_to_error::deserialize(Value::Object(fields))
        .map_err(|error| InfrastructureFileError::Field {
            path: path.to_owned(),
            field: error.path().to_string(),
            problem: error.inner().to_string(),
        })?;
    Topology::new(&declaration)
        .map_err(|source| InfrastructureFileError::Declaration { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "apiVersion: quorate.dev/v1alpha1\nkind: Infrastructure\n";

    #[test]
    fn a_file_declares_levels_domains_and_hosts() {
        let text = format!(
            "{HEAD}metadata: {{name: hall}}\nlevels: [{{key: zone, global: true}}, {{key: row}}]\n\
             domains: [{{name: feed}}]\nhosts: [{{nodes: [a], on: [feed]}}]\n"
        );
        let topology = parse(&text, Path::new("i.yaml")).unwrap();
        assert_eq!(topology.levels.len(), 2);
        assert!(topology.levels[0].global && !topology.levels[1].global);
        assert!(!topology.infrastructure.is_empty());
    }

    #[test]
    fn a_bad_file_has_one_clear_error() {
        let check = |text: &str, expected: &str| {
            let error = parse(text, Path::new("i.yaml")).unwrap_err().to_string();
            assert_eq!(error, expected);
        };
        check("[1]", "i.yaml: expected an object of kind Infrastructure");
        check(
            "kind: Infrastructure",
            "i.yaml: apiVersion: missing: expected \"quorate.dev/v1alpha1\"",
        );
        check(
            "apiVersion: quorate.dev/v1alpha1\nkind: Rack",
            "i.yaml: kind: \"Rack\": expected \"Infrastructure\"",
        );
        let with = |text: &str| format!("{HEAD}{text}");
        check(
            &with("domains: [{name: a, requires: some}]"),
            "i.yaml: domains[0].requires: unknown variant `some`, expected `all` or `any`",
        );
        check(
            &with("levels: [{key: a}, {key: a}]"),
            "i.yaml: levels[1].key: \"a\": expected a key of its own",
        );
        check(
            &with("hosts: [{nodes: [a], on: [feed]}]"),
            "i.yaml: hosts[0].on[0]: \"feed\": expected the name of a declared domain",
        );
    }
}
