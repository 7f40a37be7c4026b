#![doc = include_str!("../README.md")]

mod entity;
mod portable_async;

use proc_macro::TokenStream;

/// Makes a trait, or an implementation of one, with `async fn` methods object-safe on every platform.
///
/// The futures are `Send` natively and not on `wasm32`, where nothing is shared between threads.
/// Every seam trait of `onsync-core` carries it, and so must each implementation of one.
#[proc_macro_attribute]
pub fn portable_async(attributes: TokenStream, item: TokenStream) -> TokenStream {
    portable_async::expand(attributes.into(), item.into()).into()
}

/// Derives `onsync_core::Entity` for a struct: conversion to and from a record.
///
/// Field names are attribute names; `#[onsync(rename = "…")]` on a field gives another one,
/// `#[onsync(entity = "…")]` on the struct another entity name than the struct's.
/// The key attributes come from the configured schema.
#[proc_macro_derive(Entity, attributes(onsync))]
pub fn derive_entity(item: TokenStream) -> TokenStream {
    entity::expand(item.into()).into()
}
