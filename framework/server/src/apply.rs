//! One mutation inside a transaction: receipt → view → verdict → effect → receipt.

use crate::batch::Batch;
use crate::prepare::{Prepared, Stop, prepare, project, refuse, rejection};
use crate::receipt::{self, Listed, Receipt};
use crate::request::{Item, Target};
use crate::server::Inner;
use crate::standing::Standing;
use onsync_core::error::{Error, Result};
use onsync_core::mutation::{MutationKind, Outcome, Rejection, ServerRecord};
use onsync_core::pattern::{ServerView, Verdict};
use onsync_core::policy::AppliedMutation;
use onsync_core::record::{Fields, Key, RecordName, Version};
use onsync_core::schema::{EntitySchema, Ids};
use onsync_core::store::server::ServerTransaction;

/// What became of one mutation in a transaction that may still be undone.
pub(crate) struct Applied {
    /// Its outcome.
    pub(crate) outcome: Outcome,
    /// Whether it was decided now, and not answered from a receipt.
    pub(crate) new: bool,
    /// For hooks: what took effect, now or when it was first sent.
    pub(crate) effect: Option<AppliedMutation>,
    /// The key of what took effect now, and the version that the device has of it as soon as it reads the outcome.
    pub(crate) settled: Option<(Key, Option<Version>)>,
    /// The receipt that was made now.
    pub(crate) receipt: Option<Listed>,
}

/// What an effect left behind.
struct Effect {
    outcome: Outcome,
    key: Option<Key>,
    /// The record that it was decided about without effect: a repetition is answered with it as it is then.
    about: Option<Key>,
    /// The version of the record that the device has as soon as it reads the outcome, if that is certain.
    held: Option<Version>,
}

impl Effect {
    fn nothing(outcome: Outcome) -> Self {
        Self {
            outcome,
            key: None,
            about: None,
            held: None,
        }
    }
}

impl Batch<'_> {
    /// Applies one mutation exactly once; its receipt is in its place. A new one may be refused for the sake of another.
    ///
    /// # Errors
    /// The transaction is to be undone.
    pub(crate) async fn apply(
        &self,
        transaction: &mut dyn ServerTransaction,
        item: &Item,
        target: &Target,
        standing: Standing,
        refused: Option<Rejection>,
    ) -> Result<Applied> {
        match standing {
            Standing::New => {}
            Standing::Repeated => return self.repeated(transaction, item, target).await,
            Standing::Forgotten if onsync_core::mutant!("late-copies-are-applied-again", false, true) => {}
            Standing::Forgotten => return Ok(answered(Outcome::Renew, true)),
        }
        let change = match refused {
            Some(rejection) => Err(Stop::Refuse(rejection)),
            None => self.change(transaction, item, target).await,
        };
        let effect = match change {
            Ok(effect) => effect,
            Err(Stop::Refuse(rejection)) => Effect::nothing(Outcome::Rejected(rejection)),
            Err(Stop::Fail(error)) => return Err(error),
        };
        let named = named_key(item);
        let plain = matches!(
            effect.outcome,
            Outcome::Applied {
                key: None,
                gone: false,
                ..
            }
        );
        let as_opened = plain && (effect.key.is_none() || effect.key == named);
        if !as_opened {
            let key = effect.key.clone().or(effect.about).or(named);
            let receipt = self.receipt(item, key, &effect.outcome);
            receipt::rewrite(transaction, item.mutation.id, receipt).await?;
        }
        Ok(Applied {
            receipt: Some(Listed::of(item, &effect.outcome)),
            effect: effect.key.clone().and_then(|key| self.effect(item, key)),
            settled: effect.key.map(|key| (key, effect.held)),
            outcome: effect.outcome,
            new: true,
        })
    }

    pub(crate) fn receipt(&self, item: &Item, key: Option<Key>, outcome: &Outcome) -> Receipt {
        Receipt::new(self.principal, item, key, outcome)
    }

    /// What hooks are told; nothing where there are none.
    pub(crate) fn effect(&self, item: &Item, key: Key) -> Option<AppliedMutation> {
        (!self.server.hooks.is_empty()).then(|| AppliedMutation {
            mutation: item.mutation.clone(),
            principal: self.principal.clone(),
            key,
        })
    }

    /// View, verdict, effect.
    async fn change(
        &self,
        transaction: &mut dyn ServerTransaction,
        item: &Item,
        target: &Target,
    ) -> Result<Effect, Stop> {
        let entity = &target.served.entity;
        let limit = self.server.limits.max_record_bytes;
        let prepared = prepare(transaction, self.principal, item, target, limit).await?;
        let current = match &prepared.key {
            Some(key) => transaction.get(entity, &target.served.attributes, key).await?,
            None => None,
        };
        let current =
            current.filter(|current| self.server.authorizer.may_see(self.principal, entity, current));
        // A device that knows all attributes sees the record as it is.
        let projected = current
            .as_ref()
            .filter(|current| current.len() > target.columns.len())
            .map(|current| project(entity, &target.columns, current));
        let seen = projected.as_ref().or(current.as_ref());
        let version = seen.map(|seen| version(target, seen));
        let view = ServerView {
            entity,
            current: seen,
            version,
        };
        let verdict = target.served.pattern.decide(&view, &prepared.mutation);
        tracing::debug!(entity = entity.name, mutation = %item.mutation.id, verdict = verdict_name(&verdict), "decided");
        let record = || {
            let (key, fields) = (prepared.key.clone()?, seen.cloned()?);
            Some(ServerRecord { key, fields })
        };
        let base_is_current = version.is_some() && version == prepared.mutation.base_version;
        match verdict {
            Verdict::Nothing => Ok(Effect {
                // Based on another version, the device lacks what else is there, and its next change would be refused.
                outcome: Outcome::Applied {
                    key: None,
                    stored: record().filter(|_| version != prepared.mutation.base_version),
                    gone: false,
                },
                key: prepared.key,
                about: None,
                held: None,
            }),
            Verdict::Gone => Ok(Effect::nothing(Outcome::Gone)),
            Verdict::Reject(rejection) => Err(Stop::Refuse(rejection)),
            Verdict::Conflict(kind) => Ok(Effect {
                outcome: Outcome::Conflict {
                    kind,
                    theirs: record(),
                },
                key: None,
                about: prepared.key,
                held: None,
            }),
            Verdict::Insert => self.insert(transaction, target, prepared).await,
            Verdict::Update(fields) => {
                self.update(transaction, target, prepared, current, fields, base_is_current)
                    .await
            }
            Verdict::Delete => {
                self.delete(transaction, target, prepared, current, base_is_current)
                    .await
            }
        }
    }

    async fn insert(
        &self,
        transaction: &mut dyn ServerTransaction,
        target: &Target,
        prepared: Prepared<'_>,
    ) -> Result<Effect, Stop> {
        let entity = &target.served.entity;
        let values = &prepared.mutation.values;
        check_parents(self.server, transaction, entity, values, prepared.key.as_ref()).await?;
        self.permit(entity, prepared.mutation.kind, None, Some(values))?;
        let key = transaction.insert(entity, values).await?;
        let after = transaction.get(entity, &target.served.attributes, &key).await?;
        let issued = (entity.ids == Ids::Server).then(|| key.clone());
        // The device knows the key from the outcome, and expects null where it sent nothing.
        let expected = |name: &str| match entity.key.iter().position(|part| part == name) {
            Some(at) => key.values().get(at),
            None => Some(values.value(name)),
        };
        self.recheck(entity, prepared.mutation.kind, None, after.as_ref(), Some(values))?;
        let stored = after
            .as_ref()
            .and_then(|after| unexpected(target, &key, after, expected));
        Ok(Effect {
            outcome: Outcome::Applied {
                key: issued,
                gone: after.is_none(),
                stored,
            },
            key: Some(key),
            about: None,
            held: None,
        })
    }

    async fn update(
        &self,
        transaction: &mut dyn ServerTransaction,
        target: &Target,
        prepared: Prepared<'_>,
        current: Option<Fields>,
        fields: Fields,
        base_is_current: bool,
    ) -> Result<Effect, Stop> {
        let entity = &target.served.entity;
        let (Some(key), Some(current)) = (prepared.key, current) else {
            return Ok(Effect::nothing(Outcome::Gone));
        };
        let changed: Fields = fields
            .iter()
            .filter(|(name, value)| may_change(target, name) && current.value(name) != *value)
            .map(|(name, value)| (name, value.clone()))
            .collect();
        let mut wanted = current.clone();
        for (name, value) in changed.iter() {
            wanted.set(name, value.clone());
        }
        check_parents(self.server, transaction, entity, &changed, Some(&key)).await?;
        let kind = prepared.mutation.kind;
        self.permit(entity, kind, Some(&current), Some(&wanted))?;
        let certain = changed.is_empty() || transaction.stores_exactly(entity, &changed).await?;
        if !changed.is_empty() {
            if !base_is_current {
                self.keep_overwritten(transaction, &prepared.mutation, &key, &current, &changed)
                    .await?;
            }
            transaction.update(entity, &key, &changed).await?;
        }
        let after = if certain {
            Some(wanted)
        } else {
            let after = transaction.get(entity, &target.served.attributes, &key).await?;
            self.recheck(entity, kind, Some(&current), after.as_ref(), Some(&wanted))?;
            after
        };
        let values = &prepared.mutation.values;
        let expected = |name: &str| match (kind, values.has(name)) {
            (_, true) => Some(values.value(name)),
            (MutationKind::Create, false) => Some(&onsync_core::Value::Null),
            // With the current base the device has all other values, else they come with the pull.
            (_, false) => base_is_current.then(|| current.value(name)),
        };
        let stored = after
            .as_ref()
            .and_then(|after| unexpected(target, &key, after, expected));
        let held = after
            .as_ref()
            .filter(|_| base_is_current && stored.is_none())
            .map(|after| self::version(target, after));
        Ok(Effect {
            outcome: Outcome::Applied {
                key: None,
                stored,
                gone: after.is_none(),
            },
            key: Some(key),
            about: None,
            held,
        })
    }

    async fn delete(
        &self,
        transaction: &mut dyn ServerTransaction,
        target: &Target,
        prepared: Prepared<'_>,
        current: Option<Fields>,
        base_is_current: bool,
    ) -> Result<Effect, Stop> {
        if let (Some(key), Some(current)) = (&prepared.key, &current) {
            self.delete_family(transaction, &prepared.mutation, &target.served, key, current)
                .await?;
            if !base_is_current {
                let name = &target.served.entity.name;
                self.keep_deleted(transaction, &prepared.mutation, name, key, current)
                    .await?;
            }
        }
        Ok(Effect {
            outcome: applied(None),
            key: prepared.key,
            about: None,
            held: None,
        })
    }

    /// Asks the authorizer and the validators, before anything is written.
    pub(crate) fn permit(
        &self,
        entity: &EntitySchema,
        kind: MutationKind,
        before: Option<&Fields>,
        after: Option<&Fields>,
    ) -> Result<(), Stop> {
        if !self
            .server
            .authorizer
            .may_write(self.principal, entity, before, after)
        {
            return Err(Stop::Refuse(rejection(
                "not_allowed",
                format!("you may not {} this record of `{}`", kind.as_str(), entity.name),
            )));
        }
        for validator in &self.server.validators {
            if onsync_core::mutant!("the-apps-rules-are-not-asked", false, true) {
                break;
            }
            validator
                .validate(entity, kind, before, after)
                .map_err(Stop::Refuse)?;
        }
        Ok(())
    }

    /// Asks again about what the database made of it, where that is something else. A refusal undoes the effect.
    fn recheck(
        &self,
        entity: &EntitySchema,
        kind: MutationKind,
        before: Option<&Fields>,
        after: Option<&Fields>,
        asked: Option<&Fields>,
    ) -> Result<()> {
        if after.is_none() || after == asked {
            return Ok(());
        }
        match self.permit(entity, kind, before, after) {
            Err(Stop::Refuse(rejection)) => Err(Error::rejected(rejection.code, rejection.message)),
            Err(Stop::Fail(error)) => Err(error),
            Ok(()) => Ok(()),
        }
    }
}

/// No orphan is stored: what a written attribute refers to exists.
pub(crate) async fn check_parents(
    server: &Inner,
    transaction: &mut dyn ServerTransaction,
    entity: &EntitySchema,
    values: &Fields,
    own: Option<&Key>,
) -> Result<(), Stop> {
    for relation in server.catalog.schema.parents_of(&entity.name) {
        let value = values.value(&relation.attribute);
        let Some(parent) = server.catalog.find(&relation.parent) else {
            continue;
        };
        let key = Key(vec![value.clone()]);
        let itself = relation.parent == entity.name && own == Some(&key);
        if onsync_core::mutant!("orphans-are-stored", value.is_null() || itself, true) {
            continue;
        }
        let indexes = parent.entity.key_indexes();
        if transaction.get(&parent.entity, &indexes, &key).await?.is_none() {
            return Err(refuse(
                "parent_missing",
                format!(
                    "`{}.{}` refers to a record of `{}` that the server does not have",
                    entity.name, relation.attribute, relation.parent
                ),
            ));
        }
    }
    Ok(())
}

fn may_change(target: &Target, name: &str) -> bool {
    let entity = &target.served.entity;
    entity
        .index_of(name)
        .is_some_and(|index| target.columns.contains(&index) && !entity.is_key(index))
}

pub(crate) fn answered(outcome: Outcome, new: bool) -> Applied {
    Applied {
        outcome,
        new,
        effect: None,
        settled: None,
        receipt: None,
    }
}

pub(crate) fn applied(key: Option<Key>) -> Outcome {
    Outcome::Applied {
        key,
        stored: None,
        gone: false,
    }
}

pub(crate) fn named_key(item: &Item) -> Option<Key> {
    match &item.mutation.record {
        RecordName::Key(key) => Some(key.clone()),
        RecordName::Created(_) => None,
    }
}

fn version(target: &Target, seen: &Fields) -> Version {
    let attributes = target
        .columns
        .iter()
        .filter_map(|index| target.served.entity.attributes.get(*index));
    Version::of(attributes.map(|attribute| (attribute.name.as_str(), seen.value(&attribute.name))))
}

pub(crate) fn stored(target: &Target, key: &Key, record: &Fields) -> ServerRecord {
    ServerRecord {
        key: key.clone(),
        fields: project(&target.served.entity, &target.columns, record),
    }
}

/// The record, if one of the device's columns is not as expected; columns without an expectation may be anything.
fn unexpected<'a>(
    target: &Target,
    key: &Key,
    after: &Fields,
    expected: impl Fn(&str) -> Option<&'a onsync_core::Value>,
) -> Option<ServerRecord> {
    let differs = target
        .columns
        .iter()
        .filter_map(|index| target.served.entity.attributes.get(*index))
        .any(|attribute| {
            expected(&attribute.name).is_some_and(|wanted| wanted != after.value(&attribute.name))
        });
    differs.then(|| stored(target, key, after))
}

fn verdict_name(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Insert => "insert",
        Verdict::Update(_) => "update",
        Verdict::Delete => "delete",
        Verdict::Nothing => "nothing",
        Verdict::Gone => "gone",
        Verdict::Conflict(_) => "conflict",
        Verdict::Reject(_) => "reject",
    }
}
