//! `portcullis store copy`: moving to another store. Passwords of a Redis come from a configuration, never from an argument.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use serde::Serialize;

use super::output::{Console, counted, printable};
use super::{CliError, load, metrics};
use crate::accounts::copy::{self, Conflict, CopyError, Report, Tally};
use crate::clock::{self, Stopwatch};
use crate::config::sections::store::alone;
use crate::config::settings::StoreUrl;
use crate::gate::email::Email;
use crate::server;
use crate::store::StoreError;
use crate::store::redis::address::Address;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Copy users, open sessions and signing keys to another store: nobody is signed out
    ///
    /// Stop the gateways first, and start them on the new store afterwards: what a gateway writes to the old one meanwhile (a
    /// login, a refresh, a logout) is missing in the new one, and a session that has gone on in the old one may end in the
    /// new one. Until then, a copy that was cut short can be made again: who is there already is passed over. Afterwards do not:
    /// a user who was removed there would come back. Nothing is overwritten. An email that another user has there, and a user
    /// who is there but not the same, are named; the exit code is then 1.
    ///
    /// With a password, a Redis is entered as the configuration says (-c FILE): if its `url` under [store] is the one given here,
    /// `username`, `password` and `ca_file` of that section are used. So write the gateway.toml that is to run on the new store,
    /// and name it with -c.
    Copy(CopyArgs),
}

#[derive(Debug, Args)]
pub struct CopyArgs {
    /// The store there is: sqlite:PATH (from the present folder), redis://HOST:PORT, rediss:// or redis+sentinel://
    #[arg(long, value_name = "URL", value_parser = alone)]
    from: StoreUrl,
    /// The store to copy to; a new one is made where there is none
    #[arg(long, value_name = "URL", value_parser = alone)]
    to: StoreUrl,
    /// A second configuration, if both are Redis and each wants a password: how to enter the one of --from
    #[arg(long, value_name = "FILE")]
    from_config: Option<PathBuf>,
    #[arg(long)]
    json: bool,
}

/// What takes longer is told of, and so often.
const LONG: Duration = Duration::from_secs(1);
const BETWEEN_WORD: Duration = Duration::from_millis(200);

pub async fn copy(args: CopyArgs, config: &Path, console: &mut Console<'_>) -> Result<(), CliError> {
    if is_same_place(&args.from, &args.to) {
        return Err(CliError::new("--from and --to are the same store; name the new one with --to"));
    }
    let from = with_entry(args.from, args.from_config.as_deref().unwrap_or(config))?;
    let to = with_entry(args.to, config)?;
    let metrics = metrics()?;
    let old = server::open_existing_store(&from, &metrics).await.map_err(|error| named("--from", &error))?;
    let new = server::open_store(&to, &metrics).await.map_err(|error| named("--to", &error))?;

    let (mut report, watch, mut last_word) = (Report::default(), Stopwatch::start(), Duration::ZERO);
    let watched = console.watched;
    let err = &mut console.err;
    let progress = |report: &Report| {
        if watched && watch.elapsed() > LONG.max(last_word + BETWEEN_WORD) {
            last_word = watch.elapsed();
            let (users, sessions) = (report.users.seen(), report.sessions.seen());
            // A copy does not fail because nobody hears of it.
            let _ = write!(err, "\r{users} users, {sessions} sessions \u{1b}[K");
            let _ = err.flush();
        }
    };
    let done = copy::copy(&*old, &*new, clock::wall(), &mut report, progress).await;
    if last_word > Duration::ZERO {
        let _ = write!(console.err, "\r\u{1b}[K");
    }
    say(&report, console, args.json)?;
    match done {
        Ok(()) if report.conflicts.is_empty() => Ok(()),
        Ok(()) => {
            let left = counted(report.conflicts.len(), "user");
            Err(CliError::new(format!("{left} left out, for the reasons above; all others are copied")))
        }
        Err(error) => {
            let why = match error {
                CopyError::From(error) => named("--from", &error),
                CopyError::To(error) => named("--to", &error),
            };
            Err(CliError::new(format!("stopped: {why}; once that is mended, copy again: what is there is passed over")))
        }
    }
}

/// With how to get in, if the configuration says it of this very place.
fn with_entry(url: StoreUrl, config: &Path) -> Result<StoreUrl, CliError> {
    // A server without a password needs no file, but one that was named must be there.
    let unsaid = config == Path::new("gateway.toml") && !config.exists();
    if unsaid || matches!(url, StoreUrl::Sqlite(_)) {
        return Ok(url);
    }
    let known = load(config)?.store.url;
    Ok(if is_same_place(&url, &known) { known } else { url })
}

fn is_same_place(a: &StoreUrl, b: &StoreUrl) -> bool {
    match (a, b) {
        (StoreUrl::Sqlite(a), StoreUrl::Sqlite(b)) => {
            let place = |path: &Path| path.canonicalize().or_else(|_| std::path::absolute(path)).ok();
            a == b || place(a) == place(b)
        }
        (StoreUrl::Redis(a), StoreUrl::Redis(b)) => {
            let place = |address: &Address| (address.place.clone(), address.database, address.tls.is_some());
            place(a) == place(b)
        }
        _ => false,
    }
}

fn named(which: &str, error: &StoreError) -> CliError {
    let advice = match error {
        StoreError::Refused(_) => "; they are taken from [store] in -c FILE, if its url is the one given",
        StoreError::Unavailable(_) => "; check the url",
        _ => "",
    };
    CliError::new(format!("{which}: {error}{advice}"))
}

fn say(report: &Report, console: &mut Console<'_>, json: bool) -> Result<(), CliError> {
    for (email, conflict) in &report.conflicts {
        console.note(&format!("{}: {conflict}", printable(email.as_str())))?;
    }
    if json {
        return Ok(console.json(&View::of(report))?);
    }
    let row = |name: &str, tally: Tally| {
        [name.to_owned(), tally.copied.to_string(), tally.already_there.to_string(), tally.left_out.to_string()]
    };
    let rows = [row("users", report.users), row("sessions", report.sessions), row("keys", report.keys)];
    Ok(console.table(["", "COPIED", "ALREADY THERE", "LEFT OUT"], &rows)?)
}

/// What is shown of a report.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct View {
    users: TallyView,
    sessions: TallyView,
    keys: TallyView,
    conflicts: Vec<ConflictView>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct TallyView {
    copied: u64,
    already_there: u64,
    left_out: u64,
}

#[derive(Serialize)]
struct ConflictView {
    email: String,
    code: &'static str,
}

impl View {
    fn of(report: &Report) -> Self {
        let tally = |Tally { copied, already_there, left_out }| TallyView { copied, already_there, left_out };
        let conflict = |(email, conflict): &(Email, Conflict)| {
            let code = match conflict {
                Conflict::EmailTaken => "email_taken",
                Conflict::Differs => "differs",
            };
            ConflictView { email: email.to_string(), code }
        };
        Self {
            users: tally(report.users),
            sessions: tally(report.sessions),
            keys: tally(report.keys),
            conflicts: report.conflicts.iter().map(conflict).collect(),
        }
    }
}
