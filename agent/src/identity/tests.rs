//! What an operator can ask of `pvcnoded identity`, and what comes of it.

use super::*;

fn parsed(text: &str) -> Result<(Asked, Option<PathBuf>), String> {
    parse(&text.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
}

/// Two nodes' configurations, with their identities in one temporary folder.
struct Stage(tempfile::TempDir);

impl Stage {
    fn config(&self, node: &str) -> Config {
        let text = format!(
            "node = '{node}'\nlink.listen = '127.0.0.1:7380'\n[path]\nidentity = '{}'",
            self.at(node)
        );
        Config::parse(&text, node).unwrap()
    }

    fn at(&self, name: &str) -> String {
        self.0.path().join(name).display().to_string()
    }

    fn told(&self, node: &str, text: &str) -> Result<String> {
        let (asked, _) = parsed(text).unwrap();
        let mut out = Vec::new();
        perform(&asked, &self.config(node), Path::new(&self.at(&format!("pki-{node}"))), &mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }
}

#[test]
fn what_is_asked_is_understood_in_any_order_of_its_words() {
    let issue = Asked::Issue { node: "hv2".into(), into: "/tmp/x".into(), also: vec!["10.0.0.2".into()] };
    for text in
        ["issue hv2 --into /tmp/x 10.0.0.2 --config /c", "--config /c --into /tmp/x issue hv2 10.0.0.2"]
    {
        assert_eq!(parsed(text), Ok((issue.clone(), Some("/c".into()))), "{text}");
    }
    assert_eq!(parsed("create"), Ok((Asked::Create { also: Vec::new() }, None)));
    assert_eq!(parsed("check --help"), Ok((Asked::Help, None)));
    for (text, part) in [
        ("", "say what"),
        ("issue hv2", "--into FOLDER"),
        ("issue --into /tmp/x", "a node"),
        ("issue hv2 --into", "needs a path"),
        ("check twice", "\"twice\""),
        ("destroy", "\"destroy\""),
        ("create --force", "\"--force\""),
    ] {
        let refused = parsed(text).unwrap_err();
        assert!(refused.contains(part), "{text}: {refused}");
    }
}

#[test]
fn a_cluster_of_two_gets_its_identities_and_asking_again_changes_nothing() {
    let stage = Stage(tempfile::tempdir().unwrap());
    let created = stage.told("hv1", "create 10.0.0.1 hv1.example.org").unwrap();
    assert!(
        created.contains("authority was made") && created.contains("hv1, hv1.example.org, 10.0.0.1"),
        "{created}"
    );
    assert!(created.contains("put into"), "{created}");
    let again = stage.told("hv1", "create").unwrap();
    assert!(again.contains("hv1, hv1.example.org, 10.0.0.1") && again.contains("are good"), "{again}");
    assert!(!again.contains("authority was made"));
    let into = stage.at("hv2");
    assert!(
        stage.told("hv1", &format!("issue hv2 --into {into} 10.0.0.2")).unwrap().contains("copy it to hv2")
    );
    let checked = stage.told("hv2", "check").unwrap();
    assert!(checked.contains("another 729 days, and for hv2, 10.0.0.2"), "{checked}");
    assert!(stage.told("hv2", "install").unwrap().contains("put into"));
}

#[test]
fn what_cannot_be_done_is_refused_with_the_remedy() {
    let stage = Stage(tempfile::tempdir().unwrap());
    for text in ["check", "install"] {
        let refused = format!("{:#}", stage.told("hv2", text).unwrap_err());
        assert!(refused.contains("is missing") && refused.contains("identity issue"), "{refused}");
    }
    let into = stage.at("hv3");
    let refused = stage.told("hv2", &format!("issue hv3 --into {into}")).unwrap_err().to_string();
    assert!(refused.contains("on the node where the authority was made"), "{refused}");
    stage.told("hv1", "create").unwrap();
    let refused = stage.told("hv1", &format!("issue a_%b --into {into}")).unwrap_err().to_string();
    assert!(refused.contains("not valid"), "{refused}");
}
