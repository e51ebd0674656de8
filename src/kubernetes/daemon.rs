//! The daemon from start to end: connect, watch, decide, bind, stop.
//!
//! ```text
//!  API server ─▶ feeds, one for each kind ─▶ owner ─▶ scheduler
//!      ▲                                      │ ▲
//!      ├───── calls: bind, fence, get ◀───────┤ │ replies
//!      ├───── reports: conditions, events ◀───┴─┘
//!      └───── elector: the lease ─▶ permits of all these writes, feeds, owner
//! ```

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use kube::Client;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::JoinHandle;

use super::calls::Calls;
use super::client::{Clients, ConnectError};
use super::clock::Clock;
use super::elector::{Elector, Standings};
use super::feed::{Desk, Feed, Source};
use super::health::{Health, Kind};
use super::http::{self, Endpoints};
use super::lease::Place;
use super::owner::{Ended, Inbox, Outbox, Owner};
use super::permit::Tenure;
use super::recorder::Recorder;
use super::reports::Reports;
use super::shadow::Shadow;
use super::statuses::Statuses;
use crate::lease::Settings;
use crate::metrics;
use crate::model::Str;
use crate::placement::Topology;
use crate::scheduler::recording::Header;
use crate::scheduler::{Event, Scheduler};

/// Deliveries that wait for the owner; behind them the feeds keep only the newest states.
const DELIVERIES_MAX: usize = 64;
/// Threads for connections and decoding, beside the one that decides.
const WORKERS: usize = 2;
/// Pods that have succeeded hold nothing. Failed ones hold nothing either, but a pod that its
/// kubelet did not admit is seen to fail; behind a selector it would only be seen to go.
const NOT_SUCCEEDED: &str = "status.phase!=Succeeded";

/// How to run.
#[derive(Debug)]
pub struct Options {
    /// Where the API server is; none within a cluster.
    pub kubeconfig: Option<PathBuf>,
    /// 0 for no endpoints.
    pub http_port: u16,
    pub record: Option<Recording>,
    /// How often the cache is compared with a consistent list; none if never.
    pub audit_every: Option<Duration>,
    /// Decide for the pods of these schedulers, compare, and write nothing; none to schedule.
    pub shadow: Option<Vec<Str>>,
    /// None if nobody else can be there.
    pub candidacy: Option<Candidacy>,
    /// By which failure domains the statuses of policies are worked out.
    pub topology: Topology,
}

/// How to become the one of several processes that schedules: the durations are checked already.
#[derive(Clone, Debug)]
pub struct Candidacy {
    pub namespace: Str,
    pub name: Str,
    pub lease_duration: Duration,
    pub renew_deadline: Duration,
    pub retry_period: Duration,
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
    #[error("the lease was lost")]
    LeaseLost,
}

/// The part of the daemon that stands for election.
struct Candidate {
    tenure: Arc<Tenure>,
    standings: Standings,
    /// The elector, and what asks it to resign; none where nobody elects.
    elector: Option<(oneshot::Sender<()>, JoinHandle<bool>)>,
}

/// Schedules until SIGTERM or SIGINT, or until the lease is lost. Returns the hash of all
/// decisions.
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

    let candidate = match &options.shadow {
        Some(_) => Candidate::never(),
        None => Candidate::start(options.candidacy, clients.electing, clock),
    };
    let Candidate { tenure, standings, .. } = &candidate;
    let (out, deliveries) = mpsc::channel(DELIVERIES_MAX);
    let (answers, replies) = mpsc::unbounded_channel();
    let calls = Calls::new(clients.binding, clock, tenure.clone(), answers.clone());
    let reports = Reports::new(
        clients.reporting,
        clock,
        tenure.clone(),
        answers,
        instance(),
        calls.open_now(),
    );
    let reports = Arc::new(reports);
    if options.shadow.is_none() {
        reports.start();
    }
    let owner = Owner {
        scheduler,
        inbox: Inbox { deliveries, replies, standings: standings.clone(), stop },
        outbox: Outbox { calls, reports },
        recorder,
        health: health.clone(),
        clock,
        synced: BTreeSet::new(),
        confirmed: BTreeSet::new(),
        term: None,
        shadow: options.shadow.map(Shadow::new),
        statuses: Statuses::new(options.topology),
    };
    let standings = standings.clone();
    let audit_every = options.audit_every;
    start_feeds(&Desk { client: clients.reading, out, health, clock, standings, audit_every });
    match on_its_own_thread(owner)?.await.map_err(|_| DaemonError::Ended)? {
        Ended::Stopped { decisions_hash, settled } => {
            candidate.resign(settled).await;
            Ok(decisions_hash)
        }
        Ended::Lost => Err(DaemonError::LeaseLost),
    }
}

impl Candidate {
    /// One that may decide and never write.
    fn never() -> Self {
        Self { tenure: Arc::new(Tenure::none()), standings: None, elector: None }
    }

    fn start(candidacy: Option<Candidacy>, client: Client, clock: Clock) -> Self {
        let Some(candidacy) = candidacy else {
            let tenure = Arc::new(Tenure::unlimited());
            return Self { tenure, standings: None, elector: None };
        };
        let tenure = Arc::new(Tenure::none());
        let settings = Settings {
            identity: identity().into(),
            lease_duration: candidacy.lease_duration,
            renew_deadline: candidacy.renew_deadline,
            retry_period: candidacy.retry_period,
        };
        let place = Place { namespace: candidacy.namespace, name: candidacy.name };
        let (lease, identity) =
            (format!("{}/{}", place.namespace, place.name), &*settings.identity);
        tracing::info!(lease, identity, "Standing for election.");
        let elector = Elector::new(settings, place, client, clock, tenure.clone());
        let standings = Some(elector.standings());
        let (resign, asked) = oneshot::channel();
        let task = tokio::spawn(elector.run(asked));
        Self { tenure, standings, elector: Some((resign, task)) }
    }

    /// Gives the lease to whoever comes next, if nothing of ours can come in between.
    async fn resign(self, settled: bool) {
        let Some((resign, task)) = self.elector else { return };
        if !settled {
            tracing::warn!("The lease is left to expire: a binding is still in doubt.");
            return;
        }
        // Without a reader the election has ended by itself.
        _ = resign.send(());
        let released = task.await.unwrap_or(false);
        tracing::info!(released, "The candidate has resigned.");
    }
}

/// One feed for each kind. All pods count, whoever schedules them.
fn start_feeds(desk: &Desk) {
    macro_rules! start {
        ($kind:ident, $path:literal, $event:ident) => {
            start!($kind, $path, None, $event, None);
        };
        ($kind:ident, $path:literal, $fields:expr, $event:ident, $audit:expr) => {
            let (kind, event) = (Kind::$kind, Event::$event);
            let source = Source { kind, path: $path, fields: $fields, event, audit: $audit };
            tokio::spawn(Feed::new(source, desk.clone()).run());
        };
    }
    start!(Pods, "/api/v1/pods", Some(NOT_SUCCEEDED), Pod, Some(Event::PodAudit));
    start!(Nodes, "/api/v1/nodes", None, Node, Some(Event::NodeAudit));
    start!(Namespaces, "/api/v1/namespaces", Namespace);
    start!(Services, "/api/v1/services", Service);
    start!(ReplicationControllers, "/api/v1/replicationcontrollers", ReplicationController);
    start!(ReplicaSets, "/apis/apps/v1/replicasets", ReplicaSet);
    start!(StatefulSets, "/apis/apps/v1/statefulsets", StatefulSet);
    start!(PersistentVolumeClaims, "/api/v1/persistentvolumeclaims", PersistentVolumeClaim);
    start!(PersistentVolumes, "/api/v1/persistentvolumes", PersistentVolume);
    start!(StorageClasses, "/apis/storage.k8s.io/v1/storageclasses", StorageClass);
    start!(CsiDrivers, "/apis/storage.k8s.io/v1/csidrivers", CsiDriver);
    start!(CsiNodes, "/apis/storage.k8s.io/v1/csinodes", CsiNode);
    start!(
        CsiStorageCapacities,
        "/apis/storage.k8s.io/v1/csistoragecapacities",
        CsiStorageCapacity
    );
    start!(VolumeAttachments, "/apis/storage.k8s.io/v1/volumeattachments", VolumeAttachment);
    start_policies(desk);
}

/// The kinds of our own CustomResourceDefinitions, which need not be installed.
fn start_policies(desk: &Desk) {
    let own = Source {
        kind: Kind::PlacementPolicies,
        path: "/apis/quorate.dev/v1alpha1/placementpolicies",
        fields: None,
        event: Event::PlacementPolicy,
        audit: None,
    };
    tokio::spawn(Feed::optional(own, desk.clone()).run());
    let cluster = Source {
        kind: Kind::ClusterPlacementPolicies,
        path: "/apis/quorate.dev/v1alpha1/clusterplacementpolicies",
        fields: None,
        event: Event::ClusterPlacementPolicy,
        audit: None,
    };
    tokio::spawn(Feed::optional(cluster, desk.clone()).run());
}

/// Runs the owner on a thread that does nothing else.
fn on_its_own_thread(owner: Owner) -> Result<oneshot::Receiver<Ended>, DaemonError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .map_err(DaemonError::Runtime)?;
    let (done, ended) = oneshot::channel();
    std::thread::Builder::new()
        .name("scheduler".to_owned())
        .spawn(move || {
            // Nobody waits only if the daemon has failed already.
            _ = done.send(runtime.block_on(owner.run()));
        })
        .map_err(DaemonError::Runtime)?;
    Ok(ended)
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

/// This process and no other, at any time: the host name and a random UUID, as kube-scheduler has
/// it.
fn identity() -> String {
    let version = 0x4 << 76;
    let variant = 0b10 << 62;
    let random = rand::random::<u128>() & !(0xf << 76) & !(0b11 << 62) | version | variant;
    let hex = format!("{random:032x}");
    let (host, parts) = (instance(), [&hex[..8], &hex[8..12], &hex[12..16], &hex[16..20]]);
    format!("{host}_{}-{}", parts.join("-"), &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_ends_with_a_random_uuid() {
        let (first, second) = (identity(), identity());
        assert_ne!(first, second);
        let uuid = first.rsplit('_').next().unwrap();
        let lengths: Vec<usize> = uuid.split('-').map(str::len).collect();
        assert_eq!(lengths, [8, 4, 4, 4, 12]);
        assert_eq!(&uuid[14..15], "4");
        assert!(["8", "9", "a", "b"].contains(&&uuid[19..20]), "{uuid}");
    }
}
