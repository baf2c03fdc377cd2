//! Which store was named: by its URL, or by host, port and database as the Go program has it. Pure.

use super::resolve::{Settings, Value};

const REDIS_HOST: &str = "localhost";
const REDIS_PORT: u16 = 6379;

/// The URL of the store, if anybody named one. Within a layer the URL goes before the parts.
pub(super) fn named(settings: &Settings) -> Option<Value<String>> {
    // The last of equals is taken: the host says most.
    let parts = ["redis.db", "redis.port", "redis.host"];
    let strongest =
        parts.into_iter().filter(|key| settings.rank(key).is_some()).max_by_key(|key| settings.rank(key));
    match strongest {
        Some(part) if settings.rank(part) > settings.rank("store") => Some(from_parts(settings, part)),
        _ => settings.get("store"),
    }
}

fn from_parts(settings: &Settings, strongest: &str) -> Value<String> {
    let host = settings.get::<String>("redis.host");
    let port = settings.get::<u16>("redis.port");
    let db = settings.get::<u32>("redis.db");
    let origin = match strongest {
        "redis.port" => port.as_ref().map(|set| set.origin.clone()),
        "redis.db" => db.as_ref().map(|set| set.origin.clone()),
        _ => host.as_ref().map(|set| set.origin.clone()),
    };
    let host = host.map_or_else(|| REDIS_HOST.to_owned(), |set| bracketed(set.value));
    let port = port.map_or(REDIS_PORT, |set| set.value);
    let db = db.map_or(0, |set| set.value);
    Value { value: format!("redis://{host}:{port}/{db}"), origin: origin.unwrap_or(super::Origin::Default) }
}

/// A bare IPv6 address needs brackets in a URL.
fn bracketed(host: String) -> String {
    if host.contains(':') && !host.starts_with('[') { format!("[{host}]") } else { host }
}

/// A store's URL as it may be shown.
pub(crate) fn without_password(url: &str) -> String {
    let (place, query) = url.split_once('?').map_or((url, None), |(place, query)| (place, Some(query)));
    let place = without_login_password(place);
    match query {
        None => place,
        Some(query) => {
            let shown: Vec<String> = query.split('&').map(without_parameter).collect();
            format!("{place}?{}", shown.join("&"))
        }
    }
}

fn without_login_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    // The password may hold any character, an @ or a / that should have been escaped included.
    match rest.rsplit_once('@').map(|(login, place)| (login.split_once(':'), place)) {
        Some((Some((user, _)), place)) => format!("{scheme}://{user}:***@{place}"),
        _ => url.to_owned(),
    }
}

/// Unix socket URLs carry the password as `pass=`.
fn without_parameter(parameter: &str) -> String {
    match parameter.split_once('=') {
        Some((name @ ("pass" | "password"), _)) => format!("{name}=***"),
        _ => parameter.to_owned(),
    }
}
