// SPDX-License-Identifier: GPL-2.0

//! Bytes that look random and come again with their seed.

/// Some bytes for case number `seed`: `splitmix64`, by Sebastiano Vigna, in the public domain.
pub fn bytes(seed: u64) -> Vec<u8> {
    // Far apart, so that cases of neighbouring seeds are others.
    let mut state = seed.rotate_left(32);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    let words = 8 + next() % 64;
    (0..words).flat_map(|_| next().to_le_bytes()).collect()
}
