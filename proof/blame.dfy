// SPDX-License-Identifier: GPL-2.0
//
// Which insn is to blame for a reference that does not fit: rust/engine/reach.rs. As reach.dfy, for logs without
// JUMPS_BEHIND.
//
// Both give the least index of an edit after which something does not fit. So for each x, the edits of insns up to x are
// looked at, which are a log themselves.

include "reach.dfy"
include "sweep.dfy"

// The edits of insns up to x are the first j.
predicate Until(log: seq<Edit>, x: int, j: nat)
{
  j <= |log| && forall k :: 0 <= k < |log| ==> (log[k].idx <= x <==> k < j)
}
lemma {:induction false} HasUntil(log: seq<Edit>, n: nat, x: int) returns (j: nat)
  requires Valid(log, n)
  ensures Until(log, x, j)
{
  j := 0;
  while j < |log| && log[j].idx <= x
    invariant j <= |log| && forall k :: 0 <= k < j ==> log[k].idx <= x
  { j := j + 1; }
  forall k | j <= k < |log| ensures log[k].idx > x { Ascending(log, n, j, k); }
}
lemma {:induction false} InitValid(log: seq<Edit>, n: nat, j: nat)
  requires Valid(log, n) && j <= |log|
  ensures Valid(log[..j], n) && (Grows(log) ==> Grows(log[..j]))
{
  if j < |log| { assert log[..|log|-1][..j] == log[..j]; InitValid(log[..|log|-1], n, j); } else { assert log[..j] == log; }
}

// Where insns are once the edits up to x are made.
lemma {:induction false} StartAtX(log: seq<Edit>, n: nat, x: int, j: nat, i: int)
  requires Valid(log, n) && Grows(log) && Until(log, x, j)
  ensures Start(log[..j], i) == if i <= x + 1 then Start(log, i) else Start(log, x + 1) + (i - x - 1)
{
  Later(log, n, j, Min(i, x + 1));
  if i > x + 1 {
    Later(log, n, j, x + 1);
    GrowsFlat(log, n, x, j, i);
  }
}
lemma {:induction false} GrowsFlat(log: seq<Edit>, n: nat, x: int, j: nat, i: int)
  requires Valid(log, n) && Until(log, x, j) && Grows(log) && i >= x + 1
  ensures Start(log[..j], i) == Start(log[..j], x + 1) + (i - x - 1)
{
  Flat(log[..j], x + 1, i);
}
lemma {:induction false} PrefixAtX(log: seq<Edit>, x: int, j: nat, i: int)
  requires Until(log, x, j)
  ensures Prefix(log[..j], i) == if i <= x then Prefix(log, i) else 0
  decreases |log|
{
  if j == |log| {
    assert log[..j] == log;
    if i > x { NoPrefix(log, i); }
  } else {
    var init := log[..|log|-1];
    assert init[..j] == log[..j];
    forall k | 0 <= k < |init| ensures init[k].idx <= x <==> k < j { assert init[k] == log[k]; }
    PrefixAtX(init, x, j, i);
  }
}

// blamed() finds the first insn whose edit adds too much.
lemma {:induction false} Finds(log: seq<Edit>, n: nat, low: int, high: int, from: int, spare: int, x: int)
  requires Valid(log, n) && Grows(log) && low <= high
  ensures low <= Search(log, low, high, from, spare) <= high
  ensures low <= x < high ==>
    (Search(log, low, high, from, spare) <= x <==> AddedUntil(log, x + 1) - AddedUntil(log, from) > spare)
  decreases high - low
{
  if low < high {
    var mid := low + (high - low) / 2;
    if AddedUntil(log, mid + 1) - AddedUntil(log, from) > spare {
      Finds(log, n, low, mid, from, spare, x);
      if mid <= x { StartMono(log, n, mid + 1, x + 1); }
    } else {
      Finds(log, n, mid + 1, high, from, spare, x);
      if x <= mid { StartMono(log, n, x + 1, mid + 1); }
    }
  }
}

predicate AtMost(b: Option<int>, x: int) { b.Some? && b.value <= x }

// A reference back, from insn i.
lemma {:induction false} BackAtX(log: seq<Edit>, n: nat, x: int, j: nat, i: nat, t: nat, reach: int)
  requires Valid(log, n) && Grows(log) && Until(log, x, j) && t < i < n && reach > 0
  requires t - i - 1 + reach + 1 >= 0
  ensures var a := log[..j];
    var far, farAtX := reach + 1 + Start(log, t) - Body(log, i) - 1 < 0, reach + 1 + Start(a, t) - Body(a, i) - 1 < 0;
    farAtX <==> far && Blamed(log, n, i, t, t - i - 1, reach) <= x
{
  var spare := t - i - 1 + reach + 1;
  StartAtX(log, n, x, j, t); StartAtX(log, n, x, j, i); PrefixAtX(log, x, j, i);
  Finds(log, n, t, i, t, spare, x);
  if t <= x < i { StartMono(log, n, x + 1, i); }
}
// A reference ahead, over what is from `from` on: with `dist` before the edits there.
lemma {:induction false} AheadAtX(log: seq<Edit>, n: nat, x: int, j: nat, i: nat, t: nat, dist: int, reach: int)
  requires Valid(log, n) && Grows(log) && Until(log, x, j) && i < t <= n && 0 <= dist <= reach
  ensures var a := log[..j];
    var far, farAtX := dist + AddedUntil(log, t) - AddedUntil(log, i + 1) > reach, dist + AddedUntil(a, t) - AddedUntil(a, i + 1) > reach;
    (x <= i ==> !farAtX) && i <= Blamed(log, n, i, t, dist, reach) &&
    (farAtX <==> far && Blamed(log, n, i, t, dist, reach) <= x) && (far ==> i < Blamed(log, n, i, t, dist, reach))
{
  StartAtX(log, n, x, j, t); StartAtX(log, n, x, j, i + 1);
  Finds(log, n, i + 1, t, i + 1, reach - dist, x);
  Finds(log, n, i + 1, t, i + 1, reach - dist, t - 1);
  if i < x < t { StartMono(log, n, x + 1, t); }
}

// check_kept() looks at what the theorems do.
lemma {:induction false} WideFits(prog: seq<Insn>, log: seq<Edit>, i: nat, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT && i < |prog|
  requires !prog[i].ref.Jump? || prog[i].dist == -1
  ensures CheckKept(prog, log, i, reach).None?
{
  var n, insn := |prog|, prog[i];
  assert InsnFits(prog, i, reach);
  KeptRefused(prog, log, i, reach);
  if !insn.ref.NoRef? { PlaceBound(log, n, i + 1 + insn.dist, insn.ref, false); BodyIn(log, n, i); }
}
predicate Stays(log: seq<Edit>, i: int) { forall k :: 0 <= k < |log| && log[k].idx == i ==> Prepends(log[k]) }
lemma {:induction false} StaysNext(log: seq<Edit>, n: nat, i: int)
  requires Valid(log, n) && Grows(log) && Stays(log, i)
  ensures Start(log, i + 1) == Body(log, i) + 1
{
  if log != [] {
    assert log[|log|-1].idx == i ==> Prepends(log[|log|-1]);
    StaysUntil(log, |log|-1, i);
    StaysNext(log[..|log|-1], n, i);
  }
}
lemma {:induction false} FormedUntil(prog: seq<Insn>, log: seq<Edit>, j: nat, reach: int)
  requires WellFormed(prog, log, reach) && j <= |log|
  ensures WellFormed(prog, log[..j], reach) && Contracts(log[..j]) && Contracts(log)
{
  forall k | 0 <= k < j ensures log[..j][k] == log[k] {}
}
// The insn that stays, or is replaced later than x or has a reference back: it is to blame up to x if it does not fit then.
lemma {:induction false} KeptAtX(prog: seq<Insn>, log: seq<Edit>, x: int, j: nat, i: nat, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  requires Until(log, x, j) && i < |prog| && (Stays(log, i) || prog[i].dist < -1)
  requires Valid(log[..j], |prog|) && Grows(log[..j])
  ensures AtMost(CheckKept(prog, log, i, reach), x) <==> CheckKept(prog, log[..j], i, reach).Some?
{
  var n, a, insn := |prog|, log[..j], prog[i];
  var t := i + 1 + insn.dist;
  FormedUntil(prog, log, j, reach); MoreEdits(log, j, n, n);
  assert InsnFits(prog, i, reach);
  if !insn.ref.Jump? || insn.dist == -1 { WideFits(prog, log, i, reach); WideFits(prog, a, i, reach); return; }
  KeptRefused(prog, log, i, reach); KeptRefused(prog, a, i, reach); NoSkip(log, t); NoSkip(a, t);
  if t < i {
    StartMono(log, n, t, i); StartMono(a, n, t, i);
    BackAtX(log, n, x, j, i, t, reach);
  } else {
    forall k | 0 <= k < |a| && a[k].idx == i ensures Prepends(a[k]) { assert log[k] == a[k]; }
    StaysNext(log, n, i); StaysNext(a, n, i); StartMono(log, n, i + 1, t); StartMono(a, n, i + 1, t);
    AheadAtX(log, n, x, j, i, t, insn.dist, reach);
  }
}
// An insn that is replaced behind x fits until then, if it leads ahead.
lemma {:induction false} AheadFits(prog: seq<Insn>, log: seq<Edit>, x: int, j: nat, i: nat, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  requires Until(log, x, j) && x < i < |prog| && prog[i].dist >= -1
  requires Valid(log[..j], |prog|) && Grows(log[..j])
  ensures CheckKept(prog, log[..j], i, reach).None?
{
  var n, a, insn := |prog|, log[..j], prog[i];
  var t := i + 1 + insn.dist;
  FormedUntil(prog, log, j, reach); MoreEdits(log, j, n, n);
  assert InsnFits(prog, i, reach);
  if !insn.ref.Jump? || insn.dist == -1 { WideFits(prog, a, i, reach); return; }
  KeptRefused(prog, a, i, reach); NoSkip(a, t);
  StartAtX(log, n, x, j, i); StartAtX(log, n, x, j, t); PrefixAtX(log, x, j, i);
}
// Insn k of the patch of edit m.
lemma {:induction false} PatchAtX(prog: seq<Insn>, log: seq<Edit>, x: int, j: nat, m: nat, k: nat, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  requires Until(log, x, j) && m < |log| && k < |log[m].patch|
  requires Valid(log[..j], |prog|) && Grows(log[..j])
  ensures m >= j ==> !AtMost(CheckPatch(log, |prog|, m, k, reach), x)
  ensures m < j ==> (AtMost(CheckPatch(log, |prog|, m, k, reach), x) <==> CheckPatch(log[..j], |prog|, m, k, reach).Some?)
{
  var n, a, e := |prog|, log[..j], log[m];
  var insn := e.patch[k];
  FormedUntil(prog, log, j, reach); MoreEdits(log, j, n, n);
  assert PatchFits(e, k, n, reach) && Contract(e) && !IsSkipped(e);
  ValidEnd(log, n);
  var pos := Body(log[..m], e.idx) + k;
  if m < j { assert a[m] == e && a[..m] == log[..m]; }
  if insn.ref.NoRef? { return; }
  match Target(e, k, insn.dist) {
    case None =>
    case Some(t) =>
      NoSkip(log, t); NoSkip(a, t);
      if t < e.idx {
        StartAtX(log, n, x, j, t); PrefixAtX(log, x, j, t);
      } else {
        PatchAheadAtX(prog, log, x, j, m, k, t, reach);
      }
  }
}
lemma {:induction false} PatchAheadAtX(prog: seq<Insn>, log: seq<Edit>, x: int, j: nat, m: nat, k: nat, t: nat, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  requires Until(log, x, j) && m < |log| && k < |log[m].patch| && Valid(log[..j], |prog|) && Grows(log[..j])
  requires !log[m].patch[k].ref.NoRef? && Target(log[m], k, log[m].patch[k].dist) == Some(t) && log[m].idx < t <= |prog|
  ensures m >= j ==> !AtMost(CheckPatch(log, |prog|, m, k, reach), x)
  ensures m < j ==> (AtMost(CheckPatch(log, |prog|, m, k, reach), x) <==> CheckPatch(log[..j], |prog|, m, k, reach).Some?)
{
  var n, a, e := |prog|, log[..j], log[m];
  var insn, i := e.patch[k], e.idx;
  FormedUntil(prog, log, j, reach); MoreEdits(log, j, n, n);
  assert PatchFits(e, k, n, reach) && Contract(e) && !IsSkipped(e) && !ToBody(e);
  ValidEnd(log, n); NoSkip(log, t); NoSkip(a, t);
  var pos := Body(log[..m], i) + k;
  if m < j { assert a[m] == e && a[..m] == log[..m]; }
  Room(log, n, m);
  StartMono(log, n, i + 1, t); StartMono(log, n, t, n);
  var dist := insn.dist + Start(log, i + 1) - (pos - k + |e.patch| + if Prepends(e) then 1 else 0);
  assert dist >= insn.dist >= 0;
  if m < j { StartMono(a, n, i + 1, t); StartMono(a, n, t, n); StartAtX(log, n, x, j, i + 1); }
  BodyIn(log[..m], n, i); 
  if insn.ref.Jump? && dist <= reach { AheadAtX(log, n, x, j, i, t, dist, reach); }
}
lemma {:induction false} Room(log: seq<Edit>, n: nat, m: nat)
  requires Valid(log, n) && Grows(log) && m < |log|
  ensures Valid(log[..m], n) && Grows(log[..m]) && log[m].idx < n
  ensures Body(log[..m], log[m].idx) + Added(log[m]) + 1 <= Start(log, log[m].idx + 1)
{
  var e, b := log[m], log[..m+1];
  InitValid(log, n, m); InitValid(log, n, m + 1); ValidEnd(log, n);
  assert b[..m] == log[..m] && b[m] == e;
  StartNext(log[..m], n, e.idx);
  MoreEdits(log, m + 1, n, e.idx + 1);
}

// Which cells check() looks at, with blame for an insn up to x.
predicate CellBlamed(prog: seq<Insn>, log: seq<Edit>, c: Cell, reach: int, x: int)
  requires IsCell(log, |prog|, c) && forall j :: 0 <= j < |log| ==> log[j].idx < |prog|
{
  match c
  case Old(i) => AtMost(CheckKept(prog, log, i, reach), x)
  case New(m, k) => AtMost(CheckPatch(log, |prog|, m, k, reach), x) ||
    (k == 0 && !Prepends(log[m]) && prog[log[m].idx].dist < -1 && AtMost(CheckKept(prog, log, log[m].idx, reach), x))
}
lemma {:induction false} LeastCell(prog: seq<Insn>, log: seq<Edit>, cells: seq<Cell>, reach: int, x: int)
  requires forall p :: 0 <= p < |cells| ==> IsCell(log, |prog|, cells[p])
  requires forall j :: 0 <= j < |log| ==> log[j].idx < |prog|
  ensures AtMost(CheckCells(prog, log, cells, reach), x) <==> exists p :: 0 <= p < |cells| && CellBlamed(prog, log, cells[p], reach, x)
{
  if cells == [] { return; }
  var init, last := cells[..|cells|-1], |cells|-1;
  LeastCell(prog, log, init, reach, x);
  if p :| 0 <= p < |init| && CellBlamed(prog, log, init[p], reach, x) { assert CellBlamed(prog, log, cells[p], reach, x); }
  if AtMost(CheckCells(prog, log, cells, reach), x) && !AtMost(CheckCells(prog, log, init, reach), x) {
    assert CellBlamed(prog, log, cells[last], reach, x);
  }
  if p :| 0 <= p < |cells| && CellBlamed(prog, log, cells[p], reach, x) {
    if p < last { assert init[p] == cells[p] && CellBlamed(prog, log, init[p], reach, x); }
  }
}

// An insn that stays has a cell, and no other has.
lemma {:induction false} OldHas(log: seq<Edit>, n: nat, end: nat, i: nat)
  requires Valid(log, n) && Grows(log) && Below(log, end) && i < end && Stays(log, i)
  ensures 0 <= Body(log, i) < |Pieces(log, end)| && Pieces(log, end)[Body(log, i)] == Old(i)
{
  if log == [] { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  ValidBelow(log, n); PiecesLen(init, n, e.idx);
  forall k | 0 <= k < |init| && init[k].idx == i ensures Prepends(init[k]) { assert log[k].idx == i; }
  if i < e.idx {
    OldHas(init, n, e.idx, i);
  } else {
    assert i == e.idx ==> Prepends(e);
    assert Pieces(log, end) == Pieces(init, e.idx) + News(|log|-1, |e.patch|) + Olds(Rest(e), end);
    if i > e.idx { StartTail(init, e.idx, i); BelowPrefix(init, e.idx, i); }
    assert Olds(Rest(e), end)[i - Rest(e)] == Old(i);
  }
}
lemma {:induction false} OldStays(log: seq<Edit>, n: nat, end: nat, p: nat)
  requires Valid(log, n) && Grows(log) && Below(log, end) && p < |Pieces(log, end)| && Pieces(log, end)[p].Old?
  ensures Stays(log, Pieces(log, end)[p].i)
{
  if log == [] { return; }
  var init, e, i := log[..|log|-1], log[|log|-1], Pieces(log, end)[p].i;
  ValidBelow(log, n);
  if p < |Pieces(init, e.idx)| {
    OldStays(init, n, e.idx, p); PiecesPos(init, n, e.idx);
    assert Pieces(init, e.idx)[p] == Old(i) && i < e.idx;
  } else {
    assert Pieces(log, end)[p] == Olds(Rest(e), end)[p - |Pieces(init, e.idx)| - |e.patch|];
  }
  forall k | 0 <= k < |log| && log[k].idx == i ensures Prepends(log[k]) { if k < |init| { assert init[k] == log[k]; } }
}

// What is refused once the edits up to x are made, is what is blamed on one of them.
lemma {:induction false} RefusedAtX(prog: seq<Insn>, log: seq<Edit>, x: int, j: nat, reach: int, p: nat) returns (q: nat)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  requires Until(log, x, j) && Valid(log[..j], |prog|) && Grows(log[..j]) && Below(log, |prog|) && Below(log[..j], |prog|)
  requires forall k :: 0 <= k < |log| ==> log[k].idx < |prog|
  requires p < |Pieces(log, |prog|)| && IsCell(log, |prog|, Pieces(log, |prog|)[p]) && CellBlamed(prog, log, Pieces(log, |prog|)[p], reach, x)
  requires forall q :: 0 <= q < |Pieces(log[..j], |prog|)| ==> IsCell(log[..j], |prog|, Pieces(log[..j], |prog|)[q])
  ensures q < |Pieces(log[..j], |prog|)| && CellRefused(prog, log[..j], Pieces(log[..j], |prog|)[q], reach)
{
  var n, a := |prog|, log[..j];
  match Pieces(log, n)[p] {
    case Old(i) =>
      OldStays(log, n, n, p);
      KeptAtX(prog, log, x, j, i, reach);
      StaysUntil(log, j, i); OldHas(a, n, n, i);
      q := Body(a, i);
    case New(m, k) =>
      var e := log[m];
      if AtMost(CheckPatch(log, n, m, k, reach), x) {
        PatchAtX(prog, log, x, j, m, k, reach);
        PiecesHave(a, n, n, m, k);
        q := Body(a[..m], a[m].idx) + k;
      } else {
        KeptAtX(prog, log, x, j, e.idx, reach);
        if m < j {
          PiecesHave(a, n, n, m, 0);
          q := Body(a[..m], a[m].idx);
        } else {
          OldHas(a, n, n, e.idx);
          q := Body(a, e.idx);
        }
      }
  }
}
lemma {:induction false} StaysUntil(log: seq<Edit>, j: nat, i: int)
  requires Stays(log, i) && j <= |log|
  ensures Stays(log[..j], i)
{
  forall k | 0 <= k < j && log[..j][k].idx == i ensures Prepends(log[..j][k]) { assert log[k].idx == i; }
}
lemma {:induction false} BlamedAtX(prog: seq<Insn>, log: seq<Edit>, x: int, j: nat, reach: int, q: nat) returns (p: nat)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  requires Until(log, x, j) && Valid(log[..j], |prog|) && Grows(log[..j]) && Below(log, |prog|) && Below(log[..j], |prog|)
  requires forall k :: 0 <= k < |log| ==> log[k].idx < |prog|
  requires forall p :: 0 <= p < |Pieces(log, |prog|)| ==> IsCell(log, |prog|, Pieces(log, |prog|)[p])
  requires q < |Pieces(log[..j], |prog|)| && IsCell(log[..j], |prog|, Pieces(log[..j], |prog|)[q])
  requires CellRefused(prog, log[..j], Pieces(log[..j], |prog|)[q], reach)
  ensures p < |Pieces(log, |prog|)| && CellBlamed(prog, log, Pieces(log, |prog|)[p], reach, x)
{
  var n, a := |prog|, log[..j];
  match Pieces(a, n)[q] {
    case Old(i) =>
      OldStays(a, n, n, q);
      if Stays(log, i) {
        KeptAtX(prog, log, x, j, i, reach);
        OldHas(log, n, n, i);
        p := Body(log, i);
      } else {
        var m: nat :| m < |log| && log[m].idx == i && !Prepends(log[m]);
        if m < j { assert a[m] == log[m]; }
        if prog[i].dist >= -1 { AheadFits(prog, log, x, j, i, reach); }
        KeptAtX(prog, log, x, j, i, reach);
        HasPatch(log, n, m); PiecesHave(log, n, n, m, 0);
        p := Body(log[..m], i);
      }
    case New(m, k) =>
      assert a[m] == log[m];
      if CheckPatch(a, n, m, k, reach).Some? {
        PatchAtX(prog, log, x, j, m, k, reach);
      } else {
        KeptAtX(prog, log, x, j, log[m].idx, reach);
      }
      PiecesHave(log, n, n, m, k);
      p := Body(log[..m], log[m].idx) + k;
  }
}
lemma {:induction false} CheckUntil(prog: seq<Insn>, log: seq<Edit>, x: int, j: nat, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  requires Until(log, x, j) && Valid(log[..j], |prog|) && Grows(log[..j]) && Start(log, |prog|) > reach
  ensures AtMost(Check(prog, log, reach), x) <==> Far(prog, log[..j], reach)
{
  var n, a := |prog|, log[..j];
  FormedUntil(prog, log, j, reach); MoreEdits(log, j, n, n);
  ValidEnd(log, n); ValidEnd(a, n);
  FarCells(prog, log, reach); FarCells(prog, a, reach);
  LeastCell(prog, log, Pieces(log, n), reach, x);
  if p :| 0 <= p < |Pieces(log, n)| && CellBlamed(prog, log, Pieces(log, n)[p], reach, x) {
    var q := RefusedAtX(prog, log, x, j, reach, p);
  }
  if q :| 0 <= q < |Pieces(a, n)| && CellRefused(prog, a, Pieces(a, n)[q], reach) {
    var p := BlamedAtX(prog, log, x, j, reach, q);
  }
}
lemma {:induction false} StockUntil(prog: seq<Insn>, log: seq<Edit>, x: int, j: nat, reach: int)
  requires Valid(log, |prog|) && Grows(log) && Until(log, x, j) && Valid(log[..j], |prog|) && Grows(log[..j])
  ensures AtMost(StockBlames(prog, log, reach), x) <==> StockBlames(prog, log[..j], reach).Some?
{
  if log == [] { assert log[..j] == log; return; }
  var init, e := log[..|log|-1], log[|log|-1];
  var j1 := Min(j, |init|);
  forall k | 0 <= k < |init| ensures init[k].idx <= x <==> k < j1 { assert init[k] == log[k]; }
  assert init[..j1] == log[..j1];
  InitValid(log, |prog|, j1);
  StockUntil(prog, init, x, j1, reach);
  if j == |log| { assert log[..j] == log && init[..j1] == init; }
}
// The theorem: the check blames the insn whose edit stock would refuse.
lemma {:induction false} SameBlame(prog: seq<Insn>, log: seq<Edit>, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && Start(log, |prog|) <= LIMIT
  ensures Check(prog, log, reach) == StockBlames(prog, log, reach)
{
  CheckExact(prog, log, reach); StockFar(prog, log, reach);
  if Check(prog, log, reach).Some? {
    SameUntilX(prog, log, Check(prog, log, reach).value, reach);
    SameUntilX(prog, log, StockBlames(prog, log, reach).value, reach);
  }
}
lemma {:induction false} SameUntilX(prog: seq<Insn>, log: seq<Edit>, x: int, reach: int)
  requires Valid(log, |prog|) && Grows(log) && WellFormed(prog, log, reach) && reach < Start(log, |prog|) <= LIMIT
  ensures AtMost(Check(prog, log, reach), x) <==> AtMost(StockBlames(prog, log, reach), x)
{
  var j := HasUntil(log, |prog|, x);
  InitValid(log, |prog|, j); FormedUntil(prog, log, j, reach);
  CheckUntil(prog, log, x, j, reach); StockUntil(prog, log, x, j, reach); StockFar(prog, log[..j], reach);
}
