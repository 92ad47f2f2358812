//! Tests of the codec: whatever is sent arrives, however it is cut; whatever else arrives is refused, and bounded.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::message::{Request, Versions};

fn header() -> impl Strategy<Value = Header> {
    let versions = (any::<u32>(), any::<u32>());
    prop_oneof![
        Just(Header::Data),
        Just(Header::Beat),
        Just(Header::End),
        any::<u64>().prop_map(|bytes| Header::Taken { bytes }),
        ".*".prop_map(|text| Header::Error { text }),
        versions.prop_map(|(oldest, newest)| Header::Hello { versions: Versions { oldest, newest } }),
        request().prop_map(|request| Header::Request { request }),
    ]
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        Just(Request::Statistics),
        ".*".prop_map(|task| Request::Upload { task }),
        (any::<u32>(), any::<bool>()).prop_map(|(lines, follow)| Request::Log { lines, follow }),
        (".*", ".*", any::<u32>(), any::<bool>()).prop_map(|(vm, name, lines, follow)| Request::Console {
            vm,
            name,
            lines,
            follow
        }),
    ]
}

fn frame() -> impl Strategy<Value = Frame> {
    (header(), vec(any::<u8>(), 0..300)).prop_map(|(header, body)| Frame { header, body })
}

fn drain(decoder: &mut Decoder, frames: &mut Vec<Frame>) {
    while let Some(frame) = decoder.take().unwrap() {
        frames.push(frame);
    }
}

proptest! {
    #[test]
    fn frames_arrive_as_they_were_sent_however_the_bytes_are_cut(
        sent in vec(frame(), 0..6),
        cuts in vec(1usize..200, 1..40),
    ) {
        let bytes: Vec<u8> = sent.iter().flat_map(|frame| frame.encode().unwrap()).collect();
        let (mut decoder, mut arrived) = (Decoder::default(), Vec::new());
        let (mut rest, mut cuts) = (bytes.as_slice(), cuts.iter().cycle());
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(*cuts.next().unwrap()));
            decoder.feed(now);
            drain(&mut decoder, &mut arrived);
            rest = later;
        }
        prop_assert_eq!(sent, arrived);
    }

    #[test]
    fn garbage_is_refused_or_waited_upon_and_never_kept_beyond_one_frame(
        parts in vec(vec(any::<u8>(), 0..2000), 0..20),
    ) {
        let mut decoder = Decoder::default();
        for part in parts {
            decoder.feed(&part);
            loop {
                match decoder.take() {
                    Ok(Some(_)) => {}
                    Ok(None) => break,
                    Err(_) => return Ok(()),
                }
            }
            prop_assert!(decoder.bytes.len() <= PREFIX_BYTES + HEADER_BYTES_MAX + BODY_BYTES_MAX);
        }
    }

    #[test]
    fn a_frame_with_one_byte_changed_is_never_a_panic(frame in frame(), at: prop::sample::Index, to: u8) {
        let mut bytes = frame.encode().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = to;
        let mut decoder = Decoder::default();
        decoder.feed(&bytes);
        drop(decoder.take());
    }

    #[test]
    fn a_length_beyond_its_bound_is_refused_before_anything_of_it_arrives(length in any::<u32>(), header: bool) {
        let (header_length, body_length) = if header { (length, 0) } else { (0, length) };
        let mut decoder = Decoder::default();
        decoder.feed(&[header_length.to_be_bytes(), body_length.to_be_bytes()].concat());
        let bytes = usize::try_from(length).unwrap();
        let bytes_max = if header { HEADER_BYTES_MAX } else { BODY_BYTES_MAX };
        match decoder.take() {
            Err(BadFrame::HeaderTooLong { .. }) => prop_assert!(header && bytes > HEADER_BYTES_MAX),
            Err(BadFrame::BodyTooLong { .. }) => prop_assert!(!header && bytes > BODY_BYTES_MAX),
            Ok(None) => prop_assert!(bytes <= bytes_max),
            // An empty header is no JSON.
            Err(BadFrame::UnknownHeader { .. }) => prop_assert_eq!(bytes, 0),
            Ok(Some(_)) => prop_assert!(false, "there is no frame without a header"),
        }
    }
}

#[test]
fn an_oversize_frame_is_not_sent() {
    let body = vec![0; BODY_BYTES_MAX + 1];
    let bytes = body.len();
    assert_eq!(Frame { header: Header::Data, body }.encode(), Err(BadFrame::BodyTooLong { bytes }));
    let text = "x".repeat(HEADER_BYTES_MAX);
    assert!(matches!(Frame::from(Header::Error { text }).encode(), Err(BadFrame::HeaderTooLong { .. })));
}

#[test]
fn a_header_that_is_not_known_is_refused_with_its_name() {
    let json = br#"{"frame":"sing"}"#;
    let mut decoder = Decoder::default();
    decoder.feed(&[&16u32.to_be_bytes()[..], &0u32.to_be_bytes(), json].concat());
    let Err(BadFrame::UnknownHeader { why }) = decoder.take() else { panic!("it was understood") };
    assert!(why.contains("sing"), "{why}");
}

#[test]
fn two_sides_speak_the_newest_version_that_both_know() {
    let versions = |oldest, newest| Versions { oldest, newest };
    assert_eq!(versions(1, 3).common(versions(2, 5)), Some(3));
    assert_eq!(versions(1, 1).common(versions(1, 1)), Some(1));
    assert_eq!(versions(1, 1).common(versions(2, 5)), None);
    assert_eq!(versions(4, 5).common(versions(1, 3)), None);
}
