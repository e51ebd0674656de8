//! Pods that come, and go again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use k8s_openapi::api::core::v1::Pod;

use super::stage::{NAMESPACE, pods};
use crate::control_plane::Cluster;

/// Creates pods steadily, also while the API server is away, until it is ended.
pub struct Stream {
    enough: Arc<AtomicBool>,
    thread: JoinHandle<u32>,
}

/// How long pods live that are deleted again.
#[derive(Clone, Copy, Debug)]
pub struct Life {
    /// From so many pods on the oldest goes for each that comes.
    pub population: u32,
}

impl Stream {
    /// Pods that stay.
    pub fn start(cluster: &Cluster, per_second: u32, cpu: &'static str) -> Self {
        Self::start_with(cluster, per_second, cpu, None)
    }

    pub fn start_with(
        cluster: &Cluster,
        per_second: u32,
        cpu: &'static str,
        life: Option<Life>,
    ) -> Self {
        let enough = Arc::new(AtomicBool::new(false));
        let (cluster, ended) = (cluster.clone(), enough.clone());
        let pause = Duration::from_secs(1) / per_second;
        let thread = thread::spawn(move || {
            let (mut created, mut deleted) = (0, 0);
            let mut next = Instant::now();
            while !ended.load(Ordering::Relaxed) {
                let pod = &pods("p", created..created + 1, cpu)[0];
                if is_created(&cluster, pod) {
                    created += 1;
                }
                if life.is_some_and(|life| created - deleted > life.population)
                    && cluster.try_delete::<Pod>(NAMESPACE, &format!("p{deleted}")).is_ok()
                {
                    deleted += 1;
                }
                next = (next + pause).max(Instant::now() - pause * 10);
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
            created
        });
        Self { enough, thread }
    }

    /// No more pods come. Returns how many came.
    pub fn end(self) -> u32 {
        self.enough.store(true, Ordering::Relaxed);
        self.thread.join().unwrap()
    }
}

/// Whether the pod is there. After a lost answer it may have been there before.
fn is_created(cluster: &Cluster, pod: &Pod) -> bool {
    match cluster.try_create(pod) {
        Ok(_) => true,
        Err(kube::Error::Api(status)) => status.is_already_exists(),
        Err(_) => {
            thread::sleep(Duration::from_millis(100));
            false
        }
    }
}
