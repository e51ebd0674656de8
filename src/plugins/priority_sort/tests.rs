//! Tests of PrioritySort.

use super::*;
use crate::testing::pod;

#[test]
fn higher_priority_goes_first_and_then_who_came_earlier() {
    let key = |priority, since| {
        let pod = PodInfo::new(&pod("a").priority(priority).build());
        PrioritySort.key(&pod, Instant(since))
    };
    let expected =
        [key(i32::MAX, 9), key(10, 1), key(10, 2), key(0, 0), key(-1, 0), key(i32::MIN, 0)];
    assert!(expected.is_sorted_by(|one, other| one < other));
}
