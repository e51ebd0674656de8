//! The Lease object on the wire: what the election asks as HTTP requests, and what the answers
//! show.

use http::Method;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::{Lease as Object, LeaseSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta};

use super::answer::Answer as Reply;
use super::requests::{self, JSON, Written};
use crate::lease::{Answer, Draft, Lease, Record, Request};
use crate::model::Str;

/// Which Lease object it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) namespace: Str,
    pub(super) name: Str,
}

/// The request as of `now`. An update keeps what `last` says beside the lease itself: labels,
/// annotations and whatever else belongs to others.
pub(super) fn write(
    place: &Place,
    request: &Request,
    last: Option<&Object>,
    now: Timestamp,
) -> Written {
    let folder = format!("/apis/coordination.k8s.io/v1/namespaces/{}/leases", place.namespace);
    let path = format!("{folder}/{}", place.name);
    let fresh = || ObjectMeta {
        name: Some(place.name.to_string()),
        namespace: Some(place.namespace.to_string()),
        ..ObjectMeta::default()
    };
    match request {
        Request::Get => requests::read(&path),
        Request::Create(draft) => {
            let object = Object { metadata: fresh(), spec: Some(spec(draft, now)) };
            requests::write(Method::POST, &folder, JSON, &object)
        }
        Request::Update { resource_version, draft } => {
            let metadata = ObjectMeta {
                resource_version: Some(resource_version.to_string()),
                ..last.map_or_else(fresh, |last| last.metadata.clone())
            };
            let object = Object { metadata, spec: Some(spec(draft, now)) };
            requests::write(Method::PUT, &path, JSON, &object)
        }
    }
}

/// What an answer means to the election, and the object that it shows.
pub(super) fn read(reply: &Reply) -> (Answer, Option<Object>) {
    let Reply::Status { code, body, .. } = reply else { return (Answer::Failed, None) };
    match code {
        200..300 => match serde_json::from_slice::<Object>(body) {
            Ok(object) => (Answer::Found(lease(&object)), Some(object)),
            Err(error) => {
                tracing::error!(%error, "The lease could not be read.");
                (Answer::Failed, None)
            }
        },
        404 => (Answer::Missing, None),
        409 => (Answer::Conflict, None),
        _ => (Answer::Failed, None),
    }
}

fn spec(draft: &Draft, now: Timestamp) -> LeaseSpec {
    let acquired = draft.acquire_time.as_deref().and_then(|time| time.parse().ok());
    LeaseSpec {
        holder_identity: Some(draft.holder.to_string()),
        lease_duration_seconds: Some(draft.duration_seconds),
        acquire_time: Some(MicroTime(acquired.unwrap_or(now))),
        renew_time: Some(MicroTime(now)),
        lease_transitions: Some(draft.transitions),
        ..LeaseSpec::default()
    }
}

fn lease(object: &Object) -> Lease {
    let spec = object.spec.clone().unwrap_or_default();
    let time = |time: Option<MicroTime>| time.map_or(Str::default(), |t| t.0.to_string().into());
    Lease {
        resource_version: object.metadata.resource_version.as_deref().unwrap_or_default().into(),
        record: Record {
            holder: spec.holder_identity.unwrap_or_default().into(),
            duration_seconds: spec.lease_duration_seconds.unwrap_or_default(),
            transitions: spec.lease_transitions.unwrap_or_default(),
            acquire_time: time(spec.acquire_time),
            renew_time: time(spec.renew_time),
        },
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn place() -> Place {
        Place { namespace: "kube-system".into(), name: "quorate".into() }
    }

    fn draft(acquired: Option<&str>) -> Draft {
        Draft {
            holder: "host_1".into(),
            duration_seconds: 15,
            transitions: 3,
            acquire_time: acquired.map(Into::into),
        }
    }

    fn check(request: &Request, last: Option<&Object>, head: &str, body: Value) {
        let now = Timestamp::from_microsecond(7_000_042).unwrap();
        let written = write(&place(), request, last, now).unwrap();
        assert_eq!(format!("{} {}", written.method(), written.uri()), head);
        assert_eq!(serde_json::from_slice::<Value>(written.body()).unwrap(), body);
    }

    #[test]
    fn a_lease_is_written_as_client_go_writes_it() {
        let written = |metadata: Value, acquired: &str| {
            json!({
                "apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata,
                "spec": {
                    "holderIdentity": "host_1", "leaseDurationSeconds": 15, "leaseTransitions": 3,
                    "acquireTime": acquired, "renewTime": "1970-01-01T00:00:07.000042Z",
                },
            })
        };
        let now = "1970-01-01T00:00:07.000042Z";
        let earlier = "1970-01-01T00:00:05.000000Z";
        check(
            &Request::Create(draft(None)),
            None,
            "POST /apis/coordination.k8s.io/v1/namespaces/kube-system/leases",
            written(json!({"name": "quorate", "namespace": "kube-system"}), now),
        );
        let last = json!({
            "metadata": {
                "name": "quorate", "namespace": "kube-system", "uid": "u1",
                "resourceVersion": "41", "labels": {"team": "db"},
            },
            "spec": {"holderIdentity": "host_1", "preferredHolder": "host_2"},
        });
        let body = serde_json::to_vec(&last).unwrap();
        let (_, last) = read(&Reply::Status { code: 200, retry_after: None, body });
        check(
            &Request::Update { resource_version: "42".into(), draft: draft(Some(earlier)) },
            last.as_ref(),
            "PUT /apis/coordination.k8s.io/v1/namespaces/kube-system/leases/quorate",
            written(
                json!({
                    "name": "quorate", "namespace": "kube-system", "uid": "u1",
                    "resourceVersion": "42", "labels": {"team": "db"},
                }),
                earlier,
            ),
        );
    }

    #[test]
    fn every_answer_means_one_thing_to_the_election() {
        let check = |code: u16, body: &str, expected: Answer| {
            let body = body.as_bytes().to_vec();
            let (answer, _) = read(&Reply::Status { code, retry_after: None, body });
            assert_eq!(answer, expected, "{code}");
        };
        let bare = r#"{"metadata":{"name":"quorate","resourceVersion":"5"}}"#;
        let record = Record::default();
        check(201, bare, Answer::Found(Lease { resource_version: "5".into(), record }));
        check(200, "no json", Answer::Failed);
        check(404, "", Answer::Missing);
        check(409, "", Answer::Conflict);
        for code in [400, 401, 403, 422, 429, 500, 503] {
            check(code, "", Answer::Failed);
        }
        assert_eq!(read(&Reply::Unknown).0, Answer::Failed);
        assert_eq!(read(&Reply::NotSent).0, Answer::Failed);
    }

    #[test]
    fn times_survive_a_round_trip() {
        let time = "2026-11-24T13:39:00.123456Z";
        let spec = spec(&draft(Some(time)), Timestamp::UNIX_EPOCH);
        let object = Object { spec: Some(spec), metadata: ObjectMeta::default() };
        assert_eq!(&*lease(&object).record.acquire_time, time);
    }
}
