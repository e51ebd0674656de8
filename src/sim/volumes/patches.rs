//! What the API server makes of the scheduler's writes about claims and volumes.

use super::Storage;
use crate::api::ObjectMeta;
use crate::api::storage::ClaimRef;
use crate::framework::Write;
use crate::model::Str;
use crate::scheduler::Event;
use crate::snapshot::volumes::{BOUND_BY_CONTROLLER, SELECTED_NODE};

impl Storage {
    /// Carries out a write. Gives the new version with what watchers will see, which is nothing if
    /// the write changes nothing; or the code with which it is refused.
    pub fn apply(&mut self, write: &Write) -> Result<(Str, Option<Event>), u16> {
        match write {
            Write::SelectNode { claim, uid, resource_version, node } => {
                let old = self.claims.get(claim).ok_or(404_u16)?;
                check(&old.metadata, uid, resource_version)?;
                let mut new = old.clone();
                new.metadata.annotations.insert(SELECTED_NODE.into(), node.clone());
                if new == *old {
                    return Ok((new.metadata.resource_version, None));
                }
                let event = self.put_claim(new);
                Ok((self.revision.to_string().into(), Some(event)))
            }
            Write::BindVolume {
                volume,
                uid,
                resource_version,
                claim,
                claim_uid,
                by_controller,
            } => {
                let old = self.volumes.get(volume).ok_or(404_u16)?;
                check(&old.metadata, uid, resource_version)?;
                let mut new = old.clone();
                new.spec.claim_ref = Some(ClaimRef {
                    namespace: claim.namespace.clone(),
                    name: claim.name.clone(),
                    uid: claim_uid.clone(),
                });
                if *by_controller {
                    let annotations = &mut new.metadata.annotations;
                    annotations.insert(BOUND_BY_CONTROLLER.into(), "yes".into());
                }
                if new == *old {
                    return Ok((new.metadata.resource_version, None));
                }
                let event = self.put_volume(new);
                Ok((self.revision.to_string().into(), Some(event)))
            }
        }
    }
}

/// A write is about one version of one object.
fn check(found: &ObjectMeta, uid: &Str, resource_version: &Str) -> Result<(), u16> {
    let same = found.uid == *uid && found.resource_version == *resource_version;
    if same { Ok(()) } else { Err(409) }
}
