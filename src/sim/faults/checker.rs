//! The oracle: watches every call and every write, and says which promise was broken. It reads the
//! history and what was sent to each process, and shares no code with the core.
//!
//! | invariant | promise |
//! |---|---|
//! | S1 | a pod is bound once, and never promised to two nodes at a time |
//! | S2 | no node is given more than it has, as far as anybody could know |
//! | S3 | required constraints hold |
//! | S5 | pods of others, gated pods and pods that are going are left alone |
//! | S6 | nothing is sent later than its time, nor while the picture is old |
//! | S7 | a leader knows what those before it have bound |
//! | S8 | the patience that the API server asks for is had |
//! | S9 | no audit finds the cache to differ from the API server |
//! | L1 | once faults end, every pod that fits somewhere is bound |
//! | L2 | no pod is lost: what waits in the API waits in the queue |
//! | L3 | the cache is what the API server has |
//! | L4 | then nothing is written or listed any more |

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::election::RENEW_DEADLINE;
use super::history::{History, Object, Write, Writer};
use super::mirror::Mirror;
use super::pods::OURS;
use super::scene::{Placed, Room, Scene};
use crate::api;
use crate::lease;
use crate::model::{Instant, PodKey, Str};
use crate::scheduler::{AuditResults, Effect, EffectId, Op, Outcome};

/// A picture older than this must not be decided on.
const STALE_AFTER: Duration = Duration::from_secs(90);
/// What a decision may still be under way when the picture turns old.
const STALE_GRACE: Duration = Duration::from_secs(4);
/// No patience is longer, whatever the API server asks for.
const PATIENCE_MAX: Duration = Duration::from_secs(60);
/// The patience that is meant where none is named.
const PATIENCE_DEFAULT: Duration = Duration::from_secs(1);

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    pub invariant: &'static str,
    pub text: String,
    /// Names to look for in the trace.
    pub about: Vec<String>,
}

/// Watches.
#[derive(Debug, Default)]
pub struct Checker {
    pub mirrors: BTreeMap<usize, Mirror>,
    posts: Vec<Post>,
    /// The last binding of each pod that a process decided, since it was started.
    latest: BTreeMap<(usize, Str), PostId>,
    /// The bindings that have been decided and have not left yet.
    wanted: BTreeMap<(usize, EffectId), PostId>,
    /// Who bound a pod.
    bound_by: BTreeMap<Str, Writer>,
    /// The candidates, by process.
    candidates: BTreeMap<usize, Candidate>,
    /// Until when each process is to be patient, and since when it knows.
    patience: BTreeMap<usize, (Instant, Instant)>,
    pub broken: Option<Broken>,
}

/// What a process may know of its right to write.
#[derive(Debug, Default)]
struct Candidate {
    /// The last write of the lease: its number, and when it was sent.
    write: Option<(u64, Instant)>,
    /// When the last write that was answered well was sent.
    renewed: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PostId(usize);

/// A binding that was decided.
#[derive(Debug)]
struct Post {
    process: usize,
    key: PodKey,
    uid: Str,
    node: Str,
    resource_version: Str,
    /// Copies of it that may still arrive, or leave.
    copies: u32,
    /// It has left its process.
    left: bool,
    landed: bool,
    /// The pods that were known to count on the node.
    known: BTreeSet<Str>,
    /// The node as it was known.
    seen: Option<Arc<api::Node>>,
}

/// What a process wants done, or does.
#[derive(Clone, Copy)]
pub struct Wanted<'a> {
    pub process: usize,
    pub effect: &'a Effect,
    /// On the clock of the process.
    pub now: Instant,
}

impl Checker {
    /// A process starts from nothing.
    pub fn started(&mut self, process: usize) {
        self.mirrors.insert(process, Mirror::default());
        self.latest.retain(|(other, _), _| *other != process);
        // What the one before it wanted has left or never will.
        let all: Vec<_> =
            self.wanted.keys().filter(|(other, _)| *other == process).copied().collect();
        all.into_iter().for_each(|(_, id)| self.stays(process, id));
        // What has left has landed by now or is lost.
        let left = self.posts.iter_mut().filter(|post| post.process == process);
        left.for_each(|post| post.copies = 0);
        self.patience.remove(&process);
        self.candidates.remove(&process);
    }

    /// The scheduler wants something done. Bindings count from then on.
    pub fn wants(&mut self, sent: Wanted<'_>, history: &History) {
        let (uid, key) = match &sent.effect.op {
            Op::Bind { pod, uid, .. } => (uid.clone(), pod),
            Op::Fence { pod, uid, .. }
            | Op::Nominate { pod, uid, .. }
            | Op::PatchCondition { pod, uid, .. } => {
                return self.check_scope(sent.process, pod, uid, false);
            }
            Op::GetPod { .. } | Op::Record { .. } | Op::Write { .. } => return,
        };
        let uid = if uid.is_empty() { self.uid_of(sent.process, key) } else { uid };
        self.check_succession(sent.process, key, history);
        self.check_time(sent, key);
        self.check_scope(sent.process, key, &uid, true);
        self.remember(sent, uid, history);
    }

    /// A call leaves its process. Says which binding it is.
    pub fn leaves(&mut self, sent: Wanted<'_>) -> Option<PostId> {
        if sent.now > sent.effect.not_after {
            self.report("S6", format!("sent after its time: {:?}", sent.effect.op), &[]);
        }
        let held = self.candidates.get(&sent.process).is_none_or(|candidate| {
            let renewed = candidate.renewed;
            renewed.is_some_and(|renewed| sent.now <= renewed.plus(RENEW_DEADLINE))
        });
        if !held && !matches!(sent.effect.op, Op::GetPod { .. }) {
            self.report("S6", format!("sent without the lease: {:?}", sent.effect.op), &[]);
        }
        let post = self.wanted.remove(&(sent.process, sent.effect.id));
        if let Some(post) = post.and_then(|PostId(at)| self.posts.get_mut(at)) {
            post.left = true;
        }
        post
    }

    /// A candidate sends a call about the lease.
    pub fn stands(&mut self, process: usize, call: &lease::Call, now: Instant) {
        let candidate = self.candidates.entry(process).or_default();
        if call.request != lease::Request::Get {
            candidate.write = Some((call.number, now));
        }
    }

    /// A candidate reads the answer to a call.
    pub fn elected(&mut self, process: usize, number: u64, answer: &lease::Answer) {
        let Some(candidate) = self.candidates.get_mut(&process) else { return };
        if let (Some((write, sent)), lease::Answer::Found(_)) = (candidate.write, answer)
            && write == number
        {
            candidate.renewed = Some(sent);
        }
    }

    /// A call never leaves.
    pub fn stays(&mut self, process: usize, id: EffectId) {
        let post = self.wanted.remove(&(process, id));
        self.arrived(post, false);
    }

    /// A copy of a binding arrived, or was lost for good.
    pub fn arrived(&mut self, post: Option<PostId>, landed: bool) {
        if let Some(post) = post.and_then(|PostId(at)| self.posts.get_mut(at)) {
            post.copies = post.copies.saturating_sub(1);
            post.landed |= landed;
        }
    }

    /// One more copy of a binding is under way.
    pub fn copied(&mut self, post: Option<PostId>) {
        if let Some(post) = post.and_then(|PostId(at)| self.posts.get_mut(at)) {
            post.copies += 1;
        }
    }

    /// A process reads the answer to a binding.
    pub fn answered(&mut self, process: usize, now: Instant, outcome: &Outcome) {
        if let Outcome::Refused { code: 429, retry_after } = outcome {
            let asked = retry_after.unwrap_or(PATIENCE_DEFAULT).min(PATIENCE_MAX);
            let (until, _) = self.patience.get(&process).copied().unwrap_or_default();
            self.patience.insert(process, (until.max(now.plus(asked)), now));
        }
    }

    /// Something was written.
    pub fn wrote(&mut self, write: &Write, post: Option<PostId>, history: &History) {
        let (Some(Object::Pod(new)), Some(Object::Pod(old))) = (&write.new, &write.old) else {
            return;
        };
        let (from, to) = (&old.spec.node_name, &new.spec.node_name);
        if from == to || old.metadata.uid != new.metadata.uid {
            return;
        }
        let uid = new.metadata.uid.clone();
        if let Some(first) = self.bound_by.insert(uid, write.by) {
            let text = format!("{} was bound by {first:?} and by {:?}", write.key, write.by);
            self.report("S1", text, &[&write.key.name]);
        }
        if let Some(PostId(at)) = post {
            self.check_commit(at, new, history);
        }
    }

    /// What the audits of a process have found.
    pub fn audited(&mut self, process: usize, results: &AuditResults) {
        if let Some((key, field)) = &results.last {
            let text = format!("an audit of process {process} found {key} to differ in {field}");
            self.report("S9", text, &[&key.name]);
        }
    }

    pub fn report(&mut self, invariant: &'static str, text: String, about: &[&str]) {
        if self.broken.is_none() {
            let about = about.iter().map(|name| (*name).to_owned()).collect();
            self.broken = Some(Broken { invariant, text, about });
        }
    }

    fn check_time(&mut self, sent: Wanted<'_>, key: &PodKey) {
        let mirror = self.mirrors.get(&sent.process);
        if !mirror.is_some_and(Mirror::is_listed) {
            return self.report("S2", format!("{key} was bound before all was listed"), &[]);
        }
        let heard = mirror.and_then(Mirror::heard);
        let age = heard.map_or(Duration::MAX, |heard| sent.now.since(heard));
        if age > STALE_AFTER + STALE_GRACE {
            let text = format!("{key} was bound on a picture {} s old", age.as_secs());
            self.report("S6", text, &[&key.name]);
        }
        let patience = self.patience.get(&sent.process);
        if patience.is_some_and(|(until, since)| sent.now > *since && sent.now < *until) {
            self.report("S8", format!("{key} was bound while 429 asked for patience"), &[]);
        }
    }

    /// A leader must know what those before it have bound.
    fn check_succession(&mut self, process: usize, key: &PodKey, history: &History) {
        if self.candidates.is_empty() {
            return;
        }
        let Some(mirror) = self.mirrors.get(&process) else { return };
        let mut unknown = history.pods.iter().filter(|(key, pod)| {
            let by = self.bound_by.get(&pod.metadata.uid);
            let other = matches!(by, Some(Writer::Quorate(other)) if *other != process);
            let known =
                mirror.pods.get(*key).filter(|known| known.metadata.uid == pod.metadata.uid);
            other && holds(pod) && known.is_none_or(|known| known.spec.node_name.is_empty())
        });
        if let Some((bound, _)) = unknown.next().map(|(key, pod)| (key.clone(), pod)) {
            let text =
                format!("{key} is bound by a leader that knows nothing of {bound}'s binding");
            self.report("S7", text, &[&key.name, &bound.name]);
        }
    }

    /// Only pods of ours are written, and only those bound that wait.
    fn check_scope(&mut self, process: usize, key: &PodKey, uid: &Str, bind: bool) {
        let pod = self.mirrors.get(&process).and_then(|mirror| mirror.pods.get(key));
        let wrong = match pod.filter(|pod| pod.metadata.uid == *uid) {
            None if bind => Some("is known to be gone"),
            None => None,
            Some(pod) if &*pod.spec.scheduler_name != OURS => Some("is none of ours"),
            Some(pod) if bind && !pod.spec.scheduling_gates.is_empty() => Some("is gated"),
            Some(pod) if bind && pod.metadata.deletion_timestamp.is_some() => Some("is going"),
            Some(pod) if bind && !pod.spec.node_name.is_empty() => Some("has a node"),
            Some(_) => None,
        };
        if let Some(wrong) = wrong {
            self.report("S5", format!("{key} is written and {wrong}"), &[&key.name]);
        }
    }

    /// Checks a binding against what its process must know.
    fn remember(&mut self, sent: Wanted<'_>, uid: Str, history: &History) {
        let Op::Bind { pod: key, resource_version, node, .. } = &sent.effect.op else {
            return;
        };
        let Some(mirror) = self.mirrors.get(&sent.process) else { return };
        let placed = self.placed(sent.process, &uid, mirror, history);
        let on_node = placed.iter().filter(|placed| *placed.node == *node);
        let known = on_node.map(|placed| placed.pod.metadata.uid.clone()).collect();
        let scene = Scene { nodes: &mirror.nodes, placed };
        let pod = mirror.pods.get(key);
        let refused = pod.and_then(|pod| scene.refuses(pod, node));
        let seen = mirror.nodes.get(&PodKey::new("", node.clone())).cloned();
        if let Some((invariant, reason)) = refused {
            let text = format!("{key} is sent to {node}, but {reason}");
            self.report(invariant, text, &[&key.name, node]);
        }
        self.check_promises(sent.process, &uid, node, history);
        self.posts.push(Post {
            process: sent.process,
            key: key.clone(),
            uid: uid.clone(),
            node: node.clone(),
            resource_version: resource_version.clone(),
            copies: 1,
            left: false,
            landed: false,
            known,
            seen,
        });
        let post = PostId(self.posts.len() - 1);
        self.latest.insert((sent.process, uid), post);
        self.wanted.insert((sent.process, sent.effect.id), post);
    }

    /// Another binding of the pod to another node must not be able to land any more. One that has
    /// not left another process must not leave it either, which is looked at when it does.
    fn check_promises(&mut self, process: usize, uid: &Str, node: &Str, history: &History) {
        let mut others = self.posts.iter().filter(|post| {
            (post.left || post.process == process)
                && post.uid == *uid
                && post.node != *node
                && post.may_land(history)
        });
        if let Some(other) = others.next() {
            let text = format!(
                "{} is sent to {node} while a binding to {} may still land",
                other.key, other.node
            );
            let about = [other.key.name.clone(), other.node.clone(), node.clone()];
            self.report("S1", text, &about.each_ref().map(|name| &**name));
        }
    }

    /// The pods that a process must count, but for the one that it sends: those shown on nodes, and
    /// those that it has sent there itself.
    fn placed<'a>(
        &'a self,
        process: usize,
        but: &Str,
        mirror: &'a Mirror,
        history: &History,
    ) -> Vec<Placed<'a>> {
        let shown = mirror.pods.values();
        let shown = shown.filter(|pod| !pod.spec.node_name.is_empty() && holds(pod));
        let shown = shown.map(|pod| Placed { pod, node: &pod.spec.node_name, doubtful: false });
        let sent = self.latest.range((process, Str::default())..(process + 1, Str::default()));
        let sent = sent.filter_map(|((_, uid), PostId(at))| {
            let post = self.posts.get(*at)?;
            let pod = mirror.pods.get(&post.key)?;
            let waits = pod.metadata.uid == *uid && pod.spec.node_name.is_empty();
            (waits && uid != but).then(|| {
                let doubtful = !post.counts(history);
                Placed { pod, node: &post.node, doubtful }
            })
        });
        shown.chain(sent).collect()
    }

    /// A binding of ours was carried out. What was not known when it was sent explains too little
    /// room, and nothing else does.
    fn check_commit(&mut self, at: usize, pod: &api::Pod, history: &History) {
        let Some(post) = self.posts.get(at) else { return };
        let Some(node) = history.nodes.get(&PodKey::new("", post.node.clone())) else {
            return;
        };
        let Some(seen) = &post.seen else { return };
        let offered = Room::of_node(node).max(Room::of_node(seen));
        let ours = |uid: &Str| matches!(self.bound_by.get(uid), Some(Writer::Quorate(_)));
        let on_node = history.pods.values().filter(|other| {
            let uid = &other.metadata.uid;
            other.spec.node_name == post.node
                && *uid != pod.metadata.uid
                && holds(other)
                && (post.known.contains(uid) || ours(uid))
        });
        let taken = on_node.fold(Room::default(), |sum, pod| sum.plus(Room::of_pod(pod)));
        if !taken.plus(Room::of_pod(pod)).fits(offered) {
            let (key, node) = (post.key.clone(), post.node.clone());
            let text = format!(
                "{key} landed on {node}, where {taken:?} of {offered:?} were known to be taken"
            );
            self.report("S2", text, &[&key.name, &node]);
        }
    }

    fn uid_of(&self, process: usize, key: &PodKey) -> Str {
        let pod = self.mirrors.get(&process).and_then(|mirror| mirror.pods.get(key));
        pod.map(|pod| pod.metadata.uid.clone()).unwrap_or_default()
    }
}

/// Whether a pod takes room: those that have ended do not.
pub fn holds(pod: &api::Pod) -> bool {
    !matches!(&*pod.status.phase, "Succeeded" | "Failed")
}

impl Post {
    /// A copy is under way, and the pod is as it demands.
    fn may_land(&self, history: &History) -> bool {
        let pod = history.pods.get(&self.key).filter(|pod| pod.metadata.uid == self.uid);
        self.copies > 0
            && pod.is_some_and(|pod| {
                let version = &self.resource_version;
                let same = version.is_empty() || *version == pod.metadata.resource_version;
                same && pod.spec.node_name.is_empty()
            })
    }

    /// The pod takes room on the node, or may still come to.
    fn counts(&self, history: &History) -> bool {
        let pod = history.pods.get(&self.key).filter(|pod| pod.metadata.uid == self.uid);
        let there = pod.is_some_and(|pod| pod.spec.node_name == self.node && holds(pod));
        self.landed && there || self.may_land(history)
    }
}
