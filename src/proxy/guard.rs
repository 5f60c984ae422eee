//! What Pingora leaves open on a connection: a deadline for a whole head, however slowly it drips, and for an idle
//! connection; a look at each head before it is parsed ([`Head`]); and that every answer is ours, also where the parser
//! gives up before any hook is called.
//!
//! A wrapper round the socket that knows in which phase its connection is. Pingora reads and writes through it; the proxy's
//! hooks move it from phase to phase.

use std::io;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pingora::protocols::http::ServerSession;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::head::Head;
use super::socket::Socket;
use crate::gate::denial::Denial;

/// What holds for every connection of a listener.
pub struct Rules {
    pub deadlines: Deadlines,
    pub reception: Box<dyn Reception>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// From a connection's first byte, or from its acceptance, to the end of the head.
    pub header: Duration,
    /// Between requests.
    pub idle: Duration,
}

/// Answers for requests that no hook will ever see.
pub trait Reception: Send + Sync {
    /// The whole answer to a request that could not be parsed, after which the connection ends.
    fn refuse(&self, client: IpAddr, denial: &Denial) -> Vec<u8>;
    /// A head that had begun did not come to its end in time.
    fn cut_off(&self);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// So many bytes are due before HTTP/2 begins, where the limits of its own hold (RFC 9113 section 3.4).
    Preface(Instant, usize),
    /// Nothing is under way.
    Idle(Instant),
    /// A head is due.
    Head(Instant),
    /// A head is whole, and with the parser. What is written now is not written by us.
    Parsing(Instant),
    /// A request is being served: its own limits hold.
    Serving,
    /// The same, and its app must answer by then.
    Awaiting(Instant),
    /// The connection ends; what still comes is passed over.
    Ending(Instant),
}

/// How long a client may take to notice that its connection ends. Closing at once would reset the connection under the
/// answer while it is still on its way (RFC 9112 section 9.6).
const FAREWELL: Duration = Duration::from_secs(2);
const FAREWELL_BYTES: usize = 256 * 1024;

/// How long the preface of HTTP/2 is.
const PREFACE: usize = 24;

#[derive(Debug)]
pub struct Guarded {
    pub(super) socket: Socket,
    rules: Arc<Rules>,
    phase: Mutex<Phase>,
    head: Head,
    farewell: Option<Farewell>,
    /// Wakes a reader when its deadline passes. Made when it is first needed.
    alarm: Option<Pin<Box<Sleep>>>,
}

#[derive(Debug)]
struct Farewell {
    /// What is still to be said; nothing where the answer has been given.
    words: Vec<u8>,
    written: usize,
    shut: bool,
    passed_over: usize,
}

impl Guarded {
    pub fn new(socket: Socket, rules: Arc<Rules>) -> Self {
        let due = after(rules.deadlines.header);
        let first = if socket.speaks_http2() { Phase::Preface(due, PREFACE) } else { Phase::Head(due) };
        Self { socket, rules, phase: Mutex::new(first), head: Head::default(), farewell: None, alarm: None }
    }

    /// The guarded connection under an HTTP/1 request.
    pub fn under(session: &ServerSession) -> Option<&Self> {
        session.as_http1()?.stream().as_any().downcast_ref()
    }

    /// The hooks have been called: what is written from now on is ours.
    pub fn serving(&self) {
        self.enter(Phase::Serving);
    }

    /// A WebSocket's handshake is with its app. What follows may be silent for ever, and Pingora has one deadline for both.
    pub fn awaiting(&self, within: Duration) {
        self.enter(Phase::Awaiting(after(within)));
    }

    /// The app has not answered by then.
    pub fn overdue(&self) -> bool {
        matches!(self.phase(), Phase::Awaiting(due) if due <= Instant::now())
    }

    /// The request is over: another may come.
    pub fn idle(&self) {
        self.enter(Phase::Idle(after(self.rules.deadlines.idle)));
    }

    /// The request is over and so is the connection, but its body may still be coming.
    pub fn ending(&self) {
        self.enter(Phase::Ending(after(self.rules.deadlines.header)));
    }

    fn enter(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = phase;
    }

    fn phase(&self) -> Phase {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the present deadline has passed; if not, this task is woken when it does.
    fn poll_deadline(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let due = match self.phase() {
            Phase::Serving => return Poll::Pending,
            Phase::Preface(due, _)
            | Phase::Idle(due)
            | Phase::Head(due)
            | Phase::Parsing(due)
            | Phase::Awaiting(due)
            | Phase::Ending(due) => due,
        };
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(due)));
        if alarm.deadline() > due {
            alarm.as_mut().reset(due);
        }
        // One that is set too early is moved when it rings: to move it for every request costs more.
        loop {
            ready!(alarm.as_mut().poll(cx));
            if due <= Instant::now() {
                return Poll::Ready(());
            }
            alarm.as_mut().reset(due);
        }
    }

    /// Bytes have come, before or between requests.
    fn look(&mut self, bytes: &[u8]) {
        if let Phase::Preface(due, missing) = self.phase() {
            let missing = missing.saturating_sub(bytes.len());
            return self.enter(if missing == 0 { Phase::Serving } else { Phase::Preface(due, missing) });
        }
        match self.head.feed(bytes) {
            Ok(false) if matches!(self.phase(), Phase::Idle(_)) => {
                self.enter(Phase::Head(after(self.rules.deadlines.header)));
            }
            Ok(false) => {}
            Ok(true) => {
                self.head = Head::default();
                self.enter(Phase::Parsing(after(self.rules.deadlines.header)));
            }
            Err(denial) => self.refuse(&denial),
        }
    }

    fn refuse(&mut self, denial: &Denial) {
        let answer = self.rules.reception.refuse(self.socket.peer(), denial);
        self.take_leave(answer);
    }

    fn take_leave(&mut self, words: Vec<u8>) {
        self.farewell = Some(Farewell { words, written: 0, shut: false, passed_over: 0 });
        self.enter(Phase::Ending(after(FAREWELL)));
    }

    fn poll_words(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let Some(farewell) = &mut self.farewell else { return Poll::Ready(Ok(())) };
        while let Some(rest) = farewell.words.get(farewell.written..).filter(|rest| !rest.is_empty()) {
            match ready!(Pin::new(&mut self.socket).poll_write(cx, rest))? {
                0 => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                written => farewell.written += written,
            }
        }
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Say what is to be said, then wait for the client to hear it. To the reader it looks like the end of the connection.
    fn poll_farewell(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_words(cx))?;
        let Some(farewell) = &mut self.farewell else { return Poll::Ready(Ok(())) };
        if !farewell.shut {
            ready!(Pin::new(&mut self.socket).poll_shutdown(cx))?;
            farewell.shut = true;
        }
        let mut scratch = [0; 4096];
        loop {
            let mut passed_over = ReadBuf::new(&mut scratch);
            ready!(Pin::new(&mut self.socket).poll_read(cx, &mut passed_over))?;
            farewell.passed_over += passed_over.filled().len();
            if passed_over.filled().is_empty() || farewell.passed_over > FAREWELL_BYTES {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.poll_deadline(cx).is_ready() {
            if matches!(self.phase(), Phase::Preface(..) | Phase::Head(_) | Phase::Parsing(_)) {
                self.rules.reception.cut_off();
            }
            return Poll::Ready(Err(io::ErrorKind::TimedOut.into()));
        }
        if self.farewell.is_some() {
            return self.poll_farewell(cx);
        }
        let before = buf.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buf))?;
        let looks = matches!(self.phase(), Phase::Preface(..) | Phase::Idle(_) | Phase::Head(_));
        if looks && buf.filled().len() > before {
            self.look(&buf.filled()[before..]);
            if self.farewell.is_some() {
                buf.set_filled(before);
                // The farewell has a deadline of its own, which has just begun.
                let _ = self.poll_deadline(cx);
                return self.poll_farewell(cx);
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Guarded {
    /// What the parser answers by itself is put into our words.
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        if matches!(self.phase(), Phase::Serving | Phase::Awaiting(_)) {
            return Pin::new(&mut self.socket).poll_write(cx, buf);
        }
        if self.farewell.is_none() && matches!(self.phase(), Phase::Head(_) | Phase::Parsing(_)) {
            self.refuse(&Denial::BadRequest("The request cannot be parsed."));
        }
        if self.farewell.is_none() {
            return Pin::new(&mut self.socket).poll_write(cx, buf);
        }
        ready!(self.poll_words(cx))?;
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    /// Nothing more is written. Who may still be sending hears so before the connection closes.
    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !matches!(self.phase(), Phase::Ending(_)) {
            return Pin::new(&mut self.socket).poll_shutdown(cx);
        }
        if self.farewell.is_none() {
            self.take_leave(Vec::new());
        }
        // Who takes no notice is left all the same.
        if self.poll_deadline(cx).is_ready() { Poll::Ready(Ok(())) } else { self.poll_farewell(cx) }
    }
}

impl std::fmt::Debug for Rules {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.deadlines.fmt(f)
    }
}

fn after(span: Duration) -> Instant {
    Instant::now() + span
}
