//! What a presented refresh token deserves: its generation held against the session's own.
//!
//! The refresh token is a pure function of the session, so "repeat" needs nothing stored: the same row gives the same
//! bytes again. Rules: RFC 9700 section 4.14.2 (rotation, and revoking the family on reuse); the grace for the immediate
//! predecessor lets tabs that race, and clients whose answer was lost, stay signed in.

use std::time::Duration;

use super::time::Timestamp;

/// The three numbers of a session that rotation looks at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Chain {
    pub generation: u64,
    pub rotated_at: Timestamp,
    pub opened_at: Timestamp,
}

/// How long chains live. From `[auth]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// `refresh_ttl`: each rotation starts it anew.
    pub idle: Duration,
    /// `session_ttl`: from the login.
    pub absolute: Duration,
    /// `rotation_grace`.
    pub grace: Duration,
}

impl Lifetimes {
    /// When the chain's present refresh token stops working.
    pub fn expiry(&self, chain: Chain) -> Timestamp {
        chain.rotated_at.plus(self.idle).min(chain.opened_at.plus(self.absolute))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// The present token: make the next generation.
    Rotate,
    /// The token just replaced: give its successor, the present one, again.
    Repeat,
    /// Neither: somebody else has used this chain. End the session.
    Reuse,
    /// The session is past its limits.
    Expired,
}

pub fn judge(chain: Chain, presented: u64, now: Timestamp, lifetimes: &Lifetimes) -> Rotation {
    if lifetimes.expiry(chain) <= now {
        return Rotation::Expired;
    }
    if presented == chain.generation {
        return Rotation::Rotate;
    }
    let predecessor = presented.checked_add(1) == Some(chain.generation);
    if predecessor && now.since(chain.rotated_at) <= lifetimes.grace { Rotation::Repeat } else { Rotation::Reuse }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const LIFETIMES: Lifetimes = Lifetimes {
        idle: Duration::from_secs(1000),
        absolute: Duration::from_secs(5000),
        grace: Duration::from_secs(30),
    };

    fn at(presented: u64, now: u64) -> Rotation {
        let chain =
            Chain { generation: 5, rotated_at: Timestamp::from_secs(4500), opened_at: Timestamp::from_secs(100) };
        judge(chain, presented, Timestamp::from_secs(now), &LIFETIMES)
    }

    #[test]
    fn the_present_token_rotates() {
        assert_eq!(at(5, 4500), Rotation::Rotate);
        assert_eq!(at(5, 5099), Rotation::Rotate);
    }

    #[test]
    fn the_predecessor_repeats_within_the_grace_only() {
        assert_eq!(at(4, 4530), Rotation::Repeat);
        assert_eq!(at(4, 4531), Rotation::Reuse);
    }

    #[test]
    fn any_other_generation_is_reuse() {
        for presented in [0, 3, 6, u64::MAX] {
            assert_eq!(at(presented, 4500), Rotation::Reuse, "{presented}");
        }
    }

    #[test]
    fn both_limits_end_the_chain() {
        assert_eq!(at(5, 5100), Rotation::Expired, "absolute: 100 + 5000");
        let idle = Chain { generation: 0, rotated_at: Timestamp::from_secs(10), opened_at: Timestamp::from_secs(10) };
        assert_eq!(judge(idle, 0, Timestamp::from_secs(1010), &LIFETIMES), Rotation::Expired);
        assert_eq!(judge(idle, 0, Timestamp::from_secs(1009), &LIFETIMES), Rotation::Rotate);
    }

    #[test]
    fn a_clock_that_is_set_back_signs_nobody_out() {
        assert_eq!(at(5, 0), Rotation::Rotate);
        assert_eq!(at(4, 0), Rotation::Repeat);
        assert_eq!(at(3, 0), Rotation::Reuse);
    }

    proptest! {
        /// Whatever the row and the configuration say, and wherever the clock has gone.
        #[test]
        fn no_clock_overflows_and_nothing_past_its_limits_rotates(
            generation: u64, rotated_at: u64, opened_at: u64, presented: u64, now: u64,
            idle: u64, absolute: u64, grace: u64,
        ) {
            let [rotated_at, opened_at, now] = [rotated_at, opened_at, now].map(Timestamp::from_millis);
            let [idle, absolute, grace] = [idle, absolute, grace].map(Duration::from_secs);
            let (chain, lifetimes) = (Chain { generation, rotated_at, opened_at }, Lifetimes { idle, absolute, grace });
            let judged = judge(chain, presented, now, &lifetimes);
            prop_assert_eq!(judged == Rotation::Expired, lifetimes.expiry(chain) <= now);
            prop_assert!(judged != Rotation::Rotate || presented == generation);
            prop_assert!(judged != Rotation::Repeat || presented < generation);
        }
    }
}
