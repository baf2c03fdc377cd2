//! `chg admin --group`: makes the store of this machine for the members of a group alone.

use std::path::{Path, PathBuf};

use nix::unistd::Group;

use super::open::{Needs, open_at, store_options};
use crate::config::Config;
use crate::error::{Error, While};
use crate::output::{Line, Out};
use crate::store::{self, Access, FALLBACK, Missing, Options, SYSTEM, StoreUrl};

/// Makes the named store, or this machine's.
///
/// # Errors
/// It is there already; it is no directory; somebody holds GPUs in the store that the machine has had so far.
pub(super) fn found(config: &Config, out: &Out, group: &str) -> Result<(), Error> {
    let gid = gid_of(group)?;
    let url = match config.store() {
        Some(set) => StoreUrl::parse(&set.value)?,
        None => {
            leave_fallback(config, out)?;
            StoreUrl::Sqlite(PathBuf::from(SYSTEM))
        }
    };
    let StoreUrl::Sqlite(directory) = &url else {
        return Err(failed("a Redis server has accounts of its own; --group is for a store in a directory"));
    };
    if directory.exists() {
        return Err(failed(&format!("the store {} is there already", directory.display())));
    }
    let options = Options { missing: Missing::Make(Access::Group(gid)), ..store_options(config) };
    // The first look makes it.
    store::open(&url, &options)?.snapshot()?;
    out.print(&[Line::from(format!("Made {} for the group {group}", directory.display()))])?;
    Ok(())
}

fn gid_of(name: &str) -> Result<u32, Error> {
    match Group::from_name(name).doing("looking the group up")? {
        Some(group) => Ok(group.gid.as_raw()),
        None => Err(failed(&format!("there is no group '{name}'"))),
    }
}

/// GPUs that are held there would be given out a second time.
fn leave_fallback(config: &Config, out: &Out) -> Result<(), Error> {
    if !Path::new(FALLBACK).exists() {
        return Ok(());
    }
    let url = StoreUrl::Sqlite(PathBuf::from(FALLBACK));
    let fallback = store::open(&url, &Options { missing: Missing::Fail, ..store_options(config) })?;
    let mut ctx = open_at(config, out, fallback, None, Needs::OwnRight)?;
    Ok(store::may_make_system(&ctx.swept_snapshot()?.pool)?)
}

fn failed(message: &str) -> Error {
    Error::Failed { message: message.to_owned(), hint: None }
}
