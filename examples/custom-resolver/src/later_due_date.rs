//! The resolver `later-due-date`: the later due date wins, remarks are joined, and whatever else both sides changed is left to a person.

use onsync_core::conflict::{Conflict, ConflictResolver, Resolution};
use onsync_core::schema::EntitySchema;
use onsync_core::{Error, Fields, Result, Value};

/// Decides by what an attribute means.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct LaterDueDate;

impl ConflictResolver for LaterDueDate {
    fn name(&self) -> &'static str {
        "later-due-date"
    }

    /// An entity without these two attributes is refused when the app is built, not when the first conflict comes.
    fn check(&self, entity: &EntitySchema) -> Result<()> {
        for wanted in ["due", "remark"] {
            if !entity.attributes.iter().any(|attribute| attribute.name == wanted) {
                return Err(Error::unsupported(
                    "later_due_date",
                    format!(
                        "`{}` has the resolver `later-due-date` and no attribute `{wanted}`; add it, or choose another resolver",
                        entity.name
                    ),
                ));
            }
        }
        Ok(())
    }

    fn resolve(&self, entity: &EntitySchema, conflict: &Conflict) -> Resolution {
        let mut merged = Fields::new();
        for attribute in conflict.attributes(entity) {
            let (Some(mine), Some(theirs)) = (&attribute.mine, &attribute.theirs) else {
                return Resolution::Ask;
            };
            if !attribute.changed_here || mine == theirs {
                continue;
            }
            let decided = match (attribute.changed_there, attribute.name.as_str()) {
                (false, _) => mine.clone(),
                (true, "due") => mine.max(theirs).clone(),
                (true, "remark") => joined(theirs, mine),
                (true, _) => return Resolution::Ask,
            };
            merged.set(&attribute.name, decided);
        }
        Resolution::Merge(merged)
    }
}

/// The server's lines, then those of the device that the server does not have.
fn joined(theirs: &Value, mine: &Value) -> Value {
    let (Value::Text(theirs), Value::Text(mine)) = (theirs, mine) else {
        return theirs.max(mine).clone();
    };
    let mut lines: Vec<&str> = theirs.lines().collect();
    for line in mine.lines() {
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    Value::Text(lines.join("\n"))
}
