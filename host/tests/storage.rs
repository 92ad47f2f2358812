//! One contract for storage: the same laws for one in memory, a directory, and a real Ceph.
//!
//! Not every storage can be everything, so that each list of laws says of which it is.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "storage/ceph.rs"]
mod ceph;
#[path = "storage/content.rs"]
mod content;
#[path = "storage/directory.rs"]
mod directory;
#[path = "storage/fences.rs"]
mod fences;
#[path = "storage/lab.rs"]
mod lab;
#[path = "storage/laws.rs"]
mod laws;
#[path = "storage/memory.rs"]
mod memory;
#[path = "storage/transfers.rs"]
mod transfers;
#[path = "storage/trials.rs"]
mod trials;
#[path = "storage/world.rs"]
mod world;
#[path = "storage/writer.rs"]
mod writer;

macro_rules! laws {
    ($module:ident: $book:ident on $($on:ident: $world:expr),*; $laws:tt) => {
        mod $module {
            $(mod $on {
                laws!(@each $book, $world, $laws);
            })*
        }
    };
    (@each $book:ident, $world:expr, ($($law:ident),* $(,)?)) => {
        $(#[test]
        fn $law() {
            crate::world::on_a_thread(|| crate::$book::$law(&*$world));
        })*
    };
}

laws!(of_all: laws on memory: crate::memory::world(), directory: crate::directory::world(), ceph: crate::ceph::world(); (
    a_pool_is_made_once_and_removed_when_it_is_empty,
    a_pool_that_is_not_there_is_named,
    a_pool_that_another_makes_anew_is_the_new_one,
    a_volume_is_made_once_with_its_size,
    a_volume_grows_and_never_shrinks,
    a_volume_is_renamed_and_none_is_overwritten,
    a_volume_is_removed_after_its_snapshots,
    a_volume_that_is_open_is_left_to_whom_it_serves,
    snapshots_are_listed_as_they_were_taken,
    a_snapshot_keeps_what_was_there,
    a_clone_goes_its_own_way_and_keeps_its_snapshot,
    a_clone_knows_its_snapshot_by_its_present_name,
    a_volume_that_two_make_at_once_is_one,
    figures_tell_of_every_pool,
    a_storage_that_is_not_there_is_said_to_be,
));

laws!(of_transfers: transfers on memory: crate::memory::world(), directory: crate::directory::world(), ceph: crate::ceph::world(); (
    an_upload_is_the_whole_content,
    an_upload_that_fails_leaves_everything_as_it_was,
    an_upload_is_watched_and_can_be_ended,
    a_copy_is_whole_and_apart,
    what_was_cut_off_is_swept_and_never_seen,
    a_sweep_leaves_what_is_under_way,
));

laws!(of_trials: trials on memory: crate::memory::world(), directory: crate::directory::world(), ceph: crate::ceph::world(); (
    every_trial_measures_something,
    what_is_measured_is_made_once,
    what_cannot_be_measured_is_refused,
    a_trial_can_be_ended_and_lets_go_of_the_volume,
));

laws!(of_clusters: fences on memory: crate::memory::world(), ceph: crate::ceph::alone(); (
    who_is_blocked_writes_no_more_nor_does_who_comes_later,
    who_was_stopped_and_blocked_writes_nothing_over_its_successor,
    a_blockade_is_laid_once_and_taken_once,
    an_osd_that_is_held_back_gives_no_confirmation,
    one_copy_proves_nothing,
    a_dead_writers_lock_is_broken_and_the_next_one_writes,
    a_storage_that_hangs_costs_no_more_than_the_deadline,
    a_full_storage_says_so_in_time,
    a_fence_is_quick,
    a_fence_outlives_the_leader_of_the_storage,
    the_osds_at_a_blocked_address_are_called_down,
    a_blocked_machine_is_told_so_and_can_unblock_itself,
    each_machine_tells_where_its_clients_are_and_all_are_seen,
    an_upload_that_stands_still_is_given_up,
    placement_groups_are_given,
    a_blockade_of_nothing_is_refused,
));

laws!(of_images: transfers on directory: crate::directory::world(), ceph: crate::ceph::world(); (
    other_formats_are_converted,
    a_conversion_can_be_ended,
    snapshots_in_what_is_brought_are_left_out,
    an_image_that_names_other_files_is_refused,
));
