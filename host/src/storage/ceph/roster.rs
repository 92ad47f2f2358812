//! The members of a Ceph cluster: OSDs registered, placed, put in and out, and forgotten, by commands to the monitors.

use std::time::Duration;

use logic::id::NodeName;
use logic::storage::osd::{OsdFlag, OsdId, OsdUuid, Weight};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answers::{Map, OsdEntry, part};
use super::{Ceph, Outcome, Session, Subject, Trouble};
use crate::osd::{Member, Roster, Safety, Standing};
use crate::storage::Error;
use crate::storage::error::Refusal;

/// How often an OSD that was just stopped is called down before it is taken for alive, and how soon.
const TRIES: (u32, Duration) = (50, Duration::from_millis(200));

#[derive(Deserialize)]
struct Registered {
    osdid: u32,
}

#[derive(Deserialize)]
struct Tree {
    nodes: Vec<Branch>,
}

#[derive(Deserialize)]
struct Branch {
    id: i32,
    name: String,
    r#type: String,
    #[serde(default)]
    children: Vec<i32>,
}

/// Whether an OSD may be destroyed. Ceph answers well also when it may not: only the list says which may.
fn safety(answer: &Value, osd: i32) -> Safety {
    let lists = |name: &str| answer[name].as_array().is_some_and(|list| list.iter().any(|own| *own == osd));
    if lists("safe_to_destroy") {
        return Safety::Safe;
    }
    let known = [
        ("active", "placement groups need it"),
        ("stored_pgs", "it has data of placement groups that are elsewhere only in part"),
        ("missing_stats", "it has not told what it has"),
    ];
    let why =
        known.into_iter().find(|(name, _)| lists(name)).map_or("nobody knows what it has", |(_, why)| why);
    Safety::Unsafe { why: why.into() }
}

/// What bars an OSD may be others that are down and still in: Ceph keeps their places for them, and copies nothing
/// elsewhere until they are up or out.
fn with_absent(safety: Safety, map: &Map, osd: i32) -> Safety {
    let is_absent = |entry: &&OsdEntry| entry.osd != osd && entry.up == 0 && entry.r#in == 1;
    let absent: Vec<String> =
        map.osds.iter().filter(is_absent).map(|entry| format!("osd.{}", entry.osd)).collect();
    match safety {
        Safety::Unsafe { why } if !absent.is_empty() => {
            let absent = absent.join(", ");
            Safety::Unsafe {
                why: format!("{why}, and {absent} is down and keeps its place as long as it is in"),
            }
        }
        safety => safety,
    }
}

fn signed(osd: OsdId) -> i32 {
    i32::try_from(osd.0).unwrap_or(i32::MAX)
}

impl Session {
    fn registered(&self, osd: OsdUuid, replaces: Option<OsdId>) -> Outcome<Member> {
        let mut command = json!({"prefix": "osd new", "uuid": osd.to_string()});
        // Once it has taken the number over, it has it.
        if let Some(old) = replaces
            && !self.map()?.osds.iter().any(|entry| entry.uuid == osd.to_string())
        {
            command["id"] = old.0.into();
        }
        let registered: Registered = part(self.ask(command)?)?;
        let keyring = self.cluster.ask_monitor(&json!({
            "prefix": "auth get-or-create",
            "entity": format!("osd.{}", registered.osdid),
            "caps": ["mon", "allow profile osd", "mgr", "allow profile osd", "osd", "allow *"],
        }))?;
        let keyring = String::from_utf8_lossy(&keyring).into_owned();
        Ok(Member { id: OsdId(registered.osdid), uuid: osd, keyring })
    }

    fn stands(&self, osd: OsdId) -> Outcome<Option<Standing>> {
        let id = signed(osd);
        let map = self.map()?;
        let Some(entry) = map.osds.iter().find(|entry| entry.osd == id) else { return Ok(None) };
        let asked = json!({"prefix": "osd safe-to-destroy", "ids": [osd.to_string()], "format": "json"});
        let safety = match self.cluster.ask_monitor(&asked) {
            Ok(answer) => with_absent(safety(&super::answers::parsed(&answer)?, id), &map, id),
            Err(failure) if [libc::EBUSY, libc::EAGAIN].contains(&failure.code) => {
                Safety::Unsafe { why: failure.text() }
            }
            Err(failure) => return Err(failure.into()),
        };
        let used = self.ask(json!({"prefix": "osd df"}))?;
        let own = used["nodes"].as_array().and_then(|nodes| nodes.iter().find(|node| node["id"] == id));
        let groups = own.and_then(|own| own["pgs"].as_u64()).unwrap_or_default();
        let status = self.ask(json!({"prefix": "status"}))?;
        let count = |name: &str| status["pgmap"][name].as_u64().unwrap_or_default();
        Ok(Some(Standing {
            is_up: entry.up == 1,
            is_in: entry.r#in == 1,
            safety,
            placement_group_count: u32::try_from(groups).unwrap_or(u32::MAX),
            astray_count: count("misplaced_objects") + count("degraded_objects"),
        }))
    }

    /// Calls an OSD down, and does what is only done to one that is.
    fn of_one_down(&self, osd: OsdId, command: &Value) -> Outcome {
        let mut outcome = Ok(());
        for _ in 0..TRIES.0 {
            self.tell(&json!({"prefix": "osd down", "ids": [osd.to_string()]}))?;
            outcome = self.tell(command);
            match &outcome {
                Err(Trouble::Failed(failure)) if failure.code == libc::EBUSY => std::thread::sleep(TRIES.1),
                _ => break,
            }
        }
        outcome
    }

    fn is_member(&self, osd: OsdId) -> Outcome<bool> {
        Ok(self.map()?.osds.iter().any(|entry| entry.osd == signed(osd)))
    }

    fn purged(&self, osd: OsdId) -> Outcome {
        let tree: Tree = part(self.ask(json!({"prefix": "osd tree"}))?)?;
        let is_host = |branch: &&Branch| branch.r#type == "host" && branch.children == [signed(osd)];
        let alone_on = tree.nodes.iter().find(is_host);
        if self.is_member(osd)? {
            let command = json!({"prefix": "osd purge-actual", "id": osd.0, "yes_i_really_mean_it": true});
            self.of_one_down(osd, &command)?;
        }
        // Ceph keeps the host of its last OSD.
        if let Some(host) = alone_on.filter(|host| host.id < 0) {
            self.tell(&json!({"prefix": "osd crush rm", "name": host.name}))?;
        }
        Ok(())
    }
}

impl Ceph {
    /// A change of one OSD; those of one are made one after the other.
    fn change_osd<T: Send + 'static>(
        &self,
        what: &str,
        osd: OsdId,
        act: impl FnOnce(&Session) -> Outcome<T> + Send + 'static,
    ) -> Result<T, Error> {
        self.call(what, Subject::Osd(signed(osd)), self.deadlines().change, act)
    }

    fn mark(&self, what: &str, prefix: &'static str, osd: OsdId) -> Result<(), Error> {
        self.change_osd(what, osd, move |session| {
            // Ceph calls it done where there is no such OSD.
            if !session.is_member(osd)? {
                return Err(Refusal::absent(format!("osd.{osd}")).into());
            }
            session.tell(&json!({"prefix": prefix, "ids": [osd.to_string()]}))
        })
    }

    fn flag(&self, prefix: &'static str, flag: OsdFlag) -> Result<(), Error> {
        let what =
            format!("{} the flag {}", if prefix == "osd set" { "set" } else { "unset" }, flag.as_str());
        self.look(&what, move |session| session.tell(&json!({"prefix": prefix, "key": flag.as_str()})))
    }
}

impl Roster for Ceph {
    fn members(&self) -> Result<Vec<(OsdId, OsdUuid)>, Error> {
        self.look("list the OSDs", |session| {
            let member = |entry: &super::answers::OsdEntry| {
                let uuid: OsdUuid = entry.uuid.parse().ok()?;
                // One that was destroyed has none.
                (!uuid.0.is_nil()).then_some((OsdId(u32::try_from(entry.osd).ok()?), uuid))
            };
            Ok(session.map()?.osds.iter().filter_map(member).collect())
        })
    }

    fn register(&self, osd: OsdUuid, replaces: Option<OsdId>) -> Result<Member, Error> {
        self.look("register the OSD", move |session| session.registered(osd, replaces))
    }

    fn place(&self, osd: OsdId, node: &NodeName, weight: Weight) -> Result<(), Error> {
        let host = format!("host={node}");
        self.change_osd("place the OSD", osd, move |session| {
            let weight: f64 = weight.text().parse().unwrap_or_default();
            session.tell(&json!({
                "prefix": "osd crush add", "id": osd.0, "weight": weight, "args": ["root=default", host],
            }))
        })
    }

    fn mark_in(&self, osd: OsdId) -> Result<(), Error> {
        self.mark("put the OSD in", "osd in", osd)
    }

    fn mark_out(&self, osd: OsdId) -> Result<(), Error> {
        self.mark("put the OSD out", "osd out", osd)
    }

    fn standing(&self, osd: OsdId) -> Result<Option<Standing>, Error> {
        self.look("tell of the OSD", move |session| session.stands(osd))
    }

    fn destroy(&self, osd: OsdId) -> Result<(), Error> {
        self.change_osd("destroy the OSD", osd, move |session| {
            let command = json!({"prefix": "osd destroy-actual", "id": osd.0, "yes_i_really_mean_it": true});
            session.of_one_down(osd, &command)
        })
    }

    fn purge(&self, osd: OsdId) -> Result<(), Error> {
        self.change_osd("purge the OSD", osd, move |session| session.purged(osd))
    }

    fn set_flag(&self, flag: OsdFlag) -> Result<(), Error> {
        self.flag("osd set", flag)
    }

    fn unset_flag(&self, flag: OsdFlag) -> Result<(), Error> {
        self.flag("osd unset", flag)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_osd_is_safe_only_if_it_is_listed_as_that() {
        let answer = json!({"safe_to_destroy": [2], "active": [1], "missing_stats": [], "stored_pgs": [3]});
        assert_eq!(safety(&answer, 2), Safety::Safe);
        for osd in [1, 3, 4] {
            assert!(matches!(safety(&answer, osd), Safety::Unsafe { .. }), "{osd}");
        }
        assert!(matches!(safety(&Value::Null, 2), Safety::Unsafe { .. }));
    }
}
