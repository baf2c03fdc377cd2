//! `chg man`: the manual pages that are built into the program.

use std::fs;
use std::path::Path;

use crate::cli::{ManArgs, UsageError, manual};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Line, Out};

/// Prints a page, or writes them all.
pub(crate) fn man(args: &ManArgs, out: &Out) -> Result<Exit, Error> {
    match &args.dir {
        Some(directory) => write_all(directory, out)?,
        None => {
            let source = manual::page(args.page.as_deref()).ok_or_else(|| unknown(args.page.as_deref()))?;
            out.print_text(source)?;
        }
    }
    Ok(Exit::Done)
}

fn write_all(directory: &Path, out: &Out) -> Result<(), Error> {
    let cannot = |path: &Path, cause: std::io::Error| Error::Failed {
        message: format!("cannot write {}: {cause}", path.display()),
        hint: None,
    };
    fs::create_dir_all(directory).map_err(|cause| cannot(directory, cause))?;
    for (name, source) in manual::PAGES {
        let file = directory.join(name);
        fs::write(&file, source).map_err(|cause| cannot(&file, cause))?;
        out.print(&[Line::from(format!("Wrote {}", file.display()))])?;
    }
    Ok(())
}

fn unknown(page: Option<&str>) -> Error {
    UsageError::new(format!("there is no page '{}'", page.unwrap_or_default()))
        .with_hint("there are canhazgpu, config, shims, and one for each verb")
        .into()
}
