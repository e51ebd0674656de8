//! What the fields of a configuration mean where the file does not set them.

use super::GoDuration;
use super::types::{Base, ClientConnection, LeaderElection, Profile, SchedulerConfiguration};

/// Our own API version and kind.
pub const API_VERSION: &str = "quorate.dev/v1alpha1";
pub const KIND: &str = "SchedulerConfiguration";
/// Those of kube-scheduler, whose files are read as they are.
pub const UPSTREAM_API_VERSION: &str = "kubescheduler.config.k8s.io/v1";
pub const UPSTREAM_KIND: &str = "KubeSchedulerConfiguration";
/// What pods say in `spec.schedulerName` to be scheduled by the shipped profile.
pub const SCHEDULER_NAME: &str = "quorate";

/// The lease of ours, in files of kube-scheduler too: kube-scheduler holds its own.
const LEASE_NAMESPACE: &str = "kube-system";
const LEASE_NAME: &str = "quorate";

const UPSTREAM_SCHEDULER_NAME: &str = "default-scheduler";

impl Default for SchedulerConfiguration {
    /// The configuration that holds where there is no file.
    fn default() -> SchedulerConfiguration {
        SchedulerConfiguration {
            api_version: API_VERSION.to_owned(),
            kind: KIND.to_owned(),
            parallelism: None,
            leader_election: LeaderElection::default(),
            client_connection: ClientConnection::default(),
            enable_profiling: None,
            enable_contention_profiling: None,
            percentage_of_nodes_to_score: None,
            pod_initial_backoff_seconds: None,
            pod_max_backoff_seconds: None,
            delay_cache_until_active: false,
            profiles: Vec::new(),
            extenders: Vec::new(),
            infrastructure: None,
        }
    }
}

impl SchedulerConfiguration {
    pub(super) fn parallelism(&self) -> i32 {
        self.parallelism.unwrap_or(16)
    }

    pub(super) fn pod_initial_backoff_seconds(&self) -> i64 {
        self.pod_initial_backoff_seconds.unwrap_or(1)
    }

    pub(super) fn pod_max_backoff_seconds(&self) -> i64 {
        self.pod_max_backoff_seconds.unwrap_or(10)
    }

    /// The profiles, at least one. A single profile has a name whether it says so or not.
    pub(super) fn profiles(&self) -> Vec<Profile> {
        let mut profiles = self.profiles.clone();
        if profiles.is_empty() {
            profiles.push(Profile::default());
        }
        if let [only] = profiles.as_mut_slice() {
            only.scheduler_name.get_or_insert_with(|| self.scheduler_name().to_owned());
        }
        profiles
    }

    /// What a profile starts from. Files of kube-scheduler go on meaning what they mean there.
    pub(super) fn base(&self, profile: &Profile) -> Base {
        let default = match self.api_version == UPSTREAM_API_VERSION {
            true => Base::Parity,
            false => Base::Database,
        };
        profile.base.unwrap_or(default)
    }

    /// What a single profile without a name is called.
    fn scheduler_name(&self) -> &'static str {
        if self.api_version == UPSTREAM_API_VERSION {
            UPSTREAM_SCHEDULER_NAME
        } else {
            SCHEDULER_NAME
        }
    }
}

impl LeaderElection {
    pub(super) fn leader_elect(&self) -> bool {
        self.leader_elect.unwrap_or(true)
    }

    pub(super) fn lease_duration(&self) -> GoDuration {
        set_or(self.lease_duration, 15)
    }

    pub(super) fn renew_deadline(&self) -> GoDuration {
        set_or(self.renew_deadline, 10)
    }

    pub(super) fn retry_period(&self) -> GoDuration {
        set_or(self.retry_period, 2)
    }

    /// The kind of the lock: there is one.
    pub(super) fn resource_lock(&self) -> &str {
        or(&self.resource_lock, "leases")
    }

    pub(super) fn resource_name(&self) -> &str {
        or(&self.resource_name, LEASE_NAME)
    }

    pub(super) fn resource_namespace(&self) -> &str {
        or(&self.resource_namespace, LEASE_NAMESPACE)
    }
}

/// An empty text counts as not set, as in kube-scheduler.
fn or<'a>(text: &'a str, default: &'a str) -> &'a str {
    if text.is_empty() { default } else { text }
}

fn set_or(duration: Option<GoDuration>, seconds: u32) -> GoDuration {
    duration.filter(|d| !d.is_zero()).unwrap_or(GoDuration::from_secs(seconds))
}
