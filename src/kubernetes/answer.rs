//! Sending one request once, and what its answer means.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use http::{HeaderMap, Request, Response, header};
use kube::Client;
use kube::client::Body;
use tokio::time::Instant as Point;

use super::permit::Permit;
use crate::api;
use crate::scheduler::Outcome;

/// How deep to look for the cause of an error.
const CAUSES_MAX: usize = 16;

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Status {
        code: u16,
        retry_after: Option<Duration>,
        body: Vec<u8>,
    },
    /// The API server never saw it.
    NotSent,
    /// It may have been carried out or not.
    Unknown,
}

/// Sends a request once and waits for its answer until `deadline`. A write has a permit.
pub(super) async fn ask(
    client: &Client,
    request: Request<Vec<u8>>,
    permit: Option<&Permit>,
    deadline: Point,
) -> Answer {
    if permit.is_some_and(|permit| !permit.holds()) {
        return Answer::NotSent;
    }
    let mut request = request.map(Body::from);
    if let Some(permit) = permit {
        request.extensions_mut().insert(permit.clone());
    }
    let asked = async {
        let response = client.send(request).await?;
        read(response).await
    };
    let error = match tokio::time::timeout_at(deadline, asked).await {
        Ok(Ok(answer)) => return answer,
        Ok(Err(error)) => Some(error),
        Err(_) => None,
    };
    if let Some(error) = &error {
        tracing::debug!(%error, "A request got no answer.");
    }
    let unsent = permit.is_some_and(Permit::revoke) || error.as_ref().is_some_and(never_left);
    if unsent { Answer::NotSent } else { Answer::Unknown }
}

impl Answer {
    /// What the core is told.
    pub(super) fn outcome(&self) -> Outcome {
        match self {
            Self::NotSent => Outcome::NotSent,
            Self::Unknown => Outcome::Unknown,
            Self::Status { code, .. } if (200..300).contains(code) => {
                let version = self.pod().map(|pod| pod.metadata.resource_version);
                Outcome::Applied(version)
            }
            // The API server, or what stands before it, failed on the way.
            Self::Status { code, .. } if *code >= 500 => Outcome::Unknown,
            Self::Status { code, retry_after, .. } => {
                Outcome::Refused { code: *code, retry_after: *retry_after }
            }
        }
    }

    /// The pod that a good answer to a call about a pod carries. Other objects read as pods, too.
    pub(super) fn pod(&self) -> Option<Box<api::Pod>> {
        let Self::Status { code, body, .. } = self else {
            return None;
        };
        if !(200..300).contains(code) {
            return None;
        }
        let pod: Box<api::Pod> = serde_json::from_slice(body).ok()?;
        // A Status object reads as a pod without a name.
        (!pod.metadata.name.is_empty()).then_some(pod)
    }

    /// In a word, for metrics.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::NotSent => "not_sent",
            Self::Unknown => "unknown",
            Self::Status { code, .. } => match code {
                200..300 => "done",
                401 | 403 => "forbidden",
                404 => "gone",
                409 => "conflict",
                429 => "throttled",
                500.. => "failed",
                _ => "refused",
            },
        }
    }

    /// Whether the same request may well succeed later.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::NotSent | Self::Unknown => true,
            Self::Status { code, .. } => *code == 429 || *code >= 500,
        }
    }
}

/// Reads the whole body, so that the connection can be used again.
async fn read(response: Response<Body>) -> Result<Answer, kube::Error> {
    let code = response.status().as_u16();
    let retry_after = retry_after(response.headers());
    let body = response.into_body().collect_bytes().await?.to_vec();
    Ok(Answer::Status { code, retry_after, body })
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?;
    value.parse().ok().map(Duration::from_secs)
}

/// Whether the request cannot have reached the API server: there was nobody to connect to, or no
/// credentials to send.
fn never_left(error: &kube::Error) -> bool {
    if matches!(error, kube::Error::Auth(_)) {
        return true;
    }
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    for _ in 0..CAUSES_MAX {
        let Some(error) = cause else { return false };
        let refused = error
            .downcast_ref::<io::Error>()
            .is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused);
        if refused {
            return true;
        }
        cause = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(code: u16, body: &str) -> Answer {
        Answer::Status { code, retry_after: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn every_answer_has_one_outcome() {
        let check = |answer: Answer, expected: Outcome| assert_eq!(answer.outcome(), expected);
        let refused = |code| Outcome::Refused { code, retry_after: None };
        check(status(201, r#"{"kind":"Status","metadata":{}}"#), Outcome::Applied(None));
        check(
            status(200, r#"{"kind":"Pod","metadata":{"name":"a","resourceVersion":"7"}}"#),
            Outcome::Applied(Some("7".into())),
        );
        check(status(200, "no json"), Outcome::Applied(None));
        for code in [400, 401, 403, 404, 409, 422, 429, 302] {
            check(status(code, ""), refused(code));
        }
        for code in [500, 502, 503, 504, 599] {
            check(status(code, ""), Outcome::Unknown);
        }
        check(Answer::NotSent, Outcome::NotSent);
        check(Answer::Unknown, Outcome::Unknown);
    }

    #[test]
    fn only_a_good_answer_carries_a_pod() {
        let pod = r#"{"metadata":{"name":"a"}}"#;
        assert!(status(200, pod).pod().is_some());
        assert!(status(409, pod).pod().is_none());
        assert!(status(200, r#"{"kind":"Status","metadata":{}}"#).pod().is_none());
    }

    #[test]
    fn patience_is_read_in_seconds() {
        let check = |value: &'static str, expected: Option<u64>| {
            let mut headers = HeaderMap::new();
            headers.insert(header::RETRY_AFTER, value.parse().unwrap());
            assert_eq!(retry_after(&headers), expected.map(Duration::from_secs));
        };
        check("0", Some(0));
        check("3600", Some(3600));
        check("-1", None);
        check("Wed, 21 Oct 2015 07:28:00 GMT", None);
        assert_eq!(retry_after(&HeaderMap::new()), None);
    }

    #[test]
    fn a_refused_connection_was_never_used() {
        let check = |kind: io::ErrorKind, expected: bool| {
            let error = kube::Error::Service(Box::new(io::Error::from(kind)));
            assert_eq!(never_left(&error), expected, "{kind}");
        };
        check(io::ErrorKind::ConnectionRefused, true);
        check(io::ErrorKind::ConnectionReset, false);
        check(io::ErrorKind::TimedOut, false);
        check(io::ErrorKind::UnexpectedEof, false);
    }
}
