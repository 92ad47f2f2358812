//! What is compared on storage: for each operation a request to the API, the command `pvc`, and the command of Ceph's that
//! tells or does the same.

use serde::{Deserialize, Serialize};

/// The pool that everything is done in.
pub const POOL: &str = "bench";

/// One operation, done in three ways.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contest {
    /// Its name, which its figures begin with.
    pub name: String,
    /// The request: method, path and form.
    pub request: [String; 3],
    /// What `pvc` is told.
    pub pvc: Vec<String>,
    /// Ceph's command.
    pub theirs: Vec<String>,
}

fn contest(name: &str, request: [&str; 3], pvc: &str, theirs: &str) -> Contest {
    let [method, path, form] = request;
    let split = |line: &str| line.split_whitespace().map(str::to_owned).collect();
    Contest {
        name: name.into(),
        request: [method.into(), format!("/api/v1/storage/ceph/{path}"), form.into()],
        pvc: split(&format!("storage {pvc}")),
        theirs: split(theirs),
    }
}

/// The volume of this number, of those that stay while it is measured.
pub fn still(number: &str) -> String {
    format!("still{number}")
}

/// Looks. What PVC tells was measured at most some seconds before, as the API's contract wants it; Ceph's commands ask.
pub fn reads() -> Vec<Contest> {
    let one = still("0");
    let look =
        |name: &str, path: &str, pvc: &str, theirs: &str| contest(name, ["GET", path, ""], pvc, theirs);
    vec![
        look("status", "status", "status", "ceph status"),
        look("utilization", "utilization", "util", "ceph df"),
        look("pools", "pool", "pool list", "ceph df detail"),
        look("osds", "osd", "osd list", "ceph osd df"),
        look(
            "volumes",
            &format!("volume?pool={POOL}"),
            &format!("volume list --pool {POOL}"),
            &format!("rbd ls -l {POOL}"),
        ),
        look(
            "volume",
            &format!("volume/{POOL}/{one}"),
            &format!("volume list ^{one}$ --pool {POOL}"),
            &format!("rbd info {POOL}/{one}"),
        ),
        look(
            "snapshots",
            &format!("snapshot?pool={POOL}&volume={one}"),
            &format!("volume snapshot list --pool {POOL} --volume {one}"),
            &format!("rbd snap ls {POOL}/{one}"),
        ),
    ]
}

/// Changes in the order in which they are made, each on a volume of its own kind: nothing of them is left at the end.
pub fn changes() -> Vec<Contest> {
    let (api, pvc, rbd) = ("by_api", "by_pvc", "by_rbd");
    let volume = |rest: &str| format!("volume/{POOL}/{api}{rest}");
    let snapshot = |rest: &str| format!("snapshot/{POOL}/{api}/{rest}");
    vec![
        contest(
            "volume_add",
            ["POST", "volume", &format!("pool={POOL}&volume={api}&size=64M")],
            &format!("volume add {POOL} {pvc} 64M"),
            &format!("rbd create --size 64M {POOL}/{rbd}"),
        ),
        contest(
            "volume_resize",
            ["PUT", &volume(""), "new_size=96M"],
            &format!("volume resize -y {POOL} {pvc} 96M"),
            &format!("rbd resize --no-progress --size 96M {POOL}/{rbd}"),
        ),
        contest(
            "snapshot_add",
            ["POST", "snapshot", &format!("pool={POOL}&volume={api}&snapshot=one")],
            &format!("volume snapshot add {POOL} {pvc} one"),
            &format!("rbd snap create --no-progress {POOL}/{rbd}@one"),
        ),
        contest(
            "snapshot_rename",
            ["PUT", &snapshot("one"), "new_name=two"],
            &format!("volume snapshot rename {POOL} {pvc} one two"),
            &format!("rbd snap rename {POOL}/{rbd}@one {POOL}/{rbd}@two"),
        ),
        contest(
            "snapshot_rollback",
            ["POST", &snapshot("two/rollback"), ""],
            &format!("volume snapshot rollback -y {POOL} {pvc} two"),
            &format!("rbd snap rollback --no-progress {POOL}/{rbd}@two"),
        ),
        contest(
            "snapshot_clone",
            ["POST", &volume("/clone"), &format!("new_volume={api}_clone&snapshot=two")],
            &format!("volume clone {POOL} {pvc} {pvc}_clone --snapshot two"),
            &format!("rbd clone --rbd-default-clone-format 2 {POOL}/{rbd}@two {POOL}/{rbd}_clone"),
        ),
        contest(
            "volume_rename",
            ["PUT", &volume("_clone"), &format!("new_name={api}_other")],
            &format!("volume rename -y {POOL} {pvc}_clone {pvc}_other"),
            &format!("rbd rename {POOL}/{rbd}_clone {POOL}/{rbd}_other"),
        ),
        contest(
            "clone_remove",
            ["DELETE", &volume("_other"), ""],
            &format!("volume remove -y {POOL} {pvc}_other"),
            &format!("rbd rm --no-progress {POOL}/{rbd}_other"),
        ),
        contest(
            "snapshot_remove",
            ["DELETE", &snapshot("two"), ""],
            &format!("volume snapshot remove -y {POOL} {pvc} two"),
            &format!("rbd snap rm --no-progress {POOL}/{rbd}@two"),
        ),
        contest(
            "volume_remove",
            ["DELETE", &volume(""), ""],
            &format!("volume remove -y {POOL} {pvc}"),
            &format!("rbd rm --no-progress {POOL}/{rbd}"),
        ),
    ]
}

#[cfg(test)]
mod tests;
