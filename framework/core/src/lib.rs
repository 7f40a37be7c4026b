#![doc = include_str!("../README.md")]

// The macros name this crate as others do.
extern crate self as onsync_core;

pub mod bin;
pub mod conflict;
pub mod error;
pub mod family;
pub mod handler;
pub mod json;
pub mod memory;
pub mod metric;
pub mod msgpack;
pub mod mutation;
pub mod network;
pub mod one_way;
pub mod ordered;
pub mod page;
pub mod pattern;
pub mod planted;
pub mod platform;
pub mod policy;
pub mod query;
pub mod record;
pub mod registry;
pub mod resolvers;
pub mod rows;
pub mod runtime;
pub mod schema;
pub mod store;
pub mod transport;
pub mod two_way;
pub mod value;
pub mod wire;

pub use error::{Error, ErrorKind, Result};
pub use onsync_macros::{Entity, portable_async};
pub use record::{Entity, Fields, Key, Row};
pub use value::{Value, ValueType};
