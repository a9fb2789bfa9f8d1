// SPDX-License-Identifier: GPL-2.0
//
// Where each insn goes: rust/engine/layout.rs.

include "log.dfy"

// Layout::start(): where what stands for insn i begins. An insn that is removed has the index of the
// next one that stays. Insns that the program does not have keep their distance from it.
function method Start(log: seq<Edit>, i: int): int
{
  if log == [] then i else
    var e := log[|log|-1];
    Start(log[..|log|-1], i) +
      if Removes(e) then (if i >= End(e) then 0 - e.kind.cnt else if i > e.idx then e.idx - i else 0)
      else if i > e.idx then Added(e) else 0
}

// Where insn i itself is, or what replaces it.
function method Body(log: seq<Edit>, i: int): int { Start(log, i) + Prefix(log, i) }

// Layout::call_target(), jump_target(), body_target()
function method Place(log: seq<Edit>, t: int, r: Ref, toBody: bool): int
{
  Start(log, t) + if toBody then Prefix(log, t) else if IsJump(r) then Skip(log, t) else 0
}

// Groups are in order and do not overlap.
lemma StartNext(log: seq<Edit>, n: nat, i: int)
  requires Valid(log, n) && Grows(log)
  ensures Start(log, i + 1) >= Start(log, i) + 1 + Prefix(log, i)
{
  if log != [] { StartNext(log[..|log|-1], n, i); }
}
lemma StartMono(log: seq<Edit>, n: nat, i: int, j: int)
  requires Valid(log, n) && Grows(log) && i <= j
  ensures Start(log, i) + (j - i) <= Start(log, j)
  decreases j - i
{
  if i < j { StartNext(log, n, j - 1); StartMono(log, n, i, j - 1); }
}
lemma StartFront(log: seq<Edit>, i: int)
  requires i <= 0 && Grows(log)
  ensures Start(log, i) == i
{}

// Behind the last edit, insns are as far from each other as they were.
lemma StartTail(log: seq<Edit>, x: int, i: int)
  requires Below(log, x) && Grows(log) && i > x
  ensures Start(log, i) == Body(log, x) + (i - x)
{
  if log != [] { StartTail(log[..|log|-1], x, i); }
}

// The insns of the new program: old ones, and insn k of the patch of edit j.
datatype Cell = Old(i: nat) | New(j: nat, k: nat)

function method Olds(a: nat, b: nat): seq<Cell>
  requires a <= b
  ensures |Olds(a, b)| == b - a
  ensures forall p :: 0 <= p < b - a ==> Olds(a, b)[p] == Old(a + p)
{ if a == b then [] else Olds(a, b - 1) + [Old(b - 1)] }

function method News(j: nat, len: nat): seq<Cell>
  ensures |News(j, len)| == len
  ensures forall p :: 0 <= p < len ==> News(j, len)[p] == New(j, p)
{ if len == 0 then [] else News(j, len - 1) + [New(j, len - 1)] }

// Layout::pieces(), insns::expand() and shift::together(): the pieces of what becomes of the first `end` insns.
function method Pieces(log: seq<Edit>, end: nat): seq<Cell>
{
  if log == [] then Olds(0, end) else
    var j := |log|-1;
    var e := log[j];
    Pieces(log[..j], e.idx) + News(j, |e.patch|) + (if Rest(e) <= end then Olds(Rest(e), end) else [])
}

lemma PiecesLen(log: seq<Edit>, n: nat, end: nat)
  requires Valid(log, n) && Grows(log) && Below(log, end)
  ensures |Pieces(log, end)| == Body(log, end)
{
  if log != [] {
    var init, e := log[..|log|-1], log[|log|-1];
    ValidBelow(log, n);
    PiecesLen(init, n, e.idx);
    if e.idx < end {
      StartTail(init, e.idx, end);
      BelowPrefix(init, e.idx, end);
    }
  }
}

// Where a cell is.
function Pos(log: seq<Edit>, c: Cell): int requires c.New? ==> c.j < |log|
{
  match c
  case Old(i) => Body(log, i)
  case New(j, k) => Body(log[..j], log[j].idx) + k
}

predicate method IsCell(log: seq<Edit>, end: nat, c: Cell)
{
  if c.Old? then c.i < end else c.j < |log| && c.k < |log[c.j].patch|
}

// The pieces are where the table says: they are in order, do not overlap, and cover the new program.
lemma PiecesPos(log: seq<Edit>, n: nat, end: nat)
  requires Valid(log, n) && Grows(log) && Below(log, end)
  ensures forall p :: 0 <= p < |Pieces(log, end)| ==>
    var c := Pieces(log, end)[p]; IsCell(log, end, c) && Pos(log, c) == p
{
  if log == [] { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  ValidBelow(log, n);
  PiecesPos(init, n, e.idx);
  PiecesLen(init, n, e.idx);
  var a := Pieces(init, e.idx);
  forall p | 0 <= p < |Pieces(log, end)|
    ensures var c := Pieces(log, end)[p]; IsCell(log, end, c) && Pos(log, c) == p
  {
    var c := Pieces(log, end)[p];
    if p < |a| {
      assert c == a[p];
      if c.New? { assert log[..c.j] == init[..c.j]; }
    } else if p < |a| + |e.patch| {
      assert c == New(|log|-1, p - |a|);
    } else {
      var i := Rest(e) + (p - |a| - |e.patch|);
      assert c == Old(i);
      if i > e.idx { StartTail(init, e.idx, i); BelowPrefix(init, e.idx, i); }
    }
  }
}
