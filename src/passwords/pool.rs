//! A few threads of their own for slow work, a short queue before them, and *busy* beyond that. A storm of logins is
//! turned away here instead of slowing proxied requests. It knows nothing of passwords.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};
use std::thread;
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit, oneshot};
use tokio::time::timeout;

use super::Observer;

type Job = Box<dyn FnOnce() + Send>;

pub struct Pool {
    jobs: mpsc::Sender<Job>,
    /// As many as there are threads, so a job that is sent is taken up at once.
    places: Arc<Semaphore>,
    queue: Semaphore,
    patience: Duration,
    observer: Arc<dyn Observer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failure {
    /// The queue is full, or no place came free in time.
    Busy,
    /// The work panicked. Its thread lives on.
    Panicked,
}

impl Pool {
    /// Work waits at most `patience`, and at most `queue` pieces of it wait.
    pub fn start(threads: usize, queue: usize, patience: Duration, observer: Arc<dyn Observer>) -> io::Result<Self> {
        let (jobs, inbox) = mpsc::channel();
        let inbox = Arc::new(Mutex::new(inbox));
        for number in 1..=threads {
            let inbox = Arc::clone(&inbox);
            thread::Builder::new().name(format!("password-{number}")).spawn(move || {
                yield_to_others();
                serve(&inbox);
            })?;
        }
        let places = Arc::new(Semaphore::new(threads));
        Ok(Self { jobs, places, queue: Semaphore::new(queue), patience, observer })
    }

    /// Needs a tokio runtime with its timer on.
    pub async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> Result<T, Failure> {
        let place = self.place().await?;
        let (reply, answer) = oneshot::channel();
        // The place travels with the job: a caller who goes away does not free it while the work still runs.
        let job = Box::new(move || {
            if reply.is_closed() {
                return;
            }
            let outcome = catch_unwind(AssertUnwindSafe(work)).map_err(|_| Failure::Panicked);
            drop(place);
            // Nobody listening is nobody's loss.
            let _ = reply.send(outcome);
        });
        self.jobs.send(job).map_err(|_| Failure::Busy)?;
        answer.await.unwrap_or(Err(Failure::Panicked))
    }

    async fn place(&self) -> Result<OwnedSemaphorePermit, Failure> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let _waiting = self.wait_in_queue()?;
        let place = timeout(self.patience, Arc::clone(&self.places).acquire_owned()).await;
        place.map_err(|_| Failure::Busy)?.map_err(|_| Failure::Busy)
    }

    fn wait_in_queue(&self) -> Result<Waiting<'_>, Failure> {
        let spot = self.queue.try_acquire().map_err(|_| Failure::Busy)?;
        self.observer.waiting(1);
        Ok(Waiting { _spot: spot, observer: &*self.observer })
    }
}

/// A spot in the queue, given back however the wait ends.
struct Waiting<'a> {
    _spot: SemaphorePermit<'a>,
    observer: &'a dyn Observer,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.observer.waiting(-1);
    }
}

/// The system runs everything else first: a hash that takes a little longer is noticed by one person, a request that waits for
/// a core by all. Where it cannot be asked for that, cores are shared evenly.
fn yield_to_others() {
    // Only here does it hold for a thread, and not for the process.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::nice(10);
}

/// Ends when the pool is dropped.
fn serve(inbox: &Mutex<mpsc::Receiver<Job>>) {
    loop {
        // The lock is held while waiting for a job, not while doing it.
        let next = inbox.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job(),
            Err(_) => return,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};

    use super::*;

    const LONG: Duration = Duration::from_secs(600);

    #[derive(Default)]
    struct Gauge(AtomicI64);

    impl Observer for Gauge {
        fn hashed(&self, _: Duration) {}
        fn waiting(&self, change: i64) {
            self.0.fetch_add(change, Ordering::SeqCst);
        }
    }

    fn pool(threads: usize, queue: usize, patience: Duration) -> (Arc<Pool>, Arc<Gauge>) {
        let gauge = Arc::new(Gauge::default());
        (Arc::new(Pool::start(threads, queue, patience, gauge.clone()).unwrap()), gauge)
    }

    /// Work that says when it has begun and goes on until told to end.
    fn held() -> (impl FnOnce() + Send + 'static, Receiver<()>, Sender<()>) {
        let (begun, has_begun) = channel();
        let (end, may_end) = channel();
        let work = move || {
            begun.send(()).unwrap();
            let _ = may_end.recv();
        };
        (work, has_begun, end)
    }

    async fn until(condition: impl Fn() -> bool) {
        while !condition() {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn as_many_run_at_once_as_there_are_threads_and_no_more() {
        let (pool, _) = pool(2, 20, LONG);
        let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        // Passes only if two meet in it: the pool really runs two at a time.
        let pair = Arc::new(Barrier::new(2));
        let tasks = (0..20).map(|_| {
            let (pool, running, most, pair) = (pool.clone(), running.clone(), most.clone(), pair.clone());
            tokio::spawn(async move {
                let work = move || {
                    most.fetch_max(running.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                    pair.wait();
                    running.fetch_sub(1, Ordering::SeqCst);
                };
                pool.run(work).await
            })
        });
        for task in tasks.collect::<Vec<_>>() {
            assert_eq!(task.await.unwrap(), Ok(()));
        }
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }

    #[tokio::test]
    async fn beyond_the_queue_is_busy_at_once() {
        let (pool, gauge) = pool(1, 1, LONG);
        let (work, has_begun, end) = held();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(work).await }
        });
        until(|| has_begun.try_recv().is_ok()).await;
        let second = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(|| 2).await }
        });
        until(|| gauge.0.load(Ordering::SeqCst) == 1).await;
        assert_eq!(pool.run(|| 3).await, Err(Failure::Busy));
        end.send(()).unwrap();
        assert_eq!(first.await.unwrap(), Ok(()));
        assert_eq!(second.await.unwrap(), Ok(2));
        assert_eq!(gauge.0.load(Ordering::SeqCst), 0);
    }

    #[tokio::test]
    async fn a_caller_who_goes_away_does_not_free_the_place_early() {
        let (pool, gauge) = pool(1, 1, Duration::ZERO);
        let (work, has_begun, end) = held();
        let caller = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(work).await }
        });
        until(|| has_begun.try_recv().is_ok()).await;
        caller.abort();
        assert!(caller.await.unwrap_err().is_cancelled());
        assert_eq!(pool.run(|| 2).await, Err(Failure::Busy), "and patience ran out");
        assert_eq!(gauge.0.load(Ordering::SeqCst), 0);
        end.send(()).unwrap();
        until(|| pool.places.available_permits() == 1).await;
        assert_eq!(pool.run(|| 3).await, Ok(3));
    }

    #[tokio::test]
    async fn a_panic_costs_one_answer_and_no_thread() {
        let (pool, _) = pool(1, 1, LONG);
        assert_eq!(pool.run(|| -> u8 { panic!("on purpose") }).await, Err(Failure::Panicked));
        assert_eq!(pool.run(|| 1).await, Ok(1));
    }
}
