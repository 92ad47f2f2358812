//! What systemd hears.

use super::*;

fn heard(socket: &UnixDatagram) -> String {
    let mut bytes = [0; 64];
    socket.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
    let count = socket.recv(&mut bytes).unwrap();
    String::from_utf8(bytes[..count].to_vec()).unwrap()
}

#[test]
fn systemd_is_told_at_a_path_or_a_hidden_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("notify");
    let hidden = format!("pvc-test-{}", std::process::id());
    let at_path = UnixDatagram::bind(&path).unwrap();
    let at_name = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&hidden).unwrap()).unwrap();
    for (socket, name) in [(at_path, path.into_os_string()), (at_name, format!("@{hidden}").into())] {
        let notify = Notify::at(Some(&name), Some(Duration::from_secs(10))).unwrap();
        assert_eq!(notify.beat(), Some(Duration::from_secs(5)));
        notify.ready();
        assert_eq!(heard(&socket), "READY=1");
        notify.alive();
        assert_eq!(heard(&socket), "WATCHDOG=1");
        notify.stopping();
        assert_eq!(heard(&socket), "STOPPING=1");
    }
}

#[test]
fn nothing_happens_where_nobody_listens() {
    let nobody = Notify::at(None, None).unwrap();
    nobody.ready();
    assert_eq!(nobody.beat(), None);
    Notify::at(Some("/nonexistent/notify".as_ref()), None).unwrap().ready();
}
