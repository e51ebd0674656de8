//! The core alone, one pod at a time: what a pod of each shape costs at several cluster sizes.

// The lints that keep panics out of the product do not suit a measurement.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use quorate::config::resolve;
use quorate::plugins::registry;
use quorate::sim::core_bench::{CoreBench, Measured};
use quorate::sim::shapes::Shape;

/// Pods that stand on nodes before, and pods whose placement is measured.
const PLACED: usize = 20_000;
const PODS: usize = 300;

fn core(criterion: &mut Criterion) {
    let registry = registry();
    let configuration = resolve(&Default::default(), &registry.catalog()).unwrap();
    let mut group = criterion.benchmark_group("core");
    group.sample_size(10).warm_up_time(Duration::from_millis(500));
    group.throughput(Throughput::Elements(PODS as u64));
    for shape in [Shape::Basic, Shape::Group, Shape::Anti, Shape::Spread, Shape::Affinity] {
        for nodes in [100, 1000, 5000, 20_000] {
            let measured = Measured { shape, nodes, placed: PLACED, pods: PODS };
            let id = BenchmarkId::new(format!("{shape:?}"), nodes);
            group.bench_function(id, |bencher| {
                bencher.iter_custom(|runs| {
                    let run = |_| {
                        CoreBench::new(&measured, &configuration, &registry, 0).unwrap().run().took
                    };
                    (0..runs).map(run).sum()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, core);
criterion_main!(benches);
