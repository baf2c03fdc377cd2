//! A store of its own for one test, and what a test does with it.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::OptionalExtension;
use tempfile::TempDir;

use crate::model::device::Provider;
use crate::model::identity::{Here, Identity};
use crate::model::ids::{GpuIndex, GpuUuid, LeaseId, Megabytes, Pid, Timestamp, Uid};
use crate::model::pool::{Pool, Slot, SlotState};
use crate::model::request::{Actor, Authority, Demand, InUse};
use crate::model::reservation::{Author, Ended, Ending, Holder, Kind, Past, Reservation, UntilExit};
use crate::model::seen::Seen;
use crate::model::verb::Outcome;
use crate::model::waiter::Waiter;
use crate::store::interrupt::Interrupt;
use crate::store::open::Options;
use crate::store::redis::{Limits, Link, RedisStore};
use crate::store::session::Session;
use crate::store::sqlite::{Access, Missing, SqliteStore};
use crate::store::transaction::{self, Backend, Decide};
use crate::store::url::StoreUrl;
use crate::store::{Applied, Confirmation, Snapshot, Store, StoreError, Witness};

/// A fresh store, gone with the test.
pub(super) struct Scene {
    pub(super) url: StoreUrl,
    pub(super) server: Option<Server>,
    place: TempDir,
}

impl Scene {
    pub(super) fn sqlite() -> Self {
        let place = open_place();
        let url = StoreUrl::Sqlite(place.path().join("store"));
        Self { url, server: None, place }
    }

    /// `None` where no redis-server is installed.
    pub(super) fn redis() -> Option<Self> {
        let place = open_place();
        let server = Server::start(place.path(), &[])?;
        let url = StoreUrl::parse(&format!("redis+unix://{}?db=0", server.socket.display())).unwrap();
        Some(Self { url, server: Some(server), place })
    }

    pub(super) fn path(&self) -> &Path {
        self.place.path()
    }

    pub(super) fn client(&self) -> Client {
        Client::of(&self.url)
    }

    /// A client of a pool with this many GPUs.
    pub(super) fn pool_of(&self, gpus: u32) -> Client {
        let mut client = self.client();
        client.change(|pool| make_pool(pool, gpus));
        client
    }
}

/// The bytes of a record, around the store.
impl Scene {
    fn database(&self) -> Option<rusqlite::Connection> {
        let StoreUrl::Sqlite(directory) = &self.url else { return None };
        Some(rusqlite::Connection::open(directory.join("pool.db")).unwrap())
    }

    /// A command straight to the server.
    pub(super) fn redis_says(&self, command: &[&str]) -> redis::Value {
        let StoreUrl::Redis(url) = &self.url else { panic!("not on Redis") };
        let mut link =
            Link::connect(&url.server, Limits::of(&Options::default()), Interrupt::default()).unwrap();
        let mut packed = redis::Cmd::new();
        for part in command {
            packed.arg(*part);
        }
        link.exchange(&[packed]).unwrap().remove(0)
    }

    /// Somebody says this to the server when a change of this client's has been decided for the first time, and is not
    /// committed yet: it must be a race that is lost, and decided again.
    pub(super) fn disturbs(&self, client: &mut Client, command: &[&str]) {
        let witness = &mut Blind::default();
        let mut first = true;
        let done = client.try_change(None, witness, &mut |pool, _, _| {
            if std::mem::take(&mut first) {
                self.redis_says(command);
            }
            hold(pool, reservation("a", &[0]));
            Outcome::Done
        });
        done.unwrap();
        assert_eq!((witness.confirmed.get(), witness.retracted.get()), (2, 1), "{command:?}");
    }

    pub(super) fn poke(&self, key: &str, value: &str) {
        match self.database() {
            Some(database) => {
                let put = "INSERT OR REPLACE INTO records VALUES (?, CAST(? AS BLOB))";
                database.execute(put, [key, value]).unwrap();
            }
            None => {
                let done = self.redis_says(&["SET", &format!("canhazgpu:{key}"), value]);
                assert_eq!(done, redis::Value::Okay);
            }
        }
    }

    /// Puts an id into the queue, whatever its entry says.
    pub(super) fn poke_queue(&self, id: &str, score: i64) {
        match self.database() {
            Some(database) => {
                database.execute("INSERT INTO queue VALUES (?, ?)", rusqlite::params![id, score]).unwrap();
            }
            None => {
                let done = self.redis_says(&["ZADD", "canhazgpu:queue", &score.to_string(), id]);
                assert_eq!(done, redis::Value::Int(1));
            }
        }
    }

    pub(super) fn peek(&self, key: &str) -> Option<String> {
        match self.database() {
            Some(database) => {
                let get = "SELECT CAST(value AS TEXT) FROM records WHERE key = ?";
                database.query_row(get, [key], |row| row.get(0)).optional().unwrap()
            }
            None => match self.redis_says(&["GET", &format!("canhazgpu:{key}")]) {
                redis::Value::BulkString(bytes) => Some(String::from_utf8(bytes).unwrap()),
                _ => None,
            },
        }
    }
}

/// A directory that every user may enter.
fn open_place() -> TempDir {
    let place = tempfile::tempdir_in(fakenvml::ground()).unwrap();
    std::fs::set_permissions(place.path(), PermissionsExt::from_mode(0o755)).unwrap();
    place
}

/// A Redis server of the test's own, on a unix socket.
pub(super) struct Server {
    child: Child,
    pub(super) socket: std::path::PathBuf,
}

impl Server {
    pub(super) fn start(directory: &Path, more: &[&str]) -> Option<Self> {
        let socket = directory.join("redis.sock");
        let started = Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocketperm", "777"])
            .arg("--unixsocket")
            .arg(&socket)
            .arg("--dir")
            .arg(directory)
            .args(more)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let Ok(child) = started else {
            skip("redis-server cannot be started");
            return None;
        };
        let server = Self { child, socket };
        wait_until("redis-server listens", || {
            std::os::unix::net::UnixStream::connect(&server.socket).is_ok()
        });
        Some(server)
    }

    pub(super) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Says that something could not be tried here.
pub(super) fn skip(why: &str) {
    let _ = writeln!(std::io::stderr(), "SKIP: {why}");
}

/// Waits for a condition, and fails when it does not come true in time.
pub(super) fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let until = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < until, "waited in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// One client of a store, whose verbs are closures over the pool.
pub(super) struct Client {
    pub(super) backend: Box<dyn Backend + Send>,
}

impl Client {
    pub(super) fn of(url: &StoreUrl) -> Self {
        Self::with(url, &Options::default())
    }

    pub(super) fn with(url: &StoreUrl, options: &Options) -> Self {
        let session = Session::new(url.to_string(), options.patience).unwrap();
        let missing = Missing::Make(Access::Everybody);
        let backend: Box<dyn Backend + Send> = match url {
            StoreUrl::Sqlite(directory) => Box::new(SqliteStore::new(directory, missing, session)),
            StoreUrl::Redis(redis) => Box::new(RedisStore::new(redis.clone(), options, session)),
        };
        Self { backend }
    }

    pub(super) fn try_change(
        &mut self,
        named: Option<&str>,
        witness: &mut dyn Witness,
        decide: &mut Decide<'_>,
    ) -> Result<Applied, StoreError> {
        let named = named.map(LeaseId::from);
        transaction::transact(self.backend.as_mut(), named.as_ref(), Uid(1000), witness, decide)
    }

    /// Changes the pool, with nothing to observe.
    pub(super) fn change(&mut self, mut edit: impl FnMut(&mut Pool)) -> Applied {
        self.try_change(None, &mut Blind::default(), &mut |pool, _, _| {
            edit(pool);
            Outcome::Done
        })
        .unwrap()
    }

    pub(super) fn try_look(&mut self) -> Result<Snapshot, StoreError> {
        transaction::look(self.backend.as_mut())
    }

    pub(super) fn look(&mut self) -> Pool {
        self.try_look().unwrap().pool
    }

    pub(super) fn history(&mut self) -> Vec<Ended> {
        let mut all = Vec::new();
        let everything = Timestamp(0)..Timestamp(i64::MAX);
        self.backend.history(everything, &mut |ended| all.push(ended)).unwrap();
        all
    }
}

/// A witness of nothing, that counts what it is asked.
#[derive(Default)]
pub(super) struct Blind {
    pub(super) confirmed: Cell<u32>,
    pub(super) retracted: Cell<u32>,
}

/// Hands an empty observation over.
pub(super) fn observe_nothing(decide: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome {
    let here = Here { boot: "boot".into(), pid_namespace: 1, network_namespace: 1 };
    let (owners, seats) = (BTreeMap::new(), BTreeMap::new());
    decide(&Seen {
        here: &here,
        gpus: &[],
        owners: &owners,
        seats: &&seats,
        life: &|_| crate::model::identity::Life::Alive,
        threshold: Megabytes(1024),
    })
}

impl Witness for Blind {
    fn observe(&mut self, _: &Pool, decide: &mut dyn FnMut(&Seen<'_>) -> Outcome) -> Outcome {
        observe_nothing(decide)
    }

    fn confirm(&mut self, _: &mut Pool, _: &mut Outcome) -> Confirmation {
        self.confirmed.set(self.confirmed.get() + 1);
        Confirmation::Commit
    }

    fn retract(&mut self) {
        self.retracted.set(self.retracted.get() + 1);
    }
}

pub(super) fn uuid(index: u32) -> GpuUuid {
    GpuUuid(format!("GPU-{index}"))
}

pub(super) fn make_pool(pool: &mut Pool, gpus: u32) {
    pool.provider = Some(Provider::Fake);
    let slot =
        |index| Slot { uuid: Some(uuid(index)), state: SlotState::Free { last_released: None, past: None } };
    pool.slots = (0..gpus).map(|index| (GpuIndex(index), slot(index))).collect();
}

/// A reservation with every field set.
pub(crate) fn reservation(id: &str, gpus: &[u32]) -> Reservation {
    let process = |pid| Identity { boot: "b0-0t".into(), namespace: 4_026_531_836, pid: Pid(pid), start: 77 };
    Reservation {
        id: id.into(),
        gpus: gpus.iter().copied().map(GpuIndex).collect(),
        holder: Holder {
            uid: Some(Uid(1000)),
            account: "alice".into(),
            login: Some("alice-l".into()),
            label: Some("Alice L.".into()),
        },
        kind: Kind::Run,
        author: Author::Ours,
        started: Timestamp(1_795_445_461_123_456_789),
        heartbeat: Timestamp(1_795_445_462_000_000_001),
        expiry: None,
        note: Some("llama ablation".into()),
        command: vec!["python3".into(), "train \"it\".py".into()],
        launcher: Some(process(100)),
        child: Some(process(101)),
        network_namespace: Some(4_026_531_840),
        adopted: vec![process(7)],
        until_exit: UntilExit::Yes,
    }
}

/// Gives GPUs to a reservation.
pub(super) fn hold(pool: &mut Pool, held: Reservation) {
    for index in &held.gpus {
        pool.slots.get_mut(index).unwrap().state = SlotState::Held(held.id.clone());
    }
    pool.reservations.insert(held.id.clone(), held);
}

/// Ends a reservation.
pub(super) fn end(pool: &mut Pool, id: &str, at: Timestamp) {
    let held = pool.reservations.remove(&LeaseId::from(id)).unwrap();
    for index in &held.gpus {
        let past =
            Past { id: held.id.clone(), holder: held.holder.clone(), started: held.started, ended: at };
        pool.slots.get_mut(index).unwrap().state =
            SlotState::Free { last_released: Some(at), past: Some(past) };
    }
    pool.ended.push(Ended { reservation: held, at, how: Ending::Exited { status: 3 } });
}

/// Somebody in line since `at`.
pub(super) fn waiter(id: &str, at: i64) -> Waiter {
    let held = reservation(id, &[]);
    Waiter {
        id: held.id,
        holder: held.holder,
        demand: Demand::Exactly(vec![GpuIndex(0)]),
        in_use: InUse::Avoid,
        share: std::num::NonZeroU32::new(4),
        kind: Kind::Manual,
        lasts: Some(Duration::from_secs(3600)),
        note: held.note,
        enqueued: Timestamp(at),
        looked: Timestamp(at + 5),
        give_up: Some(Timestamp(at + 1_000_000_007)),
        client: held.launcher,
        author: Author::Ours,
        allocated: Vec::new(),
    }
}

/// The real thing as callers get it, for what goes through [`Store`].
pub(super) fn open(url: &StoreUrl) -> Box<dyn Store> {
    let options = Options { missing: Missing::Make(Access::Everybody), ..Options::default() };
    crate::store::open(url, &options).unwrap()
}

pub(super) fn nobody() -> Actor {
    Actor { uid: Uid(1000), holder: reservation("", &[]).holder, authority: Authority::Own }
}
