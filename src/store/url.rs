//! What people write to name a store, and how it is shown: never with its password.

use std::fmt;
use std::path::{Path, PathBuf};

use redis::{ConnectionAddr, IntoConnectionInfo};

use super::StoreError;

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(pub(crate) String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}

/// Where a store is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum StoreUrl {
    /// The embedded store in this directory.
    Sqlite(PathBuf),
    Redis(RedisUrl),
}

/// A database of a Redis server and the account to use there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RedisUrl {
    pub(crate) server: Server,
    pub(crate) user: Option<String>,
    pub(crate) password: Option<Secret>,
    pub(crate) database: i64,
}

/// How a Redis server is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    Tcp { host: String, port: u16 },
    Tls { host: String, port: u16 },
    Unix(PathBuf),
}

impl StoreUrl {
    /// Reads `sqlite:/directory`, `redis://user:password@host:6379/0`, `rediss://…` or
    /// `redis+unix:///path/to.sock?db=0`.
    ///
    /// # Errors
    /// [`StoreError::BadUrl`], with what is allowed.
    pub(crate) fn parse(text: &str) -> Result<Self, StoreError> {
        let bad = |why: String| StoreError::BadUrl { url: redacted(text), why };
        if let Some(path) = text.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            return sqlite(path).ok_or_else(|| bad("sqlite: takes an absolute directory".to_owned()));
        }
        let known = ["redis://", "rediss://", "redis+unix://"];
        if !known.iter().any(|scheme| text.starts_with(scheme)) {
            return Err(bad(format!("it starts with none of sqlite:, {}", known.join(", "))));
        }
        Self::redis(text).map_err(bad)
    }

    /// A Redis server on TCP without account, as `--redis-host`, `--redis-port` and `--redis-db` name it.
    #[cfg(test)]
    pub(crate) fn redis_at(host: &str, port: u16, database: i64) -> Self {
        let server = Server::Tcp { host: host.to_owned(), port };
        Self::Redis(RedisUrl { server, user: None, password: None, database })
    }

    fn redis(text: &str) -> Result<Self, String> {
        if text.starts_with("rediss://") && cfg!(not(feature = "tls")) {
            return Err("this program was built without TLS".to_owned());
        }
        // The scheme alone tells TLS apart; the rest reads the same.
        let (plain, tls) = match text.strip_prefix("rediss://") {
            Some(rest) => (format!("redis://{rest}"), true),
            None => (text.to_owned(), false),
        };
        if plain.contains('#') {
            return Err("nothing may follow a '#'; in a password it is written %23".to_owned());
        }
        let info = plain.into_connection_info().map_err(|error| error.category().to_owned())?;
        let server = match info.addr() {
            ConnectionAddr::Tcp(host, port) if tls => Server::Tls { host: host.clone(), port: *port },
            ConnectionAddr::Tcp(host, port) => Server::Tcp { host: host.clone(), port: *port },
            ConnectionAddr::Unix(path) => Server::Unix(path.clone()),
            _ => return Err("no such way to a server".to_owned()),
        };
        let settings = info.redis_settings();
        Ok(Self::Redis(RedisUrl {
            server,
            user: settings.username().map(str::to_owned),
            password: settings.password().map(|password| Secret(password.to_owned())),
            database: settings.db(),
        }))
    }
}

fn sqlite(path: &str) -> Option<StoreUrl> {
    let path = Path::new(path);
    path.is_absolute().then(|| StoreUrl::Sqlite(path.components().collect()))
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(directory) => write!(f, "sqlite:{}", directory.display()),
            Self::Redis(redis) => redis.fmt(f),
        }
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let user = self.user.as_deref().map(|user| format!("{user}@")).unwrap_or_default();
        let database = self.database;
        match &self.server {
            Server::Tcp { host, port } => write!(f, "redis://{user}{}:{port}/{database}", bracketed(host)),
            Server::Tls { host, port } => write!(f, "rediss://{user}{}:{port}/{database}", bracketed(host)),
            Server::Unix(path) => write!(f, "redis+unix://{}?db={database}", path.display()),
        }
    }
}

/// An IPv6 address as a URL shows it.
fn bracketed(host: &str) -> String {
    if host.contains(':') { format!("[{host}]") } else { host.to_owned() }
}

/// A URL that could not be read, with everything that may be a password taken out.
fn redacted(text: &str) -> String {
    let text = match text.split_once("pass=") {
        Some((before, _)) => format!("{before}pass=…"),
        None => text.to_owned(),
    };
    match (text.find("://"), text.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme => format!("{}…{}", &text[..scheme + 3], &text[at..]),
        // What stands where the port would may be a password whose host was forgotten.
        (Some(scheme), _) => match text[scheme + 3..].split_once(':') {
            Some((host, port)) if !host.contains(['[', '/']) && !starts_with_a_port(port) => {
                format!("{}{host}:…", &text[..scheme + 3])
            }
            _ => text,
        },
        _ => text,
    }
}

fn starts_with_a_port(text: &str) -> bool {
    let port = text.split(['/', '?']).next().unwrap_or_default();
    port.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        StoreUrl::parse(text).unwrap().to_string()
    }

    #[test]
    fn every_form_is_read_and_shown_without_its_password() {
        assert_eq!(shown("sqlite:/var/lib/canhazgpu/"), "sqlite:/var/lib/canhazgpu");
        assert_eq!(shown("sqlite:///srv/gpus"), "sqlite:/srv/gpus");
        assert_eq!(shown("redis://localhost"), "redis://localhost:6379/0");
        assert_eq!(shown("redis://ann:s%40cret@db.example:6380/3"), "redis://ann@db.example:6380/3");
        assert_eq!(shown("redis://[::1]:6379/0"), "redis://[::1]:6379/0");
        assert_eq!(shown("redis+unix:///run/r.sock?db=2&user=ann&pass=s"), "redis+unix:///run/r.sock?db=2");
        if cfg!(feature = "tls") {
            assert_eq!(shown("rediss://:pw@db.example/1"), "rediss://db.example:6379/1");
        }
    }

    #[test]
    fn account_and_password_are_decoded_and_kept_from_view() {
        let StoreUrl::Redis(url) = StoreUrl::parse("redis://ann:s%40cret@host/0").unwrap() else {
            unreachable!()
        };
        assert_eq!(url.user.as_deref(), Some("ann"));
        assert_eq!(url.password, Some(Secret("s@cret".to_owned())));
        assert!(!format!("{url:?}").contains("s@cret"));
    }

    #[test]
    fn what_names_no_store_is_refused_without_showing_a_password() {
        for text in [
            "",
            "/var/lib/canhazgpu",
            "sqlite:relative",
            "sqlite:",
            "http://ann:hunter2@host",
            "redis://ann:hunter2@host:port/0",
            "redis://ann:hunter2@host/zero",
            "redis://ann:hunter2#@host/0",
            "redis+unix:///run/r.sock?db=x&pass=hunter2",
            "redis://ann:hunter2",
            "redis://ann:hunter2/0",
            "redis+unix://",
        ] {
            let error = StoreUrl::parse(text).unwrap_err();
            assert!(matches!(error, StoreError::BadUrl { .. }), "{text}: {error:?}");
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
