//! What a process must know by now: the oracle's own reading of the lists and watches it was sent.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::feed::Heard;
use super::history::{Kind, Object};
use super::replica::Line;
use crate::api;
use crate::model::{Instant, PodKey, Str};
use crate::watch::Request;

/// What one process knows.
#[derive(Debug, Default)]
pub struct Mirror {
    pub pods: BTreeMap<PodKey, Arc<api::Pod>>,
    pub nodes: BTreeMap<PodKey, Arc<api::Node>>,
    feeds: [Feed; 2],
    /// Pods that answers to calls carried and the scheduler has yet to read.
    answers: Vec<Arc<api::Pod>>,
    /// Pods, by uid, that such an answer showed to have ended: what a watch shows of them then is
    /// older.
    ended: BTreeSet<Str>,
}

#[derive(Debug, Default)]
struct Feed {
    /// What was heard since the scheduler was told last; none for what is gone.
    fresh: BTreeMap<PodKey, Option<Object>>,
    /// What the list that is being read has shown so far.
    shown: Option<BTreeSet<PodKey>>,
    /// The connection can still be read.
    open: bool,
    lists: u64,
    /// The scheduler was told of a whole list.
    told_list: bool,
    /// When anything that proves the picture current was heard.
    heard: Option<Instant>,
}

impl Mirror {
    /// A feed sends a request; what came before is not read any more.
    pub fn asks(&mut self, kind: Kind, request: &Request) {
        let feed = self.feed(kind);
        feed.open = true;
        match request {
            Request::List { continue_token: Some(_), .. } => {}
            Request::List { .. } | Request::StreamingList { .. } => {
                feed.shown = Some(BTreeSet::new());
            }
            Request::Watch { .. } => feed.shown = None,
        }
    }

    /// A feed reads something.
    pub fn hears(&mut self, now: Instant, kind: Kind, heard: &Heard) {
        if !self.feed(kind).open {
            return;
        }
        match heard {
            Heard::Opened | Heard::Newest(_) | Heard::Audited(_) => {}
            Heard::Refused(_) => self.feed(kind).open = false,
            Heard::Page(page) => {
                page.objects.iter().for_each(|object| self.feed(kind).upsert(object));
                if page.token.is_empty() {
                    self.end_list(now, kind);
                }
            }
            Heard::Line(line) => self.reads(now, kind, line),
        }
    }

    /// An answer to a call carries a pod.
    pub fn answered(&mut self, pod: &api::Pod) {
        self.answers.push(Arc::new(pod.clone()));
    }

    /// The scheduler reads all answers. They may tell more of a known pod than the watch has. Of
    /// one that is not known nobody can say whether it is yet to be shown or gone already.
    pub fn read_answers(&mut self) {
        for pod in std::mem::take(&mut self.answers) {
            let key = Object::Pod(pod.clone()).key();
            if let Some(known) = self.pods.get(&key).filter(|known| is_heir(&pod, known)) {
                self.ended.insert(known.metadata.uid.clone());
                self.pods.remove(&key);
            }
            if !self.pods.get(&key).is_some_and(|known| is_newer(&pod, known)) {
                continue;
            }
            // One that has ended is as good as gone.
            if pod.is_terminal() {
                self.ended.insert(pod.metadata.uid.clone());
                self.pods.remove(&key);
            } else {
                self.pods.insert(key, pod);
            }
        }
    }

    /// The scheduler is told all that was heard of a kind.
    pub fn told(&mut self, kind: Kind) {
        let feed = self.feed(kind);
        feed.told_list = feed.lists > 0;
        for (key, object) in std::mem::take(&mut feed.fresh) {
            match (kind, object) {
                (_, Some(Object::Pod(pod)))
                    if self.pods.get(&key).is_some_and(|known| is_newer(known, &pod)) => {}
                (_, Some(Object::Pod(pod))) if self.ended.contains(&pod.metadata.uid) => {}
                (_, Some(Object::Pod(pod))) => _ = self.pods.insert(key, pod),
                (_, Some(Object::Node(node))) => _ = self.nodes.insert(key, node),
                (Kind::Pods, None) => _ = self.pods.remove(&key),
                (Kind::Nodes, None) => _ = self.nodes.remove(&key),
            }
        }
    }

    /// Whether the scheduler was told of a whole list of every kind.
    pub fn is_listed(&self) -> bool {
        self.feeds.iter().all(|feed| feed.told_list)
    }

    /// When the older of the two pictures was last known to be current.
    pub fn heard(&self) -> Option<Instant> {
        self.feeds.iter().map(|feed| feed.heard).min().flatten()
    }

    /// How many lists were completed.
    pub fn lists(&self) -> u64 {
        self.feeds.iter().map(|feed| feed.lists).sum()
    }

    fn reads(&mut self, now: Instant, kind: Kind, line: &Line) {
        let feed = self.feed(kind);
        match line {
            Line::Upsert(object) => feed.upsert(object),
            Line::Deleted(object) => {
                feed.shown.iter_mut().for_each(|shown| _ = shown.remove(&object.key()));
                feed.fresh.insert(object.key(), None);
            }
            Line::Bookmark { ends_list: true, .. } => self.end_list(now, kind),
            Line::Bookmark { .. } => {}
            Line::Expired | Line::CutShort | Line::End | Line::Break => feed.open = false,
        }
        let feed = self.feed(kind);
        if feed.open && feed.shown.is_none() {
            feed.heard = Some(now);
        }
    }

    /// What the list did not show is gone.
    fn end_list(&mut self, now: Instant, kind: Kind) {
        let known: Vec<PodKey> = match kind {
            Kind::Pods => self.pods.keys().cloned().collect(),
            Kind::Nodes => self.nodes.keys().cloned().collect(),
        };
        let feed = self.feed(kind);
        feed.lists += 1;
        feed.heard = Some(now);
        let Some(shown) = feed.shown.take() else { return };
        let known = known.into_iter().chain(feed.fresh.keys().cloned());
        let gone: Vec<PodKey> = known.filter(|key| !shown.contains(key)).collect();
        feed.fresh.extend(gone.into_iter().map(|key| (key, None)));
    }

    fn feed(&mut self, kind: Kind) -> &mut Feed {
        &mut self.feeds[kind as usize]
    }
}

/// Whether the first is a later state of the same pod.
fn is_newer(pod: &api::Pod, than: &api::Pod) -> bool {
    pod.metadata.uid == than.metadata.uid && version(pod) > version(than)
}

/// Whether the first came under the name of the other when that one was gone.
fn is_heir(pod: &api::Pod, of: &api::Pod) -> bool {
    pod.metadata.uid != of.metadata.uid && version(pod) > version(of)
}

fn version(pod: &api::Pod) -> u64 {
    pod.metadata.resource_version.parse().unwrap_or(0)
}

impl Feed {
    fn upsert(&mut self, object: &Object) {
        let key = object.key();
        self.shown.iter_mut().for_each(|shown| _ = shown.insert(key.clone()));
        self.fresh.insert(key, Some(object.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sim::faults::feed::Listed;
    use crate::testing::pod;

    fn object(name: &str) -> Object {
        Object::Pod(Arc::new(pod(name).build()))
    }

    fn line(line: Line) -> Heard {
        Heard::Line(line)
    }

    fn page(names: &[&str], token: &str) -> Heard {
        let objects = names.iter().map(|name| object(name)).collect();
        Heard::Page(Listed { objects, revision: 1, token: token.into() })
    }

    fn names(mirror: &Mirror) -> Vec<&str> {
        mirror.pods.keys().map(|key| &*key.name).collect()
    }

    #[test]
    fn only_what_the_scheduler_was_told_counts() {
        let mut mirror = Mirror::default();
        let list = Request::List { limit: None, continue_token: None };
        mirror.asks(Kind::Pods, &list);
        mirror.hears(Instant(1), Kind::Pods, &page(&["a", "b"], ""));
        assert_eq!(names(&mirror), [""; 0]);
        mirror.told(Kind::Pods);
        assert_eq!(names(&mirror), ["a", "b"]);
        assert!(!mirror.is_listed(), "the nodes are missing");
    }

    #[test]
    fn a_list_takes_away_what_it_does_not_show() {
        let mut mirror = Mirror::default();
        let list = Request::List { limit: None, continue_token: None };
        mirror.asks(Kind::Pods, &list);
        mirror.hears(Instant(1), Kind::Pods, &page(&["a", "b", "c"], ""));
        mirror.told(Kind::Pods);
        mirror.asks(Kind::Pods, &list);
        mirror.hears(Instant(2), Kind::Pods, &page(&["b"], "more"));
        mirror.told(Kind::Pods);
        assert_eq!(names(&mirror), ["a", "b", "c"]);
        mirror.hears(Instant(3), Kind::Pods, &page(&["d"], ""));
        mirror.told(Kind::Pods);
        assert_eq!(names(&mirror), ["b", "d"]);
    }

    #[test]
    fn a_watch_changes_one_object_at_a_time() {
        let mut mirror = Mirror::default();
        let watch = Request::Watch { resource_version: "1".into(), timeout_seconds: 1 };
        mirror.asks(Kind::Pods, &watch);
        mirror.hears(Instant(1), Kind::Pods, &line(Line::Upsert(object("a"))));
        mirror.hears(Instant(2), Kind::Pods, &line(Line::Upsert(object("b"))));
        mirror.hears(Instant(3), Kind::Pods, &line(Line::Deleted(object("a"))));
        mirror.hears(Instant(4), Kind::Pods, &line(Line::Break));
        mirror.hears(Instant(5), Kind::Pods, &line(Line::Upsert(object("c"))));
        mirror.told(Kind::Pods);
        assert_eq!(names(&mirror), ["b"]);
    }
}
