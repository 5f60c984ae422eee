//! Some users' accounts, and the dice that say what becomes of them: one thread's share of a storm.

use std::sync::Arc;

use super::dice::Dice;
use super::gateway::{Gateway, House};
use super::ledger::Account;

/// No quota gets in the way, and a token whose successor was lost is still good when the gateway is back.
pub const UNLIMITED: &str = r#"
[limits]
per_ip = "1000000/1s"
login_per_ip = "1000000/1s"
login_per_account = "1000000/1s"
[auth]
rotation_grace = "10m"
"#;

/// Crews, each with its own users: what one of them asks for next depends on what it was told before.
const CREWS: usize = 4;
const USERS: usize = 3;

pub struct Crew {
    pub accounts: Vec<Account>,
    pub dice: Dice,
}

impl Crew {
    pub fn all_aboard(house: &Arc<House>, dice: &mut Dice) -> Vec<Self> {
        (0..CREWS).map(|crew| Self::aboard(house, crew, dice.more())).collect()
    }

    fn aboard(house: &Arc<House>, crew: usize, dice: Dice) -> Self {
        let emails = (0..USERS).map(|user| format!("crew{crew}-{user}@example.com"));
        let accounts = emails.map(|email| {
            house.add_user(&email, &[]);
            Account::of(&email)
        });
        Self { accounts: accounts.collect(), dice }
    }
}

pub fn doubts(crews: &[Crew]) -> usize {
    crews.iter().flat_map(|crew| &crew.accounts).filter(|account| account.is_in_doubt()).count()
}

/// At everything that was promised, at one gateway or another.
pub fn look(gateways: &[Gateway], crews: &mut [Crew], all: bool) {
    std::thread::scope(|scope| {
        for Crew { accounts, dice } in crews {
            scope.spawn(move || {
                for account in accounts {
                    let mut any = || &gateways[dice.place(gateways.len())];
                    let (settles, checks) = (any(), any());
                    account.settle(settles.listen, &settles.house).unwrap();
                    account.check(checks.listen, dice, all).unwrap();
                }
            });
        }
    });
}
