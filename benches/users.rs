//! What many users cost: a decision with a hundred to a million of them in memory, each asked for in no order, and how much
//! memory a cached user with a verified token takes. Prints a table; the largest number can be given: `-- 100000`.

#![allow(clippy::print_stdout, reason = "it is what it is for")]

#[allow(dead_code, reason = "each program asks for a part of it")]
mod desk;

use std::hint::black_box;
use std::time::Instant;

use desk::Desk;
use http::request::Parts;

/// The allocator of the program itself.
#[global_allocator]
static ALLOCATOR: portcullis::allocator::Allocator = portcullis::allocator::Allocator;

/// Decisions timed for each number of users.
const ASKED: usize = 200_000;

fn main() {
    let largest = std::env::args().skip(1).find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    println!("{:>9}  {:>13}  {:>12}", "users", "ns a decision", "bytes a user");
    for users in [100, 1_000, 10_000, 100_000, 1_000_000].into_iter().filter(|users| *users <= largest) {
        let desk = Desk::open("HS256");
        let tokens = desk.crowd(users);
        let before = resident();
        desk.meet(&tokens);
        let bytes = resident().saturating_sub(before) / users;
        println!("{users:>9}  {:>13}  {bytes:>12}", timed(&desk, &tokens));
    }
}

/// Nanoseconds a decision, each about another user than the one before.
#[allow(clippy::disallowed_methods, reason = "time is what is measured")]
fn timed(desk: &Desk, tokens: &[String]) -> u128 {
    let mut dice = 0x9e37_79b9_7f4a_7c15_u64;
    let mut any = || {
        // Marsaglia's xorshift: as good as is needed here.
        dice ^= dice << 13;
        dice ^= dice >> 7;
        dice ^= dice << 17;
        usize::try_from(dice % tokens.len() as u64).unwrap_or_default()
    };
    let heads: Vec<Parts> = (0..ASKED).map(|_| Desk::request("/orders/17", Some(&tokens[any()]))).collect();
    let begin = Instant::now();
    let allowed = heads.iter().filter(|head| desk.ask(black_box(head)) == "allowed").count();
    let took = begin.elapsed();
    assert_eq!(allowed, ASKED, "everyone is known");
    took.as_nanos() / ASKED as u128
}

/// Memory of this process, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<usize>().unwrap_or_default() * 1024
}
