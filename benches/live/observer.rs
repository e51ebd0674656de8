//! What the API server shows of a rival's work: binds in a watch of our own, events by their
//! number.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use http::{HeaderValue, header};
use k8s_openapi::api::core::v1::Pod;
use kube::Client;
use kube::api::{ListParams, WatchParams};
use kube::core::{PartialObjectMeta, Request, WatchEvent};
use serde::Deserialize;
use tokio::runtime::Runtime;

use crate::ceiling::connect;
use crate::control_plane::Process;
use crate::load::NAMESPACE;

/// So long no bind was seen: the rival has stopped working.
const STALLED_AFTER: Duration = Duration::from_secs(60);
/// How often the events are counted once all pods are bound.
const COUNT_EVERY: Duration = Duration::from_millis(50);
/// So long no event was added: the rest will not come. kube-scheduler drops events in a rush.
const EVENTS_QUIET: Duration = Duration::from_secs(3);
/// Names alone, which neither rival asks for, so that none can share what was encoded for us.
const NAMES_ONLY: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1";

/// Pods, by name alone, that are given a node.
type BoundPods = BoxStream<'static, kube::Result<WatchEvent<PartialObjectMeta<Pod>>>>;

/// Looks at one measurement.
pub struct Observer {
    runtime: Runtime,
    client: Client,
    binds: Receiver<Instant>,
}

/// When the first and the last pod were seen bound.
#[derive(Clone, Copy, Debug)]
pub struct Binds {
    pub first: Instant,
    pub last: Instant,
}

/// How many events there are in the end, and when the last one was counted.
#[derive(Clone, Copy, Debug)]
pub struct Events {
    pub count: u32,
    pub last: Instant,
}

#[derive(Deserialize)]
struct Counted {
    metadata: CountedMeta,
    #[serde(default)]
    items: Vec<serde::de::IgnoredAny>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct CountedMeta {
    #[serde(default)]
    remaining_item_count: u32,
}

impl Observer {
    /// Watches from now on; no pod may be bound yet.
    pub fn start(kubeconfig: &Path) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let client = runtime.block_on(connect(kubeconfig));
        let (seen, binds) = channel();
        runtime.spawn(watch(client.clone(), seen));
        Self { runtime, client, binds }
    }

    /// Waits until so many pods are bound.
    pub fn binds(&self, count: u32, process: &mut Process) -> Binds {
        let mut seen = Vec::new();
        while seen.len() < count as usize {
            match self.binds.recv_timeout(STALLED_AFTER) {
                Ok(at) => seen.push(at),
                Err(_) => panic!(
                    "{} of {count} pods are bound and no more come; the process: {:?}",
                    seen.len(),
                    process.exit_status()
                ),
            }
        }
        Binds { first: seen[0], last: seen[seen.len() - 1] }
    }

    /// Waits until there are so many events, or until no more come.
    pub fn events(&self, count: u32) -> Events {
        let mut events = Events { count: 0, last: Instant::now() };
        loop {
            let now = Instant::now();
            let found = self.runtime.block_on(count_events(&self.client));
            if found > events.count {
                events = Events { count: found, last: now };
            }
            if events.count >= count || now - events.last > EVENTS_QUIET {
                return events;
            }
            std::thread::sleep(COUNT_EVERY);
        }
    }
}

/// Tells the time of every bind. A pod comes into this watch when it is given a node.
async fn watch(client: Client, seen: Sender<Instant>) {
    let mut version = "0".to_owned();
    let mut bound = BTreeSet::new();
    loop {
        let mut events = open_watch(&client, &version).await;
        while let Ok(Some(event)) = events.try_next().await {
            let pod = match event {
                WatchEvent::Added(pod) | WatchEvent::Modified(pod) | WatchEvent::Deleted(pod) => {
                    pod
                }
                WatchEvent::Bookmark(bookmark) => {
                    version = bookmark.metadata.resource_version;
                    continue;
                }
                WatchEvent::Error(status) => panic!("the watch of binds failed: {status:?}"),
            };
            version = pod.metadata.resource_version.unwrap();
            let is_new = bound.insert(pod.metadata.name.unwrap());
            if is_new && seen.send(Instant::now()).is_err() {
                return;
            }
        }
        // The API server may end the watch of a reader whom it could not serve for a moment. It
        // goes on where it ended, so that no bind is missed.
        eprintln!("the watch of binds ended and goes on");
    }
}

async fn open_watch(client: &Client, version: &str) -> BoundPods {
    let parameters = WatchParams::default().fields("spec.nodeName!=");
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let mut request = Request::new(path).watch(&parameters, version).unwrap();
    request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static(NAMES_ONLY));
    client.request_events::<PartialObjectMeta<Pod>>(request).await.unwrap().boxed()
}

/// Reads one event and how many there are besides.
async fn count_events(client: &Client) -> u32 {
    let path = format!("/apis/events.k8s.io/v1/namespaces/{NAMESPACE}/events");
    let request = Request::new(path).list(&ListParams::default().limit(1)).unwrap();
    let counted: Counted = client.request(request).await.unwrap();
    counted.metadata.remaining_item_count + u32::try_from(counted.items.len()).unwrap()
}
