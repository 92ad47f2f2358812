//! Statistics arrive cut anywhere, and what is no statistics ends the link.

use super::*;

const VM: &str = "bdd640fb-0667-4ad1-9c80-317fa3b1799d";

#[test]
fn a_message_that_is_cut_anywhere_is_put_together() {
    let text = format!(r#"{{"{VM}": {{"memory": {{"rss": 7}}, "unknown": 1}}}}{{}}"#);
    for cut in 0..text.len() {
        let (first, second) = text.as_bytes().split_at(cut);
        let mut buffer = first.to_vec();
        let mut complete = messages(&mut buffer).unwrap();
        buffer.extend_from_slice(second);
        complete.extend(messages(&mut buffer).unwrap());
        assert_eq!(complete.len(), 2, "cut at {cut}");
        assert_eq!(complete[0][&VM.parse::<VmId>().unwrap()].memory["rss"], 7);
        assert!(complete[1].is_empty());
    }
}

#[test]
fn what_cannot_be_understood_is_told() {
    for text in ["[]", "{\"x\": {}}", "nonsense"] {
        assert!(messages(&mut text.as_bytes().to_vec()).unwrap_err().contains("understood"), "{text}");
    }
}

#[derive(Debug)]
struct Nobody;

impl Dial for Nobody {
    fn dial(&self, node: &NodeName, _patience: Patience) -> Result<Client, Error> {
        Err(Error::Unreachable { at: node.to_string(), why: "nobody is there".into() })
    }
}

#[test]
fn what_is_old_is_not_shown() {
    let nodes = Nodes::new(Arc::new(Nobody));
    let (node, vm): (NodeName, VmId) = ("hv1".parse().unwrap(), VM.parse().unwrap());
    nodes.put(&node, HashMap::from([(vm, GuestStatistics::default())]));
    assert!(nodes.statistics().of(&node, vm).is_some());
    let old = Instant::now().checked_sub(AGE_MAX + Duration::from_secs(1)).unwrap();
    nodes.pushed.lock().unwrap().get_mut(&node).unwrap().at = old;
    assert!(nodes.statistics().of(&node, vm).is_none());
}

#[test]
fn another_machine_is_not_reached_by_this_ones_socket() {
    let dial = LocalNode { node: "hv1".parse().unwrap(), socket: "/nonexistent/link.sock".into() };
    let refused = dial.dial(&"hv2".parse().unwrap(), Patience::default()).unwrap_err();
    assert!(refused.to_string().contains("hv2"), "{refused}");
    let absent = dial.dial(&"hv1".parse().unwrap(), Patience::default()).unwrap_err();
    assert!(absent.to_string().contains("/nonexistent/link.sock"), "{absent}");
}
