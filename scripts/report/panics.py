#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Finds the calls of panics in an object of Rust, and compares them with a list of reasons: panics.py OBJECT SOURCE ALLOW.

OBJECT is relocatable x86-64 ELF, SOURCE the directory that its paths are relative to, ALLOW the list: `file: function: kind count` under
a reason. Each call of a panic takes its place in the source, a `core::panic::Location`, which inlining does not hide. A place in
the sources of the compiler or the kernel is the same for all callers: there, the function is that of the object. Status 1: there is a panic that the list does not have, or the other way round.
"""

import re
import struct
import sys
from bisect import bisect
from collections import Counter, defaultdict
from pathlib import Path

from mutants import Unusable, read_allowed

# Functions that do not return, by a part of the mangled name, and the kind of their panic.
KINDS = {
    "panic_bounds_check": "index",
    "slice_index_fail": "range",
    "len_mismatch_fail": "lengths",
    "panic_const_": "arithmetic",
    "unwrap_failed": "unwrap",
    "expect_failed": "expect",
    "assert_failed": "assert",
    "panic_misaligned": "alignment",
    "panic_null": "null",
    "panic_fmt": "panic",
    "panic_nounwind": "panic",
    "panicking": "panic",
    "3str16slice_error_fail": "string",
    "_rust_begin_unwind": "panic",
    # All others: panic_already_borrowed(), panic_on_ord_violation() and so on.
    "panic_": "panic",
}
# Section types and flags, the type of symbols of functions, relocations of 64 bits, and those that count from the end of their field of
# 32 bits.
SYMTAB, RELA, NOBITS, ALLOC, EXECINSTR = 2, 4, 8, 2, 4
FUNC = 2
R_64, R_PC32, R_PLT32 = 1, 2, 4
# Bytes between the insn that loads the place, and the call that takes it.
NEAR = 64


class Object:
    """Sections and relocations of an ELF file."""

    def __init__(self, data):
        self.data = data
        if data[:6] != b"\x7fELF\x02\x01" or struct.unpack_from("<HH", data, 16) != (1, 62):
            raise Unusable("not a relocatable x86-64 object")
        (at,) = struct.unpack_from("<Q", data, 0x28)
        size, count, _ = struct.unpack_from("<HHH", data, 0x3A)
        heads = [struct.unpack_from("<IIQQQQIIQQ", data, at + i * size) for i in range(count)]
        # Type, flags, offset, size, link, info of each.
        self.sections = [(h[1], h[2], h[4], h[5], h[6], h[7]) for h in heads]
        self.symbols = []
        # Start, end and name of each function, by section.
        self.functions = defaultdict(list)
        for kind, _, offset, size, link, _ in self.sections:
            if kind == SYMTAB:
                names = self.sections[link][2]
                for at in range(offset, offset + size, 24):
                    name, info, section, value, size = struct.unpack_from("<IBxHQQ", data, at)
                    self.symbols.append((self.string(names + name), section, value))
                    if info & 15 == FUNC:
                        self.functions[section].append((value, value + size, self.string(names + name)))
        for functions in self.functions.values():
            functions.sort()
        self.relocations = defaultdict(dict)
        for kind, _, offset, size, _, info in self.sections:
            if kind == RELA:
                for at in range(offset, offset + size, 24):
                    place, what, addend = struct.unpack_from("<QQq", data, at)
                    self.relocations[info][place] = (what & 0xFFFFFFFF, self.symbols[what >> 32], addend)

    def string(self, at):
        return self.data[at : self.data.index(0, at)].decode()

    def function(self, section, offset):
        """The function that an offset of a section is in, or `-`."""
        functions = self.functions[section]
        at = bisect(functions, offset, key=lambda function: function[0]) - 1
        return readable(functions[at][2]) if at >= 0 and offset < functions[at][1] else "-"

    def locations(self):
        """Each `Location`, by section and offset: a pointer to a path, its length, line and column."""
        found = {}
        for number, (kind, flags, offset, size, *_) in enumerate(self.sections):
            if not flags & ALLOC or flags & EXECINSTR or kind == NOBITS:
                continue
            for place, (how, (_, section, value), addend) in self.relocations[number].items():
                if how != R_64 or place + 24 > size or not 0 < section < len(self.sections):
                    continue
                length, line, column = struct.unpack_from("<QII", self.data, offset + place + 8)
                start = self.sections[section][2] + value + addend
                path = self.data[start : start + length] if length < 512 else b""
                if path.endswith(b".rs"):
                    found[number, place] = (path.decode(), line, column)
        return found


def kind_of(symbol):
    return next((kind for part, kind in KINDS.items() if part in symbol), None)


def readable(symbol):
    """The names in a mangled symbol, without the hash of its crate; another symbol as it is."""
    if not symbol.startswith("_R"):
        return symbol
    names, at = [], 2
    while at < len(symbol):
        if match := re.compile(r"(\d+)_?").match(symbol, at):
            at = match.end() + int(match[1])
            names.append(symbol[match.end() : at])
        # A number: which of several, or where a name is repeated.
        elif match := re.compile(r"[sBLG][0-9A-Za-z]*_|K[a-z]n?[0-9a-f]*_").match(symbol, at):
            at = match.end()
        else:
            at += 1
    return "::".join(name for name in names if name)


def panics(obj):
    """Returns each (kind, place in the source, function of the object) that can panic; the place is None if the code does not tell."""
    locations, found = obj.locations(), set()
    for number, (_, flags, *_) in enumerate(obj.sections):
        if not flags & EXECINSTR:
            continue
        last = None
        for place, (how, (name, section, value), addend) in sorted(obj.relocations[number].items()):
            target = value + addend + (4 if how in (R_PC32, R_PLT32) else 0)
            if (section, target) in locations:
                last = (place, locations[section, target])
            elif kind := kind_of(name):
                near = last and place - last[0] <= NEAR
                found.add((kind, last[1] if near else None, obj.function(number, place)))
    return found


def function_of(source, path, line):
    """The function that a line is in, or `-` if the path is not below SOURCE: then it is the compiler's or the kernel's."""
    if path.startswith("/"):
        return "-"
    try:
        lines = Path(source, path).read_text().splitlines()
    except OSError:
        return "-"
    for text in reversed(lines[:line]):
        if match := re.search(r"\bfn (\w+)", text):
            return match[1]
    return "-"


def keys(found, source):
    """`file: function: kind count` for each."""
    places = set()
    for kind, place, symbol in found:
        path, line, column = place or ("?", 0, 0)
        function = function_of(source, path, line)
        # A place of the module is named by its own function, whatever that is inlined in.
        name = symbol if function == "-" else function
        places.add((re.sub(r"^.*/library/", "library/", path), name, kind, line, column))
    count = Counter((path, name, kind) for path, name, kind, _, _ in places)
    return Counter(f"{path}: {name}: {kind} {n}" for (path, name, kind), n in count.items())


def judge(have, allowed):
    """Returns (problems, summary line)."""
    problems = [f"can panic, without a reason why not: {key}" for key in sorted((have - allowed).elements())]
    problems += [f"has a reason, but is not there: {key}" for key in sorted((allowed - have).elements())]
    places = sum(int(key.rsplit(" ", 1)[1]) for key in have)
    return problems, f"{places} places that can panic in the code, in {have.total()} lines of the list; {len(problems)} problems"


def main():
    path, source, allow = sys.argv[1:]
    try:
        have = keys(panics(Object(Path(path).read_bytes())), source)
        allowed = read_allowed(Path(allow).read_text(), ())
    except Unusable as err:
        sys.exit(f"error: {err}")
    problems, summary = judge(have, allowed)
    print("\n".join(problems + [summary]))
    # An object without any is not one of this module.
    sys.exit(1 if problems or not have else 0)


if __name__ == "__main__":
    main()
