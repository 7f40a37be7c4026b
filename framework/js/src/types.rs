//! The TypeScript declarations of the face.

use wasm_bindgen::prelude::wasm_bindgen;

/// Written by hand: the generated ones know neither the shapes of objects nor the types of entities.
#[wasm_bindgen(typescript_custom_section)]
const DECLARATIONS: &str = include_str!("../types.d.ts");
