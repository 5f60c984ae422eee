//! Arguments → command → exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;
use portcullis::cli::{Arguments, run};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is where a failed command says why; if that is closed, the exit code says it.
            let _ = writeln!(std::io::stderr(), "portcullis: {error}");
            ExitCode::FAILURE
        }
    }
}
