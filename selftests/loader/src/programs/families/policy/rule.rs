// SPDX-License-Identifier: GPL-2.0

//! Rules of a policy, the packets that they are about, and what they decide.

use crate::programs::generator::rng::Rng;

/// Packet, of Ethernet, IPv4 without options, and TCP or UDP: offsets in bytes, and the length of what the
/// rules look at.
pub const ETHERTYPE: i16 = 12;
pub const PROTOCOL: i16 = 23;
pub const SOURCE: i16 = 26;
pub const PORT: i16 = 36;
pub const LENGTH: i32 = 38;
/// `ETH_P_IP`.
pub const IPV4: u16 = 0x0800;
pub const DROP: i32 = 1;
pub const PASS: i32 = 2;
/// Hundredths of the rules that name a source alone. The verifier keeps a state for each other rule, 8 192
/// at most.
const SOURCE_ONLY: u32 = 30;

/// What packets a rule is about, and what becomes of them.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Sources that agree in the bits of the mask.
    pub source: u32,
    pub mask: u32,
    /// Also, unless the source is enough.
    pub further: Option<Further>,
    pub verdict: i32,
}

#[derive(Clone, Debug)]
pub struct Further {
    pub protocol: u8,
    pub ports: Option<Ports>,
}

#[derive(Clone, Copy, Debug)]
pub enum Ports {
    One(i32),
    Range(i32, i32),
}

impl Ports {
    fn has(self, port: u16) -> bool {
        match self {
            Ports::One(one) => one == i32::from(port),
            Ports::Range(from, to) => (from..=to).contains(&port.into()),
        }
    }
}

impl Rule {
    pub fn draw(rng: &mut Rng) -> Self {
        let length = rng.pick(&[8, 16, 20, 24, 24, 28, 32, 32]);
        let mask = u32::MAX << (32 - length);
        let source = rng.next() as u32 & mask;
        let source_only = rng.percent(SOURCE_ONLY);
        let further = (!source_only).then(|| Further {
            protocol: rng.pick(&[6, 6, 17]),
            ports: rng.percent(80).then(|| ports(rng)),
        });
        Self {
            source,
            mask,
            further,
            verdict: rng.pick(&[DROP, DROP, PASS]),
        }
    }

    fn matches(&self, packet: &Packet) -> bool {
        let further = |further: &Further| {
            further.protocol == packet.protocol
                && further.ports.is_none_or(|ports| ports.has(packet.port))
        };
        packet.source & self.mask == self.source && self.further.as_ref().is_none_or(further)
    }
}

fn ports(rng: &mut Rng) -> Ports {
    let from = rng.range(1, 60_000);
    if rng.percent(60) {
        Ports::One(from)
    } else {
        Ports::Range(from, from + rng.range(1, 5_000))
    }
}

/// A packet, as far as rules look at it.
#[derive(Clone, Debug)]
pub struct Packet {
    pub ethertype: u16,
    pub source: u32,
    pub protocol: u8,
    pub port: u16,
    /// Bytes of it that there are.
    pub length: usize,
}

impl Packet {
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = vec![0; LENGTH as usize];
        let mut put = |at: i16, field: &[u8]| {
            let at = at as usize;
            bytes[at..at + field.len()].copy_from_slice(field);
        };
        put(ETHERTYPE, &self.ethertype.to_be_bytes());
        put(PROTOCOL, &[self.protocol]);
        put(SOURCE, &self.source.to_be_bytes());
        put(PORT, &self.port.to_be_bytes());
        bytes.resize(self.length, 0);
        bytes
    }

    /// A packet that a rule matches, or in one respect does not.
    fn draw(rng: &mut Rng, rules: &[Rule]) -> Self {
        let any = Self {
            ethertype: IPV4,
            source: rng.next() as u32,
            protocol: rng.pick(&[1, 6, 17]),
            port: rng.next() as u16,
            length: 64,
        };
        let mut packet = if rules.is_empty() {
            any
        } else {
            let rule = &rules[rng.below(rules.len())];
            Self::of(rng, rule, any)
        };
        match rng.below(16) {
            0 => packet.ethertype = 0x86dd,
            1 => packet.length = LENGTH as usize - 1,
            2 => packet.length = LENGTH as usize,
            3 => packet.source ^= 1 << rng.below(32),
            4 => packet.protocol = rng.pick(&[1, 6, 17]),
            5 | 6 => packet.port = packet.port.wrapping_add(1),
            7 | 8 => packet.port = packet.port.wrapping_sub(1),
            _ => {}
        }
        packet
    }

    fn of(rng: &mut Rng, rule: &Rule, any: Self) -> Self {
        let mut packet = Self {
            source: rule.source | any.source & !rule.mask,
            ..any
        };
        if let Some(further) = &rule.further {
            packet.protocol = further.protocol;
            match further.ports {
                None => {}
                Some(Ports::One(port)) => packet.port = port as u16,
                Some(Ports::Range(from, to)) => packet.port = rng.pick(&[from, to]) as u16,
            }
        }
        packet
    }
}

/// So many packets for a policy.
pub fn packets(rng: &mut Rng, rules: &[Rule], count: usize) -> Vec<Packet> {
    (0..count).map(|_| Packet::draw(rng, rules)).collect()
}

/// What becomes of a packet: the first rule that matches decides. What is no IPv4 passes, what no rule
/// matches is dropped. What is too short for the rules passes, too.
pub fn decision(rules: &[Rule], packet: &Packet) -> i32 {
    if packet.length < LENGTH as usize || packet.ethertype != IPV4 {
        return PASS;
    }
    let rule = rules.iter().find(|rule| rule.matches(packet));
    rule.map_or(DROP, |rule| rule.verdict)
}
