//! The history of pods and nodes in the order in which etcd took it: nobody stands between.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use k8s_openapi::api::core::v1::{Node, Pod};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Cluster, wait_for};

/// `/registry/minions/`, where kube-apiserver keeps nodes, and the end of `/registry/pods/`.
/// Little else lies between.
const FIRST_KEY: &str = "L3JlZ2lzdHJ5L21pbmlvbnMv";
const END_KEY: &str = "L3JlZ2lzdHJ5L3BvZHMw";
const NODES: &str = "/registry/minions/";
const PODS: &str = "/registry/pods/";
/// How long to wait before etcd is asked again.
const RETRY_AFTER: Duration = Duration::from_millis(50);

/// A pod or a node, as it was from one revision on.
#[derive(Clone, Debug)]
pub struct Change {
    pub revision: i64,
    /// `namespace/name` of a pod, the name of a node.
    pub name: String,
    pub state: State,
}

#[derive(Clone, Debug)]
pub enum State {
    Pod(PodState),
    PodDeleted,
    Node(NodeState),
    NodeDeleted,
}

/// What matters about a pod.
#[derive(Clone, Debug, Default)]
pub struct PodState {
    pub uid: String,
    pub scheduler: String,
    /// Empty while it is not bound.
    pub node: String,
    pub phase: String,
    /// What its containers ask for together.
    pub requests: Vec<(String, String)>,
}

/// What matters about a node.
#[derive(Clone, Debug, Default)]
pub struct NodeState {
    pub allocatable: BTreeMap<String, String>,
}

/// Follows etcd until it is dropped, also over restarts of etcd.
#[derive(Debug)]
pub struct History {
    changes: Arc<Mutex<Vec<Change>>>,
    enough: Arc<AtomicBool>,
}

impl History {
    pub(super) fn follow(port: u16) -> Self {
        let (changes, enough) = (Arc::default(), Arc::default());
        let history = Self { changes, enough };
        let (changes, enough) = (history.changes.clone(), history.enough.clone());
        thread::spawn(move || {
            let mut next = 1;
            while !enough.load(Ordering::Relaxed) {
                // It ends with etcd, and goes on where it was with the next one.
                _ = watch(port, &mut next, &changes, &enough);
                thread::sleep(RETRY_AFTER);
            }
        });
        history
    }

    /// Returns everything up to what `cluster` shows now.
    pub fn so_far(&self, cluster: &Cluster) -> Vec<Change> {
        let pods = cluster.list::<Pod>("").into_iter().map(|pod| pod.metadata);
        let nodes = cluster.list::<Node>("").into_iter().map(|node| node.metadata);
        let versions = pods.chain(nodes).filter_map(|object| object.resource_version?.parse().ok());
        let newest: i64 = versions.max().unwrap_or(0);
        wait_for("the history", Duration::from_secs(30), || {
            let changes = lock(&self.changes);
            let reached = changes.last().is_some_and(|change| change.revision >= newest);
            (reached || newest == 0).then(|| changes.clone())
        })
    }

    /// Returns what came after the first `skip` changes.
    pub fn since(&self, skip: usize) -> Vec<Change> {
        lock(&self.changes).get(skip..).unwrap_or_default().to_vec()
    }
}

impl Drop for History {
    fn drop(&mut self) {
        self.enough.store(true, Ordering::Relaxed);
    }
}

fn lock(changes: &Mutex<Vec<Change>>) -> MutexGuard<'_, Vec<Change>> {
    changes.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads etcd's JSON gateway, which sends a line for every few changes. HTTP/1.0 keeps the lines
/// free of chunks.
fn watch(
    port: u16,
    next: &mut i64,
    changes: &Mutex<Vec<Change>>,
    enough: &AtomicBool,
) -> std::io::Result<()> {
    let body = json!({"create_request": {
        "key": FIRST_KEY, "range_end": END_KEY, "start_revision": next.to_string(),
    }})
    .to_string();
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    let head = format!("POST /v3/watch HTTP/1.0\r\nContent-Length: {}\r\n\r\n", body.len());
    stream.write_all(format!("{head}{body}").as_bytes())?;
    for line in BufReader::new(stream).lines().skip_while(|line| {
        // The head ends with an empty line, which is skipped as no JSON below.
        line.as_ref().is_ok_and(|line| !line.is_empty())
    }) {
        let Ok(line) = serde_json::from_str::<Line>(&line?) else { continue };
        assert!(line.result.compact_revision.is_none(), "history was compacted before it was read");
        let mut changes = lock(changes);
        for event in line.result.events {
            let revision = event.kv.mod_revision.parse().unwrap();
            *next = revision + 1;
            changes.extend(event.read(revision));
        }
        if enough.load(Ordering::Relaxed) {
            return Ok(());
        }
    }
    Ok(())
}

#[derive(Deserialize)]
struct Line {
    result: Events,
}

#[derive(Deserialize)]
struct Events {
    #[serde(default)]
    compact_revision: Option<String>,
    #[serde(default)]
    events: Vec<Event>,
}

#[derive(Deserialize)]
struct Event {
    /// `DELETE`, or left out.
    #[serde(default, rename = "type")]
    kind: String,
    kv: KeyValue,
}

#[derive(Deserialize)]
struct KeyValue {
    key: String,
    mod_revision: String,
    #[serde(default)]
    value: String,
}

impl Event {
    fn read(&self, revision: i64) -> Option<Change> {
        let key = String::from_utf8(decode(&self.kv.key)).unwrap();
        let deleted = self.kind == "DELETE";
        let object = || -> Value {
            serde_json::from_slice(&decode(&self.kv.value)).unwrap_or_else(|error| {
                panic!("{key} is not kept as JSON, see Options::readable_history: {error}")
            })
        };
        let (name, state) = if let Some(name) = key.strip_prefix(PODS) {
            (name, if deleted { State::PodDeleted } else { State::Pod(pod(&object())) })
        } else {
            let name = key.strip_prefix(NODES)?;
            (name, if deleted { State::NodeDeleted } else { State::Node(node(&object())) })
        };
        Some(Change { revision, name: name.to_owned(), state })
    }
}

fn pod(object: &Value) -> PodState {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let containers = object.pointer("/spec/containers").and_then(Value::as_array);
    let requests = containers.into_iter().flatten().filter_map(|container| {
        container.pointer("/resources/requests").and_then(Value::as_object)
    });
    PodState {
        uid: text("/metadata/uid").to_owned(),
        scheduler: text("/spec/schedulerName").to_owned(),
        node: text("/spec/nodeName").to_owned(),
        phase: text("/status/phase").to_owned(),
        requests: requests.flatten().map(quantity).collect(),
    }
}

fn node(object: &Value) -> NodeState {
    let allocatable = object.pointer("/status/allocatable").and_then(Value::as_object);
    NodeState { allocatable: allocatable.into_iter().flatten().map(quantity).collect() }
}

fn quantity((resource, quantity): (&String, &Value)) -> (String, String) {
    (resource.clone(), quantity.as_str().unwrap_or_default().to_owned())
}

/// Decodes base64 with its padding, as etcd's gateway writes it.
fn decode(text: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0);
    for letter in text.bytes().filter(|letter| *letter != b'=') {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => panic!("no base64: {text}"),
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            bytes.push((bits >> count & 0xff) as u8);
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::super::{ControlPlane, Options, node, pod};
    use super::*;

    #[test]
    fn base64_is_decoded() {
        let check = |text: &str, expected: &str| {
            assert_eq!(String::from_utf8(decode(text)).unwrap(), expected);
        };
        check(FIRST_KEY, NODES);
        check(END_KEY, "/registry/pods0");
        check("YQ==", "a");
        check("YWI=", "ab");
        check("", "");
    }

    #[test]
    fn the_history_goes_on_over_a_restart_of_etcd() {
        let mut plane = ControlPlane::start(Options::default().readable_history());
        let history = plane.history();
        let cluster = plane.cluster();
        cluster.create(&node("n1").build());
        cluster.create(&pod("default", "early").request("cpu", "1").build());
        plane.kill_etcd();
        plane.start_etcd();
        wait_for("the API server", Duration::from_secs(30), || cluster.is_ready().then_some(()));
        cluster.create(&pod("default", "late").spec("nodeName", json!("n1")).build());
        cluster.delete::<Pod>("default", "early");
        let changes = history.so_far(&cluster);
        let told: Vec<String> = changes
            .iter()
            .map(|change| match &change.state {
                State::Pod(pod) => format!("{}@{} {:?}", change.name, pod.node, pod.requests),
                State::PodDeleted => format!("{} deleted", change.name),
                State::Node(node) => format!("{} {}", change.name, node.allocatable["cpu"]),
                State::NodeDeleted => format!("{} deleted", change.name),
            })
            .collect();
        assert_eq!(told[0], "n1 4");
        assert_eq!(told[1], r#"default/early@ [("cpu", "1")]"#);
        assert!(told.contains(&"default/late@n1 []".to_owned()), "{told:?}");
    }
}
