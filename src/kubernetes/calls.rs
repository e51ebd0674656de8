//! The calls of the binding machine: at most one attempt each, never later than allowed, and a
//! reply to every one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use http::{Method, Request};
use kube::Client;
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use tokio::sync::mpsc::UnboundedSender;
use tokio::time::{Instant as Point, timeout_at};

use super::answer::{Answer, ask};
use super::clock::Clock;
use super::permit::{Permit, Tenure};
use super::requests::RequestError;
use crate::metrics;
use crate::scheduler::{Credit, Effect, Op, Reply};

/// Calls at the same time, each on a kept-alive connection of its own. More of them bind no more
/// pods a second: the API server is the limit then.
const CALLS_MAX: u32 = 32;
/// No call takes longer, whatever its effect allows.
const CALL_DEADLINE: Duration = Duration::from_secs(4);

/// Carries out bindings, fences and look-ups.
pub(super) struct Calls {
    client: Client,
    clock: Clock,
    tenure: Arc<Tenure>,
    runtime: Handle,
    replies: UnboundedSender<Reply>,
    slots: Arc<Semaphore>,
    /// Calls whose reply is not out yet.
    open: Arc<AtomicU32>,
}

impl Calls {
    /// Calls on the runtime that this is called on.
    pub(super) fn new(
        client: Client,
        clock: Clock,
        tenure: Arc<Tenure>,
        replies: UnboundedSender<Reply>,
    ) -> Self {
        Self {
            client,
            clock,
            tenure,
            runtime: Handle::current(),
            replies,
            slots: Arc::new(Semaphore::new(CALLS_MAX as usize)),
            open: Arc::default(),
        }
    }

    /// How many more calls would start at once.
    pub(super) fn credit(&self) -> Credit {
        Credit { binds: CALLS_MAX.saturating_sub(self.open()) }
    }

    /// How many calls wait for their answer.
    pub(super) fn open(&self) -> u32 {
        self.open.load(Ordering::Acquire)
    }

    /// The same number as it changes, for those who leave room to calls.
    pub(super) fn open_now(&self) -> Arc<AtomicU32> {
        self.open.clone()
    }

    /// Starts the call that carries out an effect; its reply comes on the channel.
    pub(super) fn send(
        &self,
        what: &'static str,
        effect: &Effect,
        written: Result<Request<Vec<u8>>, RequestError>,
    ) {
        self.open.fetch_add(1, Ordering::AcqRel);
        let (client, slots) = (self.client.clone(), self.slots.clone());
        let (replies, open) = (self.replies.clone(), self.open.clone());
        let (id, clock) = (effect.id, self.clock);
        // A claim may well have the name of its pod, and must not be taken for it.
        let about_pod = !matches!(effect.op, Op::Write { .. });
        let permit = Permit::new(clock, &self.tenure, effect.epoch, effect.not_after);
        let deadline = clock.point(effect.not_after);
        self.runtime.spawn(async move {
            let answer = match written {
                Ok(request) => ask_in_turn(&client, &slots, request, &permit, deadline).await,
                Err(error) => {
                    tracing::error!(what, %error, "A call could not be written.");
                    Answer::NotSent
                }
            };
            metrics::call(what, answer.label());
            open.fetch_sub(1, Ordering::AcqRel);
            // Without a reader the daemon is ending.
            let pod = about_pod.then(|| answer.pod()).flatten();
            _ = replies.send(Reply { id, outcome: answer.outcome(), pod });
        });
    }
}

async fn ask_in_turn(
    client: &Client,
    slots: &Semaphore,
    request: Request<Vec<u8>>,
    permit: &Permit,
    deadline: Point,
) -> Answer {
    let Ok(Ok(_slot)) = timeout_at(deadline, slots.acquire()).await else {
        return Answer::NotSent;
    };
    if !permit.holds() {
        return Answer::NotSent;
    }
    let deadline = deadline.min(Point::now() + CALL_DEADLINE);
    // To read is harmless at any time, and whether it left is of no interest.
    let permit = (request.method() != Method::GET).then_some(permit);
    ask(client, request, permit, deadline).await
}
