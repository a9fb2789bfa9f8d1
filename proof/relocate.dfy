// SPDX-License-Identifier: GPL-2.0
//
// References of the new program: rust/engine/relocate.rs, and the new program as a whole: insns.rs.

include "layout.dfy"

// relocate::kept_distance()
function method KeptDistance(log: seq<Edit>, idx: int, pos: int, insn: Insn): int
{
  var t := idx + 1 + insn.dist;
  if IsJump(insn.ref) && t == idx then -1 else Place(log, t, insn.ref, false) - pos - 1
}

// relocate::patch_distance()
function method PatchDistance(log: seq<Edit>, e: Edit, k: int, pos: int, insn: Insn): int
{
  match Target(e, k, insn.dist)
  case None => insn.dist
  case Some(t) => Place(log, t, insn.ref, ToBody(e)) - pos - 1
}

function method SetDist(insn: Insn, dist: int): Insn
{
  if insn.ref.NoRef? then insn else insn.(dist := dist)
}

// The insn of a cell, at pos.
function method InsnAt(prog: seq<Insn>, log: seq<Edit>, c: Cell, pos: int): Insn
  requires IsCell(log, |prog|, c)
{
  match c
  case Old(i) => SetDist(prog[i], KeptDistance(log, i, pos, prog[i]))
  case New(j, k) => SetDist(log[j].patch[k], PatchDistance(log, log[j], k, pos, log[j].patch[k]))
}

function method Render(prog: seq<Insn>, log: seq<Edit>, cells: seq<Cell>): seq<Insn>
  requires forall p :: 0 <= p < |cells| ==> IsCell(log, |prog|, cells[p])
  ensures |Render(prog, log, cells)| == |cells|
  ensures forall p :: 0 <= p < |cells| ==> Render(prog, log, cells)[p] == InsnAt(prog, log, cells[p], p)
{
  if cells == [] then [] else
    var last := |cells|-1;
    Render(prog, log, cells[..last]) + [InsnAt(prog, log, cells[last], last)]
}

// insns::rewrite()
function method Rewrite(prog: seq<Insn>, log: seq<Edit>): seq<Insn>
  requires Valid(log, |prog|) && Grows(log)
{
  ValidCells(log, |prog|);
  Render(prog, log, Pieces(log, |prog|))
}

lemma ValidCells(log: seq<Edit>, n: nat)
  requires Valid(log, n) && Grows(log)
  ensures Below(log, n)
  ensures forall p :: 0 <= p < |Pieces(log, n)| ==> IsCell(log, n, Pieces(log, n)[p])
{
  ValidEnd(log, n);
  PiecesPos(log, n, n);
}
lemma ValidEnd(log: seq<Edit>, n: nat)
  requires Valid(log, n)
  ensures Below(log, n)
  ensures forall j :: 0 <= j < |log| ==> log[j].idx < n
{
  if log != [] { ValidEnd(log[..|log|-1], n); }
}
