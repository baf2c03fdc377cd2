//! When this kernel started, so that a process's start in ticks can be told as a moment.

use nix::time::{ClockId, clock_gettime};
use nix::unistd::{SysconfVar, sysconf};

use crate::model::ids::Timestamp;

/// The moment that start times in /proc count from, and their unit. Read anew for each look: the wall clock is set
/// now and then. /proc/stat's btime would do, but it is cut to seconds and slow to read on hosts with many cores.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Boot {
    at: i64,
    ticks_a_second: i64,
}

impl Boot {
    /// `None` where the kernel keeps no such clock.
    #[expect(clippy::useless_conversion, reason = "long is 32 bits wide on some machines")]
    pub(crate) fn now() -> Option<Self> {
        let wall = nanoseconds(ClockId::CLOCK_REALTIME)?;
        let running = nanoseconds(ClockId::CLOCK_BOOTTIME)?;
        let ticks_a_second = sysconf(SysconfVar::CLK_TCK).ok().flatten().filter(|&ticks| ticks > 0)?;
        Some(Self { at: wall.checked_sub(running)?, ticks_a_second: i64::from(ticks_a_second) })
    }

    /// The moment `ticks` after the boot (field 22 of /proc/PID/stat).
    pub(crate) fn moment(self, ticks: u64) -> Option<Timestamp> {
        let nanos = i64::try_from(ticks).ok()?.checked_mul(1_000_000_000 / self.ticks_a_second)?;
        self.at.checked_add(nanos).map(Timestamp)
    }
}

#[expect(clippy::useless_conversion, reason = "time_t and long are 32 bits wide on some machines")]
fn nanoseconds(clock: ClockId) -> Option<i64> {
    let time = clock_gettime(clock).ok()?;
    i64::from(time.tv_sec()).checked_mul(1_000_000_000)?.checked_add(i64::from(time.tv_nsec()))
}
