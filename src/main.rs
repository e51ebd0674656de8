//! The program: parses the command line and maps errors to exit codes.

use std::process::ExitCode;

use clap::Parser;
use quorate::cli::{BAD_INPUT, Cli};

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("quorate: {}", line(&error));
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// The error and its causes on one line. What a message has already said of its cause is not said
/// again, and what would move the cursor of a terminal, as a file's name may, is escaped.
fn line(error: &anyhow::Error) -> String {
    let mut line = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if line.is_empty() {
            line = cause;
        } else if !line.ends_with(&cause) {
            line = format!("{line}: {cause}");
        }
    }
    let escaped = line.chars().map(|c| match c.is_control() {
        true => c.escape_debug().to_string(),
        false => c.to_string(),
    });
    escaped.collect()
}
