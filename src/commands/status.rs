//! `chg status`: every GPU, what it is used for, and by whom.

use std::collections::BTreeMap;
use std::time::Duration;

use super::context::Context;
use crate::cli::{StatusArgs, StatusLayout};
use crate::error::Error;
use crate::exit::Exit;
use crate::model::occupancy;
use crate::output::status::{self, StatusView};

/// Shows the GPUs in the form that was asked for. A driver without an answer costs the usage, not the reservations.
pub(crate) fn status(ctx: &mut Context, args: &StatusArgs) -> Result<Exit, Error> {
    if let Some(every) = args.watch {
        return watch(ctx, every);
    }
    let (view, trouble) = look(ctx)?;
    match form(args) {
        Form::Json => ctx.out.answer(&status::json(&view))?,
        Form::Summary => ctx.out.show(&status::summary(&view))?,
        Form::Lines => ctx.out.show(&status::lines(&view))?,
        Form::Table => ctx.out.show(&status::table(&view))?,
    }
    trouble.map_or(Ok(Exit::Done), Err)
}
