// SPDX-License-Identifier: GPL-2.0
//
// Edits and logs: rust/engine/edit.rs, log.rs and group.rs.

include "reference.dfy"

datatype Kind = Prepend(behind: bool) | Replace(toBody: bool) | Remove(cnt: nat)
datatype Edit = Edit(idx: nat, kind: Kind, patch: seq<Insn>)
datatype Option<T> = None | Some(value: T)

predicate method Prepends(e: Edit) { e.kind.Prepend? }
predicate method Removes(e: Edit) { e.kind.Remove? }
predicate method IsSkipped(e: Edit) { e.kind.Prepend? && e.kind.behind }
predicate method ToBody(e: Edit) { e.kind.Replace? && e.kind.toBody }

// Edit::end(), rest(), added()
function method End(e: Edit): nat { e.idx + if Removes(e) then e.kind.cnt else 1 }
function method Rest(e: Edit): nat { if Prepends(e) then e.idx else End(e) }
function method Added(e: Edit): int { if Removes(e) then 0 else |e.patch| - (if Prepends(e) then 0 else 1) }

// Edit::target(): the old insn that a reference of insn k of the patch is to, if it is to one.
function method Target(e: Edit, k: int, dist: int): Option<int>
{
  var to := e.idx + k + 1 + dist;
  if to < e.idx then Some(to) else if to <= e.idx + Added(e) then None else Some(to - Added(e))
}

// Log::record(): may e follow the edits of log in a program of n insns? An insn has one prepend that
// jumps skip, at most: no pass makes more (see README.md).
predicate method MayFollow(log: seq<Edit>, e: Edit, n: nat)
{
  (if Removes(e) then e.kind.cnt > 0 && e.patch == [] else e.patch != []) && End(e) <= n &&
  (log == [] ||
    var last := log[|log|-1];
    Removes(last) == Removes(e) &&
    (End(last) <= e.idx || (last.idx == e.idx && Prepends(last) && !IsSkipped(e))))
}

predicate method Valid(log: seq<Edit>, n: nat)
{
  log == [] || (Valid(log[..|log|-1], n) && MayFollow(log[..|log|-1], log[|log|-1], n))
}

predicate method Grows(log: seq<Edit>) { forall j :: 0 <= j < |log| ==> !Removes(log[j]) }
predicate method Shrinks(log: seq<Edit>) { forall j :: 0 <= j < |log| ==> Removes(log[j]) }

// Group::prefix_len(), skipped_len()
function method Prefix(log: seq<Edit>, i: int): nat
{
  if log == [] then 0 else
    var e := log[|log|-1];
    Prefix(log[..|log|-1], i) + if e.idx == i && Prepends(e) then |e.patch| else 0
}
function method Skip(log: seq<Edit>, i: int): nat
{
  if log == [] then 0 else
    var e := log[|log|-1];
    Skip(log[..|log|-1], i) + if e.idx == i && IsSkipped(e) then |e.patch| else 0
}

lemma SkipPrefix(log: seq<Edit>, i: int) ensures Skip(log, i) <= Prefix(log, i) {}

// All edits of log are of insns in front of x, or put insns in front of x.
predicate Below(log: seq<Edit>, x: int)
{
  forall j :: 0 <= j < |log| ==> log[j].idx <= x && (log[j].idx == x ==> Prepends(log[j]))
}

lemma ValidBelow(log: seq<Edit>, n: nat)
  requires Valid(log, n) && log != []
  ensures Below(log[..|log|-1], log[|log|-1].idx)
{
  var init := log[..|log|-1];
  if init != [] { ValidBelow(init, n); }
}

lemma BelowPrefix(log: seq<Edit>, x: int, i: int)
  requires Below(log, x) && i > x
  ensures Prefix(log, i) == 0 && Skip(log, i) == 0
{}

lemma PrefixOnce(log: seq<Edit>, n: nat)
  requires Valid(log, n) && log != [] && IsSkipped(log[|log|-1])
  ensures Prefix(log[..|log|-1], log[|log|-1].idx) == 0
{
  var init, e := log[..|log|-1], log[|log|-1];
  forall j | 0 <= j < |init| ensures init[j].idx < e.idx { Before(log, n, j); }
  NoPrefix(init, e.idx);
}
lemma Before(log: seq<Edit>, n: nat, j: nat)
  requires Valid(log, n) && log != [] && IsSkipped(log[|log|-1]) && j < |log| - 1
  ensures log[j].idx < log[|log|-1].idx
{
  var init := log[..|log|-1];
  ValidBelow(init, n);
  assert init[j] == log[j];
  if j < |init|-1 { assert init[..|init|-1][j] == log[j]; }
}
lemma NoPrefix(log: seq<Edit>, x: int)
  requires forall j :: 0 <= j < |log| ==> log[j].idx != x
  ensures Prefix(log, x) == 0
{}
