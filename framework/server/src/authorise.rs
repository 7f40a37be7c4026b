//! The authorizer used where the app brings none.

use onsync_core::Fields;
use onsync_core::policy::{Authorizer, Principal};
use onsync_core::schema::EntitySchema;

/// Every authenticated user may read and write everything that is configured.
#[derive(Clone, Copy, Debug, Default)]
pub struct EveryoneMayEverything;

impl Authorizer for EveryoneMayEverything {
    fn may_read(&self, _principal: &Principal, _entity: &EntitySchema) -> bool {
        true
    }

    fn may_write(
        &self,
        _principal: &Principal,
        _entity: &EntitySchema,
        _before: Option<&Fields>,
        _after: Option<&Fields>,
    ) -> bool {
        true
    }
}
