//! What a folder must hold to be an identity, and how it comes to.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;

use super::authority::issue;
use super::*;

const DAY: Duration = Duration::from_secs(24 * 3600);

fn node(name: &str) -> NodeName {
    name.parse().unwrap()
}

fn subject(name: &str) -> Subject {
    let addresses = vec!["10.0.0.1".parse().unwrap(), "fd00::1".parse().unwrap()];
    Subject { node: node(name), names: vec![format!("{name}.example.org")], addresses }
}

/// Two folders: that of hv1, with the authority, and that of hv2.
struct Stage {
    folder: tempfile::TempDir,
    now: SystemTime,
}

impl Stage {
    fn new() -> Self {
        let stage = Self { folder: tempfile::tempdir().unwrap(), now: SystemTime::now() };
        assert_eq!(authority::ensure(&stage.hv1(), stage.now).unwrap(), Outcome::Changed);
        for name in ["hv1", "hv2"] {
            let issued = issue(&stage.hv1(), &subject(name), &stage.at(name), stage.now).unwrap();
            assert_eq!(issued, Outcome::Changed);
        }
        stage
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn hv1(&self) -> PathBuf {
        self.at("hv1")
    }

    fn hv2(&self) -> PathBuf {
        self.at("hv2")
    }

    fn refusal(&self) -> Error {
        read(&self.hv2(), &node("hv2"), self.now).unwrap_err()
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_issued_identity_is_good_and_issuing_it_again_changes_nothing() {
    let stage = Stage::new();
    let identity = read(&stage.hv2(), &node("hv2"), stage.now).unwrap();
    assert_eq!(identity.names, ["hv2", "hv2.example.org"]);
    assert_eq!(identity.addresses, subject("hv2").addresses);
    assert!(identity.expires > stage.now + 700 * DAY && identity.expires < stage.now + 731 * DAY);
    assert_eq!(authority::ensure(&stage.hv1(), stage.now).unwrap(), Outcome::Unchanged);
    for name in ["hv1", "hv2"] {
        let issued = issue(&stage.hv1(), &subject(name), &stage.at(name), stage.now).unwrap();
        assert_eq!(issued, Outcome::Unchanged);
    }
    assert_eq!(read(&stage.hv2(), &node("hv2"), stage.now).unwrap(), identity);
}

#[test]
fn keys_are_their_owners_alone_and_the_authoritys_stays_where_it_was_made() {
    let stage = Stage::new();
    for (path, expected) in
        [("hv1", 0o700), ("hv1/ca.key", 0o600), ("hv1/node.key", 0o600), ("hv2/node.key", 0o600)]
    {
        assert_eq!(mode(&stage.at(path)), expected, "{path}");
    }
    let mut files: Vec<_> =
        fs::read_dir(stage.hv2()).unwrap().map(|file| file.unwrap().file_name()).collect();
    files.sort();
    assert_eq!(files, [AUTHORITY_CERTIFICATE, CERTIFICATE, KEY]);
}

#[test]
fn a_key_is_never_printed() {
    let stage = Stage::new();
    let identity = read(&stage.hv1(), &node("hv1"), stage.now).unwrap();
    let printed = format!("{identity:?}");
    assert!(printed.contains("hv1") && !printed.contains("PRIVATE") && printed.len() < 300, "{printed}");
}

#[test]
fn a_missing_file_is_named_with_the_remedy() {
    let stage = Stage::new();
    for file in [KEY, CERTIFICATE, AUTHORITY_CERTIFICATE] {
        fs::remove_file(stage.hv2().join(file)).unwrap();
        let refusal = stage.refusal().to_string();
        assert!(
            refusal.contains(&format!("hv2/{file} is missing")) && refusal.contains("issue"),
            "{refusal}"
        );
        issue(&stage.hv1(), &subject("hv2"), &stage.hv2(), stage.now).unwrap();
    }
}

#[test]
fn a_key_that_others_may_use_is_refused_even_for_renewal() {
    let stage = Stage::new();
    let key = stage.hv2().join(KEY);
    fs::set_permissions(&key, Permissions::from_mode(0o640)).unwrap();
    let refusal = stage.refusal();
    assert!(matches!(refusal, Error::Exposed { mode: 0o640, .. }), "{refusal}");
    assert!(refusal.to_string().contains("chmod 600"));
    let issued = issue(&stage.hv1(), &subject("hv2"), &stage.hv2(), stage.now);
    assert!(matches!(issued, Err(Error::Exposed { .. })), "{issued:?}");
}

#[test]
fn a_key_of_another_certificate_is_told_with_both_files_and_mended_by_issuing() {
    let stage = Stage::new();
    fs::copy(stage.hv1().join(KEY), stage.hv2().join(KEY)).unwrap();
    let refusal = stage.refusal();
    assert!(matches!(refusal, Error::Mismatched { .. }), "{refusal}");
    issue(&stage.hv1(), &subject("hv2"), &stage.hv2(), stage.now).unwrap();
    read(&stage.hv2(), &node("hv2"), stage.now).unwrap();
}

#[test]
fn the_certificate_of_another_cluster_is_a_strangers_and_is_not_overwritten() {
    let (stage, other) = (Stage::new(), Stage::new());
    fs::copy(other.hv2().join(AUTHORITY_CERTIFICATE), stage.hv2().join(AUTHORITY_CERTIFICATE)).unwrap();
    let refusal = stage.refusal();
    assert!(matches!(refusal, Error::Stranger { .. }), "{refusal}");
    let before = fs::read(stage.hv2().join(CERTIFICATE)).unwrap();
    let issued = issue(&stage.hv1(), &subject("hv2"), &stage.hv2(), stage.now);
    assert!(matches!(issued, Err(Error::OtherAuthority { .. })), "{issued:?}");
    assert_eq!(fs::read(stage.hv2().join(CERTIFICATE)).unwrap(), before);
}

#[test]
fn an_identity_is_for_its_own_node_only() {
    let stage = Stage::new();
    let refusal = read(&stage.hv2(), &node("hv3"), stage.now).unwrap_err().to_string();
    assert!(refusal.contains("is for hv2, hv2.example.org and not for the node hv3"), "{refusal}");
}

#[test]
fn what_is_no_certificate_or_no_key_is_named() {
    let stage = Stage::new();
    for (file, what) in
        [(CERTIFICATE, "certificate"), (AUTHORITY_CERTIFICATE, "certificate"), (KEY, "private key")]
    {
        let good = fs::read(stage.hv2().join(file)).unwrap();
        for bad in [&b"nonsense"[..], b"", &good[..good.len() / 2]] {
            fs::write(stage.hv2().join(file), bad).unwrap();
            let refusal = stage.refusal().to_string();
            assert!(refusal.contains(&format!("{file} is no {what} in PEM")), "{refusal}");
        }
        fs::write(stage.hv2().join(file), good).unwrap();
    }
    read(&stage.hv2(), &node("hv2"), stage.now).unwrap();
}

#[test]
fn a_certificate_is_good_in_its_time_and_on_a_clock_that_is_a_day_slow() {
    let stage = Stage::new();
    let at = |now| read(&stage.hv2(), &node("hv2"), now);
    at(stage.now.checked_sub(DAY / 2).unwrap()).unwrap();
    let early = at(stage.now.checked_sub(2 * DAY).unwrap()).unwrap_err();
    assert!(matches!(early, Error::Early { .. }), "{early}");
    let late = at(stage.now + 731 * DAY).unwrap_err().to_string();
    assert!(late.contains("expired on") && late.contains("identity issue"), "{late}");
}

#[test]
fn a_certificate_is_renewed_in_time_with_its_names_and_its_key_where_the_authority_is() {
    let stage = Stage::new();
    let (first, renewal) = ensure(&stage.hv1(), &node("hv1"), stage.now).unwrap();
    assert_eq!(renewal, Renewal::NotDue);
    for later in [500 * DAY, 3000 * DAY] {
        let (renewed, renewal) = ensure(&stage.hv1(), &node("hv1"), stage.now + later).unwrap();
        assert_eq!(renewal, Renewal::Done, "after {later:?}");
        assert!(renewed.expires > stage.now + later + 700 * DAY);
        assert_eq!((&renewed.names, &renewed.addresses), (&first.names, &first.addresses));
        assert!(renewed.key == first.key && renewed.certificate != first.certificate);
        assert_eq!(
            ensure(&stage.hv1(), &node("hv1"), stage.now + later).unwrap(),
            (renewed, Renewal::NotDue)
        );
    }
}

#[test]
fn a_node_without_the_authority_says_that_renewal_is_due_and_then_that_it_is_too_late() {
    let stage = Stage::new();
    let at = |now| ensure(&stage.hv2(), &node("hv2"), now);
    assert_eq!(at(stage.now).unwrap().1, Renewal::NotDue);
    assert_eq!(at(stage.now + 500 * DAY).unwrap().1, Renewal::DueElsewhere);
    assert!(matches!(at(stage.now + 731 * DAY), Err(Error::Expired { .. })));
}

#[test]
fn no_certificate_outlives_its_authority_and_none_is_issued_in_vain() {
    let stage = Stage::new();
    let late = stage.now + 365 * 29 * DAY;
    let (last, renewal) = ensure(&stage.hv1(), &node("hv1"), late).unwrap();
    assert_eq!(renewal, Renewal::Done);
    assert!(last.expires < late + 366 * DAY);
    let later = late + 200 * DAY;
    assert_eq!(ensure(&stage.hv1(), &node("hv1"), later).unwrap(), (last, Renewal::NotDue));
    let over = ensure(&stage.hv1(), &node("hv1"), late + 400 * DAY);
    assert!(matches!(&over, Err(Error::Expired { path, .. }) if path.ends_with("ca.crt")), "{over:?}");
}

#[test]
fn what_was_interrupted_is_completed_with_the_key_that_is_there() {
    let stage = Stage::new();
    let authority_key = fs::read(stage.hv1().join(AUTHORITY_KEY)).unwrap();
    fs::remove_file(stage.hv1().join(AUTHORITY_CERTIFICATE)).unwrap();
    assert_eq!(authority::ensure(&stage.hv1(), stage.now).unwrap(), Outcome::Changed);
    assert_eq!(fs::read(stage.hv1().join(AUTHORITY_KEY)).unwrap(), authority_key);
    // What the authority issued before is still its own.
    read(&stage.hv1(), &node("hv1"), stage.now).unwrap();
    let key = fs::read(stage.hv1().join(KEY)).unwrap();
    fs::remove_file(stage.hv1().join(CERTIFICATE)).unwrap();
    issue(&stage.hv1(), &subject("hv1"), &stage.hv1(), stage.now).unwrap();
    assert_eq!(read(&stage.hv1(), &node("hv1"), stage.now).unwrap().key, key);
}

#[test]
fn other_names_make_another_certificate_of_the_same_key() {
    let stage = Stage::new();
    let key = fs::read(stage.hv2().join(KEY)).unwrap();
    let moved = Subject { addresses: vec!["10.0.9.2".parse().unwrap()], ..subject("hv2") };
    assert_eq!(issue(&stage.hv1(), &moved, &stage.hv2(), stage.now).unwrap(), Outcome::Changed);
    let identity = read(&stage.hv2(), &node("hv2"), stage.now).unwrap();
    assert_eq!((identity.addresses, identity.key), (moved.addresses, key));
}

#[test]
fn only_the_authority_issues_and_a_node_of_one_makes_no_other() {
    let stage = Stage::new();
    let issued = issue(&stage.hv2(), &subject("hv3"), &stage.at("hv3"), stage.now);
    assert!(matches!(issued, Err(Error::NoAuthority { .. })), "{issued:?}");
    assert!(!stage.at("hv3").exists());
    let made = authority::ensure(&stage.hv2(), stage.now);
    assert!(matches!(made, Err(Error::OtherAuthority { .. })), "{made:?}");
}

#[test]
fn what_is_no_host_name_is_refused() {
    let stage = Stage::new();
    for bad in ["a b", "", "10.0.0.1", "*", "-a-", "a..b"] {
        let subject = Subject { names: vec![bad.into()], ..subject("hv3") };
        let issued = issue(&stage.hv1(), &subject, &stage.at("hv3"), stage.now);
        assert!(matches!(issued, Err(Error::BadName { .. })), "{bad}: {issued:?}");
    }
}

#[test]
fn of_many_who_make_the_authority_at_once_one_wins_and_all_agree() {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemTime::now();
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| authority::ensure(folder.path(), now).unwrap());
        }
    });
    assert_eq!(authority::ensure(folder.path(), now).unwrap(), Outcome::Unchanged);
    issue(folder.path(), &subject("hv1"), folder.path(), now).unwrap();
    read(folder.path(), &node("hv1"), now).unwrap();
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 4, "nothing is left over");
}

#[test]
fn libvirt_and_qemu_find_copies_that_follow_the_identity() {
    let stage = Stage::new();
    let root = stage.at("pki");
    let install = |now| {
        let (identity, _) = ensure(&stage.hv1(), &node("hv1"), now).unwrap();
        pki::install(&identity, &root).unwrap()
    };
    assert_eq!(install(stage.now), Outcome::Changed);
    assert_eq!(install(stage.now), Outcome::Unchanged);
    assert_eq!(mode(&root.join("libvirt/private/serverkey.pem")), 0o600);
    assert_eq!(mode(&root.join("qemu/server-key.pem")) & 0o007, 0);
    assert_eq!(install(stage.now + 500 * DAY), Outcome::Changed);
    for copy in
        ["libvirt/servercert.pem", "libvirt/clientcert.pem", "qemu/server-cert.pem", "qemu/client-cert.pem"]
    {
        assert_eq!(
            fs::read(root.join(copy)).unwrap(),
            fs::read(stage.hv1().join(CERTIFICATE)).unwrap(),
            "{copy}"
        );
    }
}

#[test]
fn somebody_elses_certificates_for_libvirt_are_left_alone() {
    let stage = Stage::new();
    let theirs = stage.at("pki/CA/cacert.pem");
    fs::create_dir_all(theirs.parent().unwrap()).unwrap();
    fs::write(&theirs, "theirs").unwrap();
    let identity = read(&stage.hv1(), &node("hv1"), stage.now).unwrap();
    let refusal = pki::install(&identity, &stage.at("pki")).unwrap_err().to_string();
    assert!(refusal.contains("pki/CA/cacert.pem belongs to another authority"), "{refusal}");
    assert_eq!(fs::read_to_string(&theirs).unwrap(), "theirs");
    assert!(!stage.at("pki/libvirt").exists());
}
