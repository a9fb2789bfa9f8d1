// SPDX-License-Identifier: GPL-2.0

//! The static branches of a BPF object: a section `.static_branch.NAME` has the addresses of the insns of
//! a set, as relocations against the sections of the programs.
//!
//! Branches of functions that are no programs are refused: libbpf puts such functions behind a program, and
//! does not say where.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;

use super::insn::INSN_SIZE;
use super::Spec;

const PREFIX: &str = ".static_branch.";

// Offsets in and sizes of `Elf64_Ehdr`, `Elf64_Shdr`, `Elf64_Sym` and `Elf64_Rel`.
const SECTIONS_AT: usize = 40;
const SECTION_COUNT_AT: usize = 60;
const SECTION_NAMES_AT: usize = 62;
const SECTION_SIZE: usize = 64;
const SYMBOL_SIZE: usize = 24;
const REL_SIZE: usize = 16;

const SHT_SYMTAB: u64 = 2;
const SHT_REL: u64 = 9;
const STT_FUNC: u8 = 2;

/// The insns of each set, by the names of set and program; insns count from the program's first.
pub type Sets = BTreeMap<(String, String), Vec<u32>>;

struct Section<'a> {
    name: String,
    kind: u64,
    /// Of relocations: the section of their symbols, and the one that they change.
    link: usize,
    info: usize,
    data: &'a [u8],
}

struct Symbol {
    kind: u8,
    section: usize,
    value: u64,
    size: u64,
    name: String,
}

fn number(data: &[u8], at: usize, size: usize) -> io::Result<u64> {
    let bytes = data.get(at..at + size).ok_or_else(cut_off)?;
    Ok(bytes
        .iter()
        .rev()
        .fold(0, |n, &byte| n << 8 | u64::from(byte)))
}

fn cut_off() -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, "the object is cut off")
}

fn text(data: &[u8], at: u64) -> io::Result<String> {
    let tail = data.get(at as usize..).ok_or_else(cut_off)?;
    let text = tail.split(|&byte| byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

fn sections(file: &[u8]) -> io::Result<Vec<Section<'_>>> {
    let table = number(file, SECTIONS_AT, 8)? as usize;
    let count = number(file, SECTION_COUNT_AT, 2)? as usize;
    let mut sections = Vec::new();
    let mut names = Vec::new();
    for at in (0..count).map(|i| table + i * SECTION_SIZE) {
        let kind = number(file, at + 4, 4)?;
        let start = number(file, at + 24, 8)? as usize;
        let size = number(file, at + 32, 8)? as usize;
        names.push(number(file, at, 4)?);
        sections.push(Section {
            name: String::new(),
            kind,
            link: number(file, at + 40, 4)? as usize,
            info: number(file, at + 44, 4)? as usize,
            // Others have no content, or none that is of interest.
            data: file.get(start..start + size).unwrap_or_default(),
        });
    }
    let strings = number(file, SECTION_NAMES_AT, 2)? as usize;
    let strings = sections.get(strings).ok_or_else(cut_off)?.data;
    for (section, name) in sections.iter_mut().zip(names) {
        section.name = text(strings, name)?;
    }
    Ok(sections)
}

fn symbols(sections: &[Section<'_>]) -> io::Result<Vec<Symbol>> {
    let Some(table) = sections.iter().find(|section| section.kind == SHT_SYMTAB) else {
        return Ok(Vec::new());
    };
    let strings = sections.get(table.link).ok_or_else(cut_off)?.data;
    let symbol = |data: &[u8]| {
        Ok(Symbol {
            name: text(strings, number(data, 0, 4)?)?,
            kind: data[4] & 15,
            section: number(data, 6, 2)? as usize,
            value: number(data, 8, 8)?,
            size: number(data, 16, 8)?,
        })
    };
    table.data.chunks_exact(SYMBOL_SIZE).map(symbol).collect()
}

/// Finds the sets of an object file with these programs.
///
/// # Errors
///
/// The file cannot be read, is no object, or a branch is in no program.
pub fn read(path: &Path, programs: &[Spec]) -> io::Result<Sets> {
    let file = fs::read(path)?;
    let sections = sections(&file)?;
    let symbols = symbols(&sections)?;
    let mut sets = Sets::new();
    for rels in sections.iter().filter(|section| section.kind == SHT_REL) {
        let listing = sections.get(rels.info).ok_or_else(cut_off)?;
        let Some(set) = listing.name.strip_prefix(PREFIX) else {
            continue;
        };
        for rel in rels.data.chunks_exact(REL_SIZE) {
            let symbol = number(rel, 8, 8)? >> 32;
            let symbol = symbols.get(symbol as usize).ok_or_else(cut_off)?;
            let at = symbol.value + number(listing.data, number(rel, 0, 8)? as usize, 8)?;
            let function = symbols.iter().find(|function| {
                function.kind == STT_FUNC
                    && function.section == symbol.section
                    && (function.value..function.value + function.size).contains(&at)
            });
            let function = function.ok_or_else(|| {
                io::Error::other(format!("{PREFIX}{set} lists what is in no function"))
            })?;
            if programs.iter().all(|program| program.name != function.name) {
                return Err(io::Error::other(format!(
                    "{PREFIX}{set} lists a branch of {}, which is no program",
                    function.name
                )));
            }
            let insn = (at - function.value) / INSN_SIZE as u64;
            sets.entry((set.to_owned(), function.name.clone()))
                .or_default()
                .push(insn as u32);
        }
    }
    Ok(sets)
}
