//! Atomic groups: what one transaction of the app wrote, noted so that it succeeds or fails as one on the server too.

use super::records::Records;
use crate::sync::bind_group;
use onsync_core::ordered::BTreeSet;
use onsync_core::schema::EntitySchema;
use onsync_core::store::local::LocalTransaction;
use onsync_core::{Key, Result};
use std::sync::{Arc, Mutex, PoisonError};

/// Records that a transaction wrote, by entity and key.
pub(crate) type Written = Arc<Mutex<BTreeSet<(String, Key)>>>;

impl Records {
    /// The same, noting what is written.
    pub(super) fn noting(self) -> Self {
        Self {
            written: Some(Written::default()),
            ..self
        }
    }

    pub(super) fn note(&self, entity: &EntitySchema, key: &Key) {
        if let Some(written) = &self.written {
            let mut written = written.lock().unwrap_or_else(PoisonError::into_inner);
            written.insert((entity.name.clone(), key.clone()));
        }
    }

    /// Makes a group of what was written.
    ///
    /// # Errors
    /// `group_too_large`.
    pub(super) async fn bind_group(&self, tx: &mut dyn LocalTransaction) -> Result<()> {
        let Some(written) = &self.written else {
            return Ok(());
        };
        let written = written.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let group = self.runtime.random_uuid();
        let limits = (self.group_limit, self.group_bytes);
        bind_group(&self.schema, tx, written, group, limits).await
    }
}
