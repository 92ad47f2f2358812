//! TLS: a certificate that nobody vouches for is refused, unless the connection says otherwise or it is trusted.

use std::fs;
use std::io::{BufReader, Write};
use std::net::TcpListener;
use std::sync::Arc;
use std::thread::JoinHandle;

use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use crate::bench::Bench;
use crate::server::{http, read_request, recorded};

/// Serves the list of VMs to `count` connections; also tells the port and the certificate as PEM.
fn serve(count: usize) -> (u16, String, JoinHandle<usize>) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
    let config =
        config.with_no_client_auth().with_single_cert(vec![made.cert.der().clone()], key.into()).unwrap();
    let config = Arc::new(config);
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let thread = std::thread::spawn(move || {
        let answered = || {
            let (socket, _) = listener.accept().unwrap();
            let mut stream = StreamOwned::new(ServerConnection::new(Arc::clone(&config)).unwrap(), socket);
            // A client that does not like the certificate goes away in the middle of the handshake.
            if stream.conn.complete_io(&mut stream.sock).is_err() || stream.conn.is_handshaking() {
                return false;
            }
            let mut reader = BufReader::new(stream);
            if std::io::BufRead::fill_buf(&mut reader).map_or(true, <[u8]>::is_empty) {
                return false;
            }
            read_request(&mut reader).unwrap();
            let mut stream = reader.into_inner();
            stream.write_all(http("200 OK", &recorded("vm.json")).as_bytes()).unwrap();
            stream.conn.send_close_notify();
            let _unread = stream.flush();
            true
        };
        (0..count).filter(|_| answered()).count()
    });
    (port, made.cert.pem(), thread)
}

#[test]
fn a_certificate_counts_only_if_it_is_trusted_or_the_connection_says_so() {
    // A read is tried again when the connection breaks, but not when the certificate is wrong.
    let (port, pem, server) = serve(3);
    let bench = Bench::empty();
    bench.run(&format!("connection add strict -a 127.0.0.1 -p {port} --ssl")).done();
    bench.run(&format!("connection add loose -a 127.0.0.1 -p {port} --ssl --no-verify")).done();
    let error = bench.run("-c strict vm list").failed();
    assert!(error.contains("TLS failed") && error.contains("--no-verify"), "{error}");
    assert_eq!(bench.run("-c loose vm list -f raw").done().lines().count(), 3);
    let path = bench.path().join("trusted.pem");
    fs::write(&path, pem).unwrap();
    let output = bench.command("-c strict vm list -f raw").env("SSL_CERT_FILE", &path).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(server.join().unwrap(), 2);
}
