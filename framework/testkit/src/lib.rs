#![doc = include_str!("../README.md")]

pub mod fakes;
pub mod foreign;
pub mod local_store;
pub mod network;
pub mod pattern;
pub mod server_store;
pub mod suite;
pub mod transport;
