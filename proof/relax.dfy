// SPDX-License-Identifier: GPL-2.0
//
// Jumps that no longer fit become jumps of 32 bits: rust/engine/relax/.
//
// What is here: the insns of a relaxed jump lead where the jump led, on both ways (form.rs, and kept_form() of mod.rs);
// a longer patch keeps what its other references lead to (patch.rs); a round only lengthens; and after the stated
// number of rounds no jump is left that could be too far. What is not: that the new log as a whole is laid out as the
// old one, which is `Same` for any log.

include "reach.dfy"

// The conditions that a jump can have, of 64 or 32 bits; JSet and MayGoto have no opposite.
datatype Op = Ja | Jeq | Jne | Jgt | Jle | Jge | Jlt | Jsgt | Jsle | Jsge | Jslt | JSet | MayGoto

// inverse() of form.rs
function method Inverse(op: Op): Option<Op>
{
  match op
  case Jeq => Some(Jne) case Jne => Some(Jeq)
  case Jgt => Some(Jle) case Jle => Some(Jgt)
  case Jge => Some(Jlt) case Jlt => Some(Jge)
  case Jsgt => Some(Jsle) case Jsle => Some(Jsgt)
  case Jsge => Some(Jslt) case Jslt => Some(Jsge)
  case Ja => None case JSet => None case MayGoto => None
}
// Registers as the jump sees them: unsigned and signed. `bits` and `counts` stand for what jset and may_goto look at.
datatype State = State(a: nat, b: nat, sa: int, sb: int, bits: bool, counts: bool)
function method Taken(op: Op, s: State): bool
{
  match op
  case Ja => true
  case Jeq => s.a == s.b case Jne => s.a != s.b
  case Jgt => s.a > s.b case Jle => s.a <= s.b
  case Jge => s.a >= s.b case Jlt => s.a < s.b
  case Jsgt => s.sa > s.sb case Jsle => s.sa <= s.sb
  case Jsge => s.sa >= s.sb case Jslt => s.sa < s.sb
  case JSet => s.bits case MayGoto => s.counts
}
lemma InverseIsOpposite(op: Op, s: State)
  requires Inverse(op).Some?
  ensures Taken(Inverse(op).value, s) == !Taken(op, s)
{}

// What runs: a short or long jump `dist` insns ahead.
datatype Hop = Hop(op: Op, dist: int)

// Form::of() and aim(), with the distance of the last insn
function method Form(op: Op, dist: int): seq<Hop>
{
  if op.Ja? then [Hop(Ja, dist)]
  else if Inverse(op).Some? then [Hop(Inverse(op).value, 1), Hop(Ja, dist)]
  else [Hop(op, 1), Hop(Ja, 1), Hop(Ja, dist)]
}
// Where one leads that comes to insn k of a form: into it, or out of it, to an insn counted from its first.
function method Leads(form: seq<Hop>, k: nat, s: State): int
  requires k < |form|
{
  if Taken(form[k].op, s) then k + 1 + form[k].dist else k + 1
}
// and after all that is in the form
function method Out(form: seq<Hop>, k: nat, s: State): int
  requires k < |form| && forall i :: 0 <= i < |form| - 1 ==> form[i].dist >= 0
  decreases |form| - k
{
  var to := Leads(form, k, s);
  if k < |form| - 1 && to < |form| then Out(form, to, s) else to
}
// Both ways are the same as before: taken, it leads dist insns behind the last insn; if not, to what comes behind it.
lemma FormTwoWays(op: Op, dist: int, s: State)
  ensures var form := Form(op, dist); 1 <= |form| <= 3 &&
    Out(form, 0, s) == if Taken(op, s) then |form| + dist else |form|
{
  var form := Form(op, dist);
  if Inverse(op).Some? {
    InverseIsOpposite(op, s);
    assert Out(form, 1, s) == Leads(form, 1, s);
  } else if !op.Ja? {
    assert Out(form, 2, s) == Leads(form, 2, s);
    if !Taken(op, s) { assert Out(form, 1, s) == Leads(form, 1, s) == 3; }
  }
}

// kept_form(): the edit that replaces a jump which would stay leads to the same old insn. A jump to itself fits.
lemma KeptForm(idx: nat, dist: int, form: seq<Insn>)
  requires 1 <= |form| <= 3 && dist != -1
  ensures var e := Edit(idx, Replace(false), form);
    Target(e, |form| - 1, dist - (if dist < 0 then |form| - 1 else 0)) == Some(idx + 1 + dist)
{}

// Patch::place(): where each insn of a patch goes, when some become longer
function method Places(lens: seq<nat>, k: nat): nat
  requires k <= |lens|
{
  if k == 0 then 0 else Places(lens, k - 1) + lens[k - 1]
}
lemma PlacesGrow(lens: seq<nat>, a: nat, b: nat)
  requires a <= b <= |lens| && forall i :: 0 <= i < |lens| ==> lens[i] >= 1
  ensures Places(lens, a) + (b - a) <= Places(lens, b)
{
  if a < b { PlacesGrow(lens, a, b - 1); }
}
// Patch::distance(): of the reference of insn k, from the last of the insns that it becomes
function method LongerDist(lens: seq<nat>, added: int, k: nat, dist: int): int
  requires k < |lens| && -1 <= added - |lens| <= 0
{
  var to := k + 1 + dist;
  var place := if to < 0 then to else if to <= added then Places(lens, to) else to + Places(lens, |lens|) - |lens|;
  place - (Places(lens, k) + lens[k] - 1) - 1
}
// lengthened(): a reference leads to the same old insn, or to what has become of the same insn of the patch.
lemma {:induction false} Lengthened(e: Edit, longer: Edit, lens: seq<nat>, k: nat, dist: int)
  requires !Removes(e) && longer.idx == e.idx && longer.kind == e.kind
  requires |lens| == |e.patch| > 0 && k < |lens| && forall i :: 0 <= i < |lens| ==> 1 <= lens[i] <= 3
  requires |longer.patch| == Places(lens, |lens|)
  ensures var now := LongerDist(lens, Added(e), k, dist);
    var at := Places(lens, k) + lens[k] - 1;
    match Target(e, k, dist)
    case Some(t) => Target(longer, at, now) == Some(t)
    case None => Target(longer, at, now) == None && at + 1 + now == Places(lens, k + 1 + dist)
{
  PlacesGrow(lens, 0, |lens|);
  var to := k + 1 + dist;
  if 0 <= to <= Added(e) { PlacesGrow(lens, to, |lens|); PlacesGrow(lens, 0, to); if to < |lens| { PlacesGrow(lens, to, to + 1); PlacesGrow(lens, to + 1, |lens|); } }
}
// A round only lengthens: no insn comes to stand in front of where it stood.
lemma OnlyLengthens(lens: seq<nat>, k: nat)
  requires k <= |lens| && forall i :: 0 <= i < |lens| ==> lens[i] >= 1
  ensures Places(lens, k) >= k
{
  PlacesGrow(lens, 0, k);
}

// margin(): how much each jump has to have to spare in a round
const EXACT: int := 8
const ROUNDS: int := EXACT + 11
function method Double(n: int, times: nat): int { if times == 0 then n else 2 * Double(n, times - 1) }
function method Margin(round: nat): int { if round < EXACT then 0 else Double(64, round - EXACT) }
const REACH: int := 32767

// No jump of 16 bits has more to spare than REACH, so that from the last round but one on all are relaxed.
lemma SpareMost(dist: int) ensures Spare(Jump, dist, REACH) <= REACH {}
lemma MarginAll()
  ensures Margin(ROUNDS - 2) > REACH && Margin(ROUNDS - 1) > REACH && Margin(ROUNDS) > REACH
{
  assert Double(64, 9) == 2 * Double(64, 8) == 4 * Double(64, 7) == 8 * Double(64, 6) == 16 * Double(64, 5) ==
    32 * Double(64, 4) == 64 * Double(64, 3) == 128 * Double(64, 2) == 256 * Double(64, 1) == 32768;
}

// A short jump that leads out of a patch or is of an insn that stays: as it was at first, or over the last insn of a form,
// as the last but one of a patch. The latter, once relaxed, leads within, as its patch has grown behind it.
datatype Short = First | Over
function method Relaxed(j: Short): seq<Short> { if j.First? then [Over] else [] }
lemma OverStaysWithin(idx: nat, k: nat, form: seq<Insn>, patch: seq<Insn>)
  requires 2 <= |form| <= 3 && |patch| == k + |form| && k >= 0
  // one more insn comes to stand behind the jump over the gotol, when that is relaxed
  ensures Target(Edit(idx, Replace(false), patch), k + |form| - 2, 0) == None
  ensures Target(Edit(idx, Replace(false), patch), k + |form| - 2, 1) == Some(idx + 1)
{}
function method RelaxAll(jumps: seq<Short>, margin: int, spare: seq<int>): seq<Short>
  requires |spare| == |jumps|
{
  if jumps == [] then [] else
    var last := |jumps|-1;
    RelaxAll(jumps[..last], margin, spare[..last]) + if spare[last] < margin then Relaxed(jumps[last]) else [jumps[last]]
}
lemma {:induction false} AllRelaxed(jumps: seq<Short>, margin: int, spare: seq<int>)
  requires |spare| == |jumps| && margin > REACH && forall i :: 0 <= i < |spare| ==> spare[i] <= REACH
  ensures forall i :: 0 <= i < |RelaxAll(jumps, margin, spare)| ==> RelaxAll(jumps, margin, spare)[i].Over?
  ensures (forall i :: 0 <= i < |jumps| ==> jumps[i].Over?) ==> RelaxAll(jumps, margin, spare) == []
{
  if jumps != [] { AllRelaxed(jumps[..|jumps|-1], margin, spare[..|jumps|-1]); }
}
// Behind the rounds, none is left: `for round in 0..=ROUNDS` ends with nothing to relax.
lemma {:induction false} RoundsAreEnough(jumps: seq<Short>, a: seq<int>, b: seq<int>)
  requires |a| == |jumps| && forall i :: 0 <= i < |a| ==> a[i] <= REACH
  requires |b| == |RelaxAll(jumps, Margin(ROUNDS - 2), a)| && forall i :: 0 <= i < |b| ==> b[i] <= REACH
  ensures RelaxAll(RelaxAll(jumps, Margin(ROUNDS - 2), a), Margin(ROUNDS - 1), b) == []
{
  MarginAll();
  AllRelaxed(jumps, Margin(ROUNDS - 2), a);
  AllRelaxed(RelaxAll(jumps, Margin(ROUNDS - 2), a), Margin(ROUNDS - 1), b);
}

// Sessions after each other. What the verifier knows of each insn: does it jump, if it may also go on, and where to;
// was it seen? A pass takes jumps to what was not seen for never taken (bpf_opt_hard_wire_dead_code_branches()), and
// the next one removes what was not seen.
datatype Flow = Flow(jumps: bool, cond: bool, target: int)
predicate LiveAt(p: seq<Flow>, seen: seq<bool>, i: int) requires |p| == |seen| && 0 <= i < |p|
{
  seen[i] && p[i].jumps ==> 0 <= p[i].target < |p| &&
    if p[i].cond then i + 1 < |p| && (seen[p[i].target] || seen[i + 1]) else seen[p[i].target]
}
predicate Live(p: seq<Flow>, seen: seq<bool>) { |p| == |seen| && forall i :: 0 <= i < |p| ==> LiveAt(p, seen, i) }
function HardWired(p: seq<Flow>, seen: seq<bool>, i: int): Flow
  requires |p| == |seen| && 0 <= i < |p| && (seen[i] && p[i].jumps ==> 0 <= p[i].target < |p|)
{
  if seen[i] && p[i].jumps && p[i].cond && !seen[p[i].target] then Flow(false, false, 0) else p[i]
}
// So no insn that stays refers to one that is removed,
lemma NoneIntoDead(p: seq<Flow>, seen: seq<bool>, i: int)
  requires Live(p, seen) && 0 <= i < |p| && seen[i] && LiveAt(p, seen, i)
  ensures HardWired(p, seen, i).jumps ==> seen[HardWired(p, seen, i).target]
{}
// and a session may relax jump i of a program in which both ways of it were seen. (Where the one it jumps to was not, it
// may not: the gotol was seen, and would lead into what is removed. That is why BPF_LOOP does not relax.)
function Shift(f: Flow, i: int): Flow { if f.target > i then f.(target := f.target + 1) else f }
function ShiftAll(p: seq<Flow>, i: int): seq<Flow>
  ensures |ShiftAll(p, i)| == |p| && forall k :: 0 <= k < |p| ==> ShiftAll(p, i)[k] == Shift(p[k], i)
{ if p == [] then [] else ShiftAll(p[..|p|-1], i) + [Shift(p[|p|-1], i)] }
lemma {:induction false} RelaxedLive(p: seq<Flow>, seen: seq<bool>, i: nat)
  requires Live(p, seen) && i + 1 < |p| && p[i].jumps && p[i].cond && seen[i] && LiveAt(p, seen, i)
  requires seen[p[i].target] && seen[i + 1]
  ensures var q := ShiftAll(p, i);
    Live(q[..i] + [Flow(true, true, i + 2), q[i].(cond := false)] + q[i+1..], seen[..i] + [true, true] + seen[i+1..])
{
  var q := ShiftAll(p, i);
  var r, s := q[..i] + [Flow(true, true, i + 2), q[i].(cond := false)] + q[i+1..], seen[..i] + [true, true] + seen[i+1..];
  forall k | 0 <= k < |r| ensures LiveAt(r, s, k)
  {
    var k0 := if k <= i then k else k - 1;
    assert LiveAt(p, seen, k0);
    if k != i && k != i + 1 { assert r[k] == Shift(p[k0], i) && s[k] == seen[k0]; }
  }
}
