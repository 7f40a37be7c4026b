//! The office: its database, the sync server with the same pattern, and the page. Prints where it is.

#[cfg(not(target_family = "wasm"))]
#[path = "../../custom-pattern/src/append_only.rs"]
mod append_only;
#[cfg(not(target_family = "wasm"))]
mod office;

#[cfg(not(target_family = "wasm"))]
#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    office::serve().await
}

/// In a browser there is the library alone.
#[cfg(target_family = "wasm")]
fn main() {}
