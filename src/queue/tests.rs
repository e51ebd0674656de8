//! The order of the queue, and what moves pods in it.

use std::sync::Arc;
use std::time::Duration;

use super::{BackoffLimits, Lengths, Queue, UNSCHEDULABLE_MAX};
use crate::framework::{ClusterEvent, Hint, QueueSortPlugin};
use crate::model::{Instant, Str};
use crate::snapshot::PodInfo;
use crate::testing::pod;

/// By priority, then by time of entering.
struct ByPriority;

impl QueueSortPlugin for ByPriority {
    fn key(&self, pod: &PodInfo, since: Instant) -> (i64, u64) {
        (-i64::from(pod.priority), since.0)
    }
}

fn at(seconds: u64) -> Instant {
    Instant::default().plus(Duration::from_secs(seconds))
}

fn info(name: &str, priority: i32) -> Arc<PodInfo> {
    Arc::new(PodInfo::new(&pod(name).uid(name).priority(priority).build()))
}

fn queue(pods: &[(&str, i32)]) -> Queue {
    let mut queue = Queue::new(Arc::new(ByPriority), BackoffLimits::default());
    for (name, priority) in pods {
        queue.add(info(name, *priority), None, at(0));
    }
    queue
}

fn pop(queue: &mut Queue, now: Instant) -> Option<Str> {
    queue.pop(now).map(|queued| queued.pod.uid.clone())
}

fn refuse(queue: &mut Queue, uid: &str, now: Instant) {
    queue.refuse(uid, ["Fit".into()].into_iter().collect(), now);
}

fn wake_all(queue: &mut Queue, now: Instant) {
    queue.on_event(&ClusterEvent::NamespaceChanged, |_| Hint::Queue, now);
}

#[test]
fn the_highest_priority_is_next_and_equals_leave_as_they_came() {
    let mut queue = queue(&[("a", 0), ("b", 5), ("c", 0), ("d", 5)]);
    let order: Vec<Str> = std::iter::from_fn(|| pop(&mut queue, at(1))).collect();
    assert_eq!(order, ["b", "d", "a", "c"].map(Str::from));
}

#[test]
fn a_refused_pod_waits_for_an_event_that_may_help() {
    let mut queue = queue(&[("a", 0)]);
    pop(&mut queue, at(0));
    refuse(&mut queue, "a", at(0));
    queue.on_event(&ClusterEvent::NamespaceChanged, |_| Hint::Skip, at(30));
    assert_eq!(pop(&mut queue, at(30)), None);
    assert_eq!(queue.next_wake(at(30)), Some(Instant::default().plus(UNSCHEDULABLE_MAX)));
    wake_all(&mut queue, at(31));
    assert_eq!(pop(&mut queue, at(31)), Some("a".into()));
}

#[test]
fn five_minutes_wake_a_pod_without_any_event() {
    let mut queue = queue(&[("a", 0)]);
    pop(&mut queue, at(0));
    refuse(&mut queue, "a", at(0));
    assert_eq!(pop(&mut queue, at(299)), None);
    assert_eq!(pop(&mut queue, at(300)), Some("a".into()));
}

#[test]
fn a_failed_pod_keeps_its_distance_even_if_nothing_else_is_active() {
    let mut queue = queue(&[("a", 0)]);
    pop(&mut queue, at(0));
    queue.fail("a", at(0));
    assert_eq!(queue.next_wake(at(0)), Some(at(1)));
    assert_eq!(pop(&mut queue, at(0)), None);
    assert_eq!(pop(&mut queue, at(1)), Some("a".into()));
}

#[test]
fn a_woken_pod_in_back_off_is_taken_while_nothing_is_active_and_never_before_active_ones() {
    let mut queue = queue(&[("a", 9)]);
    pop(&mut queue, at(0));
    refuse(&mut queue, "a", at(0));
    wake_all(&mut queue, at(0));
    assert_eq!(queue.lengths(), Lengths { backoff: 1, ..Lengths::default() });
    queue.add(info("b", 0), None, at(0));
    assert_eq!(pop(&mut queue, at(0)), Some("b".into()));
    assert_eq!(pop(&mut queue, at(0)), Some("a".into()));
}

#[test]
fn back_off_doubles_up_to_its_limit() {
    let limits = BackoffLimits::default();
    let seconds: Vec<u64> = (0..7).map(|count| limits.backoff(count).as_secs()).collect();
    assert_eq!(seconds, [0, 1, 2, 4, 8, 10, 10]);
    assert_eq!(limits.backoff(u32::MAX), limits.max);
}

#[test]
fn a_gated_pod_enters_when_its_gate_opens() {
    let mut queue = queue(&[]);
    queue.add(info("a", 0), Some("SchedulingGates".into()), at(0));
    assert_eq!(queue.lengths(), Lengths { gated: 1, ..Lengths::default() });
    assert_eq!((pop(&mut queue, at(600)), queue.next_wake(at(600))), (None, None));
    queue.update(&info("a", 0), None, Hint::Skip, at(600));
    assert_eq!(pop(&mut queue, at(600)), Some("a".into()));
}

#[test]
fn a_changed_priority_changes_the_place() {
    let mut queue = queue(&[("a", 1), ("b", 0)]);
    queue.update(&info("b", 7), None, Hint::Queue, at(0));
    assert_eq!(pop(&mut queue, at(0)), Some("b".into()));
}

#[test]
fn a_changed_pod_keeps_its_turn_among_its_equals() {
    let mut queue = queue(&[("a", 0), ("b", 0)]);
    queue.update(&info("a", 0), None, Hint::Queue, at(5));
    assert_eq!(pop(&mut queue, at(5)), Some("a".into()));
}

#[test]
fn a_woken_pod_goes_before_those_that_came_after_its_last_cycle() {
    let mut queue = queue(&[("a", 0)]);
    pop(&mut queue, at(0));
    refuse(&mut queue, "a", at(0));
    queue.add(info("b", 0), None, at(5));
    wake_all(&mut queue, at(10));
    assert_eq!(pop(&mut queue, at(10)), Some("a".into()));
    refuse(&mut queue, "a", at(10));
    wake_all(&mut queue, at(20));
    assert_eq!(pop(&mut queue, at(20)), Some("b".into()));
}

#[test]
fn a_removed_pod_is_gone_from_wherever_it_was() {
    let mut queue = queue(&[("a", 0), ("b", 0), ("c", 0), ("d", 0)]);
    for name in ["b", "c", "d"] {
        while pop(&mut queue, at(0)).is_some_and(|uid| &*uid != name) {}
    }
    refuse(&mut queue, "b", at(0));
    queue.fail("c", at(0));
    queue.put_back("d");
    for name in ["a", "b", "c", "d"] {
        queue.remove(name);
    }
    assert_eq!((queue.lengths(), queue.len()), (Lengths::default(), 0));
    assert_eq!(pop(&mut queue, at(1000)), None);
}
