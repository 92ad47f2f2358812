//! Tests of connections: the user's file, and this machine's own configuration in its two forms.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::yaml::Yaml;
use super::*;

const CONF: &str = "\
---
# The configuration of an earlier version.
subsystem:
  enable_hypervisor: yes
cluster:
  name: \"pvc1\"
  coordinator_nodes:
    - hv1
    - hv2   # the second
  networks:
    upstream:
      domain: 'example.com'
      ipv4: {netmask: 24, gateway_address: 10.0.0.1}
api:
  listen:
    address: 0.0.0.0
    port: 7371
  authentication:
    enabled: yes
    secret_key: \"a: b # c\"
    source: token
    token:
    - description: \"first\"
      token: \"1111-2222\"
    - description: second
      token: 3333-4444
  ssl:
    enabled: no
autobackup:
  commands: |
    mount: -x
      deeper
  backup_tags:
    - backup
";

fn file(folder: &tempfile::TempDir, name: &str, text: &str) -> PathBuf {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    path
}

#[test]
fn the_part_of_yaml_that_the_old_configuration_is_written_in_is_read() {
    let document = yaml::parse(CONF);
    let text = |keys: &[&str]| document.at(keys).and_then(Yaml::text).unwrap().to_owned();
    assert_eq!(text(&["cluster", "name"]), "pvc1");
    assert_eq!(text(&["cluster", "networks", "upstream", "domain"]), "example.com");
    assert_eq!(text(&["api", "authentication", "secret_key"]), "a: b # c");
    assert_eq!(text(&["api", "listen", "port"]), "7371");
    let nodes = Yaml::List(vec![Yaml::Text("hv1".into()), Yaml::Text("hv2".into())]);
    assert_eq!(document.at(&["cluster", "coordinator_nodes"]), Some(&nodes));
    assert_eq!(
        document.at(&["autobackup", "backup_tags"]).and_then(Yaml::first),
        Some(&Yaml::Text("backup".into()))
    );
    assert!(document.at(&["subsystem", "enable_hypervisor"]).unwrap().is_yes());
    assert_eq!(document.at(&["api", "nothing"]), None);
}

#[test]
fn no_text_makes_the_reader_of_yaml_fail() {
    for text in [
        "",
        "-",
        "- ",
        ":",
        "a",
        "a:\n- b\nc",
        "- - -\n  x",
        "\t- a: b\n :",
        "a: \"b\n c",
        "{",
        "a:\n  - b: c\n   d: e\n",
    ] {
        yaml::parse(text);
        for end in (0..CONF.len()).filter(|end| CONF.is_char_boundary(*end)) {
            yaml::parse(&format!("{}{text}", &CONF[..end]));
        }
    }
}

#[test]
fn the_old_configuration_leads_to_the_local_api() {
    let folder = tempfile::tempdir().unwrap();
    let conf = file(&folder, "pvc.conf", CONF);
    let endpoint = local::endpoints(&[conf]).unwrap().swap_remove(0);
    assert_eq!(
        (endpoint.to_string().as_str(), endpoint.token.as_deref()),
        ("http://127.0.0.1:7371", Some("1111-2222"))
    );
    let other = CONF
        .replace("ssl:\n    enabled: no", "ssl:\n    enabled: yes")
        .replace("authentication:\n    enabled: yes", "authentication:\n    enabled: no");
    let endpoint = local::endpoints(&[file(&folder, "other.conf", &other)]).unwrap().swap_remove(0);
    assert_eq!((endpoint.scheme, endpoint.token, endpoint.trust), (Scheme::Https, None, Trust::Anyone));
}

#[test]
fn the_new_configuration_comes_before_the_old_one() {
    let folder = tempfile::tempdir().unwrap();
    let toml = "store = \"sqlite:///x\"\n[api]\nlisten = \"[::]:7372\"\n[[api.token]]\ntoken = \"first\"\n[[api.token]]\ntoken = \"second\"\n";
    let files = [file(&folder, "pvc.toml", toml), file(&folder, "pvc.conf", CONF)];
    let endpoint = local::endpoints(&files).unwrap().swap_remove(0);
    assert_eq!(
        (endpoint.to_string().as_str(), endpoint.token.as_deref()),
        ("http://[::1]:7372", Some("first"))
    );
    fs::remove_file(&files[0]).unwrap();
    assert_eq!(local::endpoints(&files).unwrap().swap_remove(0).port, 7371);
    let bare = local::endpoints(&[file(&folder, "bare.toml", "")]).unwrap().swap_remove(0);
    assert_eq!((bare.to_string().as_str(), bare.token), ("http://127.0.0.1:7370", None));
}

#[test]
fn a_configuration_that_leads_nowhere_is_named_and_its_keys_are_not() {
    let folder = tempfile::tempdir().unwrap();
    let wrong = file(&folder, "pvc.toml", "[api]\nlisten = \"nowhere\"\n");
    let error = local::endpoints(&[wrong]).unwrap_err().to_string();
    assert!(error.contains("pvc.toml is not understood: api.listen is \"nowhere\""), "{error}");
    let broken = file(&folder, "pvc.toml", "[[api.token]]\ntoken = \"secret\n");
    let error = local::endpoints(&[broken]).unwrap_err().to_string();
    assert!(error.contains("is not understood") && !error.contains("secret"), "{error}");
    let absent = [folder.path().join("a.toml"), folder.path().join("b.conf")];
    assert!(matches!(local::endpoints(&absent), Err(ConnectionError::NoLocal)));
}

#[test]
fn the_file_of_earlier_versions_is_read_and_kept_from_others() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("pvc");
    fs::create_dir(&inner).unwrap();
    let old = r#"{"local": {"cfgfile": "/etc/pvc/pvc.conf"},
        "home": {"description": "Home", "host": "10.0.0.1", "port": "7370", "scheme": "https", "api_key": "N/A"}}"#;
    fs::write(inner.join("pvc.json"), old).unwrap();
    let mut connections = Connections::load(Some(&inner)).unwrap();
    let home = connections.endpoint("home").unwrap();
    assert_eq!(
        (home.to_string().as_str(), home.token, home.trust),
        ("https://10.0.0.1:7370", None, Trust::System)
    );
    connections
        .add(
            "work",
            Entry::Remote(Remote { host: "w".into(), port: 1, verify_ssl: Some(false), ..Remote::default() }),
        )
        .unwrap();
    let mode = fs::metadata(inner.join("pvc.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = Connections::load(Some(&inner)).unwrap();
    assert_eq!(again.entries().into_keys().collect::<Vec<_>>(), ["home", "local", "work"]);
    assert_eq!(again.endpoint("work").unwrap().trust, Trust::Anyone);
    assert_eq!(fs::read_dir(&inner).unwrap().count(), 1);
}

#[test]
fn a_name_that_is_not_known_never_means_another_cluster() {
    let folder = tempfile::tempdir().unwrap();
    let mut connections = Connections::load(Some(&folder.path().join("absent"))).unwrap();
    let error = connections.endpoint("prod").unwrap_err().to_string();
    assert!(error.starts_with("There is no connection \"prod\". There are: local."), "{error}");
    assert!(matches!(connections.remove("prod"), Err(ConnectionError::Unknown { .. })));
    let mut homeless = Connections::load(None).unwrap();
    let error = homeless.add("a", Entry::Remote(Remote::default())).unwrap_err();
    assert!(matches!(error, ConnectionError::NoDirectory));
}

#[test]
fn a_file_of_connections_that_is_broken_is_an_error_and_stays_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("pvc.json"), "{").unwrap();
    let error = Connections::load(Some(folder.path())).unwrap_err().to_string();
    assert!(error.contains("is not understood") && error.contains("add the connections anew"), "{error}");
    assert_eq!(fs::read_to_string(folder.path().join("pvc.json")).unwrap(), "{");
}

#[test]
fn the_other_coordinators_are_asked_after_this_machine_and_only_where_others_are_served() {
    let folder = tempfile::tempdir().unwrap();
    let text = |listen: &str| {
        format!(
            "node = \"hv2\"\ncoordinators = [\"hv1\", \"hv2\", \"hv3\"]\n[api]\nlisten = \"{listen}\"\n[[api.token]]\ntoken = \"k\"\n"
        )
    };
    let open = file(&folder, "pvc.toml", &text("0.0.0.0:7370"));
    let endpoints = local::endpoints(&[open]).unwrap();
    let hosts: Vec<&str> = endpoints.iter().map(|endpoint| endpoint.host.as_str()).collect();
    assert_eq!(hosts, ["127.0.0.1", "hv1", "hv3"]);
    assert!(endpoints.iter().all(|endpoint| endpoint.port == 7370 && endpoint.token.as_deref() == Some("k")));
    assert_eq!((endpoints[0].trust, endpoints[1].trust), (Trust::Anyone, Trust::System));
    let own = file(&folder, "own.toml", &text("127.0.0.1:7370"));
    assert_eq!(local::endpoints(&[own]).unwrap().len(), 1);
}
