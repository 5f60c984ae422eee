//! One event loop a thread. A connection stays on the loop that it was given to, and so do its exchanges and the connections
//! to upstreams that they use: nothing wanders from thread to thread, and no thread is woken to look for work.

use std::cell::Cell;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};

use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;

/// They end when this is dropped, and what is still under way on them is given up.
pub struct Loops {
    running: Vec<Running>,
    next: AtomicUsize,
}

struct Running {
    handle: Handle,
    end: oneshot::Sender<()>,
    thread: JoinHandle<()>,
}

/// So many tasks run before a loop looks for new events, if so many are ready: what is ready together stays together.
const BATCH: u32 = 256;

thread_local! {
    static HERE: Cell<u64> = const { Cell::new(0) };
    static UNDER_WAY: Cell<usize> = const { Cell::new(0) };
}

/// An exchange of this loop, from its request's head to its line in the log.
pub struct UnderWay(());

impl UnderWay {
    pub fn begin() -> Self {
        UNDER_WAY.set(UNDER_WAY.get().saturating_add(1));
        Self(())
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        UNDER_WAY.set(UNDER_WAY.get().saturating_sub(1));
    }
}

impl Loops {
    pub fn start(threads: usize) -> io::Result<Self> {
        let running = (1..=threads as u64).map(Running::start).collect::<io::Result<_>>()?;
        Ok(Self { running, next: AtomicUsize::new(0) })
    }

    /// On the loop whose turn it is.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let turn = self.next.fetch_add(1, Ordering::Relaxed) % self.running.len().max(1);
        if let Some(chosen) = self.running.get(turn) {
            chosen.handle.spawn(task);
        }
    }
}

impl Running {
    fn start(number: u64) -> io::Result<Self> {
        let ((end, ended), (begun, begins)) = (oneshot::channel(), std::sync::mpsc::sync_channel(1));
        // The loop is made on its own thread: where no thread can be had, it would be dropped here, which it must not be.
        let thread = thread::Builder::new().name(format!("requests-{number}")).spawn(move || {
            HERE.set(number);
            let runtime = match Builder::new_current_thread().enable_all().event_interval(BATCH).build() {
                Ok(runtime) => runtime,
                Err(error) => return drop(begun.send(Err(error))),
            };
            // Whether it is told to end or forgotten, it ends.
            let _ = begun.send(Ok(runtime.handle().clone()));
            let _ = runtime.block_on(ended);
            runtime.shutdown_background();
        })?;
        let handle = begins.recv().map_err(io::Error::other)??;
        Ok(Self { handle, end, thread })
    }
}

impl Drop for Loops {
    fn drop(&mut self) {
        for Running { end, thread, .. } in self.running.drain(..) {
            drop(end);
            // One that has panicked has ended too.
            let _ = thread.join();
        }
    }
}

/// The number of the loop that this is called on; 0 where there is none.
pub fn here() -> u64 {
    HERE.get()
}

/// Before a head is written, and before a request is put to the log: the tasks of this loop that are ready go first, and then
/// all take this step, one after the other. The code of a step and the system's stay in the processor's caches, and whoever
/// reads at the other ends is woken once. Where many exchanges are under way, each takes a tenth less CPU (docs/PERFORMANCE.md);
/// one that is alone does not wait.
pub async fn let_others_go_first() {
    if UNDER_WAY.get() > 1 {
        tokio::task::yield_now().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;
    use std::time::Duration;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(10);

    #[test]
    fn loops_take_turns_and_each_has_a_number() {
        let (say, heard) = channel();
        let loops = Loops::start(3).unwrap();
        for _ in 0..6 {
            let say = say.clone();
            loops.spawn(async move { say.send(here()).unwrap() });
        }
        let mut numbers: Vec<u64> = (0..6).map(|_| heard.recv_timeout(PATIENCE).unwrap()).collect();
        numbers.sort_unstable();
        assert_eq!((numbers, here()), (vec![1, 1, 2, 2, 3, 3], 0));
    }

    /// What two tasks of one loop say before and after they let others go first, in order.
    fn order_of_two(begin: fn() -> Option<UnderWay>) -> Vec<&'static str> {
        let (say, heard) = channel();
        let loops = Loops::start(1).unwrap();
        loops.spawn(async move {
            for ready in ["one is ready", "two is ready"] {
                let (say, under_way) = (say.clone(), begin());
                tokio::spawn(async move {
                    say.send(ready).unwrap();
                    let_others_go_first().await;
                    say.send("one writes").unwrap();
                    drop(under_way);
                });
            }
        });
        (0..4).map(|_| heard.recv_timeout(PATIENCE).unwrap()).collect()
    }

    #[test]
    fn of_exchanges_under_way_those_that_are_ready_go_first() {
        let order = order_of_two(|| Some(UnderWay::begin()));
        assert_eq!(order, ["one is ready", "two is ready", "one writes", "one writes"]);
    }

    #[test]
    fn where_none_is_under_way_any_more_nobody_waits() {
        let none = || {
            drop(UnderWay::begin());
            None
        };
        assert_eq!(order_of_two(none), ["one is ready", "one writes", "two is ready", "one writes"]);
    }

    #[test]
    fn what_is_under_way_ends_with_them() {
        let (say, heard) = channel::<()>();
        let loops = Loops::start(1).unwrap();
        loops.spawn(async move {
            let _held = say;
            std::future::pending::<()>().await;
        });
        drop(loops);
        assert!(
            heard.recv_timeout(PATIENCE).is_err_and(|error| error == std::sync::mpsc::RecvTimeoutError::Disconnected)
        );
    }
}
