//! Guests at a real libvirt: every call has a deadline, events wake the loop, and a lost connection is opened anew.
//!
//! Guests are transient domains, so that nothing is left behind when they end; each carries PVC's mark with its
//! incarnation in its metadata. A call that does not return in time is left to its thread and its connection is given
//! up, so that a hung libvirt, or a hung guest, holds up nothing else.

use std::sync::Arc;
use std::time::{Duration, Instant};

use logic::id::VmId;
use logic::vm::domain::METADATA_URI;
use virt::connect::Connect;
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt_sys as sys;

use crate::calls::{Calls, Claim, Late};
use crate::hypervisor::{Activity, Error, Guest, GuestStatistics, Hypervisor, Secret, Start, Waker, Witness};

mod connection;
mod device;
mod disk;
mod events;
pub mod migration;
mod secret;
mod statistics;
mod witness;

use connection::{Connection, Keeper, Known, NoConnection};
use witness::Processes;

/// How long calls may take, the opening of a connection included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Deadlines {
    /// Listings, counters and presses of a power button.
    pub look: Duration,
    /// Starts, ends, and changes of devices.
    pub change: Duration,
}

impl Default for Deadlines {
    /// 3 s for looks and 30 s for changes: QEMU may take 10 s to be ended by force.
    fn default() -> Self {
        Self { look: Duration::from_secs(3), change: Duration::from_secs(30) }
    }
}

/// The guests at a libvirt. Clones share one connection, which is kept open until the last is dropped.
#[derive(Clone, Debug)]
pub struct Libvirt {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    uri: String,
    deadlines: Deadlines,
    keeper: Arc<Keeper>,
    calls: Calls<Subject>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.keeper.end();
    }
}

/// What a call is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Subject {
    /// One guest. Its calls are made one after the other.
    Guest(VmId),
    /// All guests: a look, which changes nothing.
    All,
}

impl crate::calls::Subject for Subject {
    fn calls_max(&self) -> usize {
        match self {
            Self::Guest(_) => 1,
            Self::All => 4,
        }
    }
}

/// A domain at libvirt: which VM, and which of its starts.
type Run = (VmId, u32);

/// One call on one connection.
#[derive(Debug)]
struct Session<'a> {
    call: &'static str,
    uri: &'a str,
    deadline: Duration,
    claim: &'a Claim,
    connection: &'a Connection,
}

impl Libvirt {
    /// The guests at the libvirt of this address, `qemu:///system` as a rule. Returns at once, whether it is reachable
    /// or not: it is tried until it is, and again whenever it is lost; calls meanwhile tell that it is not reachable.
    ///
    /// # Panics
    /// If this process has no thread left, or registered another event loop with libvirt before.
    pub fn open(uri: &str, deadlines: Deadlines) -> Self {
        let keeper = Keeper::start(uri);
        Self { inner: Arc::new(Inner { uri: uri.into(), deadlines, keeper, calls: Calls::default() }) }
    }

    /// A call that changes nothing, or hardly anything.
    fn look<T: Send + 'static>(
        &self,
        call: &'static str,
        subject: Subject,
        act: impl FnOnce(&Session<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        self.call(call, subject, self.inner.deadlines.look, act)
    }

    /// A call that changes a guest.
    fn change(
        &self,
        call: &'static str,
        vm: VmId,
        act: impl FnOnce(&Session<'_>) -> Result<(), Error> + Send + 'static,
    ) -> Result<(), Error> {
        self.call(call, Subject::Guest(vm), self.inner.deadlines.change, act)
    }

    /// Calls libvirt within the deadline. A call that is late, or finds the connection gone, costs the connection.
    fn call<T: Send + 'static>(
        &self,
        call: &'static str,
        subject: Subject,
        deadline: Duration,
        act: impl FnOnce(&Session<'_>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let Inner { uri, keeper, calls, .. } = &*self.inner;
        let until = Instant::now() + deadline;
        let connection = keeper.connection(until).map_err(|none| match none {
            NoConnection::Late => silent(call, deadline),
            NoConnection::Down(why) => Error::Unreachable { uri: uri.clone(), why },
        })?;
        let number = connection.number();
        let at = uri.clone();
        let answer = calls.run(subject, until, move |claim| {
            act(&Session { call, uri: &at, deadline, claim, connection: &connection })
        });
        match answer {
            Ok(Err(error @ Error::Unreachable { .. })) => {
                keeper.retire(number);
                Err(error)
            }
            Ok(answer) => answer,
            Err(Late::InLine) => Err(silent(call, deadline)),
            Err(Late::UnderWay) => {
                keeper.retire(number);
                Err(silent(call, deadline))
            }
        }
    }
}

fn silent(call: &'static str, deadline: Duration) -> Error {
    Error::Silent { call, deadline_ms: u64::try_from(deadline.as_millis()).unwrap_or(u64::MAX) }
}

impl Session<'_> {
    fn connect(&self) -> &Connect {
        self.connection.connect()
    }

    /// To be asked right before every change: a call that was given up must not change anything any more.
    fn still_wanted(&self) -> Result<(), Error> {
        if self.claim.is_held() { Ok(()) } else { Err(silent(self.call, self.deadline)) }
    }

    fn unreachable(&self, error: &virt::error::Error) -> Error {
        Error::Unreachable { uri: self.uri.to_owned(), why: words(error) }
    }

    /// Why a call on a guest failed: libvirt refused it, or is gone.
    fn refused(&self, vm: VmId, error: &virt::error::Error) -> Error {
        if self.connection.is_open() {
            Error::Refused { call: self.call, vm, why: words(error) }
        } else {
            self.unreachable(error)
        }
    }

    /// What is known of a running domain, whose mark is read the first time it is seen; `None` when it ended meanwhile.
    fn known(&self, run: Run, domain: &Domain) -> Result<Option<Known>, Error> {
        if let Some(known) = self.connection.known().get(&run) {
            return Ok(Some(known.clone()));
        }
        let kind = i32::try_from(sys::VIR_DOMAIN_METADATA_ELEMENT).expect("a small constant");
        let incarnation = match domain.get_metadata(kind, Some(METADATA_URI), 0) {
            Ok(element) => incarnation_in(&element),
            Err(error) => match error.code() {
                ErrorNumber::NoDomainMetadata => None,
                ErrorNumber::NoDomain => return Ok(None),
                _ => return Err(self.unreachable(&error)),
            },
        };
        let known = Known { incarnation, names: None };
        self.connection.known().insert(run, known.clone());
        Ok(Some(known))
    }

    /// The active domain of a VM with its run; `None` where there is none.
    fn find(&self, vm: VmId) -> Result<Option<(Run, Domain)>, Error> {
        match Domain::lookup_by_uuid(self.connect(), vm.0) {
            Ok(domain) => Ok(domain.get_id().map(|id| ((vm, id), domain))),
            Err(error) if error.code() == ErrorNumber::NoDomain => Ok(None),
            Err(error) => Err(self.unreachable(&error)),
        }
    }

    /// The active domain of a VM, if it is this incarnation.
    fn find_incarnation(&self, vm: VmId, incarnation: u64) -> Result<Option<Domain>, Error> {
        let Some((run, domain)) = self.find(vm)? else { return Ok(None) };
        let known = self.known(run, &domain)?;
        Ok(known.filter(|known| known.incarnation == Some(incarnation)).map(|_| domain))
    }

    /// Acts on an incarnation. One that is gone needs nothing any more.
    fn on_incarnation<T>(
        &self,
        vm: VmId,
        incarnation: u64,
        act: impl FnOnce(&Domain) -> Result<T, virt::error::Error>,
    ) -> Result<(), Error> {
        let Some(domain) = self.find_incarnation(vm, incarnation)? else { return Ok(()) };
        self.still_wanted()?;
        match act(&domain) {
            Ok(_) => Ok(()),
            // It may have ended between the look and the call.
            Err(_) if self.find_incarnation(vm, incarnation)?.is_none() => Ok(()),
            Err(error) => Err(self.refused(vm, &error)),
        }
    }

    fn start(&self, start: &Start) -> Result<(), Error> {
        let refuse = |why: String| Error::Refused { call: self.call, vm: start.vm, why };
        start.check().map_err(refuse)?;
        self.still_wanted()?;
        let Err(error) = Domain::create_xml(self.connect(), &start.xml, sys::VIR_DOMAIN_NONE) else {
            return Ok(());
        };
        let Some((run, domain)) = self.find(start.vm)? else { return Err(self.refused(start.vm, &error)) };
        match self.known(run, &domain)?.map(|known| known.incarnation) {
            Some(Some(incarnation)) if incarnation == start.incarnation => Ok(()),
            Some(Some(other)) => Err(refuse(format!("it runs already, as incarnation {other}"))),
            Some(None) => Err(refuse("it runs already, and was not started by PVC".into())),
            None => Err(self.refused(start.vm, &error)),
        }
    }

    fn guests(&self) -> Result<Vec<Guest>, Error> {
        let active = sys::VIR_CONNECT_LIST_DOMAINS_ACTIVE;
        let list = |flags| self.connect().list_all_domains(flags).map_err(|error| self.unreachable(&error));
        let all = list(active)?;
        let paused = list(active | sys::VIR_CONNECT_LIST_DOMAINS_PAUSED)?;
        let paused: Vec<Run> = paused.iter().filter_map(run_of).collect();
        let processes = Processes::of(self.uri);
        let mut guests = Vec::with_capacity(all.len());
        let mut runs = Vec::with_capacity(all.len());
        for domain in &all {
            let Some(run) = run_of(domain) else { continue };
            let Some(known) = self.known(run, domain)? else { continue };
            let name = domain.get_name().map_err(|error| self.unreachable(&error))?;
            let activity = if paused.contains(&run) { Activity::Paused } else { Activity::Running };
            // After libvirt has told of it: what a former run left here is not there any more.
            let process = processes.as_ref().map_or(Witness::Unknown, |processes| processes.look(&name));
            guests.push(Guest { vm: run.0, name, activity, incarnation: known.incarnation, process });
            runs.push(run);
        }
        self.connection.known().retain(|run, _| runs.contains(run));
        guests.sort_unstable_by_key(|guest| guest.vm);
        Ok(guests)
    }
}

/// The incarnation in PVC's element of the metadata.
fn incarnation_in(element: &str) -> Option<u64> {
    let document = roxmltree::Document::parse(element).ok()?;
    document.root_element().attribute("incarnation")?.parse().ok()
}

/// Whether the guest has turned its machine off, and libvirt has not taken it away yet.
fn is_ending(domain: &Domain) -> bool {
    domain.get_state().is_ok_and(|(state, _)| state == sys::VIR_DOMAIN_SHUTDOWN)
}

/// libvirt's own words.
fn words(error: &virt::error::Error) -> String {
    error.message().trim().to_owned()
}

/// Which run a domain is; `None` for one that is shut off.
fn run_of(domain: &Domain) -> Option<Run> {
    Some((VmId(domain.get_uuid().ok()?), domain.get_id()?))
}

impl Hypervisor for Libvirt {
    fn guests(&self) -> Result<Vec<Guest>, Error> {
        self.look("list the guests", Subject::All, |session| session.guests())
    }

    fn start(&self, start: &Start) -> Result<(), Error> {
        let start = start.clone();
        self.change("start", start.vm, move |session| session.start(&start))
    }

    fn press_power(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        self.look("press the power button of", Subject::Guest(vm), move |session| {
            let button = sys::VIR_DOMAIN_SHUTDOWN_ACPI_POWER_BTN;
            session.on_incarnation(vm, incarnation, |domain| match domain.shutdown_flags(button) {
                // It obeys already: libvirt takes no button for a guest that is about to end.
                Err(_) if is_ending(domain) => Ok(0),
                pressed => pressed,
            })
        })
    }

    fn stop(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        self.change("stop", vm, move |session| session.on_incarnation(vm, incarnation, Domain::destroy))
    }

    fn attach(&self, vm: VmId, device_xml: &str) -> Result<(), Error> {
        let xml = device_xml.to_owned();
        self.change("attach a device to", vm, move |session| device::attach(session, vm, &xml))
    }

    fn detach(&self, vm: VmId, device_xml: &str) -> Result<(), Error> {
        let xml = device_xml.to_owned();
        self.change("detach a device from", vm, move |session| device::detach(session, vm, &xml))
    }

    fn resize_disk(&self, vm: VmId, source: &str, size_bytes: u64) -> Result<(), Error> {
        let source = source.to_owned();
        self.change("resize a disk of", vm, move |session| disk::resize(session, vm, &source, size_bytes))
    }

    fn ensure_secret(&self, secret: &Secret) -> Result<(), Error> {
        let secret = secret.clone();
        self.look("keep a secret", Subject::All, move |session| secret::ensure(session, &secret))
    }

    fn statistics(&self) -> Result<Vec<(VmId, GuestStatistics)>, Error> {
        self.look("read the statistics", Subject::All, statistics::read)
    }

    fn watch(&self, waker: Arc<dyn Waker>) {
        self.inner.keeper.bells().add(waker);
    }
}

#[cfg(test)]
mod tests;
