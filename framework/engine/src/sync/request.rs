//! Request: the frames that ask for what is new and carry what was cut.

use super::areas::{self, Areas, Instance, StoredCheckpoint, entity_key};
use super::exchange::{Look, Run};
use super::outbox::Cut;
use super::seen;
use onsync_core::Result;
use onsync_core::ordered::{BTreeMap, BTreeSet};
use onsync_core::page::Checkpoint;
use onsync_core::pattern::Direction;
use onsync_core::store::local::Access;
use onsync_core::wire::{EntityRequest, Hello, RequestFrame};

impl Run<'_> {
    /// The request's frames, and the checkpoint each pulled entity's answer must continue.
    pub(super) async fn frames(
        &mut self,
        batch: &[Cut],
        pulls: bool,
        look: Look,
    ) -> Result<(Vec<RequestFrame>, BTreeMap<String, Option<Checkpoint>>)> {
        let mut tx = self.look(look).await?;
        let instance = match tx.known_instance().await? {
            Some(instance) => instance,
            None => {
                drop(tx);
                let instance = self.new_instance().await?;
                tx = self.syncer.store.begin(Access::Read).await?;
                instance
            }
        };
        tx.check_fence(self.fence).await?;
        let settled_to = self.outbox(tx.as_mut()).await?.settled_to(instance.next_number);
        let mut frames = vec![RequestFrame::Hello(Hello {
            context: self.step.context.clone(),
            cut_to: Some(instance.next_number.saturating_sub(1)),
            seen: seen::stored(tx.as_mut()).await?,
            ..Hello::new(instance.id, settled_to)
        })];
        let mut checkpoints = BTreeMap::new();
        let pulled = if pulls { self.entities() } else { Vec::new() };
        let named: BTreeSet<&String> = batch.iter().map(|cut| &cut.entry.mutation.entity).collect();
        let others = named.iter().copied().filter(|name| !pulled.contains(name));
        for name in pulled.iter().chain(others) {
            let entity = self.syncer.schema.entity(name)?;
            if entity.local {
                continue;
            }
            let fetched = self.syncer.pattern(name)?.direction() != Direction::SendOnly;
            let pull = fetched && pulled.contains(name);
            if !pull && !named.contains(name) {
                continue;
            }
            let stored: Option<StoredCheckpoint> = tx.load(areas::CHECKPOINT, &entity_key(name, b"")).await?;
            let checkpoint = stored.map(|stored| stored.checkpoint).filter(|_| pull);
            if pull {
                checkpoints.insert(name.clone(), checkpoint.clone());
            }
            frames.push(RequestFrame::Entity(EntityRequest {
                entity: name.clone(),
                pattern: entity.pattern.clone(),
                columns: entity.columns(),
                scope: String::new(),
                pull,
                checkpoint,
                page_rows: self.page_rows(),
                page_bytes: self.syncer.limits.page_bytes,
            }));
        }
        frames.extend(batch.iter().map(|cut| {
            RequestFrame::Mutation(onsync_core::mutant!(
                "a-change-is-sent-under-another-id-each-time",
                cut.entry.mutation.clone(),
                onsync_core::mutation::Mutation {
                    id: self.syncer.runtime.random_uuid(),
                    ..cut.entry.mutation.clone()
                }
            ))
        }));
        frames.push(RequestFrame::End {});
        Ok((frames, checkpoints))
    }

    /// Makes this store's instance, where nothing was ever cut.
    async fn new_instance(&self) -> Result<Instance> {
        let mut tx = self.syncer.begin(self.fence, true).await?;
        let instance = tx.instance(self.syncer.runtime.random_uuid()).await?;
        tx.commit().await?;
        Ok(instance)
    }
}
