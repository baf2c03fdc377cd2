//! Memory that was needed to start and is not needed to wait.

use std::ffi::{c_int, c_void};

/// Gives back to the kernel what was freed, where the C library can, and the pages of the program's own code and
/// constants: what is used again comes from the page cache.
pub(crate) fn give_back_unused() {
    // SAFETY: malloc_trim may be called at any time, from any thread; it touches only what is free.
    #[cfg(target_env = "gnu")]
    unsafe {
        libc::malloc_trim(0);
    }
    // SAFETY: `let_go` has the type that is wanted, and uses no data.
    unsafe { libc::dl_iterate_phdr(Some(let_go), std::ptr::null_mut()) };
}

/// Lets go of the segments of the first object, which is the program, that nothing is ever written to.
///
/// # Safety
/// `object` is what `dl_iterate_phdr` hands out.
unsafe extern "C" fn let_go(object: *mut libc::dl_phdr_info, _: usize, _: *mut c_void) -> c_int {
    // SAFETY: the C library vouches for the object and for as many headers as it says.
    let (base, headers) = unsafe {
        let object = &*object;
        (object.dlpi_addr as usize, std::slice::from_raw_parts(object.dlpi_phdr, object.dlpi_phnum.into()))
    };
    // SAFETY: sysconf has no preconditions.
    let page = usize::try_from(unsafe { libc::sysconf(libc::_SC_PAGESIZE) }).unwrap_or(4096);
    let unwritten =
        headers.iter().filter(|header| header.p_type == libc::PT_LOAD && header.p_flags & libc::PF_W == 0);
    for header in unwritten {
        let begin = base + header.p_vaddr as usize;
        // Whole pages only: a page at either end may be shared with a segment that was relocated.
        let from = begin.next_multiple_of(page);
        let to = (begin + header.p_memsz as usize) / page * page;
        if from < to {
            // SAFETY: the pages map a file privately and were never written to, so that the kernel reads them again as
            // they are; a file that is executed cannot be written (ETXTBSY).
            unsafe { libc::madvise(from as *mut c_void, to - from, libc::MADV_DONTNEED) };
        }
    }
    // No further object: the libraries belong to everybody.
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resident() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("RssFile:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }

    #[test]
    fn code_is_given_back_and_goes_on_working() {
        let words: Vec<String> = (0..100).map(|number| format!("{number:>5}")).collect();
        let before = resident();
        give_back_unused();
        let after = resident();
        assert!(after < before, "{before} kB, then {after} kB");
        assert_eq!(words, (0..100).map(|number| format!("{number:>5}")).collect::<Vec<_>>());
    }
}
