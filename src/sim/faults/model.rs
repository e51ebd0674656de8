//! The model of the API server as one client sees it that has no bad luck. The tests hold it
//! beside a real one; the simulation makes it lag, forget and fail.

use std::sync::Arc;

use super::election::LeaseObject;
use super::history::{History, Kind, Object, Writer};
use super::replica::{Line, Replica};
use crate::api;
use crate::lease;
use crate::model::{Instant, PodKey};
use crate::scheduler::Op;
use crate::sim::rules::{Ruling, key_of, rule};

/// Pods and a lease.
#[derive(Debug, Default)]
pub struct ApiModel {
    history: History,
    lease: LeaseObject,
}

/// An answer that refuses: the HTTP status and the reason of the Status object.
pub type Refused = (u16, &'static str);

/// What a watch shows.
#[derive(Clone, Debug, PartialEq)]
pub enum Shown {
    Upsert(Arc<api::Pod>),
    Deleted(Arc<api::Pod>),
}

impl ApiModel {
    pub fn pod(&self, key: &PodKey) -> Option<&api::Pod> {
        self.history.pods.get(key).map(|pod| &**pod)
    }

    /// The version of the last write.
    pub fn revision(&self) -> u64 {
        self.history.revision()
    }

    /// Somebody makes a pod.
    pub fn create(&mut self, pod: api::Pod) -> Result<(), Refused> {
        if self.history.pods.contains_key(&api::Object::key(&pod)) {
            return Err((409, "AlreadyExists"));
        }
        self.put(pod);
        Ok(())
    }

    /// Somebody changes a pod, if that changes anything.
    pub fn change(
        &mut self,
        key: &PodKey,
        change: impl FnOnce(&mut api::Pod),
    ) -> Result<(), Refused> {
        let old = self.pod(key).ok_or(NOT_FOUND)?;
        let mut new = old.clone();
        change(&mut new);
        if new != *old {
            self.put(new);
        }
        Ok(())
    }

    /// Somebody deletes a pod: one that may run gets time to end, others are gone at once. The
    /// deletion is written down first, also where it takes no time.
    pub fn delete(&mut self, key: &PodKey, at_once: bool) -> Result<(), Refused> {
        let mut pod = self.pod(key).ok_or(NOT_FOUND)?.clone();
        let going = pod.metadata.deletion_timestamp.is_some();
        let gone = at_once || pod.spec.node_name.is_empty() || pod.is_terminal();
        if going && !gone {
            return Ok(());
        }
        if !going {
            pod.metadata.deletion_timestamp = Some(jiff::Timestamp::UNIX_EPOCH);
            pod.metadata.generation += 1;
        }
        self.put(pod);
        if gone {
            self.history.remove(Writer::Other, Kind::Pods, key);
        }
        Ok(())
    }

    /// Carries out a call of the scheduler.
    pub fn call(&mut self, op: &Op) -> Result<(), Refused> {
        let pod = key_of(op).and_then(|key| self.pod(key));
        match rule(op, pod) {
            Ruling::Unchanged => {}
            Ruling::Changed(pod) => self.put(*pod),
            Ruling::Refused(code) => return Err((code, reason(code))),
        }
        Ok(())
    }

    /// A consistent list, with the daemon's field selector, by name.
    pub fn list(&self) -> Vec<Arc<api::Pod>> {
        let shown = self.history.shown_at(Kind::Pods, self.revision());
        shown.into_iter().filter_map(pod_of).collect()
    }

    /// What a watch from a version shows, with the daemon's field selector.
    pub fn watch(&self, from: u64) -> Vec<Shown> {
        let replica = Replica { applied: self.revision(), ..Replica::default() };
        let lines = replica.lines(&self.history, Kind::Pods, from);
        let shown = lines.into_iter().filter_map(|line| match line {
            Line::Upsert(object) => pod_of(object).map(Shown::Upsert),
            Line::Deleted(object) => pod_of(object).map(Shown::Deleted),
            _ => None,
        });
        shown.collect()
    }

    /// Carries out a call of a candidate.
    pub fn lease(&mut self, request: &lease::Request) -> lease::Answer {
        self.lease.call(request, Instant(0))
    }

    fn put(&mut self, pod: api::Pod) {
        self.history.put(Writer::Other, Object::Pod(Arc::new(pod)));
    }
}

const NOT_FOUND: Refused = (404, "NotFound");

fn pod_of(object: Object) -> Option<Arc<api::Pod>> {
    match object {
        Object::Pod(pod) => Some(pod),
        Object::Node(_) => None,
    }
}

fn reason(code: u16) -> &'static str {
    match code {
        404 => "NotFound",
        409 => "Conflict",
        422 => "Invalid",
        _ => "",
    }
}
