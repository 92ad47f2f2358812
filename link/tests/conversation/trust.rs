//! Who is believed over TLS, who is not, and what those who do not behave cost the others.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use link::client::{Client, Error, Patience};
use link::frame::Frame;
use link::message::{Header, Request, VERSIONS};
use link::server::Limits;
use link::transport::Identity;
use rcgen::ExtendedKeyUsagePurpose;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion, version};
use time::{Duration as Span, OffsetDateTime};

use crate::paper::{Authority, Paper, params};
use crate::stage::{Road, Stage, stage, wait_until};

fn dial(stage: &Stage, node: &str, identity: &Identity) -> Result<Client, Error> {
    Client::connect_tls(&[stage.address()], node, identity, Patience::default())
}

#[track_caller]
fn assert_untrusted(dialled: Result<Client, Error>, because: &str) {
    match dialled {
        Err(Error::Untrusted { why }) => assert!(why.contains(because), "{why}"),
        other => panic!("it was believed, or failed otherwise: {other:?}"),
    }
}

/// Proves that the node still serves those whom it believes.
#[track_caller]
fn assert_serves(stage: &Stage) {
    let mut client = stage.client();
    let answer = client.ask(&Request::Log { lines: 1, follow: false }).unwrap();
    assert_eq!(answer.whole(1 << 20).unwrap().len(), 1000);
}

#[test]
fn a_node_of_another_authority_is_not_believed() {
    let (stage, other) = (stage(Road::Tls, Limits::default()), Authority::new());
    assert_untrusted(dial(&stage, "hv2", &other.identity("hv1")), "its certificate was issued by another");
}

#[test]
fn a_client_of_another_authority_is_not_believed_and_is_told_so() {
    let (stage, other) = (stage(Road::Tls, Limits::default()), Authority::new());
    let stranger = other.believing(stage.authority(), &params("hv1"));
    assert_untrusted(dial(&stage, "hv2", &stranger), "it says that our certificate was issued by another");
    assert_serves(&stage);
}

#[test]
fn an_expired_certificate_is_not_believed_of_a_client_nor_of_a_node() {
    let stage = stage(Road::Tls, Limits::default());
    let mut expired = params("hv1");
    expired.not_after = OffsetDateTime::now_utc() - Span::HOUR;
    let client = stage.authority().identity_of(&expired);
    assert_untrusted(dial(&stage, "hv2", &client), "it says that our certificate has expired");
    let mut expired = params("hv2");
    expired.not_after = OffsetDateTime::now_utc() - Span::HOUR;
    stage.listener().renew(&stage.authority().identity_of(&expired));
    assert_untrusted(dial(&stage, "hv2", &stage.authority().identity("hv1")), "its certificate has expired");
    stage.listener().renew(&stage.authority().identity("hv2"));
    assert_serves(&stage);
}

#[test]
fn a_certificate_whose_time_has_not_come_is_not_believed() {
    let stage = stage(Road::Tls, Limits::default());
    let mut early = params("hv2");
    early.not_before = OffsetDateTime::now_utc() + Span::HOUR;
    stage.listener().renew(&stage.authority().identity_of(&early));
    assert_untrusted(dial(&stage, "hv2", &stage.authority().identity("hv1")), "not valid yet");
}

#[test]
fn a_node_that_is_not_the_one_that_was_dialled_is_not_believed() {
    let stage = stage(Road::Tls, Limits::default());
    let identity = stage.authority().identity("hv1");
    assert_untrusted(dial(&stage, "hv3", &identity), "its certificate is for hv2, so it is another");
    let invalid = dial(&stage, "a b", &identity).unwrap_err();
    assert!(matches!(&invalid, Error::Unreachable { why, .. } if why.contains("no host name")), "{invalid}");
}

#[test]
fn a_certificate_for_servers_only_makes_no_client_and_one_for_clients_no_node() {
    let stage = stage(Road::Tls, Limits::default());
    let mut one_sided = params("hv1");
    one_sided.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let client = stage.authority().identity_of(&one_sided);
    assert_untrusted(dial(&stage, "hv2", &client), "not one for clients");
    let mut one_sided = params("hv2");
    one_sided.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    stage.listener().renew(&stage.authority().identity_of(&one_sided));
    assert_untrusted(
        dial(&stage, "hv2", &stage.authority().identity("hv1")),
        "its certificate is not accepted",
    );
}

/// A TLS client of another make, which says hello and then hears what it is told.
fn stranger(
    stage: &Stage,
    paper: Option<Paper>,
    speaks: &'static SupportedProtocolVersion,
) -> Result<Vec<u8>, io::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(stage.authority().pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(&[speaks]).unwrap();
    let config = config.with_root_certificates(roots);
    let config = match paper {
        None => config.with_no_client_auth(),
        Some(paper) => {
            let chain = vec![CertificateDer::from_pem_slice(paper.certificate.as_bytes()).unwrap()];
            config
                .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(paper.key.as_bytes()).unwrap())
                .unwrap()
        }
    };
    let tls = ClientConnection::new(Arc::new(config), ServerName::try_from("hv2").unwrap()).unwrap();
    let socket = TcpStream::connect(stage.address()).unwrap();
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let mut stream = rustls::StreamOwned::new(tls, socket);
    stream.write_all(&Frame::from(Header::Hello { versions: VERSIONS }).encode().unwrap())?;
    stream.flush()?;
    let mut heard = vec![0; 1000];
    let count = stream.read(&mut heard)?;
    heard.truncate(count);
    Ok(heard)
}

#[test]
fn a_client_without_a_certificate_hears_nothing() {
    let stage = stage(Road::Tls, Limits::default());
    let refused = stranger(&stage, None, &version::TLS13).unwrap_err();
    assert!(refused.to_string().contains("CertificateRequired"), "{refused}");
    let paper = stage.authority().paper(&params("hv1"));
    assert!(!stranger(&stage, Some(paper), &version::TLS13).unwrap().is_empty(), "with one it does");
}

#[test]
fn an_older_tls_is_not_spoken() {
    let stage = stage(Road::Tls, Limits::default());
    let paper = stage.authority().paper(&params("hv1"));
    let refused = stranger(&stage, Some(paper), &version::TLS12).unwrap_err();
    assert!(refused.to_string().contains("ProtocolVersion"), "{refused}");
}

#[test]
fn plain_frames_are_not_answered() {
    let stage = stage(Road::Tls, Limits::default());
    let mut raw = stage.raw();
    raw.write_all(&Frame::from(Header::Hello { versions: VERSIONS }).encode().unwrap()).unwrap();
    let mut heard = Vec::new();
    drop(raw.read_to_end(&mut heard));
    assert!(heard.len() < 20, "an alert at most, and no frame: {heard:?}");
    wait_until("it is hung up on", || stage.server.connections() == 0);
}

/// A node that does not behave, and its address.
fn false_node(behave: impl FnOnce(TcpStream) + Send + 'static) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || behave(listener.accept().unwrap().0));
    address
}

#[test]
fn a_node_that_answers_in_the_clear_is_not_believed() {
    let address = false_node(|mut socket| {
        socket.write_all(&Frame::from(Header::Hello { versions: VERSIONS }).encode().unwrap()).unwrap();
        // It reads until the client has gone, so that its words are not taken back.
        drop(socket.read_to_end(&mut Vec::new()));
    });
    let identity = Authority::new().identity("hv1");
    assert_untrusted(
        Client::connect_tls(&[address], "hv2", &identity, Patience::default()),
        "does not speak TLS",
    );
}

#[test]
fn a_node_that_is_silent_or_trickles_in_the_handshake_is_given_up_in_time() {
    let identity = Authority::new().identity("hv1");
    let patience = Patience { answer: Duration::from_millis(400), ..Patience::default() };
    for trickles in [false, true] {
        let address = false_node(move |mut socket| {
            if trickles {
                // The beginning of a record of 16,000 bytes.
                for byte in [22, 3, 3, 62, 128].into_iter().chain(std::iter::repeat(0)) {
                    thread::park_timeout(Duration::from_millis(20));
                    if socket.write_all(&[byte]).is_err() {
                        return;
                    }
                }
            }
            drop(socket.read_to_end(&mut Vec::new()));
        });
        let begun = Instant::now();
        let given_up = Client::connect_tls(&[address], "hv2", &identity, patience).unwrap_err();
        assert_eq!(given_up, Error::Silent { wait_ms: 400 }, "trickles: {trickles}");
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn clients_that_stall_in_the_handshake_hold_up_nobody_and_are_hung_up_on() {
    let limits = Limits { hello: Duration::from_secs(15), ..Limits::default() };
    let stage = stage(Road::Tls, limits);
    let mut stalled: Vec<_> = (0..20).map(|_| stage.raw()).collect();
    for (count, raw) in stalled.iter_mut().enumerate() {
        // Nothing, or a part of a record of 512 bytes that never becomes whole.
        raw.write_all(&[22, 3, 1, 2, 0, 1, 0, 1][..count % 9]).unwrap();
    }
    wait_until("all are there", || stage.server.connections() == 20);
    let begun = Instant::now();
    assert_serves(&stage);
    assert!(begun.elapsed() < Duration::from_secs(12), "it waited for the stalled: {:?}", begun.elapsed());
    wait_until("all are hung up on", || stage.server.connections() == 0);
    for mut raw in stalled {
        drop(raw.read_to_end(&mut Vec::new()));
    }
}

/// A road with a gate: what goes over it stops when the gate is shut, and nobody is told.
fn gated(to: SocketAddr, shut: &Arc<AtomicBool>) -> SocketAddr {
    let shut = Arc::clone(shut);
    false_node(move |near| {
        let far = TcpStream::connect(to).unwrap();
        let ways = [(near.try_clone().unwrap(), far.try_clone().unwrap()), (far, near)];
        let ways = ways.map(|(mut from, mut to)| {
            let shut = Arc::clone(&shut);
            thread::spawn(move || {
                let mut buffer = [0; 4096];
                while let Ok(count @ 1..) = from.read(&mut buffer) {
                    while shut.load(Ordering::SeqCst) {
                        thread::park_timeout(Duration::from_millis(10));
                    }
                    if to.write_all(&buffer[..count]).is_err() {
                        break;
                    }
                }
                drop(to.shutdown(Shutdown::Both));
            })
        });
        for way in ways {
            drop(way.join());
        }
    })
}

#[test]
fn a_node_that_falls_silent_in_mid_answer_is_given_up_for_want_of_beats() {
    let (stage, shut) = (stage(Road::Tls, Limits::default()), Arc::new(AtomicBool::new(false)));
    let patience = Patience { next: Duration::from_millis(500), ..Patience::default() };
    let identity = stage.authority().identity("hv1");
    let road = gated(stage.address(), &shut);
    let mut client = Client::connect_tls(&[road], "hv2", &identity, patience).unwrap();
    let mut answer = client.ask(&Request::Statistics).unwrap();
    assert!(answer.part().unwrap().is_some());
    shut.store(true, Ordering::SeqCst);
    assert_eq!(answer.part().unwrap_err(), Error::Silent { wait_ms: 500 });
    shut.store(false, Ordering::SeqCst);
}

#[test]
fn a_client_that_falls_silent_in_mid_answer_is_given_up_by_the_node() {
    let limits = Limits { unread: Duration::from_millis(500), ..Limits::default() };
    let (stage, shut) = (stage(Road::Tls, limits), Arc::new(AtomicBool::new(false)));
    let identity = stage.authority().identity("hv1");
    let road = gated(stage.address(), &shut);
    let mut client = Client::connect_tls(&[road], "hv2", &identity, Patience::default()).unwrap();
    let mut answer = client.ask(&Request::Log { lines: 100_000, follow: false }).unwrap();
    assert!(answer.part().unwrap().is_some());
    shut.store(true, Ordering::SeqCst);
    stage.node.wait_until_ended(1);
    wait_until("its place is free", || stage.server.connections() == 0);
    shut.store(false, Ordering::SeqCst);
}

#[test]
fn an_address_where_nobody_listens_does_not_keep_the_next_from_being_tried() {
    let stage = stage(Road::Tls, Limits::default());
    let identity = stage.authority().identity("hv1");
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    Client::connect_tls(&[nobody, stage.address()], "hv2", &identity, Patience::default()).unwrap();
    let refused = Client::connect_tls(&[nobody], "hv2", &identity, Patience::default()).unwrap_err();
    assert!(matches!(&refused, Error::Unreachable { at, .. } if at.contains("hv2 (127.0.0.1")), "{refused}");
    let nowhere = Client::connect_tls(&[], "hv2", &identity, Patience::default()).unwrap_err();
    assert!(nowhere.to_string().contains("it has no address"), "{nowhere}");
}

#[test]
fn texts_that_are_no_identity_are_refused_by_name() {
    let (authority, other) = (Authority::new(), Authority::new());
    let (good, foreign) = (authority.paper(&params("hv1")), other.paper(&params("hv1")));
    let refused = |root: &str, certificate: &str, key: &str| {
        Identity::from_pem(root.as_bytes(), certificate.as_bytes(), key.as_bytes()).unwrap_err().to_string()
    };
    let root = authority.pem();
    assert!(
        refused("x", &good.certificate, &good.key).contains("the authority's certificate cannot be used")
    );
    assert!(refused(&root, "", &good.key).contains("the certificate cannot be used"));
    assert!(refused(&root, &good.certificate, "x").contains("the key cannot be used"));
    assert!(refused(&root, &good.certificate, &foreign.key).contains("cannot be used"));
}
