//! Every stable error code stands in `docs/reference/errors.md`, and every code of the page is in the sources.
//!
//! A code is the argument named `code` of a constructor or of a helper function, or the field `code` of a value. It is a
//! string literal or a constant; anything else that decides a code is a violation, so that none escapes the page.

use std::collections::{BTreeMap, BTreeSet};

use crate::source::{Placed, Token, arguments, shipped};

/// The constructors of `Error` that are named after a kind.
const KINDS: [&str; 7] = [
    "offline",
    "transient",
    "unsupported",
    "rejected",
    "corrupt",
    "busy",
    "fatal",
];

/// A use of a code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Use {
    pub(crate) code: String,
    /// The kind it is used with, where the place says so.
    pub(crate) kind: Option<String>,
    pub(crate) place: String,
}

/// The codes in the sources of one crate, given as path and text, and what could not be read.
pub(crate) fn collect(files: &[(String, String)]) -> (Vec<Use>, Vec<String>) {
    let files: Vec<_> = files.iter().map(|(path, text)| (path, shipped(text))).collect();
    let constants = files.iter().flat_map(|(_, tokens)| constants(tokens)).collect();
    let helpers = files.iter().flat_map(|(_, tokens)| helpers(tokens)).collect();
    let mut found = (Vec::new(), Vec::new());
    for (path, tokens) in &files {
        let reader = Reader {
            path,
            tokens,
            constants: &constants,
            helpers: &helpers,
        };
        reader.read(&mut found);
    }
    found
}

struct Reader<'a> {
    path: &'a str,
    tokens: &'a [Placed],
    constants: &'a BTreeMap<String, String>,
    helpers: &'a BTreeMap<String, usize>,
}

impl Reader<'_> {
    fn read(&self, found: &mut (Vec<Use>, Vec<String>)) {
        for at in 0..self.tokens.len() {
            if let Some((code, kind)) = self.call(at).or_else(|| self.field(at)) {
                self.take(&code, kind, found);
            }
            // A list of constants that is gone through: `for code in [A, B]`.
            let names = ["for", "code", "in"];
            if (0..3).all(|next| self.word(at + next) == Some(names[next])) {
                for code in arguments(self.tokens, at + 3) {
                    self.take(code, None, found);
                }
            }
        }
    }

    fn word(&self, at: usize) -> Option<&str> {
        self.tokens.get(at)?.word()
    }

    fn is(&self, at: usize, mark: char) -> bool {
        self.tokens.get(at).is_some_and(|token| token.is(mark))
    }

    /// The code of a call whose name stands at `at`, and its kind.
    fn call(&self, at: usize) -> Option<(Vec<Placed>, Option<String>)> {
        let name = self.word(at)?;
        let declared = at > 0 && self.word(at - 1) == Some("fn");
        if declared || !self.is(at + 1, '(') {
            return None;
        }
        let arguments = arguments(self.tokens, at + 1);
        let owner = match at >= 3 && self.is(at - 1, ':') && self.is(at - 2, ':') {
            true => self.word(at - 3),
            false => None,
        };
        let of_kind = KINDS.contains(&name);
        let (code, kind) = match (owner, name) {
            (Some("Error"), "new") => {
                let kind = arguments.first()?.last()?.word()?;
                let kind = kind.starts_with(char::is_uppercase).then(|| snake(kind));
                (arguments.get(1)?, kind)
            }
            (Some("Error"), kind) if of_kind => (arguments.first()?, Some(kind.to_owned())),
            (Some("Outcome"), "rejected") => (arguments.first()?, Some("rejected".to_owned())),
            _ => (arguments.get(*self.helpers.get(name)?)?, None),
        };
        // A function of a helper's name that takes no code, or not one of ours, gives none.
        let fits = match &code.first()?.token {
            _ if matches!(owner, Some("Error" | "Outcome")) => true,
            Token::Text(text) => is_code(text),
            _ => self.is_constant(code),
        };
        fits.then(|| (code.to_vec(), kind))
    }

    /// The code of a field `code: …` in a value: behind it stands no type.
    fn field(&self, at: usize) -> Option<(Vec<Placed>, Option<String>)> {
        let is_field = self.word(at)? == "code" && self.is(at + 1, ':') && !self.is(at + 2, ':');
        let value = self.tokens.get(at + 2)?;
        let known = matches!(value.token, Token::Text(_)) || self.is_constant(std::slice::from_ref(value));
        (is_field && known).then(|| (vec![value.clone()], None))
    }

    fn is_constant(&self, code: &[Placed]) -> bool {
        let last = code.iter().rev().find_map(Placed::word);
        last.is_some_and(|name| self.constants.contains_key(name))
    }

    fn take(&self, code: &[Placed], kind: Option<String>, found: &mut (Vec<Use>, Vec<String>)) {
        let Some(first) = code.first() else { return };
        let place = format!("{}:{}", self.path, first.line);
        let text = match &first.token {
            Token::Text(text) => Some(text.clone()),
            _ => {
                let name = code.iter().rev().find_map(Placed::word);
                name.and_then(|name| self.constants.get(name).cloned())
            }
        };
        match text {
            Some(code) if is_code(&code) => found.0.push(Use { code, kind, place }),
            Some(code) => found.1.push(format!("{place}: `{code}` is no snake_case code")),
            // Handed on: the parameter of a helper, or the code of another error.
            None if code.iter().any(|token| token.word() == Some("code")) => {}
            None => found
                .1
                .push(format!("{place}: write the code as a literal or a constant")),
        }
    }
}

/// `const NAME: &str = "text";`
fn constants(tokens: &[Placed]) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (at, token) in tokens.iter().enumerate() {
        if token.word() != Some("const") {
            continue;
        }
        let statement = tokens[at..].iter().take_while(|token| !token.is(';'));
        if let (Some(name), Some(Token::Text(text))) = (
            tokens.get(at + 1).and_then(Placed::word),
            statement.last().map(|token| &token.token),
        ) {
            found.insert(name.to_owned(), text.clone());
        }
    }
    found
}

/// Functions and closures with a parameter `code`, and at which place it stands, `self` not counted.
fn helpers(tokens: &[Placed]) -> BTreeMap<String, usize> {
    let mut found = BTreeMap::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_code = token.word() == Some("code")
            && tokens.get(at + 1).is_some_and(|next| next.is(':'))
            && !tokens.get(at + 2).is_some_and(|next| next.is(':'));
        if !is_code {
            continue;
        }
        // Back to the bracket or bar in which the parameters begin, and to the name in front of it.
        let (mut depth, mut commas, mut start) = (0_i32, 0, at);
        while start > 0 {
            start -= 1;
            match tokens[start].token {
                Token::Mark(')' | '>' | ']') => depth += 1,
                Token::Mark('(') if depth == 0 => break,
                Token::Mark('|') if depth == 0 => break,
                Token::Mark('{' | '}' | ';') => break,
                Token::Mark('(' | '<' | '[') => depth -= 1,
                Token::Mark(',') if depth == 0 => commas += 1,
                _ => {}
            }
        }
        let method = tokens[start..at].iter().any(|token| token.word() == Some("self"));
        let before = &tokens[..start];
        let name = match tokens[start].token {
            Token::Mark('(') => before
                .iter()
                .rposition(|token| token.word() == Some("fn"))
                .and_then(|keyword| tokens[keyword + 1].word()),
            Token::Mark('|') => before.iter().rev().find_map(Placed::word),
            _ => None,
        };
        if let Some(name) = name {
            found.insert(name.to_owned(), commas - usize::from(method));
        }
    }
    found
}

fn is_code(text: &str) -> bool {
    text.starts_with(|character: char| character.is_ascii_lowercase())
        && text
            .chars()
            .all(|character| matches!(character, 'a'..='z' | '0'..='9' | '_'))
}

fn snake(name: &str) -> String {
    let mut found = String::new();
    for character in name.chars() {
        if character.is_uppercase() && !found.is_empty() {
            found.push('_');
        }
        found.extend(character.to_lowercase());
    }
    found
}

/// The page's rows: code and kinds.
pub(crate) fn rows(page: &str) -> Vec<(String, Vec<String>)> {
    let lines = page.lines().filter(|line| line.starts_with("| `"));
    lines
        .filter_map(|line| {
            let mut cells = line.split('|').skip(1).map(str::trim);
            let code = cells.next()?.trim_matches('`').to_owned();
            let kinds = cells.next()?.split(", ").map(str::to_owned).collect();
            Some((code, kinds))
        })
        .collect()
}

/// What differs between the page and the sources.
pub(crate) fn gaps(page: &str, uses: &[Use]) -> Vec<String> {
    let rows = rows(page);
    let mut found = Vec::new();
    let mut seen = BTreeSet::new();
    for (code, _) in &rows {
        if !seen.insert(code) {
            found.push(format!("`{code}` has two rows: make them one"));
        }
        if !uses.iter().any(|used| used.code == *code) {
            found.push(format!("`{code}` is nowhere in the sources: take its row away"));
        }
    }
    for used in uses {
        let place = &used.place;
        let row = rows.iter().find(|(code, _)| *code == used.code);
        match (row, &used.kind) {
            (None, kind) => {
                let kind = kind.as_deref().unwrap_or("rejected?");
                found.push(format!("{place}: `{}` ({kind}) has no row: add it", used.code));
            }
            (Some((code, kinds)), Some(kind)) if !kinds.contains(kind) => {
                found.push(format!(
                    "{place}: `{code}` is {kind} here, the page says {kinds:?}"
                ));
            }
            _ => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(source: &str) -> Vec<(String, Option<String>)> {
        let (uses, violations) = collect(&[("a.rs".to_owned(), source.to_owned())]);
        assert_eq!(violations, Vec::<String>::new());
        uses.into_iter().map(|used| (used.code, used.kind)).collect()
    }

    fn codes(source: &str) -> Vec<String> {
        found(source).into_iter().map(|(code, _)| code).collect()
    }

    #[test]
    fn a_call_over_several_lines_is_seen_with_its_kind() {
        let source = "fn a() -> Error {\n    Error::new(\n        ErrorKind::ConflictsPending,\n        // why\n        \
                      \"b_c\",\n        format!(\"d\"),\n    )\n}\n";
        assert_eq!(
            found(source),
            [("b_c".to_owned(), Some("conflicts_pending".to_owned()))]
        );
        let short = "Err(Error::transient(\n    \"d_e\",\n    \"f\",\n))";
        assert_eq!(found(short), [("d_e".to_owned(), Some("transient".to_owned()))]);
        assert_eq!(codes("Outcome::rejected(\n\"a\", b)"), ["a"]);
    }

    #[test]
    fn constants_fields_and_helpers_are_seen() {
        assert_eq!(
            codes("const A: &str = \"b\"; Error::fatal(A, c); Rejection { code: \"d\".into() }"),
            ["b", "d"]
        );
        assert_eq!(
            codes("fn no(self, what: &str, code: &'static str) {} fn a() { x.no(\"what\", \"b\") }"),
            ["b"]
        );
        assert_eq!(
            codes("let no = |code: &str| Error::busy(code, \"\"); no(\"a\")"),
            ["a"]
        );
        assert_eq!(
            codes("const A: &str = \"b\"; for code in [A] { Error::busy(code, c) }"),
            ["b"]
        );
        assert_eq!(
            codes("Error::new(error.kind(), error.code().to_owned(), a)"),
            Vec::<String>::new()
        );
    }

    #[test]
    fn what_a_comment_or_a_test_says_does_not_count() {
        let source =
            "// Error::fatal(\"a\", b)\n#[cfg(test)]\nmod tests { fn a() { Error::fatal(\"a\", b) } }";
        assert_eq!(codes(source), Vec::<String>::new());
    }

    #[test]
    fn a_code_that_cannot_be_read_is_a_violation() {
        for source in ["Error::fatal(name(), a)", "Error::fatal(\"Not Snake\", a)"] {
            let (_, violations) = collect(&[("a.rs".to_owned(), source.to_owned())]);
            assert_eq!(violations.len(), 1, "{source}");
        }
    }

    #[test]
    fn the_page_and_the_sources_are_compared_both_ways() {
        let page = "| code | kind |\n|---|---|\n| `a` | busy, fatal | x | y |\n| `gone` | fatal | x | y |\n";
        let used = |code: &str, kind: &str| Use {
            code: code.to_owned(),
            kind: Some(kind.to_owned()),
            place: "a.rs:1".to_owned(),
        };
        let found = gaps(
            page,
            &[used("a", "busy"), used("a", "offline"), used("new", "fatal")],
        );
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(found[0].contains("`gone` is nowhere"), "{found:?}");
        assert!(found[1].contains("offline here"), "{found:?}");
        assert!(found[2].contains("`new` (fatal) has no row"), "{found:?}");
    }
}
