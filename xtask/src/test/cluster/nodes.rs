//! What the nodes of a cluster tell of each other.

use anyhow::{Context as _, Result, ensure};

use crate::rack::{Rack, controller, name, together};
use crate::test::tally::Tally;

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check("every node's API tells the same nodes, and one of them is the primary", || same_nodes(rack));
    tally.check("a node's log is read through another node's API", || log_of_another(rack));
    tally.check("each node shows the identity that the first one issued", || identities(rack));
    tally.check("every power controller says that its machine is on", || {
        together(rack.numbers(), |number| {
            ensure!(controller::power(rack, number)?, "it says off");
            Ok(())
        })
        .map(drop)
    });
}

fn same_nodes(rack: &Rack) -> Result<()> {
    let mut primaries = Vec::new();
    for teller in rack.numbers() {
        let nodes = rack.nodes(teller)?;
        let names: Vec<String> =
            nodes.iter().filter_map(|node| Some(node["name"].as_str()?.to_owned())).collect();
        ensure!(names == rack.numbers().map(name).collect::<Vec<_>>(), "{} tells {names:?}", name(teller));
        let primary: Vec<_> = nodes.iter().filter(|node| node["coordinator_state"] == "primary").collect();
        ensure!(primary.len() == 1, "{} tells {} primaries", name(teller), primary.len());
        primaries.push(primary[0]["name"].clone());
    }
    primaries.dedup();
    ensure!(primaries.len() == 1, "the primaries differ: {primaries:?}");
    let list = rack.pvc(2, &["node", "list"])?;
    ensure!(rack.numbers().all(|number| list.contains(&name(number))), "the list lacks a node:\n{list}");
    Ok(())
}

fn log_of_another(rack: &Rack) -> Result<()> {
    let log = rack.pvc(1, &["node", "log", "-l", "200", "pvc3"])?;
    ensure!(log.contains("pvcnoded starts") || log.lines().count() > 3, "the log of pvc3 is:\n{log}");
    Ok(())
}

fn identities(rack: &Rack) -> Result<()> {
    for number in rack.numbers() {
        let node = rack.node(number)?;
        let noded = rack.profile().folder().join("pvcnoded");
        let said = crate::command::output(node.inside(noded).args(["identity", "check"]))?;
        let own = crate::rack::network::Network::Cluster.address(number).to_string();
        ensure!(said.contains(&name(number)) && said.contains(&own), "{} shows: {said}", name(number));
        let key = rack.place(number).join("etc/pvc/identity/ca.key");
        ensure!(
            key.exists() == (number == 1),
            "the authority's key is where it should not be: {}",
            key.display()
        );
    }
    let files = rack.place(2).join("etc/pki/qemu/server-cert.pem");
    std::fs::metadata(files).context("QEMU has no copy").map(drop)
}
