//! Tests of what is read of this machine.

use logic::node::Role;

use super::*;

#[test]
fn this_machine_can_be_read() {
    let linux = Linux::read("1.2.3", Role::Coordinator).unwrap();
    let node = linux.node();
    assert_eq!(node.version, "1.2.3");
    assert!(node.cpu_count >= 1);
    assert!(node.memory_total_mib > 64);
    assert!(!node.kernel.is_empty() && !node.arch.is_empty());
    assert_eq!(
        node,
        Linux::read("1.2.3", Role::Coordinator).unwrap().node(),
        "it is the same at every reading"
    );
}

#[test]
fn used_and_available_memory_are_all_memory() {
    let linux = Linux::read("0", Role::Coordinator).unwrap();
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

#[test]
fn kvm_needs_the_flag_of_the_cpu_and_a_device_that_opens() {
    for (cpuinfo, opens, expected) in [
        ("x\nflags\t\t: fpu vmx sse\n", true, "kvm"),
        ("flags : svm", true, "kvm"),
        ("flags : svm", false, "qemu"),
        ("flags : fpu svmx", true, "qemu"),
        ("", true, "qemu"),
    ] {
        assert_eq!(accelerator_by(cpuinfo, || opens), expected, "{cpuinfo:?}");
    }
}

#[test]
fn the_device_is_not_tried_where_the_cpu_has_no_virtualisation() {
    assert_eq!(accelerator_by("flags : fpu", || panic!("it was tried")), "qemu");
}

#[test]
fn the_short_name_of_this_host_has_no_dot() {
    assert!(!hostname().is_empty() && !hostname().contains('.'));
}

#[test]
fn the_time_of_the_processors_is_busy_where_it_is_not_idle_and_guests_count_once() {
    let stat = "cpu  10 1 5 70 10 1 2 1 9 9\ncpu0 1 1 1 1 1 1 1 1 1 1\n";
    assert_eq!(cpu_time(stat), CpuTime { busy: 20, total: 100 });
    assert_eq!(cpu_time(""), CpuTime::default());
    let now = Linux::read("0", Role::Coordinator).unwrap().cpu_time();
    assert!(now.total > now.busy && now.busy > 0, "{now:?}");
}

#[test]
fn the_processors_have_the_name_that_the_kernel_tells() {
    let cpuinfo = "processor\t: 0\nmodel\t\t: 207\nmodel name\t: Some CPU @ 2 GHz\nflags : fpu\n";
    assert_eq!(cpu_model(cpuinfo), "Some CPU @ 2 GHz");
    assert_eq!(cpu_model("Processor : ARM\n"), "");
}
