//! Every bound of the decisions, with its unit in its name and its reason.

use crate::time::Span;

/// Names become parts of keys, of file names and of host names; 63 is what DNS allows for one label.
pub const NAME_LENGTH_MAX: usize = 63;

/// One value in the store. ZooKeeper drops the connection beyond 1 MiB; half of it leaves room for what goes along.
pub const VALUE_BYTES_MAX: usize = 512 * 1024;

/// One transaction in the store, keys and values together, for the same reason.
pub const TRANSACTION_BYTES_MAX: usize = 900 * 1024;

/// A libvirt document. Real ones are 4 to 20 KiB.
pub const XML_BYTES_MAX: usize = 256 * 1024;

/// How many tags a VM may have.
pub const TAGS_MAX: usize = 64;

/// The power button is pressed again after this long: a guest that is still booting loses the first press.
pub const SHUTDOWN_PRESS_INTERVAL: Span = Span::seconds(5);

/// How soon a start that failed is tried again at first; each further failure doubles it.
pub const START_BACKOFF_FIRST: Span = Span::seconds(5);

/// The longest wait between two tries of a start that keeps failing.
pub const START_BACKOFF_MAX: Span = Span::seconds(300);

/// The same where the storage did not tell of the VM's volumes: it is asked at little cost, and the VM shall run soon after
/// it answers again.
pub const START_BACKOFF_SILENT_MAX: Span = Span::seconds(20);

/// How long a guest's process has to be gone before the guest is ended at a hypervisor that still tells of it: one that is
/// well notices in a fifth of a second, and the next look comes within five.
pub const PROCESS_GONE_PATIENCE: Span = Span::seconds(3);

/// A guest that ran this long before it crashed is started again at once; one that crashes sooner each time waits.
pub const CRASH_CALM: Span = Span::seconds(60);

/// How soon a guest that keeps crashing is started again after its second crash in a row; doubled each time.
pub const CRASH_BACKOFF_FIRST: Span = Span::seconds(2);

/// The longest wait between two starts of a guest that keeps crashing.
pub const CRASH_BACKOFF_MAX: Span = Span::seconds(60);

/// A failure reason is shown in lists; a longer one is cut.
pub const REASON_BYTES_MAX: usize = 2048;

/// A finished task stays listed for this long.
pub const TASK_KEPT: Span = Span::seconds(3600);

/// How long a guest has to shut down by itself before it is stopped, unless configured.
pub const SHUTDOWN_TIMEOUT_DEFAULT: Span = Span::seconds(180);

/// The keepalive's period unless configured.
pub const KEEPALIVE_INTERVAL_DEFAULT: Span = Span::seconds(5);

/// How long a node daemon that is asked to stop waits for a flush, a handover and VMs on their way. The unit's time to stop
/// is a little longer.
pub const STOP_PATIENCE: Span = Span::seconds(300);

/// Facts that were read longer ago than this are sent with the keepalive all the same, and marked: a look at the
/// hypervisor may take its deadline, and looks are taken every five seconds.
pub const STALE_AFTER: Span = Span::seconds(12);

/// A look at a VM's volumes that is older says nothing about whether its guest may be started.
pub const VOLUMES_LOOK_AGE_MAX: Span = Span::seconds(5);

/// How soon a running guest's volumes are looked at again when the storage did not show who the guest is.
pub const VOLUMES_NOTE_INTERVAL: Span = Span::seconds(2);

/// How often the key to the guests' volumes is brought to the hypervisor, in case somebody took it away.
pub const SECRET_INTERVAL: Span = Span::seconds(60);

/// How soon the OSDs are asked again whether they keep to a block, when some did not.
pub const CONFIRM_INTERVAL: Span = Span::seconds(1);

/// How often it is looked whether somebody has lifted the block of a node that is fenced, and how the storage stands to the
/// next fence.
pub const FENCE_WATCH_INTERVAL: Span = Span::seconds(60);

/// With how many addresses a node is registered at the storage; real ones have one or two.
pub const STORAGE_ADDRESSES_MAX: usize = 64;

/// How many addresses of clients the storage's facts name.
pub const CLIENT_ADDRESSES_MAX: usize = 512;

/// How many OSDs and addresses a text of the cluster's health names before it only counts the rest.
pub const FENCE_TROUBLES_NAMED_MAX: usize = 5;

/// How soon a step that failed is performed again at first; each further failure in a row doubles it.
pub const STEP_BACKOFF_FIRST: Span = Span(100);

/// The longest wait before a step that keeps failing is performed again.
pub const STEP_BACKOFF_MAX: Span = Span::seconds(2);

/// The same for the start of an OSD whose machine cannot: its device is dead or the machine has forgotten it, and an operator
/// has to do something about it.
pub const OSD_START_BACKOFF_MAX: Span = Span::seconds(300);

/// How many steps may be in flight at once; what does not fit is planned again in the next pass.
pub const STEPS_IN_FLIGHT_MAX: usize = 64;

/// How many VMs a refusal names before it only counts the rest.
pub const VMS_NAMED_MAX: usize = 10;

/// How many VMs leave one node at once when it is flushed, or when they go home: each takes memory, disk and network.
pub const MOVES_AT_ONCE_MAX: usize = 2;

/// How many VMs move from a node while they run, and as many to it, unless configured.
pub const LIVE_MOVES_AT_ONCE_DEFAULT: usize = 2;

/// How often a live move is tried for one wish before it goes on by shutdown, or is given up.
pub const LIVE_ATTEMPTS_MAX: u32 = 3;

/// How soon a live move that failed is tried again: what it left behind must be cleared away first.
pub const LIVE_RETRY: Span = Span::seconds(2);

/// How soon a node that is emptied tries again to move a VM that is to move only live.
pub const LIVE_DRAIN_RETRY: Span = Span::seconds(60);

/// How long the target has to answer, while its daemon runs.
pub const OFFER_PATIENCE: Span = Span::seconds(30);

/// How long a guest may stand still at the switch while there is hope that this is enough, in ms. Hypervisors use all of
/// what they are given: with 300 ms a guest of 128 MiB stands still for most of the time that its memory takes.
pub const DOWNTIME_FIRST_MS: u64 = 30;

/// The longest that QEMU takes: as good as any time.
pub const DOWNTIME_ANY_MS: u64 = 2_000_000;

/// How often its memory is gone through with that; then it may stand still for as long as its operator allows.
pub const DOWNTIME_FIRST_PASSES: u64 = 3;

/// By how much hypervisors slow a guest down at most, in percent.
pub const THROTTLE_MAX_PERCENT: u64 = 99;

/// How often the memory of a guest is gone through at least before pre-copy counts as in vain: QEMU slows it down further
/// after every second pass, and reaches its limit with the twentieth.
pub const VAIN_PASSES: u64 = 23;

/// How long the halves of a guest that post-copy tore are tried to be joined. It stands still meanwhile: longer than a
/// switch in the network takes to start, and shorter than a guest takes to be missed for good.
pub const MEND_SPAN_MAX: Span = Span::seconds(120);

/// How soon the halves are tried to be joined again. The target notices only when it next asks for memory.
pub const MEND_INTERVAL: Span = Span::seconds(5);

/// How long a target has to become whole, or to notice that it will not, after the source has let a guest go by post-copy.
pub const FILL_SPAN_MAX: Span = Span::seconds(60);

/// How long a live move may take. At 100 MiB/s a guest of 256 GiB is sent once in 44 minutes.
pub const MOVE_SPAN_MAX: Span = Span::seconds(2 * 3600);

/// A call to the hypervisor that was made before this is over, or is not performed any more: longer than any deadline.
pub const CALL_LATE_MAX: Span = Span::seconds(10);

/// How soon a move that goes on though it was aborted is aborted again.
pub const ABORT_INTERVAL: Span = Span::seconds(5);

/// How often the progress of a move is written: each write goes to every node.
pub const PROGRESS_INTERVAL: Span = Span::seconds(1);

/// How often guests that are on their way are looked at, beside the events that announce the switch.
pub const MOVES_LOOK_INTERVAL: Span = Span(100);

/// How long the loop sleeps at most when nothing is due, so that a lost wake-up costs no more than this.
pub const PASS_INTERVAL_MAX: Span = Span::seconds(5);

/// Bytes of a link's name; the kernel's limit.
pub const LINK_NAME_BYTES_MAX: usize = 15;

/// An MTU below this one takes all IPv6 addresses off a link.
pub const MTU_MIN: u32 = 1280;

/// The largest packet there is.
pub const MTU_MAX: u32 = 65_535;

/// What a network card passes on unless configured.
pub const MTU_DEFAULT: u32 = 1500;

/// How long a phase of a handover waits for the other side, or for parts of the role: longer than the lease of a session,
/// so that a side that hangs has lost its addresses by then.
pub const HANDOVER_PHASE_MAX: Span = Span::seconds(7);

/// How long a node that stops waits for somebody to take the role from it. A handover takes less than a second.
pub const HANDOVER_STOP_MAX: Span = Span::seconds(10);

/// When a holder takes the role back from a successor that does not come on, and a node that stops gives up waiting for
/// its parts to be gone: after the successor's own patience, and before the daemon is ended.
pub const HANDOVER_TRY_MAX: Span = Span::seconds(15);

/// By how much earlier than the lease a floating address ends: the kernel may take a second to notice, and up to a quarter
/// more to put several together.
pub const KERNEL_LATENESS: Span = Span(1_250);

/// By how much longer an address could stay before it is given anew: it is told in seconds that have begun, twice.
pub const ADDRESS_RENEWAL: Span = Span(2_500);

/// How often a holder looks whether its lease was renewed; nobody tells it.
pub const ADDRESS_LOOK: Span = Span::seconds(1);

/// What disks are made of, and so what the size of a volume is a multiple of.
pub const SECTOR_BYTES: u64 = 512;

/// A size is shown in the smallest unit in which its number is not larger than this, as clients of PVC know it.
pub const SIZE_SHOWN_MAX: u64 = 9999;

/// How many digits of a size may stand behind the point; more would be a slip.
pub const SIZE_DECIMALS_MAX: usize = 12;

/// How often the storage is measured.
pub const FACTS_INTERVAL: Span = Span::seconds(5);

/// When facts about the storage are written anew though nothing of weight has changed.
pub const FACTS_KEPT: Span = Span::seconds(60);

/// Facts about the storage that are older are not renewed by anybody: two of their longest intervals, and a little.
pub const FACTS_STALE_AFTER: Span = Span::seconds(150);

/// Facts about the storage are written anew at once when a number of bytes changed by so much, and by so much of itself.
pub const FACTS_GROWTH_BYTES: u64 = 1 << 30;

/// The other half of that, in percent.
pub const FACTS_GROWTH_PERCENT: u64 = 1;

/// How many snapshots a volume may have: its record tells them all.
pub const SNAPSHOTS_MAX: usize = 256;

/// With how many volumes in it a pool may be removed: each is removed by a stage of one task.
pub const POOL_REMOVAL_VOLUMES_MAX: usize = 1000;

/// The most of a pool that may be promised, in percent of what is stored and what is free: beyond, a cluster that loses a
/// device has no room to mend itself.
pub const POOL_FILL_MAX_PERCENT: u64 = 80;

/// How many tasks about storage one worker performs at once; the others wait.
pub const STORAGE_TASKS_AT_ONCE_MAX: usize = 4;

/// How long a change of a storage that does not answer is tried before it counts as failed.
pub const STORAGE_PATIENCE: Span = Span::seconds(120);

/// How large the volume is that a benchmark writes to, unless somebody says otherwise: larger than the caches of most.
pub const BENCHMARK_BYTES_DEFAULT: u64 = 64 << 30;

/// The smallest volume of a benchmark: as much as its pieces are that are under way at once.
pub const BENCHMARK_BYTES_MIN: u64 = 256 << 20;

/// The pieces that a benchmark's large trials write and read: those that Ceph keeps volumes in.
pub const BENCHMARK_PIECE_BYTES_MAX: u64 = 4 << 20;

/// The pieces of its small trials: those that most file systems of guests write and read.
pub const BENCHMARK_PIECE_BYTES_MIN: u64 = 4 << 10;

/// For how long a trial of a benchmark goes on before it is measured: caches fill, and clients find their way.
pub const BENCHMARK_RAMP: Span = Span::seconds(15);

/// For how long a trial of a benchmark is measured.
pub const BENCHMARK_SPAN: Span = Span::seconds(60);

/// How many benchmarks are kept; the oldest is forgotten for the next. Every daemon has their records in its memory.
pub const BENCHMARKS_KEPT_MAX: usize = 16;

/// How long an upload may be announced without a byte of it coming.
pub const UPLOAD_PATIENCE: Span = Span::seconds(30);

/// The largest volume: what a file system and a hypervisor still count exactly, and no storage holds.
pub const VOLUME_BYTES_MAX: u64 = 1 << 60;

/// The most placement groups of a pool.
pub const PLACEMENT_GROUPS_MAX: u32 = 65_536;

/// The most copies that a pool keeps.
pub const COPIES_MAX: u8 = 10;

/// How far the size of a device may be from the one that is looked for, in percent: makers round.
pub const DETECTED_SIZE_TOLERANCE_PERCENT: u64 = 3;

/// More devices than any machine has.
pub const DETECTED_DEVICES_MAX: u32 = 1000;

/// The longest name of a device.
pub const DEVICE_NAME_LENGTH_MAX: usize = 255;

/// Into how many OSDs a device may be split.
pub const OSDS_OF_DEVICE_MAX: u32 = 16;

/// How long an OSD that was started may take until the storage says that it is up.
pub const OSD_UP_LIMIT: Span = Span::seconds(120);

/// How long nothing may move away from an OSD that is to be removed: then it is not removed, and waits no longer.
pub const OSD_DRAIN_PATIENCE: Span = Span::seconds(600);

/// How long the holder of the role may leave its status record as it is, unless configured: a hung one has lost its
/// addresses a lease after it last acted, and a store that elects a leader holds a keepalive up for less.
pub const PRIMARY_SILENCE_DEFAULT: Span = Span::seconds(20);

/// As many keepalives of a holder must be missing at least, before another one takes the role from it.
pub const PRIMARY_SILENCE_KEEPALIVES: u64 = 4;

/// The shortest silence that can be configured: a lease, and a keepalive that was lost on the way.
pub const PRIMARY_SILENCE_MIN: Span = Span::seconds(12);

/// How many of a node's OSDs its daemon starts at once after a boot: each start waits for the storage's monitors.
pub const OSDS_STARTED_AT_ONCE_MAX: usize = 2;

/// The whole of what tasks tell in percent.
pub const PERCENT: u32 = 100;
