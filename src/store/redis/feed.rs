//! The change feed: a stream that every change appends to in its own script. A blocking read is only the bell; what has
//! happened is then read by a script, together with which store this is and how far its feed goes.
//!
//! A position holds the beginning of the store's identity and the id of an entry. If the identity is another one, the store
//! was emptied; if the entry is not there, it was trimmed, or the store went back to an older state. Either is a gap.

use std::time::Duration;

use redis::Value;

use super::link::Link;
use super::records::{bytes, list, nonsense, number, tuple};
use super::script::{FEED, Scripts};
use crate::clock::Stopwatch;
use crate::gate::time::Timestamp;
use crate::store::{ChangeEvent, Changes, Epoch, FeedPosition, Result, Subject, UserId};

/// The bell does not ring when everything is deleted: look all the same this often.
pub(super) const LOOK: Duration = Duration::from_millis(500);

/// The most entries taken at once.
const PAGE: u64 = 1000;

/// Milliseconds and sequence, as in `1526919030474-55`.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Id {
    millis: u64,
    sequence: u64,
}

/// What a look has found.
struct Look {
    store: u32,
    last: Id,
    /// The entry at the position is there.
    anchored: bool,
    entries: Vec<Value>,
}

pub(super) async fn end(link: &Link, scripts: &Scripts) -> Result<Option<FeedPosition>> {
    let found = look(link, scripts, Id { millis: 0, sequence: 0 }).await?;
    Ok(found.map(|look| position(look.store, look.last)))
}

/// `None` if there is no store any more.
pub(super) async fn wait(
    link: &Link,
    scripts: &Scripts,
    from: FeedPosition,
    wait: Duration,
    told: impl Fn(Duration, bool),
) -> Result<Option<Changes>> {
    let (store, after) = parts(from);
    let waiting = Stopwatch::start();
    // The last thing is a look: to say that nothing has happened must be true when it is said.
    loop {
        let looking = Stopwatch::start();
        let found = look(link, scripts, after).await;
        told(looking.elapsed(), found.is_ok());
        let Some(Look { store: present, last, anchored, entries }) = found? else { return Ok(None) };
        if present != store || !(anchored || last == after) {
            return Ok(Some(Changes { position: position(present, last), gap: true, ..Changes::default() }));
        }
        if !entries.is_empty() {
            return changes(store, last, entries).map(Some);
        }
        let left = wait.saturating_sub(waiting.elapsed());
        if left < Duration::from_millis(1) {
            return Ok(Some(Changes { position: from, ..Changes::default() }));
        }
        bell(link, after, left.min(LOOK)).await?;
    }
}

async fn bell(link: &Link, after: Id, wait: Duration) -> Result<()> {
    let mut command = redis::cmd("XREAD");
    let millis = u64::try_from(wait.as_millis()).unwrap_or(1).max(1);
    command.arg("COUNT").arg(1).arg("BLOCK").arg(millis).arg("STREAMS").arg(FEED).arg(after.text());
    link.ask(&command).await?;
    Ok(())
}

async fn look(link: &Link, scripts: &Scripts, after: Id) -> Result<Option<Look>> {
    let answer = link.run(&scripts.feed.call().with(after.text()).number(PAGE)).await?;
    if answer == Value::Nil {
        return Ok(None);
    }
    let [store, last, there, entries] = tuple(answer)?;
    let store = String::from_utf8(bytes(store)?).ok().and_then(|id| u32::from_str_radix(id.get(..8)?, 16).ok());
    let last = Id::parse(bytes(last)?).ok_or_else(nonsense)?;
    let (store, anchored) = (store.ok_or_else(nonsense)?, number(&there)? == 1);
    Ok(Some(Look { store, last, anchored, entries: list(entries)? }))
}

fn changes(store: u32, last: Id, entries: Vec<Value>) -> Result<Changes> {
    let (mut events, mut at) = (Vec::with_capacity(entries.len()), last);
    for entry in entries {
        let [id, fields] = tuple(entry)?;
        at = Id::parse(bytes(id)?).ok_or_else(nonsense)?;
        events.extend(event(list(fields)?)?);
    }
    Ok(Changes { position: position(store, at), events, gap: false, more: at != last })
}

/// `None` for the entry that a store begins with.
fn event(fields: Vec<Value>) -> Result<Option<ChangeEvent>> {
    let mut fields = fields.into_iter().map(bytes);
    let (mut kind, mut user, mut epoch, mut at) = (Vec::new(), Vec::new(), 0, 0);
    while let (Some(name), Some(value)) = (fields.next(), fields.next()) {
        let value = value?;
        let digits = || std::str::from_utf8(&value).ok().and_then(|digits| digits.parse().ok()).ok_or_else(nonsense);
        match name?.as_slice() {
            b"k" => kind = value,
            b"u" => user = value,
            b"e" => epoch = digits()?,
            b"a" => at = digits()?,
            _ => {}
        }
    }
    let id = || uuid::Uuid::from_slice(&user).map(UserId).map_err(|_| nonsense());
    let subject = match kind.as_slice() {
        b"u" => Subject::User(id()?, Epoch(epoch)),
        b"r" => Subject::Removed(id()?),
        b"k" => Subject::Keys,
        b"s" => return Ok(None),
        _ => return Err(nonsense()),
    };
    Ok(Some(ChangeEvent { subject, at: Timestamp::from_millis(at) }))
}

const HALF: u64 = (1 << 48) - 1;

/// 32 bits of the store's identity, 48 of milliseconds (they last for 8000 years), 48 of sequence.
fn position(store: u32, id: Id) -> FeedPosition {
    FeedPosition(u128::from(store) << 96 | u128::from(id.millis & HALF) << 48 | u128::from(id.sequence & HALF))
}

fn parts(FeedPosition(position): FeedPosition) -> (u32, Id) {
    let half = |bits: u128| bits as u64 & HALF;
    ((position >> 96) as u32, Id { millis: half(position >> 48), sequence: half(position) })
}

impl Id {
    fn parse(text: Vec<u8>) -> Option<Self> {
        let text = String::from_utf8(text).ok()?;
        let (millis, sequence) = text.split_once('-')?;
        Some(Self { millis: millis.parse().ok()?, sequence: sequence.parse().ok()? })
    }

    fn text(self) -> String {
        format!("{}-{}", self.millis, self.sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_holds_the_store_and_the_entry() {
        for (store, millis, sequence) in [(0, 0, 0), (u32::MAX, HALF, HALF), (7, 1_526_919_030_474, 55)] {
            let (found, id) = parts(position(store, Id { millis, sequence }));
            assert_eq!((found, id.millis, id.sequence), (store, millis, sequence));
        }
    }

    #[test]
    fn an_entry_that_makes_no_sense_is_no_panic() {
        let bulk = |text: &str| Value::BulkString(text.into());
        assert!(event(vec![bulk("k"), bulk("x")]).is_err());
        assert!(event(vec![bulk("k"), bulk("u"), bulk("u"), bulk("short")]).is_err());
        assert!(event(vec![bulk("k"), bulk("k"), bulk("a"), bulk("soon")]).is_err());
        assert!(event(vec![bulk("k"), bulk("s")]).unwrap().is_none());
    }
}
