//! Two real libvirts, each in namespaces of its own, with a cable between them and certificates of one authority.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use host::command;
use host::hypervisor::Hypervisor;
use host::libvirt::migration::{Migrations, Processes, Road};
use host::libvirt::{Deadlines, Libvirt};
use host::migration::Migration;

use crate::counter::{self, Manner};
use crate::guest::{CONSOLES, IMAGES, WEB};
use crate::lab::Lab;
use crate::sides::{Event, Open, Side, Sides, wait};
use crate::world::World;

/// Where each machine keeps its certificates.
const FOLDER: &str = "/etc/libvirt/tls";

/// How long a log daemon may take to write down what a guest said.
const LATE: Duration = Duration::from_secs(60);

/// How libvirt is started when it listens to others.
const LISTENING: &[&str] = &["--daemon", "--listen"];

/// An authority and its own certificate.
pub(crate) struct Authority {
    issuer: rcgen::Issuer<'static, rcgen::KeyPair>,
    certificate: String,
}

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        params.key_usages = vec![rcgen::KeyUsagePurpose::KeyCertSign, rcgen::KeyUsagePurpose::CrlSign];
        params.distinguished_name.push(rcgen::DnType::CommonName, "the authority");
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.self_signed(&key).unwrap().pem();
        Self { issuer: rcgen::Issuer::new(params, key), certificate }
    }

    /// Gives a machine what it shows to others, and what it trusts, under all the names that libvirt and QEMU look for.
    pub(crate) fn equip(&self, lab: &Lab, side: Side, files: Files) {
        let names = vec![name(side).to_owned(), address(side).to_string()];
        let mut params = rcgen::CertificateParams::new(names).unwrap();
        params.distinguished_name.push(rcgen::DnType::CommonName, name(side));
        params.key_usages =
            vec![rcgen::KeyUsagePurpose::DigitalSignature, rcgen::KeyUsagePurpose::KeyEncipherment];
        params.extended_key_usages =
            vec![rcgen::ExtendedKeyUsagePurpose::ServerAuth, rcgen::ExtendedKeyUsagePurpose::ClientAuth];
        let key = rcgen::KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.issuer).unwrap().pem();
        let write =
            |file: &str, text: &str| std::fs::write(lab.path(&format!("{FOLDER}/{file}")), text).unwrap();
        std::fs::create_dir_all(lab.path(FOLDER)).unwrap();
        for (file, text) in [
            ("cacert.pem", &self.certificate),
            ("ca-cert.pem", &self.certificate),
            ("clientcert.pem", &certificate),
            ("client-cert.pem", &certificate),
            ("server-cert.pem", &certificate),
            ("clientkey.pem", &key.serialize_pem()),
            ("client-key.pem", &key.serialize_pem()),
            ("server-key.pem", &key.serialize_pem()),
        ] {
            // Those that QEMU looks for have a dash in their names.
            if files == Files::All || file.contains('-') {
                write(file, text);
            }
        }
    }
}

/// Which of a machine's certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Files {
    All,
    /// Those that the memory is sent under.
    OfMemory,
}

fn name(side: Side) -> &'static str {
    match side {
        Side::Source => "n1",
        Side::Target => "n2",
    }
}

pub(crate) fn address(side: Side) -> IpAddr {
    match side {
        Side::Source => [10, 99, 0, 1].into(),
        Side::Target => [10, 99, 0, 2].into(),
    }
}

/// Two machines.
pub(crate) struct Pair {
    source: Lab,
    target: Lab,
}

impl Pair {
    /// Starts both, and joins them.
    pub(crate) fn start() -> Self {
        let authority = Authority::new();
        let pair =
            Self { source: machine(Side::Source, &authority), target: machine(Side::Target, &authority) };
        let cable = |side| pair.lab(side).first().to_string();
        let (source, target) = (cable(Side::Source), cable(Side::Target));
        let made =
            ["link", "add", "c0", "netns", &source, "type", "veth", "peer", "name", "c0", "netns", &target];
        let done = command::run("ip", &made, Duration::from_secs(120)).unwrap();
        assert_eq!(done.code, Some(0), "the cable could not be made, which needs root: {}", done.errors);
        for side in [Side::Source, Side::Target] {
            let address = format!("{}/24", address(side));
            pair.lab(side).inside("ip", &["address", "add", &address, "dev", "c0"]);
            pair.lab(side).inside("ip", &["link", "set", "lo", "up"]);
            pair.lab(side).inside("ip", &["link", "set", "c0", "up"]);
        }
        pair.source.enter_network();
        pair
    }

    pub(crate) fn lab(&self, side: Side) -> &Lab {
        match side {
            Side::Source => &self.source,
            Side::Target => &self.target,
        }
    }

    /// A daemon's way to one machine, with so much time for each call.
    fn open_with(&self, side: Side, deadline: Duration) -> Open {
        let inside = |path| self.lab(side).path(path);
        let processes = Processes { pid_files: inside("/run/libvirt/qemu"), list: inside("/proc") };
        let deadlines = Deadlines { look: deadline, change: deadline };
        let libvirt = Libvirt::open(&self.lab(side).uri(), deadlines);
        let road = Road { certificates: Some(FOLDER.into()), ..Road::default() };
        let migration: Arc<dyn Migration> = Arc::new(Migrations::new(&libvirt, road, processes));
        let hypervisor: Arc<dyn Hypervisor> = Arc::new(libvirt);
        Open { hypervisor, migration }
    }

    /// All that the guest said on one side, as far as it is kept.
    pub(crate) fn said(&self, side: Side) -> String {
        let file = self.console_path(side);
        let read = |file: String| std::fs::read(self.lab(side).path(&file)).unwrap_or_default();
        let bytes = [read(format!("{file}.0")), read(file)].concat();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    /// What it said here and then there.
    pub(crate) fn said_in_all(&self) -> String {
        self.said(Side::Source) + &self.said(Side::Target)
    }
}

/// Lays out the guest's disk.
fn lay_out(lab: &Lab, manner: Manner) {
    std::fs::write(lab.path(&format!("{IMAGES}/{}.img", WEB.name)), counter::disk(manner)).unwrap();
}

/// A machine that listens to others.
fn machine(side: Side, authority: &Authority) -> Lab {
    let mut lab = Lab::start();
    lay_out(&lab, Manner::Calm);
    std::fs::create_dir_all(lab.path(&format!("{CONSOLES}/{}", name(side)))).unwrap();
    authority.equip(&lab, side, Files::All);
    // Two libvirts on hosts of one name take each other for one.
    lab.inside("hostname", &[name(side)]);
    let uuid = uuid::Uuid::from_u128(u128::from(lab.first())).to_string();
    let libvirtd = format!(
        "listen_tls = 1\nlisten_tcp = 0\nauth_tls = \"none\"\nauth_unix_rw = \"none\"\nauth_unix_ro = \"none\"\n\
         key_file = \"{FOLDER}/server-key.pem\"\ncert_file = \"{FOLDER}/server-cert.pem\"\n\
         ca_file = \"{FOLDER}/cacert.pem\"\nkeepalive_interval = 1\nkeepalive_count = 5\n\
         host_uuid = \"{uuid}\"\nlog_outputs = \"3:file:/var/log/libvirtd.log\"\n"
    );
    std::fs::write(lab.path("/etc/libvirt/libvirtd.conf"), libvirtd).unwrap();
    let mut qemu = std::fs::read_to_string(lab.path("/etc/libvirt/qemu.conf")).unwrap();
    qemu.push_str(&format!(
        "migrate_tls_x509_cert_dir = \"{FOLDER}\"\nmigrate_tls_x509_verify = 1\nmigrate_tls_force = 1\n\
         keepalive_interval = 1\nkeepalive_count = 5\n"
    ));
    std::fs::write(lab.path("/etc/libvirt/qemu.conf"), qemu).unwrap();
    lab.restart_libvirtd(LISTENING);
    // All that the guest says is kept: a number that was left out would show.
    std::fs::write(lab.path("/etc/libvirt/virtlogd.conf"), "max_size = 1048576\n").unwrap();
    lab.signal("/run/virtlogd.pid", "KILL");
    lab.inside("virtlogd", &["--daemon"]);
    lab
}

impl Sides for Pair {
    fn open(&self, side: Side) -> Open {
        self.open_with(side, Duration::from_secs(90))
    }

    fn open_hasty(&self, side: Side) -> Open {
        self.open_with(side, Duration::from_secs(1))
    }

    fn address(&self, side: Side) -> IpAddr {
        address(side)
    }

    fn console_path(&self, side: Side) -> String {
        format!("{CONSOLES}/{}/web1.log", name(side))
    }

    fn befall(&self, event: Event) {
        match event {
            Event::CableCut => {
                self.source.inside("ip", &["link", "set", "c0", "down"]);
            }
            Event::StreamBroken => {
                self.source.inside("virsh", &["domjobabort", "--postcopy", WEB.name]);
            }
            Event::CableMended => {
                self.source.inside("ip", &["link", "set", "c0", "up"]);
            }
            Event::HypervisorDies(side) => {
                self.lab(side).cut();
            }
            Event::HypervisorHangs(side) => {
                self.lab(side).hang();
            }
            Event::HypervisorIsBack(side) => {
                self.lab(side).heal();
            }
            Event::GuestBusy => {
                for side in [Side::Source, Side::Target] {
                    lay_out(self.lab(side), Manner::Busy);
                }
            }
        }
    }

    fn wait_until_target_is_told(&self) {
        // More than what the libvirts ask each other once a second to know that they live.
        let waiting = || {
            let sockets = self.target.inside("cat", &["/proc/net/tcp"]);
            sockets.lines().any(|line| {
                let fields: Vec<_> = line.split_whitespace().collect();
                let port = fields.get(1).is_some_and(|local| local.ends_with(":4082"));
                let unread = fields.get(4).and_then(|queues| queues.split_once(':'));
                port && unread
                    .is_some_and(|(_, unread)| u64::from_str_radix(unread, 16).is_ok_and(|n| n > 1000))
            })
        };
        wait(self, "the target is told", waiting);
    }

    fn forget_what_was_said(&self) {
        for side in [Side::Source, Side::Target] {
            let file = self.console_path(side);
            for file in [format!("{file}.0"), file] {
                // Where nothing was said there is none.
                let _none = std::fs::remove_file(self.lab(side).path(&file));
            }
        }
    }

    fn assert_goes_on(&self, side: Side) {
        let count = || counter::numbers(&self.said(side)).len();
        let goes_on = || {
            let before = count();
            wait(self, "it counts on", || count() > before + 3);
        };
        goes_on();
        // The log daemons write down late what was said before.
        let mut said = String::new();
        let until = Instant::now() + LATE;
        while !counter::is_whole(&said) || said.is_empty() {
            assert!(Instant::now() < until, "it did not count on: {said}");
            self.pass_time();
            said = self.said_in_all();
        }
        let other = match side {
            Side::Source => Side::Target,
            Side::Target => Side::Source,
        };
        // One that runs speaks in each of these times, and what is late comes in some.
        let is_silent = (0..10).any(|_| {
            let before = self.said(other);
            goes_on();
            self.said(other) == before
        });
        assert!(is_silent, "it runs on the other machine too");
    }

    fn pass_time(&self) {
        std::thread::park_timeout(Duration::from_millis(20));
    }
}
