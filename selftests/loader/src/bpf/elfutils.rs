// SPDX-License-Identifier: GPL-2.0

//! Two functions that Debian's libelf.a (elfutils 0.192) calls but does not contain.
//!
//! They set up and tear down the tree of chunks that `elf_getdata_rawchunk()` hands out. libbpf does
//! not use that function, so the tree, zeroed with the structure it is in, stays empty and there is
//! nothing to do. Were the function used, the link would fail for want of `eu_tsearch`.

use std::ffi::c_void;

/// `void eu_search_tree_init(search_tree *tree)`
#[no_mangle]
extern "C" fn eu_search_tree_init(_tree: *mut c_void) {}

/// `void eu_search_tree_fini(search_tree *tree, void (*free_node)(void *))`
#[no_mangle]
extern "C" fn eu_search_tree_fini(_tree: *mut c_void, _free_node: *const c_void) {}
