//! What only a real libvirt can show: its guests' processes, their consoles, and a guest that is stuck.

use std::time::{Duration, Instant};

use host::hypervisor::Error;

use logic::id::VmId;
use uuid::Uuid;

use crate::guest::{CONSOLES, DB, Guest, WEB};
use crate::lab::Lab;
use crate::world::{World, wait};

#[test]
fn one_process_per_guest_begins_and_none_is_left() {
    let lab = Lab::start();
    let hypervisor = lab.open();
    for _ in 0..2 {
        hypervisor.start(&WEB.start(1)).unwrap();
        assert_eq!(lab.count_processes(), 1);
    }
    assert!(hypervisor.start(&WEB.start(2)).is_err());
    assert_eq!(lab.count_processes(), 1);
    hypervisor.stop(WEB.vm, 1).unwrap();
    wait(&lab, "the process is gone", || lab.count_processes() == 0);
}

#[test]
fn what_a_guest_says_is_kept_in_a_file_that_stays_small() {
    let lab = Lab::start();
    let hypervisor = lab.open();
    // 400 characters at nine times a second fill the 4096 that are kept in about a second.
    let line = format!("{}\r\n", "talk ".repeat(80));
    lab.lay_out(&WEB, &line);
    hypervisor.start(&WEB.start(1)).unwrap();
    let (file, rotated) = (format!("{CONSOLES}/web1-console.log"), format!("{CONSOLES}/web1-console.log.0"));
    wait(&lab, "the console is rotated", || lab.path(&rotated).exists());
    // Between two of its steps the rotation leaves no file, or an empty one.
    wait(&lab, "what it said last is kept", || {
        let told = host::tail::last_lines(&lab.path(&file), 2).unwrap_or_default();
        String::from_utf8_lossy(&told).contains("talk talk")
    });
    for file in [file, rotated] {
        let bytes = std::fs::metadata(lab.path(&file)).map_or(0, |known| known.len());
        assert!(bytes <= 4096 + 512, "{file} has {bytes} bytes");
    }
    wait(&lab, "there are one file and one that was rotated", || {
        let files = std::fs::read_dir(lab.path(CONSOLES)).unwrap().count();
        assert!(files <= 2, "{files} files are kept");
        files == 2
    });
}

#[test]
fn a_console_goes_on_with_the_next_start() {
    let lab = Lab::start();
    let hypervisor = lab.open();
    let said =
        || std::fs::read_to_string(lab.path(&format!("{CONSOLES}/web1-console.log"))).unwrap_or_default();
    let count = || said().matches(WEB.says().trim()).count();
    hypervisor.start(&WEB.start(1)).unwrap();
    wait(&lab, "the guest speaks", || count() > 0);
    hypervisor.stop(WEB.vm, 1).unwrap();
    let before = count();
    hypervisor.start(&WEB.start(2)).unwrap();
    wait(&lab, "it speaks again", || count() > before);
}

#[test]
fn guests_that_are_stuck_hold_up_no_other() {
    let lab = Lab::start();
    let hypervisor = lab.open();
    // More than the five requests that libvirt serves one connection at a time.
    let numbered = (1..).zip(["s1", "s2", "s3", "s4", "s5", "s6"]);
    let stuck: Vec<Guest> = numbered.map(|(n, name)| Guest { vm: VmId(Uuid::from_u128(n)), name }).collect();
    for guest in &stuck {
        lab.lay_out(guest, &guest.says());
        hypervisor.start(&guest.start(1)).unwrap();
    }
    let (hasty, deadline) = lab.open_hasty();
    wait(&lab, "they are seen", || hasty.guests().is_ok_and(|guests| guests.len() == 6));
    for guest in stuck.iter().chain(&stuck) {
        lab.signal(&Lab::pid_file(guest), "STOP");
        let began = Instant::now();
        let outcome = hasty.press_power(guest.vm, 1);
        assert!(matches!(outcome, Err(Error::Silent { .. })), "{outcome:?}");
        assert!(began.elapsed() < deadline + Duration::from_secs(30), "{:?}", began.elapsed());
    }
    wait(&lab, "all are seen", || hasty.guests().is_ok_and(|guests| guests.len() == 6));
    hypervisor.start(&DB.start(1)).expect("another guest can be started");
    assert_eq!(hypervisor.statistics().unwrap().len(), 7);
    for guest in &stuck {
        lab.signal(&Lab::pid_file(guest), "CONT");
        // What was pressed late may have ended it already.
        wait(&lab, "it can be ended", || hasty.stop(guest.vm, 1).is_ok());
    }
    wait(&lab, "the other is left", || hypervisor.guests().unwrap().len() == 1);
}

#[test]
fn counters_count() {
    let lab = Lab::start();
    let hypervisor = lab.open();
    hypervisor.start(&WEB.start(1)).unwrap();
    let told = || hypervisor.statistics().unwrap().remove(0).1;
    // What is asked while the guest is busy with something else is not told at once.
    let counted = |count: &dyn Fn() -> Option<u64>| {
        let mut counted = None;
        wait(&lab, "it is told", || {
            counted = count();
            counted.is_some()
        });
        counted.unwrap()
    };
    assert_eq!(counted(&|| told().memory.get("actual").copied()), 32 * 1024, "in KiB");
    let read_bytes = || told().disks.get("vda")?.get("rd_bytes").copied();
    wait(&lab, "the boot sector is read", || read_bytes() >= Some(512));
    let cpu_time = || told().cpu.get("cpu_time").copied();
    let before = counted(&cpu_time);
    wait(&lab, "the guest uses its CPU", || cpu_time() > Some(before));
}

#[test]
fn connections_that_were_given_up_are_closed() {
    let lab = Lab::start();
    let before = lab.libvirtd_socket_count();
    let (hasty, _) = lab.open_hasty();
    let answers = || hasty.guests().is_ok();
    wait(&lab, "it answers", answers);
    // On a busy machine some were given up before one answered.
    let connected = before + 1;
    wait(&lab, "one connection is there", || lab.libvirtd_socket_count() == connected);
    for _ in 0..3 {
        lab.hang();
        assert!(matches!(hasty.guests(), Err(Error::Silent { .. })));
        lab.heal();
        wait(&lab, "it answers again", answers);
    }
    wait(&lab, "one connection is left", || lab.libvirtd_socket_count() == connected);
    drop(hasty);
    wait(&lab, "none is left", || lab.libvirtd_socket_count() < connected);
}
