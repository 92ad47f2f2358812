//! Client and server over real sockets: the same laws over a unix socket and over TLS, and what each has of its own.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "conversation/laws.rs"]
mod laws;
#[path = "conversation/paper.rs"]
mod paper;
#[path = "conversation/stage.rs"]
mod stage;
#[path = "conversation/trust.rs"]
mod trust;
#[path = "conversation/unix.rs"]
mod unix;

macro_rules! laws {
    ($name:ident, $road:ident: $($law:ident),* $(,)?) => {
        mod $name {
            $(#[test]
            fn $law() {
                crate::laws::$law(crate::stage::Road::$road);
            })*
        }
    };
}

macro_rules! every_law {
    ($($name:ident $road:ident),*) => {
        $(laws!($name, $road:
            one_connection_carries_one_answer_after_another,
            a_refusal_reaches_the_client_in_its_own_words_and_the_connection_lives_on,
            an_answer_beyond_what_the_client_keeps_is_an_error_and_not_a_cut,
            a_client_that_does_not_read_holds_the_node_back_and_then_loses_its_answer,
            a_node_that_has_nothing_to_say_yet_is_not_taken_for_a_silent_one,
            garbage_ends_its_own_connection_and_no_other,
            a_client_that_says_nothing_is_hung_up_on,
            one_connection_too_many_is_told_so,
            a_subscription_ends_when_its_client_hangs_up_from_another_thread,
            a_stopping_server_ends_its_subscriptions_and_says_so,
            a_stopping_server_hangs_up_on_clients_that_rest,
            what_is_brought_arrives_whole,
            what_is_not_taken_is_refused_in_the_nodes_own_words,
            no_more_is_on_its_way_than_the_node_takes,
            what_breaks_off_is_not_taken_for_whole,
        );)*
    };
}

every_law!(over_unix Unix, over_tls Tls);
