//! One contract for every backend of the store: the same laws in memory, on SQLite and on ZooKeeper.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "contract/access.rs"]
mod access;
#[path = "contract/backend.rs"]
mod backend;
#[path = "contract/cable.rs"]
mod cable;
#[path = "contract/laws.rs"]
mod laws;
#[path = "contract/other.rs"]
mod other;
#[path = "contract/outages.rs"]
mod outages;
#[path = "contract/processes.rs"]
mod processes;
#[path = "contract/servers.rs"]
mod servers;

macro_rules! laws {
    ($backend:ident: $($law:ident),* $(,)?) => {
        mod $backend {
            $(#[test]
            fn $law() {
                crate::laws::$law(&*crate::backend::$backend());
            })*
        }
    };
}

macro_rules! every_law {
    ($($backend:ident),*) => {
        $(laws!($backend:
            what_is_written_is_read_with_a_new_version_each_time,
            a_guard_that_fails_changes_nothing_and_is_named,
            a_key_made_anew_never_has_an_old_version,
            eight_writers_lose_no_increment,
            two_keys_written_together_are_never_seen_apart,
            names_below_a_key_are_listed_sorted_and_once,
            a_subtree_is_renamed_whole_or_not_at_all,
            what_is_too_large_is_refused_with_its_size,
            what_was_announced_ends_with_its_session,
            a_stale_announcement_of_ones_own_is_replaced,
            a_change_by_one_is_told_to_another,
            locks_share_and_exclude_and_their_terms_grow,
            a_released_lock_no_longer_guards,
            records_are_committed_and_mirrored,
            a_change_of_the_records_is_made_once_however_many_try,
            a_change_that_fails_is_made_the_next_time_and_those_before_it_stay,
        );)*
    };
}

every_law!(memory, sqlite, zookeeper, ensemble);
