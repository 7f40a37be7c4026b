//! How the values of a column are stored, and how they become OnSync's values and back.
//!
//! A column keeps the form its rows have: [`form::detect`] looks at the declared type and the first values, [`read`] takes
//! every form of a type, [`write`](mod@write) writes the column's own. Only numbers that stand for moments need the column's
//! form to be read: nothing in `1700000000` says whether it counts seconds or milliseconds.

pub(crate) mod form;
pub(crate) mod moment;
pub(crate) mod read;
pub(crate) mod write;

pub(crate) use form::{Form, Unit, detect, mappable};
