//! What ping says is counted rightly.

use super::*;

const SAID: &str = "PING 10.1.0.250 (10.1.0.250) 56(84) bytes of data.
[1700000000.000000] 64 bytes from 10.1.0.250: icmp_seq=1 ttl=64 time=0.1 ms
[1700000000.025000] 64 bytes from 10.1.0.250: icmp_seq=2 ttl=64 time=0.1 ms
From 10.1.0.254 icmp_seq=3 Destination Host Unreachable
[1700000000.100000] 64 bytes from 10.1.0.250: icmp_seq=5 ttl=64 time=0.1 ms
[1700000000.101000] 64 bytes from 10.1.0.250: icmp_seq=5 ttl=64 time=1.1 ms (DUP!)

--- 10.1.0.250 ping statistics ---
6 packets transmitted, 3 received, +1 duplicates, 50% packet loss, time 100ms
";

#[test]
fn the_lost_are_those_without_an_answer_except_for_the_last() {
    let pings = counted(SAID, 25).unwrap();
    assert_eq!((pings.sent, pings.lost), (5, 2));
    assert!((pings.gap_ms - 50.0).abs() < 0.01, "{pings:?}");
}

#[test]
fn an_end_without_answers_is_lost_too() {
    let said = SAID.replace("6 packets", "9 packets");
    assert_eq!(counted(&said, 25).unwrap().lost, 5);
}

#[test]
fn a_ping_that_tells_no_summary_is_refused() {
    assert!(counted("PING 10.1.0.250", 25).is_err());
}
