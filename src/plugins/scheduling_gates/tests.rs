//! Tests of SchedulingGates.

use super::*;
use crate::testing::{PodBuilder, pod};

#[test]
fn a_pod_waits_for_all_its_gates_by_name() {
    let check = |pod: PodBuilder, expected: Status| {
        let verdict = SchedulingGates.pre_enqueue(&PodInfo::new(&pod.build()));
        assert_eq!(verdict, expected);
    };
    check(pod("free"), Status::success());
    check(
        pod("gated").gate("quota"),
        Status::unresolvable("waiting for scheduling gates: [quota]"),
    );
    check(
        pod("gated").gate("quota").gate("example.com/data"),
        Status::unresolvable("waiting for scheduling gates: [quota example.com/data]"),
    );
}
