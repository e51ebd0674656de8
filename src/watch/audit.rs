//! The audit of what is known of a kind: a consistent list beside the open watch, and what differs
//! once the watch has come as far as the list.
//!
//! What changed while the audit ran is left out, because nobody can say whether list or cache is
//! the newer one. The next audit looks at it.

use std::collections::BTreeMap;
use std::time::Duration;

use rustc_hash::FxHashSet;
use serde::{Deserialize, Serialize};

use super::ledger::is_newer;
use super::protocol::{PAGE_LIMIT, Page, Request};
use crate::api::Object;
use crate::model::{Instant, PodKey, Str};
use crate::planted::{Bug, planted};

/// After an audit that failed the next one comes so much later, if it is not due before.
const AUDIT_AGAIN: Duration = Duration::from_secs(60);

/// What the one who compares is told, in this order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Audit<T> {
    /// A list is about to be asked for.
    Begin,
    /// Objects of the list, and those that it has and that could not be read.
    Page { items: Vec<T>, unreadable: Vec<PodKey> },
    /// All changes up to the version of the list have been told.
    End,
}

/// What the one who drives an audit does next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AuditStep {
    /// Nothing before then.
    Wait(Instant),
    /// Nothing before an answer or a change comes.
    Hold,
    /// Tell that an audit begins, before anything else.
    Begin,
    /// Ask for this, beside the watch.
    List(Request),
    /// Tell that it ends, behind all changes that there are.
    End,
}

/// When one kind is audited, and how far that has come.
#[derive(Debug)]
pub struct Auditor {
    /// None if never.
    every: Option<Duration>,
    phase: Phase,
}

#[derive(Debug)]
enum Phase {
    /// Nothing has been listed yet.
    Unsynced,
    Due(Instant),
    /// A page is the next thing to ask for.
    Paging {
        token: Option<Str>,
        lists: u64,
    },
    /// A page has been asked for.
    Asked {
        lists: u64,
    },
    /// The watch has to come as far as this version.
    Reaching {
        version: Str,
        lists: u64,
    },
}

/// How far a watch has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reached<'a> {
    pub version: &'a Str,
    /// How many lists were completed. A list leaves out what came and went before it.
    pub lists: u64,
}

impl Auditor {
    pub fn new(every: Option<Duration>) -> Self {
        Self { every, phase: Phase::Unsynced }
    }

    /// What to do now, where the watch has come so far; none before its first list.
    pub fn next(&mut self, now: Instant, reached: Option<Reached<'_>>) -> AuditStep {
        let (Some(every), Some(reached)) = (self.every, reached) else {
            return AuditStep::Hold;
        };
        if self.began_at().is_some_and(|lists| lists != reached.lists) {
            // Everything has been listed anew meanwhile, and not every change been told.
            self.failed(now);
        }
        match &mut self.phase {
            Phase::Unsynced => {
                let at = now.plus(every);
                self.phase = Phase::Due(at);
                AuditStep::Wait(at)
            }
            Phase::Due(at) if now < *at => AuditStep::Wait(*at),
            Phase::Due(_) => {
                self.phase = Phase::Paging { token: None, lists: reached.lists };
                AuditStep::Begin
            }
            Phase::Paging { token, lists } => {
                let (continue_token, lists) = (token.take(), *lists);
                self.phase = Phase::Asked { lists };
                AuditStep::List(Request::List { limit: Some(PAGE_LIMIT), continue_token })
            }
            Phase::Reaching { version, .. } if !is_newer(version, reached.version) => {
                self.phase = Phase::Due(now.plus(every));
                AuditStep::End
            }
            Phase::Asked { .. } | Phase::Reaching { .. } => AuditStep::Hold,
        }
    }

    /// A page arrived. Returns what to tell of it.
    pub fn page<T>(&mut self, page: Page<T>) -> Audit<T> {
        let Page { items, unreadable, resource_version, continue_token } = page;
        if let Phase::Asked { lists } = self.phase {
            self.phase = match continue_token.is_empty() {
                true => Phase::Reaching { version: resource_version, lists },
                false => Phase::Paging { token: Some(continue_token), lists },
            };
        }
        Audit::Page { items, unreadable }
    }

    /// A page did not arrive: there is no such audit.
    pub fn failed(&mut self, now: Instant) {
        let wait = self.every.map_or(AUDIT_AGAIN, |every| every.min(AUDIT_AGAIN));
        self.phase = Phase::Due(now.plus(wait));
    }

    /// How many lists were completed when the present audit began.
    fn began_at(&self) -> Option<u64> {
        match self.phase {
            Phase::Unsynced | Phase::Due(_) => None,
            Phase::Paging { lists, .. }
            | Phase::Asked { lists }
            | Phase::Reaching { lists, .. } => Some(lists),
        }
    }
}

/// What a list shows beside what is known.
#[derive(Debug)]
pub struct Comparison<T> {
    /// What has changed since the audit began.
    touched: FxHashSet<PodKey>,
    listed: FxHashSet<PodKey>,
    /// What differed when its page came, and in which field.
    suspects: BTreeMap<PodKey, (Box<T>, &'static str)>,
}

/// A difference: what is known is wrong.
#[derive(Clone, Debug, PartialEq)]
pub enum Finding<T> {
    /// The API server has it so, and it is known otherwise or not at all.
    Differs { object: Box<T>, field: &'static str },
    /// The API server does not have it.
    Gone { key: PodKey },
}

impl<T: Object> Comparison<T> {
    pub fn new() -> Self {
        Self {
            touched: FxHashSet::default(),
            listed: FxHashSet::default(),
            suspects: BTreeMap::new(),
        }
    }

    /// What is known of an object has just changed.
    pub fn touch(&mut self, key: &PodKey) {
        if planted(Bug::HastyAudit) || self.touched.contains(key) {
            return;
        }
        self.suspects.remove(key);
        self.touched.insert(key.clone());
    }

    /// Takes in a page. `differs` names the field in which an object is known otherwise.
    pub fn page(
        &mut self,
        items: Vec<T>,
        unreadable: Vec<PodKey>,
        differs: impl Fn(&T) -> Option<&'static str>,
    ) {
        self.listed.extend(unreadable);
        for object in items {
            let key = object.key();
            if !self.touched.contains(&key)
                && let Some(field) = differs(&object)
            {
                self.suspects.insert(key.clone(), (Box::new(object), field));
            }
            self.listed.insert(key);
        }
    }

    /// What is wrong among all that is known, by name.
    pub fn end(self, known: impl Iterator<Item = PodKey>) -> Vec<Finding<T>> {
        let untouched = known.filter(|key| !self.touched.contains(key));
        let mut gone: Vec<PodKey> = untouched.filter(|key| !self.listed.contains(key)).collect();
        gone.sort();
        let gone = gone.into_iter().map(|key| Finding::Gone { key });
        let differs = self.suspects.into_values();
        gone.chain(differs.map(|(object, field)| Finding::Differs { object, field })).collect()
    }
}

impl<T: Object> Default for Comparison<T> {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::Node;
    use crate::planted::plant;

    const EVERY: Duration = Duration::from_secs(100);

    fn second(n: u64) -> Instant {
        Instant(n * 1_000_000_000)
    }

    fn key(name: &str) -> PodKey {
        PodKey::new("", name)
    }

    fn node(name: &str) -> Node {
        let mut node = Node::default();
        node.metadata.name = name.into();
        node
    }

    fn page(version: &str, token: &str) -> Page<Node> {
        Page {
            items: vec![node("a")],
            unreadable: Vec::new(),
            resource_version: version.into(),
            continue_token: token.into(),
        }
    }

    fn list(token: Option<&str>) -> AuditStep {
        let continue_token = token.map(Into::into);
        AuditStep::List(Request::List { limit: Some(PAGE_LIMIT), continue_token })
    }

    /// An auditor on a clock of seconds, beside a watch.
    struct Rig {
        auditor: Auditor,
        version: Str,
        lists: u64,
    }

    impl Rig {
        /// Its first audit begins at 100 s.
        fn new() -> Self {
            let mut rig =
                Self { auditor: Auditor::new(Some(EVERY)), version: "7".into(), lists: 1 };
            assert_eq!(rig.auditor.next(second(0), None), AuditStep::Hold);
            rig.check(0, AuditStep::Wait(second(100)));
            rig.check(99, AuditStep::Wait(second(100)));
            rig.check(100, AuditStep::Begin);
            rig.check(100, list(None));
            rig.check(100, AuditStep::Hold);
            rig
        }

        fn check(&mut self, at: u64, expected: AuditStep) {
            let reached = Reached { version: &self.version, lists: self.lists };
            assert_eq!(self.auditor.next(second(at), Some(reached)), expected, "at {at} s");
        }
    }

    #[test]
    fn an_audit_lists_page_by_page_and_ends_when_the_watch_has_come_as_far() {
        let mut rig = Rig::new();
        let told = Audit::Page { items: vec![node("a")], unreadable: Vec::new() };
        assert_eq!(rig.auditor.page(page("9", "more")), told);
        rig.check(111, list(Some("more")));
        rig.auditor.page(page("9", ""));
        rig.check(112, AuditStep::Hold);
        rig.version = "9".into();
        rig.check(113, AuditStep::End);
        rig.check(113, AuditStep::Wait(second(213)));
    }

    #[test]
    fn an_audit_that_fails_begins_anew_a_minute_later() {
        let mut rig = Rig::new();
        rig.auditor.failed(second(101));
        rig.check(101, AuditStep::Wait(second(161)));
        rig.check(161, AuditStep::Begin);
    }

    #[test]
    fn a_list_of_the_watch_ends_an_audit_without_a_result() {
        let mut rig = Rig::new();
        rig.auditor.page(page("9", ""));
        (rig.version, rig.lists) = ("11".into(), 2);
        rig.check(130, AuditStep::Wait(second(190)));
    }

    #[test]
    fn without_an_interval_there_is_no_audit() {
        let version = "1".into();
        let reached = Reached { version: &version, lists: 1 };
        let mut auditor = Auditor::new(None);
        assert_eq!(auditor.next(second(1_000_000), Some(reached)), AuditStep::Hold);
    }

    /// The names that are found wrong: `known` are known, and of those `wrong` are known otherwise.
    fn found(known: &[&str], wrong: &[&str], before: &[&str], after: &[&str]) -> Vec<String> {
        let mut comparison = Comparison::new();
        before.iter().for_each(|name| comparison.touch(&key(name)));
        let differs = |node: &Node| {
            let name = &*node.metadata.name;
            match known.contains(&name) {
                false => Some("presence"),
                true => wrong.contains(&name).then_some("labels"),
            }
        };
        comparison.page(vec![node("a"), node("b")], vec![key("c")], differs);
        after.iter().for_each(|name| comparison.touch(&key(name)));
        let findings = comparison.end(known.iter().map(|name| key(name)));
        let told = findings.into_iter().map(|finding| match finding {
            Finding::Differs { object, field } => format!("{} {field}", object.metadata.name),
            Finding::Gone { key } => format!("{} gone", key.name),
        });
        told.collect()
    }

    #[test]
    fn what_differs_and_has_not_changed_meanwhile_is_found() {
        let check = |known: &[&str], wrong: &[&str], touched: &[&str], expected: &[&str]| {
            assert_eq!(found(known, wrong, touched, &[]), expected, "before the page");
            assert_eq!(found(known, wrong, &[], touched), expected, "after the page");
        };
        check(&["a", "b", "c"], &[], &[], &[]);
        check(&["a", "b"], &["b"], &[], &["b labels"]);
        check(&["a"], &[], &[], &["b presence"]);
        check(&["z", "a", "b", "y"], &[], &[], &["y gone", "z gone"]);
        check(&["a", "z"], &["a"], &["a", "b", "z"], &[]);
    }

    #[test]
    fn the_hasty_bug_is_one() {
        plant(Some(Bug::HastyAudit));
        let hasty = found(&["a", "b"], &["a"], &["a"], &[]);
        plant(None);
        assert_eq!(hasty, ["a labels"]);
    }
}
