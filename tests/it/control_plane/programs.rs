//! The programs of the control plane: built from `tests/control-plane` when that is needed.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use xxhash_rust::xxh3::Xxh3;

/// The release that the Go module pins; programs built from modules do not know their own.
pub const KUBERNETES_VERSION: &str = "v1.37.2";

const GO_NEEDED: &str = "the integration tests run a real control plane, which they build from \
    tests/control-plane with Go 1.26 or newer; install it from https://go.dev/dl and make sure \
    that `go` is in PATH (a Go from 1.21 on fetches the release that it needs by itself)";

/// Where the programs are.
#[derive(Debug)]
pub struct Programs {
    built: PathBuf,
    assets: Option<PathBuf>,
}

impl Programs {
    /// Returns the programs, building them first unless an earlier build is up to date. All
    /// tests of all test processes on this target directory share one build.
    pub fn get() -> &'static Self {
        static PROGRAMS: OnceLock<Programs> = OnceLock::new();
        PROGRAMS.get_or_init(|| Self {
            built: build(&target().join("control-plane")),
            assets: std::env::var_os("KUBEBUILDER_ASSETS").map(PathBuf::from),
        })
    }

    /// Returns the command that runs `name`, without flags. etcd and kube-apiserver come from the
    /// folder KUBEBUILDER_ASSETS if that is set.
    pub fn command(&self, name: &str) -> Command {
        if let (Some(assets), "etcd" | "kube-apiserver") = (&self.assets, name) {
            let program = assets.join(name);
            let found = program.is_file();
            assert!(found, "KUBEBUILDER_ASSETS is set but there is no {}", program.display());
            return Command::new(program);
        }
        let mut command = Command::new(&self.built);
        command.arg(name);
        command
    }
}

/// Returns cargo's target directory. Examples are not told where it is; they lie in it.
pub fn target() -> &'static Path {
    static TARGET: OnceLock<PathBuf> = OnceLock::new();
    TARGET.get_or_init(|| match option_env!("CARGO_TARGET_TMPDIR") {
        Some(inside) => Path::new(inside).parent().expect("cargo's folder lies in target").into(),
        None => {
            let own = std::env::current_exe().expect("the path of this program");
            own.ancestors().nth(3).expect("a folder of cargo's").to_owned()
        }
    })
}

/// Returns the command that runs `quorate`. Examples are built without the binary of the crate;
/// they are `quorate` themselves when that is their first argument.
pub fn quorate() -> Command {
    if let Some(program) = option_env!("CARGO_BIN_EXE_quorate") {
        return Command::new(program);
    }
    let mut command = Command::new(std::env::current_exe().expect("the path of this program"));
    command.arg("quorate");
    command
}

fn build(folder: &Path) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    let lock = File::create(folder.join("build.lock")).unwrap();
    lock.lock().unwrap();
    let program = folder.join("control-plane");
    let stamp = folder.join("control-plane.stamp");
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/control-plane");
    let wanted = fingerprint(&sources);
    if program.is_file() && fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return program;
    }
    say("building the control plane of the tests (some eight minutes the first time)");
    let fresh = folder.join("control-plane.new");
    compile(&sources, &fresh);
    // Renaming leaves test processes that run the old file alone.
    fs::rename(&fresh, &program).unwrap();
    fs::write(&stamp, wanted).unwrap();
    program
}

fn compile(sources: &Path, output: &Path) {
    let set = |module: &str| format!("-X {module}/version.gitVersion={KUBERNETES_VERSION}");
    let flags = ["k8s.io/component-base", "k8s.io/client-go/pkg"].map(set).join(" ");
    let built = Command::new("go")
        .args([
            "build",
            "-trimpath",
            "-buildvcs=false",
            "-ldflags",
            &format!("-s -w {flags}"),
            "-o",
        ])
        .arg(output)
        .arg(".")
        .current_dir(sources)
        .env("CGO_ENABLED", "0")
        .env("GOWORK", "off")
        .output()
        .unwrap_or_else(|e| panic!("failed to run go: {e}; {GO_NEEDED}"));
    let errors = String::from_utf8_lossy(&built.stderr);
    assert!(
        built.status.success(),
        "failed to build the control plane ({}); {GO_NEEDED}; the build needs its modules from \
        the Go module proxy (or GOPROXY) and some 4 GB of disk\n{errors}",
        built.status
    );
}

/// Hashes what the build depends on, so that a stale program is never run.
fn fingerprint(sources: &Path) -> String {
    let mut files: Vec<PathBuf> = fs::read_dir(sources)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "go" || e == "mod" || e == "sum"))
        .collect();
    files.sort();
    let mut hash = Xxh3::new();
    hash.update(KUBERNETES_VERSION.as_bytes());
    for file in files {
        hash.update(file.file_name().unwrap().as_encoded_bytes());
        hash.update(&fs::read(&file).unwrap());
    }
    format!("{:016x}", hash.digest())
}

/// Writes to the terminal past the capture of the test harness: minutes of silence look like a
/// hang.
fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

#[cfg(test)]
mod tests {
    use super::super::workspace::Workspace;
    use super::*;

    #[test]
    fn a_changed_source_asks_for_a_new_build_and_a_changed_text_does_not() {
        let workspace = Workspace::create();
        let write = |name: &str, text: &str| {
            fs::write(workspace.path().join(name), text).unwrap();
            fingerprint(workspace.path())
        };
        let first = write("main.go", "package main");
        assert_eq!(write("README.md", "text"), first);
        assert_ne!(write("go.sum", "sum"), first);
        assert_ne!(write("main.go", "package other"), write("main.go", "package main"));
    }
}
