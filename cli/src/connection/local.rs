//! The API of this machine, as its own configuration tells it: `pvc.toml`, or the `pvc.conf` of earlier versions.
//!
//! Only the few keys that lead to the API are read, and read leniently: what the rest of the file says is the daemons' affair.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use api::client::{Endpoint, Scheme, Trust};
use serde::Deserialize;

use super::ConnectionError;
use super::yaml::{self, Yaml};

/// The port of the API where nothing else is said.
const PORT: u16 = 7370;

/// Where the first file that is there leads: to the API of this machine, and after it to those of the other coordinators,
/// for a machine that has none or whose own does not answer.
pub(super) fn endpoints(files: &[PathBuf]) -> Result<Vec<Endpoint>, ConnectionError> {
    for path in files {
        match fs::read_to_string(path) {
            Ok(text) => return read(path, &text),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(source) => {
                let remedy = "It holds the API's keys: run the command as root, or add a connection with a key of your own.";
                return Err(ConnectionError::File { path: path.clone(), verb: "read", source, remedy });
            }
        }
    }
    match files {
        [path] => {
            let source = io::Error::from(io::ErrorKind::NotFound);
            let remedy = "The connection names it; add the connection anew.";
            Err(ConnectionError::File { path: path.clone(), verb: "read", source, remedy })
        }
        _ => Err(ConnectionError::NoLocal),
    }
}

fn read(path: &Path, text: &str) -> Result<Vec<Endpoint>, ConnectionError> {
    let is_toml = path.extension().is_some_and(|extension| extension == "toml");
    let outcome = if is_toml { from_toml(text) } else { from_yaml(text).map(|own| vec![own]) };
    outcome.map_err(|why| ConnectionError::Content { path: path.to_owned(), why })
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Document {
    node: Option<String>,
    coordinators: Vec<String>,
    api: Section,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Section {
    listen: Option<String>,
    tls_certificate_file: Option<String>,
    token: Vec<Token>,
}

#[derive(Debug, Deserialize)]
struct Token {
    token: String,
}

fn from_toml(text: &str) -> Result<Vec<Endpoint>, String> {
    // The parser's own message would show the line, and the line may hold a key.
    let Document { node, coordinators, api } =
        toml::from_str(text).map_err(|error| error.message().to_owned())?;
    let listen = api.listen.unwrap_or_else(|| format!("127.0.0.1:{PORT}"));
    let wrong = |_| format!("api.listen is \"{listen}\", which is not an address and a port");
    let address: SocketAddr = listen.parse().map_err(wrong)?;
    let token = api.token.into_iter().next().map(|token| token.token);
    let speaks_tls = api.tls_certificate_file.is_some();
    let mut endpoints = vec![reached(&address.ip().to_string(), address.port(), speaks_tls, token.clone())];
    // Where this API is for this machine alone, the others are for theirs.
    if !address.ip().is_loopback() {
        let own = node.or_else(super::hostname);
        let others = coordinators.into_iter().filter(|coordinator| Some(coordinator) != own.as_ref());
        let (scheme, port) = (endpoints[0].scheme, endpoints[0].port);
        // They are other machines: their certificates have to be made out to their names.
        let trust = Trust::System;
        endpoints.extend(others.map(|host| Endpoint { scheme, host, port, token: token.clone(), trust }));
    }
    Ok(endpoints)
}

fn from_yaml(text: &str) -> Result<Endpoint, String> {
    let document = yaml::parse(text);
    let api =
        document.at(&["api"]).ok_or("it has no section \"api\", so it does not tell where the API is")?;
    let text_at = |keys: &[&str]| api.at(keys).and_then(Yaml::text);
    let address = text_at(&["listen", "address"]).unwrap_or("127.0.0.1");
    let port = match text_at(&["listen", "port"]) {
        Some(port) => {
            port.parse().map_err(|_| format!("api.listen.port is \"{port}\", which is not a port"))?
        }
        None => PORT,
    };
    let asks = api.at(&["authentication", "enabled"]).is_some_and(Yaml::is_yes);
    let tokens = ["token", "tokens"].iter().find_map(|key| api.at(&["authentication", key]));
    let first = tokens.and_then(Yaml::first).and_then(|token| token.at(&["token"])).and_then(Yaml::text);
    let token = first.filter(|_| asks).map(str::to_owned);
    Ok(reached(address, port, api.at(&["ssl", "enabled"]).is_some_and(Yaml::is_yes), token))
}

/// How an API that listens there is reached from the same machine. Its certificate is made out to a name that others
/// know it by, so it is not checked.
fn reached(address: &str, port: u16, speaks_tls: bool, token: Option<String>) -> Endpoint {
    let host = match address {
        "0.0.0.0" => "127.0.0.1",
        "::" => "::1",
        other => other,
    };
    let scheme = if speaks_tls { Scheme::Https } else { Scheme::Http };
    Endpoint { scheme, host: host.into(), port, token, trust: Trust::Anyone }
}
