//! Tests of DefaultBinder.

use super::*;
use crate::testing::pod;

#[test]
fn a_binding_carries_uid_and_version_of_the_pod() {
    let pod = pod("a").uid("u1");
    let pod = pod.with(|pod| pod.metadata.resource_version = "7".into());
    let binding = DefaultBinder.binding(&PodInfo::new(&pod.build()), &"n1".into());
    let expected = Binding { uid: "u1".into(), resource_version: "7".into(), node: "n1".into() };
    assert_eq!(binding, expected);
}
