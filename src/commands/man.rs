//! `chg man`: shows a manual page, or writes them all into a directory.

use std::fs::{self, File};
use std::io::{self, Seek, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use nix::sys::memfd::{MFdFlags, memfd_create};

use crate::cli::manual::{PAGES, names, page};
use crate::cli::{ManArgs, UsageError};
use crate::error::Error;
use crate::exit::Exit;
use crate::output::{Line, Out};

/// Shows the page to a person through man(1), where there is one; otherwise prints its source.
pub(crate) fn man(args: &ManArgs, out: &Out) -> Result<Exit, Error> {
    if let Some(directory) = &args.dir {
        return write_all(directory, out);
    }
    let source = page(args.page.as_deref()).ok_or_else(|| unknown(args.page.as_deref()))?;
    if out.stdout_is_terminal() {
        // Comes back only where man(1) cannot be started: the source has to do then.
        let _ = become_man(source);
    }
    out.print_text(source)?;
    Ok(Exit::Done)
}

fn unknown(name: Option<&str>) -> UsageError {
    let names: Vec<_> = names().collect();
    UsageError::new(format!("there is no page '{}'", name.unwrap_or_default()))
        .with_hint(format!("there are {}", names.join(", ")))
}

/// In place of this program, so that keys and signals of the terminal are the pager's alone.
fn become_man(source: &str) -> io::Result<()> {
    let mut file = File::from(memfd_create(c"page", MFdFlags::MFD_CLOEXEC)?);
    file.write_all(source.as_bytes())?;
    file.rewind()?;
    Err(Command::new("man").args(["-l", "-"]).stdin(file).exec())
}

fn write_all(directory: &Path, out: &Out) -> Result<Exit, Error> {
    let failed = |path: &Path, cause: &io::Error| Error::Failed {
        message: format!("cannot write {}: {cause}", path.display()),
        hint: None,
    };
    fs::create_dir_all(directory).map_err(|cause| failed(directory, &cause))?;
    for (file, source) in PAGES {
        let path = directory.join(file);
        fs::write(&path, source).map_err(|cause| failed(&path, &cause))?;
    }
    out.print(&[Line::from(format!("Wrote {} pages into {}", PAGES.len(), directory.display()))])?;
    Ok(Exit::Done)
}
