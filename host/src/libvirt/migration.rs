//! Live migration at a real libvirt: peer to peer, so that it is the two libvirts' own affair, with the conversation
//! and the memory under mutual TLS, and paused on arrival.
//!
//! The call that moves a guest returns when the move is over. It is made on a thread and a connection of its own, and
//! what it returned is remembered for as long as this process lives; all else is read from libvirt.

use std::collections::HashMap;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use logic::id::VmId;
use logic::vm::domain::{Start as Splices, render_start};
use virt::domain::Domain;
use virt::error::ErrorNumber;
use virt_sys as sys;

use super::{Libvirt, Session, Subject};
use crate::hypervisor::Error;
use crate::migration::{Change, Course, Departure, Method, Migration, Progress, Sighting, Standing};

mod job;
mod parameters;
mod process;
mod road;
mod send;

use job::Job;
use process::Process;
pub use process::Processes;
pub use road::Road;
use send::{Errand, send};

/// How often the process of a guest that leaves is looked at: the guest stands still from its end until that is known.
const PROCESS_EVERY: Duration = Duration::from_millis(3);

/// A move that this process began.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Begun {
    /// Its call has not returned.
    UnderWay { incarnation: u64, abort: Abort, process: Life },
    /// Its call has returned.
    Over { incarnation: u64, course: Course },
}

/// Whether somebody asked for the end of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Abort {
    Unasked,
    Asked,
}

/// Whether the process of a guest that leaves is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    /// As far as it is known.
    Lives,
    Gone,
}

/// The moves that this process began, one for each VM: the last.
type Moves = Arc<Mutex<HashMap<VmId, Begun>>>;

/// The moves from and to the guests of a libvirt.
#[derive(Clone, Debug)]
pub struct Migrations {
    libvirt: Libvirt,
    road: Road,
    processes: Processes,
    moves: Moves,
}

impl Migrations {
    /// The moves of these guests, by this road.
    pub fn new(libvirt: &Libvirt, road: Road, processes: Processes) -> Self {
        Self { libvirt: libvirt.clone(), road, processes, moves: Moves::default() }
    }

    fn moves(&self) -> MutexGuard<'_, HashMap<VmId, Begun>> {
        lock(&self.moves)
    }

    /// Whether the call that moves this incarnation has not returned, and if so whether its process lives.
    fn under_way(&self, vm: VmId, incarnation: u64) -> Option<Life> {
        match self.moves().get(&vm) {
            Some(Begun::UnderWay { incarnation: this, process, .. }) if *this == incarnation => {
                Some(*process)
            }
            _ => None,
        }
    }

    /// How the VM's guest stands, as libvirt has it.
    fn sighting(&self, vm: VmId) -> Result<Option<Sighting>, Error> {
        self.libvirt.look("look at", Subject::Guest(vm), move |session| {
            let Some((run, domain)) = session.find(vm)? else { return Ok(None) };
            let Some(known) = session.known(run, &domain)? else { return Ok(None) };
            match standing(&domain) {
                Ok(standing) => Ok(Some(Sighting { incarnation: known.incarnation, standing })),
                Err(_) if session.find(vm)?.is_none() => Ok(None),
                Err(error) => Err(session.refused(vm, &error)),
            }
        })
    }

    /// What this incarnation is busy with, as libvirt has it; an abort that was asked for too early is repeated.
    fn job(&self, vm: VmId, incarnation: u64, abort: Abort) -> Result<Option<Job>, Error> {
        self.ask("follow the move of", vm, incarnation, move |_, domain| {
            let job = Job::of(domain)?;
            if abort == Abort::Asked && matches!(job, Job::Out(_)) {
                // What came of it is seen by the next look.
                drop(job::abort(domain));
            }
            Ok(job)
        })
    }

    /// Wakes who watches as soon as the process of a guest that leaves is gone. Without a thread for it that is known
    /// when libvirt knows.
    fn watch_over(&self, vm: VmId, incarnation: u64, process: Process) {
        let this = self.clone();
        let watch = move || {
            while !process.is_gone() {
                if this.under_way(vm, incarnation).is_none() {
                    return;
                }
                std::thread::sleep(PROCESS_EVERY);
            }
            if let Some(Begun::UnderWay { incarnation: of, process, .. }) = this.moves().get_mut(&vm)
                && *of == incarnation
            {
                *process = Life::Gone;
            }
            this.libvirt.inner.keeper.bells().ring();
        };
        drop(std::thread::Builder::new().name("libvirt-leaving".into()).spawn(watch));
    }

    /// Makes the call of a move, on a thread of its own.
    fn run(&self, call: &'static str, departure: &Departure, errand: Errand) -> Result<(), Error> {
        let Departure { vm, incarnation, .. } = *departure;
        let (inner, moves, road) =
            (Arc::clone(&self.libvirt.inner), Arc::clone(&self.moves), self.road.clone());
        let departure = departure.clone();
        let mut held = self.moves();
        if matches!(held.get(&vm), Some(Begun::UnderWay { .. })) {
            return Err(Error::Refused { call, vm, why: "an earlier move of it has not returned".into() });
        }
        held.insert(vm, Begun::UnderWay { incarnation, abort: Abort::Unasked, process: Life::Lives });
        drop(held);
        let run = move || {
            let course = send(&inner, &moves, &road, &departure, &errand);
            tracing::info!(%vm, incarnation, ?course, "a move is over");
            lock(&moves).insert(vm, Begun::Over { incarnation, course });
            inner.keeper.bells().ring();
        };
        if std::thread::Builder::new().name("libvirt-move".into()).spawn(run).is_err() {
            self.moves().remove(&vm);
            return Err(Error::Refused { call, vm, why: "no thread is left for it".into() });
        }
        Ok(())
    }

    /// Asks about a VM. If its guest is leaving and its process ends meanwhile, the answer is not waited for: `None`.
    /// libvirt answers nothing about a guest until it has seen that end itself.
    fn ask_unless_gone<T: Send + 'static>(
        &self,
        vm: VmId,
        ask: impl FnOnce(&Self) -> T + Send + 'static,
    ) -> Option<T> {
        let leaving = || match self.moves().get(&vm) {
            Some(Begun::UnderWay { process, .. }) => Some(*process),
            _ => None,
        };
        match leaving() {
            None => return Some(ask(self)),
            // The guest stands still meanwhile: what is known is not asked for.
            Some(Life::Gone) => return None,
            Some(Life::Lives) => (),
        }
        let (answer, answered) = sync_channel(1);
        let this = self.clone();
        // Nobody may wait for the answer any more.
        let asked = move || drop(answer.send(ask(&this)));
        let started = std::thread::Builder::new().name("libvirt-leaving".into()).spawn(asked);
        started.expect("a process that moves guests has threads left");
        loop {
            match answered.recv_timeout(PROCESS_EVERY) {
                Ok(answer) => return Some(answer),
                Err(RecvTimeoutError::Timeout) if leaving() == Some(Life::Gone) => return None,
                Err(RecvTimeoutError::Timeout) => (),
                Err(RecvTimeoutError::Disconnected) => unreachable!("whoever asks answers"),
            }
        }
    }

    /// Asks about an incarnation here; `None` where it is not.
    fn ask<T: Send + 'static>(
        &self,
        call: &'static str,
        vm: VmId,
        incarnation: u64,
        ask: impl FnOnce(&Session<'_>, &Domain) -> Result<T, virt::error::Error> + Send + 'static,
    ) -> Result<Option<T>, Error> {
        self.libvirt.look(call, Subject::Guest(vm), move |session| {
            let Some(domain) = session.find_incarnation(vm, incarnation)? else { return Ok(None) };
            session.still_wanted()?;
            session.unless_gone(vm, incarnation, ask(session, &domain))
        })
    }

    /// Changes how an incarnation stands here, if `change` knows how; `None` where it is not here.
    fn change_standing(
        &self,
        call: &'static str,
        vm: VmId,
        incarnation: u64,
        change: fn(Standing) -> Result<Change, &'static str>,
    ) -> Result<Option<()>, Error> {
        let deadline = self.libvirt.inner.deadlines.change;
        self.libvirt.call(call, Subject::Guest(vm), deadline, move |session| {
            let Some(domain) = session.find_incarnation(vm, incarnation)? else { return Ok(None) };
            let Some(standing) = session.unless_gone(vm, incarnation, standing(&domain))? else {
                return Ok(None);
            };
            session.still_wanted()?;
            let change = change(standing).map_err(|why| Error::Refused { call, vm, why: why.into() })?;
            let changed = match change {
                Change::None => Ok(()),
                Change::Resume => domain.resume().map(drop),
                Change::End => domain.destroy(),
            };
            session.unless_gone(vm, incarnation, changed)
        })
    }
}

fn lock(moves: &Moves) -> MutexGuard<'_, HashMap<VmId, Begun>> {
    moves.lock().expect("nobody panics while holding the moves")
}

impl Session<'_> {
    /// What libvirt answered about an incarnation, which may have ended meanwhile.
    fn unless_gone<T>(
        &self,
        vm: VmId,
        incarnation: u64,
        answer: Result<T, virt::error::Error>,
    ) -> Result<Option<T>, Error> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(_) if self.find_incarnation(vm, incarnation)?.is_none() => Ok(None),
            Err(error) => Err(self.refused(vm, &error)),
        }
    }

    /// Makes a guest ready to leave: its name, and the document that it has at the target.
    fn prepare(&self, departure: &Departure) -> Result<(String, String), Error> {
        let Departure { vm, incarnation, .. } = *departure;
        let refuse = |why: String| Error::Refused { call: self.call, vm, why };
        let gone = || refuse(format!("incarnation {incarnation} is not here"));
        let domain = self.find_incarnation(vm, incarnation)?.ok_or_else(gone)?;
        let now = self.unless_gone(vm, incarnation, standing(&domain))?.ok_or_else(gone)?;
        if now != Standing::Running {
            return Err(refuse(format!("it is {now:?} and not running")));
        }
        // A move that may be switched to post-copy starts the guest by itself when it completes before, and so must
        // not complete: hardly any pause is short enough for it. None at all would have QEMU end after the first pass,
        // however much was written meanwhile.
        let downtime_ms = match departure.method {
            Method::PreCopy => departure.downtime_max_ms.max(1),
            Method::PostCopy => 1,
        };
        let flags = sys::VIR_DOMAIN_XML_MIGRATABLE | sys::VIR_DOMAIN_XML_SECURE;
        let read = domain
            .migrate_set_max_downtime(downtime_ms, 0)
            .and_then(|_| Ok((domain.get_name()?, domain.get_xml_desc(flags)?)));
        let (name, document) = self.unless_gone(vm, incarnation, read)?.ok_or_else(gone)?;
        let kind = kind_of(&document).ok_or_else(|| refuse("its document has no kind".into()))?;
        let splices =
            Splices { kind: &kind, incarnation, console_path: &departure.console_path, sources: None };
        let rendered = render_start(&document, splices).map_err(|error| refuse(error.to_string()))?;
        Ok((name, rendered))
    }
}

/// The accelerator in a document.
fn kind_of(document: &str) -> Option<String> {
    let document = roxmltree::Document::parse(document).ok()?;
    document.root_element().attribute("type").map(str::to_owned)
}

/// How a domain stands.
fn standing(domain: &Domain) -> Result<Standing, virt::error::Error> {
    let (state, reason) = domain.get_state()?;
    let reason = u32::try_from(reason).unwrap_or_default();
    let runs =
        !matches!(state, sys::VIR_DOMAIN_PAUSED | sys::VIR_DOMAIN_PMSUSPENDED | sys::VIR_DOMAIN_CRASHED);
    Ok(match (runs, reason) {
        (true, sys::VIR_DOMAIN_RUNNING_POSTCOPY) => Standing::Filling,
        (true, sys::VIR_DOMAIN_RUNNING_POSTCOPY_FAILED) => Standing::Torn,
        (true, _) => match Job::of(domain)? {
            Job::Out(_) => Standing::Leaving,
            Job::None | Job::In | Job::Other => Standing::Running,
        },
        (false, sys::VIR_DOMAIN_PAUSED_POSTCOPY) => Standing::Drained,
        (false, sys::VIR_DOMAIN_PAUSED_POSTCOPY_FAILED) => Standing::Torn,
        (false, sys::VIR_DOMAIN_PAUSED_MIGRATION | sys::VIR_DOMAIN_PAUSED_STARTING_UP) => {
            match Job::of(domain)? {
                Job::In => Standing::Incoming,
                Job::Out(_) | Job::Other => Standing::Handing,
                Job::None => Standing::Stranded,
            }
        }
        (false, _) => Standing::Paused,
    })
}

impl Migration for Migrations {
    fn begin(&self, departure: &Departure) -> Result<(), Error> {
        let Departure { vm, incarnation, .. } = *departure;
        let call = "send away";
        if self.under_way(vm, incarnation).is_some()
            || matches!(self.look(vm)?, Some(sighting) if sighting.is_leaving(incarnation))
        {
            return Ok(());
        }
        let wanted = departure.clone();
        let deadline = self.libvirt.inner.deadlines.change;
        let (name, document) =
            self.libvirt.call(call, Subject::Guest(vm), deadline, move |session| session.prepare(&wanted))?;
        self.run(call, departure, Errand::Send { document })?;
        if let Some(process) = self.processes.find(&name, vm) {
            self.watch_over(vm, incarnation, process);
        }
        Ok(())
    }

    fn course(&self, vm: VmId, incarnation: u64) -> Result<Course, Error> {
        let abort = match self.moves().get(&vm) {
            Some(Begun::Over { incarnation: this, course })
                if *this == incarnation && *course != Course::Unknown =>
            {
                return Ok(course.clone());
            }
            Some(Begun::UnderWay { incarnation: this, abort, .. }) if *this == incarnation => *abort,
            _ => Abort::Unasked,
        };
        let Some(job) = self.ask_unless_gone(vm, move |this| this.job(vm, incarnation, abort)) else {
            return Ok(Course::Unknown);
        };
        let job = job?;
        Ok(match job {
            Some(Job::Out(progress)) => Course::UnderWay(progress),
            _ if self.under_way(vm, incarnation).is_some() => Course::UnderWay(Progress::default()),
            // It may have returned while libvirt was asked.
            _ => match self.moves().get(&vm) {
                Some(Begun::Over { incarnation: this, course }) if *this == incarnation => course.clone(),
                _ => Course::Unknown,
            },
        })
    }

    fn abort(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        if let Some(Begun::UnderWay { incarnation: this, abort, .. }) = self.moves().get_mut(&vm)
            && *this == incarnation
        {
            *abort = Abort::Asked;
        }
        let aborted = self.ask("abort the move of", vm, incarnation, |_, domain| match job::abort(domain) {
            Err(error) if error.code() != ErrorNumber::OperationInvalid => Err(error),
            // What libvirt will not do now is refused only where something is going on.
            Err(error) if matches!(standing(domain)?, Standing::Drained | Standing::Filling) => Err(error),
            _ => Ok(()),
        });
        aborted.map(drop)
    }

    fn allow_downtime(&self, vm: VmId, incarnation: u64, downtime_max_ms: u64) -> Result<(), Error> {
        let allowed = self.ask("lengthen the pause of", vm, incarnation, move |_, domain| {
            match domain.migrate_set_max_downtime(downtime_max_ms, 0) {
                Err(error) if error.code() != ErrorNumber::OperationInvalid => Err(error),
                _ => Ok(()),
            }
        });
        allowed.map(drop)
    }

    fn switch_to_post_copy(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        let switched = self.ask("switch to post-copy", vm, incarnation, |_, domain| {
            if standing(domain)? == Standing::Drained { Ok(()) } else { job::start_post_copy(domain) }
        });
        let why = || format!("incarnation {incarnation} is not here");
        switched?.ok_or_else(|| Error::Refused { call: "switch to post-copy", vm, why: why() })
    }

    fn mend(&self, departure: &Departure) -> Result<(), Error> {
        let Departure { vm, incarnation, .. } = *departure;
        let call = "mend";
        if self.under_way(vm, incarnation).is_some() {
            return Ok(());
        }
        let refuse = |why: &str| Err(Error::Refused { call, vm, why: why.into() });
        match self.look(vm)?.filter(|sighting| sighting.incarnation == Some(incarnation)) {
            None => refuse(&format!("incarnation {incarnation} is not here")),
            Some(Sighting { standing: Standing::Drained, .. }) => Ok(()),
            Some(Sighting { standing: Standing::Torn, .. }) => self.run(call, departure, Errand::Mend),
            Some(_) => refuse("it is whole"),
        }
    }

    fn look(&self, vm: VmId) -> Result<Option<Sighting>, Error> {
        let Some(seen) = self.ask_unless_gone(vm, move |this| this.sighting(vm)) else { return Ok(None) };
        let seen = seen?;
        let Some(Sighting { incarnation: Some(incarnation), standing }) = seen else { return Ok(seen) };
        Ok(match (self.under_way(vm, incarnation), standing) {
            // Its move is on its way to libvirt.
            (Some(_), Standing::Running) => {
                Some(Sighting { incarnation: Some(incarnation), standing: Standing::Leaving })
            }
            _ => seen,
        })
    }

    fn release(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        let call = "release";
        let released = self.change_standing(call, vm, incarnation, Standing::on_release)?;
        let why = || format!("incarnation {incarnation} is not here");
        released.ok_or_else(|| Error::Refused { call, vm, why: why() })
    }

    fn discard(&self, vm: VmId, incarnation: u64) -> Result<(), Error> {
        let discarded = self.change_standing("discard", vm, incarnation, Standing::on_discard);
        discarded.map(drop)
    }
}
