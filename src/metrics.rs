//! Every metric, under kube-scheduler's name where the meaning is the same. Rooms write metrics;
//! no decision reads one, and the time that a stage took never leaves this file.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use prometheus::{
    GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, Opts, Registry,
    exponential_buckets,
};

/// The process's metrics.
static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// Whether stages are timed. Off until a shell that has a clock switches it on.
static TIMED: AtomicBool = AtomicBool::new(false);

struct Metrics {
    all: Registered,
    schedule_attempts: IntCounterVec,
    attempt_duration: HistogramVec,
    algorithm_duration: Histogram,
    sli_duration: HistogramVec,
    attempts_per_pod: Histogram,
    pending_pods: GaugeVec,
    queue_incoming: IntCounterVec,
    plugin_misbehaviour: IntCounterVec,
    bind_conflicts: IntCounter,
    bind_unknown: IntCounter,
    bind_rejected: IntCounter,
    kubelet_rejections: IntCounterVec,
    watch_staleness: GaugeVec,
    watch_lists: IntCounterVec,
    watch_unreadable: IntCounterVec,
    cache_audits: IntCounterVec,
    cache_differences: IntCounterVec,
    shadowed: IntCounterVec,
    shadow_pending: GaugeVec,
    calls: IntCounterVec,
    reports: IntCounterVec,
    leader: GaugeVec,
    leader_slowpath: IntCounterVec,
}

/// All metrics that there are, and what they are called.
#[derive(Default)]
struct Registered {
    registry: Registry,
    families: Vec<Family>,
}

/// What there is to know of a metric; `docs/operations.md` has all of them in a table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Family {
    pub name: &'static str,
    pub labels: &'static [&'static str],
    pub help: &'static str,
}

const SCHEDULE_ATTEMPTS: Family = Family {
    name: "scheduler_schedule_attempts_total",
    labels: &["result", "profile"],
    help: "Scheduling cycles by result.",
};
const ATTEMPT_DURATION: Family = Family {
    name: "scheduler_scheduling_attempt_duration_seconds",
    labels: &["result", "profile"],
    help: "Time from taking up a pod to its binding, or to its refusal.",
};
const ALGORITHM_DURATION: Family = Family {
    name: "scheduler_scheduling_algorithm_duration_seconds",
    labels: &[],
    help: "Time for filtering and scoring one pod.",
};
const SLI_DURATION: Family = Family {
    name: "scheduler_pod_scheduling_sli_duration_seconds",
    labels: &["attempts"],
    help: "Time from first seeing a pod to seeing it on its node.",
};
const ATTEMPTS_PER_POD: Family = Family {
    name: "scheduler_pod_scheduling_attempts",
    labels: &[],
    help: "Cycles that a pod went through before it was scheduled.",
};
const PENDING_PODS: Family = Family {
    name: "scheduler_pending_pods",
    labels: &["queue"],
    help: "Pods that wait, by queue.",
};
const QUEUE_INCOMING: Family = Family {
    name: "scheduler_queue_incoming_pods_total",
    labels: &["queue", "event"],
    help: "Pods put into a queue.",
};
const PLUGIN_MISBEHAVIOUR: Family = Family {
    name: "quorate_plugin_misbehaviour_total",
    labels: &["plugin", "kind"],
    help: "Cycles that a plugin ended by a panic or by a score out of range.",
};
const BIND_CONFLICTS: Family = Family {
    name: "quorate_bind_conflicts_total",
    labels: &[],
    help: "Pods that another scheduler bound to a node other than ours.",
};
const BIND_UNKNOWN: Family = Family {
    name: "quorate_bind_unknown_total",
    labels: &[],
    help: "Bindings whose outcome nobody knew, so that a fence was needed.",
};
const BIND_REJECTED: Family = Family {
    name: "quorate_bind_rejected_total",
    labels: &[],
    help: "Bindings that the API server did not take, which is a fault of ours.",
};
const KUBELET_REJECTIONS: Family = Family {
    name: "quorate_kubelet_rejections_total",
    labels: &["reason"],
    help: "Pods of ours that failed because their kubelet did not admit them.",
};
const WATCH_STALENESS: Family = Family {
    name: "quorate_watch_staleness_seconds",
    labels: &["kind"],
    help: "Time since the last event or bookmark of a kind.",
};
const WATCH_LISTS: Family = Family {
    name: "quorate_watch_lists_total",
    labels: &["kind"],
    help: "Complete lists of a kind.",
};
const WATCH_UNREADABLE: Family = Family {
    name: "quorate_watch_unreadable_total",
    labels: &["kind"],
    help: "Objects of a kind that could not be read.",
};
const CACHE_AUDITS: Family = Family {
    name: "quorate_cache_audits_total",
    labels: &["kind"],
    help: "Comparisons of the cache with a consistent list.",
};
const CACHE_DIFFERENCES: Family = Family {
    name: "quorate_cache_differences_total",
    labels: &["kind", "field"],
    help: "Objects that such a comparison found to be wrong in the cache, and mended.",
};
const SHADOWED: Family = Family {
    name: "quorate_shadow_pods_total",
    labels: &["result"],
    help: "Pods that others bound, by whether the shadow would have done the same.",
};
const SHADOW_PENDING: Family = Family {
    name: "quorate_shadow_pending_pods",
    labels: &[],
    help: "Pods that the shadow has seen and nobody has bound.",
};
const CALLS: Family = Family {
    name: "quorate_calls_total",
    labels: &["call", "outcome"],
    help: "Calls of the binding machine by outcome.",
};
const REPORTS: Family = Family {
    name: "quorate_reports_total",
    labels: &["report", "outcome"],
    help: "Conditions, statuses of policies and events by outcome; dropped ones had no room.",
};
const LEADER: Family = Family {
    name: "leader_election_master_status",
    labels: &["name"],
    help: "1 on the replica that holds the lease, 0 on the others.",
};
const LEADER_SLOWPATH: Family = Family {
    name: "leader_election_slowpath_total",
    labels: &["name"],
    help: "Renewals that had to read the lease first.",
};

impl Metrics {
    fn new() -> Self {
        let mut all = Registered::default();
        Self {
            schedule_attempts: all.counters(SCHEDULE_ATTEMPTS),
            attempt_duration: all.histograms(ATTEMPT_DURATION, (0.001, 15)),
            algorithm_duration: all.histogram(ALGORITHM_DURATION, (0.000_01, 20)),
            sli_duration: all.histograms(SLI_DURATION, (0.01, 20)),
            attempts_per_pod: all.histogram(ATTEMPTS_PER_POD, (1.0, 5)),
            pending_pods: all.gauges(PENDING_PODS),
            queue_incoming: all.counters(QUEUE_INCOMING),
            plugin_misbehaviour: all.counters(PLUGIN_MISBEHAVIOUR),
            bind_conflicts: all.counter(BIND_CONFLICTS),
            bind_unknown: all.counter(BIND_UNKNOWN),
            bind_rejected: all.counter(BIND_REJECTED),
            kubelet_rejections: all.counters(KUBELET_REJECTIONS),
            watch_staleness: all.gauges(WATCH_STALENESS),
            watch_lists: all.counters(WATCH_LISTS),
            watch_unreadable: all.counters(WATCH_UNREADABLE),
            cache_audits: all.counters(CACHE_AUDITS),
            cache_differences: all.counters(CACHE_DIFFERENCES),
            shadowed: all.counters(SHADOWED),
            shadow_pending: all.gauges(SHADOW_PENDING),
            calls: all.counters(CALLS),
            reports: all.counters(REPORTS),
            leader: all.gauges(LEADER),
            leader_slowpath: all.counters(LEADER_SLOWPATH),
            all,
        }
    }
}

impl Registered {
    fn counter(&mut self, family: Family) -> IntCounter {
        self.register(family, IntCounter::with_opts(family.opts()))
    }

    fn counters(&mut self, family: Family) -> IntCounterVec {
        self.register(family, IntCounterVec::new(family.opts(), family.labels))
    }

    fn gauges(&mut self, family: Family) -> GaugeVec {
        self.register(family, GaugeVec::new(family.opts(), family.labels))
    }

    /// A histogram whose buckets start at `first` and double `count` times.
    fn histogram(&mut self, family: Family, (first, count): (f64, usize)) -> Histogram {
        self.register(family, Histogram::with_opts(family.histogram_opts(first, count)))
    }

    fn histograms(&mut self, family: Family, (first, count): (f64, usize)) -> HistogramVec {
        let opts = family.histogram_opts(first, count);
        self.register(family, HistogramVec::new(opts, family.labels))
    }

    /// Only a name that is used twice or malformed can fail, which the first test that writes any
    /// metric would meet.
    #[expect(clippy::expect_used, reason = "a wrong constant, found by every test")]
    fn register<M: prometheus::core::Collector + Clone + 'static>(
        &mut self,
        family: Family,
        metric: prometheus::Result<M>,
    ) -> M {
        let metric = metric.expect("metric names and labels are constants");
        self.registry.register(Box::new(metric.clone())).expect("metric names are unique");
        self.families.push(family);
        metric
    }
}

impl Family {
    fn opts(self) -> Opts {
        Opts::new(self.name, self.help)
    }

    fn histogram_opts(self, first: f64, count: usize) -> HistogramOpts {
        let buckets = exponential_buckets(first, 2.0, count).unwrap_or_default();
        HistogramOpts::from(self.opts()).buckets(buckets)
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
    METRICS.pending_pods.with_label_values(&[queue]).set(pods as f64);
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

pub fn bind_rejected() {
    METRICS.bind_rejected.inc();
}

/// A kubelet rejected a pod. Resources have any name, so the rarer ones share one series.
pub fn kubelet_rejection(reason: &str) {
    let known = ["OutOfcpu", "OutOfmemory", "OutOfephemeral-storage", "OutOfpods", "NodeAffinity"];
    let reason = known.into_iter().find(|known| *known == reason).unwrap_or("OutOfOther");
    METRICS.kubelet_rejections.with_label_values(&[reason]).inc();
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

/// Everything of a kind was compared with the cache.
pub fn cache_audited(kind: &str) {
    METRICS.cache_audits.with_label_values(&[kind]).inc();
}

/// An object was otherwise in the cache, in this field.
pub fn cache_difference(kind: &str, field: &str) {
    METRICS.cache_differences.with_label_values(&[kind, field]).inc();
}

/// A pod was bound by others, which the shadow would have done like this.
pub fn shadowed(result: &str) {
    METRICS.shadowed.with_label_values(&[result]).inc();
}

/// So many pods wait, and the shadow waits with them.
pub fn shadow_pending(pods: usize) {
    METRICS.shadow_pending.with_label_values::<&str>(&[]).set(pods as f64);
}

/// A call of the binding machine ended.
pub fn call(call: &str, outcome: &str) {
    METRICS.calls.with_label_values(&[call, outcome]).inc();
}

/// A condition, a status or an event was written, or was not.
pub fn report(report: &str, outcome: &str) {
    METRICS.reports.with_label_values(&[report, outcome]).inc();
}

/// Whether this process leads, by the name of the lease.
pub fn leader(lease: &str, leads: bool) {
    METRICS.leader.with_label_values(&[lease]).set(f64::from(u8::from(leads)));
}

/// A renewal of the lease had to read it first.
pub fn leader_slowpath(lease: &str) {
    METRICS.leader_slowpath.with_label_values(&[lease]).inc();
}

/// All metrics in the text format of Prometheus.
pub fn render() -> String {
    let encoder = prometheus::TextEncoder::new();
    encoder.encode_to_string(&METRICS.all.registry.gather()).unwrap_or_default()
}

/// All metrics, in the order of this file.
pub fn families() -> &'static [Family] {
    &METRICS.all.families
}
