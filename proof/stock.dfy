// SPDX-License-Identifier: GPL-2.0
//
// What stock does with the insns, edit by edit: kernel/bpf/core.c and fixups.c of Linux 7.3, with the fixes of
// patches/7.3/1-fixes. Each function has the name, the conditions and the order of the C function. Distances are
// unbounded here; reach.dfy has the checks for 16 bits.

include "log.dfy"

// bpf_adj_delta_to_imm(), bpf_adj_delta_to_off()
function method AdjDelta(curr: int, dist: int, pos: int, endOld: int, endNew: int): int
{
  var delta := endNew - endOld;
  if curr < pos && curr + dist + 1 >= endOld then dist + delta
  else if curr >= endNew && curr + dist + 1 < endNew then dist - delta
  else dist
}

function method AdjInsn(insn: Insn, curr: int, pos: int, endOld: int, endNew: int): Insn
{
  if insn.ref.NoRef? then insn else insn.(dist := AdjDelta(curr, insn.dist, pos, endOld, endNew))
}

// bpf_adj_branches() without probing
function method AdjBranches(s: seq<Insn>, pos: int, endOld: int, endNew: int): seq<Insn>
  ensures |AdjBranches(s, pos, endOld, endNew)| == |s|
  ensures forall i :: 0 <= i < |s| ==> AdjBranches(s, pos, endOld, endNew)[i] == AdjInsn(s[i], i, pos, endOld, endNew)
{
  if s == [] then [] else
    var last := |s|-1;
    AdjBranches(s[..last], pos, endOld, endNew) + [AdjInsn(s[last], last, pos, endOld, endNew)]
}

// bpf_patch_insn_single()
function method PatchInsnSingle(s: seq<Insn>, off: nat, patch: seq<Insn>): seq<Insn>
  requires off < |s| && patch != []
{
  if |patch| == 1 then s[..off] + patch + s[off+1..]
  else AdjBranches(s[..off] + patch + s[off+1..], off, off + 1, off + |patch|)
}

// adjust_insn_copy(), of patch 2 of the fixes
function method AdjustInsnCopy(insn: Insn, cnt: nat): Insn
{
  if insn.ref.Call? then (if insn.dist < 0 then insn.(dist := insn.dist - cnt) else insn)
  else if insn.ref.NoRef? then insn
  else if insn.dist < -1 then insn.(dist := insn.dist - cnt) else insn
}

// adjust_jmp_off(), for the insn at i
function method AdjustJmp(insn: Insn, i: int, tgt: int, delta: nat): Insn
{
  if tgt <= i < tgt + delta || !IsJump(insn.ref) || i + 1 + insn.dist != tgt then insn
  else insn.(dist := insn.dist + delta)
}
function method AdjustJmpOff(s: seq<Insn>, tgt: int, delta: nat): seq<Insn>
  ensures |AdjustJmpOff(s, tgt, delta)| == |s|
  ensures forall i :: 0 <= i < |s| ==> AdjustJmpOff(s, tgt, delta)[i] == AdjustJmp(s[i], i, tgt, delta)
{
  if s == [] then [] else
    var last := |s|-1;
    AdjustJmpOff(s[..last], tgt, delta) + [AdjustJmp(s[last], last, tgt, delta)]
}

// bpf_prepend_insn_data()
function method PrependInsnData(s: seq<Insn>, off: nat, patch: seq<Insn>, jumpsBehind: bool): seq<Insn>
  requires off < |s| && patch != []
{
  var next := PatchInsnSingle(s, off, patch + [AdjustInsnCopy(s[off], |patch|)]);
  if jumpsBehind then AdjustJmpOff(next, off, |patch|) else next
}

// bpf_remove_insns()
function method RemoveInsns(s: seq<Insn>, off: nat, cnt: nat): seq<Insn>
  requires off + cnt <= |s|
{
  AdjBranches(s[..off] + s[off+cnt..], off, off + cnt, off)
}

// What a pass calls for an edit, of the insn that is at `off` by now.
function method EditInsn(s: seq<Insn>, off: nat, kind: Kind, patch: seq<Insn>): seq<Insn>
  requires off < |s|
  requires if kind.Remove? then off + kind.cnt <= |s| else patch != []
{
  match kind
  case Prepend(b) => PrependInsnData(s, off, patch, b)
  case Replace(toBody) => PatchInsnSingle(s, off, patch)
  case Remove(cnt) => RemoveInsns(s, off, cnt)
}
