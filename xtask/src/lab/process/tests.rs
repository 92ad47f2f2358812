//! What a process has in memory, and what several share.

use super::*;

const MAPS: &str = "55d0c0000000-55d0c0800000 r-xp 00001000 fe:00 123    /usr/bin/pvcnoded
Size:               8192 kB
Rss:                5000 kB
Pss:                2500 kB
Anonymous:            100 kB
VmFlags: rd ex mr mw me
7f0000000000-7f0000100000 r--p 00000000 fe:00 456    /usr/lib/libvirt.so.0 (deleted)
Rss:                 700 kB
Anonymous:             0 kB
7f1000000000-7f1000100000 rw-p 00000000 00:00 0
Rss:                 300 kB
Anonymous:           300 kB
";

#[test]
fn what_is_written_to_is_a_process_s_own_and_the_rest_belongs_to_files() {
    let memory = Memory::parse(MAPS);
    assert_eq!(memory.own_kib, 400);
    let files: Vec<(&str, u64)> = memory.files_kib.iter().map(|(path, kib)| (path.as_str(), *kib)).collect();
    assert_eq!(files, [("/usr/bin/pvcnoded", 4900), ("/usr/lib/libvirt.so.0 (deleted)", 700)]);
}

#[test]
fn what_several_share_is_counted_once() {
    let one = Memory::parse(MAPS);
    let other = Memory::parse(&MAPS.replace("/usr/bin/pvcnoded", "/usr/bin/pvcworkerd"));
    assert_eq!(Memory::together_kib(&[one, other]), 2 * 400 + 2 * 4900 + 700);
}

#[test]
fn this_very_process_has_memory() {
    let memory = Process::current().unwrap().memory().unwrap();
    assert!(memory.own_kib > 0 && memory.files_kib.keys().any(|path| path.contains("libc")), "{memory:?}");
}
