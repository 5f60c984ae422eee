//! Arguments → command → exit code.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use portcullis::cli::{CliError, demo};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An authentication gateway in front of apps that have none.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// The real gateway in front of a small sample app, with two users to try.
    Demo(demo::Args),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(arguments.command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Standard error is where a failed command says why; if that is closed, the exit code says it.
            let _ = std::io::Write::write_all(&mut std::io::stderr(), format!("portcullis: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), CliError> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let (stop, stopped) = watch::channel(false);
        let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
        tokio::spawn(async move {
            tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
            // Nobody left to hear it means that everything has stopped.
            let _ = stop.send(true);
        });
        match command {
            Command::Demo(args) => demo::run(args, stopped).await,
        }
    })
}
