//! Functions of the app in the places of plug-ins: credentials and resolvers.

use crate::error::{from_js, wanted};
use crate::values::{fields, key_to_js, set, to_js};
use crate::work::call;
use js_sys::{Array, Function, Object, Reflect};
use onsync::core::mutation::ConflictKind;
use onsync::core::schema::EntitySchema;
use onsync::core::value::Timestamp;
use onsync::sync::OpenConflict;
use onsync::{Conflict, ConflictResolver, Credentials, CredentialsProvider, Resolution, Result};
use onsync_core::portable_async;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;

/// A function that gives the bearer token, or null to speak without one.
pub(crate) struct Token(pub(crate) Function);

#[portable_async]
impl CredentialsProvider for Token {
    async fn credentials(&self, refused: bool) -> Result<Option<Credentials>> {
        let token = JsFuture::from(call(&self.0, &[refused.into()])?).await;
        let token = token.map_err(|thrown| from_js(&thrown))?;
        if token.is_null() || token.is_undefined() {
            return Ok(None);
        }
        let token = token
            .as_string()
            .ok_or_else(|| wanted("a token as text, or null", &JsValue::UNDEFINED))?;
        Ok(Some(Credentials::bearer(token)))
    }
}

/// A function that decides conflicts.
pub(crate) struct Resolver {
    name: &'static str,
    decide: Function,
}

impl Resolver {
    /// A resolver by its name in the configuration. The name is kept for as long as the page lives, as the app is.
    pub(crate) fn new(name: String, decide: Function) -> Self {
        Self {
            name: Box::leak(name.into_boxed_str()),
            decide,
        }
    }

    fn decide(&self, entity: &EntitySchema, conflict: &Conflict) -> Result<Resolution> {
        let told = conflict_to_js(&OpenConflict {
            id: conflict.id,
            entity: conflict.entity.clone(),
            key: conflict.key.clone(),
            kind: conflict.kind,
            at: Timestamp::from_count(0)?,
            in_flight: false,
            attributes: conflict.attributes(entity),
        })?;
        let decided = self
            .decide
            .call1(&JsValue::UNDEFINED, &told)
            .map_err(|thrown| from_js(&thrown))?;
        resolution(entity, &decided)
    }
}

impl ConflictResolver for Resolver {
    fn name(&self) -> &'static str {
        self.name
    }

    fn resolve(&self, entity: &EntitySchema, conflict: &Conflict) -> Resolution {
        self.decide(entity, conflict).unwrap_or_else(|error| {
            tracing::error!(
                resolver = self.name,
                "a resolver failed, and a person is asked: {error}"
            );
            Resolution::Ask
        })
    }
}

/// `"keepMine"`, `"takeTheirs"`, `"ask"`, or `{ merge: { … } }`.
pub(crate) fn resolution(entity: &EntitySchema, value: &JsValue) -> Result<Resolution> {
    let refuse = || wanted("\"keepMine\", \"takeTheirs\", \"ask\" or { merge: { … } }", value);
    Ok(match value.as_string().as_deref() {
        Some("keepMine") => Resolution::KeepMine,
        Some("takeTheirs") => Resolution::TakeTheirs,
        Some("ask") => Resolution::Ask,
        Some(_) => return Err(refuse()),
        None => {
            let merge = Reflect::get(value, &"merge".into()).map_err(|_| refuse())?;
            if !merge.is_object() {
                return Err(refuse());
            }
            Resolution::Merge(fields(entity, &merge)?)
        }
    })
}

/// A conflict with its three sides, whole and attribute by attribute.
pub(crate) fn conflict_to_js(conflict: &OpenConflict) -> Result<JsValue> {
    let object = Object::new();
    set(&object, "id", &conflict.id.to_string().into());
    set(&object, "entity", &conflict.entity.as_str().into());
    set(&object, "key", &key_to_js(&conflict.key));
    set(&object, "kind", &crate::forms::camel(&conflict.kind)?);
    set(&object, "at", &conflict.at.to_string().into());
    set(&object, "inFlight", &conflict.in_flight.into());
    let sides = [
        ("base", conflict.kind != ConflictKind::CreateCreate),
        ("mine", conflict.kind != ConflictKind::DeleteUpdate),
        ("theirs", conflict.kind != ConflictKind::UpdateDelete),
    ];
    let attributes = Array::new();
    for (name, there) in sides {
        set(
            &object,
            name,
            &if there {
                Object::new().into()
            } else {
                JsValue::NULL
            },
        );
    }
    for attribute in &conflict.attributes {
        let told = Object::new();
        set(&told, "name", &attribute.name.as_str().into());
        for ((side, there), value) in sides
            .iter()
            .zip([&attribute.base, &attribute.mine, &attribute.theirs])
        {
            let value = value.as_ref().map_or(JsValue::NULL, to_js);
            set(&told, side, &value);
            if *there {
                let whole = Reflect::get(&object, &(*side).into()).unwrap_or(JsValue::NULL);
                set(whole.unchecked_ref(), &attribute.name, &value);
            }
        }
        set(&told, "changedHere", &attribute.changed_here.into());
        set(&told, "changedThere", &attribute.changed_there.into());
        attributes.push(&told);
    }
    set(&object, "attributes", &attributes);
    Ok(object.into())
}
