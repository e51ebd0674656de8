//! House rules that a machine can check: which room may import which, sizes, and words.

use std::fs;
use std::path::{Path, PathBuf};

const LINE_CHARS_MAX: usize = 100;
const FILE_LINES_MAX: usize = 500;
const FUNCTION_LINES_MAX: usize = 70;

/// Every room with the rooms that it may import. `metrics` may be written from everywhere, and
/// `planted` asked.
const ROOMS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("api", &["model"]),
    ("watch", &["model", "api"]),
    ("lease", &["model"]),
    ("groups", &["model", "api"]),
    ("snapshot", &["model", "api", "groups"]),
    ("placement", &["model", "api", "groups", "snapshot"]),
    ("config", &["model"]),
    ("framework", &["model", "api", "snapshot", "config"]),
    ("plugins", &["model", "api", "groups", "snapshot", "placement", "config", "framework"]),
    ("cache", &["model", "api", "snapshot", "config", "framework"]),
    ("queue", &["model", "api", "snapshot", "config", "framework"]),
    (
        "scheduler",
        &[
            "model",
            "api",
            "watch",
            "lease",
            "groups",
            "snapshot",
            "placement",
            "config",
            "framework",
            "cache",
            "queue",
        ],
    ),
    (
        "analysis",
        &["model", "api", "groups", "snapshot", "placement", "config", "framework", "plugins"],
    ),
    (
        "kubernetes",
        &[
            "model",
            "api",
            "watch",
            "lease",
            "groups",
            "snapshot",
            "placement",
            "config",
            "framework",
            "plugins",
            "cache",
            "queue",
            "scheduler",
            "analysis",
            "telemetry",
        ],
    ),
    (
        "sim",
        &[
            "model",
            "api",
            "watch",
            "lease",
            "groups",
            "snapshot",
            "placement",
            "config",
            "framework",
            "plugins",
            "cache",
            "queue",
            "scheduler",
            "analysis",
            "testing",
        ],
    ),
    (
        "cli",
        &[
            "model",
            "api",
            "watch",
            "lease",
            "groups",
            "snapshot",
            "placement",
            "config",
            "framework",
            "plugins",
            "cache",
            "queue",
            "scheduler",
            "analysis",
            "kubernetes",
            "sim",
            "telemetry",
        ],
    ),
    ("main", &["cli", "telemetry"]),
    ("lib", &[]),
    ("metrics", &[]),
    ("planted", &[]),
    ("telemetry", &[]),
    ("testing", &["api", "model"]),
];

/// The rooms that do no IO, read no clock and ask for no entropy.
const CORE: &[&str] = &[
    "model",
    "api",
    "watch",
    "lease",
    "groups",
    "snapshot",
    "placement",
    "config",
    "framework",
    "plugins",
    "cache",
    "queue",
    "scheduler",
    "analysis",
];

/// What gives IO, clocks and entropy away.
const OUTSIDE: &[&str] = &[
    "std::fs",
    "std::net",
    "std::env",
    "std::process",
    "std::thread",
    "Instant::now",
    "SystemTime",
    "Timestamp::now",
    "rand::rng",
    "thread_rng",
    "RandomState",
    "kube::",
    "k8s_openapi",
    "tokio",
];

/// Names that say nothing.
const EMPTY_WORDS: &[&str] = &["util", "utils", "helper", "helpers", "manager", "misc", "common"];

/// Marks of unfinished work.
const UNFINISHED: &[&str] = &["TODO", "FIXME", "XXX", "#[ignore", "todo!", "unimplemented!"];

struct Source {
    path: PathBuf,
    room: String,
    lines: Vec<String>,
    /// How many lines stand before the tests of the file.
    code: usize,
}

#[test]
fn rooms_import_only_what_stands_above_them() {
    let mut wrong = Vec::new();
    for source in sources().into_iter().filter(|source| source.path.starts_with("src")) {
        let Some((_, allowed)) = ROOMS.iter().find(|(room, _)| *room == source.room) else {
            wrong.push(format!("{}: no room is called {}", source.path.display(), source.room));
            continue;
        };
        for (number, line) in source.code_lines() {
            for import in imports(line) {
                let own = [&source.room, "metrics", "planted"].contains(&import);
                if !own && !allowed.contains(&import) {
                    let path = source.path.display();
                    wrong.push(format!("{path}:{number}: {} imports {import}", source.room));
                }
            }
        }
    }
    report(&wrong);
}

#[test]
fn the_core_does_no_io_and_reads_no_clock() {
    let mut wrong = Vec::new();
    for source in sources().iter().filter(|source| CORE.contains(&source.room.as_str())) {
        for (number, line) in source.code_lines() {
            for mark in OUTSIDE.iter().filter(|mark| line.contains(*mark)) {
                wrong.push(format!("{}:{number}: {mark}", source.path.display()));
            }
        }
    }
    report(&wrong);
}

#[test]
fn lines_functions_and_files_are_short() {
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.path.display();
        if source.code > FILE_LINES_MAX {
            wrong.push(format!("{path}: {} lines without tests", source.code));
        }
        for (index, line) in source.lines.iter().enumerate() {
            if line.chars().count() > LINE_CHARS_MAX {
                wrong.push(format!("{path}:{}: line too long", index + 1));
            }
        }
        for (start, length) in functions(&source) {
            if length > FUNCTION_LINES_MAX {
                wrong.push(format!("{path}:{start}: function of {length} lines"));
            }
        }
    }
    report(&wrong);
}

#[test]
fn files_say_what_they_are_for_and_have_names_that_mean_something() {
    let mut wrong = Vec::new();
    for source in sources() {
        let path = source.path.display();
        if !source.lines.first().is_some_and(|line| line.starts_with("//! ")) {
            wrong.push(format!("{path}: the first line is not a //! line"));
        }
        let stem = source.path.file_stem().unwrap().to_string_lossy().into_owned();
        if EMPTY_WORDS.contains(&stem.as_str()) {
            wrong.push(format!("{path}: the name says nothing"));
        }
        for (index, line) in source.lines.iter().enumerate() {
            for mark in UNFINISHED.iter().filter(|mark| line.contains(*mark)) {
                // This file names the marks.
                if !source.path.ends_with("tidy.rs") {
                    wrong.push(format!("{path}:{}: {mark}", index + 1));
                }
            }
        }
    }
    report(&wrong);
}

#[test]
fn a_broken_rule_is_found() {
    assert_eq!(imports("use crate::cache::Cache;"), ["cache"]);
    assert_eq!(imports("use crate::{model::Str, queue};"), ["model", "queue"]);
    assert_eq!(imports("let x = crate::api::Pod::default();"), ["api"]);
    let text = "//! x\nfn long() {\n    a();\n    b();\n}\n#[cfg(test)]\nmod tests {\n}\n";
    let source = Source::new(PathBuf::from("src/model/x.rs"), "model".into(), text);
    assert_eq!((source.code, functions(&source)), (5, vec![(2, 4)]));
}

impl Source {
    fn new(path: PathBuf, room: String, text: &str) -> Self {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let tests = lines.windows(2).position(|pair| {
            pair[0].trim() == "#[cfg(test)]"
                && pair[1].starts_with("mod ")
                && pair[1].ends_with('{')
        });
        let is_test_file = path.components().any(|part| {
            let part = part.as_os_str().to_string_lossy();
            part == "tests" || part.ends_with("tests.rs")
        });
        let code = if is_test_file { 0 } else { tests.unwrap_or(lines.len()) };
        Self { path, room, lines, code }
    }

    fn code_lines(&self) -> impl Iterator<Item = (usize, &str)> {
        let numbered = self.lines[..self.code].iter().enumerate();
        numbered.map(|(index, line)| (index + 1, without_comment(line)))
    }
}

fn sources() -> Vec<Source> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut sources = Vec::new();
    for folder in ["src", "tests", "examples", "benches"] {
        visit(&root.join(folder), root, &mut sources);
    }
    assert!(sources.len() > 20, "the sources were not found");
    sources
}

fn visit(folder: &Path, root: &Path, sources: &mut Vec<Source>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            visit(&path, root, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            let relative = path.strip_prefix(root).unwrap().to_path_buf();
            let room = room_of(&relative);
            sources.push(Source::new(relative, room, &text));
        }
    }
}

/// The room of a file: the first name below `src`; tests, examples and benches may import all.
fn room_of(path: &Path) -> String {
    let mut parts = path.components().map(|part| part.as_os_str().to_string_lossy().into_owned());
    match (parts.next().as_deref(), parts.next()) {
        (Some("src"), Some(room)) => room.trim_end_matches(".rs").to_owned(),
        _ => "lib".to_owned(),
    }
}

/// The rooms that a line names after `crate::`.
fn imports(line: &str) -> Vec<&str> {
    let mut rooms = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(list) => list.split(", ").collect(),
            None => vec![rest],
        };
        rooms.extend(names.into_iter().map(|name| {
            let end = name.find(|c: char| !c.is_alphanumeric() && c != '_');
            &name[..end.unwrap_or(name.len())]
        }));
    }
    rooms
}

/// The functions of a file with the number of their lines, found by indentation.
fn functions(source: &Source) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    for (index, line) in source.lines[..source.code].iter().enumerate() {
        let indent = line.len() - line.trim_start().len();
        let head = line.trim_start();
        let is_function = [
            "fn ",
            "pub fn ",
            "pub(super) fn ",
            "pub(crate) fn ",
            "async fn ",
            "pub async fn ",
            "pub(super) async fn ",
        ]
        .iter()
        .any(|start| head.starts_with(start));
        if !is_function || head.ends_with(';') || head.ends_with('}') {
            continue;
        }
        let close = format!("{}}}", " ".repeat(indent));
        let rest = source.lines[index..source.code].iter();
        let Some(length) = rest.clone().position(|line| *line == close) else { continue };
        found.push((index + 1, length + 1));
    }
    found
}

fn without_comment(line: &str) -> &str {
    if line.trim_start().starts_with("//") { "" } else { line }
}

fn report(wrong: &[String]) {
    assert!(wrong.is_empty(), "{} broken rules:\n{}", wrong.len(), wrong.join("\n"));
}
