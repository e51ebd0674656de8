//! The daemon from start to end: connect, watch, decide, bind, stop.
//!
//! ```text
//!  API server ─▶ feeds, one for each kind ─▶ owner ─▶ scheduler
//!      ▲                                      │ ▲
//!      ├───── calls: bind, fence, get ◀───────┤ │ replies
//!      └───── reports: conditions, events ◀───┴─┘
//! ```

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};

use super::calls::Calls;
use super::client::{Clients, ConnectError};
use super::clock::Clock;
use super::feed::{Desk, Feed, Source};
use super::health::{Health, Kind};
use super::http::{self, Endpoints};
use super::owner::{Inbox, Outbox, Owner};
use super::recorder::Recorder;
use super::reports::Reports;
use crate::metrics;
use crate::scheduler::recording::Header;
use crate::scheduler::{Event, Scheduler};

/// Deliveries that wait for the owner; behind them the feeds keep only the newest states.
const DELIVERIES_MAX: usize = 64;
/// Threads for connections and decoding, beside the one that decides.
const WORKERS: usize = 2;
/// Pods that have ended hold nothing.
const NOT_ENDED: &str = "status.phase!=Succeeded,status.phase!=Failed";

/// How to run.
#[derive(Debug)]
pub struct Options {
    /// Where the API server is; none within a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// 0 for no endpoints.
    pub http_port: u16,
    pub record: Option<Recording>,
}

/// Where to record, and what to say about how the scheduler was built.
#[derive(Debug)]
pub struct Recording {
    pub path: PathBuf,
    pub header: Header,
}

#[derive(Debug, thiserror::Error)]
pub enum DaemonError {
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error("failed to start the runtime")]
    Runtime(#[source] io::Error),
    #[error("failed to listen on port {port}")]
    Listen { port: u16, source: io::Error },
    #[error("failed to write the recording {}", path.display())]
    Record { path: PathBuf, source: io::Error },
    #[error("the scheduler ended by itself")]
    Ended,
}

/// Schedules until SIGTERM or SIGINT. Returns the hash of all decisions.
pub fn run(scheduler: Scheduler, options: Options) -> Result<String, DaemonError> {
    // Another provider may be in place already, which is as good.
    _ = rustls::crypto::ring::default_provider().install_default();
    metrics::enable_timing();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .map_err(DaemonError::Runtime)?;
    let ended = runtime.block_on(schedule(scheduler, options));
    // Watches never end by themselves.
    runtime.shutdown_background();
    ended
}

async fn schedule(scheduler: Scheduler, options: Options) -> Result<String, DaemonError> {
    let clock = Clock::start();
    let health = Arc::new(Health::default());
    let stop = stop_signal().map_err(DaemonError::Runtime)?;
    let clients = Clients::new(options.kubeconfig.as_deref()).await?;
    let recorder = options.record.map(create_recording).transpose()?;
    serve(options.http_port, &health, clock).await?;

    let (out, deliveries) = mpsc::channel(DELIVERIES_MAX);
    let (answers, replies) = mpsc::unbounded_channel();
    let calls = Calls::new(clients.binding, clock, answers.clone());
    let reports = Reports::new(clients.reporting, clock, answers, instance(), calls.open_now());
    let reports = Arc::new(reports);
    reports.start();
    let owner = Owner {
        scheduler,
        inbox: Inbox { deliveries, replies, stop },
        outbox: Outbox { calls, reports },
        recorder,
        health: health.clone(),
        clock,
        synced: BTreeSet::new(),
    };
    start_feeds(&Desk { client: clients.reading, out, health, clock });
    on_its_own_thread(owner)?.await.map_err(|_| DaemonError::Ended)
}

/// One feed for each kind. All pods count, whoever schedules them.
fn start_feeds(desk: &Desk) {
    macro_rules! start {
        ($kind:ident, $path:literal, $fields:expr, $event:ident) => {
            let source =
                Source { kind: Kind::$kind, path: $path, fields: $fields, event: Event::$event };
            tokio::spawn(Feed::new(source, desk.clone()).run());
        };
    }
    start!(Pods, "/api/v1/pods", Some(NOT_ENDED), Pod);
    start!(Nodes, "/api/v1/nodes", None, Node);
    start!(Namespaces, "/api/v1/namespaces", None, Namespace);
    start!(Services, "/api/v1/services", None, Service);
    start!(ReplicationControllers, "/api/v1/replicationcontrollers", None, ReplicationController);
    start!(ReplicaSets, "/apis/apps/v1/replicasets", None, ReplicaSet);
    start!(StatefulSets, "/apis/apps/v1/statefulsets", None, StatefulSet);
}

/// Runs the owner on a thread that does nothing else.
fn on_its_own_thread(owner: Owner) -> Result<oneshot::Receiver<String>, DaemonError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(DaemonError::Runtime)?;
    let (done, hash) = oneshot::channel();
    std::thread::Builder::new()
        .name("scheduler".to_owned())
        .spawn(move || {
            // Nobody waits only if the daemon has failed already.
            _ = done.send(runtime.block_on(owner.run()));
        })
        .map_err(DaemonError::Runtime)?;
    Ok(hash)
}

async fn serve(port: u16, health: &Arc<Health>, clock: Clock) -> Result<(), DaemonError> {
    if port == 0 {
        return Ok(());
    }
    let listener = http::bind(port).await.map_err(|source| DaemonError::Listen { port, source })?;
    let endpoints = Endpoints { health: health.clone(), clock };
    tokio::spawn(endpoints.serve(listener));
    Ok(())
}

fn create_recording(recording: Recording) -> Result<Recorder, DaemonError> {
    Recorder::create(&recording.path, &recording.header)
        .map_err(|source| DaemonError::Record { path: recording.path, source })
}

/// Turns true at the first SIGTERM or SIGINT.
fn stop_signal() -> io::Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (stop, stopped) = watch::channel(false);
    tokio::spawn(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        tracing::info!(signal = name, "Stopping.");
        // Nobody listens any more only if the daemon is ending.
        _ = stop.send(true);
    });
    Ok(stopped)
}

/// This process among its like: the name of the pod, which is its host name.
fn instance() -> String {
    let name = std::env::var("HOSTNAME").ok();
    let name = name.or_else(|| std::fs::read_to_string("/proc/sys/kernel/hostname").ok());
    name.map_or("unknown".to_owned(), |name| name.trim().to_owned())
}
