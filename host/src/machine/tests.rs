//! Tests of what is read of this machine.

use super::*;

#[test]
fn this_machine_can_be_read() {
    let linux = Linux::read("1.2.3").unwrap();
    let node = linux.node();
    assert_eq!(node.version, "1.2.3");
    assert!(node.cpu_count >= 1);
    assert!(node.memory_total_mib > 64);
    assert!(!node.kernel.is_empty() && !node.arch.is_empty());
    assert_eq!(node, Linux::read("1.2.3").unwrap().node(), "it is the same at every reading");
}

#[test]
fn used_and_available_memory_are_all_memory() {
    let linux = Linux::read("0").unwrap();
    let load = linux.load();
    assert!(load.memory_free_mib > 0);
    assert_eq!(load.memory_used_mib + load.memory_free_mib, linux.node().memory_total_mib);
    assert!(load.load >= 0.0);
}

#[test]
fn a_line_of_meminfo_is_found_by_its_whole_name() {
    let meminfo = "MemTotal:       2048 kB\nMemAvailable:   1024 kB\nSwapTotal: 9 kB\n";
    assert_eq!(memory_mib(meminfo, "MemTotal"), Some(2));
    assert_eq!(memory_mib(meminfo, "MemAvailable"), Some(1));
    assert_eq!(memory_mib(meminfo, "Mem"), None);
}
