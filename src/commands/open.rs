//! Opens a verb's surroundings: which store, who acts, with what right.

use std::path::PathBuf;

use super::context::Context;
use super::eyes::{Eyes, Optics};
use crate::attribution::{self, Accounts};
use crate::config::{Account, Config};
use crate::error::{Error, While};
use crate::model::device::Provider;
use crate::model::ids::Uid;
use crate::model::request::{Actor, Authority};
use crate::model::reservation::Holder;
use crate::output::Out;
use crate::store::{self, Host, Store, StoreUrl};

/// What a verb says of itself before it starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Needs {
    /// Nothing but the caller's own.
    OwnRight,
    /// Whether the caller may touch what is others'.
    FullRight,
}

/// Opens the store and looks who is calling. `label` is what `--user` said.
pub(crate) fn open<'a>(
    config: &Config,
    out: &'a Out,
    label: Option<String>,
    needs: Needs,
) -> Result<Context<'a>, Error> {
    let here = attribution::here().doing("reading /proc/self/ns")?;
    let mut store = open_store(config)?;
    let actor = actor(config, &mut *store, label, needs)?;
    let optics = Optics {
        nvml_library: config.nvml_lib().map(|set| PathBuf::from(set.value)),
        deadline: config.scan_deadline(),
        threshold: config.memory_threshold(),
        provider: config.provider().map_or(Provider::Nvidia, |set| set.value),
    };
    Ok(Context { out, actor, store, eyes: Eyes::new(optics, here) })
}

fn open_store(config: &Config) -> Result<Box<dyn Store>, Error> {
    let named = config.store().map(|set| StoreUrl::parse(&set.value)).transpose()?;
    let host = Host { home: std::env::var_os("HOME").map(PathBuf::from) };
    let chosen = store::choose(named, &host)?;
    let mut options = store::Options { missing: chosen.missing, ..store::Options::default() };
    if let Some(prefix) = config.redis_prefix() {
        options.prefix = prefix.value;
    }
    options.password_file = config.redis_password_file().map(|set| set.value);
    Ok(store::open(&chosen.url, &options)?)
}

fn actor(
    config: &Config,
    store: &mut dyn Store,
    label: Option<String>,
    needs: Needs,
) -> Result<Actor, Error> {
    let caller = attribution::caller(&Accounts::default());
    let uid = caller.uid;
    let authority = match needs {
        Needs::FullRight if is_admin(config, store, uid)? => Authority::Admin,
        Needs::FullRight | Needs::OwnRight => Authority::Own,
    };
    let holder = Holder { uid: Some(uid), account: caller.account, login: caller.login, label };
    Ok(Actor { uid, holder, authority })
}

fn is_admin(config: &Config, store: &mut dyn Store, uid: Uid) -> Result<bool, Error> {
    if uid == Uid::ROOT {
        return Ok(true);
    }
    let accounts = Accounts::default();
    let named = config.admins().into_iter().any(|admin| match admin {
        Account::Uid(admin) => admin == uid,
        Account::Name(name) => accounts.uid_of(&name) == Some(uid),
    });
    Ok(named || store.owner()? == Some(uid))
}
