//! What the file, its lock and the processes prove together.

use super::*;

/// A machine with the process of number one, and a guest `web1` whose file says this.
fn machine(says: &str) -> (tempfile::TempDir, Processes) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("run/libvirt/libvirt-sock");
    let processes = Processes::of(&format!("qemu+unix:///system?socket={}", socket.display())).unwrap();
    fs::create_dir_all(&processes.files).unwrap();
    fs::create_dir_all(processes.all.join("1")).unwrap();
    fs::write(processes.files.join("web1.pid"), says).unwrap();
    (folder, processes)
}

#[test]
fn a_process_is_gone_only_when_its_number_is_nobodys_and_its_lock_is_free() {
    let (_folder, processes) = machine("4321");
    assert_eq!(processes.look("web1"), Witness::Gone);
    assert_eq!(processes.look("db1"), Witness::Unknown, "there is no file");
    fs::create_dir(processes.all.join("4321")).unwrap();
    assert_eq!(processes.look("web1"), Witness::Unknown, "the number is another's, or the lock is not taken");
}

#[test]
fn nothing_is_proven_by_a_file_that_says_no_number() {
    for says in ["", "x", "-7", "4321 4322", "99999999999999999999999999999999999999"] {
        assert_eq!(machine(says).1.look("web1"), Witness::Unknown, "{says:?}");
    }
}

#[test]
fn nothing_is_proven_where_other_processes_are_not_seen() {
    let (_folder, processes) = machine("4321");
    fs::remove_dir(processes.all.join("1")).unwrap();
    assert_eq!(processes.look("web1"), Witness::Unknown);
}

#[test]
fn the_files_are_found_beside_the_socket_of_a_libvirt_of_this_machine_alone() {
    let files = |uri| Processes::of(uri).map(|found| (found.files, found.all));
    let at = |root: &str| Some((format!("{root}/run/libvirt/qemu").into(), format!("{root}/proc").into()));
    assert_eq!(files("qemu:///system"), at(""));
    assert_eq!(files("qemu+unix:///system?socket=/proc/7/root/run/libvirt/libvirt-sock"), at("/proc/7/root"));
    for elsewhere in [
        "qemu+ssh://hv2/system",
        "qemu:///session",
        "qemu+unix:///system?socket=/srv/none",
        "qemu+unix:///system?socket=run/libvirt/libvirt-sock",
        "test:///default",
    ] {
        assert_eq!(files(elsewhere), None, "{elsewhere}");
    }
}
