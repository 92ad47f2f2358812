//! Tests of how counters are arranged.

use super::*;

#[test]
fn counters_are_arranged_by_device_and_mac() {
    let text = |text: &str| Value::Text(text.into());
    let fields: Fields = [
        ("cpu.time", Value::Number(5)),
        ("balloon.current", Value::Number(131_072)),
        ("balloon.last-update", Value::Number(9)),
        ("block.count", Value::Number(1)),
        ("block.0.name", text("vda")),
        ("block.0.rd.reqs", Value::Number(3)),
        ("net.count", Value::Number(2)),
        ("net.0.name", text("vnet0")),
        ("net.0.rx.bytes", Value::Number(7)),
        ("net.1.name", text("unknown")),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into();
    let names = Names { macs: [("vnet0".into(), "52:54:00:00:00:01".into())].into(), vnc: None };
    let statistics = arranged(&fields, &names);
    assert_eq!(statistics.cpu["cpu_time"], 5);
    assert_eq!((statistics.memory["actual"], statistics.memory["last_update"]), (131_072, 9));
    assert_eq!((statistics.disks["vda"]["rd_req"], statistics.disks["vda"]["wr_req"]), (3, 0));
    assert_eq!(statistics.interfaces.keys().collect::<Vec<_>>(), ["52:54:00:00:00:01"]);
    assert_eq!(statistics.interfaces["52:54:00:00:00:01"]["rd_bytes"], 7);
}
