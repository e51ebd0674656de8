//! The writes, as HTTP requests.

use http::{Method, Request, header};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{Binding, ObjectReference};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, Time};
use serde::Serialize;
use serde_json::json;

use super::statuses::PolicyPatch;
use crate::framework::Write;
use crate::model::PodKey;
use crate::scheduler::{Condition, Note};

pub(super) const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const STRATEGIC_MERGE_PATCH: &str = "application/strategic-merge-patch+json";
/// The API server takes notes of at most so many bytes.
const NOTE_BYTES_MAX: usize = 1024;
/// What ends a note that was cut.
const NOTE_CUT: &str = " ...";
/// Tells a provisioner for which node to make a volume.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Says that no person set a volume aside for its claim.
const BOUND_BY_CONTROLLER: &str = "pv.kubernetes.io/bound-by-controller";
/// The longest object name.
const NAME_BYTES_MAX: usize = 253;

/// Why a request cannot be written.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    #[error("failed to write the body")]
    Body(#[from] serde_json::Error),
    #[error("failed to write the request")]
    Http(#[from] http::Error),
}

pub(super) type Written = Result<Request<Vec<u8>>, RequestError>;

/// POST of a binding that applies to exactly this version of this pod.
pub(super) fn bind(pod: &PodKey, uid: &str, resource_version: &str, node: &str) -> Written {
    let binding = Binding {
        metadata: ObjectMeta {
            name: Some(pod.name.to_string()),
            namespace: Some(pod.namespace.to_string()),
            uid: Some(uid.to_owned()),
            resource_version: Some(resource_version.to_owned()),
            ..ObjectMeta::default()
        },
        target: ObjectReference {
            kind: Some("Node".to_owned()),
            name: Some(node.to_owned()),
            ..ObjectReference::default()
        },
    };
    write(Method::POST, &(pod_path(pod) + "/binding"), JSON, &binding)
}

/// A status write that succeeds at exactly this version of this pod, and then makes a new one.
pub(super) fn fence(pod: &PodKey, uid: &str, resource_version: &str, value: &str) -> Written {
    let patch = json!({
        "metadata": {"uid": uid, "resourceVersion": resource_version},
        "status": {"nominatedNodeName": value},
    });
    write(Method::PATCH, &(pod_path(pod) + "/status"), MERGE_PATCH, &patch)
}

/// A status write that says where the pod is going to be.
pub(super) fn nominate(pod: &PodKey, uid: &str, node: &str) -> Written {
    let patch = json!({"metadata": {"uid": uid}, "status": {"nominatedNodeName": node}});
    write(Method::PATCH, &(pod_path(pod) + "/status"), MERGE_PATCH, &patch)
}

/// A write about a claim or a volume that applies to exactly one version of it.
pub(super) fn claim(change: &Write) -> Written {
    match change {
        Write::SelectNode { claim, uid, resource_version, node } => {
            let patch = json!({"metadata": {
                "uid": uid, "resourceVersion": resource_version,
                "annotations": {SELECTED_NODE: node},
            }});
            let PodKey { namespace, name } = claim;
            let path = format!("/api/v1/namespaces/{namespace}/persistentvolumeclaims/{name}");
            write(Method::PATCH, &path, MERGE_PATCH, &patch)
        }
        Write::BindVolume { volume, uid, resource_version, claim, claim_uid, by_controller } => {
            let mut patch = json!({
                "metadata": {"uid": uid, "resourceVersion": resource_version},
                "spec": {"claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim", "uid": claim_uid,
                    "namespace": claim.namespace, "name": claim.name,
                }},
            });
            if *by_controller {
                patch["metadata"]["annotations"] = json!({BOUND_BY_CONTROLLER: "yes"});
            }
            let path = format!("/api/v1/persistentvolumes/{volume}");
            write(Method::PATCH, &path, MERGE_PATCH, &patch)
        }
    }
}

/// A read that shows the newest state.
pub(super) fn get(pod: &PodKey) -> Written {
    read(&pod_path(pod))
}

/// The condition PodScheduled=False.
pub(super) fn condition(pod: &PodKey, uid: &str, condition: &Condition, now: Timestamp) -> Written {
    let mut written = json!({
        "type": "PodScheduled",
        "status": "False",
        "reason": condition.reason,
        "message": condition.message,
        "observedGeneration": condition.observed_generation,
    });
    if condition.transition {
        written["lastTransitionTime"] = serde_json::to_value(Time(now))?;
    }
    let patch = json!({
        "metadata": {"uid": uid},
        "status": {"conditions": [written]},
    });
    let path = pod_path(pod) + "/status";
    write(Method::PATCH, &path, STRATEGIC_MERGE_PATCH, &patch)
}

/// The whole status of a policy.
pub(super) fn policy_status(patch: &PolicyPatch) -> Written {
    let PolicyPatch { policy: PodKey { namespace, name }, uid, status } = patch;
    let path = match &**namespace {
        "" => format!("clusterplacementpolicies/{name}"),
        namespace => format!("namespaces/{namespace}/placementpolicies/{name}"),
    };
    let path = format!("/apis/quorate.dev/v1alpha1/{path}/status");
    write(Method::PATCH, &path, MERGE_PATCH, &json!({"metadata": {"uid": uid}, "status": status}))
}

/// A new event.
pub(super) fn event(note: &Note, name: &str, instance: &str, at: Timestamp) -> Written {
    let namespace = note.pod.namespace.to_string();
    let event = Event {
        metadata: ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(namespace.clone()),
            ..ObjectMeta::default()
        },
        event_time: Some(MicroTime(at)),
        type_: Some(note.type_.to_string()),
        reason: Some(note.reason.to_string()),
        action: Some(note.action.to_string()),
        note: Some(cut_note(&note.text)),
        reporting_controller: Some(note.reporting_controller.to_string()),
        reporting_instance: Some(format!("{}-{instance}", note.reporting_controller)),
        regarding: Some(ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: Some(note.pod.name.to_string()),
            namespace: Some(namespace),
            uid: Some(note.uid.to_string()),
            resource_version: Some(note.resource_version.to_string()),
            ..ObjectReference::default()
        }),
        ..Event::default()
    };
    write(Method::POST, &events_path(&note.pod), JSON, &event)
}

/// An event happened again: it becomes a series, or its series grows.
pub(super) fn series(pod: &PodKey, name: &str, count: u32, last: Timestamp) -> Written {
    let patch = json!({
        "series": {"count": count, "lastObservedTime": MicroTime(last)},
    });
    let path = format!("{}/{name}", events_path(pod));
    write(Method::PATCH, &path, MERGE_PATCH, &patch)
}

/// The name of a new event about a pod: the pod's, and a number that is never given twice.
pub(super) fn event_name(pod: &PodKey, number: u64) -> String {
    let number = format!(".{number:x}");
    let pod = cut(&pod.name, NAME_BYTES_MAX - number.len());
    format!("{}{number}", pod.trim_end_matches(['.', '-']))
}

fn pod_path(pod: &PodKey) -> String {
    format!("/api/v1/namespaces/{}/pods/{}", pod.namespace, pod.name)
}

fn events_path(pod: &PodKey) -> String {
    format!("/apis/events.k8s.io/v1/namespaces/{}/events", pod.namespace)
}

pub(super) fn read(path: &str) -> Written {
    Ok(Request::builder().method(Method::GET).uri(path).body(Vec::new())?)
}

pub(super) fn write(
    method: Method,
    path: &str,
    content_type: &str,
    body: &impl Serialize,
) -> Written {
    let request =
        Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, content_type);
    Ok(request.body(serde_json::to_vec(body)?)?)
}

fn cut_note(text: &str) -> String {
    if text.len() <= NOTE_BYTES_MAX {
        return text.to_owned();
    }
    cut(text, NOTE_BYTES_MAX - NOTE_CUT.len()).to_owned() + NOTE_CUT
}

/// The longest beginning of whole characters that has at most so many bytes.
fn cut(text: &str, bytes_max: usize) -> &str {
    let mut end = bytes_max.min(text.len());
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    &text[..end]
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::api::PlacementPolicyStatus;

    fn pod() -> PodKey {
        PodKey::new("shop", "db-0")
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn check(written: Written, head: &str, content_type: &str, body: Value) {
        let request = written.unwrap();
        assert_eq!(format!("{} {}", request.method(), request.uri()), head);
        let header = request.headers().get(header::CONTENT_TYPE).unwrap();
        assert_eq!(header, content_type);
        let sent: Value = serde_json::from_slice(request.body()).unwrap();
        assert_eq!(sent, body);
    }

    #[test]
    fn a_binding_names_uid_and_version() {
        check(
            bind(&pod(), "u1", "42", "n1"),
            "POST /api/v1/namespaces/shop/pods/db-0/binding",
            JSON,
            json!({
                "apiVersion": "v1", "kind": "Binding",
                "metadata": {
                    "name": "db-0", "namespace": "shop", "uid": "u1", "resourceVersion": "42",
                },
                "target": {"kind": "Node", "name": "n1"},
            }),
        );
    }

    #[test]
    fn a_fence_holds_at_one_version() {
        check(
            fence(&pod(), "u1", "42", "n1"),
            "PATCH /api/v1/namespaces/shop/pods/db-0/status",
            MERGE_PATCH,
            json!({
                "metadata": {"uid": "u1", "resourceVersion": "42"},
                "status": {"nominatedNodeName": "n1"},
            }),
        );
    }

    #[test]
    fn a_condition_has_a_transition_time_when_its_status_changes() {
        for transition in [false, true] {
            let condition = Condition {
                reason: "Unschedulable".into(),
                message: "0/1 nodes are available".into(),
                observed_generation: 3,
                transition,
            };
            let mut expected = json!({
                "type": "PodScheduled", "status": "False", "reason": "Unschedulable",
                "message": "0/1 nodes are available", "observedGeneration": 3,
            });
            if transition {
                expected["lastTransitionTime"] = json!("1970-01-01T00:00:07Z");
            }
            check(
                super::condition(&pod(), "u1", &condition, at(7)),
                "PATCH /api/v1/namespaces/shop/pods/db-0/status",
                STRATEGIC_MERGE_PATCH,
                json!({"metadata": {"uid": "u1"}, "status": {"conditions": [expected]}}),
            );
        }
    }

    #[test]
    fn a_status_goes_to_the_policy_of_its_kind() {
        let patch = |namespace: &str| PolicyPatch {
            policy: PodKey::new(namespace, "db"),
            uid: "u1".into(),
            status: PlacementPolicyStatus { groups: 2, ..PlacementPolicyStatus::default() },
        };
        let body = json!({"metadata": {"uid": "u1"}, "status": {
            "observedGeneration": 0, "groups": 2, "members": 0, "tolerant": 0, "atRisk": 0,
            "degraded": [], "worst": [], "conditions": [],
        }});
        for (namespace, path) in
            [("shop", "namespaces/shop/placementpolicies/db"), ("", "clusterplacementpolicies/db")]
        {
            let head = format!("PATCH /apis/quorate.dev/v1alpha1/{path}/status");
            check(policy_status(&patch(namespace)), &head, MERGE_PATCH, body.clone());
        }
    }

    #[test]
    fn an_event_is_about_the_pod() {
        let note = Note {
            pod: pod(),
            uid: "u1".into(),
            resource_version: "42".into(),
            type_: "Normal".into(),
            reason: "Scheduled".into(),
            action: "Binding".into(),
            text: "Successfully assigned shop/db-0 to n1".into(),
            reporting_controller: "quorate".into(),
        };
        check(
            event(&note, "db-0.1f", "host-7", at(7)),
            "POST /apis/events.k8s.io/v1/namespaces/shop/events",
            JSON,
            json!({
                "apiVersion": "events.k8s.io/v1", "kind": "Event",
                "metadata": {"name": "db-0.1f", "namespace": "shop"},
                "eventTime": "1970-01-01T00:00:07.000000Z",
                "type": "Normal", "reason": "Scheduled", "action": "Binding",
                "note": "Successfully assigned shop/db-0 to n1",
                "reportingController": "quorate", "reportingInstance": "quorate-host-7",
                "regarding": {
                    "apiVersion": "v1", "kind": "Pod", "name": "db-0", "namespace": "shop",
                    "uid": "u1", "resourceVersion": "42",
                },
            }),
        );
        check(
            series(&pod(), "db-0.1f", 5, at(8)),
            "PATCH /apis/events.k8s.io/v1/namespaces/shop/events/db-0.1f",
            MERGE_PATCH,
            json!({"series": {"count": 5, "lastObservedTime": "1970-01-01T00:00:08.000000Z"}}),
        );
    }

    #[test]
    fn long_notes_are_cut_between_characters() {
        assert_eq!(cut_note(&"x".repeat(1024)).len(), 1024);
        let cut = cut_note(&"x".repeat(1025));
        assert_eq!((cut.len(), cut.ends_with("x ...")), (1024, true));
        let cut = cut_note(&"é".repeat(600));
        assert_eq!((cut.len(), cut.ends_with("é ...")), (1024, true));
        let cut = cut_note(&("x".to_owned() + &"é".repeat(600)));
        assert_eq!((cut.len(), cut.ends_with("é ...")), (1023, true));
    }

    #[test]
    fn event_names_are_names_of_objects() {
        assert_eq!(event_name(&pod(), 31), "db-0.1f");
        let long = PodKey::new("shop", "a".repeat(253));
        assert_eq!(event_name(&long, u64::MAX).len(), 253);
        let dashes = PodKey::new("shop", "a".to_owned() + &"-".repeat(252));
        assert_eq!(event_name(&dashes, 1), "a.1");
    }
}
