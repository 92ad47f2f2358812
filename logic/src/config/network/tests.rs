//! The machine's networks as they are configured: what follows from little, and what is refused.

use crate::config::Config;
use crate::network::SystemNetwork;

const UPSTREAM: &str = "[network.upstream]\ndevice = 'ens4'\nnetwork = '10.0.0.0/24'\n";
const CLUSTER: &str = "[network.cluster]\ndevice = 'ens5'\nnetwork = '10.1.0.0/24'\n";

fn networks(text: &str, host: &str) -> Vec<SystemNetwork> {
    Config::parse(text, host).unwrap().networks.to_vec()
}

fn refusal(text: &str) -> String {
    Config::parse(text, "hv2").unwrap_err().to_string()
}

#[test]
fn without_a_section_nothing_of_the_machine_is_touched() {
    assert!(networks("", "hv1").is_empty());
}

#[test]
fn an_address_follows_from_the_number_of_the_node_unless_it_is_given() {
    let address = |more: &str, host| networks(&format!("{UPSTREAM}{more}"), host)[0].address.to_string();
    assert_eq!(address("", "hv2"), "10.0.0.2");
    assert_eq!(address("address = 'by-id'", "rack1-node17.example.org"), "10.0.0.17");
    assert_eq!(address("address = '10.0.0.9'", "hv"), "10.0.0.9");
    assert_eq!(address("address = '10.0.0.9/24'", "hv2"), "10.0.0.9");
    let numbered = format!("node_id = 7\n{UPSTREAM}");
    assert_eq!(networks(&numbered, "alpha")[0].address.to_string(), "10.0.0.7");
    let six = "[network.upstream]\ndevice = 'ens4'\nnetwork = 'fd00::/64'\nfloating = 'fd00::ff'";
    assert_eq!(networks(six, "hv18")[0].address.to_string(), "fd00::12");
}

#[test]
fn each_network_has_its_bridge_and_those_of_one_device_share_one() {
    let bridges = |text: &str| -> Vec<String> {
        networks(text, "hv1").iter().map(|network| network.bridge.to_string()).collect()
    };
    assert_eq!(bridges(&format!("{UPSTREAM}{CLUSTER}")), ["brupstream", "brcluster"]);
    let shared = format!("{UPSTREAM}{}", CLUSTER.replace("ens5", "ens4"));
    assert_eq!(bridges(&shared), ["brcluster", "brcluster"]);
    let storage = CLUSTER.replace("ens5", "ens4").replace("cluster", "storage");
    assert_eq!(bridges(&format!("{UPSTREAM}{storage}")), ["brupstream", "brupstream"]);
}

#[test]
fn what_cannot_work_is_refused_with_its_key_and_the_remedy() {
    for (text, part) in [
        ("node_id = 0", "\"node_id\" is refused"),
        ("coordinators = []", "at least one"),
        ("coordinators = ['hv1', 'hv1']", "hv1 is named twice"),
        ("coordinators = ['hv 1']", "\"coordinators\" is refused"),
        ("coordinators = ['hv1']", "with sqlite this node, hv2, is the only one"),
        ("bridge_device = 'a b'", "no name of a link"),
        ("bridge_device = 'brcluster'", "the bridge that PVC makes"),
        ("bridge_device = 'ens6'\nbridge_mtu = 100", "\"bridge_mtu\" is refused: it must lie between 1280"),
        ("bridge_mtu = 1500", "bridge_device, which is not given"),
        (
            "[network.upstream]\nnetwork = '10.0.0.0/24'",
            "\"network.upstream.device\" is refused: it is required",
        ),
        ("[network.storage]\ndevice = 'ens4'", "\"network.storage.network\" is refused: it is required"),
        ("[network.upstram]", "did you mean \"network.upstream\"?"),
        ("[network.upstream]\ndevise = 'ens4'", "did you mean \"network.upstream.device\"?"),
        ("[network.upstream]\ndevice = 'brcluster'\nnetwork = '10.0.0.0/24'", "the bridge that PVC makes"),
        ("network = 3", "line 1"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(part), "{text}: {refusal}");
    }
    for (more, part) in [
        ("mtu = 1000", "between 1280 and 65535"),
        ("address = '10.0.1.2'", "no address of one machine in the network 10.0.0.0/24"),
        ("address = '10.0.0.255'", "no address of one machine"),
        ("address = '10.0.0.2/16'", "another prefix"),
        ("address = 'dhcp'", "no address such as 10.0.0.1, nor by-id"),
        ("floating = '10.0.0.2'", "this node's own address"),
        ("floating = '10.1.0.2'", "\"network.upstream.floating\" is refused"),
        ("gateway = '10.0.0.2'", "an address of this cluster's own"),
        ("gateway = '10.0.9.1'", "\"network.upstream.gateway\" is refused"),
        ("floating = '10.0.0.0'", "no address of one machine"),
    ] {
        let refusal = refusal(&format!("{UPSTREAM}{more}"));
        assert!(refusal.contains(part), "{more}: {refusal}");
    }
}

#[test]
fn networks_that_do_not_fit_together_are_refused() {
    let gateways = format!("{UPSTREAM}gateway = '10.0.0.254'\n{CLUSTER}gateway = '10.1.0.254'");
    assert!(refusal(&gateways).contains("one default route"));
    let overlap = format!("{UPSTREAM}{}", CLUSTER.replace("10.1.0.0/24", "10.0.0.0/16"));
    assert!(refusal(&overlap).contains("10.0.0.0/16 overlaps with 10.0.0.0/24, the network upstream"));
    let mtus = format!("{UPSTREAM}{}mtu = 9000", CLUSTER.replace("ens5", "ens4"));
    assert!(refusal(&mtus).contains("give both the same"));
}

#[test]
fn a_floating_address_is_not_that_of_another_coordinator() {
    let store = "store = 'zookeeper://a'\nstore_secret_file = '/s'\ncoordinators = ['hv1', 'hv2', 'hv3']\n";
    let refusal = refusal(&format!("{store}{UPSTREAM}floating = '10.0.0.3'"));
    assert!(refusal.contains("10.0.0.3 is the address of hv3"), "{refusal}");
}

#[test]
fn an_address_by_number_needs_a_number() {
    let refusal = Config::parse(UPSTREAM, "alpha").unwrap_err().to_string();
    assert!(refusal.contains("does not end in a number"), "{refusal}");
    let large = Config::parse(UPSTREAM, "hv300").unwrap_err().to_string();
    assert!(large.contains("no room for node 300"), "{large}");
}

#[test]
fn the_device_of_guests_networks_has_an_mtu_of_its_own_unless_it_is_one_of_the_machines() {
    let link = |text: &str| {
        Config::parse(text, "hv1").unwrap().guest_link.map(|link| (link.device.to_string(), link.mtu))
    };
    assert_eq!(link(""), None);
    assert_eq!(link("bridge_device = 'ens6'"), Some(("ens6".into(), 1500)));
    assert_eq!(link("bridge_device = 'ens6'\nbridge_mtu = 9000"), Some(("ens6".into(), 9000)));
    let shared = format!("bridge_device = 'ens4'\n{UPSTREAM}mtu = 9000");
    assert_eq!(link(&shared), Some(("ens4".into(), 9000)));
    let differs = format!("bridge_mtu = 1500\n{shared}");
    assert!(refusal(&differs).contains("the device of the network upstream, whose mtu is 9000, not 1500"));
}
