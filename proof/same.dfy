// SPDX-License-Identifier: GPL-2.0
//
// The new program is what stock makes of the old one, edit by edit: logs that add insns.
//
// A pass without a session makes each patch when it is its turn. A reference out of it leads to where its
// target is by then (`Aim`, as rust/verify/replay.rs does). In a log, it has the distance as if only this
// edit was made.

include "relocate.dfy"
include "stock.dfy"

function method AimDist(log: seq<Edit>, e: Edit, k: int, insn: Insn): int
{
  var to, len := k + 1 + insn.dist, |e.patch| + if Prepends(e) then 1 else 0;
  var here := Body(log, e.idx) + k + 1;
  if to < 0 then Place(log, e.idx + to, insn.ref, ToBody(e)) - here
  else if to < len then insn.dist
  // Insns behind the patch have not been moved by it yet.
  else Place(log, e.idx + 1 + (to - len), insn.ref, ToBody(e)) + len - 1 - here
}

function method Aim(log: seq<Edit>, e: Edit, k: nat): seq<Insn>
  requires k <= |e.patch|
  ensures |Aim(log, e, k)| == k
  ensures forall i :: 0 <= i < k ==> Aim(log, e, k)[i] == SetDist(e.patch[i], AimDist(log, e, i, e.patch[i]))
{
  if k == 0 then [] else Aim(log, e, k-1) + [SetDist(e.patch[k-1], AimDist(log, e, k-1, e.patch[k-1]))]
}

// TO_BODY is for references to what is in front: an epilogue.
predicate method Contract(e: Edit)
{
  ToBody(e) ==> forall k :: 0 <= k < |e.patch| && !e.patch[k].ref.NoRef? ==>
    match Target(e, k, e.patch[k].dist) case None => true case Some(t) => t < e.idx
}
predicate method Contracts(log: seq<Edit>) { forall j :: 0 <= j < |log| ==> Contract(log[j]) }

// The program after all edits, each done by stock.
function method Stock(prog: seq<Insn>, log: seq<Edit>): seq<Insn>
  requires Valid(log, |prog|) && Grows(log)
  ensures |Stock(prog, log)| == Start(log, |prog|)
{
  if log == [] then prog else
    var init, e := log[..|log|-1], log[|log|-1];
    BodyIn(init, |prog|, e.idx);
    EditInsn(Stock(prog, init), Body(init, e.idx), e.kind, Aim(init, e, |e.patch|))
}

lemma BodyIn(log: seq<Edit>, n: nat, i: nat)
  requires Valid(log, n) && Grows(log) && i < n
  ensures 0 <= Body(log, i) < Start(log, n)
{
  StartNext(log, n, i); StartMono(log, n, i+1, n); StartMono(log, n, 0, i); StartFront(log, 0);
}

// Where the reference to what is at q leads once insns were added at off.
function G(q: int, off: int, add: int): int { if q > off then q + add else q }

// Where a reference to old insn t leads, before and after the edit e.
lemma PlaceStep(log: seq<Edit>, e: Edit, n: nat, t: int, r: Ref, toBody: bool)
  requires Valid(log + [e], n) && Grows(log + [e])
  requires toBody ==> t < e.idx
  ensures var off := Body(log, e.idx);
    var q, q1 := Place(log, t, r, toBody), Place(log + [e], t, r, toBody);
    if IsSkipped(e) && IsJump(r) && q == off then t == e.idx && q1 == off + |e.patch|
    else q1 == G(q, off, Added(e)) && (t < e.idx ==> q < off) && (t == e.idx ==> q <= off) && (t > e.idx ==> q > off)
{
  var off := Body(log, e.idx);
  assert (log + [e])[..|log|] == log;
  ValidBelow(log + [e], n);
  SkipPrefix(log, t);
  if t < e.idx {
    StartNext(log, n, t); StartMono(log, n, t+1, e.idx);
  } else if t == e.idx {
    if IsSkipped(e) { PrefixOnce(log + [e], n); }
  } else {
    StartTail(log, e.idx, t);
    BelowPrefix(log, e.idx, t);
  }
}

predicate SplicedAt(a: seq<Cell>, b: seq<Cell>, j: nat, off: int, e: Edit, p: int)
{
  if p < off then p < |a| && p < |b| && 0 <= p && b[p] == a[p]
  else if p < off + |e.patch| then 0 <= p < |b| && b[p] == New(j, p - off)
  else 0 <= p - Added(e) < |a| && 0 <= p < |b| && b[p] == a[p - Added(e)]
}
predicate Spliced(a: seq<Cell>, b: seq<Cell>, j: nat, off: int, e: Edit)
{
  0 <= off < |a| && |b| == |a| + Added(e) && a[off] == Old(e.idx) && forall p :: 0 <= p < |b| ==> SplicedAt(a, b, j, off, e, p)
}

// The pieces with one more edit: its patch is put in.
lemma Splice(log: seq<Edit>, e: Edit, n: nat)
  requires Valid(log + [e], n) && Grows(log + [e])
  ensures Spliced(Pieces(log, n), Pieces(log + [e], n), |log|, Body(log, e.idx), e)
{
  var log1, off := log + [e], Body(log, e.idx);
  assert log1[..|log|] == log;
  ValidBelow(log1, n); ValidCells(log, n); ValidCells(log1, n);
  PiecesLen(log, n, n); PiecesLen(log1, n, n); PiecesLen(log, n, e.idx);
  Split(log, n, e.idx, n);
  var a, b, front := Pieces(log, n), Pieces(log1, n), Pieces(log, e.idx);
  assert a[off] == Olds(e.idx, n)[0];
  assert b == front + News(|log|, |e.patch|) + Olds(Rest(e), n);
  forall p | 0 <= p < |b|
    ensures SplicedAt(a, b, |log|, off, e, p)
  {
    if p >= off + |e.patch| {
      assert b[p] == Olds(Rest(e), n)[p - off - |e.patch|];
      assert a[p - Added(e)] == Olds(e.idx, n)[p - Added(e) - off];
    }
  }
}
lemma Split(log: seq<Edit>, n: nat, x: nat, end: nat)
  requires Valid(log, n) && Grows(log) && Below(log, x) && x <= end
  ensures Pieces(log, end) == Pieces(log, x) + Olds(x, end)
{}

// What adds insns moves nothing to the front.
lemma MoreEdits(log: seq<Edit>, j: nat, n: nat, i: int)
  requires Valid(log, n) && Grows(log) && j <= |log|
  ensures Valid(log[..j], n) && Start(log[..j], i) <= Start(log, i) && Prefix(log[..j], i) <= Prefix(log, i)
{
  if j < |log| {
    var init := log[..|log|-1];
    assert init[..j] == log[..j];
    MoreEdits(init, j, n, i);
  } else {
    assert log[..j] == log;
  }
}

// All of an earlier patch, and what comes behind a prepended one, is in front of the insn of edit e.
lemma InPatch(log: seq<Edit>, e: Edit, n: nat, j: nat)
  requires Valid(log + [e], n) && Grows(log + [e]) && j < |log|
  ensures var f := log[j]; var end := Body(log[..j], f.idx) + Added(f);
    end <= Body(log, e.idx) && (IsSkipped(e) || !Prepends(f) ==> end < Body(log, e.idx))
{
  var log1 := log + [e];
  assert log1[..|log|] == log && log1[j] == log[j];
  ValidBelow(log1, n);
  var f, a, b := log[j], log[..j], log[..j+1];
  assert b[..j] == a;
  MoreEdits(log, j + 1, n, f.idx); MoreEdits(log, j + 1, n, f.idx + 1); MoreEdits(b, j, n, f.idx);
  if f.idx < e.idx {
    StartNext(a, n, f.idx);
    StartMono(log, n, f.idx + 1, e.idx);
  } else if IsSkipped(e) {
    Before(log1, n, j);
  }
}

// The insns of the patch itself.
lemma Patched(log: seq<Edit>, e: Edit, k: nat, n: nat)
  requires Valid(log + [e], n) && Grows(log + [e]) && Contract(e) && k < |e.patch|
  ensures StockPatch(SetDist(e.patch[k], AimDist(log, e, k, e.patch[k])), k, Body(log, e.idx), e) ==
      SetDist(e.patch[k], PatchDistance(log + [e], e, k, Body(log, e.idx) + k, e.patch[k]))
{
  var insn := e.patch[k];
  match Target(e, k, insn.dist) {
    case None =>
    case Some(t) => if !insn.ref.NoRef? { PlaceStep(log, e, n, t, insn.ref, ToBody(e)); }
  }
}

// What stock makes of an insn that stays, at p before and at p1 after the edit e of the insn at off.
function StockInsn(insn: Insn, p: int, p1: int, off: int, e: Edit): Insn
{
  var len := |e.patch| + if Prepends(e) then 1 else 0;
  var a := if p == off then AdjustInsnCopy(insn, |e.patch|) else AdjInsn(insn, p1, off, off + 1, off + len);
  if IsSkipped(e) then AdjustJmp(a, p1, off, |e.patch|) else a
}
// and of insn k of the patch.
function StockPatch(insn: Insn, k: nat, off: int, e: Edit): Insn
{
  var len := |e.patch| + if Prepends(e) then 1 else 0;
  var a := AdjInsn(insn, off + k, off, off + 1, off + len);
  if IsSkipped(e) then AdjustJmp(a, off + k, off, |e.patch|) else a
}

lemma {:induction false} StockEdit(s: seq<Insn>, off: nat, e: Edit, patch: seq<Insn>)
  requires off < |s| && |patch| == |e.patch| > 0 && !Removes(e)
  ensures var got := EditInsn(s, off, e.kind, patch);
    |got| == |s| + Added(e) && forall p :: 0 <= p < |got| ==>
      got[p] == if p < off then StockInsn(s[p], p, p, off, e)
        else if p < off + |patch| then StockPatch(patch[p - off], p - off, off, e)
        else StockInsn(s[p - Added(e)], p - Added(e), p, off, e)
{}

// A reference that leads to q, of an insn at p, leads to q1 afterwards.
lemma {:induction false} Moves(insn: Insn, p: int, p1: int, off: int, e: Edit, q: int, q1: int)
  requires insn.ref != NoRef && !Removes(e) && e.patch != [] && q == p + 1 + insn.dist
  requires p == off ==> Prepends(e) && !(IsJump(insn.ref) && q == off)
  requires p1 == if p < off then p else p + Added(e)
  requires q1 == if IsSkipped(e) && IsJump(insn.ref) && q == off then off + |e.patch| else G(q, off, Added(e))
  ensures StockInsn(insn, p, p1, off, e) == insn.(dist := q1 - p1 - 1)
{}
lemma {:induction false} StaysInside(insn: Insn, p: int, off: int, e: Edit)
  requires !Removes(e) && e.patch != [] && p < off
  requires p + 1 + insn.dist <= off && (IsSkipped(e) ==> p + 1 + insn.dist < off)
  ensures StockInsn(insn, p, p, off, e) == insn
{}
lemma {:induction false} StaysItself(insn: Insn, p: int, p1: int, off: int, e: Edit)
  requires !Removes(e) && e.patch != [] && insn.dist == -1 && IsJump(insn.ref)
  requires (p == off ==> Prepends(e)) && p1 == if p < off then p else p + Added(e)
  ensures StockInsn(insn, p, p1, off, e) == insn
{}

lemma {:induction false} Kept(prog: seq<Insn>, log: seq<Edit>, e: Edit, c: Cell, p: int, p1: int)
  requires Valid(log + [e], |prog|) && Grows(log + [e]) && Contracts(log)
  requires IsCell(log, |prog|, c) && IsCell(log + [e], |prog|, c)
  requires Pos(log, c) == p && Pos(log + [e], c) == p1
  requires var off := Body(log, e.idx);
    (p == off ==> Prepends(e) && c == Old(e.idx)) && p1 == if p < off then p else p + Added(e)
  ensures InsnAt(prog, log + [e], c, p1) == StockInsn(InsnAt(prog, log, c, p), p, p1, Body(log, e.idx), e)
{
  var n, log1, off := |prog|, log + [e], Body(log, e.idx);
  assert log1[..|log|] == log;
  var insn := InsnAt(prog, log, c, p);
  if insn.ref.NoRef? { return; }
  var q := p + 1 + insn.dist;
  match c
  case Old(i) =>
    var t := i + 1 + prog[i].dist;
    if IsJump(insn.ref) && t == i {
      StaysItself(insn, p, p1, off, e);
    } else {
      PlaceStep(log, e, n, t, insn.ref, false);
      Moves(insn, p, p1, off, e, q, Place(log1, t, insn.ref, false));
    }
  case New(j, k) =>
    var f := log[j];
    InPatch(log, e, n, j);
    match Target(f, k, f.patch[k].dist) {
      case None => StaysInside(insn, p, off, e);
      case Some(t) =>
        ValidBelow(log1, n);
        assert Contract(f) && f.idx <= e.idx;
        PlaceStep(log, e, n, t, insn.ref, ToBody(f));
        Moves(insn, p, p1, off, e, q, Place(log1, t, insn.ref, ToBody(f)));
    }
}

predicate PlacedAt(log: seq<Edit>, n: nat, c: Cell, p: int) { IsCell(log, n, c) && Pos(log, c) == p }
predicate Placed(log: seq<Edit>, n: nat, cells: seq<Cell>)
{
  forall p :: 0 <= p < |cells| ==> PlacedAt(log, n, cells[p], p)
}

// One more edit: what it makes of the insn that comes to p.
predicate MadeAt(s: seq<Insn>, s1: seq<Insn>, log: seq<Edit>, e: Edit, off: int, p: int)
  requires 0 <= off <= |s| && |s1| == |s| + Added(e) && 0 <= p < |s1| && !Removes(e) && e.patch != []
{
  s1[p] ==
    if p < off then StockInsn(s[p], p, p, off, e)
    else if p < off + |e.patch| then StockPatch(SetDist(e.patch[p - off], AimDist(log, e, p - off, e.patch[p - off])), p - off, off, e)
    else StockInsn(s[p - Added(e)], p - Added(e), p, off, e)
}

// The cell that comes to p, and where it was.
lemma {:induction false} CellStep(log: seq<Edit>, e: Edit, n: nat, p: int)
  requires Valid(log + [e], n) && Grows(log + [e]) && Valid(log, n) && Grows(log)
  requires 0 <= p < |Pieces(log + [e], n)|
  ensures var a, b, off := Pieces(log, n), Pieces(log + [e], n), Body(log, e.idx);
    0 <= off < |a| && |b| == |a| + Added(e) && |e.patch| > 0 && !Removes(e) && PlacedAt(log + [e], n, b[p], p) &&
    if p < off then b[p] == a[p] && PlacedAt(log, n, a[p], p)
    else if p < off + |e.patch| then b[p] == New(|log|, p - off)
    else b[p] == a[p - Added(e)] && PlacedAt(log, n, a[p - Added(e)], p - Added(e)) && (p - Added(e) == off ==> b[p] == Old(e.idx))
{
  Splice(log, e, n);
  LastValid(log, e, n);
  var a, b, off := Pieces(log, n), Pieces(log + [e], n), Body(log, e.idx);
  Cells(log, n, a); Cells(log + [e], n, b);
  assert SplicedAt(a, b, |log|, off, e, p) && PlacedAt(log + [e], n, b[p], p);
  if p < off { assert PlacedAt(log, n, a[p], p); }
  else if p >= off + |e.patch| { assert PlacedAt(log, n, a[p - Added(e)], p - Added(e)); }
}

lemma {:induction false} StepAt(prog: seq<Insn>, log: seq<Edit>, e: Edit, p: int)
  requires Valid(log + [e], |prog|) && Grows(log + [e]) && Contracts(log) && Contract(e)
  requires Valid(log, |prog|) && Grows(log) && e.patch != [] && !Removes(e)
  requires 0 <= p < |Rewrite(prog, log + [e])| == |Rewrite(prog, log)| + Added(e)
  requires 0 <= Body(log, e.idx) < |Rewrite(prog, log)|
  ensures MadeAt(Rewrite(prog, log), Rewrite(prog, log + [e]), log, e, Body(log, e.idx), p)
{
  var n, off, p0 := |prog|, Body(log, e.idx), p - Added(e);
  CellStep(log, e, n, p);
  var c := Pieces(log + [e], n)[p];
  if p < off {
    Kept(prog, log, e, c, p, p);
  } else if p < off + |e.patch| {
    Patched(log, e, p - off, n);
  } else {
    Kept(prog, log, e, c, p0, p);
  }
}

lemma {:induction false} Cells(log: seq<Edit>, n: nat, cells: seq<Cell>)
  requires Valid(log, n) && Grows(log) && cells == Pieces(log, n)
  ensures Placed(log, n, cells)
{
  ValidCells(log, n); PiecesPos(log, n, n);
}

// One more edit, done by stock, on what the engine makes of those before.
lemma {:induction false} Step(prog: seq<Insn>, log: seq<Edit>, e: Edit)
  requires Valid(log + [e], |prog|) && Grows(log + [e]) && Contracts(log) && Contract(e)
  requires Valid(log, |prog|) && Grows(log) && 0 <= Body(log, e.idx) < |Rewrite(prog, log)|
  requires |e.patch| > 0
  ensures EditInsn(Rewrite(prog, log), Body(log, e.idx), e.kind, Aim(log, e, |e.patch|)) == Rewrite(prog, log + [e])
{
  var s, want, off := Rewrite(prog, log), Rewrite(prog, log + [e]), Body(log, e.idx);
  LastValid(log, e, |prog|);
  Splice(log, e, |prog|);
  forall p | 0 <= p < |want| ensures MadeAt(s, want, log, e, off, p) { StepAt(prog, log, e, p); }
  Made(s, want, log, e, off);
}
lemma {:induction false} Made(s: seq<Insn>, want: seq<Insn>, log: seq<Edit>, e: Edit, off: nat)
  requires off < |s| && |want| == |s| + Added(e) && !Removes(e) && e.patch != []
  requires forall p :: 0 <= p < |want| ==> MadeAt(s, want, log, e, off, p)
  ensures EditInsn(s, off, e.kind, Aim(log, e, |e.patch|)) == want
{
  var aimed := Aim(log, e, |e.patch|);
  StockEdit(s, off, e, aimed);
  var got := EditInsn(s, off, e.kind, aimed);
  forall p | 0 <= p < |want| ensures got[p] == want[p] { assert MadeAt(s, want, log, e, off, p); }
}
lemma LastValid(log: seq<Edit>, e: Edit, n: nat)
  requires Valid(log + [e], n) && Grows(log + [e])
  ensures e.patch != [] && !Removes(e) && e.idx < n
{
  assert (log + [e])[|log|] == e;
}

// The theorem: stock's edits, one by one, give the engine's program.
lemma {:induction false} Same(prog: seq<Insn>, log: seq<Edit>)
  requires Valid(log, |prog|) && Grows(log) && Contracts(log)
  ensures Stock(prog, log) == Rewrite(prog, log)
{
  if log == [] { assert Rewrite(prog, []) == prog; return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert log == init + [e];
  Same(prog, init);
  BodyIn(init, |prog|, e.idx);
  LastValid(init, e, |prog|);
  Step(prog, init, e);
}

// Each reference within the program leads into the new program, or to its end.
lemma {:induction false} PlaceBound(log: seq<Edit>, n: nat, t: nat, r: Ref, toBody: bool)
  requires Valid(log, n) && Grows(log) && t <= n
  ensures 0 <= Place(log, t, r, toBody) <= Start(log, n)
{
  SkipPrefix(log, t);
  StartMono(log, n, 0, t); StartFront(log, 0);
  if t < n { StartNext(log, n, t); StartMono(log, n, t + 1, n); }
  else { ValidEnd(log, n); forall j | 0 <= j < |log| ensures log[j].idx != n {} NoPrefix(log, n); }
}
