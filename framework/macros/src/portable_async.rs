//! `#[portable_async]`: one attribute instead of two `cfg_attr` lines at every seam.

use proc_macro2::TokenStream;
use quote::quote;

/// Wraps the item in `async_trait`, with `Send` futures natively and without on `wasm32`.
pub(crate) fn expand(attributes: TokenStream, item: TokenStream) -> TokenStream {
    if !attributes.is_empty() {
        return syn::Error::new_spanned(
            attributes,
            "portable_async takes no arguments: write #[portable_async]",
        )
        .to_compile_error();
    }
    quote! {
        #[cfg_attr(not(target_family = "wasm"), ::onsync_core::platform::async_trait)]
        #[cfg_attr(target_family = "wasm", ::onsync_core::platform::async_trait(?Send))]
        #item
    }
}
