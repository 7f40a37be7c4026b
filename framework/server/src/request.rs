//! Parses a request's frames: their order, their number and size, and what they name in the configuration.

use crate::catalog::{Catalog, Served, unavailable};
use crate::encoding::encode;
use crate::limits::Limits;
use onsync_core::error::{Error, Result};
use onsync_core::mutation::Mutation;
use onsync_core::policy::{Authorizer, Principal};
use onsync_core::wire::{EntityRequest, Hello, PROTOCOL, RequestFrame};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

/// An entity of a request.
pub(crate) struct Asked {
    /// As it was sent.
    pub(crate) request: EntityRequest,
    /// What it means here, or why it cannot be served: that fails this entity, not the request.
    pub(crate) target: Result<Target>,
}

/// What an entity of a request means here.
#[derive(Clone)]
pub(crate) struct Target {
    /// The entity.
    pub(crate) served: Arc<Served>,
    /// Positions of the device's columns, in its order.
    pub(crate) columns: Arc<[usize]>,
}

/// A mutation of a request.
pub(crate) struct Item {
    /// As it was sent.
    pub(crate) mutation: Mutation,
    /// SHA-256 of its canonical bytes: what tells a repetition from another mutation under the same id.
    pub(crate) body: [u8; 32],
    /// The place of its entity in [`Request::asked`].
    pub(crate) asked: usize,
}

/// A whole request, in order and within its bounds.
pub(crate) struct Request {
    /// Who speaks.
    pub(crate) hello: Hello,
    /// The entities.
    pub(crate) asked: Vec<Asked>,
    /// The mutations.
    pub(crate) items: Vec<Item>,
}

impl Request {
    /// Reads the frames.
    ///
    /// # Errors
    /// `invalid_request`, `request_truncated`, `protocol_unsupported`, `too_many_mutations`, `too_many_entities`,
    /// `request_too_large`.
    pub(crate) fn parse(frames: Vec<RequestFrame>, catalog: &Catalog, limits: &Limits) -> Result<Self> {
        let mut frames = frames.into_iter();
        let hello = match frames.next() {
            Some(RequestFrame::Hello(hello)) => check_hello(hello)?,
            _ => return Err(invalid("wanted `hello` as the first frame")),
        };
        let mut request = Self {
            hello,
            asked: Vec::new(),
            items: Vec::new(),
        };
        let mut ids = BTreeSet::new();
        let mut bytes = 0_usize;
        loop {
            match frames.next() {
                Some(RequestFrame::Entity(entity)) if request.items.is_empty() => {
                    request.add_entity(entity, catalog, limits)?;
                }
                Some(RequestFrame::Mutation(mutation)) => {
                    if !ids.insert(mutation.id) {
                        return Err(invalid("found two mutations with the same id"));
                    }
                    bytes = bytes.saturating_add(request.add_mutation(mutation, limits)?);
                    within(
                        "request_too_large",
                        "bytes of mutations",
                        bytes,
                        limits.max_request_bytes,
                    )?;
                }
                Some(RequestFrame::End {}) => break,
                Some(RequestFrame::Entity(_) | RequestFrame::Hello(_)) => {
                    return Err(invalid(
                        "wanted `hello`, `entity`…, `mutation`…, `end` in this order",
                    ));
                }
                None => {
                    return Err(Error::transient(
                        "request_truncated",
                        "the request ends without `end`; send it again as a whole",
                    ));
                }
            }
        }
        match frames.next() {
            None => Ok(request),
            Some(_) => Err(invalid("found frames after `end`")),
        }
    }

    fn add_entity(&mut self, entity: EntityRequest, catalog: &Catalog, limits: &Limits) -> Result<()> {
        within(
            "too_many_entities",
            "entities",
            self.asked.len() + 1,
            limits.max_entities,
        )?;
        let twice = self.asked.iter().any(|other| {
            other.request.entity == entity.entity
                && (other.request.scope == entity.scope || other.request.columns != entity.columns)
        });
        if twice {
            return Err(invalid(
                "found an entity twice with the same scope value, or with different columns",
            ));
        }
        let target = catalog.resolve(&entity).map(|(served, columns)| Target {
            served,
            columns: columns.into(),
        });
        self.asked.push(Asked {
            request: entity,
            target,
        });
        Ok(())
    }

    fn add_mutation(&mut self, mutation: Mutation, limits: &Limits) -> Result<usize> {
        within(
            "too_many_mutations",
            "mutations",
            self.items.len() + 1,
            limits.max_mutations,
        )?;
        let asked = self
            .asked
            .iter()
            .position(|asked| asked.request.entity == mutation.entity)
            .ok_or_else(|| invalid("found a mutation of an entity that no `entity` frame names"))?;
        let body = encode(&mutation)?;
        self.items.push(Item {
            body: Sha256::digest(&body).into(),
            mutation,
            asked,
        });
        Ok(body.len())
    }

    /// Nothing that the device fetched is taken for being here.
    pub(crate) fn void_checkpoints(&mut self) {
        for asked in &mut self.asked {
            asked.request.checkpoint = None;
        }
    }

    /// Fails the entities that are to be pulled and that this user may not read.
    pub(crate) fn authorise(&mut self, principal: &Principal, authorizer: &dyn Authorizer) {
        for asked in self.asked.iter_mut().filter(|asked| asked.request.pull) {
            let refused = asked
                .target
                .as_ref()
                .is_ok_and(|target| !authorizer.may_read(principal, &target.served.entity));
            if refused {
                asked.target = Err(unavailable(&asked.request.entity));
            }
        }
    }
}

fn check_hello(hello: Hello) -> Result<Hello> {
    if hello.protocol == PROTOCOL {
        return Ok(hello);
    }
    Err(Error::unsupported(
        "protocol_unsupported",
        format!(
            "the device speaks protocol {}, this server {PROTOCOL}; update the older of both",
            hello.protocol
        ),
    ))
}

fn invalid(what: &str) -> Error {
    Error::rejected(
        "invalid_request",
        format!("the request is not as it should be: {what}"),
    )
}

fn within(code: &'static str, what: &str, found: usize, limit: usize) -> Result<()> {
    if found <= limit {
        return Ok(());
    }
    Err(Error::rejected(
        code,
        format!("wanted at most {limit} {what} in one request, found more; send smaller requests"),
    ))
}
