//! A process is gone when that is certain, and only then.

use super::*;

#[test]
fn a_process_is_gone_when_it_has_ended_or_its_number_is_anothers_and_not_because_it_cannot_be_read() {
    let folder = tempfile::tempdir().unwrap();
    let vm = VmId(uuid::Uuid::from_u128(7));
    let processes = Processes { pid_files: folder.path().into(), list: folder.path().into() };
    let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
    assert!(processes.find("web1", vm).is_none(), "nothing names it");
    write("web1.pid", "42\n");
    assert!(processes.find("web1", vm).is_none(), "it is not there");
    std::fs::create_dir(folder.path().join("42")).unwrap();
    write("42/cmdline", "a shell");
    assert!(processes.find("web1", vm).is_none(), "it is another");
    write("42/cmdline", &format!("qemu\0-uuid\0{vm}\0"));
    let process = processes.find("web1", vm).unwrap();
    assert!(!process.is_gone());
    for (text, why) in [("", "it has ended"), ("a shell", "its number is another's")] {
        write("42/cmdline", text);
        assert!(process.is_gone(), "{why}");
    }
    std::fs::remove_file(folder.path().join("42/cmdline")).unwrap();
    assert!(process.is_gone(), "it is buried");
    std::fs::create_dir(folder.path().join("42/cmdline")).unwrap();
    assert!(!process.is_gone(), "what cannot be read may live");
}
