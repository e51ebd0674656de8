//! What really happened: every write in its order, as etcd has it.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::api::{self, ObjectMeta};
use crate::model::PodKey;

/// The kinds that the model has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    Pods,
    Nodes,
}

#[derive(Clone, Debug, PartialEq)]
pub enum Object {
    Pod(Arc<api::Pod>),
    Node(Arc<api::Node>),
}

/// Who wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Writer {
    /// One of our processes, by its number.
    Quorate(usize),
    /// Anybody else.
    Other,
}

/// One write. Its revision is the object's new version.
#[derive(Clone, Debug)]
pub struct Write {
    pub revision: u64,
    pub by: Writer,
    pub kind: Kind,
    pub key: PodKey,
    pub old: Option<Object>,
    pub new: Option<Object>,
}

/// All writes, and what they add up to.
#[derive(Debug, Default)]
pub struct History {
    log: Vec<Write>,
    pub pods: BTreeMap<PodKey, Arc<api::Pod>>,
    pub nodes: BTreeMap<PodKey, Arc<api::Node>>,
}

impl Kind {
    pub const ALL: [Self; 2] = [Self::Pods, Self::Nodes];

    pub fn name(self) -> &'static str {
        match self {
            Self::Pods => "pods",
            Self::Nodes => "nodes",
        }
    }
}

impl Object {
    pub fn kind(&self) -> Kind {
        match self {
            Self::Pod(_) => Kind::Pods,
            Self::Node(_) => Kind::Nodes,
        }
    }

    pub fn meta(&self) -> &ObjectMeta {
        match self {
            Self::Pod(pod) => &pod.metadata,
            Self::Node(node) => &node.metadata,
        }
    }

    pub fn key(&self) -> PodKey {
        let meta = self.meta();
        PodKey { namespace: meta.namespace.clone(), name: meta.name.clone() }
    }

    /// The version as a number.
    #[cfg(test)]
    pub fn revision(&self) -> u64 {
        self.meta().resource_version.parse().unwrap_or(0)
    }

    pub fn at_revision(mut self, revision: u64) -> Self {
        let meta = match &mut self {
            Self::Pod(pod) => &mut Arc::make_mut(pod).metadata,
            Self::Node(node) => &mut Arc::make_mut(node).metadata,
        };
        meta.resource_version = revision.to_string().into();
        self
    }

    /// Whether lists and watches with the daemon's field selectors show it.
    pub fn is_shown(&self) -> bool {
        match self {
            Self::Pod(pod) => &*pod.status.phase != "Succeeded",
            Self::Node(_) => true,
        }
    }
}

impl History {
    /// The version of the last write.
    pub fn revision(&self) -> u64 {
        self.log.len() as u64
    }

    /// The writes after a revision, oldest first.
    pub fn after(&self, revision: u64) -> &[Write] {
        let from = usize::try_from(revision).unwrap_or(usize::MAX).min(self.log.len());
        &self.log[from..]
    }

    /// Writes an object under its name.
    pub fn put(&mut self, by: Writer, object: Object) -> &Write {
        let revision = self.revision() + 1;
        let object = object.at_revision(revision);
        let (kind, key) = (object.kind(), object.key());
        let old = match &object {
            Object::Pod(pod) => self.pods.insert(key.clone(), pod.clone()).map(Object::Pod),
            Object::Node(node) => self.nodes.insert(key.clone(), node.clone()).map(Object::Node),
        };
        self.log(Write { revision, by, kind, key, old, new: Some(object) })
    }

    /// Removes an object, if it is there.
    pub fn remove(&mut self, by: Writer, kind: Kind, key: &PodKey) -> Option<&Write> {
        let old = match kind {
            Kind::Pods => self.pods.remove(key).map(Object::Pod),
            Kind::Nodes => self.nodes.remove(key).map(Object::Node),
        };
        let old = Some(old?);
        let revision = self.revision() + 1;
        let key = key.clone();
        Some(self.log(Write { revision, by, kind, key, old, new: None }))
    }

    /// The shown objects of a kind as they were at a revision, by name.
    pub fn shown_at(&self, kind: Kind, revision: u64) -> Vec<Object> {
        let objects: Vec<Object> = if revision >= self.revision() {
            match kind {
                Kind::Pods => self.pods.values().cloned().map(Object::Pod).collect(),
                Kind::Nodes => self.nodes.values().cloned().map(Object::Node).collect(),
            }
        } else {
            let mut then = BTreeMap::new();
            let writes = self.log.iter().take_while(|write| write.revision <= revision);
            for write in writes.filter(|write| write.kind == kind) {
                match &write.new {
                    Some(object) => then.insert(&write.key, object.clone()),
                    None => then.remove(&write.key),
                };
            }
            then.into_values().collect()
        };
        objects.into_iter().filter(Object::is_shown).collect()
    }

    fn log(&mut self, write: Write) -> &Write {
        self.log.push(write);
        &self.log[self.log.len() - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{node, pod};

    fn names(objects: &[Object]) -> Vec<String> {
        let named = objects.iter().map(|o| format!("{}@{}", o.meta().name, o.revision()));
        named.collect()
    }

    #[test]
    fn the_past_can_be_seen_again() {
        let mut history = History::default();
        let put = |history: &mut History, name: &str, phase: &str| {
            let pod = pod(name).phase(phase).build();
            history.put(Writer::Other, Object::Pod(Arc::new(pod))).revision
        };
        put(&mut history, "a", "Pending");
        put(&mut history, "b", "Pending");
        history.put(Writer::Other, Object::Node(Arc::new(node("n").build())));
        put(&mut history, "a", "Running");
        history.remove(Writer::Other, Kind::Pods, &PodKey::new("default", "b"));
        put(&mut history, "a", "Succeeded");
        let check = |kind: Kind, revision: u64, expected: &[&str]| {
            assert_eq!(names(&history.shown_at(kind, revision)), expected, "{revision}");
        };
        check(Kind::Pods, 0, &[]);
        check(Kind::Pods, 2, &["a@1", "b@2"]);
        check(Kind::Pods, 4, &["a@4", "b@2"]);
        check(Kind::Pods, 5, &["a@4"]);
        check(Kind::Pods, 6, &[]);
        check(Kind::Nodes, 6, &["n@3"]);
        assert_eq!(history.after(4).len(), 2);
        assert!(history.remove(Writer::Other, Kind::Pods, &PodKey::new("x", "b")).is_none());
    }
}
