//! Names of accounts, by the kernel's numbers and the system's databases: never by what $USER says.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use nix::unistd::getuid;

use crate::model::ids::Uid;
use crate::sys::account;

use super::cgroup::Place;
use super::identity::own_pid;
use super::owners::login_uid;
use super::proc_dir::Proc;

/// Account names, each asked for once: the answer may come from a directory server.
#[derive(Debug, Default)]
pub(crate) struct Accounts {
    names: Mutex<BTreeMap<Uid, Option<String>>>,
}

impl Accounts {
    /// The name of the account, if it has one.
    pub(crate) fn name_of(&self, uid: Uid) -> Option<String> {
        let mut names = self.names.lock().unwrap_or_else(PoisonError::into_inner);
        names.entry(uid).or_insert_with(|| account::name_of(uid.0)).clone()
    }

    /// The name as shown: `uid 23001` for an account without one.
    pub(crate) fn shown(&self, uid: Uid) -> String {
        self.name_of(uid).unwrap_or_else(|| format!("uid {uid}"))
    }

    /// The account with this name.
    pub(crate) fn uid_of(&self, name: &str) -> Option<Uid> {
        account::uid_of(name).map(Uid)
    }
}

/// Who runs this program.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    /// The real uid.
    pub(crate) uid: Uid,
    /// Its name as shown.
    pub(crate) account: String,
    /// Who logged in, as shown, where it is another account (sudo, su).
    pub(crate) login: Option<String>,
}

pub(crate) fn caller(accounts: &Accounts) -> Caller {
    let uid = Uid(getuid().as_raw());
    let own = Proc::here().open(own_pid());
    let login = own.ok().and_then(|own| {
        let place = own.read("cgroup").map(|text| Place::parse(&text)).unwrap_or_default();
        login_uid(&own, &place)
    });
    let another = login.filter(|login| *login != uid);
    Caller { uid, account: accounts.shown(uid), login: another.map(|login| accounts.shown(login)) }
}
