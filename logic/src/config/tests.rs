//! The configuration: defaults, refusals, and the nearest known key.

use super::*;

fn refusal(text: &str) -> String {
    Config::parse(text, "hv1.example.org").unwrap_err().to_string()
}

#[test]
fn an_empty_file_is_a_whole_configuration() {
    let config = Config::parse("", "hv1.example.org").unwrap();
    assert_eq!(config.node.as_str(), "hv1");
    assert_eq!(config.store, StoreUrl::Sqlite { path: "/var/lib/pvc/store.db".into() });
    assert_eq!(config.api.listen.to_string(), "127.0.0.1:7370");
    assert_eq!(config.timers, Timers::default());
}

#[test]
fn a_mistyped_key_is_refused_with_the_nearest_known_one() {
    assert_eq!(refusal("stroe = 'x'"), "the key \"stroe\" is not known; did you mean \"store\"?");
    assert_eq!(
        refusal("[timer]\nkeepalive_intervall_ms = 1"),
        "the key \"timer.keepalive_intervall_ms\" is not known; did you mean \"timer.keepalive_interval_ms\"?"
    );
    assert_eq!(refusal("listen = 'x'"), "the key \"listen\" is not known; did you mean \"api.listen\"?");
    assert_eq!(refusal("qqqqqqqqqqqq = 1"), "the key \"qqqqqqqqqqqq\" is not known");
}

#[test]
fn values_that_cannot_be_meant_are_refused_with_the_key_and_the_remedy() {
    for (text, part) in [
        ("store = 'mysql://x'", "neither with sqlite://"),
        ("store = 'sqlite://x.db'", "absolute path"),
        ("store = 'zookeeper://a,,b'", "names no server"),
        ("store = 'zookeeper://a'", "store_secret_file"),
        ("node = 'a b'", "\"node\""),
        ("[storage]\ndirectory = 'x'", "not an absolute path"),
        ("[storage]\n", "[storage.ceph]"),
        ("[storage]\ndirectory = '/x'\n[storage.ceph]", "not both"),
        ("store = 'zookeeper://a'\nstore_secret_file = '/s'\n[storage]\ndirectory = '/x'", "no other node"),
        ("[storage.ceph]\nconf = '/x'", "did you mean \"storage.ceph.config\"?"),
        ("[log]\nlevel = 'loud'", "error, warn, info, debug, trace"),
        ("[timer]\nkeepalive_interval_ms = 1", "between 100 and 60000"),
        ("[timer]\nkeepalive_interval_ms = 'x'", "line 2"),
        ("[timer]\nprimary_silence_s = 11\nkeepalive_interval_ms = 1000", "between 12 (12, and four"),
        ("[timer]\nprimary_silence_s = 19", "between 20 (12, and four"),
        ("[api]\nlisten = 'x'", "127.0.0.1:7370"),
        ("[api]\nlisten = '0.0.0.0:7370'", "[[api.token]]"),
        ("[api]\ntls_key_file = '/k'", "both"),
        ("[[api.token]]\ntoken = ''", "empty"),
        ("[[api.token]]\ntocken = 'x'", "unknown field `tocken`"),
        ("[hypervisor]\nkind = 'xen'", "`auto`, `kvm`, `qemu`"),
        ("[path]\nrun = 'run'", "absolute"),
        ("[path]\nidentity = 'identity'", "absolute"),
        ("[link]\nlisten = 'hv1'", "0.0.0.0:7380"),
        ("[link]\nlisten = '0.0.0.0:0'", "\"off\""),
        ("\nstore = ", "line 2"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(part), "{text}: {refusal}");
    }
}

#[test]
fn a_token_is_never_printed() {
    let text = "[[api.token]]\ndescription = 'admin'\ntoken = 'secret-value'";
    let config = Config::parse(text, "hv1").unwrap();
    assert!(!format!("{config:?}").contains("secret-value"));
    let broken = refusal("[[api.token]]\ntoken = 'secret-value");
    assert!(broken.starts_with("line 2") && !broken.contains("secret-value"), "{broken}");
}

#[test]
fn the_link_is_listened_at_where_there_are_other_nodes_unless_said_otherwise() {
    let listen =
        |text: &str| Config::parse(text, "hv1").unwrap().link.listen.map(|address| address.to_string());
    let zookeeper = "store = 'zookeeper://hv1,hv2'\nstore_secret_file = '/etc/pvc/store.secret'\n";
    assert_eq!(listen(""), None);
    assert_eq!(listen(zookeeper).as_deref(), Some("0.0.0.0:7380"));
    assert_eq!(listen(&format!("{zookeeper}link.listen = 'off'")), None);
    assert_eq!(listen("link.listen = '[::]:7390'").as_deref(), Some("[::]:7390"));
}

#[test]
fn what_may_be_sent_on_a_link_is_shared_among_as_many_as_may_move_at_once() {
    for (whole, at_once_max, share) in [
        ("bandwidth_max_mib = 100", 2, Some(50)),
        ("bandwidth_max_mib = 100", 3, Some(33)),
        ("bandwidth_max_mib = 100", 1, Some(100)),
        // None is left without: a move that may send nothing would never end.
        ("bandwidth_max_mib = 1", 4, Some(1)),
        ("", 4, None),
    ] {
        let text = format!("[migration]\nat_once_max = {at_once_max}\n{whole}");
        let config = Config::parse(&text, "hv1").unwrap();
        assert_eq!(config.moves.share_mib(), share, "{text}");
    }
    let none_at_once = MoveSettings { at_once_max: 0, bandwidth_max_mib: Some(7), ..MoveSettings::default() };
    assert_eq!(none_at_once.share_mib(), Some(7));
}
