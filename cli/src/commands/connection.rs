//! The commands of `pvc connection`.

use std::collections::BTreeMap;

use api::ClusterStatus;
use api::client::Request;
use serde_json::{Value, json};

use crate::args::{ConnectionAdd, ConnectionCommand, ConnectionFormat, PlainFormat};
use crate::connection::{Connections, Entry, Remote};
use crate::failure::Failure;
use crate::print::connection::{self as print, Keys, Shown};
use crate::session::{self, Session};

/// Runs one of them.
pub(crate) fn run(command: ConnectionCommand, session: &Session) -> Result<(), Failure> {
    let mut connections = session.connections()?;
    match command {
        ConnectionCommand::Add(add) => {
            let name = add.name.clone();
            connections.add(&name, Entry::Remote(remote(add)?))?;
            session
                .screen
                .show(&format!("Added connection \"{name}\". Use it with: pvc -c {name} cluster status"))
        }
        ConnectionCommand::Remove { name } => {
            connections.remove(&name)?;
            session.screen.show(&format!("Removed connection \"{name}\"."))
        }
        ConnectionCommand::List { show_keys, format } => {
            let keys = if show_keys { Keys::Shown } else { Keys::Hidden };
            show_list(session, &shown(&connections), keys, format)
        }
        ConnectionCommand::Detail { format } => show_detail(session, shown(&connections), format),
    }
}

fn remote(add: ConnectionAdd) -> Result<Remote, Failure> {
    let api_key = match add.api_key.as_deref() {
        Some("-") => Some(super::text_of("-".as_ref())?.trim().to_owned()),
        _ => add.api_key,
    };
    Ok(Remote {
        description: add.description,
        host: add.address,
        port: add.port,
        scheme: if add.ssl { "https" } else { "http" }.into(),
        api_key,
        verify_ssl: add.no_verify.then_some(false),
    })
}

/// All connections with where they lead.
fn shown(connections: &Connections) -> BTreeMap<String, Shown> {
    let describe = |(name, entry): (String, Entry)| {
        let description = match entry {
            Entry::Remote(remote) => remote.description,
            Entry::Local { .. } => "This machine's own cluster".into(),
        };
        let endpoint = connections.endpoint(&name).map_err(|error| error.to_string());
        (name, Shown { description, endpoint })
    };
    connections.entries().into_iter().map(describe).collect()
}

fn show_list(
    session: &Session,
    connections: &BTreeMap<String, Shown>,
    keys: Keys,
    format: ConnectionFormat,
) -> Result<(), Failure> {
    let value = || Value::Array(connections.iter().map(|(name, shown)| as_json(name, shown, keys)).collect());
    session.screen.show(&match format {
        ConnectionFormat::Pretty => print::list(connections, keys, session.screen.paint),
        ConnectionFormat::Raw => connections.keys().map(String::as_str).collect::<Vec<_>>().join("\n"),
        ConnectionFormat::Json => value().to_string(),
        ConnectionFormat::JsonPretty => format!("{:#}", value()),
        ConnectionFormat::JsonPrometheus => format!("{:#}", targets(connections)),
    })
}

fn as_json(name: &str, shown: &Shown, keys: Keys) -> Value {
    match &shown.endpoint {
        Ok(endpoint) => json!({
            "name": name,
            "description": shown.description,
            "address": endpoint.host,
            "port": endpoint.port,
            "scheme": endpoint.scheme.to_string(),
            "api_key": print::key(endpoint, keys),
        }),
        Err(why) => json!({ "name": name, "description": shown.description, "error": why }),
    }
}

/// The targets as Prometheus discovers them in a file; a connection that leads nowhere is none.
fn targets(connections: &BTreeMap<String, Shown>) -> Value {
    let target = |(name, shown): (&String, &Shown)| {
        let endpoint = shown.endpoint.as_ref().ok()?;
        let address = endpoint.to_string().split_once("://").map(|(_, address)| address.to_owned());
        Some(json!({
            "targets": [address],
            "labels": {
                "job": "pvc",
                "pvc_cluster_id": name,
                "pvc_cluster_name": format!("{name}: {}", shown.description),
            },
        }))
    };
    Value::Array(connections.iter().filter_map(target).collect())
}

/// Asks all clusters at once, so that one that does not answer delays no other.
fn show_detail(
    session: &Session,
    connections: BTreeMap<String, Shown>,
    format: PlainFormat,
) -> Result<(), Failure> {
    let ask = |shown: &Shown| -> Result<ClusterStatus, String> {
        let client = session::connect(shown.endpoint.clone()?).map_err(|failure| failure.to_string())?;
        client.read(&Request::get(&["status"])).map_err(|error| error.to_string())
    };
    let answers: Vec<Result<ClusterStatus, String>> = std::thread::scope(|scope| {
        let threads: Vec<_> = connections.values().map(|shown| scope.spawn(|| ask(shown))).collect();
        threads.into_iter().map(|thread| thread.join().expect("asking does not panic")).collect()
    });
    let rows: Vec<_> =
        connections.into_iter().zip(answers).map(|((name, shown), answer)| (name, shown, answer)).collect();
    let value = || Value::Array(rows.iter().map(detail_as_json).collect());
    session.screen.show(&match format {
        PlainFormat::Pretty => print::detail(&rows, session.screen.paint),
        PlainFormat::Json => value().to_string(),
        PlainFormat::JsonPretty => format!("{:#}", value()),
    })
}

fn detail_as_json((name, shown, status): &(String, Shown, Result<ClusterStatus, String>)) -> Value {
    let mut value = as_json(name, shown, Keys::Hidden);
    match status {
        Ok(status) => value["status"] = json!(status),
        Err(why) => value["error"] = json!(why),
    }
    value
}
