//! Where each key of a configuration was written, for errors.

use onsync_core::ordered::BTreeMap;

/// Files and lines of keys.
#[derive(Clone, Debug, Default)]
pub(crate) struct Places {
    known: BTreeMap<Vec<String>, Position>,
}

/// One place in one file; the line is 0 where there are no lines, as in the environment.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    /// Later files are layered over earlier ones.
    pub(crate) layer: usize,
    pub(crate) line: usize,
    /// For the order in which things were written.
    pub(crate) offset: usize,
    pub(crate) file: String,
}

impl Places {
    /// Notes where a key stands; a later layer replaces an earlier one.
    #[cfg(feature = "config-file")]
    pub(crate) fn note(&mut self, path: Vec<String>, position: Position) {
        self.known.insert(path, position);
    }

    /// Where the key, or else the nearest table around it, stands.
    pub(crate) fn position<S: AsRef<str>>(&self, path: &[S]) -> Option<&Position> {
        let mut path: Vec<String> = path.iter().map(|name| name.as_ref().to_owned()).collect();
        loop {
            if let Some(position) = self.known.get(&path) {
                return Some(position);
            }
            path.pop()?;
        }
    }

    /// `onsync.toml:14: entities.Visit.pattern`, or as much of it as is known.
    pub(crate) fn of<S: AsRef<str>>(&self, path: &[S]) -> String {
        let key = show(path);
        match self.position(path) {
            Some(position) if position.line > 0 => format!("{}:{}: {key}", position.file, position.line),
            Some(position) => format!("{}: {key}", position.file),
            None if key.is_empty() => "configuration".to_owned(),
            None => key,
        }
    }
}

/// A path as it would be written in TOML.
fn show<S: AsRef<str>>(path: &[S]) -> String {
    let bare = |name: &str| {
        !name.is_empty()
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
    };
    path.iter()
        .map(AsRef::as_ref)
        .map(|name| {
            if bare(name) {
                name.to_owned()
            } else {
                format!("{name:?}")
            }
        })
        .collect::<Vec<_>>()
        .join(".")
}
