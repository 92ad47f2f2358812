//! A step on the storage, performed: one call of the port for each change, and no choice.

use host::storage::{Exercise, Onward, Pool, Storage, Watch, whole};
use logic::observed::Moved;
use logic::plan::{Resource, Step};
use logic::storage::change::Change;
use logic::storage::record::Looked;

use super::Done;
use crate::course::Course;
use crate::term::Term;
use crate::world::{Fault, World};

/// Changes something of the storage, or looks at it. A transfer ends with the session it was begun in.
///
/// # Errors
/// [`Fault::Storage`] in the words of the storage; [`Fault::NoStorage`] where there is none.
pub fn change_storage(world: &World, change: &Change, step: &Step) -> Result<Done, Fault> {
    let port = &**world.storage.as_ref().ok_or(Fault::NoStorage)?;
    match change {
        Change::ExpectNoPool { pool } => whole::expect_no_pool(port, pool)?,
        Change::EnsurePool { pool, replication, tier, placement_groups } => {
            port.ensure_pool(&Pool {
                name: pool.clone(),
                replication: *replication,
                tier: *tier,
                placement_group_count: *placement_groups,
            })?;
        }
        Change::SetPlacementGroups { pool, count } => port.set_placement_groups(pool, *count)?,
        Change::RemovePool { pool } => port.remove_pool(pool)?,
        Change::ExpectNoVolume { volume } => whole::expect_no_volume(port, volume)?,
        Change::CreateVolume { volume, size_bytes } => {
            whole::made(port, volume, port.create(volume, *size_bytes))?;
        }
        Change::ResizeVolume { volume, size_bytes } => port.resize(volume, *size_bytes)?,
        Change::RenameVolume { volume, to } => port.rename(volume, to)?,
        Change::RemoveVolume { volume } => whole::remove(port, volume)?,
        Change::CopyVolume { from, to } => {
            whole::made(port, to, whole::copy(port, from, to, &Transfer::begin(world, step)?))?;
        }
        Change::CloneVolume { snapshot, to } => {
            whole::made(port, to, port.clone_volume(snapshot, to))?;
        }
        Change::ExpectNoSnapshot { snapshot } => whole::expect_no_snapshot(port, snapshot)?,
        Change::TakeSnapshot { snapshot } => port.take(snapshot)?,
        Change::RenameSnapshot { snapshot, to } => port.rename_snapshot(snapshot, to)?,
        Change::RemoveSnapshot { snapshot } => port.remove_snapshot(snapshot)?,
        Change::RollBack { snapshot } => port.roll_back(snapshot)?,
        Change::CreatePlainVolume { volume, size_bytes } => {
            whole::made(port, volume, port.create_plain(volume, *size_bytes))?;
        }
        Change::RunTrial(exercise) => return run_trial(world, port, exercise),
        Change::ClearVolume { volume } => whole::clear(port, volume)?,
        Change::LookAtStorage { volumes, pools } => {
            return Ok(Done { looked: Some(whole::look(port, volumes, pools)?), ..Done::default() });
        }
        Change::SweepPool { pool } => drop(port.sweep(pool)?),
    }
    Ok(Done::default())
}

/// Makes a trial of a benchmark. It begins within the lease of whoever decided it, and goes on for longer.
fn run_trial(world: &World, port: &dyn Storage, exercise: &Exercise) -> Result<Done, Fault> {
    world.within_lease(exercise.begin_by)?;
    let course = Course::begin(&*world.store, &*world.clock, exercise.benchmark);
    let measured = port.run_trial(exercise, &course);
    // Whoever has lost the lease in between does not say how it went: it is made again.
    course.holds()?;
    let looked = Looked { measured: Some(Box::new(measured?)), ..Looked::default() };
    Ok(Done { looked: Some(looked), ..Done::default() })
}

/// A transfer: it begins within the lease of whoever decided it, goes on for as long as the session holds, and tells how
/// far it is.
struct Transfer<'a> {
    world: &'a World,
    resource: &'a Resource,
    term: Term<'a>,
}

impl<'a> Transfer<'a> {
    fn begin(world: &'a World, step: &'a Step) -> Result<Self, Fault> {
        let term = Term::begin(&*world.store, &*world.clock);
        world.within_lease(step.not_after)?;
        Ok(Self { world, resource: &step.resource, term })
    }
}

impl Watch for Transfer<'_> {
    fn moved(&self, done_bytes: u64, total_bytes: u64) -> Onward {
        self.world.transfers.tell(self.resource, Moved { done_bytes, total_bytes });
        match self.term.holds() {
            Ok(()) => Onward::Yes,
            Err(_) => Onward::No,
        }
    }
}

impl Drop for Transfer<'_> {
    fn drop(&mut self) {
        self.world.transfers.end(self.resource);
    }
}
