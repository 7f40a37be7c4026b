//! Rust source as a flat list of tokens: enough to find calls and names whatever their layout. It is no parser.

/// A token of Rust source; comments, lifetimes and character literals are left out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Token {
    /// An identifier, a keyword or a number.
    Word(String),
    /// What stands between the quotes of a string literal, escapes as written.
    Text(String),
    /// Any other character.
    Mark(char),
}

/// A token and the line it begins in.
#[derive(Clone, Debug)]
pub(crate) struct Placed {
    pub(crate) token: Token,
    pub(crate) line: usize,
}

impl Placed {
    pub(crate) fn word(&self) -> Option<&str> {
        match &self.token {
            Token::Word(word) => Some(word),
            Token::Text(_) | Token::Mark(_) => None,
        }
    }

    pub(crate) fn is(&self, mark: char) -> bool {
        self.token == Token::Mark(mark)
    }
}

/// The tokens of `source`.
pub(crate) fn tokens(source: &str) -> Vec<Placed> {
    let characters: Vec<char> = source.chars().collect();
    let mut found = Vec::new();
    let (mut at, mut line) = (0, 1);
    while let Some(&character) = characters.get(at) {
        let rest = &characters[at..];
        let (length, token) = match character {
            '/' if rest.get(1) == Some(&'/') => (until(rest, |rest| rest[0] == '\n'), None),
            '/' if rest.get(1) == Some(&'*') => (comment(rest), None),
            '"' => text(rest, 0),
            'r' | 'b' if string_prefix(rest).is_some() => text(rest, string_prefix(rest).unwrap_or(0)),
            '\'' => (quoted_or_lifetime(rest), None),
            _ if character.is_alphanumeric() || character == '_' => {
                let length = until(rest, |rest| !(rest[0].is_alphanumeric() || rest[0] == '_'));
                (length, Some(Token::Word(rest[..length].iter().collect())))
            }
            _ if character.is_whitespace() => (1, None),
            _ => (1, Some(Token::Mark(character))),
        };
        found.extend(token.map(|token| Placed { token, line }));
        line += rest[..length]
            .iter()
            .filter(|character| **character == '\n')
            .count();
        at += length;
    }
    found
}

/// The tokens of what a crate ships: items under `#[cfg(test)]` are left out.
pub(crate) fn shipped(source: &str) -> Vec<Placed> {
    let all = tokens(source);
    let mut kept = Vec::new();
    let mut at = 0;
    while at < all.len() {
        if is_test_attribute(&all[at..]) {
            at = item_end(&all, at + 7);
        } else {
            kept.push(all[at].clone());
            at += 1;
        }
    }
    kept
}

/// The arguments behind the opening bracket at `open`, each as a slice.
pub(crate) fn arguments(tokens: &[Placed], open: usize) -> Vec<&[Placed]> {
    let mut found = Vec::new();
    let (mut depth, mut start) = (0_usize, open + 1);
    for at in open..tokens.len() {
        match tokens[at].token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(')' | ']' | '}') => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    found.extend((start < at).then(|| &tokens[start..at]));
                    break;
                }
            }
            Token::Mark(',') if depth == 1 => {
                found.push(&tokens[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    found
}

/// The lines in which what is shipped takes an ordered map or set from the standard library.
pub(crate) fn ordered_of_std(source: &str) -> Vec<usize> {
    let tokens = shipped(source);
    let mut found = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let std = at.checked_sub(3).and_then(|at| tokens.get(at));
        if token.word() != Some("collections") || std.and_then(Placed::word) != Some("std") {
            continue;
        }
        // A path, or a group of names, ends with its statement or argument.
        let rest = tokens[at..].iter();
        let names =
            rest.take_while(|token| ![';', '(', ')', '<', '>', '='].iter().any(|mark| token.is(*mark)));
        let ordered = names.filter(|token| matches!(token.word(), Some("BTreeMap" | "BTreeSet")));
        found.extend(ordered.map(|token| token.line));
    }
    found
}

/// The names of all functions, `fn name`, wherever they stand.
pub(crate) fn functions(tokens: &[Placed]) -> Vec<&str> {
    let pairs = tokens.windows(2).filter(|pair| pair[0].word() == Some("fn"));
    pairs.filter_map(|pair| pair[1].word()).collect()
}

fn until(rest: &[char], end: impl Fn(&[char]) -> bool) -> usize {
    (0..rest.len()).find(|at| end(&rest[*at..])).unwrap_or(rest.len())
}

fn comment(rest: &[char]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < rest.len() {
        match (rest[at], rest.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            break;
        }
    }
    at.min(rest.len())
}

/// How many characters stand in front of the quote of a raw or byte string, if `rest` begins with one.
fn string_prefix(rest: &[char]) -> Option<usize> {
    let letters = until(rest, |rest| !matches!(rest[0], 'r' | 'b'));
    let hashes = until(&rest[letters..], |rest| rest[0] != '#');
    let raw = rest[..letters].contains(&'r');
    let is_string = letters <= 2 && (hashes == 0 || raw) && rest.get(letters + hashes) == Some(&'"');
    is_string.then_some(letters + hashes)
}

fn text(rest: &[char], prefix: usize) -> (usize, Option<Token>) {
    let hashes = rest[..prefix]
        .iter()
        .filter(|character| **character == '#')
        .count();
    let raw = rest[..prefix].contains(&'r');
    let body = &rest[prefix + 1..];
    let mut at = 0;
    while at < body.len() {
        let closes =
            body[at] == '"' && body[at + 1..].iter().take_while(|next| **next == '#').count() >= hashes;
        if closes {
            break;
        }
        at += if body[at] == '\\' && !raw { 2 } else { 1 };
    }
    let at = at.min(body.len());
    let length = (prefix + 1 + at + 1 + hashes).min(rest.len());
    (length, Some(Token::Text(body[..at].iter().collect())))
}

/// `'a'` and `'\n'` are skipped whole, of `'lifetime` only the quote.
fn quoted_or_lifetime(rest: &[char]) -> usize {
    match (rest.get(1), rest.get(2)) {
        (Some('\\'), _) => 3 + until(rest.get(3..).unwrap_or_default(), |rest| rest[0] == '\'') + 1,
        (Some(_), Some('\'')) => 3,
        _ => 1,
    }
    .min(rest.len())
}

fn is_test_attribute(tokens: &[Placed]) -> bool {
    let wanted = [
        Token::Mark('#'),
        Token::Mark('['),
        Token::Word("cfg".to_owned()),
        Token::Mark('('),
        Token::Word("test".to_owned()),
        Token::Mark(')'),
        Token::Mark(']'),
    ];
    tokens.len() >= wanted.len()
        && wanted
            .iter()
            .zip(tokens)
            .all(|(wanted, found)| *wanted == found.token)
}

/// Where the item that begins at `start` ends: behind its `;` or its closing brace.
fn item_end(tokens: &[Placed], start: usize) -> usize {
    let mut depth = 0_usize;
    for (at, placed) in tokens.iter().enumerate().skip(start) {
        match placed.token {
            Token::Mark('(' | '[' | '{') => depth += 1,
            Token::Mark(mark @ (')' | ']' | '}')) => {
                depth = depth.saturating_sub(1);
                if depth == 0 && mark == '}' {
                    return at + 1;
                }
            }
            Token::Mark(';') if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(source: &str) -> Vec<String> {
        let tokens = tokens(source).into_iter();
        tokens
            .map(|placed| match placed.token {
                Token::Word(word) => word,
                Token::Text(text) => format!("<{text}>"),
                Token::Mark(mark) => mark.to_string(),
            })
            .collect()
    }

    #[test]
    fn strings_comments_characters_and_lifetimes_are_told_apart() {
        let source =
            "a(\"b // \\\" c\") /* d /* \"e */ */ '\"' '\\'' 'f g // \"h\n r#\"i \"j\" \"# b\"k\" route";
        assert_eq!(
            written(source).join(" "),
            "a ( <b // \\\" c> ) f g <i \"j\" > <k> route"
        );
    }

    #[test]
    fn what_only_tests_see_is_not_shipped() {
        let source = "fn a() {}\n#[cfg(test)]\nmod tests {\n    fn b() { if c {} }\n}\n#[cfg(test)]\nmod more;\nfn d() {}\n";
        assert_eq!(functions(&shipped(source)), ["a", "d"]);
        assert_eq!(functions(&tokens(source)), ["a", "b", "d"]);
    }

    #[test]
    fn ordered_maps_of_std_are_found_alone_in_groups_and_in_paths() {
        let found = |source: &str| super::ordered_of_std(source);
        assert_eq!(found("use std::collections::BTreeMap;"), [1]);
        assert_eq!(found("use std::collections::{HashMap, BTreeSet};"), [1]);
        assert_eq!(
            found("use a::b;\nfn c(d: std::collections::BTreeMap<u8, u8>) {}"),
            [2]
        );
        assert!(found("use std::collections::HashMap;\nuse onsync_core::ordered::BTreeMap;").is_empty());
        assert!(found("#[cfg(test)]\nmod tests { use std::collections::BTreeMap; }").is_empty());
    }

    #[test]
    fn arguments_are_parted_at_the_outer_commas() {
        let tokens = tokens("f(a, g(b, c), [d, e],)");
        let lengths: Vec<_> = arguments(&tokens, 1)
            .iter()
            .map(|argument| argument.len())
            .collect();
        assert_eq!(lengths, [1, 6, 5]);
        let empty = super::tokens("f()");
        assert!(arguments(&empty, 1).is_empty());
    }

    #[test]
    fn lines_are_counted_through_strings_and_comments() {
        let tokens = tokens("a\n\"b\nc\" /*\n*/ d");
        assert_eq!(
            tokens.iter().map(|placed| placed.line).collect::<Vec<_>>(),
            [1, 2, 4]
        );
    }
}
