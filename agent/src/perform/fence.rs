//! A step about the block of a node at the storage, performed: one call of the port for each act, and no choice.

use host::storage::{Blockade, whole};
use logic::fence::{Act, Change, Outcome};

use super::Done;
use crate::world::{Fault, World};

/// Does something about a node's block, or asks how far it is.
///
/// # Errors
/// [`Fault::Storage`] in the words of the storage; [`Fault::NoStorage`] and [`Fault::NoFence`] where there is none.
pub fn change_fence(world: &World, change: &Change) -> Result<Done, Fault> {
    let storage = world.storage.as_deref().ok_or(Fault::NoStorage)?;
    let fence = storage.fence().ok_or(Fault::NoFence)?;
    let addresses = &change.addresses;
    let outcome = match change.act {
        Act::BlockNode => Outcome::Laid { epoch: fence.block(addresses)?.epoch },
        Act::ConfirmBlock { epoch } => {
            whole::confirmation(fence, &Blockade { addresses: addresses.clone(), epoch })?
        }
        Act::UnblockNode => Outcome::Free { epoch: fence.unblock(addresses)? },
    };
    Ok(Done { fenced: Some(outcome), ..Done::default() })
}
