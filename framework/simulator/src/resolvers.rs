//! Conflict resolvers in worlds: the real ones, whose decisions the ledger hears of as it hears of those that people make.

use crate::shared::Shared;
use onsync_core::Result;
use onsync_core::conflict::{Conflict, ConflictResolver, Resolution};
use onsync_core::registry::Registry;
use onsync_core::schema::EntitySchema;
use std::sync::Arc;

type Resolvers = Registry<Arc<dyn ConflictResolver>>;

/// A resolver on one device.
struct Watched {
    inner: Arc<dyn ConflictResolver>,
    device: usize,
    shared: Arc<Shared>,
}

/// The same resolvers, watched, for a process of this device.
pub(crate) fn watched(resolvers: &Resolvers, device: usize, shared: &Arc<Shared>) -> Result<Resolvers> {
    let mut all = Registry::new("resolver");
    for name in resolvers.names() {
        let watched = Watched {
            inner: resolvers.get(name)?.clone(),
            device,
            shared: shared.clone(),
        };
        all.register(name, Arc::new(watched) as Arc<dyn ConflictResolver>)?;
    }
    Ok(all)
}

impl ConflictResolver for Watched {
    fn name(&self) -> &'static str {
        self.inner.name()
    }

    fn check(&self, entity: &EntitySchema) -> Result<()> {
        self.inner.check(entity)
    }

    fn resolve(&self, entity: &EntitySchema, conflict: &Conflict) -> Resolution {
        let resolution = self.inner.resolve(entity, conflict);
        self.shared.trace.say(|| {
            format!(
                "device {}: the resolver `{}` decides {:?} of {} {} by {resolution:?}",
                self.device,
                self.name(),
                conflict.kind,
                conflict.entity,
                conflict.key
            )
        });
        *self.shared.reach().resolvers.entry(self.name()).or_default() += 1;
        let mut ledger = self.shared.ledger();
        let mine = conflict.mine.iter();
        let mine = mine.flat_map(|mine| mine.iter().map(|(_, value)| value.clone()));
        let sends = match &resolution {
            Resolution::Ask => return resolution,
            Resolution::TakeTheirs => {
                ledger.yields(self.device, &conflict.entity, &conflict.key);
                return resolution;
            }
            Resolution::KeepMine => mine.collect::<Vec<_>>(),
            Resolution::Merge(fields) if conflict.theirs.is_some() => {
                fields.iter().map(|(_, value)| value.clone()).collect()
            }
            // Over the device's side: the server's record is made again.
            Resolution::Merge(fields) => {
                let merged = fields.iter().map(|(_, value)| value.clone());
                mine.chain(merged).collect()
            }
        };
        ledger.keeps(sends);
        if conflict.theirs.is_none() {
            // The server may give what is made again another key, which is told to no app.
            ledger.is_kept(self.device, &conflict.entity, &conflict.key, None);
        }
        resolution
    }
}
