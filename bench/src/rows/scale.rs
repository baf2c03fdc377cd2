//! Large stores: a thousand waiters in line, two hundred thousand ended reservations. Filled from behind with copies
//! of what the product wrote itself.

use std::process::Stdio;

use bench::Result;
use bench::host::{Kind, Place};
use bench::process::{Running, output, quiet, started, timed};
use bench::resp::{Answer, Client};
use bench::stats::Sample;
use rusqlite::{Connection, params};
use serde_json::Value;

use crate::Bench;
use crate::table::Row;

const WAITERS: usize = 1000;
const ENDED: u64 = 200_000;
const DAYS: u64 = 89;
const TIMES: u32 = 15;

/// One client that does not wait, with and without a line before it: two readings and one decision.
pub(crate) fn queue(bench: &mut Bench) -> Result<Vec<Row>> {
    let sleepers: Vec<Running> = (0..WAITERS)
        .map(|_| Running::start(quiet(bench.host.bare("sleep").arg("600"))))
        .collect::<Result<_>>()?;
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let place = bench.host.fake(kind, 16)?;
        output(bench.host.command(&place).args(["reserve", "-g", "16", "-d", "2h"]))?;
        let none = nonblock(bench, &place)?;
        let template = template(bench, &place)?;
        let pids: Vec<i32> = sleepers.iter().map(Running::pid).collect();
        fill_line(bench, &place, &template, &pids[..WAITERS / 4])?;
        let quarter = nonblock(bench, &place)?;
        fill_line(bench, &place, &template, &pids)?;
        let all = nonblock(bench, &place)?;
        let over =
            |sample: &Sample| -> Sample { sample.values().map(|value| value - none.median()).collect() };
        let (quarter, all) = (over(&quarter), over(&all));
        let growth = all.median() / quarter.median().max(0.1);
        let row = Row::spread("queue: 1,000 waiters, one client, less none", kind.name(), &all);
        rows.push(row.floor(none.median()).target("≤ 10 ms", all.median() <= 10.0));
        let row = Row::one("queue: 1,000 waiters against 250", kind.name(), growth, "×");
        rows.push(row.target("linear (≤ 5 ×)", growth <= 5.0 || all.median() <= 10.0));
    }
    Ok(rows)
}

fn nonblock(bench: &Bench, place: &Place) -> Result<Sample> {
    let mut sample = Sample::default();
    for _ in 0..TIMES {
        let (millis, status) = timed(bench.host.command(place).args(["--nonblock", "--", "true"]))?;
        if status.code() != Some(75) {
            return Err(format!("expected 75, got {status}").into());
        }
        sample.push(millis);
    }
    Ok(sample)
}

/// The record of somebody who really waited.
fn template(bench: &Bench, place: &Place) -> Result<Value> {
    let mut command = bench.host.command(place);
    let mut waiter =
        Running::start(command.args(["--", "true"]).stdout(Stdio::null()).stderr(Stdio::piped()))?;
    let _said = waiter.said("waiting")?;
    let text = match place.kind {
        Kind::Sqlite => database(place)?.query_row(
            "SELECT value FROM records WHERE key LIKE 'queue:entry:%'",
            [],
            |row| Ok(String::from_utf8_lossy(row.get_ref(0)?.as_bytes()?).into_owned()),
        )?,
        Kind::Redis => {
            let mut client = client(bench, place)?;
            let ids = client.ask(&["ZRANGE", "canhazgpu:queue", "0", "-1"])?.texts();
            let id = ids.first().ok_or("nobody is in line")?;
            let entry = client.ask(&["GET", &format!("canhazgpu:queue:entry:{id}")])?;
            entry.texts().pop().ok_or("the waiter has no entry")?
        }
    };
    Ok(serde_json::from_str(&text)?)
}

fn fill_line(bench: &Bench, place: &Place, template: &Value, pids: &[i32]) -> Result<()> {
    let entries: Vec<(String, i64, String)> = pids
        .iter()
        .zip(0..)
        .map(|(pid, number)| {
            let mut entry = template.clone();
            let id = format!("waiter{number:010}");
            entry["id"] = id.clone().into();
            let client = &mut entry["client"];
            client["pid"] = (*pid).into();
            let start = client
                .as_object_mut()
                .and_then(|client| client.iter_mut().find(|(name, _)| name.starts_with("start")))
                .ok_or("the waiter's identity has no start")?;
            *start.1 = started(*pid).ok_or("a sleeper is gone")?.into();
            Ok((id, 1_700_000_000_000_000_000 + number, entry.to_string()))
        })
        .collect::<Result<_>>()?;
    match place.kind {
        Kind::Sqlite => {
            let mut database = database(place)?;
            let transaction = database.transaction()?;
            for (id, at, entry) in &entries {
                let key = format!("queue:entry:{id}");
                transaction.execute(
                    "INSERT OR REPLACE INTO records VALUES (?, ?)",
                    params![key, entry.as_bytes()],
                )?;
                transaction.execute("INSERT OR REPLACE INTO queue VALUES (?, ?)", params![id, at])?;
            }
            Ok(transaction.commit()?)
        }
        Kind::Redis => {
            let commands: Vec<Vec<String>> = entries
                .into_iter()
                .flat_map(|(id, at, entry)| {
                    let key = format!("canhazgpu:queue:entry:{id}");
                    [
                        vec!["ZADD".into(), "canhazgpu:queue".into(), at.to_string(), id],
                        vec!["SET".into(), key, entry],
                    ]
                })
                .collect();
            client(bench, place)?.tell_all(&commands)
        }
    }
}

/// `chg report` over ninety days.
pub(crate) fn report(bench: &mut Bench) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for kind in Kind::BOTH {
        let place = bench.host.fake(kind, 8)?;
        output(bench.host.command(&place).args(["--", "true"]))?;
        fill_history(bench, &place)?;
        let mut sample = Sample::default();
        for _ in 0..3 {
            let (millis, status) = timed(bench.host.command(&place).args(["report", "--days", "90"]))?;
            if !status.success() {
                return Err(format!("report: {status}").into());
            }
            sample.push(millis);
        }
        let row = Row::spread("report: 200,000 ended, 90 days", kind.name(), &sample);
        rows.push(row.target("≤ 1 s", sample.median() <= 1000.0));
    }
    Ok(rows)
}

/// The one reservation that ended, again and again: by fifty accounts, each some seconds before the other.
fn fill_history(bench: &Bench, place: &Place) -> Result<()> {
    let line = match place.kind {
        Kind::Sqlite => database(place)?.query_row("SELECT value FROM history", [], |row| row.get(0))?,
        Kind::Redis => {
            let lines =
                client(bench, place)?.ask(&["ZRANGE", "canhazgpu:usage_history_sorted", "0", "-1"])?;
            lines.texts().pop().ok_or("no history")?
        }
    };
    let template: Value = serde_json::from_str(&line)?;
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH)?.as_secs();
    let lines = (0..ENDED).map(|number| {
        let end = now - number * DAYS * 86_400 / ENDED - 1;
        let mut line = template.clone();
        line["id"] = format!("{number:016x}").into();
        line["gpu_id"] = (number % 8).into();
        line["uid"] = (20_000 + number % 50).into();
        line["user"] = format!("user{}", number % 50).into();
        line["actual_user"] = line["user"].clone();
        line["start_time"] = rfc3339(end - 60).into();
        line["end_time"] = rfc3339(end).into();
        line["duration_seconds"] = 60.0.into();
        (end, format!("{number:016x}"), line.to_string())
    });
    match place.kind {
        Kind::Sqlite => {
            let mut database = database(place)?;
            let transaction = database.transaction()?;
            {
                let mut insert = transaction.prepare("INSERT INTO history VALUES (?, ?, ?)")?;
                for (end, id, line) in lines {
                    insert.execute(params![i64::try_from(end)? * 1_000_000_000, id, line])?;
                }
            }
            Ok(transaction.commit()?)
        }
        Kind::Redis => {
            let commands: Vec<Vec<String>> = lines
                .map(|(end, _, line)| {
                    vec!["ZADD".into(), "canhazgpu:usage_history_sorted".into(), end.to_string(), line]
                })
                .collect();
            client(bench, place)?.tell_all(&commands)
        }
    }
}

/// Seconds since 1970 as a date (days to civil after Howard Hinnant).
fn rfc3339(seconds: u64) -> String {
    let (days, rest) = (seconds / 86_400 + 719_468, seconds % 86_400);
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year + year / 4 - year / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year + era * 400 + u64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", rest / 3600, rest / 60 % 60, rest % 60)
}

fn database(place: &Place) -> Result<Connection> {
    let files = std::fs::read_dir(&place.directory)?.flatten().map(|entry| entry.path());
    let file =
        files.into_iter().find(|path| path.extension().is_some_and(|kind| kind == "db" || kind == "sqlite"));
    Ok(Connection::open(file.ok_or("no database in the store's directory")?)?)
}

fn client(bench: &Bench, place: &Place) -> Result<Client> {
    let mut client = Client::connect(&bench.host.socket())?;
    match client.ask(&["SELECT", &place.number.to_string()])? {
        Answer::Text(_) => Ok(client),
        other => Err(format!("SELECT: {other:?}").into()),
    }
}

#[cfg(test)]
mod tests {
    use super::rfc3339;

    #[test]
    fn dates_are_as_date_says() {
        assert_eq!(rfc3339(0), "1970-01-01T00:00:00Z");
        assert_eq!(rfc3339(1_709_164_800), "2024-02-29T00:00:00Z");
        assert_eq!(rfc3339(1_795_464_061), "2026-11-23T20:01:01Z");
    }
}
