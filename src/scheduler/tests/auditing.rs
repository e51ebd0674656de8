//! The audit as the scheduler does it: what a list shows against the cache.

use super::*;
use crate::scheduler::Audit;

impl Cluster {
    /// An audit whose list shows these; what `meanwhile` does happens before its end.
    fn audit(&mut self, pods: &[api::Pod], meanwhile: impl FnOnce(&mut Self)) -> u64 {
        let before = self.scheduler.audits().differences;
        self.scheduler.observe(self.now, Event::PodAudit(Audit::Begin));
        let page = Audit::Page { items: pods.to_vec(), unreadable: Vec::new() };
        self.scheduler.observe(self.now, Event::PodAudit(page));
        meanwhile(self);
        self.scheduler.observe(self.now, Event::PodAudit(Audit::End));
        self.scheduler.audits().differences - before
    }

    fn audit_nodes(&mut self, nodes: Vec<api::Node>) -> u64 {
        let before = self.scheduler.audits().differences;
        self.scheduler.observe(self.now, Event::NodeAudit(Audit::Begin));
        let page = Audit::Page { items: nodes, unreadable: Vec::new() };
        self.scheduler.observe(self.now, Event::NodeAudit(page));
        self.scheduler.observe(self.now, Event::NodeAudit(Audit::End));
        self.scheduler.audits().differences - before
    }

    fn last_field(&self) -> &str {
        self.scheduler.audits().last.as_ref().map_or("", |(_, field)| field)
    }
}

#[test]
fn a_cache_that_is_right_stays_as_it_is() {
    let mut cluster = Cluster::new();
    let (waiting, placed) = (ours("a"), bound("b", "n1", 7));
    cluster.see(&waiting);
    cluster.see(&placed);
    assert_eq!(cluster.audit(&[waiting, placed], |_| {}), 0);
    assert_eq!(cluster.scheduler.audits().completed, 1);
}

#[test]
fn a_pod_that_differs_is_found_and_mended() {
    let mut failed = at_version(bound("a", "n1", 9), 9);
    failed.status.phase = "Failed".into();
    let check = |known: api::Pod, listed: &[api::Pod], field: &str, state: Option<PodState>| {
        let mut cluster = Cluster::new();
        cluster.see(&known);
        assert_eq!(cluster.audit(listed, |_| {}), u64::from(!field.is_empty()), "{field}");
        assert_eq!(cluster.last_field(), field);
        assert_eq!(cluster.state("a"), state.as_ref(), "{field}");
        assert_eq!(cluster.audit(listed, |_| {}), 0, "{field} is mended");
    };
    check(ours("a"), &[bound("a", "n1", 9)], "spec.nodeName", Some(PodState::Bound));
    check(bound("a", "n1", 7), &[], "presence", None);
    check(bound("a", "n1", 7), &[failed], "status.phase", None);
    let newer = at_version(ours("a"), 9);
    check(ours("a"), &[newer], "metadata.resourceVersion", Some(PodState::Pending));
    // An answer may have told of a newer version than the list.
    check(bound("a", "n1", 7), &[ours("a")], "", Some(PodState::Bound));
}

#[test]
fn a_pod_that_is_missing_comes_in_and_one_of_another_uid_goes() {
    let mut cluster = Cluster::new();
    assert_eq!(cluster.audit(&[ours("a")], |_| {}), 1);
    assert_eq!(cluster.scheduler.queue_lengths().active, 1);
    let mut heir = at_version(ours("a"), 9);
    heir.metadata.uid = "heir".into();
    assert_eq!(cluster.audit(&[heir], |_| {}), 1);
    assert_eq!(cluster.state("a"), None);
    assert_eq!(cluster.state("heir"), Some(&PodState::Pending));
}

#[test]
fn what_changes_while_an_audit_runs_is_no_difference() {
    let mut cluster = Cluster::new();
    cluster.see(&ours("a"));
    assert_eq!(cluster.audit(&[bound("a", "n1", 9)], |c| c.see(&bound("a", "n2", 11))), 0);
    assert_eq!(cluster.audit(&[bound("a", "n2", 11)], |c| c.see_deleted("a")), 0);
    assert_eq!(cluster.audit(&[], |c| c.see(&at_version(ours("b"), 12))), 0);
}

#[test]
fn a_node_that_differs_is_found_and_mended() {
    let one = || node("n1").allocatable(&[("cpu", "1"), ("pods", "10")]);
    let two = node("n2").allocatable(&[("cpu", "1"), ("pods", "10")]).build();
    let mut cluster = Cluster::new();
    assert_eq!(cluster.audit_nodes(vec![one().build(), two.clone()]), 0);
    let labelled = one().labels(&[("zone", "a")]).build();
    assert_eq!(cluster.audit_nodes(vec![labelled.clone(), two]), 1);
    assert_eq!(cluster.last_field(), "metadata.labels");
    assert_eq!(cluster.audit_nodes(vec![labelled.clone()]), 1, "n2 is gone");
    assert_eq!(cluster.last_field(), "presence");
    assert_eq!(cluster.audit_nodes(vec![labelled]), 0);
}

#[test]
fn a_pod_that_an_answer_showed_to_have_ended_is_not_brought_back_by_a_watch_that_lags() {
    let mut cluster = Cluster::new();
    let (effect, node) = posted(&mut cluster);
    cluster.answer(effect.id, refused(409));
    let check = cluster.advance().remove(0);
    let mut ended = bound("a", &node, 9);
    ended.status.phase = "Failed".into();
    cluster.answer_with(check.id, Outcome::Applied(None), Some(ended));
    assert_eq!(cluster.state("a"), None);
    // The watch still shows what it was before.
    cluster.see(&at_version(ours("a"), 7));
    assert_eq!(cluster.state("a"), None);
    assert_eq!(cluster.audit(&[at_version(ours("a"), 7)], |_| {}), 0);
    // Its name can be used again.
    cluster.see_deleted("a");
    let mut heir = at_version(ours("a"), 12);
    heir.metadata.uid = "heir".into();
    cluster.see(&heir);
    assert_eq!(cluster.state("heir"), Some(&PodState::Pending));
}
