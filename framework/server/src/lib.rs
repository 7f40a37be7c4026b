#![doc = include_str!("../README.md")]

mod service;

pub use service::SyncService;
