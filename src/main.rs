//! The program: parses the command line and maps errors to exit codes.

use std::process::ExitCode;

use clap::Parser;
use quorate::cli::{BAD_INPUT, Cli};

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quorate: {error:#}");
            ExitCode::from(BAD_INPUT)
        }
    }
}
