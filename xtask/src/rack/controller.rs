//! A power controller for each machine: `ipmi_sim`, which answers `ipmitool` and acts on the lab's machine.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::command::{LAB_LIMIT, output, program, wait_for};
use crate::lab::process::{Process, descendants};
use crate::rack::Rack;
use crate::rack::network;

/// Who may ask a controller.
pub const USER: &str = "admin";
/// With which password.
pub const PASSWORD: &str = "labpass";

/// What is in the machine besides the controller: nothing that can be asked.
const EMULATION: &str = "mc_setbmc 0x20
mc_add 0x20 0 no-device-sdrs 0x23 9 8 0x9f 0x1291 0xf02 persist_sdr
sel_enable 0x20 1000 0x0a
mc_enable 0x20
";

/// Starts the controllers that do not run yet, and waits until each answers.
///
/// # Errors
/// When one does not answer within two minutes.
pub fn start(rack: &Rack) -> Result<()> {
    let switch = rack.switch()?;
    for number in rack.numbers() {
        let folder = rack.folder.join(format!("controller{number}"));
        if find(&folder).is_some() {
            continue;
        }
        fs::create_dir_all(folder.join("state"))?;
        fs::write(folder.join("lan.conf"), settings(number, &folder))?;
        fs::write(folder.join("machine.emu"), EMULATION)?;
        write_door(rack, number, &folder)?;
        let address = network::controller(number);
        switch.node.ip(&[format!("address replace {address}/24 dev upstream")])?;
        let log = fs::File::create(folder.join("log"))?;
        // In a session of its own: it outlives the command that started it.
        let mut command = switch.node.on_network("setsid");
        command.args(["ipmi_sim", "-n", "-c"]).arg(folder.join("lan.conf"));
        command.arg("-f").arg(folder.join("machine.emu")).arg("-s").arg(folder.join("state"));
        let child = command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).spawn();
        let child = child.with_context(|| crate::packages::remedy("nsenter"))?;
        let process = Process::of(i32::try_from(child.id())?)?;
        fs::write(folder.join("process.json"), serde_json::to_string(&process)?)?;
    }
    for number in rack.numbers() {
        wait_for("the power controller", LAB_LIMIT, || match power(rack, number)? {
            true => Ok(()),
            false => bail!("it says that its machine is off"),
        })?;
    }
    Ok(())
}

/// Ends all of them that were started in this folder, and whatever they have just started.
///
/// # Errors
/// When one is still there after a minute.
pub fn end(folder: &Path) -> Result<usize> {
    let mut ended = 0;
    for entry in fs::read_dir(folder)? {
        let Some(process) = find(&entry?.path()) else { continue };
        let below = descendants(process.pid)?;
        process.end()?;
        below.iter().try_for_each(Process::end)?;
        ended += 1 + below.len();
    }
    Ok(ended)
}

fn find(folder: &Path) -> Option<Process> {
    let text = fs::read_to_string(folder.join("process.json")).ok()?;
    serde_json::from_str(&text).ok().filter(Process::is_alive)
}

fn settings(number: u8, folder: &Path) -> String {
    let methods = "none md2 md5 straight";
    let levels = ["callback", "user", "operator", "admin"]
        .map(|level| format!("    allowed_auths_{level} {methods}\n"))
        .concat();
    format!(
        "name \"n{number}\"\nset_working_mc 0x20\n  startlan 1\n    addr {} 623\n    priv_limit admin\n{levels}    \
         guid a123456789abcdefa123456789ab{:04x}\n  endlan\n  chassis_control \"{}\"\n  \
         user 1 true \"\" \"x\" user 10 {methods}\n  user 2 true \"{USER}\" \"{PASSWORD}\" admin 10 {methods}\n",
        network::controller(number),
        u16::from(number),
        folder.join("chassis").display()
    )
}

/// The program through which the controller acts. What is open in the controller is closed first: a machine that it
/// starts would keep its port taken for ever.
fn write_door(rack: &Rack, number: u8, folder: &Path) -> Result<()> {
    let text = format!(
        "#!/bin/bash\nact() {{\n  for open in /proc/$$/fd/*; do\n    open=${{open##*/}}\n    \
         [ \"$open\" -gt 2 ] && eval \"exec $open>&-\"\n  done\n  exec '{}' lab-chassis '{}' {number} \"$@\"\n}}\nact \"$@\"\n",
        rack.xtask.display(),
        rack.folder.display()
    );
    let path = folder.join("chassis");
    fs::write(&path, text)?;
    Ok(fs::set_permissions(path, fs::Permissions::from_mode(0o755))?)
}

/// Asks a node's controller with `ipmitool`, from the switch, and gives what it says.
///
/// # Errors
/// What `ipmitool` says when it is refused.
pub fn ask(rack: &Rack, number: u8, words: &[&str]) -> Result<String> {
    let address = network::controller(number).to_string();
    let mut command = rack.switch()?.node.on_network("ipmitool");
    // Without a cipher suite that is named it asks for a list that `ipmi_sim` does not have, for ten seconds.
    command.args(["-I", "lanplus", "-C", "3", "-U", USER, "-P", PASSWORD, "-H", &address]);
    output(command.args(words))
}

/// Whether a node's machine is on, by its controller.
///
/// # Errors
/// When the controller does not answer.
pub fn power(rack: &Rack, number: u8) -> Result<bool> {
    let said = ask(rack, number, &["chassis", "power", "status"])?;
    match said.trim() {
        "Chassis Power is on" => Ok(true),
        "Chassis Power is off" => Ok(false),
        other => bail!("the controller says: {other}"),
    }
}

/// `lab-chassis`: what a controller wants to know of its machine, or to have done to it.
///
/// # Errors
/// When it wants something else than power.
pub fn chassis(folder: &Path, number: u8, words: &[&str], xtask: &Path) -> Result<()> {
    let rack = Rack::find(folder, xtask)?;
    match words {
        ["get", parts @ ..] => {
            for part in parts {
                match *part {
                    "power" => {
                        crate::say::line(format!("power:{}", u8::from(rack.machine(number).is_some())))
                    }
                    "boot" => crate::say::line("boot:default"),
                    other => bail!("{other} is not known"),
                }
            }
            Ok(())
        }
        ["set", parts @ ..] => parts.chunks(2).try_for_each(|part| match part {
            ["power", "0"] | ["shutdown", _] => rack.kill(number).map(drop),
            ["power", _] => switch_on(&rack, number),
            ["reset", _] => rack.kill(number).and_then(|_| switch_on(&rack, number)),
            ["boot" | "identify", _] => Ok(()),
            other => bail!("{other:?} is not known"),
        }),
        other => bail!("{other:?} is not known"),
    }
}

/// Switches a machine on. What it then starts takes longer than a controller waits, so that another process does it.
fn switch_on(rack: &Rack, number: u8) -> Result<()> {
    if rack.machine(number).is_some() {
        return Ok(());
    }
    rack.boot(number)?;
    let log = fs::File::create(rack.folder.join(format!("controller{number}/start.log")))?;
    let mut command = program("setsid");
    command.args(["--fork".as_ref(), rack.xtask.as_os_str()]).arg("lab-programs").arg(&rack.folder);
    command.arg(number.to_string()).stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    crate::command::run(&mut command)
}
