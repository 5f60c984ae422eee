//! Nothing acknowledged is lost: the storm of tests/crash.rs on Redis, which is killed in the middle of it, or a gateway, or
//! both, again and again.
//!
//! `CRASH_KILLS` sets how often (10), `CRASH_SEED` repeats a run's choices: the seed is printed.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::support::crew::{Crew, UNLIMITED, doubts, look};
use super::support::dice::{Dice, any_seed, number};
use super::support::gateway::{Gateway, PASSWORD};
use super::support::redis::RedisServer;
use super::support::wait;
use super::{Over, house, with};

#[derive(Clone, Copy, Debug)]
struct Victims {
    redis: bool,
    gateway: Option<usize>,
}

impl Victims {
    fn by(dice: &mut Dice) -> Self {
        let gateway = dice.place(2);
        match dice.roll(4) {
            0 => Self { redis: false, gateway: Some(gateway) },
            1 => Self { redis: true, gateway: Some(gateway) },
            _ => Self { redis: true, gateway: None },
        }
    }
}

#[test]
fn what_was_acknowledged_survives_every_kill_of_redis_and_of_gateways() {
    let (kills, seed) = (number("CRASH_KILLS").unwrap_or(10), number("CRASH_SEED").unwrap_or_else(any_seed));
    println!("CRASH_KILLS={kills} CRASH_SEED={seed}");
    let mut dice = Dice::new(seed);
    let server = RedisServer::start();
    let house = house(&server, UNLIMITED);
    let mut crews = Crew::all_aboard(&house, &mut dice);
    let mut gateways = vec![house.run(), house.run()];
    let (mut promises, mut lost) = (0, 0);
    for kill in 1..=kills {
        let victims = Victims::by(&mut dice);
        promises += storm(&gateways, &server, &mut crews, victims, 1 + dice.roll(150));
        lost += doubts(&crews);
        if victims.redis {
            server.start_again();
        }
        if let Some(gateway) = victims.gateway {
            gateways[gateway] = house.run();
        }
        for gateway in &gateways {
            wait::until("it is back", || gateway.try_login("ann@example.com", PASSWORD).status == 200);
            let ann = gateway.login("ann@example.com");
            assert_eq!(with(gateway, "/x", &ann).status, 200, "{victims:?}");
        }
        look(&gateways, &mut crews, kill == kills);
        assert!(gateways.iter().all(|gateway| !gateway.log().contains("that it had acknowledged")), "nothing was lost");
    }
    println!("{kills} kills: {promises} promises kept; {lost} requests had no answer");
    assert!(lost > 0, "no kill came in the middle of anything");
}

/// Until this many promises have been made, which is when the victims are killed. Returns how many were.
fn storm(gateways: &[Gateway], server: &RedisServer, crews: &mut [Crew], victims: Victims, enough: u64) -> u64 {
    let (promises, over) = (AtomicU64::new(0), AtomicBool::new(false));
    thread::scope(|scope| {
        for Crew { accounts, dice } in crews {
            let (promises, over) = (&promises, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let (account, gateway) = (dice.place(accounts.len()), &gateways[dice.place(gateways.len())]);
                    if accounts[account].act(gateway.listen, &gateway.house, dice).is_err() {
                        return;
                    }
                    if promises.fetch_add(1, Ordering::Relaxed) + 1 == enough {
                        let _over = Over(over);
                        // At any moment of what the others are doing.
                        thread::sleep(Duration::from_micros(dice.roll(5000)));
                        if victims.redis {
                            server.kill();
                        }
                        if let Some(gateway) = victims.gateway {
                            gateways[gateway].signal(Signal::SIGKILL);
                        }
                    }
                }
            });
        }
    });
    promises.into_inner()
}
