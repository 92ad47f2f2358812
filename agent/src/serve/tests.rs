//! What the node answers, to a sink that remembers.

use host::clock::SystemClock;
use host::hypervisor::Start;
use host::memory::Machine;
use link::server::Gone;

use super::*;

/// Takes a few sends and rests, then is gone.
#[derive(Debug)]
struct Patient {
    seen: Vec<u8>,
    left: u32,
    on_rest: Option<PathBuf>,
}

impl Patient {
    fn new(left: u32) -> Self {
        Self { seen: Vec::new(), left, on_rest: None }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    fn use_up(&mut self) -> Result<(), Gone> {
        self.left = self.left.checked_sub(1).ok_or(Gone)?;
        Ok(())
    }
}

impl Sink for Patient {
    fn send(&mut self, bytes: &[u8]) -> Result<(), Gone> {
        self.use_up()?;
        self.seen.extend_from_slice(bytes);
        Ok(())
    }

    fn rest(&mut self) -> Result<(), Gone> {
        if let Some(path) = self.on_rest.take() {
            std::fs::write(path, "one\ntwo\nthree\nfour\n").unwrap();
        }
        self.use_up()
    }
}

fn node(folder: &Path) -> (Arc<Machine>, Node) {
    let machine = Machine::new(Arc::new(SystemClock));
    let guests = GuestSettings { kind: "qemu", console_directory: folder.display().to_string() };
    let hypervisor: Arc<dyn Hypervisor> = Arc::new(machine.open());
    (machine, Node::new(guests, folder.join("pvcnoded.log"), Duration::from_millis(1), hypervisor))
}

fn console(name: &str, follow: bool) -> Request {
    Request::Console { vm: String::new(), name: name.into(), lines: 2, follow }
}

#[test]
fn the_last_lines_of_a_console_are_told() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("web1-console.log"), "one\ntwo\nthree\n").unwrap();
    let mut sink = Patient::new(10);
    node(folder.path()).1.answer(&console("web1", false), &mut sink).unwrap();
    assert_eq!(sink.text(), "two\nthree\n");
}

#[test]
fn a_followed_console_goes_on_until_nobody_listens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("web1-console.log");
    std::fs::write(&path, "one\ntwo\nthree\n").unwrap();
    let mut sink = Patient { on_rest: Some(path), ..Patient::new(4) };
    let ended = node(folder.path()).1.answer(&console("web1", true), &mut sink).unwrap_err();
    assert_eq!(ended, Ended::Gone(Gone));
    assert_eq!(sink.text(), "two\nthree\nfour\n");
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut sink = Patient::new(10);
    let ended = node(folder.path()).1.answer(&console("../../etc/shadow", false), &mut sink);
    assert!(matches!(ended, Err(Ended::Refused { .. })), "{ended:?}");
    assert_eq!(sink.text(), "");
}

#[test]
fn statistics_are_pushed_by_uuid_again_and_again() {
    let folder = tempfile::tempdir().unwrap();
    let (machine, node) = node(folder.path());
    let vm = VmId("bdd640fb-0667-4ad1-9c80-317fa3b1799d".parse().unwrap());
    let xml = format!(
        "<domain><name>web1</name><uuid>{vm}</uuid><memory>65536</memory><vcpu>1</vcpu>\
         <metadata><pvc:vm xmlns:pvc='urn:pvc:vm:1' incarnation='1'/></metadata></domain>"
    );
    machine.open().start(&Start { vm, xml, incarnation: 1 }).unwrap();
    let mut sink = Patient::new(6);
    node.answer(&Request::Statistics, &mut sink).unwrap_err();
    let uuid = format!("\"{vm}\":{{");
    assert!(sink.text().matches(&uuid).count() >= 2, "{}", sink.text());
}
