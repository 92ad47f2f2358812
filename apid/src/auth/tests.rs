//! Sessions have a beginning and an end, and hold for one token and one key.

use super::*;

const NOW: Duration = Duration::from_secs(1_800_000_000);

fn secret(key: &str) -> ApiSecret {
    ApiSecret { key: key.into() }
}

fn tokens(words: &[&str]) -> Tokens {
    Tokens::new(
        words.iter().map(|word| Token { description: String::new(), token: (*word).into() }).collect(),
    )
}

fn at(time: Duration) -> SystemTime {
    UNIX_EPOCH + time
}

#[test]
fn a_session_holds_for_a_day_and_for_its_key_only() {
    let (tokens, secret_a) = (tokens(&["one", "two"]), secret("a"));
    let session = Tokens::session(tokens.matching(b"two").unwrap(), &secret_a, at(NOW));
    let holds = |after_s: i64| {
        let time = NOW.as_secs().checked_add_signed(after_s).unwrap();
        tokens.holds(&session, &secret_a, at(Duration::from_secs(time)))
    };
    assert!(holds(0) && holds(60) && holds(24 * 3600 - 1));
    assert!(!holds(24 * 3600) && !holds(i64::from(u32::MAX)));
    assert!(holds(-60), "the coordinators' clocks differ a little");
    assert!(!holds(-3600), "a session from the future");
    assert!(!tokens.holds(&session, &secret("b"), at(NOW)));
}

#[test]
fn a_session_does_not_hold_without_its_token() {
    let all = tokens(&["one", "two"]);
    let session = Tokens::session(all.matching(b"two").unwrap(), &secret("a"), at(NOW));
    assert!(!tokens(&["one"]).holds(&session, &secret("a"), at(NOW)));
    assert!(!tokens(&[]).holds(&session, &secret("a"), at(NOW)));
    assert!(tokens(&["two"]).holds(&session, &secret("a"), at(NOW)));
}

#[test]
fn no_text_that_is_no_session_holds() {
    let tokens = tokens(&["one"]);
    for text in ["", ".", "..", "1.2.3", "1800000000..", "x.y.z", "1800000000.00.zz", "é.é.é", "1.2.é"] {
        assert!(!tokens.holds(text, &secret("a"), at(NOW)), "{text}");
    }
}

#[test]
fn a_token_is_never_shown() {
    assert!(!format!("{:?}", tokens(&["one"])).contains("one"));
}

#[test]
fn digits_become_bytes_and_bytes_digits() {
    assert_eq!(hex(&[0, 15, 255]), "000fff");
    assert_eq!(bytes("000fff"), Some(vec![0, 15, 255]));
    for wrong in ["0", "0g", "é", "ééé"] {
        assert_eq!(bytes(wrong), None, "{wrong}");
    }
}
