//! What only real libvirts can show: who may send a guest where, and under which certificates.

use std::time::{Duration, Instant};

use host::migration::{Course, Method, Standing};
use virt::connect::Connect;
use virt::domain::{Domain, MigrateParameters};
use virt_sys as sys;

use crate::guest::WEB;
use crate::pair::{Authority, Files, Pair, address};
use crate::sides::{Both, FAST, INCARNATION, Side, Sides, departure, wait};

/// A move that is refused leaves the guest where it is; gives the refusal's words.
fn refusal(pair: &Pair, both: &Both) -> String {
    both.source.migration.begin(&departure(pair, Method::PreCopy, FAST)).unwrap();
    let why = both.wait_for_failure(pair);
    both.wait_for(pair, Side::Source, Standing::Running);
    both.wait_until_gone(pair, Side::Target);
    pair.assert_goes_on(Side::Source);
    why
}

#[test]
fn a_machine_of_another_authority_is_not_spoken_to() {
    let pair = Pair::start();
    let both = Both::start(&pair);
    Authority::new().equip(pair.lab(Side::Source), Side::Source, Files::All);
    let why = refusal(&pair, &both);
    assert!(why.contains("certificate"), "{why}");
}

#[test]
fn memory_is_not_sent_under_the_certificate_of_another_authority() {
    let pair = Pair::start();
    let both = Both::start(&pair);
    Authority::new().equip(pair.lab(Side::Source), Side::Source, Files::OfMemory);
    let why = refusal(&pair, &both);
    assert!(why.contains("not trusted"), "{why}");
}

#[test]
fn memory_is_not_received_without_a_certificate_of_the_sender() {
    let pair = Pair::start();
    let both = Both::start(&pair);
    for file in ["client-cert.pem", "client-key.pem"] {
        std::fs::remove_file(pair.lab(Side::Source).path(&format!("/etc/libvirt/tls/{file}"))).unwrap();
    }
    let why = refusal(&pair, &both);
    assert!(why.contains("TLS"), "{why}");
}

#[test]
fn neither_the_conversation_nor_the_memory_goes_in_the_clear() {
    let pair = Pair::start();
    let both = Both::start(&pair);
    let mut connect = Connect::open(Some(&pair.lab(Side::Source).uri())).unwrap();
    let domain = Domain::lookup_by_uuid(&connect, WEB.vm.0).unwrap();
    let there = address(Side::Target);
    let flags = sys::VIR_MIGRATE_LIVE | sys::VIR_MIGRATE_PEER2PEER | sys::VIR_MIGRATE_PAUSED;
    let tls = format!("qemu+tls://{there}/system?no_tty=1&pkipath=/etc/libvirt/tls");
    let by_tcp = format!("qemu+tcp://{there}/system");
    for (uri, flags, word) in [(tls, flags, "TLS"), (by_tcp, flags | sys::VIR_MIGRATE_TLS, "refused")] {
        let refused = domain.migrate_to_uri3(Some(&uri), MigrateParameters::default(), flags);
        let why = refused.expect_err("it is sent in the clear").message().to_owned();
        assert!(why.contains(word), "{why}");
    }
    drop(domain);
    connect.close().unwrap();
    both.wait_until_gone(&pair, Side::Target);
    pair.assert_goes_on(Side::Source);
}

#[test]
fn the_end_of_the_guest_on_the_source_is_known_before_libvirt_has_seen_it() {
    let pair = Pair::start();
    let both = Both::start(&pair);
    let course = || both.source.migration.course(WEB.vm, INCARNATION).unwrap();
    // It is soon seen by libvirt too, and who looks too late does not know which came first.
    let is_seen = (0..8).any(|count| {
        if count > 0 {
            both.start_anew(&pair);
        }
        both.source.migration.begin(&departure(&pair, Method::PreCopy, FAST)).unwrap();
        let mut seen = course();
        wait(&pair, "the guest is gone", || {
            seen = course();
            !matches!(seen, Course::UnderWay(_))
        });
        seen == Course::Unknown
    });
    assert!(is_seen, "each time it was over before the guest's end was known");
    assert_eq!(both.source.migration.look(WEB.vm), Ok(None));
    assert_eq!(both.standing(Side::Target), Some(Standing::Paused));
    both.target.migration.release(WEB.vm, INCARNATION).unwrap();
    both.wait_until_moved(&pair);
    pair.assert_goes_on(Side::Target);
}

#[test]
fn a_target_that_swallows_every_packet_is_given_up_soon() {
    let pair = Pair::start();
    let both = Both::start(&pair);
    let route = |verb| pair.lab(Side::Target).inside("ip", &["route", verb, "blackhole", "10.99.0.1/32"]);
    route("add");
    let began = Instant::now();
    let why = refusal(&pair, &both);
    assert!(why.contains("cannot be reached"), "{why}");
    assert!(began.elapsed() < Duration::from_secs(100), "{:?}", began.elapsed());
    route("del");
    both.source.migration.begin(&departure(&pair, Method::PreCopy, FAST)).unwrap();
    both.wait_until_moved(&pair);
}
