// SPDX-License-Identifier: GPL-2.0
//
// Aux data, line info and subprogs, where insns are removed: rust/engine/aux.rs, linfo.rs and subprog.rs; and that
// references still fit: reach.rs.

include "aux.dfy"
include "reach.dfy"
include "shrink.dfy"

// What verifier_remove_insns() does with aux data
function method RemoveAux(data: seq<Aux>, off: nat, cnt: nat): seq<Aux>
  requires off + cnt <= |data|
{
  data[..off] + data[off+cnt..]
}
function method StockAuxShrunk(data: seq<Aux>, log: seq<Edit>): seq<Aux>
  requires Valid(log, |data|) && Shrinks(log)
  ensures |StockAuxShrunk(data, log)| == Start(log, |data|)
{
  if log == [] then data else
    var init, e := log[..|log|-1], log[|log|-1];
    ValidBehind(log, |data|); StartBehind(init, e.idx, |data|); StartPositive(init, |data|, e.idx);
    RemoveAux(StockAuxShrunk(data, init), Start(init, e.idx), e.kind.cnt)
}
function method LeftAux(data: seq<Aux>, cells: seq<Cell>): seq<Aux>
  requires forall p :: 0 <= p < |cells| ==> cells[p].Old? && cells[p].i < |data|
  ensures |LeftAux(data, cells)| == |cells|
  ensures forall p :: 0 <= p < |cells| ==> LeftAux(data, cells)[p] == data[cells[p].i]
{
  if cells == [] then [] else LeftAux(data, cells[..|cells|-1]) + [data[cells[|cells|-1].i]]
}
// aux::rewrite(): shift::together() moves what stays.
function method RewriteAuxShrunk(data: seq<Aux>, log: seq<Edit>): seq<Aux>
  requires Valid(log, |data|) && Shrinks(log)
{
  ValidBehind(log, |data|); LeftPlaces(log, |data|, |data|);
  LeftAux(data, Pieces(log, |data|))
}
lemma {:induction false} AuxDataShrunk(data: seq<Aux>, log: seq<Edit>)
  requires Valid(log, |data|) && Shrinks(log)
  ensures StockAuxShrunk(data, log) == RewriteAuxShrunk(data, log)
{
  var n := |data|;
  if log == [] { assert RewriteAuxShrunk(data, []) == data; return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert log == init + [e];
  AuxDataShrunk(data, init);
  ValidBehind(log, n); ValidBehind(init, n); LeftPlaces(log, n, n); LeftPlaces(init, n, n);
  StartBehind(init, e.idx, n); StartPositive(init, n, e.idx);
  var got, want, off := StockAuxShrunk(data, log), RewriteAuxShrunk(data, log), Start(init, e.idx);
  forall p | 0 <= p < |want| ensures got[p] == want[p] { CellsShrunk(init, e, n, p); }
}

// What is at an insn: an entry of line info, or the start of a subprog. `tag` is the rest of it.
datatype Mark = Mark(at: int, tag: int)

predicate {:opaque} Rises(m: seq<Mark>, end: int)
{
  (forall i, j :: 0 <= i < j < |m| ==> m[i].at < m[j].at) && forall i :: 0 <= i < |m| ==> m[i].at < end
}

// Of marks that come to one place, the last stays; but none that comes to where the next one begins.
function method Keep(m: seq<Mark>, next: int): seq<Mark>
{
  if m == [] then [] else
    var last := m[|m|-1];
    Keep(m[..|m|-1], last.at) + if last.at == next then [] else [last]
}
function method FirstAt(m: seq<Mark>, end: int): int { if m == [] then end else m[0].at }
lemma {:induction false} KeepSplit(a: seq<Mark>, b: seq<Mark>, end: int)
  ensures Keep(a + b, end) == Keep(a, FirstAt(b, end)) + Keep(b, end)
  decreases |b|
{
  if b == [] { assert a + b == a; return; }
  var b1, last := b[..|b|-1], b[|b|-1];
  assert (a + b)[..|a + b|-1] == a + b1;
  KeepSplit(a, b1, last.at);
  assert FirstAt(b1, last.at) == FirstAt(b, end);
}
lemma {:induction false} KeepFirst(m: seq<Mark>, end: int)
  ensures FirstAt(Keep(m, end), end) == FirstAt(m, end)
{
  if m == [] { return; }
  var m1, last := m[..|m|-1], m[|m|-1];
  KeepFirst(m1, last.at);
}
lemma {:induction false} KeepAll(m: seq<Mark>, end: int)
  requires Rises(m, end)
  ensures Keep(m, end) == m
{
  reveal Rises();
  if m != [] { KeepAll(m[..|m|-1], m[|m|-1].at); }
}
lemma {:induction false} KeepOne(m: seq<Mark>, at: int, end: int)
  requires forall i :: 0 <= i < |m| ==> m[i].at == at
  ensures Keep(m, end) == if m == [] || at == end then [] else [m[|m|-1]]
{
  if m != [] { KeepOne(m[..|m|-1], at, at); }
}
// They ascend, if there was an order.
lemma {:induction false} KeepAscends(m: seq<Mark>, end: int)
  requires (forall i, j :: 0 <= i < j < |m| ==> m[i].at <= m[j].at) && forall i :: 0 <= i < |m| ==> m[i].at <= end
  ensures Rises(Keep(m, end), end)
{
  reveal Rises();
  if m != [] { KeepAscends(m[..|m|-1], m[|m|-1].at); }
}

// Where what is at q comes to once cnt insns from off on are removed.
function method Moved(q: int, off: int, cnt: nat): int
{
  if q <= off then q else if q < off + cnt then off else q - cnt
}
function method MovedAll(m: seq<Mark>, off: int, cnt: nat): seq<Mark>
  ensures |MovedAll(m, off, cnt)| == |m|
  ensures forall k :: 0 <= k < |m| ==> MovedAll(m, off, cnt)[k] == m[k].(at := Moved(m[k].at, off, cnt))
{
  if m == [] then [] else MovedAll(m[..|m|-1], off, cnt) + [m[|m|-1].(at := Moved(m[|m|-1].at, off, cnt))]
}
function method PlacedAll(log: seq<Edit>, m: seq<Mark>): seq<Mark>
  ensures |PlacedAll(log, m)| == |m|
  ensures forall k :: 0 <= k < |m| ==> PlacedAll(log, m)[k] == m[k].(at := Start(log, m[k].at))
{
  if m == [] then [] else PlacedAll(log, m[..|m|-1]) + [m[|m|-1].(at := Start(log, m[|m|-1].at))]
}
lemma {:induction false} PlacedNone(m: seq<Mark>)
  ensures PlacedAll([], m) == m
{
  if m != [] {
    var last := m[|m|-1];
    PlacedNone(m[..|m|-1]);
    assert Start([], last.at) == last.at && last.(at := last.at) == last;
    assert m == m[..|m|-1] + [last];
  }
}
lemma {:induction false} KeepTwice(m: seq<Mark>, end: int, off: int, cnt: nat)
  ensures Keep(MovedAll(Keep(m, end), off, cnt), Moved(end, off, cnt)) == Keep(MovedAll(m, off, cnt), Moved(end, off, cnt))
{
  if m == [] { return; }
  var m1, last := m[..|m|-1], m[|m|-1];
  KeepTwice(m1, last.at, off, cnt);
  assert MovedAll(m, off, cnt)[..|m|-1] == MovedAll(m1, off, cnt);
  if last.at == end {
    assert Keep(m, end) == Keep(m1, last.at);
    assert Keep(MovedAll(m, off, cnt), Moved(end, off, cnt)) == Keep(MovedAll(m1, off, cnt), Moved(end, off, cnt));
  } else {
    var k := Keep(m, end);
    assert k[..|k|-1] == Keep(m1, last.at);
    assert MovedAll(k, off, cnt)[..|k|-1] == MovedAll(Keep(m1, last.at), off, cnt);
  }
}
lemma {:induction false} StartStepShrunk(log: seq<Edit>, e: Edit, n: nat, x: int)
  requires Valid(log + [e], n) && Shrinks(log + [e]) && Valid(log, n)
  ensures Start(log + [e], x) == Moved(Start(log, x), Start(log, e.idx), e.kind.cnt)
{
  assert (log + [e])[..|log|] == log && (log + [e])[|log|] == e;
  ValidBehind(log + [e], n);
  if x >= e.idx { StartBehind(log, e.idx, x); } else { StartShrinks(log, n, x, e.idx); }
}
lemma {:induction false} PlacedStep(log: seq<Edit>, e: Edit, n: nat, m: seq<Mark>)
  requires Valid(log + [e], n) && Shrinks(log + [e]) && Valid(log, n)
  ensures PlacedAll(log + [e], m) == MovedAll(PlacedAll(log, m), Start(log, e.idx), e.kind.cnt)
{
  forall k | 0 <= k < |m| ensures Start(log + [e], m[k].at) == Moved(Start(log, m[k].at), Start(log, e.idx), e.kind.cnt)
  {
    StartStepShrunk(log, e, n, m[k].at);
  }
}
lemma {:induction false} PlacedAscends(log: seq<Edit>, n: nat, m: seq<Mark>, end: int)
  requires Valid(log, n) && Shrinks(log) && Rises(m, end)
  ensures Rises(Keep(PlacedAll(log, m), Start(log, end)), Start(log, end))
{
  reveal Rises();
  forall i, j | 0 <= i < j < |m| ensures Start(log, m[i].at) <= Start(log, m[j].at) { StartShrinks(log, n, m[i].at, m[j].at); }
  forall i | 0 <= i < |m| ensures Start(log, m[i].at) <= Start(log, end) { StartShrinks(log, n, m[i].at, end); }
  KeepAscends(PlacedAll(log, m), Start(log, end));
}

// The first mark from i on that is at x or behind.
function method FirstFrom(m: seq<Mark>, i: nat, x: int): nat
  requires i <= |m|
  ensures i <= FirstFrom(m, i, x) <= |m| && forall k :: i <= k < FirstFrom(m, i, x) ==> m[k].at < x
  ensures FirstFrom(m, i, x) < |m| ==> x <= m[FirstFrom(m, i, x)].at
  decreases |m| - i
{
  if i == |m| || x <= m[i].at then i else FirstFrom(m, i + 1, x)
}
function method Pull(m: seq<Mark>, cnt: nat): seq<Mark>
  ensures |Pull(m, cnt)| == |m| && forall k :: 0 <= k < |m| ==> Pull(m, cnt)[k] == m[k].(at := m[k].at - cnt)
{
  if m == [] then [] else Pull(m[..|m|-1], cnt) + [m[|m|-1].(at := m[|m|-1].at - cnt)]
}
// bpf_adj_linfo_after_remove(), in a program that has `len` insns by then
predicate method Inherits(lines: seq<Mark>, off: int, cnt: nat, len: int)
{
  var l := FirstFrom(lines, 0, off);
  var i := FirstFrom(lines, l, off + cnt);
  len != off && i > l && (i == |lines| || lines[i].at != off + cnt)
}
function method Gone(lines: seq<Mark>, off: int, cnt: nat, len: int): nat
{
  var l := FirstFrom(lines, 0, off);
  FirstFrom(lines, l, off + cnt) - l - if Inherits(lines, off, cnt, len) then 1 else 0
}
function method AdjLinfoAfterRemove(lines: seq<Mark>, off: int, cnt: nat, len: int): seq<Mark>
{
  var l := FirstFrom(lines, 0, off);
  var i := FirstFrom(lines, l, off + cnt);
  lines[..l] + Pull((if Inherits(lines, off, cnt, len) then [lines[i-1].(at := off + cnt)] else []) + lines[i..], cnt)
}
function method AdjLinfoIdx(lines: seq<Mark>, off: int, cnt: nat, len: int, idx: int): int
{
  var l, gone := FirstFrom(lines, 0, off), Gone(lines, off, cnt, len);
  if idx <= l then idx else if idx >= l + gone then idx - gone else l
}
predicate {:opaque} In(m: seq<Mark>, from: int, to: int) { forall k :: 0 <= k < |m| ==> from <= m[k].at < to }
lemma {:induction false} FirstOf(m: seq<Mark>, end: int, off: int, cnt: nat) returns (l: nat, i: nat)
  requires Rises(m, end)
  ensures l == FirstFrom(m, 0, off) && i == FirstFrom(m, l, off + cnt) && l <= i <= |m|
  ensures Rises(m[..l], off) && In(m[l..i], off, off + cnt) && Rises(m[i..], end) && off + cnt <= FirstAt(m[i..], off + cnt)
{
  l := FirstFrom(m, 0, off);
  i := FirstFrom(m, l, off + cnt);
  RisesSides(m, end, l); RisesSides(m, end, i);
  RisesUntil(m[..l], FirstAt(m[l..], end), off);
  InPart(m, end, l, i, off, off + cnt);
}
lemma {:induction false} RisesSides(m: seq<Mark>, end: int, i: nat)
  requires Rises(m, end) && i <= |m|
  ensures Rises(m[..i], FirstAt(m[i..], end)) && Rises(m[i..], end)
{
  reveal Rises();
}
lemma {:induction false} RisesUntil(m: seq<Mark>, end: int, to: int)
  requires Rises(m, end) && forall k :: 0 <= k < |m| ==> m[k].at < to
  ensures Rises(m, to)
{
  reveal Rises();
}
lemma {:induction false} InPart(m: seq<Mark>, end: int, a: nat, b: nat, from: int, to: int)
  requires Rises(m, end) && a <= b <= |m| && (a < |m| ==> from <= m[a].at) && forall k :: a <= k < b ==> m[k].at < to
  ensures In(m[a..b], from, to)
{
  reveal Rises(); reveal In();
}
lemma {:induction false} RisesPart(m: seq<Mark>, end: int, a: nat, b: nat)
  requires Rises(m, end) && a <= b <= |m|
  ensures Rises(m[a..b], FirstAt(m[b..], end))
{
  reveal Rises();
}
lemma {:induction false} Parts(m: seq<Mark>, l: nat, i: nat)
  requires l <= i <= |m|
  ensures m == m[..l] + (m[l..i] + m[i..])
{}
lemma {:induction false} MovedParts(a: seq<Mark>, b: seq<Mark>, off: int, cnt: nat)
  ensures MovedAll(a + b, off, cnt) == MovedAll(a, off, cnt) + MovedAll(b, off, cnt)
{}
lemma {:induction false} InMoved(b: seq<Mark>, off: int, cnt: nat)
  requires In(b, off, off + cnt)
  ensures forall k :: 0 <= k < |b| ==> MovedAll(b, off, cnt)[k].at == off
  ensures b != [] ==> MovedAll(b, off, cnt)[|b|-1] == b[|b|-1].(at := off)
{
  reveal In();
}
lemma {:induction false} Nothing(m: seq<Mark>) ensures [] + m == m {}
// Marks of what is removed, and behind: where they come to.
lemma {:induction false} KeepBehind(b: seq<Mark>, c: seq<Mark>, next: int, off: int, cnt: nat)
  requires In(b, off, off + cnt) && Rises(c, next) && off <= next && off + cnt <= FirstAt(c, off + cnt)
  ensures Keep(MovedAll(b, off, cnt) + MovedAll(c, off, cnt), Moved(next, off, cnt)) ==
    (if b == [] || FirstAt(c, next) <= off + cnt then [] else [b[|b|-1].(at := off)]) + Pull(c, cnt)
  ensures off <= FirstAt(MovedAll(b, off, cnt) + MovedAll(c, off, cnt), Moved(next, off, cnt))
{
  var next1 := FirstAt(MovedAll(c, off, cnt), Moved(next, off, cnt));
  FirstMoved(c, next, off, cnt);
  KeepBack(c, next, off, cnt);
  KeepSplit(MovedAll(b, off, cnt), MovedAll(c, off, cnt), Moved(next, off, cnt));
  InMoved(b, off, cnt);
  KeepOne(MovedAll(b, off, cnt), off, next1);
}
lemma {:induction false} FirstMoved(c: seq<Mark>, next: int, off: int, cnt: nat)
  ensures FirstAt(MovedAll(c, off, cnt), Moved(next, off, cnt)) == Moved(FirstAt(c, next), off, cnt)
{}
// and those in front of it
lemma {:induction false} KeepParts(a: seq<Mark>, b: seq<Mark>, c: seq<Mark>, next: int, off: int, cnt: nat)
  requires Rises(a, off) && In(b, off, off + cnt) && Rises(c, next) && off <= next && off + cnt <= FirstAt(c, off + cnt)
  ensures Keep(MovedAll(a + (b + c), off, cnt), Moved(next, off, cnt)) ==
    a + ((if b == [] || FirstAt(c, next) <= off + cnt then [] else [b[|b|-1].(at := off)]) + Pull(c, cnt))
{
  MovedParts(a, b + c, off, cnt); MovedParts(b, c, off, cnt);
  KeepBehind(b, c, next, off, cnt);
  KeepFront(a, MovedAll(b, off, cnt) + MovedAll(c, off, cnt), Moved(next, off, cnt), off, cnt);
}
lemma {:induction false} KeepFront(a: seq<Mark>, back: seq<Mark>, end: int, off: int, cnt: nat)
  requires Rises(a, off) && off <= FirstAt(back, end)
  ensures Keep(MovedAll(a, off, cnt) + back, end) == a + Keep(back, end)
{
  reveal Rises();
  assert MovedAll(a, off, cnt) == a;
  KeepSplit(a, back, end); KeepAll(a, FirstAt(back, end));
}
lemma {:induction false} KeepBack(c: seq<Mark>, next: int, off: int, cnt: nat)
  requires Rises(c, next) && off <= next && off + cnt <= FirstAt(c, off + cnt)
  ensures Keep(MovedAll(c, off, cnt), Moved(next, off, cnt)) == Pull(c, cnt)
{
  reveal Rises();
  assert MovedAll(c, off, cnt) == Pull(c, cnt);
  KeepAll(MovedAll(c, off, cnt), Moved(next, off, cnt));
}
lemma {:induction false} PullOne(m: Mark, c: seq<Mark>, cnt: nat)
  ensures Pull([m] + c, cnt) == [m.(at := m.at - cnt)] + Pull(c, cnt)
{}
lemma {:induction false} EndBehind(m: seq<Mark>, end: int, i: nat)
  requires Rises(m, end) && i <= |m|
  ensures FirstAt(m[i..], end) == if i == |m| then end else m[i].at
  ensures i < |m| ==> m[i].at < end
{
  reveal Rises();
}
lemma {:induction false} LinfoIs(m: seq<Mark>, end: int, off: int, cnt: nat, l: nat, i: nat)
  requires Rises(m, end) && off + cnt <= end && cnt > 0 && l == FirstFrom(m, 0, off) && i == FirstFrom(m, l, off + cnt)
  ensures AdjLinfoAfterRemove(m, off, cnt, end - cnt) ==
    m[..l] + ((if l == i || FirstAt(m[i..], end) <= off + cnt then [] else [m[i-1].(at := off)]) + Pull(m[i..], cnt))
{
  EndBehind(m, end, i);
  if Inherits(m, off, cnt, end - cnt) {
    PullOne(m[i-1].(at := off + cnt), m[i..], cnt);
  } else {
    Nothing(m[i..]); Nothing(Pull(m[i..], cnt));
  }
}
lemma {:induction false} LinfoStep(m: seq<Mark>, end: int, off: int, cnt: nat)
  requires Rises(m, end) && off + cnt <= end && cnt > 0
  ensures AdjLinfoAfterRemove(m, off, cnt, end - cnt) == Keep(MovedAll(m, off, cnt), end - cnt)
{
  var l, i := FirstOf(m, end, off, cnt);
  LinfoIs(m, end, off, cnt, l, i);
  KeepParts(m[..l], m[l..i], m[i..], end, off, cnt);
  Parts(m, l, i);
  if l < i { assert m[l..i][i-1-l] == m[i-1]; }
}

function method StockLinfoShrunk(log: seq<Edit>, n: nat, lines: seq<Mark>): seq<Mark>
{
  if log == [] then lines else
    var init, e := log[..|log|-1], log[|log|-1];
    if !Removes(e) then [] else
    AdjLinfoAfterRemove(StockLinfoShrunk(init, n, lines), Start(init, e.idx), e.kind.cnt, Start(log, n))
}
function method StockLinfoIdx(log: seq<Edit>, n: nat, lines: seq<Mark>, idx: int): int
{
  if log == [] then idx else
    var init, e := log[..|log|-1], log[|log|-1];
    if !Removes(e) then 0 else
    AdjLinfoIdx(StockLinfoShrunk(init, n, lines), Start(init, e.idx), e.kind.cnt, Start(log, n), StockLinfoIdx(init, n, lines, idx))
}

// Layout::is_removed() and stays()
predicate method IsRemoved(log: seq<Edit>, n: nat, i: int) { i < n && Start(log, i) == Start(log, i + 1) }
predicate method StaysLine(log: seq<Edit>, n: nat, lines: seq<Mark>, k: nat)
  requires k < |lines|
{
  var place := Start(log, lines[k].at);
  !IsRemoved(log, n, lines[k].at) ||
  (place != Start(log, n) && (k + 1 == |lines| || Start(log, lines[k + 1].at) != place))
}
// linfo::rewrite(), of the first k entries; linfo::rewrite_idx() counts them.
function method RewriteLinfoShrunk(log: seq<Edit>, n: nat, lines: seq<Mark>, k: nat): seq<Mark>
  requires k <= |lines|
{
  if k == 0 then [] else
    RewriteLinfoShrunk(log, n, lines, k - 1) +
      if StaysLine(log, n, lines, k - 1) then [lines[k - 1].(at := Start(log, lines[k - 1].at))] else []
}
function NextAt(log: seq<Edit>, n: nat, lines: seq<Mark>, k: nat): int
  requires k <= |lines|
{
  if k == |lines| then Start(log, n) else Start(log, lines[k].at)
}
lemma {:induction false} StaysIfLast(log: seq<Edit>, n: nat, lines: seq<Mark>, k: nat)
  requires Valid(log, n) && Shrinks(log) && Rises(lines, n) && k < |lines|
  ensures StaysLine(log, n, lines, k) <==> Start(log, lines[k].at) != NextAt(log, n, lines, k + 1)
{
  reveal Rises();
  var at, next := lines[k].at, if k + 1 == |lines| then n else lines[k + 1].at;
  StartShrinks(log, n, at, at + 1); StartShrinks(log, n, at + 1, next); StartShrinks(log, n, next, n);
}
lemma {:induction false} LinfoIsKeep(log: seq<Edit>, n: nat, lines: seq<Mark>, k: nat)
  requires Valid(log, n) && Shrinks(log) && Rises(lines, n) && k <= |lines|
  ensures RewriteLinfoShrunk(log, n, lines, k) == Keep(PlacedAll(log, lines[..k]), NextAt(log, n, lines, k))
{
  if k == 0 { return; }
  LinfoIsKeep(log, n, lines, k - 1);
  StaysIfLast(log, n, lines, k - 1);
  assert lines[..k][..k-1] == lines[..k-1];
  assert PlacedAll(log, lines[..k])[..k-1] == PlacedAll(log, lines[..k-1]);
}

// The theorems: which entries stay and where they come to, and where those of a subprog begin.
lemma {:induction false} LineInfoShrunk(log: seq<Edit>, n: nat, lines: seq<Mark>)
  requires Valid(log, n) && Shrinks(log) && Rises(lines, n)
  ensures StockLinfoShrunk(log, n, lines) == RewriteLinfoShrunk(log, n, lines, |lines|)
{
  LinfoIsKeep(log, n, lines, |lines|);
  assert lines[..|lines|] == lines;
  LinfoKeeps(log, n, lines);
}
lemma {:induction false} LinfoKeeps(log: seq<Edit>, n: nat, lines: seq<Mark>)
  requires Valid(log, n) && Shrinks(log) && Rises(lines, n)
  ensures StockLinfoShrunk(log, n, lines) == Keep(PlacedAll(log, lines), Start(log, n))
{
  if log == [] { PlacedNone(lines); KeepAll(lines, n); return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert Removes(log[|log|-1]) && log == init + [e];
  LinfoKeeps(init, n, lines);
  LinfoKept(init, e, n, lines);
}
lemma {:induction false} LinfoKept(log: seq<Edit>, e: Edit, n: nat, lines: seq<Mark>)
  requires Valid(log + [e], n) && Shrinks(log + [e]) && Valid(log, n) && Shrinks(log) && Removes(e) && e.kind.cnt > 0
  requires Rises(lines, n)
  ensures AdjLinfoAfterRemove(Keep(PlacedAll(log, lines), Start(log, n)), Start(log, e.idx), e.kind.cnt, Start(log + [e], n)) ==
    Keep(PlacedAll(log + [e], lines), Start(log + [e], n))
{
  var off, cnt, m, end := Start(log, e.idx), e.kind.cnt, PlacedAll(log, lines), Start(log, n);
  assert (log + [e])[..|log|] == log && (log + [e])[|log|] == e;
  ValidBehind(log + [e], n); StartBehind(log, e.idx, n);
  PlacedAscends(log, n, lines, n); PlacedStep(log, e, n, lines); StartStepShrunk(log, e, n, n);
  LinfoStep(Keep(m, end), end, off, cnt);
  KeepTwice(m, end, off, cnt);
}

// How many of the first idx marks are left.
lemma {:induction false} IdxStep(m: seq<Mark>, end: int, off: int, cnt: nat, c: nat)
  requires Rises(m, end) && off + cnt <= end && cnt > 0 && c <= |m|
  ensures AdjLinfoIdx(m, off, cnt, end - cnt, c) == |Keep(MovedAll(m[..c], off, cnt), Moved(FirstAt(m[c..], end), off, cnt))|
{
  var l, i := FirstOf(m, end, off, cnt);
  var next, a := FirstAt(m[c..], end), m[..c];
  EndBehind(m, end, c); EndBehind(m, end, i);
  if c < l {
    RisesSides(m, end, c);
    IdxFront(m, l, c, next, off, cnt);
  } else if c <= i {
    IdxInside(m, end, l, i, c, off, cnt);
  } else {
    IdxBehind(m, end, l, i, c, off, cnt);
  }
}
lemma {:induction false} IdxFront(m: seq<Mark>, l: nat, c: nat, next: int, off: int, cnt: nat)
  requires c < l <= |m| && Rises(m[..l], off) && Rises(m[..c], next) && next == m[c].at
  ensures |Keep(MovedAll(m[..c], off, cnt), Moved(next, off, cnt))| == c
{
  reveal Rises();
  assert m[..l][c] == m[c];
  forall k | 0 <= k < c ensures m[k].at < off { assert m[..l][k] == m[k]; }
  assert MovedAll(m[..c], off, cnt) == m[..c];
  KeepAll(m[..c], next);
}
lemma {:induction false} IdxInside(m: seq<Mark>, end: int, l: nat, i: nat, c: nat, off: int, cnt: nat)
  requires Rises(m, end) && l <= c <= i <= |m| && off + cnt <= end
  requires Rises(m[..l], off) && In(m[l..i], off, off + cnt) && off + cnt <= FirstAt(m[i..], off + cnt)
  ensures var next := FirstAt(m[c..], end);
    |Keep(MovedAll(m[..c], off, cnt), Moved(next, off, cnt))| == l + if c == l || next <= off + cnt then 0 else 1
{
  var next := FirstAt(m[c..], end);
  EndBehind(m, end, c); EndBehind(m, end, i);
  In2(m, l, i, c, off, off + cnt);
  RisesNone(next);
  KeepParts(m[..l], m[l..c], [], next, off, cnt);
  assert m[..c] == m[..l] + (m[l..c] + []);
  assert Pull([], cnt) == [];
}
lemma {:induction false} IdxBehind(m: seq<Mark>, end: int, l: nat, i: nat, c: nat, off: int, cnt: nat)
  requires Rises(m, end) && l <= i < c <= |m| && off + cnt <= end
  requires Rises(m[..l], off) && In(m[l..i], off, off + cnt) && off + cnt <= FirstAt(m[i..], off + cnt)
  ensures |Keep(MovedAll(m[..c], off, cnt), Moved(FirstAt(m[c..], end), off, cnt))| ==
    l + (c - i) + if i == l || m[i].at <= off + cnt then 0 else 1
{
  var next := FirstAt(m[c..], end);
  EndBehind(m, end, c);
  RisesPart(m, end, i, c);
  RisesFirst(m[i..c], next);
  KeepParts(m[..l], m[l..i], m[i..c], next, off, cnt);
  assert m[..c] == m[..l] + (m[l..i] + m[i..c]);
}
lemma {:induction false} RisesNone(end: int) ensures Rises([], end) { reveal Rises(); }
lemma {:induction false} RisesFirst(m: seq<Mark>, end: int) requires Rises(m, end) ensures m != [] ==> m[0].at < end { reveal Rises(); }
lemma {:induction false} In2(m: seq<Mark>, l: nat, i: nat, c: nat, from: int, to: int)
  requires l <= c <= i <= |m| && In(m[l..i], from, to)
  ensures In(m[l..c], from, to) && (c < i ==> from <= m[c].at < to)
{
  reveal In();
  if c < i { assert m[l..i][c - l] == m[c]; }
  forall k | 0 <= k < c - l ensures from <= m[l..c][k].at < to { assert m[l..i][k] == m[l..c][k]; }
}
lemma {:induction false} IdxKept(front: seq<Mark>, back: seq<Mark>, end: int, off: int, cnt: nat)
  requires Rises(Keep(front + back, end), end) && off + cnt <= end && cnt > 0
  ensures var next := FirstAt(back, end);
    AdjLinfoIdx(Keep(front + back, end), off, cnt, end - cnt, |Keep(front, next)|) == |Keep(MovedAll(front, off, cnt), Moved(next, off, cnt))|
{
  var next := FirstAt(back, end);
  KeepSplit(front, back, end); KeepFirst(back, end);
  var m, a := Keep(front + back, end), Keep(front, next);
  assert m[..|a|] == a && m[|a|..] == Keep(back, end);
  IdxStep(m, end, off, cnt, |a|);
  KeepTwice(front, next, off, cnt);
}
lemma {:induction false} LineInfoIdx(log: seq<Edit>, n: nat, lines: seq<Mark>, idx: nat)
  requires Valid(log, n) && Shrinks(log) && Rises(lines, n) && idx <= |lines|
  ensures StockLinfoIdx(log, n, lines, idx) == |RewriteLinfoShrunk(log, n, lines, idx)|
{
  LinfoIsKeep(log, n, lines, idx);
  IdxKeeps(log, n, lines, idx);
}
lemma {:induction false} IdxKeeps(log: seq<Edit>, n: nat, lines: seq<Mark>, idx: nat)
  requires Valid(log, n) && Shrinks(log) && Rises(lines, n) && idx <= |lines|
  ensures StockLinfoIdx(log, n, lines, idx) == |Keep(PlacedAll(log, lines[..idx]), NextAt(log, n, lines, idx))|
{
  if log == [] {
    RisesSides(lines, n, idx);
    PlacedNone(lines[..idx]);
    KeepAll(lines[..idx], NextAt(log, n, lines, idx));
    return;
  }
  var init, e := log[..|log|-1], log[|log|-1];
  assert Removes(log[|log|-1]) && log == init + [e];
  IdxKeeps(init, n, lines, idx);
  LinfoKeeps(init, n, lines);
  NextStep(init, e, n, lines, idx);
}
lemma {:induction false} NextStep(log: seq<Edit>, e: Edit, n: nat, lines: seq<Mark>, idx: nat)
  requires Valid(log + [e], n) && Shrinks(log + [e]) && Valid(log, n) && Shrinks(log) && Removes(e) && e.kind.cnt > 0
  requires Rises(lines, n) && idx <= |lines|
  ensures AdjLinfoIdx(Keep(PlacedAll(log, lines), Start(log, n)), Start(log, e.idx), e.kind.cnt, Start(log + [e], n),
      |Keep(PlacedAll(log, lines[..idx]), NextAt(log, n, lines, idx))|) ==
    |Keep(PlacedAll(log + [e], lines[..idx]), NextAt(log + [e], n, lines, idx))|
{
  var off, cnt, end, front, back := Start(log, e.idx), e.kind.cnt, Start(log, n), PlacedAll(log, lines[..idx]), PlacedAll(log, lines[idx..]);
  PlacedParts(log, n, lines, idx);
  EndStep(log, e, n, lines, idx);
  PlacedAscends(log, n, lines, n);
  IdxKept(front, back, end, off, cnt);
  PlacedStep(log, e, n, lines[..idx]);
}
lemma {:induction false} EndStep(log: seq<Edit>, e: Edit, n: nat, lines: seq<Mark>, idx: nat)
  requires Valid(log + [e], n) && Shrinks(log + [e]) && Valid(log, n) && Shrinks(log) && Removes(e) && idx <= |lines|
  ensures NextAt(log + [e], n, lines, idx) == Moved(NextAt(log, n, lines, idx), Start(log, e.idx), e.kind.cnt)
  ensures Start(log, e.idx) + e.kind.cnt <= Start(log, n) && Start(log + [e], n) == Start(log, n) - e.kind.cnt
{
  assert (log + [e])[..|log|] == log && (log + [e])[|log|] == e;
  ValidBehind(log + [e], n); StartBehind(log, e.idx, n);
  StartStepShrunk(log, e, n, n);
  if idx < |lines| { StartStepShrunk(log, e, n, lines[idx].at); }
}
lemma {:induction false} PlacedParts(log: seq<Edit>, n: nat, lines: seq<Mark>, idx: nat)
  requires idx <= |lines|
  ensures PlacedAll(log, lines) == PlacedAll(log, lines[..idx]) + PlacedAll(log, lines[idx..])
  ensures FirstAt(PlacedAll(log, lines[idx..]), Start(log, n)) == NextAt(log, n, lines, idx)
{}

// adjust_subprog_starts_after_remove(); `end` marks the end of the program.
function method AdjustStartsAfterRemove(m: seq<Mark>, end: int, off: int, cnt: nat): seq<Mark>
{
  var i := FirstFrom(m, 0, off);
  var j := FirstFrom(m, i, off + cnt);
  var ends := FirstAt(m[j..], end) == off + cnt;
  if ends && j > i then m[..i] + Pull(m[j..], cnt) else if !ends && j - 1 > i then m[..i] + Pull(m[j-1..], cnt) else
    var i1: int := if i < |m| && m[i].at == off then i + 1 else i;
    m[..i1] + Pull(m[i1..], cnt)
}
function method StockStartsShrunk(log: seq<Edit>, n: nat, starts: seq<Mark>): seq<Mark>
{
  if log == [] then starts else
    var init, e := log[..|log|-1], log[|log|-1];
    AdjustStartsAfterRemove(StockStartsShrunk(init, n, starts), Start(init, n), Start(init, e.idx), End(e) - e.idx)
}
// subprog::rewrite(), of the first k subprogs: one of which no insn stays is dropped.
function method RewriteStartsShrunk(log: seq<Edit>, n: nat, starts: seq<Mark>, k: nat): seq<Mark>
  requires k <= |starts|
{
  if k == 0 then [] else
    var start, end := starts[k - 1].at, if k == |starts| then n else starts[k].at;
    RewriteStartsShrunk(log, n, starts, k - 1) +
      if Start(log, start) == Start(log, end) then [] else [starts[k - 1].(at := Start(log, start))]
}
lemma {:induction false} StartsAreKept(log: seq<Edit>, n: nat, starts: seq<Mark>, k: nat)
  requires k <= |starts|
  ensures RewriteStartsShrunk(log, n, starts, k) == Keep(PlacedAll(log, starts[..k]), NextAt(log, n, starts, k))
{
  if k == 0 { return; }
  StartsAreKept(log, n, starts, k - 1);
  assert starts[..k][..k-1] == starts[..k-1];
  assert PlacedAll(log, starts[..k])[..k-1] == PlacedAll(log, starts[..k-1]);
}
// A subprog that begins inside of what is removed, not with it, ends there too: the insn that is called is seen.
predicate method EndsAt(m: seq<Mark>, k: nat, end: int, from: int, to: int)
  requires k < |m|
{
  from < m[k].at < to ==> (if k + 1 < |m| then m[k + 1].at else end) <= to
}
predicate method Whole(m: seq<Mark>, end: int, from: int, to: int)
{
  forall k :: 0 <= k < |m| ==> EndsAt(m, k, end, from, to)
}
lemma {:induction false} KeepWhole(m: seq<Mark>, end: int, from: int, to: int)
  requires Whole(m, end, from, to)
  ensures Whole(Keep(m, end), end, from, to)
{
  if m == [] { return; }
  var m1, last := m[..|m|-1], m[|m|-1];
  assert EndsAt(m, |m|-1, end, from, to);
  forall k | 0 <= k < |m1| ensures EndsAt(m1, k, last.at, from, to) { assert EndsAt(m, k, end, from, to); }
  KeepWhole(m1, last.at, from, to);
  var a, b := Keep(m1, last.at), Keep(m, end);
  forall k | 0 <= k < |b| ensures EndsAt(b, k, end, from, to)
  {
    if k < |a| { assert EndsAt(a, k, last.at, from, to); }
  }
}
lemma {:induction false} OnlyOne(m: seq<Mark>, end: int, l: nat, i: nat)
  requires Rises(m, end) && l < i <= |m| && m[i-1].at <= m[l].at
  ensures l == i - 1
{
  reveal Rises();
}
// What is left in front of the marks from l to i, which are of what is removed, and behind.
lemma {:induction false} StartsAre(m: seq<Mark>, end: int, off: int, cnt: nat, l: nat, i: nat)
  requires Rises(m, end) && off + cnt <= end && cnt > 0 && l == FirstFrom(m, 0, off) && i == FirstFrom(m, l, off + cnt)
  requires l < i && FirstAt(m[i..], end) != off + cnt ==> l == i - 1 && m[l].at == off
  ensures AdjustStartsAfterRemove(m, end, off, cnt) ==
    if l < i && FirstAt(m[i..], end) != off + cnt then m[..i] + Pull(m[i..], cnt) else m[..l] + Pull(m[i..], cnt)
{}
// The last that begins there begins with it.
lemma {:induction false} LastBegins(m: seq<Mark>, end: int, off: int, cnt: nat, l: nat, i: nat)
  requires Rises(m, end) && off + cnt <= end && Whole(m, end, off, off + cnt) && l < i <= |m|
  requires In(m[l..i], off, off + cnt) && off + cnt < FirstAt(m[i..], end)
  ensures l == i - 1 && m[l].at == off
{
  assert EndsAt(m, i - 1, end, off, off + cnt);
  EndBehind(m, end, i);
  In2(m, l, i, i - 1, off, off + cnt); In2(m, l, i, l, off, off + cnt);
  OnlyOne(m, end, l, i);
}
lemma {:induction false} StartsStep(m: seq<Mark>, end: int, off: int, cnt: nat)
  requires Rises(m, end) && off + cnt <= end && cnt > 0 && Whole(m, end, off, off + cnt)
  ensures AdjustStartsAfterRemove(m, end, off, cnt) == Keep(MovedAll(m, off, cnt), end - cnt)
{
  var l, i := FirstOf(m, end, off, cnt);
  var next := FirstAt(m[i..], end);
  EndBehind(m, end, i);
  if l < i && next != off + cnt { LastBegins(m, end, off, cnt, l, i); Front(m, l, off, Pull(m[i..], cnt)); }
  Nothing(Pull(m[i..], cnt));
  StartsAre(m, end, off, cnt, l, i);
  KeepParts(m[..l], m[l..i], m[i..], end, off, cnt);
  Parts(m, l, i);
}
lemma {:induction false} Front(m: seq<Mark>, l: nat, off: int, c: seq<Mark>)
  requires l < |m| && m[l].at == off
  ensures m[l..l+1] == [m[l]] && m[l].(at := off) == m[l]
  ensures m[..l] + ([m[l]] + c) == m[..l+1] + c
{}
predicate method WholeSubprogs(log: seq<Edit>, n: nat, starts: seq<Mark>)
{
  forall j :: 0 <= j < |log| ==> Whole(starts, n, log[j].idx, End(log[j]))
}
lemma {:induction false} PlacedWhole(log: seq<Edit>, e: Edit, n: nat, starts: seq<Mark>)
  requires Valid(log + [e], n) && Shrinks(log + [e]) && Valid(log, n) && Rises(starts, n)
  requires Whole(starts, n, e.idx, End(e))
  ensures Whole(PlacedAll(log, starts), Start(log, n), Start(log, e.idx), Start(log, e.idx) + e.kind.cnt)
{
  assert (log + [e])[..|log|] == log && (log + [e])[|log|] == e;
  ValidBehind(log + [e], n);
  var m, off := PlacedAll(log, starts), Start(log, e.idx);
  reveal Rises();
  var end, to := Start(log, n), off + e.kind.cnt;
  forall k | 0 <= k < |m| ensures EndsAt(m, k, end, off, to)
  {
    var at, next := starts[k].at, if k + 1 < |m| then starts[k + 1].at else n;
    assert EndsAt(starts, k, n, e.idx, End(e));
    if at < e.idx { StartShrinks(log, n, at, e.idx); } else { StartBehind(log, e.idx, at); StartBehind(log, e.idx, next); }
  }
}
// The theorem: which subprogs are left, and where they begin.
lemma {:induction false} SubprogStartsShrunk(log: seq<Edit>, n: nat, starts: seq<Mark>)
  requires Valid(log, n) && Shrinks(log) && Rises(starts, n) && WholeSubprogs(log, n, starts)
  ensures StockStartsShrunk(log, n, starts) == RewriteStartsShrunk(log, n, starts, |starts|)
{
  StartsAreKept(log, n, starts, |starts|);
  assert starts[..|starts|] == starts;
  StartsKeep(log, n, starts);
}
lemma {:induction false} StartsKeep(log: seq<Edit>, n: nat, starts: seq<Mark>)
  requires Valid(log, n) && Shrinks(log) && Rises(starts, n) && WholeSubprogs(log, n, starts)
  ensures StockStartsShrunk(log, n, starts) == Keep(PlacedAll(log, starts), Start(log, n))
{
  if log == [] { PlacedNone(starts); KeepAll(starts, n); return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert Removes(log[|log|-1]) && log == init + [e];
  forall j | 0 <= j < |init| ensures Whole(starts, n, init[j].idx, End(init[j])) { assert init[j] == log[j]; }
  StartsKeep(init, n, starts);
  StartsKept(init, e, n, starts);
}
lemma {:induction false} StartsKept(log: seq<Edit>, e: Edit, n: nat, starts: seq<Mark>)
  requires Valid(log + [e], n) && Shrinks(log + [e]) && Valid(log, n) && Shrinks(log) && Removes(e) && e.kind.cnt > 0
  requires Rises(starts, n) && Whole(starts, n, e.idx, End(e))
  ensures AdjustStartsAfterRemove(Keep(PlacedAll(log, starts), Start(log, n)), Start(log, n), Start(log, e.idx), e.kind.cnt) ==
    Keep(PlacedAll(log + [e], starts), Start(log + [e], n))
{
  var off, cnt, m, end := Start(log, e.idx), e.kind.cnt, PlacedAll(log, starts), Start(log, n);
  assert (log + [e])[..|log|] == log && (log + [e])[|log|] == e;
  ValidBehind(log + [e], n); StartBehind(log, e.idx, n);
  PlacedAscends(log, n, starts, n); PlacedStep(log, e, n, starts); StartStepShrunk(log, e, n, n);
  PlacedWhole(log, e, n, starts); KeepWhole(m, end, off, off + cnt);
  StartsStep(Keep(m, end), end, off, cnt);
  KeepTwice(m, end, off, cnt);
}

// Range: a reference that stays gets no longer, unless it leads back into what is removed, as none of a verified program
// does.
lemma {:induction false} AheadShrinks(log: seq<Edit>, n: nat, i: nat, t: nat)
  requires Valid(log, n) && Shrinks(log) && Run(log, i) == 0 && i < t <= n
  ensures Start(log, i) < Entered(log, n, t) <= Start(log, i) + (t - i)
{
  if log == [] { return; }
  var init, e := log[..|log|-1], log[|log|-1];
  assert Removes(log[|log|-1]) && log == init + [e];
  AheadShrinks(init, n, i, t);
  EnteredStep(init, e, n, t); StartStepShrunk(init, e, n, i);
  ValidBehind(log, n);
  if i < e.idx { StartInRun(init, n, i); StartShrinks(init, n, i + 1, e.idx); } else { StartBehind(init, e.idx, i); }
}
// So reach::check() refuses no removal, nor does bpf_adj_branches().
lemma {:induction false} RemovalFits(prog: seq<Insn>, log: seq<Edit>, i: nat, reach: int)
  requires Valid(log, |prog|) && Shrinks(log) && i < |prog| && Run(log, i) == 0 && InsnFits(prog, i, reach)
  requires i + 1 + prog[i].dist <= i ==> Run(log, i + 1 + prog[i].dist) == 0
  ensures FitsInsn(KeptShrunk(prog, log, i, Start(log, i)), reach)
{
  var t := i + 1 + prog[i].dist;
  if prog[i].ref.NoRef? { return; }
  if t > i { AheadShrinks(log, |prog|, i, t); } else { StartShrinks(log, |prog|, t, i); }
}
