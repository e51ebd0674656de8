//! A running scheduler and what its endpoints say.

use std::path::Path;
use std::time::Duration;

use crate::control_plane::{ControlPlane, Process, free_port, get, wait_for};

/// What a daemon does at once takes no longer than this on a busy machine.
const SOON: Duration = Duration::from_secs(60);

pub struct Daemon {
    pub process: Process,
    port: u16,
}

impl Daemon {
    /// Starts one with a kubeconfig and more arguments, without waiting for anything.
    pub fn start(plane: &ControlPlane, kubeconfig: &Path, more: &[&str]) -> Self {
        let (kubeconfig, port) = (kubeconfig.display().to_string(), free_port());
        let port_flag = format!("--http-port={port}");
        let arguments = [&["run", "--kubeconfig", &kubeconfig, &port_flag], more].concat();
        Self { process: plane.start_quorate(&arguments), port }
    }

    /// Waits until it decides: it holds the lease and has seen everything that was before.
    pub fn wait_until_it_leads(&mut self) {
        self.process.wait_for_line("All kinds are as new as the lease.", SOON);
    }

    pub fn wait_until_ready(&self) {
        wait_for("a daemon that is ready", SOON, || self.is_ready().then_some(()));
    }

    pub fn is_ready(&self) -> bool {
        get(self.port, "/readyz").is_some_and(|(code, _)| code == 200)
    }

    /// What it says about why it is not ready; none if it does not answer.
    pub fn readiness(&self) -> Option<(u16, String)> {
        get(self.port, "/readyz")
    }

    /// The sum of all values of a metric whose labels contain `labels`; 0 if there are none.
    pub fn metric(&self, name: &str, labels: &str) -> f64 {
        let (_, text) = get(self.port, "/metrics").unwrap_or_default();
        sum_of(&text, name, labels)
    }
}

fn sum_of(text: &str, name: &str, labels: &str) -> f64 {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name));
    let lines = lines.filter(|rest| rest.starts_with(['{', ' ']) && rest.contains(labels));
    lines.filter_map(|rest| rest.rsplit(' ').next()?.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_a_metric_are_added_up() {
        let text = "# HELP a b\na{x=\"1\",y=\"2\"} 3\na{x=\"2\"} 4\nab 9\nb 5\n";
        let check = |name: &str, labels: &str, expected: f64| {
            assert!((sum_of(text, name, labels) - expected).abs() < 1e-9, "{name} {labels}");
        };
        check("a", "", 7.0);
        check("a", "x=\"1\"", 3.0);
        check("b", "", 5.0);
        check("c", "", 0.0);
    }
}
