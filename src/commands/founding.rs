//! `chg admin --everybody` and `--group`: makes the store of this machine, for all or for the members of a group.

use std::path::{Path, PathBuf};

use nix::unistd::Group;

use super::open::{Needs, open_at, store_options};
use crate::cli::AdminArgs;
use crate::config::Config;
use crate::error::{Error, While};
use crate::output::{Line, Out};
use crate::store::{self, Access, FALLBACK, Missing, Options, SYSTEM, StoreUrl};

/// Makes the named store, or this machine's, if that was asked for. Says whether it was.
///
/// # Errors
/// It is there already; it is no directory; somebody holds GPUs in the store that the machine has had so far.
pub(super) fn found(config: &Config, out: &Out, args: &AdminArgs) -> Result<bool, Error> {
    let (access, whom) = match &args.group {
        Some(group) => (Access::Group(gid_of(group)?), format!("the group {group}")),
        None if args.everybody => (Access::Everybody, "everybody".to_owned()),
        None => return Ok(false),
    };
    let url = match config.store() {
        Some(set) => StoreUrl::parse(&set.value)?,
        None => StoreUrl::Sqlite(PathBuf::from(SYSTEM)),
    };
    let StoreUrl::Sqlite(directory) = &url else {
        return Err(failed(
            "a Redis server is no directory that could be made; name one, such as --store sqlite:/var/lib/canhazgpu",
        ));
    };
    // By its name: a link that leads nowhere is there too.
    if directory.symlink_metadata().is_ok() {
        return Err(failed(&format!("the store {} is there already", directory.display())));
    }
    if directory == Path::new(SYSTEM) {
        leave_fallback(config, out)?;
    }
    let options = Options { missing: Missing::Make(access), ..store_options(config) };
    // The first look makes it.
    store::open(&url, &options)?.snapshot()?;
    out.print(&[Line::from(format!("Made {} for {whom}", directory.display()))])?;
    Ok(true)
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
