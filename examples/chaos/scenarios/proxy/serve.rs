//! One connection of a client: request after request, each with its fault.

use std::io::{BufReader, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::net::sockopt::set_socket_linger;

use super::call::{Asked, Call};
use super::message::Message;
use super::upstream::{Stream, read_rest};
use super::{Desk, Exchange, Fault};

/// How often a connection that waits looks whether its client is still there.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How often an idle watch does.
const LOOK_AT_WATCH_EVERY: Duration = Duration::from_millis(250);
/// What a throttled client is asked to wait.
const RETRY_AFTER_SECONDS: u32 = 1;

/// Whether the connection can be used again.
#[derive(PartialEq)]
enum Next {
    Request,
    End,
}

/// Answers a client until one of both ends the connection.
pub(super) fn connection(desk: &Desk, client: TcpStream) -> std::io::Result<()> {
    client.set_nodelay(true)?;
    let mut from = BufReader::new(client.try_clone()?);
    while let Some(request) = Message::read_request(&mut from)? {
        let asked = Asked::read(&request);
        let fault = desk.fault(asked.call);
        let next = if asked.call == Call::Watch {
            watch(desk, &client, request)?
        } else {
            let number = (!asked.pod.is_empty()).then(|| desk.open(exchange(asked, fault)));
            Answering { desk, client: &client, number }.meet(fault, request)?
        };
        if next == Next::End {
            return Ok(());
        }
    }
    Ok(())
}

fn exchange(asked: Asked, fault: Option<Fault>) -> Exchange {
    let Asked { call, pod, node } = asked;
    Exchange { call, pod, node, fault, asked: Timestamp::now(), answered: None, told: None }
}

/// One request that is being answered.
struct Answering<'a> {
    desk: &'a Desk,
    client: &'a TcpStream,
    /// Where its account is kept.
    number: Option<usize>,
}

impl Answering<'_> {
    fn meet(&self, fault: Option<Fault>, request: Message) -> std::io::Result<Next> {
        match fault {
            None => self.tell(&self.carry_out(request)?),
            Some(Fault::LoseReply) => self.carry_out(request).map(|_| Next::End),
            Some(Fault::HoldReply) => {
                self.carry_out(request)?;
                wait_until_gone(self.client);
                Ok(Next::End)
            }
            Some(Fault::LoseRequest) => {
                wait_until_gone(self.client);
                Ok(Next::End)
            }
            Some(Fault::DelayReply(delay)) => {
                let answer = self.carry_out(request)?;
                thread::sleep(delay);
                self.tell(&answer)
            }
            Some(Fault::DelayRequest(delay)) => {
                thread::sleep(delay);
                self.tell(&self.carry_out(request)?)
            }
            Some(Fault::ResetBefore) => self.reset(),
            Some(Fault::ResetAfter) => {
                self.carry_out(request)?;
                self.reset()
            }
            Some(Fault::Throttle) => self.tell(&Message::refusal(429, Some(RETRY_AFTER_SECONDS))),
            Some(Fault::FailBefore(code)) => self.tell(&Message::refusal(code, None)),
            Some(Fault::FailAfter(code)) => {
                self.carry_out(request)?;
                self.tell(&Message::refusal(code, None))
            }
            Some(Fault::CutReply) => {
                let bytes = self.carry_out(request)?.bytes();
                let mut client = self.client;
                client.write_all(&bytes[..bytes.len() / 2])?;
                Ok(Next::End)
            }
            Some(Fault::SlowReply(pause)) => self.tell_slowly(&self.carry_out(request)?, pause),
        }
    }

    /// Asks the API server and reads its whole answer.
    fn carry_out(&self, request: Message) -> std::io::Result<Message> {
        let (mut answer, mut stream) = self.desk.upstream.ask(request)?;
        read_rest(&mut stream, &mut answer)?;
        let answered = Some((Timestamp::now(), answer.code()));
        self.desk.note(self.number, |exchange| exchange.answered = answered);
        Ok(answer)
    }

    fn tell(&self, answer: &Message) -> std::io::Result<Next> {
        // A client that is gone hears nothing, though the kernel would take the bytes.
        if is_gone(self.client) {
            return Ok(Next::End);
        }
        let mut client = self.client;
        client.write_all(&answer.bytes())?;
        let told = Some((Timestamp::now(), answer.code()));
        self.desk.note(self.number, |exchange| exchange.told = told);
        Ok(Next::Request)
    }

    fn tell_slowly(&self, answer: &Message, pause: Duration) -> std::io::Result<Next> {
        let mut client = self.client;
        for byte in answer.bytes() {
            if is_gone(self.client) {
                return Ok(Next::End);
            }
            client.write_all(&[byte])?;
            thread::sleep(pause);
        }
        let told = Some((Timestamp::now(), answer.code()));
        self.desk.note(self.number, |exchange| exchange.told = told);
        Ok(Next::Request)
    }

    /// Makes the end of the connection a reset instead of a good-bye.
    fn reset(&self) -> std::io::Result<Next> {
        set_socket_linger(self.client, Some(Duration::ZERO))?;
        Ok(Next::End)
    }
}

/// Passes a watch on until one side ends it, or until watches are frozen.
fn watch(desk: &Desk, client: &TcpStream, request: Message) -> std::io::Result<Next> {
    let freezes = desk.freezes.load(Ordering::Relaxed);
    let (head, mut stream) = desk.upstream.ask(request)?;
    let mut out = client;
    out.write_all(&head.bytes())?;
    stream.get_ref().sock.set_read_timeout(Some(LOOK_AT_WATCH_EVERY))?;
    let mut buffer = [0; 16 * 1024];
    loop {
        let read = read_some(&mut stream, &mut buffer);
        if desk.freezes.load(Ordering::Relaxed) > freezes {
            wait_until_gone(client);
            return Ok(Next::End);
        }
        match read? {
            Some(0) => return Ok(Next::Request),
            Some(length) => out.write_all(&buffer[..length])?,
            None if is_gone(client) => return Ok(Next::End),
            None => {}
        }
    }
}

/// Reads what is there; none if there was nothing for a while.
fn read_some(stream: &mut Stream, buffer: &mut [u8]) -> std::io::Result<Option<usize>> {
    match stream.read(buffer) {
        Ok(length) => Ok(Some(length)),
        Err(error) => match error.kind() {
            ErrorKind::WouldBlock | ErrorKind::TimedOut => Ok(None),
            ErrorKind::UnexpectedEof => Ok(Some(0)),
            _ => Err(error),
        },
    }
}

/// Waits until the client has closed its side.
fn wait_until_gone(client: &TcpStream) {
    /// No client waits longer for an answer.
    const WAIT_MAX: Duration = Duration::from_secs(300);
    let start = Instant::now();
    while start.elapsed() < WAIT_MAX && !is_gone(client) {
        thread::sleep(LOOK_EVERY);
    }
}

/// Whether the client has closed its side. A client that waits for an answer sends nothing.
fn is_gone(client: &TcpStream) -> bool {
    _ = client.set_nonblocking(true);
    let gone = match client.peek(&mut [0]) {
        Ok(length) => length == 0,
        Err(error) => error.kind() != ErrorKind::WouldBlock,
    };
    _ = client.set_nonblocking(false);
    gone
}
