//! Every metric, under kube-scheduler's name where the meaning is the same. Rooms write metrics;
//! no decision reads one, and the time that a stage took never leaves this file.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGaugeVec, Opts,
    Registry, exponential_buckets,
};

/// The process's metrics.
static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// Whether stages are timed. Off until a shell that has a clock switches it on.
static TIMED: AtomicBool = AtomicBool::new(false);

struct Metrics {
    registry: Registry,
    schedule_attempts: IntCounterVec,
    attempt_duration: HistogramVec,
    algorithm_duration: Histogram,
    sli_duration: HistogramVec,
    attempts_per_pod: Histogram,
    pending_pods: IntGaugeVec,
    queue_incoming: IntCounterVec,
    plugin_misbehaviour: IntCounterVec,
    bind_conflicts: IntCounter,
    bind_unknown: IntCounter,
    watch_staleness: GaugeVec,
    watch_lists: IntCounterVec,
    watch_unreadable: IntCounterVec,
    calls: IntCounterVec,
    reports: IntCounterVec,
    leader: IntGaugeVec,
    leader_slowpath: IntCounterVec,
}

impl Metrics {
    fn new() -> Self {
        let r = Registry::new();
        Self {
            schedule_attempts: register(
                &r,
                IntCounterVec::new(
                    Opts::new("scheduler_schedule_attempts_total", "Scheduling cycles by result."),
                    &["result", "profile"],
                ),
            ),
            attempt_duration: register(
                &r,
                HistogramVec::new(
                    histogram(
                        "scheduler_scheduling_attempt_duration_seconds",
                        "Time from taking up a pod to its binding, or to its refusal.",
                        (0.001, 15),
                    ),
                    &["result", "profile"],
                ),
            ),
            algorithm_duration: register(
                &r,
                Histogram::with_opts(histogram(
                    "scheduler_scheduling_algorithm_duration_seconds",
                    "Time for filtering and scoring one pod.",
                    (0.000_01, 20),
                )),
            ),
            sli_duration: register(
                &r,
                HistogramVec::new(
                    histogram(
                        "scheduler_pod_scheduling_sli_duration_seconds",
                        "Time from first seeing a pod to seeing it on its node.",
                        (0.01, 20),
                    ),
                    &["attempts"],
                ),
            ),
            attempts_per_pod: register(
                &r,
                Histogram::with_opts(histogram(
                    "scheduler_pod_scheduling_attempts",
                    "Cycles that a pod went through before it was scheduled.",
                    (1.0, 5),
                )),
            ),
            pending_pods: register(
                &r,
                IntGaugeVec::new(
                    Opts::new("scheduler_pending_pods", "Pods that wait, by queue."),
                    &["queue"],
                ),
            ),
            queue_incoming: register(
                &r,
                IntCounterVec::new(
                    Opts::new("scheduler_queue_incoming_pods_total", "Pods put into a queue."),
                    &["queue", "event"],
                ),
            ),
            plugin_misbehaviour: register(
                &r,
                IntCounterVec::new(
                    Opts::new(
                        "quorate_plugin_misbehaviour_total",
                        "Cycles that a plugin ended by a panic or by a score out of range.",
                    ),
                    &["plugin", "kind"],
                ),
            ),
            bind_conflicts: register(
                &r,
                IntCounter::new(
                    "quorate_bind_conflicts_total",
                    "Pods that another scheduler bound to a node other than ours.",
                ),
            ),
            bind_unknown: register(
                &r,
                IntCounter::new(
                    "quorate_bind_unknown_total",
                    "Bindings whose outcome nobody knew, so that a fence was written.",
                ),
            ),
            watch_staleness: register(
                &r,
                GaugeVec::new(
                    Opts::new(
                        "quorate_watch_staleness_seconds",
                        "Time since the last event or bookmark of a kind.",
                    ),
                    &["kind"],
                ),
            ),
            watch_lists: counter(
                &r,
                "quorate_watch_lists_total",
                "Complete lists of a kind.",
                &["kind"],
            ),
            watch_unreadable: counter(
                &r,
                "quorate_watch_unreadable_total",
                "Objects of a kind that could not be read.",
                &["kind"],
            ),
            calls: counter(
                &r,
                "quorate_calls_total",
                "Calls of the binding machine by outcome.",
                &["call", "outcome"],
            ),
            reports: counter(
                &r,
                "quorate_reports_total",
                "Conditions and events by outcome; dropped ones had no room.",
                &["report", "outcome"],
            ),
            leader: register(
                &r,
                IntGaugeVec::new(
                    Opts::new(
                        "leader_election_master_status",
                        "1 on the replica that holds the lease, 0 on the others.",
                    ),
                    &["name"],
                ),
            ),
            leader_slowpath: counter(
                &r,
                "leader_election_slowpath_total",
                "Renewals that had to read the lease first.",
                &["name"],
            ),
            registry: r,
        }
    }
}

/// Times one cycle; what it measures is only ever written.
pub struct Stopwatch(Option<Instant>);

/// Times filter and score; writes when it is dropped.
pub struct AlgorithmTimer(Stopwatch);

/// Lets stages be timed from now on.
pub fn enable_timing() {
    TIMED.store(true, Ordering::Relaxed);
}

pub fn time_attempt() -> Stopwatch {
    Stopwatch(TIMED.load(Ordering::Relaxed).then(Instant::now))
}

pub fn time_algorithm() -> AlgorithmTimer {
    AlgorithmTimer(time_attempt())
}

impl Stopwatch {
    /// The cycle ended with this result.
    pub fn end(self, result: &str, profile: &str) {
        METRICS.schedule_attempts.with_label_values(&[result, profile]).inc();
        if let Some(started) = self.0 {
            let duration = METRICS.attempt_duration.with_label_values(&[result, profile]);
            duration.observe(started.elapsed().as_secs_f64());
        }
    }
}

impl Drop for AlgorithmTimer {
    fn drop(&mut self) {
        if let Some(started) = self.0.0 {
            METRICS.algorithm_duration.observe(started.elapsed().as_secs_f64());
        }
    }
}

/// A pod was bound, so long after it was decided.
pub fn scheduled(profile: &str, after: Duration) {
    let labels = &["scheduled", profile];
    METRICS.schedule_attempts.with_label_values(labels).inc();
    METRICS.attempt_duration.with_label_values(labels).observe(after.as_secs_f64());
}

/// A pod of ours is seen on its node, so long after it was first seen.
pub fn pod_scheduled(attempts: u32, after: Duration) {
    METRICS.attempts_per_pod.observe(f64::from(attempts));
    let label = if attempts < 15 { attempts.to_string() } else { "15+".to_owned() };
    METRICS.sli_duration.with_label_values(&[&label]).observe(after.as_secs_f64());
}

pub fn pending_pods(queue: &str, pods: usize) {
    METRICS.pending_pods.with_label_values(&[queue]).set(i64::try_from(pods).unwrap_or(i64::MAX));
}

pub fn queue_incoming(queue: &str, event: &str) {
    METRICS.queue_incoming.with_label_values(&[queue, event]).inc();
}

/// A plugin broke its contract, in the way that `kind` names.
pub fn plugin_misbehaved(plugin: &str, kind: &str) {
    METRICS.plugin_misbehaviour.with_label_values(&[plugin, kind]).inc();
}

pub fn bind_conflict() {
    METRICS.bind_conflicts.inc();
}

pub fn bind_unknown() {
    METRICS.bind_unknown.inc();
}

/// A kind was last heard of so long ago.
pub fn watch_staleness(kind: &str, age: Duration) {
    METRICS.watch_staleness.with_label_values(&[kind]).set(age.as_secs_f64());
}

/// A kind has been listed from beginning to end.
pub fn watch_listed(kind: &str) {
    METRICS.watch_lists.with_label_values(&[kind]).inc();
}

/// Some objects of a kind could not be read.
pub fn watch_unreadable(kind: &str, objects: usize) {
    METRICS.watch_unreadable.with_label_values(&[kind]).inc_by(objects as u64);
}

/// A call of the binding machine ended.
pub fn call(call: &str, outcome: &str) {
    METRICS.calls.with_label_values(&[call, outcome]).inc();
}

/// A condition or an event was written, or was not.
pub fn report(report: &str, outcome: &str) {
    METRICS.reports.with_label_values(&[report, outcome]).inc();
}

/// Whether this process leads, by the name of the lease.
pub fn leader(lease: &str, leads: bool) {
    METRICS.leader.with_label_values(&[lease]).set(i64::from(leads));
}

/// A renewal of the lease had to read it first.
pub fn leader_slowpath(lease: &str) {
    METRICS.leader_slowpath.with_label_values(&[lease]).inc();
}

/// All metrics in the text format of Prometheus.
pub fn render() -> String {
    let encoder = prometheus::TextEncoder::new();
    encoder.encode_to_string(&METRICS.registry.gather()).unwrap_or_default()
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

/// Options of a histogram whose buckets start at `first` and double `count` times.
fn histogram(name: &str, help: &str, (first, count): (f64, usize)) -> HistogramOpts {
    let buckets = exponential_buckets(first, 2.0, count).unwrap_or_default();
    HistogramOpts::new(name, help).buckets(buckets)
}

/// Registers a metric. Only a name that is used twice or malformed can fail, which the first test
/// that writes any metric would meet.
#[expect(clippy::expect_used, reason = "a wrong constant, found by every test")]
fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<M>,
) -> M {
    let metric = metric.expect("metric names and labels are constants");
    registry.register(Box::new(metric.clone())).expect("metric names are unique");
    metric
}
