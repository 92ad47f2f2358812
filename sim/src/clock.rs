//! The clocks of one machine in virtual time: a boot clock that begins where it likes, starts anew with each boot and
//! drifts a little, and a wall clock that is wrong and can be set.

use std::sync::{Arc, Mutex, MutexGuard};

use host::clock::{Clock, ManualClock};
use logic::time::{BootTime, Now, Span, WallTime};

/// What a boot clock shows when a machine that lost its power is up again.
const UP: BootTime = BootTime(15_000);

/// A million: drift is counted in parts of it.
const MILLION: i128 = 1_000_000;

/// How the clocks of a machine differ from the world's.
#[derive(Clone, Copy, Debug)]
struct Setting {
    /// A moment of the world's time.
    from: BootTime,
    /// What the boot clock showed then.
    boot: BootTime,
    /// By how much it is too fast, in parts of a million.
    drift_ppm: i32,
    /// By how much the wall clock is ahead, in ms.
    wall_ahead_ms: i64,
}

/// The clocks of one machine.
#[derive(Debug)]
pub struct LocalClock {
    world: Arc<ManualClock>,
    setting: Mutex<Setting>,
}

impl LocalClock {
    /// Clocks that show the world's time.
    pub fn new(world: &Arc<ManualClock>) -> Self {
        let now = world.now().boot;
        let setting = Setting { from: now, boot: now, drift_ppm: 0, wall_ahead_ms: 0 };
        Self { world: Arc::clone(world), setting: Mutex::new(setting) }
    }

    /// The machine has been up for this long.
    pub fn set_uptime(&self, uptime: Span) {
        self.show(BootTime(uptime.0));
    }

    /// The machine is started anew.
    pub fn reboot(&self) {
        self.show(UP);
    }

    /// From now on the boot clock goes too fast by so many parts of a million; too slow, where negative.
    pub fn set_drift(&self, drift_ppm: i32) {
        let shown = self.now().boot;
        self.show(shown);
        self.setting().drift_ppm = drift_ppm;
    }

    /// The wall clock is set, to so much later than it shows; earlier, where negative.
    pub fn step_wall(&self, ahead_ms: i64) {
        self.setting().wall_ahead_ms += ahead_ms;
    }

    /// The first moment of the world's time at which the boot clock shows this.
    pub fn world_time(&self, local: BootTime) -> BootTime {
        let setting = *self.setting();
        let rate = MILLION + i128::from(setting.drift_ppm);
        let passed = i128::from((local - setting.boot).0) * MILLION;
        let passed = (passed + rate - 1).div_euclid(rate);
        setting.from + Span(u64::try_from(passed).unwrap_or(u64::MAX))
    }

    fn show(&self, boot: BootTime) {
        let from = self.world.now().boot;
        let mut setting = self.setting();
        (setting.from, setting.boot) = (from, boot);
    }

    fn setting(&self) -> MutexGuard<'_, Setting> {
        self.setting.lock().expect("nobody panics while holding the setting")
    }
}

impl Clock for LocalClock {
    fn now(&self) -> Now {
        let (world, setting) = (self.world.now(), *self.setting());
        let rate = MILLION + i128::from(setting.drift_ppm);
        let passed = i128::from((world.boot - setting.from).0) * rate / MILLION;
        Now {
            boot: setting.boot + Span(u64::try_from(passed).unwrap_or(u64::MAX)),
            wall: WallTime(world.wall.0.saturating_add_signed(setting.wall_ahead_ms)),
        }
    }
}

#[cfg(test)]
mod tests;
