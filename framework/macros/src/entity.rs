//! `#[derive(Entity)]`: a struct's fields to and from the named values of a record.

use proc_macro2::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, Fields, LitStr};

/// What the derive reads from one `#[onsync(…)]` attribute list.
fn option(attributes: &[syn::Attribute], wanted: &str) -> syn::Result<Option<LitStr>> {
    let mut found = None;
    for attribute in attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("onsync"))
    {
        attribute.parse_nested_meta(|meta| {
            if meta.path.is_ident(wanted) {
                found = Some(meta.value()?.parse()?);
                Ok(())
            } else {
                Err(meta.error(format!("unknown option; available here: {wanted} = \"…\"")))
            }
        })?;
    }
    Ok(found)
}

/// Writes the implementation, or the compile error that says what was found and what is wanted.
pub(crate) fn expand(item: TokenStream) -> TokenStream {
    derive(item).unwrap_or_else(|error| error.to_compile_error())
}

fn derive(item: TokenStream) -> syn::Result<TokenStream> {
    let input: DeriveInput = syn::parse2(item)?;
    let Data::Struct(data) = &input.data else {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "Entity is derived for a struct with named fields",
        ));
    };
    let Fields::Named(fields) = &data.fields else {
        return Err(syn::Error::new_spanned(
            &input.ident,
            "Entity is derived for a struct with named fields",
        ));
    };
    let name = &input.ident;
    let entity = option(&input.attrs, "entity")?.map_or_else(|| name.to_string(), |literal| literal.value());
    let (mut idents, mut names) = (Vec::new(), Vec::new());
    for field in &fields.named {
        let Some(ident) = &field.ident else { continue };
        let renamed = option(&field.attrs, "rename")?;
        names.push(renamed.map_or_else(
            || ident.to_string().trim_start_matches("r#").to_owned(),
            |l| l.value(),
        ));
        idents.push(ident);
    }
    let (generics, types, bounds) = input.generics.split_for_impl();
    Ok(quote! {
        impl #generics ::onsync_core::Entity for #name #types #bounds {
            const ENTITY: &'static str = #entity;

            fn into_fields(self) -> ::onsync_core::Fields {
                let mut fields = ::onsync_core::Fields::new();
                #( fields.set(#names, ::onsync_core::value::IntoValue::into_value(self.#idents)); )*
                fields
            }

            fn from_fields(mut fields: ::onsync_core::Fields) -> ::onsync_core::Result<Self> {
                Ok(Self {
                    #( #idents: ::onsync_core::value::FromValue::from_value(fields.take(#names))
                        .map_err(|error| error.at(concat!(#entity, ".", #names)))?, )*
                })
            }
        }
    })
}
