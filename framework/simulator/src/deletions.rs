//! What the promises say about deletions: what was deleted is gone, and nothing else is.

use crate::checks::{Judge, Verdict};
use crate::ledger::{Author, Deed, Edit, Told, Wish};
use crate::values::Facts;
use onsync_core::schema::{EntitySchema, Ids, OnDelete};
use onsync_core::{Fields, Key, Value};
use std::collections::BTreeMap;

impl Judge<'_> {
    /// A record that was deleted is gone, and one that nobody deleted is there.
    pub(crate) fn deletions(&self) -> Verdict {
        for entity in self.schema.entities.iter().filter(|entity| !entity.local) {
            let Some(facts) = self.facts.get(&entity.name) else {
                continue;
            };
            let rows = self.found.server.get(&entity.name);
            let there: BTreeMap<Key, Option<Value>> = rows
                .into_iter()
                .flatten()
                .filter_map(|row| Some((facts.identity(entity, row)?, facts.tag_of(row))))
                .collect();
            self.asked_for(entity, facts)?;
            self.honoured(entity, &there)?;
        }
        Ok(())
    }

    fn identity_of(&self, entity: &EntitySchema, facts: &Facts, key: &Key, fields: &Fields) -> Option<Key> {
        match entity.ids {
            _ if facts.nameless => None,
            Ids::Client => Some(key.clone()),
            Ids::Server => {
                let tag = fields.value(&entity.attributes.get(facts.tag?)?.name);
                (!tag.is_null()).then(|| Key(vec![tag.clone()]))
            }
        }
    }

    /// No sync deleted what no device wanted deleted.
    fn asked_for(&self, entity: &EntitySchema, facts: &Facts) -> Verdict {
        let cascades = self
            .schema
            .parents_of(&entity.name)
            .any(|relation| relation.on_delete == OnDelete::Cascade);
        for event in &self.ledger.events {
            let Deed::Delete(before) = &event.write.deed else {
                continue;
            };
            if event.author != Author::Sync || event.write.entity != entity.name || cascades {
                continue;
            }
            let Some(identity) = self.identity_of(entity, facts, &event.write.key, before) else {
                continue;
            };
            let wanted = self.ledger.edits.iter().any(|edit| {
                edit.entity == entity.name
                    && edit.wish == Wish::Delete
                    && edit.told != Told::Refused
                    && edit.at < event.at
                    && edit.identity.as_ref() == Some(&identity)
            });
            if !wanted {
                return Err((
                    "no mass deletes",
                    format!(
                        "the server deleted {} {identity}, which nobody asked for",
                        entity.name
                    ),
                ));
            }
        }
        Ok(())
    }

    /// What a device deleted is gone, was made again, or is listed.
    fn honoured(&self, entity: &EntitySchema, there: &BTreeMap<Key, Option<Value>>) -> Verdict {
        if self.restored {
            return Ok(());
        }
        for edit in &self.ledger.edits {
            let Some(identity) = &edit.identity else { continue };
            let owed =
                edit.wish == Wish::Delete && edit.told == Told::Accepted && !edit.void && !edit.yielded;
            // Under a key that devices choose, somebody else may have made another record.
            let still = there.get(identity).is_some_and(|tag| *tag == edit.tag);
            if !owed || edit.entity != entity.name || !still {
                continue;
            }
            let refuses =
                entity.refuse_local_writes || entity.local_edits == onsync_core::schema::LocalEdits::Keep;
            let unknown = self.is_unknown_there(entity, edit, identity) || self.was_never_sent(edit);
            if refuses || unknown || self.made_since(entity, edit, identity) || self.is_listed(edit) {
                continue;
            }
            return Err((
                "no zombies",
                format!(
                    "device {}: {} {identity} was deleted and is still on the server",
                    edit.device, entity.name
                ),
            ));
        }
        Ok(())
    }

    /// Whether the record went after the edit and was made again, or was gone before; or its device made it again; or somebody else had,
    /// under another key, and the device did not know.
    fn made_since(&self, entity: &EntitySchema, edit: &Edit, identity: &Key) -> bool {
        let Some(facts) = self.facts.get(&entity.name) else {
            return true;
        };
        let (mut absent, mut gone) = (true, false);
        for event in &self.ledger.events {
            let write = &event.write;
            let (Deed::Insert(fields) | Deed::Update(fields) | Deed::Delete(fields)) = &write.deed;
            if write.entity != entity.name {
                continue;
            }
            let same = match &write.deed {
                Deed::Update(_) => false,
                _ => self.identity_of(entity, facts, &write.key, fields).as_ref() == Some(identity),
            };
            if !same {
                continue;
            }
            let deleted = matches!(write.deed, Deed::Delete(_));
            if event.at > edit.at && (deleted || absent) {
                return true;
            }
            // Under a key that the server issued: the one that was deleted is another one.
            let again = gone && !deleted && entity.ids == Ids::Server;
            if again && fields.iter().any(|(_, value)| self.ledger.is_news(edit, value)) {
                return true;
            }
            gone |= deleted;
            absent = deleted;
        }
        let again = |later: &Edit| {
            later.at > edit.at
                && later.device == edit.device
                && later.entity == edit.entity
                && later.key == edit.key
                && later.told != Told::Refused
                && later.wish != Wish::Delete
        };
        absent || self.ledger.edits.iter().any(again)
    }

    /// Whether the device was put back to a copy made before the server had the record, and so deleted what it thought was here alone.
    fn is_unknown_there(&self, entity: &EntitySchema, edit: &Edit, identity: &Key) -> bool {
        let Some(facts) = self.facts.get(&entity.name) else {
            return false;
        };
        let inserted = self.ledger.events.iter().rfind(|event| {
            let write = &event.write;
            let Deed::Insert(fields) = &write.deed else {
                return false;
            };
            write.entity == entity.name
                && event.at < edit.at
                && self.identity_of(entity, facts, &write.key, fields).as_ref() == Some(identity)
        });
        let inserted = inserted.map(|event| event.at);
        self.ledger.put_back.iter().any(|(device, copied, put_back)| {
            let between = inserted.is_some_and(|at| *copied < at && at < *put_back);
            *device == edit.device && between && *put_back < edit.at
        })
    }

    /// Whether a record without a tag was known on this device alone: what is there under its key is somebody else's.
    fn was_never_sent(&self, edit: &Edit) -> bool {
        let of_record = self.ledger.edits.iter().filter(|other| {
            (other.device, &other.entity, &other.key) == (edit.device, &edit.entity, &edit.key)
        });
        let mut written = of_record.filter(|other| match &other.wish {
            Wish::Write(fields) => fields.iter().any(|(_, value)| self.ledger.was_written(value)),
            Wish::Delete => false,
        });
        edit.perhaps_unsent && written.next().is_none()
    }

    fn is_listed(&self, edit: &Edit) -> bool {
        let device = self
            .found
            .devices
            .iter()
            .find(|device| device.number == edit.device);
        device.is_some_and(|device| {
            let listed = device.lists.rejected.iter().chain(&device.lists.unknown);
            listed
                .into_iter()
                .any(|entry| entry.entity == edit.entity && entry.key == edit.key)
                || device.contents.overlay(&edit.entity, &edit.key).is_some()
        })
    }
}
