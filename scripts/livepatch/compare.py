#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""Compares every function of rebuilt objects with the linked kernel that Debian has.

compare.py VMLINUX OBJECT...
compare.py --build-id FILE

The bytes have to be equal. Where an object has a relocation, the kernel has an address: it has to be that of the same
symbol, or of an equal string. Fails, and names each function that differs.
"""

import struct
import sys
from collections import defaultdict

import elf

R_64, R_PC32, R_PLT32, R_32, R_32S = 1, 2, 4, 10, 11
SIZES = {R_64: 8, R_PC32: 4, R_PLT32: 4, R_32: 4, R_32S: 4}
RELATIVE = (R_PC32, R_PLT32)


class Kernel(elf.Elf):
    def __init__(self, path):
        super().__init__(path)
        self.named = defaultdict(list)
        for symbol in self.symbols:
            if symbol.type not in (elf.STT_SECTION, elf.STT_FILE) and symbol.section:
                self.named[symbol.name].append(symbol)

    def candidates(self, symbol):
        """The symbols of the kernel that one of an object can be."""
        same = [s for s in self.named[symbol.name] if (s.bind == elf.STB_LOCAL) == (symbol.bind == elf.STB_LOCAL)]
        return [s for s in same if s.file == symbol.file] if symbol.bind == elf.STB_LOCAL else same


class Object(elf.Elf):
    def __init__(self, path):
        super().__init__(path)
        self.entries = self.relocations()
        self.places = {}
        # objtool, which has seen the linked kernel and not the object, turns some jumps into nops.
        self.jumps = {
            (symbol.section, symbol.value + addend)
            for index, entries in self.entries.items()
            if self.sections[index].name == "__jump_table"
            for offset, _, symbol, addend in entries
            if offset % 16 == 0
        }

    def functions(self):
        return [s for s in self.symbols if s.type == elf.STT_FUNC and s.section and s.size]

    def containing(self, section, offset):
        """The symbol of a section at an offset, and the way from it."""
        for symbol in self.symbols:
            if symbol.section == section and symbol.type in (elf.STT_FUNC, elf.STT_OBJECT) and symbol.name:
                if symbol.value <= offset < symbol.value + max(symbol.size, 1):
                    return symbol, offset - symbol.value
        return None, 0


def target_differs(kernel, obj, kind, symbol, addend, address, value):
    """Whether the kernel's value at an address is that of another symbol; None if nothing says which one it is."""
    signed = struct.unpack("<i", value)[0] if len(value) == 4 else struct.unpack("<q", value)[0]
    offset, found = addend, signed
    if kind in RELATIVE:
        found += address
        if symbol.type == elf.STT_SECTION:
            # From the end of the instruction, which is nearly always that of the field.
            found, offset = found + 4, offset + 4
    found &= (1 << 64) - 1
    if symbol.type != elf.STT_SECTION:
        places = [s.value for s in (kernel.candidates(symbol) if symbol.section else kernel.named[symbol.name])]
        if symbol.section and symbol.bind != elf.STB_LOCAL and not places:
            places = [s.value for s in kernel.named[symbol.name]]
        return found not in [(place + offset) & (1 << 64) - 1 for place in places] if places else None
    section = obj.sections[symbol.section]
    if section.flags & elf.SHF_STRINGS:
        start = section.offset + offset
        text = obj.data[start : obj.data.find(b"\0", start) + 1]
        return kernel.at(found, len(text)) != text
    inner, way = obj.containing(symbol.section, offset)
    if inner is None:
        # Nothing has a name there: the section as a whole is somewhere, and all addresses in it agree.
        return found - offset != obj.places.setdefault(symbol.section, found - offset)
    return found not in [s.value + way for s in kernel.candidates(inner)]


def difference(kernel, obj, function, twin):
    """Why a function is not the kernel's, and how many of its addresses could not be told."""
    if twin.size != function.size:
        return f"{function.size} bytes rebuilt, {twin.size} in the kernel", 0
    start = obj.sections[function.section].offset + function.value
    rebuilt = bytearray(obj.data[start : start + function.size])
    linked = bytearray(kernel.at(twin.value, function.size))
    untold = 0
    for offset, kind, symbol, addend in obj.entries.get(function.section, []):
        at = offset - function.value
        if not 0 <= at < function.size:
            continue
        if kind not in SIZES:
            return f"a relocation of type {kind} at +{at:#x}", 0
        size = SIZES[kind]
        if symbol.name == "__fentry__":
            # A call in the object, a nop in the kernel.
            linked[at - 1 : at + size] = rebuilt[at - 1 : at + size]
            continue
        if (function.section, offset - 1) not in obj.jumps:
            differs = target_differs(kernel, obj, kind, symbol, addend, twin.value + at, bytes(linked[at : at + size]))
            if differs:
                return f"another address than that of {symbol.name or obj.sections[symbol.section].name}{addend:+#x} at +{at:#x}", 0
            untold += differs is None
        linked[at : at + size] = rebuilt[at : at + size]
    for section, offset in obj.jumps:
        at = offset - function.value
        if section == function.section and 0 <= at < function.size:
            size = 2 if rebuilt[at] in (0xEB, 0x66) else 5
            linked[at : at + size] = rebuilt[at : at + size]
    for at, (one, other) in enumerate(zip(rebuilt, linked)):
        if one != other:
            return f"byte {one:02x} rebuilt and {other:02x} in the kernel at +{at:#x}", 0
    return "", untold


def main(vmlinux, *paths):
    if vmlinux == "--build-id":
        print(elf.Elf(paths[0]).build_id())
        return 0
    kernel, failed = Kernel(vmlinux), 0
    for path in paths:
        obj, equal, size, overridden, untold = Object(path), 0, 0, 0, 0
        for function in obj.functions():
            twins = kernel.candidates(function)
            if function.bind == elf.STB_WEAK:
                # Another file may have the function that is linked.
                overridden += 1
                continue
            if obj.sections[function.section].name.startswith((".init", ".exit")):
                continue
            reasons = [difference(kernel, obj, function, twin) for twin in twins] or [("not in the kernel", 0)]
            same = [count for reason, count in reasons if not reason]
            if same:
                equal, size, untold = equal + 1, size + function.size, untold + same[0]
            else:
                failed += 1
                print(f"{path}: {function.name}: {reasons[0][0]}")
        print(f"{path}: {equal} functions equal, {size} bytes, {untold} addresses untold, {overridden} weak functions left out")
    if failed:
        print(f"refused: {failed} functions differ from those of Debian's kernel; it was built otherwise")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
