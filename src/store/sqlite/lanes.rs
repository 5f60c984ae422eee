//! The threads that own connections: one writer with group commit, readers, and one that watches the feed.
//!
//! A write is answered only after the commit that holds it. A caller who goes away does not take the write along.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::rows::unavailable;
use super::schema;
use crate::clock::Stopwatch;
use crate::store::{Observer, Result, StoreError};

const READERS: usize = 2;

/// The most writes that share one commit.
const BATCH: usize = 512;

/// Runs on a connection, or is told why it cannot, and returns what tells the caller once the outcome is durable.
type Job = Box<dyn FnOnce(std::result::Result<&Connection, &str>) -> Report + Send>;
/// Whether the job itself worked, and how to tell its caller.
type Report = (bool, Tell);
/// Called with the commit's failure, if it failed.
type Tell = Box<dyn FnOnce(Option<&str>) + Send>;

/// Dropped in this order: whoever closes last brings all that was written into the one file, and that is the writer.
pub(super) struct Lanes {
    watcher: Lane,
    readers: Lane,
    writer: Lane,
    observer: Observer,
    commits: Arc<AtomicU64>,
}

/// A queue and the threads that serve it.
struct Lane {
    jobs: Sender<Job>,
    _threads: Threads,
}

/// Waited for when dropped: what is queued is done, and the connections are closed. Declared after its queue's sender,
/// because only that being gone ends them.
#[derive(Default)]
struct Threads(Vec<JoinHandle<()>>);

impl Drop for Threads {
    fn drop(&mut self) {
        for thread in self.0.drain(..) {
            // One that panicked has closed its connection all the same.
            let _ = thread.join();
        }
    }
}

impl Lanes {
    pub(super) fn open(path: &Path, observer: Observer) -> Result<Self> {
        // Hashes and private keys live here: nobody else may read it.
        let made = OpenOptions::new().create(true).append(true).mode(0o600).open(path);
        made.map_err(|error| StoreError::Unavailable(format!("{}: {error}", path.display())))?;
        let connect = || -> Result<Connection> {
            let mut db = Connection::open(path).map_err(unavailable)?;
            schema::wait_in_turn(&mut db)?;
            schema::recognise(&db)?;
            schema::prepare(&db)?;
            Ok(db)
        };
        let named = |error: StoreError| error.at(path);
        let mut db = connect().map_err(named)?;
        schema::migrate(&mut db).map_err(named)?;

        let commits = Arc::new(AtomicU64::new(0));
        let (jobs, writes) = channel();
        let counted = Arc::clone(&commits);
        let mut threads = Threads::default();
        threads.spawn("store-writer", move || write_all(&db, &writes, &counted))?;
        let writer = Lane { jobs, _threads: threads };
        let reader = |name: &str, connections: usize| -> Result<Lane> {
            let (jobs, reads) = channel();
            let reads = Arc::new(Mutex::new(reads));
            let mut threads = Threads::default();
            for _ in 0..connections {
                let (db, reads) = (connect()?, Arc::clone(&reads));
                threads.spawn(name, move || read_all(&db, &reads))?;
            }
            Ok(Lane { jobs, _threads: threads })
        };
        let (readers, watcher) = (reader("store-reader", READERS)?, reader("store-watcher", 1)?);
        Ok(Self { watcher, readers, writer, observer, commits })
    }

    pub(super) fn commits(&self) -> u64 {
        self.commits.load(Ordering::Relaxed)
    }

    pub(super) async fn write<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(&self.writer, operation, work).await
    }

    pub(super) async fn read<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(&self.readers, operation, work).await
    }

    /// On the connection that only ever watches: `data_version` tells it of everybody else's writes.
    pub(super) async fn watch<T: Send + 'static>(
        &self,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run(&self.watcher, operation, work).await
    }

    async fn run<T: Send + 'static>(
        &self,
        lane: &Lane,
        operation: &'static str,
        work: impl FnOnce(&Connection) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |db| {
            let outcome = match db {
                Ok(db) => catch_unwind(AssertUnwindSafe(|| work(db)))
                    .unwrap_or_else(|_| Err(StoreError::Unavailable("the operation panicked".into()))),
                Err(why) => Err(StoreError::Unavailable(why.into())),
            };
            let worked = outcome.is_ok();
            let report = move |failure: Option<&str>| {
                let outcome = match failure {
                    Some(why) => Err(StoreError::Unavailable(why.into())),
                    None => outcome,
                };
                // The caller may have gone away: the write stands all the same.
                let _ = answer.send(outcome);
            };
            (worked, Box::new(report))
        });
        let watch = Stopwatch::start();
        let gone = || StoreError::Unavailable("the database takes no work".into());
        let outcome = match lane.jobs.send(job) {
            Ok(()) => answered.await.unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(gone()),
        };
        (self.observer)(operation, watch.elapsed(), outcome.is_ok());
        outcome
    }
}

impl Threads {
    fn spawn(&mut self, name: &str, body: impl FnOnce() + Send + 'static) -> Result<()> {
        let spawned = std::thread::Builder::new().name(name.into()).spawn(body);
        self.0.push(spawned.map_err(|error| StoreError::Unavailable(format!("no thread for {name}: {error}")))?);
        Ok(())
    }
}

fn read_all(db: &Connection, jobs: &Mutex<Receiver<Job>>) {
    loop {
        let job = jobs.lock().unwrap_or_else(PoisonError::into_inner).recv();
        let Ok(job) = job else { return };
        let (_, report) = job(Ok(db));
        report(None);
    }
}

/// Group commit: whatever has queued while the last commit was being made durable goes into the next one.
fn write_all(db: &Connection, jobs: &Receiver<Job>, commits: &AtomicU64) {
    while let Ok(first) = jobs.recv() {
        let batch: Vec<Job> = std::iter::once(first).chain(jobs.try_iter()).take(BATCH).collect();
        if let Err(error) = db.execute_batch("BEGIN IMMEDIATE") {
            tracing::error!(%error, "the store cannot begin to write");
            batch.into_iter().for_each(|job| refuse(job, &error.to_string())(None));
            continue;
        }
        let reports: Vec<_> = batch.into_iter().map(|job| in_savepoint(db, job)).collect();
        let failure = if db.is_autocommit() {
            Some(UNDONE.to_owned())
        } else {
            db.execute_batch("COMMIT").err().map(|error| {
                // After a failed commit the transaction may still be open.
                let _ = db.execute_batch("ROLLBACK");
                error.to_string()
            })
        };
        commits.fetch_add(1, Ordering::Relaxed);
        reports.into_iter().for_each(|report| report(failure.as_deref()));
    }
}

/// A full or failing disk makes SQLite undo the whole transaction: a job that ran after that would be on its own.
const UNDONE: &str = "the database undid the transaction; is the disk full?";

fn refuse(job: Job, why: &str) -> Tell {
    job(Err(why)).1
}

/// One job's failure undoes that job alone.
fn in_savepoint(db: &Connection, job: Job) -> Tell {
    if db.is_autocommit() {
        return refuse(job, UNDONE);
    }
    if let Err(error) = db.execute_batch("SAVEPOINT job") {
        return refuse(job, &error.to_string());
    }
    let (worked, report) = job(Ok(db));
    let end = if worked { "RELEASE job" } else { "ROLLBACK TO job; RELEASE job" };
    match db.execute_batch(end) {
        Ok(()) => report,
        Err(error) => {
            let why = error.to_string();
            Box::new(move |failure| report(Some(failure.unwrap_or(&why))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn rows(lanes: &Lanes) -> i64 {
        let count = |db: &Connection| db.query_row("SELECT count(*) FROM t", [], |row| row.get(0)).map_err(unavailable);
        lanes.read("rows", count).await.unwrap()
    }

    fn insert(bytes: u32) -> impl FnOnce(&Connection) -> Result<()> + Send + 'static {
        move |db| db.execute("INSERT INTO t VALUES (zeroblob(?1))", [bytes]).map(drop).map_err(unavailable)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_full_disk_undoes_the_whole_batch_and_nothing_slips_in_behind_it() {
        let folder = tempfile::tempdir().unwrap();
        let lanes = Arc::new(Lanes::open(&folder.path().join("p.db"), Arc::new(|_, _, _| ())).unwrap());
        let limit = |db: &Connection| {
            db.execute_batch("CREATE TABLE t (filler BLOB); PRAGMA max_page_count = 40;").map_err(unavailable)
        };
        lanes.write("limit", limit).await.unwrap();

        // While this one holds the writer, the others queue and become one batch.
        let (holding, held) = (oneshot::channel(), channel::<()>());
        let hold = move |_: &Connection| {
            let _ = holding.0.send(());
            held.1.recv().map_err(|_| StoreError::Unavailable("let go".into()))
        };
        let first = Arc::clone(&lanes);
        let first = tokio::spawn(async move { first.write("hold", hold).await });
        holding.1.await.unwrap();
        let (small, large, behind, ()) = tokio::join!(
            lanes.write("small", insert(10)),
            lanes.write("large", insert(1_000_000)),
            lanes.write("behind", insert(10)),
            async { held.0.send(()).unwrap() }
        );
        first.await.unwrap().unwrap();
        for outcome in [small, large, behind] {
            assert!(matches!(outcome, Err(StoreError::Unavailable(_))), "{outcome:?}");
        }
        assert_eq!(rows(&lanes).await, 0, "an error means that nothing has changed");
        lanes.write("small", insert(10)).await.unwrap();
        assert_eq!(rows(&lanes).await, 1);
    }
}
