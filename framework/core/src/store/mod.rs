//! The seams for storage: [`local`] on the device, [`server`] on the server.

pub mod check;
pub mod local;
pub mod server;
