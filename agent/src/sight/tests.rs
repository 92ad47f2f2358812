//! What a look tells of a guest's process that has gone unnoticed.

use host::clock::ManualClock;
use host::hypervisor::Start;
use host::memory::Machine;
use host::memory::migration::ClusterNetwork;
use logic::time::{Now, Span};

use super::*;

const VM: VmId = VmId(uuid::uuid!("bdd640fb-0667-4ad1-9c80-317fa3b1799d"));

#[test]
fn a_process_is_gone_since_the_first_of_the_looks_in_a_row_that_say_so() {
    let clock = Arc::new(ManualClock::new(Now { boot: BootTime(1000), ..Now::default() }));
    let machine = Machine::new(clock.clone());
    let address = "10.0.0.1".parse().unwrap();
    let moves = ClusterNetwork::new(clock.clone());
    moves.join(address, &machine);
    let network = Arc::new(host::network::memory::Stack::new(clock.clone()).open());
    let hypervisor = Arc::new(machine.open());
    let wanted = (network as Arc<dyn Network>, Wanted::default());
    let sight = Sight::new(hypervisor.clone(), Arc::new(moves.open(address)), clock.clone(), wanted);
    let start = |incarnation| {
        let xml = format!(
            "<domain type='qemu'><name>web1</name><uuid>{VM}</uuid><memory>65536</memory><vcpu>1</vcpu>\
             <metadata><pvc:vm xmlns:pvc='{}' incarnation='{incarnation}'/></metadata></domain>",
            logic::vm::domain::METADATA_URI
        );
        hypervisor.start(&Start { vm: VM, xml, incarnation }).unwrap();
    };
    let gone_since = || {
        clock.advance(Span(1000));
        sight.look();
        let Guests::Seen(guests) = sight.latest().guests else { return None };
        guests.get(&VM)?.gone_since
    };
    start(1);
    assert_eq!(gone_since(), None, "at 2000 it is there");
    machine.crash_unseen(VM);
    assert_eq!((gone_since(), gone_since()), (Some(BootTime(3000)), Some(BootTime(3000))));
    machine.hang(host::memory::Late::Lost);
    assert_eq!(gone_since(), None, "at 5000 nothing is known");
    machine.heal();
    assert_eq!(gone_since(), Some(BootTime(6000)), "a look that saw nothing breaks the row");
    hypervisor.stop(VM, 1).unwrap();
    start(2);
    machine.crash_unseen(VM);
    assert_eq!(gone_since(), Some(BootTime(7000)), "another incarnation is another process");
}
