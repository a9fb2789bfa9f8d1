// SPDX-License-Identifier: GPL-2.0

//! Stand-ins for macros of the kernel.

use proc_macro::TokenStream;

/// A KUnit suite is a module of tests: what `cargo test` runs anyway.
#[proc_macro_attribute]
pub fn kunit_tests(_suite: TokenStream, module: TokenStream) -> TokenStream {
    let mut tokens: TokenStream = "#[cfg(test)]".parse().expect("an attribute");
    tokens.extend(module);
    tokens
}

/// Bindings derive it for every type. Which types may be zeroed is told in `kernel::zeroable`, as
/// few are.
#[proc_macro_derive(MaybeZeroable)]
pub fn maybe_zeroable(_item: TokenStream) -> TokenStream {
    TokenStream::new()
}
