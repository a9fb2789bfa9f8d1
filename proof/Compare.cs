// SPDX-License-Identifier: GPL-2.0
//
// Reads random logs with what the engine makes of them (selftests/host/src/proof.rs), has the compiled model do
// them, both as the engine and as stock edit by edit, and compares. Ends with a line `N logs compared, N differences`.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Numerics;
using _module;
using Log = Dafny.Sequence<_module.Edit>;
using Insns = Dafny.Sequence<_module.Insn>;
using Entries = Dafny.Sequence<_module.Aux>;
using Marks = Dafny.Sequence<_module.Mark>;

class Reader {
  readonly string[] words;
  int at;
  public Reader(string line) { words = line.Split(new[] { ' ' }, StringSplitOptions.RemoveEmptyEntries); }
  public long Number() { return long.Parse(words[at++]); }
  public long[] List() { return Many((int)Number(), Number); }
  public T[] Many<T>(int n, Func<T> one) {
    var all = new T[n];
    for (var i = 0; i < n; i++) all[i] = one();
    return all;
  }
  public Insn Insn() {
    var tag = Number();
    var refs = new[] { Ref.create_NoRef(), Ref.create_Jump(), Ref.create_Gotol(), Ref.create_Call() };
    var r = refs[Number()];
    return new Insn(tag, r, Number());
  }
  public Insns Insns() { return new Insns(Many((int)Number(), Insn)); }
  public Aux Aux() {
    var data = Number();
    var seen = Number();
    var zext = Number() != 0;
    return new Aux(data, seen, zext, Number() != 0);
  }
  public Edit Edit() {
    var idx = Number();
    var kind = Number();
    var cnt = Number();
    var k = kind < 2 ? Kind.create_Prepend(kind == 1) : kind < 4 ? Kind.create_Replace(kind == 3) : Kind.create_Remove(cnt);
    return new Edit(idx, k, Insns());
  }
}

class Meta {
  public long[] starts, tags, lineIdx, offs, lines, poke, values;
  public Meta(Reader r) {
    starts = r.List(); tags = r.List(); lineIdx = r.List();
    offs = r.List(); lines = r.List(); poke = r.List(); values = r.List();
  }
  public Marks Lines() { return Both(offs, lines); }
  public Marks Subprogs(int n) { return Both(starts.Take(n), tags); }
  static Marks Both(IEnumerable<long> at, long[] tags) { return new Marks(at.Zip(tags, (a, t) => new Mark(a, t)).ToArray()); }
}

static class Compare {
  static void Same(string what, object model, object engine) {
    if (!model.Equals(engine)) throw new Exception(what + ": model " + model + ", engine " + engine);
  }
  static void Same(string what, IEnumerable<BigInteger> model, long[] engine) {
    Same(what, string.Join(" ", model), string.Join(" ", engine));
  }
  static string Text(Option<BigInteger> o) { return o.is_Some ? o.dtor_value.ToString() : "-1"; }

  static void Grown(Reader r, Insns prog, Entries aux, Meta meta, Log log, long reach) {
    var blamed = r.Number();
    Same("blamed", Text(__default.Check(prog, log, reach)), blamed.ToString());
    var edits = log.Elements.ToArray();
    if (!edits.Any(e => __default.IsSkipped(e)))
      Same("blamed by stock", Text(__default.StockBlames(prog, log, reach)), blamed.ToString());
    if (blamed >= 0) { far++; return; }

    var insns = r.Insns();
    Same("insns", __default.Rewrite(prog, log), insns);
    Same("insns of stock", __default.Stock(prog, log), insns);
    var entries = new Entries(r.Many(insns.Count, r.Aux));
    Same("aux", __default.RewriteAux(prog, aux, log), entries);
    Same("aux of stock", __default.StockAux(prog, aux, log), entries);
    var next = new Meta(r);
    Same("starts", meta.starts.Select(s => __default.Start(log, s)), next.starts);
    Same("starts of stock", meta.starts.Select(s => __default.StockStart(log, s)), next.starts);
    var offs = new Dafny.Sequence<BigInteger>(meta.offs.Select(o => new BigInteger(o)).ToArray());
    Same("line info of stock", __default.StockLinfo(log, offs).Elements, next.offs);
    Same("lines", meta.lines.Select(l => new BigInteger(l)), next.lines);
    Same("poke of stock", meta.poke.Select(p => __default.StockPoke(log, p)), next.poke);
    Same("values of stock", meta.values.Select(v => __default.StockValue(log, v)), next.values);
    Same("values", meta.values.Select(v => __default.Place(log, v, Ref.create_Jump(), false)), next.values);
  }

  static void Shrunk(Reader r, Insns prog, Entries aux, Meta meta, Log log) {
    removals++;
    Same("blamed", "-1", r.Number().ToString());
    var insns = r.Insns();
    Same("insns", __default.RewriteShrunk(prog, log), insns);
    Same("insns of stock", __default.StockShrunk(prog, log), insns);
    var entries = new Entries(r.Many(insns.Count, r.Aux));
    Same("aux", __default.RewriteAuxShrunk(aux, log), entries);
    Same("aux of stock", __default.StockAuxShrunk(aux, log), entries);
    var next = new Meta(r);
    BigInteger n = prog.Count;
    Same("line info", __default.RewriteLinfoShrunk(log, n, meta.Lines(), meta.lines.Length), next.Lines());
    Same("line info of stock", __default.StockLinfoShrunk(log, n, meta.Lines()), next.Lines());
    var subprogs = meta.starts.Length - 1;
    var left = next.Subprogs(next.starts.Length - 1);
    Same("subprogs", __default.RewriteStartsShrunk(log, n, meta.Subprogs(subprogs), subprogs), left);
    if (__default.WholeSubprogs(log, n, meta.Subprogs(subprogs)))
      Same("subprogs of stock", __default.StockStartsShrunk(log, n, meta.Subprogs(subprogs)), left);
    var idx = next.tags.Select(t => new BigInteger(meta.lineIdx[t]));
    Same("linfo_idx", idx.Select(i => new BigInteger(__default.RewriteLinfoShrunk(log, n, meta.Lines(), i).Count)), next.lineIdx);
    Same("linfo_idx of stock", idx.Select(i => __default.StockLinfoIdx(log, n, meta.Lines(), i)), next.lineIdx);
    var values = meta.values.Select(v => __default.StockValueShrunk(log, v));
    Same("values of stock", values.Select(v => v.is_Some ? v.dtor_value : uint.MaxValue), next.values);
  }

  static void Line(string line) {
    var r = new Reader(line);
    var reach = r.Number();
    var prog = r.Insns();
    var aux = new Entries(r.Many(prog.Count, r.Aux));
    var meta = new Meta(r);
    var log = new Log(r.Many((int)r.Number(), r.Edit));
    if (!__default.Valid(log, prog.Count)) throw new Exception("not a log of the contract");
    if (log.Elements.Any(e => __default.Removes(e))) Shrunk(r, prog, aux, meta, log);
    else Grown(r, prog, aux, meta, log, reach);
  }

  static int far, removals;

  static int Main() {
    int logs = 0, differ = 0;
    string line;
    while ((line = Console.ReadLine()) != null) {
      logs++;
      try { Line(line); }
      catch (Exception e) {
        if (differ++ < 3) Console.WriteLine("log " + logs + ": " + e.Message + "\n  " + line);
      }
    }
    Console.WriteLine("of these, " + removals + " remove insns, and " + far + " have a jump that is too far");
    Console.WriteLine(logs + " logs compared, " + differ + " differences");
    return differ == 0 ? 0 : 1;
  }
}
