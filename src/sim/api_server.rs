//! A model of the API server that never fails: versioned objects, and the watch events that every
//! write causes.

use std::collections::BTreeMap;

use super::rules::{Ruling, key_of, rule};
use super::volumes::Storage;
use crate::api;
use crate::model::PodKey;
use crate::scheduler::{Change, Event, Op, Outcome};

/// All pods with the version of the last write, and beside them storage with versions of its own.
#[derive(Debug, Default)]
pub struct ApiServer {
    pub storage: Storage,
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
        if let Op::Write { write } = op {
            return match self.storage.apply(write) {
                Ok((version, event)) => {
                    Answer { outcome: Outcome::Applied(Some(version)), pod: None, event }
                }
                Err(code) => refused(code),
            };
        }
        let key = key_of(op);
        let mut event = None;
        match rule(op, key.and_then(|key| self.pods.get(key))) {
            Ruling::Refused(code) => return refused(code),
            Ruling::Unchanged => {}
            Ruling::Changed(pod) => event = key.map(|key| self.write(key.clone(), *pod)),
        }
        // The API server answers a binding with a Status, not with the pod.
        let told = !matches!(op, Op::Bind { .. } | Op::Record { .. });
        let pod = key.filter(|_| told).and_then(|key| self.pods.get(key)).cloned().map(Box::new);
        self.bound += usize::from(matches!(op, Op::Bind { .. }));
        let version = pod.as_ref().map(|pod| pod.metadata.resource_version.clone());
        Answer { outcome: Outcome::Applied(version), pod, event }
    }

    fn write(&mut self, key: PodKey, mut pod: api::Pod) -> Event {
        self.revision += 1;
        pod.metadata.resource_version = self.revision.to_string().into();
        self.pods.insert(key, pod.clone());
        Event::Pod(Change::Upsert(Box::new(pod)))
    }
}

fn refused(code: u16) -> Answer {
    Answer { outcome: Outcome::Refused { code, retry_after: None }, pod: None, event: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scheduler::Condition;
    use crate::testing::pod;

    fn key() -> PodKey {
        PodKey::new("default", "a")
    }

    /// A server with the pod `a`, at version 1.
    fn server(pod: api::Pod) -> ApiServer {
        let mut server = ApiServer::default();
        assert!(server.create(pod).is_some());
        server
    }

    fn bind(uid: &str, version: &str, node: &str) -> Op {
        Op::Bind {
            pod: key(),
            uid: uid.into(),
            resource_version: version.into(),
            node: node.into(),
        }
    }

    fn fence(uid: &str, version: &str, value: &str) -> Op {
        Op::Fence {
            pod: key(),
            uid: uid.into(),
            resource_version: version.into(),
            value: value.into(),
        }
    }

    fn condition(message: &str) -> Op {
        let condition = Condition {
            reason: "Unschedulable".into(),
            message: message.into(),
            observed_generation: 1,
            transition: true,
        };
        Op::PatchCondition { pod: key(), uid: "default/a".into(), condition }
    }

    fn version(server: &ApiServer) -> &str {
        server.pod(&key()).map_or("", |pod| &pod.metadata.resource_version)
    }

    /// The call is refused, and nothing has changed.
    fn check_refused(server: &mut ApiServer, op: &Op, code: u16) {
        let before = server.pod(&key()).cloned();
        let answer = server.call(op);
        assert_eq!(answer.outcome, Outcome::Refused { code, retry_after: None }, "{op:?}");
        assert!(answer.event.is_none() && answer.pod.is_none(), "{op:?}");
        assert_eq!(server.pod(&key()).cloned(), before, "{op:?}");
    }

    #[test]
    fn a_binding_puts_the_pod_on_its_node_and_makes_a_version() {
        let mut server = server(pod("a").nominated("n2").build());
        server.call(&condition("no room"));
        let answer = server.call(&bind("default/a", "2", "n1"));
        assert_eq!(answer.outcome, Outcome::Applied(None));
        assert!(answer.pod.is_none(), "the answer is a Status");
        let bound = server.pod(&key()).unwrap();
        assert_eq!((&*bound.spec.node_name, &*bound.status.nominated_node_name), ("n1", ""));
        assert_eq!(&*bound.condition("PodScheduled").unwrap().status, "True");
        assert_eq!(bound.status.conditions.len(), 1);
        let Some(Event::Pod(Change::Upsert(seen))) = answer.event else {
            panic!("watchers see it");
        };
        assert_eq!((&*seen, version(&server)), (bound, "3"));
        assert_eq!(server.bound(), 1);
    }

    #[test]
    fn a_binding_needs_the_very_pod_at_the_very_version() {
        let mut server = server(pod("a").build());
        check_refused(&mut server, &bind("other", "1", "n1"), 409);
        check_refused(&mut server, &bind("default/a", "7", "n1"), 409);
        let mut nobody = ApiServer::default();
        check_refused(&mut nobody, &bind("default/a", "1", "n1"), 404);
        // Without a version any will do, as upstream.
        assert_eq!(server.call(&bind("default/a", "", "n1")).outcome, Outcome::Applied(None));
    }

    #[test]
    fn a_pod_is_bound_once_and_neither_while_it_is_gated_nor_while_it_goes() {
        let mut taken = server(pod("a").build());
        taken.call(&bind("default/a", "1", "n1"));
        check_refused(&mut taken, &bind("default/a", "2", "n1"), 409);
        check_refused(&mut taken, &bind("default/a", "2", "n2"), 409);
        assert_eq!(taken.bound(), 1);
        for pod in [pod("a").gate("wait"), pod("a").terminating()] {
            check_refused(&mut server(pod.build()), &bind("default/a", "1", "n1"), 409);
        }
    }

    #[test]
    fn a_fence_makes_a_version_that_no_lost_binding_can_pass() {
        let mut server = server(pod("a").build());
        let answer = server.call(&fence("default/a", "1", "n1"));
        assert_eq!(answer.outcome, Outcome::Applied(Some("2".into())));
        assert_eq!(&*answer.pod.unwrap().status.nominated_node_name, "n1");
        check_refused(&mut server, &bind("default/a", "1", "n1"), 409);
        check_refused(&mut server, &fence("default/a", "1", "n2"), 409);
        check_refused(&mut server, &fence("other", "2", "n2"), 422);
        check_refused(&mut ApiServer::default(), &fence("default/a", "1", "n1"), 404);
    }

    #[test]
    fn a_binding_that_has_landed_is_not_fenced() {
        let mut server = server(pod("a").build());
        server.call(&bind("default/a", "1", "n1"));
        check_refused(&mut server, &fence("default/a", "1", "n1"), 409);
    }

    #[test]
    fn a_write_that_changes_nothing_makes_no_version_and_no_event() {
        let mut server = server(pod("a").build());
        assert!(server.call(&condition("no room")).event.is_some());
        let again = server.call(&condition("no room"));
        assert_eq!(again.outcome, Outcome::Applied(Some("2".into())));
        assert!(again.event.is_none());
        assert!(server.call(&condition("less room")).event.is_some());
        assert_eq!(version(&server), "3");
        let same = server.call(&fence("default/a", "3", ""));
        assert!(same.event.is_none(), "a fence has to change the value");
    }

    #[test]
    fn a_name_is_free_again_after_a_deletion_and_the_new_pod_is_another() {
        let unnamed = || pod("a").build();
        let mut server = server(unnamed());
        assert!(server.create(unnamed()).is_none(), "the name is taken");
        let Some(Event::Pod(Change::Delete { uid, .. })) = server.delete(&key()) else {
            panic!("watchers see it");
        };
        assert_eq!(&*uid, "default/a");
        assert!(server.delete(&key()).is_none());
        check_refused(&mut server, &Op::GetPod { pod: key() }, 404);
        let mut without_uid = unnamed();
        without_uid.metadata.uid = "".into();
        assert!(server.create(without_uid).is_some());
        assert_eq!(&*server.pod(&key()).unwrap().metadata.uid, "sim-1");
        assert_eq!(version(&server), "3");
        let got = server.call(&Op::GetPod { pod: key() });
        assert_eq!(got.outcome, Outcome::Applied(Some("3".into())));
    }
}
