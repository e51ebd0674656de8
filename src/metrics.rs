//! Every metric, under kube-scheduler's name where the meaning is the same. Rooms write metrics;
//! no decision reads one.

use std::sync::LazyLock;

use prometheus::{IntCounterVec, Opts, Registry};

/// The process's metrics.
static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

struct Metrics {
    registry: Registry,
    plugin_misbehaviour: IntCounterVec,
}

impl Metrics {
    fn new() -> Self {
        let registry = Registry::new();
        Self {
            plugin_misbehaviour: counter(
                &registry,
                "quorate_plugin_misbehaviour_total",
                "Cycles that a plugin ended by a panic or by a score out of range.",
                &["plugin", "kind"],
            ),
            registry,
        }
    }
}

/// A plugin broke its contract, in the way that `kind` names.
pub fn plugin_misbehaved(plugin: &str, kind: &str) {
    METRICS
        .plugin_misbehaviour
        .with_label_values(&[plugin, kind])
        .inc();
}

/// All metrics in the text format of Prometheus.
pub fn render() -> String {
    let encoder = prometheus::TextEncoder::new();
    encoder
        .encode_to_string(&METRICS.registry.gather())
        .unwrap_or_default()
}

fn counter(registry: &Registry, name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register(registry, IntCounterVec::new(Opts::new(name, help), labels))
}

/// Registers a metric. Only a name that is used twice or malformed can fail, which the first test
/// that writes any metric would meet.
#[expect(clippy::expect_used, reason = "a wrong constant, found by every test")]
fn register<M: prometheus::core::Collector + Clone + 'static>(
    registry: &Registry,
    metric: prometheus::Result<M>,
) -> M {
    let metric = metric.expect("metric names and labels are constants");
    registry
        .register(Box::new(metric.clone()))
        .expect("metric names are unique");
    metric
}
