//! The program: parses the command line and maps errors to exit codes.

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use quorate::cli::{BAD_INPUT, Cli};

fn main() -> ExitCode {
    match Cli::parse().run() {
        Ok(code) => code,
        Err(error) => {
            // Nobody may be there to read it.
            _ = writeln!(io::stderr(), "quorate: {}", text(&error));
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// The error and its causes, except for those that it quotes already.
fn text(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::text;

    #[test]
    fn a_cause_is_told_once() {
        let check = |error: anyhow::Error, expected: &str| assert_eq!(text(&error), expected);
        check(anyhow!("no room"), "no room");
        check(anyhow!("no room").context("a.yaml"), "a.yaml: no room");
        check(anyhow!("no room").context("a.yaml: no room"), "a.yaml: no room");
        check(anyhow!("no room").context("line 1").context("a.yaml"), "a.yaml: line 1: no room");
    }
}
