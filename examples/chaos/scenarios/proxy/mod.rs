//! A proxy before the API server that can lose, delay, break and forge what passes.
//!
//! ```text
//!  daemon ── plain HTTP, kept alive ──▶ Proxy ── TLS, a connection for each request ──▶ API server
//!                                         │
//!                    rules: which call meets which fault; exchanges: what became of it
//! ```
//!
//! It keeps its own account of what it was asked and what it gave back, so that a test knows for
//! certain which answers never arrived.

mod call;
mod message;
mod serve;
mod upstream;

use std::net::{Ipv4Addr, TcpListener};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use jiff::Timestamp;

pub use call::Call;

use crate::control_plane::ControlPlane;
use upstream::Upstream;

/// What can happen to a request.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fault {
    /// It is carried out, and then the connection ends without an answer.
    LoseReply,
    /// It is carried out, and the answer waits for as long as the client does.
    HoldReply,
    /// It never arrives; the client waits for as long as it likes.
    LoseRequest,
    /// It is carried out, and the answer comes so much later.
    DelayReply(Duration),
    /// It arrives so much later, whether the client still waits or not.
    DelayRequest(Duration),
    /// The connection is reset before the request has arrived.
    ResetBefore,
    /// The connection is reset after the request was carried out.
    ResetAfter,
    /// It is refused with 429 and asked to come again a second later.
    Throttle,
    /// It is refused with this code and never arrives.
    FailBefore(u16),
    /// It is carried out and answered with this code.
    FailAfter(u16),
    /// The answer is cut in the middle.
    CutReply,
    /// The answer comes byte by byte, with so much time between two.
    SlowReply(Duration),
}

/// Which requests meet a fault.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    pub call: Call,
    pub fault: Fault,
    /// Every so manieth of them.
    pub every: u32,
    /// How many more of them, at most.
    pub left: u32,
}

/// One request about a pod, and what became of it.
#[derive(Clone, Debug)]
pub struct Exchange {
    pub call: Call,
    /// `namespace/name`
    pub pod: String,
    /// The node that a binding names.
    pub node: String,
    pub fault: Option<Fault>,
    pub asked: Timestamp,
    /// When and what the API server answered, if it was asked.
    pub answered: Option<(Timestamp, u16)>,
    /// When and what the client was told in full, if it was.
    pub told: Option<(Timestamp, u16)>,
}

/// The proxy listens until the program ends.
#[derive(Clone)]
pub struct Proxy {
    port: u16,
    desk: Arc<Desk>,
}

/// What all connections share.
struct Desk {
    upstream: Upstream,
    rules: Mutex<Vec<(Rule, u32)>>,
    exchanges: Mutex<Vec<Exchange>>,
    /// Watches that began before the newest of these orders hang.
    freezes: AtomicU64,
}

impl Proxy {
    pub fn start(plane: &ControlPlane) -> Self {
        let (port, certificate) = plane.apiserver_address();
        let desk = Arc::new(Desk {
            upstream: Upstream::new(port, &certificate),
            rules: Mutex::default(),
            exchanges: Mutex::default(),
            freezes: AtomicU64::new(0),
        });
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let port = listener.local_addr().unwrap().port();
        let proxy = Self { port, desk: desk.clone() };
        thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let desk = desk.clone();
                // A connection that breaks is an answer, too.
                thread::spawn(move || _ = serve::connection(&desk, client));
            }
        });
        proxy
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// From now on these rules hold and no others.
    pub fn set(&self, rules: &[Rule]) {
        *lock(&self.desk.rules) = rules.iter().map(|rule| (*rule, 0)).collect();
    }

    /// All watches that are open now say nothing any more and stay open.
    pub fn freeze_watches(&self) {
        self.desk.freezes.fetch_add(1, Ordering::Relaxed);
    }

    /// What was asked so far, about pods.
    pub fn exchanges(&self) -> Vec<Exchange> {
        lock(&self.desk.exchanges).clone()
    }

    /// How many bindings have been asked for so far.
    pub fn bindings(&self) -> usize {
        lock(&self.desk.exchanges).iter().filter(|exchange| exchange.call == Call::Bind).count()
    }
}

impl Desk {
    /// The fault that a call meets.
    fn fault(&self, call: Call) -> Option<Fault> {
        for (rule, seen) in lock(&self.rules).iter_mut().filter(|(rule, _)| rule.call == call) {
            *seen += 1;
            if rule.left > 0 && seen.is_multiple_of(rule.every) {
                rule.left -= 1;
                return Some(rule.fault);
            }
        }
        None
    }

    /// Opens an account; returns its number.
    fn open(&self, exchange: Exchange) -> usize {
        let mut exchanges = lock(&self.exchanges);
        exchanges.push(exchange);
        exchanges.len() - 1
    }

    fn note(&self, number: Option<usize>, note: impl FnOnce(&mut Exchange)) {
        if let Some(number) = number {
            note(&mut lock(&self.exchanges)[number]);
        }
    }
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
