//! The program's allocator: mimalloc, and the end of the program where no memory is left.
//!
//! That end is Rust's own as well, but only after a handler of whose code the compiler knows nothing. For fear that it might
//! unwind, each value that is boxed is built on the stack first, and copied: 14 KB of future for every request, of which 700
//! bytes mean anything. What cannot fail is built where it stays. A request executes an eighth fewer instructions and reads and
//! writes a third less memory (docs/PERFORMANCE.md), which is what the only unsafe lines of this program are for.
//!
//! Whoever asks for a large piece is still told that there is none: a password's hash is one, and a login can be told to come
//! again.

#![expect(
    unsafe_code,
    reason = "the trait is unsafe; each method hands on what it was given, under the same conditions"
)]

use std::alloc::{GlobalAlloc, Layout};
use std::io::{self, Write};

use mimalloc::MiMalloc;

pub struct Allocator;

// SAFETY: mimalloc keeps the contract, and whether it fails is all that is looked at here.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller keeps the same contract, here and below.
        had(unsafe { MiMalloc.alloc(layout) }, layout.size())
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        had(unsafe { MiMalloc.alloc_zeroed(layout) }, layout.size())
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        unsafe { MiMalloc.dealloc(block, layout) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        had(unsafe { MiMalloc.realloc(block, layout, size) }, size)
    }
}

/// In bytes. What the compiler knows the size of is smaller.
const LARGE: usize = 1 << 20;

/// Never null where it is not large.
#[inline(always)]
fn had(block: *mut u8, size: usize) -> *mut u8 {
    if size < LARGE && block.is_null() {
        none_left();
    }
    block
}

/// Not a function of Rust's: those are taken to unwind.
#[cold]
extern "C" fn none_left() -> ! {
    // Standard error has no buffer. If it is closed, nobody can be told.
    let _ =
        io::stderr().write_all(b"portcullis: no memory is left: give it more, or serve fewer connections at once\n");
    std::process::abort()
}

#[cfg(test)]
mod tests {
    use std::os::unix::process::ExitStatusExt;
    use std::process::Command;

    use super::*;

    #[test]
    fn who_asks_for_a_large_piece_is_told_that_there_is_none() {
        let all = Layout::array::<u8>(isize::MAX as usize).unwrap();
        // SAFETY: its size is not zero.
        assert!(unsafe { Allocator.alloc(all) }.is_null());
    }

    #[test]
    fn where_there_is_nothing_at_all_the_program_says_so_and_ends() {
        const AGAIN: &str = "PORTCULLIS_TEST_HAS_NO_MEMORY";
        if std::env::var_os(AGAIN).is_some() {
            had(std::ptr::null_mut(), LARGE - 1);
            return;
        }
        let this = "allocator::tests::where_there_is_nothing_at_all_the_program_says_so_and_ends";
        let child = Command::new(std::env::current_exe().unwrap()).args(["--exact", this]).env(AGAIN, "1").output();
        let child = child.unwrap();
        assert_eq!(child.status.signal(), Some(6), "aborted: {child:?}");
        assert!(String::from_utf8_lossy(&child.stderr).contains("no memory is left"), "{child:?}");
    }
}
