//! Arguments → command → exit code.

use std::io::Write;
use std::process::ExitCode;

use portcullis::allocator::Allocator;
use portcullis::cli::output::printable;
use portcullis::cli::{run, usage};

#[global_allocator]
static ALLOCATOR: Allocator = Allocator;

fn main() -> ExitCode {
    let arguments = match usage::parse(std::env::args_os().collect()) {
        Ok(arguments) => arguments,
        Err(code) => return code.into(),
    };
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let said: Vec<String> = error.to_string().lines().map(printable).collect();
            // Standard error is where a failed command says why; if that is closed, the exit code says it.
            let _ = writeln!(std::io::stderr(), "portcullis: {}", said.join("\n"));
            ExitCode::FAILURE
        }
    }
}
