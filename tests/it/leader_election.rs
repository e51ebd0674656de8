//! Several daemons over one lease on a real API server: one schedules, and another takes over when
//! it is paused, killed, or asked to end. The scenario is that of `examples/chaos`.

use crate::scenarios::leader::{paused, replaced};

#[test]
fn a_leader_that_was_paused_writes_nothing_once_another_one_leads() {
    let report = paused();
    println!("{report:?}");
    assert_eq!(report.broken, [""; 0]);
    assert_eq!((report.late_writes, report.exit_code), (0, Some(1)));
}

#[test]
fn a_leader_that_ends_hands_over_at_once_and_one_that_is_killed_is_replaced() {
    let report = replaced();
    println!("{report:?}");
    assert_eq!(report.broken, [""; 0]);
    assert_eq!((report.idle_writes, report.transitions), (0, Some(1)));
}
