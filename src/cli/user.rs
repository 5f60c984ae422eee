//! `portcullis user …`: administration of accounts, on the live store. No output but `export`'s holds a password hash.

use std::path::PathBuf;

use clap::Subcommand;
use serde::Serialize;

use super::output::{Console, counted, printable, role_words, time};
use super::{CliError, new_password, user_file};
use crate::accounts::administration::Changed;
use crate::accounts::{AccountError, Accounts};
use crate::clock;
use crate::gate::email::Email;
use crate::gate::role::Role;
use crate::passwords::StoredHash;
use crate::store::User;

const PAGE: usize = 1000;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Add a user; asks for the password twice
    Add {
        #[arg(value_parser = Email::parse)]
        email: Email,
        /// A role of the user; may be given several times
        #[arg(long = "role", value_name = "ROLE", value_parser = Role::parse)]
        roles: Vec<Role>,
        /// Read the password from standard input, as one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// List all users
    List {
        #[arg(long)]
        json: bool,
    },
    /// Show one user
    Show {
        #[arg(value_parser = Email::parse)]
        email: Email,
        #[arg(long)]
        json: bool,
    },
    /// Set a new password, which ends the user's sessions
    Passwd {
        #[arg(value_parser = Email::parse)]
        email: Email,
        /// Read the password from standard input, as one line
        #[arg(long)]
        password_stdin: bool,
    },
    /// Replace a user's roles by these; by none if there are none
    Roles {
        #[arg(value_parser = Email::parse)]
        email: Email,
        #[arg(value_name = "ROLE", value_parser = Role::parse)]
        roles: Vec<Role>,
    },
    /// Lock a user out and end the user's sessions
    Disable {
        #[arg(value_parser = Email::parse)]
        email: Email,
    },
    /// Let a disabled user sign in again
    Enable {
        #[arg(value_parser = Email::parse)]
        email: Email,
    },
    /// Remove a user for good
    Remove {
        #[arg(value_parser = Email::parse)]
        email: Email,
    },
    /// Add users from JSON lines: {"email", "passwordHash", "roles", "tokenVersion"?, "enabled"?}
    ///
    /// The hashes may be of bcrypt ($2a$, $2b$, $2y$), or of argon2, scrypt or pbkdf2 in the PHC format (or as Python's
    /// passlib writes them); each is replaced by argon2id when its user next signs in. Users who are there already are left alone.
    Import {
        /// `-` reads standard input
        file: PathBuf,
    },
    /// Write all users as the JSON lines that `import` reads. They hold the password hashes: keep them secret
    Export,
}

pub async fn run(command: Command, accounts: &Accounts, console: &mut Console<'_>) -> Result<(), CliError> {
    match command {
        Command::Add { email, roles, password_stdin } => add(accounts, console, email, roles, password_stdin).await,
        Command::List { json } => list(accounts, console, json).await,
        Command::Show { email, json } => show(&accounts.find(&email).await?, console, json),
        Command::Passwd { email, password_stdin } => {
            // Before anyone types a password for nothing.
            accounts.find(&email).await?;
            let password = new_password::read(password_stdin)?;
            let changed = accounts.set_password(&email, &password, clock::wall()).await?;
            say(console, &changed, "has a new password")
        }
        Command::Roles { email, roles } => {
            let user = accounts.set_roles(&email, roles, clock::wall()).await?.user;
            Ok(console.say(&format!("{} now has {}", shown(&user.email), role_words(&user.roles)))?)
        }
        Command::Disable { email } => set_enabled(accounts, console, &email, false).await,
        Command::Enable { email } => set_enabled(accounts, console, &email, true).await,
        Command::Remove { email } => {
            let user = accounts.remove(&email, clock::wall()).await?;
            let ended = counted(user.sessions.len(), "session");
            Ok(console.say(&format!("{} is removed; {ended} ended", shown(&user.email)))?)
        }
        Command::Import { file } => user_file::import(accounts, console, &file).await,
        Command::Export => user_file::export(accounts, console).await,
    }
}

async fn add(
    accounts: &Accounts,
    console: &mut Console<'_>,
    email: Email,
    roles: Vec<Role>,
    password_stdin: bool,
) -> Result<(), CliError> {
    match accounts.find(&email).await {
        Ok(_) => return Err(AccountError::Taken(email).into()),
        Err(AccountError::NoSuchUser(_)) => {}
        Err(other) => return Err(other.into()),
    }
    let password = new_password::read(password_stdin)?;
    let user = accounts.add(&email, &password, roles, clock::wall()).await?;
    Ok(console.say(&format!("{} is added, with {}", shown(&user.email), role_words(&user.roles)))?)
}

async fn set_enabled(
    accounts: &Accounts,
    console: &mut Console<'_>,
    email: &Email,
    enabled: bool,
) -> Result<(), CliError> {
    let state = if enabled { "enabled" } else { "disabled" };
    if accounts.find(email).await?.enabled == enabled {
        return Ok(console.say(&format!("{} is {state} already", shown(email)))?);
    }
    let changed = accounts.set_enabled(email, enabled, clock::wall()).await?;
    if enabled {
        return Ok(console.say(&format!("{} is enabled", shown(email)))?);
    }
    say(console, &changed, "is disabled")
}

async fn list(accounts: &Accounts, console: &mut Console<'_>, json: bool) -> Result<(), CliError> {
    let mut listed = Vec::new();
    let mut after = None;
    loop {
        let users = accounts.page(after.as_ref(), PAGE).await?;
        let Some(last) = users.last() else { break };
        after = Some(last.email.clone());
        listed.extend(users.iter().map(UserView::of));
    }
    if json {
        return Ok(console.json(&listed)?);
    }
    let rows: Vec<_> = listed.into_iter().map(UserView::into_row).collect();
    Ok(console.table(["EMAIL", "ROLES", "ENABLED", "SESSIONS", "CREATED", "ID"], &rows)?)
}

fn show(user: &User, console: &mut Console<'_>, json: bool) -> Result<(), CliError> {
    let view = UserView::of(user);
    if json {
        return Ok(console.json(&view)?);
    }
    let password = match view.password_scheme {
        "argon2id" => "argon2id".to_owned(),
        "unreadable" => "unreadable: nobody can sign in with it; `portcullis user passwd` sets a new one".to_owned(),
        imported => format!("{imported}, replaced by argon2id at the next login"),
    };
    let version = view.token_version.to_string();
    let [email, roles, enabled, sessions, created, id] = view.into_row();
    let rows = [
        ("roles", roles),
        ("enabled", enabled),
        ("sessions", sessions),
        ("created", created),
        ("id", id),
        ("token version", version),
        ("password", password),
    ];
    Ok(console.table(["email", &printable(&email)], &rows.map(|(name, value)| [name.to_owned(), value]))?)
}

fn say(console: &mut Console<'_>, changed: &Changed, what: &str) -> Result<(), CliError> {
    let ended = counted(changed.sessions_ended, "session");
    Ok(console.say(&format!("{} {what}; {ended} ended", shown(&changed.user.email)))?)
}

fn shown(email: &Email) -> String {
    printable(email.as_str())
}

/// What is shown of a user.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserView {
    id: String,
    email: String,
    roles: Vec<String>,
    enabled: bool,
    sessions: usize,
    token_version: u64,
    created_at: String,
    password_scheme: &'static str,
}

impl UserView {
    fn of(user: &User) -> Self {
        Self {
            id: user.id.to_string(),
            email: user.email.to_string(),
            roles: user.roles.iter().map(Role::to_string).collect(),
            enabled: user.enabled,
            sessions: user.sessions.len(),
            token_version: user.token_version,
            created_at: time(user.created_at),
            password_scheme: StoredHash::parse(&user.password_hash).map_or("unreadable", |hash| hash.scheme()),
        }
    }

    fn into_row(self) -> [String; 6] {
        let enabled = if self.enabled { "yes" } else { "no" };
        [self.email, self.roles.join(","), enabled.into(), self.sessions.to_string(), self.created_at, self.id]
    }
}
