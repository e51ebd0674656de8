//! Drives the election: carries out its calls and tells everybody whose turn it is.

use std::future::pending;
use std::pin::Pin;
use std::sync::Arc;

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease as Object;
use kube::Client;
use tokio::sync::{oneshot, watch};

use super::answer::ask;
use super::clock::Clock;
use super::lease::{self, Place};
use super::permit::{Permit, Tenure};
use crate::lease::{Answer, Call, Election, Request, Settings, Step, Term};
use crate::metrics;

/// What this process may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Another one leads, or nobody does.
    Standby,
    Leading(Term),
    /// It led and does not any more: it has to end.
    Lost,
}

/// Changes of the standing; none where nobody elects.
pub(super) type Standings = Option<watch::Receiver<Standing>>;

/// One candidate for one lease.
pub(super) struct Elector {
    election: Election,
    place: Place,
    client: Client,
    clock: Clock,
    /// The object as last seen.
    object: Option<Object>,
    open: Option<Pin<Box<dyn Future<Output = Answered> + Send>>>,
    tenure: Arc<Tenure>,
    standing: watch::Sender<Standing>,
    /// The holder that was last told of.
    holder: String,
}

/// The answer to a call, with its number.
struct Answered {
    number: u64,
    answer: Answer,
    object: Option<Object>,
}

impl Elector {
    pub(super) fn new(
        settings: Settings,
        place: Place,
        client: Client,
        clock: Clock,
        tenure: Arc<Tenure>,
    ) -> Self {
        metrics::leader(&place.name, false);
        Self {
            election: Election::new(settings),
            place,
            client,
            clock,
            object: None,
            open: None,
            tenure,
            standing: watch::Sender::new(Standing::Standby),
            holder: String::new(),
        }
    }

    pub(super) fn standings(&self) -> watch::Receiver<Standing> {
        self.standing.subscribe()
    }

    /// Runs until the lease is lost, or until it is asked to resign. Returns whether the lease was
    /// released.
    pub(super) async fn run(mut self, mut resign: oneshot::Receiver<()>) -> bool {
        let mut resigned = false;
        loop {
            let step = self.election.next(self.clock.now(), rand::random());
            self.tell(&step);
            match step {
                Step::Send(call) => self.send(call),
                Step::Wait(until) => tokio::select! {
                    biased;
                    _ = &mut resign, if !resigned => {
                        resigned = true;
                        self.election.resign(self.clock.now());
                    }
                    answered = next(&mut self.open) => self.take(answered),
                    () = self.clock.sleep_until(until) => {}
                },
                Step::Lost => return false,
                Step::Ended { released } => return released,
            }
        }
    }

    /// Starts a call. The one before is given up, if it still runs.
    fn send(&mut self, call: Call) {
        let Call { number, request, deadline } = call;
        if request == Request::Get && self.election.term().is_some() {
            metrics::leader_slowpath(&self.place.name);
        }
        let written = lease::write(&self.place, &request, self.object.as_ref(), Timestamp::now());
        let written = match written {
            Ok(written) => written,
            Err(error) => {
                tracing::error!(%error, "The lease could not be written.");
                return self.take(Answered { number, answer: Answer::Failed, object: None });
            }
        };
        let (client, clock) = (self.client.clone(), self.clock);
        self.open = Some(Box::pin(async move {
            // The election itself is what holds a lease call within its term.
            let unlimited = Arc::new(Tenure::unlimited());
            let permit = Permit::in_any_term(clock, &unlimited, deadline);
            let permit = (request != Request::Get).then_some(&permit);
            let reply = ask(&client, written, permit, clock.point(deadline)).await;
            let (answer, object) = lease::read(&reply);
            if answer == Answer::Failed {
                let outcome = reply.outcome();
                tracing::warn!(?outcome, "A call about the lease failed.");
            }
            Answered { number, answer, object }
        }));
    }

    fn take(&mut self, answered: Answered) {
        self.open = None;
        let Answered { number, answer, object } = answered;
        self.object = object.or(self.object.take());
        self.election.answered(self.clock.now(), number, answer, rand::random());
    }

    /// Tells everybody what has changed, before anything else is done.
    fn tell(&mut self, step: &Step) {
        let term = self.election.term();
        self.tenure.set(term);
        let standing = match (step, term) {
            (Step::Lost, _) => Standing::Lost,
            (_, Some(term)) => Standing::Leading(term),
            (_, None) => Standing::Standby,
        };
        let before = *self.standing.borrow();
        if before != standing {
            self.standing.send_replace(standing);
        }
        if self.holder != self.election.holder() {
            self.holder = self.election.holder().to_owned();
            tracing::info!(holder = self.holder, "The lease has a new holder.");
        }
        let lease = &*self.place.name;
        match (before, standing) {
            (Standing::Standby, Standing::Leading(term)) => {
                metrics::leader(lease, true);
                tracing::info!(epoch = term.epoch.0, "This process leads.");
            }
            (Standing::Leading(_), Standing::Standby | Standing::Lost) => {
                metrics::leader(lease, false);
                tracing::info!("This process does not lead any more.");
            }
            _ => {}
        }
    }
}

/// Waits until this process leads; for ever where nobody elects.
pub(super) async fn leads(standings: &mut Standings) {
    let leads = |standing: &Standing| matches!(standing, Standing::Leading(_));
    if let Some(standings) = standings
        && standings.wait_for(leads).await.is_ok()
    {
        return;
    }
    pending().await
}

/// Waits until the standing has changed; for ever where nobody elects.
pub(super) async fn changed(standings: &mut Standings) {
    if let Some(standings) = standings
        && standings.changed().await.is_ok()
    {
        return;
    }
    pending().await
}

async fn next(open: &mut Option<Pin<Box<dyn Future<Output = Answered> + Send>>>) -> Answered {
    match open {
        Some(open) => open.await,
        None => pending().await,
    }
}
