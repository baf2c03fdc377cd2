//! A supervisor whose command just sleeps: how large it is, how often it wakes.

use std::time::{Duration, Instant};

use bench::Result;
use bench::host::Kind;
use bench::process::{Running, children_of, figure, naps, quiet, wait_until};

use crate::Bench;
use crate::table::Row;

/// How long wake-ups are counted at least.
const WATCHED: Duration = Duration::from_secs(65);
/// Until the first beats are over.
const SETTLED: Duration = Duration::from_secs(2);

/// Supervisors that rest while other things are measured.
pub(crate) struct Resting {
    since: Instant,
    all: Vec<One>,
}

struct One {
    kind: Kind,
    supervisor: Running,
    naps: u64,
}

pub(crate) fn begin(bench: &mut Bench) -> Result<Resting> {
    let mut all = Vec::new();
    for kind in Kind::BOTH {
        let place = bench.host.fake(kind, 8)?;
        let supervisor = Running::start(quiet(bench.host.command(&place).args(["--", "sleep", "3600"])))?;
        wait_until("the command runs", || !children_of(supervisor.pid()).is_empty())?;
        all.push(One { kind, supervisor, naps: 0 });
    }
    std::thread::sleep(SETTLED);
    all.iter_mut().for_each(|one| one.naps = naps(one.supervisor.pid()));
    Ok(Resting { since: Instant::now(), all })
}

impl Resting {
    pub(crate) fn end(self) -> Result<Vec<Row>> {
        std::thread::sleep(WATCHED.saturating_sub(self.since.elapsed()));
        let minutes = self.since.elapsed().as_secs_f64() / 60.0;
        let mut rows = Vec::new();
        for One { kind, supervisor, naps: before } in self.all {
            let (pid, on) = (supervisor.pid(), kind.name());
            let megabytes = |pid, name| -> Result<f64> {
                Ok(figure(pid, "smaps_rollup", name).ok_or("smaps_rollup cannot be read")? as f64 / 1024.0)
            };
            let child = *children_of(pid).first().ok_or("the command is gone")?;
            let pss = megabytes(pid, "Pss")?;
            let row =
                Row::one("at rest: PSS of the supervisor", on, pss, "MB").floor(megabytes(child, "Pss")?);
            rows.push(row.target("≤ 3.5 MB", pss <= 3.5));
            let row = Row::one("at rest: RSS of the supervisor", on, megabytes(pid, "Rss")?, "MB");
            rows.push(row.floor(megabytes(child, "Rss")?));
            let threads = figure(pid, "status", "Threads").ok_or("status cannot be read")? as f64;
            rows.push(Row::one("at rest: threads", on, threads, "").target("≤ 2", threads <= 2.0));
            let rate = (naps(pid) - before) as f64 / minutes;
            let most = if kind == Kind::Sqlite { 4.0 } else { 10.0 };
            let row = Row::one("at rest: wake-ups a minute", on, rate, "");
            rows.push(row.target(format!("≤ {most}"), rate <= most));
        }
        Ok(rows)
    }
}
