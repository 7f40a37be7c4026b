//! Rules of deletion: what deleting a record does to those that refer to it, in the transaction that deletes it.
//!
//! Every configured relation counts, whatever the pattern of the child. Children are deleted before their parents, so that foreign
//! keys of the database agree; what is met twice, as in a circle, is deleted once.

use crate::batch::Batch;
use crate::catalog::Served;
use crate::prepare::{Stop, refuse};
use onsync_core::error::{Error, Result};
use onsync_core::mutation::{Mutation, MutationKind};
use onsync_core::record::{Fields, Key};
use onsync_core::schema::{OnDelete, Relation};
use onsync_core::store::server::ServerTransaction;
use onsync_core::value::Value;
use std::collections::{HashSet, VecDeque};
use std::sync::Arc;

/// Keys read at a time.
const CHUNK: usize = 500;

/// A relation in which records of an entity are the parents.
struct Rule<'a> {
    relation: &'a Relation,
    child: &'a Arc<Served>,
    /// The child's attribute that refers.
    attribute: usize,
}

/// A record to be deleted, as far as its children are looked after.
struct Doomed<'a> {
    served: Arc<Served>,
    key: Key,
    /// What is still to be looked after.
    rules: VecDeque<Rule<'a>>,
    /// Children that are to be deleted before it.
    children: Vec<(Arc<Served>, Key)>,
}

/// What a rule found.
#[derive(Default)]
struct Found {
    /// To be deleted.
    children: Vec<Key>,
    /// Whether there may be others.
    more: bool,
}

/// Records whose deletion was begun and not done: table and key.
type Begun = HashSet<(String, Key)>;

impl Batch<'_> {
    /// Deletes a record and does to its children what their relations say.
    ///
    /// # Errors
    /// Refused with nothing written: `delete_restricted`, what the authorizer and the validators say about any record that is to be
    /// changed. Where something was written, the refusal fails the transaction.
    pub(crate) async fn delete_family(
        &self,
        transaction: &mut dyn ServerTransaction,
        mutation: &Mutation,
        served: &Arc<Served>,
        key: &Key,
        before: &Fields,
    ) -> Result<(), Stop> {
        let mut written = false;
        let deleted = self
            .delete_tree(transaction, mutation, (served, key, before), &mut written)
            .await;
        match deleted {
            Err(Stop::Refuse(rejection)) if written => {
                Err(Stop::Fail(Error::rejected(rejection.code, rejection.message)))
            }
            other => other,
        }
    }

    async fn delete_tree(
        &self,
        transaction: &mut dyn ServerTransaction,
        mutation: &Mutation,
        (served, key, before): (&Arc<Served>, &Key, &Fields),
        written: &mut bool,
    ) -> Result<(), Stop> {
        let mut begun = Begun::new();
        let mut stack = vec![self.doom(served, key.clone(), before, &mut begun)?];
        while let Some(doomed) = stack.last_mut() {
            if let Some((child, key)) = doomed.children.pop() {
                let found = match begun.contains(&place(&child, &key)) {
                    true => None,
                    false => transaction.get(&child.entity, &child.attributes, &key).await?,
                };
                if let Some(before) = found {
                    stack.push(self.doom(&child, key.clone(), &before, &mut begun)?);
                    // A device deletes the children it knows before their parent; it had not seen these.
                    *written = true;
                    self.keep_deleted(transaction, mutation, &child.entity.name, &key, &before)
                        .await?;
                }
            } else if let Some(rule) = doomed.rules.pop_front() {
                let found = self
                    .perform(transaction, &rule, &doomed.key, &begun, written)
                    .await?;
                doomed.children.extend(
                    found
                        .children
                        .into_iter()
                        .map(|key| (Arc::clone(rule.child), key)),
                );
                if found.more {
                    doomed.rules.push_front(rule);
                }
            } else if let Some(doomed) = stack.pop() {
                *written = true;
                transaction.delete(&doomed.served.entity, &doomed.key).await?;
                begun.remove(&place(&doomed.served, &doomed.key));
            }
        }
        Ok(())
    }

    /// Marks a record as one to be deleted, if its user may.
    fn doom(
        &self,
        served: &Arc<Served>,
        key: Key,
        before: &Fields,
        begun: &mut Begun,
    ) -> Result<Doomed<'_>, Stop> {
        self.permit(&served.entity, MutationKind::Delete, Some(before), None)?;
        begun.insert(place(served, &key));
        Ok(Doomed {
            rules: self.rules(served),
            served: Arc::clone(served),
            key,
            children: Vec::new(),
        })
    }

    /// The relations in which records of an entity are parents: those that restrict first, before anything is written. An entity
    /// on the same table has the same children.
    fn rules(&self, served: &Served) -> VecDeque<Rule<'_>> {
        let catalog = &self.server.catalog;
        let same = |parent: &Served| {
            parent.entity.name == served.entity.name
                || (parent.entity.source == served.entity.source && parent.key() == served.key())
        };
        let mut rules: Vec<Rule<'_>> = catalog
            .schema
            .relations
            .iter()
            .filter(|relation| catalog.find(&relation.parent).is_some_and(|parent| same(parent)))
            .filter_map(|relation| {
                let child = catalog.find(&relation.child)?;
                let attribute = child.entity.index_of(&relation.attribute)?;
                child.attributes.contains(&attribute).then_some(Rule {
                    relation,
                    child,
                    attribute,
                })
            })
            .collect();
        rules.sort_by_key(|rule| rule.relation.on_delete != OnDelete::Restrict);
        rules.into()
    }

    /// Does what a rule says; the children that are to be deleted, some of them where there are many.
    async fn perform(
        &self,
        transaction: &mut dyn ServerTransaction,
        rule: &Rule<'_>,
        parent: &Key,
        begun: &Begun,
        written: &mut bool,
    ) -> Result<Found, Stop> {
        let [value] = parent.values() else {
            return Ok(Found::default());
        };
        let (entity, attribute) = (&rule.child.entity, rule.attribute);
        // Those that were begun are still there until their own turn comes.
        let limit = CHUNK.saturating_add(begun.len());
        let mut last = Vec::new();
        loop {
            let mut children = transaction.referring(entity, attribute, value, limit).await?;
            let more = children.len() >= limit;
            children.retain(|key| !begun.contains(&place(rule.child, key)));
            match rule.relation.on_delete {
                OnDelete::Cascade if onsync_core::mutant!("children-outlive-their-parent", false, true) => {
                    return Ok(Found::default());
                }
                OnDelete::Cascade => return Ok(Found { children, more }),
                _ if children.is_empty() => return Ok(Found::default()),
                OnDelete::Restrict if onsync_core::mutant!("restricted-parents-are-deleted", false, true) => {
                    return Ok(Found::default());
                }
                OnDelete::Restrict => return Err(restricted(rule.relation)),
                OnDelete::SetNull if onsync_core::mutant!("references-outlive-their-parent", false, true) => {
                    return Ok(Found::default());
                }
                OnDelete::SetNull if children.iter().any(|key| last.contains(key)) => {
                    return Err(kept(rule.relation));
                }
                OnDelete::SetNull => {}
            }
            for key in &children {
                *written |= self.set_null(transaction, rule, key).await?;
            }
            last = children;
        }
    }

    async fn set_null(
        &self,
        transaction: &mut dyn ServerTransaction,
        rule: &Rule<'_>,
        key: &Key,
    ) -> Result<bool, Stop> {
        let Served {
            entity, attributes, ..
        } = rule.child.as_ref();
        let Some(before) = transaction.get(entity, attributes, key).await? else {
            return Ok(false);
        };
        let change = Fields::new().with(&rule.relation.attribute, Value::Null);
        let mut after = before.clone();
        after.set(&rule.relation.attribute, Value::Null);
        self.permit(entity, MutationKind::Update, Some(&before), Some(&after))?;
        transaction.update(entity, key, &change).await?;
        Ok(true)
    }
}

fn place(served: &Served, key: &Key) -> (String, Key) {
    (served.entity.source.clone(), key.clone())
}

fn kept(relation: &Relation) -> Stop {
    refuse(
        "constraint_violated",
        format!(
            "`{}.{}` was to become null (relation `{}`, on_delete = \"set-null\"), and the database keeps its value",
            relation.child, relation.attribute, relation.name
        ),
    )
}

fn restricted(relation: &Relation) -> Stop {
    refuse(
        "delete_restricted",
        format!(
            "records of `{}` still refer to this record of `{}` (relation `{}`, on_delete = \"restrict\"); delete or change these first",
            relation.child, relation.parent, relation.name
        ),
    )
}
