//! `[passwords]`: how long they are and how dear it is to hash them; and `[limits]`: how often they may be tried.

use crate::config::reader::Section;
use crate::config::settings::Limits;
use crate::config::units;
use crate::gate::limit::Quota;
use crate::login::LoginQuotas;
use crate::passwords::Policy;

/// OWASP's cheapest acceptable settings of argon2id: memory in KiB, and iterations.
const FLOORS: [(u32, u32); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];
const MOST_KIB: u64 = 4 << 20;

pub fn passwords(s: &mut Section<'_>) -> Policy {
    let memory_kib = s.text("memory", kibibytes).unwrap_or(19 << 10);
    let iterations = small(s.integer("iterations", 2, 1..=1000));
    let parallelism = small(s.integer("parallelism", 1, 1..=255));
    // RFC 9106 section 3.1.
    let enough = memory_kib >= 8 * parallelism;
    s.rule(&["memory", "parallelism"], enough, "argon2 needs 8KiB of memory for each of its lanes (parallelism)");
    if enough && !FLOORS.iter().any(|(memory, passes)| memory_kib >= *memory && iterations >= *passes) {
        let place = s.place(if s.has("memory") { "memory" } else { "iterations" });
        let message = "passwords: these hashes are cheaper to guess than OWASP's floor (memory 19MiB, iterations 2)";
        s.source.warning(place, message);
    }
    Policy {
        // NIST SP 800-63B-4 section 3.1.1.2: 8 is the floor beside another factor, and a user may choose 64.
        min_length: usize::try_from(s.integer("min_length", 15, 8..=64)).unwrap_or(15),
        memory_kib,
        iterations,
        parallelism,
        max_concurrent: usize::try_from(s.integer("max_concurrent", 0, 0..=1024)).unwrap_or(0),
    }
}

/// The limits, and `ipv6_prefix`.
pub fn limits(s: &mut Section<'_>) -> (Limits, u8) {
    let ipv6_prefix = u8::try_from(s.integer("ipv6_prefix", 64, 1..=128)).unwrap_or(64);
    let limits = Limits {
        per_ip: quota(s, "per_ip", "1200/1m"),
        login: LoginQuotas {
            per_ip: quota(s, "login_per_ip", "20/1m"),
            per_account: quota(s, "login_per_account", "10/15m"),
        },
    };
    (limits, ipv6_prefix)
}

fn quota(s: &mut Section<'_>, key: &'static str, default: &str) -> Quota {
    #[expect(clippy::expect_used, reason = "the defaults are constants that a test reads")]
    s.quota(key).unwrap_or_else(|| units::quota(default).expect("a default is a quota"))
}

fn kibibytes(text: &str) -> Result<u32, &'static str> {
    let size = units::size(text)?;
    if size % 1024 != 0 || size == 0 || size / 1024 > MOST_KIB {
        return Err("memory is a whole number of KiB, from \"1KiB\" to \"4GiB\"");
    }
    Ok(small(size / 1024))
}

/// Of a number that is known to be in range.
fn small(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
