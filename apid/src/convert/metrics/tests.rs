//! The export has the lines of PVC 1.0.3's recorded one, and no label breaks it.

use super::*;

#[test]
fn the_export_of_the_recorded_status_has_every_recorded_line() {
    let recorded: serde_json::Value =
        serde_json::from_str(include_str!("../../../../api/fixtures/status.json")).unwrap();
    let status: ClusterStatus = serde_json::from_value(recorded).unwrap();
    let ours = health(&status);
    for line in [
        "pvc_info{primary_node=\"pvchv1\", version=\"1.0.3\", upstream_ip=\"10.0.0.250/24\"} 1",
        "# TYPE pvc_cluster_maintenance gauge",
        "pvc_cluster_maintenance 0",
        "# HELP pvc_cluster_health PVC cluster health status",
        "pvc_cluster_health 65",
        "pvc_cluster_faults{status=\"new\"} 2",
        "pvc_cluster_faults{status=\"ack\"} 0",
        "pvc_node_health{node=\"pvchv3\"} 100",
        "pvc_node_daemon_states{state=\"run\"} 3",
        "pvc_node_daemon_states{state=\"fenced\"} 0",
        "pvc_node_domain_states{state=\"ready\"} 3",
        "pvc_node_domain_states{state=\"fence-flush\"} 0",
        "pvc_vm_states{state=\"start\"} 10",
        "pvc_vm_states{state=\"restore\"} 0",
        "pvc_ceph_osd_up_states{state=\"up\"} 6",
        "pvc_ceph_osd_in_states{state=\"out\"} 0",
        "pvc_nodes 3",
        "pvc_vms 10",
        "pvc_osds 6",
        "pvc_networks 10",
        "pvc_pools 1",
        "pvc_volumes 10",
        "pvc_snapshots 1",
    ] {
        assert!(ours.lines().any(|own| own == line), "{line} is missing in:\n{ours}");
    }
}

#[test]
fn a_label_may_hold_anything_and_maintenance_raises_no_alarm() {
    let status = ClusterStatus {
        primary_node: "a\"b\\c".into(),
        maintenance: "true".into(),
        ..ClusterStatus::default()
    };
    let text = health(&status);
    assert!(text.contains(r#"primary_node="a\"b\\c""#), "{text}");
    assert!(
        text.contains("pvc_cluster_health 100\n") && text.contains("pvc_cluster_maintenance 1\n"),
        "{text}"
    );
}
