//! Guests' volumes at the storage: where they are, who has them open, and the key that they are opened with.

use std::collections::BTreeMap;
use std::net::IpAddr;

use host::hypervisor::Secret;
use host::storage::{Access, Cause, CephClient, Location, Storage};
use logic::storage::VolumePath;
use logic::vm::domain::disks::{CephAccess, Sources, VolumeFile, named, render_device};
use logic::vm::volumes::{Client, HeldLock, Place, Presence, SeenVolume};
use uuid::{Uuid, uuid};

use crate::world::{Fault, World};

/// The secret at libvirt that guests' volumes in Ceph are opened with: the same on every node, because a guest that
/// moves names it.
const SECRET: Uuid = uuid!("7c1a8e5a-5d57-4c0b-9d1e-70766320766d");

impl World {
    /// Where the volumes that a document or a device names are found; `None` where there is nothing to be found. What
    /// guests need to open them is at the hypervisor then.
    ///
    /// # Errors
    /// [`Fault::Storage`] where the storage does not tell; [`Fault::Hypervisor`] where the hypervisor does not take the key.
    pub fn sources(&self, xml: &str) -> Result<Option<Sources>, Fault> {
        let Some(storage) = &self.storage else { return Ok(None) };
        let volumes = named(xml)?;
        if volumes.is_empty() {
            return Ok(None);
        }
        Ok(Some(match storage.access()? {
            Access::Files => Sources::Files(files(&**storage, volumes)?),
            Access::Ceph(client) => {
                self.hypervisor.ensure_secret(&secret(&client))?;
                let CephClient { monitors, user, .. } = client;
                Sources::Ceph(CephAccess { monitors, user, secret: SECRET })
            }
        }))
    }

    /// A device with where its volume is found, if it has one.
    ///
    /// # Errors
    /// As [`World::sources`], and [`Fault::Document`] where its volume is not found.
    pub fn found(&self, device: &str) -> Result<String, Fault> {
        match self.sources(device)? {
            Some(sources) => Ok(render_device(device, &sources)?),
            None => Ok(device.to_owned()),
        }
    }

    /// What a running guest's document calls a volume: its file, or its name.
    ///
    /// # Errors
    /// [`Fault::Storage`] where the storage does not tell.
    pub fn source_of(&self, volume: &VolumePath) -> Result<String, Fault> {
        let storage = self.port()?;
        let files = match storage.access()? {
            Access::Files => files(storage, vec![volume.clone()])?,
            Access::Ceph(_) => BTreeMap::new(),
        };
        Ok(files.get(volume).map_or_else(|| volume.to_string(), |file| file.path.clone()))
    }

    /// The key to the guests' volumes is at the hypervisor. Done where guests need none.
    ///
    /// # Errors
    /// As [`World::sources`].
    pub fn ensure_secret(&self) -> Result<(), Fault> {
        if let Access::Ceph(client) = self.port()?.access()? {
            self.hypervisor.ensure_secret(&secret(&client))?;
        }
        Ok(())
    }

    /// Looks at volumes: whether they are there, who has them open, and the locks on them.
    ///
    /// # Errors
    /// [`Fault::Storage`] where the storage does not tell.
    pub fn look_at_volumes(&self, volumes: &[VolumePath]) -> Result<Vec<SeenVolume>, Fault> {
        let storage = self.port()?;
        let (own, blocked) = match storage.fence() {
            Some(fence) => (fence.own_addresses()?, fence.blocked()?.addresses),
            None => Default::default(),
        };
        let place = |address| place(&own, &blocked, address);
        let look = |path: &VolumePath| {
            let (clients, locks, presence) = match storage.users(path) {
                Ok((users, locks)) => (users, locks, Presence::There),
                Err(error) if error.cause() == Some(Cause::Absent) => {
                    (Vec::new(), Vec::new(), Presence::Missing)
                }
                Err(error) => return Err(error.into()),
            };
            let clients =
                clients.into_iter().map(|user| Client { place: place(user.address), who: user.who });
            let locks = locks.into_iter().map(|lock| HeldLock {
                volume: path.clone(),
                place: place(lock.address),
                holder: lock.holder,
                cookie: lock.cookie,
            });
            let (clients, locks) = (clients.collect(), locks.collect());
            Ok(SeenVolume { path: path.clone(), presence, clients, locks })
        };
        volumes.iter().map(look).collect()
    }

    /// Breaks these locks.
    ///
    /// # Errors
    /// [`Fault::Storage`] names the first that could not be broken.
    pub fn break_locks(&self, locks: &[HeldLock]) -> Result<(), Fault> {
        let storage = self.port()?;
        for lock in locks {
            let held = host::storage::Lock {
                holder: lock.holder.clone(),
                cookie: lock.cookie.clone(),
                address: None,
            };
            storage.break_lock(&lock.volume, &held)?;
        }
        Ok(())
    }

    /// Breaks every lock on these volumes.
    ///
    /// # Errors
    /// As [`World::break_locks`].
    pub fn flush_locks(&self, volumes: &[VolumePath]) -> Result<(), Fault> {
        for seen in self.look_at_volumes(volumes)? {
            self.break_locks(&seen.locks)?;
        }
        Ok(())
    }

    fn port(&self) -> Result<&dyn Storage, Fault> {
        self.storage.as_deref().ok_or(Fault::NoStorage)
    }
}

/// Where somebody is. A machine may have several addresses, and what one connection tells of itself need not be the one at
/// which its guests are seen. A storage without addresses is this machine's alone.
fn place(own: &[IpAddr], blocked: &[IpAddr], address: Option<IpAddr>) -> Place {
    match address {
        None => Place::Here,
        Some(at) if own.contains(&at) => Place::Here,
        Some(at) if blocked.contains(&at) => Place::Blocked(at),
        Some(at) => Place::Elsewhere(at),
    }
}

/// The files of those volumes that are there.
fn files(storage: &dyn Storage, volumes: Vec<VolumePath>) -> Result<BTreeMap<VolumePath, VolumeFile>, Fault> {
    let mut files = BTreeMap::new();
    for path in volumes {
        let found = match storage.volume(&path) {
            Err(error) if error.cause() == Some(Cause::Absent) => None,
            found => found?,
        };
        if let Some(Location::File { path: file, format }) = found.map(|volume| volume.location) {
            let file = VolumeFile { path: file.display().to_string(), format: format.as_str() };
            files.insert(path, file);
        }
    }
    Ok(files)
}

fn secret(client: &CephClient) -> Secret {
    let purpose = format!("client.{} of PVC", client.user);
    Secret { id: SECRET, purpose, value: client.key.bytes().to_vec() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_is_at_any_address_of_this_machine_is_here() {
        let [upstream, storage, other, fenced] = [1, 2, 3, 4].map(|last| IpAddr::from([10, 0, 0, last]));
        let (own, blocked) = ([upstream, storage], [fenced, storage]);
        let place = |at| place(&own, &blocked, at);
        assert_eq!([upstream, storage].map(|at| place(Some(at))), [Place::Here, Place::Here]);
        assert_eq!(place(Some(fenced)), Place::Blocked(fenced));
        assert_eq!(place(Some(other)), Place::Elsewhere(other));
        assert_eq!(place(None), Place::Here);
    }
}
