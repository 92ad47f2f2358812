//! What is made of the kernel's refusals, of garbled answers, and of a deadline that has passed.

use std::num::NonZeroI32;
use std::time::Duration;

use netlink_packet_core::{DefaultNla, Emitable};
use netlink_packet_route::RouteNetlinkMessage;
use netlink_packet_route::link::LinkMessage;

use super::*;

/// A request that changes nothing, whoever makes it: there is no such link.
fn nowhere() -> RouteNetlinkMessage {
    let mut message = LinkMessage::default();
    message.header.index = 0x7fff_fff0;
    RouteNetlinkMessage::DelLink(message)
}

#[test]
fn nothing_is_asked_once_the_deadline_has_passed() {
    let mut late = Conversation::open_route(Instant::now()).unwrap();
    assert!(matches!(late.request(&nowhere(), 0), Err(Failure::Late)));
    assert_eq!(late.sequence_number, 0);
    let mut early = Conversation::open_route(Instant::now() + Duration::from_secs(60)).unwrap();
    let failure = early.request(&nowhere(), 0).unwrap_err();
    assert!(matches!(failure, Failure::Refused { errno: Errno::ENODEV | Errno::EPERM, .. }), "{failure:?}");
}

#[test]
fn a_conversation_goes_on_after_a_refusal() {
    let mut conversation = Conversation::open_route(Instant::now() + Duration::from_secs(60)).unwrap();
    for _ in 0..3 {
        conversation.request(&nowhere(), 0).unwrap_err();
        let links = conversation.dump(&RouteNetlinkMessage::GetLink(LinkMessage::default())).unwrap();
        assert!(!links.is_empty());
    }
}

#[test]
fn a_refusal_is_told_in_the_kernels_words_where_it_has_some() {
    let words = DefaultNla::new(WORDS, b"Device is a loopback.\0".to_vec());
    let mut more = vec![0; HEADER_BYTES + words.buffer_len()];
    words.emit(&mut more[HEADER_BYTES..]);
    let mut error = ErrorMessage::default();
    error.code = NonZeroI32::new(-(Errno::EINVAL as i32));
    error.header = more;
    let told = |flags| refusal(&error, flags).unwrap().to_string();
    assert_eq!(told(NLM_F_ACK_TLVS), "Invalid argument (Device is a loopback)");
    assert_eq!(told(0), "Invalid argument");
    assert!(refusal(&ErrorMessage::default(), 0).is_none(), "an acknowledgement is none");
}

#[test]
fn a_datagram_is_cut_into_its_messages_or_is_garbled() {
    let message = |length: u32, rest: usize| [&length.to_ne_bytes()[..], &vec![0; rest]].concat();
    let two = [message(18, 16), message(16, 12)].concat();
    let lengths: Vec<_> = messages(&two).unwrap().iter().map(|message| message.len()).collect();
    assert_eq!(lengths, [18, 16]);
    for garbled in [message(15, 12), message(21, 16), message(0, 16), vec![1, 2]] {
        assert!(matches!(messages(&garbled), Err(Failure::Garbled(_))));
    }
}
