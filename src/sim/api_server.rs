//! A model of the API server: versioned pods, the rules of the calls that the scheduler makes, and
//! the watch events that every write causes.
//!
//! The rules are those of `pkg/registry/core/pod/storage` in Kubernetes 1.37: a binding is refused
//! with 409 where a precondition fails, the pod is being deleted, has a node already or is gated.

use std::collections::BTreeMap;

use crate::api;
use crate::model::{PodKey, Str};
use crate::scheduler::{Change, Condition, Event, Op, Outcome};

/// All pods, and the version of the last write.
#[derive(Debug, Default)]
pub struct ApiServer {
    pods: BTreeMap<PodKey, api::Pod>,
    revision: u64,
    uids: u64,
    bound: usize,
}

/// What a call leads to.
#[derive(Debug)]
pub struct Answer {
    pub outcome: Outcome,
    /// The pod that the answer carries.
    pub pod: Option<Box<api::Pod>>,
    /// What watchers will see.
    pub event: Option<Event>,
}

impl ApiServer {
    /// Creates a pod. Without a uid it gets one. A name that is taken is refused.
    pub fn create(&mut self, mut pod: api::Pod) -> Option<Event> {
        let key = api::Object::key(&pod);
        if self.pods.contains_key(&key) {
            return None;
        }
        if pod.metadata.uid.is_empty() {
            self.uids += 1;
            pod.metadata.uid = format!("sim-{}", self.uids).into();
        }
        Some(self.write(key, pod))
    }

    pub fn delete(&mut self, key: &PodKey) -> Option<Event> {
        let pod = self.pods.remove(key)?;
        self.revision += 1;
        Some(Event::Pod(Change::Delete { key: key.clone(), uid: pod.metadata.uid }))
    }

    pub fn pod(&self, key: &PodKey) -> Option<&api::Pod> {
        self.pods.get(key)
    }

    pub fn pods(&self) -> impl Iterator<Item = &api::Pod> {
        self.pods.values()
    }

    /// How many bindings were carried out.
    pub fn bound(&self) -> usize {
        self.bound
    }

    /// Carries out a call of the scheduler.
    pub fn call(&mut self, op: &Op) -> Answer {
        match op {
            Op::Bind { pod, uid, resource_version, node } => {
                self.bind(pod, uid, resource_version, node)
            }
            Op::Fence { pod, uid, resource_version, value } => {
                self.update(pod, uid, Some(resource_version), |pod| {
                    pod.status.nominated_node_name = value.clone();
                })
            }
            Op::PatchCondition { pod, uid, condition } => {
                self.update(pod, uid, None, |pod| set_condition(pod, condition))
            }
            Op::GetPod { pod } => match self.pods.get(pod) {
                Some(pod) => applied(pod, None),
                None => refused(404),
            },
            Op::Record { .. } => Answer { outcome: Outcome::Applied(None), pod: None, event: None },
        }
    }

    fn bind(&mut self, key: &PodKey, uid: &Str, version: &Str, node: &Str) -> Answer {
        let Some(pod) = self.pods.get(key) else {
            return refused(404);
        };
        let meta = &pod.metadata;
        let stale = !version.is_empty() && meta.resource_version != *version;
        let bound = !pod.spec.node_name.is_empty() || !pod.spec.scheduling_gates.is_empty();
        if meta.uid != *uid || stale || bound || meta.deletion_timestamp.is_some() {
            return refused(409);
        }
        let mut pod = pod.clone();
        pod.spec.node_name = node.clone();
        pod.status.nominated_node_name = "".into();
        pod.status.conditions.retain(|condition| &*condition.type_ != "PodScheduled");
        pod.status.conditions.push(api::PodCondition {
            type_: "PodScheduled".into(),
            status: "True".into(),
            ..api::PodCondition::default()
        });
        let event = self.write(key.clone(), pod);
        self.bound += 1;
        // The API server answers a binding with a Status, not with the pod.
        Answer { outcome: Outcome::Applied(None), pod: None, event: Some(event) }
    }

    /// Changes a pod's status under preconditions. A change that changes nothing makes no version.
    fn update(
        &mut self,
        key: &PodKey,
        uid: &Str,
        version: Option<&Str>,
        change: impl FnOnce(&mut api::Pod),
    ) -> Answer {
        let Some(old) = self.pods.get(key) else {
            return refused(404);
        };
        let stale = version.is_some_and(|version| old.metadata.resource_version != *version);
        if old.metadata.uid != *uid || stale {
            return refused(409);
        }
        let mut new = old.clone();
        change(&mut new);
        if new == *old {
            return applied(old, None);
        }
        let event = self.write(key.clone(), new);
        self.pods.get(key).map_or_else(|| refused(404), |pod| applied(pod, Some(event)))
    }

    fn write(&mut self, key: PodKey, mut pod: api::Pod) -> Event {
        self.revision += 1;
        pod.metadata.resource_version = self.revision.to_string().into();
        self.pods.insert(key, pod.clone());
        Event::Pod(Change::Upsert(Box::new(pod)))
    }
}

fn set_condition(pod: &mut api::Pod, condition: &Condition) {
    pod.status.conditions.retain(|other| &*other.type_ != "PodScheduled");
    pod.status.conditions.push(api::PodCondition {
        type_: "PodScheduled".into(),
        status: "False".into(),
        reason: condition.reason.clone(),
        message: condition.message.clone(),
    });
}

fn applied(pod: &api::Pod, event: Option<Event>) -> Answer {
    Answer {
        outcome: Outcome::Applied(Some(pod.metadata.resource_version.clone())),
        pod: Some(Box::new(pod.clone())),
        event,
    }
}

fn refused(code: u16) -> Answer {
    Answer { outcome: Outcome::Refused { code, retry_after: None }, pod: None, event: None }
}
