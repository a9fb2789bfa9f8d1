// SPDX-License-Identifier: GPL-2.0

//! The fuzzer: panics if engine and model differ about the case that its bytes stand for.

#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    host::check(bytes);
});
