//! The connection that all callers share. When it is lost, one task makes a new one; until there is one, callers are told at
//! once that there is none, so that nobody queues behind a server that does not answer.
//!
//! The library's own `ConnectionManager` would keep a line on which calls time out, could not be told to look for a new
//! master, and makes every caller wait for its attempts.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{Cmd, PushKind, Value};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use uuid::Uuid;

use super::address::Address;
use super::connect::connect;
use super::failure::{Failure, explain};
use super::script::Call;

/// How long a caller waits for the first attempt after a loss: a server that was restarted is back by then.
const PATIENCE: Duration = Duration::from_millis(200);

/// Between attempts, each time twice as long, and uneven, so that many gateways do not come all at once.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_millis(800);

/// How often a new master is looked for while this server can only be read.
const MASTER_SEARCH: Duration = Duration::from_secs(1);

pub(super) struct Link(Arc<Inner>);

struct Inner {
    address: Address,
    answers_within: Duration,
    state: watch::Sender<State>,
    made: AtomicU64,
    searching: AtomicBool,
}

#[derive(Clone)]
enum State {
    /// The number tells this connection from those before it.
    Up(u64, MultiplexedConnection),
    Connecting,
    Down(Arc<str>),
}

impl Link {
    pub(super) async fn open(address: Address, answers_within: Duration) -> Result<Self, Failure> {
        let (made, searching) = (AtomicU64::new(0), AtomicBool::new(false));
        let state = watch::Sender::new(State::Connecting);
        let inner = Arc::new(Inner { address, answers_within, state, made, searching });
        let (number, connection) = inner.connect().await?;
        inner.state.send_replace(State::Up(number, connection));
        Ok(Self(inner))
    }

    pub(super) async fn run(&self, call: &Call<'_>) -> Result<Value, Failure> {
        match self.ask(&call.by_hash()).await {
            Err(failure) if failure.code() == Some("NOSCRIPT") => self.ask(&call.by_text()).await,
            answer => answer,
        }
    }

    pub(super) async fn ask(&self, command: &Cmd) -> Result<Value, Failure> {
        let (number, mut connection) = self.connection().await?;
        let answer = command.query_async::<Value>(&mut connection).await.map_err(Failure::from);
        if let Err(failure) = &answer {
            if failure.ends_connection() {
                self.0.lost(number);
            } else if failure.wants_a_master() {
                self.0.search(number);
            }
        }
        answer
    }

    /// Tells the present connection from all others.
    pub(super) async fn number(&self) -> Result<u64, Failure> {
        self.connection().await.map(|(number, _)| number)
    }

    /// Until the connection of this number is no longer the present one.
    pub(super) async fn replaced(&self, number: u64) {
        let present = |state: &State| matches!(state, State::Up(present, _) if *present == number);
        // The sender is ours.
        let _ = self.0.state.subscribe().wait_for(|state| !present(state)).await;
    }

    /// Make a new connection: this one may lead to a server that is not the one any more.
    pub(super) fn renew(&self) {
        let number = match &*self.0.state.borrow() {
            State::Up(number, _) => *number,
            State::Connecting | State::Down(_) => return,
        };
        self.0.lost(number);
    }

    async fn connection(&self) -> Result<(u64, MultiplexedConnection), Failure> {
        let mut state = self.0.state.borrow().clone();
        if matches!(state, State::Connecting) {
            let mut changes = self.0.state.subscribe();
            // What has not come by then is not there.
            let settled = timeout(PATIENCE, changes.wait_for(|state| !matches!(state, State::Connecting))).await;
            state = match settled {
                Ok(Ok(state)) => state.clone(),
                _ => State::Connecting,
            };
        }
        match state {
            State::Up(number, connection) => Ok((number, connection)),
            State::Down(why) => Err(Failure::Away(why)),
            State::Connecting => Err(Failure::Away("the connection to Redis was lost".into())),
        }
    }
}

impl Inner {
    async fn connect(self: &Arc<Self>) -> Result<(u64, MultiplexedConnection), Failure> {
        let number = self.made.fetch_add(1, Ordering::Relaxed);
        let link = Arc::downgrade(self);
        // Heard as soon as the server closes, so that a new one is often there before the next caller.
        let closed = move |push: redis::PushInfo| {
            if let (PushKind::Disconnection, Some(link)) = (push.kind, link.upgrade()) {
                link.lost(number);
            }
            Ok::<_, ()>(())
        };
        Ok((number, connect(&self.address, self.answers_within, closed).await?))
    }

    /// The connection of this number is of no use any more.
    fn lost(self: &Arc<Self>, number: u64) {
        let was_up = self.state.send_if_modified(|state| {
            let current = matches!(state, State::Up(current, _) if *current == number);
            if current {
                *state = State::Connecting;
            }
            current
        });
        if was_up {
            tracing::warn!("the connection to {} was lost", self.address);
            tokio::spawn(reconnect(Arc::downgrade(self)));
        }
    }

    /// While this connection goes on for reading, see whether another server is the master by now.
    fn search(self: &Arc<Self>, number: u64) {
        if self.searching.swap(true, Ordering::AcqRel) {
            return;
        }
        let link = Arc::clone(self);
        tokio::spawn(async move {
            if let Ok((new, connection)) = link.connect().await {
                link.state.send_if_modified(|state| {
                    let current = matches!(state, State::Up(current, _) if *current == number);
                    if current {
                        *state = State::Up(new, connection);
                    }
                    current
                });
            }
            sleep(MASTER_SEARCH).await;
            link.searching.store(false, Ordering::Release);
        });
    }
}

/// Until there is a connection, or nobody who wants one.
async fn reconnect(link: Weak<Inner>) {
    let mut pause = FIRST_PAUSE;
    loop {
        let Some(link) = link.upgrade() else { return };
        match link.connect().await {
            Ok((number, connection)) => {
                link.state.send_replace(State::Up(number, connection));
                tracing::info!("{} answers again", link.address);
                return;
            }
            Err(Failure::Away(why)) => link.state.send_replace(State::Down(why)),
            Err(Failure::Answer(error)) => link.state.send_replace(State::Down(explain(&error).into())),
        };
        drop(link);
        sleep(uneven(pause)).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

/// Between half of it and all of it.
fn uneven(pause: Duration) -> Duration {
    let part = (Uuid::new_v4().as_u128() % 512) as u32;
    pause / 2 + pause / 2 * part / 512
}
