//! A child process whose output can be read at any time and that never outlives the tests.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::Duration;

use super::wait_for;

/// How long a process may take to disappear after it was killed.
const EXIT_SECONDS_MAX: u64 = 60;

/// The signals that tests send.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Signal {
    /// Asks the process to end.
    Term,
    /// Ends the process at once (`kill -9`).
    Kill,
    /// Pauses the process.
    Stop,
    /// Lets a paused process go on.
    Continue,
}

/// A running program. Dropping it kills it and waits until it is gone.
///
/// Beside each child stands a shell that reads a pipe from us and kills the child when the pipe
/// closes: a destructor does not run when a test process is killed or when a process-wide
/// control plane is left to the end of the run, the closing of a pipe always happens.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    guard: Child,
    log: PathBuf,
    exited: Option<ExitStatus>,
}

impl Process {
    /// Starts `command`; both of its outputs go to the file `log`.
    pub fn start(name: &str, mut command: Command, log: PathBuf) -> Self {
        use std::os::unix::process::CommandExt;
        let output = File::create(&log).unwrap_or_else(|e| panic!("{}: {e}", log.display()));
        // Groups of their own keep a Ctrl-C in the terminal from reaching the children: then the
        // guards end them, in an order that needs no grace period.
        let child = command
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .process_group(0)
            .spawn()
            .unwrap_or_else(|e| panic!("failed to start {name} ({command:?}): {e}"));
        let guard = Command::new("sh")
            .args(["-c", "read -r _; kill -9 \"$1\"", "guard", &child.id().to_string()])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("failed to start sh");
        Self { name: name.to_owned(), child, guard, log, exited: None }
    }

    /// The process's number in the operating system.
    #[allow(dead_code, reason = "a measurement reads what the process used")]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Returns everything that the process has written so far, by lines. A line that is still
    /// being written is left out.
    pub fn lines(&self) -> Vec<String> {
        let text = fs::read(&self.log).unwrap();
        let mut lines: Vec<String> =
            String::from_utf8_lossy(&text).split('\n').map(str::to_owned).collect();
        lines.pop();
        lines
    }

    /// Waits for a line that contains `text` and returns it. Panics if the process ends without
    /// having written it, or when time is up.
    pub fn wait_for_line(&mut self, text: &str, timeout: Duration) -> String {
        let what = format!("a line of {} that contains {text:?}", self.name);
        let found = wait_for(&what, timeout, || {
            // Looking at the exit first makes the reading after it see the whole output.
            let ended = self.exit_status();
            let line = self.lines().into_iter().find(|line| line.contains(text));
            match (line, ended) {
                (Some(line), _) => Some(Ok(line)),
                (None, Some(status)) => Some(Err(status)),
                (None, None) => None,
            }
        });
        found.unwrap_or_else(|status| panic!("{} {status}, without {what}", self.name))
    }

    /// Sends a signal. After `Signal::Stop` the process does nothing more; other signals have
    /// been sent on return, not been obeyed.
    pub fn signal(&mut self, signal: Signal) {
        if self.exit_status().is_some() {
            return;
        }
        let name = match signal {
            Signal::Term => "TERM",
            Signal::Kill => "KILL",
            Signal::Stop => "STOP",
            Signal::Continue => "CONT",
        };
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$1\" \"$2\"", "signal", name, &self.child.id().to_string()])
            .status()
            .expect("failed to start sh");
        assert!(sent.success(), "failed to send SIG{name} to {}", self.name);
        if signal == Signal::Stop {
            self.wait_until_stopped();
        }
    }

    /// Sends a signal that ends the process and waits until it is gone.
    pub fn end(&mut self, signal: Signal) -> ExitStatus {
        self.signal(signal);
        self.wait_for_exit(Duration::from_secs(EXIT_SECONDS_MAX))
    }

    /// Waits until the process has ended by itself or by a signal sent before.
    pub fn wait_for_exit(&mut self, timeout: Duration) -> ExitStatus {
        wait_for(&format!("the end of {}", self.name), timeout, || self.exit_status())
    }

    /// Returns how the process ended, `None` while it runs.
    pub fn exit_status(&mut self) -> Option<ExitStatus> {
        if self.exited.is_none() {
            self.exited = self.child.try_wait().unwrap();
            if self.exited.is_some() {
                self.dismiss_guard();
            }
        }
        self.exited
    }

    /// The threads of a process stop one by one; on Linux we can see when the last one has.
    fn wait_until_stopped(&self) {
        let threads = format!("/proc/{}/task", self.child.id());
        if !cfg!(target_os = "linux") {
            thread::sleep(Duration::from_millis(200));
            return;
        }
        wait_for(&format!("the pause of {}", self.name), Duration::from_secs(10), || {
            let mut threads = fs::read_dir(&threads).ok()?;
            let stopped = threads.all(|thread| {
                let stat = fs::read_to_string(thread.unwrap().path().join("stat"));
                // The state is the first letter behind the name, which stands in parentheses.
                stat.is_ok_and(|stat| stat.rsplit_once(") ").is_some_and(|s| s.1.starts_with('T')))
            });
            stopped.then_some(())
        });
    }

    /// Ends the guard first: once the child has been waited for, its id may name a stranger.
    fn dismiss_guard(&mut self) {
        let _ = self.guard.kill();
        let _ = self.guard.wait();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if thread::panicking() {
            let lines = self.lines();
            let last = lines.get(lines.len().saturating_sub(20)..).unwrap_or_default();
            eprintln!("--- {} ends with ---\n{}\n", self.log.display(), last.join("\n"));
        }
        if self.exited.is_none() {
            self.dismiss_guard();
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;

    use super::super::workspace::Workspace;
    use super::*;

    const SOON: Duration = Duration::from_secs(30);

    fn shell(workspace: &Workspace, script: &str) -> Process {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Process::start("sh", command, workspace.new_log("sh"))
    }

    #[test]
    fn lines_are_awaited_on_both_outputs() {
        let workspace = Workspace::create();
        let mut process = shell(&workspace, "echo one; echo two >&2; printf three; sleep 60");
        assert_eq!(process.wait_for_line("tw", SOON), "two");
        assert_eq!(process.lines(), ["one", "two"]);
        assert_eq!(process.end(Signal::Kill).signal(), Some(9));
    }

    #[test]
    #[should_panic(expected = "sh exit status: 3, without a line")]
    fn a_process_that_ends_without_the_line_is_not_waited_for() {
        shell(&Workspace::create(), "exit 3").wait_for_line("never", SOON);
    }

    #[test]
    fn a_process_can_be_asked_to_end_and_be_paused() {
        let workspace = Workspace::create();
        let script = "trap 'echo bye; exit 7' TERM; echo up; while :; do sleep 0.05; done";
        let mut process = shell(&workspace, script);
        process.wait_for_line("up", SOON);
        process.signal(Signal::Stop);
        process.signal(Signal::Term);
        thread::sleep(Duration::from_millis(200));
        assert_eq!(process.exit_status(), None, "a paused process cannot end");
        process.signal(Signal::Continue);
        assert_eq!(process.wait_for_exit(SOON).code(), Some(7));
        assert_eq!(process.lines(), ["up", "bye"]);
    }

    #[test]
    fn a_child_ends_when_its_test_process_is_gone() {
        let workspace = Workspace::create();
        let mut process = shell(&workspace, "sleep 60");
        // The end of our process closes the pipe to the guard.
        drop(process.guard.stdin.take());
        assert_eq!(process.wait_for_exit(SOON).signal(), Some(9));
    }
}
