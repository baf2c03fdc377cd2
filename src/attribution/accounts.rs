//! Names of accounts, by the kernel's numbers and the system's databases: never by what $USER says.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use nix::unistd::{User, getuid};

use crate::model::ids::Uid;

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
        names.entry(uid).or_insert_with(|| look_up(uid)).clone()
    }

    /// The name as shown: `uid 23001` for an account without one.
    pub(crate) fn shown(&self, uid: Uid) -> String {
        self.name_of(uid).unwrap_or_else(|| format!("uid {uid}"))
    }

    /// The account with this name.
    pub(crate) fn uid_of(&self, name: &str) -> Option<Uid> {
        // A name with a zero byte is no name: nix would refuse it with an error, which is the same here.
        User::from_name(name).ok().flatten().map(|user| Uid(user.uid.as_raw()))
    }
}

fn look_up(uid: Uid) -> Option<String> {
    User::from_uid(nix::unistd::Uid::from_raw(uid.0)).ok().flatten().map(|user| user.name)
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
