//! One function for every parser: it takes any bytes and panics where a promise is broken. The fuzz
//! targets call them with what the fuzzer makes up, and `tests/it/corpora.rs` with the corpora.

use std::io::Cursor;
use std::path::Path;
use std::sync::OnceLock;

use quorate::api::{self, Format, Object};
use quorate::config::{self, EffectiveConfiguration};
use quorate::framework::{Framework, Registry};
use quorate::model::{Instant, LabelSelector, Labels, NodeSelector, Quantity};
use quorate::plugins::registry;
use quorate::scheduler::recording::{self, Reader};
use quorate::scheduler::{Change, Credit, Effect, Event, Outcome, Reply, Scheduler};
use quorate::sim::expand::missing_pods;
use quorate::sim::experiment::Experiment;
use quorate::sim::openb;
use quorate::snapshot::{NodeInfo, PodInfo};
use quorate::watch::{Step, StreamEvent, Watch};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A name, and what is done with any bytes.
pub type Entry = (&'static str, fn(&[u8]));

/// All of them, by the names of their corpora.
pub const ENTRIES: [Entry; 11] = [
    ("quantity", quantity),
    ("label_selector", label_selector),
    ("node_selector", node_selector),
    ("pod", pod),
    ("node", node),
    ("cluster", cluster),
    ("config", config),
    ("experiment", experiment),
    ("trace", trace),
    ("recording", recording),
    ("events", events),
];

/// Turns of the scheduler after the last event: a pod that waits for nothing is bound in a few.
const TURNS: u64 = 8;
/// An experiment is made out only if it is this small.
const NODES_MADE_MAX: u32 = 100;
/// Workloads are made out only if all of them together ask for so few pods.
const PODS_MADE_MAX: i64 = 100;

/// A quantity keeps its amount through printing and comparing, however it is written.
pub fn quantity(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let Ok(quantity) = Quantity::parse(text) else { return };
    let written = serde_json::to_string(&quantity).unwrap();
    let again: Quantity = serde_json::from_str(&written).unwrap();
    assert_eq!(again, quantity, "{text} was written as {written}");
    assert!(quantity.sub(&quantity).is_zero());
    assert_eq!(quantity.add(&Quantity::default()), quantity);
    assert!(i64::from(quantity.sign()) == quantity.nano_value().signum());
    assert!(quantity.value() <= quantity.milli_value() || quantity.sign() < 0);
    _ = quantity.canonical();
}

/// A selector means the same after it was written and read again.
pub fn label_selector(data: &[u8]) {
    let Ok(selector) = serde_json::from_slice::<LabelSelector>(data) else { return };
    let written = serde_json::to_string(&selector).unwrap();
    assert_eq!(serde_json::from_str::<LabelSelector>(&written).unwrap(), selector);
    let Ok(compiled) = selector.compile() else { return };
    let wanted: Labels = compiled.equalities().map(|(k, v)| (k.clone(), v.clone())).collect();
    for labels in [Labels::default(), wanted] {
        let each = compiled.requirements().iter().all(|one| one.matches(&labels));
        assert_eq!(compiled.matches(&labels), each);
    }
    assert_eq!(compiled.and(compiled.requirements().to_vec()), compiled);
    _ = compiled.to_string();
}

pub fn node_selector(data: &[u8]) {
    let Ok(selector) = serde_json::from_slice::<NodeSelector>(data) else { return };
    let written = serde_json::to_string(&selector).unwrap();
    assert_eq!(serde_json::from_str::<NodeSelector>(&written).unwrap(), selector);
    let labels: Labels = [("zone", "a"), ("size", "7")].into_iter().collect();
    let matched = selector.compile().matches("n0", &labels);
    // Where the only nodes are named, no other matches.
    if selector.node_names().is_some_and(|names| !names.contains("n0")) {
        assert!(!matched.unwrap_or(false));
    }
    _ = selector.compile_strict();
}

/// Pods from text go through a whole cycle.
pub fn pod(data: &[u8]) {
    for pod in objects(data).pods {
        decide(pod);
    }
    if let Ok(pod) = serde_json::from_slice(data) {
        decide(pod);
    }
}

/// Nodes from text are scheduled on.
pub fn node(data: &[u8]) {
    let mut nodes = objects(data).nodes;
    nodes.extend(serde_json::from_slice::<api::Node>(data).ok());
    for node in nodes {
        let written = serde_json::to_string(&node).unwrap();
        let again: api::Node = serde_json::from_str(&written).unwrap();
        assert_eq!(NodeInfo::new(&again), NodeInfo::new(&node));
        let mut scheduler = scheduler();
        scheduler.observe(Instant(0), Event::Node(upsert(node)));
        scheduler.observe(Instant(0), Event::Pod(upsert(plain_pod())));
        turn(&mut scheduler);
    }
}

/// Workloads create their pods, which are scheduled beside all volumes, claims and drivers.
pub fn cluster(data: &[u8]) {
    let mut objects = objects(data);
    let replicas = objects.stateful_sets.iter().map(|set| set.spec.replicas);
    let replicas = replicas.chain(objects.replica_sets.iter().map(|set| set.spec.replicas));
    let replicas = replicas.chain(objects.deployments.iter().map(|set| set.spec.replicas));
    let replicas = replicas.chain(objects.jobs.iter().map(|job| job.spec.parallelism));
    let replicas = replicas.map(|replicas| i64::from(replicas.unwrap_or(1)));
    let many = replicas.map(i64::saturating_abs).sum::<i64>() > PODS_MADE_MAX;
    let mut scheduler = scheduler();
    if !many {
        match missing_pods(&mut objects) {
            Ok(pods) => objects.pods.extend(pods),
            Err(error) => assert_is_line(&error.to_string()),
        }
    }
    show_all(&mut scheduler, objects.namespaces, Event::Namespace);
    show_all(&mut scheduler, objects.services, Event::Service);
    show_all(&mut scheduler, objects.replica_sets, Event::ReplicaSet);
    show_all(&mut scheduler, objects.stateful_sets, Event::StatefulSet);
    show_all(&mut scheduler, objects.storage_classes, Event::StorageClass);
    show_all(&mut scheduler, objects.persistent_volumes, Event::PersistentVolume);
    show_all(&mut scheduler, objects.persistent_volume_claims, Event::PersistentVolumeClaim);
    show_all(&mut scheduler, objects.csi_drivers, Event::CsiDriver);
    show_all(&mut scheduler, objects.csi_nodes, Event::CsiNode);
    show_all(&mut scheduler, objects.csi_storage_capacities, Event::CsiStorageCapacity);
    show_all(&mut scheduler, objects.volume_attachments, Event::VolumeAttachment);
    for mut pod in objects.pods {
        pod.spec.scheduler_name = "quorate".into();
        pod.metadata.uid = pod.key().to_string().into();
        scheduler.observe(Instant(0), Event::Pod(upsert(pod)));
    }
    turn(&mut scheduler);
}

pub fn config(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let (_, registry) = defaults();
    let configuration = match config::load(text, &registry.catalog()) {
        Ok(configuration) => configuration,
        Err(error) => return assert_is_line(&error.to_string()),
    };
    for profile in &configuration.profiles {
        if let Err(error) = Framework::new(profile, registry) {
            assert_is_line(&error.to_string());
        }
    }
}

pub fn experiment(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Experiment::parse(text, Path::new("experiment.yaml")) {
        Ok(experiment) => {
            if experiment.nodes.iter().map(|group| group.count).sum::<u32>() <= NODES_MADE_MAX {
                experiment.nodes().iter().for_each(|node| _ = NodeInfo::new(node));
            }
            assert!(experiment.runs().iter().all(|run| (1..=100).contains(&run.nodes_percent)));
        }
        Err(error) => assert_is_line(&error.to_string()),
    }
}

pub fn trace(data: &[u8]) {
    match openb::nodes(data) {
        Ok(nodes) => nodes.iter().for_each(|node| _ = NodeInfo::new(node)),
        Err(error) => assert_is_line(&error.to_string()),
    }
    match openb::pods(data) {
        Ok(pods) => pods.iter().for_each(|pod| _ = PodInfo::new(pod)),
        Err(error) => assert_is_line(&error.to_string()),
    }
}

/// A recording replays, or says why not.
pub fn recording(data: &[u8]) {
    let (_, registry) = defaults();
    let Ok((header, reader)) = Reader::open(Cursor::new(data)) else { return };
    let Ok(configuration) = header.configuration(registry) else { return };
    let Ok(mut scheduler) = Scheduler::new(&configuration, registry, header.seed) else { return };
    if let Err(error) = recording::replay(reader, &mut scheduler) {
        assert_is_line(&error.to_string());
    }
}

/// Lines of watches and answers of the API server, in any order.
pub fn events(data: &[u8]) {
    let mut scheduler = scheduler();
    let (mut pods, mut nodes) = (opened::<api::Pod>(), opened::<api::Node>());
    let mut effects = Vec::new();
    for (number, line) in data.split(|byte| *byte == b'\n').enumerate() {
        let now = Instant(number as u64 * 1_000_000);
        let first = line.first().copied().unwrap_or_default();
        match first {
            b'N' => show(&mut nodes, now, &line[1..]),
            b'R' => {
                // An answer to the oldest effect that waits for one.
                let answered: Option<Effect> = (!effects.is_empty()).then(|| effects.remove(0));
                if let Some(effect) = answered {
                    let outcome = outcome(line.get(1).copied().unwrap_or_default());
                    let reply = Reply { id: effect.id, outcome, pod: None };
                    scheduler.observe(now, Event::Reply(reply));
                }
            }
            _ => show(&mut pods, now, line),
        }
        for change in nodes.take_changes() {
            scheduler.observe(now, Event::Node(change));
        }
        for change in pods.take_changes() {
            scheduler.observe(now, Event::Pod(change));
        }
        scheduler.advance(now, Credit { binds: 4 }, &mut effects);
    }
    turn(&mut scheduler);
}

/// A line of a watch.
#[derive(Deserialize)]
struct Line<T> {
    r#type: String,
    object: T,
}

fn opened<T: Object>() -> Watch<T> {
    let mut watch = Watch::new();
    assert!(matches!(watch.next(Instant(0), 0), Step::Send(_)));
    watch
}

fn show<T: Object + DeserializeOwned>(watch: &mut Watch<T>, now: Instant, line: &[u8]) {
    let event = match serde_json::from_slice::<Line<Value>>(line) {
        Ok(Line { r#type, object }) if r#type == "BOOKMARK" => {
            let version = object["metadata"]["resourceVersion"].as_str().unwrap_or("0");
            Ok(StreamEvent::Bookmark { resource_version: version.into(), ends_list: true })
        }
        Ok(Line { r#type, object }) => {
            let object = serde_json::from_value(object);
            object.map(|object| match &*r#type {
                "DELETED" => StreamEvent::Deleted(object),
                _ => StreamEvent::Upsert(object),
            })
        }
        Err(error) => Err(error),
    };
    match event {
        Ok(event) => watch.event(now, event, 0),
        Err(_) => watch.unreadable(now),
    }
}

fn outcome(byte: u8) -> Outcome {
    let refused = |code| Outcome::Refused { code, retry_after: None };
    match byte % 7 {
        0 => Outcome::Applied(None),
        1 => Outcome::Applied(Some("7".into())),
        2 => refused(409),
        3 => refused(404),
        4 => refused(429),
        5 => Outcome::NotSent,
        _ => Outcome::Unknown,
    }
}

fn objects(data: &[u8]) -> api::Objects {
    let Ok(text) = std::str::from_utf8(data) else { return api::Objects::default() };
    match api::decode(text, Format::guess(text)) {
        Ok(objects) => objects,
        Err(error) => {
            assert_is_line(&error.to_string());
            api::Objects::default()
        }
    }
}

/// Takes a pod through a cycle; what is written of it is read again as the same.
fn decide(pod: api::Pod) {
    let written = serde_json::to_string(&pod).unwrap();
    let again: api::Pod = serde_json::from_str(&written).unwrap();
    assert_eq!(PodInfo::new(&again), PodInfo::new(&pod));
    let mut scheduler = scheduler();
    scheduler.observe(Instant(0), Event::Pod(upsert(pod)));
    turn(&mut scheduler);
}

/// Lets the scheduler decide until it has nothing more to do at once.
fn turn(scheduler: &mut Scheduler) {
    scheduler.observe(Instant(0), Event::Synced);
    let mut effects = Vec::new();
    for now in 0..TURNS {
        effects.clear();
        scheduler.advance(Instant(now), Credit { binds: 4 }, &mut effects);
        let replies = effects.iter().map(|effect| effect.id);
        for id in replies {
            let reply = Reply { id, outcome: Outcome::Applied(None), pod: None };
            scheduler.observe(Instant(now), Event::Reply(reply));
        }
    }
}

/// A scheduler with a small cluster.
fn scheduler() -> Scheduler {
    static CLUSTER: OnceLock<api::Objects> = OnceLock::new();
    let cluster =
        CLUSTER.get_or_init(|| api::decode(include_str!("cluster.yaml"), Format::Yaml).unwrap());
    let (configuration, registry) = defaults();
    let mut scheduler = Scheduler::new(configuration, registry, 0).unwrap();
    for node in &cluster.nodes {
        scheduler.observe(Instant(0), Event::Node(upsert(node.clone())));
    }
    for pod in &cluster.pods {
        scheduler.observe(Instant(0), Event::Pod(upsert(pod.clone())));
    }
    scheduler.observe(Instant(0), Event::Synced);
    scheduler
}

fn plain_pod() -> api::Pod {
    let mut pod = api::Pod::default();
    pod.metadata.name = "plain".into();
    pod.metadata.uid = "plain".into();
    pod.spec.scheduler_name = "quorate".into();
    pod
}

fn show_all<T>(scheduler: &mut Scheduler, objects: Vec<T>, event: fn(Change<T>) -> Event) {
    for object in objects {
        scheduler.observe(Instant(0), event(upsert(object)));
    }
}

fn upsert<T>(object: T) -> Change<T> {
    Change::Upsert(Box::new(object))
}

fn defaults() -> &'static (EffectiveConfiguration, Registry) {
    static DEFAULTS: OnceLock<(EffectiveConfiguration, Registry)> = OnceLock::new();
    DEFAULTS.get_or_init(|| {
        let registry = registry();
        let configuration = config::resolve(&Default::default(), &registry.catalog()).unwrap();
        (configuration, registry)
    })
}

/// An error is one line that may be shown on a terminal.
fn assert_is_line(error: &str) {
    assert!(!error.is_empty() && !error.chars().any(char::is_control), "{error:?}");
}
