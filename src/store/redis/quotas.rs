//! Shared counters: places in quotas, counted by scripts that do what [`crate::gate::limit`] does.

use std::time::Duration;

use redis::Value;

use super::records::{list, nonsense, number};
use super::script::Call;
use crate::gate::limit::{Quota, SKEW, Standing};
use crate::gate::time::Timestamp;
use crate::store::{CounterKey, Result};

pub(super) fn places<'a>(call: Call<'a>, places: &[(CounterKey, Quota)], now: Timestamp) -> Call<'a> {
    let call = call.number(now.millis().saturating_mul(1000)).number(SKEW);
    places.iter().fold(call, |call, (counter, quota)| {
        // No value can spell another kind: kinds hold no such byte.
        let call = call.with(format!("{}\0{}", counter.kind, counter.value));
        call.number(quota.micros()).number(quota.spacing())
    })
}

pub(super) fn standings(answer: Value) -> Result<Vec<Standing>> {
    list(answer)?.into_iter().map(standing).collect()
}

fn standing(value: Value) -> Result<Standing> {
    let numbers = list(value)?.iter().map(number).collect::<Result<Vec<u64>>>()?;
    match numbers[..] {
        [1, tat] => Ok(Standing::Taken { tat }),
        [0, wait] => Ok(Standing::Full { retry_after: Duration::from_micros(wait) }),
        _ => Err(nonsense()),
    }
}
