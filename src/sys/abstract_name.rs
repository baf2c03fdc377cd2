//! Names of abstract unix sockets: unique in a network namespace, gone with their owner, no file, no permission.
//! Pure.

use std::fmt::Write as _;

/// The kernel's room for a name: sun_path without the leading zero byte.
const LONGEST: usize = 107;

/// `prefix` followed by `id`, told apart from every other id and fit for a line of /proc/net/unix: what is not
/// plain there is written as %XX, and an id too long for the kernel is cut and ends in a digest of the whole.
pub(crate) fn of(prefix: &str, id: &str) -> String {
    let mut name = prefix.to_owned();
    for byte in id.bytes() {
        // /proc/net/unix prints zero bytes as '@', and ends names at a newline.
        if byte.is_ascii_graphic() && !matches!(byte, b'%' | b'@' | b'~') {
            name.push(char::from(byte));
        } else {
            write!(name, "%{byte:02X}").unwrap_or_default();
        }
    }
    if name.len() > LONGEST {
        let digest = format!("~{:016x}", digest(id));
        name.truncate(LONGEST - digest.len());
        name.push_str(&digest);
    }
    name
}

/// FNV-1a, 64 bits: every version of the program must find the same name, which the standard library's hashes do
/// not promise.
pub(crate) fn digest(id: &str) -> u64 {
    id.bytes()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn an_ordinary_uuid_stays_as_it_is() {
        assert_eq!(
            of("canhazgpu/", "GPU-8f3c0f2a-6e0d-4d8a-9b7e-0123456789ab"),
            "canhazgpu/GPU-8f3c0f2a-6e0d-4d8a-9b7e-0123456789ab"
        );
    }

    #[test]
    fn odd_and_long_ids_have_names_of_their_own() {
        let long = "x".repeat(300);
        let ids = [
            "",
            "a",
            "a\nb",
            "a\0b",
            "a@b",
            "a%0Ab",
            "ä",
            "a b",
            &long,
            &long[1..],
            &format!("{long}y"),
            "a~b",
        ];
        let names: BTreeSet<String> = ids.iter().map(|id| of("canhazgpu/", id)).collect();
        assert_eq!(names.len(), ids.len(), "{names:?}");
        for name in names {
            assert!(name.len() <= LONGEST && name.bytes().all(|byte| byte.is_ascii_graphic()), "{name}");
        }
    }
}
