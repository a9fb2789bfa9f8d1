// SPDX-License-Identifier: GPL-2.0
//
// What has indices of insns, where insns are added: rust/engine/subprog.rs, linfo.rs and positions.rs.

include "same.dfy"

// How many insns stand where one stood.
function method Count(e: Edit): int { |e.patch| + if Prepends(e) then 1 else 0 }

// adjust_subprog_starts(), for one start
function method AdjustStart(start: int, off: int, len: int): int
{
  if len == 1 || start <= off then start else start + len - 1
}
function method StockStart(log: seq<Edit>, start: int): int
{
  if log == [] then start else
    var init, e := log[..|log|-1], log[|log|-1];
    AdjustStart(StockStart(init, start), Body(init, e.idx), Count(e))
}
// subprog::rewrite(): the start of each subprog is looked up.
lemma {:induction false} SubprogStarts(log: seq<Edit>, n: nat, start: nat)
  requires Valid(log, n) && Grows(log)
  ensures StockStart(log, start) == Start(log, start)
{
  if log == [] { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert log == init + [e];
  SubprogStarts(init, n, start);
  PlaceStep(init, e, n, start, Call, false);
}
// No subprog with insns loses them all, so that none is dropped.
lemma {:induction false} SubprogStay(log: seq<Edit>, n: nat, a: nat, b: nat)
  requires Valid(log, n) && Grows(log) && a < b <= n
  ensures Start(log, a) < Start(log, b)
{
  StartMono(log, n, a, b);
}

// bpf_adj_linfo(): the first entry behind `off`, and all from there on, are pushed.
function method AdjLinfoFrom(offs: seq<int>, i: nat, off: int): nat
  requires i <= |offs|
  ensures i <= AdjLinfoFrom(offs, i, off) <= |offs|
  ensures forall k :: i <= k < AdjLinfoFrom(offs, i, off) ==> offs[k] <= off
  ensures AdjLinfoFrom(offs, i, off) < |offs| ==> off < offs[AdjLinfoFrom(offs, i, off)]
  decreases |offs| - i
{
  if i == |offs| || off < offs[i] then i else AdjLinfoFrom(offs, i + 1, off)
}
function method Push(offs: seq<int>, i: nat, delta: int): seq<int>
  requires i <= |offs|
  ensures |Push(offs, i, delta)| == |offs|
  ensures forall k :: 0 <= k < |offs| ==> Push(offs, i, delta)[k] == if k < i then offs[k] else offs[k] + delta
  decreases |offs| - i
{
  if i == |offs| then offs else Push(offs[i := offs[i] + delta], i + 1, delta)
}
function method AdjLinfo(offs: seq<int>, off: int, delta: int): seq<int>
{
  if offs == [] || delta == 0 then offs else Push(offs, AdjLinfoFrom(offs, 0, off), delta)
}
predicate Ascends(offs: seq<int>) { forall i, j :: 0 <= i < j < |offs| ==> offs[i] <= offs[j] }

function method StockLinfo(log: seq<Edit>, offs: seq<int>): seq<int>
{
  if log == [] then offs else
    var init, e := log[..|log|-1], log[|log|-1];
    AdjLinfo(StockLinfo(init, offs), Body(init, e.idx), Added(e))
}
// linfo::rewrite(): each entry is looked up.
lemma {:induction false} LineInfo(log: seq<Edit>, n: nat, offs: seq<int>)
  requires Valid(log, n) && Grows(log)
  requires Ascends(offs) && forall i :: 0 <= i < |offs| ==> offs[i] >= 0
  ensures var got := StockLinfo(log, offs);
    |got| == |offs| && Ascends(got) && forall i :: 0 <= i < |offs| ==> got[i] == Start(log, offs[i])
{
  if log == [] { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert log == init + [e];
  LineInfo(init, n, offs);
  LastValid(init, e, n);
  var before, got := StockLinfo(init, offs), StockLinfo(log, offs);
  forall i | 0 <= i < |offs| ensures got[i] == Start(log, offs[i])
  {
    PlaceStep(init, e, n, offs[i], Call, false);
  }
  forall i, j | 0 <= i < j < |offs| ensures got[i] <= got[j] { StartMono(log, n, offs[i], offs[j]); }
}

// adjust_poke_descs(), with the patch "Let the poke descriptor of a tail call follow it"
function method AdjustPoke(idx: int, off: int, len: int): int
{
  if idx < off then idx else idx + len - 1
}
function method StockPoke(log: seq<Edit>, idx: int): int
{
  if log == [] then idx else
    var init, e := log[..|log|-1], log[|log|-1];
    AdjustPoke(StockPoke(init, idx), Body(init, e.idx), Count(e))
}
// positions::rewrite(), of poke descriptors: to the last insn of the group.
lemma {:induction false} PokeDescs(log: seq<Edit>, n: nat, idx: nat)
  requires Valid(log, n) && Grows(log)
  ensures StockPoke(log, idx) == Start(log, idx + 1) - 1
{
  if log == [] { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert log == init + [e];
  PokeDescs(init, n, idx);
  ValidBelow(log, n);
  if idx < e.idx {
    StartMono(init, n, idx + 1, e.idx);
  } else {
    StartTail(init, e.idx, idx + 1);
  }
}

// bpf_insn_array_adjust(), and bpf_insn_array_redirect() of adjust_gotox_targets(), for one value
function method AdjustValue(value: int, off: int, e: Edit): int
{
  var len := Count(e);
  var moved := if len <= 1 || value <= off then value else value + len - 1;
  if IsSkipped(e) && moved == off then off + |e.patch| else moved
}
function method StockValue(log: seq<Edit>, value: int): int
{
  if log == [] then value else
    var init, e := log[..|log|-1], log[|log|-1];
    AdjustValue(StockValue(init, value), Body(init, e.idx), e)
}
// positions::rewrite(), of insn arrays: to where jumps lead.
lemma {:induction false} InsnArrays(log: seq<Edit>, n: nat, value: nat)
  requires Valid(log, n) && Grows(log) && value <= n
  ensures StockValue(log, value) == Place(log, value, Jump, false)
{
  if log == [] { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert log == init + [e];
  InsnArrays(init, n, value);
  LastValid(init, e, n);
  PlaceStep(init, e, n, value, Jump, false);
}
