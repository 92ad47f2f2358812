//! The laws of a conversation, the same on every road: answers, refusals, back-pressure, deadlines, bounds and stopping.

use std::io::{Read as _, Write as _};
use std::sync::atomic::Ordering;
use std::thread;
use std::time::{Duration, Instant};

use link::client::{Error, Patience};
use link::frame::BODY_BYTES_MAX;
use link::message::Request;
use link::server::Limits;

use crate::stage::{QUIET, Road, console, stage, wait_until};

pub(crate) fn one_connection_carries_one_answer_after_another(road: Road) {
    let stage = stage(road, Limits::default());
    let mut client = stage.client();
    for lines in [0, 3, 1] {
        let answer = client.ask(&Request::Log { lines, follow: false }).unwrap();
        assert_eq!(answer.whole(1 << 20).unwrap().len(), 1000 * lines as usize);
    }
}

pub(crate) fn a_refusal_reaches_the_client_in_its_own_words_and_the_connection_lives_on(road: Road) {
    let stage = stage(road, Limits::default());
    let mut client = stage.client();
    let refused = client.ask(&console("web1")).unwrap().part();
    assert_eq!(refused, Err(Error::Refused { why: "web1 has no console".into() }));
    assert_eq!(client.ask(&console("large")).unwrap().whole(1 << 20).unwrap().len(), 3 * BODY_BYTES_MAX + 1);
}

pub(crate) fn an_answer_beyond_what_the_client_keeps_is_an_error_and_not_a_cut(road: Road) {
    let stage = stage(road, Limits::default());
    let mut client = stage.client();
    let error = client.ask(&console("large")).unwrap().whole(1000).unwrap_err();
    assert_eq!(error.to_string(), "the connection to the node broke: the answer is longer than 1000 bytes");
}

pub(crate) fn a_client_that_does_not_read_holds_the_node_back_and_then_loses_its_answer(road: Road) {
    let unread = Duration::from_millis(300);
    let stage = stage(road, Limits { unread, ..Limits::default() });
    let mut client = stage.client();
    let mut answer = client.ask(&Request::Log { lines: 100_000, follow: false }).unwrap();
    stage.node.wait_until_ended(1);
    let sent = stage.node.sent.load(Ordering::SeqCst);
    assert!(sent < 8 << 20, "{sent} bytes were sent to a client that read none");
    let broken = loop {
        match answer.part() {
            Ok(part) => assert!(part.is_some(), "the answer was not completed"),
            Err(error) => break error,
        }
    };
    assert!(matches!(broken, Error::Broken { .. }), "{broken}");
}

pub(crate) fn a_node_that_has_nothing_to_say_yet_is_not_taken_for_a_silent_one(road: Road) {
    let stage = stage(road, Limits::default());
    // Half of that: the node's threads may stand still for a moment too.
    let patience = Patience { answer: QUIET / 2, ..Patience::default() };
    let mut client = stage.connect(patience).unwrap();
    let quiet = Request::Console { vm: String::new(), name: "quiet".into(), lines: 1, follow: true };
    assert_eq!(client.ask(&quiet).unwrap().whole(100).unwrap(), b"at last");
}

pub(crate) fn garbage_ends_its_own_connection_and_no_other(road: Road) {
    let stage = stage(road, Limits::default());
    let mut raw = stage.raw();
    raw.write_all(b"GET / HTTP/1.1\r\n\r\n").unwrap();
    // The server may hang up before it has read all of it, which the kernel reports as a reset.
    drop(raw.read_to_end(&mut Vec::new()));
    wait_until("the connection is given up", || stage.server.connections() == 0);
    assert_eq!(
        stage.client().ask(&Request::Log { lines: 1, follow: false }).unwrap().whole(1 << 20).unwrap().len(),
        1000
    );
}

pub(crate) fn a_client_that_says_nothing_is_hung_up_on(road: Road) {
    let stage = stage(road, Limits { hello: Duration::from_millis(100), ..Limits::default() });
    let mut raw = stage.raw();
    assert_eq!(raw.read_to_end(&mut Vec::new()).unwrap(), 0);
}

pub(crate) fn one_connection_too_many_is_told_so(road: Road) {
    let stage = stage(road, Limits { connections_max: 2, ..Limits::default() });
    let (_first, second) = (stage.client(), stage.client());
    let refused = stage.connect(Patience::default()).unwrap_err();
    assert!(matches!(&refused, Error::Refused { why } if why.contains("as many connections")), "{refused}");
    drop(second);
    wait_until("a place is free", || stage.server.connections() == 1);
    stage.client();
}

pub(crate) fn a_subscription_ends_when_its_client_hangs_up_from_another_thread(road: Road) {
    let stage = stage(road, Limits::default());
    let mut client = stage.client();
    let hangup = client.hangup().unwrap();
    let mut answer = client.ask(&Request::Statistics).unwrap();
    assert_eq!(answer.part().unwrap().as_deref(), Some(&b"{}"[..]));
    let hanging_up = thread::spawn(move || hangup.hang_up());
    assert!(matches!(answer.part(), Err(Error::Broken { .. })));
    hanging_up.join().unwrap();
}

pub(crate) fn a_stopping_server_ends_its_subscriptions_and_says_so(road: Road) {
    let stop = Duration::from_secs(60);
    let stage = stage(road, Limits { stop, ..Limits::default() });
    let mut client = stage.client();
    let mut answer = client.ask(&Request::Statistics).unwrap();
    assert!(answer.part().unwrap().is_some());
    let begun = Instant::now();
    stage.server.stop();
    assert!(begun.elapsed() < stop / 2, "an answer that asks is told at once");
    let refused = answer.part().unwrap_err();
    assert_eq!(refused, Error::Refused { why: "the node's daemon is stopping".into() });
    assert!(matches!(stage.place.connect(Patience::default()), Err(Error::Unreachable { .. })));
}

pub(crate) fn a_stopping_server_hangs_up_on_clients_that_rest(road: Road) {
    let stage = stage(road, Limits { stop: Duration::from_millis(100), ..Limits::default() });
    let _resting = stage.client();
    let begun = Instant::now();
    stage.server.stop();
    assert!(begun.elapsed() < Duration::from_secs(30));
}

fn upload(task: &str) -> Request {
    Request::Upload { task: task.into() }
}

pub(crate) fn what_is_brought_arrives_whole(road: Road) {
    let stage = stage(road, Limits::default());
    for (count, piece) in [(0, 1), (1, 1), (3 * BODY_BYTES_MAX + 1, 70_000), (20 << 20, 1 << 20)] {
        stage.node.sent.store(0, Ordering::SeqCst);
        let mut client = stage.client();
        let mut bringing = client.bring(&upload("a")).unwrap();
        for part in vec![7; count].chunks(piece) {
            bringing.send(part).unwrap();
        }
        bringing.end().unwrap();
        assert_eq!(stage.node.sent.load(Ordering::SeqCst), count);
    }
}

pub(crate) fn what_is_not_taken_is_refused_in_the_nodes_own_words(road: Road) {
    let stage = stage(road, Limits::default());
    let refused = stage.client().bring(&upload("nothing")).unwrap_err();
    assert_eq!(refused, Error::Refused { why: "there is no such task".into() });
    let mut client = stage.client();
    let mut bringing = client.bring(&upload("little")).unwrap();
    let refused = loop {
        if let Err(error) = bringing.send(&[7; 100_000]) {
            break error;
        }
    };
    assert_eq!(refused, Error::Refused { why: "the volume is full".into() });
}

pub(crate) fn no_more_is_on_its_way_than_the_node_takes(road: Road) {
    let stage = stage(road, Limits::default());
    stage.node.held.store(true, Ordering::SeqCst);
    let patience = Patience { next: Duration::from_millis(700), ..Patience::default() };
    let mut client = stage.connect(patience).unwrap();
    let mut bringing = client.bring(&upload("slow")).unwrap();
    let mut sent = 0;
    while bringing.send(&[7; 100_000]).is_ok() {
        sent += 100_000;
        assert!(sent < 8 << 20, "{sent} bytes were sent to a node that takes none");
    }
    stage.node.held.store(false, Ordering::SeqCst);
}

pub(crate) fn what_breaks_off_is_not_taken_for_whole(road: Road) {
    let stage = stage(road, Limits::default());
    let mut client = stage.client();
    let mut bringing = client.bring(&upload("a")).unwrap();
    bringing.send(&[7; 5000]).unwrap();
    bringing.give_up("the browser was closed");
    let mut client = stage.client();
    let mut bringing = client.bring(&upload("a")).unwrap();
    bringing.send(&[7; 5000]).unwrap();
    drop(client);
    let mut client = stage.client();
    client.bring(&upload("a")).unwrap().end().unwrap();
    stage.node.wait_until_ended(1);
}
