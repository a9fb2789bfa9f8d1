// SPDX-License-Identifier: GPL-2.0
//
// Insns, as far as rewriting looks at them: rust/engine/reference.rs.
//
// `tag` is all of an insn but its distance. `dist` is what the field holds that the reference has.

datatype Ref = NoRef | Jump | Gotol | Call
datatype Insn = Insn(tag: int, ref: Ref, dist: int)

predicate method IsJump(r: Ref) { r.Jump? || r.Gotol? }

function method Min(a: int, b: int): int { if a < b then a else b }
