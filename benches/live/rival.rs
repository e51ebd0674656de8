//! Who is compared, and how each is started.

use std::process::Command;

use clap::ValueEnum;

use crate::control_plane::{ControlPlane, Process, QUORATE};
use crate::load::Load;

/// Exactly what the daemon may do in a cluster; the ceiling writes as the same account.
const ROLES: &str = include_str!("../../deploy/rbac.yaml");

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub enum Rival {
    Quorate,
    KubeScheduler,
    Ceiling,
}

impl Rival {
    pub const ALL: [Self; 3] = [Self::Quorate, Self::KubeScheduler, Self::Ceiling];

    pub fn label(self) -> &'static str {
        match self {
            Self::Quorate => "quorate",
            Self::KubeScheduler => "kube-scheduler",
            Self::Ceiling => "ceiling",
        }
    }

    /// The `schedulerName` of its pods.
    pub fn scheduler_name(self) -> &'static str {
        match self {
            Self::KubeScheduler => "default-scheduler",
            Self::Quorate => "quorate",
            Self::Ceiling => "nobody",
        }
    }

    /// Gives it what it needs before its process starts.
    pub fn prepare(self, plane: &ControlPlane) {
        if self != Self::KubeScheduler {
            plane.cluster().apply(ROLES);
        }
    }

    pub fn start(self, plane: &ControlPlane, load: &Load, connections: u32) -> Process {
        let kubeconfig = || plane.kubeconfig(QUORATE).display().to_string();
        match self {
            Self::KubeScheduler => plane.start_scheduler(),
            Self::Quorate => {
                let kubeconfig = kubeconfig();
                plane.start_quorate(&["run", "--kubeconfig", &kubeconfig, "--http-port", "0"])
            }
            Self::Ceiling => {
                let program = std::env::current_exe().expect("the path of this program");
                let mut command = Command::new(program);
                command.args(["ceiling", "--kubeconfig", &kubeconfig()]);
                for (flag, value) in
                    [("--pods", load.pods), ("--nodes", load.nodes), ("--connections", connections)]
                {
                    command.args([flag, &value.to_string()]);
                }
                Process::start("ceiling", command, plane.file("ceiling.log"))
            }
        }
    }
}
