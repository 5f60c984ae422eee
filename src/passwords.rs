//! Passwords: argon2id on a few threads of their own; hashes that came with an import are verified and reported as
//! outdated, so that the login that succeeds can replace them. Nothing here knows users, and no password or hash is shown.
//!
//! A password counts as the bytes that were received: no trimming, no case, no normalisation, no truncation (ASVS 6.2.8).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use argon2::{Argon2, PasswordHasher};

use crate::clock::Stopwatch;
use crate::gate::secret::Secret;

mod bcrypt_hash;
mod commonplace;
mod phc_hash;
mod pool;
mod stored;

pub use stored::{HashError, StoredHash};

/// The most bytes a password may have. Longer ones are refused, never cut.
pub const MAX_BYTES: usize = 1024;
/// How long a password may wait for its turn.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many may wait, for each that runs.
const QUEUE_PER_THREAD: usize = 4;
/// The most that [`Passwords::slowest`] asks anyone to wait.
const SLOWEST: Duration = Duration::from_secs(2);

/// From `[passwords]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// In characters.
    pub min_length: usize,
    pub memory_kib: u32,
    pub iterations: u32,
    pub parallelism: u32,
    /// 0: one per core.
    pub max_concurrent: usize,
}

/// Told what metrics want to know.
pub trait Observer: Send + Sync + 'static {
    /// One password was hashed or verified.
    fn hashed(&self, took: Duration);
    /// One more (1) or one fewer (-1) is waiting for its turn.
    fn waiting(&self, change: i64);
}

/// Nobody is listening.
impl Observer for () {
    fn hashed(&self, _: Duration) {}
    fn waiting(&self, _: i64) {}
}

pub struct Passwords {
    min_length: usize,
    params: argon2::Params,
    pool: pool::Pool,
    pace: Arc<Pace>,
    observer: Arc<dyn Observer>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// `outdated`: it is not argon2id with parameters at least the present ones; hash the password anew and keep that.
    Match {
        outdated: bool,
    },
    Mismatch,
    /// The stored hash cannot be read, or would cost an absurd amount. To the caller of a login a mismatch, to us a line in the log.
    Corrupt,
}

/// No turn came up in time, or there was no memory for it: 503 and Retry-After.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many passwords are being checked at the moment")]
pub struct Busy;

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    #[error("a password has at least {0} characters")]
    TooShort(usize),
    #[error("a password has at most {MAX_BYTES} bytes")]
    TooLong,
    #[error("this password is among the first that anyone would try")]
    Commonplace,
}

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("argon2id cannot work with these parameters: {0}")]
    Parameters(argon2::Error),
    #[error("no thread for passwords could be started: {0}")]
    Threads(#[from] std::io::Error),
}

impl Passwords {
    /// Starts the threads; they end when this is dropped.
    pub fn start(policy: Policy, observer: Arc<dyn Observer>) -> Result<Self, StartError> {
        let params = argon2::Params::new(policy.memory_kib, policy.iterations, policy.parallelism, None)
            .map_err(StartError::Parameters)?;
        let threads = match policy.max_concurrent {
            0 => thread::available_parallelism().map_or(1, NonZeroUsize::get),
            some => some,
        };
        let pool = pool::Pool::start(threads, threads.saturating_mul(QUEUE_PER_THREAD), PATIENCE, observer.clone())?;
        Ok(Self { min_length: policy.min_length, params, pool, pace: Arc::default(), observer })
    }

    /// Whether this may be a new password. Not asked of passwords that are presented.
    pub fn accept(&self, new_password: &str) -> Result<Secret, PasswordError> {
        if new_password.len() > MAX_BYTES {
            return Err(PasswordError::TooLong);
        }
        if new_password.chars().count() < self.min_length {
            return Err(PasswordError::TooShort(self.min_length));
        }
        if commonplace::is_commonplace(new_password) {
            return Err(PasswordError::Commonplace);
        }
        Ok(Secret::new(new_password))
    }

    /// The password's argon2id hash, as a PHC string.
    pub async fn hash(&self, password: &Secret) -> Result<Secret, Busy> {
        let argon2 = Argon2::from(self.params.clone());
        let (password, observer) = (password.clone(), Arc::clone(&self.observer));
        let work = move || {
            let watch = Stopwatch::start();
            let hash = argon2.hash_password(password.expose());
            observer.hashed(watch.elapsed());
            hash.map(|hash| Secret::from(hash.to_string()))
        };
        self.pool.run(work).await.map_err(|_| Busy)?.map_err(|_| Busy)
    }

    /// Against the stored hash, or against nobody's if there is none (an unknown user): that is a mismatch at the same
    /// cost. The same goes for a hash that cannot be read, and for a password beyond [`MAX_BYTES`].
    pub async fn verify(&self, password: &Secret, stored: Option<&Secret>) -> Result<Verdict, Busy> {
        let stored = stored.filter(|_| password.len() <= MAX_BYTES).cloned();
        let (password, params) = (password.clone(), self.params.clone());
        let (pace, observer) = (Arc::clone(&self.pace), Arc::clone(&self.observer));
        let work = move || {
            let parsed = stored.as_ref().map(StoredHash::parse);
            let dummy = StoredHash::dummy(params.clone());
            let hash = parsed.as_ref().and_then(|parsed| parsed.as_ref().ok()).unwrap_or(&dummy);
            let watch = Stopwatch::start();
            let matches = hash.verify(&password);
            let took = watch.elapsed();
            pace.note(took, hash.costs_as(&params));
            observer.hashed(took);
            Ok(match (parsed, matches?) {
                (Some(Err(_)), _) => Verdict::Corrupt,
                (Some(Ok(hash)), true) => Verdict::Match { outdated: !hash.meets(&params) },
                (Some(Ok(_)), false) | (None, _) => Verdict::Mismatch,
            })
        };
        match self.pool.run(work).await {
            Ok(verdict) => verdict.map_err(|stored::Exhausted| Busy),
            Err(pool::Failure::Panicked) => Ok(Verdict::Corrupt),
            Err(pool::Failure::Busy) => Err(Busy),
        }
    }

    /// How long a failed login should have taken, at least, to look like any other. Zero while every hash seen costs what
    /// a new one does; otherwise the slowest verification so far, two seconds at most. Imported hashes of another cost
    /// would else tell their users from people who do not exist (CVE-2025-6011). Logins that succeed need no padding.
    pub fn slowest(&self) -> Duration {
        self.pace.slowest()
    }
}

#[derive(Default)]
struct Pace {
    slowest_micros: AtomicU64,
    uneven: AtomicBool,
}

impl Pace {
    fn note(&self, took: Duration, usual_cost: bool) {
        let micros = u64::try_from(took.min(SLOWEST).as_micros()).unwrap_or(u64::MAX);
        self.slowest_micros.fetch_max(micros, Ordering::Relaxed);
        if !usual_cost {
            self.uneven.store(true, Ordering::Relaxed);
        }
    }

    fn slowest(&self) -> Duration {
        if self.uneven.load(Ordering::Relaxed) {
            Duration::from_micros(self.slowest_micros.load(Ordering::Relaxed))
        } else {
            Duration::ZERO
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passwords(memory_kib: u32) -> Passwords {
        let policy = Policy { min_length: 15, memory_kib, iterations: 1, parallelism: 1, max_concurrent: 1 };
        Passwords::start(policy, Arc::new(())).unwrap()
    }

    #[tokio::test]
    async fn a_hash_verifies_its_password_and_no_other() {
        let passwords = passwords(64);
        let hash = passwords.hash(&Secret::new("correct horse")).await.unwrap();
        assert!(hash.expose_str().unwrap().starts_with("$argon2id$v=19$m=64,t=1,p=1$"));
        for (password, verdict) in [
            ("correct horse", Verdict::Match { outdated: false }),
            ("correct horse ", Verdict::Mismatch),
            ("Correct horse", Verdict::Mismatch),
            ("", Verdict::Mismatch),
        ] {
            assert_eq!(passwords.verify(&Secret::new(password), Some(&hash)).await, Ok(verdict), "{password:?}");
        }
        assert_ne!(passwords.hash(&Secret::new("correct horse")).await.unwrap(), hash, "salted");
        assert_eq!(passwords.slowest(), Duration::ZERO);
    }

    #[tokio::test]
    async fn a_hash_is_outdated_once_the_parameters_rise() {
        let hash = passwords(64).hash(&Secret::new("correct horse")).await.unwrap();
        let verdict = passwords(128).verify(&Secret::new("correct horse"), Some(&hash)).await;
        assert_eq!(verdict, Ok(Verdict::Match { outdated: true }));
    }

    #[tokio::test]
    async fn an_unknown_user_costs_a_verification_and_matches_nothing() {
        let passwords = passwords(64);
        for password in ["", "\0", "anything"] {
            assert_eq!(passwords.verify(&Secret::new(password), None).await, Ok(Verdict::Mismatch));
        }
    }

    #[tokio::test]
    async fn an_unreadable_hash_is_corrupt_and_an_imported_one_sets_the_pace() {
        let passwords = passwords(64);
        for stored in ["", "plain text", "$2b$05$abc", "$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$c29tZXNhbHQ"] {
            let verdict = passwords.verify(&Secret::new("x"), Some(&Secret::new(stored))).await;
            assert_eq!(verdict, Ok(Verdict::Corrupt), "{stored}");
        }
        assert_eq!(passwords.slowest(), Duration::ZERO);
        let bcrypt = Secret::new("$2a$04$abcdefghijklmnopqrstuuhATfZMLPTsUaT9qG25tfhrRRbodYBxW");
        let verdict = passwords.verify(&Secret::new("Grüße, correct horse"), Some(&bcrypt)).await;
        assert_eq!(verdict, Ok(Verdict::Match { outdated: true }));
        assert!(passwords.slowest() > Duration::ZERO);
    }

    #[tokio::test]
    async fn a_password_beyond_the_limit_matches_nothing() {
        let passwords = passwords(64);
        let long = Secret::new("x".repeat(MAX_BYTES + 1));
        let hash = passwords.hash(&long).await.unwrap();
        assert_eq!(passwords.verify(&long, Some(&hash)).await, Ok(Verdict::Mismatch));
    }

    #[test]
    fn the_pace_is_the_slowest_up_to_two_seconds() {
        let pace = Pace::default();
        pace.note(Duration::from_millis(30), true);
        assert_eq!(pace.slowest(), Duration::ZERO);
        pace.note(Duration::from_millis(10), false);
        assert_eq!(pace.slowest(), Duration::from_millis(30));
        pace.note(Duration::from_secs(9), true);
        assert_eq!(pace.slowest(), SLOWEST);
    }

    #[test]
    fn a_new_password_is_long_enough_short_enough_and_not_commonplace() {
        let passwords = passwords(64);
        assert_eq!(passwords.accept("ä".repeat(14).as_str()), Err(PasswordError::TooShort(15)));
        assert_eq!(passwords.accept(&"x".repeat(MAX_BYTES + 1)), Err(PasswordError::TooLong));
        assert_eq!(passwords.accept("passwordpassword"), Err(PasswordError::Commonplace));
        let kept = " Grüße an alle \n";
        assert_eq!(passwords.accept(kept).unwrap().expose(), kept.as_bytes(), "exactly as received");
    }
}
