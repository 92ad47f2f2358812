//! Which device changes may begin.

use super::*;
use crate::testing::{NOW, VM, cluster_with_vm, fact, hv1};
use crate::vm::{Phase, Power};

fn ask(power: Power, xml: &str) -> Result<(Task, Records), Refusal> {
    let cluster = cluster_with_vm(power, Some(fact(Phase::Running)));
    change_device(&cluster, TaskId(1), (VM, DeviceChange::Attach), xml, NOW.wall)
}

#[test]
fn a_device_of_a_running_vm_becomes_a_task_on_its_node() {
    let (task, records) = ask(Power::Start, "<disk/>").unwrap();
    assert_eq!((task.run_on, task.work.name()), (hv1(), "vm.attach_device"));
    assert_eq!(records.writes.len(), 1);
}

#[test]
fn a_device_is_refused_where_the_vm_is_down_or_the_element_is_broken() {
    assert!(ask(Power::Stop, "<disk/>").unwrap_err().to_string().contains("only while it runs"));
    assert!(ask(Power::Start, "<disk").unwrap_err().to_string().contains("not well-formed"));
    let long = format!("<disk>{}</disk>", " ".repeat(XML_BYTES_MAX));
    assert!(ask(Power::Start, &long).unwrap_err().to_string().contains("are allowed"));
}
