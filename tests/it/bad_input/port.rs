//! The second door: what a watch shows, line by line, to a scheduler of 1,000 nodes.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::OnceLock;
use std::time::{Duration, Instant as Clock};

use quorate::api::{self, Object};
use quorate::config::{self, EffectiveConfiguration};
use quorate::framework::Registry;
use quorate::model::{Instant, PodKey};
use quorate::plugins::registry;
use quorate::scheduler::{Change, Event, Scheduler};
use quorate::sim::world::{Delays, World};
use quorate::watch::{Step, StreamEvent, Watch};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::case::{Case, Expected, Input, cluster, node, pod};
use super::{check_reason, text_of_panic};

const NODES: usize = 1000;
const PODS_PER_NODE: usize = 2;
/// What one pod may cost: reading it, deciding on it as often as it is tried, and forgetting it.
const CPU_PER_POD_MAX: Duration = Duration::from_millis(50);
/// How much slower a build without optimisation may be.
const DEBUG_FACTOR: u32 = if cfg!(debug_assertions) { 6 } else { 1 };

/// A line of a watch.
#[derive(Deserialize)]
struct Line<T> {
    r#type: String,
    object: T,
}

/// One kind's watch, as the daemon drives it.
struct Feed<T> {
    watch: Watch<T>,
    unreadable: usize,
}

/// A cluster as the API server shows it.
struct Shown {
    world: World,
    pods: Vec<api::Pod>,
}

impl<T: Object + DeserializeOwned> Feed<T> {
    fn new() -> Self {
        let mut watch = Watch::new();
        assert!(matches!(watch.next(Instant(0), 0), Step::Send(_)));
        Self { watch, unreadable: 0 }
    }

    fn line(&mut self, line: &[u8]) {
        match serde_json::from_slice::<Line<T>>(line) {
            Ok(Line { r#type, object }) => {
                let event = match &*r#type {
                    "DELETED" => StreamEvent::Deleted(object),
                    _ => StreamEvent::Upsert(object),
                };
                self.watch.event(Instant(0), event, 0);
            }
            Err(_) => {
                self.unreadable += 1;
                self.watch.unreadable(Instant(0));
            }
        }
    }

    fn end_list(&mut self) -> Vec<Change<T>> {
        let end = StreamEvent::Bookmark { resource_version: "1".into(), ends_list: true };
        self.watch.event(Instant(0), end, 0);
        assert!(self.watch.is_synced());
        self.watch.take_changes()
    }
}

/// Shows a case to a scheduler and tells what is wrong, if anything is.
pub fn check(case: &Case) -> Result<(), String> {
    let input = case.input();
    let (configuration, registry) = defaults();
    check_with(case, &input, configuration, registry)
}

pub fn check_with(
    case: &Case,
    input: &Input,
    configuration: &EffectiveConfiguration,
    registry: &Registry,
) -> Result<(), String> {
    let scheduler = Scheduler::new(configuration, registry, 0).unwrap();
    let run = catch_unwind(AssertUnwindSafe(|| {
        let mut world = World::new(scheduler, Delays::default(), 0);
        list_cluster(&mut world, case);
        list_vanishing(&mut world, input.vanishing);
        let lines = lines(input);
        let start = cpu();
        let mut shown = show(world, &lines);
        shown.run(case);
        (shown.world, cpu() - start)
    }));
    let (world, taken) = run.map_err(|p| format!("panicked: {}", text_of_panic(&*p)))?;
    check_world(case, input, &world)?;
    let limit = CPU_PER_POD_MAX * DEBUG_FACTOR;
    match taken > limit {
        true => Err(format!("took {taken:?} of CPU, more than {limit:?}")),
        false => Ok(()),
    }
}

/// The usual cluster with its pods, without what is measured.
fn list_cluster(world: &mut World, case: &Case) {
    static USUAL: OnceLock<(Vec<api::Node>, Vec<api::Pod>)> = OnceLock::new();
    let usual = || {
        let mut objects = cluster(None, NODES);
        for number in 0..NODES * PODS_PER_NODE {
            let mut filler = pod(&format!("f{number}"), &format!("a{}", number / 3), "50m");
            filler["spec"]["nodeName"] = format!("n{}", number % NODES).into();
            objects.push(filler);
        }
        read_cluster(objects)
    };
    let (nodes, pods) = match &case.cluster {
        None => USUAL.get_or_init(usual).clone(),
        other => read_cluster(cluster(other.as_deref(), NODES)),
    };
    nodes.into_iter().for_each(|node| world.list(Event::Node(upsert(node))));
    pods.into_iter().for_each(|pod| world.list_pod(pod));
}

/// The nodes, and the pods that are on them.
fn read_cluster(objects: Vec<Value>) -> (Vec<api::Node>, Vec<api::Pod>) {
    let (mut nodes, mut pods) = (Vec::new(), Vec::new());
    for object in objects {
        if object["kind"] == "Node" {
            nodes.push(serde_json::from_value(object).unwrap());
        } else if object["spec"]["nodeName"].is_string() {
            pods.push(serde_json::from_value(object).unwrap());
        }
    }
    (nodes, pods)
}

fn list_vanishing(world: &mut World, count: usize) {
    let nodes: Vec<api::Node> = (0..count)
        .map(|number| serde_json::from_value(node(&format!("v{number}"))).unwrap())
        .collect();
    nodes.iter().for_each(|node| world.list(Event::Node(upsert(node.clone()))));
    for node in nodes {
        let (key, uid) = (node.key(), node.metadata.uid);
        world.list(Event::Node(Change::Delete { key, uid }));
    }
}

/// The lines of the watches, by kind.
fn lines(input: &Input) -> Vec<(String, Vec<u8>)> {
    let line = |object: &[u8]| [b"{\"type\":\"ADDED\",\"object\":", object, b"}"].concat();
    let neighbours = ["before", "after"].map(|name| pod(name, "neighbour", "100m"));
    let text = |object: &Value| object.to_string().into_bytes();
    let mut lines = vec![("Pod".to_owned(), line(&text(&neighbours[0])))];
    match &input.text {
        Some(text) => lines.push(("Pod".to_owned(), line(text))),
        None => lines.push(("Pod".to_owned(), line(&text(&input.pod)))),
    }
    for object in &input.objects {
        let kind = object["kind"].as_str().unwrap_or_default().to_owned();
        lines.push((kind, line(&text(object))));
    }
    lines.push(("Pod".to_owned(), line(&text(&neighbours[1]))));
    lines
}

fn show(mut world: World, lines: &[(String, Vec<u8>)]) -> Shown {
    fn read<T: Object + DeserializeOwned>(lines: &[(String, Vec<u8>)]) -> Vec<Change<T>> {
        let mut feed = Feed::<T>::new();
        let of_kind = lines.iter().filter(|(kind, _)| kind == T::KIND);
        of_kind.for_each(|(_, line)| feed.line(line));
        feed.end_list()
    }
    fn show<T: Object + DeserializeOwned>(
        world: &mut World,
        lines: &[(String, Vec<u8>)],
        event: fn(Change<T>) -> Event,
    ) {
        read(lines).into_iter().for_each(|change| world.list(event(change)));
    }
    show(&mut world, lines, Event::Node);
    show(&mut world, lines, Event::Namespace);
    show(&mut world, lines, Event::Service);
    show(&mut world, lines, Event::ReplicationController);
    show(&mut world, lines, Event::ReplicaSet);
    show(&mut world, lines, Event::StatefulSet);
    show(&mut world, lines, Event::StorageClass);
    show(&mut world, lines, Event::PersistentVolume);
    show(&mut world, lines, Event::PersistentVolumeClaim);
    show(&mut world, lines, Event::CsiDriver);
    show(&mut world, lines, Event::CsiNode);
    show(&mut world, lines, Event::CsiStorageCapacity);
    show(&mut world, lines, Event::VolumeAttachment);
    let pods = read::<api::Pod>(lines).into_iter();
    let pods = pods.filter_map(|change| match change {
        Change::Upsert(pod) => Some(*pod),
        Change::Delete { .. } => None,
    });
    Shown { world, pods: pods.collect() }
}

impl Shown {
    fn run(&mut self, case: &Case) {
        for (number, pod) in self.pods.drain(..).enumerate() {
            // A pod of a name that is there already is none that an API server would show.
            if pod.metadata.name.is_empty() || case.name == "a pod with the uid of another" {
                continue;
            }
            self.world.create_at(Instant(number as u64), pod);
        }
        self.world.run(|_| {});
    }
}

fn check_world(case: &Case, input: &Input, world: &World) -> Result<(), String> {
    if case.name == "a pod with the uid of another" {
        return Ok(());
    }
    for name in ["before", "after"] {
        let pod = world.api.pod(&PodKey::new("db", name));
        let placed = pod.is_some_and(|pod| !pod.spec.node_name.is_empty());
        if placed != case.neighbours_fit() {
            return Err(format!("{name} is placed: {placed}"));
        }
    }
    let name = input.odd_name();
    let odd = world.api.pods().find(|pod| *pod.metadata.name == *name);
    let node = odd.map(|pod| &*pod.spec.node_name);
    match (case.watched(), odd, node) {
        (Expected::Refused { .. } | Expected::Ignored, ..) => Ok(()),
        (Expected::Waits, Some(_), Some("")) => Ok(()),
        (Expected::Schedules, Some(_), Some(node)) if !node.is_empty() => Ok(()),
        (Expected::Unschedulable(part), Some(pod), Some("")) => {
            let refusals = world.scheduler.refusals(&pod.metadata.uid);
            check_reason(refusals.iter().map(|refusal| &*refusal.reason), part)
        }
        (expected, odd, _) => {
            let refusals = odd.map(|pod| world.scheduler.refusals(&pod.metadata.uid));
            Err(format!("expected {expected:?}, found {node:?} {:.600}", format!("{refusals:?}")))
        }
    }
}

fn upsert<T>(object: T) -> Change<T> {
    Change::Upsert(Box::new(object))
}

fn defaults() -> (&'static EffectiveConfiguration, &'static Registry) {
    static DEFAULTS: OnceLock<(EffectiveConfiguration, Registry)> = OnceLock::new();
    let (configuration, registry) = DEFAULTS.get_or_init(|| {
        let registry = registry();
        let configuration = config::resolve(&Default::default(), &registry.catalog()).unwrap();
        (configuration, registry)
    });
    (configuration, registry)
}

/// The CPU time of this thread, or the time of day where the system does not tell.
fn cpu() -> Duration {
    static START: OnceLock<Clock> = OnceLock::new();
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanos = told.and_then(|text| text.split(' ').next()?.parse().ok());
    nanos.map_or_else(|| START.get_or_init(Clock::now).elapsed(), Duration::from_nanos)
}
