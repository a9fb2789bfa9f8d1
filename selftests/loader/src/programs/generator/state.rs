// SPDX-License-Identifier: GPL-2.0

//! What the generator knows about registers and stack: just enough for the verifier to agree.

/// Slots of 8 bytes at the top of the frame that programs use as they like.
pub const SLOTS: usize = 6;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value {
    /// Nothing that may be read.
    None,
    /// A number. The verifier may know it, so a comparison may have one outcome only.
    Number,
    /// A number that the verifier knows nothing about, or next to nothing.
    Unknown,
    /// The context.
    Context,
}

impl Value {
    pub fn is_number(self) -> bool {
        matches!(self, Value::Number | Value::Unknown)
    }

    /// What is known where two paths meet.
    fn meet(self, other: Self) -> Self {
        match (self, other) {
            (a, b) if a == b => a,
            (a, b) if a.is_number() && b.is_number() => Value::Number,
            _ => Value::None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct State {
    pub regs: [Value; 10],
    pub stack: [Value; SLOTS],
}

impl State {
    /// At the start of a function, r1 being its argument.
    pub fn entry(argument: Value) -> Self {
        let mut regs = [Value::None; 10];
        regs[1] = argument;
        Self {
            regs,
            stack: [Value::None; SLOTS],
        }
    }

    pub fn meet(&mut self, other: &Self) {
        let ours = self.regs.iter_mut().chain(&mut self.stack);
        for (value, &other) in ours.zip(other.regs.iter().chain(&other.stack)) {
            *value = value.meet(other);
        }
    }

    /// After a call: r0 is the result, r1 to r5 are gone.
    pub fn call(&mut self, result: Value) {
        self.regs[..6].fill(Value::None);
        self.regs[0] = result;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meeting_keeps_what_both_have() {
        let mut a = State::entry(Value::Context);
        let mut b = a;
        a.regs[2] = Value::Unknown;
        a.stack[0] = Value::Number;
        b.regs[2] = Value::Number;
        b.regs[3] = Value::Number;
        a.meet(&b);
        let mut both = State::entry(Value::Context);
        both.regs[2] = Value::Number;
        assert_eq!(a, both);
    }

    #[test]
    fn calls_take_five_registers() {
        let mut state = State::entry(Value::Context);
        state.regs[6] = Value::Context;
        state.call(Value::Unknown);
        assert_eq!(state.regs[0], Value::Unknown);
        assert_eq!(state.regs[1], Value::None);
        assert_eq!(state.regs[6], Value::Context);
    }
}
