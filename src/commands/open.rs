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
    open_at(config, out, open_store(config)?, label, needs)
}

/// As [`open`], on a store that is open already.
pub(super) fn open_at<'a>(
    config: &Config,
    out: &'a Out,
    mut store: Box<dyn Store>,
    label: Option<String>,
    needs: Needs,
) -> Result<Context<'a>, Error> {
    let here = attribution::here().doing("reading /proc/self/ns")?;
    let actor = actor(config, &mut *store, label, needs)?;
    let ctx = Context { out, actor, store, eyes: Eyes::new(optics(config), here), damage_told: false };
    ctx.tell_of_numbers();
    Ok(ctx)
}

fn open_store(config: &Config) -> Result<Box<dyn Store>, Error> {
    let named = config.store().map(|set| StoreUrl::parse(&set.value)).transpose()?;
    let chosen = store::choose(named, &host())?;
    let options = store::Options { missing: chosen.missing, ..store_options(config) };
    Ok(store::open(&chosen.url, &options)?)
}

/// This machine, as the choice of a store sees it.
pub(super) fn host() -> Host {
    Host { home: std::env::var_os("HOME").map(PathBuf::from) }
}

/// How the configuration wants the store to be used. A store that is not there is not made.
pub(super) fn store_options(config: &Config) -> store::Options {
    let mut options = store::Options::default();
    if let Some(prefix) = config.redis_prefix() {
        options.prefix = prefix.value;
    }
    options.password_file = config.redis_password_file().map(|set| set.value);
    options
}

/// How the configuration wants GPUs to be asked.
pub(super) fn optics(config: &Config) -> Optics {
    Optics {
        nvml_library: config.nvml_lib().map(|set| PathBuf::from(set.value)),
        deadline: config.scan_deadline(),
        threshold: config.memory_threshold(),
        provider: config.provider().map_or(Provider::Nvidia, |set| set.value),
    }
}

/// Who is calling.
pub(super) fn actor(
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
