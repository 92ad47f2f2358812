//! Reads which shared libraries a program needs before it can start, from the program itself and with no other tool.

use anyhow::{Context as _, Result, ensure};

/// The numbers of the kinds of segments, then of entries, that are read here.
const LOADED: u32 = 1;
const DYNAMIC: u32 = 2;
const END: u64 = 0;
const NEEDED: u64 = 1;
const STRINGS: u64 = 5;

/// The length of an entry of the dynamic section.
const ENTRY_BYTES: usize = 16;

/// A part of the file, and where it lies in memory when the program runs.
#[derive(Clone, Copy, Debug)]
struct Segment {
    kind: u32,
    offset: u64,
    address: u64,
    length: u64,
}

/// The names of the shared libraries that the loader must find for this program, such as `libc.so.6`; none of one that is
/// linked statically.
///
/// # Errors
/// When this is no ELF program of 64 bits in little endian, or one that is cut off.
pub fn needed(program: &[u8]) -> Result<Vec<String>> {
    let is_known = program.starts_with(b"\x7fELF\x02\x01");
    ensure!(is_known, "it is no ELF program of 64 bits in little endian");
    let segments = segments(program)?;
    let Some(dynamic) = segments.iter().find(|segment| segment.kind == DYNAMIC) else {
        return Ok(Vec::new());
    };
    let bytes = part(program, dynamic.offset, dynamic.length)?;
    let mut entries = Vec::new();
    for entry in bytes.chunks_exact(ENTRY_BYTES) {
        let (tag, value) = (number(entry, 0, 8)?, number(entry, 8, 8)?);
        if tag == END {
            break;
        }
        entries.push((tag, value));
    }
    let names = entries.iter().filter(|(tag, _)| *tag == NEEDED).map(|(_, value)| *value);
    let strings = entries.iter().find(|(tag, _)| *tag == STRINGS).map(|(_, address)| *address);
    let Some(strings) = strings else { return Ok(Vec::new()) };
    let holds = |segment: &&Segment| {
        let end = segment.address.saturating_add(segment.length);
        segment.kind == LOADED && (segment.address..end).contains(&strings)
    };
    let holder = segments.iter().find(holds).context("its names are in no part of it")?;
    let begin = strings - holder.address + holder.offset;
    names.map(|name| text(program, begin.saturating_add(name))).collect()
}

fn segments(program: &[u8]) -> Result<Vec<Segment>> {
    let (table, length, count) = (number(program, 32, 8)?, number(program, 54, 2)?, number(program, 56, 2)?);
    let segment = |index: u64| {
        let header = part(program, table.saturating_add(index * length), length)?;
        Ok(Segment {
            kind: u32::try_from(number(header, 0, 4)?)?,
            offset: number(header, 8, 8)?,
            address: number(header, 16, 8)?,
            length: number(header, 32, 8)?,
        })
    };
    (0..count).map(segment).collect()
}

fn part(program: &[u8], offset: u64, length: u64) -> Result<&[u8]> {
    let begin = usize::try_from(offset)?;
    let end = begin.checked_add(usize::try_from(length)?);
    end.and_then(|end| program.get(begin..end)).context("it is cut off")
}

/// A number of so many bytes, the least first.
fn number(bytes: &[u8], offset: u64, length: u64) -> Result<u64> {
    Ok(part(bytes, offset, length)?.iter().rev().fold(0, |number, byte| (number << 8) | u64::from(*byte)))
}

/// A text that ends with a zero.
fn text(program: &[u8], offset: u64) -> Result<String> {
    let rest = program.get(usize::try_from(offset)?..).context("it is cut off")?;
    let text = rest.split(|byte| *byte == 0).next().unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// The shortest program that says that it needs these libraries; it cannot be run.
#[cfg(test)]
pub(crate) fn made_up(libraries: &[&str]) -> Vec<u8> {
    const HEADER: u64 = 64;
    const SEGMENT: u64 = 56;
    const ADDRESS: u64 = 0x40_0000;
    let strings =
        |names: &[&str]| names.iter().fold(vec![0], |text, name| [&text[..], name.as_bytes(), &[0]].concat());
    let begin = HEADER + 2 * SEGMENT;
    let entries = u64::try_from(libraries.len()).expect("they are few") + 2;
    let names = begin + entries * 16;
    let text = strings(libraries);
    let length = names + u64::try_from(text.len()).expect("it is short");
    let mut program = b"\x7fELF\x02\x01\x01".to_vec();
    program.resize(32, 0);
    program.extend(HEADER.to_le_bytes());
    program.resize(54, 0);
    program.extend([56, 0, 2, 0]);
    program.resize(64, 0);
    for (kind, offset, length) in [(LOADED, 0, length), (DYNAMIC, begin, entries * 16)] {
        program.extend(u64::from(kind).to_le_bytes());
        for part in [offset, ADDRESS + offset, 0, length, length, 0] {
            program.extend(part.to_le_bytes());
        }
    }
    let places = (0..libraries.len()).map(|count| strings(&libraries[..count]).len());
    for place in places {
        program.extend(NEEDED.to_le_bytes());
        program.extend(u64::try_from(place).expect("it is short").to_le_bytes());
    }
    for part in [STRINGS, ADDRESS + names, END, 0] {
        program.extend(part.to_le_bytes());
    }
    program.extend(text);
    program
}

#[cfg(test)]
mod tests {
    use super::*;

    fn own() -> Vec<u8> {
        std::fs::read(std::env::current_exe().unwrap()).unwrap()
    }

    #[test]
    fn a_program_tells_which_libraries_it_needs() {
        let needed = needed(&own()).unwrap();
        assert!(needed.iter().any(|library| library == "libc.so.6"), "{needed:?}");
        assert!(needed.iter().all(|library| library.contains(".so")), "{needed:?}");
        let libraries = ["libvirt.so.0", "librados.so.2", "libc.so.6"];
        assert_eq!(super::needed(&made_up(&libraries)).unwrap(), libraries);
    }

    #[test]
    fn what_is_no_program_or_cut_off_is_refused() {
        let whole = made_up(&["libvirt.so.0", "librados.so.2", "libc.so.6"]);
        for broken in [&b""[..], b"#!/bin/sh\n", &whole[..40], &whole[..100], &whole[..250]] {
            assert!(needed(broken).is_err(), "{} bytes", broken.len());
        }
        let mut other = whole;
        other[5] = 2;
        assert!(needed(&other).is_err(), "the bytes are the other way round");
    }
}
