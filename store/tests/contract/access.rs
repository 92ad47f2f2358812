//! Who gets in: ZooKeeper shows the records to those who have the secret, and TLS keeps the secret from the network.

use std::path::Path;

use logic::record::Expect;
use store::zookeeper::ZooKeeper;
use store::{Error, Secret, Store};
use tokio::runtime::{Builder, Runtime};
use zookeeper_client::{Acls, Client, CreateMode, Error as ZkError};

use crate::backend::{Backend, secret};
use crate::laws::{op, put, value, write};
use crate::servers::{Extra, Servers, free_ports};

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_time().build().unwrap()
}

#[test]
fn a_wrong_secret_is_refused() {
    let servers = Servers::start(1);
    put(&*servers.open(), "a", "1");
    let other = Secret::new("battery staple").unwrap();
    let refused = ZooKeeper::open(&servers.addresses(), &other);
    assert!(matches!(refused, Err(Error::Unauthorised { .. })), "{refused:?}");
    let error = refused.unwrap_err().to_string();
    assert!(error.ends_with("refused the credentials; check store_secret_file"), "{error}");
}

#[test]
fn a_client_without_the_secret_can_neither_read_nor_write_nor_delete() {
    let servers = Servers::start(1);
    let store = servers.open();
    put(&*store, "a", "1");
    store.announce(&crate::laws::key("here"), b"1").unwrap();
    runtime().block_on(async {
        let client = Client::connect(&servers.addresses()[0]).await.unwrap();
        for path in ["/pvc", "/pvc/test", "/pvc/test/a", "/pvc/test/here"] {
            assert_eq!(client.get_data(path).await.unwrap_err(), ZkError::NoAuth, "{path}");
            assert_eq!(client.list_children(path).await.unwrap_err(), ZkError::NoAuth, "{path}");
            assert_eq!(client.set_data(path, b"x", None).await.unwrap_err(), ZkError::NoAuth, "{path}");
        }
        assert_eq!(client.delete("/pvc/test/a", None).await.unwrap_err(), ZkError::NoAuth);
        let open = CreateMode::Persistent.with_acls(Acls::anyone_all());
        assert_eq!(client.create("/pvc/test/b", b"x", &open).await.unwrap_err(), ZkError::NoAuth);
    });
    assert_eq!(value(&*store, "a").as_deref(), Some("1"));
}

#[test]
fn a_root_that_somebody_left_open_to_all_is_not_used() {
    let servers = Servers::start(1);
    runtime().block_on(async {
        let client = Client::connect(&servers.addresses()[0]).await.unwrap();
        let open = CreateMode::Persistent.with_acls(Acls::anyone_all());
        client.create("/pvc", b"", &open).await.unwrap();
    });
    let error = ZooKeeper::open(&servers.addresses(), &secret()).unwrap_err().to_string();
    assert!(error.contains("/pvc there has another access list"), "{error}");
}

#[test]
fn where_no_server_is_the_error_names_the_address() {
    let address = format!("127.0.0.1:{}?session_timeout_ms=1000", free_ports(1)[0]);
    let error = ZooKeeper::open(std::slice::from_ref(&address), &secret()).unwrap_err().to_string();
    let name = address.split('?').next().unwrap();
    let expected =
        "none of its servers answers; check that ZooKeeper runs there, and its port and TLS settings";
    assert_eq!(error, format!("the store zookeeper://{name} is not reachable: {expected}"));
}

/// A certificate authority, and a certificate of it for a server and for a client on this machine, as PEM files.
fn certificates(folder: &Path) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    std::fs::write(folder.join("ca.pem"), authority_pem).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".into(), "127.0.0.1".into()]).unwrap();
    let certificate = params.signed_by(&key, &issuer).unwrap().pem();
    std::fs::write(folder.join("node.pem"), &certificate).unwrap();
    std::fs::write(folder.join("node.key"), key.serialize_pem()).unwrap();
    std::fs::write(folder.join("both.pem"), format!("{}{certificate}", key.serialize_pem())).unwrap();
}

#[test]
fn the_connection_is_encrypted_and_both_sides_show_a_certificate() {
    rustls::crypto::aws_lc_rs::default_provider().install_default().unwrap();
    let (folder, strange) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    certificates(folder.path());
    certificates(strange.path());
    let port = free_ports(1)[0];
    let settings = format!(
        "secureClientPort={port}\nssl.keyStore.location={0}/both.pem\nssl.keyStore.type=PEM\n\
         ssl.trustStore.location={0}/ca.pem\nssl.trustStore.type=PEM\nssl.clientAuth=need\n",
        folder.path().display()
    );
    let options =
        vec!["-Dzookeeper.serverCnxnFactory=org.apache.zookeeper.server.NettyServerCnxnFactory".into()];
    let servers = Servers::start_with(1, &Extra { settings, options }, |_, port| port);
    let tls = |ca: &Path, own: &Path, timeout_ms: u32| {
        let (ca, own) = (ca.display(), own.display());
        let files = format!("tls_ca={ca}/ca.pem&tls_certificate={own}/node.pem&tls_key={own}/node.key");
        ZooKeeper::open(&[format!("127.0.0.1:{port}?{files}&session_timeout_ms={timeout_ms}")], &secret())
    };
    let store = tls(folder.path(), folder.path(), 20_000).unwrap();
    store.commit(&write(vec![op("a", Expect::Absent, "1")])).unwrap();
    assert_eq!(value(&*servers.open(), "a").as_deref(), Some("1"));
    for (ca, own) in [(&strange, &folder), (&folder, &strange)] {
        let refused = tls(ca.path(), own.path(), 2_000);
        assert!(matches!(refused, Err(Error::Unreachable { .. })), "{refused:?}");
    }
}
