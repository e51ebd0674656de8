//! A short look at the scenarios of `examples/chaos`, which run in full on demand.

use crate::scenarios::kills;

#[test]
fn a_scheduler_killed_between_a_binding_and_its_answer_binds_each_pod_once() {
    let report = kills::run(&kills::Args { kills: 4, pods: 100, seed: 1 });
    println!("{report:?}");
    assert_eq!(report.broken, [""; 0]);
    let verdict = &report.verdict;
    assert_eq!((verdict.double, verdict.overcommit, verdict.lost), (0, 0, 0));
    assert_eq!(verdict.bound, 100);
    // Every other kill waits until answers are held back.
    assert!(report.mid_post >= 2);
}
