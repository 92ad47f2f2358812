//! One contract for every hypervisor: the same laws for the machine in memory and for a real libvirt.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "contract/guest.rs"]
mod guest;
#[path = "contract/lab.rs"]
#[expect(dead_code, reason = "the contract of migration needs more of it")]
mod lab;
#[path = "contract/laws.rs"]
mod laws;
#[path = "contract/real.rs"]
mod real;
#[path = "contract/world.rs"]
mod world;

macro_rules! laws {
    ($world:ident: $($law:ident),* $(,)?) => {
        mod $world {
            $(#[test]
            fn $law() {
                crate::laws::$law(&*crate::world::$world());
            })*
        }
    };
}

macro_rules! every_law {
    ($($world:ident),*) => {
        $(laws!($world:
            a_start_makes_exactly_one_guest_with_its_incarnation,
            a_second_start_is_refused_and_says_why,
            a_guest_that_pvc_did_not_start_is_seen_and_left_alone,
            a_stop_ends_its_own_incarnation_only_and_is_done_when_there_is_none,
            a_power_button_ends_a_guest_that_obeys,
            what_happens_past_pvc_is_told_and_seen,
            a_device_is_attached_once_and_detached_once,
            a_disk_grows_under_its_guest_and_never_shrinks,
            a_secret_is_kept_and_what_became_of_it_is_mended,
            counters_are_told_of_every_guest,
            a_hypervisor_that_hangs_costs_no_more_than_the_deadline,
            guests_outlive_the_hypervisor_and_are_seen_and_told_of_again,
            a_guest_that_ended_while_the_hypervisor_was_away_is_not_taken_for_the_next,
            a_guest_whose_process_died_unnoticed_is_told_apart_and_can_be_ended,
            a_hypervisor_that_comes_later_is_found,
        );)*
    };
}

every_law!(memory, libvirt);
