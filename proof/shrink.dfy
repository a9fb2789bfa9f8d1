// SPDX-License-Identifier: GPL-2.0
//
// Logs that remove insns: as same.dfy for those that add some, and `entered` of rust/engine/layout.rs.

include "layout.dfy"
include "stock.dfy"

// The length of the run that insn t is removed with; 0 if it stays.
function method Run(log: seq<Edit>, t: int): nat
{
  if log == [] then 0 else
    var e := log[|log|-1];
    if Removes(e) && e.idx <= t < End(e) then e.kind.cnt else Run(log[..|log|-1], t)
}
lemma RunIn(log: seq<Edit>, n: nat, t: int)
  requires Valid(log, n) && Run(log, t) > 0
  ensures 0 <= t < n
{
  if log != [] && !(log[|log|-1].idx <= t < End(log[|log|-1])) { RunIn(log[..|log|-1], n, t); }
}

// Layout::enter_runs() and call_target(): where a reference to old insn t leads. One into a run that is
// removed keeps its distance from the run's first insn: it leads where one to as far behind the run does.
function method Entered(log: seq<Edit>, n: nat, t: int): int
  requires Valid(log, n)
  decreases n - t
{
  var cnt := Run(log, t);
  if cnt == 0 then Start(log, t) else RunIn(log, n, t); Entered(log, n, t + cnt)
}

// relocate::kept()
function method KeptShrunk(prog: seq<Insn>, log: seq<Edit>, i: nat, pos: int): Insn
  requires i < |prog| && Valid(log, |prog|)
{
  var insn := prog[i];
  var t := i + 1 + insn.dist;
  if insn.ref.NoRef? then insn
  else insn.(dist := if IsJump(insn.ref) && t == i then -1 else Entered(log, |prog|, t) - pos - 1)
}
function method RenderShrunk(prog: seq<Insn>, log: seq<Edit>, cells: seq<Cell>): seq<Insn>
  requires Valid(log, |prog|) && forall p :: 0 <= p < |cells| ==> cells[p].Old? && cells[p].i < |prog|
  ensures |RenderShrunk(prog, log, cells)| == |cells|
  ensures forall p :: 0 <= p < |cells| ==> RenderShrunk(prog, log, cells)[p] == KeptShrunk(prog, log, cells[p].i, p)
{
  if cells == [] then [] else
    var last := |cells|-1;
    RenderShrunk(prog, log, cells[..last]) + [KeptShrunk(prog, log, cells[last].i, last)]
}
// insns::rewrite()
function method RewriteShrunk(prog: seq<Insn>, log: seq<Edit>): seq<Insn>
  requires Valid(log, |prog|) && Shrinks(log)
{
  ValidBehind(log, |prog|); LeftPlaces(log, |prog|, |prog|);
  RenderShrunk(prog, log, Pieces(log, |prog|))
}

predicate Behind(log: seq<Edit>, x: int) { forall j :: 0 <= j < |log| ==> End(log[j]) <= x }
lemma ValidBehind(log: seq<Edit>, n: nat)
  requires Valid(log, n) && Shrinks(log)
  ensures Behind(log, n)
  ensures log != [] ==> Behind(log[..|log|-1], log[|log|-1].idx)
{
  if log != [] {
    var init := log[..|log|-1];
    ValidBehind(init, n);
    if init != [] { assert Behind(init[..|init|-1], init[|init|-1].idx); }
  }
}

// What stays is in order, and has the places of the table. What is removed has the place of what comes next.
lemma {:induction false} StartShrinks(log: seq<Edit>, n: nat, i: int, j: int)
  requires Valid(log, n) && Shrinks(log) && i <= j
  ensures Start(log, i) <= Start(log, j) <= Start(log, i) + (j - i)
{
  if log == [] { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  ValidBehind(log, n);
  assert Removes(e);
  if i < e.idx { StartShrinks(init, n, i, Min(j, e.idx)); }
  if j > e.idx {
    StartBehind(init, e.idx, j);
    if i > e.idx { StartBehind(init, e.idx, i); }
  }
}
lemma {:induction false} StartBehind(log: seq<Edit>, x: int, i: int)
  requires Shrinks(log) && Behind(log, x) && x <= i
  ensures Start(log, i) == Start(log, x) + (i - x)
{
  if log != [] { assert Removes(log[|log|-1]); StartBehind(log[..|log|-1], x, i); }
}
lemma {:induction false} RunBehind(log: seq<Edit>, x: int, i: int)
  requires Behind(log, x) && x <= i
  ensures Run(log, i) == 0
{
  if log != [] { RunBehind(log[..|log|-1], x, i); }
}
lemma StartPositive(log: seq<Edit>, n: nat, i: nat)
  requires Valid(log, n) && Shrinks(log)
  ensures Start(log, i) >= 0
{
  StartFrontShrunk(log); StartShrinks(log, n, 0, i);
}
lemma StartFrontShrunk(log: seq<Edit>)
  requires Shrinks(log)
  ensures Start(log, 0) == 0
{
  if log != [] { StartFrontShrunk(log[..|log|-1]); }
}
predicate LeftAt(log: seq<Edit>, end: nat, c: Cell, p: int)
{
  c.Old? && c.i < end && Run(log, c.i) == 0 && Start(log, c.i) == p
}
lemma LeftPlaces(log: seq<Edit>, n: nat, end: nat)
  requires Valid(log, n) && Shrinks(log) && Behind(log, end)
  ensures |Pieces(log, end)| == Start(log, end)
  ensures forall p :: 0 <= p < |Pieces(log, end)| ==> LeftAt(log, end, Pieces(log, end)[p], p)
{
  if log == [] { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  ValidBehind(log, n);
  LeftPlaces(init, n, e.idx);
  StartBehind(init, e.idx, end);
  var a, b := Pieces(init, e.idx), Pieces(log, end);
  assert b == a + Olds(End(e), end);
  forall p | 0 <= p < |b| ensures LeftAt(log, end, b[p], p)
  {
    if p < |a| {
      assert LeftAt(init, e.idx, a[p], p);
    } else {
      var i := End(e) + p - |a|;
      assert b[p] == Old(i);
      RunBehind(log, End(e), i);
      StartBehind(init, e.idx, i);
    }
  }
}

// Where a reference leads, before and after the removal e.
lemma {:induction false} EnteredStep(log: seq<Edit>, e: Edit, n: nat, t: int)
  requires Valid(log + [e], n) && Shrinks(log + [e]) && Valid(log, n)
  ensures var q, off := Entered(log, n, t), Start(log, e.idx);
    Entered(log + [e], n, t) == if q >= off + e.kind.cnt then q - e.kind.cnt else q
  decreases n - t
{
  var log1, cnt := log + [e], e.kind.cnt;
  assert log1[..|log|] == log && log1[|log|] == e;
  ValidBehind(log1, n); ValidBehind(log, n);
  var run := Run(log, t);
  if run > 0 {
    RunIn(log, n, t);
    if t >= e.idx { RunBehind(log, e.idx, t); }
    EnteredStep(log, e, n, t + run);
  } else if t < e.idx {
    StartShrinks(log, n, t, e.idx);
  } else {
    StartBehind(log, e.idx, t);
    if t < End(e) {
      RunBehind(log1, End(e), t + cnt);
      StartBehind(log, e.idx, t + cnt);
    }
  }
}

// Where only one insn is removed at a time, the table alone will do: `longest_removal` is 1.
lemma EnteredOne(log: seq<Edit>, n: nat, t: int)
  requires Valid(log, n) && Shrinks(log) && forall j :: 0 <= j < |log| ==> log[j].kind.cnt == 1
  ensures Entered(log, n, t) == Start(log, t)
  decreases n - t
{
  if Run(log, t) > 0 {
    RunIn(log, n, t);
    RunOne(log, t);
    EnteredOne(log, n, t + 1);
    StartInRun(log, n, t);
  }
}
lemma RunOne(log: seq<Edit>, t: int)
  requires Shrinks(log) && forall j :: 0 <= j < |log| ==> log[j].kind.cnt == 1
  ensures Run(log, t) <= 1
{}
// Layout::is_removed()
lemma {:induction false} StartInRun(log: seq<Edit>, n: nat, t: int)
  requires Valid(log, n) && Shrinks(log)
  ensures Start(log, t) == Start(log, t + 1) <==> Run(log, t) > 0
  ensures Start(log, t) <= Start(log, t + 1) <= Start(log, t) + 1
{
  if log != [] {
    var init, e := log[..|log|-1], log[|log|-1];
    ValidBehind(log, n);
    assert Removes(e);
    StartInRun(init, n, t);
    if t >= e.idx { RunBehind(init, e.idx, t); }
  }
}

// The program after all removals, each done by stock.
function method StockShrunk(prog: seq<Insn>, log: seq<Edit>): seq<Insn>
  requires Valid(log, |prog|) && Shrinks(log)
  ensures |StockShrunk(prog, log)| == Start(log, |prog|)
{
  if log == [] then prog else
    var init, e := log[..|log|-1], log[|log|-1];
    ValidBehind(log, |prog|); StartBehind(init, e.idx, |prog|); StartPositive(init, |prog|, e.idx);
    RemoveInsns(StockShrunk(prog, init), Start(init, e.idx), e.kind.cnt)
}

lemma {:induction false} StepShrunk(prog: seq<Insn>, log: seq<Edit>, e: Edit)
  requires Valid(log + [e], |prog|) && Shrinks(log + [e]) && Valid(log, |prog|) && Shrinks(log)
  requires 0 <= Start(log, e.idx) && Start(log, e.idx) + e.kind.cnt <= |RewriteShrunk(prog, log)|
  ensures RemoveInsns(RewriteShrunk(prog, log), Start(log, e.idx), e.kind.cnt) == RewriteShrunk(prog, log + [e])
{
  var n, log1, off, cnt := |prog|, log + [e], Start(log, e.idx), e.kind.cnt;
  assert log1[..|log|] == log && log1[|log|] == e;
  var s, want := RewriteShrunk(prog, log), RewriteShrunk(prog, log1);
  var got := RemoveInsns(s, off, cnt);
  ValidBehind(log1, n); ValidBehind(log, n);
  LeftPlaces(log, n, n); LeftPlaces(log1, n, n);
  StartBehind(log, e.idx, n);
  assert |got| == |want|;
  forall p | 0 <= p < |want| ensures got[p] == want[p]
  {
    StepShrunkAt(prog, log, e, p);
    var p0 := if p < off then p else p + cnt;
    assert (s[..off] + s[off+cnt..])[p] == s[p0];
  }
}
lemma {:induction false} CellsShrunk(log: seq<Edit>, e: Edit, n: nat, p: int)
  requires Valid(log + [e], n) && Shrinks(log + [e]) && Valid(log, n) && Shrinks(log)
  requires 0 <= p < |Pieces(log + [e], n)|
  ensures var p0 := if p < Start(log, e.idx) then p else p + e.kind.cnt;
    p0 < |Pieces(log, n)| && Pieces(log + [e], n)[p] == Pieces(log, n)[p0]
{
  var log1, off := log + [e], Start(log, e.idx);
  assert log1[..|log|] == log && log1[|log|] == e;
  ValidBehind(log1, n); ValidBehind(log, n);
  LeftPlaces(log, n, e.idx);
  SplitShrunk(log, n, e.idx, n);
  var front := Pieces(log, e.idx);
  assert Pieces(log1, n) == front + Olds(End(e), n);
  assert Pieces(log, n) == front + Olds(e.idx, n);
  if p >= off { assert Olds(End(e), n)[p - off] == Olds(e.idx, n)[p + e.kind.cnt - off]; }
}
lemma SplitShrunk(log: seq<Edit>, n: nat, x: nat, end: nat)
  requires Valid(log, n) && Shrinks(log) && Behind(log, x) && x <= end
  ensures Pieces(log, end) == Pieces(log, x) + Olds(x, end)
{}
lemma {:induction false} StepShrunkAt(prog: seq<Insn>, log: seq<Edit>, e: Edit, p: int)
  requires Valid(log + [e], |prog|) && Shrinks(log + [e]) && Valid(log, |prog|) && Shrinks(log)
  requires 0 <= p < |RewriteShrunk(prog, log + [e])|
  ensures var off := Start(log, e.idx);
    var p0 := if p < off then p else p + e.kind.cnt;
    p0 < |RewriteShrunk(prog, log)| &&
    RewriteShrunk(prog, log + [e])[p] == AdjInsn(RewriteShrunk(prog, log)[p0], p, off, off + e.kind.cnt, off)
{
  var n := |prog|;
  ValidBehind(log, n); ValidBehind(log + [e], n);
  CellsShrunk(log, e, n, p);
  LeftPlaces(log, n, n); LeftPlaces(log + [e], n, n);
  var p0 := if p < Start(log, e.idx) then p else p + e.kind.cnt;
  var c := Pieces(log, n)[p0];
  assert LeftAt(log, n, c, p0) && LeftAt(log + [e], n, Pieces(log + [e], n)[p], p);
  EnteredStep(log, e, n, c.i + 1 + prog[c.i].dist);
}

// The theorem: stock's removals, one by one, give the engine's program.
lemma {:induction false} SameShrunk(prog: seq<Insn>, log: seq<Edit>)
  requires Valid(log, |prog|) && Shrinks(log)
  ensures StockShrunk(prog, log) == RewriteShrunk(prog, log)
{
  if log == [] { assert RewriteShrunk(prog, []) == prog; return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert log == init + [e];
  SameShrunk(prog, init);
  ValidBehind(log, |prog|); StartBehind(init, e.idx, |prog|); StartPositive(init, |prog|, e.idx);
  LeftPlaces(init, |prog|, |prog|);
  StepShrunk(prog, init, e);
}

// bpf_insn_array_adjust_after_remove(), for one value; None is INSN_DELETED
function method StockValueShrunk(log: seq<Edit>, value: int): Option<int>
{
  if log == [] then Some(value) else
    var init, e := log[..|log|-1], log[|log|-1];
    var off := Start(init, e.idx);
    match StockValueShrunk(init, value)
    case None => None
    case Some(at) => if at < off then Some(at) else if at < off + (End(e) - e.idx) then None else Some(at - (End(e) - e.idx))
}
// positions::rewrite(), of insn arrays
lemma {:induction false} InsnArraysShrunk(log: seq<Edit>, n: nat, value: nat)
  requires Valid(log, n) && Shrinks(log) && value <= n
  ensures StockValueShrunk(log, value) == if Run(log, value) > 0 then None else Some(Start(log, value))
{
  if log == [] { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert Removes(e);
  InsnArraysShrunk(init, n, value);
  ValidBehind(log, n);
  if value >= e.idx {
    StartBehind(init, e.idx, value); RunBehind(init, e.idx, value);
  } else {
    StartInRun(init, n, value); StartShrinks(init, n, value + 1, e.idx);
  }
}
