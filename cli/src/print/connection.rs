//! Connections on the screen.

use std::collections::BTreeMap;

use api::ClusterStatus;
use api::client::Endpoint;

use super::cluster::health_word;
use super::paint::{Paint, Tone};
use super::table::{Cell, Table};

/// A connection, and where it leads if that is known.
#[derive(Debug)]
pub(crate) struct Shown {
    /// What it is for.
    pub(crate) description: String,
    /// Where it leads, or why it leads nowhere.
    pub(crate) endpoint: Result<Endpoint, String>,
}

/// Whether keys are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keys {
    /// They are.
    Shown,
    /// They are not.
    Hidden,
}

/// The key as it is shown.
pub(crate) fn key(endpoint: &Endpoint, keys: Keys) -> String {
    match (&endpoint.token, keys) {
        (None, _) => "none".into(),
        (Some(_), Keys::Hidden) => "hidden".into(),
        (Some(token), Keys::Shown) => token.clone(),
    }
}

/// All connections.
pub(crate) fn list(connections: &BTreeMap<String, Shown>, keys: Keys, paint: Paint) -> String {
    let mut table = Table::new(&["Name", "Description", "Address", "#Port", "Scheme", "API key"]);
    for (name, shown) in connections {
        let Shown { description, endpoint } = shown;
        let mut row = vec![Cell::from(name.as_str()), description.as_str().into()];
        match endpoint {
            Ok(endpoint) => row.extend([
                endpoint.host.as_str().into(),
                endpoint.port.to_string().into(),
                endpoint.scheme.to_string().into(),
                key(endpoint, keys).into(),
            ]),
            Err(_) => row.extend([Cell::toned("not there", Tone::Dim), "".into(), "".into(), "".into()]),
        }
        table.row(row);
    }
    table.render(paint)
}

/// All connections with what their clusters say.
pub(crate) fn detail(connections: &[(String, Shown, Result<ClusterStatus, String>)], paint: Paint) -> String {
    let mut table = Table::new(&[
        "Name",
        "Description",
        "Address",
        "Cluster",
        "Health",
        "Primary",
        "#Nodes",
        "#VMs",
        "Version",
    ]);
    for (name, shown, status) in connections {
        let address = shown.endpoint.as_ref().map_or_else(|_| "-".into(), ToString::to_string);
        let mut row = vec![Cell::from(name.as_str()), shown.description.as_str().into(), address.into()];
        match status {
            Ok(status) => {
                let (health, tone) = health_word(status);
                row.extend([
                    status.cluster_name.as_str().into(),
                    Cell::toned(health, tone),
                    status.primary_node.as_str().into(),
                    status.nodes.total.to_string().into(),
                    status.vms.total.to_string().into(),
                    status.pvc_version.as_str().into(),
                ]);
            }
            Err(_) => {
                row.extend(["-".into(), Cell::toned("no answer", Tone::Bad)]);
                row.extend(["-", "-", "-", "-"].map(Cell::from));
            }
        }
        table.row(row);
    }
    table.render(paint)
}
