//! What the documents say, held against the program: links, flags, metrics, fields.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use quorate::analysis::conformance::Report;
use quorate::metrics;

/// Folders whose documents are not ours.
const FOREIGN: [&str; 3] = ["target", ".git", "data"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// All documents of the repository.
fn documents() -> Vec<PathBuf> {
    fn visit(folder: &Path, found: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() && !FOREIGN.contains(&name.as_str()) {
                visit(&path, found);
            } else if name.ends_with(".md") {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    visit(root(), &mut found);
    assert!(found.len() > 20, "the documents were not found");
    found.sort();
    found
}

/// The targets of the links of a text.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split_once(')').map(|(target, _)| target))
}

/// The names under which the headings of a text can be linked.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter_map(|line| line.trim_start_matches('#').strip_prefix(' '));
    let names = headings.map(|heading| {
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.collect::<String>().to_lowercase().replace(' ', "-")
    });
    names.collect()
}

/// The rows of the table that begins with this header: their cells, without the outer spaces.
fn table(text: &str, header: &str) -> Vec<Vec<String>> {
    let lines = text.lines().skip_while(|line| *line != header).skip(2);
    let rows = lines.take_while(|line| line.starts_with('|')).map(|line| {
        let cells = line.trim_matches('|').split(" | ");
        cells.map(|cell| cell.trim().to_owned()).collect()
    });
    let rows: Vec<Vec<String>> = rows.collect();
    assert!(!rows.is_empty(), "there is no table {header}");
    rows
}

#[test]
fn every_relative_link_leads_to_a_file_and_a_heading_that_exist() {
    let mut broken = Vec::new();
    for document in documents() {
        let text = fs::read_to_string(&document).unwrap();
        for link in links(&text).filter(|link| !link.contains("://")) {
            let (path, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = match path {
                "" => document.clone(),
                path => document.parent().unwrap().join(path),
            };
            let found = match fs::read_to_string(&target) {
                Ok(text) => anchor.is_empty() || anchors(&text).contains(anchor),
                Err(_) => target.is_dir() && anchor.is_empty(),
            };
            if !found {
                broken.push(format!("{}: {link}", document.display()));
            }
        }
    }
    assert_eq!(broken, [""; 0]);
}

#[test]
fn a_broken_link_is_found() {
    let text = "# A b, c\n[x](docs/y.md#z) and [two](z)\n## D-e\n";
    assert_eq!(links(text).collect::<Vec<_>>(), ["docs/y.md#z", "z"]);
    assert_eq!(anchors(text).into_iter().collect::<Vec<_>>(), ["a-b-c", "d-e"]);
}

#[test]
fn the_table_of_metrics_is_that_of_the_program() {
    let operations = read("docs/operations.md");
    let written = table(&operations, "| metric | labels | meaning |");
    let families = metrics::families().iter().map(|family| {
        let labels: Vec<String> = family.labels.iter().map(|label| format!("`{label}`")).collect();
        let labels = if labels.is_empty() { "-".to_owned() } else { labels.join(", ") };
        vec![format!("`{}`", family.name), labels, family.help.to_owned()]
    });
    assert_eq!(written, families.collect::<Vec<_>>());
}

#[test]
#[cfg(feature = "kubernetes")]
fn the_table_of_flags_is_that_of_the_program() {
    use std::collections::BTreeMap;
    use std::process::Command;

    let help = Command::new(env!("CARGO_BIN_EXE_quorate")).args(["run", "--help"]).output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    // Each flag with all lines up to the next one.
    let mut flags = BTreeMap::new();
    for part in help.split("\n      --").skip(1).filter(|part| !part.starts_with("help")) {
        let head = part.lines().next().unwrap();
        // A value that may be left out stands in brackets, behind an equals sign.
        let (name, value) = head.split_once([' ', '[']).unwrap();
        let default = part.split_once("[default:").map(|(_, rest)| rest.split(']').next());
        let value = value.trim_matches(['<', '>', '=', ']']);
        let default = default.flatten().map(|default| default.trim().to_owned());
        flags.insert(format!("`--{name} {value}`"), default);
    }
    let operations = read("docs/operations.md");
    let written = table(&operations, "| flag | default | meaning |");
    let names: BTreeSet<&String> = written.iter().map(|row| &row[0]).collect();
    assert_eq!(names, flags.keys().collect(), "{help}");
    for row in &written {
        if let Some(default) = &flags[&row[0]] {
            assert_eq!(&row[1], default, "{}", row[0]);
        }
    }
}

#[test]
fn the_table_of_conformance_names_all_fields_of_the_report() {
    let report = serde_json::to_value(Report::default()).unwrap();
    let written = table(&read("docs/conformance.md"), "| field | type | meaning |");
    let names = written.iter().map(|row| row[0].trim_matches('`').trim_end_matches("[]"));
    let fields: BTreeSet<&str> = report.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(names.collect::<BTreeSet<_>>(), fields);
    for field in ["skippedBecause", "notCompared"] {
        let row = written.iter().find(|row| row[0] == format!("`{field}`")).unwrap();
        for part in report[field].as_object().unwrap().keys() {
            assert!(row[2].contains(&format!("`{part}`")), "{field}: {part} is missing");
        }
    }
}
