//! Stands in for kubelets, and for whoever deletes pods that have done their work.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;
use serde_json::json;

use super::judge::{Admission, Rejection};
use crate::control_plane::{Change, Cluster, History, State};

/// A kubelet sees a new pod of its own within milliseconds.
const LOOK_EVERY: Duration = Duration::from_millis(5);
/// How long a pod that has failed stays to be seen.
const FAILED_FOR: Duration = Duration::from_secs(1);

/// All kubelets, until they are ended.
pub struct Kubelets {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// How full the nodes shall be.
#[derive(Clone, Copy, Debug)]
pub struct Fill {
    /// With more pods than this the oldest end,
    pub pods_max: usize,
    /// so many at once.
    pub at_once: usize,
}

struct Work {
    cluster: Cluster,
    admission: Admission,
    fill: Fill,
    running: VecDeque<String>,
    failed: VecDeque<(Instant, String)>,
}

impl Kubelets {
    pub fn start(cluster: &Cluster, history: Arc<History>, fill: Fill) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let ended = enough.clone();
        let mut work = Work {
            cluster: cluster.clone(),
            admission: Admission::default(),
            fill,
            running: VecDeque::new(),
            failed: VecDeque::new(),
        };
        let thread = thread::spawn(move || {
            let mut read = 0;
            while !ended.load(Ordering::Relaxed) {
                let changes = history.since(read);
                read += changes.len();
                work.see(&changes);
                work.tidy_up();
                thread::sleep(LOOK_EVERY);
            }
        });
        Self { enough, thread }
    }

    pub fn end(self) {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().unwrap();
    }
}

impl Work {
    fn see(&mut self, changes: &[Change]) {
        for change in changes {
            let before = self.admission.admitted();
            if let Some(rejection) = self.admission.see(change) {
                self.reject(&rejection);
            } else if matches!(change.state, State::Pod(_)) && self.admission.admitted() > before {
                self.running.push_back(change.name.clone());
            }
        }
    }

    fn reject(&mut self, rejection: &Rejection) {
        let Rejection { pod, resource, .. } = rejection;
        let status = json!({"status": {
            "phase": "Failed",
            "reason": format!("OutOf{resource}"),
            "message": format!("Pod was rejected: Node didn't have enough resource: {resource}"),
        }});
        let (namespace, name) = pod.split_once('/').unwrap();
        self.cluster.patch_status::<Pod>(namespace, name, &status);
        self.failed.push_back((Instant::now(), pod.clone()));
    }

    /// Pods end when there are too many, and failed ones are not kept.
    fn tidy_up(&mut self) {
        if self.running.len() > self.fill.pods_max {
            for _ in 0..self.fill.at_once {
                self.running.pop_front().iter().for_each(|pod| self.delete(pod));
            }
        }
        while self.failed.front().is_some_and(|(at, _)| at.elapsed() > FAILED_FOR) {
            self.failed.pop_front().iter().for_each(|(_, pod)| self.delete(pod));
        }
    }

    fn delete(&self, pod: &str) {
        let (namespace, name) = pod.split_once('/').unwrap();
        self.cluster.delete::<Pod>(namespace, name);
    }
}
