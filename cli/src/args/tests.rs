//! Tests of the tree: it is the contract's, every part of it explains itself, and the words of the contract are accepted.

use clap::{Command, CommandFactory, Parser};

use super::vm::Autostart;
use super::*;

/// Every command below `command`, with its path.
fn all(command: &Command, path: &str, found: &mut Vec<(String, Command)>) {
    for sub in command.get_subcommands().filter(|sub| sub.get_name() != "help") {
        let path = format!("{path} {}", sub.get_name());
        found.push((path.clone(), sub.clone()));
        all(sub, &path, found);
    }
}

fn tree() -> Vec<(String, Command)> {
    let mut command = Args::command();
    command.build();
    let mut found = Vec::new();
    all(&command, "pvc", &mut found);
    found
}

fn leaves() -> Vec<(String, Command)> {
    tree().into_iter().filter(|(_, command)| command.get_subcommands().next().is_none()).collect()
}

#[test]
fn the_tree_is_sound() {
    Args::command().debug_assert();
}

#[test]
fn a_command_calls_itself_the_same_before_and_after_it_is_made() {
    let parts: [fn(Command) -> Command; 13] = [
        Area::augment_subcommands,
        ClusterCommand::augment_subcommands,
        ConnectionCommand::augment_subcommands,
        NodeCommand::augment_subcommands,
        VmCommand::augment_subcommands,
        TagCommand::augment_subcommands,
        disk::DiskCommand::augment_subcommands,
        storage::StorageCommand::augment_subcommands,
        storage::BenchmarkCommand::augment_subcommands,
        storage::OsdCommand::augment_subcommands,
        storage::PoolCommand::augment_subcommands,
        storage::VolumeCommand::augment_subcommands,
        storage::SnapshotCommand::augment_subcommands,
    ];
    for part in parts {
        let unmade = part(Command::new("part"));
        let mut made = unmade.clone();
        made.build();
        let words = |command: &Command, name: &str| {
            let command = command.find_subcommand(name).expect("it is there before and after");
            [command.get_about(), command.get_long_about()].map(|words| words.map(ToString::to_string))
        };
        for name in unmade.get_subcommands().map(Command::get_name) {
            assert_eq!(words(&made, name), words(&unmade, name), "{name}");
        }
    }
}

/// The commands about storage.
const STORAGE: [&str; 33] = [
    "pvc storage status",
    "pvc storage util",
    "pvc storage benchmark run",
    "pvc storage benchmark info",
    "pvc storage benchmark list",
    "pvc storage benchmark cancel",
    "pvc storage create-db-vg",
    "pvc storage osd list",
    "pvc storage osd create-db-vg",
    "pvc storage osd add",
    "pvc storage osd replace",
    "pvc storage osd refresh",
    "pvc storage osd remove",
    "pvc storage osd in",
    "pvc storage osd out",
    "pvc storage osd set",
    "pvc storage osd unset",
    "pvc storage pool add",
    "pvc storage pool remove",
    "pvc storage pool set-pgs",
    "pvc storage pool list",
    "pvc storage volume add",
    "pvc storage volume upload",
    "pvc storage volume remove",
    "pvc storage volume resize",
    "pvc storage volume rename",
    "pvc storage volume clone",
    "pvc storage volume list",
    "pvc storage volume snapshot add",
    "pvc storage volume snapshot rename",
    "pvc storage volume snapshot remove",
    "pvc storage volume snapshot rollback",
    "pvc storage volume snapshot list",
];

/// Lines about storage that are accepted.
const STORAGE_LINES: [&str; 28] = [
    "pvc storage benchmark run vms --name first --size 16G --no-wait -y",
    "pvc storage benchmark info first -f json",
    "pvc storage benchmark list first -f json-pretty",
    "pvc storage benchmark cancel first -y",
    "pvc storage create-db-vg hv1 /dev/sdx --wait -y",
    "pvc storage osd create-db-vg hv1 /dev/sdx --no-wait -y",
    "pvc storage osd add hv1 /dev/sdb -w 1.5 -r 0.05 -c 2 --no-wait -y",
    "pvc storage osd add hv1 /dev/sdb --ext-db-size 60G",
    "pvc storage osd replace 3 /dev/sdd -o /dev/sdc -w 1 -s 60G --wait -y",
    "pvc storage osd refresh 3 /dev/sdd -y",
    "pvc storage osd remove 3 -f -y",
    "pvc storage osd list ^1 -f raw",
    "pvc storage pool add vms 128 -t ssd --replcfg copies=2,mincopies=1",
    "pvc storage pool remove vms -y",
    "pvc storage pool set-pgs vms 256 -y",
    "pvc storage pool list v -f json",
    "pvc storage volume add vms a 10G -f",
    "pvc storage volume upload vms a disk.img -f vmdk",
    "pvc storage volume remove vms a -y",
    "pvc storage volume resize vms a 20G -f -y",
    "pvc storage volume rename vms a b -y",
    "pvc storage volume clone vms a b -f",
    "pvc storage volume list ^a -p vms -f json-pretty",
    "pvc storage volume snapshot add vms a s",
    "pvc storage volume snapshot rename vms a s t",
    "pvc storage volume snapshot remove vms a s -y",
    "pvc storage volume snapshot rollback vms a s -y",
    "pvc storage volume snapshot list s -p vms -o a -f raw",
];

#[test]
fn the_tree_has_the_commands_of_the_contract_and_no_others() {
    let paths: Vec<String> = leaves().into_iter().map(|(path, _)| path).collect();
    let expected = [
        "pvc vm list",
        "pvc vm info",
        "pvc vm define",
        "pvc vm meta",
        "pvc vm modify",
        "pvc vm rename",
        "pvc vm undefine",
        "pvc vm remove",
        "pvc vm start",
        "pvc vm restart",
        "pvc vm shutdown",
        "pvc vm stop",
        "pvc vm disable",
        "pvc vm move",
        "pvc vm migrate",
        "pvc vm unmigrate",
        "pvc vm why",
        "pvc vm flush-locks",
        "pvc vm tag get",
        "pvc vm tag add",
        "pvc vm tag remove",
        "pvc vm volume get",
        "pvc vm volume add",
        "pvc vm volume remove",
        "pvc vm log",
        "pvc vm dump",
        "pvc node list",
        "pvc node info",
        "pvc node flush",
        "pvc node ready",
        "pvc node primary",
        "pvc node secondary",
        "pvc node is-primary",
        "pvc node remove",
        "pvc node log",
        "pvc cluster status",
        "pvc cluster health",
        "pvc cluster init",
        "pvc cluster maintenance",
        "pvc cluster task",
        "pvc connection add",
        "pvc connection remove",
        "pvc connection list",
        "pvc connection detail",
        "pvc completion",
        "pvc man",
    ];
    let (storage, others): (Vec<_>, Vec<_>) =
        paths.into_iter().partition(|path| path.starts_with("pvc storage "));
    assert_eq!(others, expected);
    assert_eq!(storage, STORAGE);
}

#[test]
fn every_command_says_what_it_does_and_every_leaf_shows_an_example_of_itself() {
    for (path, command) in tree() {
        assert!(command.get_about().is_some_and(|about| about.to_string().len() > 8), "{path} has no help");
    }
    for (path, command) in leaves() {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        assert!(
            after.contains(&format!("  {path}")) || after.contains(&format!("| {path}")),
            "{path} has no example"
        );
    }
}

#[test]
fn every_argument_is_explained() {
    for (path, command) in tree() {
        for argument in command.get_arguments() {
            assert!(argument.get_help().is_some(), "{path}: {} is not explained", argument.get_id());
        }
    }
}

#[test]
fn every_help_can_be_printed_in_both_lengths() {
    for (path, mut command) in tree() {
        for text in [command.render_help().to_string(), command.render_long_help().to_string()] {
            assert!(text.contains("Usage:"), "{path}: {text}");
        }
    }
}

#[test]
fn every_example_is_a_command_line_that_is_accepted() {
    let mut count = 0;
    for (path, command) in leaves() {
        let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
        for line in after.lines().filter(|line| line.contains("pvc ")) {
            let line = line.split("| ").last().unwrap_or_default();
            let line = line.split(['<', '>']).next().unwrap_or_default().replace("''", "\"\"");
            let words = line.split_whitespace().map(|word| word.trim_matches(['\'', '"']).to_owned());
            if let Err(error) = Args::try_parse_from(words) {
                panic!("the example \"{line}\" of {path} is refused: {error}");
            }
            count += 1;
        }
    }
    assert!(count > 30);
}

#[test]
fn the_options_of_the_contract_are_accepted() {
    let lines = [
        "pvc -c home -v -q -s -u --colour vm list",
        "pvc node list hv -ds run -cs primary -vs ready -f json-pretty",
        "pvc node info -f long",
        "pvc node log hv1 -l 5 -f",
        "pvc vm define a.xml -t hv1 -l hv1,hv2 -s memprov -a -m live -d 500 -g a -g b -G c",
        "pvc vm define a.xml -A --node-selector none --method shutdown --max-downtime 1",
        "pvc vm meta web1 -l hv1 -s vcpus -A -m none -d 300 -p small",
        "pvc vm modify web1 new.xml -r -d -c -y",
        "pvc vm modify web1 -e",
        "pvc vm rename web1 web2 -y",
        "pvc vm undefine web1 -y",
        "pvc vm remove web1 -y",
        "pvc vm start web1 --force",
        "pvc vm restart web1 -w -y",
        "pvc vm shutdown web1 -w -y",
        "pvc vm stop web1 --force -y",
        "pvc vm disable web1 --force -y",
        "pvc vm move web1 -t hv2 -w --force-live",
        "pvc vm migrate web1 -t hv2 -f -w --force-live",
        "pvc vm migrate web1 --target hv2 --force --wait",
        "pvc vm unmigrate web1 -w --force-live",
        "pvc vm why web1 -f json",
        "pvc vm tag get web1 -f raw",
        "pvc vm tag add web1 x -p",
        "pvc vm tag remove web1 x",
        "pvc vm flush-locks web1 --no-wait",
        "pvc vm volume get web1 -f raw",
        "pvc vm volume add web1 vms/a -d sdb -b virtio -t rbd -L -R -y",
        "pvc vm volume remove web1 vms/a -l -r -y",
        "pvc vm log web1 -l 7 -f",
        "pvc vm dump web1 -f out.xml",
        "pvc vm info web1 -f json",
        "pvc vm list web -t hv1 -s start -g x -n -f raw",
        "pvc cluster init -o -y",
        "pvc cluster status -f short",
        "pvc cluster maintenance on",
        "pvc cluster task 1a2b3c4d --no-wait -f raw",
        "pvc cluster task 1a2b3c4d --wait",
        "pvc connection add home -d Home -a 10.0.0.1 -p 7370 -k key -S",
        "pvc connection add home -a 10.0.0.1 -s",
        "pvc connection remove home",
        "pvc connection list -k -f json-prometheus",
        "pvc connection detail -f json-pretty",
        "pvc completion zsh",
    ];
    for line in lines.into_iter().chain(STORAGE_LINES) {
        let words = spelled_out(line.split_whitespace().map(OsString::from));
        if let Err(error) = Args::try_parse_from(words) {
            panic!("{line}: {error}");
        }
    }
}

#[test]
fn what_makes_no_sense_is_wrong_usage() {
    let lines = [
        "pvc vm meta web1",
        "pvc vm modify web1",
        "pvc vm modify web1 new.xml --editor",
        "pvc vm move web1 --force",
        "pvc vm unmigrate web1 --target hv1",
        "pvc vm why web1 -f raw",
        "pvc vm list -f xml",
        "pvc cluster maintenance maybe",
        "pvc connection add home",
        "pvc connection add home -a x --no-verify",
        "pvc connection add home -a x -p 70000",
        "pvc network list",
        "pvc storage pool add vms",
        "pvc storage pool add vms many",
        "pvc storage pool add vms 128 -t tape",
        "pvc storage volume add vms a",
        "pvc storage osd add hv1 /dev/sdb -r 0.05 -s 60G",
        "pvc vm define a.xml -s most",
    ];
    for line in lines {
        let error = Args::try_parse_from(line.split_whitespace()).expect_err(line);
        assert_eq!(error.exit_code(), 2, "{line}");
    }
}

#[test]
fn options_of_two_letters_are_spelled_out_only_where_they_belong() {
    let spelled = |line: &str| {
        let words = spelled_out(line.split_whitespace().map(OsString::from));
        words.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(spelled("pvc node list -ds run"), "pvc node list --daemon-state run");
    assert_eq!(spelled("pvc -cs vm list -ds x"), "pvc -cs vm list -ds x");
}

#[test]
fn nothing_said_about_autostart_is_told_from_no() {
    assert_eq!(Autostart::default().parameter(), None);
    assert_eq!(Autostart { autostart: false, no_autostart: true }.parameter(), Some("false"));
    assert_eq!(Autostart { autostart: true, no_autostart: false }.parameter(), Some("true"));
}
