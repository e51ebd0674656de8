//! The audits of one kind: their lists run beside the watch and do not hold it up.

use std::future::pending;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::model::Instant;
use crate::scheduler::{Audit, Event};
use crate::watch::{AuditStep, Auditor, Page, Reached, Request};

/// The answer to a request for a page.
pub(super) type Answer<T> = BoxFuture<'static, Result<Page<T>, kube::Error>>;

/// Drives the audits of one kind.
pub(super) struct Audits<T> {
    auditor: Auditor,
    open: Option<Answer<T>>,
    /// An audit begins with the next delivery.
    begins: bool,
    told: Vec<Audit<T>>,
}

impl<T> Audits<T> {
    /// Audits that come so often; none if never.
    pub(super) fn new(every: Option<Duration>) -> Self {
        Self { auditor: Auditor::new(every), open: None, begins: false, told: Vec::new() }
    }

    /// Does what is due where the watch has come so far. Returns when to call again at the latest.
    pub(super) fn drive(
        &mut self,
        now: Instant,
        reached: Option<Reached<'_>>,
        ask: impl Fn(Request) -> Answer<T>,
    ) -> Option<Instant> {
        loop {
            match self.auditor.next(now, reached) {
                AuditStep::Wait(until) => return Some(until),
                AuditStep::Hold => return None,
                AuditStep::Begin => {
                    self.open = None;
                    self.told.clear();
                    self.begins = true;
                }
                AuditStep::List(request) => self.open = Some(ask(request)),
                AuditStep::End => self.told.push(Audit::End),
            }
        }
    }

    /// Waits for the page that was asked for; for ever if none was.
    pub(super) async fn page(&mut self) -> Result<Page<T>, kube::Error> {
        match &mut self.open {
            Some(open) => open.await,
            None => pending().await,
        }
    }

    pub(super) fn take_in(&mut self, now: Instant, page: Result<Page<T>, kube::Error>, kind: &str) {
        self.open = None;
        match page {
            Ok(page) => self.told.push(self.auditor.page(page)),
            Err(error) => {
                tracing::warn!(kind, %error, "An audit failed.");
                self.auditor.failed(now);
            }
        }
    }

    pub(super) fn has_news(&self) -> bool {
        self.begins || !self.told.is_empty()
    }

    /// Puts what there is to tell around the changes of the watch. All that has come since an audit
    /// was asked for has come while it runs.
    pub(super) fn around(
        &mut self,
        changes: impl Iterator<Item = Event>,
        event: Option<fn(Audit<T>) -> Event>,
    ) -> Vec<Event> {
        let begin = std::mem::take(&mut self.begins).then_some(Audit::Begin);
        let told: Vec<Audit<T>> = self.told.drain(..).collect();
        let (begin, told) = match event {
            Some(event) => (begin.map(event), told.into_iter().map(event).collect()),
            None => (None, Vec::new()),
        };
        begin.into_iter().chain(changes).chain(told).collect()
    }
}

/// The page that is asked for, or a failure if it takes too long.
pub(super) fn within<T: Send + 'static>(
    longest: Duration,
    asked: impl Future<Output = Result<Page<T>, kube::Error>> + Send + 'static,
) -> Answer<T> {
    async move {
        match tokio::time::timeout(longest, asked).await {
            Ok(page) => page,
            Err(elapsed) => Err(kube::Error::Service(elapsed.into())),
        }
    }
    .boxed()
}
