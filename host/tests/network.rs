//! One contract for the machine's networks: the same laws for those in memory and for real kernels in namespaces.
//!
//! Every law runs on a thread of its own, because a network namespace belongs to a thread: it is made by the world, and
//! is gone with everything in it when the thread ends and the world is dropped, however that comes about.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[path = "network/kernel.rs"]
mod kernel;
#[path = "network/laws.rs"]
mod laws;
#[path = "network/linux.rs"]
mod linux;
#[path = "network/memory.rs"]
mod memory;
#[path = "network/world.rs"]
mod world;

/// Runs a law on a thread of its own, and fails as it does.
fn on_a_thread(law: impl FnOnce() + Send + 'static) {
    if let Err(failure) = std::thread::spawn(law).join() {
        std::panic::resume_unwind(failure);
    }
}

macro_rules! laws {
    ($on:ident, $world:ident: $($law:ident),* $(,)?) => {
        mod $on {
            $(#[test]
            fn $law() {
                crate::on_a_thread(|| crate::laws::$law(&*crate::$world::world()));
            })*
        }
    };
}

macro_rules! every_law {
    ($($on:ident: $world:ident),*) => {
        $(laws!($on, $world:
            links_are_seen_as_they_are,
            a_link_is_brought_up_with_its_mtu,
            a_bridge_is_made_once_with_its_ports,
            a_bridge_keeps_its_mtu_and_its_hardware_address,
            a_port_that_cannot_join_keeps_no_other_from_it,
            what_is_no_bridge_is_not_made_one,
            an_address_is_given_once_and_taken_once,
            an_address_has_one_prefix_on_its_link,
            what_cannot_be_is_refused_with_what_why_and_what_to_do,
            an_address_ends_by_itself_unless_it_is_given_again,
            an_address_with_a_lifetime_becomes_one_for_good,
            an_address_that_goes_takes_no_other_of_its_network_along,
            a_default_route_leads_to_one_gateway_for_each_family,
            a_gateway_that_is_not_reached_is_refused,
            the_last_ipv4_address_of_a_link_takes_its_routes_along,
            a_link_that_goes_down_loses_its_routes_and_its_ipv6_addresses,
            an_announcement_reaches_the_neighbours,
            an_address_that_is_not_there_is_not_announced,
            an_announcement_that_nobody_can_hear_is_refused,
            counters_count_what_is_sent,
            changes_wake_who_watches,
            what_was_made_outlives_who_made_it,
        );)*
    };
}

every_law!(in_memory: memory, in_the_kernel: kernel);
