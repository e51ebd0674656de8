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
            _ = writeln!(io::stderr(), "quorate: {}", line(&error));
            ExitCode::from(BAD_INPUT)
        }
    }
}

/// The error and its causes, except for those that it quotes already, on one line: what would move
/// the cursor of a terminal, as a file's name may, is escaped.
fn line(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1).map(ToString::to_string) {
        if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    let mut line = String::new();
    for c in text.chars() {
        match c.is_control() {
            true => line.extend(c.escape_debug()),
            false => line.push(c),
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use anyhow::anyhow;

    use super::line;

    #[test]
    fn a_cause_is_told_once_and_on_the_same_line() {
        let check = |error: anyhow::Error, expected: &str| assert_eq!(line(&error), expected);
        check(anyhow!("no room"), "no room");
        check(anyhow!("no room").context("a.yaml"), "a.yaml: no room");
        check(anyhow!("no room").context("a.yaml: no room"), "a.yaml: no room");
        check(anyhow!("no room").context("line 1").context("a.yaml"), "a.yaml: line 1: no room");
        check(anyhow!("no room").context("a\n\u{1b}[31m.yaml"), "a\\n\\u{1b}[31m.yaml: no room");
    }
}
