//! Small pieces of SQL text.

/// An identifier in quotes.
pub(crate) fn name(identifier: &str) -> String {
    format!("\"{}\"", identifier.replace('"', "\"\""))
}

/// A text literal.
pub(crate) fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}

/// Pieces with a separator between them.
pub(crate) fn join<T: AsRef<str>>(pieces: impl IntoIterator<Item = T>, separator: &str) -> String {
    let mut out = String::new();
    for (index, piece) in pieces.into_iter().enumerate() {
        if index > 0 {
            out.push_str(separator);
        }
        out.push_str(piece.as_ref());
    }
    out
}

/// The `WHERE` part of a `CREATE INDEX` statement, if it has one that can be found.
pub(crate) fn index_predicate(create: &str) -> Option<String> {
    let mut depth = 0usize;
    let mut listed = false;
    let mut rest = create;
    while let Some(next) = rest.chars().next() {
        let length = match next {
            '(' => {
                depth += 1;
                1
            }
            ')' => {
                depth = depth.checked_sub(1)?;
                listed |= depth == 0;
                1
            }
            '\'' | '"' | '`' => 2 + rest[1..].find(next)?,
            '[' => 1 + rest.find(']')?,
            '-' if rest.starts_with("--") => rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => 2 + rest.find("*/")?,
            _ if listed && depth == 0 && starts_with_word(rest, "where") => {
                return Some(rest[5..].trim().trim_end_matches(';').to_owned());
            }
            other => other.len_utf8(),
        };
        rest = rest.get(length..)?;
    }
    None
}

fn starts_with_word(text: &str, word: &str) -> bool {
    text.get(..word.len())
        .is_some_and(|head| head.eq_ignore_ascii_case(word))
        && !text[word.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_are_doubled() {
        assert_eq!(name("a\"b"), "\"a\"\"b\"");
        assert_eq!(text("it's"), "'it''s'");
    }

    #[test]
    fn the_predicate_of_a_partial_index_is_found() {
        for (create, wanted) in [
            ("CREATE UNIQUE INDEX u ON t(a, b)", None),
            ("CREATE UNIQUE INDEX u ON t(a) WHERE b = ')'", Some("b = ')'")),
            (
                "CREATE UNIQUE INDEX [where (] ON \"x (\" (a)\n wHeRe(b>0);",
                Some("(b>0)"),
            ),
            (
                "CREATE UNIQUE INDEX u ON t(a /* ) where */) -- x\nWHERE a IS NOT NULL",
                Some("a IS NOT NULL"),
            ),
            ("CREATE UNIQUE INDEX u ON t(a", None),
        ] {
            assert_eq!(index_predicate(create).as_deref(), wanted, "{create}");
        }
    }
}
