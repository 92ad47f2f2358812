//! What the nodes of a cluster tell of each other.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::bench::footprint;
use crate::command::{output, wait_for};
use crate::rack::guests::PATIENCE;
use crate::rack::network::Network;
use crate::rack::{Rack, controller, name, together};
use crate::test::tally::Tally;

pub(super) fn checks(rack: &Rack, tally: &mut Tally) {
    tally.check("every node's API tells the same nodes, and one of them is the primary", || {
        // The role is taken in phases, each seen a moment later by the others.
        wait_for("the nodes to agree", PATIENCE, || same_nodes(rack))
    });
    tally.check("a node's log is read through another node's API", || log_of_another(rack));
    tally.check("each node shows the identity that the first one issued", || identities(rack));
    tally.check(
        "PVC has made each machine's bridges, addresses and route, and mends what is taken away",
        || together(rack.numbers(), |number| networks(rack, number)).map(drop),
    );
    tally.check("maintenance is switched on for all by one node, and off by another", || maintenance(rack));
    tally.check("what idle nodes take is measured, and the store is told little", || {
        // What came before may still be settling, and a busy ensemble elects a leader now and then.
        wait_for("the nodes to be idle", PATIENCE, || footprint(rack))
    });
    tally.check("every power controller says that its machine is on", || {
        together(rack.numbers(), |number| {
            wait_for("its answer", PATIENCE, || {
                ensure!(controller::power(rack, number)?, "it says off");
                Ok(())
            })
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
    // The API of one node may just be finding the others.
    wait_for("the log of pvc3", PATIENCE, || {
        let log = rack.pvc(1, &["node", "log", "-l", "200", "pvc3"])?;
        ensure!(log.contains("pvcnoded starts") || log.lines().count() > 3, "the log of pvc3 is:\n{log}");
        Ok(())
    })
}

fn networks(rack: &Rack, number: u8) -> Result<()> {
    let node = rack.node(number)?;
    let told = |words: &[&str]| output(node.inside("ip").args(words));
    let lost = Network::Storage;
    let own = format!("{}/24", lost.address(number));
    // It is given back faster than one can look; the log tells that it was gone.
    let mended = || {
        let log = std::fs::read_to_string(node.path("/var/log/pvc/pvcnoded.log")).unwrap_or_default();
        let given = format!("address:{}@{}", lost.address(number), lost.bridge());
        log.lines().filter(|line| line.contains(&given) && line.contains("address-missing")).count()
    };
    let before = mended();
    node.ip(&[format!("address delete {own} dev {}", lost.bridge())])?;
    wait_for("the address to be back", PATIENCE, || {
        ensure!(mended() > before, "pvcnoded did not miss it");
        ensure!(told(&["-br", "address"])?.contains(&own), "it is not there");
        Ok(())
    })?;
    let route = format!("default via {} dev {}", Network::Upstream.switch(), Network::Upstream.bridge());
    wait_for("the route and the bridges to be there", PATIENCE, || {
        ensure!(told(&["route"])?.contains(&route), "the routes are {}", told(&["route"])?);
        for network in Network::ALL {
            let port = told(&["-o", "link", "show", &network.device()])?;
            ensure!(port.contains(&format!("master {}", network.bridge())), "{port}");
            ensure!(port.contains(&format!("mtu {}", network.mtu())), "{port}");
        }
        Ok(())
    })
}

fn maintenance(rack: &Rack) -> Result<()> {
    for (number, word, expected, health) in [(1, "on", "true", true), (3, "off", "false", false)] {
        rack.pvc(number, &["cluster", "maintenance", word])?;
        for teller in rack.numbers() {
            wait_for("every node to tell it", PATIENCE, || {
                let status = rack.told(teller, "/api/v1/status")?;
                ensure!(
                    status["maintenance"] == expected,
                    "{} tells {}",
                    name(teller),
                    status["maintenance"]
                );
                let shown = status["cluster_health"]["health"] == -1;
                ensure!(shown == health, "its health is {}", status["cluster_health"]);
                Ok(())
            })?;
        }
    }
    Ok(())
}

/// The measurement itself, for a moment only: that its figures are figures, and that nobody writes without need.
fn footprint(rack: &Rack) -> Result<()> {
    let told = footprint::measure(rack, Duration::from_secs(6))?;
    let figure = |name: &str| told[name].as_f64().with_context(|| format!("there is no {name}"));
    ensure!(figure("pvcnoded_rss_mb_max")? > 1.0 && figure("node_cpu_percent_max")? > 0.0, "it tells {told}");
    // Each node says once in a keepalive how it is; sessions and the like come on top.
    let writes = figure("store_writes_per_s")?;
    ensure!(writes > 0.1 && writes < 6.0, "{writes} writes a second");
    Ok(())
}

fn identities(rack: &Rack) -> Result<()> {
    for number in rack.numbers() {
        let node = rack.node(number)?;
        let noded = rack.profile().folder().join("pvcnoded");
        let said = output(node.inside(noded).args(["identity", "check"]))?;
        let own = Network::Cluster.address(number).to_string();
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
