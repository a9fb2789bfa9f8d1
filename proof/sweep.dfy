// SPDX-License-Identifier: GPL-2.0
//
// The loops that fill the tables of rust/engine/layout.rs: number(), count_up() and Layout::enter_runs().

include "same.dfy"
include "shrink.dfy"

// count_up(): ascending numbers for the insns a to b, from `first` on
method CountUp(table: array<int>, a: int, b: int, first: int) returns (next: int)
  requires 0 <= a <= b <= table.Length
  modifies table
  ensures next == first + (b - a)
  ensures forall i :: a <= i < b ==> table[i] == first + (i - a)
  ensures forall i :: 0 <= i < table.Length && !(a <= i < b) ==> table[i] == old(table[i])
{
  var i := a;
  while i < b
    invariant a <= i <= b
    invariant forall k :: a <= k < i ==> table[k] == first + (k - a)
    invariant forall k :: 0 <= k < table.Length && !(a <= k < i) ==> table[k] == old(table[k])
  {
    table[i] := first + (i - a);
    i := i + 1;
  }
  next := first + (b - a);
}

// An edit behind insn i changes nothing of where it begins.
lemma {:induction false} StartUntil(log: seq<Edit>, n: nat, j: nat, i: int)
  requires Valid(log, n) && j <= |log| && forall k :: j <= k < |log| ==> log[k].idx >= i
  ensures Start(log, i) == Start(log[..j], i)
  decreases |log| - j
{
  if j == |log| { assert log[..j] == log; return; }
  var init := log[..|log|-1];
  assert init[..j] == log[..j];
  StartUntil(init, n, j, i);
}
lemma {:induction false} Ascending(log: seq<Edit>, n: nat, j: nat, k: nat)
  requires Valid(log, n) && j <= k < |log|
  ensures log[j].idx <= log[k].idx && (j < k ==> Rest(log[j]) <= log[k].idx)
{
  if j == k { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  var last := init[|init|-1];
  if k < |log|-1 { Ascending(init, n, j, k); }
  else if j < |init|-1 { Ascending(init, n, j, |init|-1); assert Rest(init[j]) <= last.idx; }
}

lemma {:induction false} Flat(log: seq<Edit>, x: int, i: int)
  requires (forall k :: 0 <= k < |log| ==> End(log[k]) <= x) && x <= i
  ensures Start(log, i) == Start(log, x) + (i - x)
{
  if log != [] { assert End(log[|log|-1]) <= x; Flat(log[..|log|-1], x, i); }
}

// number(): one sweep over the edits fills the table, for every insn and for the end.
method Number(log: seq<Edit>, n: nat) returns (table: array<int>)
  requires Valid(log, n) && (Grows(log) || Shrinks(log))
  ensures table.Length == n + 1 && forall i :: 0 <= i <= n ==> table[i] == Start(log, i)
{
  table := new int[n + 1];
  var from, to, j := 0, 0, 0;
  while j < |log|
    invariant 0 <= j <= |log| && 0 <= from <= n
    invariant forall k :: 0 <= k < j ==> End(log[k]) <= from
    invariant j < |log| ==> from <= log[j].idx || (j > 0 && from == log[j].idx + 1 && log[j-1].idx == log[j].idx && !Removes(log[j]))
    invariant to == Start(log[..j], from)
    invariant forall i :: 0 <= i < from ==> table[i] == Start(log, i)
  {
    var e := log[j];
    Inside(log, n, j);
    assert log[..j+1][..j] == log[..j] && log[..j+1][j] == e;
    if from < e.idx {
      forall i | from <= i <= e.idx ensures Start(log[..j], i) == to + (i - from) { Flat(log[..j], from, i); }
      forall i | from <= i <= e.idx ensures Start(log, i) == Start(log[..j], i) { Later(log, n, j, i); }
      to := CountUp(table, from, e.idx, to);
      from := e.idx;
    }
    if Removes(e) {
      // They map to what comes behind them.
      forall i | e.idx <= i <= End(e) ensures Start(log[..j], i) == to + (i - e.idx) { Flat(log[..j], e.idx, i); }
      forall i | e.idx <= i < End(e) ensures Start(log, i) == to {
        if j + 1 < |log| { Ascending(log, n, j, j + 1); }
        Later(log, n, j + 1, i);
      }
      from := e.idx;
      while from < End(e)
        invariant e.idx <= from <= End(e) && forall i :: 0 <= i < from ==> table[i] == Start(log, i)
      { table[from] := to; from := from + 1; }
    } else {
      if from == e.idx {
        Later(log, n, j, from);
        Flat(log[..j], from, from + 1);
        table[from] := to;
        to := to + 1;
        from := from + 1;
      }
      to := to + Added(e);
    }
    if j + 1 < |log| { Ascending(log, n, j, j + 1); Inside(log, n, j + 1); }
    j := j + 1;
  }
  assert log[..j] == log;
  forall i | from <= i <= n ensures Start(log, i) == to + (i - from) { Flat(log, from, i); }
  var end := CountUp(table, from, n + 1, to);
}
lemma {:induction false} Inside(log: seq<Edit>, n: nat, j: nat)
  requires Valid(log, n) && j < |log|
  ensures End(log[j]) <= n && MayFollow(log[..j], log[j], n)
{
  var init := log[..|log|-1];
  if j < |log|-1 { assert init[..j] == log[..j]; Inside(init, n, j); }
}
lemma {:induction false} Later(log: seq<Edit>, n: nat, j: nat, i: int)
  requires Valid(log, n) && j <= |log| && (j < |log| ==> i <= log[j].idx)
  ensures Start(log, i) == Start(log[..j], i)
{
  forall k | j <= k < |log| ensures log[k].idx >= i { Ascending(log, n, j, k); }
  StartUntil(log, n, j, i);
}

// No overflow: the table's numbers are less than 2^31 if program and patches together have less insns.
function method PatchesLen(log: seq<Edit>): nat
{
  if log == [] then 0 else PatchesLen(log[..|log|-1]) + |log[|log|-1].patch|
}
lemma StartBound(log: seq<Edit>, n: nat, i: nat)
  requires Valid(log, n) && (Grows(log) || Shrinks(log)) && i <= n
  ensures 0 <= Start(log, i) <= n + PatchesLen(log)
{
  if Grows(log) {
    StartMono(log, n, 0, i); StartFront(log, 0); StartTop(log, i);
  } else {
    StartPositive(log, n, i); StartTop(log, i);
  }
}
lemma StartTop(log: seq<Edit>, i: int)
  ensures Start(log, i) <= i + PatchesLen(log)
{
  if log != [] { StartTop(log[..|log|-1], i); }
}
