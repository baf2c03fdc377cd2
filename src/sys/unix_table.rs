//! The kernel's table of unix sockets: which abstract names are taken in this network namespace.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, Read};

/// The table as it is now.
#[derive(Debug)]
pub(crate) struct UnixTable(Vec<u8>);

impl UnixTable {
    /// # Errors
    /// Where /proc has no such file (mounted with subset=pid), or is not mounted.
    pub(crate) fn read() -> io::Result<Self> {
        // Its length cannot be known before; the kernel hands it out by the page.
        let mut table = Vec::with_capacity(64 * 1024);
        File::open("/proc/net/unix")?.read_to_end(&mut table)?;
        Ok(Self(table))
    }

    /// The abstract names that begin like this.
    pub(crate) fn names(&self, prefix: &str) -> BTreeSet<&[u8]> {
        let lines = self.0.split(|&byte| byte == b'\n');
        lines.filter_map(abstract_name).filter(|name| name.starts_with(prefix.as_bytes())).collect()
    }
}

/// The eighth column, with '@' for the leading zero byte.
fn abstract_name(line: &[u8]) -> Option<&[u8]> {
    // Columns may be padded by several blanks; names in files may hold blanks, ours do not.
    let mut columns = line.split(|&byte| byte == b' ').filter(|column| !column.is_empty());
    columns.nth(7)?.strip_prefix(b"@")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_read_whatever_other_names_it_holds() {
        let table = b"Num       RefCount Protocol Flags    Type St Inode Path\n\
            0000000000000000: 00000002 00000000 00010000 0001 01  1234 @canhazgpu/GPU-1\n\
            0000000000000000: 00000002 00000000 00010000 0001 01 12345 /run/with blank @canhazgpu/GPU-2\n\
            0000000000000000: 00000003 00000000 00000000 0001 03 12346\n\
            0000000000000000: 00000002 00000000 00000000 0002 01 12347 @\xff\xfe\n\
            0000000000000000: 00000002 00000000 00000000 0002 01 12348 canhazgpu/GPU-3\n";
        let table = UnixTable(table.to_vec());
        assert_eq!(table.names("canhazgpu/"), BTreeSet::from([&b"canhazgpu/GPU-1"[..]]));
    }
}
