//! Bringing users along with their passwords, from JSON lines `{email, passwordHash, roles, tokenVersion?, enabled?}`.
//! Every line that can be imported is; every other one is reported with its number. Users who are there already are never
//! touched, so a file can be imported again after it was mended.

use std::collections::HashMap;
use std::io::{self, BufRead, Read};

use super::line::ImportedUser;
use super::{AccountError, Accounts};
use crate::gate::email::Email;
use crate::gate::time::Timestamp;
use crate::ids;
use crate::store::{self, NewUser, UserId};

pub use super::line::LineError;

/// How many users are written in one step.
pub const BATCH: usize = 1000;
/// The most bytes of a line: many times what a user needs, and little to keep in memory.
const LONGEST_LINE: usize = 1 << 20;

#[derive(Debug, Default)]
pub struct Report {
    /// How many lines were read.
    pub lines: u64,
    pub added: u64,
    /// In the order of the lines.
    pub skipped: Vec<(u64, Skipped)>,
    /// Why the import ended before the file did. What was added until then stays.
    pub stopped: Option<AccountError>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Skipped {
    #[error(transparent)]
    Bad(#[from] LineError),
    #[error("this email is on line {0} already")]
    Repeated(u64),
    #[error("there is a user with this email already")]
    Taken,
}

impl Accounts {
    /// `progress` is told of the report so far after every [`BATCH`] but the last.
    pub async fn import(&self, lines: impl BufRead, now: Timestamp, progress: impl FnMut(&Report)) -> Report {
        read_in(lines, now, progress, async |users| self.store.add_users(users).await).await
    }
}

async fn read_in(
    mut lines: impl BufRead,
    now: Timestamp,
    mut progress: impl FnMut(&Report),
    mut add: impl AsyncFnMut(Vec<NewUser>) -> store::Result<Vec<Email>>,
) -> Report {
    let mut report = Report::default();
    let mut first_seen: HashMap<Email, u64> = HashMap::new();
    let mut batch = Vec::with_capacity(BATCH);
    loop {
        let ended = match next_line(&mut lines, report.lines == 0) {
            Ok(Some(line)) => {
                report.lines += 1;
                match line.map_err(Skipped::Bad).and_then(|line| consider(&line, report.lines, now, &mut first_seen)) {
                    Ok(Some(user)) => batch.push(user),
                    Ok(None) => {}
                    Err(reason) => report.skipped.push((report.lines, reason)),
                }
                false
            }
            Ok(None) => true,
            Err(error) => {
                report.stopped = Some(error.into());
                true
            }
        };
        if batch.len() >= BATCH || ended {
            let users = std::mem::take(&mut batch);
            let count = users.len() as u64;
            match add(users).await {
                Ok(taken) => {
                    report.added += count - (taken.len() as u64).min(count);
                    let line = |email| first_seen.get(&email).copied().unwrap_or_default();
                    report.skipped.extend(taken.into_iter().map(|email| (line(email), Skipped::Taken)));
                }
                Err(error) => report.stopped = Some(error.into()),
            }
            if !ended {
                progress(&report);
            }
        }
        if ended || report.stopped.is_some() {
            report.skipped.sort_by_key(|(line, _)| *line);
            return report;
        }
    }
}

/// `None` for an empty line.
fn consider(
    line: &[u8],
    number: u64,
    now: Timestamp,
    first_seen: &mut HashMap<Email, u64>,
) -> Result<Option<NewUser>, Skipped> {
    if line.is_empty() {
        return Ok(None);
    }
    let user = ImportedUser::parse(line)?;
    if let Some(first) = first_seen.get(&user.email) {
        return Err(Skipped::Repeated(*first));
    }
    first_seen.insert(user.email.clone(), number);
    Ok(Some(NewUser {
        id: UserId(ids::new(now)),
        email: user.email,
        password_hash: user.password_hash,
        roles: user.roles,
        enabled: user.enabled,
        token_version: user.token_version,
        created_at: now,
    }))
}

/// Without its end. A line that is too long is read to its end, but not kept.
fn next_line(lines: &mut impl BufRead, first: bool) -> io::Result<Option<Result<Vec<u8>, LineError>>> {
    const BYTE_ORDER_MARK: &[u8] = "\u{feff}".as_bytes();
    let mut line = Vec::new();
    if lines.by_ref().take(LONGEST_LINE as u64 + 1).read_until(b'\n', &mut line)? == 0 {
        return Ok(None);
    }
    if line.len() > LONGEST_LINE && !line.ends_with(b"\n") {
        lines.skip_until(b'\n')?;
        // A whole file in one line most likely is an array: then that is what to say.
        return Ok(Some(Err(ImportedUser::parse(&line).err().filter(|e| *e == LineError::Array).unwrap_or(TOO_LONG))));
    }
    if first && line.starts_with(BYTE_ORDER_MARK) {
        line.drain(..BYTE_ORDER_MARK.len());
    }
    line.truncate(line.trim_ascii_end().len());
    Ok(Some(Ok(line)))
}

const TOO_LONG: LineError = LineError::TooLong(LONGEST_LINE);

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;
    use std::io::BufReader;

    use super::*;
    use crate::gate::email::EmailError;
    use crate::store::StoreError;

    const HASH: &str = "$2b$05$abcdefghijklmnopqrstuudWPcgfJKcFKSk8S5CdH/BEaQTncxPxS";

    fn line(email: &str) -> String {
        format!("{{\"email\": \"{email}\", \"passwordHash\": \"{HASH}\", \"roles\": []}}\n")
    }

    /// What a store with one user, `taken@x`, would do; and the sizes of the steps it was asked for.
    async fn import(lines: impl BufRead) -> (Report, Vec<usize>) {
        let mut steps = Vec::new();
        let report = read_in(
            lines,
            Timestamp::from_secs(1),
            |_| {},
            async |users| {
                steps.push(users.len());
                Ok(users.into_iter().map(|user| user.email).filter(|email| email.as_str() == "taken@x").collect())
            },
        )
        .await;
        (report, steps)
    }

    #[tokio::test]
    async fn what_is_good_is_imported_and_what_is_bad_is_named() {
        let file = [
            "\u{feff}",
            &line("ann@x"),
            "\r\n",
            &line("taken@x"),
            &line("nobody"),
            &line("ANN@x"),
            "{\n",
            line("bob@x").trim_end(),
        ]
        .concat();
        let (report, _) = import(file.as_bytes()).await;
        assert_eq!((report.lines, report.added), (7, 2));
        assert_eq!(
            report.skipped,
            [
                (3, Skipped::Taken),
                (4, Skipped::Bad(LineError::Email(EmailError::Malformed))),
                (5, Skipped::Repeated(1)),
                (6, Skipped::Bad(LineError::CutShort)),
            ]
        );
        assert!(report.stopped.is_none());
    }

    #[tokio::test]
    async fn users_are_written_a_thousand_at_a_time() {
        let file = (0..2500).fold(String::new(), |mut file, n| {
            let _ = write!(file, "{}", line(&format!("user{n}@x")));
            file
        });
        let (report, steps) = import(file.as_bytes()).await;
        assert_eq!(steps, [1000, 1000, 500]);
        assert_eq!((report.lines, report.added), (2500, 2500));
    }

    #[tokio::test]
    async fn a_line_too_long_is_named_and_passed_over() {
        let endless = |beginning: &str| format!("{beginning}{}\n", " ".repeat(2 * LONGEST_LINE));
        let file = [line("ann@x"), endless("{"), line("bob@x"), endless("[{"), line("cid@x")].concat();
        let (report, _) = import(file.as_bytes()).await;
        assert_eq!((report.lines, report.added), (5, 3));
        let reasons = [(2, TOO_LONG), (4, LineError::Array)].map(|(line, reason)| (line, Skipped::Bad(reason)));
        assert_eq!(report.skipped, reasons);
        let spaced = format!("{}{}", " ".repeat(LONGEST_LINE - line("dan@x").len()), line("dan@x"));
        assert_eq!(import(spaced.as_bytes()).await.0.added, 1, "as long as a line may be");
    }

    #[tokio::test]
    async fn a_store_that_goes_away_ends_the_import() {
        let report = read_in(
            line("ann@x").as_bytes(),
            Timestamp::default(),
            |_| {},
            async |_| Err(StoreError::Unavailable("gone".into())),
        )
        .await;
        assert_eq!(report.added, 0);
        assert!(matches!(report.stopped, Some(AccountError::Store(StoreError::Unavailable(_)))));
    }

    #[tokio::test]
    async fn what_was_read_before_the_file_broke_is_imported() {
        struct Broken;
        impl Read for Broken {
            fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
                Err(io::Error::other("disk on fire"))
            }
        }
        let ann = line("ann@x");
        let (report, steps) = import(BufReader::new(ann.as_bytes().chain(Broken))).await;
        assert_eq!((report.added, steps), (1, vec![1]));
        assert!(matches!(report.stopped, Some(AccountError::File(_))));
    }
}
