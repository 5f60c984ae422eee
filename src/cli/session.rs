//! `portcullis session …`: who is signed in from where; ending one session or all of a user's.

use clap::Subcommand;
use serde::Serialize;
use uuid::Uuid;

use super::CliError;
use super::output::{Console, counted, printable, time};
use crate::accounts::AccountError;
use crate::clock;
use crate::gate::email::Email;
use crate::store::{Session, SessionId, Store, User, UserChange};

#[derive(Debug, Subcommand)]
pub enum Command {
    /// List a user's sessions, oldest first
    List {
        #[arg(value_parser = Email::parse)]
        email: Email,
        #[arg(long)]
        json: bool,
    },
    /// End one session, or all of a user's
    #[command(group = clap::ArgGroup::new("which").required(true).args(["id", "user"]))]
    Revoke {
        /// The session's id, as `session list` shows it
        #[arg(value_parser = session_id)]
        id: Option<Uuid>,
        /// End every session of this user
        #[arg(long, value_name = "EMAIL", value_parser = Email::parse)]
        user: Option<Email>,
    },
}

fn session_id(text: &str) -> Result<Uuid, &'static str> {
    Uuid::parse_str(text).map_err(|_| "a session's id is what `portcullis session list EMAIL` shows")
}

pub async fn run(command: Command, store: &dyn Store, console: &mut Console<'_>) -> Result<(), CliError> {
    match command {
        Command::List { email, json } => list(store, console, &email, json).await,
        Command::Revoke { user: Some(email), .. } => revoke_all(store, console, &email).await,
        Command::Revoke { id: Some(id), .. } => revoke(store, console, SessionId(id)).await,
        // clap asks for one of them.
        Command::Revoke { id: None, user: None } => Err(CliError::new("give a session's id, or --user EMAIL")),
    }
}

async fn list(store: &dyn Store, console: &mut Console<'_>, email: &Email, json: bool) -> Result<(), CliError> {
    let user = find(store, email).await?;
    let sessions: Vec<SessionView> = store.sessions(user.id).await?.into_iter().map(SessionView::of).collect();
    if json {
        return Ok(console.json(&sessions)?);
    }
    let rows: Vec<_> = sessions.into_iter().map(|s| [s.id, s.created_at, s.last_used_at, s.ip, s.user_agent]).collect();
    Ok(console.table(["ID", "SIGNED IN", "LAST USED", "IP", "USER AGENT"], &rows)?)
}

async fn revoke(store: &dyn Store, console: &mut Console<'_>, id: SessionId) -> Result<(), CliError> {
    let gone = || CliError::new(format!("there is no session {id}; `portcullis session list EMAIL` shows a user's"));
    let (session, user) = store.session(id).await?.ok_or_else(gone)?;
    store.end_session(session.user, id, clock::wall()).await?.ok_or_else(gone)?;
    Ok(console.say(&format!("session {id} of {} is ended", printable(user.email.as_str())))?)
}

async fn revoke_all(store: &dyn Store, console: &mut Console<'_>, email: &Email) -> Result<(), CliError> {
    let user = find(store, email).await?;
    let after = store.change_user(user.id, UserChange::EndSessions, clock::wall()).await?;
    after.ok_or_else(|| AccountError::NoSuchUser(email.clone()))?;
    let ended = counted(user.sessions.len(), "session");
    Ok(console.say(&format!("{} is signed out everywhere; {ended} ended", printable(email.as_str())))?)
}

async fn find(store: &dyn Store, email: &Email) -> Result<User, CliError> {
    Ok(store.user_by_email(email).await?.ok_or_else(|| AccountError::NoSuchUser(email.clone()))?)
}

/// What is shown of a session: the names of the API's `GET /auth/sessions`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct SessionView {
    id: String,
    created_at: String,
    last_used_at: String,
    ip: String,
    user_agent: String,
}

impl SessionView {
    fn of(session: Session) -> Self {
        Self {
            id: session.id.to_string(),
            created_at: time(session.chain.opened_at),
            last_used_at: time(session.chain.rotated_at),
            ip: session.client.ip,
            user_agent: session.client.user_agent,
        }
    }
}
