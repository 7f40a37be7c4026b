//! The ledger: every edit an app was promised, and every write the server committed. The checks compare the two.

use crate::values::BAD;
use onsync_core::{Fields, Key, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Who wrote to the server's database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Author {
    /// A device, through a sync.
    Sync,
    /// Another program.
    Foreign,
}

/// What one statement on the server did.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Deed {
    Insert(Fields),
    Update(Fields),
    /// With the record as it was.
    Delete(Fields),
}

/// One committed statement on the server.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Write {
    pub(crate) entity: String,
    pub(crate) key: Key,
    pub(crate) deed: Deed,
}

impl fmt::Display for Write {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (verb, fields) = match &self.deed {
            Deed::Insert(fields) => ("insert", fields),
            Deed::Update(fields) => ("update", fields),
            Deed::Delete(fields) => ("delete", fields),
        };
        write!(f, "{verb} {} {} {}", self.entity, self.key, shown(fields))
    }
}

/// Fields in a line.
pub(crate) fn shown(fields: &Fields) -> String {
    let parts: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    format!("{{{}}}", parts.join(", "))
}

/// A committed write with its place in time.
#[derive(Clone, Debug)]
pub(crate) struct Event {
    pub(crate) at: u64,
    pub(crate) author: Author,
    pub(crate) write: Write,
}

/// What the app was told about its edit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// It is stored.
    Accepted,
    /// It is not stored.
    Refused,
    /// The process died before it answered.
    Nothing,
}

/// What an edit does.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Wish {
    /// Writes these values.
    Write(Fields),
    /// Deletes the record.
    Delete,
}

/// One edit of an app.
#[derive(Clone, Debug)]
pub(crate) struct Edit {
    pub(crate) at: u64,
    pub(crate) device: usize,
    pub(crate) entity: String,
    /// The local key.
    pub(crate) key: Key,
    /// What names the record everywhere, where that is known.
    pub(crate) identity: Option<Key>,
    /// What the record was given when it was made, of a record that is deleted.
    pub(crate) tag: Option<Value>,
    /// Of a record that is deleted and has no tag: it was edited here and not synced since, and may be known here alone.
    pub(crate) perhaps_unsent: bool,
    pub(crate) wish: Wish,
    pub(crate) told: Told,
    /// The device's store was wiped or put back since: nobody is owed anything.
    pub(crate) void: bool,
    /// A person took the server's side in a conflict about it.
    pub(crate) yielded: bool,
}

/// What the ledger puts back when the server is restored.
#[derive(Clone, Debug, Default)]
pub(crate) struct Marked {
    written: BTreeMap<Value, u32>,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    clock: u64,
    pub(crate) edits: Vec<Edit>,
    pub(crate) events: Vec<Event>,
    /// The values that devices made, by the edit that did.
    made: BTreeMap<Value, usize>,
    /// How often each value made by a device was written by a sync, in the server's present history.
    written: BTreeMap<Value, u32>,
    /// What a sync wrote at any time, also in a history that a restore undid.
    ever: BTreeSet<Value>,
    /// Attributes by entity that travel together with others, also unchanged.
    pub(crate) travelling: BTreeSet<(String, String)>,
    /// When each device was first told a value that another one made.
    heard: BTreeMap<(usize, Value), u64>,
    /// Devices that were put back: which, when the copy was made, and when it took its place.
    pub(crate) put_back: Vec<(usize, u64, u64)>,
    /// What people decided to send again.
    again: BTreeSet<Value>,
    /// The first thing that must not be, as it happened.
    pub(crate) broken: Option<(&'static str, String)>,
}

impl Ledger {
    /// The next moment.
    pub(crate) fn tick(&mut self) -> u64 {
        self.clock += 1;
        self.clock
    }

    /// Notes what the server committed.
    pub(crate) fn committed(&mut self, author: Author, writes: Vec<Write>) {
        let at = self.tick();
        for write in writes {
            if author == Author::Sync
                && let Deed::Insert(fields) | Deed::Update(fields) = &write.deed
            {
                for (name, value) in fields.iter() {
                    self.wrote(&write, name, value);
                }
            }
            self.events.push(Event { at, author, write });
        }
    }

    fn wrote(&mut self, write: &Write, name: &str, value: &Value) {
        if !self.made.contains_key(value) {
            return;
        }
        if matches!(value, Value::Text(text) if text.ends_with(BAD)) {
            let message =
                format!("{write}: the server's rules refuse the value of `{name}`, and it took effect");
            self.broken.get_or_insert(("rules of the server", message));
        }
        let count = self.written.entry(value.clone()).or_default();
        *count += 1;
        let place = (write.entity.clone(), name.to_owned());
        if *count > 1 && !self.travelling.contains(&place) && !self.again.contains(value) {
            let message = format!("{write}: the value of `{name}` took effect {count} times");
            self.broken.get_or_insert(("at most once", message));
        }
        self.ever.insert(value.clone());
    }

    /// Notes an edit before it is made; the app is told later.
    pub(crate) fn edit(
        &mut self,
        device: usize,
        entity: &str,
        key: Key,
        identity: Option<Key>,
        wish: Wish,
    ) -> usize {
        let at = self.tick();
        let number = self.edits.len();
        self.edits.push(Edit {
            at,
            device,
            entity: entity.to_owned(),
            key,
            identity,
            tag: None,
            perhaps_unsent: false,
            wish,
            told: Told::Nothing,
            void: false,
            yielded: false,
        });
        number
    }

    /// Notes that these values come from an edit.
    pub(crate) fn makes(&mut self, edit: usize, values: impl IntoIterator<Item = Value>) {
        for value in values {
            self.made.insert(value, edit);
        }
    }

    /// A person keeps these values in a conflict: they are sent anew.
    pub(crate) fn keeps(&mut self, values: impl IntoIterator<Item = Value>) {
        self.again.extend(values);
    }

    /// A record that is kept in a conflict has this key from now on. Where the process died before it told, nobody knows whether it
    /// has another one, and nothing is owed.
    pub(crate) fn is_kept(&mut self, device: usize, entity: &str, key: &Key, now: Option<&Key>) {
        for edit in &mut self.edits {
            if edit.device == device && edit.entity == entity && edit.key == *key {
                match now {
                    Some(now) => edit.key = now.clone(),
                    None => edit.void = true,
                }
            }
        }
    }

    /// A person takes the server's side: what the device wanted to delete stays.
    pub(crate) fn yields(&mut self, device: usize, entity: &str, key: &Key) {
        for edit in &mut self.edits {
            let same = edit.device == device && edit.entity == entity && edit.key == *key;
            edit.yielded |= same && edit.wish == Wish::Delete;
        }
    }

    /// A device is told these values.
    pub(crate) fn hears(&mut self, device: usize, values: impl IntoIterator<Item = Value>) {
        let at = self.tick();
        for value in values {
            // Nobody is asked whether a device knew what no device made.
            if self.made.contains_key(&value) {
                self.heard.entry((device, value)).or_insert(at);
            }
        }
    }

    /// Whether somebody else made this value, and the device had not been told of it when it edited.
    pub(crate) fn is_news(&self, edit: &Edit, value: &Value) -> bool {
        let maker = self.made.get(value).and_then(|maker| self.edits.get(*maker));
        let told = self.heard.get(&(edit.device, value.clone()));
        maker.is_some_and(|maker| maker.device != edit.device) && told.is_none_or(|at| *at > edit.at)
    }

    /// An update is about to go over these values, which stand on the server, where conflicts are not to be decided silently: whoever
    /// edited an attribute, or one that travels together with it, knew what was there, or a person decided.
    pub(crate) fn goes_over(&mut self, write: &Write, before: &Fields) {
        let Deed::Update(fields) = &write.deed else { return };
        let made = |value: &Value| self.made.get(value).and_then(|edit| self.edits.get(*edit));
        let edited = fields.iter().filter(|(_, value)| !self.again.contains(value));
        let edits: Vec<(&str, &Edit)> = edited
            .filter_map(|(name, value)| Some((name, made(value)?)))
            .collect();
        // What somebody sends along unchanged is older than what is sent for.
        let Some((_, sender)) = edits.iter().max_by_key(|(_, edit)| edit.at) else {
            return;
        };
        let travels = |name: &str| self.travelling.contains(&(write.entity.clone(), name.to_owned()));
        let as_one = |one: &str, other: &str| one == other || (travels(one) && travels(other));
        let unknown = before
            .iter()
            .filter(|(name, _)| fields.has(name))
            .find(|(name, value)| {
                let of_these = edits.iter().filter(|(edited, _)| as_one(edited, name));
                let by_sender = of_these.filter(|(_, edit)| edit.device == sender.device);
                let first = by_sender.map(|(_, edit)| edit.at).min();
                let own = made(value).is_none_or(|edit| edit.device == sender.device);
                let heard = self.heard.get(&(sender.device, (*value).clone()));
                !own && first.is_some_and(|first| heard.is_none_or(|heard| *heard > first))
            });
        if let Some((name, value)) = unknown {
            let message = format!(
                "{write}: device {} had never heard of {value}, which was there as `{name}`, and no conflict arose",
                sender.device
            );
            self.broken.get_or_insert(("no silent decision", message));
        }
    }

    /// Whether a device made this value.
    pub(crate) fn is_made(&self, value: &Value) -> bool {
        self.made.contains_key(value)
    }

    /// Whether a sync ever wrote this value.
    pub(crate) fn was_written(&self, value: &Value) -> bool {
        self.ever.contains(value)
    }

    /// The server is backed up.
    pub(crate) fn mark(&self) -> Marked {
        Marked {
            written: self.written.clone(),
        }
    }

    /// The server is restored.
    pub(crate) fn restored(&mut self, marked: &Marked) {
        self.tick();
        self.written = marked.written.clone();
    }

    /// A device's store is as it was at that moment: later edits are gone with it.
    pub(crate) fn forget(&mut self, device: usize, since: u64) {
        let now = self.tick();
        self.put_back.push((device, since, now));
        for edit in &mut self.edits {
            edit.void |= edit.device == device && edit.at > since;
        }
    }

    /// Edits by device and record, in order.
    pub(crate) fn by_record(&self) -> BTreeMap<(usize, &str, &Key), Vec<&Edit>> {
        let mut found: BTreeMap<(usize, &str, &Key), Vec<&Edit>> = BTreeMap::new();
        for edit in &self.edits {
            found
                .entry((edit.device, &edit.entity, &edit.key))
                .or_default()
                .push(edit);
        }
        found
    }
}
