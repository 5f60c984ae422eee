//! A reader who takes nothing: what is written to him waits, and with it a connection here and one at the upstream. Pingora
//! bounds the writing of a body and of nothing else, so that is done here, for every byte.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use tokio::time::Sleep;

#[derive(Debug)]
pub struct Stall {
    patience: Duration,
    /// Since a write had to wait. It stays where the write was given up.
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Stall {
    /// `patience`: how long a write may wait.
    pub fn after(patience: Duration) -> Self {
        Self { patience, alarm: None }
    }

    /// What became of a write: if it waits, then no longer than it may.
    pub fn watch<T>(&mut self, written: Poll<io::Result<T>>, cx: &mut Context<'_>) -> Poll<io::Result<T>> {
        if written.is_ready() {
            self.alarm = None;
            return written;
        }
        let patience = self.patience;
        let alarm = self.alarm.get_or_insert_with(|| Box::pin(tokio::time::sleep(patience)));
        ready!(alarm.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether the last thing written has not been taken.
    pub fn lasts(&self) -> bool {
        self.alarm.is_some()
    }
}
