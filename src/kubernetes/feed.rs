//! One kind's watch: drives the list/watch protocol and hands its changes to the owner of the core.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use kube::Client;
use kube::core::WatchEvent;
use serde::de::DeserializeOwned;
use tokio::sync::mpsc::error::SendError;
use tokio::sync::mpsc::{OwnedPermit, Sender};

use super::audits::{self, Audits};
use super::clock::Clock;
use super::elector::{self, Standings};
use super::health::{Health, Kind};
use super::wire::{self, Raw};
use crate::api::Object;
use crate::metrics;
use crate::model::{Instant, Str};
use crate::scheduler::{Audit, Event};
use crate::watch::{Change, Page, Request, Step, Watch};

/// Changes go out once so many wait, however many more could be read at once.
const BATCH: usize = 128;
/// While the owner is busy so many changes wait, newer states in the place of older ones; beyond
/// that the stream waits.
const PENDING_MAX: usize = 4096;
/// How long a page of a list may take, and how long the API server may take to open a watch.
const ANSWER_DEADLINE: Duration = Duration::from_secs(60);
/// How long the API server may take to say which version is the newest. Without an answer
/// everything is listed again, which takes longer.
const NEWEST_DEADLINE: Duration = Duration::from_secs(2);

/// Where a kind is found, and how it is called in the core.
pub(super) struct Source<T> {
    pub(super) kind: Kind,
    pub(super) path: &'static str,
    pub(super) fields: Option<&'static str>,
    pub(super) event: fn(Change<T>) -> Event,
    /// None for a kind that is not audited.
    pub(super) audit: Option<fn(Audit<T>) -> Event>,
}

/// Changes of one kind, oldest first.
#[derive(Debug)]
pub(super) struct Delivery {
    pub(super) kind: Kind,
    pub(super) events: Vec<Event>,
    /// With these changes the kind has been listed once.
    pub(super) synced: bool,
    /// With these changes the kind is as new as it was when this process began to lead.
    pub(super) confirmed: bool,
}

/// What the watches of all kinds share.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) client: Client,
    pub(super) out: Sender<Delivery>,
    pub(super) health: Arc<Health>,
    pub(super) clock: Clock,
    pub(super) standings: Standings,
    /// How often the cache is compared with a list; none if never.
    pub(super) audit_every: Option<Duration>,
}

type Events = BoxStream<'static, Result<WatchEvent<Raw>, kube::Error>>;

/// The watch of one kind, for ever.
pub(super) struct Feed<T> {
    source: Source<T>,
    desk: Desk,
    watch: Watch<T>,
    audits: Audits<T>,
    stream: Option<Events>,
    lists: u64,
    /// The owner knows that the kind has been listed.
    told_synced: bool,
    /// This process has begun to lead, and with it the search for the newest version.
    leads: bool,
    told_confirmed: bool,
    /// The log says that the API server does not know the kind.
    told_absent: bool,
}

impl<T> Feed<T>
where
    T: Object + Clone + Default + DeserializeOwned + Send + 'static,
{
    pub(super) fn new(source: Source<T>, desk: Desk) -> Self {
        let audit_every = desk.audit_every.filter(|_| source.audit.is_some());
        Self {
            source,
            desk,
            watch: Watch::new(),
            audits: Audits::new(audit_every),
            stream: None,
            lists: 0,
            told_synced: false,
            leads: false,
            told_confirmed: false,
            told_absent: false,
        }
    }

    /// The watch of a kind that the API server need not know.
    pub(super) fn optional(source: Source<T>, desk: Desk) -> Self {
        Self { watch: Watch::optional(), ..Self::new(source, desk) }
    }

    /// Runs until nobody takes the changes any more.
    pub(super) async fn run(mut self) {
        while !self.desk.out.is_closed() {
            let now = self.desk.clock.now();
            let audit_at = self.drive_audit(now);
            match self.watch.next(now, rand::random()) {
                Step::Send(request) => self.send(&request).await,
                Step::Wait(until) | Step::Listen(until) => {
                    self.listen(audit_at.map_or(until, |at| at.min(until))).await
                }
            }
            self.note_health();
        }
    }

    /// Waits for the next thing to happen: a line of the stream, room for changes, or the time.
    async fn listen(&mut self, until: Instant) {
        let busy = self.desk.out.capacity() == 0;
        let read_max = if busy { PENDING_MAX } else { BATCH };
        let may_read = self.stream.is_some() && self.watch.pending() < read_max;
        let has_news = self.has_news();
        tokio::select! {
            biased;
            () = elector::leads(&mut self.desk.standings), if !self.leads => self.confirm().await,
            line = next_line(&mut self.stream), if may_read => self.take_in(line),
            permit = self.desk.out.clone().reserve_owned(), if has_news => self.deliver(permit),
            page = self.audits.page() => {
                self.audits.take_in(self.desk.clock.now(), page, self.source.kind.name());
            }
            () = self.desk.clock.sleep_until(until) => {}
        }
    }

    fn has_news(&self) -> bool {
        self.watch.pending() > 0
            || self.audits.has_news()
            || self.watch.is_synced() != self.told_synced
            || self.is_confirmed() != self.told_confirmed
    }

    fn is_confirmed(&self) -> bool {
        self.leads && self.watch.has_reached()
    }

    fn deliver(&mut self, permit: Result<OwnedPermit<Delivery>, SendError<()>>) {
        // Without a reader the daemon is ending.
        let Ok(permit) = permit else { return };
        self.told_synced = self.watch.is_synced();
        self.told_confirmed = self.is_confirmed();
        let changes = self.watch.take_changes().into_iter().map(self.source.event);
        permit.send(Delivery {
            kind: self.source.kind,
            events: self.audits.around(changes, self.source.audit),
            synced: self.told_synced,
            confirmed: self.told_confirmed,
        });
    }

    fn take_in(&mut self, line: Option<Result<WatchEvent<Raw>, kube::Error>>) {
        let (now, random) = (self.desk.clock.now(), rand::random());
        let kind = self.source.kind.name();
        match line {
            Some(Ok(event)) => match wire::stream_event(event) {
                Ok(event) => self.watch.event(now, event, random),
                Err(error) => {
                    tracing::error!(kind, %error, "An object of a watch could not be read.");
                    metrics::watch_unreadable(kind, 1);
                    self.watch.unreadable(now);
                }
            },
            Some(Err(error)) => {
                tracing::warn!(kind, %error, "A watch broke.");
                self.stream = None;
                self.watch.failed(now, &wire::failure(&error), random);
            }
            None => {
                self.stream = None;
                self.watch.ended(now, random);
            }
        }
    }

    async fn send(&mut self, request: &Request) {
        self.stream = None;
        if self.has_news() {
            let permit = self.desk.out.clone().reserve_owned().await;
            self.deliver(permit);
        }
        let kind = self.source.kind.name();
        tracing::debug!(kind, ?request, "Asking the API server.");
        let answered = tokio::time::timeout(ANSWER_DEADLINE, self.ask(request)).await;
        let error = match answered {
            Ok(Ok(())) => return,
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        let failure = error.as_ref().map(wire::failure).unwrap_or_default();
        let error = error.map_or("no answer in time".to_owned(), |error| error.to_string());
        let now = self.desk.clock.now();
        self.watch.failed(now, &failure, rand::random());
        if !self.watch.is_absent() {
            tracing::warn!(kind, error, "A list or watch failed.");
        }
    }

    /// This process leads: what its predecessor wrote last must be in the picture before anything
    /// is decided on it. A consistent list of one object says how new the picture has to be.
    async fn confirm(&mut self) {
        self.leads = true;
        if self.watch.is_absent() {
            return self.watch.reach(self.desk.clock.now(), None);
        }
        let newest = match tokio::time::timeout(NEWEST_DEADLINE, self.newest_version()).await {
            Ok(Ok(version)) => Some(version),
            Ok(Err(error)) => {
                let kind = self.source.kind.name();
                tracing::warn!(kind, %error, "The newest version is not known: listing again.");
                None
            }
            Err(_) => None,
        };
        self.watch.reach(self.desk.clock.now(), newest.filter(|version| !version.is_empty()));
    }

    async fn newest_version(&mut self) -> Result<Str, kube::Error> {
        let request = Request::List { limit: Some(1), continue_token: None };
        let (path, fields) = (self.source.path, self.source.fields);
        let page: Page<T> = read_page(self.desk.client.clone(), path, fields, request).await?;
        Ok(page.resource_version)
    }

    /// Lets the cache be compared with a list when the time has come.
    fn drive_audit(&mut self, now: Instant) -> Option<Instant> {
        let (client, path, fields) = (&self.desk.client, self.source.path, self.source.fields);
        self.audits.drive(now, self.watch.reached(), |request| {
            audits::within(ANSWER_DEADLINE, read_page(client.clone(), path, fields, request))
        })
    }

    async fn ask(&mut self, request: &Request) -> Result<(), kube::Error> {
        let written = wire::write_request(self.source.path, self.source.fields, request)?;
        let client = &self.desk.client;
        if matches!(request, Request::List { .. }) {
            let text = client.request_text(written).await?;
            let page = wire::read_page(&text)?;
            metrics::watch_unreadable(self.source.kind.name(), page.unreadable.len());
            self.watch.page(self.desk.clock.now(), page);
        } else {
            let events = client.request_events::<Raw>(written).await?;
            self.stream = Some(events.boxed());
        }
        Ok(())
    }

    fn note_health(&mut self) {
        let kind = self.source.kind;
        if let Some(heard) = self.watch.heard() {
            self.desk.health.heard(kind, heard);
        }
        if self.watch.is_absent() != self.told_absent {
            self.told_absent = self.watch.is_absent();
            if self.told_absent {
                let kind = kind.name();
                tracing::info!(kind, "The API server does not know the kind; it is looked for.");
            }
        }
        if self.watch.lists() > self.lists {
            self.lists = self.watch.lists();
            metrics::watch_listed(kind.name());
            tracing::info!(kind = kind.name(), "A list is complete.");
        }
    }
}

/// Asks for a page of a list.
async fn read_page<T: DeserializeOwned>(
    client: Client,
    path: &'static str,
    fields: Option<&'static str>,
    request: Request,
) -> Result<Page<T>, kube::Error> {
    let written = wire::write_request(path, fields, &request)?;
    let text = client.request_text(written).await?;
    wire::read_page(&text)
}

async fn next_line(stream: &mut Option<Events>) -> Option<Result<WatchEvent<Raw>, kube::Error>> {
    match stream {
        Some(stream) => stream.next().await,
        None => None,
    }
}
