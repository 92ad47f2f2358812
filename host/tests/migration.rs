//! One contract for moving guests: the same laws for two machines in memory and for two real libvirts.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "migration/counter.rs"]
mod counter;
#[path = "contract/guest.rs"]
#[expect(dead_code, reason = "the contract of the hypervisor needs more of it")]
mod guest;
#[path = "contract/lab.rs"]
#[expect(dead_code, reason = "the contract of the hypervisor needs more of it")]
mod lab;
#[path = "migration/laws.rs"]
mod laws;
#[path = "migration/memory.rs"]
mod memory;
#[path = "migration/pair.rs"]
mod pair;
#[path = "migration/real.rs"]
mod real;
#[path = "migration/sides.rs"]
mod sides;
#[path = "migration/sweep.rs"]
mod sweep;
#[path = "contract/world.rs"]
#[expect(dead_code, reason = "the contract of the hypervisor needs more of it")]
mod world;

macro_rules! laws {
    ($world:ident, $make:expr, $($law:ident),* $(,)?) => {
        mod $world {
            $(#[test]
            fn $law() {
                crate::laws::$law(&$make);
            })*
        }
    };
}

macro_rules! every_law {
    ($($world:ident: $make:expr),*) => {
        $(laws!($world, $make,
            a_guest_arrives_paused_and_whole_and_goes_on_where_it_is_released,
            what_is_not_here_or_does_not_run_is_not_touched,
            a_target_that_has_the_vm_already_refuses_it,
            an_abort_leaves_the_guest_where_it_was,
            a_guest_that_is_stopped_on_its_way_is_gone_from_both,
            a_power_button_is_not_heard_on_the_way,
            an_abort_right_after_the_beginning_is_not_lost,
            a_pause_may_be_lengthened_on_the_way,
            a_move_outlives_its_daemon_and_the_next_one_finds_it,
            a_target_whose_hypervisor_dies_costs_the_move_alone,
            a_source_whose_hypervisor_dies_costs_the_move_alone,
            a_network_that_is_cut_in_the_middle_costs_the_move_alone,
            a_target_that_cannot_be_reached_costs_the_move_alone,
            a_target_whose_answer_is_lost_does_not_run_it,
            a_target_whose_hypervisor_dies_at_the_switch_costs_the_move_alone,
            a_source_whose_hypervisor_dies_at_the_switch_holds_it_until_it_is_told,
            a_guest_that_writes_too_fast_goes_on_by_post_copy,
            a_network_that_is_cut_in_post_copy_tears_the_guest_and_nobody_mends_it_by_mistake,
            halves_whose_stream_broke_are_joined_by_another_one,
            halves_that_were_torn_by_the_network_are_joined_when_it_is_back,
            a_guest_that_writes_too_fast_is_slowed_down_where_that_was_asked_for,
        );)*
    };
}

every_law!(in_memory: crate::memory::InMemory::new(), at_libvirt: crate::pair::Pair::start());
