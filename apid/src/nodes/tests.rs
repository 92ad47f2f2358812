//! Statistics arrive cut anywhere, and what is no statistics ends the link.

use super::*;

const VM: &str = "bdd640fb-0667-4ad1-9c80-317fa3b1799d";

#[test]
fn a_message_that_is_cut_anywhere_is_put_together() {
    let text = format!(r#"{{"{VM}": {{"memory": {{"rss": 7}}, "unknown": 1}}}}{{}}"#);
    for cut in 0..text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        let mut buffer = first.to_vec();
        let mut complete = messages(&mut buffer).unwrap();
        buffer.extend_from_slice(second);
        complete.extend(messages(&mut buffer).unwrap());
        assert_eq!(complete.len(), 2, "cut at {cut}");
        assert_eq!(complete[0][&VM.parse::<VmId>().unwrap()].memory["rss"], 7);
        assert!(complete[1].is_empty());
    }
}

#[test]
fn what_cannot_be_understood_is_told() {
    for text in ["[]", "{\"x\": {}}", "nonsense"] {
        assert!(messages(&mut text.as_bytes().to_vec()).unwrap_err().contains("understood"), "{text}");
    }
}

#[derive(Debug)]
struct Nobody {
    here: NodeName,
}

impl Dial for Nobody {
    fn here(&self) -> &NodeName {
        &self.here
    }

    fn dial(&self, node: &NodeName, _patience: Patience) -> Result<Client, Error> {
        Err(Error::Unreachable { at: node.to_string(), why: "nobody is there".into() })
    }

    fn dial_worker(&self, node: &NodeName, patience: Patience) -> Result<Client, Error> {
        self.dial(node, patience)
    }
}

#[test]
fn what_is_old_is_not_shown() {
    let nodes = Nodes::new(Arc::new(Nobody { here: "hv1".parse().unwrap() }));
    let (node, vm): (NodeName, VmId) = ("hv1".parse().unwrap(), VM.parse().unwrap());
    nodes.put(&node, HashMap::from([(vm, GuestStatistics::default())]));
    assert!(nodes.statistics().of(&node, vm).is_some());
    let old = Instant::now().checked_sub(AGE_MAX + Duration::from_secs(1)).unwrap();
    nodes.pushed.lock().unwrap().get_mut(&node).unwrap().at = old;
    assert!(nodes.statistics().of(&node, vm).is_none());
}

#[test]
fn another_machine_is_not_reached_by_this_ones_socket() {
    let dial = LocalNode {
        node: "hv1".parse().unwrap(),
        socket: "/nonexistent/link.sock".into(),
        worker_socket: "/nonexistent/worker.sock".into(),
    };
    let refused = dial.dial(&"hv2".parse().unwrap(), Patience::default()).unwrap_err();
    assert!(refused.to_string().contains("hv2"), "{refused}");
    let absent = dial.dial(&"hv1".parse().unwrap(), Patience::default()).unwrap_err();
    assert!(absent.to_string().contains("/nonexistent/link.sock"), "{absent}");
}

/// Writes an authority's certificate and one that it gave to `name`, with its key, as an identity's files.
fn identify(folder: &std::path::Path, name: &str) {
    use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new([name.to_owned()]).unwrap().signed_by(&key, &authority).unwrap();
    std::fs::write(folder.join("ca.crt"), authority.pem()).unwrap();
    std::fs::write(folder.join("node.crt"), certificate.pem()).unwrap();
    std::fs::write(folder.join("node.key"), key.serialize_pem()).unwrap();
}

#[derive(Debug)]
struct OneLine;

impl link::server::Answer for OneLine {
    fn answer(&self, _: &Request, sink: &mut dyn link::server::Sink) -> Result<(), link::server::Ended> {
        Ok(sink.send(b"a line\n")?)
    }
}

#[tokio::test]
async fn another_node_is_reached_by_its_name_over_mutual_tls() {
    let folder = tempfile::tempdir().unwrap();
    identify(folder.path(), "localhost");
    let local = || LocalNode {
        node: "hv1".parse().unwrap(),
        socket: "/nonexistent/link.sock".into(),
        worker_socket: "/nonexistent/worker.sock".into(),
    };
    let dial = |port| ClusterNodes { local: local(), port, identity: folder.path().into() };
    let listener =
        link::transport::listen_tls("127.0.0.1:0".parse().unwrap(), &dial(0).identity().unwrap()).unwrap();
    let port = listener.address().unwrap().port();
    let _node = link::server::Server::start(Arc::new(listener), Arc::new(OneLine), Default::default());
    let nodes = Nodes::new(Arc::new(dial(port)));
    let request = || Request::Log { lines: 1, follow: false };
    // One that stands still for two seconds is asked again.
    let mut answer = nodes.whole(&"localhost".parse().unwrap(), request()).await;
    for _ in 0..20 {
        if answer.is_ok() {
            break;
        }
        answer = nodes.whole(&"localhost".parse().unwrap(), request()).await;
    }
    assert_eq!(answer.as_deref(), Ok("a line"));

    // Another authority's node is not believed, nor believes it us.
    identify(folder.path(), "localhost");
    let refused = nodes.whole(&"localhost".parse().unwrap(), request()).await.unwrap_err().to_string();
    assert!(refused.contains("localhost"), "{refused}");
    std::fs::remove_file(folder.path().join("node.key")).unwrap();
    let refused = nodes.whole(&"localhost".parse().unwrap(), request()).await.unwrap_err().to_string();
    assert!(refused.contains("node.key"), "{refused}");
    let unknown = nodes.whole(&"no.such.host.invalid".parse().unwrap(), request()).await.unwrap_err();
    assert!(unknown.to_string().contains("no.such.host.invalid"), "{unknown}");
}

#[derive(Debug)]
struct Pushing;

impl link::server::Answer for Pushing {
    fn answer(&self, _: &Request, sink: &mut dyn link::server::Sink) -> Result<(), link::server::Ended> {
        loop {
            sink.send(b"{}")?;
            std::thread::park_timeout(Duration::from_millis(10));
        }
    }
}

#[test]
fn the_link_to_a_node_that_was_removed_ends_and_comes_back_with_the_node() {
    let folder = tempfile::tempdir().unwrap();
    let (node, socket): (NodeName, _) = ("hv1".parse().unwrap(), folder.path().join("link.sock"));
    let listener = Arc::new(link::transport::listen_unix(&socket).unwrap());
    let server = link::server::Server::start(listener, Arc::new(Pushing), Default::default());
    let nodes = Nodes::new(Arc::new(LocalNode {
        node: node.clone(),
        socket,
        worker_socket: "/nonexistent/worker.sock".into(),
    }));
    let wait_until = |what: &str, holds: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(60);
        while !holds() {
            assert!(Instant::now() < end, "{what}: not within 60 s");
            std::thread::yield_now();
        }
    };
    let registered = BTreeSet::from([node.clone()]);
    for _ in 0..2 {
        nodes.keep_only(&registered);
        nodes.keep_only(&registered);
        wait_until("the node pushes", &|| nodes.statistics().nodes.contains_key(&node));
        assert_eq!(server.connections(), 1, "once, however often it is said");
        nodes.keep_only(&BTreeSet::new());
        wait_until("the link ends", &|| server.connections() == 0);
        nodes.pushed.lock().unwrap().clear();
    }
}
