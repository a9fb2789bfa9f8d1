// SPDX-License-Identifier: GPL-2.0

//! Statements that nothing else goes into, and what they need of each type of program.

mod alu;
mod call;
mod confuse;
mod context;
mod map;
mod memory;
mod packet;
mod stack;

use crate::programs::generator::body::Body;
use crate::programs::generator::profile::Statement;

impl Body<'_> {
    pub fn leaf(&mut self, statement: Statement) {
        match statement {
            Statement::Divide => self.divide(),
            Statement::Load => self.load(),
            Statement::Store => self.store(),
            Statement::Stack => self.stack(),
            Statement::Spill => self.spill(),
            Statement::Lookup => self.lookup(),
            Statement::MapValue => self.map_value(),
            Statement::Packet => match self.env.kind.packet {
                Some(packet) => self.packet(packet),
                None => self.alu(),
            },
            Statement::LdAbs => self.ld_abs(),
            Statement::Helper => self.helper(),
            Statement::TailCall => self.tail_call(),
            Statement::Confuse => self.confuse(),
            _ => self.alu(),
        }
    }
}
