//! Text of others within messages of ours: short, on one line, and without control characters.

/// Foreign text is repeated up to this many characters: names are shorter, and messages stay lines.
const CHARS_MAX: usize = 200;

/// The text as a message may repeat it. What would move a cursor, colour a terminal or turn the
/// reading direction is escaped, and what is too long is cut.
pub fn plain(text: &str) -> String {
    let mut plain = String::new();
    for (position, c) in text.chars().enumerate() {
        if position == CHARS_MAX {
            plain.push('…');
            break;
        }
        match c {
            '"' | '\'' | '\\' => plain.push(c),
            _ => plain.extend(c.escape_debug()),
        }
    }
    plain
}

/// The same in quotes, with quotes within it escaped.
pub fn quoted(text: &str) -> String {
    match text.char_indices().nth(CHARS_MAX) {
        Some((end, _)) => format!("{:?}…", text.get(..end).unwrap_or_default()),
        None => format!("{text:?}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn foreign_text_stays_on_its_line_and_colours_nothing() {
        let check = |text: &str, expected_plain: &str, expected_quoted: &str| {
            assert_eq!(plain(text), expected_plain);
            assert_eq!(quoted(text), expected_quoted);
        };
        check("db/orders-0", "db/orders-0", "\"db/orders-0\"");
        check("naïve", "naïve", "\"naïve\"");
        check("\u{1b}[31m\n", "\\u{1b}[31m\\n", "\"\\u{1b}[31m\\n\"");
        check("\u{202e}x", "\\u{202e}x", "\"\\u{202e}x\"");
        check("a\"b\\", "a\"b\\", "\"a\\\"b\\\\\"");
        let long = "ä".repeat(201);
        let cut = "ä".repeat(200);
        check(&cut, &cut, &format!("\"{cut}\""));
        check(&long, &format!("{cut}…"), &format!("\"{cut}\"…"));
    }
}
