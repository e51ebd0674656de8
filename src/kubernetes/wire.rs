//! How lists and watches look on the wire.

use kube::api::{ListParams, WatchParams};
use kube::core::watch::Bookmark;
use kube::core::{Request as Endpoint, Status, WatchEvent};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::value::RawValue;

use crate::api::{Object, ObjectMeta};
use crate::model::{PodKey, Str};
use crate::watch::{Failure, Page, Request, StreamEvent};

/// The annotation of the bookmark that ends the list part of a streaming list.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";
/// What the API server names as the cause when a version lies in its future.
const TOO_LARGE: &str = "ResourceVersionTooLarge";

#[derive(Deserialize)]
struct ListReply<'a> {
    #[serde(default)]
    metadata: ListMeta,
    /// Absent where a list is empty, and `null` from some servers.
    #[serde(default, borrow)]
    items: Option<Vec<&'a RawValue>>,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct ListMeta {
    resource_version: Str,
    #[serde(rename = "continue")]
    continue_token: Str,
}

/// What is read of an object that cannot be read.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Named {
    metadata: ObjectMeta,
}

/// An object as it came. It is decoded apart from its line, because kube takes a line that it
/// cannot decode for a status, and one odd object would end its watch again and again.
pub(super) type Raw = Box<RawValue>;

/// An object that cannot be decoded.
#[derive(Debug, thiserror::Error)]
#[error("{object}: {source}")]
pub(super) struct Unreadable {
    object: PodKey,
    source: serde_json::Error,
}

/// A request of the protocol as an HTTP request.
pub(super) fn write_request(
    path: &str,
    fields: Option<&str>,
    request: &Request,
) -> Result<http::Request<Vec<u8>>, kube::Error> {
    let endpoint = Endpoint::new(path);
    let watch = |timeout: &u32| WatchParams {
        field_selector: fields.map(str::to_owned),
        timeout: Some(*timeout),
        ..WatchParams::default()
    };
    let written = match request {
        Request::List { limit, continue_token } => endpoint.list(&ListParams {
            field_selector: fields.map(str::to_owned),
            limit: *limit,
            continue_token: continue_token.as_deref().map(str::to_owned),
            ..ListParams::default()
        }),
        Request::StreamingList { timeout_seconds } => {
            endpoint.watch(&watch(timeout_seconds).initial_events(), "")
        }
        Request::Watch { resource_version, timeout_seconds } => {
            endpoint.watch(&watch(timeout_seconds), resource_version)
        }
    };
    written.map_err(kube::Error::BuildRequest)
}

/// Reads a page of a list. An object that cannot be decoded does not spoil the others.
pub(super) fn read_page<T: DeserializeOwned>(text: &str) -> Result<Page<T>, kube::Error> {
    let reply: ListReply<'_> = serde_json::from_str(text).map_err(kube::Error::SerdeError)?;
    let mut page = Page {
        items: Vec::new(),
        unreadable: Vec::new(),
        resource_version: reply.metadata.resource_version,
        continue_token: reply.metadata.continue_token,
    };
    for item in reply.items.unwrap_or_default() {
        match serde_json::from_str(item.get()) {
            Ok(object) => page.items.push(object),
            Err(source) => {
                let error = Unreadable::new(item, source);
                tracing::error!(%error, "An object of a list could not be read.");
                page.unreadable.push(error.object);
            }
        }
    }
    Ok(page)
}

/// A line of a watch, as the protocol sees it. Of what is deleted only the name is needed, which
/// can be read whatever else is odd.
pub(super) fn stream_event<T: Object + Default + DeserializeOwned>(
    event: WatchEvent<Raw>,
) -> Result<StreamEvent<T>, Unreadable> {
    Ok(match event {
        WatchEvent::Added(raw) | WatchEvent::Modified(raw) => {
            let object = serde_json::from_str(raw.get());
            StreamEvent::Upsert(object.map_err(|source| Unreadable::new(&raw, source))?)
        }
        WatchEvent::Deleted(raw) => {
            let mut object = T::default();
            *object.meta_mut() = named(&raw);
            StreamEvent::Deleted(object)
        }
        WatchEvent::Bookmark(bookmark) => StreamEvent::Bookmark {
            ends_list: ends_list(&bookmark),
            resource_version: bookmark.metadata.resource_version.into(),
        },
        WatchEvent::Error(status) => StreamEvent::Error(status_failure(&status)),
    })
}

fn named(raw: &RawValue) -> ObjectMeta {
    serde_json::from_str(raw.get()).map(|Named { metadata }| metadata).unwrap_or_default()
}

impl Unreadable {
    fn new(raw: &RawValue, source: serde_json::Error) -> Self {
        let ObjectMeta { namespace, name, .. } = named(raw);
        Self { object: PodKey::new(namespace, name), source }
    }
}

/// Why a request failed, as the protocol sees it.
pub(super) fn failure(error: &kube::Error) -> Failure {
    match error {
        kube::Error::Api(status) => status_failure(status),
        _ => Failure::unreachable(),
    }
}

fn ends_list(bookmark: &Bookmark) -> bool {
    let end = bookmark.metadata.annotations.get(INITIAL_EVENTS_END);
    end.is_some_and(|end| end == "true")
}

fn status_failure(status: &Status) -> Failure {
    let details = status.details.as_ref();
    let too_large = details.is_some_and(|details| {
        let mut causes = details.causes.iter();
        causes.any(|cause| cause.reason == TOO_LARGE)
    });
    let seconds = details.map_or(0, |details| details.retry_after_seconds);
    Failure {
        code: status.code,
        reason: if too_large { TOO_LARGE.into() } else { status.reason.as_str().into() },
        retry_after: (seconds > 0).then(|| std::time::Duration::from_secs(seconds.into())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Node, Pod};

    #[test]
    fn requests_carry_exactly_these_parameters() {
        let check = |request: Request, expected: &str| {
            let fields = Some("status.phase!=Failed");
            let written = write_request("/api/v1/pods", fields, &request).unwrap();
            assert_eq!(written.method(), http::Method::GET);
            assert_eq!(written.uri().to_string(), expected);
        };
        check(
            Request::StreamingList { timeout_seconds: 200 },
            "/api/v1/pods?&watch=true&timeoutSeconds=200&fieldSelector=status.phase%21%3DFailed\
             &allowWatchBookmarks=true&sendInitialEvents=true&resourceVersionMatch=NotOlderThan\
             &resourceVersion=",
        );
        check(
            Request::Watch { resource_version: "7".into(), timeout_seconds: 201 },
            "/api/v1/pods?&watch=true&timeoutSeconds=201&fieldSelector=status.phase%21%3DFailed\
             &allowWatchBookmarks=true&resourceVersion=7",
        );
        check(
            Request::List { limit: Some(500), continue_token: Some("a/b".into()) },
            "/api/v1/pods?&fieldSelector=status.phase%21%3DFailed&limit=500&continue=a%2Fb",
        );
        check(
            Request::List { limit: None, continue_token: None },
            "/api/v1/pods?&fieldSelector=status.phase%21%3DFailed",
        );
    }

    #[test]
    fn a_page_keeps_what_it_can_read() {
        let page: Page<Pod> = read_page(
            r#"{"kind":"PodList","metadata":{"resourceVersion":"9","continue":"t"},"items":[
                {"metadata":{"name":"a","namespace":"x"}},
                {"metadata":{"name":"b","namespace":"x"},"spec":{"priority":"high"}},
                7]}"#,
        )
        .unwrap();
        assert_eq!(page.items.len(), 1);
        let unreadable = [PodKey::new("x", "b"), PodKey::new("", "")];
        assert_eq!(page.unreadable, unreadable);
        assert_eq!((&*page.resource_version, &*page.continue_token), ("9", "t"));
        let empty: Page<Node> = read_page(r#"{"metadata":{},"items":null}"#).unwrap();
        assert!(empty.items.is_empty());
        assert!(read_page::<Node>("<html>").is_err());
    }

    #[test]
    fn lines_of_a_watch_are_told_apart() {
        let check = |line: &str, expected: &str| {
            let event: WatchEvent<Raw> = serde_json::from_str(line).unwrap();
            let told = stream_event::<Node>(event).map(|event| match event {
                StreamEvent::Upsert(node) => format!("upsert {}", node.metadata.name),
                StreamEvent::Deleted(node) => format!("deleted {}", node.metadata.name),
                StreamEvent::Bookmark { resource_version, ends_list } => {
                    format!("bookmark {resource_version} {ends_list}")
                }
                StreamEvent::Error(failure) => format!("error {} {}", failure.code, failure.reason),
            });
            let told = told.unwrap_or_else(|error| error.to_string());
            assert_eq!(told.split(" at line").next(), Some(expected));
        };
        check(r#"{"type":"ADDED","object":{"metadata":{"name":"a"}}}"#, "upsert a");
        check(r#"{"type":"MODIFIED","object":{"metadata":{"name":"a"}}}"#, "upsert a");
        check(r#"{"type":"DELETED","object":{"metadata":{"name":"a"}}}"#, "deleted a");
        let odd = r#"{"metadata":{"name":"a"},"spec":7}"#;
        check(
            &format!(r#"{{"type":"ADDED","object":{odd}}}"#),
            "/a: invalid type: integer `7`, expected struct NodeSpec",
        );
        check(&format!(r#"{{"type":"DELETED","object":{odd}}}"#), "deleted a");
        check(
            r#"{"type":"BOOKMARK","object":{"kind":"Node","apiVersion":"v1",
                "metadata":{"resourceVersion":"5"}}}"#,
            "bookmark 5 false",
        );
        check(
            r#"{"type":"BOOKMARK","object":{"kind":"Node","apiVersion":"v1","metadata":{
                "resourceVersion":"5","annotations":{"k8s.io/initial-events-end":"true"}}}}"#,
            "bookmark 5 true",
        );
        check(
            r#"{"type":"ERROR","object":{"kind":"Status","code":410,"reason":"Expired"}}"#,
            "error 410 Expired",
        );
        check(
            r#"{"type":"ERROR","object":{"kind":"Status","code":504,"reason":"Timeout",
                "details":{"causes":[{"reason":"ResourceVersionTooLarge"}]}}}"#,
            "error 504 ResourceVersionTooLarge",
        );
    }
}
