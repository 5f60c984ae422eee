//! Nothing acknowledged is lost: a storm of logins, refreshes and logouts, the gateway killed in the middle of it again and
//! again, and after each restart a look at everything that had been promised.
//!
//! `CRASH_KILLS` sets how often it is killed (20), `CRASH_SEED` repeats a run's choices: the seed is printed.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::process::Stdio;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use nix::sys::signal::Signal;
use support::crew::{Crew, UNLIMITED, doubts, look};
use support::dice::{Dice, any_seed, number};
use support::gateway::{Gateway, House, usual};
use support::ledger::Unanswered;
use support::origin::Origin;

#[test]
fn what_was_acknowledged_survives_every_kill() {
    let (kills, seed) = (number("CRASH_KILLS").unwrap_or(20), number("CRASH_SEED").unwrap_or_else(any_seed));
    println!("CRASH_KILLS={kills} CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    let origin = Origin::start();
    let house = House::new(&usual(origin.address, "", UNLIMITED));
    let mut crews = Crew::all_aboard(&house, &mut dice);

    let (mut promises, mut lost) = (0, 0);
    for kill in 1..=kills {
        promises += storm(&house.run(), &mut crews, 1 + dice.roll(150));
        lost += doubts(&crews);
        if dice.roll(4) == 0 {
            kill_while_it_starts(&house, &mut dice);
        }
        let gateway = house.run();
        look(&[gateway], &mut crews, kill == kills);
        assert_sound(&house);
    }
    println!("{kills} kills: {promises} promises kept; {lost} requests had no answer");
    assert!(lost > 0, "no kill came in the middle of anything");
}

/// Until the gateway is killed, which is when this many promises have been made. Returns how many were.
fn storm(gateway: &Gateway, crews: &mut [Crew], enough: u64) -> u64 {
    let promises = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for Crew { accounts, dice } in crews {
            let promises = &promises;
            scope.spawn(move || {
                loop {
                    let account = dice.place(accounts.len());
                    match accounts[account].act(gateway.listen, &gateway.house, dice) {
                        Ok(()) => {}
                        Err(Unanswered::Gone) => return,
                        Err(Unanswered::Unavailable) => panic!("nothing has befallen its store"),
                    }
                    if promises.fetch_add(1, Ordering::Relaxed) + 1 == enough {
                        // At any moment of what the others are doing.
                        std::thread::sleep(Duration::from_micros(dice.roll(5000)));
                        gateway.signal(Signal::SIGKILL);
                    }
                }
            });
        }
    });
    promises.into_inner()
}

/// The store must survive that as well.
fn kill_while_it_starts(house: &House, dice: &mut Dice) {
    let mut child = house.spawn(&["run"], Stdio::null());
    std::thread::sleep(Duration::from_millis(dice.roll(150)));
    child.kill().unwrap();
    child.wait().unwrap();
}

fn assert_sound(house: &House) {
    let db = rusqlite::Connection::open(house.path("portcullis.db")).unwrap();
    let verdict: String = db.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
    assert!(!db.prepare("PRAGMA foreign_key_check").unwrap().exists([]).unwrap(), "a session without its user");
}
