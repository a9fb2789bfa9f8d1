# SPDX-License-Identifier: GPL-2.0
"""Reads of an ELF file for x86-64 what the comparison of functions needs."""

import mmap
import struct
from bisect import bisect_right
from collections import defaultdict
from typing import NamedTuple

SHT_SYMTAB, SHT_RELA, SHT_NOBITS, SHT_NOTE = 2, 4, 8, 7
SHF_ALLOC, SHF_EXECINSTR, SHF_STRINGS = 2, 4, 32
STB_LOCAL, STB_WEAK = 0, 2
STT_OBJECT, STT_FUNC, STT_SECTION, STT_FILE = 1, 2, 3, 4


class Section(NamedTuple):
    name: str
    type: int
    flags: int
    addr: int
    offset: int
    size: int
    link: int
    info: int


class Symbol(NamedTuple):
    name: str
    bind: int
    type: int
    section: int
    value: int
    size: int
    file: str


class Elf:
    def __init__(self, path):
        self.path = path
        with open(path, "rb") as file:
            self.data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self.data[:6] != b"\x7fELF\x02\x01":
            raise ValueError(f"{path} is no ELF file of 64 bits")
        table, entries, names = *struct.unpack_from("<Q", self.data, 40), *struct.unpack_from("<HH", self.data, 60)
        raw = [struct.unpack_from("<IIQQQQII", self.data, table + 64 * i) for i in range(entries)]
        strings = raw[names][4]
        self.sections = [Section(self.string(strings + s[0]), *s[1:]) for s in raw]
        self.symbols = self._symbols()
        self._allocated = sorted((s.addr, s) for s in self.sections if s.flags & SHF_ALLOC and s.addr and s.size)

    def string(self, offset):
        return self.data[offset : self.data.find(b"\0", offset)].decode()

    def _symbols(self):
        symbols, file = [], ""
        for section in self.sections:
            if section.type != SHT_SYMTAB:
                continue
            strings = self.sections[section.link].offset
            body = self.data[section.offset : section.offset + section.size]
            for name, info, _, index, value, size in struct.iter_unpack("<IBBHQQ", body):
                text = self.string(strings + name)
                if info & 15 == STT_FILE:
                    file = text
                symbols.append(Symbol(text, info >> 4, info & 15, index, value, size, file if info >> 4 == STB_LOCAL else ""))
        return symbols

    def content(self, section):
        return self.data[section.offset : section.offset + section.size]

    def relocations(self):
        """Of each section, by its index: offset, type, symbol, addend, in order of the offset."""
        found = defaultdict(list)
        for section in self.sections:
            if section.type == SHT_RELA:
                for offset, info, addend in struct.iter_unpack("<QQq", self.content(section)):
                    found[section.info].append((offset, info & 0xFFFFFFFF, self.symbols[info >> 32], addend))
        return {index: sorted(entries, key=lambda entry: entry[0]) for index, entries in found.items()}

    def at(self, address, size):
        """The bytes at an address of a linked file; of .bss none."""
        section = self._allocated[bisect_right(self._allocated, address, key=lambda entry: entry[0]) - 1][1]
        if section.type == SHT_NOBITS or not section.addr <= address < section.addr + section.size:
            return b""
        start = section.offset + address - section.addr
        return self.data[start : start + size]

    def build_id(self):
        for section in self.sections:
            if section.type != SHT_NOTE:
                continue
            body, at = self.content(section), 0
            while at + 12 <= len(body):
                name, size, kind = struct.unpack_from("<III", body, at)
                start = at + 12 + (name + 3 & ~3)
                if kind == 3 and body[at + 12 : at + 16] == b"GNU\0":
                    return body[start : start + size].hex()
                at = start + (size + 3 & ~3)
        return ""
