// SPDX-License-Identifier: GPL-2.0
//
// Does every reference fit, and which insn is to blame if not: rust/engine/reach.rs.
//
// `reach` is the most that a short jump leads ahead: 32767. Programs and patches together have less than
// 2^31 insns, so that fields of 32 bits always hold. The theorem is about logs without JUMPS_BEHIND.

include "same.dfy"

const LIMIT: int := 0x7fff_ffff

// Reference::spare(), fits()
function method Spare(r: Ref, dist: int, reach: int): int
{
  var max := if r.Jump? then reach else LIMIT;
  if dist < 0 then max + 1 + dist else max - dist
}
function method Fits(r: Ref, dist: int, reach: int): bool { r.NoRef? || Spare(r, dist, reach) >= 0 }
function method FitsInsn(insn: Insn, reach: int): bool { Fits(insn.ref, insn.dist, reach) }

// What stock refuses: adjust_insn_copy(), a pass that aims its patch, and bpf_adj_branches() when it probes, in
// programs that are longer than a jump reaches (with patch 1 of the fixes). It looks at the insns from a to b.
function method AnyFar(s: seq<Insn>, a: nat, b: nat, off: int, endOld: int, endNew: int, reach: int): bool
  requires b <= |s|
  ensures AnyFar(s, a, b, off, endOld, endNew, reach) <==>
    exists i :: a <= i < b && !FitsInsn(AdjInsn(s[i], if i < off then i else i + endNew - endOld, off, endOld, endNew), reach)
  decreases b - a
{
  a < b && (!FitsInsn(AdjInsn(s[a], if a < off then a else a + endNew - endOld, off, endOld, endNew), reach) ||
    AnyFar(s, a + 1, b, off, endOld, endNew, reach))
}
function method AnyUnfit(s: seq<Insn>, a: nat, reach: int): bool
  requires a <= |s|
  ensures AnyUnfit(s, a, reach) <==> exists i :: a <= i < |s| && !FitsInsn(s[i], reach)
  decreases |s| - a
{
  a < |s| && (!FitsInsn(s[a], reach) || AnyUnfit(s, a + 1, reach))
}
function method StockRefuses(s: seq<Insn>, off: nat, e: Edit, aimed: seq<Insn>, reach: int): bool
  requires off < |s| && !Removes(e)
{
  var len := |e.patch| + if Prepends(e) then 1 else 0;
  (Prepends(e) && !FitsInsn(AdjustInsnCopy(s[off], |e.patch|), reach)) ||
  AnyUnfit(aimed, 0, reach) ||
  (|s| + Added(e) > reach &&
    (AnyFar(s, 0, off, off, off + 1, off + len, reach) || AnyFar(s, off + 1, |s|, off, off + 1, off + len, reach)))
}
// The index of the insn whose edit stock refuses first.
function method StockBlames(prog: seq<Insn>, log: seq<Edit>, reach: int): Option<int>
  requires Valid(log, |prog|) && Grows(log)
{
  if log == [] then None else
    var init, e := log[..|log|-1], log[|log|-1];
    BodyIn(init, |prog|, e.idx);
    match StockBlames(prog, init, reach)
    case Some(idx) => Some(idx)
    case None => if StockRefuses(Stock(prog, init), Body(init, e.idx), e, Aim(init, e, |e.patch|), reach) then Some(e.idx) else None
}

// blamed(): the first insn from `low` on whose edit adds too much to the insns behind `from`
function method AddedUntil(log: seq<Edit>, idx: int): int { Start(log, idx) - idx }
function method Search(log: seq<Edit>, low: int, high: int, from: int, spare: int): int
  requires low <= high
  decreases high - low
{
  if low == high then low else
    var mid := low + (high - low) / 2;
    if AddedUntil(log, mid + 1) - AddedUntil(log, from) > spare then Search(log, low, mid, from, spare)
    else Search(log, mid + 1, high, from, spare)
}
function method Blamed(log: seq<Edit>, n: nat, idx: int, target: int, dist: int, reach: int): int
{
  var t := if target < 0 then 0 else Min(target, n);
  var low := if t > idx
    then (if idx + 1 <= t then Search(log, idx + 1, t, idx + 1, reach - dist) else t)
    else Search(log, t, idx, t, dist + reach + 1);
  Min(low, if n == 0 then 0 else n - 1)
}
// check_kept()
function method CheckKept(prog: seq<Insn>, log: seq<Edit>, i: nat, reach: int): Option<int>
  requires i < |prog|
{
  var insn := prog[i];
  var t := i + 1 + insn.dist;
  var spare := Min(Spare(insn.ref, KeptDistance(log, i, Body(log, i), insn), reach), Spare(insn.ref, insn.dist - Skip(log, t), reach));
  if insn.ref.NoRef? || spare >= 0 then None else Some(Blamed(log, |prog|, i, t, insn.dist, reach))
}
// check_patch(), of insn k of the patch of edit j
function method CheckPatch(log: seq<Edit>, n: nat, j: nat, k: nat, reach: int): Option<int>
  requires j < |log| && k < |log[j].patch|
{
  var e, insn := log[j], log[j].patch[k];
  var pos := Body(log[..j], e.idx) + k;
  if Fits(insn.ref, PatchDistance(log, e, k, pos, insn), reach) then None else
    var end := pos - k + |e.patch| + if Prepends(e) then 1 else 0;
    var then_ := insn.dist + Start(log, e.idx + 1) - end;
    match Target(e, k, insn.dist)
    case Some(t) => if t > e.idx && Fits(insn.ref, then_, reach) then Some(Blamed(log, n, e.idx, t, then_, reach)) else Some(e.idx)
    case None => Some(e.idx)
}
function method Earlier(a: Option<int>, b: Option<int>): Option<int>
{
  if a.None? then b else if b.None? then a else Some(Min(a.value, b.value))
}
// check(), of the first `cells` cells. An insn that is replaced has to fit until then.
function method CheckCells(prog: seq<Insn>, log: seq<Edit>, cells: seq<Cell>, reach: int): Option<int>
  requires forall p :: 0 <= p < |cells| ==> IsCell(log, |prog|, cells[p])
  requires forall j :: 0 <= j < |log| ==> log[j].idx < |prog|
{
  if cells == [] then None else
    var c := cells[|cells|-1];
    var here := match c
      case Old(i) => CheckKept(prog, log, i, reach)
      case New(j, k) => CheckPatch(log, |prog|, j, k, reach);
    var replaced := if c.New? && c.k == 0 && !Prepends(log[c.j]) && prog[log[c.j].idx].dist < -1
      then CheckKept(prog, log, log[c.j].idx, reach) else None;
    Earlier(CheckCells(prog, log, cells[..|cells|-1], reach), Earlier(here, replaced))
}
function method Check(prog: seq<Insn>, log: seq<Edit>, reach: int): Option<int>
  requires Valid(log, |prog|) && Grows(log)
{
  ValidCells(log, |prog|); ValidEnd(log, |prog|);
  if Start(log, |prog|) <= reach then None else CheckCells(prog, log, Pieces(log, |prog|), reach)
}

// What the theorem needs: references lead into the program, or to its end, and fit as they are.
predicate InProgram(t: int, n: nat) { 0 <= t <= n }
predicate InsnFits(prog: seq<Insn>, i: nat, reach: int) requires i < |prog|
{
  prog[i].ref.NoRef? || (InProgram(i + 1 + prog[i].dist, |prog|) && FitsInsn(prog[i], reach))
}
predicate PatchFits(e: Edit, k: nat, n: nat, reach: int) requires k < |e.patch|
{
  e.patch[k].ref.NoRef? || (FitsInsn(e.patch[k], reach) &&
    match Target(e, k, e.patch[k].dist) case None => true case Some(t) => InProgram(t, n))
}
predicate WellFormed(prog: seq<Insn>, log: seq<Edit>, reach: int)
{
  0 < reach <= LIMIT && (forall i :: 0 <= i < |prog| ==> InsnFits(prog, i, reach)) &&
  (forall j :: 0 <= j < |log| ==> !IsSkipped(log[j]) && Contract(log[j]) && forall k :: 0 <= k < |log[j].patch| ==> PatchFits(log[j], k, |prog|, reach))
}

// The distance of the reference at a cell.
function DistAt(prog: seq<Insn>, log: seq<Edit>, c: Cell, p: int): int
  requires IsCell(log, |prog|, c)
{ InsnAt(prog, log, c, p).dist }

// An edit brings no reference closer to what it leads to.
lemma {:induction false} Further(prog: seq<Insn>, log: seq<Edit>, e: Edit, c: Cell, p: int, p1: int, reach: int)
  requires Valid(log + [e], |prog|) && Grows(log + [e]) && Contracts(log) && !IsSkipped(e)
  requires IsCell(log, |prog|, c) && IsCell(log + [e], |prog|, c)
  requires Pos(log, c) == p && Pos(log + [e], c) == p1
  requires var off := Body(log, e.idx);
    (p == off ==> Prepends(e) && c == Old(e.idx)) && p1 == if p < off then p else p + Added(e)
  ensures var a, b := InsnAt(prog, log, c, p), InsnAt(prog, log + [e], c, p1);
    a.ref == b.ref && (!FitsInsn(a, reach) ==> !FitsInsn(b, reach))
{
  Kept(prog, log, e, c, p, p1);
  LastValid(log, e, |prog|);
}

predicate AllFit(s: seq<Insn>, reach: int) { forall p :: 0 <= p < |s| ==> FitsInsn(s[p], reach) }

// In a program that is not longer than jumps reach, all fit.
lemma {:induction false} ShortFits(prog: seq<Insn>, log: seq<Edit>, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= reach
  ensures AllFit(Rewrite(prog, log), reach)
{
  var n, cells, s := |prog|, Pieces(log, |prog|), Rewrite(prog, log);
  Cells(log, n, cells);
  ValidEnd(log, n); PiecesLen(log, n, n); NoPrefixAtEnd(log, n);
  forall p | 0 <= p < |s| ensures FitsInsn(s[p], reach)
  {
    assert PlacedAt(log, n, cells[p], p);
    match cells[p] {
      case Old(i) =>
        assert InsnFits(prog, i, reach);
        if !prog[i].ref.NoRef? { PlaceBound(log, n, i + 1 + prog[i].dist, prog[i].ref, false); }
      case New(j, k) =>
        var e := log[j];
        assert PatchFits(e, k, n, reach);
        if !e.patch[k].ref.NoRef? && Target(e, k, e.patch[k].dist).Some? {
          PlaceBound(log, n, Target(e, k, e.patch[k].dist).value, e.patch[k].ref, ToBody(e));
        }
    }
  }
}
lemma {:induction false} NoPrefixAtEnd(log: seq<Edit>, n: nat)
  requires Valid(log, n)
  ensures Prefix(log, n) == 0
{
  ValidEnd(log, n); NoPrefix(log, n);
}

// What stock refuses is just what does not fit after the edit.
lemma {:induction false} RefusesExactly(prog: seq<Insn>, log: seq<Edit>, e: Edit, reach: int)
  requires Valid(log + [e], |prog|) && Grows(log + [e]) && Valid(log, |prog|) && Grows(log) && Contracts(log)
  requires WellFormed(prog, log + [e], reach) && Contract(e) && !IsSkipped(e) && e.patch != [] && !Removes(e)
  requires 0 <= Body(log, e.idx) < |Rewrite(prog, log)| && |Rewrite(prog, log + [e])| == |Rewrite(prog, log)| + Added(e)
  requires |Rewrite(prog, log + [e])| == Start(log + [e], |prog|)
  ensures StockRefuses(Rewrite(prog, log), Body(log, e.idx), e, Aim(log, e, |e.patch|), reach) <==>
    !AllFit(Rewrite(prog, log + [e]), reach)
{
  var s, want, off, aimed, len := Rewrite(prog, log), Rewrite(prog, log + [e]), Body(log, e.idx), Aim(log, e, |e.patch|), Count_(e);
  forall p | 0 <= p < |want| ensures MadeAt(s, want, log, e, off, p) { StepAt(prog, log, e, p); }
  if Start(log + [e], |prog|) <= reach { ShortFits(prog, log + [e], reach); }
  RefusesMade(s, want, log, e, off, reach);
}
function Count_(e: Edit): int { |e.patch| + if Prepends(e) then 1 else 0 }
lemma {:induction false} RefusesMade(s: seq<Insn>, want: seq<Insn>, log: seq<Edit>, e: Edit, off: nat, reach: int)
  requires off < |s| && |want| == |s| + Added(e) && !Removes(e) && e.patch != [] && !IsSkipped(e)
  requires forall p :: 0 <= p < |want| ==> MadeAt(s, want, log, e, off, p)
  requires |want| <= reach ==> AllFit(want, reach)
  ensures StockRefuses(s, off, e, Aim(log, e, |e.patch|), reach) <==> !AllFit(want, reach)
{
  var aimed, len := Aim(log, e, |e.patch|), Count_(e);
  if StockRefuses(s, off, e, aimed, reach) {
    if Prepends(e) && !FitsInsn(AdjustInsnCopy(s[off], |e.patch|), reach) {
      assert MadeAt(s, want, log, e, off, off + |e.patch|);
    } else if AnyUnfit(aimed, 0, reach) {
      var k :| 0 <= k < |aimed| && !FitsInsn(aimed[k], reach);
      assert MadeAt(s, want, log, e, off, off + k);
    } else if AnyFar(s, 0, off, off, off + 1, off + len, reach) {
      var i :| 0 <= i < off && !FitsInsn(AdjInsn(s[i], i, off, off + 1, off + len), reach);
      assert MadeAt(s, want, log, e, off, i);
    } else {
      var i :| off + 1 <= i < |s| && !FitsInsn(AdjInsn(s[i], i + off + len - (off + 1), off, off + 1, off + len), reach);
      assert MadeAt(s, want, log, e, off, i + Added(e));
    }
  }
  if !AllFit(want, reach) {
    var p :| 0 <= p < |want| && !FitsInsn(want[p], reach);
    assert MadeAt(s, want, log, e, off, p);
    if p < off {
      assert !FitsInsn(AdjInsn(s[p], p, off, off + 1, off + len), reach);
    } else if p < off + |e.patch| {
      assert !FitsInsn(aimed[p - off], reach);
    } else {
      var p0 := p - Added(e);
      if p0 != off { assert !FitsInsn(AdjInsn(s[p0], p0 + off + len - (off + 1), off, off + 1, off + len), reach); }
    }
  }
}

// A reference does not fit: of the new program, or of an insn that is replaced, when it is.
predicate ReplacedFar(prog: seq<Insn>, log: seq<Edit>, j: nat, reach: int)
{
  j < |log| && !Prepends(log[j]) && log[j].idx < |prog| &&
  !FitsInsn(InsnAt(prog, log[..j], Old(log[j].idx), Body(log[..j], log[j].idx)), reach)
}
predicate Far(prog: seq<Insn>, log: seq<Edit>, reach: int)
  requires Valid(log, |prog|) && Grows(log)
{
  !AllFit(Rewrite(prog, log), reach) || exists j: nat :: ReplacedFar(prog, log, j, reach)
}

lemma {:induction false} FarStays(prog: seq<Insn>, log: seq<Edit>, e: Edit, reach: int)
  requires Valid(log + [e], |prog|) && Grows(log + [e]) && Valid(log, |prog|) && Grows(log) && Contracts(log) && !IsSkipped(e)
  requires Far(prog, log, reach)
  ensures Far(prog, log + [e], reach)
{
  var n, log1, off := |prog|, log + [e], Body(log, e.idx);
  if AllFit(Rewrite(prog, log), reach) {
    var j: nat :| ReplacedFar(prog, log, j, reach);
    assert log1[..j] == log[..j] && log1[j] == log[j];
    assert ReplacedFar(prog, log1, j, reach);
    return;
  }
  var p :| 0 <= p < |Rewrite(prog, log)| && !FitsInsn(Rewrite(prog, log)[p], reach);
  Cells(log, n, Pieces(log, n));
  var c := Pieces(log, n)[p];
  assert PlacedAt(log, n, c, p);
  Splice(log, e, n);
  if p == off && !Prepends(e) {
    assert log1[..|log|] == log && log1[|log|] == e;
    ValidEnd(log1, n);
    assert ReplacedFar(prog, log1, |log|, reach);
  } else {
    var p1 := if p < off then p else p + Added(e);
    CellStep(log, e, n, p1);
    Further(prog, log, e, c, p, p1, reach);
    assert !FitsInsn(Rewrite(prog, log1)[p1], reach);
  }
}

lemma {:induction false} WellFormedInit(prog: seq<Insn>, log: seq<Edit>, e: Edit, reach: int)
  requires WellFormed(prog, log + [e], reach)
  ensures WellFormed(prog, log, reach) && Contracts(log) && Contract(e) && !IsSkipped(e)
{
  assert (log + [e])[|log|] == e;
  forall j | 0 <= j < |log| ensures log[j] == (log + [e])[j] {}
}

// Stock refuses some edit exactly if some reference does not fit in the end.
lemma {:induction false} StockFar(prog: seq<Insn>, log: seq<Edit>, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach)
  ensures StockBlames(prog, log, reach).Some? <==> Far(prog, log, reach)
{
  if log == [] {
    assert Rewrite(prog, log) == prog;
    forall i | 0 <= i < |prog| ensures FitsInsn(prog[i], reach) { assert InsnFits(prog, i, reach); }
    return;
  }
  var n, init, e := |prog|, log[..|log|-1], log[|log|-1];
  assert log == init + [e];
  WellFormedInit(prog, init, e, reach);
  StockFar(prog, init, reach);
  LastValid(init, e, n); BodyIn(init, n, e.idx); Same(prog, init); Same(prog, log); Splice(init, e, n);
  RefusesExactly(prog, init, e, reach);
  if Far(prog, init, reach) {
    FarStays(prog, init, e, reach);
  } else if j: nat :| ReplacedFar(prog, log, j, reach) {
    if j < |init| {
      assert init[..j] == log[..j] && ReplacedFar(prog, init, j, reach);
    } else {
      assert log[..j] == init;
      var off := Body(init, e.idx);
      assert Pieces(init, n)[off] == Old(e.idx);
      assert !FitsInsn(Rewrite(prog, init)[off], reach);
    }
  }
}

// What check() looks at.
predicate CellRefused(prog: seq<Insn>, log: seq<Edit>, c: Cell, reach: int)
  requires IsCell(log, |prog|, c) && forall j :: 0 <= j < |log| ==> log[j].idx < |prog|
{
  match c
  case Old(i) => CheckKept(prog, log, i, reach).Some?
  case New(j, k) => CheckPatch(log, |prog|, j, k, reach).Some? ||
    (k == 0 && !Prepends(log[j]) && prog[log[j].idx].dist < -1 && CheckKept(prog, log, log[j].idx, reach).Some?)
}
lemma {:induction false} CheckAll(prog: seq<Insn>, log: seq<Edit>, cells: seq<Cell>, reach: int)
  requires forall p :: 0 <= p < |cells| ==> IsCell(log, |prog|, cells[p])
  requires forall j :: 0 <= j < |log| ==> log[j].idx < |prog|
  ensures CheckCells(prog, log, cells, reach).Some? <==> exists p :: 0 <= p < |cells| && CellRefused(prog, log, cells[p], reach)
{
  if cells == [] { return; }
  var init, last := cells[..|cells|-1], |cells|-1;
  CheckAll(prog, log, init, reach);
  if p :| 0 <= p < |init| && CellRefused(prog, log, init[p], reach) { assert CellRefused(prog, log, cells[p], reach); }
  if CheckCells(prog, log, cells, reach).Some? && CheckCells(prog, log, init, reach).None? {
    assert CellRefused(prog, log, cells[last], reach);
  }
  if p :| 0 <= p < |cells| && CellRefused(prog, log, cells[p], reach) {
    if p < last { assert init[p] == cells[p] && CellRefused(prog, log, init[p], reach); }
  }
}
lemma {:induction false} NoSkip(log: seq<Edit>, i: int)
  requires forall j :: 0 <= j < |log| ==> !IsSkipped(log[j])
  ensures Skip(log, i) == 0
{
  if log != [] { NoSkip(log[..|log|-1], i); }
}
// The insn that edit j replaces: its reference is looked at as it is in the end, and as it was when it was replaced.
lemma {:induction false} Replaced(prog: seq<Insn>, log: seq<Edit>, j: nat, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  requires j < |log| && !Prepends(log[j]) && log[j].idx < |prog|
  ensures ReplacedFar(prog, log, j, reach) <==>
    prog[log[j].idx].dist < -1 && CheckKept(prog, log, log[j].idx, reach).Some?
{
  var n, before, i := |prog|, log[..j], log[j].idx;
  var insn := prog[i];
  var t := i + 1 + insn.dist;
  assert InsnFits(prog, i, reach);
  NoSkip(log, t); NoSkip(before, t);
  MoreEdits(log, j, n, i); MoreEdits(log, j, n, n);
  SameUntil(log, n, j, i);
  forall k | 0 <= k < j ensures before[k].idx <= i && (before[k].idx == i ==> Prepends(before[k])) { AscendingUntil(log, n, k, j); }
  if insn.ref.NoRef? { return; }
  if t < i {
    SameUntil(log, n, j, t);
  } else if t > i {
    StartTail(before, i, t);
  } else {
    BodyIn(before, n, i); StartMono(before, n, 0, i); StartFront(before, 0);
  }
}
lemma {:induction false} SameUntil(log: seq<Edit>, n: nat, j: nat, t: int)
  requires Valid(log, n) && j < |log| && t <= log[j].idx && !Prepends(log[j]) && Grows(log)
  ensures Start(log[..j], t) == Start(log, t) && Prefix(log[..j], t) == Prefix(log, t)
{
  var init := log[..|log|-1];
  assert init[..|log|-1] == init;
  if j < |log|-1 {
    assert init[..j] == log[..j];
    SameUntil(init, n, j, t);
    AscendingUntil(log, n, j, |log|-1);
  }
}
lemma {:induction false} AscendingUntil(log: seq<Edit>, n: nat, j: nat, k: nat)
  requires Valid(log, n) && j < k < |log| && Grows(log)
  ensures log[j].idx <= log[k].idx && (log[j].idx == log[k].idx ==> Prepends(log[j]))
{
  var init := log[..|log|-1];
  ValidBelow(log, n);
  if k < |log|-1 { AscendingUntil(init, n, j, k); } else { assert init[j] == log[j]; }
}

lemma {:induction false} PiecesHave(log: seq<Edit>, n: nat, end: nat, j: nat, k: nat)
  requires Valid(log, n) && Grows(log) && Below(log, end) && j < |log| && k < |log[j].patch|
  ensures var at := Body(log[..j], log[j].idx) + k;
    0 <= at < |Pieces(log, end)| && Pieces(log, end)[at] == New(j, k)
{
  var init, e := log[..|log|-1], log[|log|-1];
  ValidBelow(log, n);
  LastValid(init, e, n);
  assert log == init + [e];
  if j < |init| {
    assert init[..j] == log[..j];
    PiecesHave(init, n, e.idx, j, k);
  } else {
    PiecesLen(init, n, e.idx);
  }
}
lemma {:induction false} KeptRefused(prog: seq<Insn>, log: seq<Edit>, i: nat, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && i < |prog|
  ensures CheckKept(prog, log, i, reach).Some? <==> !Fits(prog[i].ref, KeptDistance(log, i, Body(log, i), prog[i]), reach)
{
  assert InsnFits(prog, i, reach);
  NoSkip(log, i + 1 + prog[i].dist);
}
lemma {:induction false} FarCells(prog: seq<Insn>, log: seq<Edit>, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  ensures (forall p :: 0 <= p < |Pieces(log, |prog|)| ==> IsCell(log, |prog|, Pieces(log, |prog|)[p]))
  ensures (forall j :: 0 <= j < |log| ==> log[j].idx < |prog|)
  ensures Far(prog, log, reach) <==>
    exists p :: 0 <= p < |Pieces(log, |prog|)| && CellRefused(prog, log, Pieces(log, |prog|)[p], reach)
{
  var n, cells := |prog|, Pieces(log, |prog|);
  ValidEnd(log, n); Cells(log, n, cells);
  forall p | 0 <= p < |cells| ensures IsCell(log, n, cells[p]) { assert PlacedAt(log, n, cells[p], p); }
  if Far(prog, log, reach) {
    if !AllFit(Rewrite(prog, log), reach) {
      var p :| 0 <= p < |cells| && !FitsInsn(Rewrite(prog, log)[p], reach);
      assert PlacedAt(log, n, cells[p], p);
      if cells[p].Old? { KeptRefused(prog, log, cells[p].i, reach); }
      assert CellRefused(prog, log, cells[p], reach);
    } else {
      var j: nat :| ReplacedFar(prog, log, j, reach);
      HasPatch(log, n, j);
      Replaced(prog, log, j, reach); PiecesHave(log, n, n, j, 0);
      assert CellRefused(prog, log, cells[Body(log[..j], log[j].idx)], reach);
    }
  }
  if p :| 0 <= p < |cells| && CellRefused(prog, log, cells[p], reach) {
    assert PlacedAt(log, n, cells[p], p);
    match cells[p] {
      case Old(i) => KeptRefused(prog, log, i, reach); assert !FitsInsn(Rewrite(prog, log)[p], reach);
      case New(j, k) =>
        if CheckPatch(log, n, j, k, reach).Some? { assert !FitsInsn(Rewrite(prog, log)[p], reach); }
        else { Replaced(prog, log, j, reach); }
    }
  }
}
lemma {:induction false} HasPatch(log: seq<Edit>, n: nat, j: nat)
  requires Valid(log, n) && Grows(log) && j < |log|
  ensures |log[j].patch| > 0
{
  if j < |log|-1 { assert log[..|log|-1][j] == log[j]; HasPatch(log[..|log|-1], n, j); }
}
lemma {:induction false} CheckLong(prog: seq<Insn>, log: seq<Edit>, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && reach < Start(log, |prog|) <= LIMIT
  ensures Check(prog, log, reach).Some? <==> Far(prog, log, reach)
{
  var cells := Pieces(log, |prog|);
  FarCells(prog, log, reach);
  assert Check(prog, log, reach) == CheckCells(prog, log, cells, reach);
  CheckAll(prog, log, cells, reach);
  if p :| 0 <= p < |cells| && CellRefused(prog, log, cells[p], reach) { assert CellRefused(prog, log, Pieces(log, |prog|)[p], reach); }
}
// check() refuses exactly if some reference does not fit in the end; so it refuses what stock refuses (StockFar).
lemma {:induction false} CheckExact(prog: seq<Insn>, log: seq<Edit>, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  ensures Check(prog, log, reach).Some? <==> Far(prog, log, reach)
{
  var n := |prog|;
  if Start(log, n) <= reach {
    ShortFits(prog, log, reach);
    forall j: nat | ReplacedFar(prog, log, j, reach) ensures false
    {
      var i := log[j].idx;
      Replaced(prog, log, j, reach); KeptRefused(prog, log, i, reach);
      assert InsnFits(prog, i, reach);
      PlaceBound(log, n, i + 1 + prog[i].dist, prog[i].ref, false); BodyIn(log, n, i);
    }
  } else {
    CheckLong(prog, log, reach);
  }
}
