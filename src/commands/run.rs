//! `chg run`: reserve, supervise, release. Joins the rooms; decides nothing itself.

use std::ffi::OsString;
use std::time::Duration;

use super::claim::{self, Claimed, Grant};
use super::context::Context;
use super::environment;
use super::lease;
use super::nesting::{self, Place};
use super::program::Program;
use super::signals::Signals;
use crate::config::{Nesting, RunOptions};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::request::Request;
use crate::model::reservation::Kind;
