//! Which addresses are understood, and what is said of the others.

use super::*;

fn parse(text: &str) -> Result<Address, String> {
    let servers: Vec<String> = text.split(',').map(str::to_owned).collect();
    Address::parse(&servers).map_err(|error| error.to_string())
}

#[test]
fn servers_without_a_port_get_the_usual_one() {
    let address = parse("a,b.example:2182,[::1],[::1]:99?session_timeout_ms=2000").unwrap();
    assert_eq!(address.servers, "a:2181,b.example:2182,[::1]:2181,[::1]:99");
    assert_eq!(address.session_timeout, Duration::from_secs(2));
    assert_eq!(address.name, "zookeeper://a,b.example:2182,[::1],[::1]:99");
}

#[test]
fn what_is_wrong_is_named() {
    for (text, part) in [
        ("a b", "\"a b\" is not a host name"),
        ("a/chroot", "\"a/chroot\" is not a host name"),
        ("a:port", "\"a:port\" has no port"),
        ("a?tls=on", "\"tls=on\" sets none of tls_ca"),
        ("a?tls_ca=/none.pem", "/none.pem: No such file"),
        ("a?session_timeout_ms=5", "between 1000 and 60000"),
    ] {
        let error = parse(text).unwrap_err();
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn only_this_machine_and_tls_keep_a_secret() {
    assert!(parse("node1,127.0.0.1").unwrap().is_overheard());
    assert!(!parse("127.0.0.1,localhost:2181").unwrap().is_overheard());
}
