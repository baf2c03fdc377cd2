//! Gathers what the judgements need: the store and its records, the driver, the machine. Whatever fails becomes a fact.

mod machine;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::unistd::{AccessFlags, eaccess, geteuid};

use super::{Facts, configuration, devices, driver, pools, records, store as judged};
use crate::attribution::{self, Accounts};
use crate::commands::eyes::Eyes;
use crate::commands::open::{Needs, actor, host, optics, store_options};
use crate::config::{Config, ConfigError, Sources, Value};
use crate::error::{Error, While};
use crate::model::device::Provider;
use crate::model::ids::{GpuIndex, GpuUuid};
use crate::model::occupancy;
use crate::model::pool::{Pool, SlotState};
use crate::model::reservation::Holder;
use crate::model::seen::Seat;
use crate::model::verb::Verb;
use crate::store::{
    self, FALLBACK, Facts as _, Files, Rights, SYSTEM, Snapshot, Store, StoreError, StoreUrl,
};

/// Who used the store: that far back.
const RECENTLY: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long a store may be busy before that is what is told of it.
const PATIENCE: Duration = Duration::from_secs(3);

/// # Errors
/// If not even this process can be examined.
pub(super) fn around(config: &Config, mistakes: &[ConfigError], sources: &Sources) -> Result<Facts, Error> {
    let here = attribution::here().doing("reading /proc/self/ns")?;
    let mut eyes = Eyes::new(optics(config), here);
    let (store, opened) = look_at_store(config);
    let none = Pool::default();
    let pool = opened.as_ref().map_or(&none, |opened| &opened.snapshot.pool);
    let driver = look_at_driver(config, pool, &mut eyes);
    let need = match driver {
        driver::Facts::NotNeeded => devices::Need::Simulated,
        driver::Facts::Failed { .. } => devices::Need::DriverFails,
        driver::Facts::Answers(_) => devices::Need::DriverAnswers,
    };
    let seats = eyes.seat_owners(pool);
    let pools = look_for_pools(config, strangers(pool, &seats, &eyes));
    let records = opened.map(|opened| look_at_records(config, opened, &eyes, &seats)).transpose()?;
    Ok(Facts {
        configuration: configuration_of(config, mistakes, sources),
        pools,
        store,
        records,
        driver,
        devices: machine::devices(need),
        processes: machine::processes(),
        shims: machine::shims(config),
    })
}

fn configuration_of(config: &Config, mistakes: &[ConfigError], sources: &Sources) -> configuration::Facts {
    let mistakes = mistakes.iter().map(|mistake| (mistake.to_string(), mistake.hint())).collect();
    configuration::Facts { mistakes, strays: config.stray_variables(), files: sources.files() }
}

/// A store that answered.
struct Opened {
    store: Box<dyn Store>,
    snapshot: Snapshot,
}

/// The store that every other verb would use. Never makes one.
fn look_at_store(config: &Config) -> (judged::Facts, Option<Opened>) {
    let named = config.store();
    let url = match chosen(named.as_ref()) {
        Ok(url) => url,
        Err((why, hint)) => return (judged::Facts::None { why, hint }, None),
    };
    let (state, opened) = match absent(&url) {
        Some(state) => (state, None),
        None => match open(config, &url) {
            Ok((open, opened)) => (judged::State::Open(open), Some(opened)),
            Err(error) => (judged::State::Failed { message: error.to_string(), hint: error.hint() }, None),
        },
    };
    let why = named.map_or(judged::Why::Machine, |set| judged::Why::Named(set.origin));
    (judged::Facts::Chosen { url: url.to_string(), why, state }, opened)
}

fn chosen(named: Option<&Value<String>>) -> Result<StoreUrl, (String, Option<String>)> {
    let named = named.map(|set| StoreUrl::parse(&set.value)).transpose();
    let named = named.map_err(|error| (error.to_string(), error.hint()))?;
    store::choose(named, &host()).map(|chosen| chosen.url).map_err(|refusal| (refusal.to_string(), None))
}

/// An embedded store that its first use has to make.
fn absent(url: &StoreUrl) -> Option<judged::State> {
    let StoreUrl::Sqlite(directory) = url else { return None };
    let files = store::files(directory);
    // Where the caller may not even look, only opening it says what is wrong.
    let is_closed = files.directory.is_some() && eaccess(directory, AccessFlags::X_OK).is_err();
    if files.database.is_some() || is_closed {
        return None;
    }
    let place = if files.directory.is_some() { directory } else { directory.parent()? };
    Some(judged::State::Absent { obstacle: not_writable(place).map(|why| (directory.clone(), why)) })
}

fn not_writable(directory: &Path) -> Option<String> {
    let may = eaccess(directory, AccessFlags::W_OK | AccessFlags::X_OK);
    may.err().map(|errno| format!("{}: {}", directory.display(), errno.desc()))
}

fn open(config: &Config, url: &StoreUrl) -> Result<(judged::Open, Opened), StoreError> {
    let options = store::Options { patience: PATIENCE, ..store_options(config) };
    let mut store = store::open(url, &options)?;
    let snapshot = store.snapshot()?;
    let pool = &snapshot.pool;
    let owner = store.owner()?.map(|uid| Accounts::default().shown(uid));
    let files = match url {
        StoreUrl::Sqlite(directory) => Some((directory.clone(), store::files(directory))),
        StoreUrl::Redis(_) => None,
    };
    let facts = judged::Open {
        pool: pool.provider.map(|provider| (provider, pool.slots.len())),
        users: users(&mut *store, &snapshot).map_err(|error| error.to_string()),
        owner,
        caller: match &files {
            Some((_, Files { directory: Some(found), .. })) if is_ours(found) => judged::Caller::MayChangeIt,
            _ => judged::Caller::Anybody,
        },
        files,
    };
    Ok((facts, Opened { store, snapshot }))
}

fn is_ours(found: &Rights) -> bool {
    let caller = geteuid();
    caller.is_root() || found.owner.0 == caller.as_raw()
}

fn users(store: &mut dyn Store, snapshot: &Snapshot) -> Result<usize, StoreError> {
    let account = |holder: &Holder| holder.uid.map_or_else(|| holder.account.clone(), |uid| uid.to_string());
    let Snapshot { pool, now } = snapshot;
    let holders = pool.reservations.values().map(|held| &held.holder);
    let waiting = pool.waiters.iter().map(|waiter| &waiter.holder);
    let mut found: BTreeSet<String> = holders.chain(waiting).map(account).collect();
    store.history(now.before(RECENTLY)..now.after(Duration::from_nanos(1)), &mut |ended| {
        found.insert(account(&ended.reservation.holder));
    })?;
    Ok(found.len())
}

fn look_at_driver(config: &Config, pool: &Pool, eyes: &mut Eyes) -> driver::Facts {
    let provider = pool.provider.or(config.provider().map(|set| set.value)).unwrap_or(Provider::Nvidia);
    let begun = Instant::now();
    match (eyes.scan(pool), provider) {
        (_, Provider::Fake) => driver::Facts::NotNeeded,
        (Ok(()), Provider::Nvidia) => driver::Facts::Answers(driver::Answers {
            gpus: eyes.gpus().to_vec(),
            nameless: eyes.nameless().to_vec(),
            pool: pool.provider.map(|_| pool.slots.keys().copied().collect()),
            upkeep: eyes.upkeep().clone(),
            took: begun.elapsed(),
        }),
        (Err(error), Provider::Nvidia) => {
            driver::Facts::Failed { message: error.to_string(), hint: error.hint() }
        }
    }
}

fn look_at_records(
    config: &Config,
    opened: Opened,
    eyes: &Eyes,
    seats: &BTreeMap<GpuUuid, Seat>,
) -> Result<records::Facts, Error> {
    let Opened { mut store, snapshot: Snapshot { pool, now } } = opened;
    let actor = actor(config, &mut *store, None, Needs::OwnRight)?;
    let mut swept = pool.clone();
    let occupancies = eyes.with_seen(&pool, seats, |seen| {
        let _ = swept.apply(&actor, &Verb::Sweep, seen, now);
        occupancy::judge(&swept, seen, now)
    });
    Ok(records::Facts { pool, swept, occupancies, gpus: eyes.gpus().to_vec() })
}

/// Seats on GPUs that the pool has not given to anybody.
fn strangers(pool: &Pool, seats: &BTreeMap<GpuUuid, Seat>, eyes: &Eyes) -> Vec<(GpuIndex, Seat)> {
    let slot = |uuid: &GpuUuid| pool.slots.iter().find(|(_, slot)| slot.uuid.as_ref() == Some(uuid));
    let index = |uuid: &GpuUuid| {
        let seen = eyes.gpus().iter().find(|gpu| gpu.device.uuid == *uuid);
        slot(uuid).map(|(index, _)| *index).or_else(|| seen.map(|gpu| gpu.device.index))
    };
    let is_given =
        |uuid: &GpuUuid| slot(uuid).is_some_and(|(_, slot)| matches!(slot.state, SlotState::Held(_)));
    let strange = seats.iter().filter(|(uuid, _)| !is_given(uuid));
    strange.filter_map(|(uuid, seat)| Some((index(uuid)?, seat.clone()))).collect()
}

fn look_for_pools(config: &Config, seats: Vec<(GpuIndex, Seat)>) -> pools::Facts {
    let (named, host) = (config.store(), host());
    let is_made = |directory: &PathBuf| store::files(directory).database.is_some();
    pools::Facts {
        chosen: chosen(named.as_ref()).ok(),
        origin: named.map(|set| set.origin),
        machines: [SYSTEM, FALLBACK].map(PathBuf::from).into_iter().filter(is_made).collect(),
        go_pool: host.go_pool(),
        go_config: host.go_config(),
        seats,
    }
}
