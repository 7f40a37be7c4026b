//! Freeze: a dirty record's change as a mutation in the server's terms, which never changes again.

use super::keys::Keys;
use super::outbox::OutboxEntry;
use onsync_core::mutation::{Mutation, MutationKind, Reference};
use onsync_core::pattern::{Change, DirtyRecord, InFlight};
use onsync_core::record::{RecordName, Version};
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::local::{LocalTransaction, Overlay};
use onsync_core::{Fields, Key, Result, Row};
use std::borrow::Cow;
use std::sync::Arc;
use uuid::Uuid;

/// What a mutation is made from.
pub(super) struct Frozen<'a> {
    pub(super) entity: &'a EntitySchema,
    pub(super) keys: &'a Keys<'a>,
    /// The entity's columns.
    pub(super) columns: Arc<[String]>,
    pub(super) id: Uuid,
    pub(super) number: u64,
    pub(super) base: Option<&'a Row>,
    pub(super) mine: Option<&'a Row>,
    pub(super) change: &'a Change,
}

/// Makes the mutation and what the outbox keeps with it.
pub(super) async fn freeze(
    tx: &mut dyn LocalTransaction,
    from: Frozen<'_>,
    overlay: &Overlay,
) -> Result<OutboxEntry> {
    let mut references = Vec::new();
    let record = from.name(tx, &mut references).await?;
    let (values, local_values) = from.values(tx, &mut references).await?;
    let (base, base_version) = from.base(tx).await?;
    let mutation = Mutation {
        id: from.id,
        number: from.number,
        entity: from.entity.name.clone(),
        record,
        kind: from.change.kind,
        values,
        base,
        base_version,
        references,
        group: None,
    };
    Ok(OutboxEntry {
        mutation,
        key: overlay.key.clone(),
        sent: InFlight {
            kind: from.change.kind,
            values: local_values,
        },
        edit: overlay.edit,
        columns: from.columns,
    })
}

impl Frozen<'_> {
    /// Whether the server will issue the record's key.
    fn issued(&self) -> bool {
        self.entity.ids == Ids::Server && self.change.kind == MutationKind::Create
    }

    /// What the mutation calls its record; references within the key are listed.
    async fn name(
        &self,
        tx: &mut dyn LocalTransaction,
        references: &mut Vec<Reference>,
    ) -> Result<RecordName> {
        if self.issued() {
            return Ok(RecordName::Created(self.id));
        }
        let Some(row) = self.mine.or(self.base) else {
            return Ok(RecordName::Key(Key(Vec::new())));
        };
        if !self.keys.translates() {
            return Ok(RecordName::Key(self.entity.key_of(row)));
        }
        let positions = self.entity.key_indexes();
        let named = self.keys.row_to_server(tx, row, &positions, references).await?;
        let own = references.iter().position(|reference| {
            self.entity.ids == Ids::Server && self.entity.key.contains(&reference.attribute)
        });
        Ok(match own.map(|index| references.remove(index)) {
            Some(reference) => RecordName::Created(reference.created),
            None => RecordName::Key(self.entity.key_of(&named)),
        })
    }

    /// Positions of the attributes that are sent: the key only with a create whose key is known here.
    fn sent(&self) -> impl Iterator<Item = usize> + '_ {
        let keyed = self.change.kind == MutationKind::Create && !self.issued();
        let attributes = self.change.attributes.iter().copied();
        attributes.filter(move |index| keyed || !self.entity.is_key(*index))
    }

    /// The values sent, in the server's terms and in the device's.
    async fn values(
        &self,
        tx: &mut dyn LocalTransaction,
        references: &mut Vec<Reference>,
    ) -> Result<(Fields, Fields)> {
        let (mut values, mut local) = (Fields::new(), Fields::new());
        let Some(mine) = self.mine.filter(|_| self.change.kind != MutationKind::Delete) else {
            return Ok((values, local));
        };
        let sent: Vec<usize> = self.sent().collect();
        let server = match self.keys.translates() {
            true => Cow::Owned(self.keys.row_to_server(tx, mine, &sent, references).await?),
            false => Cow::Borrowed(mine),
        };
        for index in sent {
            let name = &self.entity.attributes[index].name;
            values.set(name, server[index].clone());
            local.set(name, mine[index].clone());
        }
        Ok((values, local))
    }

    /// The base values of an update's attributes, and the version of the copy the change is based on.
    async fn base(&self, tx: &mut dyn LocalTransaction) -> Result<(Fields, Option<Version>)> {
        let mut base = Fields::new();
        let Some(row) = self.base.filter(|_| self.change.kind != MutationKind::Create) else {
            return Ok((base, None));
        };
        let row = match self.keys.translates() {
            true => Cow::Owned(self.keys.whole_row_to_server(tx, row).await?),
            false => Cow::Borrowed(row),
        };
        if self.change.kind == MutationKind::Update {
            for index in self.sent() {
                base.set(&self.entity.attributes[index].name, row[index].clone());
            }
        }
        let attributes = self.entity.attributes.iter().zip(row.iter());
        let travels = attributes.filter(|(attribute, _)| !attribute.local);
        let version = Version::of(travels.map(|(attribute, value)| (attribute.name.as_str(), value)));
        Ok((base, Some(version)))
    }
}

/// The content version of a row in the server's terms.
pub(super) fn version(entity: &EntitySchema, columns: &[String], row: &Row) -> Version {
    Version::of(
        columns
            .iter()
            .filter_map(|name| Some((name.as_str(), row.get(entity.index_of(name)?)?))),
    )
}

/// Whether a change sends all there is between base and visible row, so that the record is clean once it is applied as it is.
pub(super) fn sends_all(dirty: &DirtyRecord<'_>, change: &Change) -> bool {
    match (change.kind, dirty.base, dirty.mine) {
        (MutationKind::Create, None, Some(_)) | (MutationKind::Delete, _, None) => true,
        (MutationKind::Update, Some(base), Some(mine)) => {
            let attributes = dirty.entity.attributes.iter().enumerate();
            attributes
                .filter(|(index, attribute)| !attribute.local && mine.get(*index) != base.get(*index))
                .all(|(index, _)| change.attributes.contains(&index))
        }
        _ => false,
    }
}

/// What the server has of a created record for all that its mutation did not name: null, also in an attribute that the app learned
/// to know since. What never travels is as it is here.
pub(super) fn unnamed(entity: &EntitySchema, mine: Option<&Row>) -> Row {
    let here = |index: usize| mine.and_then(|mine| mine.get(index)).cloned();
    let attributes = entity.attributes.iter().enumerate();
    attributes
        .map(|(index, attribute)| here(index).filter(|_| attribute.local).unwrap_or_default())
        .collect()
}
