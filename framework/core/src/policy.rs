//! The server's own seams: who may speak, who may do what, what is valid, and what else happens.

use crate::error::Result;
use crate::mutation::{Mutation, MutationKind, Rejection};
use crate::platform::{MaybeSend, MaybeSync};
use crate::record::{Fields, Key};
use crate::schema::EntitySchema;
use crate::store::server::ServerTransaction;
use onsync_macros::portable_async;

/// Who speaks.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal {
    /// The user's id: what `:user` means, and the owner of checkpoints and receipts.
    pub user: String,
}

/// Tells who speaks from the bearer token of a request.
#[portable_async]
pub trait Authenticator: MaybeSend + MaybeSync {
    /// The speaker.
    ///
    /// # Errors
    /// Kind unauthorised, code `unauthorised`, for a missing, wrong or expired token; the same answer for each.
    async fn authenticate(&self, token: Option<&str>) -> Result<Principal>;
}

/// Decides who may do what, record by record.
///
/// # Contract
/// - Pure and quick; called before and after each effect, inside the committing transaction.
pub trait Authorizer: MaybeSend + MaybeSync {
    /// Whether this user may pull the entity at all.
    fn may_read(&self, principal: &Principal, entity: &EntitySchema) -> bool;

    /// Whether this user may turn the record `before` (none: it does not exist) into `after` (none: deleted).
    fn may_write(
        &self,
        principal: &Principal,
        entity: &EntitySchema,
        before: Option<&Fields>,
        after: Option<&Fields>,
    ) -> bool;

    /// Whether this user may know that the record exists. To mutations of other users it is as if it were not there:
    /// the answer to "not yours" and "not there" is the same. The default hides nothing.
    fn may_see(&self, principal: &Principal, entity: &EntitySchema, record: &Fields) -> bool {
        let _ = (principal, entity, record);
        true
    }
}

/// Checks the content of changes by the app's own rules.
pub trait Validator: MaybeSend + MaybeSync {
    /// Refuses a change with a reason for its author, or lets it pass.
    ///
    /// # Errors
    /// The rejection.
    fn validate(
        &self,
        entity: &EntitySchema,
        kind: MutationKind,
        before: Option<&Fields>,
        after: Option<&Fields>,
    ) -> std::result::Result<(), Rejection>;
}

/// One applied mutation, for hooks.
#[derive(Clone, Debug)]
pub struct AppliedMutation {
    /// What was asked.
    pub mutation: Mutation,
    /// Who asked.
    pub principal: Principal,
    /// The record's server key.
    pub key: Key,
}

/// The app's own logic around commits.
///
/// # Contract
/// - `before_commit` runs inside the transaction; an error of kind rejected rejects the mutations it was called for.
/// - `after_commit` runs after it, at least once; what it does must bear repetition.
#[portable_async]
pub trait ServerHooks: MaybeSend + MaybeSync {
    /// Inside the transaction, after the effects.
    ///
    /// # Errors
    /// Whatever shall undo them.
    async fn before_commit(
        &self,
        transaction: &mut dyn ServerTransaction,
        applied: &[AppliedMutation],
    ) -> Result<()>;

    /// After the commit.
    async fn after_commit(&self, applied: &[AppliedMutation]);
}
