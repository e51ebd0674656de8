//! The model of the API server that simulations trust, beside a real one: random sequences of the
//! verbs that we use, and what others do meanwhile. After every step code, reason and the resulting
//! object have to be the same; after every sequence what lists and watches show.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use http::{Method, Request};
use kube::client::Body;
use quorate::api;
use quorate::lease::{Answer, Draft, Request as LeaseRequest};
use quorate::model::{PodKey, Str};
use quorate::scheduler::{Condition, Op};
use quorate::sim::faults::{ApiModel, Shown};
use rand::{RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde_json::{Value, json};

use crate::control_plane::{Cluster, block_on, borrow};

/// So many sequences run unless the environment says otherwise, within half a minute.
const SEQUENCES: u64 = 60;
const SEQUENCES_VARIABLE: &str = "QUORATE_MODEL_SEQUENCES";
const STEPS: usize = 20;
const NAMES: [&str; 3] = ["a", "b", "c"];
/// Small, so that three pods take two pages.
const PAGE: u32 = 2;
/// No local watch is silent for longer while there is something to show.
const SILENCE_MAX: Duration = Duration::from_secs(20);
const SELECTOR: &str = "fieldSelector=status.phase%21%3DSucceeded";
const JSON: &str = "application/json";
const MERGE: &str = "application/merge-patch+json";
const STRATEGIC: &str = "application/strategic-merge-patch+json";

/// One sequence: a namespace of a real API server, and a model.
struct Sequence {
    client: kube::Client,
    namespace: String,
    random: ChaCha8Rng,
    model: ApiModel,
    /// The versions that each pod has had, in the model and in reality.
    versions: BTreeMap<&'static str, Vec<(Str, String)>>,
    /// The uids that each name has had.
    uids: BTreeMap<&'static str, Vec<Str>>,
    lease_versions: Vec<(Str, String)>,
    /// Where the watch begins.
    start: String,
    log: Vec<String>,
}

/// A real answer.
#[derive(Debug)]
struct Answered {
    code: u16,
    reason: String,
    body: Value,
}

/// Both of a version, or of none.
type Version = (Str, String);

impl Sequence {
    fn new(cluster: &Cluster, seed: u64) -> Self {
        let namespace = format!("m{seed}");
        cluster.create_namespace(&namespace);
        let mut sequence = Self {
            client: cluster.kube(),
            namespace,
            random: ChaCha8Rng::seed_from_u64(seed),
            model: ApiModel::default(),
            versions: BTreeMap::new(),
            uids: BTreeMap::new(),
            lease_versions: vec![("none".into(), "1".to_owned())],
            start: String::new(),
            log: Vec::new(),
        };
        let listed = sequence.ask(Method::GET, &sequence.pods(), "", None).body;
        sequence.start = text(&listed["metadata"]["resourceVersion"]);
        sequence
    }

    fn pods(&self) -> String {
        format!("/api/v1/namespaces/{}/pods", self.namespace)
    }

    fn leases(&self) -> String {
        format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", self.namespace)
    }

    fn ask(&self, method: Method, path: &str, kind: &str, body: Option<Value>) -> Answered {
        let body = body.map_or(Vec::new(), |body| body.to_string().into_bytes());
        let request = Request::builder().method(method).uri(path).header("Content-Type", kind);
        let request = request.body(Body::from(body)).unwrap();
        block_on(async {
            let response = self.client.send(request).await.unwrap();
            let code = response.status().as_u16();
            let bytes = response.into_body().collect_bytes().await.unwrap();
            let body: Value = serde_json::from_slice(&bytes).unwrap();
            let failed = body["kind"] == "Status" && body["status"] == "Failure";
            let reason = if failed { text(&body["reason"]) } else { String::new() };
            Answered { code, reason, body }
        })
    }

    /// Often the newest, sometimes an older one, sometimes none.
    fn some_version(&mut self, name: &str) -> Version {
        let all = self.versions.get(name).cloned().unwrap_or_default();
        let which = self.random.random_range(0..10);
        match (which, all.last()) {
            (0, _) | (_, None) => ("".into(), String::new()),
            (1 | 2, _) => all[self.random.random_range(0..all.len())].clone(),
            (_, Some(last)) => last.clone(),
        }
    }

    /// Mostly the present one.
    fn some_uid(&mut self, name: &str) -> Str {
        let all = self.uids.get(name).cloned().unwrap_or_default();
        match (self.random.random_range(0..10), all.last()) {
            (0, _) | (_, None) => "00000000-0000-0000-0000-000000000000".into(),
            (1, Some(_)) => all[0].clone(),
            (_, Some(last)) => last.clone(),
        }
    }

    fn run(mut self) {
        for _ in 0..STEPS {
            self.step();
        }
        self.compare_lists();
        self.compare_watches();
    }

    fn step(&mut self) {
        let name = NAMES[self.random.random_range(0..NAMES.len())];
        let key = PodKey::new(&*self.namespace, name);
        let before = self.model.pod(&key).map(|pod| pod.metadata.resource_version.clone());
        match self.random.random_range(0..20) {
            0..3 => self.create(name),
            3 => self.delete(name, false),
            4 => self.delete(name, true),
            5 => self.ungate(name),
            6 => self.finish(name),
            7..11 => self.bind(name),
            11..14 => self.fence(name),
            14 => self.nominate(name),
            15..17 => self.condition(name),
            17 => return self.lease(),
            18 => return self.lease(),
            _ => self.get(name),
        }
        self.compare_pod(name, before);
    }

    /// The real pod is what the model says, and is at a new version if the model's is.
    fn compare_pod(&mut self, name: &'static str, before: Option<Str>) {
        let key = PodKey::new(&*self.namespace, name);
        let path = format!("{}/{name}", self.pods());
        let real = self.ask(Method::GET, &path, "", None);
        let Some(model) = self.model.pod(&key) else {
            assert_eq!(real.code, 404, "{:#?}", self.log);
            return;
        };
        assert_eq!(normal(&decode(&real.body)), normal(model), "{:#?}", self.log);
        let model_version = model.metadata.resource_version.clone();
        let real_version = text(&real.body["metadata"]["resourceVersion"]);
        let versions = self.versions.entry(name).or_default();
        let real_changed = versions.last().is_none_or(|(_, last)| *last != real_version);
        let model_changed = before.as_ref() != Some(&model_version);
        assert_eq!(real_changed, model_changed, "a new version of {name}: {:#?}", self.log);
        if real_changed {
            versions.push((model_version, real_version));
            let uids = self.uids.entry(name).or_default();
            if uids.last() != Some(&model.metadata.uid) {
                uids.push(model.metadata.uid.clone());
            }
        }
    }

    /// Both answers have to be the same.
    fn compare(&mut self, what: String, real: &Answered, model: Result<u16, (u16, &str)>) {
        let message = text(&real.body["message"]);
        self.log.push(format!("{what}: {} {} {message}", real.code, real.reason));
        let model = match model {
            Ok(code) => (code, ""),
            Err(refused) => refused,
        };
        assert_eq!((real.code, &*real.reason), model, "{:#?}", self.log);
    }

    fn create(&mut self, name: &str) {
        let gated = self.random.random_range(0..4) == 0;
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "labels": {"app": "db"}},
            "spec": {
                "schedulerName": "quorate",
                "containers": [{"name": "c", "image": "i"}],
            },
        });
        if gated {
            pod["spec"]["schedulingGates"] = json!([{"name": "wait"}]);
        }
        let real = self.ask(Method::POST, &self.pods(), JSON, Some(pod));
        let key = PodKey::new(&*self.namespace, name);
        // What the API server adds to a new pod is not the model's business.
        let made = match self.model.pod(&key) {
            Some(old) => old.clone(),
            None => decode(&real.body),
        };
        let model = self.model.create(made).map(|()| 201);
        self.compare(format!("create {name}, gated {gated}"), &real, model);
    }

    fn delete(&mut self, name: &str, at_once: bool) {
        let path = format!("{}/{name}", self.pods());
        let options = if at_once { json!({"gracePeriodSeconds": 0}) } else { json!({}) };
        let real = self.ask(Method::DELETE, &path, JSON, Some(options));
        let key = PodKey::new(&*self.namespace, name);
        let model = self.model.delete(&key, at_once).map(|()| 200);
        self.compare(format!("delete {name}, at once {at_once}"), &real, model);
    }

    fn ungate(&mut self, name: &str) {
        let path = format!("{}/{name}", self.pods());
        let patch = json!({"spec": {"schedulingGates": null}});
        let real = self.ask(Method::PATCH, &path, MERGE, Some(patch));
        let key = PodKey::new(&*self.namespace, name);
        let model = self.model.change(&key, |pod| {
            if !pod.spec.scheduling_gates.is_empty() {
                pod.spec.scheduling_gates.clear();
                pod.metadata.generation += 1;
            }
        });
        self.compare(format!("ungate {name}"), &real, model.map(|()| 200));
    }

    fn finish(&mut self, name: &str) {
        let path = format!("{}/{name}/status", self.pods());
        let patch = json!({"status": {"phase": "Succeeded"}});
        let real = self.ask(Method::PATCH, &path, MERGE, Some(patch));
        let key = PodKey::new(&*self.namespace, name);
        let model = self.model.change(&key, |pod| pod.status.phase = "Succeeded".into());
        self.compare(format!("finish {name}"), &real, model.map(|()| 200));
    }

    fn bind(&mut self, name: &str) {
        let (uid, version) = (self.some_uid(name), self.some_version(name));
        // Nobody looks whether there is such a node, but the name has to be one.
        let node = ["n1", "n2", "missing", ""][self.random.random_range(0..4)];
        let mut metadata = json!({"name": name, "uid": uid});
        if !version.1.is_empty() {
            metadata["resourceVersion"] = version.1.clone().into();
        }
        let binding = json!({
            "apiVersion": "v1", "kind": "Binding", "metadata": metadata,
            "target": {"kind": "Node", "name": node},
        });
        let path = format!("{}/{name}/binding", self.pods());
        let real = self.ask(Method::POST, &path, JSON, Some(binding));
        let op = Op::Bind {
            pod: PodKey::new(&*self.namespace, name),
            uid: uid.clone(),
            resource_version: version.0.clone(),
            node: node.into(),
        };
        let model = self.model.call(&op).map(|()| 201);
        self.compare(format!("bind {name} {uid} at {version:?} to {node:?}"), &real, model);
    }

    fn patch_status(&mut self, name: &str, kind: &str, patch: Value, op: &Op) {
        let path = format!("{}/{name}/status", self.pods());
        let real = self.ask(Method::PATCH, &path, kind, Some(patch));
        let model = self.model.call(op).map(|()| 200);
        self.compare(format!("{op:?}"), &real, model);
    }

    fn fence(&mut self, name: &str) {
        let (uid, version) = (self.some_uid(name), self.some_version(name));
        let value = ["n1", "n2", ""][self.random.random_range(0..3)];
        let mut patch = json!({"metadata": {"uid": uid}, "status": {"nominatedNodeName": value}});
        if !version.1.is_empty() {
            patch["metadata"]["resourceVersion"] = version.1.into();
        }
        let op = Op::Fence {
            pod: PodKey::new(&*self.namespace, name),
            uid,
            resource_version: version.0,
            value: value.into(),
        };
        self.patch_status(name, MERGE, patch, &op);
    }

    fn nominate(&mut self, name: &str) {
        let (uid, pod) = (self.some_uid(name), PodKey::new(&*self.namespace, name));
        let patch = json!({"metadata": {"uid": uid}, "status": {"nominatedNodeName": "n1"}});
        let op = Op::Nominate { pod, uid, node: "n1".into() };
        self.patch_status(name, MERGE, patch, &op);
    }

    fn condition(&mut self, name: &str) {
        let (uid, pod) = (self.some_uid(name), PodKey::new(&*self.namespace, name));
        let message = ["0/1 nodes", "0/2 nodes"][self.random.random_range(0..2)];
        let condition = Condition {
            reason: "Unschedulable".into(),
            message: message.into(),
            observed_generation: 1,
            transition: false,
        };
        let patch = json!({
            "metadata": {"uid": uid},
            "status": {"conditions": [{
                "type": "PodScheduled", "status": "False", "reason": condition.reason,
                "message": message, "observedGeneration": 1,
            }]},
        });
        let op = Op::PatchCondition { pod, uid, condition };
        self.patch_status(name, STRATEGIC, patch, &op);
    }

    fn get(&mut self, name: &str) {
        let path = format!("{}/{name}", self.pods());
        let real = self.ask(Method::GET, &path, "", None);
        let op = Op::GetPod { pod: PodKey::new(&*self.namespace, name) };
        let model = self.model.call(&op).map(|()| 200);
        self.compare(format!("get {name}"), &real, model);
    }

    fn lease(&mut self) {
        let (path, transitions) = (self.leases(), self.random.random_range(0..5));
        let holder = ["us", "them"][self.random.random_range(0..2)];
        let draft =
            Draft { holder: holder.into(), duration_seconds: 15, transitions, acquire_time: None };
        let time = "2026-01-01T00:00:00.000000Z";
        let mut object = json!({
            "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": "quorate"},
            "spec": {
                "holderIdentity": holder, "leaseDurationSeconds": 15,
                "leaseTransitions": transitions, "acquireTime": time, "renewTime": time,
            },
        });
        let one = format!("{path}/quorate");
        let (what, real, model) = match self.random.random_range(0..4) {
            0 => ("get", self.ask(Method::GET, &one, "", None), LeaseRequest::Get),
            1 => {
                let real = self.ask(Method::POST, &path, JSON, Some(object));
                ("create", real, LeaseRequest::Create(draft))
            }
            _ => {
                let back = self.random.random_range(0..3_usize);
                let at = (self.lease_versions.len() - 1).saturating_sub(back / 2);
                let (resource_version, version) = self.lease_versions[at].clone();
                object["metadata"]["resourceVersion"] = version.into();
                let real = self.ask(Method::PUT, &one, JSON, Some(object));
                ("update", real, LeaseRequest::Update { resource_version, draft })
            }
        };
        let created = what == "create";
        // An update makes a lease that is not there.
        let missing = self.model.lease(&LeaseRequest::Get) == Answer::Missing;
        let answer = self.model.lease(&model);
        let expected = match &answer {
            Answer::Found(_) if missing => Ok(201),
            Answer::Found(_) => Ok(200),
            Answer::Missing => Err((404, "NotFound")),
            Answer::Conflict if created => Err((409, "AlreadyExists")),
            Answer::Conflict => Err((409, "Conflict")),
            Answer::Failed => Err((500, "")),
        };
        self.compare(format!("{what} lease"), &real, expected);
        if let Answer::Found(lease) = answer {
            let spec = &real.body["spec"];
            assert_eq!(text(&spec["holderIdentity"]), &*lease.record.holder);
            assert_eq!(spec["leaseTransitions"], lease.record.transitions);
            let version = text(&real.body["metadata"]["resourceVersion"]);
            if self.lease_versions.last().is_none_or(|(_, last)| *last != version) {
                self.lease_versions.push((lease.resource_version, version));
            }
        }
    }

    /// The list, page by page, is the model's.
    fn compare_lists(&self) {
        let (mut listed, mut token) = (Vec::new(), String::new());
        loop {
            let path = format!("{}?{SELECTOR}&limit={PAGE}&continue={token}", self.pods());
            let page = self.ask(Method::GET, &path, "", None).body;
            listed.extend(page["items"].as_array().unwrap().iter().map(decode));
            token = text(&page["metadata"]["continue"]);
            if token.is_empty() {
                break;
            }
        }
        let listed: Vec<api::Pod> = listed.iter().map(normal).collect();
        let model: Vec<api::Pod> = self.model.list().iter().map(|pod| normal(pod)).collect();
        assert_eq!(listed, model, "{:#?}", self.log);
    }

    /// A watch from the beginning shows what the model says.
    fn compare_watches(&self) {
        let expected = self.model.watch(0);
        let path = format!("{}?{SELECTOR}&watch=1&resourceVersion={}", self.pods(), self.start);
        let request = Request::get(path).body(Vec::new()).unwrap();
        let shown: Vec<kube::core::WatchEvent<Value>> = block_on(async {
            let events = self.client.request_events(request).await.unwrap();
            let events = events.take(expected.len()).try_collect();
            tokio::time::timeout(SILENCE_MAX, events).await.unwrap().unwrap()
        });
        let shown = shown.into_iter().map(|event| match event {
            kube::core::WatchEvent::Added(pod) | kube::core::WatchEvent::Modified(pod) => {
                (false, normal(&decode(&pod)))
            }
            kube::core::WatchEvent::Deleted(pod) => (true, normal(&decode(&pod))),
            other => panic!("{other:?}"),
        });
        let expected = expected.into_iter().map(|shown| match shown {
            Shown::Upsert(pod) => (false, normal(&pod)),
            Shown::Deleted(pod) => (true, normal(&pod)),
        });
        for (number, (real, model)) in shown.zip(expected).enumerate() {
            assert_eq!(real, model, "event {number} of {:#?}", self.log);
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn decode(pod: &Value) -> api::Pod {
    serde_json::from_value(pod.clone()).unwrap_or_else(|e| panic!("{e}: {pod:#}"))
}

/// A pod without what nobody can foretell: its version, and times.
fn normal(pod: &api::Pod) -> api::Pod {
    let mut pod = pod.clone();
    pod.metadata.resource_version = "".into();
    if let Some(time) = &mut pod.metadata.deletion_timestamp {
        *time = jiff::Timestamp::UNIX_EPOCH;
    }
    pod.status.conditions.sort_by(|a, b| a.type_.cmp(&b.type_));
    pod
}

#[test]
fn the_model_of_the_api_server_answers_as_a_real_one() {
    let asked = std::env::var(SEQUENCES_VARIABLE).ok();
    let sequences = asked.map_or(SEQUENCES, |number| number.parse().unwrap());
    let plane = borrow();
    let cluster = plane.cluster();
    let differs = |seed: &u64| {
        let run = || Sequence::new(&cluster, *seed).run();
        std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err()
    };
    let differing: Vec<u64> = (0..sequences).filter(differs).collect();
    assert!(differing.is_empty(), "of {sequences} sequences these differ: {differing:?}");
}
