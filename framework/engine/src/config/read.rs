//! Reads checked values: what stands there, or the default of the key table.

use super::check::{parse_duration, parse_size};
use super::keys::{Kind, find};
use super::node::Node;
use super::place::Places;
use super::settings::Secret;
use onsync_core::{Error, Result};
use std::time::Duration;

/// A checked configuration with its places.
pub(crate) struct Reader<'a> {
    pub(crate) root: &'a Node,
    pub(crate) places: &'a Places,
}

impl Reader<'_> {
    /// What stands at the path, or the key's default; none if there is neither.
    fn node(&self, path: &[&str]) -> Option<Node> {
        if let Some(node) = self.root.at(path) {
            return Some(node.clone());
        }
        let owned: Vec<String> = path.iter().map(|name| (*name).to_owned()).collect();
        let info = find(&owned)?;
        match (info.kind, info.default) {
            (_, "") => None,
            (Kind::Boolean, text) => Some(Node::Boolean(text == "true")),
            (Kind::Integer | Kind::Factor, text) => text.parse().ok().map(Node::Integer),
            (_, text) => Some(Node::Text(text.to_owned())),
        }
    }

    pub(crate) fn text(&self, path: &[&str]) -> Option<String> {
        match self.node(path) {
            Some(Node::Text(text)) => Some(text),
            _ => None,
        }
    }

    /// A text that has to be there.
    pub(crate) fn required(&self, path: &[&str], example: &str) -> Result<String> {
        self.text(path)
            .filter(|text| !text.is_empty())
            .ok_or_else(|| self.missing(path, example))
    }

    pub(crate) fn missing(&self, path: &[&str], example: &str) -> Error {
        let name = path.last().copied().unwrap_or_default();
        Error::unsupported(
            "config_missing_key",
            format!("`{name}` is missing; add for example `{name} = {example}`"),
        )
        .at(self.places.of(path))
    }

    pub(crate) fn boolean(&self, path: &[&str]) -> bool {
        matches!(self.node(path), Some(Node::Boolean(true)))
    }

    pub(crate) fn integer(&self, path: &[&str]) -> u64 {
        match self.node(path) {
            Some(Node::Integer(integer)) => u64::try_from(integer).unwrap_or_default(),
            _ => 0,
        }
    }

    /// A whole number of at least one that fits where it is used.
    pub(crate) fn count<T: TryFrom<u64>>(&self, path: &[&str]) -> Result<T> {
        let found = self.integer(path);
        T::try_from(found)
            .ok()
            .filter(|_| found > 0)
            .ok_or_else(|| self.out_of_range(path, found))
    }

    pub(crate) fn factor(&self, path: &[&str]) -> f64 {
        match self.node(path) {
            Some(Node::Real(real)) => real,
            // Whole numbers of this size are exact.
            Some(Node::Integer(integer)) => f64::from(i32::try_from(integer).unwrap_or(1000).min(1000)),
            _ => 1.0,
        }
    }

    pub(crate) fn duration(&self, path: &[&str]) -> Option<Duration> {
        self.node(path).as_ref().and_then(parse_duration)
    }

    /// A size of at least one byte that fits where it is used.
    pub(crate) fn size<T: TryFrom<u64>>(&self, path: &[&str]) -> Result<T> {
        let found = self.node(path).as_ref().and_then(parse_size).unwrap_or_default();
        T::try_from(found)
            .ok()
            .filter(|_| found > 0)
            .ok_or_else(|| self.out_of_range(path, found))
    }

    fn out_of_range(&self, path: &[&str], found: u64) -> Error {
        Error::unsupported(
            "config_out_of_range",
            format!("found {found}, which is too small or too large here"),
        )
        .at(self.places.of(path))
    }

    pub(crate) fn secret(&self, path: &[&str]) -> Option<Secret> {
        self.text(path).and_then(|text| Secret::parse(&text))
    }

    pub(crate) fn texts(&self, path: &[&str]) -> Vec<String> {
        self.node(path).map(|node| texts_of(&node)).unwrap_or_default()
    }

    pub(crate) fn lists(&self, path: &[&str]) -> Vec<Vec<String>> {
        match self.node(path) {
            Some(Node::List(lists)) => lists.iter().map(texts_of).collect(),
            _ => Vec::new(),
        }
    }

    pub(crate) fn options(&self, path: &[&str]) -> serde_json::Value {
        self.root.at(path).map_or_else(
            || serde_json::Value::Object(serde_json::Map::new()),
            Node::to_json,
        )
    }

    /// Names below a table of the app's own names, in the order in which they were written.
    pub(crate) fn names(&self, path: &[&str]) -> Vec<String> {
        let mut names: Vec<String> = self
            .root
            .at(path)
            .map(|table| table.entries().iter().map(|(name, _)| name.clone()).collect())
            .unwrap_or_default();
        names.sort_by_key(|name| {
            let mut path = path.to_vec();
            path.push(name);
            self.places.position(&path).cloned()
        });
        names
    }
}

fn texts_of(node: &Node) -> Vec<String> {
    match node {
        Node::Text(text) => vec![text.clone()],
        Node::List(items) => items
            .iter()
            .filter_map(|item| match item {
                Node::Text(text) => Some(text.clone()),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    }
}
