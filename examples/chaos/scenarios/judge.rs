//! Judges what a control plane went through. It shares no code with the scheduler.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::control_plane::{AuditEntry, Change, NodeState, PodState, State};

/// What must be true whatever has failed.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Verdict {
    /// Pods that the API server bound twice.
    pub double: usize,
    /// Bound pods for which their node had no room, in the order in which etcd took the bindings.
    pub overcommit: usize,
    /// Pods without a node after everything has healed.
    pub lost: usize,
    /// Requests of ours that were forbidden.
    pub forbidden: usize,
    /// Bindings that the API server carried out.
    pub bound: usize,
    #[serde(skip)]
    pub broken: Vec<String>,
}

/// A pod that a kubelet would not have admitted.
#[derive(Clone, Debug, PartialEq)]
pub struct Rejection {
    pub pod: String,
    pub uid: String,
    pub node: String,
    pub scheduler: String,
    pub revision: i64,
    pub resource: String,
    /// Who was on the node at that time: the uid and the scheduler.
    pub beside: Vec<(String, String)>,
}

/// What kubelets let in, in the order of etcd.
#[derive(Default)]
pub struct Admission {
    rooms: BTreeMap<String, Room>,
    /// The node and the uid of each pod that has a node, by its name.
    placed: BTreeMap<String, (String, String)>,
    /// The uids of all pods that ever had a node.
    seen: BTreeSet<String>,
}

/// What a node holds.
#[derive(Default)]
struct Room {
    allocatable: BTreeMap<String, i64>,
    /// The pods on it, by their uid.
    pods: BTreeMap<String, Held>,
}

struct Held {
    scheduler: String,
    requests: BTreeMap<String, i64>,
}

pub fn verdict(audit: &[AuditEntry], history: &[Change], lost: BTreeSet<String>) -> Verdict {
    let double = double_bindings(audit, history);
    let rejections = rejections(history);
    let mut broken: Vec<String> = Vec::new();
    broken.extend(double.iter().map(|pod| format!("{pod} was bound twice")));
    broken.extend(rejections.iter().map(|rejected| {
        let Rejection { pod, node, resource, revision, .. } = rejected;
        format!("{node} had no {resource} left for {pod} at revision {revision}")
    }));
    broken.extend(lost.iter().map(|pod| format!("{pod} has no node")));
    Verdict {
        double: double.len(),
        overcommit: rejections.len(),
        lost: lost.len(),
        forbidden: audit.iter().filter(|entry| is_ours(entry) && entry.code == 403).count(),
        bound: bound(history).len(),
        broken,
    }
}

/// A request of Quorate's.
pub fn is_ours(entry: &AuditEntry) -> bool {
    entry.user_agent.starts_with("quorate/")
}

/// The uid for which a binding was posted, else the name.
pub fn target(entry: &AuditEntry) -> String {
    let uid = entry.request.as_ref().and_then(|body| body["metadata"]["uid"].as_str());
    uid.map_or(format!("{}/{}", entry.namespace, entry.name), str::to_owned)
}

/// When each pod was bound, by uid: the revision and the node.
pub fn bound(history: &[Change]) -> BTreeMap<&str, (i64, &str)> {
    let mut bound = BTreeMap::new();
    for change in history {
        if let State::Pod(PodState { uid, node, .. }) = &change.state
            && !node.is_empty()
        {
            bound.entry(uid.as_str()).or_insert((change.revision, node.as_str()));
        }
    }
    bound
}

/// Pods with two successful bindings, or that were seen on two nodes.
fn double_bindings(audit: &[AuditEntry], history: &[Change]) -> BTreeSet<String> {
    let mut seen = BTreeSet::new();
    let successful = audit.iter().filter(|entry| entry.is_binding() && entry.code == 201);
    let mut double: BTreeSet<String> =
        successful.map(target).filter(|uid| !seen.insert(uid.clone())).collect();
    let first = bound(history);
    for change in history {
        if let State::Pod(pod) = &change.state
            && first.get(&*pod.uid).is_some_and(|(_, node)| *node != pod.node)
            && first.get(&*pod.uid).is_some_and(|(revision, _)| *revision < change.revision)
        {
            double.insert(pod.uid.clone());
        }
    }
    double
}

/// Admits pods to their nodes as kubelets would, in the order of etcd.
pub fn rejections(history: &[Change]) -> Vec<Rejection> {
    let mut admission = Admission::default();
    history.iter().filter_map(|change| admission.see(change)).collect()
}

impl Admission {
    /// Takes in the next change. A pod that is not admitted does not count any more.
    pub fn see(&mut self, change: &Change) -> Option<Rejection> {
        match &change.state {
            State::Node(node) => self.rooms.entry(change.name.clone()).or_default().set(node),
            State::NodeDeleted => {
                self.rooms.entry(change.name.clone()).or_default().allocatable.clear();
            }
            State::PodDeleted => {
                if let Some((node, uid)) = self.placed.remove(&change.name) {
                    self.rooms.entry(node).or_default().pods.remove(&uid);
                }
            }
            State::Pod(pod) if pod.node.is_empty() => {}
            State::Pod(pod) => {
                let room = self.rooms.entry(pod.node.clone()).or_default();
                if matches!(&*pod.phase, "Succeeded" | "Failed") {
                    room.pods.remove(&pod.uid);
                } else if self.seen.insert(pod.uid.clone()) {
                    self.placed.insert(change.name.clone(), (pod.node.clone(), pod.uid.clone()));
                    return room.admit(change, pod);
                }
            }
        }
        None
    }

    /// How many pods are on nodes.
    pub fn admitted(&self) -> usize {
        self.rooms.values().map(|room| room.pods.len()).sum()
    }
}

impl Room {
    fn set(&mut self, node: &NodeState) {
        let quantities = node.allocatable.iter();
        self.allocatable = quantities.map(|(name, text)| (name.clone(), milli(text))).collect();
    }

    fn admit(&mut self, change: &Change, pod: &PodState) -> Option<Rejection> {
        let requests = requests(pod);
        let short = requests.iter().find(|(resource, asked)| {
            let taken = self.pods.values().filter_map(|held| held.requests.get(*resource));
            let free = self.allocatable.get(*resource).copied().unwrap_or(0) - taken.sum::<i64>();
            **asked > free
        });
        let Some((resource, _)) = short else {
            let scheduler = pod.scheduler.clone();
            self.pods.insert(pod.uid.clone(), Held { scheduler, requests });
            return None;
        };
        let beside = self.pods.iter().map(|(uid, held)| (uid.clone(), held.scheduler.clone()));
        Some(Rejection {
            pod: change.name.clone(),
            uid: pod.uid.clone(),
            node: pod.node.clone(),
            scheduler: pod.scheduler.clone(),
            revision: change.revision,
            resource: resource.clone(),
            beside: beside.collect(),
        })
    }
}

/// What a pod takes of its node, in thousandths.
fn requests(pod: &PodState) -> BTreeMap<String, i64> {
    let mut requests = BTreeMap::from([("pods".to_owned(), 1000)]);
    for (resource, quantity) in &pod.requests {
        *requests.entry(resource.clone()).or_default() += milli(quantity);
    }
    requests
}

/// Reads the quantities that the scenarios use.
fn milli(quantity: &str) -> i64 {
    let digits = quantity.trim_end_matches(|c: char| c.is_alphabetic());
    let number: i64 = digits.parse().unwrap_or_else(|_| panic!("{quantity}"));
    number
        * match &quantity[digits.len()..] {
            "m" => 1,
            "" => 1000,
            "Ki" => 1000 << 10,
            "Mi" => 1000 << 20,
            "Gi" => 1000 << 30,
            unit => panic!("{unit} in {quantity}"),
        }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(revision: i64, cpu: &str) -> Change {
        let allocatable = [("cpu", cpu), ("pods", "110")];
        let allocatable = allocatable.map(|(a, b)| (a.to_owned(), b.to_owned())).into();
        Change { revision, name: "n1".into(), state: State::Node(NodeState { allocatable }) }
    }

    fn pod(revision: i64, name: &str, node: &str, phase: &str) -> Change {
        let requests = vec![("cpu".to_owned(), "600m".to_owned())];
        let state = State::Pod(PodState {
            uid: format!("uid-{name}"),
            scheduler: "quorate".into(),
            node: node.into(),
            phase: phase.into(),
            requests,
        });
        Change { revision, name: name.into(), state }
    }

    fn deleted(revision: i64, name: &str) -> Change {
        Change { revision, name: name.into(), state: State::PodDeleted }
    }

    #[test]
    fn a_pod_without_room_on_its_node_is_rejected_in_the_order_of_etcd() {
        let check = |history: &[Change], expected: &[&str]| {
            let rejected: Vec<String> =
                rejections(history).into_iter().map(|rejection| rejection.pod).collect();
            assert_eq!(rejected, expected);
        };
        let (first, second) = (pod(2, "a", "n1", "Pending"), pod(4, "b", "n1", "Pending"));
        check(&[node(1, "1"), first.clone(), second.clone()], &["b"]);
        check(&[node(1, "1200m"), first.clone(), second.clone()], &[]);
        check(&[node(1, "1"), first.clone(), deleted(3, "a"), second.clone()], &[]);
        let failed = pod(3, "a", "n1", "Failed");
        check(&[node(1, "1"), first.clone(), failed.clone(), second.clone()], &[]);
        // What happens to a pod later does not admit it once more.
        check(&[node(1, "1"), first.clone(), failed, first.clone(), second.clone()], &[]);
        check(&[node(1, "1"), pod(2, "a", "", "Pending"), second.clone()], &[]);
        check(&[node(1, "2"), first, node(3, "1"), second.clone()], &["b"]);
        check(&[second], &["b"]);
    }

    #[test]
    fn a_pod_on_two_nodes_is_bound_twice() {
        let check = |history: &[Change], expected: usize| {
            assert_eq!(double_bindings(&[], history).len(), expected);
        };
        let first = pod(2, "a", "n1", "Pending");
        check(&[pod(1, "a", "", "Pending"), first.clone(), pod(3, "a", "n1", "Running")], 0);
        check(&[first.clone(), pod(3, "a", "n2", "Pending")], 1);
        check(&[first, pod(3, "a", "", "Pending")], 1);
    }

    #[test]
    fn quantities_are_thousandths() {
        let check = |text: &str, expected: i64| assert_eq!(milli(text), expected);
        check("150m", 150);
        check("4", 4000);
        check("32Gi", 32 * 1000 * 1024 * 1024 * 1024);
    }
}
