//! The store of several gateways: one Redis, or a master that sentinels name. Every change is one script: atomic, with its
//! entry in the change feed.
//!
//! A user is one value, found under its id, and a session another; a sorted set holds the emails, a second one the times at
//! which sessions may be over. An error of a write mostly means that nothing has changed; if the answer was lost on its way, it
//! may have been done. Nothing that calls this suffers from that: a rotation that is repeated gives the same token.

pub mod address;
mod connect;
mod failure;
mod feed;
mod link;
mod quotas;
mod records;
mod script;
mod setup;

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use redis::Value;
use tokio::sync::OnceCell;
use uuid::Uuid;

use self::address::Address;
use self::link::Link;
use self::records::{bytes, list, nonsense, number, some, tuple, uuid};
use self::script::{Call, SIGNERS, Script, Scripts, user_key};
use super::{
    Changes, CounterKey, FeedPosition, NewUser, Observer, Result, Session, SessionId, Standing, Store, StoreError,
    StoredKey, User, UserChange, UserId,
};
use crate::clock::Stopwatch;
use crate::gate::email::Email;
use crate::gate::limit::Quota;
use crate::gate::time::Timestamp;

/// No script takes long: an answer that has not come by then is not worth waiting for.
const ANSWERS_WITHIN: Duration = Duration::from_millis(800);

/// The most users listed, and sessions swept, by one script: nobody else is served meanwhile.
const BATCH: usize = 250;

pub struct RedisStore {
    address: Address,
    link: Link,
    /// Of its own, because it blocks. Made when the feed is first asked for: a command never does.
    feed: OnceCell<Link>,
    /// The connection for everything else that there was when the feed was last read.
    beside: AtomicU64,
    scripts: Scripts,
    observer: Observer,
}

impl RedisStore {
    /// Connect, and know the store that is there, or found one where there is nothing.
    pub async fn open(address: Address, observer: Observer) -> Result<Self> {
        let store = Self::connect(address, observer).await?;
        store.know().await?;
        setup::warn(&store.link).await;
        Ok(store)
    }

    /// Connect, and know the store that is there. Where there is nothing, nothing is made.
    pub async fn open_existing(address: Address, observer: Observer) -> Result<Self> {
        let store = Self::connect(address, observer).await?;
        store.link.run(&store.scripts.schema.call().with("")).await?;
        Ok(store)
    }

    async fn connect(address: Address, observer: Observer) -> Result<Self> {
        let link = Link::open(address.clone(), ANSWERS_WITHIN).await?;
        let (feed, beside) = (OnceCell::new(), AtomicU64::new(link.number().await?));
        Ok(Self { address, link, feed, beside, scripts: Scripts::new(), observer })
    }

    async fn know(&self) -> Result<()> {
        let identity = Uuid::new_v4().simple().to_string();
        let founded = self.link.run(&self.scripts.schema.call().with(&identity)).await?;
        if bytes(founded)? == identity.as_bytes() {
            tracing::info!("{} held nothing: a new store begins there", self.address);
        }
        Ok(())
    }

    async fn observed<T>(&self, operation: &'static str, work: impl Future<Output = Result<T>>) -> Result<T> {
        let watch = Stopwatch::start();
        let done = work.await;
        (self.observer)(operation, watch.elapsed(), done.is_ok());
        done
    }

    async fn run(&self, operation: &'static str, call: Call<'_>) -> Result<Value> {
        let work = async {
            match self.link.run(&call).await {
                // Emptied, and nobody has noticed yet. What was asked for is done on what there is now: nothing.
                Err(failure) if failure.code() == Some("STALE") => {
                    self.know().await?;
                    Ok(self.link.run(&call).await?)
                }
                answer => Ok(answer?),
            }
        };
        self.observed(operation, work).await
    }

    /// A write that answers with the record of the user as it then stands.
    async fn write_user(&self, operation: &'static str, id: UserId, call: Call<'_>) -> Result<Option<User>> {
        some(self.run(operation, call).await?, |record| records::user(id, &bytes(record)?))
    }

    async fn feed(&self) -> Result<&Link> {
        let open = || Link::open(self.address.clone(), ANSWERS_WITHIN + feed::LOOK);
        Ok(self.feed.get_or_try_init(open).await?)
    }
}

fn for_user(script: &Script, id: UserId) -> Call<'_> {
    script.call().with(id.0.as_bytes())
}

fn for_session(script: &Script, id: SessionId) -> Call<'_> {
    script.call().with(id.0.as_bytes())
}

/// An id and its record.
fn user(pair: Value) -> Result<User> {
    let [id, record] = tuple(pair)?;
    records::user(UserId(uuid(id)?), &bytes(record)?)
}

fn session(pair: Value) -> Result<Session> {
    let [id, record] = tuple(pair)?;
    records::session(SessionId(uuid(id)?), &bytes(record)?)
}

#[async_trait]
impl Store for RedisStore {
    async fn user(&self, id: UserId) -> Result<Option<User>> {
        let mut get = redis::cmd("GET");
        get.arg(user_key(id.0.as_bytes()));
        let found = self.observed("user", async { Ok(self.link.ask(&get).await?) }).await?;
        some(found, |record| records::user(id, &bytes(record)?))
    }

    async fn user_by_email(&self, email: &Email) -> Result<Option<User>> {
        let call = self.scripts.user_by_email.call().with(email.as_str());
        some(self.run("user_by_email", call).await?, user)
    }

    async fn users(&self, after: Option<&Email>, limit: usize) -> Result<Vec<User>> {
        let mut users: Vec<User> = Vec::new();
        while users.len() < limit {
            let from = users.last().map(|user| &user.email).or(after).map_or("", Email::as_str);
            let wanted = (limit - users.len()).min(BATCH);
            let call = self.scripts.users.call().with(from).number(wanted as u64);
            let page = list(self.run("users", call).await?)?;
            let last = page.len() < wanted;
            for found in page {
                users.push(user(found)?);
            }
            if last {
                break;
            }
        }
        Ok(users)
    }

    async fn add_user(&self, new: NewUser) -> Result<User> {
        let taken = self.add_users(vec![new.clone()]).await?;
        if !taken.is_empty() {
            return Err(StoreError::EmailTaken);
        }
        let NewUser { id, email, password_hash, roles, enabled, token_version, created_at } = new;
        let (epoch, sessions) = (records::FIRST_EPOCH, Vec::new());
        Ok(User { id, email, password_hash, roles, enabled, token_version, epoch, created_at, sessions })
    }

    async fn add_users(&self, new: Vec<NewUser>) -> Result<Vec<Email>> {
        let call = new.iter().fold(self.scripts.add_users.call(), |call, user| {
            let call = call.with(user.id.0.as_bytes()).with(user.email.as_str());
            call.with(records::pack_user(user)).at(user.created_at)
        });
        let taken = list(self.run("add_users", call).await?)?;
        let email = |place: &Value| {
            let place = usize::try_from(number(place)?).ok();
            place.and_then(|place| new.get(place)).map(|user| user.email.clone()).ok_or_else(nonsense)
        };
        taken.iter().map(email).collect()
    }

    async fn change_user(&self, id: UserId, change: UserChange, now: Timestamp) -> Result<Option<User>> {
        let call = for_user(&self.scripts.change_user, id).at(now);
        let call = match &change {
            UserChange::Password { hash, keep } => {
                let keep = keep.map(|id| id.0.as_bytes().to_vec()).unwrap_or_default();
                call.with("password").with(hash.expose()).with(keep)
            }
            UserChange::Rehash { old, new } => call.with("rehash").with(old.expose()).with(new.expose()),
            UserChange::Roles(roles) => call.with("roles").with(records::join(roles)),
            UserChange::Enabled(enabled) => call.with(if *enabled { "enable" } else { "disable" }),
            UserChange::EndSessions => call.with("end"),
        };
        self.write_user("change_user", id, call).await
    }

    async fn remove_user(&self, id: UserId, now: Timestamp) -> Result<bool> {
        let call = for_user(&self.scripts.remove_user, id).at(now);
        Ok(number(&self.run("remove_user", call).await?)? == 1)
    }

    async fn session(&self, id: SessionId) -> Result<Option<(Session, User)>> {
        let found = self.run("session", for_session(&self.scripts.session, id)).await?;
        let read = |found| {
            let [user, session, record] = tuple(found)?;
            let user = UserId(uuid(user)?);
            let session = records::session(id, &bytes(session)?)?;
            some(record, |record| Ok((session, records::user(user, &bytes(record)?)?)))
        };
        Ok(some(found, read)?.flatten())
    }

    async fn sessions(&self, user: UserId) -> Result<Vec<Session>> {
        let found = self.run("sessions", for_user(&self.scripts.sessions, user)).await?;
        list(found)?.into_iter().map(session).collect()
    }

    async fn open_session(&self, session: Session, token_version: u64, at_most: usize) -> Result<Option<User>> {
        let call = for_session(&self.scripts.open_session, session.id).with(records::pack_session(&session));
        let call = call.with(session.user.0.as_bytes()).number(token_version);
        let call = call.at(session.chain.opened_at).number(at_most as u64);
        self.write_user("open_session", session.user, call).await
    }

    async fn advance_session(&self, id: SessionId, generation: u64, now: Timestamp) -> Result<Option<Session>> {
        let call = for_session(&self.scripts.advance_session, id).number(generation).at(now);
        some(self.run("advance_session", call).await?, |record| records::session(id, &bytes(record)?))
    }

    async fn end_session(&self, user: UserId, id: SessionId, now: Timestamp) -> Result<Option<User>> {
        let call = for_user(&self.scripts.end_session, user).with(id.0.as_bytes()).at(now);
        self.write_user("end_session", user, call).await
    }

    async fn sweep(&self, idle_before: Timestamp, opened_before: Timestamp, now: Timestamp) -> Result<u64> {
        let mut swept = 0;
        loop {
            let call = self.scripts.sweep.call().at(idle_before).at(opened_before).at(now).number(BATCH as u64);
            let [seen, gone] = tuple(self.run("sweep", call).await?)?;
            swept += number(&gone)?;
            if number(&seen)? < BATCH as u64 {
                return Ok(swept);
            }
        }
    }

    async fn keys(&self) -> Result<Vec<StoredKey>> {
        let mut all = redis::cmd("HGETALL");
        all.arg(SIGNERS);
        let Value::Map(found) = self.observed("keys", async { Ok(self.link.ask(&all).await?) }).await? else {
            return Err(nonsense());
        };
        let read = |(kid, record)| records::key(bytes(kid)?, &bytes(record)?);
        let mut keys = found.into_iter().map(read).collect::<Result<Vec<StoredKey>>>()?;
        keys.sort_by(|a, b| (a.signs_from, &a.kid).cmp(&(b.signs_from, &b.kid)));
        Ok(keys)
    }

    async fn add_key(&self, key: StoredKey, only_if_none: bool) -> Result<bool> {
        let call = self.scripts.add_key.call().with(&key.kid).with(records::pack_key(&key)).at(key.created_at);
        let call = call.number(only_if_none.into()).with(records::kind_of_key(&key));
        Ok(number(&self.run("add_key", call).await?)? == 1)
    }

    async fn remove_key(&self, kid: &str, now: Timestamp) -> Result<bool> {
        Ok(number(&self.run("remove_key", self.scripts.remove_key.call().with(kid).at(now)).await?)? == 1)
    }

    async fn take(&self, places: &[(CounterKey, Quota)], now: Timestamp) -> Result<Vec<Standing>> {
        let call = quotas::places(self.scripts.take.call(), places, now);
        quotas::standings(self.run("take", call).await?)
    }

    async fn give_back(&self, places: &[(CounterKey, Quota)], now: Timestamp) -> Result<()> {
        self.run("give_back", quotas::places(self.scripts.give_back.call(), places, now)).await.map(drop)
    }

    async fn feed_end(&self) -> Result<FeedPosition> {
        let link = self.feed().await?;
        let end = self.observed("feed_end", feed::end(link, &self.scripts)).await?;
        if let Some(end) = end {
            return Ok(end);
        }
        self.know().await?;
        feed::end(link, &self.scripts).await?.ok_or_else(nonsense)
    }

    async fn changes(&self, position: FeedPosition, wait: Duration) -> Result<Changes> {
        let feed = self.feed().await?;
        let number = self.link.number().await?;
        // Both must lead to the same server. Where one connection was made anew, it may be to another master.
        if self.beside.swap(number, Ordering::AcqRel) != number {
            feed.renew();
            return Err(StoreError::Unavailable("the connection to Redis is a new one".into()));
        }
        let told = |took, ok| (self.observer)("changes", took, ok);
        let heard = tokio::select! {
            heard = feed::wait(feed, &self.scripts, position, wait, told) => heard?,
            () = self.link.replaced(number) => {
                return Err(StoreError::Unavailable("the connection to Redis was lost".into()));
            }
        };
        match heard {
            Some(changes) => Ok(changes),
            // Emptied: whoever notices first begins anew.
            None => Ok(Changes { position: self.feed_end().await?, gap: true, ..Changes::default() }),
        }
    }
}
