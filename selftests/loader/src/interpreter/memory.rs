// SPDX-License-Identifier: GPL-2.0

//! What a program can access: its context, a packet, and the stack of each frame.

use std::collections::BTreeSet;

use crate::bpf::skb;

/// Addresses, far from each other, and from what arithmetic makes of numbers.
pub const CONTEXT: u64 = 0x1000_0000_0000_0000;
const PACKET: u64 = 0x2000_0000_0000_0000;
const STACKS: u64 = 0x3000_0000_0000_0000;
/// Bytes of the stack of a frame.
const STACK: u64 = 512;

/// What a program is run on.
#[derive(Clone, Debug, Default)]
pub struct Input {
    pub context: Context,
    pub packet: Vec<u8>,
    /// Static branches that are switched on, by the indices of their insns.
    pub switched: BTreeSet<usize>,
}

/// The context: bytes of fields whose value is known, and words that the kernel makes pointers of.
#[derive(Clone, Debug, Default)]
pub struct Context {
    bytes: Vec<Option<u8>>,
    /// Offsets of what become pointers to the start and to the end of the packet.
    data: Option<(i16, i16)>,
}

impl Context {
    /// A `struct xdp_md`, of which only the packet is known.
    #[cfg(test)]
    pub fn xdp() -> Self {
        Self {
            bytes: Vec::new(),
            data: Some((0, 4)),
        }
    }

    /// A `struct __sk_buff` of which words are known, by their offsets.
    pub fn skb(words: &[(i16, u32)]) -> Self {
        let mut bytes = vec![None; skb::SIZE];
        for &(off, value) in words {
            let off = off as usize;
            for (to, from) in bytes[off..off + 4].iter_mut().zip(value.to_ne_bytes()) {
                *to = Some(from);
            }
        }
        Self {
            bytes,
            data: Some((skb::DATA, skb::DATA_END)),
        }
    }
}

pub struct Memory<'a> {
    input: &'a Input,
    stacks: Vec<Option<u8>>,
}

impl<'a> Memory<'a> {
    pub fn new(input: &'a Input, frames: usize) -> Self {
        Self {
            input,
            stacks: vec![None; frames * STACK as usize],
        }
    }

    /// The end of the stack of a frame.
    pub fn top(&self, frame: usize) -> u64 {
        STACKS + (frame as u64 + 1) * STACK
    }

    /// Loads so many bytes, at most 8; None if that is not possible.
    pub fn load(&self, from: u64, size: usize) -> Option<u64> {
        let within = |base: u64| usize::try_from(from.wrapping_sub(base)).ok();
        let mut value = [0; 8];
        match from >> 60 {
            1 => {
                let off = within(CONTEXT)?;
                let context = &self.input.context;
                if let (Some((data, end)), 4) = (context.data, size) {
                    if off == data as usize {
                        return Some(PACKET);
                    }
                    if off == end as usize {
                        return Some(PACKET + self.input.packet.len() as u64);
                    }
                }
                let bytes = context.bytes.get(off..off.checked_add(size)?)?;
                for (to, from) in value.iter_mut().zip(bytes) {
                    *to = (*from)?;
                }
            }
            2 => {
                let off = within(PACKET)?;
                let bytes = self.input.packet.get(off..off.checked_add(size)?)?;
                value[..size].copy_from_slice(bytes);
            }
            3 => {
                let off = within(STACKS)?;
                let bytes = self.stacks.get(off..off.checked_add(size)?)?;
                for (to, from) in value.iter_mut().zip(bytes) {
                    *to = (*from)?;
                }
            }
            _ => return None,
        }
        Some(u64::from_le_bytes(value))
    }

    /// Stores the low bytes of a value on the stack; None if it is not there.
    pub fn store(&mut self, to: u64, size: usize, value: u64) -> Option<()> {
        let off = usize::try_from(to.checked_sub(STACKS)?).ok()?;
        let bytes = self.stacks.get_mut(off..off.checked_add(size)?)?;
        for (to, from) in bytes.iter_mut().zip(value.to_le_bytes()) {
            *to = Some(from);
        }
        Some(())
    }
}
