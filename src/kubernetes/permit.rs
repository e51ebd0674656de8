//! The last look before a write leaves the process: is it still allowed?
//!
//! Between a decision and its bytes a process can be paused, or wait for a connection. So the body
//! of a write is handed out, under the lock of one atomic, only if the lease and the deadline hold
//! at that moment; a request without its body is none to the API server. And who gives up waiting
//! takes the permit away, after which the write can be called unsent for certain.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::Request;
use http_body::{Body as HttpBody, Frame, SizeHint};
use kube::client::Body;

use super::clock::Clock;
use crate::lease::{LeaseEpoch, Term};
use crate::model::Instant;

/// The present term of the lease, written by the elector and read before every write.
#[derive(Debug)]
pub(super) struct Tenure {
    epoch: AtomicU64,
    not_after: AtomicU64,
}

/// What a write needs to leave.
#[derive(Clone, Debug)]
pub(super) struct Permit {
    clock: Clock,
    tenure: Arc<Tenure>,
    /// None for what is true in any term.
    epoch: Option<LeaseEpoch>,
    not_after: Instant,
    state: Arc<AtomicU8>,
}

/// Nothing has left yet.
const WAITING: u8 = 0;
/// The bytes are out, or may be.
const LEFT: u8 = 1;
/// The bytes will never leave.
const REVOKED: u8 = 2;

/// Why a body was not handed out.
#[derive(Debug, thiserror::Error)]
#[error("the time in which this may be written is over")]
struct Overdue;

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// The body of a request, guarded by its permit where it has one.
pub(super) struct GuardedBody {
    body: Body,
    permit: Option<Permit>,
}

impl Tenure {
    /// Where nobody elects: writing is always allowed.
    pub(super) fn unlimited() -> Self {
        Self { epoch: AtomicU64::new(0), not_after: AtomicU64::new(u64::MAX) }
    }

    /// Before the first term.
    pub(super) fn none() -> Self {
        Self { epoch: AtomicU64::new(0), not_after: AtomicU64::new(0) }
    }

    /// A term began or was renewed, or there is none any more.
    pub(super) fn set(&self, term: Option<Term>) {
        let Some(term) = term else {
            return self.not_after.store(0, Ordering::Release);
        };
        // The epoch comes first: an old one never meets a new deadline.
        self.epoch.store(term.epoch.0, Ordering::Release);
        self.not_after.store(term.not_after.0, Ordering::Release);
    }

    fn permits(&self, epoch: Option<LeaseEpoch>, now: Instant) -> bool {
        now.0 < self.not_after.load(Ordering::Acquire)
            && epoch.is_none_or(|epoch| epoch.0 == self.epoch.load(Ordering::Acquire))
    }
}

impl Permit {
    /// For an effect of one term.
    pub(super) fn new(
        clock: Clock,
        tenure: &Arc<Tenure>,
        epoch: LeaseEpoch,
        not_after: Instant,
    ) -> Self {
        Self { epoch: Some(epoch), ..Self::in_any_term(clock, tenure, not_after) }
    }

    /// For what may be written in a later term, too.
    pub(super) fn in_any_term(clock: Clock, tenure: &Arc<Tenure>, not_after: Instant) -> Self {
        let state = Arc::new(AtomicU8::new(WAITING));
        Self { clock, tenure: tenure.clone(), epoch: None, not_after, state }
    }

    /// Whether the write may leave now.
    pub(super) fn holds(&self) -> bool {
        let now = self.clock.now();
        now < self.not_after && self.tenure.permits(self.epoch, now)
    }

    /// Keeps the write from leaving any more. False if it may have left.
    pub(super) fn revoke(&self) -> bool {
        let found =
            self.state.compare_exchange(WAITING, REVOKED, Ordering::AcqRel, Ordering::Acquire);
        found != Err(LEFT)
    }

    /// Lets the write leave if it may. The answer stays what it was.
    fn use_up(&self) -> bool {
        if self.state.load(Ordering::Acquire) == LEFT {
            return true;
        }
        let next = if self.holds() { LEFT } else { REVOKED };
        let swapped =
            self.state.compare_exchange(WAITING, next, Ordering::AcqRel, Ordering::Acquire);
        swapped.is_ok() && next == LEFT
    }
}

impl GuardedBody {
    /// Takes the permit that the request carries along.
    pub(super) fn guard(request: Request<Body>) -> Request<Self> {
        let (mut parts, body) = request.into_parts();
        let permit = parts.extensions.remove();
        Request::from_parts(parts, Self { body, permit })
    }
}

impl HttpBody for GuardedBody {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.permit.as_ref().is_some_and(|permit| !permit.use_up()) {
            return Poll::Ready(Some(Err(Overdue.into())));
        }
        Pin::new(&mut self.body).poll_frame(context).map_err(Into::into)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const EPOCH: LeaseEpoch = LeaseEpoch(3);

    fn term(epoch: u64, not_after: Instant) -> Option<Term> {
        Some(Term { epoch: LeaseEpoch(epoch), not_after })
    }

    /// What becomes of a body under this permit.
    fn first_frame(permit: &Permit) -> Option<Bytes> {
        let mut request = Request::new(Body::from(b"written".to_vec()));
        request.extensions_mut().insert(permit.clone());
        let mut body = GuardedBody::guard(request).into_body();
        let mut context = Context::from_waker(std::task::Waker::noop());
        assert_eq!(body.size_hint().exact(), Some(7), "the length is announced");
        match Pin::new(&mut body).poll_frame(&mut context) {
            Poll::Ready(Some(frame)) => frame.ok().map(|frame| frame.into_data().unwrap()),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_write_leaves_within_its_term_and_its_deadline_only() {
        let clock = Clock::start();
        let hour = clock.now().plus(Duration::from_secs(3600));
        let past = Instant(0);
        let check = |present: Option<Term>, not_after: Instant, expected: bool| {
            let tenure = Arc::new(Tenure::none());
            tenure.set(present);
            let permit = Permit::new(clock, &tenure, EPOCH, not_after);
            assert_eq!(permit.holds(), expected);
            assert_eq!(first_frame(&permit).is_some(), expected);
            assert_eq!(permit.revoke(), !expected, "whether it left is known for certain");
        };
        check(term(3, hour), hour, true);
        check(term(3, hour), past, false);
        check(term(3, past), hour, false);
        check(term(4, hour), hour, false);
        check(None, hour, false);
        let any = Permit::in_any_term(clock, &Arc::new(Tenure::unlimited()), hour);
        assert!(any.holds());
    }

    #[test]
    fn a_write_that_was_given_up_never_leaves() {
        let clock = Clock::start();
        let hour = clock.now().plus(Duration::from_secs(3600));
        let permit = Permit::in_any_term(clock, &Arc::new(Tenure::unlimited()), hour);
        assert!(permit.revoke() && permit.revoke());
        assert_eq!(first_frame(&permit), None);
    }

    #[test]
    fn a_body_that_has_begun_to_leave_is_not_held_back() {
        let clock = Clock::start();
        let hour = clock.now().plus(Duration::from_secs(3600));
        let tenure = Arc::new(Tenure::none());
        tenure.set(term(3, hour));
        let permit = Permit::new(clock, &tenure, EPOCH, hour);
        assert!(permit.use_up());
        tenure.set(None);
        assert!(permit.use_up() && !permit.revoke());
    }
}
