//! How a guest is sent.

use super::*;

#[test]
fn a_guest_is_always_sent_under_tls_and_runs_by_itself_at_the_target_only_by_post_copy() {
    let departure = |method, convergence| Departure {
        vm: VmId(uuid::Uuid::from_u128(1)),
        incarnation: 1,
        to: "10.0.0.2".parse().unwrap(),
        console_path: "/c".into(),
        method,
        downtime_max_ms: 300,
        bandwidth_max_mib: None,
        convergence,
    };
    let always = sys::VIR_MIGRATE_LIVE | sys::VIR_MIGRATE_PEER2PEER | sys::VIR_MIGRATE_TLS;
    let sent = Errand::Send { document: String::new() };
    let unaided = departure(Method::PreCopy, Convergence::Unaided);
    assert_eq!(flags(&unaided, &sent), always | sys::VIR_MIGRATE_PAUSED);
    let throttled = flags(&departure(Method::PostCopy, Convergence::Throttled), &sent);
    assert_eq!(throttled, always | sys::VIR_MIGRATE_POSTCOPY | sys::VIR_MIGRATE_AUTO_CONVERGE);
    let mended = flags(&departure(Method::PostCopy, Convergence::Unaided), &Errand::Mend);
    assert_eq!(mended, always | sys::VIR_MIGRATE_POSTCOPY | sys::VIR_MIGRATE_POSTCOPY_RESUME);
}
