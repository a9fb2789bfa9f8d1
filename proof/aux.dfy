// SPDX-License-Identifier: GPL-2.0
//
// Aux data, where insns are added: rust/engine/aux.rs.

include "same.dfy"

// `data` is all that an edit does not change. `tag` of an insn tells whether it defines a 32-bit
// subregister, as bpf_insn_def32() does.
datatype Aux = Aux(data: int, seen: int, zext: bool, target: bool)

function method Zext(insn: Insn): bool { insn.tag % 2 == 1 }
function method Fresh(seen: int, insn: Insn): Aux { Aux(0, seen, Zext(insn), false) }

// adjust_insn_aux_data(): the entries of insns off to off + i of the new program, the last excepted
function method Zeroed(s: seq<Insn>, off: nat, i: nat, seen: int): seq<Aux>
  requires off + i <= |s|
  ensures |Zeroed(s, off, i, seen)| == i
  ensures forall k :: 0 <= k < i ==> Zeroed(s, off, i, seen)[k] == Fresh(seen, s[off + k])
{
  if i == 0 then [] else Zeroed(s, off, i - 1, seen) + [Fresh(seen, s[off + i - 1])]
}
function method AdjustInsnAuxData(data: seq<Aux>, s: seq<Insn>, off: nat, cnt: nat): seq<Aux>
  requires off < |data| && cnt > 0 && |s| == |data| + cnt - 1
{
  var last := data[off].(zext := Zext(s[off + cnt - 1]));
  if cnt == 1 then data[off := last] else
    var group := Zeroed(s, off, cnt - 1, data[off].seen) + [last];
    var moved := if last.target
      then group[cnt - 1 := last.(target := false)][0 := group[0].(target := true)] else group;
    data[..off] + moved + data[off+1..]
}
// adjust_gotox_targets()
function method AdjustGotoxTargets(data: seq<Aux>, tgt: nat, delta: nat): seq<Aux>
  requires tgt + delta < |data|
{
  var to := data[tgt + delta];
  data[tgt + delta := to.(target := to.target || data[tgt].target)][tgt := (if delta == 0 then to else data[tgt]).(target := false)]
}
function method EditAux(data: seq<Aux>, s: seq<Insn>, off: nat, e: Edit): seq<Aux>
  requires off < |data| && |e.patch| > 0 && !Removes(e) && |s| == |data| + Added(e)
{
  var cnt := |e.patch| + if Prepends(e) then 1 else 0;
  var next := AdjustInsnAuxData(data, s, off, cnt);
  if IsSkipped(e) then AdjustGotoxTargets(next, off, |e.patch|) else next
}

predicate method IsEdited(log: seq<Edit>, i: int)
{
  log != [] && (log[|log|-1].idx == i || IsEdited(log[..|log|-1], i))
}

// aux::expand(): the entry of a cell at p. That of an edited insn goes to the last of its group, its
// `indirect_target` to the first that jumps do not skip.
function method AuxAt(prog: seq<Insn>, data: seq<Aux>, log: seq<Edit>, c: Cell, p: int): Aux
  requires |prog| == |data| && IsCell(log, |prog|, c) && forall j :: 0 <= j < |log| ==> log[j].idx < |data|
{
  var i := if c.Old? then c.i else log[c.j].idx;
  var isLast := c.Old? || (!Prepends(log[c.j]) && c.k == |log[c.j].patch| - 1);
  var insn := if c.Old? then prog[i] else log[c.j].patch[c.k];
  if !IsEdited(log, i) then data[i] else
    (if isLast then data[i].(zext := Zext(insn)) else Fresh(data[i].seen, insn))
      .(target := data[i].target && p == Start(log, i) + Skip(log, i))
}
function method Entries(prog: seq<Insn>, data: seq<Aux>, log: seq<Edit>, cells: seq<Cell>): seq<Aux>
  requires |prog| == |data| && forall j :: 0 <= j < |log| ==> log[j].idx < |data|
  requires forall p :: 0 <= p < |cells| ==> IsCell(log, |prog|, cells[p])
  ensures |Entries(prog, data, log, cells)| == |cells|
  ensures forall p :: 0 <= p < |cells| ==> Entries(prog, data, log, cells)[p] == AuxAt(prog, data, log, cells[p], p)
{
  if cells == [] then [] else
    var last := |cells|-1;
    Entries(prog, data, log, cells[..last]) + [AuxAt(prog, data, log, cells[last], last)]
}
// aux::rewrite()
function method RewriteAux(prog: seq<Insn>, data: seq<Aux>, log: seq<Edit>): seq<Aux>
  requires |prog| == |data| && Valid(log, |prog|) && Grows(log)
{
  ValidCells(log, |prog|); ValidEnd(log, |prog|);
  Entries(prog, data, log, Pieces(log, |prog|))
}

predicate EntryAt(prog: seq<Insn>, data: seq<Aux>, log: seq<Edit>, cells: seq<Cell>, p: int, a: Aux)
  requires |prog| == |data| && forall j :: 0 <= j < |log| ==> log[j].idx < |data|
{
  0 <= p < |cells| && IsCell(log, |prog|, cells[p]) && a == AuxAt(prog, data, log, cells[p], p)
}

lemma {:induction false} AuxStep(prog: seq<Insn>, data: seq<Aux>, log: seq<Edit>, e: Edit)
  requires |prog| == |data| && Valid(log + [e], |prog|) && Grows(log + [e]) && Valid(log, |prog|) && Grows(log)
  requires 0 <= Body(log, e.idx) < |Rewrite(prog, log)| && |e.patch| > 0
  requires |Rewrite(prog, log + [e])| == |Rewrite(prog, log)| + Added(e)
  ensures EditAux(RewriteAux(prog, data, log), Rewrite(prog, log + [e]), Body(log, e.idx), e) == RewriteAux(prog, data, log + [e])
{
  var n, log1, off, s := |prog|, log + [e], Body(log, e.idx), Rewrite(prog, log + [e]);
  var a, want := RewriteAux(prog, data, log), RewriteAux(prog, data, log1);
  var got := EditAux(a, s, off, e);
  forall p | 0 <= p < |want| ensures got[p] == want[p]
  {
    StockEntries(a, s, off, e);
    AuxStepAt(prog, data, log, e, p);
  }
}

// What stock makes of the entry that comes to p.
function StockEntry(a: seq<Aux>, s: seq<Insn>, off: nat, e: Edit, p: int): Aux
  requires off < |a| && |e.patch| > 0 && !Removes(e) && |s| == |a| + Added(e) && 0 <= p < |s|
{
  var last := off + Added(e);
  if p < off then a[p] else if p > last then a[p - Added(e)]
  else GroupEntry(a[off], s[p], off, e, p)
}
// and of those of the patched insn's group, when that had the entry a
function GroupEntry(a: Aux, insn: Insn, off: int, e: Edit, p: int): Aux
{
  var last := off + Added(e);
  (if p == last then a.(zext := Zext(insn)) else Fresh(a.seen, insn)).(target := a.target && p == if IsSkipped(e) then last else off)
}
lemma {:induction false} StockEntries(a: seq<Aux>, s: seq<Insn>, off: nat, e: Edit)
  requires off < |a| && |e.patch| > 0 && !Removes(e) && |s| == |a| + Added(e)
  ensures var got := EditAux(a, s, off, e); |got| == |s| && forall p :: 0 <= p < |s| ==> got[p] == StockEntry(a, s, off, e, p)
{}

lemma {:induction false} Edited(log: seq<Edit>, e: Edit, i: int)
  ensures IsEdited(log + [e], i) <==> IsEdited(log, i) || i == e.idx
{
  assert (log + [e])[..|log|] == log;
}
lemma EditedBy(log: seq<Edit>, j: nat)
  requires j < |log|
  ensures IsEdited(log, log[j].idx)
{
  if j < |log|-1 { assert log[..|log|-1][j] == log[j]; EditedBy(log[..|log|-1], j); }
}
lemma NotEdited(log: seq<Edit>, i: int)
  requires !IsEdited(log, i)
  ensures Prefix(log, i) == 0 && Skip(log, i) == 0
{}

lemma {:induction false} AuxStepAt(prog: seq<Insn>, data: seq<Aux>, log: seq<Edit>, e: Edit, p: int)
  requires |prog| == |data| && Valid(log + [e], |prog|) && Grows(log + [e]) && Valid(log, |prog|) && Grows(log)
  requires 0 <= Body(log, e.idx) < |Rewrite(prog, log)| && |e.patch| > 0
  requires |Rewrite(prog, log + [e])| == |Rewrite(prog, log)| + Added(e) && 0 <= p < |Rewrite(prog, log + [e])|
  ensures RewriteAux(prog, data, log + [e])[p] ==
    StockEntry(RewriteAux(prog, data, log), Rewrite(prog, log + [e]), Body(log, e.idx), e, p)
{
  var n, off := |prog|, Body(log, e.idx);
  CellStep(log, e, n, p);
  ValidEnd(log, n); ValidEnd(log + [e], n);
  OffCell(log, e, n);
  var c := Pieces(log + [e], n)[p];
  if off <= p <= off + Added(e) {
    AuxGroup(prog, data, log, e, c, p);
  } else if p < off {
    FrontCell(log, e, n, c, p);
    AuxFront(prog, data, log, e, c, p);
  } else {
    BackCell(log, e, n, c, p - Added(e));
  }
}
lemma {:induction false} OffCell(log: seq<Edit>, e: Edit, n: nat)
  requires Valid(log + [e], n) && Grows(log + [e]) && Valid(log, n) && Grows(log)
  requires 0 <= Body(log, e.idx) < |Pieces(log, n)|
  ensures Pieces(log, n)[Body(log, e.idx)] == Old(e.idx)
{
  Splice(log, e, n);
}
lemma {:induction false} FrontCell(log: seq<Edit>, e: Edit, n: nat, c: Cell, p: int)
  requires Valid(log + [e], n) && Grows(log + [e]) && Valid(log, n) && Grows(log)
  requires PlacedAt(log, n, c, p) && p < Body(log, e.idx)
  ensures if c.Old? then c.i < e.idx else log[c.j].idx < e.idx || (log[c.j].idx == e.idx && !IsSkipped(e))
{
  assert (log + [e])[..|log|] == log && (log + [e])[|log|] == e;
  ValidBelow(log + [e], n);
  if c.Old? { Order(log, n, c.i, e.idx); } else if IsSkipped(e) { assert (log + [e])[c.j] == log[c.j]; Before(log + [e], n, c.j); }
}
lemma {:induction false} BackCell(log: seq<Edit>, e: Edit, n: nat, c: Cell, p: int)
  requires Valid(log + [e], n) && Grows(log + [e]) && Valid(log, n) && Grows(log)
  requires PlacedAt(log, n, c, p) && p > Body(log, e.idx)
  ensures c.Old? && c.i > e.idx && !IsEdited(log, c.i) && !IsEdited(log + [e], c.i)
{
  assert (log + [e])[..|log|] == log && (log + [e])[|log|] == e;
  ValidBelow(log + [e], n);
  if c.New? { InPatch(log, e, n, c.j); }
  Order(log, n, e.idx, c.i);
  BelowEdited(log, e.idx, c.i); Edited(log, e, c.i);
}
lemma BelowEdited(log: seq<Edit>, x: int, i: int)
  requires Below(log, x) && i > x
  ensures !IsEdited(log, i)
{}
lemma {:induction false} AuxGroup(prog: seq<Insn>, data: seq<Aux>, log: seq<Edit>, e: Edit, c: Cell, p: int)
  requires |prog| == |data| && Valid(log + [e], |prog|) && Grows(log + [e]) && Valid(log, |prog|)
  requires (forall j :: 0 <= j < |log| ==> log[j].idx < |data|) && e.idx < |data|
  requires var off := Body(log, e.idx); off <= p <= off + Added(e) &&
    c == if p < off + |e.patch| then New(|log|, p - off) else Old(e.idx)
  ensures AuxAt(prog, data, log + [e], c, p) == GroupEntry(AuxAt(prog, data, log, Old(e.idx), Body(log, e.idx)),
    if c.Old? then prog[e.idx] else e.patch[c.k], Body(log, e.idx), e, p)
{
  LastOfGroup(log, e, |prog|); SkipPrefix(log, e.idx); Edited(log, e, e.idx);
  if !IsEdited(log, e.idx) { NotEdited(log, e.idx); }
  assert (log + [e])[|log|] == e;
}
lemma {:induction false} AuxFront(prog: seq<Insn>, data: seq<Aux>, log: seq<Edit>, e: Edit, c: Cell, p: int)
  requires |prog| == |data| && Valid(log + [e], |prog|) && Grows(log + [e])
  requires (forall j :: 0 <= j < |log| ==> log[j].idx < |data|) && e.idx < |data| && IsCell(log, |prog|, c)
  requires if c.Old? then c.i < e.idx else log[c.j].idx < e.idx || (log[c.j].idx == e.idx && !IsSkipped(e))
  ensures AuxAt(prog, data, log + [e], c, p) == AuxAt(prog, data, log, c, p)
{
  var log1 := log + [e];
  assert log1[..|log|] == log;
  var i := if c.Old? then c.i else log[c.j].idx;
  if c.New? { assert log1[c.j] == log[c.j]; EditedBy(log, c.j); }
  Edited(log, e, i);
}
// Insns stay in order.
lemma {:induction false} Order(log: seq<Edit>, n: nat, i: int, j: int)
  requires Valid(log, n) && Grows(log)
  ensures Body(log, i) < Body(log, j) ==> i < j
{
  if j <= i && Body(log, i) < Body(log, j) {
    if j < i { StartNext(log, n, j); StartMono(log, n, j + 1, i); }
  }
}
lemma {:induction false} LastOfGroup(log: seq<Edit>, e: Edit, n: nat)
  requires Valid(log + [e], n) && Grows(log + [e])
  ensures Skip(log + [e], e.idx) == Skip(log, e.idx) + if IsSkipped(e) then |e.patch| else 0
  ensures Start(log + [e], e.idx) == Start(log, e.idx)
  ensures IsSkipped(e) ==> Prefix(log, e.idx) == 0 && Skip(log, e.idx) == 0
{
  assert (log + [e])[..|log|] == log;
  if IsSkipped(e) { PrefixOnce(log + [e], n); SkipPrefix(log, e.idx); }
}

// The theorem: what stock makes of the aux data, edit by edit.
function method StockAux(prog: seq<Insn>, data: seq<Aux>, log: seq<Edit>): seq<Aux>
  requires |prog| == |data| && Valid(log, |prog|) && Grows(log)
  ensures |StockAux(prog, data, log)| == Start(log, |prog|)
{
  if log == [] then data else
    var init, e := log[..|log|-1], log[|log|-1];
    BodyIn(init, |prog|, e.idx);
    EditAux(StockAux(prog, data, init), Stock(prog, log), Body(init, e.idx), e)
}
lemma {:induction false} AuxData(prog: seq<Insn>, data: seq<Aux>, log: seq<Edit>)
  requires |prog| == |data| && Valid(log, |prog|) && Grows(log) && Contracts(log)
  ensures StockAux(prog, data, log) == RewriteAux(prog, data, log)
{
  if log == [] { assert RewriteAux(prog, data, []) == data; return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert log == init + [e];
  AuxData(prog, data, init);
  Same(prog, log); Same(prog, init);
  BodyIn(init, |prog|, e.idx);
  LastValid(init, e, |prog|);
  AuxStep(prog, data, init, e);
}
